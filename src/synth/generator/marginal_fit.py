"""The marginal fit: a mixture of product distributions, made by a small network, fitted to the noisy marginals.

As GEM does (Liu, Vietri and Wu 2021, arXiv 2106.07153), with a fixed set of latent points. Post-processing: it sees
measurements, and no row.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth.artifacts.plan import MarginalFit
from synth.generator.learning import Progress
from synth.generator.levels import Levels, spread
from synth.generator.marginals import Ways
from synth.generator.network import Logits, basis, block_diag
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


class _Target:
    """The noisy marginals, each weighed by its noise."""

    def __init__(self, ways: Ways, pairs: Pairs) -> None:
        self.persons = ways.persons
        starts = np.cumsum([0, *(groups.size for groups in pairs.groups)])
        cells, wanted = np.zeros((starts[-1], starts[-1]), np.float32), np.zeros((starts[-1], starts[-1]), np.float32)
        for (i, j), counts in zip(pairs.pairs, pairs.tables, strict=True):
            block = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            cells[block], wanted[block] = 1, counts
        self.cells, self.wanted, self.measured = torch.from_numpy(cells), torch.from_numpy(wanted), max(cells.sum(), 1)
        members = [functional.one_hot(torch.from_numpy(g.group), g.size).float() for g in pairs.groups]
        self.member = block_diag(members)  # [levels of all, groups of all]
        self.levels = torch.tensor(np.concatenate([c.shares for c in ways.columns]) * ways.persons, dtype=torch.float32)
        self.level_noise = np.hypot(ways.noise, LEVEL_FLOOR * ways.persons)
        self.cell_noise = np.hypot(pairs.noise, CELL_FLOOR * ways.persons)

    def distance(self, shares: Tensor) -> Tensor:
        """Mean squared distance of cells, and of levels, in standard deviations of their noise."""
        coarse = shares @ self.member
        cells = (coarse.T @ coarse) * (self.persons / len(coarse))
        levels = shares.mean(0) * self.persons
        apart = (((cells - self.wanted) / self.cell_noise) ** 2 * self.cells).sum() / self.measured
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
