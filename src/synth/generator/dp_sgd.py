"""DP-SGD: a fixed number of noisy steps, each on a fresh Poisson sample of units (Abadi et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from synth.artifacts.layout import DP_SGD
from synth.artifacts.plan import DpSgd
from synth.generator.learning import Progress
from synth.generator.network import Columns, Network
from synth.generator.rows import PrivateRows
from synth.generator.sequences import Sequences
from synth.privacy.mechanisms import Factors, Singles, squared_norms
from synth.privacy.randomness import Randomness

NORM_UNITS, LEAST_NORM = 2_000, 1e-3
ROW_BLOCK = 64
SECOND_MOMENT_FLOOR = 1e-6  # Adam's epsilon


def train(
    network: Network, columns: Columns, rows: PrivateRows, like: Sequences, dp_sgd: DpSgd, randomness: Randomness,
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Trains ``network`` in place on ``rows`` of levels; it ends as the average of the second half of the iterates.

    The clipping norm is a quantile of the norms of gradients on synthetic units, ``like``: nothing private is asked.
    """
    max_grad_norm = clipping_norm(network, columns, like, dp_sgd.clipping_quantile)
    parameters = list(network.matrices.values())
    masks = [mask.numpy() for mask in network.masks.values()]
    average = torch.zeros(sum(parameter.numel() for parameter in parameters))
    optimizer = torch.optim.Adam(parameters, lr=dp_sgd.learning_rate, eps=SECOND_MOMENT_FLOOR)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, dp_sgd.steps)

    def factors(units: Sequences) -> Sequence[Factors]:
        # not from the plan's seed: were the latents' noise known, one unit more would shift that of all units after it
        noise = randomness.normal(len(units.sizes) * network.shape.latent)
        return unit_gradients(network, columns, units, noise.reshape(len(units.sizes), -1).astype(np.float32))

    for step in range(dp_sgd.steps):
        totals = rows.gradient(DP_SGD, factors, masks, max_grad_norm)
        for parameter, total in zip(parameters, totals, strict=True):
            parameter.grad = torch.from_numpy(total / dp_sgd.expected_batch_units).float()
        optimizer.step()
        falling.step()
        if (kept := step - dp_sgd.steps // 2) >= 0:
            average += (nn.utils.parameters_to_vector(parameters).detach() - average) / (kept + 1)
        if progress:
            progress(step + 1, dp_sgd.steps)
    nn.utils.vector_to_parameters(average, parameters)


def clipping_norm(network: Network, columns: Columns, like: Sequences, quantile: float) -> float:
    """The ``quantile`` of the gradient norms of up to 2,000 synthetic units."""
    units = like.take(np.arange(min(len(like.sizes), NORM_UNITS)))
    noise = np.zeros((len(units.sizes), network.shape.latent), np.float32)
    layers = zip(unit_gradients(network, columns, units, noise), network.masks.values(), strict=True)
    square = sum(squared_norms(factors, mask.numpy(), len(units.sizes)) for factors, mask in layers)
    return max(float(np.quantile(np.sqrt(square), quantile)), LEAST_NORM) if len(units.sizes) else 1.0


def unit_gradients(network: Network, columns: Columns, units: Sequences, noise: Singles) -> list[Factors]:
    """The gradients of each unit's loss in factors, a layer each in the order of ``network.matrices``.

    ``noise`` float32[units, latent]. Matrix products round a few rows otherwise than many, so there are always whole
    blocks of rows, filled up with rows of zeros: a row's factors hardly depend on how many stand beside it.
    """
    filling = -len(units.levels) % ROW_BLOCK
    filled = Sequences(
        np.pad(units.levels, ((0, filling), (0, 0))), np.concatenate([units.sizes, np.ones(filling, np.int64)])
    )
    with torch.enable_grad():
        loss, taps = network.loss(columns, filled, torch.from_numpy(np.pad(noise, ((0, filling), (0, 0)))))
        gradients = torch.autograd.grad(loss, [tap.outputs for tap in taps])
    found = []
    for tap, gradient in zip(taps, gradients, strict=True):
        unit = np.arange(len(units.sizes)) if tap.per_unit else units.unit
        found.append(Factors(tap.inputs.detach().numpy()[: len(unit)], gradient.numpy()[: len(unit)], unit))
    return found[-2:] + found[:-2]  # the decoder's layers come last at work, and first among the matrices
