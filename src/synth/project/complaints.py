"""pydantic's errors in the product's words: where in the file, what is wrong, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from synth.errors import Problem
from synth.project import spec, yaml
from synth.project.nearest import nearest

# by pydantic's name of the error: what a value must be, and how to write it
_MUST: dict[str, tuple[str, str]] = {
    "string_type": ("must be text", "Put it in quotes."),
    "string_too_short": ("must not be empty", ""),
    "int_type": ("must be a whole number", ""),
    "int_parsing": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "float_parsing": ("must be a number", ""),
    "finite_number": ("must be a number, and a finite one", ""),
    "bool_type": ("must be true or false", ""),
    "bool_parsing": ("must be true or false", ""),
    "tuple_type": ("must be a list", "Write it as [a, b]."),
    "dict_type": ("must be a mapping of keys to values", "Write it as {key: value}."),
    "model_type": ("must be a mapping of keys to values", "Write it as {key: value}."),
    "model_attributes_type": ("must be a mapping of keys to values", "Write it as {key: value}."),
    "date_type": ("must be a date", "For example 2100-01-01."),
    "date_from_datetime_parsing": ("must be a date", "For example 2100-01-01."),
    "date_from_datetime_inexact": ("must be a date without a time", "For example 2100-01-01."),
    "datetime_type": ("must be a date and time", "For example 2100-01-01 12:00:00."),
    "datetime_parsing": ("must be a date and time", "For example 2100-01-01 12:00:00."),
    "datetime_from_date_parsing": ("must be a date and time", "For example 2100-01-01 12:00:00."),
    "timezone_naive": ("must be without a time zone", "For example 2100-01-01 12:00:00."),
    "greater_than": ("must be more than {gt:g}", ""),
    "greater_than_equal": ("must be at least {ge:g}", ""),
    "less_than": ("must be less than {lt:g}", ""),
    "less_than_equal": ("must be at most {le:g}", ""),
    "literal_error": ("must be {expected}", ""),
    "too_short": ("must not be empty", ""),
    "too_long": ("must be two values", ""),
}

# by key: what to write there
_FIXES = {
    "approver": 'Say who set this cap; for example approver: "Information governance board".',
    "bounds": "Bounds are public knowledge, never read from rows; for example bounds: [0, 120].",
    "columns": "For example columns: [{name: subject_id, type: key}].",
    "count": "For example {count: 12, period: hour}.",
    "database": "For example database: target/dev.duckdb.",
    "delta": "For example delta: 1e-6.",
    "epsilon": "For example epsilon: 1.0; the smaller, the more private and the less useful.",
    "freshness": "For example freshness: {warn_after: {count: 12, period: hour}}.",
    "generator": "For example generator: {kind: marginal}.",
    "error_after": "For example error_after: {count: 2, period: day}.",
    "expression": "For example expression: dischtime >= admittime.",
    "header": "The columns' names, where the file does not begin with them; for example header: [id, sex, age].",
    "location": "A folder of files, a database's file, or a server; for example location: sources/hospital.",
    "max_rows_per_unit": "For example max_rows_per_unit: 10; further rows of a unit are left out.",
    "loader": "Remove it: other sources need none.",
    "name": "For example name: admissions.",
    "period": "For example {count: 12, period: hour}.",
    "population": "A name for the people behind the source; their cap stands under budgets in synth_project.yml.",
    "references": "The name of another table.",
    "rounding": "For example rounding: 0.1.",
    "tables": "For example tables: [{name: admissions}].",
    "units": "The public, approximate number of people behind the source; for example units: 50000.",
    "warn_after": "For example warn_after: {count: 12, period: hour}.",
    "values": "List every category that the documentation names; for example values: [F, M].",
}


def complaints(model: type[spec.Spec], document: yaml.Document, error: ValidationError) -> list[Problem]:
    """Each mistake once, at its place."""
    details = error.errors(include_url=False, include_input=False)
    return [_problem(model, document, d) for d in details if not _follows(d, details, document)]


def _follows(error: ErrorDetails, others: Sequence[ErrorDetails], document: yaml.Document) -> bool:
    """Whether it is only the shadow of another: a key missing because it is misspelt, a list empty of its bad items."""
    *parent, name = error["loc"] or ("",)
    if error["type"] == "missing":
        beside = [str(o["loc"][-1]) for o in others if o["type"] == "extra_forbidden" and [*o["loc"][:-1]] == parent]
        return bool(difflib.get_close_matches(str(name), beside))
    return error["type"] == "too_short" and bool(_at(document.data, _path(document.data, error)))


def _problem(model: type[spec.Spec], document: yaml.Document, error: ErrorDetails) -> Problem:
    kind, path = error["type"], _path(document.data, error)
    name = next((str(p) for p in reversed(path) if isinstance(p, str)), "the file")
    if kind == "extra_forbidden":
        return Problem(document.place(path, key=True), f"unknown key '{name}'", nearest(name, _fields(model, error)))
    if kind == "missing" and isinstance(error["loc"][-1], str):
        return Problem(document.place(path[:-1]), f"the key '{name}' is missing", _FIXES.get(name, "Add it."))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_type(document, path)
    if error["loc"][-1:] == ("[key]",):
        return Problem(document.place(path, key=True), f"the name '{name}' {_said(error)}", "Rename it.")
    if kind == "value_error":
        return _own(document, path, name, _said(error))
    return Problem(document.place(path), *must(error, name))


def must(error: ErrorDetails, name: str) -> tuple[str, str]:
    """What the value of a key must be, and how to write it."""
    kind = error["type"]
    if name == "nullable" and kind == "literal_error":
        return "nullable: what is made is never null", "Remove it."
    if kind == "value_error":
        what, _, fix = _said(error).partition("; ")
        return f"{name}: {what}", _sentence(fix)
    what, fix = _MUST.get("too_long" if kind == "missing" else kind, (error["msg"], ""))  # missing: one value of two
    return f"{name}: {what.format(**error.get('ctx', {}))}", fix or _FIXES.get(name, "")


def _said(error: ErrorDetails) -> str:
    return error["msg"].removeprefix("Value error, ")


def _own(document: yaml.Document, path: yaml.Path, name: str, said: str) -> Problem:
    """A message of spec.py, ``[key: ]what[; fix]``: it stands at that key, where the key is written."""
    what, _, fix = said.partition("; ")
    key = re.match(r"(\w[\w-]*): ", what)
    here = _at(document.data, path)
    if key and isinstance(here, dict) and key[1] in here:
        path = (*path, key[1])
    elif not key and not isinstance(here, dict):
        what = f"{name}: {what}"
    return Problem(document.place(path), what, _sentence(fix))


def _sentence(fix: str) -> str:
    return f"{fix[0].upper()}{fix[1:]}{'' if fix.endswith(('.', '?')) else '.'}" if fix else ""


def _unknown_type(document: yaml.Document, path: yaml.Path) -> Problem:
    unions = {"format": ("format", spec.Format), "tasks": ("task", spec.Task)}
    what, union = next((unions[part] for part in path[:-3:-1] if part in unions), ("column", spec.Column))
    known = [get_args(t.model_fields["type"].annotation)[0] for t in get_args(get_args(union)[0])]
    given = _at(document.data, (*path, "type"))
    if given is None:
        return Problem(document.place(path), f"the {what} has no type", f"Types: {', '.join(known)}.")
    return Problem(document.place((*path, "type")), f"unknown type '{given}'", nearest(str(given), known))


def _path(data: Any, error: ErrorDetails) -> yaml.Path:
    """pydantic's location without the parts that are not in the file, such as the tags of unions."""
    path: list[int | str] = []
    for part in error["loc"]:
        here = _at(data, tuple(path))
        if part in ("config", "arguments") and isinstance(here, dict) and len(here) == 1 and part not in here:
            path.append(next(iter(here)))  # of a test that is written as {name: what is said of it}
            here = _at(data, tuple(path))
        if part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int):
            path.append(part)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return tuple(path)


def _fields(model: Any, error: ErrorDetails) -> list[str]:
    """The keys that are known where an unknown one stands."""
    found = [model]
    for part in error["loc"][:-1]:
        found = [t for model in found for t in _specs(model, part)]
    return [f.alias or name for m in found for name, f in m.model_fields.items()]


def _specs(model: type[spec.Spec], part: int | str) -> list[type[spec.Spec]]:
    for name, info in model.model_fields.items():
        if part in (name, info.alias):
            return list(_inner(info.annotation))
    tagged = model.model_fields.get("type")
    other = tagged is not None and isinstance(part, str) and part not in get_args(tagged.annotation)
    return [] if other else [model]  # an index, a name of the user's, or this model's own tag


def _inner(annotation: Any) -> Iterator[type[spec.Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, spec.Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from _inner(inner)


def _at(data: Any, path: yaml.Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
