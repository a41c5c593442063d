"""JSON Schemas of what users write, for editors, and of what synth writes: made of the types that validate, so that both know
the same keys.

A schema knows less than the types: which keys go together, and what a value means, is told by ``synth compile``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from synth.artifacts.catalog import Catalog
from synth.artifacts.compiled import Manifest
from synth.artifacts.forecast import Forecast
from synth.artifacts.plan import Artifact, Plan
from synth.artifacts.results import Results
from synth.project import spec

DRAFT = "http://json-schema.org/draft-07/schema#"  # what editors know best
FILES: dict[str, type[spec.Spec]] = {
    "synth_project": spec.ProjectSpec,
    "sources": spec.SourcesFile,
    "metadata": spec.MetadataFile,
    "models": spec.PropertiesFile,
    "selectors": spec.SelectorsFile,
    "experiments": spec.Experiment,
}
ARTIFACTS: dict[str, type[Artifact]] = {
    "manifest": Manifest,
    "run_results": Results,
    "catalog": Catalog,
    "plan": Plan,
    "forecast": Forecast,
}
_TEMPLATE = {"type": "string", "pattern": r"\{\{"}
_NO_TEXT = ("integer", "number", "boolean", "array", "object")


class _Written(GenerateJsonSchema):
    """Of types whose values are read from words: dates, durations and the like are text here."""

    def timedelta_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        return {"type": "string", "examples": ["30 minutes", "-2 days", "1 year"]}

    def decimal_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        return {"type": ["number", "string"]}

    def date_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        return {"type": "string", "examples": ["2100-01-01"]}

    def datetime_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        return {"type": "string", "examples": ["2100-01-01", "2100-01-01 12:30:00"]}

    def time_schema(self, schema: CoreSchema) -> JsonSchemaValue:
        return {"type": "string", "examples": ["12:30"]}


def schemas() -> dict[str, dict[str, Any]]:
    """By the name of the file or folder that each is for."""
    return {name: _schema(name, kind) for name, kind in FILES.items()}


def artifact_schemas() -> dict[str, dict[str, Any]]:
    """By the name of the file in target/ that each is of."""
    made = {name: kind.model_json_schema(by_alias=True, mode="serialization") for name, kind in ARTIFACTS.items()}
    return {name: {"$schema": DRAFT, **schema, "title": f"synth: {name}.json"} for name, schema in made.items()}


def write_schemas(folder: Path) -> list[Path]:
    """A file for each, of the same bytes each time; those of artifacts in a folder of their own."""
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    found = {f"{name}.schema.json": made for name, made in schemas().items()}
    found |= {f"artifacts/{name}.schema.json": made for name, made in artifact_schemas().items()}
    for name, made in found.items():
        (folder / name).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return [folder / name for name in found]


def _schema(name: str, kind: type[spec.Spec]) -> dict[str, Any]:
    made = kind.model_json_schema(by_alias=True, schema_generator=_Written)
    definitions = made.get("$defs", {})
    _short_forms(definitions)
    if name == "synth_project":
        definitions |= {**_folders("Folder", spec.ModelConfig), **_folders("TestFolder", spec.TestConfig)}
        definitions |= _folders("UnitTestFolder", spec.UnitTestConfig)
        made["properties"]["models"] = {"$ref": "#/$defs/Folder", "description": "folders of models, and their +config"}
        tests = {"$ref": "#/$defs/TestFolder", "description": "folders of tests, and their +config"}
        unit_tests = {"$ref": "#/$defs/UnitTestFolder", "description": "folders of unit tests, and their +config"}
        made["properties"] |= {"tests": tests, "data_tests": tests, "unit_tests": unit_tests}
        made["$defs"] = definitions
    found: dict[str, Any] = _templated(made)
    return {"$schema": DRAFT, "title": f"synth: {name}", **{k: v for k, v in found.items() if k != "title"}}


def _short_forms(definitions: dict[str, Any]) -> None:
    """What a value may be written as, besides what it is in the end."""
    if "Source" in definitions:
        privacy = definitions["Source"]["properties"]["privacy"]
        privacy["anyOf"] = [part if part != {"type": "null"} else {"const": "public"} for part in privacy["anyOf"]]
    if "GenericTest" in definitions:
        known = definitions["GenericTest"]["properties"]
        said = {**definitions["TestConfig"]["properties"], **{k: v for k, v in known.items() if k != "test"}}
        body = {"anyOf": [{"type": "object", "properties": said}, {"type": "null"}]}
        one = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": body}
        named = {"type": "object", "required": ["test_name"], "properties": {"test_name": {"type": "string"}, **said}}
        definitions["GenericTest"] = {"anyOf": [{"type": "string"}, one, named]}
    if "Constraint" in definitions:
        constraint = definitions["Constraint"]
        file = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string"}}}
        constraint["properties"]["values"]["anyOf"].append(file)
        definitions["Constraint"] = {"anyOf": [{"type": "string"}, constraint]}


def _folders(name: str, kind: type[spec.Spec]) -> dict[str, Any]:
    config = kind.model_json_schema(by_alias=True, schema_generator=_Written)
    keys = {f"+{key}": value for key, value in config["properties"].items()}
    unknown = rf"^\+(?!(?:{'|'.join(re.escape(key[1:]) for key in keys)})$)"
    folder = {
        "type": "object", "properties": keys, "patternProperties": {unknown: False},
        "additionalProperties": {"$ref": f"#/$defs/{name}"},
    }  # fmt: skip
    return {**config.get("$defs", {}), name: folder}


def _templated(schema: Any) -> Any:
    """With Jinja in place of any value that is not text, and without titles that only repeat a key."""
    if isinstance(schema, list):
        return [_templated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _inner(key, value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    limited = made.get("type") in _NO_TEXT or "enum" in made or ("const" in made and made.get("type") != "null")
    if not limited or "properties" in made or "additionalProperties" in made:
        return made
    outside = {key: made.pop(key) for key in ("description", "default") if key in made}
    return {"anyOf": [made, _TEMPLATE], **outside}


def _inner(key: str, value: Any) -> Any:
    if key in ("properties", "$defs", "patternProperties"):
        return {name: _templated(part) for name, part in value.items()}
    if key in ("items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties"):
        return _templated(value)
    return value
