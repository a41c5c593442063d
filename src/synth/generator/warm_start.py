"""Rows for the warm start: units made of rows of the marginal fit, each row alike to the one before as was measured."""

from __future__ import annotations

import numpy as np

from synth.generator.levels import Levels
from synth.generator.marginals import Ways
from synth.generator.network import Columns
from synth.generator.ranges import Floats, Integers
from synth.generator.sequences import Sequences


def as_units(
    rows: Integers, ways: Ways, columns: Columns, repeats: Floats | None, random: np.random.Generator
) -> Sequences:
    """Units whose first rows are ``rows`` int64[units, columns], the last column the rows per unit where there are several.

    Further rows are other rows of units of the same size. A column then takes over the level of the row before as
    often as is missing from the measured share of repeats. A column that rises keeps its first value, and has a step in every
    row but the first.
    """
    if repeats is None:
        return Sequences(rows, np.ones(len(rows), dtype=np.int64))
    sizes = _sizes(rows[:, -1], ways.columns[-1], random)
    units = Sequences(np.repeat(rows, sizes, axis=0), sizes)
    generated, rising = columns.generated, list(columns.rising)
    copied = np.zeros(generated)
    copied[: columns.landed] = _copied(ways.columns[: columns.landed], repeats)
    copied[rising] = 1
    known = _with_steps(rows, ways, columns, random)
    for step in range(columns.landed, generated):
        units.levels[units.first, step] = ways.columns[step].count - 1
    for position in range(1, int(sizes.max(initial=1))):
        longer = np.flatnonzero(sizes > position)
        fresh = known[_alike(rows[:, -1], longer, random), :generated]
        here = units.first[longer] + position
        same = random.random((len(longer), generated)) < copied
        units.levels[here, :generated] = np.where(same, units.levels[here - 1, :generated], fresh)
    return units


def _with_steps(rows: Integers, ways: Ways, columns: Columns, random: np.random.Generator) -> Integers:
    """The rows, where a step is missing with one by its noisy shares."""
    found = rows.copy() if columns.rising else rows
    for step in range(columns.landed, columns.generated):
        shares = ways.columns[step].shares[:-1]
        missing = np.flatnonzero(rows[:, step] == len(shares))
        found[missing, step] = random.choice(len(shares), len(missing), p=shares / shares.sum())
    return found


def _sizes(level: Integers, column: Levels, random: np.random.Generator) -> Integers:
    return column.decode(level, random) + 1


def _copied(columns: tuple[Levels, ...], repeats: Floats) -> Floats:
    """How often each column is copied, so that with repeats by chance it repeats as often as measured."""
    chance = np.array([column.shares @ column.shares for column in columns])
    return np.asarray(np.clip((repeats - chance) / np.maximum(1 - chance, 1e-9), 0, 1))


def _alike(group: Integers, chosen: Integers, random: np.random.Generator) -> Integers:
    """For each chosen row another of its group, or itself where it is alone."""
    order = np.lexsort((random.random(len(group)), group))
    start, count = np.searchsorted(group[order], group[chosen]), np.bincount(group)[group[chosen]]
    return order[start + (random.random(len(chosen)) * count).astype(np.int64)]
