"""The rule that sizes a fit: from epsilon, delta, the declared units and columns alone, so that nobody tunes on rows.

Its constants were fitted on public tables: Adult (39,000 units, 15 columns) and SUPPORT (7,000 units, 17 and 36 columns) at
epsilon 1, 3 and 10, and the simulated hospital's admissions for units of several rows; ``bench/ablation.py`` prints what
each stage is worth on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from synth.artifacts import plan
from synth.artifacts.layout import (
    CHOICE,
    DP_SGD,
    MARGINALS,
    PAIRS,
    PERSISTENCE,
    RELEASE,
    RELEASES,
    all_pairs,
    generated,
    given,
    marginal_releases,
)
from synth.artifacts.plan import ColumnLayout, Event, Gaussian, Selection, SubsampledGaussian
from synth.privacy import accounting
from synth.project.spec import MAX_DELTA, GeneratorSpec

Calibrate = Callable[[float, float, Callable[[float], Sequence[Event]]], float]

# shares of the budget, in mu^2 of Gaussian DP
DP_SGD_SHARE = 0.5
MARGINALS_SHARE = 0.3  # of what DP-SGD leaves
PERSISTENCE_SHARE = 0.1  # of the same, where units have several rows
CHOICE_SHARE = 0.1  # of what pairs are left with, where they are chosen

FEW_PERSONS = 3.0  # units * mu per column below which DP-SGD cannot help
MOST_PAIRS = 1_000  # that are all measured
PAIRS_PER_COLUMN = 2  # that are chosen where there are more
CELL_NOISE = 3.0  # noise stddevs that a pair's cell should hold, were all alike
LEAST_GROUPS, MOST_GROUPS = 3, 20

BINS, WIDE_BINS, LEVELS = 20, 10, 64
WIDE = 60  # columns
BASIS = 4
HIDDEN, NARROW_HIDDEN = 128, 64
MOST_SKIPPED = 500  # features that reach the logits past the hidden layer

MOST_RATE, BATCH_UNITS, LEAST_BATCH = 0.2, 2_000, 256
STEPS, LEAST_STEPS, LEARNING_RATE = 300, 100, 7e-3
LOW_EPSILON = 2.0  # below it one look less at the ranges
WORK = 3e10  # steps * rows a step * weights: about 10 seconds

LESSONS, LEAST_LESSONS = 30_000, 15_000  # synthetic units to learn from
LESSON_WORK = 1.2e7  # units * levels of all columns
POINTS, LEAST_POINTS = 500, 150  # of the mixture
POINT_WORK = 1.5e5  # points * levels of all columns

CANDIDATES = 3  # of which one becomes a row
TILT_WORK = 2.5e7  # candidates' rows * marginals: about 200 MB


@dataclass(frozen=True)
class Sized:
    """What a fit does, and what it pays."""

    kind: plan.Kind
    network: plan.Network
    marginals: plan.Marginals
    pairs: plan.Pairs | None
    marginal_fit: plan.MarginalFit | None
    warm_start: plan.Learning | None
    refinement: plan.Learning | None
    dp_sgd: plan.DpSgd | None
    tilt: plan.Tilt | None
    distillation: plan.Learning | None
    events: tuple[Event, ...]


def size(
    layout: Sequence[ColumnLayout], cap: int, units: int, epsilon: float, delta: float, wishes: GeneratorSpec,
    parent: Sequence[ColumnLayout] = (), calibrate: Calibrate = accounting.calibrate, release: float = 0.0,
) -> Sized:  # fmt: skip
    """The stages of a fit of ``units`` units of up to ``cap`` rows, and the events that cost (epsilon, delta).

    ``release``: the share of the budget that figures for a release are paid with.
    """
    mu = accounting.gaussian_mu(epsilon, delta)
    columns = (*generated(layout), *given(parent, cap))
    kind = wishes.kind or ("marginal" if units * mu < FEW_PERSONS * len(columns) else "dp_vae")
    dp_sgd = kind == "dp_vae" and wishes.dp_sgd
    marginals = plan.Marginals(
        bins=wishes.bins or (BINS if len(columns) <= WIDE else WIDE_BINS), levels=wishes.levels or LEVELS,
        tree_levels=wishes.tree_levels or (2 if epsilon < LOW_EPSILON else 3),
    )  # fmt: skip
    paired = kind != "independent" and wishes.pairs and len(columns) > 1
    everything = len(all_pairs(len(columns)))
    chosen = PAIRS_PER_COLUMN * len(columns) if everything > MOST_PAIRS else None
    shares = {n: s * (1 - release) for n, s in _shares(paired, chosen is not None, cap, dp_sgd, wishes).items()}
    shares |= {RELEASE: release} if release else {}
    counts = {
        MARGINALS: marginal_releases(columns, marginals.tree_levels), PAIRS: chosen or everything, PERSISTENCE: len(layout),
        RELEASE: RELEASES,
    }  # fmt: skip
    features = features_of(columns, marginals.levels, wishes.basis or BASIS)
    network = _network(features, wishes)
    rate, steps = _sample(features, network, units, cap, wishes)

    def events(noise: float) -> tuple[Event, ...]:
        """``noise``: the multiplier of DP-SGD, or where there is none a factor on that of all others."""
        found: list[Event] = []
        if chosen and CHOICE in shares:
            each = accounting.selection_epsilon(mu * math.sqrt(shares[CHOICE] / chosen) / (1.0 if dp_sgd else noise))
            found.append(Selection(name=CHOICE, epsilon=each, count=chosen))
        for name, count in counts.items():
            if name in shares:
                alone = math.sqrt(count / shares[name]) / mu
                found.append(Gaussian(name=name, noise_multiplier=alone * (1.0 if dp_sgd else noise), count=count))
        if dp_sgd:
            found.append(SubsampledGaussian(name=DP_SGD, noise_multiplier=noise, sample_rate=rate, steps=steps))
        return tuple(found)

    noise = calibrate(epsilon, delta, events)
    pairs = None
    if paired:
        groups = _groups(units, math.sqrt(counts[PAIRS] / shares[PAIRS]) / mu)
        pairs = plan.Pairs(groups=wishes.groups or groups, chosen=chosen)
    learned = kind != "independent"
    levels = levels_of(columns, marginals)
    lesson = plan.Learning(
        units=int(min(max(LESSON_WORK / levels, LEAST_LESSONS), LESSONS)), epochs=4, batch_units=500, learning_rate=3e-3
    )
    marginal_count = len(columns) + (counts[PAIRS] if pairs else 0)
    return Sized(
        kind=kind, network=network, marginals=marginals, pairs=pairs,
        marginal_fit=_marginal_fit(levels) if pairs else None,
        warm_start=lesson if pairs and wishes.warm_start else None,
        refinement=lesson if pairs and wishes.warm_start and wishes.tilt else None,
        dp_sgd=plan.DpSgd(
            steps=steps, clipping_quantile=wishes.clipping_quantile or clipping_quantile(noise / (rate * units)),
            learning_rate=wishes.learning_rate or LEARNING_RATE, expected_batch_units=rate * units,
        ) if dp_sgd else None,
        tilt=plan.Tilt(
            steps=60, candidates=CANDIDATES, most_units=int(TILT_WORK / (CANDIDATES * cap * marginal_count)),
        ) if learned and wishes.tilt else None,
        distillation=lesson.model_copy(update={"units": LEAST_LESSONS, "learning_rate": 1e-3})
        if learned and wishes.tilt else None,
        events=tuple(map(accounting.drawable, events(noise))),
    )  # fmt: skip


def size_without_privacy(
    layout: Sequence[ColumnLayout], cap: int, units: int, wishes: GeneratorSpec, parent: Sequence[ColumnLayout] = ()
) -> Sized:  # fmt: skip
    """The same stages, with as little noise as the mechanisms can draw. It protects nobody."""

    def bare(event: Event) -> Event:
        if isinstance(event, Selection):
            return event.model_copy(update={"epsilon": accounting.HOPELESS})
        return event.model_copy(update={"noise_multiplier": plan.LEAST_NOISE})

    def least(_epsilon: float, _delta: float, events_for: Callable[[float], Sequence[Event]]) -> float:
        return plan.LEAST_NOISE if any(isinstance(e, SubsampledGaussian) for e in events_for(1.0)) else 1.0

    sized = size(layout, cap, units, accounting.HOPELESS, MAX_DELTA, wishes, parent, least)
    return replace(sized, events=tuple(map(bare, sized.events)))


def clipping_quantile(noise: float) -> float:
    """``noise``: of one step, in clipping norms, over the expected units. Clipping bends what is learned; noise blurs it.

    0.9 where noise is small (0.001), 0.1 where it is large (0.012).
    """
    return round(min(max(0.9 - 0.74 * math.log10(noise / 1e-3), 0.05), 0.9), 3)


def _network(features: int, wishes: GeneratorSpec) -> plan.Network:
    narrow = features <= MOST_SKIPPED
    return plan.Network(
        hidden=wishes.hidden or (HIDDEN if narrow else NARROW_HIDDEN), basis=wishes.basis or BASIS, skip=narrow,
        autoregressive=wishes.autoregressive, latent=wishes.latent or 0,
    )  # fmt: skip


def _sample(
    features: int, network: plan.Network, units: int, cap: int, wishes: GeneratorSpec
) -> tuple[float, int]:  # fmt: skip
    """Sample rate and steps of DP-SGD: as many units a step, and as many steps, as there is time for."""
    weights = weights_of(features, network, cap)
    rate = min((wishes.batch_units or BATCH_UNITS) / units, MOST_RATE)
    steps = WORK / (rate * units * weights)
    if steps < LEAST_STEPS:  # rather fewer units a step than fewer steps
        rate = max(rate * steps / LEAST_STEPS, min(LEAST_BATCH / units, MOST_RATE))
    return wishes.sample_rate or rate, wishes.steps or int(min(max(steps, LEAST_STEPS), STEPS))


def seen_of(features: int, cap: int) -> int:
    """Features that the network is told of a row: its own and, where a unit may have several, those of the rows before."""
    return features * (3 if cap > 1 else 1)


def weights_of(features: int, network: plan.Network, cap: int) -> int:
    seen = seen_of(features, cap)
    return network.hidden * (seen + features) + (features * seen if network.skip else 0)


def features_of(columns: Sequence[ColumnLayout], levels: int, basis: int) -> int:
    """About as many features as the network sees of a row."""
    return sum((min(c.cells, basis) if c.ordered else min(c.cells, levels)) + c.missing for c in columns)


def _groups(units: int, noise: float) -> int:
    """So many that a cell of a pair would hold ``CELL_NOISE`` times its noise (in persons), were all cells alike."""
    return min(max(round(math.sqrt(units / (CELL_NOISE * noise))), LEAST_GROUPS), MOST_GROUPS)


def levels_of(columns: Sequence[ColumnLayout], marginals: plan.Marginals) -> int:
    """About as many levels as all columns will have."""
    return sum(min(c.cells, marginals.bins if c.ordered else marginals.levels) + c.missing for c in columns)


def _marginal_fit(levels: int) -> plan.MarginalFit:
    points = int(min(max(POINT_WORK / levels, LEAST_POINTS), POINTS))
    return plan.MarginalFit(points=points, latent=32, hidden=256, basis=BASIS, steps=500, learning_rate=3e-3)


def _shares(paired: bool, chosen: bool, cap: int, dp_sgd: bool, wishes: GeneratorSpec) -> dict[str, float]:
    """Shares of mu^2 by event, without DP-SGD's."""
    share = wishes.dp_sgd_share if wishes.dp_sgd_share is not None else DP_SGD_SHARE
    left = 1 - share * dp_sgd
    if not paired:
        return {MARGINALS: left}
    found = {MARGINALS: (wishes.marginals_share or MARGINALS_SHARE) * left}
    if cap > 1:
        found[PERSISTENCE] = PERSISTENCE_SHARE * left
    rest = left - sum(found.values())
    if chosen:
        found[CHOICE] = CHOICE_SHARE * rest
    return {**found, PAIRS: rest - found.get(CHOICE, 0.0)}
