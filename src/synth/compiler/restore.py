"""Restore: codes to typed values, and what is made of them. Reads synthetic codes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from synth.artifacts.compiled import Link, OutputColumn
from synth.compiler.columns import ColumnSql
from synth.compiler.derived import Computed
from synth.compiler.made import key
from synth.compiler.sql import comma
from synth.quoting import identifier, key_of, rows_of


def restore_sql(
    columns: Sequence[ColumnSql], order: Sequence[str], computed: Sequence[Computed], kept: Sequence[str] = (),
    above: Mapping[str, str] = MappingProxyType({}),
) -> str:  # fmt: skip
    """A select over ``codes`` ("#unit", "#position", "#draw", "#1", ...); a column comes after the one it is an offset from.

    ``computed``: columns that are expressions over those before; ``kept``: columns of ``codes`` that stay beside the values;
    ``above``: types of the values there that are of the row above, which a run brings as times.
    """
    by_name = {column.name: (i, column) for i, column in enumerate(columns, 1)}
    lines = [_value(*by_name[name]) for name in order]
    typed = comma([f"cast({identifier(n)} as {kind}) as {identifier(n)}" for n, kind in above.items()])
    source = f"(select * replace ({typed}) from codes) as codes" if above else "codes"
    body = f"""\
select
  {comma(['codes."#unit"', 'codes."#position"', 'codes."#draw"', *(f"codes.{identifier(k)}" for k in kept), *lines])}
from {source}
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


@dataclass(frozen=True)
class Landing:
    """How accepted rows become the final table."""

    model: str
    columns: Sequence[OutputColumn]
    made: Mapping[str, str]  # SQL of the columns that are made here
    order_by: str | None
    link: Link | None = None

    def landed_sql(self) -> str:
        """The final table's rows from those that hold every constraint, ``accepted``; keys are counted from 1."""
        return f"""\
select
  {comma(self._values())}
from {self._accepted()}
order by {self._order()}
"""

    def rows_sql(self, codes: int) -> str:
        """What the tables below are made from: the rows once more, with their codes and the keys of all above them."""
        above = [f"{identifier(name)}" for name in self.link.keys] if self.link else []
        own = f"row_number() over (order by {self._order()}) as {identifier(key_of(self.model))}"
        hidden = ['"#unit"', own, *above, *(identifier(f"#{i}") for i in range(1, codes + 1))]
        return f"""\
-- What tables with a foreign key to {self.model} are made from: its synthetic rows, with their codes and keys.
create or replace table {rows_of(self.model)} as
select
  {comma([*hidden, *self._values()])}
from {self._accepted()}
order by {self._order()}
"""

    def _order(self) -> str:
        by = f"{identifier(self.order_by)} nulls last, " if self.order_by else ""
        return f'"#unit", {by}"#position"'

    def _values(self) -> list[str]:
        values = [key(c, self._order()) if c.key else self.made.get(c.name, identifier(c.name)) for c in self.columns]
        return [f"cast({v} as {c.sql_type}) as {identifier(c.name)}" for v, c in zip(values, self.columns, strict=True)]

    def _accepted(self) -> str:
        """The accepted rows, each with the rows of a second parent that it may be below: those it shares most with."""
        joins = ""
        for of, shared in dict.fromkeys((c.of, identifier(c.shared)) for c in self.columns if c.key == "other"):
            other = identifier(of)
            joins += f"""
left join (
  select {shared} as shared, list({identifier(key_of(of))}) as found from {rows_of(of)} group by shared
) as {other} on {other}.shared = accepted.{shared}"""
        return f"accepted{joins}"


def _value(number: int, column: ColumnSql) -> str:
    value, name = column.restore, identifier(column.name)
    if column.layout.missing:
        value = f'case when codes."#{number}" < {column.layout.cells} then {value} end'
    return f"cast({value} as {column.sql_type}) as {name}"
