"""What the declaration says of differences between columns, and whether all of it can be true.

Bounds, offsets and comparisons such as ``a >= b + 3`` are differences of two values that are at most some number; a constant
is a difference from zero. They contradict each other where their numbers add up to less than nothing on the way back to where
they began (a negative cycle, Bellman and Ford); one follows from others where these add up to no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from synth.compiler import tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.clauses import Tree, sides
from synth.compiler.columns import Offset
from synth.errors import Place
from synth.project import spec
from synth.project.loader import Declared

ZERO = ""  # no column's name
Most = tuple[Fraction, int]  # a number, and -1 where it is not reached
Kind = Literal["number", "moment", "time", "duration"]
_KINDS: dict[type, Kind] = {
    spec.IntegerColumn: "number", spec.NumberColumn: "number", spec.DecimalColumn: "number", spec.DateColumn: "moment",
    spec.DatetimeColumn: "moment", spec.TimeColumn: "time", spec.DurationColumn: "duration",
}  # fmt: skip
_VALUE = {
    "number": "cast(({0}) as double)", "moment": "epoch_us(cast(({0}) as timestamp))", "time": "epoch_us(cast(({0}) as time))",
    "duration": "case when datepart('month', {0}) = 0 and datepart('year', {0}) = 0 then epoch_us({0}) end",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """``high`` less ``low`` is at most ``most``; ``said``: by whom, where and in which words."""

    high: str
    low: str
    most: Most
    said: Said


@dataclass(frozen=True)
class Said:
    by: Literal["bounds", "offset", "rule"]
    words: str
    place: Place


def declared_differences(declared: Declared, offsets: Mapping[str, Offset]) -> Iterator[Difference]:
    """Of bounds and of offsets within the table."""
    names = {c.name.casefold() for c in declared.table.columns}
    for i, column in enumerate(declared.table.columns):
        name, bounds = column.name.casefold(), getattr(column, "bounds", None)
        if type(column) in _KINDS and bounds:
            place, (low, high) = declared.place("columns", i, "bounds"), map(_amount, bounds)
            yield Difference(name, ZERO, (high, 0), Said("bounds", f"{column.name} is at most {bounds[1]}", place))
            yield Difference(ZERO, name, (-low, 0), Said("bounds", f"{column.name} is at least {bounds[0]}", place))
        offset = offsets.get(column.name)
        if offset and offset.anchor.casefold() in names:
            place, anchor = declared.place("columns", i, "offset_bounds"), offset.anchor.casefold()
            said = Said("offset", f"{column.name} is an offset from {offset.anchor}", place)
            yield Difference(name, anchor, (_amount(offset.high), 0), said)
            yield Difference(anchor, name, (-_amount(offset.low), 0), said)


@dataclass(frozen=True)
class Reader:
    """Reads differences off comparisons of a table's columns."""

    columns: Mapping[str, spec.Column]  # by name in lower case
    stubs: Stubs

    def difference(self, literal: Tree, said: Said) -> Difference | None:
        """None where the literal is none of two columns, or of one, and a constant."""
        compared = sides(literal)
        if compared is None:
            return None
        greater, less, strict = compared
        named = {tree.bare(item.node) for side in (greater, less) for item in tree.walk(side)} - {None}
        kinds = {_KINDS.get(type(self.columns.get(name or ""))) for name in named}
        if len(kinds) != 1 or None in kinds:
            return None
        kind = kinds.pop()
        assert kind is not None
        high, low = self._linear(greater, kind), self._linear(less, kind)
        if high is None or low is None or high[0] == low[0]:
            return None
        # greater >= less: low + its number - (high + its number) is at most 0
        return Difference(low[0], high[0], (high[1] - low[1], -int(strict)), said)

    def _linear(self, node: Tree, kind: Kind) -> tuple[str, Fraction] | None:
        """A column, or zero, and what is added to it."""
        name = tree.bare(node)
        if name is not None:
            return name, Fraction(0)
        if not any(tree.bare(item.node) for item in tree.walk(node)):
            return self._named(ZERO, node, kind)
        if node.get("function_name") not in ("+", "-") or len(node["arguments"]) != 2:
            return None
        first, second = (a["expression"] for a in node["arguments"])
        if node["function_name"] == "+" and tree.bare(first) is None:
            first, second = second, first
        name = tree.bare(first)
        if name is None or kind == "time":  # times of day go round
            return None
        found = self._named(name, second, "number" if kind == "number" else "duration")
        if found and node["function_name"] == "-":
            return found[0], -found[1]
        return found

    def _named(self, name: str, constant: Tree, kind: Kind) -> tuple[str, Fraction] | None:
        """A name and the amount of a constant expression; of whole days, where a number is added to a date."""
        sql = tree.expression_sql(self.stubs.connection, constant)
        try:
            of_days = kind == "duration" and self.stubs.evaluate(sql, "(select 1)") in ("INTEGER", "BIGINT")
            found = self.stubs.value(f"select {_VALUE[kind].format(f'to_days({sql})' if of_days else sql)}")
        except BindProblem:
            return None
        if found is None:
            return None
        return name, _amount(found) if kind == "number" else Fraction(int(found), 1_000_000)


def contradiction(differences: Sequence[Difference]) -> list[Difference]:
    """Some that cannot all be true, in the order in which they follow from each other; none where there are no such."""
    least: dict[str, Most] = {}
    came: dict[str, Difference] = {}
    names = {name for d in differences for name in (d.high, d.low)}
    last = None
    for _ in range(len(names) + 1):
        last = None
        for d in differences:
            reached = _add(least.get(d.low, (Fraction(0), 0)), d.most)
            if reached < least.get(d.high, (Fraction(0), 0)):
                least[d.high], came[d.high], last = reached, d, d.high
        if last is None:
            return []
    assert last is not None
    for _ in names:  # back into the cycle
        last = came[last].low
    found: list[Difference] = []
    here = last
    while not found or here != last:
        found.append(came[here])
        here = came[here].low
    return found[::-1]


def follows(wanted: Difference, known: Iterable[Difference]) -> list[Difference] | None:
    """Those from which another follows; None where it does not."""
    known = list(known)
    least: dict[str, tuple[Most, list[Difference]]] = {wanted.low: ((Fraction(0), 0), [])}
    for _ in range(len(known)):
        changed = False
        for d in known:
            if d.low not in least:
                continue
            reached, way = _add(least[d.low][0], d.most), [*least[d.low][1], d]
            if d.high not in least or reached < least[d.high][0]:
                least[d.high], changed = (reached, way), True
        if not changed:
            break
    reached_most, way = least.get(wanted.high, ((Fraction(1), 0), []))
    return way if wanted.high in least and reached_most <= wanted.most else None


def _add(a: Most, b: Most) -> Most:
    return a[0] + b[0], a[1] + b[1]


def _amount(value: Any) -> Fraction:
    """A number, or seconds."""
    if isinstance(value, timedelta):
        return Fraction(value // timedelta(microseconds=1), 1_000_000)
    if isinstance(value, datetime):
        return _amount(value - datetime(1970, 1, 1))
    if isinstance(value, date):
        return _amount(timedelta(days=value.toordinal() - date(1970, 1, 1).toordinal()))
    if isinstance(value, time):
        return Fraction(spec.seconds_of_day(value))
    return Fraction(Decimal(repr(value)) if isinstance(value, float) else value)
