"""The door of the room: private codes in, a fitted generator out, synthetic codes from it.

Noisy histograms give every column its levels, a variational autoencoder over the levels is trained with DP-SGD, and
its biases are brought back to the noisy shares. What follows (sampling, storing) sees no private row and is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from synth.artifacts import plan as artifacts
from synth.artifacts.plan import Plan
from synth.generator.levels import Levels, spread
from synth.generator.marginals import measure
from synth.generator.network import Columns, Network
from synth.generator.ranges import Integers
from synth.generator.sampling import balance, draw
from synth.privacy.mechanisms import Curator, unit_weights
from synth.privacy.randomness import Randomness

if TYPE_CHECKING:
    from synth.generator.training import Progress

BIASES = "biases"  # beside the network's parameters: float32[levels of all columns]


@dataclass(frozen=True, eq=False)
class Codes:
    """Private rows: ``values`` int64[rows, columns] coded as the plan's layout says, ``unit`` int64[rows]."""

    values: Integers
    unit: Integers


@dataclass(frozen=True, eq=False)
class Generator:
    """All that is released of a fit. Where a unit may have several rows, the last of ``columns`` is how many it has."""

    model: str
    max_rows_per_unit: int
    network: artifacts.Network
    columns: tuple[Levels, ...]
    weights: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        for array in self.weights.values():
            array.setflags(write=False)
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))


def fit(codes: Codes, plan: Plan, randomness: Randomness, progress: Progress | None = None) -> Generator:
    """Fits a generator as ``plan`` says; its events are spent whatever the rows are, and also where there are none.

    ``progress`` is called with the steps done and the steps in all. Codes outside the layout count as the nearest.
    """
    from synth.generator.training import group, train  # Opacus takes seconds, which sampling can do without

    cap, order = plan.privacy.max_rows_per_unit, np.argsort(codes.unit, kind="stable")
    unit = codes.unit[order]  # the rows of a unit must lie together, or it would count as several
    values = np.clip(codes.values[order], 0, [column.cells - 1 + column.missing for column in plan.layout])
    _, place, sizes = np.unique(unit, return_inverse=True, return_counts=True)
    several = [np.minimum(sizes[place], cap) - 1] if cap > 1 else []
    curator = Curator(plan.privacy.events, randomness)
    columns = measure([*values.T, *several], unit_weights(unit), plan, curator)
    coded = zip(columns, [*values.T, *several], strict=True)
    levels = np.stack([column.encode(code).astype(np.int32) for column, code in coded], axis=1)

    tables = Columns(columns, plan.network.basis)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.training.seed)
        network = Network(tables.features, plan.network)
    train(network, tables, group(levels, unit, cap), plan.training, curator, progress)
    balance(network, tables, [column.shares for column in columns], np.random.default_rng(plan.training.seed))
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    weights[BIASES] = torch.cat(tables.biases).numpy()
    return Generator(plan.model, cap, plan.network, columns, weights)


def sample(generator: Generator, sizes: Integers, seed: int) -> Integers:
    """Synthetic codes int64[rows, columns]: a row for each of ``sizes`` int64[rows], the number of rows its unit has.

    Rows of one unit are alike in nothing but that number. The same seed gives the same rows.
    """
    random = np.random.default_rng([seed, 0])
    tables, network = assemble(generator)
    several = generator.max_rows_per_unit > 1
    levels = draw(network, tables, sizes - 1 if several else None, len(sizes), random)
    columns = generator.columns[:-1] if several else generator.columns
    return np.stack([column.decode(levels[:, j], random) for j, column in enumerate(columns)], axis=1)


def draw_sizes(generator: Generator, units: int | None, rows: int | None, seed: int) -> Integers:
    """Numbers of rows int64[units] from the noisy shares: exactly ``rows`` rows if given (the last unit is cut), else
    ``units`` units."""
    wanted = rows if rows is not None else units or 0  # a unit has a row at least
    if generator.max_rows_per_unit == 1 or not wanted:
        return np.ones(wanted, np.int64)
    random = np.random.default_rng([seed, 1])
    below = np.cumsum(generator.columns[-1].shares)
    target = spread(np.zeros(wanted, np.int64), 1, random) * below[-1]
    sizes: Integers = np.minimum(np.searchsorted(below, target, side="right"), len(below) - 1) + 1
    if rows is not None:
        ends = np.cumsum(sizes)
        last = int(np.searchsorted(ends, rows))
        sizes = sizes[: last + 1].copy()
        sizes[last] -= ends[last] - rows
    return sizes


def assemble(generator: Generator) -> tuple[Columns, Network]:
    """The network of a generator and the tables around it."""
    tables = Columns(generator.columns, generator.network.basis, generator.weights[BIASES])
    with torch.random.fork_rng(devices=[]):  # building a network draws weights, which are then replaced
        network = Network(tables.features, generator.network)
    network.load_state_dict({n: torch.tensor(array) for n, array in generator.weights.items() if n != BIASES})
    return tables, network
