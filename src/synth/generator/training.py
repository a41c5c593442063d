"""DP-SGD: a fixed number of noisy steps, each on a fresh Poisson sample of units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModule
from torch import Tensor

from synth.artifacts.layout import DP_SGD
from synth.artifacts.plan import Training
from synth.generator.network import Columns, Network
from synth.generator.ranges import Integers
from synth.privacy.mechanisms import Curator

PHYSICAL_FLOATS = 1 << 23  # gradients held at once: 32 MB, and as much again in each copy of them

Progress = Callable[[int, int], None]  # steps done, steps in all


@dataclass(frozen=True)
class Units:
    """Rows grouped by unit: ``levels`` int64[rows, columns], first row and number of rows int64[units]."""

    levels: Tensor
    first: Integers
    sizes: Integers
    max_rows: int

    def __len__(self) -> int:
        return len(self.first)

    def take(self, chosen: Integers) -> tuple[Tensor, Tensor]:
        """Levels [units, max_rows, columns] and weights [units, max_rows]: 1/n for a unit's n rows, 0 for padding."""
        place = np.arange(self.max_rows)
        sizes = self.sizes[chosen, None]
        real = place < sizes
        rows = np.where(real, self.first[chosen, None] + place, self.first[chosen, None])
        weights = np.where(real, 1 / np.maximum(sizes, 1), 0.0)
        return self.levels[torch.from_numpy(rows)], torch.from_numpy(weights.astype(np.float32))


def group(levels: Integers, unit: Integers, max_rows: int) -> Units:
    """Rows of a unit are contiguous; ``unit`` int64[rows] names them."""
    first = np.flatnonzero(np.diff(unit, prepend=unit[:1] - 1))
    sizes = np.diff(np.append(first, len(unit)))
    return Units(torch.from_numpy(levels), first.astype(np.int64), np.minimum(sizes, max_rows), max_rows)


def loss(network: torch.nn.Module, columns: Columns, levels: Tensor, weights: Tensor, noise: Tensor) -> Tensor:
    """Negative evidence lower bound, in nats: a sum over units of something of that unit alone."""
    outputs, divergence = network(columns.embed(levels), noise)
    rows = columns.negative_log_likelihood(outputs, levels) + divergence
    return (weights * rows).sum()


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
    size = sum(p.numel() for p in parameters)
    average = torch.zeros(size)
    optimizer = torch.optim.Adam(parameters, lr=training.learning_rate)
    wrapped = GradSampleModule(network, loss_reduction="sum", strict=True)
    # The latent's noise must be unknown to a reader: were it seeded, one unit more would shift the others' noise.
    random = torch.Generator()
    random.seed()
    for step in range(training.steps):
        for group_ in optimizer.param_groups:
            group_["lr"] = training.learning_rate * (1 - step / training.steps)
        chosen = np.flatnonzero(curator.poisson(DP_SGD, len(units)))
        batches = per_unit_gradients(network, columns, units, chosen, random)
        total = curator.gradient(DP_SGD, batches, size, training.max_grad_norm)
        gradient = torch.from_numpy((total / training.expected_batch_units).astype(np.float32))
        for parameter, part in zip(parameters, gradient.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)
        optimizer.step()
        second_half = step - training.steps // 2
        if second_half >= 0:
            flat = torch.nn.utils.parameters_to_vector(parameters).detach()
            average += (flat - average) / (second_half + 1)
        if progress:
            progress(step + 1, training.steps)
    wrapped.to_standard_module()
    torch.nn.utils.vector_to_parameters(average, parameters)


def per_unit_gradients(
    network: Network, columns: Columns, units: Units, chosen: Integers, random: torch.Generator
) -> Iterator[NDArray[np.float32]]:
    """Gradients [units, parameters] of the chosen units' losses, in pieces that fit memory."""
    parameters = list(network.parameters())
    size = sum(p.numel() for p in parameters)
    piece = max(PHYSICAL_FLOATS // size, 1)
    for start in range(0, len(chosen), piece):
        levels, weights = units.take(chosen[start : start + piece])
        noise = torch.randn((*weights.shape, network.latent), generator=random)
        loss(network, columns, levels, weights, noise).backward()
        gradients = torch.cat([p.grad_sample.flatten(1) for p in parameters], dim=1)
        for parameter in parameters:
            parameter.grad_sample = parameter.grad = None
        yield gradients.numpy()
