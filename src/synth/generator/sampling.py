"""Synthetic rows from a fitted generator: post-processing, as often as wanted."""

from __future__ import annotations

import numpy as np
import torch

from synth.generator.levels import spread
from synth.generator.ranges import Floats, Integers
from synth.generator.network import Columns, Network

CHUNK = 1 << 14  # rows drawn at once


def draw(
    network: Network, columns: Columns, sizes: Integers | None, rows: int, random: np.random.Generator
) -> Integers:
    """Levels int64[rows, columns]. ``sizes`` int64[rows] is the given level of the last column, if it is given."""
    parts = [
        _chunk(
            network, columns, None if sizes is None else sizes[start : start + CHUNK], min(CHUNK, rows - start), random
        )
        for start in range(0, rows, CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(columns.bases)), np.int64)


def _chunk(
    network: Network, columns: Columns, given: Integers | None, rows: int, random: np.random.Generator
) -> Integers:
    latent = torch.from_numpy(
        random.standard_normal((CHUNK if given is not None else rows, network.latent), np.float32)
    )
    with torch.no_grad():
        logits = columns.logits(network.decode(latent))
        shares = [torch.softmax(part.double(), -1).numpy() for part in logits]
    result = np.empty((rows, len(shares)), np.int64)
    chosen = np.arange(rows)
    if given is not None:
        chosen = _latents(shares.pop(), given, random)
        result[:, -1] = given
    for j, share in enumerate(shares):
        result[:, j] = categories(share[chosen], random)
    return result


def categories(shares: Floats, random: np.random.Generator) -> Integers:
    """One category a row from its own ``shares`` float64[rows, categories], with evenly spread uniforms."""
    rows = len(shares)
    uniform = spread(np.zeros(rows, np.int64), 1, random)
    below = np.cumsum(shares, axis=1)
    return np.minimum((uniform[:, None] * below[:, -1:] >= below).sum(1), shares.shape[1] - 1)


def _latents(shares: Floats, given: Integers, random: np.random.Generator) -> Integers:
    """For each row a latent of the pool, with probability proportional to that of the row's given level."""
    chosen = np.empty(len(given), np.int64)
    for level in np.unique(given):
        mine = np.flatnonzero(given == level)
        below = np.cumsum(shares[:, level])
        target = spread(np.zeros(len(mine), np.int64), 1, random) * below[-1]
        chosen[mine] = np.minimum(np.searchsorted(below, target, side="right"), len(below) - 1)
    return chosen
