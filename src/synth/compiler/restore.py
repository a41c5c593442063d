"""Restore: codes to typed values, and what is made of them. Reads synthetic codes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synth.artifacts.compiled import OutputColumn
from synth.compiler.columns import ColumnSql
from synth.compiler.derived import Computed
from synth.compiler.made import key
from synth.compiler.sql import comma
from synth.quoting import identifier


def restore_sql(columns: Sequence[ColumnSql], order: Sequence[str], computed: Sequence[Computed]) -> str:
    """A select over ``codes`` ("#unit", "#position", "#draw", "#1", ...); a column comes after the one it is an offset from.

    ``computed``: columns that are expressions over those before.
    """
    by_name = {column.name: (i, column) for i, column in enumerate(columns, 1)}
    lines = [_value(*by_name[name]) for name in order]
    body = f"""\
select
  {comma(['codes."#unit"', 'codes."#position"', 'codes."#draw"', *lines])}
from codes
"""
    for column in computed:
        body = f"""\
select *, cast((
{column.sql}
) as {column.sql_type}) as {identifier(column.name)}
from (
{body})
"""
    return f"-- Codes to values: the other half of prepare.sql. Reads synthetic codes only.\n{body}"


def land_sql(model: str, columns: Sequence[OutputColumn], made: Mapping[str, str], order_by: str | None) -> str:
    """The final table from the rows that hold every constraint, ``accepted``; keys are counted from 1.

    ``made``: SQL of the columns that are made here.
    """
    order = f'"#unit", {identifier(order_by)} nulls last, "#position"' if order_by else '"#unit", "#position"'
    values = [key(c, order) if c.key else made.get(c.name, identifier(c.name)) for c in columns]
    lines = [f"cast({v} as {c.sql_type}) as {identifier(c.name)}" for v, c in zip(values, columns, strict=True)]
    return f"""\
-- The synthetic table, in the declared order, with new keys.
create or replace table synthetic.{identifier(model)} as
select
  {comma(lines)}
from accepted
order by {order}
"""


def _value(number: int, column: ColumnSql) -> str:
    value, name = column.restore, identifier(column.name)
    if column.layout.missing:
        value = f'case when codes."#{number}" < {column.layout.cells} then {value} end'
    return f"cast({value} as {column.sql_type}) as {name}"
