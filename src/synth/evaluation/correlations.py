"""Associations of two columns, of three kinds: of numbers, of categories, and of a number with a category."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve
from synth.evaluation.coding import Floats, Integers, codings_of, counts, named, numbers, some
from synth.evaluation.world import Found, World

MOST_PAIRS = 40  # of each kind that are told of: the strongest in train

Matrix = dict[tuple[str, str], float]  # a pair of columns in the table's order, and their association; NaN: undefined


def correlations(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    """How far associations are from the held-out rows', the strongest ones of train, and the matrix.

    What is undefined in the candidate, for a column of it has one value, is no association: 0.
    """
    here, there = associations(candidate, world), associations(some(world.holdout, world), world)
    train = associations(some(world.train, world), world)
    for kind in there:
        here[kind] = {pair: 0.0 if np.isnan(value) else value for pair, value in here[kind].items()}
        differences = [abs(here[kind][pair] - value) for pair, value in there[kind].items() if not np.isnan(value)]
        value = float(np.mean(differences)) if differences else None
        note = "" if differences else "no two columns of this kind have more than one value"
        yield Found(f"{kind}_difference", value, "lower", note=note)
    for kind in there:
        for pair in sorted(train[kind], key=lambda pair: -abs(np.nan_to_num(train[kind][pair])))[:MOST_PAIRS]:
            yield Found(kind, here[kind][pair], "train", of=" × ".join(pair))
    yield from _rows(here, there, world)


def associations(
    table: pandas.DataFrame, world: World, pairs: Iterable[tuple[str, str]] | None = None
) -> dict[str, Matrix]:  # fmt: skip
    """Of each pair of columns, by kind: Pearson's and Spearman's coefficients, Cramér's V, the correlation ratio.

    ``pairs``: of these alone, as far as a category is among them; each in the columns' order.
    """
    categories = {coding.name: coding for coding in codings_of(world, 1) if coding.kind == "categorical"}
    codes = {name: coding.codes(table) for name, coding in categories.items()}
    values = {name: numbers(table[name], world.kinds[name]) for name in named(world.kinds, "numeric", "datetime")}
    frame = pandas.DataFrame(values, index=range(len(table)), dtype=float)
    v: Matrix = {}
    eta: Matrix = {}
    for pair in itertools.combinations(world.kinds, 2) if pairs is None else pairs:
        of_categories, of_numbers = ([name for name in pair if name in known] for known in (codes, values))
        if not of_numbers:
            sizes = [categories[name].size for name in pair]
            (counted,) = counts([np.column_stack([codes[name] for name in pair])], sizes, (0, 1))
            v[pair] = cramers_v(counted.reshape(sizes))
        elif of_categories:
            eta[pair] = correlation_ratio(codes[of_categories[0]], values[of_numbers[0]])
    return {
        "pearson": _coefficients(frame),
        "spearman": _coefficients(frame.rank()),
        "cramers_v": v,
        "correlation_ratio": eta,
    }


def cramers_v(counted: Integers) -> float:
    """Of a table of counts, corrected for the bias of small tables (Bergsma 2013); NaN where a column has one value."""
    table = counted[counted.sum(1) > 0][:, counted.sum(0) > 0].astype(float)
    total, size = table.sum(), np.array(table.shape)
    if size.min() < 2 or total < 2:
        return float("nan")
    expected = np.outer(table.sum(1), table.sum(0)) / total
    phi = ((table - expected) ** 2 / expected).sum() / total - (size - 1).prod() / (total - 1)
    most = (size - (size - 1) ** 2 / (total - 1)).min() - 1
    return float(np.sqrt(np.clip(phi / most, 0, 1))) if most > 0 else float("nan")


def correlation_ratio(codes: Integers, values: Floats) -> float:
    """Eta: the root of the share of a number's variance that lies between categories; NaN where either has one value."""
    known = ~np.isnan(values)
    codes, values = codes[known], values[known]
    sizes = np.bincount(codes)
    if (sizes > 0).sum() < 2 or values.min() == values.max():
        return float("nan")
    values = values - values.mean()
    sums = np.bincount(codes, weights=values)
    between = (sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum()
    return float(np.sqrt(min(1.0, between / (values**2).sum())))


def _coefficients(frame: pandas.DataFrame) -> Matrix:
    """Of rows that have both values. Of ranks it is Spearman's, each column ranked once over all its values."""
    found = frame.corr(min_periods=3).to_numpy()
    every = itertools.combinations(enumerate(frame.columns), 2)
    return {(a, b): float(found[i, j]) for (i, a), (j, b) in every}


def _rows(here: Mapping[str, Matrix], there: Mapping[str, Matrix], world: World) -> Iterator[Curve]:
    """A curve for each row: Spearman's coefficient, Cramér's V or the correlation ratio with each column; undefined is 0."""
    names = tuple(world.kinds)
    pairs = [
        {pair: value for kind in ("spearman", "cramers_v", "correlation_ratio") for pair, value in of[kind].items()}
        for of in (here, there)
    ]

    def row(of: Matrix, name: str) -> tuple[float, ...]:
        found = (1.0 if other == name else of.get((name, other), of.get((other, name), 0.0)) for other in names)
        return tuple(float(np.nan_to_num(value)) for value in found)

    for name in names:
        series = {"candidate": row(pairs[0], name), "holdout": row(pairs[1], name)}
        yield Curve(section="dependence", name="associations", of=name, x=names, series=series)
