"""Metadata of other tools: read, and told apart by what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from synth.drafting import nhssynth, sdv
from synth.drafting.names import table_name
from synth.drafting.table import Table
from synth.errors import Place, Problem, ProjectError, UsageError
from synth.project import yaml

NHSSYNTH, SDV = "NHSSynth", "SDV"


class Foreign(NamedTuple):
    """What another tool's file says of one or more tables."""

    file: str
    tool: str
    tables: Sequence[Table]


def read(path: Path) -> Foreign:
    """UsageError where there is no such file; ProjectError with every problem where it is not metadata."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "Name a metadata file of NHSSynth (YAML) or SDV (JSON).") from None
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} cannot be read", "It must be a text file in UTF-8.") from None
    if is_json := text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # and the rest of JSON is YAML
    problems = list(_not_json(path.name, text)) if is_json else []
    document, found_problems = yaml.read(path.name, text)
    problems = problems or found_problems
    if not problems:
        found = _read(document, table_name(path.stem.removesuffix("_metadata")), problems)
    if problems:
        raise ProjectError(problems)
    return Foreign(path.name, *found)


def _not_json(file: str, text: str) -> Iterator[Problem]:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        what = f"this is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        yield Problem(Place(file, error.lineno, error.colno, line), what, "Check quotes, brackets and commas.")


def _read(document: yaml.Document, name: str, problems: list[Problem]) -> tuple[str, Sequence[Table]]:
    data = document.data
    if isinstance(data, dict) and sdv.is_sdv(data):
        return SDV, sdv.tables(document, name, problems)
    if isinstance(data, dict) and isinstance(data.get("columns"), dict):
        return NHSSYNTH, [nhssynth.table(document, name, problems)]
    fix = "NHSSynth's has columns, each with a dtype; SDV's has columns, each with an sdtype, or tables."
    problems.append(Problem(Place(document.file), "this is not metadata of NHSSynth or SDV", fix))
    return "", ()
