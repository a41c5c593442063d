"""T6: a white-box audit of one noisy step, in short; ``make audit`` takes many more draws, and more noises."""

from __future__ import annotations

import math

import pytest

from audit.bounds import Counts, Rates, epsilon_of, log_odds_of, mu_of, normal
from audit.one_step import Step, audit, choice, gradient, histogram

STEPS = [(gradient(2.0), 120_000), (histogram(2.0), 120_000), (choice(2.0), 15_000)]


@pytest.mark.parametrize("step, draws", STEPS, ids=lambda value: getattr(value, "what", ""))
def test_an_attacker_shows_most_of_the_claim_and_no_more(step: Step, draws: int) -> None:
    """False alarm 1e-6 for more; that less than 85% is shown has a chance below 1e-3, and is not an alarm about privacy."""
    found = audit(step, draws)
    assert found.holds
    assert 0.85 * step.claim < found.shown


@pytest.mark.parametrize("step, draws", STEPS, ids=lambda value: getattr(value, "what", ""))
def test_four_fifths_of_the_noise_are_found_out(step: Step, draws: int) -> None:
    found = audit(step, draws, noise=0.8)
    assert found.power(0.8) > 0.99
    assert not found.holds


def test_a_sampled_step_is_read_as_one() -> None:
    """The same draws show a smaller mu where everybody was in the sample than where one in five was."""
    inside = Rates(normal.cdf(-0.5), 0.2 * normal.cdf(-0.5) + 0.8 * normal.cdf(0.5))  # mu 1 over a fifth
    assert mu_of(inside, 0.2) == pytest.approx(1.0)
    assert mu_of(inside) < 0.25


def test_what_error_rates_show() -> None:
    assert epsilon_of(Rates(0.1, 0.1), 0.0) == pytest.approx(math.log(9))
    assert epsilon_of(Rates(0.1, 0.1), 0.05) == pytest.approx(math.log(8.5))
    assert log_odds_of(Rates(0.1, 0.1)) == pytest.approx(2 * math.log(9))
    assert mu_of(Rates(0.1, 0.1)) == pytest.approx(2 * normal.inv_cdf(0.9))
    for reading in (mu_of, log_odds_of, lambda rates: epsilon_of(rates, 1e-6)):
        assert reading(Rates(0.5, 0.5)) == reading(Rates(1.0, 0.0)) == reading(Rates(0.9, 0.9)) == 0


def test_limits_of_a_proportion() -> None:
    """Clopper and Pearson: none of 100 is at most 3.62% at 97.5%; all of them is anything up to 1."""
    rates = Counts(0, 100, 100, 100).at_most(0.95)
    assert rates.false_positive == pytest.approx(0.036217, abs=1e-6)
    assert rates.false_negative == 1.0
