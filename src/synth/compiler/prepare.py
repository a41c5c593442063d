"""Prepare: private rows to integer codes, in one statement of DuckDB SQL.

Each output row is ``"#unit"`` (from 0), ``"#position"`` within the unit (from 1), then one code per modelled column,
``"#1"`` and on. Rows without a unit, and rows with a null where the column is not nullable, are left out; a unit keeps at
most its cap of rows, chosen by a hash of the unit's own rows under a key that a run brings: nobody can write rows so that
they are kept. What a unit keeps is in the declared order. Units that are held out of the fit are chosen by a hash of what names
the unit, where each row is one of its own values and which of those that are alike it is: nobody else has a say in it, and in all
tables they are the same people.

Tables with foreign keys are linked: rows whose parent is not kept are left out before the cap, so that the cap of a table
cascades to those below it. Of each linked table there is a part with the rows that it keeps, ``kept_sql``; a parent has one
more code for each child table, the number of the row's children that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from synth.compiler.columns import ColumnSql
from synth.compiler.sql import comma
from synth.quoting import CAP_KEY, HOLDOUT_KEY, identifier, literal, unit_text

Part = Literal["fit", "held out"]
HASH_DIGITS = 12  # hexadecimal ones, of the hash that holds units out


@dataclass(frozen=True)
class Parent:
    """The table that a table's rows are below."""

    name: str
    foreign_key: str  # the column with the parent's key
    columns: int  # codes of a row of it
    own_count: int  # which of them is the number of rows of this table, from 1
    anchors: tuple[tuple[str, str], ...] = ()  # its columns that offsets here are from, each with its name here


@dataclass(frozen=True)
class Preparation:
    """What the rows of one table become."""

    name: str  # of the model; keeps the cap's choice apart between models
    model_sql: str
    columns: Sequence[ColumnSql]
    unit: Sequence[str]  # the unit's columns, none where each row is a unit
    units: int  # how many the project says that there are
    cap: int
    order_by: str | None  # the column that a unit's rows go by
    key: str | None = None  # the primary key, where other tables refer to it
    children: Sequence[str] = ()  # names of the tables below
    parent: Parent | None = None
    holdout: float | None = None  # the share of units that are held out
    part: Part = "fit"

    @property
    def kept(self) -> str:
        """The part with the rows that are kept."""
        return _kept(self.name)

    @property
    def coded(self) -> str:
        """The part with their codes."""
        return identifier(f"#codes {self.name}")

    @property
    def said(self) -> str:
        kept = f"kept inside the declaration, at most {self.cap} rows a unit."
        return f"-- Private rows to codes: read by the declared types and formats, {kept}"


Parts = Mapping[str, str]  # SQL by name, each of which may read those before it


def prepare_sql(table: Preparation) -> str:
    """The codes of a table that is linked to no other."""
    return f"""\
{table.said}
{_ranked(table)}
select
  {comma([_unit(), _position(table), *_codes(table)])}
from ranked
where "#position" <= {table.cap}
order by 1, 2
"""


def linked_sql(table: Preparation, parent: Preparation | None, parts: Parts, anchors: bool = False) -> str:
    """The codes of a linked table, those of its parent behind its own.

    ``parts``: the rows that are kept of all tables around it, and the parent's codes; ``anchors``: with the values of the row
    above that offsets are from, and the unit's name.
    """
    codes = [f"rows.{identifier(f'#{i}')}" for i in range(1, len(table.columns) + len(table.children) + 1)]
    join, place = "", ['rows."#position"']
    if parent is not None and table.parent is not None:
        own = len(codes)
        given = [i for i in range(1, table.parent.columns + 1) if i != table.parent.own_count]
        codes += [f'parent."#{i}" as "#{own + n}"' for n, i in enumerate(given, 1)]
        join = (
            f'\njoin {parent.coded} as parent on parent."#unit" = rows."#unit" and parent."#position" = rows."#parent"'
        )
        place = ['rows."#parent"', *place]
        codes += [f"rows.{identifier(name)}" for _, name in table.parent.anchors] if anchors else []
    codes += ['rows."#unit" as "#name"'] if anchors else []
    return f"""\
{table.said}
with {_before(parts)}rows as (
{codes_sql(table, anchors)})
select
  {comma([_unit("rows."), *place, *codes])}
from rows{join}
order by {", ".join(map(str, range(1, len(place) + 2)))}
"""


def kept_sql(table: Preparation, parent: Preparation | None) -> str:
    """The rows of a linked table that are kept: "#unit" as text, "#position", the key, the parent's place, and values."""
    names = [identifier(c.name) for c in table.columns]
    keys = ['"#key"'] if table.key else []
    above = ['"#parent"'] if table.parent else []
    anchors = [identifier(name) for _, name in table.parent.anchors] if table.parent else []
    ranked = _ranked(table, parent)
    return f"""\
-- The rows of {table.name} that are kept, of a unit at most {table.cap}.
{ranked}
select
  {comma(['"#unit"', _position(table), *keys, *above, *names, *anchors])}
from ranked
where "#position" <= {table.cap}
"""


def codes_sql(table: Preparation, anchors: bool = False) -> str:
    """The codes of a linked table: of its columns, then how many rows each child table keeps below the row."""
    above = ['"#parent"'] if table.parent else []
    if table.parent and anchors:
        above += [identifier(name) for _, name in table.parent.anchors]
    counts = [
        f"""(
    select count(*) from {_kept(child)} as child
    where child."#unit" = kept."#unit" and child."#parent" = kept."#position"
  ) as "#{len(table.columns) + n}\""""
        for n, child in enumerate(table.children, 1)
    ]
    return f"""\
-- The codes of {table.name}, and of how many rows of other tables are below each.
select
  {comma(['"#unit"', '"#position"', *above, *_codes(table), *counts])}
from {table.kept} as kept
"""


def _before(parts: Parts) -> str:
    """Parts as common table expressions; each is made once, however many read it."""
    return "".join(f"{name} as materialized (\n{sql}),\n" for name, sql in parts.items())


def _kept(table: str) -> str:
    return identifier(f"#kept {table}")


_BELOW = 'parent."#unit" = read."#unit" and parent."#key" = read."#to"'


def _unit(of: str = "") -> str:
    return f'dense_rank() over (order by {of}"#unit") - 1 as "#unit"'


def _position(table: Preparation) -> str:
    if table.order_by is None:
        return '"#position"'
    order = f'order by {identifier(table.order_by)} nulls last, "#position"'
    return f'row_number() over (partition by "#unit" {order}) as "#position"'


def _codes(table: Preparation) -> list[str]:
    return [f"{_code(c)} as {identifier(f'#{i}')}" for i, c in enumerate(table.columns, 1)]


def _ranked(table: Preparation, parent: Preparation | None = None) -> str:
    """Common table expressions up to ``ranked``, whose "#position" says which rows a unit keeps first."""
    columns = table.columns
    unit_sql = unit_text(table.unit) if table.unit else "cast(row_number() over () as varchar)"
    names = [identifier(c.name) for c in columns]
    keys, anchors = list(_keys(table)), []
    read = [f'{unit_sql} as "#unit"', *(f"{sql} as {name}" for sql, name in keys)]
    read += [f"{c.read} as {name}" for c, name in zip(columns, names, strict=True)]
    linked, source = "", "read"
    if parent is not None and table.parent is not None:
        anchors = [(identifier(a), identifier(name)) for a, name in table.parent.anchors]
        above = ['parent."#position" as "#parent"', *(f"parent.{a} as {name}" for a, name in anchors)]
        source = "linked"
        linked = f"""linked as (
  select
    {comma(["read.*", *above], 4)}
  from read join {parent.kept} as parent on {_BELOW}
),
"""
        keys.append(("", '"#parent"'))
    kept_keys = [name for _, name in keys if name != '"#to"']
    declared = ['"#unit"', *kept_keys, *(name for _, name in anchors)]
    declared += [c.declare if c.declare == n else f"{c.declare} as {n}" for c, n in zip(columns, names, strict=True)]
    known = [f"not ({c.refused})" for c in columns if c.refused]
    needed = ['"#unit" is not null', *(f"{name} is not null" for name in _needed(columns))]
    needed += ['"#key" is not null'] if table.key else []
    chosen = []
    if table.key:
        chosen.append(
            f'row_number() over (partition by "#unit", "#key" order by {", ".join([*kept_keys, *names])}) = 1'
        )
    if table.holdout and table.unit:
        needed.append(_in_part(table.holdout, table.part, ['"#unit"']))
    elif table.holdout:  # equal rows apart: of those that are alike none is the first of its own accord
        texts = [f"cast({name} as varchar)" for name in names]
        alike = f"row_number() over (partition by {', '.join(names)})"
        chosen.append(_in_part(table.holdout, table.part, [*texts, f"cast({alike} as varchar)"]))
    once = f"\n  qualify {' and '.join(chosen)}" if chosen else ""
    key = f"getvariable({literal(CAP_KEY)})"
    own_row = ", ".join([key, literal(table.name), '"#unit"', *(f"cast({name} as varchar)" for name in names)])
    # by the hash, and then by the values: rows such as (null, a) and (a, null) join to the same text
    own_order = [f"sha256(concat_ws('|', {own_row}))", ", ".join([*names, *kept_keys])]
    return f"""\
with input as (
{table.model_sql.strip()}
),
read as (
  select
    {comma(read, 4)}
  from input
),
{linked}declared as (
  select
    {comma(declared, 4)}
  from {source}
  where {" and ".join(known) or "true"}
),
kept as (
  select * from declared
  where {" and ".join(needed)}{once}
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
)"""


def _in_part(holdout: float, part: Part, own: Sequence[str]) -> str:
    """Condition on a declared row: its unit, which goes by ``own``, is one of the part."""
    text = f"concat_ws('|', {', '.join([f'getvariable({literal(HOLDOUT_KEY)})', *own])})"
    place = f"cast('0x' || left(sha256({text}), {HASH_DIGITS}) as bigint)"
    return f"{place} {'>=' if part == 'fit' else '<'} {round(holdout * 16**HASH_DIGITS)}"


def _keys(table: Preparation) -> Iterator[tuple[str, str]]:
    """SQL and name of what identifies a row, and the row that it is below."""
    if table.key:
        yield unit_text([table.key]), '"#key"'
    if table.parent:
        yield unit_text([table.parent.foreign_key]), '"#to"'


def oddities_sql(table: Preparation, parent: Preparation | None, parts: Parts) -> str:
    """Counts of rows and of values outside the declaration. Exact, so its one row stays in the private zone.

    ``parts``: all that is kept above the table.
    """
    read, counts = [], ['count(*) as "rows"']
    declared = f'{table.units} as "units as declared"'
    if table.unit:
        read.append(f'{unit_text(table.unit)} as "#unit"')
        counts += [
            'count(distinct "#unit") as "units"',
            declared,
            'count(*) filter (where "#unit" is null) as "rows without a unit"',
            f"""(
    select coalesce(sum(count - {table.cap}), 0)
    from (select count(*) as count from read where "#unit" is not null group by "#unit")
    where count > {table.cap}
  ) as {identifier(f"rows beyond {table.cap} of a unit")}""",
        ]
    elif table.parent is None:
        counts.append(declared)
    if table.parent is not None and parent is not None:
        read.append(f'{unit_text([table.parent.foreign_key])} as "#to"')
        counts.append(f"""(
    select count(*) from read anti join {parent.kept} as parent on {_BELOW}
  ) as {identifier(f"rows without a row of {parent.name} that is kept")}""")
    for number, column in enumerate(table.columns, 1):
        name, null = identifier(column.name), identifier(f"#null {number}")
        read += [f"{column.null or f'{name} is null'} as {null}", f"{column.read} as {name}"]
        found = {"null": null, column.unreadable: f"not {null} and {name} is null"}
        found |= {"outside the declaration": column.outside} if column.outside else {}
        counts += [f"count(*) filter (where {w}) as {identifier(f'{column.name}: {k}')}" for k, w in found.items()]
    return f"""\
-- How many values lie outside the declaration, of all rows as they are read. The answer stays in the private zone.
with {_before(parts)}input as (
{table.model_sql.strip()}
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
