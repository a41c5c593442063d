"""``synth sample``: more rows of a fitted generator, with a condition or without. Post-processing, so free of budget.

Rows are drawn as for the table, and those that meet the condition are kept: what is kept has the distribution that the
generator has given the condition, whatever the condition is (rejection sampling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synth.artifacts.compiled import Request, SyntheticModel
from synth.errors import RunError
from synth.runtime.above import Above
from synth.runtime.drawing import Drawing
from synth.runtime.listener import Listener
from synth.runtime.pools import make_up
from synth.runtime.warehouse import Warehouse

if TYPE_CHECKING:
    from synth.generator.fitted import Generator

LEAST_UNITS, MOST_UNITS = 5_000, 100_000  # of one pass, or rows of the table above
ENOUGH = 1.2  # times the units that were needed so far for a row, for those that are still wanted
MOST_DRAWN = 1_000_000  # rows beyond those that are asked for; then that is too rare


def more_rows(
    request: Request, model: SyntheticModel, generator: Generator, warehouse: Warehouse, listener: Listener, seed: int
) -> None:  # fmt: skip
    """``more`` of the warehouse becomes ``request.rows`` rows of each group; RunError where they are too rare."""
    from synth.generator.synthesis import draw_sizes

    drawing = Drawing(warehouse, listener, model, generator, {p.variable: make_up(p, seed) for p in model.pools})
    below = Above.of(warehouse.rows_above(model.link), model.link) if model.link else None
    found, drawn, sequences, passes = np.zeros(len(request.groups), np.int64), 0, 0, 0
    wanted = LEAST_UNITS if request.conditional else request.rows
    most = MOST_DRAWN + int(ENOUGH * request.rows * len(request.groups))
    while (found < request.rows).any():
        if drawn > most or (passes and not drawn):
            few = request.groups[int(found.argmin())]
            raise RunError(
                f"only {found.min():,} of {drawn:,} rows of {model.name} meet this: {few.name}",
                "Ask for fewer rows, or for what is less rare.",
            )
        own_seed = int(np.random.SeedSequence([seed, passes]).generate_state(1)[0])
        size = max(LEAST_UNITS, min(wanted, MOST_UNITS))
        above = below.some(size, own_seed) if below else Above.units(draw_sizes(generator, size, None, own_seed))
        drawing.draw(above, own_seed)
        # new people, or further rows below the same ones
        drawn += warehouse.keep(request, found.tolist(), "#position" if below else "#unit", drawn, first=not passes)
        found, sequences, passes = warehouse.kept(len(request.groups)), sequences + len(above.sizes), passes + 1
        wanted = int(ENOUGH * (request.rows - found.min()) * sequences / max(found.min(), 1))
