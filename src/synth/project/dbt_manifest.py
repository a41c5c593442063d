"""What dbt's manifest says of a source's tables: where each lies, what it is, which columns. Nothing else of it is used."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from synth.errors import Place, Problem
from synth.project import spec
from synth.project.nearest import nearest

VERSION = 12  # of the manifest's schema: dbt 1.8 and newer
_SCHEMA = re.compile(r"https://schemas\.getdbt\.com/dbt/manifest/v(\d+)\.json")
_WITH_ROWS = ("model", "seed", "snapshot", "source")
_MAIN = "main"  # DuckDB's schema where none is named


class _Config(BaseModel):
    materialized: str | None = None


class _Column(BaseModel):
    name: spec.ColumnName


class _Node(BaseModel):
    name: str
    resource_type: str
    schema_name: str | None = Field(default=None, alias="schema")
    alias: str | None = None
    identifier: str | None = None  # a source's alias
    description: str = ""
    columns: dict[str, _Column] = {}
    config: _Config = _Config()

    @property
    def relation(self) -> str:
        return self.alias or self.identifier or self.name


class _Manifest(BaseModel):
    """By dbt's ids."""

    nodes: dict[str, _Node]
    sources: dict[str, _Node]

    def named(self, name: str) -> dict[str, _Node]:
        """Those that have rows, of this name or id; a model goes before a source that it is called after."""
        for nodes in (self.nodes, self.sources):
            with_rows = {i: node for i, node in nodes.items() if node.resource_type in _WITH_ROWS}
            if found := {i: node for i, node in with_rows.items() if name in (i, node.name)}:
                return found
        return {}

    @property
    def names(self) -> set[str]:
        nodes = (*self.nodes.values(), *self.sources.values())
        return {node.name for node in nodes if node.resource_type in _WITH_ROWS}


class _Unusable(Exception):
    """A manifest of which nothing can be read: what is wrong, and what to do."""


def located_by_dbt(
    root: Path, source: spec.Source, place: Callable[..., Place], problems: list[Problem]
) -> spec.Source:  # fmt: skip
    """A source with ``loader: dbt``, with what the manifest says of each table. ``place``: of a key of the source."""
    assert source.manifest is not None
    formats = (source.format, *(table.format for table in source.tables))
    for i, format in enumerate(formats):
        if format:
            path = ("tables", i - 1, "format") if i else ("format",)
            what = "format: with loader: dbt the manifest tells how tables are kept"
            problems.append(Problem(place(*path), what, "Remove it."))
    try:
        adapter, manifest = _read(root / source.manifest, source.manifest)
    except _Unusable as wrong:
        problems.append(Problem(place("manifest"), *wrong.args))
        return source
    if (source.server or "duckdb") != adapter:
        what, fix = {
            "duckdb": ("a DuckDB file", "Name that file, as path does in dbt's profiles.yml."),
            "postgres": ("PostgreSQL", "Name that database: postgres://user@host/database."),
        }[adapter]
        problems.append(Problem(place("location"), f"location: is not what dbt built into, which is {what}", fix))
        return source
    tables = []
    for i, table in enumerate(source.tables):
        found, why = _one(manifest, table.identifier or table.name)
        if found is None:
            problems.append(Problem(place("tables", i, "identifier" if table.identifier else "name"), *why))
        tables.append(_located(table, found, adapter) if found else table)
    return source.model_copy(update={"tables": tuple(tables)})


def _read(path: Path, shown: str) -> tuple[str, _Manifest]:
    """dbt's adapter, and the manifest."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise _Unusable(f"manifest: there is no {shown}", "Run dbt compile there, or mend the path.") from None
    except OSError as error:
        raise _Unusable(f"manifest: {shown} cannot be read: {error.strerror}", "Check its permissions.") from None
    except (ValueError, RecursionError):
        raise _Unusable(f"manifest: {shown} is not JSON", "Have it written anew: run dbt compile there.") from None
    stranger = _Unusable(f"manifest: {shown} is not dbt's manifest", "dbt writes it to target/manifest.json.")
    metadata: Any = data.get("metadata") if isinstance(data, dict) else None
    written = _SCHEMA.fullmatch(str(metadata.get("dbt_schema_version"))) if isinstance(metadata, dict) else None
    if written is None:
        raise stranger
    if int(written[1]) != VERSION:
        what = f"manifest: {shown} has version {written[1]} of dbt's schema, and synth reads version {VERSION}"
        raise _Unusable(what, "Run dbt compile there with dbt 1.8 or newer.")
    adapter = metadata.get("adapter_type")
    if adapter not in ("duckdb", "postgres"):
        what = f"manifest: dbt builds these tables with the adapter '{adapter}', which synth does not read"
        raise _Unusable(what, "Adapters: duckdb, postgres. Of others, export the tables to files.")
    try:
        return adapter, _Manifest.model_validate(data)
    except ValidationError:
        raise stranger from None


def _one(manifest: _Manifest, name: str) -> tuple[_Node | None, tuple[str, str]]:
    """The node of a name; else what is wrong."""
    found = manifest.named(name)
    if not found:
        return None, (f"dbt's manifest has no model '{name}'", nearest(name, manifest.names))
    if len(found) > 1:
        what = f"dbt's manifest has several '{name}': {', '.join(sorted(found))}"
        return None, (what, f"Say which: identifier: {min(found)}.")
    (node,) = found.values()
    if node.config.materialized == "ephemeral":
        what = f"the dbt model '{name}' is ephemeral: it has no rows of its own"
        return None, (what, "Have dbt build it as a table or a view, or name a model that reads it.")
    return node, ("", "")


def _located(table: spec.SourceTable, node: _Node, adapter: str) -> spec.SourceTable:
    """With the words and columns of the manifest where YAML has none."""
    format: spec.Format
    if adapter == "postgres":
        format = spec.PostgresFormat(type="postgres", schema=node.schema_name)
    else:
        schema = node.schema_name
        format = spec.DuckdbFormat(type="duckdb", schema=None if schema == _MAIN else schema)
    known = {name.casefold() for name in table.columns}
    columns = (column.name for column in node.columns.values() if column.name.casefold() not in known)
    said = {"description": table.description or node.description.strip(), "columns": (*table.columns, *columns)}
    return table.model_copy(update={"identifier": node.relation, "format": format, **said})
