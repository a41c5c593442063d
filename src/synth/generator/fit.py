"""The door of the room: private codes in, a fitted generator out, synthetic codes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from synth.artifacts import plan as artifacts
from synth.artifacts.plan import Plan
from synth.generator.levels import Levels, spread
from synth.generator.marginals import measure
from synth.generator.network import Columns, Network
from synth.generator.ranges import Integers
from synth.generator.sampling import categories, draw
from synth.generator.training import Progress, group, train
from synth.privacy.mechanisms import Curator, unit_weights
from synth.privacy.randomness import Randomness


@dataclass(frozen=True)
class Codes:
    """Private rows: ``values`` int64[rows, columns] coded by the layout, ``unit`` int64[rows], a unit's rows together."""

    values: Integers
    unit: Integers


@dataclass(frozen=True)
class Generator:
    model: str
    max_rows_per_unit: int
    network: artifacts.Network
    columns: tuple[Levels, ...]
    weights: Mapping[str, NDArray[np.float32]]


def fit(codes: Codes, plan: Plan, randomness: Randomness, progress: Progress | None = None) -> Generator:
    curator = Curator(plan.privacy.events, randomness)
    cap = plan.privacy.max_rows_per_unit
    top = np.array([column.cells - 1 + column.missing for column in plan.layout])
    values = np.clip(codes.values, 0, top)
    _, place, sizes = np.unique(codes.unit, return_inverse=True, return_counts=True)
    rows_per_unit = np.minimum(sizes[place], cap)
    columns = measure(values, rows_per_unit, unit_weights(codes.unit), plan, curator)
    coded = list(values.T) + ([rows_per_unit - 1] if cap > 1 else [])
    levels = np.stack([column.encode(code) for column, code in zip(columns, coded, strict=True)], axis=1)
    units = group(levels, codes.unit, cap)
    tables = Columns(columns, plan.network.basis)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        network = Network(tables.features, plan.network)
    train(network, tables, units, plan.training, curator, progress)
    return Generator(plan.model, cap, plan.network, columns, {k: v.numpy() for k, v in network.state_dict().items()})


def sample(generator: Generator, sizes: Integers, seed: int) -> Integers:
    random = np.random.default_rng(seed)
    tables = Columns(generator.columns, generator.network.basis)
    network = Network(tables.features, generator.network)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in generator.weights.items()})
    repeated = np.repeat(sizes, sizes)
    several = generator.max_rows_per_unit > 1
    levels = draw(network, tables, repeated - 1 if several else None, len(repeated), random)
    columns = generator.columns[:-1] if several else generator.columns
    return np.stack([column.decode(levels[:, j], random) for j, column in enumerate(columns)], axis=1)
