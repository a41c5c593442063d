"""How a plan's budget is split over its events, and what the noise of each leaves of the signal."""

from __future__ import annotations

import math

from synth.artifacts.forecast import EventForecast
from synth.artifacts.layout import CHOICE, PAIRS, PERSISTENCE, RELEASE, all_pairs, modelled
from synth.artifacts.plan import Event, Gaussian, PartitionSelection, Plan, Selection, SubsampledGaussian
from synth.privacy import accounting

GUMBEL = math.pi / math.sqrt(6)  # stddev of Gumbel noise / its scale
CLEAR = 3.0  # noise stddevs from which something counts as told from noise
LITTLE, MUCH = 0.001, 0.012  # noise of a step's mean gradient, in clipping norms: see sizing.clipping_quantile


def event_forecasts(plan: Plan) -> tuple[EventForecast, ...]:
    """Shares are of mu^2, the squared ratio of sensitivity to noise that Gaussian DP adds up; DP-SGD's is what others leave."""
    if plan.privacy.epsilon is None or plan.privacy.delta is None:
        return ()  # nothing is split where nothing is paid
    whole = accounting.gaussian_mu(plan.privacy.epsilon, plan.privacy.delta) ** 2
    shares = {event.name: min(_mu_squared(event) / whole, 1.0) for event in plan.privacy.events}
    left = max(1 - math.fsum(shares.values()), 0.0)
    return tuple(
        _subsampled(event, plan, left)
        if isinstance(event, SubsampledGaussian)
        else EventForecast(
            name=event.name, share=shares[event.name], releases=event.count, noise=_persons(event), unit="persons",
            tells=_tells(event, plan),
        )
        for event in plan.privacy.events
    )  # fmt: skip


def _mu_squared(event: Event) -> float:
    if isinstance(event, Gaussian | PartitionSelection):
        return event.count / event.noise_multiplier**2
    return event.count * accounting.selection_mu(event.epsilon) ** 2 if isinstance(event, Selection) else 0.0


def _persons(event: Event) -> float:
    """Standard deviation of one noisy count or score, in persons."""
    return 2 / event.epsilon * GUMBEL if isinstance(event, Selection) else event.noise_multiplier


def _subsampled(event: SubsampledGaussian, plan: Plan, share: float) -> EventForecast:
    batch = event.sample_rate * plan.privacy.units
    noise = event.noise_multiplier / batch
    much = "little" if noise <= LITTLE else "much" if noise >= MUCH else "some"
    return EventForecast(
        name=event.name, share=share, releases=event.steps, noise=event.noise_multiplier, unit="clipping norms",
        tells=f"the mean gradient of about {batch:,.0f} units, at most 1 long, has noise of {noise:.2g} in each weight: {much} "
        f"({LITTLE:g} is little, {MUCH:g} much)",
    )  # fmt: skip


def _tells(event: Gaussian | PartitionSelection | Selection, plan: Plan) -> str:
    units, noise = plan.privacy.units, _persons(event)
    least = f"{math.ceil(CLEAR * noise):,}"
    if event.name == PAIRS and plan.pairs:
        groups = plan.pairs.groups
        cell = units / groups**2
        told = f"{cell / noise:.2g} times the noise" if cell >= noise else "drowned by the noise"
        return f"{groups} x {groups} cells of about {cell:,.0f} units: {told}"
    if event.name == CHOICE:
        every = len(all_pairs(len(modelled(plan))))
        return f"{event.count:,} of {every:,} pairs; a lead of less than {least} units is chance"
    if event.name == RELEASE:
        return f"how the table fits held-out people, to about {noise / 2:,.1f} of them"
    what = "repeats of rows" if event.name == PERSISTENCE else "counts"
    if CLEAR * noise >= units:
        return f"drowned: {what} below about {least} units are noise"
    return f"{what} below about {least} of {units:,} units are noise"
