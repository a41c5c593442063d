"""What to ask of a table's rows so that the gaps of a draft can be filled, and what that costs.

Two looks: at the shapes of cells, which tell the types; then, knowing those, at bounds and categories. Both of a paid draft
together cost its epsilon.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from synth.artifacts.compiled import Price, SourceColumn, SourceTable
from synth.artifacts.looks import COUNTS, DRAFT, VALUES, Ask, Cells, Look
from synth.artifacts.plan import Event, Gaussian, PartitionSelection, Privacy
from synth.drafting.names import can_be_declared
from synth.drafting.shapes import SHAPES, moment_sql, shape_sql
from synth.drafting.spread import NUMBER_CELLS, YEARS, number_sql, year_sql
from synth.drafting.table import DATED, Column, Table
from synth.privacy import accounting
from synth.quoting import CAP_KEY, identifier, literal, unit_text

FIRST_SHARE = 0.25  # of a paid draft's mu^2: for the first look
SLACK = 0.003  # of mu: the accountant rounds up
CONCEDED = 0.01  # of delta, for values that one unit alone has
MOST_ROWS = 20  # of a unit in a paid look
CAPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # that max_rows_per_unit may be drafted as
LEAST_ORDERED = 20  # rows in which one date lies after another, for that to be a rule
ROWS = "rows per unit"

Header = Sequence[tuple[str, str]]  # of the source's file: columns with DuckDB's types


@dataclass(frozen=True)
class Questions:
    """What a draft asks of a source table's rows; without a price, exactly."""

    file: str  # where the source is declared
    source: SourceTable
    population: str
    units: int  # declared, public, approximate
    price: Price | None

    @property
    def called(self) -> str:
        return f"{DRAFT}{self.source.name}"

    @property
    def unit(self) -> tuple[str, ...]:
        return self.source.unit or ()

    @property
    def most_rows(self) -> int:
        return MOST_ROWS if self.unit else 1

    def header_look(self) -> Look:
        whole = self.source.model_copy(update={"every_column": True})
        return Look(called=self.called, file=self.file, source=whole, rows_sql="select 1 as nothing")

    def first_look(self, table: Table, header: Header) -> Look:
        """At the shapes of cells whose type or format is not known, and at how many rows a unit has."""
        cells = [
            Cells(name=f"{c.name} shape", sql=shape_sql(identifier(c.name)), size=len(SHAPES))
            for c in table.columns
            if c.wants_shape
        ]
        if table.wants_cap:
            cells.append(Cells(name=ROWS, sql=_cap_sql(), size=len(CAPS) + 1))
        look = self._look(header).model_copy(update={"cells": tuple(cells)})
        if self.price is None:
            keys = [c for c in table.columns if c.type in (None, "key")] if table.primary_key is None else []
            facts = tuple(Ask(name=f"{c.name} unique", sql=_unique_sql(identifier(c.name))) for c in keys)
            return look.model_copy(update={"facts": facts})
        return self._priced(look, self._first_events(look))

    def second_look(self, table: Table, header: Header, first: Look) -> Look:
        """At bounds and categories, now that types are known; ``first``: the look before."""
        bounded = [c for c in table.columns if c.wants_bounds and c.type != "duration"]
        values = [Ask(name=f"{c.name} values", sql=identifier(c.name)) for c in table.columns if c.wants_values]
        values += [Ask(name=combined_name(names), sql=_combination_sql(names)) for names in table.combinations]
        look = self._look(header).model_copy(update={"values": tuple(values)})
        if self.price is None:
            extremes = tuple(Ask(name=f"{c.name} bounds", sql=_value_sql(c)) for c in bounded)
            facts = tuple(_orders(table)) if not table.constraints else ()
            return look.model_copy(update={"extremes": extremes, "facts": facts})
        look = look.model_copy(update={"cells": tuple(_bounds(c) for c in bounded)})
        return self._priced(look, self._second_events(look, first))

    def to_follow(self, first: Look) -> tuple[Event, ...]:
        """The most that the second look may take of the budget: nothing is spent on a first that no second can follow."""
        return (self._selection(1 / self._left(first), 1),) if self.price else ()

    def _look(self, header: Header) -> Look:
        source = self.source.model_copy(
            update={"columns": tuple(SourceColumn(name=name, place=self.file) for name, _ in header)}
        )
        return Look(called=self.called, file=self.file, source=source, rows_sql=self._rows_sql(header))

    def _rows_sql(self, header: Header) -> str:
        """The rows of units, each column as trimmed text, and how many rows the unit has; of a paid look capped as a fit's."""
        names = [identifier(name) for name, _ in header if can_be_declared(name)]
        unit = unit_text(self.unit) if self.unit else "cast(row_number() over () as varchar)"
        texts = ",\n  ".join(f"nullif(trim(cast({name} as varchar)), '') as {name}" for name in names)
        key = f"getvariable({literal(CAP_KEY)})"
        own_row = ", ".join([key, literal(self.called), '"#unit"', *names])
        order = ", ".join([f"sha256(concat_ws('|', {own_row}))", *names])
        capped = f'\nqualify row_number() over (partition by "#unit" order by {order}) <= {self.most_rows}'
        return f"""\
with input as (
select
  {unit} as "#unit",
  {texts}
from "source".{identifier(self.source.name)}
)
select *, count(*) over (partition by "#unit") as "#rows"
from input
where "#unit" is not null{capped if self.price else ""}
"""

    def _first_events(self, look: Look) -> tuple[Event, ...]:
        count = len(look.cells)
        noise = math.sqrt(count / FIRST_SHARE) / self._mu()
        return (accounting.drawable(Gaussian(name=COUNTS, noise_multiplier=noise, count=count)),) if count else ()

    def _second_events(self, look: Look, first: Look) -> tuple[Event, ...]:
        """Each question has the same noise, so that they take together what the first look left."""
        counts, lists = len(look.cells), len(look.values)
        noise = math.sqrt(counts + lists) / self._left(first)
        found: list[Event] = []
        if counts:
            found.append(Gaussian(name=COUNTS, noise_multiplier=noise, count=counts))
        if lists:
            found.append(self._selection(noise, lists))
        return tuple(map(accounting.drawable, found))

    def _selection(self, noise: float, lists: int) -> PartitionSelection:
        assert self.price is not None
        conceded = self.price.delta * CONCEDED / lists
        return PartitionSelection(
            name=VALUES, noise_multiplier=noise, values_per_unit=self.most_rows, count=lists, delta=conceded
        )

    def _mu(self) -> float:
        """Of Gaussian DP, for both looks together.

        What the second asks depends on noisy answers, but never how much mu^2 it takes: then adaptive Gaussians cost what the
        sum of their mu^2 says (Smith and Thakurta 2022, arXiv 2210.17520).
        """
        assert self.price is not None
        return accounting.gaussian_mu(self.price.epsilon, self.price.delta * (1 - CONCEDED)) * (1 - SLACK)

    def _left(self, first: Look) -> float:
        """The mu that the first look leaves."""
        paid = first.privacy.events if first.privacy else ()
        spent = math.fsum(e.count / e.noise_multiplier**2 for e in paid if isinstance(e, Gaussian))
        return math.sqrt(self._mu() ** 2 - spent)

    def _priced(self, look: Look, events: tuple[Event, ...]) -> Look:
        assert self.price is not None
        privacy = Privacy(
            population=self.population, unit=", ".join(self.unit) or "row", units=self.units,
            max_rows_per_unit=self.most_rows, epsilon=accounting.epsilon(events, self.price.delta), delta=self.price.delta,
            events=events,
        )  # fmt: skip
        return look.model_copy(update={"privacy": privacy})


def combined_name(names: Sequence[str]) -> str:
    return f"combinations of {', '.join(names)}"


def _cap_sql() -> str:
    cases = [f'when "#rows" <= {cap} then {place}' for place, cap in enumerate(CAPS)]
    return f"case {' '.join(cases)} else {len(CAPS)} end"


def _unique_sql(name: str) -> str:
    return f"count(*) > 0 and count(distinct {name}) = count(*)"


def _value_sql(column: Column) -> str:
    """A column's value, of which there is a lowest and a highest."""
    name = identifier(column.name)
    if column.type in DATED:
        return moment_sql(name, column.formats or ())
    number = f"try_cast({name} as double)"
    return f"case when isfinite({number}) then {number} end"


def _bounds(column: Column) -> Cells:
    name = f"{column.name} bounds"
    if column.type in DATED:
        return Cells(name=name, sql=year_sql(moment_sql(identifier(column.name), column.formats or ())), size=YEARS)
    return Cells(name=name, sql=number_sql(identifier(column.name)), size=NUMBER_CELLS)


def _combination_sql(names: Sequence[str]) -> str:
    """The values as a JSON list; null where one of them is."""
    parts = [identifier(name) for name in names]
    there = " and ".join(f"{part} is not null" for part in parts)
    return f"case when {there} then cast(to_json([{', '.join(parts)}]) as varchar) end"


def _orders(table: Table) -> Iterator[Ask]:
    """Whether one date never lies after another, for all pairs of dates."""
    dated = [c for c in table.columns if c.type in DATED]
    for early, late in permutations(dated, 2):
        if early.type == late.type:
            a, b = _value_sql(early), _value_sql(late)
            sql = f"count(*) filter ({a} > {b}) = 0 and count(*) filter ({a} < {b}) >= {LEAST_ORDERED}"
            yield Ask(name=order_name(early.name, late.name), sql=sql)


def order_name(early: str, late: str) -> str:
    return f"{early} <= {late}"
