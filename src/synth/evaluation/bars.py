"""Bars of a column's distribution: the same for every table, as train rows have it."""

from __future__ import annotations

import numpy as np
import pandas

from synth.evaluation.coding import Coding, Floats, Integers, numbers, some
from synth.evaluation.world import World

MOST = 30
TAIL = 0.005  # of train's values at each end, which bars of equal width do not go by

Shares = tuple[float, ...]
Labels = tuple[float | str, ...]


def bars(candidate: pandas.DataFrame, world: World, name: str) -> tuple[Labels, Shares, Shares]:
    """Where bars stand, and shares of all rows of the candidate and of held-out rows; at most 30 bars.

    Numbers: the values, or the middles of bars of equal width; dates the same, in ISO. What is missing, or lies beyond the outer
    bars, has none. Categories: the most frequent of train, then "other" and "missing".
    """
    if world.kinds[name] == "categorical":
        return _categories(candidate, world, name)
    kind = world.kinds[name]
    middles = _middles(numbers(some(world.train, world)[name], kind))
    edges = _edges(middles)
    here, there = (_shares(np.histogram(numbers(t[name], kind), edges)[0], len(t)) for t in (candidate, world.holdout))
    labels = np.array(middles * 1e6, "datetime64[us]").astype("datetime64[s]") if kind == "datetime" else middles
    return tuple(map(str, labels) if kind == "datetime" else map(float, labels)), here, there


def _categories(candidate: pandas.DataFrame, world: World, name: str) -> tuple[Labels, Shares, Shares]:
    values = world.train[name].astype(object).value_counts().index[: MOST - 2]
    coding = Coding(name, "categorical", np.zeros(0), values)
    here, there = (
        _shares(np.bincount(coding.codes(t), minlength=coding.size), len(t)) for t in (candidate, world.holdout)
    )
    return (*map(str, values), "other", "missing"), here, there


def _middles(values: Floats) -> Floats:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= MOST:
        return distinct if len(distinct) else np.zeros(1)
    low, high = np.quantile(known, (TAIL, 1 - TAIL))
    if low == high:
        low, high = distinct[0], distinct[-1]
    edges = np.linspace(low, high, MOST + 1)
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _edges(middles: Floats) -> Floats:
    if len(middles) == 1:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _shares(counts: Integers, rows: int) -> Shares:
    return tuple(float(count) / max(rows, 1) for count in counts)
