"""SQL over one row of a table, as a value in YAML: constraints and derived columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synth.compiler import apart, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.functions import OF_SYNTHETIC_ROWS
from synth.errors import Place, Problem
from synth.project import spec


@dataclass(frozen=True)
class RowSql:
    """An expression with its parse tree, the place it was written at, and the columns that it names, in lower case."""

    sql: str
    tree: dict[str, Any]
    place: Place
    named: frozenset[str]


class NoSuchColumn(Exception):
    """A name that stands for nothing: what is wrong with it, what to do, and where it is (bytes of UTF-8 from 0)."""

    def __init__(self, what: str, fix: str, offset: int) -> None:
        super().__init__(what)
        self.what, self.fix, self.offset = what, fix, offset


def read(
    sql: str, place: Place, what: str, later: Mapping[str, str], stubs: Stubs,
    spelled: Callable[[str, tree.Node], str] = lambda sql, _: sql,
) -> RowSql | list[Problem]:  # fmt: skip
    """``what``: the expression's kind, in the words of the reader; ``later``: columns that are not there yet, and why;
    ``spelled``: the expression and its tree to one whose names are those of columns; raises NoSuchColumn."""
    try:
        parsed = tree.parse_expression(stubs.connection, sql)
        if (said := spelled(sql, parsed)) != sql:
            sql, parsed = said, tree.parse_expression(stubs.connection, said)
    except NoSuchColumn as wrong:
        return [Problem(within(place, sql, wrong.offset - tree.BEFORE), wrong.what, wrong.fix)]
    except tree.SyntaxProblem as problem:
        fix = 'Write one comparison, say; names that are words of SQL in double quotes: "order".'
        return [Problem(within(place, sql, problem.offset), f"the {what} is not one expression: {problem.what}", fix)]
    breaches = [
        (breach.what, f"A {what} looks at one row.", breach.offset)
        for breach in apart.expression(parsed, OF_SYNTHETIC_ROWS)
    ]
    named = set()
    for item in tree.walk(parsed):
        name = tree.column(item.node)
        if name:
            named.add(name.casefold())
        if name and name.casefold() in later:
            breaches.append((f"'{name}' {later[name.casefold()]}", "Leave it out.", item.offset))
    if breaches:
        return [Problem(within(place, sql, offset - tree.BEFORE), said, fix) for said, fix, offset in breaches]
    return RowSql(sql, parsed, place, frozenset(named))


def type_of(expression: RowSql, relation: str, stubs: Stubs) -> str | Problem:
    """The expression's type over a stub, or why it has none."""
    sql = expression.sql
    try:
        return stubs.evaluate(sql, relation)
    except BindProblem as problem:
        at = within(expression.place, sql, len(sql[: max(sql.find(problem.word), 0)].encode()))
        return Problem(at, problem.what, problem.hint or "Mend the expression.")


def made_later(table: spec.Table) -> dict[str, str]:
    """Columns that a row does not have yet when its constraints are held, in lower case, and why."""
    found = {}
    for column in table.columns:
        if isinstance(column, spec.KeyColumn):
            found[column.name.casefold()] = "is a key: its values are made after the constraints are held"
        elif isinstance(column, spec.TextColumn):
            found[column.name.casefold()] = "is text, which is never read"
    return found


def within(place: Place, sql: str, offset: int) -> Place:
    """The place of an offset (bytes of UTF-8) in SQL that is a value of a YAML file, where it stands there on one line."""
    characters = len(sql.encode()[: max(offset, 0)].decode(errors="ignore"))
    for quote in (0, 1):
        if place.text[place.column - 1 + quote :].startswith(sql):
            return Place(place.file, place.line, place.column + quote + characters, place.text)
    return place
