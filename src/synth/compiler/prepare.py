"""Prepare: private rows to integer codes, in one statement of DuckDB SQL.

Each output row is ``"#unit"`` (from 0), ``"#position"`` within the unit (from 1), then one code per modelled column,
``"#1"`` and on. Rows without a unit, and rows with a null where the column is not nullable, are left out; a unit keeps at
most its cap of rows, chosen by a hash of the unit's own rows under a key that a run brings: nobody can write rows so that
they are kept. What a unit keeps is in the declared order.
"""

from __future__ import annotations

from collections.abc import Sequence

from synth.compiler.columns import ColumnSql
from synth.compiler.sql import comma
from synth.quoting import CAP_KEY, identifier, literal, unit_text


def prepare_sql(
    model_sql: str, columns: Sequence[ColumnSql], unit: Sequence[str], cap: int, salt: str, order_by: str | None
) -> str:
    """``unit``: the unit's columns, none where each row is a unit; ``salt``: keeps the cap's choice apart between models;
    ``order_by``: the column that a unit's rows go by."""
    unit_sql = unit_text(unit) if unit else "cast(row_number() over () as varchar)"
    names = [identifier(c.name) for c in columns]
    read = [f'{unit_sql} as "#unit"', *(f"{c.read} as {name}" for c, name in zip(columns, names, strict=True))]
    declared = [
        '"#unit"',
        *(c.declare if c.declare == n else f"{c.declare} as {n}" for c, n in zip(columns, names, strict=True)),
    ]
    known = [f"not ({c.refused})" for c in columns if c.refused]
    needed = ['"#unit" is not null', *(f"{name} is not null" for name in _needed(columns))]
    key = f"getvariable({literal(CAP_KEY)})"
    own_row = ", ".join([key, literal(salt), '"#unit"', *(f"cast({name} as varchar)" for name in names)])
    # by the hash, and then by the values: rows such as (null, a) and (a, null) join to the same text
    own_order = [f"sha256(concat_ws('|', {own_row}))", ", ".join(names)]
    codes = [f"{_code(c)} as {identifier(f'#{i}')}" for i, c in enumerate(columns, 1)]
    unit_code = 'dense_rank() over (order by "#unit") - 1 as "#unit"'
    position = '"#position"'
    if order_by:
        order = f'order by {identifier(order_by)} nulls last, "#position"'
        position = f'row_number() over (partition by "#unit" {order}) as "#position"'
    return f"""\
-- Private rows to codes: read by the declared types and formats, kept inside the declaration, at most {cap} rows a unit.
with input as (
{model_sql.strip()}
),
read as (
  select
    {comma(read, 4)}
  from input
),
declared as (
  select
    {comma(declared, 4)}
  from read
  where {" and ".join(known) or "true"}
),
kept as (
  select * from declared
  where {" and ".join(needed)}
),
ranked as (
  select
    *,
    row_number() over (
      partition by "#unit"
      order by
        {comma(own_order, 8)}
    ) as "#position"
  from kept
)
select
  {comma([unit_code, position, *codes])}
from ranked
where "#position" <= {cap}
order by 1, 2
"""


def oddities_sql(model_sql: str, columns: Sequence[ColumnSql], unit: Sequence[str]) -> str:
    """Counts of rows and of values outside the declaration. Exact, so its one row stays in the private zone."""
    read, counts = [], ['count(*) as "rows"']
    if unit:
        read.append(f'{unit_text(unit)} is null as "#null"')
        counts.append('count(*) filter (where "#null") as "rows without a unit"')
    for number, column in enumerate(columns, 1):
        name, null = identifier(column.name), identifier(f"#null {number}")
        read += [f"{name} is null as {null}", f"{column.read} as {name}"]
        found = {"null": null, column.unreadable: f"not {null} and {name} is null"}
        found |= {"outside the declaration": column.outside} if column.outside else {}
        counts += [f"count(*) filter (where {w}) as {identifier(f'{column.name}: {k}')}" for k, w in found.items()]
    return f"""\
-- How many values lie outside the declaration. The answer is about real rows: it stays in the private zone.
with input as (
{model_sql.strip()}
),
read as (
  select
    {comma(read, 4)}
  from input
)
select
  {comma(counts)}
from read
"""


def _needed(columns: Sequence[ColumnSql]) -> list[str]:
    names: list[str] = []
    for column in columns:
        if not column.layout.missing:
            names += [column.name] + ([column.anchor] if column.anchor else [])
    return [identifier(name) for name in dict.fromkeys(names)]


def _code(column: ColumnSql) -> str:
    if not column.layout.missing:
        return column.code
    return f"coalesce({column.code}, {column.layout.cells})"
