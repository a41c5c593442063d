"""What the declaration promises of the synthetic table, as SQL that selects the rows that break it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from synth.artifacts.compiled import Constraint, OutputColumn
from synth.artifacts.plan import Plan
from synth.artifacts.results import Expectation
from synth.compiler.declaration import order_of
from synth.compiler.sql import decimals
from synth.project import spec
from synth.quoting import identifier, literal


@dataclass(frozen=True)
class Reference:
    """A foreign key: the column, the table and its key that it refers to, and the columns that both tables name the unit by."""

    column: str
    table: str
    key: str
    unit: tuple[str, ...]


def expectations(
    table: spec.Table, columns: Sequence[OutputColumn], constraints: Sequence[Constraint], plan: Plan, folder: str,
    references: Sequence[Reference] = (), ruled: str = "",
) -> tuple[Expectation, ...]:  # fmt: skip
    """Every expectation of one synthetic table; ``folder``: where their SQL is written; ``ruled``: the rows that constraints are
    about, where they name the row above."""
    made = _Maker(plan.model, f"synthetic.{identifier(plan.model)}", folder)
    found = [*_types(made, columns), *_keys(made, table), *_references(made, references)]
    found += _rows(made, table, columns, plan, below=bool(references))
    for column in table.columns:
        if column.lands:
            found += [*_column(made, column), *_offset(made, table, column)]
    found += [made.query(None, "holds", f"{c.name} holds in every row", "unexpected_rows_expectation", {"description": c.sql},
                         f"select * from {ruled or made.relation}\nwhere not coalesce(({c.sql}\n), true)\n", label=c.name)
              for c in constraints]  # fmt: skip
    return tuple(found)


class _Maker:
    """Builds expectations of one table with ids that do not clash."""

    def __init__(self, model: str, relation: str, folder: str) -> None:
        self.model, self.relation, self.folder = model, relation, folder
        self.used: set[str] = set()

    def make(
        self, column: str | None, check: str, description: str, gx: str, kwargs: dict[str, Any], breaks: str,
        label: str | None = None,
    ) -> Expectation:  # fmt: skip
        return self.query(
            column, check, description, gx, kwargs, f"select * from {self.relation}\nwhere {breaks}\n", label
        )

    def query(
        self, column: str | None, check: str, description: str, gx: str, kwargs: dict[str, Any], sql: str,
        label: str | None = None,
    ) -> Expectation:  # fmt: skip
        words = "".join(c if c.isalnum() else "_" for c in (label or column or "table")).strip("_").lower()[:60]
        name = f"{words}.{check}"
        number = 2
        while name in self.used:
            name, number = f"{words}_{number}.{check}", number + 1
        self.used.add(name)
        return Expectation(
            id=f"{self.model}.{name}", model=self.model, column=column, type=gx, kwargs=kwargs, description=description,
            sql=sql, sql_path=f"{self.folder}/{name}.sql",
        )  # fmt: skip


def _types(made: _Maker, columns: Sequence[OutputColumn]) -> Iterator[Expectation]:
    for column in columns:
        sql_type = column.sql_type.upper()
        found = f"typeof({identifier(column.name)})"
        sql = f"select {found} as type from {made.relation}\nwhere {found} <> {literal(sql_type)}\n"
        yield made.query(
            column.name, "type", f"{column.name} is of type {sql_type}", "expect_column_values_to_be_of_type",
            {"type_": sql_type}, sql,
        )  # fmt: skip


def _keys(made: _Maker, table: spec.Table) -> Iterator[Expectation]:
    if table.primary_key:
        key = identifier(table.primary_key)
        sql = f"select {key}, count(*) as rows from {made.relation}\ngroup by {key} having count(*) > 1\n"
        what = f"{table.primary_key} is the primary key: each value once"
        yield made.query(table.primary_key, "unique", what, "expect_column_values_to_be_unique", {}, sql)


def _references(made: _Maker, references: Sequence[Reference]) -> Iterator[Expectation]:
    for to in references:
        unit = [name for name in to.unit if name.casefold() != to.column.casefold()]
        here, there = (", ".join(map(identifier, (*unit, name))) for name in (to.column, to.key))
        what = f"every {to.column} is a {to.key} of {to.table}"
        what += f", with the same {' and '.join(unit)}" if unit else ""
        yield made.make(
            to.column, "relationships", what, "unexpected_rows_expectation", {"description": what},
            f"{identifier(to.column)} is not null "
            f"and ({here}) not in (select {there} from synthetic.{identifier(to.table)})",
        )  # fmt: skip


def _rows(
    made: _Maker, table: spec.Table, columns: Sequence[OutputColumn], plan: Plan, below: bool
) -> Iterator[Expectation]:  # fmt: skip
    if not below and (plan.rows is not None or plan.privacy.max_rows_per_unit == 1):
        count = plan.rows or plan.privacy.units
        what, kwargs = f"the table has exactly {count:,} rows", {"value": count}
        sql = f"select count(*) as rows from {made.relation}\nhaving count(*) <> {count}\n"
        yield made.query(None, "row_count", what, "expect_table_row_count_to_equal", kwargs, sql)
    if table.until and (by := order_of(table)):
        start, end = identifier(by), identifier(table.until)
        unit = ", ".join(identifier(c.name) for c in columns if c.key == "unit")
        before = f"lag(coalesce({end}, {start})) over (partition by {unit} order by {start})"
        sql = f'select * from (select *, {before} as "#before" from {made.relation})\nwhere {start} < "#before"\n'
        what = f"the rows of a unit do not overlap: each {by} is at or after the {table.until} before it"
        yield made.query(None, "no_overlap", what, "unexpected_rows_expectation", {"description": what}, sql)


def _column(made: _Maker, column: spec.Column) -> Iterator[Expectation]:
    name, sql = column.name, identifier(column.name)
    if not column.nullable:
        yield made.make(
            name, "not_null", f"{name} is never null", "expect_column_values_to_not_be_null", {}, f"{sql} is null"
        )
    if isinstance(column, spec.CategoricalColumn):
        yield _in_set(made, column, [*column.values, *([spec.OTHER] if column.unknown == "other" else [])])
    elif isinstance(column, spec.BooleanColumn):
        yield _in_set(made, column, [True, False])
    elif isinstance(column, spec.IntegerColumn | spec.NumberColumn | spec.DecimalColumn):
        low, high = (float(b) if isinstance(b, Decimal) else b for b in column.bounds)
        yield _between(made, name, literal(low), literal(high), low, high)
        if isinstance(column, spec.NumberColumn) and column.step:
            places = max(decimals(column.step), decimals(column.bounds[0]))
            start, step = literal(column.bounds[0]), literal(column.step)
            grid = f"round({start} + round(({sql} - {start}) / {step}) * {step}, {places})"
            what = f"{name} is a multiple of {column.step} from {column.bounds[0]}"
            yield made.make(
                name, "rounding", what, "unexpected_rows_expectation", {"description": what}, f"{sql} <> {grid}"
            )
    elif isinstance(column, spec.DateColumn | spec.DatetimeColumn):
        yield from _moment(made, column)
    elif isinstance(column, spec.TimeColumn):
        low_time, high_time = (f"{bound:%H:%M:%S}" for bound in column.bounds)
        yield _between(made, name, f"time '{low_time}'", f"time '{high_time}'", low_time, high_time)
    elif isinstance(column, spec.DurationColumn):
        seconds = [int(bound.total_seconds()) for bound in column.bounds]
        yield _between(made, name, *(f"to_seconds({s})" for s in seconds), *(str(bound) for bound in column.bounds))
    elif isinstance(column, spec.ConstantColumn):
        yield _in_set(made, column, [column.value])


def _moment(made: _Maker, column: spec.DateColumn | spec.DatetimeColumn) -> Iterator[Expectation]:
    name, sql = column.name, identifier(column.name)
    sql_type = "date" if isinstance(column, spec.DateColumn) else "timestamp"
    if column.bounds:
        low, high = (b.isoformat(sep=" ") if sql_type == "timestamp" else b.isoformat() for b in column.bounds)  # type: ignore[call-arg]
        yield _between(made, name, f"{sql_type} '{low}'", f"{sql_type} '{high}'", low, high)
    form = literal(column.format[0])
    what = f"{name} loses nothing when written as {column.format[0]}"
    if "%z" not in form:  # what lands is a wall clock
        yield made.make(
        name, "format", what, "expect_column_values_to_match_strftime_format", {"strftime_format": column.format[0]},
        f"{sql} is not null and try_strptime(strftime({sql}, {form}), {form}) is distinct from cast({sql} as timestamp)",
    )  # fmt: skip
    if isinstance(column, spec.DatetimeColumn) and column.resolution != "second":
        what = f"{name} is a whole {column.resolution}"
        yield made.make(
            name, "resolution", what, "unexpected_rows_expectation", {"description": what},
            f"date_trunc('{column.resolution}', {sql}) <> {sql}",
        )  # fmt: skip


def _offset(made: _Maker, table: spec.Table, column: spec.Column) -> Iterator[Expectation]:
    """Of a date that is declared as the time since another one of the row."""
    if not isinstance(column, spec.DateColumn | spec.DatetimeColumn) or column.offset_bounds is None:
        return
    if column.offset_from not in {c.name for c in table.columns}:
        return
    low, high = column.offset_bounds
    what = f"{column.name} is {spec.duration_text(low)} to {spec.duration_text(high)} after {column.offset_from}"
    first, last = (
        f"{identifier(column.offset_from)} + to_seconds({bound.total_seconds():.15g})" for bound in (low, high)
    )
    yield made.make(
        column.name, "offset", what, "unexpected_rows_expectation", {"description": what},
        f"{identifier(column.name)} not between {first} and {last}",
    )  # fmt: skip


def _in_set(made: _Maker, column: spec.Column, allowed: list[Any]) -> Expectation:
    listed = ", ".join(map(literal, allowed))
    return made.make(
        column.name, "in_set", f"{column.name} is one of {len(allowed)} declared values",
        "expect_column_values_to_be_in_set", {"value_set": allowed}, f"{identifier(column.name)} not in ({listed})",
    )  # fmt: skip


def _between(made: _Maker, name: str, low_sql: str, high_sql: str, low: Any, high: Any) -> Expectation:
    return made.make(
        name, "between", f"{name} is between {low} and {high}", "expect_column_values_to_be_between",
        {"min_value": low, "max_value": high}, f"{identifier(name)} not between {low_sql} and {high_sql}",
    )  # fmt: skip
