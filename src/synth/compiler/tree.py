"""DuckDB's own parse tree of a statement: what DuckDB will run is what is checked, with no second dialect between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

BEFORE = len("select (")  # what stands before an expression when it is parsed
_CLAUSES = ("modifiers", "where_clause", "group_expressions", "having", "qualify", "sample")
_NOWHERE = 2**63  # DuckDB's mark for a node that stands nowhere in the text


Node = dict[str, Any]  # of DuckDB's tree


class SyntaxProblem(Exception):
    """What is wrong with a text of SQL, and where (bytes of UTF-8 from 0)."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what, self.offset = what, offset


@dataclass(frozen=True)
class Item:
    """A node of the tree and the offset (bytes of UTF-8 from 0) of the text it stems from."""

    node: dict[str, Any]
    offset: int


FIX = "One person's rows must not change another's: look at one row, or at the rows of one unit."


@dataclass(frozen=True)
class Breach:
    """Something in a statement that looks beyond one unit, where (bytes of UTF-8 from 0), and what to do."""

    what: str
    offset: int
    fix: str = FIX


def parse(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The tree of one select statement; raises SyntaxProblem where it is not one."""
    found = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(found[0]) if found else {}
    if tree.get("error"):
        if tree.get("error_type") == "not implemented":
            raise SyntaxProblem("this is not a select statement", _start(sql))
        raise SyntaxProblem(str(tree.get("error_message")).splitlines()[0], int(tree.get("position") or 0))
    statements = tree.get("statements", [])
    if len(statements) != 1:
        what = "there is more than one statement" if statements else "there is no select statement"
        raise SyntaxProblem(what, _start(sql))
    node: dict[str, Any] = statements[0]["node"]
    return node


def to_sql(connection: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> str:
    """The text of a select's tree, in DuckDB's own spelling."""
    written = json.dumps({"error": False, "statements": [{"node": node}]})
    found = connection.execute("select json_deserialize_sql(cast(? as json))", [written]).fetchone()
    return str(found[0]) if found else ""


def expression_sql(connection: duckdb.DuckDBPyConnection, expression: dict[str, Any]) -> str:
    """The text of an expression's tree, in DuckDB's own spelling."""
    return to_sql(connection, {**parse(connection, "select 1"), "select_list": [expression]}).removeprefix("SELECT ")


def parse_expression(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The tree of one expression, whose offsets have BEFORE added.

    Raises SyntaxProblem where it is none, or more, such as ``a) from t where (b``.
    """
    try:
        node = parse(connection, f"select ({sql}\n)")
    except SyntaxProblem as problem:
        raise SyntaxProblem(problem.what, max(problem.offset - BEFORE, 0)) from None
    more = any(node.get(clause) for clause in _CLAUSES) or node.get("from_table", {}).get("type") != "EMPTY"
    if more or len(node.get("select_list", ())) != 1:
        raise SyntaxProblem("it has more parts", 0)
    expression: dict[str, Any] = node["select_list"][0]
    return expression


def _start(sql: str) -> int:
    return len(sql[: len(sql) - len(sql.lstrip())].encode())


def walk(tree: Any, offset: int = 0) -> Iterator[Item]:
    """Every node that is a mapping, outermost first; one without a place of its own has its parent's."""
    if isinstance(tree, dict):
        offset = place(tree, offset)
        yield Item(tree, offset)
        for child in tree.values():
            yield from walk(child, offset)
    elif isinstance(tree, list):
        for child in tree:
            yield from walk(child, offset)


def place(node: dict[str, Any], default: int) -> int:
    """The offset of a node, where it has one."""
    at = node.get("query_location")
    return at if isinstance(at, int) and at < _NOWHERE else default


def column(node: dict[str, Any]) -> str | None:
    """The name, where the node is a plain column."""
    return node["column_names"][-1] if node.get("class") == "COLUMN_REF" else None


def bare(node: dict[str, Any]) -> str | None:
    """The name in lower case, where the node is a plain column."""
    name = column(node)
    return name.casefold() if name else None
