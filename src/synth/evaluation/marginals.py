"""Shares of values: of columns, of pairs and triples of them, of missing values; and what became of dependence."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve
from synth.evaluation.bars import bars
from synth.evaluation.coding import Cells, Floats, cells, coded, codings_of, counts, moments, named, numbers, some
from synth.evaluation.world import Found, World

BINS = {1: 20, 2: 10, 3: 5}  # of numbers, by how many columns are crossed
MOST_TRIPLES = 200
MOST_PAIRS = 40  # that are told of: the most dependent
COLLAPSED = 0.2  # of the rows: so much more of them have a column's most frequent value than should

Pair = tuple[int, int]


def marginals(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """1 less the mean total variation distance, over columns, pairs and triples; and of each column."""
    coded_1 = cells(candidate, world, BINS[1])
    ones = {name: 1 - coded_1.distance([index]) for index, name in enumerate(world.kinds)}
    yield mean("marginal_1", ones.values(), "no column")
    yield Found("worst_1", min(ones.values(), default=None), "higher", note="" if ones else "no column")
    for columns in (2, 3):
        crossed = cells(candidate, world, BINS[columns])
        found = (1 - crossed.distance(each) for each in _combinations(world, columns))
        yield mean(f"marginal_{columns}", found, f"fewer than {columns} columns")
    for name, value in ones.items():
        yield Found("marginal_1", value, "higher", of=name)


def pairs(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """The most dependent pairs of train, and how much of their dependence is there."""
    crossed = cells(candidate, world, BINS[2])
    kept: list[float] = []
    for first, second in strongest(world):
        found = dependence_kept(crossed, (first, second))
        kept += [] if found is None else [found]
        distance = crossed.distance((first, second))
        yield Found("marginal_2", 1 - distance, "higher", of=f"{crossed.columns[first]} × {crossed.columns[second]}")
    yield mean("dependence", kept, "no two columns depend on each other")


def dependence_kept(crossed: Cells, pair: Pair) -> float | None:
    """1 less distance over the distance of independent columns, from 0, which those have, to 1; None of independent ones."""
    _, joint = crossed.shares(pair)
    apart = _apart(joint.reshape(crossed.sizes[pair[0]], crossed.sizes[pair[1]]))
    return float(np.clip(1 - crossed.distance(pair) / apart, 0, 1)) if apart > 0 else None


def strongest(world: World, among: Iterable[Pair] | None = None) -> list[Pair]:
    """The pairs of columns, by their numbers, that are furthest from independence in train; the furthest first."""
    codings = codings_of(world, BINS[2])
    train, sizes = coded(some(world.train, world), codings), [coding.size for coding in codings]

    def apart(pair: Pair) -> float:
        (joint,) = counts([train], sizes, pair)
        return _apart(joint.reshape(sizes[pair[0]], sizes[pair[1]]) / max(len(train), 1))

    every = itertools.combinations(range(len(sizes)), 2) if among is None else among
    return sorted(every, key=apart, reverse=True)[:MOST_PAIRS]


def collapse(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Of categorical columns: how much more of the rows have its most frequent value than held-out rows have it."""
    excesses = {}
    for name in named(world.kinds, "categorical"):
        shares = candidate[name].value_counts(normalize=True, dropna=False)
        top = shares.index[0] if len(shares) else None
        holdout = world.holdout[name]
        usual = (holdout.isna() if pandas.isna(top) else holdout == top).mean() if len(holdout) else 0.0
        excesses[name] = float(shares.iloc[0] - usual) if len(shares) else 0.0
    note = "" if excesses else "no categorical column"
    yield Found("collapse", max(excesses.values(), default=None), "lower", note=note)
    yield mean("not_collapsed", (float(excess <= COLLAPSED) for excess in excesses.values()), "no categorical column")
    for name, excess in excesses.items():
        yield Found("collapse", excess, "lower", of=name)


def missing(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """1 less the difference between shares of missing values."""
    found = {}
    for name in world.kinds:
        here, there = (float(table[name].isna().sum()) / max(len(table), 1) for table in (candidate, world.holdout))
        found[name] = 1 - abs(here - there)
    yield mean("missing", found.values(), "no column")
    for name, value in found.items():
        yield Found("missing", value, "higher", of=name)


def profile(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Of numbers and dates: how far mean, deviation and quantiles are from the held-out rows', in deviations of train."""
    for name in named(world.kinds, "numeric", "datetime"):
        kind = world.kinds[name]
        _, unit = moments(numbers(world.train[name], kind))
        here, there = _summary(numbers(candidate[name], kind)), _summary(numbers(world.holdout[name], kind))
        for statistic in _STATISTICS:
            known = here and there and unit
            value = (here[statistic] - there[statistic]) / unit if known else None
            note = "" if known else "a table has no values, or train only one"
            yield Found(f"difference_{statistic}", value, "train", of=name, note=note)


def distributions(candidate: pandas.DataFrame, world: World) -> Iterator[Curve]:
    """Shares of all rows in bars of each column: see bars.py."""
    for name in world.kinds:
        x, here, there = bars(candidate, world, name)
        series = {"candidate": here, "holdout": there}
        yield Curve(section="fidelity", name="distribution", of=name, x=x, series=series)


def mean(metric: str, values: Iterable[float], none: str) -> Found:
    """Higher is better; ``none`` says why there are no values."""
    known = list(values)
    return Found(metric, float(np.mean(known)) if known else None, "higher", note="" if known else none)


_QUANTILES = (5, 25, 50, 75, 95)
_STATISTICS = ("mean", "deviation", *(f"q{each:02}" for each in _QUANTILES))


def _summary(values: Floats) -> dict[str, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return {}
    found = [*moments(values), *np.quantile(known, np.array(_QUANTILES) / 100)]
    return dict(zip(_STATISTICS, map(float, found), strict=True))


def _combinations(world: World, columns: int) -> list[tuple[int, ...]]:
    """All of them, but of triples a number drawn once and for all."""
    every = list(itertools.combinations(range(len(world.kinds)), columns))
    if columns < 3 or len(every) <= MOST_TRIPLES:
        return every
    return [every[index] for index in world.rng("triples").permutation(len(every))[:MOST_TRIPLES]]


def _apart(joint: Floats) -> float:
    """Total variation distance between a table of two columns' shares and the product of its margins."""
    return float(np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).sum() / 2)
