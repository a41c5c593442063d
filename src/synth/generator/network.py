"""The variational autoencoder: linear layers over fixed features of the levels.

Kingma and Welling 2014, "Auto-encoding variational Bayes", with a categorical likelihood per column. The logits of an
ordered column are a Legendre polynomial of the bin's quantile, so that few numbers learn its shape from noisy gradients.
All trainable parameters are in the linear layers; features, bases and biases come from noisy marginals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synth.artifacts import plan
from synth.generator.levels import Levels

LOGIT_SCALE = 2.0  # logits per number of the decoder: noisy steps of one size should move logits further than weights
RARE = 0.1  # added to a feature's stddev, so that a rare category is not blown up to rule the gradient


class Network(nn.Module):
    """Encoder and decoder, one hidden layer each. ``features`` go in, ``features`` numbers come out for the logits."""

    def __init__(self, features: int, shape: plan.Network) -> None:
        super().__init__()
        self.latent = shape.latent
        self.encoder = nn.Linear(features, shape.hidden)
        self.posterior = nn.Linear(shape.hidden, 2 * shape.latent)
        self.decoder = nn.Linear(shape.latent, shape.hidden)
        self.output = nn.Linear(shape.hidden, features)

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[..., features] to the mean and the log variance of the latent, [..., latent] each."""
        mean, log_variance = self.posterior(functional.relu(self.encoder(features))).chunk(2, dim=-1)
        return mean, log_variance.clamp(-6, 3)

    def decode(self, latent: Tensor) -> Tensor:
        """[..., latent] to [..., features]."""
        result: Tensor = self.output(functional.relu(self.decoder(latent)))
        return result

    def forward(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's numbers [..., features] for a latent drawn with ``noise``, and its divergence from the prior [...]."""
        mean, log_variance = self.encode(features)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)
        return self.decode(mean + noise * (0.5 * log_variance).exp()), divergence


class Columns:
    """Levels to features and the decoder's numbers to logits, column by column; nothing here is trained."""

    def __init__(self, columns: Sequence[Levels], order: int, biases: NDArray[np.float32] | None = None) -> None:
        """``biases`` float32[levels of all columns], or else the logarithms of the columns' shares."""
        bases = [basis(column, order) for column in columns]
        pairs = list(zip(bases, columns, strict=True))
        self.widths = [matrix.shape[1] for matrix in bases]
        self.levels = [column.count for column in columns]
        self.inputs = [torch.tensor(_standard(matrix, column.shares), dtype=torch.float32) for matrix, column in pairs]
        self.outputs = [torch.tensor(LOGIT_SCALE * matrix, dtype=torch.float32) for matrix in bases]
        if biases is None:
            biases = np.log(np.concatenate([column.shares for column in columns])).astype(np.float32)
        self.biases = list(torch.split(torch.from_numpy(biases.copy()), self.levels))

    @property
    def features(self) -> int:
        return sum(self.widths)

    def embed(self, levels: Tensor) -> Tensor:
        """Levels [..., columns] to features [..., features]."""
        return torch.cat([matrix[levels[..., j]] for j, matrix in enumerate(self.inputs)], dim=-1)

    def logits(self, numbers: Tensor) -> list[Tensor]:
        """The decoder's numbers [..., features] to logits [..., levels] of each column."""
        parts = torch.split(numbers, self.widths, dim=-1)
        return [part @ matrix.T + bias for part, matrix, bias in zip(parts, self.outputs, self.biases, strict=True)]

    def negative_log_likelihood(self, numbers: Tensor, levels: Tensor) -> Tensor:
        """Of every row over all its columns, in nats: [...]."""
        total = torch.zeros(levels.shape[:-1])
        for j, logits in enumerate(self.logits(numbers)):
            total = total + torch.logsumexp(logits, -1) - logits.gather(-1, levels[..., j : j + 1]).squeeze(-1)
        return total


def basis(column: Levels, order: int) -> NDArray[np.float64]:
    """Features of a column's levels, [levels, width]: one each, or Legendre polynomials of the bin's middle quantile."""
    bins = column.count - column.missing
    if not column.ordered or bins <= order + 1:
        return np.eye(column.count)
    shares = column.shares[:bins] / column.shares[:bins].sum()
    matrix = np.zeros((column.count, order + column.missing))
    matrix[:bins, :order] = np.polynomial.legendre.legvander(2 * (np.cumsum(shares) - shares / 2) - 1, order)[:, 1:]
    matrix[bins:, order:] = 1
    return matrix


def _standard(matrix: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of mean 0 and about variance 1 under the noisy shares."""
    centred = matrix - shares @ matrix
    return centred / (np.sqrt(shares @ centred**2) + RARE)
