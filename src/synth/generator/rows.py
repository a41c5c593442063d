"""Rows of real people, and the paid mechanisms that may be asked of them.

The stages before the line of noise take a ``PrivateRows``; the stages after it take measurements, and cannot reach one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synth.generator.ranges import Floats, Integers
from synth.generator.sequences import Sequences, places
from synth.privacy.mechanisms import Candidate, Curator, Factors, Singles, unit_weights

AnyInteger = NDArray[np.integer]  # of any width
PIECE_ROWS = 1 << 12  # rows of a physical batch


class Coding(Protocol):
    """Sorts the codes of one column into ``size`` cells; made from public facts and noisy measurements alone."""

    @property
    def column(self) -> int: ...

    @property
    def size(self) -> int: ...

    def encode(self, codes: AnyInteger) -> Integers:
        """Codes [rows] to cells 0 to ``size`` - 1, or -1 for none, int64[rows]."""


@dataclass(frozen=True)
class Table:
    """A table that may be chosen: two codings, the persons expected in each cell, [size, size], and its handicap."""

    codings: tuple[Coding, Coding]
    expected: Floats
    handicap: float


class PrivateRows:
    """Rows sorted by unit, each column's codes an array of their own, with the ledger's view of what may be asked."""

    def __init__(self, columns: Sequence[AnyInteger], first: Integers, sizes: Integers, curator: Curator) -> None:
        """``columns``: [rows] each; ``first`` and ``sizes`` int64[units]: where each unit's rows begin, and how many."""
        self.__columns, self.__first, self.__sizes, self.__curator = tuple(columns), first, sizes, curator
        self.__weights = unit_weights(np.repeat(np.arange(len(sizes)), sizes))

    def with_codes(self, encode: Callable[[int, AnyInteger], AnyInteger], columns: int) -> PrivateRows:
        """The same people, column j's codes replaced by ``encode(j, codes)``."""
        replaced = [encode(j, self.__columns[j]) for j in range(columns)]
        return PrivateRows(replaced, self.__first, self.__sizes, self.__curator)

    # what may be asked: each answer has passed a mechanism

    def histogram(self, event: str, *codings: Coding) -> Floats:
        """Noisy persons in each cell of the codings' product, [size] for one and [size, size] for two.

        The rows of a unit share one person among them.
        """
        sizes = [coding.size for coding in codings]
        noisy = self.__curator.histogram(event, self._cells(codings), self.__weights, int(np.prod(sizes)))
        return noisy.reshape(sizes)

    def repeats(self, event: str, coding: Coding) -> Floats:
        """Noisy persons by whether a row's cell is that of the unit's row before it, [differs, same]."""
        cells = self._cells([coding])
        same = np.full(len(cells), -1, dtype=np.int64)
        same[1:] = cells[1:] == cells[:-1]
        same[self.__first] = -1
        return self.__curator.histogram(event, same, self.__weights, 2)

    def choose(self, event: str, tables: Sequence[Table]) -> list[int]:
        """The places of the tables that differ most from what was expected of them, best first."""
        candidates = (Candidate(self._cells(t.codings), t.expected.ravel(), t.handicap) for t in tables)
        return self.__curator.choice(event, candidates, self.__weights)

    def gradient(
        self,
        event: str,
        factors: Callable[[Sequences], Sequence[Factors]],
        masks: Sequence[Singles],
        max_grad_norm: float,
    ) -> list[Floats]:
        """The noisy sum, over a fresh Poisson sample of units, of the clipped gradients that ``factors`` gives: a layer each.

        ``factors`` gets whole units, in pieces that fit memory.
        """
        chosen = np.flatnonzero(self.__curator.poisson(event, len(self.__sizes)))
        return self.__curator.gradient(event, map(factors, self._pieces(chosen)), masks, max_grad_norm)

    def _cells(self, codings: Sequence[Coding]) -> Integers:
        """The cell of each row in the product of the codings, -1 where one has none."""
        cells = codings[0].encode(self.__columns[codings[0].column])
        for coding in codings[1:]:
            more = coding.encode(self.__columns[coding.column])
            cells = np.where((cells < 0) | (more < 0), -1, cells * coding.size + more)
        return cells

    def _pieces(self, chosen: Integers) -> Iterator[Sequences]:
        chosen = chosen[np.argsort(self.__sizes[chosen], kind="stable")]
        ends = np.cumsum(self.__sizes[chosen])
        start = 0
        while start < len(chosen):
            done = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, done + PIECE_ROWS, side="right")), start + 1)
            yield self._units(chosen[start:stop])
            start = stop

    def _units(self, units: Integers) -> Sequences:
        sizes = self.__sizes[units]
        rows = places(self.__first[units], sizes)
        return Sequences(np.stack([column[rows] for column in self.__columns], axis=1).astype(np.int64), sizes)
