"""Each column type: SQL in (text to value to code), SQL out (code to value), and its layout, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import singledispatch

from synth.artifacts.plan import ColumnLayout
from synth.compiler.sql import clamp, decimals, values
from synth.project import spec
from synth.quoting import identifier, literal

LEAST_CELLS = 50_000  # of a number without rounding: its step is the power of ten that makes as many, or more
DIGITS = 15  # decimal digits of a double
CUT = 1e-6  # of a cell: a value so little below a cell was meant to be on it


@dataclass(frozen=True)
class Offset:
    """A date or datetime that is modelled as the time since another column of the row."""

    anchor: str
    low: timedelta
    high: timedelta


@dataclass(frozen=True)
class ColumnSql:
    """SQL for one modelled column, in the order in which a value passes it.

    ``read`` takes the source's column and gives a value of the type, or null. ``declare`` takes what was read and gives a
    value inside the declaration, or null. ``code`` takes the declared value, not null, and gives 0 to cells - 1.
    ``restore`` takes the code and gives the value.
    """

    name: str
    sql_type: str
    read: str
    declare: str
    code: str
    restore: str
    layout: ColumnLayout
    unreadable: str  # what it is called when a value of the source cannot be read
    outside: str | None = None  # condition on what was read: outside the declaration
    refused: str | None = None  # condition on what was read: the whole row is left out
    anchor: str | None = None  # the column it is an offset from
    listed: bool = False  # its codes are places in a list: values need not rise with them
    null: str | None = None  # condition on the source's row: it has no value; by default, its column is null


def column_sql(column: spec.Modelled, number: int, offset: Offset | None) -> ColumnSql:
    """``number``: the position among the modelled columns, from 1; the code column is "#number"."""
    made = _column(column, identifier(column.name), f'codes."#{number}"', offset)
    if isinstance(column.impute, spec.Imputed):
        return replace(made, read=f"coalesce({made.read}, {_constant(column.impute.constant, made)})")
    return made


def sql_type(column: spec.Modelled) -> str:
    """DuckDB's, of the values."""
    any_offset = Offset(column.name, timedelta(0), timedelta(days=1)) if getattr(column, "offset_from", None) else None
    return column_sql(column, 1, any_offset).sql_type


def _constant(value: bool | int | float | str, column: ColumnSql) -> str:
    """A declared value in the type that ``read`` gives."""
    if column.sql_type == "interval":
        return f"epoch_us(interval {literal(str(value))})"
    if isinstance(value, bool):
        return str(value).lower()
    kind = {"varchar": "varchar", "date": "date", "timestamp": "timestamp", "time": "time", "boolean": "boolean"}
    return f"cast({literal(value)} as {kind.get(column.sql_type, 'double')})"


@singledispatch
def _column(column: object, name: str, code: str, offset: Offset | None) -> ColumnSql:
    raise NotImplementedError(type(column).__name__)


@_column.register
def _integer(column: spec.IntegerColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    low, high = column.bounds
    return _numeric(column, name, low, 1, high - low + 1, "bigint", f"{low} + {code}")


@_column.register
def _number(column: spec.NumberColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    low, high = column.bounds
    step = column.step
    if step is None:
        return _cut_number(column, name, code)
    cells = math.floor((high - low) / step + 1e-9) + 1
    places = max(decimals(step), decimals(low))
    # as a double, since a whole number times a literal such as 0.1 is a decimal to DuckDB, and may overflow
    restore = f"round({literal(low)} + cast({code} as double) * {literal(step)}, {places})"
    return _numeric(column, name, low, step, cells, "double", restore)


@_column.register
def _decimal(column: spec.DecimalColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    """Counted in units of the last decimal place; as a double on the way in, which holds 2^53 of them exactly."""
    unit = 10**column.decimals
    low, high = (int(bound * unit) for bound in column.bounds)
    digits = max(len(str(abs(bound))) for bound in (low, high))
    kind = f"decimal({max(digits, column.decimals + 1)}, {column.decimals})"
    bounds = [f"cast({bound} as double) / {unit}" for bound in (low, high)]
    return ColumnSql(
        name=column.name,
        sql_type=kind.replace("decimal", "DECIMAL").replace(" ", ""),
        read=f"nullif(try_cast({name} as double), 'nan')",
        declare=clamp(name, *bounds),
        code=f"cast(round({name} * {unit}) as bigint) - ({low})",
        restore=f"cast(round(cast({low} + {code} as double) / {unit}, {column.decimals}) as {kind})",
        layout=ColumnLayout(
            name=column.name, cells=high - low + 1, missing=column.has_missing_level, ordered=True,
            zero=-low if low <= 0 <= high else None,
        ),
        unreadable="not a number",
        outside=f"{name} < {bounds[0]} or {name} > {bounds[1]}",
    )  # fmt: skip


def _cut_number(column: spec.NumberColumn, name: str, code: str) -> ColumnSql:
    """A number without rounding is cut to the decimal place that makes at least ``LEAST_CELLS`` cells."""
    low, high = column.bounds
    places = math.ceil(-math.log10((high - low) / LEAST_CELLS))
    places = min(places, DIGITS - math.ceil(math.log10(max(abs(low), abs(high)))))  # a double holds no more
    step = float(f"1e{-places}")
    first, last = math.floor(low / step + CUT), math.floor(high / step + CUT)
    value = f"round((cast({code} as double) + {first}) * {literal(step)}, {max(places, 0)})"
    return ColumnSql(
        name=column.name,
        sql_type="double",
        read=f"nullif(try_cast({name} as double), 'nan')",
        declare=clamp(name, literal(low), literal(high)),
        code=f"cast(floor({name} / {literal(step)} + {literal(CUT)}) as bigint) - ({first})",
        restore=f"greatest({literal(low)}, least({literal(high)}, {value}))",  # a cut may lead out of bounds
        layout=ColumnLayout(
            name=column.name, cells=last - first + 1, missing=column.has_missing_level, ordered=True,
            zero=-first if first <= 0 <= last else None, heaps=True,
        ),
        unreadable="not a number",
        outside=f"{name} < {literal(low)} or {name} > {literal(high)}",
    )  # fmt: skip


def _numeric(
    column: spec.IntegerColumn | spec.NumberColumn, name: str, low: float, step: float, cells: int, sql_type: str,
    restore: str,
) -> ColumnSql:  # fmt: skip
    last = low + (cells - 1) * step
    zero = round(-low / step) if low <= 0 <= last else None
    return ColumnSql(
        name=column.name,
        sql_type=sql_type,
        read=f"nullif(try_cast({name} as double), 'nan')",
        declare=clamp(name, literal(low), literal(last)),
        code=f"cast(round(({name} - {literal(low)}) / {literal(step)}) as bigint)",
        restore=restore,
        layout=ColumnLayout(name=column.name, cells=cells, missing=column.has_missing_level, ordered=True, zero=zero),
        unreadable="not a number",
        outside=f"{name} < {literal(column.bounds[0])} or {name} > {literal(column.bounds[1])}",
    )


@_column.register
def _categorical(column: spec.CategoricalColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    whole = isinstance(column.values[0], int)
    levels: tuple[str | int, ...] = (*column.values, spec.OTHER) if column.unknown == "other" else column.values
    known = f"list_contains({values(column.values)}, {name})"
    kept = f"cast({name} as bigint)" if whole else name
    unknown = f" when {name} is not null then {literal(spec.OTHER)}" if column.unknown == "other" else ""
    return ColumnSql(
        name=column.name,
        sql_type="bigint" if whole else "varchar",
        read=f"try_cast({name} as double)" if whole else f"nullif(trim(cast({name} as varchar)), '')",
        declare=f"case when {known} then {kept}{unknown} end",
        code=f"list_position({values(levels)}, {name}) - 1",
        restore=f"list_extract({values(levels)}, {code} + 1)",
        layout=ColumnLayout(
            name=column.name,
            cells=len(levels),
            missing=column.has_missing_level,
            ordered=column.ordered,
            groups=_numbered(column.groups, len(levels)) if column.groups else None,
        ),
        unreadable="not a number" if whole else "empty",
        outside=f"not {known}",
        refused=f"{name} is not null and not {known}" if column.unknown == "drop" else None,
        listed=True,
    )


def _numbered(groups: tuple[str, ...], levels: int) -> tuple[int, ...]:
    """Numbers of the groups of values, from 0; a level that is no value is one of its own."""
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    return (*(number[group] for group in groups), *range(len(number), len(number) + levels - len(groups)))


@_column.register
def _boolean(column: spec.BooleanColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    return ColumnSql(
        name=column.name,
        sql_type="boolean",
        read=f"case try_cast({name} as double) when 0 then false when 1 then true "
        f"else try_cast(trim(cast({name} as varchar)) as boolean) end",
        declare=name,
        code=f"cast({name} as bigint)",
        restore=f"case {code} when 0 then false when 1 then true end",
        layout=ColumnLayout(name=column.name, cells=2, missing=column.has_missing_level, ordered=False),
        unreadable="not true or false",
        listed=True,
    )


@_column.register
def _date(column: spec.DateColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    bounds = [f"date '{b}'" for b in column.bounds or ()]
    read = f"cast({_moment(name, column.format, None)} as date)"
    return _dated(column, name, code, "date", read, bounds, 86400, offset)


@_column.register
def _datetime(column: spec.DatetimeColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    bounds = [f"timestamp '{b.isoformat(' ', 'seconds')}'" for b in column.bounds or ()]
    read = _moment(name, column.format, column.timezone)
    return _dated(column, name, code, "timestamp", read, bounds, spec.STEPS[column.resolution], offset)


@_column.register
def _time(column: spec.TimeColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    step = spec.STEPS[column.resolution]
    low, high = (spec.seconds_of_day(bound) // step for bound in column.bounds)
    bounds = [f"time '{bound:%H:%M:%S}'" for bound in column.bounds]
    text = f"cast({name} as varchar)"
    read = f"case when regexp_matches({text}, '[0-9]') then try_strptime({text}, {_formats(column.format)}) end"
    return ColumnSql(
        name=column.name,
        sql_type="time",
        read=f"case when typeof({name}) = 'VARCHAR' then cast({read} as time) else try_cast({name} as time) end",
        declare=clamp(name, *bounds),
        code=f"epoch_us({name}) // {step * 1_000_000}{_plus(-low)}",
        restore=f"time '00:00:00' + to_microseconds(({code}{_plus(low)}) * {step * 1_000_000})",
        layout=ColumnLayout(name=column.name, cells=high - low + 1, missing=column.has_missing_level, ordered=True),
        unreadable="not in the declared format",
        outside=f"{name} < {bounds[0]} or {name} > {bounds[1]}",
    )


@_column.register
def _duration(column: spec.DurationColumn, name: str, code: str, offset: Offset | None) -> ColumnSql:
    """In microseconds on the way in: intervals of one length may be written in several ways."""
    step = timedelta(seconds=spec.STEPS[column.resolution])
    low, high = (math.floor(bound / step) for bound in column.bounds)
    micro = step // timedelta(microseconds=1)
    bounds = [str(bound // timedelta(microseconds=1)) for bound in column.bounds]
    return ColumnSql(
        name=column.name,
        sql_type="interval",
        read=f"try(epoch_us(try_cast({name} as interval)))",
        declare=clamp(name, *bounds),
        code=f"cast(floor({name} / {micro}) as bigint){_plus(-low)}",
        restore=f"to_microseconds(({code}{_plus(low)}) * {micro})",
        layout=ColumnLayout(
            name=column.name, cells=high - low + 1, missing=column.has_missing_level, ordered=True,
            zero=-low if low <= 0 <= high else None,
        ),
        unreadable="not a length of time",
        outside=f"{name} < {bounds[0]} or {name} > {bounds[1]}",
    )  # fmt: skip


def _formats(formats: tuple[str, ...]) -> str:
    return literal(formats[0]) if len(formats) == 1 else values(formats)


def _moment(name: str, formats: tuple[str, ...], timezone: str | None) -> str:
    """Text by the first declared format that fits; what the source types as a date or timestamp is taken as it is.

    What carries an offset from UTC is brought to the wall clock of ``timezone``, or of UTC. DuckDB reads 'infinity' and
    'epoch' in every format as 1900-01-01; a date has a digit.
    """
    text, zone = f"cast({name} as varchar)", literal(timezone or "UTC")
    read = f"case when regexp_matches({text}, '[0-9]') then try_strptime({text}, {_formats(formats)}) end"
    if any("%z" in format for format in formats):
        read = f"{read} at time zone {zone}"
    typed = f"try_cast({name} as timestamp)"
    written = f"{typed} between timestamp '0001-01-01' and timestamp '9999-12-31'"  # beyond it, arithmetic can overflow
    zoned = (
        f"when typeof({name}) = 'TIMESTAMP WITH TIME ZONE' then try_cast({name} as timestamptz) at time zone {zone} "
    )
    return (
        f"case when typeof({name}) = 'VARCHAR' then {read} {zoned if timezone else ''}when {written} then {typed} end"
    )


def _dated(
    column: spec.DateColumn | spec.DatetimeColumn, name: str, code: str, sql_type: str, read: str, bounds: list[str],
    step: int, offset: Offset | None,
) -> ColumnSql:  # fmt: skip
    """``step``: seconds of a cell."""
    outside = f"{name} < {bounds[0]} or {name} > {bounds[1]}" if bounds else None
    if offset is not None:
        declare = name
        cell, restore, layout = _offset(column, name, code, sql_type, step, offset)
    else:
        assert column.bounds is not None
        declare = clamp(name, *bounds)
        cells = _seconds(column.bounds[1]) // step - _seconds(column.bounds[0]) // step + 1
        cell = f"(epoch_us({name}) - epoch_us({bounds[0]})) // {step * 1_000_000}"
        restore = _moved(bounds[0], code, step, sql_type)
        layout = ColumnLayout(name=column.name, cells=cells, missing=column.has_missing_level, ordered=True)
    return ColumnSql(
        name=column.name, sql_type=sql_type, read=read, declare=declare, code=cell, restore=restore, layout=layout,
        unreadable="not in the declared format", outside=outside, anchor=offset.anchor if offset else None,
    )  # fmt: skip


def _offset(
    column: spec.DateColumn | spec.DatetimeColumn, name: str, code: str, sql_type: str, step: int, offset: Offset
) -> tuple[str, str, ColumnLayout]:
    """Code, restore and layout of the time since the anchor, clamped to the offset's bounds; null where the anchor is."""
    low = math.ceil(offset.low.total_seconds() / step)
    high = math.floor(offset.high.total_seconds() / step)
    anchor = identifier(offset.anchor)
    since = (
        f"greatest({low}, least({high}, (epoch_us({name}) - epoch_us({anchor})) // {step * 1_000_000})){_plus(-low)}"
    )
    cell = f"case when {name} is not null and {anchor} is not null then {since} end"  # least(1, null) is 1
    restore = _moved(anchor, f"({code}{_plus(low)})" if low else code, step, sql_type)
    layout = ColumnLayout(
        name=column.name, cells=high - low + 1, missing=column.has_missing_level, ordered=True,
        zero=-low if low <= 0 <= high else None, spacing="geometric",
    )  # fmt: skip
    return cell, restore, layout


def _plus(number: int) -> str:
    return f" + {number}" if number > 0 else f" - {-number}" if number < 0 else ""


def _moved(start: str, cells: str, step: int, sql_type: str) -> str:
    if sql_type == "date":
        return f"{start} + cast({cells} as integer)"
    return f"{start} + to_microseconds({cells} * {step * 1_000_000})"


def _seconds(moment: date | datetime) -> int:
    whole = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
    return int((whole - datetime(1970, 1, 1)).total_seconds())
