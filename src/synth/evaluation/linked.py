"""Rows that belong together: those of a unit, and those below a row of another table. What figures of linked tables compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve, Kind
from synth.evaluation.coding import Integers
from synth.evaluation.world import MOST_ROWS, Found


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table, those of a unit together and in order; ``units``: [rows].

    ``above``: all rows of the table that they are below, whether something is below them or not; ``place``: [rows] which of
    those, -1 where the key is of none.
    """

    table: pandas.DataFrame
    units: Integers
    above: Rows | None = None
    place: Integers | None = None

    @property
    def counts(self) -> Integers:
        """Of each row above, how many rows are below it."""
        if self.above is None or self.place is None:
            return np.zeros(0, dtype=np.int64)
        return np.bincount(self.place[self.place >= 0], minlength=len(self.above.table))

    def some(self, rng: np.random.Generator, most: int) -> Rows:
        """The rows of units at random, at most so many; a unit of the table above counts even where it has none here."""
        top, place = (self, np.arange(len(self.units))) if self.above is None else (self.above, self.place)
        assert place is not None
        _, unit = np.unique(top.units, return_inverse=True)
        joined = place >= 0
        sizes = np.bincount(unit[place[joined]], minlength=int(unit.max(initial=-1)) + 1)
        order = rng.permutation(len(sizes))
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[order[np.cumsum(sizes[order]) <= most]] = True
        kept = np.where(joined, chosen[unit[place]], True) if len(unit) else ~joined
        if self.above is None:
            return Rows(self.table[kept], self.units[kept])
        left = chosen[unit]
        renumbered = np.where(joined, (np.cumsum(left) - 1)[place], -1) if len(unit) else place
        above = Rows(self.above.table[left], self.above.units[left])
        return Rows(self.table[kept], self.units[kept], above, renumbered[kept])

    def shuffled(self, rng: np.random.Generator) -> Rows:
        """Whole rows in any order, here and above: who has how many stays, what goes together across rows does not."""
        above = self.above and replace(self.above, table=_mixed(self.above.table, rng))
        return replace(self, table=_mixed(self.table, rng), above=above)


@dataclass(frozen=True, eq=False)
class Linkage:
    """Real rows that candidates stand for and are compared with."""

    train: Rows
    holdout: Rows
    kinds: Mapping[str, Kind]
    name: str  # of the table
    several: bool  # whether a unit can have several rows
    ordered: bool  # whether the rows of a unit have an order
    parent: str = ""  # the table above; none: ""
    parent_kinds: Mapping[str, Kind] | None = None
    seed: int = 0

    def rng(self, of: str) -> np.random.Generator:
        """Randomness of a measure's own, the same each time."""
        return np.random.default_rng([self.seed, *of.encode()])


LinkedMeasure = Callable[[Rows], Iterable[Found | Curve]]


def candidates(synthetic: Rows, linkage: Linkage) -> dict[str, Rows]:
    """About equally many rows of each, whole units: the synthetic ones, the train ones, and those of train shuffled."""
    most = min(len(synthetic.table), len(linkage.train.table), MOST_ROWS)
    rng = linkage.rng("linked candidates")
    chosen, train = synthetic.some(rng, most), linkage.train.some(rng, most)
    return {"synthetic": chosen, "train": train, "shuffled": train.shuffled(rng)}


def below(rows: Rows, keys: Integers, above: Rows, named: Integers) -> Rows:
    """``keys``: [rows] of the rows above, which are ``named`` so: [rows above]."""
    order = np.argsort(named, kind="stable")
    found = np.minimum(np.searchsorted(named[order], keys), max(len(named) - 1, 0))
    known = named[order][found] == keys if len(named) else np.zeros(len(keys), dtype=bool)
    return replace(rows, above=above, place=np.where(known, order[found] if len(named) else -1, -1))


def below_by_name(rows: Rows, keys: pandas.DataFrame, above: Rows, named: pandas.DataFrame) -> Rows:
    """The same where rows are named by several columns."""
    joined = pandas.concat([each.set_axis(range(each.shape[1]), axis=1) for each in (keys, named)], ignore_index=True)
    numbers: Integers = joined.groupby(list(joined.columns), sort=False).ngroup().to_numpy().astype(np.int64)
    return below(rows, numbers[: len(keys)], above, numbers[len(keys) :])


def _mixed(table: pandas.DataFrame, rng: np.random.Generator) -> pandas.DataFrame:
    return table.iloc[rng.permutation(len(table))]
