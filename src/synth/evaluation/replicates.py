"""One estimate, and its interval, from several synthetic tables that one generator drew.

Rules that take m tables' estimates q_i and variances v_i, with the mean variance v and the variance b between the q_i:

- ``partial``: T = b/m + v, for partially synthetic tables (Reiter 2003, Survey Methodology 29).
- ``full``: T = (1 + 1/m) b - v, for fully synthetic ones (Raghunathan, Reiter & Rubin 2003, Journal of Official Statistics 19);
  where that is not positive, v in its place (Reiter 2002, for tables of as many rows as the real one).

Both rest on tables drawn from a posterior predictive distribution, each with parameters of its own. Tables of one generator
share its parameters, the noise that made them private among them: that noise shifts all q_i alike, so no spread between
tables shows it. Such an interval covers what drawing rows adds, and not what the generator is off by; it is too narrow, the
more so the smaller epsilon. Intervals that cover the noise need a posterior over the generator, as in Räisä et al. 2023
(Noise-aware statistical inference with differentially private synthetic data, AISTATS).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t

from synth.errors import UsageError

Rule = Literal["partial", "full"]
_MOST = 1e100  # a ratio beyond which the t distribution is the normal one


@dataclass(frozen=True)
class Combined:
    """``degrees`` of freedom of the t distribution; infinite where tables do not differ."""

    estimate: float
    variance: float
    degrees: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        half = math.sqrt(self.variance) * float(t.ppf((1 + level) / 2, self.degrees))
        return self.estimate - half, self.estimate + half


def combine(estimates: Sequence[float], variances: Sequence[float], rule: Rule = "partial") -> Combined:
    """``UsageError`` for fewer than two tables, or variances that are not one for each, finite and positive."""
    q, v = np.asarray(estimates, np.float64), np.asarray(variances, np.float64)
    if q.ndim != 1 or q.shape != v.shape or len(q) < 2:
        raise UsageError("Estimates do not go with variances", "Give one of each for each of two or more tables")
    if not (np.isfinite(q).all() and np.isfinite(v).all() and (v > 0).all()):
        raise UsageError(
            "An estimate or a variance is not finite, or a variance is not positive", "Leave that table out"
        )
    m, between, within = len(q), float(q.var(ddof=1)), float(v.mean())
    if rule == "partial":
        degrees = (m - 1) * min(1 + m * within / max(between, 1e-300), _MOST) ** 2
        return Combined(float(q.mean()), between / m + within, degrees)
    spread = (1 + 1 / m) * between
    if spread <= within:
        return Combined(float(q.mean()), within, m - 1)
    return Combined(float(q.mean()), spread - within, (m - 1) * (1 - within / spread) ** 2)
