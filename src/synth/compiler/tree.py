"""DuckDB's own parse tree of a statement: what DuckDB will run is what is checked, with no second dialect between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

_NOWHERE = 2**63  # DuckDB's mark for a node that stands nowhere in the text


class SyntaxProblem(Exception):
    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what, self.offset = what, offset


@dataclass(frozen=True)
class Item:
    """A node of the tree and the offset (characters from 0) of the text it stems from."""

    node: dict[str, Any]
    offset: int


def parse(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The tree of one select statement; raises SyntaxProblem where it is not one."""
    found = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(found[0]) if found else {}
    if tree.get("error"):
        position = int(tree.get("position") or 0)
        raise SyntaxProblem(str(tree.get("error_message", "not a select statement")).splitlines()[0], position)
    statements = tree.get("statements", [])
    if len(statements) != 1:
        raise SyntaxProblem("there must be exactly one select statement", 0)
    node: dict[str, Any] = statements[0]["node"]
    return node


def walk(tree: Any, offset: int = 0) -> Iterator[Item]:
    """Every node that is a mapping, outermost first; one without a place of its own has its parent's."""
    if isinstance(tree, dict):
        at = tree.get("query_location")
        offset = at if isinstance(at, int) and at < _NOWHERE else offset
        yield Item(tree, offset)
        for child in tree.values():
            yield from walk(child, offset)
    elif isinstance(tree, list):
        for child in tree:
            yield from walk(child, offset)


def column(node: dict[str, Any]) -> str | None:
    """The name, where the node is a plain column."""
    return node["column_names"][-1] if node.get("class") == "COLUMN_REF" else None
