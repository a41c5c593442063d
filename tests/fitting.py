"""Small plans and rows for tests that fit a generator."""

from __future__ import annotations

import numpy as np

from synth.artifacts.layout import (
    CHOICE,
    DP_SGD,
    MARGINALS,
    PAIRS,
    PERSISTENCE,
    all_pairs,
    generated,
    marginal_releases,
)
from synth.artifacts.layout import given as given_columns
from synth.artifacts.plan import (
    ColumnLayout,
    DpSgd,
    Event,
    Gaussian,
    Learning,
    MarginalFit,
    Marginals,
    Network,
    Pairs,
    Plan,
    Privacy,
    Selection,
    SubsampledGaussian,
    Tilt,
)
from synth.generator.fit import Codes


def category(name: str, cells: int, missing: bool = False) -> ColumnLayout:
    return ColumnLayout(name=name, cells=cells, missing=missing, ordered=False)


def plan_for(
    layout: tuple[ColumnLayout, ...], units: int, cap: int = 1, steps: int = 3, noise: float = 1.0, rate: float = 0.5,
    kind: str = "dp_vae", latent: int = 0, chosen: int | None = None, parent: tuple[ColumnLayout, ...] = (),
    lessons: int = 200, autoregressive: bool = True, weighed: bool = True, tree_levels: int = 2,
) -> Plan:  # fmt: skip
    """A small plan in which every mechanism has the same noise; ``lessons``: synthetic units to learn from."""
    columns = (*generated(layout), *given_columns(parent, cap))
    learning = Learning(units=lessons, epochs=4, batch_units=50, learning_rate=5e-3)
    paired = kind != "independent" and len(columns) > 1
    events: list[Event] = [
        Gaussian(name=MARGINALS, noise_multiplier=noise, count=marginal_releases(columns, tree_levels))
    ]
    if paired:
        count = chosen or len(all_pairs(len(columns)))
        events += [Selection(name=CHOICE, epsilon=1 / noise, count=chosen)] if chosen else []
        events += [Gaussian(name=PAIRS, noise_multiplier=noise, count=count)]
        events += [Gaussian(name=PERSISTENCE, noise_multiplier=noise, count=len(layout))] if cap > 1 else []
    if kind == "dp_vae":
        events += [SubsampledGaussian(name=DP_SGD, noise_multiplier=noise, sample_rate=rate, steps=steps)]
    privacy = Privacy(
        population="people", unit="person", units=units, max_rows_per_unit=cap, epsilon=1, delta=1e-6,
        events=tuple(events),
    )  # fmt: skip
    return Plan(
        model="table", kind=kind, privacy=privacy, layout=layout, parent=parent,
        network=Network(hidden=16, basis=3, latent=latent, encoder=8, autoregressive=autoregressive),
        marginals=Marginals(bins=8, levels=20, tree_levels=tree_levels),
        pairs=Pairs(groups=4, chosen=chosen) if paired else None,
        marginal_fit=MarginalFit(points=20, latent=4, hidden=16, basis=3, steps=60, learning_rate=1e-2) if paired else None,
        warm_start=learning if paired else None,
        refinement=learning if paired else None,
        dp_sgd=DpSgd(steps=steps, clipping_quantile=0.95, learning_rate=0.01, expected_batch_units=rate * units)
        if kind == "dp_vae" else None,
        tilt=Tilt(steps=20, candidates=2, most_units=10_000 if weighed else 0) if kind != "independent" else None,
        distillation=learning if kind != "independent" else None,
        seed=1, rows=None, why=(),
    )  # fmt: skip


MIXED = (
    category("sex", 2),
    category("ward", 5, missing=True),
    ColumnLayout(name="age", cells=100, missing=True, ordered=True, zero=0),
)


def mixed(units: int, cap: int, seed: int = 0) -> Codes:
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), random.integers(1, cap + 1, units))
    values = [random.integers(0, column.cells + column.missing, len(unit)) for column in MIXED]
    return Codes(values, unit)
