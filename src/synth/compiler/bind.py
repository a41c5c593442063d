"""Binds SQL to empty stub tables in memory: a wrong column is an error of the user's file before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import duckdb

from synth.compiler.sql import identifier
from synth.errors import Place
from synth.graph.dag import Node

_LINE = re.compile(r"^LINE (\d+): ?(.*)$", re.MULTILINE)
_QUOTED = re.compile(r'"([^"]+)"')


class BindProblem(Exception):
    """DuckDB's complaint in one sentence, and the line (from 1) and word of the SQL it is about."""

    def __init__(self, what: str, line: int, word: str) -> None:
        super().__init__(what)
        self.what, self.line, self.word = what, line, word


class Stubs:
    """An in-memory DuckDB without access to any file, holding empty tables."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
        for schema in ("source", "private", "synthetic", "public"):
            self.connection.execute(f"create schema {schema}")

    def table(self, relation: str, columns: Mapping[str, str]) -> None:
        """An empty table; ``columns``: DuckDB type by name."""
        if not columns:
            columns = {"no columns are declared": "varchar"}
        body = ", ".join(f"{identifier(name)} {sql_type}" for name, sql_type in columns.items())
        self.connection.execute(f"create table {relation} ({body})")

    def view(self, relation: str, sql: str) -> dict[str, str]:
        """Binds a statement as a view; its columns' types by name. Raises BindProblem."""
        self._run(f"create view {relation} as\n{sql}", shift=1)
        return self.types(f"from {relation}")

    def types(self, sql: str) -> dict[str, str]:
        """The columns' types of a query. Raises BindProblem."""
        return {row[0]: row[1] for row in self._run(f"describe {sql}").fetchall()}

    def _run(self, sql: str, shift: int = 0) -> duckdb.DuckDBPyConnection:
        try:
            return self.connection.execute(sql)
        except duckdb.Error as error:
            raise _problem(str(error), shift) from None


def _problem(message: str, shift: int) -> BindProblem:
    first = re.sub(r"^\w+ Error: ", "", message.splitlines()[0])
    candidates = re.search(r"Candidate bindings: (.*)", message)
    if candidates:
        first = f"{first.rstrip('.')}; candidates: {candidates[1]}"
    at, word = _LINE.search(message), _QUOTED.search(first)
    return BindProblem(first, max(1, int(at[1]) - shift) if at else 0, word[1] if word else "")


def place(node: Node, line: int, word: str) -> Place:
    """The user's place for a line of rendered SQL: lines survive rendering as long as macros print none of their own."""
    if node.text is not None:
        return node.text.find(word, line)
    return node.place


def place_at(node: Node, offset: int) -> Place:
    """The user's place for a character of rendered SQL."""
    before = node.sql.encode()[:offset].decode(errors="ignore")
    word = re.match(r'\w+|"[^"]+"', node.sql[len(before) :])
    return place(node, before.count("\n") + 1, word[0] if word else "")


def names_match(wanted: Iterable[str], given: Iterable[str]) -> list[str]:
    """Which wanted names are not given; DuckDB's names ignore case."""
    known = {name.casefold() for name in given}
    return [name for name in wanted if name.casefold() not in known]
