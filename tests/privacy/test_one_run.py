"""T7: a whole fit audited in one run, in short; ``make audit`` has four times the canaries, and more epsilons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.bounds import one_run_epsilon, one_run_mu
from audit.one_run import SURE_WITHOUT_NOISE, audit, plan_at, plan_of, unprotected
from synth.privacy.accounting import gaussian_mu

CANARIES = 1_000


def test_an_attacker_shows_no_more_of_a_fit_than_it_claims() -> None:
    """False alarm 1e-4 at most."""
    for found in audit(plan_at(1.0, CANARIES // 2, rate=1.0), CANARIES):
        assert found.claim <= 1.0
        assert found.holds


def test_a_tenth_of_the_noise_is_found_out() -> None:
    """Of the whole fit's noise; with epsilon 1 claimed."""
    claimed = plan_at(1.0, CANARIES // 2, rate=1.0)
    white, _ = audit(plan_of(CANARIES // 2, 0.1 * claimed.privacy.events[0].noise_multiplier, rate=1.0), CANARIES)
    assert not replace(white, claim=1.0).holds


def test_the_same_attacker_sees_through_a_fit_without_protection() -> None:
    """Of ``privacy: none`` even the network alone shows more than a private fit may."""
    white, black = audit(unprotected(CANARIES // 2), CANARIES, SURE_WITHOUT_NOISE)
    assert white.right > 0.99 * white.guesses
    assert white.shown > 3.0
    assert black.shown > 1.0


def test_nor_of_a_child_table_in_which_a_person_has_several_rows() -> None:
    """Nor of one person's rows below two rows of the parent; a tenth of the noise is found out there, too."""
    (white,) = audit(plan_at(1.0, CANARIES // 2, rate=1.0, child=True), CANARIES)
    assert white.claim <= 1.0
    assert white.holds
    noise = plan_at(1.0, CANARIES // 2, rate=1.0, child=True).privacy.events[0].noise_multiplier
    (planted,) = audit(plan_of(CANARIES // 2, 0.1 * noise, rate=1.0, child=True), CANARIES)
    assert not replace(planted, claim=1.0).holds


@pytest.mark.parametrize(
    "canaries, guesses, right, delta, published", [(1_000, 100, 75, 1e-4, 0.673), (100_000, 1_510, 1_439, 1e-5, 2.675)]
)
def test_the_bound_is_the_published_one(
    canaries: int, guesses: int, right: int, delta: float, published: float
) -> None:
    """Appendix D and section 7 of arXiv 2305.08846."""
    assert one_run_epsilon(canaries, guesses, right, delta, 0.95) == pytest.approx(published, abs=1e-3)


def test_guessing_shows_nothing_and_more_right_guesses_show_more() -> None:
    assert one_run_epsilon(1_000, 100, 50, 1e-6, 0.95) == one_run_mu(1_000, 100, 50, 0.95) == 0
    epsilons = [one_run_epsilon(1_000, 100, right, 1e-6, 0.95) for right in (60, 75, 90, 100)]
    mus = [one_run_mu(1_000, 100, right, 0.95) for right in (60, 75, 90, 100)]
    assert epsilons == sorted(epsilons) and mus == sorted(mus)
    assert all(mu > gaussian_mu(epsilon, 1e-6) for mu, epsilon in zip(mus, epsilons, strict=True) if epsilon > 0.1)
