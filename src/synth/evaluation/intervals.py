"""How sure a rate, a risk or an area under a curve is."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95  # of every interval


def _z(together: int = 1) -> float:
    """How many standard deviations an interval reaches to each side; of several, so that all hold together (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / together)


Z = _z()


class Interval(NamedTuple):
    value: float
    low: float
    high: float


def wilson(successes: float, tries: int) -> Interval:
    """A rate and its 95% interval by Wilson's score (1927)."""
    middle, half = _score(successes, tries)
    return Interval(successes / tries, max(0.0, middle - half), min(1.0, middle + half))


def risk(
    successes: float, tries: int, control_successes: float, control_tries: int, together: int = 1
) -> Interval:  # fmt: skip
    """What an attack gains over the same attack on people who were not in the data: (p - c) / (1 - c), cut to 0 to 1.

    Rates are the middles of Wilson's intervals, and their half widths are propagated, as Giomi et al. 2022 have it
    (arXiv 2211.10459, section 3). ``together``: so many risks lie in their intervals all at once with 95%, which widens the
    intervals and moves no risk.
    """
    (p, p_half), (c, c_half) = _score(successes, tries), _score(control_successes, control_tries)
    value = (p - c) / (1 - c)
    half = math.hypot(p_half / (1 - c), (1 - p) * c_half / (1 - c) ** 2) * _z(together) / Z
    low, middle, high = (min(1.0, max(0.0, bound)) for bound in (value - half, value, value + half))
    return Interval(middle, low, high)


def area(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> Interval:
    """Area under the ROC curve of two sets of scores, with DeLong's 95% interval (1988)."""
    above, below = _share_below(positives, negatives), 1 - _share_below(negatives, positives)
    value = float(above.mean())
    half = Z * math.sqrt(sum(float(shares.var()) / max(1, len(shares) - 1) for shares in (above, below)))
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def _score(successes: float, tries: int) -> tuple[float, float]:
    """Middle and half width of Wilson's interval."""
    middle = (successes + Z**2 / 2) / (tries + Z**2)
    half = Z / (tries + Z**2) * math.sqrt(max(0.0, successes * (tries - successes) / tries) + Z**2 / 4)
    return middle, half


def _share_below(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each score, the share of the others that are lower; of equal ones the half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return below / (2 * len(ordered))
