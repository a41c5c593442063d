"""Synthetic rows from a fitted generator: post-processing, as often as wanted."""

from __future__ import annotations

import numpy as np
import torch

from synth.generator.levels import spread
from synth.generator.network import Columns, Network
from synth.generator.ranges import Floats, Integers

CHUNK_ROWS = 1 << 14  # drawn at once, or fewer where there are many levels
CHUNK_FLOATS = 1 << 23  # logits held at once: 32 MB
ROUNDS = 10  # of moving biases; each moves a share most of the way
LATENTS = 1 << 13  # drawn from the prior to measure the shares with


def draw(
    network: Network, columns: Columns, given: Integers | None, rows: int, random: np.random.Generator
) -> Integers:
    """Levels int64[rows, columns]. ``given`` int64[rows] is each row's level in the last column, if that is given."""
    result = np.empty((rows, len(columns.levels)), np.int64)
    chunk = max(min(CHUNK_FLOATS // sum(columns.levels), CHUNK_ROWS), 256)
    for start in range(0, rows, chunk):
        mine = slice(start, min(start + chunk, rows))
        logits = _logits(network, columns, chunk if given is not None else mine.stop - start, random)
        chosen = np.arange(mine.stop - start)
        if given is not None:
            chosen = _latents(_shares(logits.pop()), given[mine], random)
            result[mine, -1] = given[mine]
        for j, part in enumerate(logits):
            result[mine, j] = categories(_shares(part)[chosen], random)
    return result


def balance(network: Network, columns: Columns, targets: list[Floats], random: np.random.Generator) -> None:
    """Moves the biases of ``columns`` until rows from the prior have the ``targets`` shares, the noisy marginals.

    Noisy training moves shares away from those that were paid for; this brings them back, and no category collapses.
    """
    with torch.no_grad():
        numbers = network.decode(_prior(network, LATENTS, random))
        for _ in range(ROUNDS):
            for bias, target, logits in zip(columns.biases, targets, columns.logits(numbers), strict=True):
                share = torch.softmax(logits.double(), -1).mean(0)
                bias += torch.log(torch.tensor(target) / share.clamp(min=1e-9)).float()


def categories(shares: Floats, random: np.random.Generator) -> Integers:
    """One category a row from the row's own ``shares`` float64[rows, categories], with evenly spread uniforms."""
    rows = len(shares)
    below = np.cumsum(shares, axis=1)
    target = spread(np.zeros(rows, np.int64), 1, random) * below[:, -1]
    chosen: Integers = np.minimum((target[:, None] >= below).sum(1), shares.shape[1] - 1)
    return chosen


def _latents(shares: Floats, given: Integers, random: np.random.Generator) -> Integers:
    """For each row a latent of the pool, with probability proportional to that of the row's given level."""
    chosen = np.empty(len(given), np.int64)
    for level in np.unique(given):
        mine = np.flatnonzero(given == level)
        below = np.cumsum(shares[:, level])
        target = spread(np.zeros(len(mine), np.int64), 1, random) * below[-1]
        chosen[mine] = np.minimum(np.searchsorted(below, target, side="right"), len(below) - 1)
    return chosen


def _logits(network: Network, columns: Columns, rows: int, random: np.random.Generator) -> list[torch.Tensor]:
    with torch.no_grad():
        return columns.logits(network.decode(_prior(network, rows, random)))


def _prior(network: Network, rows: int, random: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(random.standard_normal((rows, network.latent), np.float32))


def _shares(logits: torch.Tensor) -> Floats:
    shares: Floats = torch.softmax(logits.double(), -1).numpy()
    return shares
