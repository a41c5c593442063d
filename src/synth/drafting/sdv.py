"""SDV's metadata (docs.sdv.dev, metadata JSON): one table, or several with relationships."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from synth.drafting.names import table_name
from synth.drafting.table import Column, Table
from synth.errors import Problem
from synth.project import yaml
from synth.project.spec import FAKES

_TABLE_KEYS = ("columns", "primary_key", "METADATA_SPEC_VERSION", "sequence_index", "sequence_key")
_FIXED = re.compile(r"(?:[A-Za-z_-]|\[0-9\](?:\{\d+\})?|\\d(?:\{\d+\})?|\[A-Z\](?:\{\d+\})?)+")
_TIME = re.compile("%[HIMSfpXc]")


def is_sdv(data: Mapping[str, Any]) -> bool:
    columns = data.get("columns")
    described = isinstance(columns, dict) and any(isinstance(c, dict) and "sdtype" in c for c in columns.values())
    return described or isinstance(data.get("tables"), dict)


def tables(document: yaml.Document, name: str, problems: list[Problem]) -> list[Table]:
    data = document.data
    if "tables" not in data:
        return [_table(document, (), name, {}, problems)]
    keys = _foreign_keys(document, problems)
    return [
        _table(document, ("tables", own), own, keys.get(own, {}), problems)
        for own, said in data["tables"].items()
        if _is_mapping(document, ("tables", own), said, problems)
    ]


def _is_mapping(document: yaml.Document, path: yaml.Path, said: Any, problems: list[Problem]) -> bool:
    if not isinstance(said, dict) or not isinstance(said.get("columns"), dict):
        problems.append(Problem(document.place(path), f"the table '{path[-1]}' has no columns", _UPGRADE))
        return False
    return True


_UPGRADE = "Metadata of SDV below 1.0 are to be brought to 1.0 with SDV's own upgrade_metadata."


def _foreign_keys(document: yaml.Document, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """By child table: the foreign key's column, and the table that it refers to."""
    found: dict[str, dict[str, str]] = {}
    for place, said in enumerate(document.data.get("relationships") or []):
        wanted = ("parent_table_name", "child_table_name", "child_foreign_key")
        if not isinstance(said, dict) or not all(isinstance(said.get(key), str) for key in wanted):
            what = f"the relationship needs {', '.join(wanted)}, each a name"
            problems.append(
                Problem(document.place(("relationships", place)), what, "Keys of several columns are unknown here.")
            )
            continue
        parent, child, key = (said[k] for k in wanted)
        found.setdefault(child, {})[key] = parent
    return found


def _table(
    document: yaml.Document, path: yaml.Path, name: str, foreign: Mapping[str, str], problems: list[Problem]
) -> Table:  # fmt: skip
    said = document.data
    for part in path:
        said = said[part]
    key = said.get("primary_key")
    sequence = said.get("sequence_key")
    keys = {k for k in (key, sequence, *foreign) if isinstance(k, str)}
    columns = []
    for column, told in said["columns"].items():
        if not isinstance(told, dict) or not isinstance(told.get("sdtype"), str):
            place = document.place((*path, "columns", column))
            problems.append(
                Problem(place, f"the column '{column}' has no sdtype", 'For example {"sdtype": "numerical"}.')
            )
            continue
        columns.append(_column(column, told, column in keys))
    return Table(
        table_name(name), tuple(columns), primary_key=key if isinstance(key, str) else None,
        order_by=said.get("sequence_index"), references=tuple((c, table_name(t)) for c, t in foreign.items()),
        notes=tuple(_notes(said)),
    )  # fmt: skip


def _notes(said: Mapping[str, Any]) -> Iterator[str]:
    yield "nullable: SDV's metadata do not say where nulls are; remove it where there are none"
    if isinstance(said.get("primary_key"), list):
        yield f"primary_key: {', '.join(map(str, said['primary_key']))}: one column here; a key of several has no equivalent"
    if said.get("sequence_key"):
        yield f"sequence_key: {said['sequence_key']}: the unit, if a person: name it in sources/, under privacy"
    if said.get("alternate_keys"):
        yield f"alternate_keys: {', '.join(map(str, said['alternate_keys']))}: no equivalent"
    for related in said.get("column_relationships") or []:
        if isinstance(related, dict):
            names = ", ".join(map(str, related.get("column_names") or []))
            yield f"column_relationships: {related.get('type')} of {names}: no equivalent"
    for key in said:
        if key not in (*_TABLE_KEYS, "alternate_keys", "column_relationships", "tables", "relationships"):
            yield f"{key}: has no equivalent"


def _column(name: str, told: Mapping[str, Any], is_key: bool) -> Column:
    kind = told["sdtype"]
    if is_key:
        notes = () if kind == "id" else (f"is of sdtype {kind} there; its synthetic values are new numbers",)
        return Column(name, "key", notes=notes)
    if kind == "numerical":
        return _number(name, str(told.get("computer_representation") or ""))
    if kind == "datetime":
        form = told.get("datetime_format")
        timed = form is None or _TIME.search(form)
        return Column(name, "datetime" if timed else "date", nullable=True, formats=(form,) if form else None)
    if kind == "categorical":
        return _category(name, told)
    if kind == "boolean":
        return Column(name, "boolean", nullable=True)
    if kind == "id":
        return _id(name, told.get("regex_format"))
    if kind == "unknown" and told.get("pii") is False:
        return Column(name, notes=("is of sdtype unknown there",))
    made = {"fake": kind} if kind in FAKES else {}
    notes = () if made else (f"is of sdtype {kind} there: left out, unless it says constant, pattern or fake",)
    return Column(name, "text", more=made, notes=notes)


def _number(name: str, representation: str) -> Column:
    if "Int" not in representation:
        notes = () if representation else ("is numerical there: integer, if it is whole",)
        return Column(name, "number", nullable=True, open=not representation, notes=notes)
    return Column(name, "integer", nullable=True, low=Decimal(0) if representation.startswith("U") else None)


def _category(name: str, told: Mapping[str, Any]) -> Column:
    order = told.get("order")
    ordered = {"ordered": True} if order or told.get("order_by") else {}
    values = tuple(order) if isinstance(order, list) and all(isinstance(v, str | int) for v in order) else None
    return Column(name, "categorical", nullable=True, values=values, more=ordered)


def _id(name: str, regex: Any) -> Column:
    """An identifier that is no key of the table: made up in its form, if that is of a fixed length."""
    if isinstance(regex, str) and _FIXED.fullmatch(regex):
        return Column(name, "text", more={"pattern": _pattern(regex), "per": "row"})
    notes = (f"has the form {regex} there, which has no equivalent",) if regex else ()
    return Column(name, "key", notes=notes)


def _pattern(regex: str) -> str:
    """``HID_[0-9]{3}`` as ``HID_###``."""

    def many(sign: str) -> Any:
        return lambda found: sign * int(found[1] or 1)

    digits = re.sub(r"(?:\[0-9\]|\\d)(?:\{(\d+)\})?", many("#"), regex)
    return re.sub(r"\[A-Z\](?:\{(\d+)\})?", many("?"), digits)
