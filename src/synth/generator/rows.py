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
    """A table that may be chosen, or compared: its codings, the persons expected in each cell, [size, ...], and its handicap."""

    codings: tuple[Coding, ...]
    expected: Floats
    handicap: float = 0.0


class PrivateRows:
    """Rows in sequences, those of one unit together, each column's codes an array of their own, with what may be asked.

    A sequence is all rows of a unit or, in a child table, its rows below one row of the parent.
    """

    def __init__(
        self, columns: Sequence[AnyInteger], first: Integers, sizes: Integers, unit: Integers, curator: Curator
    ) -> None:
        """``columns``: [rows] each; ``first``, ``sizes`` and ``unit`` int64[sequences]: where each sequence's rows begin, how
        many, and whose they are, counted from 0 without a gap and rising."""
        self.__columns, self.__first, self.__sizes, self.__unit = tuple(columns), first, sizes, unit
        self.__curator = curator
        self.__weights = unit_weights(np.repeat(unit, sizes))

    def with_codes(self, encode: Callable[[int, AnyInteger], AnyInteger], columns: int) -> PrivateRows:
        """The same people, column j's codes replaced by ``encode(j, codes)``."""
        replaced = [encode(j, self.__columns[j]) for j in range(columns)]
        return PrivateRows(replaced, self.__first, self.__sizes, self.__unit, self.__curator)

    # what may be asked: each answer has passed a mechanism

    def histogram(self, event: str, *codings: Coding) -> Floats:
        """Noisy persons in each cell of the codings' product, [size] for one and [size, size] for two.

        The rows of a unit share one person among them.
        """
        sizes = [coding.size for coding in codings]
        noisy = self.__curator.histogram(event, self._cells(codings), self.__weights, int(np.prod(sizes)))
        return noisy.reshape(sizes)

    def repeats(self, event: str, coding: Coding) -> Floats:
        """Noisy persons by whether a row's cell is that of the row before it in its sequence, [differs, same]."""
        cells = self._cells([coding])
        same = np.full(len(cells), -1, dtype=np.int64)
        same[1:] = cells[1:] == cells[:-1]
        same[self.__first] = -1
        return self.__curator.histogram(event, same, self.__weights, 2)

    def choose(self, event: str, tables: Sequence[Table]) -> list[int]:
        """The places of the tables that differ most from what was expected of them, best first."""
        candidates = (Candidate(self._cells(t.codings), t.expected.ravel(), t.handicap) for t in tables)
        return self.__curator.choice(event, candidates, self.__weights)

    def distance(self, event: str, tables: Sequence[Table]) -> float:
        """Noisy persons who would have to be in another cell for all to be as expected, the mean over the tables."""
        candidates = [Candidate(self._cells(t.codings), t.expected.ravel()) for t in tables]
        return self.__curator.distance(event, candidates, self.__weights)

    def gradient(
        self,
        event: str,
        factors: Callable[[Sequences], Sequence[Factors]],
        masks: Sequence[Singles],
        max_grad_norm: float,
    ) -> list[Floats]:
        """The noisy sum, over a fresh Poisson sample of units, of the clipped gradients that ``factors`` gives: a layer each.

        ``factors`` gets all sequences of some units, in pieces that fit memory.
        """
        units = int(self.__unit[-1]) + 1 if len(self.__unit) else 0
        chosen = np.flatnonzero(self.__curator.poisson(event, units))
        return self.__curator.gradient(event, self._factors(factors, chosen), masks, max_grad_norm)

    def _cells(self, codings: Sequence[Coding]) -> Integers:
        """The cell of each row in the product of the codings, -1 where one has none."""
        cells = codings[0].encode(self.__columns[codings[0].column])
        for coding in codings[1:]:
            more = coding.encode(self.__columns[coding.column])
            cells = np.where((cells < 0) | (more < 0), -1, cells * coding.size + more)
        return cells

    def _factors(
        self, factors: Callable[[Sequences], Sequence[Factors]], chosen: Integers
    ) -> Iterator[Sequence[Factors]]:
        """The factors of the chosen units, a piece at a time, each row's unit counted within its piece."""
        edges = np.searchsorted(self.__unit, np.append(chosen, chosen + 1))  # the sequences of each unit
        start, count = edges[: len(chosen)], edges[len(chosen) :] - edges[: len(chosen)]
        rows = np.add.reduceat(self.__sizes, start) if len(chosen) else count
        order = np.argsort(rows, kind="stable")
        start, count, ends, done = start[order], count[order], np.cumsum(rows[order]), 0
        while done < len(chosen):
            before = ends[done - 1] if done else 0
            stop = max(int(np.searchsorted(ends, before + PIECE_ROWS, side="right")), done + 1)
            unit = np.repeat(np.arange(stop - done), count[done:stop])
            found = factors(self._sequences(places(start[done:stop], count[done:stop])))
            yield [Factors(layer.inputs, layer.gradients, unit[layer.unit]) for layer in found]
            done = stop

    def _sequences(self, chosen: Integers) -> Sequences:
        sizes = self.__sizes[chosen]
        rows = places(self.__first[chosen], sizes)
        return Sequences(np.stack([column[rows] for column in self.__columns], axis=1).astype(np.int64), sizes)
