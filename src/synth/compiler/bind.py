"""Binds SQL to empty stub tables in memory: a wrong column is an error of the user's file before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import duckdb

from synth.errors import Place
from synth.graph.dag import Node
from synth.quoting import identifier, literal

_CARET = re.compile(r"^(LINE (\d+): )(.*)\n( *)\^", re.MULTILINE)
_UNLISTED = "Columns of a source that no metadata declare are listed in sources/, under columns."
_WORD = re.compile(r'"[^"]+"|\w+')
T = TypeVar("T")


class BindProblem(Exception):
    """DuckDB's complaint in one sentence, a hint, and where in the SQL: line from 1, column from 0, and the word there."""

    def __init__(self, what: str, hint: str, line: int, column: int, word: str) -> None:
        super().__init__(what)
        self.what, self.hint, self.line, self.column, self.word = what, hint, line, column, word

    @property
    def hint_of_sources(self) -> str:
        """The hint where the SQL reads sources, of which not every column need be known."""
        return f"{self.hint} {_UNLISTED if 'column' in self.what else ''}".strip()


class Stubs:
    """An in-memory DuckDB without access to any file, holding tables of one row of nulls."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"enable_external_access": "false", "threads": "1"})
        self.connection.execute("set TimeZone = 'UTC'")
        for schema in ("source", "private", "synthetic", "public"):
            self.connection.execute(f"create schema {schema}")
        self._types: dict[str, dict[str, str]] = {}  # of queries over what stands here now
        self._answers: dict[tuple[str, ...], Any] = {}  # to what asks of nothing that changes

    def table(self, relation: str, columns: Mapping[str, str]) -> None:
        """A table of one row of nulls; ``columns``: DuckDB type by name."""
        if not columns:
            columns = {"no columns are declared": "varchar"}
        self._change(f"create table {relation} as select {cells(columns)}")

    def add_column(self, relation: str, name: str, sql_type: str) -> None:
        self._change(f"alter table {relation} add column {identifier(name)} {sql_type}")

    def view(self, relation: str, sql: str) -> dict[str, str]:
        """Binds a statement as a view; its columns' types by name. Raises BindProblem."""
        self._change(f"create view {relation} as\n{sql}", shift=1)
        return self.types(f"from {relation}")

    def types(self, sql: str) -> dict[str, str]:
        """The columns' types of a query, which may begin on the line after its bracket. Raises BindProblem."""
        if sql not in self._types:
            found = self._run(f"describe {sql}", shift=sql.startswith("(\n")).fetchall()
            self._types[sql] = {row[0]: row[1] for row in found}
        return self._types[sql]

    def evaluate(self, expression: str, relation: str) -> str:
        """The type of an expression over a relation; also raises BindProblem where a constant of it has the wrong type."""
        found = self._run(f"select (\n{expression}\n) as it from {relation}", shift=1).description
        return str(found[0][1])

    def value(self, sql: str) -> Any:
        """The first value of the first row, None where there is none; also raises BindProblem.

        Of a query over nothing that changes: it is asked once.
        """
        found = self._once(("value", sql), lambda: self._first(sql))
        return found[0] if found else None

    def knows_timezone(self, name: str) -> bool:
        sql = f"select count(*) from pg_timezone_names() where name = {literal(name)}"
        return bool(self.value(sql))

    def format_problem(self, strptime_format: str, resolution: str, day: str = "2001-12-31") -> str | None:
        """Why moments of a resolution cannot be written and read in a format; None where they can.

        ``day``: on which the moment lies; 1900-01-01 for times of day, whose format names no day.
        """
        sql = f"""select cast(try_strptime(strftime(moment, $1), $1) as timestamp) is not distinct from moment
        from (select date_trunc('{resolution}', timestamp '{day} 23:58:59') as moment)"""
        asked = ("format", sql, strptime_format)
        try:
            whole = self._once(asked, lambda: self.connection.execute(sql, [strptime_format]).fetchone())
        except duckdb.Error as error:
            return f"DuckDB does not know it: {str(error).splitlines()[0].rpartition(': ')[2]}"
        return None if whole and whole[0] else f"it does not hold a date to the {resolution}"

    def _once(self, asked: tuple[str, ...], answer: Callable[[], T]) -> T:
        """An answer that is the same each time."""
        if asked not in self._answers:
            self._answers[asked] = answer()
        found: T = self._answers[asked]
        return found

    def _first(self, sql: str) -> tuple[Any, ...] | None:
        """The first row, of a query that may fail at any."""
        with _told():
            found: tuple[Any, ...] | None = self.connection.execute(sql).fetchone()
        return found

    def _change(self, sql: str, shift: int = 0) -> None:
        """Runs what makes a query's types others."""
        self._types.clear()
        self._run(sql, shift)

    def _run(self, sql: str, shift: int = 0) -> duckdb.DuckDBPyConnection:
        with _told(shift):
            return self.connection.execute(sql)


@contextmanager
def _told(shift: int = 0) -> Iterator[None]:
    """What DuckDB complains of is a BindProblem, so many lines further up."""
    try:
        yield
    except duckdb.Error as error:
        raise _problem(str(error), shift) from None


def cells(columns: Mapping[str, str], said: Mapping[str, str] = MappingProxyType({})) -> str:
    """The items of a select of one row; ``columns``: DuckDB type by name; ``said``: an expression by name in lower case, null
    where there is none."""
    return ", ".join(
        f"cast({said.get(n.casefold(), 'null')} as {kind}) as {identifier(n)}" for n, kind in columns.items()
    )


def _problem(message: str, shift: int) -> BindProblem:
    what = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", message.splitlines()[0]).rstrip("!.")
    candidates = re.search(r"Candidate bindings: (.*)", message)
    near = re.search(r"^Did you mean .*$", message, re.MULTILINE)
    hint = ""
    if candidates:
        hint = f"Did you mean {candidates[1].replace(', ', ' or ')}?"
    elif what.startswith("Table with name"):
        hint = "Name models by ref()."
    elif near:
        hint = near[0].replace(" :", ":")
    caret = _CARET.search(message)
    if caret is None:
        return BindProblem(what, hint, 0, 0, "")
    column = len(caret[4]) - len(caret[1])
    word = _WORD.match(caret[3], max(column, 0))
    cut = caret[3].startswith("...")  # DuckDB shows a part of a long line
    return BindProblem(what, hint, max(1, int(caret[2]) - shift), -1 if cut else column, word[0] if word else "")


def place(node: Node, line: int, column: int, word: str) -> Place:
    """The user's place for one of rendered SQL: lines survive rendering as long as macros print none of their own."""
    if node.text is None:
        return node.place
    written, rendered = node.text.text.split("\n"), node.sql.split("\n")
    if 0 < line <= min(len(written), len(rendered)) and column >= 0 and written[line - 1] == rendered[line - 1]:
        return node.text.place(sum(len(text) + 1 for text in written[: line - 1]) + column)
    name = word.strip('"')
    here = node.text.find(name, line)
    there = node.text.find(name)
    return there if name and not _begins(here, name) and _begins(there, name) else here


def place_at(node: Node, offset: int) -> Place:
    """The user's place for an offset (bytes of UTF-8) of rendered SQL."""
    before = node.sql.encode()[:offset].decode(errors="ignore")
    start = max(len(before), len(node.sql) - len(node.sql.lstrip()))
    line = node.sql.count("\n", 0, start)
    word = _WORD.match(node.sql, start)
    return place(node, line + 1, start - node.sql.rfind("\n", 0, start) - 1, word[0] if word else "")


def _begins(place: Place, word: str) -> bool:
    return place.text[place.column - 1 :].casefold().startswith(word.casefold())


def names_match(wanted: Iterable[str], given: Iterable[str]) -> list[str]:
    """Which wanted names are not given; DuckDB's names ignore case."""
    known = {name.casefold() for name in given}
    return [name for name in wanted if name.casefold() not in known]
