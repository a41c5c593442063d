"""The network: a masked autoregressive decoder, given what came before and a latent where there is one.

A variational autoencoder (Kingma and Welling 2014) whose decoder is autoregressive over the columns (MADE, Germain et al.
2015, arXiv 1502.03509), with a categorical likelihood per column. Two matrices make the decoder: the trunk to one hidden
layer, and the head, which sees the hidden layer and, past it (``skip``), the inputs. The logits of an ordered column are a
Legendre polynomial of the bin's quantile, so that few numbers learn its shape from noisy gradients. The matrices are all
that is trained; features, bases and biases come from noisy marginals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synth.artifacts import plan
from synth.generator.levels import Levels
from synth.generator.ranges import Integers
from synth.generator.sequences import Sequences

DIVERGENCE = 0.5  # weight of a latent's divergence from its prior (a beta-VAE, Higgins et al. 2017)
LEAST_LOGIT = -80.0  # below a row's largest: exp of it is still a normal float32
Strata = tuple[tuple[int, ...], ...]

TOGETHER = 12  # columns whose logits are computed in one product
MARKS = 3  # features of a row's place: is it the first, is it the last, how far from the first


class Columns:
    """Levels to features and the decoder's numbers to logits, all columns side by side; nothing here is trained.

    The first ``len(order)`` columns are generated, in that order; the others are given.
    """

    def __init__(
        self, columns: Sequence[Levels], order: Integers, strata: Strata, several: bool, degree: int | None,
        rising: tuple[plan.Rise, ...] = (),
    ) -> None:  # fmt: skip
        """``strata``: for each place of the order, the columns before it that it depends on most; ``several``: units have
        several rows; ``degree``: of the polynomials of ordered columns, None for no polynomials; ``rising``: columns that are
        learned by a unit's first value and their steps, the last of the generated columns."""
        self.columns, self.order, self.strata, self.several = tuple(columns), order, strata, several
        self.generated = len(order)
        self.rises, self.landed = rising, self.generated - len(rising)
        self.rising = tuple(rise.column for rise in rising)
        self.position = np.full(len(columns), -1)  # in the order; -1 for what is given
        self.position[order] = np.arange(self.generated)
        bases = [basis(column, degree) for column in columns]
        self.levels = [column.count for column in columns]
        self.widths = [matrix.shape[1] for matrix in bases]
        self.bases = [torch.tensor(matrix, dtype=torch.float32) for matrix in bases]
        self.biases = [torch.tensor(np.log(column.shares), dtype=torch.float32) for column in columns]
        self._logits = Logits(columns[: self.generated], self.bases[: self.generated])
        self._first = torch.from_numpy(np.cumsum([0, *self.levels])[:-1])

    @property
    def features(self) -> int:
        return sum(self.widths)

    @property
    def outputs(self) -> int:
        return sum(self.widths[: self.generated])

    @property
    def context(self) -> int:
        return MARKS + 2 * self.outputs if self.several else 0

    def embed(self, levels: Tensor) -> Tensor:
        """Levels [rows, columns], or of the generated columns alone, to their features [rows, features]."""
        return torch.cat([self.bases[j][levels[:, j]] for j in range(levels.shape[1])], dim=1)

    def history(self, features: Tensor, units: Sequences) -> Tensor:
        """What each row is told of the rows before it: marks, the row before, the mean of all before, [rows, context]."""
        if not self.several:
            return features[:, :0]
        own = features[:, : self.outputs]
        before, mean = torch.zeros_like(own), torch.zeros_like(own)
        sums = own.new_zeros((len(units.sizes), self.outputs))
        for position in range(1, int(units.sizes.max(initial=1))):  # no sum ever crosses from one unit to another
            longer = np.flatnonzero(units.sizes > position)
            here = units.first[longer] + position
            before[here] = own[here - 1]
            sums[longer] += own[here - 1]
            mean[here] = sums[longer] / position
        return torch.cat([marks(units.position, units.sizes[units.unit]), before, mean], dim=1)

    def negative_log_likelihood(self, numbers: Tensor, levels: Tensor, position: Integers) -> Tensor:
        """Of every row over all generated columns, in nats: [rows]. ``position`` int64[rows]: of the row in its unit."""
        places = levels[:, : self.generated] + self._first[: self.generated]
        if not self.rising:
            return self._logits.negative_log_likelihood(numbers, places)
        open_ = np.ones((len(levels), self.generated), dtype=np.float32)
        open_[:, list(self.rising)] = (position == 0)[:, None]  # later it is what the steps make of it
        open_[:, self.landed :] = (position > 0)[:, None]
        return self._logits.negative_log_likelihood(numbers, places, torch.from_numpy(open_))


class Logits:
    """Numbers of several columns, side by side, to the probabilities of their levels.

    A few columns at a time share a matrix, most of which is zeros: quicker than one column at a time.
    """

    def __init__(self, columns: Sequence[Levels], bases: Sequence[Tensor]) -> None:
        self.bias = torch.tensor(np.log(np.concatenate([c.shares for c in columns])), dtype=torch.float32)
        self.width = sum(matrix.shape[1] for matrix in bases)
        self._matrices, self._members = [], []
        for start in range(0, len(columns), TOGETHER):
            some = bases[start : start + TOGETHER]
            self._matrices.append(block_diag(some).T.contiguous())  # [numbers, levels]
            self._members.append(block_diag([torch.ones((len(matrix), 1)) for matrix in some]))  # [levels, columns]
        self._widths = [len(matrix) for matrix in self._matrices]
        self._levels = [len(member) for member in self._members]

    def negative_log_likelihood(self, numbers: Tensor, places: Tensor, counted: Tensor | None = None) -> Tensor:
        """``places`` [rows, columns]: of each column's level among the levels of all; in nats, [rows].

        ``counted`` [rows, columns]: 0 where a column does not count, else 1.
        """
        parts = self._weights(numbers, self.bias)
        found = torch.cat([logits for logits, _ in parts], dim=1).gather(1, places)
        sums = [(weights @ member).log() for (_, weights), member in zip(parts, self._members, strict=True)]
        if counted is not None:
            return ((torch.cat(sums, dim=1) - found) * counted).sum(1)
        nats: Tensor = -found.sum(1)
        for part in sums:
            nats = nats + part.sum(1)
        return nats

    def shares(self, numbers: Tensor, bias: Tensor) -> Tensor:
        """[rows, levels of all], which sum to 1 over the levels of each column."""
        parts = zip(self._weights(numbers, bias), self._members, strict=True)
        return torch.cat([weights / ((weights @ member) @ member.T) for (_, weights), member in parts], dim=1)

    def _weights(self, numbers: Tensor, bias: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Logits, the row's largest taken off and cut where float32 ends, and their exponentials; a few columns each."""
        found = []
        parts = zip(torch.split(numbers, self._widths, 1), torch.split(bias, self._levels), self._matrices, strict=True)
        for part, some_bias, matrix in parts:
            logits = torch.addmm(some_bias, part, matrix)
            logits = (logits - logits.detach().amax(1, keepdim=True)).clamp(min=LEAST_LOGIT)
            found.append((logits, logits.exp()))
        return found


def marks(position: Integers, sizes: Integers) -> Tensor:
    """Features of the rows' places in their units, float32[rows, 3]."""
    found = np.stack([position == 0, position == sizes - 1, np.log1p(position) / 2], axis=1)
    return torch.from_numpy(found.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Tap:
    """A layer at work: its inputs [rows, in] and outputs [rows, out]; one row per unit where ``per_unit``."""

    inputs: Tensor
    outputs: Tensor
    per_unit: bool = False


class Network:
    """``matrices`` [out, in] by name, the last input of each being 1; where a matrix's mask is 0 a weight does not exist."""

    def __init__(self, columns: Columns, shape: plan.Network, seed: int) -> None:
        self.shape = shape
        random = torch.Generator().manual_seed(seed)
        seen = columns.features + columns.context + shape.latent + 1
        self.degree = hidden_degrees(columns.generated, shape.hidden)
        sizes = {"trunk": (shape.hidden, seen), "head": (columns.outputs, shape.hidden + (seen if shape.skip else 1))}
        if shape.latent:
            sizes["encoder"] = (shape.encoder, columns.features + 1)
            sizes["posterior"] = (2 * shape.latent, shape.encoder + 1)
        self.masks = {name: torch.from_numpy(self._mask(name, columns, *size)) for name, size in sizes.items()}
        self.matrices = {}
        for name, size in sizes.items():
            weights = (2 * torch.rand(size, generator=random) - 1) / size[1] ** 0.5 * self.masks[name]
            if name == "head":
                weights *= 0.5
                weights[:, shape.hidden :] = 0  # what bypasses the hidden layer, and the bias, start from nothing
            self.matrices[name] = weights.requires_grad_()

    def unfolded(self, columns: Columns, full: Columns, seed: int) -> Network:
        """The same network on features and numbers of ``full``, which has one for each level: it can learn more.

        A polynomial's weights become those of the levels it is taken at.
        """
        wide = Network(full, self.shape, seed)
        with torch.no_grad():
            inputs = block_diag(columns.bases)  # [levels of all, features]
            outputs = block_diag(columns.bases[: columns.generated])
            inner = block_diag(columns.bases[: columns.generated] * 2) if columns.several else inputs[:0, :0]
            start, marks_end = columns.features, columns.features + MARKS * columns.several
            history_end = columns.features + columns.context

            def seen(weights: Tensor) -> Tensor:
                parts = [weights[:, :start] @ inputs.T, weights[:, start:marks_end]]
                parts += [weights[:, marks_end:history_end] @ inner.T, weights[:, history_end:]]
                return torch.cat(parts, dim=1)

            hidden, head = self.shape.hidden, self.matrices["head"]
            wide.matrices["trunk"].copy_(seen(self.matrices["trunk"]))
            past = seen(head[:, hidden:]) if self.shape.skip else head[:, hidden:]
            wide.matrices["head"].copy_(outputs @ torch.cat([head[:, :hidden], past], dim=1))
            if self.shape.latent:
                encoder = self.matrices["encoder"]
                wide.matrices["encoder"].copy_(torch.cat([encoder[:, :start] @ inputs.T, encoder[:, start:]], dim=1))
                wide.matrices["posterior"].copy_(self.matrices["posterior"])
        return wide

    def forget(self) -> None:
        """All weights 0: every column by itself, as its noisy shares say."""
        with torch.no_grad():
            for matrix in self.matrices.values():
                matrix.zero_()

    def _mask(self, name: str, columns: Columns, rows: int, width: int) -> NDArray[np.float32]:
        """A column sees those before it in the order, and all that is given; so does each hidden unit of its degree."""
        mask = np.ones((rows, width), dtype=np.float32)
        source = np.repeat(columns.position, columns.widths)
        target = source[: columns.outputs]
        if name == "trunk":
            mask[:, : columns.features] = source[None] <= self.degree[:, None]
        if name == "head":
            mask[:, : self.shape.hidden] = self.degree[None] < target[:, None]
        if name == "head" and self.shape.skip:
            mask[:, self.shape.hidden : self.shape.hidden + columns.features] = source[None] < target[:, None]
        if not self.shape.autoregressive and (name == "trunk" or (name == "head" and self.shape.skip)):
            start = 0 if name == "trunk" else self.shape.hidden
            mask[:, start : start + columns.features] *= source[None] < 0
        return mask

    def encode(self, features: Tensor, units: Sequences, taps: list[Tap]) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each unit's latent, [units, latent], from the mean of its rows' features."""
        weights = torch.from_numpy(units.weights.astype(np.float32))[:, None]
        mean = features.new_zeros((len(units.sizes), features.shape[1]))
        mean = mean.index_add(0, torch.from_numpy(units.unit), features * weights)
        hidden = functional.relu(self._layer("encoder", mean, taps, per_unit=True))
        centre, log_variance = self._layer("posterior", hidden, taps, per_unit=True).chunk(2, dim=-1)
        return centre, log_variance.clamp(-6, 3)

    def decode(self, seen: Tensor, taps: list[Tap]) -> Tensor:
        """Features, history and latent [rows, ...] to the numbers of the generated columns, [rows, outputs]."""
        hidden = functional.relu(self._layer("trunk", seen, taps))
        return self._layer("head", torch.cat([hidden, seen], dim=1) if self.shape.skip else hidden, taps)

    def _layer(self, name: str, inputs: Tensor, taps: list[Tap], per_unit: bool = False) -> Tensor:
        inputs = torch.cat([inputs, inputs.new_ones((len(inputs), 1))], dim=1)
        outputs: Tensor = inputs @ (self.matrices[name] * self.masks[name]).T
        taps.append(Tap(inputs, outputs, per_unit))
        return outputs

    def loss(self, columns: Columns, units: Sequences, noise: Tensor) -> tuple[Tensor, list[Tap]]:
        """Negative evidence lower bound in nats: a sum over units of something of that unit alone, and the layers at work.

        A unit's rows weigh 1/n each. ``noise`` [units, latent] is standard normal.
        """
        taps: list[Tap] = []
        levels = torch.from_numpy(units.levels)
        features = columns.embed(levels)
        seen = torch.cat([features, columns.history(features, units)], dim=1)
        total = features.new_zeros(())
        if self.shape.latent:
            centre, log_variance = self.encode(features, units, taps)
            latent = centre + noise * (0.5 * log_variance).exp()
            seen = torch.cat([seen, latent[torch.from_numpy(units.unit)]], dim=1)
            total = DIVERGENCE * _divergence(centre, log_variance)
        numbers = self.decode(seen, taps)
        weights = torch.from_numpy(units.weights.astype(np.float32))
        total = total + (weights * columns.negative_log_likelihood(numbers, levels, units.position)).sum()
        return total, taps

    def divergence(self, columns: Columns, units: Sequences) -> float:
        """Mean divergence of the units' latents from their prior, in nats."""
        features = columns.embed(torch.from_numpy(units.levels))
        return float(_divergence(*self.encode(features, units, []))) / max(len(units.sizes), 1)


def _divergence(centre: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (centre**2 + log_variance.exp() - 1 - log_variance).sum()


def block_diag(parts: Sequence[Tensor]) -> Tensor:
    """The matrices along the diagonal of one, [sum of rows, sum of columns]."""
    found: Tensor = torch.block_diag(*parts)  # type: ignore[no-untyped-call]
    return found


def hidden_degrees(generated: int, hidden: int) -> NDArray[np.int64]:
    """Of each hidden unit, the last position that it sees: evenly from -1 (only what is given) to the last but one."""
    return np.sort(np.arange(hidden) % max(generated, 1) - 1)


def basis(column: Levels, degree: int | None) -> NDArray[np.float64]:
    """Features of a column's levels, [levels, width]: one each, or Legendre polynomials of the bin's middle quantile."""
    bins = column.count - column.missing
    if degree is None or not column.ordered or bins <= degree + 1:
        return np.eye(column.count)
    shares = column.shares[:bins] / column.shares[:bins].sum()
    matrix = np.zeros((column.count, degree + column.missing))
    matrix[:bins, :degree] = np.polynomial.legendre.legvander(2 * (np.cumsum(shares) - shares / 2) - 1, degree)[:, 1:]
    matrix[bins:, degree:] = 1
    return matrix
