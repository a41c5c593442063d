"""What ``synth sample`` asks for: SQL conditions over the columns of a synthetic table, checked before a row is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from synth.artifacts.compiled import Group, OutputColumn, Request, SyntheticModel
from synth.compiler import row_sql
from synth.compiler.bind import Stubs
from synth.errors import Place, Problem, ProjectError, UsageError
from synth.project import spec
from synth.project.nearest import nearest
from synth.quoting import identifier, literal


def request(
    table: spec.Table, model: SyntheticModel, rows: int, where: Sequence[str] = (), given: Mapping[str, str] | None = None,
    per: str | None = None,
) -> Request:  # fmt: skip
    """``given``: values by column, as text, "" for a missing one. Raises ProjectError or UsageError."""
    stubs = Stubs()
    stubs.table(model.relation, {c.name: c.sql_type for c in model.columns})
    problems: list[Problem] = []
    conditions = [_condition(sql, table, model, stubs, problems) for sql in where]
    if problems:
        raise ProjectError(problems)
    conditions += [_equal(_column(name, table, model), value, stubs) for name, value in (given or {}).items()]
    both = " and ".join(f"coalesce(({c}\n), false)" for c in conditions) or "true"
    if per is None:
        return Request(
            model=model.name, rows=rows, groups=(Group(name=" and ".join([*where, *_said(given)]), sql=both),)
        )
    groups = [
        Group(name=f"{per}={value}", sql=f"{both} and {identifier(per)} = {literal(value)}")
        for value in _values(_column(per, table, model), table)
    ]
    return Request(model=model.name, rows=rows, groups=tuple(groups))


def _condition(sql: str, table: spec.Table, model: SyntheticModel, stubs: Stubs, problems: list[Problem]) -> str:
    read = row_sql.read(sql, Place("--where", 1, 1, sql), "condition", row_sql.made_later(table), stubs)
    if isinstance(read, list):
        problems += read
        return sql
    kind = row_sql.type_of(read, model.relation, stubs)
    if isinstance(kind, Problem):
        problems.append(kind)
    elif kind != "BOOLEAN":
        what = f"the condition gives {kind.lower()}, not true or false"
        problems.append(Problem(read.place, what, "Write a comparison, such as age > 80."))
    return sql


def _column(name: str, table: spec.Table, model: SyntheticModel) -> OutputColumn:
    later = row_sql.made_later(table)
    known = {c.name.casefold(): c for c in model.columns if c.name.casefold() not in later}
    if name.casefold() in later:
        raise UsageError(f"'{name}' {later[name.casefold()]}", "Name another column.")
    if name.casefold() not in known:
        raise UsageError(f"{model.name} has no column '{name}'", nearest(name, [c.name for c in known.values()]))
    return known[name.casefold()]


def _equal(column: OutputColumn, value: str, stubs: Stubs) -> str:
    if value == "":
        return f"{identifier(column.name)} is null"
    typed = f"try_cast({literal(value)} as {column.sql_type})"
    if stubs.value(f"select {typed}") is None:
        raise UsageError(
            f"'{value}' is no value of {column.name}, which is a {column.sql_type}", "Dates as 2001-12-31."
        )
    return f"{identifier(column.name)} = {typed}"


def _values(column: OutputColumn, table: spec.Table) -> Iterator[str | int | bool]:
    declared = next(c for c in table.columns if c.name == column.name)
    if isinstance(declared, spec.CategoricalColumn):
        yield from declared.values
    elif isinstance(declared, spec.BooleanColumn):
        yield from (False, True)
    else:
        raise UsageError(
            f"{column.name} is of type {declared.type}: rows per value take a list of values", "Use --where."
        )


def _said(given: Mapping[str, str] | None) -> list[str]:
    return [f"{name}={value}" for name, value in (given or {}).items()]
