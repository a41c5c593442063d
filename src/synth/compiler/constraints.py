"""Constraints: SQL over one row that holds in every synthetic row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.artifacts.compiled import Constraint, Reach
from synth.compiler import row_sql
from synth.compiler.bind import Stubs
from synth.compiler.columns import Offset
from synth.compiler.derived import behind
from synth.compiler.row_sql import RowSql
from synth.errors import Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.quoting import identifier


@dataclass(frozen=True)
class Parsed:
    """A constraint with the expression that it is."""

    constraint: Constraint
    expression: RowSql


def parse(
    declared: Declared, reads: Mapping[str, tuple[str, ...]], stubs: Stubs,
    problems: list[Problem],
) -> list[Parsed]:  # fmt: skip
    """The constraints that are expressions over one row; problems of the others.

    ``reads``: for each column of the row, the modelled columns that decide it.
    """
    made, later = [], row_sql.made_later(declared.table)
    for i, written in enumerate(declared.table.constraints):
        sql, place = written.expression, declared.place("constraints", i, "expression")
        found = row_sql.read(sql, place, "constraint", later, stubs)
        if isinstance(found, list):
            problems += found
            continue
        name = " ".join((written.name or sql).split())
        made.append(Parsed(Constraint(name=name, sql=sql.strip(), columns=behind(found.named, reads)), found))
    return made


def bind(parsed: Iterable[Parsed], relation: str, stubs: Stubs) -> Iterator[Problem]:
    """Where a constraint is not true or false over the columns of a stub."""
    for one in parsed:
        sql_type = row_sql.type_of(one.expression, relation, stubs)
        if isinstance(sql_type, Problem):
            yield sql_type
        elif sql_type != "BOOLEAN":
            what = f"the constraint gives {sql_type.lower()}, not true or false"
            yield Problem(one.expression.place, what, "Write a comparison, such as dischtime >= admittime.")


def reaches(columns: Sequence[spec.Modelled], found: Mapping[str, Offset], prefix: str) -> tuple[Reach, ...]:
    """The bounds of dates that are offsets from a date of the row above, whose names begin with ``prefix``."""
    made = []
    for i, column in enumerate(columns):
        offset = found.get(column.name)
        if (
            offset is None
            or not offset.anchor.startswith(prefix)
            or not isinstance(column, spec.DateColumn | spec.DatetimeColumn)
            or column.bounds is None
        ):
            continue
        step = 86400 if isinstance(column, spec.DateColumn) else spec.STEPS[column.resolution]
        low, high = (bound.isoformat() for bound in column.bounds)
        start = math.ceil(offset.low.total_seconds() / step)
        made.append(Reach(column=i, anchor=offset.anchor, low=low, high=high, step=step, start=start))
    return tuple(made)


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
