"""The rule that sizes a fit: from epsilon, delta, the declared units and columns alone, so that nobody tunes on rows.

Its constants were fitted on public tables: Adult (39,000 units, 15 columns) and SUPPORT (7,000 units, 17 and 36 columns) at
epsilon 1, 3 and 10, and the simulated hospital's admissions for units of several rows; ``bench/ablation.py`` prints what
each stage is worth on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synth.artifacts import plan
from synth.artifacts.layout import CHOICE, DP_SGD, MARGINALS, PAIRS, PERSISTENCE, all_pairs, given, marginal_releases
from synth.artifacts.plan import ColumnLayout, Event, Gaussian, Selection, SubsampledGaussian
from synth.privacy import accounting
from synth.project.spec import GeneratorSpec

Calibrate = Callable[[float, float, Callable[[float], Sequence[Event]]], float]

# shares of the budget, in mu^2 of Gaussian DP
DP_SGD_SHARE = 0.6
MARGINALS_SHARE = 0.3  # of what DP-SGD leaves
PERSISTENCE_SHARE = 0.1  # of the same, where units have several rows
CHOICE_SHARE = 0.1  # of what pairs are left with, where they are chosen

FEW_UNITS = 20.0  # units * mu below which DP-SGD cannot help
BINS, LEVELS = 20, 64
MOST_PAIRS = 1_000  # that are all measured
PAIRS_PER_COLUMN = 2  # that are chosen where there are more
BASIS = 4
HIDDEN, LEAST_HIDDEN = 128, 32
STEPS, LEARNING_RATE = 300, 7e-3
BATCH_UNITS, MOST_RATE = 2_000, 0.1
MARGINAL_FIT = plan.MarginalFit(points=500, latent=32, hidden=256, basis=4, steps=500, learning_rate=3e-3)
WORK = 4e10  # steps * rows a step * weights


@dataclass(frozen=True)
class Sized:
    """What a fit does, and what it pays."""

    kind: plan.Kind
    network: plan.Network
    marginals: plan.Marginals
    pairs: plan.Pairs | None
    marginal_fit: plan.MarginalFit | None
    warm_start: plan.Learning | None
    dp_sgd: plan.DpSgd | None
    tilt: plan.Tilt | None
    distillation: plan.Learning | None
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Budget:
    epsilon: float
    delta: float
    mu: float  # of the Gaussian mechanism that costs as much


def size(
    layout: Sequence[ColumnLayout], cap: int, units: int, epsilon: float, delta: float, wishes: GeneratorSpec,
    parent: Sequence[ColumnLayout] = (), calibrate: Calibrate = accounting.calibrate,
) -> Sized:  # fmt: skip
    """The stages of a fit of ``units`` units of up to ``cap`` rows, and the events that cost (epsilon, delta)."""
    mu = accounting.gaussian_mu(epsilon, delta)
    signal = units * mu  # persons over the noise of one count that had the whole budget
    columns = (*layout, *given(parent, cap))
    kind = wishes.kind or ("marginal" if signal < FEW_UNITS * len(columns) else "dp_vae")
    marginals = plan.Marginals(
        bins=wishes.bins or BINS, levels=wishes.levels or LEVELS,
        tree_levels=wishes.tree_levels or (2 if epsilon < 2 else 3),
    )  # fmt: skip
    network = plan.Network(
        hidden=wishes.hidden or HIDDEN, basis=wishes.basis or BASIS, autoregressive=wishes.autoregressive,
        latent=wishes.latent or 0,
    )  # fmt: skip
    pairs = _pairs(len(columns), epsilon, units, wishes) if kind != "independent" and wishes.pairs else None
    dp_sgd = kind == "dp_vae" and wishes.dp_sgd
    free = _shares(pairs, cap, dp_sgd, wishes)
    counts = {MARGINALS: marginal_releases(columns, marginals.tree_levels)}
    if pairs:
        counts[PAIRS] = pairs.chosen or len(all_pairs(len(columns)))
        counts[PERSISTENCE] = len(layout)
    rate = min((wishes.batch_units or BATCH_UNITS) / units, wishes.sample_rate or MOST_RATE)
    steps = wishes.steps or STEPS

    def events(noise: float) -> tuple[Event, ...]:
        """``noise``: the multiplier of DP-SGD, or where there is none a factor on that of all others."""
        factor = 1.0 if dp_sgd else noise
        found: list[Event] = []
        if pairs and pairs.chosen:
            each = accounting.selection_epsilon(mu * math.sqrt(free[CHOICE] / pairs.chosen))
            found.append(Selection(name=CHOICE, epsilon=each, count=pairs.chosen))
        for name, count in counts.items():
            if free.get(name):
                found.append(
                    Gaussian(name=name, noise_multiplier=factor * math.sqrt(count / free[name]) / mu, count=count)
                )
        if dp_sgd:
            found.append(SubsampledGaussian(name=DP_SGD, noise_multiplier=noise, sample_rate=rate, steps=steps))
        return tuple(found)

    noise = calibrate(epsilon, delta, events)
    learned = kind != "independent"
    return Sized(
        kind=kind, network=network, marginals=marginals, pairs=pairs,
        marginal_fit=MARGINAL_FIT if pairs else None,
        warm_start=plan.Learning(units=40_000, epochs=7, batch_units=500, learning_rate=3e-3)
        if pairs and wishes.warm_start else None,
        dp_sgd=plan.DpSgd(
            steps=steps, clipping_quantile=wishes.clipping_quantile or clipping_quantile(noise / (rate * units)),
            learning_rate=wishes.learning_rate or LEARNING_RATE, expected_batch_units=rate * units,
        ) if dp_sgd else None,
        tilt=plan.Tilt(units=40_000, steps=60, rounds=2) if learned and wishes.tilt else None,
        distillation=plan.Learning(units=40_000, epochs=4, batch_units=500, learning_rate=1e-3)
        if learned and wishes.tilt else None,
        events=events(noise),
    )  # fmt: skip


def clipping_quantile(noise: float) -> float:
    """``noise``: of one step, in clipping norms, over the expected units. Clipping bends what is learned; noise blurs it.

    0.9 where noise is small (0.001), 0.1 where it is large (0.012).
    """
    return round(min(max(0.9 - 0.74 * math.log10(noise / 1e-3), 0.05), 0.9), 3)


def _pairs(columns: int, epsilon: float, units: int, wishes: GeneratorSpec) -> plan.Pairs | None:
    if columns < 2:
        return None
    groups = wishes.groups or (4 if epsilon < 2 else 5 if epsilon < 5 else 8) + (4 if units > 20_000 else 0)
    everything = len(all_pairs(columns))
    return plan.Pairs(groups=groups, chosen=PAIRS_PER_COLUMN * columns if everything > MOST_PAIRS else None)


def _shares(pairs: plan.Pairs | None, cap: int, dp_sgd: bool, wishes: GeneratorSpec) -> dict[str, float]:
    """Shares of mu^2 by event, without DP-SGD's."""
    share = wishes.dp_sgd_share if wishes.dp_sgd_share is not None else DP_SGD_SHARE
    left = 1 - share * dp_sgd
    if not pairs:
        return {MARGINALS: left}
    found = {MARGINALS: (wishes.marginals_share or MARGINALS_SHARE) * left}
    if cap > 1:
        found[PERSISTENCE] = PERSISTENCE_SHARE * left
    rest = left - sum(found.values())
    if pairs.chosen:
        found[CHOICE] = CHOICE_SHARE * rest
    return {**found, PAIRS: rest - found.get(CHOICE, 0.0)}
