"""Which dates are modelled as a time since another date of the row: those that say so, and those a constraint orders.

``dischtime >= admittime`` holds by construction when discharge is a stay's length after admission.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from synth.compiler.columns import Offset
from synth.compiler.tree import column
from synth.project import spec

Dated = spec.DateColumn | spec.DatetimeColumn


def offsets(columns: Iterable[spec.Column], constraints: Iterable[dict[str, Any]]) -> dict[str, Offset]:
    """Offsets by column; ``constraints``: parse trees of the table's boolean expressions."""
    dated = {c.name: c for c in columns if isinstance(c, Dated)}
    names = {name.casefold(): name for name in dated}
    found = {
        c.name: Offset(c.offset_from, *c.offset_bounds) for c in dated.values() if c.offset_from and c.offset_bounds
    }
    for tree in constraints:
        for pair in _orders(tree):
            later, earlier = (names.get(name.casefold(), name) for name in pair)
            if later in dated and later not in found and _fits(later, earlier, dated, found):
                low, high = dated[earlier].bounds, dated[later].bounds
                if low and high:
                    longest = max(high[1] - low[0], timedelta(days=1))
                    found[later] = Offset(earlier, timedelta(0), longest)
    return found


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


def _fits(later: str, earlier: str, dated: Mapping[str, Dated], found: Mapping[str, Offset]) -> bool:
    """Same type, no loss of an order already held, and nulls and resolutions that allow it."""
    a, b = dated[later], dated.get(earlier)
    if b is None or not follows(a, b) or (b.nullable and not a.nullable) or coarser(a, b):
        return False
    return not circle(later, {**{name: o.anchor for name, o in found.items()}, later: earlier})


def _orders(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(later, earlier) pairs that an expression demands, also under ``x is null or``."""
    kind = tree.get("type")
    children = tree.get("children", [])
    if kind == "CONJUNCTION_AND":
        for child in children:
            yield from _orders(child)
    elif kind == "CONJUNCTION_OR":
        demands = [c for c in children if c.get("type") != "OPERATOR_IS_NULL"]
        if len(demands) == 1:
            yield from _orders(demands[0])
    elif kind in ("COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHAN"):
        yield from _pair(tree["left"], tree["right"])
    elif kind in ("COMPARE_LESSTHANOREQUALTO", "COMPARE_LESSTHAN"):
        yield from _pair(tree["right"], tree["left"])
    elif kind == "COMPARE_BETWEEN":
        yield from _pair(tree["input"], tree["lower"])


def _pair(later: dict[str, Any], earlier: dict[str, Any]) -> Iterator[tuple[str, str]]:
    a, b = column(later), column(earlier)
    if a is not None and b is not None:
        yield a, b
