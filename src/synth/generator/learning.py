"""Plain training on synthetic rows, which are nobody's and cost nothing: warm start, refinement and distillation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from synth.artifacts.plan import Learning
from synth.generator.network import Columns, Network
from synth.generator.sequences import Sequences

WEIGHT_DECAY = 1e-4
WARM_UP = 0.1  # of the steps, while the learning rate rises; then it falls (one cycle, Smith and Topin 2017)

Progress = Callable[[int, int], None]  # steps done, steps in all


def learn(
    network: Network, columns: Columns, units: Sequences, learning: Learning, seed: int,
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Trains ``network`` in place on synthetic ``units``."""
    parameters = list(network.matrices.values())
    optimizer = torch.optim.AdamW(parameters, lr=learning.learning_rate, weight_decay=WEIGHT_DECAY)
    batches = max(len(units.sizes) // learning.batch_units, 1)
    steps = learning.epochs * batches
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning.learning_rate, total_steps=steps + 1, pct_start=WARM_UP
    )
    random, noise = np.random.default_rng([seed, 2]), torch.Generator().manual_seed(seed)
    for step in range(steps):
        if step % batches == 0:
            order = random.permutation(len(units.sizes))
        batch = units.take(order[(step % batches) * learning.batch_units :][: learning.batch_units])
        latent = torch.randn((len(batch.sizes), network.shape.latent), generator=noise)
        loss, _ = network.loss(columns, batch, latent)
        optimizer.zero_grad()
        (loss / len(batch.sizes)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cycle.step()
        if progress:
            progress(step + 1, steps)
