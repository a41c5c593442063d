"""Noisy counts of the ranges of one column, finer where the mass is: an adaptive tree, made consistent.

A column's codes run from 0 to ``cells`` - 1, and a missing value is one more cell at the end. Each look is one noisy
histogram over disjoint ranges; the next look splits the heavy ones. Consistency as in Hay et al. 2010, "Boosting the
accuracy of differentially private histograms through consistency", with nonnegative counts by projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.layout import BRANCH, MARGINALS, first_edges, split
from synth.artifacts.plan import ColumnLayout

if TYPE_CHECKING:
    from synth.generator.rows import PrivateRows

HEAP_CELLS = 1 << 12  # of a range that is looked at cell by cell
STANDS_OUT = 5.0  # noise stddevs that a cell holds beyond doubt: of a million without anybody, none or one

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def narrowest(largest: int) -> np.dtype[np.integer]:
    """The smallest type that holds codes 0 to ``largest``."""
    return next(np.dtype(kind) for kind in (np.int8, np.int16, np.int32, np.int64) if largest <= np.iinfo(kind).max)


@dataclass(frozen=True)
class Look:
    """Disjoint ranges start <= code < stop in rising order, each inside a range of the look before."""

    start: Integers
    stop: Integers
    parent: Integers  # index into the look before; zeros in the first look
    persons: Floats  # noisy
    cells: Integers | None = None  # noisy cells that each count is the sum of, where that is more than one

    @property
    def variance(self) -> Floats:
        """Of each count, in units of one histogram's."""
        return np.ones(len(self.start)) if self.cells is None else self.cells.astype(np.float64)


@dataclass(frozen=True)
class Ranges:
    """A coding of one column's codes by disjoint ranges, in rising order."""

    column: int
    start: Integers
    stop: Integers

    @property
    def size(self) -> int:
        return max(len(self.start), 1)

    def encode(self, codes: NDArray[np.integer]) -> Integers:
        """The range of each code, -1 for none."""
        if not len(self.start):
            return np.full(len(codes), -1, np.int64)
        place = np.searchsorted(self.start, codes, side="right") - 1
        return np.where((place >= 0) & (codes < self.stop[place]), place, -1).astype(np.int64)


def first_look(layout: ColumnLayout, rows: PrivateRows, column: int) -> Look:
    """The declared first ranges of a column, with the missing value as a last range."""
    edges = np.array(first_edges(layout) + ((layout.cells + 1,) if layout.missing else ()), dtype=np.int64)
    start, stop = edges[:-1], edges[1:]
    return Look(start, stop, np.zeros(len(start), np.int64), rows.histogram(MARGINALS, Ranges(column, start, stop)))


def next_look(look: Look, heavy: float, rows: PrivateRows, column: int) -> Look:
    """Splits the ranges that hold more than ``heavy`` noisy persons. Takes its histogram even if there are none."""
    chosen = np.flatnonzero((look.persons > heavy) & (look.stop - look.start > 1))
    edges = [np.array(split(int(look.start[i]), int(look.stop[i]), BRANCH), dtype=np.int64) for i in chosen]
    start, stop = concatenated([e[:-1] for e in edges]), concatenated([e[1:] for e in edges])
    parent = np.repeat(chosen, [len(e) - 1 for e in edges])
    persons = rows.histogram(MARGINALS, Ranges(column, start, stop))[: len(start)]
    return Look(start, stop, parent, persons)


def heap_look(look: Look, heavy: float, noise: float, rows: PrivateRows, column: int) -> Look:
    """Every cell of the ranges that hold more than ``heavy`` noisy persons: the cells that stand out of the noise, and what lies
    between them as ranges. Takes its histogram even if there are none."""
    width = look.stop - look.start
    chosen = np.flatnonzero((look.persons > heavy) & (width > 1) & (width <= HEAP_CELLS))
    cells = concatenated([np.arange(look.start[i], look.stop[i]) for i in chosen])
    counts = rows.histogram(MARGINALS, Ranges(column, cells, cells + 1))[: len(cells)]
    parent = np.repeat(chosen, width[chosen])
    heap = counts > STANDS_OUT * noise
    begins = heap | np.roll(heap, 1) | (np.diff(parent, prepend=-1) != 0)
    first = np.flatnonzero(begins)
    size = np.diff(np.append(first, len(cells)))
    persons = np.add.reduceat(counts, first) if len(first) else counts
    return Look(cells[first], cells[first] + size, parent[first], persons, size)


def concatenated(parts: Sequence[Integers]) -> Integers:
    return np.concatenate([*parts, np.zeros(0, np.int64)]).astype(np.int64)


def leaves(looks: Sequence[Look], persons: float) -> tuple[Integers, Floats]:
    """The ranges that were not split: edges int64[leaves + 1] and consistent nonnegative counts that sum to ``persons``."""
    settled = _settle(looks, persons)
    start, mass = [], []
    for k, look in enumerate(looks):
        whole = np.ones(len(look.start), bool)
        if k + 1 < len(looks):
            whole[looks[k + 1].parent] = False
        start.append(look.start[whole])
        mass.append(settled[k][whole])
    order = np.argsort(np.concatenate(start))
    edges = np.append(np.concatenate(start)[order], looks[0].stop[-1])
    return edges, np.concatenate(mass)[order]


def simplex(counts: Floats, total: float) -> Floats:
    """The nearest nonnegative counts that sum to ``total`` >= 0 (Euclidean projection, Duchi et al. 2008)."""
    falling = np.sort(counts)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(counts) + 1)
    kept = np.flatnonzero(falling > excess)
    if total <= 0 or not len(kept):
        return np.full(len(counts), max(total, 0.0) / len(counts))
    projected: Floats = np.maximum(counts - excess[kept[-1]], 0.0)
    return projected


def _settle(looks: Sequence[Look], total: float) -> list[Floats]:
    """Each range pooled with what lies below it, then each range's children made to sum to it, from the top down."""
    pooled, variance = _pool(looks)
    settled = [simplex(pooled[0], total)]
    for k in range(1, len(looks)):
        counts = np.zeros(len(looks[k].start))
        for parent in np.unique(looks[k].parent):
            mine = looks[k].parent == parent
            whole, share = settled[k - 1][parent], variance[k][mine] / variance[k][mine].sum()
            counts[mine] = simplex(pooled[k][mine] + share * (whole - pooled[k][mine].sum()), whole)
        settled.append(counts)
    return settled


def _pool(looks: Sequence[Look]) -> tuple[list[Floats], list[Floats]]:
    """From the bottom up: the best estimate of each range, and its variance in units of one count's."""
    pooled, variance = [look.persons.copy() for look in looks], [look.variance for look in looks]
    for k in range(len(looks) - 2, -1, -1):
        size, parent = len(looks[k].start), looks[k + 1].parent
        below, spread = np.bincount(parent, pooled[k + 1], size), np.bincount(parent, variance[k + 1], size)
        cut = spread > 0
        own = variance[k]
        pooled[k][cut] = ((pooled[k] * spread + below * own) / (own + spread))[cut]
        variance[k][cut] = (own * spread / (own + spread))[cut]
    return pooled, variance
