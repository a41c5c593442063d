"""NHSSynth's metadata (github.com/nhsengland/NHSSynth): a YAML file of one table, with columns and constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from synth.drafting.names import in_sql
from synth.drafting.table import DATED, Column, Table
from synth.errors import Problem
from synth.project import yaml
from synth.project.nearest import nearest

_KINDS = {
    "int": "integer", "uint": "integer", "float": "number", "bool": "boolean", "datetime64": "datetime",
    "timedelta64": "duration", "object": "categorical", "o": "categorical", "str": "categorical", "string": "categorical",
    "category": "categorical",
}  # fmt: skip
_FLOORS = {"d": "day", "h": "hour", "t": "minute", "min": "minute", "s": "second"}
_SIGNS = {"positive": ">", "nonnegative": ">=", "negative": "<", "nonpositive": "<="}
_RANGE = re.compile(r"(\S+) in ([\[(]) ?([^,\s]+) ?, ?([^,\s]+?) ?([\])])")
_COMPARED = re.compile(r"(\S+?) ?(<=|>=|<|>) ?(\S+)")


@dataclass(frozen=True)
class _Compared:
    """A column beside a constant or another column."""

    column: str
    operator: str
    other: str


def table(document: yaml.Document, name: str, problems: list[Problem]) -> Table:
    columns, dropped = [], []
    given = document.data["columns"]
    for column, said in given.items() if isinstance(given, dict) else ():
        if said == "drop":
            dropped.append(column)
        elif isinstance(said, dict):
            columns.append(_column(column, said))
        elif said is None:
            columns.append(Column(column, nullable=True))
        else:
            what = f"the column '{column}' is neither a mapping nor drop"
            problems.append(Problem(document.place(("columns", column)), what, "For example x: {dtype: int64}."))
    if not columns:
        place = document.place(("columns",), key=True)
        problems.append(Problem(place, "there is no column", "Write {name: {dtype: int64}} under columns, say."))
    notes = [
        "nullable: nulls are learned, as by augment, NHSSynth's default; remove it where its configuration said drop"
    ]
    notes += [f"{column}: dropped there" for column in dropped]
    notes += [
        f"{key}: has no equivalent" for key in document.data if key not in ("columns", "column_types", "constraints")
    ]
    found = Table(name, tuple(columns), notes=tuple(notes))
    return _constrained(found, document, problems)


def _column(name: str, said: Mapping[str, Any]) -> Column:
    dtype = said.get("dtype")
    told: Mapping[str, Any] = dtype if isinstance(dtype, dict) else {"name": dtype}
    kind = _KINDS.get(re.sub(r"(?<=int|oat|ool)\d*_?$|\[.*", "", str(told.get("name") or "")).casefold())
    if said.get("categorical") is True and kind != "boolean":
        kind = "categorical"
    column = Column(name, kind, nullable=True)
    if kind == "number":
        column = _rounded(column, told.get("rounding_scheme", said.get("rounding_scheme")))
    elif kind == "datetime":
        column = _moment(column, told)
    notes = list(column.notes)
    if told.get("name") and kind is None:
        notes.append(f"has the dtype {told['name']}, which has no equivalent")
    if "transformer" in said:
        notes.append("had a transformer: the generator makes its own bins")
    notes += [f"had {key}, which has no equivalent" for key in said if key not in _KNOWN]
    return _without_nulls(replace(column, notes=tuple(notes)), said.get("missingness"))


_KNOWN = (
    "dtype",
    "categorical",
    "missingness",
    "transformer",
    "rounding_scheme",
)  # the last of theirs also inside dtype


def _rounded(column: Column, step: Any) -> Column:
    try:
        rounding = Decimal(str(step)).normalize()
    except InvalidOperation:
        return column
    if rounding <= 0:
        return column
    if rounding <= 1 and rounding.as_tuple().digits == (1,):
        return replace(column, more={"decimals": -int(rounding.adjusted())})
    return replace(column, more={"rounding": float(rounding)})


def _moment(column: Column, told: Mapping[str, Any]) -> Column:
    floor = str(told.get("floor") or "s")
    resolution = _FLOORS.get(floor.casefold())
    form = told.get("format")
    formats = (str(form),) if form else None
    if resolution == "day":
        return replace(column, type="date", formats=formats)
    notes = () if resolution else (f"had a floor of {floor}, which has no equivalent: whole seconds",)
    more = {"resolution": resolution} if resolution not in (None, "second") else {}
    return replace(column, formats=formats, more=more, notes=notes)


def _without_nulls(column: Column, missingness: Any) -> Column:
    """augment, their default, learns where values are missing; drop leaves the row out; impute fills in."""
    if not missingness:
        return column
    impute = missingness.get("impute") if isinstance(missingness, dict) else None
    if impute is not None:
        if impute in ("mean", "median") and column.type in ("categorical", "boolean"):
            impute = "mode"
        value = impute if impute in ("mean", "median", "mode") else {"constant": impute}
        return replace(column, nullable=False, more={**column.more, "impute": value})
    strategy = missingness.get("strategy", missingness.get("name")) if isinstance(missingness, dict) else missingness
    return replace(column, nullable=strategy != "drop")


# constraints


def _constrained(found: Table, document: yaml.Document, problems: list[Problem]) -> Table:
    written = document.data.get("constraints") or []
    compared: list[_Compared] = []
    combinations = []
    for place, text in enumerate(written if isinstance(written, list) else [written]):
        try:
            parsed = _parsed(" ".join(str(text).split()), [c.name for c in found.columns])
        except ValueError as error:
            what, _, fix = str(error).partition("; ")
            problems.append(Problem(document.place(("constraints", place)), what, fix))
            continue
        if isinstance(parsed, tuple):
            combinations.append(parsed)
        else:
            compared += parsed
    columns = tuple(_bounded(c, [one for one in compared if one.column == c.name]) for c in found.columns)
    bounded = replace(found, columns=columns, combinations=tuple(combinations))
    sql: list[str] = []
    notes = list(found.notes)
    for one in compared:
        if bounded.column(one.column).type in ("categorical", "boolean"):
            notes.append(f"constraint {one.column} {one.operator} {one.other}: over a category, whose values say it")
        else:
            sql += _sql(one, bounded)
    return replace(bounded, constraints=tuple(sql), notes=tuple(dict.fromkeys(notes)))


def _parsed(text: str, columns: Sequence[str]) -> list[_Compared] | tuple[str, ...]:
    """Comparisons, or the columns of a fixcombo; ValueError in the words "what; fix"."""
    words = text.split()
    if "fixcombo" in words:
        names = tuple(word for word in words if word != "fixcombo")
        _check(names, columns)
        return names
    if len(words) == 2 and words[1] in _SIGNS:
        _check(words[:1], columns)
        return [_Compared(words[0], _SIGNS[words[1]], "0")]
    if ranged := _RANGE.fullmatch(text):
        name, first, low, high, last = ranged.groups()
        _check([name], columns)
        return [
            _Compared(name, ">" if first == "(" else ">=", low),
            _Compared(name, "<" if last == ")" else "<=", high),
        ]
    if found := _COMPARED.fullmatch(text):
        name, operator, other = found.groups()
        _check([name], columns)
        return [_Compared(name, operator, other)]
    raise ValueError(
        f"the constraint '{text}' is not understood; Write x < y, x >= 0, x in [0,100), x positive or fixcombo x y."
    )


def _check(names: Sequence[str], columns: Sequence[str]) -> None:
    for name in names:
        if name not in columns:
            raise ValueError(f"there is no column '{name}'; {nearest(name, columns)}")


def _bounded(column: Column, compared: Sequence[_Compared]) -> Column:
    """Bounds from constants: of a range first, since it gives both."""
    low: Decimal | str | None = None
    high: Decimal | str | None = None
    for one in compared:
        constant = _constant(one.other, column)
        if constant is not None and one.operator.startswith(">"):
            low = constant if low is None else low
        elif constant is not None:
            high = constant if high is None else high
    return (
        replace(column, low=low, high=high)
        if column.type not in (None, "categorical", "boolean", "duration")
        else column
    )


def _constant(text: str, column: Column) -> Decimal | str | None:
    if column.type in DATED:
        return text if re.match(r"\d{4}-\d\d-\d\d", text) else None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _sql(one: _Compared, bounded: Table) -> Iterator[str]:
    """A constraint, unless the bounds hold it."""
    column, name = bounded.column(one.column), in_sql(one.column)
    constant = _constant(one.other, column)
    if constant is None:
        yield f"{name} {one.operator} {in_sql(one.other)}"
    elif not (one.operator.endswith("=") and constant in (column.low, column.high)):
        word = "date" if column.type == "date" else "timestamp"
        written = f"{word} '{constant}'" if isinstance(constant, str) else str(constant)
        yield f"{name} {one.operator} {written}"
