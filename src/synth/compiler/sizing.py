"""The rule that sizes a fit: from epsilon, delta, the declared units and columns alone, so that nobody tunes on rows.

Its constants were tuned on public tables (Adult, SUPPORT): 7,000 to 39,000 units, 15 to 36 columns, epsilon 1 to 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from synth.artifacts.layout import DP_SGD, MARGINALS, marginal_releases
from synth.artifacts.plan import ColumnLayout, Event, Gaussian, Network, SubsampledGaussian, Training
from synth.privacy import accounting

Calibrate = Callable[[float, float, Callable[[float], Sequence[Event]]], float]

BINS = 20
NOISE_PER_BIN = 0.1  # wanted noise of a count, as a part of a bin's persons
LEAST_SHARE, MOST_SHARE = 0.2, 0.4  # of the budget (mu^2 of Gaussian DP) for the marginals
BASIS = 4  # Legendre polynomials of an ordered column
MOST_HIDDEN, LEAST_HIDDEN = 128, 32
HIDDEN_FEATURES = 40_000  # hidden * features is kept below this
STEPS = 400  # with 200, utility at epsilon 1 differs by 0.1 to 0.25 from fit to fit
BATCH_UNITS, LEAST_BATCH_UNITS = 500, 64
MOST_RATE = 0.5
WORK = 9e9  # steps * units a step * parameters: half a minute on one core
LEARNING_RATE = 0.012


def size(
    layout: Sequence[ColumnLayout], max_rows_per_unit: int, units: int, epsilon: float, delta: float, seed: int,
    calibrate: Calibrate = accounting.calibrate,
) -> tuple[Network, Training, int, int, tuple[Event, ...]]:  # fmt: skip
    """Network, training, bins of an ordered column, looks at its ranges, and the events that cost (epsilon, delta)."""
    mu = accounting.gaussian_mu(epsilon, delta)
    signal = units * mu  # persons over the noise of one count that had the whole budget
    tree_levels = 2 if signal < 3_000 else 3 if signal < 10_000 else 4
    releases = marginal_releases(layout, tree_levels, max_rows_per_unit)
    share = marginal_share(releases, signal)
    marginals = Gaussian(name=MARGINALS, noise_multiplier=math.sqrt(releases / share) / mu, count=releases)

    network = Network(latent=latent(signal), hidden=hidden(features(layout, max_rows_per_unit)), basis=BASIS)
    parameters = 2 * network.hidden * (features(layout, max_rows_per_unit) + 2 * network.latent)
    batch = max(min(BATCH_UNITS, WORK / (STEPS * parameters)), LEAST_BATCH_UNITS)
    rate = min(batch / units, MOST_RATE)

    def events(noise_multiplier: float) -> tuple[Event, ...]:
        sgd = SubsampledGaussian(name=DP_SGD, noise_multiplier=noise_multiplier, sample_rate=rate, steps=STEPS)
        return marginals, sgd

    noise_multiplier = calibrate(epsilon, delta, events)
    training = Training(
        steps=STEPS, max_grad_norm=1.0,
        learning_rate=LEARNING_RATE, expected_batch_units=rate * units, seed=seed,
    )  # fmt: skip
    return network, training, BINS, tree_levels, events(noise_multiplier)


def marginal_share(releases: int, signal: float) -> float:
    """The share of the budget that makes a count's noise a tenth of a bin's persons, within limits."""
    wanted = releases * (BINS / (NOISE_PER_BIN * signal)) ** 2
    return min(max(wanted, LEAST_SHARE), MOST_SHARE)


def latent(signal: float) -> int:
    """More dimensions where there is more to learn them from: 3 at a signal of 1,600, 5 at 4,300, 8 at 23,000."""
    return min(max(round(2 + 1.3 * math.log2(max(signal, 1.0) / 1_000)), 2), 10)


def hidden(count: int) -> int:
    """Width of the hidden layers for so many features, a multiple of 16."""
    return min(max(HIDDEN_FEATURES // count // 16 * 16, LEAST_HIDDEN), MOST_HIDDEN)


def features(layout: Sequence[ColumnLayout], max_rows_per_unit: int) -> int:
    """About as many features as the network will have: the columns' levels, or polynomials where they are ordered."""
    columns = sum((min(column.cells, BASIS) if column.ordered else column.cells) + column.missing for column in layout)
    return columns + (max_rows_per_unit if max_rows_per_unit > 1 else 0)
