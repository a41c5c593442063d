"""What an attacker's guesses prove: lower bounds on epsilon, and how likely they were to find a mechanism at fault."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import beta, binom

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SHOWN = 0.95  # confidence of the bounds that are printed
JUDGED = 1 - 1e-6  # of those that decide: at 95% one sound mechanism in twenty would be called broken
THRESHOLDS = 200  # that are tried on the first half of the draws
AUDITS = 3_000  # simulated, to tell the power of one
MOST_EPSILON, MOST_MU = 50.0, 50.0
normal = NormalDist()


@dataclass(frozen=True)
class Rates:
    """Error rates of an attacker who says "in" above a threshold: of those who were not in, and of those who were."""

    false_positive: float
    false_negative: float


@dataclass(frozen=True)
class Counts:
    """What those errors were counted on."""

    false_positives: int
    negatives: int
    false_negatives: int
    positives: int

    def at_most(self, confidence: float) -> Rates:
        """Upper limits that hold together with ``confidence`` (Clopper and Pearson 1934, half of the risk each)."""
        risk = (1 - confidence) / 2
        return Rates(
            upper_limit(self.false_positives, self.negatives, risk),
            upper_limit(self.false_negatives, self.positives, risk),
        )


Reading = Callable[[Rates], float]  # the least strength (a mu, an epsilon) that allows error rates so small


def upper_limit(found: int, trials: int, risk: float) -> float:
    """The largest probability under which ``found`` or fewer of ``trials`` still have probability ``risk``."""
    return float(beta.ppf(1 - risk, found + 1, trials - found)) if found < trials else 1.0


def epsilon_of(rates: Rates, delta: float) -> float:
    """No (epsilon, delta) mechanism with a smaller epsilon allows these error rates (Kairouz, Oh and Viswanath 2015)."""
    fp, fn = rates.false_positive, rates.false_negative
    found = [math.log((1 - delta - a) / b) for a, b in ((fp, fn), (fn, fp)) if a < 1 - delta and b > 0]
    return max(0.0, *found) if found else 0.0


def mu_of(rates: Rates, sample_rate: float = 1.0) -> float:
    """The least mu (sensitivity / noise stddev) of a Gaussian mechanism, over a Poisson sample, with these error rates.

    Nasr et al. 2023, arXiv 2302.07956; the trade-off curve is Dong, Roth and Su's, arXiv 1905.02383. Who is not in the
    sample looks like who is not in the data, so that the rate of true positives is a mixture.
    """
    fp = rates.false_positive
    found = (1 - rates.false_negative - (1 - sample_rate) * fp) / sample_rate  # of those who were sampled
    if not (0 < fp < 1 and fp < found):
        return 0.0
    return normal.inv_cdf(1 - fp) - normal.inv_cdf(max(1 - found, 1e-300))


def log_odds_of(rates: Rates) -> float:
    """The least epsilon of an exponential mechanism with these error rates.

    Its privacy losses lie in a range as wide as epsilon, so no two events' odds differ by more (Dong, Durfee and Rogers 2020,
    arXiv 1909.13830).
    """
    fp, fn = rates.false_positive, rates.false_negative
    return max(0.0, math.log((1 - fn) / fn * (1 - fp) / fp)) if 0 < fp < 1 and 0 < fn < 1 else 0.0


def errors(out: Floats, inside: Floats, reading: Reading) -> Counts:
    """On the second half of the draws, at the threshold that is best by ``reading`` on the first half."""

    def at(half: int, threshold: float) -> Counts:
        a, b = out[half::2], inside[half::2]
        return Counts(int((a > threshold).sum()), len(a), int((b <= threshold).sum()), len(b))

    tried = np.unique(np.quantile(np.concatenate([out[::2], inside[::2]]), np.linspace(0, 1, THRESHOLDS)))
    return at(1, max(tried, key=lambda threshold: reading(at(0, threshold).at_most(JUDGED))))


def power(truth: Rates, counts: Counts, reading: Reading, claim: float) -> float:
    """How often as many draws of a mechanism with these error rates show more than ``claim``: a lower limit, at 95%."""
    random = np.random.default_rng(1)
    drawn = zip(
        random.binomial(counts.negatives, truth.false_positive, AUDITS).tolist(),
        random.binomial(counts.positives, truth.false_negative, AUDITS).tolist(),
        strict=True,
    )
    found = (Counts(a, counts.negatives, b, counts.positives).at_most(JUDGED) for a, b in drawn)
    return 1 - upper_limit(sum(reading(rates) <= claim for rates in found), AUDITS, 1 - SHOWN)


# One run, many canaries


def one_run_epsilon(canaries: int, guesses: int, right: int, delta: float, confidence: float) -> float:
    """The epsilon that an attacker has shown who guessed ``right`` of ``guesses`` canaries, each in by its own coin.

    Steinke, Nasr and Jagielski 2023, arXiv 2305.08846, theorem 5.2 and corollary 5.4: under (epsilon, delta) the right
    guesses are no more than a binomial with chance e^eps / (1 + e^eps), but for a part that delta pays for.
    """

    def excess(epsilon: float) -> float:
        chance = 1 / (1 + math.exp(-epsilon))
        tail = binom.sf(right - 1, guesses, chance)
        i = np.arange(1, right + 1)
        below = ((binom.sf(right - 1 - i, guesses, chance) - tail) / i).max(initial=0.0)
        return float(tail + 2 * canaries * delta * below) - (1 - confidence)

    return float(brentq(excess, 0, MOST_EPSILON)) if excess(0) < 0 else 0.0


def one_run_mu(canaries: int, guesses: int, right: int, confidence: float) -> float:
    """The mu that such an attacker has shown of a mechanism that is a Gaussian one as a whole.

    Mahloujifar, Melis and Chaudhuri 2024, arXiv 2410.22235: their recursion bounds the chance of ever more right guesses by
    the trade-off curve itself, of which an epsilon sees one point.
    """

    def allowed(mu: float) -> float:
        risk = (1 - confidence) / canaries
        hits, misses = risk * right, risk * (guesses - right)
        for i in range(right - 1, -1, -1):
            more = max(misses, normal.cdf(normal.inv_cdf(hits) - mu) if 0 < hits < 1 else hits)
            if more == misses:
                break
            hits, misses = min(hits + i / (guesses - i) * (more - misses), 1.0), more
        return hits + misses - guesses / canaries

    return float(brentq(allowed, 0, MOST_MU, xtol=1e-4)) if right and allowed(0) > 0 else 0.0
