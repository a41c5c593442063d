"""Dependence across rows: of a row and the row above it, of a row above and how many are below, of a row and the one before.

Rows are set side by side, and pairs of a column here and a column there are judged as pairs within a table are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve, Kind
from synth.evaluation.coding import cells, some
from synth.evaluation.correlations import associations
from synth.evaluation.linked import Linkage, LinkedMeasure, Rows
from synth.evaluation.marginals import BINS, dependence_kept, mean, strongest
from synth.evaluation.world import Found, World

MOST_PAIRS = 12  # that are told of: the strongest in train
NONE = "no row stands beside another"

Joined = Callable[[Rows], pandas.DataFrame]


def with_parent(linkage: Linkage) -> LinkedMeasure:
    """Each column of a row with each column of the row above it."""
    above = _above(linkage)
    pairs = list(itertools.product(linkage.kinds, above))

    def joined(rows: Rows) -> pandas.DataFrame:
        assert rows.above is not None and rows.place is not None
        found = rows.place >= 0
        there = rows.above.table.iloc[rows.place[found]].set_axis(list(above), axis=1)
        return _beside(rows.table[found], there)

    return _crossed("parent", {**linkage.kinds, **above}, pairs, joined, linkage)


def rows_below(linkage: Linkage) -> LinkedMeasure:
    """Each column of a row above with the number of rows below it."""
    above, count = _above(linkage), f"rows of {linkage.name}"

    def joined(rows: Rows) -> pandas.DataFrame:
        assert rows.above is not None
        there = rows.above.table.set_axis(list(above), axis=1)
        return _beside(there, pandas.DataFrame({count: rows.counts.astype(np.float64)}))

    return _crossed("rows_below", {**above, count: "numeric"}, [(name, count) for name in above], joined, linkage)


def with_previous(linkage: Linkage) -> LinkedMeasure:
    """Each column with itself in the row before, of the same unit: dependence at lag 1."""
    before = {f"previous {name}": kind for name, kind in linkage.kinds.items()}

    def joined(rows: Rows) -> pandas.DataFrame:
        later = np.flatnonzero(rows.units[1:] == rows.units[:-1]) + 1
        return _beside(rows.table.iloc[later], rows.table.iloc[later - 1].set_axis(list(before), axis=1))

    pairs = list(zip(linkage.kinds, before, strict=True))
    return _crossed("lag_1", {**linkage.kinds, **before}, pairs, joined, linkage)


def _crossed(
    name: str, kinds: Mapping[str, Kind], pairs: Sequence[tuple[str, str]], joined: Joined, linkage: Linkage
) -> LinkedMeasure:  # fmt: skip
    """``pairs``: of columns of the joined table, each in its order. Figures are called by the name and that of pairs."""
    train, holdout = joined(linkage.train), joined(linkage.holdout)
    units = np.arange(len(train)), np.arange(len(holdout))
    world, places = World(train, holdout, *units, kinds, seed=linkage.seed), {n: i for i, n in enumerate(kinds)}
    numbers = [(places[a], places[b]) for a, b in pairs]

    def measure(candidate: Rows) -> Iterator[Found | Curve]:
        table = joined(candidate)
        if not (len(table) and len(train) and len(holdout)):
            yield Found(f"{name}_marginal_2", None, "higher", note=NONE)
            return
        both = cells(table, world, BINS[2])
        yield mean(f"{name}_marginal_2", (1 - both.distance(pair) for pair in numbers), "no two columns")
        kept = [found for pair in strongest(world, numbers) if (found := dependence_kept(both, pair)) is not None]
        yield mean(f"{name}_dependence", kept, "no two columns depend on each other")
        yield from _associations(name, table, world, pairs)

    return measure


def _associations(
    name: str, table: pandas.DataFrame, world: World, pairs: Sequence[tuple[str, str]]
) -> Iterator[Found]:  # fmt: skip
    """Spearman's coefficient, Cramér's V or the correlation ratio, whichever the pair has; what is undefined is 0."""
    here, there, train = (
        {pair: float(np.nan_to_num(value)) for pair, value in _of(rows, world, pairs).items()}
        for rows in (table, some(world.holdout, world), some(world.train, world))
    )
    differences = [abs(here[pair] - there[pair]) for pair in pairs]
    value = float(np.mean(differences)) if differences else None
    yield Found(f"{name}_association_difference", value, "lower", note="" if differences else "no two columns")
    for pair in sorted(pairs, key=lambda pair: -abs(train[pair]))[:MOST_PAIRS]:
        yield Found(f"{name}_association", here[pair], "train", of=" × ".join(pair))


def _of(table: pandas.DataFrame, world: World, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
    found = associations(table, world, pairs)
    return {
        pair: value for kind in ("spearman", "cramers_v", "correlation_ratio") for pair, value in found[kind].items()
    }


def _above(linkage: Linkage) -> dict[str, Kind]:
    return {f"{linkage.parent}.{name}": kind for name, kind in (linkage.parent_kinds or {}).items()}


def _beside(one: pandas.DataFrame, other: pandas.DataFrame) -> pandas.DataFrame:
    return pandas.concat([one.reset_index(drop=True), other.reset_index(drop=True)], axis=1)
