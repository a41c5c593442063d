"""DP-SGD: a fixed number of noisy steps, each on a fresh Poisson sample of units (Abadi et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModule
from torch import Tensor, nn

from synth.artifacts.layout import DP_SGD
from synth.artifacts.plan import Training
from synth.generator.network import Columns, Network
from synth.generator.ranges import Integers
from synth.privacy.mechanisms import Curator

PIECE_FLOATS = 1 << 23  # per-unit gradients held at once: 32 MB, and as much again in each copy of them
PIECE_UNITS = 512
DIVERGENCE = 0.5  # weight of the latent's divergence from its prior (a beta-VAE, Higgins et al. 2017); tuned

Progress = Callable[[int, int], None]  # steps done, steps in all


@dataclass(frozen=True)
class Units:
    """Rows grouped by unit: ``levels`` int32[rows, columns]; first row and number of rows, int64[units] each."""

    levels: Tensor
    first: Integers
    sizes: Integers

    def __len__(self) -> int:
        return len(self.first)

    def take(self, chosen: Integers) -> tuple[Tensor, Tensor]:
        """Levels [units, rows, columns] and weights [units, rows]: 1/n for each of a unit's n rows, 0 for padding."""
        place, sizes = np.arange(self.sizes[chosen].max()), self.sizes[chosen, None]
        real = place < sizes
        rows = self.first[chosen, None] + np.where(real, place, 0)
        weights = np.where(real, 1 / sizes, 0).astype(np.float32)
        return self.levels[torch.from_numpy(rows)].long(), torch.from_numpy(weights)


def group(levels: NDArray[np.int32], unit: Integers, max_rows: int) -> Units:
    """Units of rows that lie together, at most ``max_rows`` of each; ``unit`` int64[rows] names them."""
    first = np.flatnonzero(np.diff(unit, prepend=unit[:1] - 1))
    sizes = np.minimum(np.diff(np.append(first, len(unit))), max_rows)
    return Units(torch.from_numpy(levels), first.astype(np.int64), sizes.astype(np.int64))


def loss(network: Network, columns: Columns, levels: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """Negative evidence lower bound in nats: a sum over units of something of that unit alone."""
    # A gradient at the features is not needed, but without one the hooks of Opacus warn at every step.
    numbers, divergence = network(columns.embed(levels).requires_grad_(), noise)
    rows = columns.negative_log_likelihood(numbers, levels) + DIVERGENCE * divergence
    total: Tensor = (weights * rows).sum()
    return total


def train(
    network: Network,
    columns: Columns,
    units: Units,
    training: Training,
    curator: Curator,
    progress: Progress | None = None,
) -> None:
    """Trains ``network`` in place; it ends as the average of the second half of the iterates."""
    parameters = list(network.parameters())
    size = sum(parameter.numel() for parameter in parameters)
    average = torch.zeros(size)
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, training.steps)
    hooked = GradSampleModule(network, loss_reduction="sum", strict=True)
    # Not from the plan's seed: were the latents' noise known, one unit more would shift that of all units after it.
    random = torch.Generator()
    random.seed()
    for step in range(training.steps):
        chosen = np.flatnonzero(curator.poisson(DP_SGD, len(units)))
        total = curator.gradient(
            DP_SGD, per_unit_gradients(network, columns, units, chosen, random), size, training.max_grad_norm
        )
        _set_gradients(parameters, total / training.expected_batch_units)
        optimizer.step()
        falling.step()
        if (kept := step - training.steps // 2) >= 0:
            average += (nn.utils.parameters_to_vector(parameters).detach() - average) / (kept + 1)
        if progress:
            progress(step + 1, training.steps)
    hooked.to_standard_module()
    nn.utils.vector_to_parameters(average, parameters)


def per_unit_gradients(
    network: Network, columns: Columns, units: Units, chosen: Integers, random: torch.Generator
) -> Iterator[NDArray[np.float32]]:
    """Gradients [units, parameters] of the chosen units' losses, in pieces that fit memory, units of like size together.

    ``network`` carries the hooks of Opacus. A unit's rows are one more dimension of every linear layer, over which the
    layer's gradient is summed, so a row of weight 0 adds nothing.
    """
    parameters = list(network.parameters())
    piece = max(min(PIECE_FLOATS // sum(parameter.numel() for parameter in parameters), PIECE_UNITS), 1)
    chosen = chosen[np.argsort(units.sizes[chosen], kind="stable")]
    for start in range(0, len(chosen), piece):
        levels, weights = units.take(chosen[start : start + piece])
        noise = torch.randn((*weights.shape, network.latent), generator=random)
        loss(network, columns, levels, weights, noise).backward()  # type: ignore[no-untyped-call]
        yield torch.cat([_taken(parameter).flatten(1) for parameter in parameters], dim=1).numpy()


def _taken(parameter: nn.Parameter) -> Tensor:
    """The per-unit gradients that the hooks left at a parameter, [units, ...]; they would add up if they stayed."""
    gradients: Tensor = parameter.grad_sample  # type: ignore[attr-defined]
    parameter.grad_sample = parameter.grad = None  # type: ignore[attr-defined]
    return gradients


def _set_gradients(parameters: Sequence[nn.Parameter], gradient: NDArray[np.float64]) -> None:
    sizes = [parameter.numel() for parameter in parameters]
    parts = torch.split(torch.from_numpy(gradient.astype(np.float32)), sizes)
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
