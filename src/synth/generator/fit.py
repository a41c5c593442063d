"""The door of the room: private codes in, a fitted generator out.

The stages, in order: noisy marginals of columns and pairs, a fit to them, a network that learns from the fit (warm start)
and from its own rows brought to the marginals (refinement), and DP-SGD on the real rows. Three of them ask a
``PrivateRows``, which pays for each answer; all others see answers only. What is left of the work is done as rows are
drawn: see ``synthesis``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.layout import generated, modelled, rising
from synth.artifacts.plan import ColumnLayout, Plan
from synth.generator.fitted import Generator
from synth.generator.learning import Progress, learn
from synth.generator.marginal_fit import fit_marginals, sample_mixture
from synth.generator.marginals import Ways, measure
from synth.generator.network import Columns, Network, Strata
from synth.generator.paid_figures import paid_figures
from synth.generator.pairs import Pairs, dependence, greedy_order, measure_pairs
from synth.generator.pairs import strata as strata_of
from synth.generator.ranges import Floats, Integers, narrowest
from synth.generator.repeats import measure_repeats, pull_of
from synth.generator.rows import PrivateRows
from synth.generator.sampling import draw, sizes_from
from synth.generator.sequences import Sequences, ends, places
from synth.generator.tilt import tilted
from synth.generator.warm_start import as_units
from synth.privacy.mechanisms import Curator
from synth.privacy.randomness import Randomness

StageProgress = Callable[[str, int, int], None]  # the stage, steps done, steps in all


@dataclass(frozen=True, eq=False)
class Codes:
    """Private rows: codes [rows] of each column as the plan's layout says (then the parent's), ``unit`` [rows].

    In a child table ``parent`` [rows] tells a unit's rows below one row of its parent from those below another. Rows are
    in order; where those that belong together lie apart they are brought together.
    """

    columns: Sequence[NDArray[np.integer]]
    unit: NDArray[np.integer]
    parent: NDArray[np.integer] | None = None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Private rows of people who have no part in the fit, and how the table is drawn that they are compared with.

    ``drawn`` gives codes int64[rows, columns] of the generator's rows, and the unit of each, int64[rows].
    """

    codes: Codes
    drawn: Callable[[Generator], tuple[Integers, Integers]]


def fit(
    codes: Codes, plan: Plan, randomness: Randomness, progress: StageProgress | None = None, held_out: HeldOut | None = None
) -> Generator:  # fmt: skip
    """Fits a generator as ``plan`` says; its events are spent whatever the rows are, and also where there are none.

    ``held_out``: for the figures of a release, where the plan pays for such.

    Codes outside the layout count as the nearest. ``RunError`` where an event was asked less often than the plan says.
    """

    def during(stage: str) -> Progress:
        return lambda step, steps: progress(stage, step, steps) if progress else None

    during("marginals")(0, 1)
    curator = Curator(plan.privacy.events, randomness)
    rows = private_rows(codes, plan, curator)
    ways = measure(rows, plan)
    rows = rows.with_codes(
        lambda j, column: ways.columns[j].encode(column).astype(narrowest(ways.columns[j].count - 1)), len(ways.columns)
    )
    pairs = measure_pairs(rows, ways, plan) if plan.pairs else None
    repeats = measure_repeats(rows, ways, plan) if plan.pairs and plan.cap > 1 else None
    order, strata = _order(ways, pairs, len(generated(plan.layout)))
    rises = rising(plan.layout)
    columns = Columns(ways.columns, order, strata, plan.cap > 1, plan.network.basis, rises)
    network = Network(columns, plan.network, plan.seed)
    if plan.kind == "independent":
        network.forget()
    like = Sequences(np.zeros((0, len(ways.columns)), np.int64), np.zeros(0, np.int64))
    if pairs and plan.marginal_fit and plan.warm_start:
        mixture = fit_marginals(ways, pairs, plan.marginal_fit, plan.seed, during("marginal fit"))
        random = np.random.default_rng([plan.seed, 0])
        first = sample_mixture(mixture, plan.warm_start.units, random)
        like = as_units(first, ways, columns, repeats, random)
        learn(network, columns, like, plan.warm_start, plan.seed, during("warm start"))
        if plan.refinement and plan.tilt:
            given = first[: plan.refinement.units, columns.generated :]
            like = _refined(network, columns, ways, pairs, repeats, given, plan)
            learn(network, columns, like, plan.refinement, plan.seed + 1, during("refinement"))
    if plan.dp_sgd:
        from synth.generator.dp_sgd import train

        train(network, columns, rows, like, plan.dp_sgd, randomness, during("DP-SGD"))
    weights = {name: matrix.detach().numpy().copy() for name, matrix in network.matrices.items()}
    generator = Generator(
        plan.model, plan.cap, plan.network, ways, pairs, repeats, order, strata, rises, plan.tilt, plan.distillation,
        weights,
    )  # fmt: skip
    if held_out is not None:
        during("release metrics")(0, 1)
        asked = private_rows(held_out.codes, plan, curator)
        generator = replace(generator, paid=paid_figures(generator, asked, plan, *held_out.drawn(generator)))
    curator.check_spent()
    return generator


def private_rows(codes: Codes, plan: Plan, curator: Curator) -> PrivateRows:
    """The rows behind their doors: units together, no sequence with more rows than the cap, all codes inside the layout."""
    unit, columns = codes.unit, list(codes.columns)
    parent = np.zeros(len(unit), np.int64) if codes.parent is None else codes.parent
    if np.any(np.diff(unit) < 0) or codes.parent is not None:
        order = np.lexsort([parent, unit])
        unit, parent, columns = unit[order], parent[order], [column[order] for column in columns]
    others = (np.diff(unit, prepend=unit[:1] - 1) != 0) | (np.diff(parent, prepend=parent[:1]) != 0)
    first = np.flatnonzero(others).astype(np.int64)
    sizes = np.minimum(np.diff(np.append(first, len(unit))), plan.cap).astype(np.int64)
    whose = np.cumsum(np.diff(unit[first], prepend=unit[first][:1]) != 0)
    if int(sizes.sum()) < len(unit):
        kept = places(first, sizes)
        columns, first = [column[kept] for column in columns], np.cumsum(sizes) - sizes
    landed, given = columns[: len(plan.layout)], columns[len(plan.layout) :]
    columns = [*_risen(landed, plan.layout, first, sizes), *given]
    if plan.cap > 1:
        columns.append(np.repeat(sizes - 1, sizes))
    tops = [layout.cells - 1 + layout.missing for layout in modelled(plan)]
    columns = [_inside(column, top) for column, top in zip(columns, tops, strict=True)]
    return PrivateRows(columns, first, sizes, whose, curator)


def _risen(
    columns: Sequence[NDArray[np.integer]], layout: Sequence[ColumnLayout], first: Integers, sizes: Integers
) -> list[NDArray[np.integer]]:  # fmt: skip
    """The columns, a sequence's first value in every row of one that rises, and behind them how far each row of it is from the
    end of the row before."""
    found = list(columns)
    for rise in rising(layout):
        codes = columns[rise.column].astype(np.int64)
        lengths = None if rise.until is None else columns[rise.until].astype(np.int64)
        end = ends(rise, codes, lengths, 0 if rise.until is None else layout[rise.until].cells)
        steps = np.maximum(codes - np.roll(end, 1), 0)
        steps[first] = layout[rise.column].cells
        found.append(steps)
        found[rise.column] = np.repeat(codes[first], sizes)
    return found


def _inside(codes: NDArray[np.integer], top: int) -> NDArray[np.integer]:
    """Codes outside 0 to ``top`` become the nearest; where none is, nothing is copied: they may be mapped from disk."""
    outside = codes.min(initial=0) < 0 or codes.max(initial=0) > top
    return np.clip(codes, 0, top) if outside else codes


def _order(ways: Ways, pairs: Pairs | None, generated: int) -> tuple[Integers, Strata]:
    """The order in which columns are generated, and for each those before it that it depends on most."""
    if pairs is None:
        return np.arange(generated), ((),) * generated
    strength, given = dependence(pairs, len(ways.columns), ways.persons), range(generated, len(ways.columns))
    order = greedy_order(strength, given, generated)
    return order, strata_of(strength, order, given)


def _refined(
    network: Network, columns: Columns, ways: Ways, pairs: Pairs, repeats: Floats | None, given: Integers, plan: Plan
) -> Sequences:  # fmt: skip
    """Rows of the network, with the noisy marginals."""
    assert plan.tilt is not None
    random = np.random.default_rng([plan.seed, 1])
    sizes = sizes_from(ways.columns, given, plan.cap, random)
    pull = pull_of(network, columns, repeats, given, sizes, random)
    units = draw(network, columns, given, sizes, random, pull=pull)
    return tilted(units.rows, ways, pairs, plan.tilt.steps, random)
