"""How far drawn rows are from the noisy tables that were paid for: figures that cost nothing more.

A noisy table is a true one plus noise of a known size, so the distance of anything from the true one differs from its distance
to the noisy one by the length of the noise at most, whatever the rows were fitted to (triangle inequality).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.release import ReleaseFigure
from synth.generator.fitted import Generator
from synth.generator.pairs import NOISE_DISTANCE
from synth.generator.ranges import Floats, Integers

SURE = 1.96  # standard deviations either way: 95%
_SPREAD = math.sqrt(1 - 2 / math.pi)  # standard deviation of |z| of a standard normal z
_NOTE = "against the noisy tables of the fit, in coarse groups of values"


class Agreement:
    """Adds drawn rows up in the groups of the paid pairs: of table columns, but for those that rise from row to row."""

    def __init__(self, generator: Generator) -> None:
        self._levels, self._measured = generator.ways.columns, generator.pairs
        rising = {rise.column for rise in generator.rising}
        self._landed = [j for j in range(len(generator.order) - len(generator.rising)) if j not in rising]
        pairs = generator.pairs.pairs if generator.pairs else ()
        self._places = [k for k, (i, j) in enumerate(pairs) if {i, j} <= set(self._landed)]
        self._found = {k: np.zeros_like(generator.pairs.tables[k]) for k in self._places} if generator.pairs else {}

    def add(self, codes: Integers, weights: Floats) -> None:
        """``codes`` int64[rows, columns]; ``weights`` [rows]: those of a unit's rows add up to 1."""
        if self._measured is None:
            return
        groups = self._measured.groups
        coded = {j: groups[j].encode(self._levels[j].encode(codes[:, j])) for j in self._landed}
        for k in self._places:
            i, j = self._measured.pairs[k]
            shape = self._found[k].shape
            cells = coded[i] * shape[1] + coded[j]
            self._found[k] += np.bincount(cells, weights, shape[0] * shape[1]).reshape(shape)

    def figures(self) -> tuple[ReleaseFigure, ...]:
        """Of each column, of each pair, and their means; none where no pair was measured or no row was drawn."""
        measured = self._measured
        if measured is None or not self._places or not next(iter(self._found.values())).sum():
            return ()
        persons = float(np.mean([measured.tables[k].sum() for k in self._places]))
        cells = sum(measured.tables[k].size for k in self._places)
        unsure = measured.noise * math.sqrt(cells) / len(self._places) / persons if persons > 0 else math.inf
        if persons <= 0 or unsure > 0.5:
            return ()  # nothing but noise
        return (*self._columns(persons, unsure), *self._pairs(persons, unsure))

    def _pairs(self, persons: float, unsure: float) -> Iterator[ReleaseFigure]:
        assert self._measured is not None
        found = []
        for k in self._places:
            i, j = self._measured.pairs[k]
            noisy = self._measured.tables[k]
            found.append((_distance(noisy / persons, self._found[k]), noisy.size))
            of = f"{self._levels[i].name} × {self._levels[j].name}"
            yield _figure("marginal_2", of, [found[-1]], self._measured.noise / persons, unsure)
        yield _figure("marginal_2", "", found, self._measured.noise / persons, unsure)

    def _columns(self, persons: float, unsure: float) -> Iterator[ReleaseFigure]:
        """Each column's noisy shares are the mean of the margins of its pairs."""
        assert self._measured is not None
        bounds = []
        for j in self._landed:
            margins = list(self._margins(j))
            if not margins:
                continue
            noisy = np.mean([m for m, _, _ in margins], axis=0) / persons
            own = margins[0][1]
            noise = self._measured.noise / persons * math.sqrt(np.mean([size for *_, size in margins]) / len(margins))
            distance = _distance(noisy, own)
            bounds.append((distance, _reach([noisy.size], noise, unsure)))
            yield _made("marginal_1", self._levels[j].name, *bounds[-1])
        if bounds:
            yield _made("marginal_1", "", *np.mean(bounds, axis=0).tolist())

    def _margins(self, column: int) -> Iterator[tuple[Floats, Floats, int]]:
        """Noisy and drawn margins of a column, and how many cells of the other are added up in each."""
        assert self._measured is not None
        for k in self._places:
            pair = self._measured.pairs[k]
            if column in pair:
                axis = 1 - pair.index(column)
                noisy, drawn = self._measured.tables[k], self._found[k]
                yield noisy.sum(axis), drawn.sum(axis), noisy.shape[axis]


def unit_shares(units: NDArray[np.int64]) -> Floats:
    """The weight of each row, so that those of a unit add up to 1: float64[rows]."""
    _, place, rows = np.unique(units, return_inverse=True, return_counts=True)
    return np.asarray(1 / rows[place])


def _distance(noisy_shares: Floats, drawn: Floats) -> float:
    return float(np.abs(noisy_shares - drawn / drawn.sum()).sum() / 2)


def _figure(
    metric: str, of: str, found: Sequence[tuple[float, int]], noise: float, unsure: float
) -> ReleaseFigure:  # fmt: skip
    distance = float(np.mean([d for d, _ in found]))
    return _made(metric, of, distance, _reach([size for _, size in found], noise, unsure))


def _reach(sizes: Iterable[int], noise: float, unsure: float) -> float:
    """Half the length of the noise in tables of so many cells, their mean, at most, with 95% confidence."""
    listed = list(sizes)
    cells, tables = sum(listed), len(listed)
    length = cells * NOISE_DISTANCE + SURE * math.sqrt(cells) * _SPREAD
    return noise * length / 2 / tables + SURE * unsure / 2


def _made(metric: str, of: str, distance: float, reach: float) -> ReleaseFigure:
    low, high = max(0.0, 1 - distance - reach), min(1.0, 1 - distance + reach)
    value = min(max(1 - distance, 0.0), 1.0)
    return ReleaseFigure(
        metric=metric, of=of, value=value, low=low, high=high, source="noisy measurements", note=_NOTE
    )  # fmt: skip
