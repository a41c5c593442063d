"""Restore: codes to typed values, and the generated keys. Reads synthetic codes only."""

from __future__ import annotations

from collections.abc import Sequence

from synth.artifacts.compiled import OutputColumn
from synth.compiler.columns import ColumnSql
from synth.compiler.sql import comma
from synth.quoting import identifier


def restore_sql(columns: Sequence[ColumnSql], order: Sequence[str]) -> str:
    """A select over ``codes`` ("#unit", "#position", "#draw", "#1", ...); a column comes after the one it is an offset from."""
    by_name = {column.name: (i, column) for i, column in enumerate(columns, 1)}
    lines = [_value(*by_name[name]) for name in order]
    return f"""\
-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.
select
  {comma(['codes."#unit"', 'codes."#position"', 'codes."#draw"', *lines])}
from codes
"""


def land_sql(model: str, columns: Sequence[OutputColumn], order_by: str | None) -> str:
    """The final table from the rows that hold every constraint, ``accepted``; keys are counted from 1."""
    order = f'"#unit", {identifier(order_by)} nulls last, "#position"' if order_by else '"#unit", "#position"'
    lines = [f"cast({_output(column, order)} as {column.sql_type}) as {identifier(column.name)}" for column in columns]
    return f"""\
-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic.{identifier(model)} as
select
  {comma(lines)}
from accepted
order by {order}
"""


def _output(column: OutputColumn, order: str) -> str:
    keys = {
        "unit": '"#unit" + 1',
        "row": f"row_number() over (order by {order})",
        None: identifier(column.name),
    }
    return keys[column.key]


def _value(number: int, column: ColumnSql) -> str:
    value, name = column.restore, identifier(column.name)
    if column.layout.missing:
        value = f'case when codes."#{number}" < {column.layout.cells} then {value} end'
    return f"cast({value} as {column.sql_type}) as {name}"
