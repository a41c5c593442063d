"""What holds in every row, and a draw of one column of a row among the codes that hold it.

A rule that knows into which ranges the codes of its columns fall is a mask: which codes may follow those drawn before is
found by asking, and the column is drawn among them by the weights that it had. Other columns and other codes' shares stay
as they are. A rule without ranges can only be asked of a whole row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from synth.generator.levels import Levels
from synth.generator.ranges import Floats, Integers

Truth = NDArray[np.bool_]
Held = Callable[[Integers, Integers], Truth]
CELLS_AT_ONCE = 1 << 21  # of rows and ranges that are held at once
CELLS_OF_UNITS = 1 << 24  # of units and ranges of which it is kept what holds a rule
ASKED_AT_ONCE = 1 << 15  # rows that a rule is asked of while a change is searched: a question has its price
CORNERS = 64  # most combinations of ends of ranges that a rule is asked of to look ahead


@dataclass(frozen=True, eq=False)
class Rule:
    """``held`` takes codes int64[rows, columns] and of which unit each row is, int64[rows]; it looks at ``columns`` and says of
    each row whether it holds.

    ``edges``: of each column, edges of ranges of its codes (a missing value in one of its own) in each of which the rule
    comes or ceases to hold once at most as the code rises. ``table``: whether it holds by the ranges, where they decide.
    ``alike``: whether it says the same of rows of every unit. ``told`` is given what it says of rows as they were drawn.
    """

    columns: tuple[int, ...]
    held: Held
    edges: tuple[Integers, ...] | None = None
    table: Truth | None = None
    alike: bool = True
    told: Callable[[Truth], None] | None = None


def tabled(columns: tuple[int, ...], edges: tuple[Integers, ...], table: Truth) -> Rule:
    """A rule whose ranges decide: ``table`` bool[ranges of each column]."""

    def held(codes: Integers, _: Integers) -> Truth:
        places = [np.searchsorted(e, codes[:, j], side="right") - 1 for j, e in zip(columns, edges, strict=True)]
        return np.asarray(table[tuple(places)])

    return Rule(columns, held, edges, table)


def by_unit(rule: Rule, steps: Sequence[int], absent: Sequence[int | None], units: int, columns: int) -> Rule:
    """The same of a mask in which one value of the row decides, and the unit: each unit is asked once, and not each draw.

    A code of each of the rule's columns is so many ``steps`` of that value, and of the last column one; ``absent``: the codes of
    missing values. Rows have so many ``columns``.
    """
    assert rule.edges is not None
    last, weights = rule.columns[-1], np.array(steps)
    most = sum(int(e[-1] - 1) * step for e, step in zip(rule.edges, steps, strict=True)) + 1
    edges = rule.edges[-1] if len(steps) == 1 else np.array([0, most])
    if units * len(edges) > CELLS_OF_UNITS:
        return rule
    alone, at_once = Rule((last,), rule.held, (edges,), alike=False), max(1, CELLS_AT_ONCE // (4 * len(edges)))
    parts = [np.arange(units)[start : start + at_once] for start in range(0, units, at_once)]
    found = [_held_in(alone, last, edges, np.zeros((len(part), columns), np.int64), part) for part in parts]
    low, high = (np.concatenate(ends) for ends in zip(*found, strict=True))
    nothing = np.zeros((units, columns), np.int64)
    known = [(j, code) for j, code in zip(rule.columns[:-1], absent, strict=False) if code is not None]
    for j, code in known:
        nothing[:, j] = code
    without = np.asarray(rule.held(nothing, np.arange(units))) if known else np.zeros(units, bool)

    def held(codes: Integers, names: Integers) -> Truth:
        value = codes[:, rule.columns] @ weights
        place = np.minimum(np.searchsorted(edges, value, side="right") - 1, len(edges) - 2)
        truth = (low[names, place] <= value) & (value < high[names, place])
        gone = np.zeros(len(codes), bool)
        for j, code in known:
            gone |= codes[:, j] == code
        return np.where(gone, without[names], truth)

    return Rule(rule.columns, held, rule.edges, alike=False)


def representatives(edges: Sequence[Integers]) -> Integers:
    """The first code of every range of some columns, in every combination: int64[combinations, columns]."""
    grid = np.meshgrid(*(e[:-1] for e in edges), indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1) if edges else np.zeros((1, 0), np.int64)


def by_place(rules: Iterable[Rule], position: Integers, places: int) -> list[list[Rule]]:
    """For each place of the order the rules that can be asked once its column is drawn; ``position``: of each column.

    A mask is asked at each of its columns whether there is anything that could follow.
    """
    found: list[list[Rule]] = [[] for _ in range(places)]
    for rule in rules:
        for known in (rule, *_ahead(rule, position)):
            found[max(position[j] for j in known.columns)].append(known)
    return found


def _ahead(rule: Rule, position: Integers) -> Iterator[Rule]:
    """Of the first columns of a mask, whether values of the others are left that hold it; where that is in doubt."""
    edges = rule.edges
    if edges is None or not rule.alike:
        return
    order = sorted(range(len(edges)), key=lambda axis: position[rule.columns[axis]])
    for count in range(1, len(order)):
        kept, rest = sorted(order[:count]), order[count:]
        columns, own = tuple(rule.columns[axis] for axis in kept), tuple(edges[axis] for axis in kept)
        if rule.table is not None:
            table = np.asarray(rule.table.any(axis=tuple(rest)))
            if not table.all():
                yield tabled(columns, own, table)
        elif _in_doubt(rule, kept, rest, len(position)):
            yield Rule(
                columns, partial(_any_left, rule, [rule.columns[axis] for axis in rest], _corners(edges, rest)), own
            )


def _in_doubt(rule: Rule, kept: Sequence[int], rest: Sequence[int], columns: int) -> bool:
    """Whether some values of the axes ``kept`` leave none of the ``rest``. The truth is the highest, and the lowest, at ends
    of ranges: no other codes need to be asked."""
    assert rule.edges is not None
    ends, others = _corners(rule.edges, kept), _corners(rule.edges, rest)
    if max(len(ends), len(others)) > CORNERS:
        return False  # it will be asked at its last column
    codes = np.zeros((len(ends), columns), np.int64)
    codes[:, [rule.columns[axis] for axis in kept]] = ends
    left = _any_left(rule, [rule.columns[axis] for axis in rest], others, codes, np.zeros(len(ends), np.int64))
    return not left.all()


def _any_left(rule: Rule, columns: Sequence[int], others: Integers, codes: Integers, units: Integers) -> Truth:
    asked = np.repeat(codes, len(others), axis=0)
    asked[:, columns] = np.tile(others, (len(codes), 1))
    return np.asarray(rule.held(asked, np.repeat(units, len(others))).reshape(len(codes), len(others)).any(1))


def _corners(edges: Sequence[Integers], axes: Sequence[int]) -> Integers:
    """The first and last codes of the ranges of some axes, in every combination: int64[combinations, axes]."""
    ends = [np.unique(np.concatenate([edges[axis][:-1], edges[axis][1:] - 1])) for axis in axes]
    grid = np.meshgrid(*ends, indexing="ij")
    return np.stack([axis.ravel() for axis in grid], axis=1)


def all_held(rules: Sequence[Rule], codes: Integers, units: Integers, first: bool = False) -> Truth:
    """Whether rows hold all rules; the ``first`` time after they were drawn, who wants to know is told."""
    truths = [rule.held(codes, units) for rule in rules]
    for rule, truth in zip(rules, truths, strict=True):
        if first and rule.told is not None:
            rule.told(truth)
    return np.asarray(np.logical_and.reduce(truths))


@dataclass(frozen=True, eq=False)
class Mask:
    """The rules with ranges that are asked at one ``column``, or none; the ``levels`` of what is drawn for it, be it a step to
    its next code; its ``cells``; and whether it may be ``missing``."""

    rules: tuple[Rule, ...]
    column: int
    levels: Levels
    cells: int
    missing: bool

    def draw(
        self, weights: Floats, codes: Integers, units: Integers, moved: Integers,
        limits: tuple[Integers, Integers] | None, times: int, random: np.random.Generator,
    ) -> tuple[Integers, Integers, Truth]:  # fmt: skip
        """Levels and codes, int64[rows * times], with which every rule holds, any where there are none; and whether no code of
        the column holds the rules about it alone, bool[rows].

        ``weights`` float64[rows, levels]: how likely each level is; ``moved`` int64[rows]: the column's code where the code
        drawn is 0; ``limits``: the least and the greatest code that may be drawn, but for a missing value.
        """
        last = self.cells + self.missing
        edges = np.unique(np.concatenate([[0, self.cells, last], *map(self._edges, self.rules)]).clip(max=last))
        step = max(1, CELLS_AT_ONCE // (len(self.levels.level) * times + 2 * len(edges)))
        alone = [rule for rule in self.rules if len(rule.columns) == 1]
        others = [rule for rule in self.rules if len(rule.columns) > 1]
        found = []
        for start in range(0, len(codes), step):
            part = slice(start, start + step)
            low, high = self._allowed(alone, edges, codes[part], units[part])
            low, high = low - moved[part, None], high - moved[part, None]
            if limits is not None:
                known = edges[:-1] < self.cells
                low = np.where(known, np.maximum(low, limits[0][part, None]), low)
                high = np.where(known, np.minimum(high, limits[1][part, None] + 1), high)
            none = (low >= high).all(1)
            least, most = self._allowed(others, edges, codes[part], units[part])
            low, high = np.maximum(low, least - moved[part, None]), np.minimum(high, most - moved[part, None])
            found.append((*self._among(weights[part], low, high, times, random), none))
        levels, drawn, none = (np.concatenate(each) for each in zip(*found, strict=True))
        return levels, drawn, none

    def _among(
        self, weights: Floats, low: Integers, high: Integers, times: int, random: np.random.Generator
    ) -> tuple[Integers, Integers]:  # fmt: skip
        """Of codes in low <= code < high, int64[rows, ranges], by the weights of their levels and their parts of these."""
        edges, rows = self.levels.edges, np.arange(len(weights))[:, None]
        density = weights[:, self.levels.level] * self.levels.density
        below = np.concatenate([np.zeros((len(weights), 1)), (density * np.diff(edges)).cumsum(1)], axis=1)

        def mass(code: Integers) -> Floats:
            """Of what lies below a code."""
            code = np.clip(code, edges[0], edges[-1])
            leaf = np.minimum(np.searchsorted(edges, code, side="right") - 1, len(edges) - 2)
            return np.asarray(below[rows, leaf] + density[rows, leaf] * (code - edges[leaf]))

        start = mass(low)
        share = np.maximum(mass(high) - start, 0).cumsum(1)
        rows = np.repeat(np.arange(len(weights)), times)
        target = random.random(len(rows)) * share[rows, -1]
        chosen = np.minimum((share[rows] <= target[:, None]).sum(1), share.shape[1] - 1)
        before = np.where(chosen > 0, share[rows, chosen - 1], 0)
        wanted = start[rows, chosen] + target - before
        leaf = np.minimum((below[rows, 1:] <= wanted[:, None]).sum(1), len(edges) - 2)
        width = np.maximum(density[rows, leaf], 1e-300)
        code = edges[leaf] + np.minimum((wanted - below[rows, leaf]) / width, np.diff(edges)[leaf]).astype(np.int64)
        code = np.clip(code, low[rows, chosen], np.maximum(high[rows, chosen] - 1, low[rows, chosen]))  # rounding
        code = np.clip(code, edges[0], edges[-1] - 1)
        return self.levels.encode(code), code

    def _edges(self, rule: Rule) -> Integers:
        assert rule.edges is not None
        return rule.edges[rule.columns.index(self.column)]

    def _allowed(
        self, rules: Iterable[Rule], edges: Integers, codes: Integers, units: Integers
    ) -> tuple[Integers, Integers]:  # fmt: skip
        """Of each range the codes low <= code < high that hold some rules, int64[rows, ranges]; none where low >= high."""
        shape = (len(codes), len(edges) - 1)
        low, high = np.broadcast_to(edges[:-1], shape).copy(), np.broadcast_to(edges[1:], shape).copy()
        for rule in rules:
            first, last = _held_in(rule, self.column, edges, codes, units)
            np.maximum(low, first, out=low)
            np.minimum(high, last, out=high)
        return low, high


def _held_in(
    rule: Rule, column: int, edges: Integers, codes: Integers, units: Integers
) -> tuple[Integers, Integers]:  # fmt: skip
    """The codes of each range with which one rule holds; where it changes within a range, what lies between is searched."""
    ranges = len(edges) - 1
    row, start = np.repeat(np.arange(len(codes)), ranges), np.tile(edges[:-1], len(codes))
    stop = np.tile(edges[1:], len(codes))

    def ask(which: Integers, code: Integers) -> Truth:
        asked = codes[row[which]]
        asked[:, column] = code
        return rule.held(asked, units[row[which]])

    every = np.arange(len(row))
    at_start = ask(every, start)
    at_end = at_start if rule.table is not None else ask(every, stop - 1)
    low, high = np.where(at_start | at_end, start, stop), np.where(at_start | at_end, stop, start)
    which = np.flatnonzero(at_start != at_end)
    before, after = start[which], stop[which] - 1  # the change lies between them
    probes = np.arange(1, int(np.clip(ASKED_AT_ONCE // max(len(which), 1), 2, 65)))
    while np.any(after - before > 1):
        codes_between = before[:, None] + (after - before)[:, None] * probes // (len(probes) + 1)
        asked = ask(np.repeat(which, len(probes)), codes_between.ravel()).reshape(codes_between.shape)
        as_before = (asked == at_start[which, None]).sum(1)  # so many probes lie before the change
        ends = np.column_stack([before, codes_between, after])
        rows = np.arange(len(which))
        before, after = ends[rows, as_before], ends[rows, as_before + 1]
    low[which] = np.where(at_start[which], start[which], after)
    high[which] = np.where(at_start[which], after, stop[which])
    return low.reshape(-1, ranges), high.reshape(-1, ranges)
