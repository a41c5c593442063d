"""The only functions that turn private rows into numbers that may be released.

Each is a Gaussian mechanism on integers: every unit adds a vector of integers whose L2 norm is bounded whatever its
rows hold, the vectors are summed exactly, and normal noise is rounded to integers and added. For an integer x,
x + round(z) = round(x + z): rounded noise is the Gaussian mechanism followed by rounding, which is post-processing, so
it is priced as the Gaussian mechanism itself. On a lattice the low bits of floating-point sums, which give away what
was summed (Mironov 2012; arXiv 2207.10635, 2207.13793, 2112.05307), do not exist. What is left of them: a float64
normal number errs by about 2^-52 and a lattice cell is 2^-20 of the noise's stddev wide (of a person, in a histogram),
so a cell's probability is off by about 2^-32 of itself. Over 10^8 numbers that is of the order of 10^-5 of epsilon.
(The discrete Gaussian of Canonne, Kamath and Steinke, 2020, has the same price; it is slower to sample.)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.plan import Event, Gaussian, SubsampledGaussian
from synth.errors import RunError
from synth.privacy.randomness import Randomness

LATTICE = 1 << 20  # lattice units in one person, or in one noise stddev of a gradient
LEAST_NOISE, MOST_NOISE = 1e-2, 1e6  # noise multipliers between which all sums stay far below 2^53, so exact in float64
SOFTENING = 0.01  # of automatic clipping, in clipping norms
MARGIN = 1e-3  # of the clipping norm, kept free for float rounding, ours and the caller's: see noisy_gradient
BLOCK_ENTRIES = 1 << 16  # entries of a gradient at a time: their float64 copy stays in the cache

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kind = TypeVar("Kind", Gaussian, SubsampledGaussian)


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
    noise = _lattice_noise(size, noise_multiplier * LATTICE, randomness)
    return (_lattice_histogram(cells, weights, size) + noise) / LATTICE


def noisy_gradient(
    per_unit: Iterable[NDArray[np.float32]],
    parameters: int,
    max_grad_norm: float,
    noise_multiplier: float,
    randomness: Randomness,
) -> Floats:
    """The sum of clipped per-unit gradients, with noise of stddev ``noise_multiplier * max_grad_norm``, [parameters].

    ``per_unit`` yields the physical batches of one sample, each [units, parameters] with a row per unit; none at all
    still gives noise. A row g is scaled by C / (|g| + 0.01 C) ("automatic clipping", arXiv 2206.07136), so that its
    norm is below C = ``max_grad_norm`` whatever g is; a row with an entry that is not finite counts as zero. Then it
    is truncated to the lattice of spacing ``noise_multiplier * max_grad_norm * 2^-20``, toward zero. That shortens
    every entry, so no norm grows and the L2 sensitivity stays C: the lattice costs no privacy. One unit more also moves
    others to another place in a physical batch, where a matrix product may round their float32 gradients otherwise;
    that moved a sum over 500 units by 4e-6 C when measured, and rows are scaled by 0.999 to make room for it.
    """
    _check_noise(noise_multiplier)
    if not 0 < max_grad_norm < math.inf:
        raise RunError(f"A clipping norm is a positive number, not {max_grad_norm}.")
    total = _lattice_gradient(per_unit, parameters, max_grad_norm, noise_multiplier)
    total += _lattice_noise(parameters, LATTICE, randomness)
    total *= noise_multiplier * max_grad_norm / LATTICE
    return total


def _lattice_histogram(cells: Integers, weights: Integers, size: int) -> Integers:
    """The exact sums of ``weights`` in lattice units, [size]."""
    outside = np.clip(cells, -1, size) + 1  # 0 and size + 1 catch what is not counted
    sums = np.bincount(outside, weights, minlength=size + 2)  # float64, exact below 2^53: up to 2^33 units
    return sums[1 : size + 1].astype(np.int64)


def _lattice_gradient(
    per_unit: Iterable[NDArray[np.float32]], parameters: int, max_grad_norm: float, noise_multiplier: float
) -> Floats:
    """The exact sum of the clipped and truncated rows: integers, each row's norm below 2^20 / ``noise_multiplier``."""
    total = np.zeros(parameters)
    block = max(1, BLOCK_ENTRIES // max(1, parameters))
    for batch in per_unit:
        if batch.ndim != 2 or batch.shape[1] != parameters:
            raise RunError("A batch of gradients has another shape than the network.", "Please report this.")
        for start in range(0, len(batch), block):
            total += _clip(batch[start : start + block], max_grad_norm, LATTICE / noise_multiplier)
    return total


def _clip(batch: NDArray[np.float32], max_grad_norm: float, bound: float) -> Floats:
    """The sum of the rows of [units, parameters], each scaled to a norm below ``bound`` and truncated to integers."""
    with np.errstate(all="ignore"):  # a warning would tell that a row was extreme
        rows = batch.astype(np.float64)
        # No square of a float32 overflows float64: a norm is finite if and only if its row is.
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        rows *= ((1 - MARGIN) * bound / (norms + SOFTENING * max_grad_norm))[:, None]
        rows[~np.isfinite(norms)] = 0.0
        np.trunc(rows, out=rows)
        return np.asarray(rows.sum(axis=0))


def _lattice_noise(size: int, stddev: float, randomness: Randomness) -> Floats:
    """Normal noise of ``stddev`` lattice units, rounded to integers."""
    noise = randomness.normal(size)
    noise *= stddev
    return np.rint(noise, out=noise)


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
        self._count(event_name, event.count)
        return noisy_histogram(cells, weights, size, event.noise_multiplier, self._randomness)

    def poisson(self, event_name: str, units: int) -> NDArray[np.bool_]:
        """Which of ``units`` take part in the next step of a ``SubsampledGaussian``: each by its own coin, [units].

        Its gradient must follow, also where nobody takes part: a sample that is drawn again is a choice.
        """
        event = self._event(event_name, SubsampledGaussian)
        if event_name in self._sampled:
            raise _mistake(f"The fit sampled twice for one step of {event_name!r}")
        self._count(event_name, event.steps)
        self._sampled.add(event_name)
        return self._randomness.bernoulli(units, event.sample_rate)

    def gradient(
        self, event_name: str, per_unit: Iterable[NDArray[np.float32]], parameters: int, max_grad_norm: float
    ) -> Floats:
        """One step of a ``SubsampledGaussian``, over the units ``poisson`` has just chosen: see ``noisy_gradient``."""
        event = self._event(event_name, SubsampledGaussian)
        if event_name not in self._sampled:
            raise _mistake(f"The fit took a step of {event_name!r} without a sample of its own")
        self._sampled.remove(event_name)
        return noisy_gradient(per_unit, parameters, max_grad_norm, event.noise_multiplier, self._randomness)

    def spent(self) -> dict[str, int]:
        """How often each event of the plan was released so far (a sample counts); never more often than planned."""
        return {name: self._spent[name] for name in self._events}

    def _event(self, name: str, kind: type[Kind]) -> Kind:
        event = self._events.get(name)
        if not isinstance(event, kind):
            raise _mistake(f"The plan pays for no {kind.__name__} event {name!r}")
        return event

    def _count(self, name: str, planned: int) -> None:
        if self._spent[name] >= planned:
            raise _mistake(f"The fit asked for {name!r} more often than the plan pays for, {planned} times")
        self._spent[name] += 1


def _mistake(what: str) -> RunError:
    return RunError(f"{what}.", "This is a mistake in synth, and nothing was released by it: please report it.")
