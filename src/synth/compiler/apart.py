"""The SQL before the mechanism keeps people apart: a row of a private or synthetic model depends on one source row.

Anything else (aggregates, windows, limits, joins, chance) would let one person move other people's rows, and the guarantee
would no longer hold. What is not known to be harmless is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from synth.compiler import tree

_MODIFIERS = {
    "LIMIT_MODIFIER": "limit",
    "LIMIT_PERCENT_MODIFIER": "limit",
    "DISTINCT_MODIFIER": "distinct",
    "ORDER_MODIFIER": "order by",
}
_MACROS = {"nullif", "split_part", "fmod", "fdiv", "days_in_month", "date_add", "if"}
_EMPTY_CLAUSES = {"group_expressions": "group by", "having": "having", "qualify": "qualify", "sample": "using sample"}
FIX = "One person's rows must not change another's. Select from one source, row by row."


@dataclass(frozen=True)
class Breach:
    """Something in a statement that looks beyond the row, and where (characters from 0)."""

    what: str
    offset: int


@dataclass(frozen=True)
class Functions:
    """DuckDB's functions that may stand in a per-row expression, by their names in the parse tree."""

    per_row: frozenset[str]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> Functions:
        """Scalar functions with the same answer each time, none whose name also aggregates, and some macros."""
        rows = connection.execute(
            """
            select function_name from duckdb_functions() group by all
            having bool_and(function_type = 'scalar' and stability = 'CONSISTENT')
            """
        ).fetchall()
        return cls(frozenset(str(name) for (name,) in rows) | _MACROS)


def statement(node: dict[str, Any], functions: Functions) -> Iterator[Breach]:
    """Breaches of a whole model."""
    if node.get("type") != "SELECT_NODE":
        yield Breach("union, intersect, except and values are not allowed here", 0)
        return
    for modifier in node.get("modifiers", []):
        yield Breach(
            f"{_MODIFIERS.get(modifier['type'], modifier['type'].lower())} is not allowed here", _first(modifier)
        )
    if node.get("cte_map", {}).get("map"):
        yield Breach("with is not allowed here", 0)
    for clause, words in _EMPTY_CLAUSES.items():
        if node.get(clause):
            yield Breach(f"{words} is not allowed here", _first(node[clause]))
    yield from _from(node.get("from_table", {}))
    for part in (node.get("select_list"), node.get("where_clause")):
        yield from expression(part, functions)


def expression(part: Any, functions: Functions) -> Iterator[Breach]:
    """Breaches of an expression over one row."""
    for item in tree.walk(part):
        kind, name = item.node.get("class"), item.node.get("function_name")
        if kind == "SUBQUERY":
            yield Breach("a subquery is not allowed here", item.offset)
        elif kind == "WINDOW":
            yield Breach("a window function is not allowed here", item.offset)
        elif kind == "FUNCTION" and name not in functions.per_row:
            yield Breach(f"{name}() is not a function of one row", item.offset)


def _from(table: dict[str, Any]) -> Iterator[Breach]:
    kind = table.get("type")
    if kind == "BASE_TABLE" and not table.get("sample") and not table.get("at_clause"):
        if table.get("schema_name") not in ("source", "private"):
            name = ".".join(n for n in (table.get("schema_name"), table.get("table_name")) if n)
            yield Breach(f"'{name}' is not named by source() or ref()", _first(table))
        return
    words = {"JOIN": "a join", "SUBQUERY": "a subquery", "TABLE_FUNCTION": "a table function", "EMPTY": "no table"}
    yield Breach(f"{words.get(str(kind), 'a sample')} is not allowed in from", _first(table))


def _first(part: Any) -> int:
    return next((item.offset for item in tree.walk(part) if item.offset), 0)
