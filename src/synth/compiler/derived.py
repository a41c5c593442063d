"""Columns that are computed from the row's other columns, in the order in which they are declared."""

from __future__ import annotations

from dataclasses import dataclass

from synth.compiler import row_sql
from synth.compiler.bind import Stubs
from synth.compiler.made import constant
from synth.compiler.row_sql import RowSql
from synth.errors import Problem
from synth.project import spec
from synth.project.loader import Declared


@dataclass(frozen=True)
class Computed:
    """A column's SQL over the columns before it, and its DuckDB type."""

    name: str
    sql: str
    sql_type: str


def computed(declared: Declared, relation: str, stubs: Stubs) -> tuple[list[Computed], list[Problem]]:
    """Constants and derived columns, and what is wrong with them; each is added to the stub ``relation`` for the next."""
    found, problems = [], []
    later = row_sql.made_later(declared.table)
    for i, column in enumerate(declared.table.columns):
        if isinstance(column, spec.ConstantColumn):
            sql, sql_type = constant(column)
            made = Computed(column.name, sql, sql_type)
        elif isinstance(column, spec.DerivedColumn):
            place = declared.place("columns", i, "expression")
            read = row_sql.read(column.expression, place, "derived column", later, stubs)
            known = row_sql.type_of(read, relation, stubs) if isinstance(read, RowSql) else "varchar"
            problems += read if isinstance(read, list) else []
            problems += [known] if isinstance(known, Problem) else []
            sql_type = known if isinstance(known, str) else "varchar"
            made = Computed(column.name, column.expression.strip(), sql_type)
        else:
            continue
        found.append(made)
        stubs.add_column(relation, column.name, made.sql_type)
    return found, problems
