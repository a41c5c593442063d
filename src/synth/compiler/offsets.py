"""Which dates are modelled as a time since another date of the row: those that say so, and those a constraint orders.

``dischtime >= admittime`` holds by construction when discharge is a stay's length after admission.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from synth.artifacts.compiled import Reach
from synth.compiler import tree
from synth.compiler.clauses import Clause, demanded, sides
from synth.compiler.columns import ColumnSql, Offset
from synth.project import spec

Dated = spec.DateColumn | spec.DatetimeColumn
_NONE = Offset("", timedelta(0), timedelta(0))


def offsets(columns: Iterable[spec.Column], clauses: Iterable[Clause]) -> dict[str, Offset]:
    """Offsets by column; ``clauses``: of the table's constraints."""
    dated = {c.name: c for c in columns if isinstance(c, Dated)}
    names = {name.casefold(): name for name in dated}
    found = {
        c.name: Offset(c.offset_from, *c.offset_bounds) for c in dated.values() if c.offset_from and c.offset_bounds
    }
    declared = set(found)
    for clause in clauses:
        literal = demanded(clause)
        compared = sides(literal) if literal else None
        if compared is None:
            continue
        later, earlier = (names.get(tree.bare(side) or "", "") for side in compared[:2])
        if not later or not earlier or later in declared or (later in found and found[later].anchor != earlier):
            continue
        low, high = dated[earlier].bounds, dated[later].bounds
        if low and high and _fits(later, earlier, dated, found):
            least = step(dated[later]) if compared[2] or found.get(later, _NONE).low else timedelta(0)
            found[later] = Offset(earlier, least, max(high[1] - low[0], timedelta(days=1)))
    return found


def reaches(
    table: spec.Table, columns: Sequence[ColumnSql], found: Mapping[str, Offset], prefix: str
) -> tuple[Reach, ...]:  # fmt: skip
    """The bounds of dates that are offsets from a date of the row above, whose names begin with ``prefix``."""
    made, dated = [], {c.name: c for c in table.columns if isinstance(c, Dated)}
    for i, name in enumerate(c.name for c in columns):
        offset, column = found.get(name), dated.get(name)
        if offset and column and column.bounds and offset.anchor.startswith(prefix):
            low, high = (bound.isoformat() for bound in column.bounds)
            each = step(column)
            made.append(
                Reach(
                    column=i, anchor=offset.anchor, low=low, high=high, step=each // timedelta(seconds=1),
                    start=math.ceil(offset.low / each),
                )
            )  # fmt: skip
    return tuple(made)


def order(columns: Iterable[str], anchors: Mapping[str, str | None]) -> list[str]:
    """Columns so that each comes after its anchor."""
    placed: list[str] = []

    def put(name: str) -> None:
        anchor = anchors.get(name)
        if anchor is not None and anchor not in placed:
            put(anchor)
        if name not in placed:
            placed.append(name)

    for name in columns:
        put(name)
    return placed


def circle(start: str, anchors: Mapping[str, str | None]) -> bool:
    """Whether following the anchors from a column leads back to a column already passed."""
    seen, here = {start}, anchors.get(start)
    while here is not None:
        if here in seen:
            return True
        seen.add(here)
        here = anchors.get(here)
    return False


def follows(column: spec.Column, anchor: spec.Column) -> bool:
    """Whether the types allow one to be an offset from the other: a datetime may follow a date."""
    return anchor.type == column.type or (column.type, anchor.type) == ("datetime", "date")


def coarser(column: Dated, anchor: Dated) -> bool:
    """Whether whole steps from the anchor would not be whole steps of the column: minutes after a second, say."""
    steps = [spec.STEPS[c.resolution] for c in (column, anchor) if isinstance(c, spec.DatetimeColumn)]
    return len(steps) == 2 and steps[0] > steps[1]


def step(column: Dated) -> timedelta:
    return timedelta(seconds=spec.STEPS["day" if isinstance(column, spec.DateColumn) else column.resolution])


def _fits(later: str, earlier: str, dated: Mapping[str, Dated], found: Mapping[str, Offset]) -> bool:
    """Same type, no loss of an order already held, and nulls and resolutions that allow it."""
    a, b = dated[later], dated[earlier]
    if not follows(a, b) or (b.nullable and not a.nullable) or coarser(a, b):
        return False
    return not circle(later, {**{name: o.anchor for name, o in found.items()}, later: earlier})
