"""The paid 2-way marginals of coarse groups of levels, and the choice of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.layout import CHOICE, PAIRS, all_pairs
from synth.artifacts.plan import Plan
from synth.generator.levels import Levels
from synth.generator.marginals import Ways, noise_persons
from synth.generator.ranges import Floats, Integers
from synth.generator.rows import PrivateRows, Table

FULL = 1.35  # a group of bins is closed before it would hold this much
STRATA = 3  # columns in which rows are alike that sampling spreads evenly
NOISE_DISTANCE = math.sqrt(2 / math.pi)  # mean of |z| of a standard normal z


@dataclass(frozen=True)
class Groups:
    """A coding of one column's levels: ``group`` int64[levels] rises from 0 and leaves none out."""

    column: int
    group: Integers

    @property
    def size(self) -> int:
        return int(self.group.max()) + 1

    def encode(self, codes: NDArray[np.integer]) -> Integers:
        return np.asarray(self.group[codes])

    def shares(self, levels: Levels) -> Floats:
        return np.asarray(np.bincount(self.group, levels.shares), dtype=np.float64)


@dataclass(frozen=True)
class Whole:
    """A coding of one column's levels by themselves."""

    column: int
    size: int

    def encode(self, codes: NDArray[np.integer]) -> Integers:
        return np.asarray(codes, dtype=np.int64)


@dataclass(frozen=True)
class Pairs:
    """Noisy persons in the cells of some pairs' groups, ``tables`` float64[groups, groups], with ``noise`` persons in each."""

    groups: tuple[Groups, ...]
    pairs: tuple[tuple[int, int], ...]
    tables: tuple[Floats, ...]
    noise: float


def measure_pairs(rows: PrivateRows, ways: Ways, plan: Plan) -> Pairs:
    """``rows`` hold levels. Every pair of columns, or the planned number of those that matter most."""
    assert plan.pairs is not None
    groups = tuple(coarsen(j, column, plan.pairs.groups) for j, column in enumerate(ways.columns))
    pairs = all_pairs(len(groups))
    noise = noise_persons(plan, PAIRS)
    if plan.pairs.chosen is not None:
        tables = [_expected(groups[i], groups[j], ways, noise) for i, j in pairs]
        pairs = sorted(pairs[place] for place in rows.choose(CHOICE, tables))
    counts = tuple(rows.histogram(PAIRS, groups[i], groups[j]) for i, j in pairs)
    return Pairs(groups, tuple(pairs), counts, noise)


def coarsen(column: int, levels: Levels, most: int) -> Groups:
    """At most ``most`` groups of equal mass, of neighbours where the column is ordered; a missing value has its own.

    Of an unordered column the ``most`` commonest levels are groups of their own, and the others one more.
    """
    known = levels.shares[: levels.count - levels.missing]
    group = _neighbours(known, most) if levels.ordered else _commonest(known, most)
    if levels.missing:
        group = np.append(group, group.max() + 1)
    return Groups(column, group)


def dependence(pairs: Pairs, columns: int, persons: float) -> Floats:
    """How far each measured pair is from independent (total variation), less what noise alone makes: [columns, columns]."""
    found = np.zeros((columns, columns))
    for (i, j), counts in zip(pairs.pairs, pairs.tables, strict=True):
        table = np.maximum(counts, 0)
        total = table.sum()
        if total > 0:
            apart = np.abs(table - np.outer(table.sum(1), table.sum(0)) / total).sum() / 2 / total
            noise = NOISE_DISTANCE / 2 * pairs.noise / persons * table.size
            found[i, j] = found[j, i] = max(apart - noise, 0.0)
    return found


def _expected(a: Groups, b: Groups, ways: Ways, noise: float) -> Table:
    independent = ways.persons * np.outer(a.shares(ways.columns[a.column]), b.shares(ways.columns[b.column]))
    return Table((a, b), independent, handicap=NOISE_DISTANCE * noise * independent.size)


def _commonest(shares: Floats, most: int) -> Integers:
    order = np.argsort(-shares, kind="stable")
    group = np.empty(len(shares), dtype=np.int64)
    group[order] = np.minimum(np.arange(len(shares)), most)
    return group


def _neighbours(shares: Floats, most: int) -> Integers:
    target = shares.sum() / most
    group, held, current = np.zeros(len(shares), dtype=np.int64), 0.0, 0
    for level, share in enumerate(shares):
        if held > 0 and (held >= 0.9 * target or held + share > FULL * target):
            current, held = current + 1, 0.0
        group[level], held = current, held + share
    return group


def greedy_order(strength: Floats, given: Sequence[int], columns: int) -> Integers:
    """An order of the first ``columns`` columns in which each follows what it depends on most, int64[columns].

    The columns ``given`` come before all of them.
    """
    total = strength.sum(1)
    order: list[int] = [] if len(given) else [int(total[:columns].argmax())]
    while len(order) < columns:
        before = [*given, *order]
        rest = [j for j in range(columns) if j not in order]
        order.append(max(rest, key=lambda j: strength[j, before].max() + 1e-3 * total[j]))
    return np.array(order, dtype=np.int64)


def strata(strength: Floats, order: Integers, given: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """For each place of the order, the ``STRATA`` columns before it that its column depends on most, most first."""
    found = []
    for place, column in enumerate(order):
        before = [*given, *(int(j) for j in order[:place])]
        found.append(tuple(sorted(before, key=lambda j: -strength[column, j])[:STRATA]))
    return tuple(found)
