"""Units and their rows, in order: what a network learns from and what sampling makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synth.artifacts.plan import Rise
from synth.generator.ranges import Floats, Integers


@dataclass(frozen=True, eq=False)
class Sequences:
    """``levels`` int64[rows, columns], the rows of a unit together and in order; ``sizes`` int64[units], 1 or more each."""

    levels: Integers
    sizes: Integers

    @cached_property
    def first(self) -> Integers:
        """The first row of each unit, int64[units]."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def unit(self) -> Integers:
        """The unit of each row, int64[rows]."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def position(self) -> Integers:
        """The place of each row in its unit, from 0: int64[rows]."""
        return np.arange(len(self.levels)) - self.first[self.unit]

    @cached_property
    def weights(self) -> Floats:
        """1 / n for each of the n rows of a unit, float64[rows]."""
        return 1 / self.sizes[self.unit]

    def rows_of(self, units: Integers) -> Integers:
        """The rows of some units, in this order and as often as they are named, int64[rows]."""
        return places(self.first[units], self.sizes[units])

    def take(self, units: Integers) -> Sequences:
        """Some units, in this order and as often as they are named."""
        return Sequences(self.levels[self.rows_of(units)], self.sizes[units])


def ends(rise: Rise, codes: Integers, lengths: Integers | None, cells: int) -> Integers:
    """Where each row ends, int64[rows]: its code, and as long after it as its length says; a length of ``cells`` is missing."""
    if lengths is None:
        return codes
    return np.asarray(codes + np.where(lengths < cells, np.maximum(lengths - rise.zero, 0), 0))


def places(first: Integers, sizes: Integers) -> Integers:
    """``first``, ``first`` + 1 and so on, as many as ``sizes`` says, one run after the other: int64[sum of sizes]."""
    starts = np.cumsum(sizes) - sizes
    found: Integers = np.arange(int(sizes.sum())) + np.repeat(first - starts, sizes)
    return found
