"""Small pieces of DuckDB SQL."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

import duckdb

from synth.quoting import literal

_CLAUSES = ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "QUALIFY")


def values(items: Iterable[str | int | float]) -> str:
    return "[" + ", ".join(literal(item) for item in items) + "]"


def clamp(value: str, low: str, high: str) -> str:
    """Null stays null: DuckDB's greatest(NULL, 0) is 0."""
    return f"case when {value} is null then null else greatest({low}, least({high}, {value})) end"


def decimals(number: float) -> int:
    """How many decimal places a number is written with."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def comma(lines: Iterable[str], indent: int = 2) -> str:
    return (",\n" + " " * indent).join(lines)


def laid_out(sql: str) -> str:
    """A statement without comments, on several lines: each clause of a select, and each item of its list, has its own."""
    text = sql.encode()
    starts = [start for start, _ in duckdb.tokenize(sql)]
    made, before, depth = "", "", 0
    selects = [-1]  # the depths of the selects around
    for start, end in pairwise([*starts, len(text)]):
        written = text[start:end].decode()
        word = written.strip()
        if word == "SELECT":
            selects.append(depth)
        begins = word in _CLAUSES and before != "DISTINCT"  # is distinct from
        if made and depth == selects[-1] and (begins or before == ","):
            made = made.rstrip() + "\n" + "  " * (depth + (not begins))
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth < selects[-1]:
            selects.pop()
        made, before = made + written, word
    return made
