"""A fitted generator: all that is released of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from synth.artifacts import plan
from synth.artifacts.release import ReleaseFigure
from synth.generator.marginals import Ways
from synth.generator.network import Columns, Network, Strata
from synth.generator.pairs import Pairs
from synth.generator.ranges import Floats, Integers


@dataclass(frozen=True, eq=False)
class Generator:
    """A network, the noisy marginals, and how rows are brought to them.

    The table's columns come first in ``ways``, then the steps of those that rise. What is behind them is given: columns of the
    parent, and where a unit may have several rows, last, how many it has.
    """

    model: str
    max_rows_per_unit: int
    network: plan.Network
    ways: Ways
    pairs: Pairs | None
    repeats: (
        Floats | None
    )  # where a unit may have several rows: how often one has the level of the row before, [columns]
    order: Integers  # in which the table's columns are generated
    strata: Strata  # for each place of the order, the columns before it that it depends on most
    rising: tuple[plan.Rise, ...]  # columns that rise from row to row; the last generated ones are their steps
    tilt: plan.Tilt | None
    distillation: plan.Learning | None
    weights: Mapping[str, NDArray[np.float32]]
    paid: tuple[ReleaseFigure, ...] = ()  # of people who were held out of the fit

    def __post_init__(self) -> None:
        self.order.setflags(write=False)
        for array in self.weights.values():
            array.setflags(write=False)
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))


def assemble(generator: Generator) -> tuple[Columns, Network]:
    """The network of a generator and the tables around it."""
    columns = Columns(
        generator.ways.columns, generator.order, generator.strata, generator.max_rows_per_unit > 1,
        generator.network.basis, generator.rising,
    )  # fmt: skip
    network = Network(columns, generator.network, 0)
    with torch.no_grad():
        for name, matrix in network.matrices.items():
            matrix.copy_(torch.tensor(generator.weights[name]))
    return columns, network
