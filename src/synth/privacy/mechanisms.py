"""The only functions that turn private rows into what may be released: a histogram, a choice, a list of values, a gradient.

Sums are Gaussian mechanisms on integers: every unit adds a vector of integers whose L2 norm is bounded whatever its
rows hold, the vectors are summed exactly, and normal noise is rounded to integers and added. For an integer x,
x + round(z) = round(x + z): rounded noise is the Gaussian mechanism followed by rounding, which is post-processing, so
it is priced as the Gaussian mechanism itself. On a lattice the low bits of floating-point sums, which give away what
was summed (Mironov 2012; arXiv 2207.10635, 2207.13793, 2112.05307), do not exist. The noise has low bits too: a float64
normal number errs by 2^-50 or so, and where the lattice is so fine that this shows, the sum is rounded once more, to
steps of 2^-16 of the noise. ``docs/noise.md`` is the argument in full, with its numbers.
(The discrete Gaussian of Canonne, Kamath and Steinke, 2020, has the same price; it is slower to sample.)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.plan import (
    LEAST_NOISE,
    MOST_NOISE,
    Event,
    Gaussian,
    PartitionSelection,
    Selection,
    SubsampledGaussian,
)
from synth.errors import RunError
from synth.privacy.randomness import Randomness

LATTICE = 1 << 20  # lattice units in one person
INPUT_GRID, GRADIENT_GRID = (
    1 << 6,
    1 << 18,
)  # steps in 1 and in one clipping norm; a gradient's lattice is their product
MOST_INPUT, MOST_GRADIENT = 1 << 16, 1 << 20  # grid steps: sums over 2^17 rows stay below 2^53, so exact in float64
MARGIN = 1e-3  # of the clipping norm, kept free for float rounding, ours and the caller's: see noisy_gradient
NOISE_STEPS = 1 << 16  # in one stddev of the noise: what is released is no finer, since the noise itself is not
FLOAT_ERROR = 2.0**-38  # of a sum of up to 2^15 products in float64, over the sum of their sizes
PAIRED_ROWS = 16  # of a unit: up to here its norm is that of row pairs, beyond it that of the summed gradient

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Texts = NDArray[np.object_]
Kind = TypeVar("Kind", Gaussian, Selection, PartitionSelection, SubsampledGaussian)


@dataclass(frozen=True, eq=False)
class Factors:
    """One layer's part of the gradients of some units, in factors: no gradient of a unit is ever laid out.

    The gradient of unit u at the layer's weights [out, in] is the sum over its rows r of the outer product of
    ``gradients[r]`` (at the layer's outputs, [rows, out]) and ``inputs[r]`` ([rows, in]), where the layer's mask is 1.
    ``unit`` [rows] counts the units from 0 and rises; every unit has a row.
    """

    inputs: Singles
    gradients: Singles
    unit: Integers


@dataclass(frozen=True, eq=False)
class Candidate:
    """A table that may be chosen: the cell of each row, [rows], and the persons ``expected`` in each cell, [cells].

    ``handicap`` is taken off its score; it and ``expected`` know no row.
    """

    cells: Integers
    expected: Floats
    handicap: float = 0.0


def unit_weights(unit: Integers) -> Integers:
    """The weight of each row in lattice units: floor(2^20 / n) for each of the n rows of a unit, [rows].

    ``unit`` holds any integer per row that is the same for all rows of a unit and no others.
    """
    _, place, rows = np.unique(unit, return_inverse=True, return_counts=True)
    return np.asarray(LATTICE // rows, dtype=np.int64)[place]


def noisy_histogram(
    cells: Integers, weights: Integers, size: int, noise_multiplier: float, randomness: Randomness
) -> Floats:
    """The number of persons in each of ``size`` cells, with noise of stddev ``noise_multiplier`` persons, [size].

    ``cells`` and ``weights`` are [rows], the weights from ``unit_weights``. A row whose cell is not one of 0 to
    ``size`` - 1 is counted nowhere. The L2 sensitivity is one person: the weights of a unit are positive and sum to at
    most ``LATTICE``, the unit adds them to whichever cells, and an L2 norm is never above the sum of the parts.
    """
    _check_noise(noise_multiplier)
    stddev = noise_multiplier * LATTICE
    noise = _lattice_noise(size, stddev, randomness)
    return _coarse(_lattice_histogram(cells, weights, size) + noise, stddev) / LATTICE


def noisy_choice(
    candidates: Iterable[Candidate], weights: Integers, count: int, epsilon: float, randomness: Randomness
) -> list[int]:
    """The places of ``count`` candidates whose tables are far from what was expected, best first.

    The score of a candidate is the L1 distance, in persons, between its counts and those expected. One unit changes the
    counts by at most one person in L1, so the sensitivity is 1. Gumbel noise of scale 2 / ``epsilon`` and the ``count``
    largest: that is the exponential mechanism (McSherry and Talwar 2007) ``count`` times without replacement, each time
    with ``epsilon`` (Durfee and Rogers 2019, arXiv 1905.04273).
    """
    scores = np.array([_lattice_distance(c, weights) / LATTICE - c.handicap for c in candidates])
    noise = np.rint(-np.log(-np.log(randomness.uniform(len(scores)))) * (2 / epsilon * LATTICE)) / LATTICE
    return [int(i) for i in np.argsort(-(scores + noise), kind="stable")[:count]]


def noisy_distance(
    candidates: Sequence[Candidate], weights: Integers, noise_multiplier: float, randomness: Randomness
) -> float:  # fmt: skip
    """Half the L1 distance, in persons, between counts and what was expected of them: the mean over some tables, with noise.

    One unit changes the counts of every table by at most one person in L1, and so half their distance, and a mean of such, by
    at most half a person. The noise has a stddev of ``noise_multiplier`` times that.
    """
    _check_noise(noise_multiplier)
    stddev = noise_multiplier * LATTICE * len(candidates)
    noisy = sum(_lattice_distance(c, weights) for c in candidates) + int(_lattice_noise(1, stddev, randomness)[0])
    step = int(_step(stddev))
    return (noisy + step // 2) // step * step / LATTICE / len(candidates) / 2  # whole numbers until here, of any size


def noisy_values(texts: Texts, unit: Integers, event: PartitionSelection, randomness: Randomness) -> dict[str, float]:
    """The texts that enough units share, and the noisy number of persons behind each.

    ``texts`` and ``unit`` are [rows]; a row whose text is empty is counted nowhere. Which texts there are is not declared: it is
    the rows' own secret. Each unit's first ``values_per_unit`` rows weigh one person together, as in a histogram, so over texts
    that other units have too this is the Gaussian mechanism with the noise of the event, and what is above a threshold is
    post-processing. A text that one unit alone has gets at most that person and normal noise, and a unit has at most
    ``values_per_unit`` of them: at the threshold of ``least_persons`` one of them is found with probability ``delta`` at most.
    (Korolova et al. 2009; with Gaussian noise: Gopi et al. 2020, arXiv 2002.09745.)
    """
    _check_noise(event.noise_multiplier)
    kept = _first_rows(unit, event.values_per_unit)
    weights = unit_weights(unit[kept])
    distinct, place = np.unique(texts[kept], return_inverse=True)
    stddev = event.noise_multiplier * LATTICE
    noisy = _lattice_histogram(place, weights, len(distinct)) + _lattice_noise(len(distinct), stddev, randomness)
    persons = _coarse(noisy, stddev) / LATTICE
    found = (persons > least_persons(event)) & (distinct != "")
    return {str(text): float(count) for text, count in zip(distinct[found], persons[found], strict=True)}


def least_persons(event: PartitionSelection) -> float:
    """What the noisy number of a value's persons must exceed: one person, the noise's tail, and a step of its rounding."""
    tail = -NormalDist().inv_cdf(event.delta / event.values_per_unit)
    return 1 + event.noise_multiplier * tail + _step(event.noise_multiplier * LATTICE) / LATTICE


def noisy_gradient(
    batches: Iterable[Sequence[Factors]],
    masks: Sequence[Singles],
    max_grad_norm: float,
    noise_multiplier: float,
    randomness: Randomness,
) -> list[Floats]:
    """The sum of clipped per-unit gradients, with noise of stddev ``noise_multiplier * max_grad_norm``: [out, in] a layer.

    ``batches`` yields the physical batches of one sample, each with the factors of every layer over the same units; none
    at all still gives noise. ``masks`` are 0 or 1, [out, in] a layer; where a mask is 0, so is the result.

    A unit's gradient g is scaled by min(1, C / |g|) (Abadi et al. 2016), so that its norm is at most C =
    ``max_grad_norm`` whatever g is; a unit whose norm is not finite counts as zero. Norms come from the factors
    ("ghost norms", Goodfellow 2015, arXiv 1510.01799; Li et al. 2021, arXiv 2110.05679). Inputs and scaled output
    gradients are rounded to a grid each, so that what a unit adds is a vector of integers, and their sum, a product of
    matrices of small integers, is exact in float64 in whatever order it is added up. The room that rounding may need
    is taken off C beforehand, so the L2 sensitivity stays C: the lattice costs no privacy. One unit more also moves
    others to another place in a physical batch, where matrix products may round their float32 factors otherwise.
    0.001 C is kept free for that; a test holds the sum over 700 units to a tenth of it.
    """
    _check_noise(noise_multiplier)
    if not 0 < max_grad_norm < math.inf:
        raise RunError(f"A clipping norm is a positive number, not {max_grad_norm}.")
    lattice = INPUT_GRID * GRADIENT_GRID
    stddev = noise_multiplier * lattice
    found = []
    for total, mask in zip(_lattice_gradient(batches, masks, max_grad_norm), masks, strict=True):
        free = mask > 0
        noise = np.zeros(mask.shape)
        noise[free] = _lattice_noise(int(free.sum()), stddev, randomness)
        found.append(_coarse(total * free + noise, stddev) * (max_grad_norm / lattice))
    return found


def _lattice_histogram(cells: Integers, weights: Integers, size: int) -> Integers:
    """The exact sums of ``weights`` in lattice units, [size]."""
    outside = np.clip(cells, -1, size) + 1  # 0 and size + 1 catch what is not counted
    sums = np.bincount(outside, weights, minlength=size + 2)  # float64, exact below 2^53: up to 2^33 units
    return sums[1 : size + 1].astype(np.int64)


def _lattice_distance(candidate: Candidate, weights: Integers) -> int:
    """The exact L1 distance between a candidate's counts and the expected ones, in lattice units."""
    counts = _lattice_histogram(candidate.cells, weights, len(candidate.expected))
    return int(np.abs(counts - np.rint(candidate.expected * LATTICE).astype(np.int64)).sum())


def _lattice_gradient(
    batches: Iterable[Sequence[Factors]], masks: Sequence[Singles], max_grad_norm: float
) -> list[Floats]:
    """The exact sums of the clipped and rounded gradients, [out, in] a layer: integers, whose unit is C / 2^24.

    Where the mask is 0 they are not to be used.
    """
    totals = [np.zeros(mask.shape) for mask in masks]
    for layers in batches:
        if [(f.gradients.shape[1], f.inputs.shape[1]) for f in layers] != [mask.shape for mask in masks]:
            raise RunError("A batch of gradients has another shape than the network.", "Please report this.")
        with np.errstate(all="ignore"):  # a warning would tell that a row was extreme
            for total, (inputs, gradients) in zip(totals, _clip(layers, masks, max_grad_norm), strict=True):
                total += gradients.T @ inputs
    return totals


def _clip(layers: Sequence[Factors], masks: Sequence[Singles], max_grad_norm: float) -> Iterable[tuple[Floats, Floats]]:
    """Inputs and scaled output gradients of each layer as integers, [rows, in] and [rows, out].

    The products of each unit's rows add up to a vector of norm at most 2^24, or to zero.
    """
    units = int(layers[0].unit[-1]) + 1 if len(layers[0].unit) else 0
    inputs = [np.rint(layer.inputs * np.float32(INPUT_GRID)) for layer in layers]
    square, room = np.zeros(units), np.zeros(units)
    for layer, grid, mask in zip(layers, inputs, masks, strict=True):
        square += squared_norms(Factors(grid, layer.gradients, layer.unit), mask, units)
        lengths = np.sqrt(np.einsum("ij,ij->i", grid, grid, dtype=np.float64))
        room += np.bincount(layer.unit, lengths, units) ** 2 * mask.shape[0] / 4  # rounding moves an entry by up to 1/2
    norm = np.sqrt(square) / INPUT_GRID
    bound = (1 - MARGIN) * GRADIENT_GRID - np.sqrt(room) / INPUT_GRID
    scale = np.maximum(bound, 0) / np.maximum(norm, max_grad_norm)
    sound = np.isfinite(norm) & np.isfinite(scale)
    gradients = []
    for layer, grid in zip(layers, inputs, strict=True):
        gradients.append(np.rint(layer.gradients * scale[layer.unit, None]))
        fits = (np.abs(grid).max(axis=1) <= MOST_INPUT) & (np.abs(gradients[-1]).max(axis=1) <= MOST_GRADIENT)
        sound[layer.unit[~fits]] = False
    for layer, grid, gradient in zip(layers, inputs, gradients, strict=True):
        out = ~sound[layer.unit]
        grid[out], gradient[out] = 0, 0
        yield grid.astype(np.float64), gradient


def squared_norms(factors: Factors, mask: Singles, units: int) -> Floats:
    """Squared norms of one layer's per-unit gradients, [units]; rows that cancel out cannot make them come out too small."""
    # in float64, so that the size of a batch has no effect: it decides how a matrix product of float32 is rounded
    inputs, gradients, free = (a.astype(np.float64) for a in (factors.inputs, factors.gradients, mask))
    unit = factors.unit
    if len(unit) == units:
        square = np.einsum("ij,ij->i", (gradients**2) @ free, inputs**2)
        return np.asarray(square * (1 + FLOAT_ERROR))
    square = np.zeros(units)
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    sizes = np.diff(np.append(first, len(unit)))
    for size in np.unique(sizes):
        mine = np.flatnonzero(sizes == size)
        if size > PAIRED_ROWS:
            for u in mine:
                rows = slice(first[u], first[u] + size)
                square[u] = np.sum((gradients[rows].T @ inputs[rows] * free) ** 2)
            continue
        for a in range(size):
            for b in range(a, size):
                p, q = first[mine] + a, first[mine] + b
                both = np.einsum("ij,ij->i", (gradients[p] * gradients[q]) @ free, inputs[p] * inputs[q])
                square[mine] += both if a == b else 2 * both
    apart = np.bincount(unit, np.linalg.norm(gradients, axis=1) * np.linalg.norm(inputs, axis=1), units)
    return np.asarray(np.maximum(square, 0) + FLOAT_ERROR * apart**2)


def _lattice_noise(size: int, stddev: float, randomness: Randomness) -> Floats:
    """Normal noise of ``stddev`` lattice units, rounded to integers."""
    noise = randomness.normal(size)
    noise *= stddev
    return np.rint(noise, out=noise)


def _coarse(noisy: Floats, stddev: float) -> Floats:
    """Noisy sums in lattice units, rounded to whole steps."""
    step = _step(stddev)
    return np.rint(noisy / step) * step


def _step(stddev: float) -> float:
    """Of which one ``stddev`` has at least 2^16: a power of two, or 1."""
    return 2.0 ** max(math.floor(math.log2(stddev / NOISE_STEPS)), 0)


def _first_rows(unit: Integers, most: int) -> NDArray[np.bool_]:
    """The first ``most`` rows of each unit, as they come, [rows]."""
    order = np.argsort(unit, kind="stable")
    first = np.flatnonzero(np.diff(unit[order], prepend=unit[order][:1] - 1))
    place = np.arange(len(unit)) - np.repeat(first, np.diff(np.append(first, len(unit))))
    kept = np.empty(len(unit), dtype=np.bool_)
    kept[order] = place < most
    return kept


def _check_noise(noise_multiplier: float) -> None:
    if not LEAST_NOISE <= noise_multiplier <= MOST_NOISE:
        raise RunError(f"The noise multiplier {noise_multiplier} is not between {LEAST_NOISE:g} and {MOST_NOISE:g}.")


class Curator:
    """All that a fit may ask about its rows: the events of its plan, each as often as was paid for, and no more.

    The noise and the rate come from the event, never from the caller. A release is counted before it is made, and an
    event that is unknown, used up or of another kind raises ``RunError``.
    """

    def __init__(self, events: Iterable[Event], randomness: Randomness) -> None:
        planned = tuple(events)
        self._events = {event.name: event for event in planned}
        if len(self._events) != len(planned):
            raise _mistake("Two events of the plan have the same name")
        self._randomness = randomness
        self._spent = Counter[str]()
        self._sampled: set[str] = set()  # events whose latest sample still waits for its noisy sum

    def histogram(self, event_name: str, cells: Integers, weights: Integers, size: int) -> Floats:
        """One release of a ``Gaussian``: see ``noisy_histogram``."""
        event = self._event(event_name, Gaussian)
        self._count(event)
        return noisy_histogram(cells, weights, size, event.noise_multiplier, self._randomness)

    def choice(self, event_name: str, candidates: Iterable[Candidate], weights: Integers) -> list[int]:
        """The picks of a ``Selection``, all at once: see ``noisy_choice``."""
        event = self._event(event_name, Selection)
        self._count(event)
        return noisy_choice(candidates, weights, event.count, event.epsilon, self._randomness)

    def distance(self, event_name: str, candidates: Sequence[Candidate], weights: Integers) -> float:
        """One release of a ``Gaussian``: see ``noisy_distance``."""
        event = self._event(event_name, Gaussian)
        self._count(event)
        return noisy_distance(candidates, weights, event.noise_multiplier, self._randomness)

    def values(self, event_name: str, texts: Texts, unit: Integers) -> dict[str, float]:
        """One list of a ``PartitionSelection``: see ``noisy_values``."""
        event = self._event(event_name, PartitionSelection)
        self._count(event)
        return noisy_values(texts, unit, event, self._randomness)

    def poisson(self, event_name: str, units: int) -> NDArray[np.bool_]:
        """Which of ``units`` take part in the next step of a ``SubsampledGaussian``: each by its own coin, [units].

        Its gradient must follow, also where nobody takes part: a sample that is drawn again is a choice.
        """
        event = self._event(event_name, SubsampledGaussian)
        if event_name in self._sampled:
            raise _mistake(f"The fit sampled twice for one step of {event_name!r}")
        self._count(event)
        self._sampled.add(event_name)
        return self._randomness.bernoulli(units, event.sample_rate)

    def gradient(
        self, event_name: str, batches: Iterable[Sequence[Factors]], masks: Sequence[Singles], max_grad_norm: float
    ) -> list[Floats]:
        """One step of a ``SubsampledGaussian``, over the units ``poisson`` has just chosen: see ``noisy_gradient``."""
        event = self._event(event_name, SubsampledGaussian)
        if event_name not in self._sampled:
            raise _mistake(f"The fit took a step of {event_name!r} without a sample of its own")
        self._sampled.remove(event_name)
        return noisy_gradient(batches, masks, max_grad_norm, event.noise_multiplier, self._randomness)

    def spent(self) -> dict[str, int]:
        """How often each event of the plan was released so far (a sample counts); never more often than planned."""
        return {name: self._spent[name] for name in self._events}

    def check_spent(self) -> None:
        """``RunError`` where a fit is done and a release of its plan was not made: what decided that may be a row."""
        for name, asked in self.spent().items():
            made, planned = asked - (name in self._sampled), _releases(self._events[name])
            if made != planned:
                raise RunError(
                    f"The fit made {made} of the {planned} releases of {name!r} in its plan.",
                    "This is a mistake in synth. Please report this.",
                )

    def _event(self, name: str, kind: type[Kind]) -> Kind:
        event = self._events.get(name)
        if not isinstance(event, kind):
            raise _mistake(f"The plan pays for no {kind.__name__} event {name!r}")
        return event

    def _count(self, event: Event) -> None:
        if self._spent[event.name] >= _releases(event):
            raise _mistake(
                f"The fit asked for {event.name!r} more often than the plan pays for, {_releases(event)} times"
            )
        self._spent[event.name] += 1


def _releases(event: Event) -> int:
    """How often a plan with this event asks for it; the picks of a selection are one answer."""
    if isinstance(event, Selection):
        return 1
    return event.steps if isinstance(event, SubsampledGaussian) else event.count


def _mistake(what: str) -> RunError:
    return RunError(f"{what}.", "This is a mistake in synth, and nothing was released by it: please report it.")
