"""A column's levels: categories, bins, spikes, missing; what the network sees instead of codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.plan import ColumnLayout
from synth.generator.ranges import Floats, Integers

SPIKE = 0.8  # a single cell with this part of a bin's mass is a bin of its own
FULL = 1.5  # a bin is closed before it would hold this much
CERTAIN = 4.0  # noise stddevs that a bin must hold, where that is less than its share
FEW = 12  # categories that keep a level of their own however rare they are


@dataclass(frozen=True)
class Levels:
    """Levels 0 to ``count`` - 1 of one column, each made of leaves, each leaf a range of codes.

    ``edges`` int64[leaves + 1] bound the leaves, ``mass`` float64[leaves] are their noisy shares, ``level``
    int64[leaves] says to which level each leaf belongs, ``shares`` float64[levels] are positive and sum to 1. Levels of
    an ordered column rise with its codes. A missing value is the last level.
    """

    name: str
    ordered: bool
    missing: bool
    edges: Integers
    mass: Floats
    level: Integers
    shares: Floats

    def __post_init__(self) -> None:
        for array in (self.edges, self.mass, self.level, self.shares):
            array.setflags(write=False)

    @property
    def count(self) -> int:
        return len(self.shares)

    def encode(self, codes: NDArray[np.integer]) -> Integers:
        """Codes int64[rows] to levels int64[rows]."""
        return self.level[np.searchsorted(self.edges, codes, side="right") - 1]

    def typical(self, statistic: str) -> int:
        """A code that stands for all that are not missing, by the noisy shares: their ``mean``, ``median`` or ``mode``."""
        known = len(self.mass) - self.missing
        mass = self.mass[:known] + 1e-9 / known  # also where nobody is
        middle = (self.edges[:known] + self.edges[1 : known + 1] - 1) / 2
        if statistic == "mean":
            return round(float(mass @ middle / mass.sum()))
        if statistic == "median":
            return int(middle[np.searchsorted(np.cumsum(mass), mass.sum() / 2)])
        return int(middle[mass.argmax()])

    @cached_property
    def spans(self) -> tuple[Integers, Integers]:
        """The least and the greatest code of each level but that of a missing value, int64[levels] each."""
        known = self.count - self.missing
        first, last = np.full(known, self.edges[-1]), np.zeros(known, np.int64)
        inside = self.level < known
        np.minimum.at(first, self.level[inside], self.edges[:-1][inside])
        np.maximum.at(last, self.level[inside], self.edges[1:][inside] - 1)
        return first, last

    @cached_property
    def _leaves(self) -> tuple[Integers, Integers, Floats, Integers]:
        """Start and width of the leaves, those of one level together; the mass below each; each level's first."""
        order = np.argsort(self.level, kind="stable")
        start, width = self.edges[:-1][order], np.diff(self.edges)[order]
        weight = self.mass[order] + 1e-9 * width / width.sum()  # a level without mass still has leaves to draw from
        below = np.append(0.0, np.cumsum(weight))
        return start, width, below, np.searchsorted(self.level[order], np.arange(self.count + 1))

    @cached_property
    def density(self) -> Floats:
        """Of each leaf, a code's part of what the leaf's level decodes to: float64[leaves]."""
        width = np.diff(self.edges)
        weight = self.mass + 1e-9 * width / width.sum()  # as in ``decode``
        density: Floats = weight / width / np.bincount(self.level, weight)[self.level]
        return density

    def decode(self, levels: Integers, random: np.random.Generator) -> Integers:
        """Levels int64[rows] to codes int64[rows]: a leaf by its mass, then any code of that leaf."""
        start, width, below, first = self._leaves
        low, high = below[first[:-1]], below[first[1:]]
        target = low[levels] + spread(levels, self.count, random) * (high - low)[levels]
        leaf = np.searchsorted(below, target, side="right") - 1
        leaf = np.clip(leaf, first[levels], first[levels + 1] - 1)
        codes: Integers = start[leaf] + (random.random(len(levels)) * width[leaf]).astype(np.int64)
        return codes


def spread(groups: Integers, count: int, random: np.random.Generator) -> Floats:
    """Uniforms in [0, 1), evenly spread within each group and in random order: float64[rows] (systematic sampling)."""
    order = shuffled_by(groups, random)
    sizes = np.bincount(groups, minlength=count)
    rank = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    uniform = np.empty(len(groups))
    uniform[order] = (rank + random.random(len(groups))) / np.repeat(sizes, sizes)
    return uniform


def shuffled_by(groups: Integers, random: np.random.Generator) -> Integers:
    """An order that sorts by group (0 to 2^40), at random within one."""
    noise = random.integers(0, 1 << 22, len(groups))
    return np.argsort((groups << 22) | noise)


def merge(
    column: ColumnLayout, edges: Integers, persons: Floats, noise_persons: float, bins: int, most_levels: int
) -> Levels:
    """Leaves into levels: an ordered column's into about ``bins`` of equal mass, an unordered one's by how common they are.

    ``edges`` int64[leaves + 1], ``persons`` float64[leaves] with the missing value's last.
    """
    known = persons[:-1] if column.missing else persons
    level = (
        _binned(edges, known, noise_persons, bins)
        if column.ordered
        else _common(known, noise_persons, most_levels, np.array(column.groups or [0] * len(known), dtype=np.int64))
    )
    if column.missing:
        level = np.append(level, level.max() + 1)
    total = float(persons.sum())
    shares = np.bincount(level, persons) / total
    floor = min(0.3 / total, 0.1 / len(shares))  # under a person; its logarithm is finite
    shares = np.maximum(shares, floor)
    return Levels(column.name, column.ordered, column.missing, edges, persons / total, level, shares / shares.sum())


def _common(persons: Floats, noise: float, most_levels: int, groups: Integers) -> Integers:
    """A level for each category, but for the rarest where there are more than ``most_levels``: those of a group share one.

    So do categories that are lost in the noise, where there are many of them. ``groups`` int64[categories]: of their own
    where they are few enough; the least common of them are one.
    """
    if len(persons) <= min(most_levels, FEW):
        return np.arange(len(persons))
    shared = min(int(groups.max()) + 1, max(most_levels // 2, 1))
    by_group = np.argsort(np.argsort(-np.bincount(groups, persons), kind="stable"))  # 0: the commonest
    order = np.argsort(-persons, kind="stable")
    kept = order[: most_levels - shared]
    kept = np.sort(kept[(persons[kept] > 2 * noise) | (np.arange(len(kept)) < FEW - shared)])
    level = len(kept) + np.minimum(by_group[groups], shared - 1)
    level[kept] = np.arange(len(kept))
    return np.unique(level, return_inverse=True)[1]


def _binned(edges: Integers, persons: Floats, noise: float, bins: int) -> Integers:
    """The bin of each leaf. Spikes are bins of their own; the others share what is left, however little it is."""
    total = max(float(persons.sum()), 1e-9)
    single = np.diff(edges)[: len(persons)] == 1
    left = float(persons[~(single & (persons >= SPIKE * total / bins))].sum())
    target = max(left / bins, min(CERTAIN * noise, total / bins))
    spikes = single & (persons >= SPIKE * target)
    level, held, current = np.zeros(len(persons), dtype=np.int64), 0.0, 0
    for leaf, mass in enumerate(persons):
        after_spike = leaf and spikes[leaf - 1]
        if leaf and (after_spike or spikes[leaf] or held >= target or held + mass > FULL * target):
            current += 1
            held = 0.0
        level[leaf] = current
        held += mass
    return level
