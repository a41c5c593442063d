"""Answers of looks into the gaps of a draft."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from synth.artifacts.looks import Answers, Found
from synth.drafting.ask import CAPS, ROWS, Header, combined_name, order_name
from synth.drafting.names import LONGEST, can_be_declared, in_sql
from synth.drafting.shapes import CLEAR, Counts, Verdict, verdict
from synth.drafting.spread import number_bounds, rounded, year_bounds
from synth.drafting.table import DATED, Column, Combined, Table
from synth.project.spec import MAX_CELLS, OTHER

COVERED = 0.8  # of the persons with a value: those whose values are told, for text to be a category
ALL_BUT = 0.95  # the same of whole numbers, for them to be codes
MOST_CODES = 12
MOST_VALUES = 200
SPARED = 0.01  # of the units: those that may have more rows than are kept
_WHOLE = re.compile(r"([-+]?)0*([0-9]+)(?:\.0+)?")
_CANONICAL = re.compile(r"0|-?[1-9][0-9]*")
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "BLOB", "BIT", "JSON")
_ROW_NUMBERS = ("row_id", "rowid", "row_number", "index")


def begun(table: Table | None, name: str, source: str, unit: tuple[str, ...], header: Header, paid: bool) -> Table:
    """The draft before any row is looked at: what other metadata say, or the columns of the source's file."""
    if table is None:
        lost = [column for column, _ in header if not can_be_declared(column)]
        notes = (f"left out: {len(lost)} columns whose names begin with # or have more than {LONGEST} characters",)
        columns = tuple(_blank(*pair, paid) for pair in header if can_be_declared(pair[0]))
        table = Table(name, columns, notes=notes if lost else ())
    names = {column.name.casefold() for column in table.columns}
    missing = [Column(part, "key") for part in unit if part.casefold() not in names]
    declared = (
        replace(c, type="key", nullable=False, more={}, drafted=False) if c.name.casefold() in _folded(unit) else c
        for c in table.columns
    )
    typed = {column.casefold() for column, kind in header if kind != "VARCHAR"}
    known = (
        replace(c, formats=()) if c.name.casefold() in typed and c.type in DATED and c.formats is None else c
        for c in (*missing, *declared)
    )
    return replace(table, name=name, source=source, unit=unit, columns=tuple(known))


def strangers(table: Table, header: Header) -> list[str]:
    """Columns of a draft that the source's file does not have."""
    there = {name.casefold() for name, _ in header}
    return [column.name for column in table.columns if column.name.casefold() not in there]


def with_types(table: Table, header: Header, answers: Answers, exact: bool) -> Table:
    """The first look's answers: types, formats, how many rows a unit has, and which columns name a row."""
    unique = {name.removesuffix(" unique") for name, so in answers.facts.items() if so}
    typed = {column.casefold(): kind for column, kind in header}
    columns = []
    for column in table.columns:
        if column.wants_shape:
            told = verdict(Counts(answers.cells[f"{column.name} shape"], answers.noise))
            told = replace(told, nullable=told.nullable or not exact)  # a few nulls cannot be told from none
            told_by = _typed(column, told, typed[column.name.casefold()], column.name in unique)
            columns.append(replace(told_by, drafted=exact))
        else:
            columns.append(column)
    found = replace(table, columns=tuple(columns))
    if table.primary_key is None and (key := _primary_key(found, unique, exact)):
        found = replace(found, primary_key=key)
    return _capped(found, answers) if ROWS in answers.cells and not found.one_row_per_unit else found


def with_values(table: Table, answers: Answers, known: Mapping[str, float], exact: bool) -> Table:
    """The second look's answers; ``known``: persons who have a value, by column, where the first look told."""
    columns = tuple(_valued(c, answers, known.get(c.name), exact) for c in table.columns)
    valued = replace(table, columns=columns)
    combined = [_combined(names, answers.values[combined_name(names)], valued) for names in table.combinations]
    left = tuple(one.columns for one in combined if not one.values)
    orders = list(_orders(table, {name for name, so in answers.facts.items() if so}))
    return replace(
        valued, combinations=left, combined=tuple(one for one in combined if one.values),
        constraints=(*table.constraints, *orders),
    )  # fmt: skip


def persons_known(answers: Answers) -> dict[str, float]:
    """Persons who have a value, by column, as the first look saw them."""
    found = {}
    for name, cells in answers.cells.items():
        if name.endswith(" shape"):
            counts = Counts(cells, answers.noise)
            found[name.removesuffix(" shape")] = counts.total - counts.of("missing")
    return found


# types

_LEFT_OUT = "never read, nor in the table unless fake: or pattern: says so"


def _blank(name: str, kind: str, paid: bool) -> Column:
    column = Column(name)
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return replace(column, type="text", notes=(f"is {kind.partition('(')[0]} in the source: not read",))
    if kind == "INTERVAL":
        return replace(column, type="duration", nullable=True)
    if paid and column.named_as_key:  # a name is public
        return replace(column, type="key")
    return column


def _typed(column: Column, told: Verdict, kind: str, unique: bool) -> Column:
    """``kind``: the source's own type."""
    if column.type in (*DATED, "time"):
        return replace(column, formats=_formats(told, kind)) if told.type in (*DATED, "time") else column
    if told.type is None:
        return column
    if column.type == "number":  # whole, or with decimals, says the look
        kept = told.type if told.type in ("integer", "number", "decimal") else "number"
        return replace(
            column, type=kept, nullable=column.nullable or told.nullable, open=False, more=_decimals(told), notes=()
        )
    if told.type in ("integer", "text") and (column.named_as_key or (unique and told.type == "integer")):
        return replace(column, type="key")
    if told.type == "text" and unique:  # names and addresses are, too
        return replace(column, type="text", notes=(f"has another value in each row: {_LEFT_OUT}; a key is type: key",))
    found = replace(column, type=told.type, nullable=told.nullable)
    if told.type in (*DATED, "time"):
        default = {"date": "day", "datetime": "second", "time": "second"}[told.type]
        finer = {"resolution": told.resolution} if told.type != "date" and told.resolution != default else {}
        return replace(found, formats=_formats(told, kind), more=finer)
    if told.type == "text" and told.long:
        return replace(found, nullable=False, notes=(f"is long text: {_LEFT_OUT}",))
    if kind.startswith("DECIMAL") and told.type in ("integer", "number", "decimal"):
        places = int(kind.rstrip(")").rpartition(",")[2])
        return replace(found, type="decimal", more={"decimals": places})
    return replace(found, open=told.type in ("integer", "text"), more=_decimals(told))


def _decimals(told: Verdict) -> dict[str, int]:
    return {} if told.decimals is None else {"decimals": told.decimals}


def _formats(told: Verdict, kind: str) -> tuple[str, ...]:
    """Those that can hold what is told of the column, and agree on whether there is an offset from UTC."""
    if kind != "VARCHAR":
        return ()
    needed = {"day": "", "hour": "%H", "minute": "%M", "second": "%S"}[told.resolution]
    holding = [form for form in told.formats if needed in form]
    return tuple(form for form in holding if ("%z" in form) == ("%z" in holding[0]))


def _primary_key(table: Table, unique: set[str], exact: bool) -> str | None:
    keys = [c.name for c in table.columns if c.type == "key"]
    if exact:
        keys = [name for name in keys if name in unique]
    else:
        stem = table.name.casefold().removesuffix("s")
        keys = [name for name in keys if name.casefold() in ("id", f"{stem}_id", f"{table.name.casefold()}_id")]
    own = [name for name in keys if name.casefold() not in _ROW_NUMBERS] or keys
    of_unit = [name for name in own if _folded([name]) == _folded(table.unit or ())]
    return next(iter([*of_unit, *own]), None)


def _capped(table: Table, answers: Answers) -> Table:
    """With the most rows that a unit may have; where it is one, the unit is the key."""
    cap, unit = _cap(answers.cells[ROWS], answers.noise), table.unit or ()
    if cap == 1 and len(unit) == 1 and table.primary_key is None:
        return replace(table, primary_key=unit[0])
    return replace(table, max_rows_per_unit=cap)


def _folded(names: Iterable[str]) -> list[str]:
    return [name.casefold() for name in names]


def _cap(counts: Sequence[float], noise: float) -> int:
    """The least number of rows that hardly any unit exceeds."""
    whole = math.fsum(counts)
    for place, cap in enumerate(CAPS):
        beyond = counts[place + 1 :]
        if math.fsum(beyond) <= max(SPARED * whole, CLEAR * noise * math.sqrt(len(beyond))):
            return cap
    return CAPS[-1]


# bounds


def _valued(column: Column, answers: Answers, known: float | None, exact: bool) -> Column:
    found = column
    if column.wants_values:
        found = _listed(column, answers.values[f"{column.name} values"], known, answers.noise)
    if found.wants_bounds and column.type != "duration":
        found = _bounded(found, answers)
    return found if found == column else replace(found, drafted=column.drafted or exact)


def _bounded(column: Column, answers: Answers) -> Column:
    name = f"{column.name} bounds"
    dated = column.type in DATED
    low: Decimal | str
    high: Decimal | str
    if name in answers.extremes:
        extremes = answers.extremes[name]
        if extremes is None:
            return column
        low, high = _years(extremes) if dated else rounded(*map(Decimal, extremes))
    elif dated:
        years = year_bounds(answers.cells[name], answers.noise)
        if years is None:
            return column
        low, high = years
    else:
        numbers = number_bounds(answers.cells[name], answers.noise)
        if numbers is None:
            return column
        low, high = (Decimal(str(bound)) for bound in numbers)
    if column.type == "datetime":  # the whole of the last day
        high = f"{int(str(high)[:4]) + 1:04}-01-01" if str(high) < "9999" else "9999-12-31"
    return fitting(replace(column, low=column.low or low, high=column.high or high))


def _years(extremes: tuple[str, str]) -> tuple[str, str]:
    return f"{extremes[0][:4]}-01-01", f"{extremes[1][:4]}-12-31"


def fitting(column: Column) -> Column:
    """Bounds that the type can hold, rounded outward; none, where there are no such."""
    low, high = column.low, column.high
    if low is None or high is None or isinstance(low, str) or isinstance(high, str):
        empty = low is not None and high is not None and str(low) >= str(high)
        return replace(column, high=None) if empty else column
    if low >= high:
        return replace(column, high=None)
    if column.type == "integer":
        low, high = (b.to_integral_value(r) for b, r in ((low, ROUND_FLOOR), (high, ROUND_CEILING)))
        return replace(column, low=low, high=high) if max(abs(low), abs(high)) <= MAX_CELLS else _unbounded(column)
    decimals = column.more.get("decimals")
    if decimals is None:
        return replace(column, low=low, high=high)
    if max(abs(low), abs(high)) * 10**decimals > MAX_CELLS:
        return replace(column, type="number", more={k: v for k, v in column.more.items() if k != "decimals"})
    place = Decimal(1).scaleb(-decimals)
    return replace(column, low=low.quantize(place, ROUND_FLOOR), high=high.quantize(place, ROUND_CEILING))


def _unbounded(column: Column) -> Column:
    return replace(column, low=None, high=None)


# values


def _listed(column: Column, found: Sequence[Found], known: float | None, noise: float) -> Column:
    """A category with the values that were found; where too much is left, what it would be else."""
    persons = whole_numbers(found)
    if persons is None:
        persons = {one.value: one.persons for one in found if one.value != OTHER}
    covered, all_of_them = math.fsum(persons.values()), known if known is not None else 0.0
    if column.type == "integer":
        if not persons or len(persons) > MOST_CODES or covered < ALL_BUT * all_of_them:
            return replace(column, open=False)
    elif column.type == "text" and (covered < COVERED * all_of_them or not 0 < len(persons) <= MOST_VALUES):
        return replace(column, open=False, nullable=False, notes=(f"has no values that many share: {_LEFT_OUT}",))
    if not persons:
        return column
    values = tuple(sorted(persons, key=lambda value: (isinstance(value, str), value)))
    more = dict(column.more)
    if isinstance(values[0], str) and not more.get("ordered") and (noise or covered < (1 - 1e-6) * all_of_them):
        more["unknown"] = "other"
    return replace(column, type="categorical", values=values, open=False, more=more)


def whole_numbers(found: Sequence[Found]) -> dict[int | str, float] | None:
    """Persons by whole number, also where it is written as 1.0; None where a value is none, or has leading zeros."""
    persons: dict[int | str, float] = {}
    for one in found:
        text = _WHOLE.fullmatch(one.value)
        plain = one.value.partition(".")[0]
        if text is None or not _CANONICAL.fullmatch(plain) or abs(int(plain)) > MAX_CELLS:
            return None
        persons[int(plain)] = persons.get(int(plain), 0.0) + one.persons
    return persons


# constraints


def _combined(names: tuple[str, ...], found: Sequence[Found], table: Table) -> Combined:
    """The combinations that were found, of values that the columns are declared to have."""
    columns = [table.column(name) for name in names]
    rows = (tuple(map(_typed_value, json.loads(one.value), columns)) for one in found)
    known = [row for row in rows if all(c.values is None or v in c.values for v, c in zip(row, columns, strict=True))]
    return Combined(names, tuple(sorted(known, key=lambda row: [str(value) for value in row])))


def _typed_value(value: str, column: Column) -> str | int:
    whole = whole_numbers([Found(value=value, persons=1)])
    if whole is not None and (not column.values or isinstance(column.values[0], int)):
        return next(iter(whole))
    return value


def _orders(table: Table, held: set[str]) -> Iterator[str]:
    """Dates of which one never lies after another, but for what follows from two others."""
    dated = [c.name for c in table.columns if c.type in DATED]
    pairs = [(a, b) for a in dated for b in dated if a != b and order_name(a, b) in held]
    pairs = [(a, b) for a, b in pairs if (b, a) not in pairs or dated.index(a) < dated.index(b)]
    for a, b in pairs:
        if not any((a, c) in pairs and (c, b) in pairs for c in dated):
            yield f"{in_sql(b)} >= {in_sql(a)}"
