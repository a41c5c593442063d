"""The tilt: weights on synthetic units that bring them to the noisy marginals. Post-processing.

Of all weights, those nearest the uniform ones (relative entropy) that fit the marginals as well as their noise warrants:
w ~ exp(theta . marginals of the unit), theta by ascent of the penalized dual (a maximum-entropy fit; the penalty of a
count is the variance of its noise, as for a Gaussian prior).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from synth.generator.marginals import Ways
from synth.generator.pairs import Pairs
from synth.generator.ranges import Floats, Integers
from synth.generator.sequences import Sequences

FIRST_STEP, LAST_STEP = 0.05, 0.001  # of theta, falling evenly
COUNTING = 0.25  # variance that is added to a level's, in parts of its persons: the rows are a sample themselves
SORTED = 10  # columns that units are sorted by
CAPPING = 50  # rounds of cutting chances to 1
FIRST_MOMENT, SECOND_MOMENT, FLOOR = 0.9, 0.999, 1e-8  # Adam's


@dataclass(frozen=True)
class _Marginal:
    """The cell of each row, the persons wanted in each cell, and the variance of that wish."""

    cells: NDArray[np.int32]
    wanted: Floats
    variance: Floats


def tilted(
    units: Sequences, ways: Ways, pairs: Pairs | None, steps: int, random: np.random.Generator
) -> Sequences:  # fmt: skip
    """As many units, drawn by their weights, evenly spread."""
    weights = tilt_weights(units, ways, pairs, steps)
    order = random.permutation(len(weights))
    below = np.cumsum(weights[order])
    target = (np.arange(len(weights)) + random.random()) / max(len(weights), 1) * below[-1:]
    return units.take(order[np.minimum(np.searchsorted(below, target), len(weights) - 1)])


def chosen(
    weights: NDArray[np.float32], units: Sequences, sizes: Integers, order: Integers, random: np.random.Generator
) -> Integers:
    """A unit for each of ``sizes`` int64[wanted], with so many rows; none twice where there are enough: int64[wanted].

    Units that are alike in their first row's columns, the first of ``order`` above all, are taken evenly (systematic sampling
    of a sorted list), each with a chance in proportion to its weight as far as that is at most 1.
    """
    found = np.empty(len(sizes), dtype=np.int64)
    keys = units.levels[units.first][:, order[:SORTED][::-1]].T
    listed = np.lexsort([random.random(len(weights)), *keys])
    for size in np.unique(sizes):
        mine, wanted = listed[units.sizes[listed] == size], np.flatnonzero(sizes == size)
        below = np.cumsum(_chances(weights[mine].astype(np.float64), len(wanted)))
        target = (np.arange(len(wanted)) + random.random()) / len(wanted) * below[-1]
        found[wanted] = random.permutation(mine[np.searchsorted(below, target, side="right").clip(max=len(mine) - 1)])
    return found


def best(weights: NDArray[np.float32], candidates: int, random: np.random.Generator) -> Integers:
    """Of each ``candidates`` units in a row one, by weight: int64[units / candidates]."""
    below = np.cumsum(weights.astype(np.float64).reshape(-1, candidates), axis=1)
    target = random.random((len(below), 1)) * below[:, -1:]  # below the sum: a candidate without weight is not taken
    taken: Integers = np.arange(len(below)) * candidates + (below <= target).sum(1).clip(max=candidates - 1)
    return taken


def _chances(weights: Floats, wanted: int) -> Floats:
    """Chances of sum ``wanted`` in proportion to the weights, but no more than 1."""
    if np.count_nonzero(weights) < wanted:  # then some without weight, too
        weights = np.maximum(weights, max(weights.max(), 1.0) * 1e-12)
    chances = weights / weights.sum() * wanted
    for _ in range(CAPPING):
        certain = chances >= 1
        chances[certain] = 1
        rest = chances[~certain].sum()
        if rest <= 0:
            break
        chances[~certain] *= (wanted - certain.sum()) / rest
    return np.asarray(np.minimum(chances, 1))


def tilt_weights(units: Sequences, ways: Ways, pairs: Pairs | None, steps: int) -> NDArray[np.float32]:
    """[units], of sum 1."""
    marginals = _marginals(units, ways, pairs)
    wanted = np.concatenate([m.wanted for m in marginals]) / ways.persons
    penalty = np.concatenate([m.variance for m in marginals]) / ways.persons
    cells = _cells_of_units(units, marginals)
    theta, mean, square = np.zeros(len(wanted)), np.zeros(len(wanted)), np.zeros(len(wanted))
    for step in range(1, steps + 1):
        slope = wanted - cells.T @ _weights(cells, theta) - penalty * theta
        mean = FIRST_MOMENT * mean + (1 - FIRST_MOMENT) * slope
        square = SECOND_MOMENT * square + (1 - SECOND_MOMENT) * slope**2
        size = FIRST_STEP + (LAST_STEP - FIRST_STEP) * step / steps
        direction = mean / (1 - FIRST_MOMENT**step) / (np.sqrt(square / (1 - SECOND_MOMENT**step)) + FLOOR)
        theta += size * direction
    return _weights(cells, theta)


def _weights(cells: csr_array, theta: Floats) -> NDArray[np.float32]:
    energy = cells @ theta.astype(np.float32)
    weights = np.exp(energy - energy.max(initial=-np.inf))
    found: NDArray[np.float32] = weights / weights.sum()
    return found


def _cells_of_units(units: Sequences, marginals: Sequence[_Marginal]) -> csr_array:
    """How much of each unit lies in each cell of each marginal, [units, cells of all]."""
    starts = np.cumsum([0, *(len(m.wanted) for m in marginals)])
    places = np.stack([m.cells + start for m, start in zip(marginals, starts, strict=False)], axis=1).astype(np.int32)
    parts = np.repeat(units.weights.astype(np.float32), len(marginals))
    ends = np.append(units.first, len(units.levels)) * len(marginals)
    return csr_array((parts, places.ravel(), ends.astype(np.int32)), shape=(len(units.sizes), starts[-1]))


def _marginals(units: Sequences, ways: Ways, pairs: Pairs | None) -> list[_Marginal]:
    found = []
    for j, column in enumerate(ways.columns):
        wanted = column.shares * ways.persons
        variance = ways.noise**2 + COUNTING * np.maximum(wanted, 1)
        found.append(_Marginal(units.levels[:, j].astype(np.int32), wanted, variance))
    if pairs is None:
        return found
    coarse = [groups.encode(units.levels[:, j]).astype(np.int32) for j, groups in enumerate(pairs.groups)]
    for (i, j), counts in zip(pairs.pairs, pairs.tables, strict=True):
        cells = coarse[i] * pairs.groups[j].size + coarse[j]
        found.append(_Marginal(cells, counts.ravel(), np.full(counts.size, pairs.noise**2)))
    return found
