"""Constraints: SQL over one row that holds in every synthetic row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synth.artifacts.compiled import Constraint
from synth.compiler import apart, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.columns import Offset
from synth.errors import Place, Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.quoting import identifier


@dataclass(frozen=True)
class Parsed:
    """A constraint with its parse tree and the place it was written at."""

    constraint: Constraint
    tree: dict[str, Any]
    place: Place


def parse(declared: Declared, stubs: Stubs, functions: apart.Functions, problems: list[Problem]) -> list[Parsed]:
    """The constraints that are expressions over one row of modelled columns; problems of the others."""
    made = []
    names = {c.name.casefold(): c.name for c in declared.table.columns}
    keys = {c.name.casefold() for c in declared.table.columns if isinstance(c, spec.KeyColumn)}
    for i, written in enumerate(declared.table.constraints):
        sql, place = written.expression, declared.place("constraints", i, "expression")
        try:
            parsed = tree.parse_expression(stubs.connection, sql)
        except tree.SyntaxProblem as problem:
            what = f"the constraint is not one expression: {problem.what}"
            fix = 'Write one comparison, say; names that are words of SQL in double quotes: "order".'
            problems.append(Problem(_within(place, sql, problem.offset), what, fix))
            continue
        named = {name.casefold() for item in tree.walk(parsed) if (name := tree.column(item.node))}
        wrong = [
            (breach.what, "A constraint looks at one row.", breach.offset)
            for breach in apart.expression(parsed, functions)
        ]
        for item in tree.walk(parsed):
            name = tree.column(item.node)
            if name and name.casefold() in keys:
                what = f"'{name}' is a key: its values are made after the constraints are held"
                wrong.append((what, "Leave keys out.", item.offset))
        problems += [Problem(_within(place, sql, offset - tree.BEFORE), what, fix) for what, fix, offset in wrong]
        if not wrong:
            columns = tuple(name for folded, name in names.items() if folded in named)
            constraint = Constraint(name=" ".join((written.name or sql).split()), sql=sql.strip(), columns=columns)
            made.append(Parsed(constraint, parsed, place))
    return made


def bind(parsed: Iterable[Parsed], relation: str, stubs: Stubs) -> Iterator[Problem]:
    """Where a constraint is not true or false over the columns of a stub."""
    for one in parsed:
        sql = one.constraint.sql
        try:
            sql_type = stubs.evaluate(sql, relation)
        except BindProblem as problem:
            at = _within(one.place, sql, len(sql[: max(sql.find(problem.word), 0)].encode()))
            yield Problem(at, problem.what, problem.hint or "Mend the constraint.")
            continue
        if sql_type != "BOOLEAN":
            what = f"the constraint gives {sql_type.lower()}, not true or false"
            yield Problem(one.place, what, "Write a comparison, such as dischtime >= admittime.")


def still_bounded(table: spec.Table, found: Mapping[str, Offset]) -> tuple[Constraint, ...]:
    """An offset may lead out of a column's own bounds; rows where it does are drawn again."""
    made = []
    for column in table.columns:
        if column.name in found and isinstance(column, spec.DateColumn | spec.DatetimeColumn) and column.bounds:
            kind = "date" if isinstance(column, spec.DateColumn) else "timestamp"
            low, high = (f"{kind} '{b.isoformat()}'" for b in column.bounds)
            sql = f"{identifier(column.name)} between {low} and {high}"
            made.append(Constraint(name=f"{column.name} within bounds", sql=sql, columns=(column.name,)))
    return tuple(made)


def _within(place: Place, sql: str, offset: int) -> Place:
    """The place of an offset (bytes of UTF-8) in SQL that is a value of a YAML file, where it stands there on one line."""
    characters = len(sql.encode()[: max(offset, 0)].decode(errors="ignore"))
    for quote in (0, 1):
        if place.text[place.column - 1 + quote :].startswith(sql):
            return Place(place.file, place.line, place.column + quote + characters, place.text)
    return place
