"""The marginal fit: a mixture of product distributions, made by a small network, fitted to the noisy marginals.

As GEM does (Liu, Vietri and Wu 2021, arXiv 2106.07153), with a fixed set of latent points. Post-processing: it sees
measurements, and no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.artifacts.plan import MarginalFit
from synth.generator.learning import Progress
from synth.generator.levels import Levels, spread
from synth.generator.marginals import Ways
from synth.generator.network import TOGETHER, Logits, basis, block_diag
from synth.generator.pairs import Pairs
from synth.generator.ranges import Floats, Integers

LEVEL_FLOOR, CELL_FLOOR = 2e-3, 5e-4  # parts of all persons below which a share of a level or a cell need not be met
WARM_UP = 0.1  # of the steps, while the learning rate rises


class Mixture(nn.Module):
    """``points`` product distributions over the columns' levels."""

    def __init__(self, columns: tuple[Levels, ...], fit: MarginalFit, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.logits = Logits(columns, [torch.tensor(basis(c, fit.basis), dtype=torch.float32) for c in columns])
        self.points = torch.randn((fit.points, fit.latent), generator=random)
        self.body = nn.Parameter(_uniform((fit.latent + 1, fit.hidden), random))
        self.head = nn.Parameter(_uniform((fit.hidden + 1, self.logits.width), random))
        self.bias = nn.Parameter(self.logits.bias.clone())
        with torch.no_grad():
            self.head[-1] = 0

    def shares(self) -> Tensor:
        """[points, levels of all columns]."""
        hidden = functional.relu(_with_one(self.points) @ self.body)
        return self.logits.shares(_with_one(hidden) @ self.head, self.bias)


def fit_marginals(
    ways: Ways, pairs: Pairs, fit: MarginalFit, seed: int, progress: Progress | None = None
) -> list[Floats]:
    """Shares of each column's levels at each point of the mixture, [points, levels]."""
    mixture = Mixture(ways.columns, fit, seed)
    optimizer = torch.optim.AdamW(mixture.parameters(), lr=fit.learning_rate, weight_decay=0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, fit.learning_rate, total_steps=fit.steps + 1, pct_start=WARM_UP
    )
    target = _Target(ways, pairs)
    for step in range(fit.steps):
        loss = target.distance(mixture.shares())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cycle.step()
        if progress:
            progress(step + 1, fit.steps)
    with torch.no_grad():
        parts = torch.split(mixture.shares().double(), [column.count for column in ways.columns], dim=1)
        return [part.numpy() for part in parts]


@dataclass(frozen=True)
class _Block:
    """Pairs of the columns of some groups with those of others: persons ``wanted`` in the cells, where ``measured``."""

    left: Tensor
    right: Tensor
    wanted: Tensor
    measured: Tensor

    @staticmethod
    def of(
        pairs: Sequence[tuple[int, int]], own: Sequence[Integers], tables: Mapping[tuple[int, int], Floats]
    ) -> _Block:
        """``own``: the groups of each column, counted over all columns."""
        left, right = (np.concatenate([own[j] for j in sorted(set(side))]) for side in zip(*pairs, strict=True))
        wanted, measured = np.zeros((2, len(left), len(right)), np.float32)
        for i, j in pairs:
            place = np.ix_(np.isin(left, own[i]), np.isin(right, own[j]))
            wanted[place], measured[place] = tables[i, j], 1
        return _Block(*(torch.from_numpy(array) for array in (left, right, wanted, measured)))


class _Target:
    """The noisy marginals, each weighed by its noise."""

    def __init__(self, ways: Ways, pairs: Pairs) -> None:
        self.persons = ways.persons
        members = [functional.one_hot(torch.from_numpy(g.group), g.size).float() for g in pairs.groups]
        self.members = [block_diag(members[i : i + TOGETHER]) for i in range(0, len(members), TOGETHER)]
        starts = np.cumsum([0, *(groups.size for groups in pairs.groups)])
        own = [np.arange(a, b) for a, b in pairwise(starts)]
        apart = [[pair for pair in pairs.pairs if pair[0] == i] for i in range(len(own))]
        # all pairs in one product, most of which is wanted, or a column's pairs at a time, where few of all are
        parts = [pairs.pairs] if len(pairs.pairs) == len(own) * (len(own) - 1) // 2 else filter(None, apart)
        tables = dict(zip(pairs.pairs, pairs.tables, strict=True))
        self.blocks = [_Block.of(part, own, tables) for part in parts]
        self.measured = sum(counts.size for counts in pairs.tables)
        self.levels = torch.tensor(np.concatenate([c.shares for c in ways.columns]) * ways.persons, dtype=torch.float32)
        self.level_noise = np.hypot(ways.noise, LEVEL_FLOOR * ways.persons)
        self.cell_noise = np.hypot(pairs.noise, CELL_FLOOR * ways.persons)

    def distance(self, shares: Tensor) -> Tensor:
        """Mean squared distance of cells, and of levels, in standard deviations of their noise."""
        parts = torch.split(shares, [len(member) for member in self.members], 1)
        coarse = torch.cat([part @ member for part, member in zip(parts, self.members, strict=True)], dim=1)
        scale = self.persons / len(shares)
        apart = shares.new_zeros(())
        for block in self.blocks:
            cells = coarse.index_select(1, block.left).T @ coarse.index_select(1, block.right) * scale
            apart = apart + (((cells - block.wanted) / self.cell_noise) ** 2 * block.measured).sum() / self.measured
        levels = shares.mean(0) * self.persons
        total: Tensor = apart + (((levels - self.levels) / self.level_noise) ** 2).mean()
        return total


def sample_mixture(shares: list[Floats], rows: int, random: np.random.Generator) -> Integers:
    """Levels int64[rows, columns], evenly spread over the points and, at each point, over each column's levels."""
    points = len(shares[0])
    turns = [random.permutation(points) for _ in range(-(-rows // points))]
    point = np.concatenate(turns)[:rows] if turns else np.zeros(0, np.int64)
    levels = np.empty((rows, len(shares)), dtype=np.int64)
    for j, part in enumerate(shares):
        below = np.cumsum(part, axis=1)
        target = spread(point, points, random) * below[point, -1]
        levels[:, j] = np.minimum((below[point] <= target[:, None]).sum(1), part.shape[1] - 1)
    return levels


def _with_one(inputs: Tensor) -> Tensor:
    return torch.cat([inputs, inputs.new_ones((len(inputs), 1))], dim=1)


def _uniform(shape: tuple[int, int], random: torch.Generator) -> Tensor:
    weights: Tensor = (2 * torch.rand(shape, generator=random) - 1) / shape[0] ** 0.5
    return weights
