"""A draft as metadata YAML, in the style of a project: one line a column, and a TODO for what nobody has said."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import yaml

from synth.drafting.fill import fitting
from synth.drafting.table import DATED, Column, Table

WIDTH = 130
TODO = "TODO"
_PLAIN = re.compile(r"[A-Za-z_<][\w/.+$<>=-]*(?: [\w/.+$<>=()-]+)*", re.ASCII)
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"])
_DEFAULT_FORMATS = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%d %H:%M:%S", "time": "%H:%M:%S"}
_EXAMPLES = {
    "date": '["1900-01-01", "2030-12-31"]', "datetime": '["1900-01-01", "2030-12-31"]', "duration": '["0 days", "1 year"]',
}  # fmt: skip


def metadata(table: Table, heading: Iterable[str]) -> str:
    """The text of a file with one table; ``heading``: sentences on where it comes from."""
    lines = [f"# {line}" for sentence in heading for line in _wrapped(sentence)]
    lines += ["tables:", f"  - name: {scalar(table.name)}"]
    if table.source is None:
        lines.append(f"    # {TODO} source: the name of a source and a table of sources/, such as mimic.admissions")
    else:
        lines.append(f"    source: {scalar(table.source)}")
    if table.description:
        lines.append(f"    description: {scalar(table.description)}")
    if table.primary_key is not None:
        lines.append(f"    primary_key: {scalar(table.primary_key)}")
    if table.references:
        keys = ", ".join(f"{{column: {scalar(c)}, references: {scalar(t)}}}" for c, t in table.references)
        lines.append(f"    # foreign_keys: [{keys}]")
    if table.max_rows_per_unit is not None:
        lines.append(f"    max_rows_per_unit: {table.max_rows_per_unit}")
    elif table.wants_cap or (table.unit is None and table.source is None):
        lines.append(
            f"    # {TODO} max_rows_per_unit: 10, say, where one person may have several rows; more are left out"
        )
    if table.order_by is not None:
        lines.append(f"    order_by: {scalar(table.order_by)}")
    lines.append(
        "    # config: {epsilon: 1.0}  # what the synthetic table may cost, unless its SQL or its folder says so"
    )
    if table.drafted:
        lines.append("    drafted: true")
    lines += [f"    # {line}" for note in table.notes for line in _wrapped(note)]
    lines.append("    columns:")
    for column in table.columns:
        lines += _column(column)
    lines += _constraints(table)
    return "\n".join(lines) + "\n"


def _column(column: Column) -> Iterator[str]:
    for note in column.notes:
        yield from (f"      # {line}" for line in _wrapped(f"{column.name} {note}"))
    yield from (f"      # {TODO} {todo}" for todo in _todos(column))
    keys = list(_keys(column))
    line = f"      - {{{', '.join(f'{key}: {_flow(value)}' for key, value in keys)}}}"
    if len(line) <= WIDTH:
        yield line
        return
    for place, (key, value) in enumerate(keys):
        line = f"{'      - ' if place == 0 else '        '}{key}: {_flow(value)}"
        yield from [line] if len(line) <= WIDTH or isinstance(value, str) else _broken(f"        {key}: [", value)


def _flow(value: str | list[str]) -> str:
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _broken(start: str, items: list[str]) -> Iterator[str]:
    """A list that is too long for a line, over several."""
    yield start
    row = ""
    for item in items:
        if row and len(row) + len(item) + 12 > WIDTH:
            yield f"          {row},"
            row = ""
        row += f", {item}" if row else item
    yield f"          {row}]"


def _keys(column: Column) -> Iterator[tuple[str, str | list[str]]]:
    yield "name", scalar(column.name)
    yield "type", TODO if column.type is None else column.type
    if column.type in _DEFAULT_FORMATS:
        if column.formats is None:
            yield "format", TODO
        elif column.formats and column.formats != (_DEFAULT_FORMATS[column.type],):
            yield "format", scalar(column.formats[0]) if len(column.formats) == 1 else _list(column.formats)
    fitted = fitting(column)
    if not fitted.wants_bounds and fitted.low is not None:
        yield "bounds", _list([_bound(fitted, fitted.low), _bound(fitted, fitted.high)])
    if column.values is not None:
        yield "values", _list(column.values)
    for key, value in column.more.items():
        yield key, _value(value)
    if column.nullable:
        yield "nullable", "true"
    if column.drafted:
        yield "drafted", "true"


def _todos(column: Column) -> Iterator[str]:
    name = column.name
    if column.type is None:
        yield f"type of {name}: integer, number, categorical, boolean, date, datetime, key or text, say"
    if column.type in _DEFAULT_FORMATS and column.formats is None:
        yield f'format of {name}: as it is written in the source; for example "{_DEFAULT_FORMATS[column.type]}"'
    if fitting(column).wants_bounds:
        example = _EXAMPLES.get(column.type or "", "[lowest, highest]")
        said = [f"{side} {bound}" for side, bound in (("from", column.low), ("to", column.high)) if bound is not None]
        yield f"bounds of {name}: public knowledge; for example bounds: {example}" + "".join(
            f", {s} on" for s in said[:1]
        )
    if column.type == "categorical" and column.values is None:
        yield f"values of {name}: all that the documentation lists; for example values: [a, b]"


def _constraints(table: Table) -> Iterator[str]:
    if table.constraints or table.combined:
        yield "    constraints:"
    for constraint in table.constraints:
        yield f"      - {scalar(constraint)}"
    for one in table.combined:
        yield f"      - combinations: {_flow(_list(one.columns))}"
        yield "        values:"
        yield from (f"          - {_flow(_list(values))}" for values in one.values)
    for names in table.combinations:
        listed = _flow(_list(names))
        example = f"{{combinations: {listed}, values: [[a, b], [c, d]]}}"
        yield f"    # {TODO} a constraint with the combinations that there are: {example}"


def _bound(column: Column, bound: Decimal | str | None) -> Any:
    if column.type in DATED or isinstance(bound, str) or bound is None:
        return bound
    return int(bound) if column.type == "integer" or bound == bound.to_integral_value() else float(bound)


def _value(value: Any) -> str | list[str]:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(_value(inner))}" for key, inner in value.items()) + "}"
    return _list(value) if isinstance(value, list | tuple) else scalar(value)


def _list(values: Sequence[Any]) -> list[str]:
    return [scalar(value) for value in values]


def scalar(value: Any) -> str:
    """One that is read as it was, by YAML 1.1 and 1.2 alike, and by Jinja."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if "{{" in text or "{%" in text or "{#" in text:
        text = "{{ " + json.dumps(text, ensure_ascii=True) + " }}"
    if _PLAIN.fullmatch(text) and text.casefold() not in _WORDS:
        return text
    quoted: str = yaml.dump(text, default_style='"', width=10**9, allow_unicode=True)
    return quoted.rstrip("\n")


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(" ".join(sentence.split()), WIDTH - 10)
