"""How often a row repeats the row before: paid counts, and what sampling does to have as many. A network that has learned with
noise lets go of what stays; the counts tell by how much."""

from __future__ import annotations

import numpy as np

from synth.artifacts.layout import PERSISTENCE
from synth.artifacts.plan import Plan
from synth.generator.marginals import Ways
from synth.generator.network import Columns, Network
from synth.generator.pairs import Whole
from synth.generator.ranges import Floats, Integers
from synth.generator.rows import PrivateRows
from synth.generator.sampling import draw
from synth.generator.sequences import Sequences

UNITS = 4_000  # drawn in a round
ROUNDS = 4
NEVER = 0.002  # a share below it, or above its complement, counts as this


def measure_repeats(rows: PrivateRows, ways: Ways, plan: Plan) -> Floats:
    """Of each column of the table, the noisy share of rows after a unit's first that repeat the level before, [columns]."""
    found = []
    for j, column in enumerate(ways.columns[: len(plan.layout)]):
        differs, same = np.maximum(rows.repeats(PERSISTENCE, Whole(j, column.count)), 0)
        found.append(same / (differs + same) if differs + same > 0 else column.shares @ column.shares)
    return np.array(found)


def pull_of(
    network: Network, columns: Columns, wanted: Floats | None, given: Integers, sizes: Integers,
    random: np.random.Generator,
) -> Floats | None:  # fmt: skip
    """By how much the logit of the level before must rise so that rows repeat it as often as ``wanted``, float64[columns].

    None where nothing was measured. Found by drawing; ``given`` [units, given columns] and ``sizes`` int64[units] say for which
    units. Where a column rises it is 0: that one keeps its level anyway.
    """
    if wanted is None:
        return None
    several, pull = np.flatnonzero(sizes > 1), np.zeros(len(wanted))
    if not len(several):
        return pull
    for _ in range(ROUNDS):
        units = random.choice(several, UNITS)
        rows = draw(network, columns, given[units], sizes[units], random, pull=pull).rows
        pull += _logit(wanted) - _logit(_share_repeated(rows, len(wanted)))
        pull[list(columns.rising)] = 0
    return pull


def _share_repeated(rows: Sequences, columns: int) -> Floats:
    later = np.flatnonzero(rows.position > 0)
    same = rows.levels[later, :columns] == rows.levels[later - 1, :columns]
    weights = rows.weights[later]
    return np.asarray(weights @ same / weights.sum())


def _logit(share: Floats) -> Floats:
    inside = np.clip(share, NEVER, 1 - NEVER)
    return np.asarray(np.log(inside / (1 - inside)))
