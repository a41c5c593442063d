"""The page on other tools names nothing of synth that is not there: commands, flags, keys, values, files and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from synth.cli.root import cli
from synth.project.schemas import FILES, schemas

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "parity.md"
TEXT = PAGE.read_text()


def rows() -> Iterator[list[str]]:
    """The cells of every row, without headings and what is below them."""
    for line in TEXT.splitlines():
        cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
        if line.startswith("|") and cells[1].strip() != "here" and not set(line) <= set("|-"):
            yield [cell.strip() for cell in cells]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


ROWS = list(rows())
HERE = sorted({span for row in ROWS for span in spans(row[1])})
COMMANDS = sorted({span for span in spans(TEXT) if span.startswith("synth ")})
KEYS = [span for span in HERE if not span.startswith("synth ") and span not in ("synth.Project", "models/")]


def properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key that YAML may have, and the schema of its value."""
    if isinstance(schema, dict):
        if isinstance(found := schema.get("properties"), dict):
            yield from found.items()
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


KNOWN = [
    (key, value | {"$defs": schema.get("$defs", {})})
    for name, schema in schemas().items()
    if name in FILES
    for key, value in properties(schema)
    if isinstance(value, dict)
]


def headings(page: Path) -> set[str]:
    """As GitHub makes anchors of them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_row_says_what_is_here() -> None:
    assert len(ROWS) > 50  # or the tables were not read
    assert not [row for row in ROWS if len(row) != 3 or not row[0] or not row[1]]


def test_every_row_names_a_file_of_theirs() -> None:
    assert not [row[0] for row in ROWS if not re.search(r"\([^)]*`[\w./-]+(\.\w+|/)`[^)]*\)$", row[0])]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    if link.startswith("https://"):
        return
    file, _, anchor = link.partition("#")
    assert (PAGE.parent / file).is_file()
    assert not anchor or anchor in headings(PAGE.parent / file)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    verbs = [word for word in command.split()[1:] if word.islower() and not word.startswith("-")]
    found: click.Command = cli
    for verb in verbs:
        if isinstance(found, click.Group) and (below := found.get_command(click.Context(found), verb)):
            found = below
    assert found.name == command.split(" --")[0].split()[-1]
    flags = {flag for option in found.params for flag in option.opts}
    assert {word for word in command.split() if word.startswith("-")} <= flags


@pytest.mark.parametrize("span", KEYS)
def test_every_key_is_there_and_takes_the_value(span: str) -> None:
    read = yaml.safe_load(span)
    for key, value in (read if isinstance(read, dict) else {read: None}).items():
        known = [schema for name, schema in KNOWN if name == key]
        assert known, key
        if isinstance(read, dict):
            assert any(jsonschema.Draft7Validator(schema).is_valid(value) for schema in known), span
