"""STUB by the main author until the generator's author writes the rule. Replace freely, keep the calibrate parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from synth.artifacts.layout import DP_SGD, MARGINALS, marginal_releases
from synth.artifacts.plan import ColumnLayout, Event, Gaussian, Network, SubsampledGaussian, Training
from synth.privacy import accounting

Calibrate = Callable[[float, float, Callable[[float], Sequence[Event]]], float]


def size(
    layout: Sequence[ColumnLayout], max_rows_per_unit: int, units: int, epsilon: float, delta: float, seed: int,
    calibrate: Calibrate = accounting.calibrate,
) -> tuple[Network, Training, int, int, tuple[Event, ...]]:  # fmt: skip
    levels = 3
    n = marginal_releases(layout, levels, max_rows_per_unit)
    mu = accounting.gaussian_mu(epsilon, delta)
    ms = (n / (0.2 * mu * mu)) ** 0.5
    rate = min(1.0, 512 / units)

    def events(sigma: float) -> tuple[Event, ...]:
        return (
            Gaussian(name=MARGINALS, noise_multiplier=ms, count=n),
            SubsampledGaussian(name=DP_SGD, noise_multiplier=sigma, sample_rate=rate, steps=200),
        )

    sigma = calibrate(epsilon, delta, events)
    training = Training(
        sample_rate=rate,
        steps=200,
        noise_multiplier=sigma,
        max_grad_norm=1.0,
        learning_rate=1e-2,
        expected_batch_units=rate * units,
        seed=seed,
    )
    return Network(latent=8, hidden=64, basis=4), training, 20, levels, events(sigma)
