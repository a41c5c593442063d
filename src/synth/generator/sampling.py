"""Synthetic rows from a network: post-processing, as often as wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synth.generator.levels import Levels, shuffled_by, spread
from synth.generator.network import Columns, Network, marks
from synth.generator.ranges import Floats, Integers
from synth.generator.rules import Mask, Rule, all_held, by_place
from synth.generator.sequences import Sequences, ends

GOLDEN = (5**0.5 - 1) / 2
CHUNK_ROWS = 1 << 12  # drawn at once: what is held for them stays in the cache
COLUMN_ROUNDS = 4  # of drawing a column, each with ever more candidates, until every rule holds
ROW_ROUNDS = 50  # of drawing a row again
LEAST_WEIGHT = 1e-12  # of a level that can be, where the largest of the row has 1
MOST_CANDIDATES = 20_000  # drawn in a round: ever more for each row that is still wanted


Limits = Mapping[int, tuple[Integers, Integers]]  # of a column's codes: the least and the greatest, int64[units] each


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows as ``levels`` and as ``codes``, int64[rows, generated] each, and whether every rule is ``held``, bool[rows]; a row is
    ``stuck`` where no other draw of it could hold them, after the rows before it, bool[rows]."""

    levels: Integers
    codes: Integers
    held: NDArray[np.bool_]
    stuck: NDArray[np.bool_]

    @classmethod
    def none(cls, rows: int, columns: int) -> Drawn:
        """Zeros, that hold everything."""
        zeros = np.zeros((rows, columns), np.int64)
        return cls(zeros, zeros.copy(), np.ones(rows, bool), np.zeros(rows, bool))

    def part(self, rows: slice | Integers) -> Drawn:
        """Some of the rows; of a slice they are the same, not copies."""
        return Drawn(self.levels[rows], self.codes[rows], self.held[rows], self.stuck[rows])


@dataclass(frozen=True, eq=False)
class Units:
    """Whole units: ``rows`` of levels, their ``codes`` int64[rows, landed], and whether each row is ``held``."""

    rows: Sequences
    codes: Integers
    held: NDArray[np.bool_]

    @property
    def held_by_unit(self) -> NDArray[np.bool_]:
        """Whether every row of the unit holds the rules, bool[units]."""
        return np.asarray(np.bincount(self.rows.unit[~self.held], minlength=len(self.rows.sizes)) == 0)


class Sampler:
    """Draws the rows of synthetic units one after the other; a row that is kept is what its unit's next rows follow."""

    def __init__(
        self, network: Network, columns: Columns, given: Integers, sizes: Integers, random: np.random.Generator,
        rules: Sequence[Rule] = (), limits: Limits | None = None, names: Integers | None = None,
        pull: Floats | None = None,
    ) -> None:  # fmt: skip
        """``given`` int64[units, given columns]: levels; ``sizes`` int64[units]: how many rows each unit will have; ``names``
        int64[units]: by which the rules and the limits know them, their places where there are none; ``pull`` float64[landed]: by
        how much the logit of a level rises that the row before has."""
        self._names = np.arange(len(sizes)) if names is None else names
        self._limits = limits or {}
        self._levels = np.zeros((len(sizes), columns.landed), dtype=np.int64)
        self._ends = np.zeros((len(sizes), len(columns.rising)), dtype=np.int64)
        self.network, self.columns, self.given, self.sizes, self.random = network, columns, given, sizes, random
        self._tables = _Tables(network, columns, rules, pull)
        self._latent = _normal(random, (len(sizes), network.shape.latent))
        self._position = np.zeros(len(sizes), dtype=np.int64)
        outputs = columns.outputs if columns.several else 0
        self._before, self._sum = torch.zeros((len(sizes), outputs)), torch.zeros((len(sizes), outputs))

    def draw(self, units: Integers) -> Drawn:
        """A candidate for the next row of each unit, which may be named several times."""
        drawn = Drawn.none(len(units), self.columns.generated)
        for start in range(0, len(units), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            mine = units[part]
            self._tables.fill(drawn.part(part), self._told(mine), self._history(mine), self._latent[mine], self.random)
        return drawn

    def keep(self, units: Integers, levels: Integers, codes: Integers) -> None:
        """These rows [units, generated] are the next ones of their units, each named once."""
        for k, rise in enumerate(self.columns.rises):
            length = None if rise.until is None else codes[:, rise.until]
            self._ends[units, k] = ends(rise, codes[:, rise.column], length, self._cells(rise.until))
        self._levels[units] = levels[:, : self.columns.landed]
        if self.columns.several:
            for start in range(0, len(units), CHUNK_ROWS):
                mine = units[start : start + CHUNK_ROWS]
                own = self.columns.embed(torch.from_numpy(levels[start : start + CHUNK_ROWS]))
                self._before[mine] = own
                self._sum[mine] += own
        self._position[units] += 1

    def _cells(self, column: int | None) -> int:
        if column is None:
            return 0
        levels = self.columns.columns[column]
        return int(levels.edges[-1]) - levels.missing

    def _told(self, units: Integers) -> _Told:
        names = self._names[units]
        limits = {j: (low[names], high[names]) for j, (low, high) in self._limits.items()}
        longest = [self._cells(rise.until) - rise.zero for rise in self.columns.rises]
        room = (self.sizes[units] - 1 - self._position[units])[:, None] * np.array(longest, dtype=np.int64)
        given, levels, last = torch.from_numpy(self.given[units]), self._levels[units], self._ends[units]
        return _Told(names, given, self._position[units], levels, last, room, limits)

    def _history(self, units: Integers) -> Tensor:
        if not self.columns.several:
            return torch.zeros((len(units), 0))
        position = self._position[units]
        mean = self._sum[units] / torch.from_numpy(np.maximum(position, 1).astype(np.float32))[:, None]
        return torch.cat([marks(position, self.sizes[units]), self._before[units], mean], dim=1)


@dataclass(frozen=True, eq=False)
class _Told:
    """What is known of the rows to be drawn: their unit's name, what is given, their place in the unit, the levels of the
    row before [rows, landed], of each column that rises the end of that row and what the rows behind may need [rows, rising],
    and what codes may be."""

    names: Integers
    given: Tensor
    position: Integers
    levels: Integers
    ends: Integers
    room: Integers
    limits: Limits

    def take(self, rows: Integers) -> _Told:
        limits = {j: (low[rows], high[rows]) for j, (low, high) in self.limits.items()}
        return _Told(
            self.names[rows],
            self.given[rows],
            self.position[rows],
            self.levels[rows],
            self.ends[rows],
            self.room[rows],
            limits,
        )


class _Tables:
    """The decoder as sums of table rows: what each level of a column adds to the hidden layer and to later columns."""

    def __init__(self, network: Network, columns: Columns, rules: Sequence[Rule], pull: Floats | None) -> None:
        self.columns, self.pull = columns, pull
        known = columns.position.copy()
        self.first = by_place(rules, known, columns.generated)
        known[list(columns.rising)] = known[
            columns.landed : columns.generated
        ]  # later rows have a code with their step
        self.later = by_place(rules, known, columns.generated) if columns.rising else self.first
        hidden, widths = network.shape.hidden, columns.widths
        with torch.no_grad():
            trunk, head = (network.matrices[name] * network.masks[name] for name in ("trunk", "head"))
        order = np.array(columns.order, dtype=np.int64)
        starts = np.cumsum([0, *widths])
        outputs = [np.arange(starts[j], starts[j + 1]) for j in order]
        rows = torch.from_numpy(np.concatenate([*outputs, np.zeros(0, np.int64)]))  # the head's, as the order has them
        self.ends = np.cumsum([0, *(widths[j] for j in order)])
        past = head[rows, hidden:]
        if not network.shape.skip:  # only the biases
            past = torch.cat([past.new_zeros((len(past), trunk.shape[1] - 1)), past], dim=1)
        both = torch.cat([trunk, past])  # [hidden + outputs, seen]
        self.hidden, self.head = hidden, head[rows, :hidden]
        self.ready = np.searchsorted(network.degree, np.arange(len(order)))  # hidden units of lower degree
        reached = both if network.shape.skip else trunk
        added = [columns.bases[j] @ reached[:, starts[j] : starts[j + 1]].T for j in range(len(widths))]
        self.given = added[columns.generated :]
        self.to_hidden = [added[j][:, self.ready[p] : hidden].contiguous() for p, j in enumerate(order)]
        self.behind = [added[j][:, hidden + self.ends[p + 1] :].contiguous() for p, j in enumerate(order)]
        self.context = both[:, columns.features :].T  # history, latent, 1

    def fill(self, drawn: Drawn, told: _Told, history: Tensor, latent: Tensor, random: np.random.Generator) -> None:
        columns, given, count = self.columns, told.given, len(told.given)
        sums = torch.cat([history, latent, torch.ones((count, 1))], dim=1) @ self.context
        for j, added in enumerate(self.given):
            sums[:, : added.shape[1]] += added[given[:, j]]
        hidden, outputs = sums[:, : self.hidden], sums[:, self.hidden :]
        done = 0
        for place, j in enumerate(columns.order):
            ready, (start, stop) = int(self.ready[place]), self.ends[place : place + 2]
            hidden[:, done:ready].relu_()  # complete: nothing will be added to them
            done = ready
            numbers = torch.addmm(outputs[:, start:stop], hidden[:, :ready], self.head[start:stop, :ready].T)
            logits = torch.addmm(columns.biases[j], numbers, columns.bases[j].T)
            like = _alike(drawn.levels, given, self.columns.strata[place], random)
            weights = (logits - logits.amax(1, keepdim=True)).exp()  # softmax is slow on few levels
            self._draw_near(int(j), weights, told)
            self._possible(int(j), weights, told)
            drawn.levels[:, j] = categories(weights, like, random)
            self._decode(int(j), weights, drawn, told, random)
            if self.first[place] == self.later[place]:
                self._hold(self.first[place], int(j), np.arange(count), weights, drawn, told, random)
            else:
                self._hold(self.first[place], int(j), np.flatnonzero(told.position == 0), weights, drawn, told, random)
                self._hold(self.later[place], int(j), np.flatnonzero(told.position > 0), weights, drawn, told, random)
            if place + 1 < columns.generated:  # what is behind needs no more sums
                level = torch.from_numpy(drawn.levels[:, j])
                hidden[:, ready:] += functional.embedding(level, self.to_hidden[place])
                if self.behind[place].shape[1]:  # where the inputs reach past the hidden layer
                    outputs[:, stop:] += functional.embedding(level, self.behind[place])

    def _draw_near(self, j: int, weights: Tensor, told: _Told) -> None:
        """Raises, in place, the weight of the level that the row before has."""
        if self.pull is not None and j < self.columns.landed:
            later = np.flatnonzero(told.position > 0)
            weights[later, told.levels[later, j]] *= math.exp(self.pull[j])

    def _possible(self, j: int, weights: Tensor, told: _Told) -> None:
        """Takes its weight, in place, from what cannot be: beyond the limits, and where a column rises what came before."""
        columns = self.columns
        if columns.rising and (j in columns.rising or j >= columns.landed):
            later = torch.from_numpy(told.position > 0)
            if j in columns.rising:
                weights[later] = 0
                weights[later, torch.from_numpy(told.levels[:, j])[later]] = 1
            else:
                weights[later, -1] = 0
                weights[~later, :-1] = 0
        if (limits := self._limits(j, told)) is not None:
            low, high = limits
            first, last = columns.columns[j].spans
            within = (first <= high[:, None]) & (last >= low[:, None])
            within[~within.any(1)] = True  # nothing can be: the rules will tell
            known = weights[:, : within.shape[1]]
            known *= torch.from_numpy(within)
            known += torch.from_numpy(within) * LEAST_WEIGHT  # where all that has weight cannot be
            if j >= columns.landed:
                known[told.position == 0] = 0

    def _limits(self, j: int, told: _Told) -> tuple[Integers, Integers] | None:
        """The least and the greatest code of a column, or of a step; a row after the first has no limit but its step's."""
        columns = self.columns
        if j >= columns.landed:
            date = columns.rising[j - columns.landed]
            top = self._last(date)
            k = j - columns.landed
            high = told.limits[date][1] if date in told.limits else np.full(len(told.position), top)
            high = np.minimum(high, top) - told.ends[:, k]
            return np.zeros(len(high), np.int64), np.maximum(high - told.room[:, k], np.minimum(high, 0))
        if j in columns.rising:
            k, later = columns.rising.index(j), told.position > 0
            any_code = (0 * told.position, 0 * told.position + self._last(j))
            low, high = told.limits.get(j, any_code)
            high = np.maximum(high - told.room[:, k], low)
            return np.where(later, 0, low), np.where(later, np.iinfo(np.int64).max, high)
        return told.limits.get(j)

    def _last(self, column: int) -> int:
        """The last code of a column that rises, which has no missing values."""
        return int(self.columns.columns[column].edges[-1]) - 1

    def _decode(self, j: int, weights: Tensor, drawn: Drawn, told: _Told, random: np.random.Generator) -> None:
        """Codes of the levels of column j; a column that rises has its own with those of its steps. What is beyond the limits
        is drawn anew within them."""
        columns, levels = self.columns, self.columns.columns[j]
        codes = levels.decode(drawn.levels[:, j], random)
        if (limits := self._limits(j, told)) is not None:
            low, high = limits
            known = drawn.levels[:, j] < levels.count - levels.missing
            beyond = np.flatnonzero(known & ((codes < low) | (codes > high)))
            if len(beyond):
                drawn.levels[beyond, j], codes[beyond], _ = self._masked((), j, beyond, 1, weights, drawn, told, random)
                known = drawn.levels[:, j] < levels.count - levels.missing
                codes = np.where(
                    known, np.minimum(np.maximum(codes, low), high), codes
                )  # where there is nothing within
        self._code(j, codes, drawn, told)
        if j >= columns.landed and limits is not None:
            none = (told.position > 0) & (limits[1] < 0)
            drawn.held[none], drawn.stuck[none] = False, True

    def _code(self, j: int, codes: Integers, drawn: Drawn, told: _Told) -> None:
        """Sets the codes of column j; those of one that rises only in first rows, later with its steps."""
        columns = self.columns
        later = np.flatnonzero(told.position > 0)
        if j in columns.rising:
            first = np.flatnonzero(told.position == 0)
            drawn.codes[first, j] = codes[first]
            return
        drawn.codes[:, j] = codes
        if j >= columns.landed:
            k, date = j - columns.landed, columns.rising[j - columns.landed]
            moved = told.ends[later, k] + codes[later]  # where the row before leaves no place, beyond the last code
            drawn.codes[later, date] = np.minimum(moved, self._last(date))

    def _hold(
        self, rules: list[Rule], j: int, rows: Integers, weights: Tensor, drawn: Drawn, told: _Told,
        random: np.random.Generator,
    ) -> None:  # fmt: skip
        """Column j is drawn again in those rows where a rule does not hold: what came before it, and its weights, stay as they
        are. Where every rule is a mask, once is enough."""
        if not rules:
            return
        pending = rows[~self._all_held(rules, drawn.codes[rows], told.names[rows], first=True)]
        masks = [rule for rule in rules if rule.edges is not None]
        for attempt in range(1, 2 if len(masks) == len(rules) else COLUMN_ROUNDS):
            if not len(pending):
                return
            times = 1 if len(masks) == len(rules) else max(1, min(4**attempt, MOST_CANDIDATES // len(pending)))
            wanted = np.repeat(pending, times)
            again, known = drawn.part(wanted), told.take(wanted)
            if masks:
                again.levels[:, j], codes, none = self._masked(masks, j, pending, times, weights, drawn, told, random)
                self._code(j, codes, again, known)
                drawn.stuck[pending[none]] = True
            else:
                again.levels[:, j] = categories(
                    weights[torch.from_numpy(wanted)], random.permutation(len(wanted)), random
                )
                self._decode(j, weights[torch.from_numpy(wanted)], again, known, random)
            good = np.flatnonzero(self._all_held(rules, again.codes, known.names))
            mended, first = np.unique(wanted[good], return_index=True)
            drawn.levels[mended], drawn.codes[mended] = again.levels[good[first]], again.codes[good[first]]
            pending = np.setdiff1d(pending, mended, assume_unique=True)
        drawn.held[pending] = False

    def _masked(
        self, masks: Sequence[Rule], j: int, rows: Integers, times: int, weights: Tensor, drawn: Drawn, told: _Told,
        random: np.random.Generator,
    ) -> tuple[Integers, Integers, NDArray[np.bool_]]:  # fmt: skip
        """Levels and codes of column j, int64[rows * times], that hold the masks; of a step, as it makes the date hold them. And
        where nothing that this row may be drawn as would, bool[rows]."""
        columns, known = self.columns, told.take(rows)
        moved, column = np.zeros(len(rows), np.int64), j
        if j >= columns.landed:
            moved, column = known.ends[:, j - columns.landed], columns.rising[j - columns.landed]
        of = columns.columns[column]
        mask = Mask(
            tuple(masks), column, columns.columns[j], int(of.edges[-1]) - of.missing, of.missing and column == j
        )
        asked = drawn.codes[rows, : columns.landed]
        own = weights[torch.from_numpy(rows)].numpy().astype(np.float64)
        return mask.draw(own, asked, known.names, moved, self._limits(j, known), times, random)

    def _all_held(
        self, rules: Sequence[Rule], codes: Integers, names: Integers, first: bool = False
    ) -> NDArray[np.bool_]:  # fmt: skip
        return all_held(rules, codes[:, : self.columns.landed], names, first)


def draw(
    network: Network, columns: Columns, given: Integers, sizes: Integers, random: np.random.Generator,
    rules: Sequence[Rule] = (), limits: Limits | None = None, names: Integers | None = None,
    pull: Floats | None = None,
) -> Units:  # fmt: skip
    """Whole units, their levels with those ``given`` [units, given columns] at the end of each row.

    A row that breaks a rule is drawn again many times; what still breaks one stays as it was drawn last. ``names``: by which
    the rules and the limits know the units.
    """
    sampler = Sampler(network, columns, given, sizes, random, rules, limits, names, pull)
    rows = Sequences(np.empty((int(sizes.sum()), len(columns.levels)), dtype=np.int64), sizes)
    rows.levels[:, columns.generated :] = given[rows.unit]
    codes, held = np.empty((len(rows.levels), columns.landed), dtype=np.int64), np.ones(len(rows.levels), bool)
    for position in range(int(sizes.max(initial=0))):
        pending = np.flatnonzero(sizes > position)
        for attempt in range(ROW_ROUNDS):
            wanted = np.repeat(pending, max(1, min(1 << attempt, MOST_CANDIDATES // len(pending))))
            drawn = sampler.draw(wanted)
            good = drawn.held | drawn.stuck if attempt + 1 < ROW_ROUNDS else np.ones(len(wanted), bool)
            kept = np.flatnonzero(good)[np.unique(wanted[good], return_index=True)[1]]  # the first of each unit
            places = rows.first[wanted[kept]] + position
            rows.levels[places, : columns.generated] = drawn.levels[kept]
            codes[places], held[places] = drawn.codes[kept, : columns.landed], drawn.held[kept]
            sampler.keep(wanted[kept], drawn.levels[kept], drawn.codes[kept])
            pending = np.setdiff1d(pending, wanted[kept], assume_unique=True)
            if not len(pending):
                break
    return Units(rows, codes, held)


def categories(weights: Tensor, order: Integers, random: np.random.Generator) -> Integers:
    """One category a row from the row's own ``weights`` [rows, categories].

    Rows that are neighbours in ``order`` get evenly spread uniforms (a golden-ratio sequence from a random start), so that a
    stretch of rows with like shares has as many of each category as it should, give or take one or two.
    """
    uniform = np.empty(len(weights), dtype=np.float32)
    uniform[order] = (random.random() + np.arange(len(weights)) * GOLDEN) % 1.0
    below = weights.cumsum(1)
    target = torch.from_numpy(uniform)[:, None] * below[:, -1:]
    chosen: Integers = (below <= target).sum(1).clamp(max=weights.shape[1] - 1).numpy()
    return chosen


def _alike(found: Integers, given: Tensor, strata: Sequence[int], random: np.random.Generator) -> Integers:
    """An order of the rows in which those alike in the columns ``strata`` lie together, otherwise at random."""
    generated = found.shape[1]
    group = np.zeros(len(found), dtype=np.int64)
    for j in strata:
        level = found[:, j] if j < generated else given[:, j - generated].numpy()
        group = group * (int(level.max(initial=0)) + 1) + level
    return shuffled_by(group, random)


def sizes_from(columns: Sequence[Levels], given: Integers, cap: int, random: np.random.Generator) -> Integers:
    """Rows of each unit, int64[units], from the last of the ``given`` levels [units, given columns]."""
    return columns[-1].decode(given[:, -1], random) + 1 if cap > 1 else np.ones(len(given), dtype=np.int64)


def levels_from(shares: Floats, count: int, random: np.random.Generator) -> Integers:
    """Levels int64[count] of one column from its noisy shares, evenly spread."""
    below = np.cumsum(shares)
    target = spread(np.zeros(count, np.int64), 1, random) * below[-1]
    found: Integers = np.minimum(np.searchsorted(below, target, side="right"), len(below) - 1)
    return found


def _normal(random: np.random.Generator, shape: tuple[int, int]) -> Tensor:
    return torch.from_numpy(random.standard_normal(shape, np.float32))
