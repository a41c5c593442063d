"""T8: the accountant's known answers, against mathematics and against another accountant."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import figures
from synth.artifacts.plan import Gaussian, Selection, SubsampledGaussian
from synth.errors import BudgetError
from synth.privacy.accounting import calibrate, cross_check, epsilon, gaussian_mu, selection_epsilon, selection_mu


def gaussian(noise: float, count: int = 1) -> Gaussian:
    return Gaussian(name="sum", noise_multiplier=noise, count=count)


def steps(noise: float, rate: float, count: int) -> SubsampledGaussian:
    return SubsampledGaussian(name="training", noise_multiplier=noise, sample_rate=rate, steps=count)


def analytic_delta(mu: float, target: float) -> float:
    """Balle and Wang 2018, with scipy's normal distribution."""
    from scipy.stats import norm

    return float(norm.cdf(mu / 2 - target / mu) - math.exp(target) * norm.cdf(-mu / 2 - target / mu))


@pytest.mark.parametrize("cost", [0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0])
def test_a_selection_costs_what_the_worst_of_its_kind_needs(cost):
    """Of mechanisms with two outcomes whose losses are t and t - epsilon: the mu of the Gaussian curve through their bend."""
    import numpy as np
    from scipy.stats import norm

    t = np.linspace(1e-6, 1 - 1e-6, 20_001) * cost
    type_1, type_2 = np.expm1(t) / np.expm1(cost), np.expm1(cost - t) / np.expm1(cost)
    assert selection_mu(cost) == pytest.approx(float((-norm.ppf(type_1) - norm.ppf(type_2)).max()), rel=1e-6)
    assert selection_epsilon(selection_mu(cost)) == pytest.approx(cost, rel=1e-9)


def test_selections_add_up():
    """Never more than pure composition, and as a Gaussian of sqrt(count) times the mu."""
    found = epsilon([Selection(name="choice", epsilon=0.1, count=20)], 1e-6)
    assert found < 20 * 0.1
    assert found == pytest.approx(epsilon([gaussian(1 / (selection_mu(0.1) * math.sqrt(20)))], 1e-6), rel=1e-3)


def test_the_textbook_figure():
    """3.19 by privacy loss distributions; 3.20 by PRV, 3.51 by RDP, and 2.99 by the central limit, which is too low."""
    assert 3.19 < epsilon([steps(1.0, 0.01, 3000)], 1e-5) < 3.20
    assert 3.19 < cross_check([steps(1.0, 0.01, 3000)], 1e-5) < 3.21


@pytest.mark.parametrize("mu", [0.01, 0.05, 0.3, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-9])
def test_a_gaussian_costs_what_mathematics_says(mu, delta):
    found = epsilon([gaussian(1 / mu)], delta)
    assert analytic_delta(mu, found) <= delta  # an upper bound
    assert analytic_delta(mu, found * 0.999 - 2e-4) > delta  # and a tight one


@pytest.mark.parametrize("target", [0.05, 1.0, 20.0, 300.0])
def test_mu_is_the_other_way_round(target):
    mu = gaussian_mu(target, 1e-6)
    assert analytic_delta(mu, target) == pytest.approx(1e-6, rel=1e-6)
    found = epsilon([gaussian(1 / mu)], 1e-6)
    figures.largest("difference from the analytic Gaussian", abs(found / target - 1))
    assert found == pytest.approx(target, rel=1e-3, abs=2e-4)


@pytest.mark.parametrize(
    "events",
    [
        [gaussian(5.0)],
        [steps(8.7, 0.1, 300)],
        [steps(80.0, 0.1, 300)],
        [steps(20.0, 0.02, 1000), gaussian(15.0), gaussian(40.0, 6)],
        [steps(3.28, 0.1, 300), steps(2.0, 0.02, 200), gaussian(10.0, 4)],
        [steps(0.7, 0.1, 100), gaussian(1.0)],
    ],
)
def test_two_accountants_agree(events):
    ours, other = epsilon(events, 1e-6), cross_check(events, 1e-6)
    figures.largest("difference between two accountants", abs(ours / other - 1))
    assert ours == pytest.approx(other, rel=0.02)


def test_equal_things_have_equal_prices():
    assert epsilon([gaussian(6.0, 9)], 1e-6) == epsilon([gaussian(6.0)] * 9, 1e-6) == epsilon([gaussian(2.0)], 1e-6)
    assert epsilon([steps(4.0, 1.0, 4)], 1e-6) == epsilon([gaussian(2.0)], 1e-6)
    halves = [steps(3.0, 0.05, 100), gaussian(7.0), steps(3.0, 0.05, 200)]
    assert epsilon(halves, 1e-6) == epsilon([gaussian(7.0), steps(3.0, 0.05, 300)], 1e-6)


def test_nothing_costs_nothing_and_absurd_things_cost_everything():
    assert epsilon([], 1e-6) == cross_check([], 1e-6) == 0.0
    assert epsilon([gaussian(0.01)], 1e-6) == math.inf
    assert epsilon([steps(0.05, 0.1, 1000)], 1e-6) == math.inf
    assert epsilon([gaussian(1.0)], 0.0) == math.inf


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (gaussian, (0.0,)), (gaussian, (-1.0,)), (gaussian, (math.nan,)), (gaussian, (1.0, -5)),
        (steps, (1.0, 1.1, 3)), (steps, (1.0, 0.1, -1)),
    ],
)  # fmt: skip
def test_an_event_without_a_price_cannot_be_written_down(kind, numbers):
    """A negative count would give budget back."""
    with pytest.raises(ValidationError):
        kind(*numbers)


@settings(max_examples=25, deadline=None)
@given(noise=st.floats(0.6, 50), rate=st.floats(0.005, 0.2), count=st.integers(1, 500), share=st.floats(0.05, 0.9))
def test_more_releases_cost_more_and_together_less_than_apart(noise, rate, count, share):
    part, rest = steps(noise, rate, max(1, int(count * share))), steps(noise, rate, count)
    both = epsilon([part, rest], 1e-6)
    assert both >= epsilon([rest], 1e-6) * 0.998 - 1e-4  # each bound is up to 0.1% loose
    assert both <= (epsilon([part], 5e-7) + epsilon([rest], 5e-7)) * 1.002 + 1e-4


@pytest.mark.parametrize("target", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("rate, count", [(0.1, 300), (0.02, 1000)])
def test_calibration_finds_the_least_noise_of_four_digits(target, rate, count):
    def events_for(noise):
        return [steps(noise, rate, count), gaussian(4 * noise, 3)]

    noise = calibrate(target, 1e-6, events_for)
    digit = 10.0 ** (math.floor(math.log10(noise)) - 3)
    assert noise == float(f"{noise:.4g}")
    assert epsilon(events_for(noise), 1e-6) <= target < epsilon(events_for(noise - digit), 1e-6)


def test_calibration_that_cannot_end_well():
    with pytest.raises(BudgetError, match="nothing but noise"):
        calibrate(1.0, 1e-6, lambda noise: [gaussian(noise), gaussian(1.0)])
    assert calibrate(1.0, 1e-6, lambda noise: []) == 0.01
