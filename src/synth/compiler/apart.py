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
_FROM = {
    "BASE_TABLE": "a sample is not allowed here",
    "EMPTY": "the model selects from no table",
    "JOIN": "a join is not allowed here",
    "SUBQUERY": "a subquery is not allowed here",
    "TABLE_FUNCTION": "a table function is not allowed here",
}
UNIT_FIX = "Select it by its name, as it is: all rows of a person must stay that person's."
FIX = "One person's rows must not change another's. Select from one source, row by row."


@dataclass(frozen=True)
class Breach:
    """Something in a statement that looks beyond the row, and where (bytes of UTF-8 from 0)."""

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
        yield Breach("union, intersect, except and values are not allowed here", _first(node))
        return
    for modifier in node.get("modifiers", []):
        yield Breach(
            f"{_MODIFIERS.get(modifier['type'], modifier['type'].lower())} is not allowed here", _first(modifier)
        )
    if node.get("aggregate_handling", "STANDARD_HANDLING") != "STANDARD_HANDLING":
        yield Breach("group by is not allowed here", _first(node))
    if node.get("cte_map", {}).get("map"):
        yield Breach("with is not allowed here", _first(node["cte_map"]))
    for clause, words in _EMPTY_CLAUSES.items():
        if node.get(clause):
            yield Breach(f"{words} is not allowed here", _first(node[clause]))
    yield from _from(node.get("from_table", {}))
    for part in (node.get("select_list"), node.get("where_clause")):
        yield from expression(part, functions)
        yield from _casts(part)


def unit_moved(node: dict[str, Any], unit: str) -> Iterator[Breach]:
    """Breaches where a column of the unit's name is not the unit's own: each row could become a person of its own."""
    table, name = node.get("from_table", {}), unit.casefold()
    if table.get("type") != "BASE_TABLE":
        return  # refused as a statement
    if table.get("column_name_alias"):
        yield Breach("columns are renamed in from", _first(table))
    known = str(table.get("alias") or table.get("table_name", "")).casefold()  # an alias hides the table's name
    for item in node.get("select_list", ()):
        offset = _first(item)
        if item["class"] == "STAR":
            made = (
                [r["key"] for r in item["replace_list"]] + [r["value"] for r in item["rename_list"]] + [item["alias"]]
            )
            foreign = item["relation_name"].casefold() not in ("", known)  # the fields of a struct, spread out
            moved = (
                foreign or name in (str(column).casefold() for column in made) or (item["columns"] and item["alias"])
            )
        elif any(inner.node.get("class") == "STAR" for inner in tree.walk(item)):
            moved = True
        else:
            path = [column.casefold() for column in item.get("column_names", ())]
            own = path == [name] or (path[1:] == [name] and path[0] == known)
            moved = (item["alias"].casefold() or "".join(path[-1:])) == name and not own
        if moved:
            yield Breach(f"the unit '{unit}' must be the source's own column", offset)


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


def _casts(part: Any) -> Iterator[Breach]:
    """A cast that fails on one value fails the run: a yes or no about that row, told to everybody."""
    for item in tree.walk(part):
        is_cast = item.node.get("class") == "CAST" and not item.node["try_cast"]
        if is_cast and item.node["type_expr"].get("type_name") != "VARCHAR" and _reads_a_column(item.node["child"]):
            yield Breach("cast fails the run where a value cannot be read: use try_cast, which gives null", item.offset)


def _reads_a_column(part: Any) -> bool:
    return any(item.node.get("class") == "COLUMN_REF" for item in tree.walk(part))


def _from(table: dict[str, Any]) -> Iterator[Breach]:
    kind = table.get("type")
    if kind == "BASE_TABLE" and not table.get("sample") and not table.get("at_clause"):
        if table.get("schema_name") not in ("source", "private"):
            name = ".".join(n for n in (table.get("schema_name"), table.get("table_name")) if n)
            yield Breach(f"'{name}' is not named by source() or ref()", _first(table))
        return
    yield Breach(_FROM.get(str(kind), f"from {str(kind).lower()} is not allowed here"), _first(table))


def _first(part: Any) -> int:
    return next((item.offset for item in tree.walk(part) if item.offset), 0)
