"""What a list of events costs: the only door to dp-accounting.

Adjacency is add or remove one unit. The accountant composes privacy loss distributions (Koskela et al. 2020, arXiv
1906.03049; Doroshenko et al. 2022, arXiv 2207.04380) and rounds against us: every epsilon here is an upper bound, at
most about 0.1% above the truth.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from synth.artifacts.plan import MOST_NOISE, Event, PartitionSelection, Selection, SubsampledGaussian
from synth.errors import BudgetError

DECIMALS = 4  # to which epsilon is rounded up
HOPELESS = 1000.0  # an epsilon that promises nothing; from here on it counts as infinite
COARSEST = 1e-2  # spacing of the grid of privacy losses in the first pass
FINENESS = 0.02  # last spacing / (epsilon / sqrt(steps)); the error is about 1.5 * steps * spacing^2 / epsilon
LEAST_COVERED = 0.3  # noise multiplier; below it a person could stand out beyond the noise's tails: docs/noise.md
TOLERANCE = 0.03  # how far the second accountant may lie above the first
LEAST_PLACE, MOST_PLACE = -2 * 9000, 6 * 9000  # of the noise multipliers 0.01 and 10^6: see _noise


class _Step(NamedTuple):
    """A Gaussian mechanism over a Poisson sample; a rate of 1 is one over everybody."""

    sample_rate: float
    noise_multiplier: float


class _Trial(NamedTuple):
    """A noise multiplier that was tried, and log(epsilon / target): above 0 where it is too little noise."""

    place: int
    excess: float


def epsilon(events: Iterable[Event], delta: float) -> float:
    """The epsilon at ``delta`` of all events together, rounded up to 4 decimals; 0 for none, inf above 1,000."""
    events = tuple(events)
    steps, delta, more = _merge(events), delta - _conceded(events), _more(events)
    if not steps:
        return 0.0
    if delta < 0 or _mean_loss(steps) > HOPELESS:
        return math.inf
    spacing, next_spacing = math.inf, COARSEST
    while spacing > 1.5 * next_spacing:  # each bound says how fine the grid for a better one must be
        spacing = next_spacing
        bound = _compose(steps, delta, spacing) + more
        next_spacing = FINENESS * max(bound, 10**-DECIMALS) / math.sqrt(steps.total())
    return math.ceil(bound * 10**DECIMALS) / 10**DECIMALS if bound < HOPELESS else math.inf


def calibrate(target_epsilon: float, delta: float, events_for: Callable[[float], Sequence[Event]]) -> float:
    """The least noise multiplier, rounded up to 4 significant digits, whose events stay within ``target_epsilon``.

    ``events_for`` gives the events for a noise multiplier; more noise must not cost more. ``BudgetError`` where even
    the noise multiplier 10^6 is too small; never below 0.01.
    """

    def try_out(place: int) -> _Trial:
        cost = epsilon(events_for(_noise(place)), delta)
        return _Trial(place, math.log(min(max(cost, 1e-9), 1e9) / target_epsilon))

    low, high = _bracket(try_out)
    while high.place - low.place > 1:  # regula falsi: log epsilon is almost straight in log noise
        share = low.excess / (low.excess - high.excess)
        guess = _place(_noise(low.place) * (_noise(high.place) / _noise(low.place)) ** share)
        trial = try_out(min(max(guess, low.place + 1), high.place - 1))
        low, high = (trial, high) if trial.excess > 0 else (low, trial)
    return _noise(high.place)


def drawable(event: Event) -> Event:
    """The event with noise whose tails reach beyond a person; ``BudgetError`` where it has more than can be drawn."""
    if isinstance(event, Selection):
        return event
    if event.noise_multiplier > MOST_NOISE:
        raise _hopeless()
    return event.model_copy(update={"noise_multiplier": max(event.noise_multiplier, LEAST_COVERED)})


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The mu of the Gaussian mechanism (sensitivity / noise stddev) that costs (epsilon, delta), exactly.

    Balle and Wang 2018, arXiv 1805.06530, theorem 8; what several Gaussians cost together is the sum of their mu^2.
    """
    low, high = 0.0, 1.0
    while _gaussian_delta(high, epsilon) < delta:
        high *= 2
    while (mu := (low + high) / 2) not in (low, high):
        low, high = (mu, high) if _gaussian_delta(mu, epsilon) < delta else (low, mu)
    return low


def selection_mu(epsilon: float) -> float:
    """The mu of a Gaussian mechanism that an exponential mechanism with ``epsilon`` never exceeds.

    Its privacy loss stays in a range as wide as epsilon (Dong, Durfee and Rogers 2020, arXiv 1909.13830), and of all
    mechanisms with that range, one with two outcomes, of probability p = 1 / (1 + e^(-epsilon/2)) and 1 - p and the
    other way round, needs the largest mu. Its trade-off curve is two straight lines that meet at (1 - p, 1 - p). A
    Gaussian's curve is convex with the same ends (Dong, Roth and Su 2019, arXiv 1905.02383), so it lies below both lines
    if it passes through that point: if mu = 2 * Phi^-1(p), about 0.63 epsilon.
    """
    return 2 * NormalDist().inv_cdf(1 / (1 + math.exp(-epsilon / 2)))


def selection_epsilon(mu: float) -> float:
    """The epsilon of an exponential mechanism that costs at most ``mu``: the inverse of ``selection_mu``."""
    p = NormalDist().cdf(mu / 2)
    return 2 * math.log(p / (1 - p))


def cross_check(events: Iterable[Event], delta: float) -> float:
    """The same epsilon by another's hand: Opacus's PRV accountant (Gopi, Lee and Wutschitz 2021, arXiv 2106.02848).

    An upper bound too, within about 1% of ``epsilon``. Importing Opacus takes seconds.
    """
    events = tuple(events)
    steps, delta, more = _merge(events), delta - _conceded(events), _more(events)
    if not steps:
        return 0.0
    if delta <= 0:
        return math.inf
    with warnings.catch_warnings():  # it takes logarithms of 0 and mends them
        warnings.simplefilter("ignore")
        from opacus.accountants import PRVAccountant

        accountant = PRVAccountant()
        accountant.history = [(noise, rate, count) for (rate, noise), count in steps.items()]
        rough = accountant.get_epsilon(delta)
        return more + float(rough if rough > 1 else accountant.get_epsilon(delta, eps_error=0.01 * rough))


def dearer(events: Iterable[Event], price: float, delta: float) -> float | None:
    """What the events cost, where that is more than ``price`` by either accountant; before anything is spent."""
    events = tuple(events)
    exact, other = epsilon(events, delta), cross_check(events, delta)
    return max(exact, other) if exact > price or other > price * (1 + TOLERANCE) else None


def _hopeless() -> BudgetError:
    return BudgetError("at this epsilon and delta a table would be nothing but noise", "Raise epsilon.")


def _merge(events: Iterable[Event]) -> Counter[_Step]:
    """Equal steps counted together, and all that touches everybody as one Gaussian: 1/sigma^2 = sum 1/sigma_i^2."""
    steps = Counter[_Step]()
    precisions = []
    for event in events:
        if isinstance(event, Selection):
            precisions.append(event.count * selection_mu(event.epsilon) ** 2)
        elif not isinstance(event, SubsampledGaussian):
            precisions.append(event.count / event.noise_multiplier**2)
        elif event.sample_rate == 1:
            precisions.append(event.steps / event.noise_multiplier**2)
        else:
            steps[_Step(event.sample_rate, event.noise_multiplier)] += event.steps
    if (precision := math.fsum(precisions)) > 0:
        steps[_Step(1.0, 1 / math.sqrt(precision))] = 1
    return steps


def _conceded(events: Iterable[Event]) -> float:
    """The part of delta for values that one unit alone has: that any of them is found, in any list."""
    return math.fsum(e.count * e.delta for e in events if isinstance(e, PartitionSelection))


def _more(events: Iterable[Event]) -> float:
    """What such values add to epsilon otherwise.

    Where none is found, everything else is as likely as without the unit but for the factor 1 - delta: the Gaussian's
    privacy loss, or that and -log(1 - delta).
    """
    return math.fsum(-e.count * math.log1p(-e.delta) for e in events if isinstance(e, PartitionSelection))


def _compose(steps: Counter[_Step], delta: float, spacing: float) -> float:
    import dp_accounting  # half a second
    from dp_accounting import pld

    accountant = pld.PLDAccountant(
        dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=spacing
    )
    for (rate, noise), count in steps.items():
        event: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(noise)
        if rate < 1:
            event = dp_accounting.PoissonSampledDpEvent(rate, event)
        accountant.compose(event, count)
    return float(accountant.get_epsilon(delta))


def _mean_loss(steps: Counter[_Step]) -> float:
    """A lower bound of the mean privacy loss: rate / (2 noise^2) - entropy(rate) a step. Keeps absurd plans cheap."""

    def entropy(rate: float) -> float:
        return -rate * math.log(rate) - (1 - rate) * math.log(1 - rate) if rate < 1 else 0.0

    return sum(count * (rate / (2 * noise**2) - entropy(rate)) for (rate, noise), count in steps.items())


def _gaussian_delta(mu: float, epsilon: float) -> float:
    """Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu)."""
    near, far = (math.erfc((epsilon / mu + side * mu / 2) / math.sqrt(2)) / 2 for side in (-1, 1))
    return near - (math.exp(epsilon + math.log(far)) if far > 0 else 0.0)


def _bracket(try_out: Callable[[int], _Trial]) -> tuple[_Trial, _Trial]:
    """Two trials, the first with too little noise, the second with enough (both the same where 0.01 is enough)."""
    low = high = try_out(0)
    while high.excess > 0:
        if high.place == MOST_PLACE:
            raise _hopeless()
        low = high
        more = _noise(high.place) * max(2.0, math.exp(high.excess))  # epsilon falls at least as fast as noise grows
        high = try_out(min(_place(more), MOST_PLACE))
    while low.excess <= 0 and low.place > LEAST_PLACE:
        high = low
        low = try_out(max(_place(_noise(low.place) / 2), LEAST_PLACE))
    return low, (high if low.excess > 0 else low)


def _noise(place: int) -> float:
    """The noise multiplier at a place among all numbers of 4 significant digits; 1.000 is at 0, 9.999 at 8999."""
    power, rest = divmod(place, 9000)
    return float(f"{1000 + rest}e{power - 3}")


def _place(noise: float) -> int:
    power = math.floor(math.log10(noise))
    return 9000 * power + math.ceil(1000 * noise / 10.0**power) - 1000
