"""JSON Schemas for editors: every YAML file that there is fits, every key is in one of them, and a typo does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from synth.project import yaml
from synth.project.schemas import FILES, schemas, write_schemas
from synth.starter import BARE
from synth.starter import FOLDER as STARTER

TESTS = Path(__file__).parent
ROOT = TESTS.parent
SCHEMAS = schemas()
PROJECTS = [
    ROOT,
    STARTER,
    TESTS / "examples",
    *(TESTS / "projects").iterdir(),
    *(ROOT / "bench" / "projects").iterdir(),
]


def examples() -> Iterator[tuple[str, Path]]:
    for project in PROJECTS:
        yield "synth_project", project / "synth_project.yml"
        yield from (("selectors", path) for path in project.glob("selectors.yml"))
        for kind in ("sources", "metadata", "models", "experiments"):
            yield from ((kind, path) for path in sorted((project / kind).rglob("*.yml")))


EXAMPLES = list(examples())


def read(path: Path) -> Any:
    """As an editor sees a file: dates are text."""
    document, problems = yaml.read(path.name, path.read_text())
    assert not problems
    return json.loads(json.dumps(document.data, default=str))


@pytest.mark.parametrize(("kind", "path"), EXAMPLES, ids=[str(path.relative_to(ROOT)) for _, path in EXAMPLES])
def test_every_example_fits(kind: str, path: Path) -> None:
    jsonschema.validate(read(path), SCHEMAS[kind])


@pytest.mark.parametrize("kind", FILES)
def test_every_key_is_in_an_example(kind: str) -> None:
    used = {key for _, path in EXAMPLES for key in keys(read(path))}
    assert set(properties(SCHEMAS[kind])) - used == set()


@pytest.mark.parametrize(("kind", "path"), [e for e in EXAMPLES if e[1].is_relative_to(TESTS / "examples")])
def test_the_types_take_every_key(kind: str, path: Path) -> None:
    """What the schemas take, ``synth`` does, too."""
    files = SimpleNamespace(
        column=lambda given: {"values": ["a"]}, combinations=lambda given, columns: [["a", "B"]], fixture=str
    )
    data = yaml.read(path.name, path.read_text())[0].data
    FILES[kind].model_validate(rendered(data), context=files)


def rendered(value: Any) -> Any:
    """Jinja's values, as they would be."""
    if isinstance(value, str) and "{{" in value:
        return True if "true" in value else 100
    if isinstance(value, dict):
        return {key: rendered(part) for key, part in value.items()}
    return [rendered(part) for part in value] if isinstance(value, list) else value


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(part)


def properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from properties(part)


def test_the_files_that_lie_here_are_these(tmp_path: Path) -> None:
    for path in write_schemas(tmp_path):
        assert path.read_text() == (ROOT / ".synth" / path.relative_to(tmp_path)).read_text(), "say: synth schema"


@pytest.mark.parametrize("project", [ROOT, STARTER, BARE])
def test_files_name_their_schema(project: Path) -> None:
    for path in [
        project / "synth_project.yml",
        *(p for k in ("sources", "metadata", "models") for p in (project / k).glob("*.yml")),
    ]:
        first = path.read_text().splitlines()[0]
        name = "synth_project" if path.parent == project else path.parent.name
        up = "" if path.parent == project else "../"
        assert first == f"# yaml-language-server: $schema={up}.synth/{name}.schema.json"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("metadata", {"tables": [{"name": "t", "colums": []}]}),
        ("metadata", {"tables": [{"name": "t", "columns": [{"name": "a", "type": "intger", "bounds": [0, 1]}]}]}),
        ("metadata", {"tables": [{"name": "t", "columns": [{"name": "a", "type": "integer"}]}]}),
        ("sources", {"sources": [{"name": "s", "location": "x", "tables": [], "privacy": "private"}]}),
        ("metadata", {"tables": [{"name": "t", "tests": [{"row_count": {"limit": 0}}]}]}),
        ("models", {"models": [{"name": "m", "columns": [{"name": "a", "tests": [{"unique": {}, "not_null": {}}]}]}]}),
        ("models", {"unit_tests": [{"name": "u", "model": "m"}]}),
        ("synth_project", {"name": "p", "models": {"p": {"+epsilom": 1.0}}}),
        ("synth_project", {"name": "p", "targets": {"dev": {"database": "x", "threads": "two"}}}),
    ],
)
def test_a_mistake_does_not_fit(kind: str, wrong: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMAS[kind])
    assert schemas() == SCHEMAS
