"""A column's levels: categories, bins, spikes, missing; what the network sees instead of codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.generator.ranges import Floats, Integers

SPIKE = 0.8  # a single cell with this part of a bin's mass is a bin of its own
FULL = 1.5  # a bin is closed before it would hold this much


@dataclass(frozen=True)
class Levels:
    """Levels 0 to ``count`` - 1 of one column, each a run of leaves, each leaf a range of codes.

    ``edges`` int64[leaves + 1] bound the leaves, ``mass`` float64[leaves] are their shares, ``first`` int64[levels] is
    the first leaf of each level, ``shares`` float64[levels] are positive and sum to 1. A missing value is the last level.
    """

    name: str
    ordered: bool
    missing: bool
    edges: Integers
    mass: Floats
    first: Integers
    shares: Floats

    def __post_init__(self) -> None:
        for array in (self.edges, self.mass, self.first, self.shares):
            array.setflags(write=False)

    @property
    def count(self) -> int:
        return len(self.first)

    def encode(self, codes: Integers) -> Integers:
        """Codes int64[rows] to levels int64[rows]."""
        return np.searchsorted(self.edges[self.first], codes, side="right") - 1

    def decode(self, levels: Integers, random: np.random.Generator) -> Integers:
        """Levels int64[rows] to codes int64[rows]: a leaf by its mass, then any code of that leaf."""
        width = np.diff(self.edges)
        weight = self.mass + 1e-9 * width / width.sum()  # a level without mass still has leaves to draw from
        below = np.append(0.0, np.cumsum(weight))
        last = np.append(self.first[1:], len(width)) - 1
        low, high = below[self.first], below[last + 1]
        target = low[levels] + spread(levels, self.count, random) * (high - low)[levels]
        leaf = np.searchsorted(below, target, side="right") - 1
        leaf = np.clip(leaf, self.first[levels], last[levels])
        codes: Integers = self.edges[leaf] + (random.random(len(levels)) * width[leaf]).astype(np.int64)
        return codes


def spread(groups: Integers, count: int, random: np.random.Generator) -> Floats:
    """Uniforms in [0, 1), evenly spread within each group and in random order: float64[rows] (systematic sampling)."""
    order = np.lexsort((random.random(len(groups)), groups))
    sizes = np.bincount(groups, minlength=count)
    rank = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    uniform = np.empty(len(groups))
    uniform[order] = (rank + random.random(len(groups))) / np.repeat(sizes, sizes)
    return uniform


def merge(name: str, ordered: bool, missing: bool, edges: Integers, persons: Floats, bins: int) -> Levels:
    """Joins the leaves of an ordered column into about ``bins`` levels of equal mass; leaves others as they are."""
    known = persons[:-1] if missing else persons
    first = _joined(edges, known, bins) if ordered else list(range(len(known)))
    starts = np.array(first + [len(known)] * missing, dtype=np.int64)
    total = float(persons.sum())
    shares = np.add.reduceat(persons, starts) / total
    floor = min(0.3 / total, 0.1 / len(starts))  # under a person; its logarithm is finite
    shares = np.maximum(shares, floor)
    return Levels(name, ordered, missing, edges, persons / total, starts, shares / shares.sum())


def _joined(edges: Integers, persons: Floats, bins: int) -> list[int]:
    """First leaf of each bin."""
    target = max(float(persons.sum()), 1e-9) / bins
    first, held = [0], 0.0
    alone = False  # the open bin is a spike
    for leaf, mass in enumerate(persons):
        spike = edges[leaf + 1] - edges[leaf] == 1 and mass >= SPIKE * target
        if leaf > first[-1] and (alone or spike or held >= target or held + mass > FULL * target):
            first.append(leaf)
            held = 0.0
        held, alone = held + mass, bool(spike)
    return first
