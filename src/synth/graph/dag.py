"""The project's nodes, what each reads, and which side of the privacy line each is on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from synth.errors import Place, Problem, ProjectError
from synth.project import spec
from synth.project.jinja import RenderError
from synth.project.loader import Declared, DeclaredSource, Project, SqlFile, nearest

Zone = Literal["private", "synthetic", "public"]


@dataclass(frozen=True)
class Node:
    """A source table, a model or a singular test."""

    id: str  # as in dbt: "model.hospital.admissions"
    name: str  # "admissions", "mimic.admissions"
    kind: Literal["source", "model", "test"]
    zone: Zone
    file: str
    parents: tuple[str, ...]  # ids
    place: Place
    config: spec.ModelConfig = field(default_factory=spec.ModelConfig)
    sql: str = ""  # rendered; "" for a source
    text: SqlFile | None = None  # what the user wrote, if there is a SQL file
    declared: Declared | None = None
    source: DeclaredSource | None = None

    @property
    def relation(self) -> str:
        return f'"{self.zone if self.kind != "source" else "source"}"."{self.name}"'

    @property
    def materialized(self) -> str:
        """ "view" or "table" in the public zone, else the zone's name."""
        if self.zone != "public":
            return self.zone
        return self.config.materialized if self.config.materialized in ("view", "table") else "view"


@dataclass(frozen=True)
class Graph:
    project: str
    nodes: Mapping[str, Node]  # by id, parents before children

    def of_kind(self, *kinds: str) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.kind in kinds)

    def children(self, node_id: str) -> list[str]:
        return [n.id for n in self.nodes.values() if node_id in n.parents]

    def private_sources(self, node: Node) -> list[Node]:
        """The source tables that a node reads, directly or through private models."""
        found: dict[str, Node] = {}
        for parent in (self.nodes[p] for p in node.parents):
            reached = [parent] if parent.kind == "source" else self.private_sources(parent)
            found |= {n.id: n for n in reached}
        return list(found.values())


@dataclass
class _Draft:
    """A model while its template is rendered: what it asked for."""

    name: str
    place: Place
    text: SqlFile | None
    declared: Declared | None
    config: dict[str, Any]
    refs: list[str]
    sources: list[tuple[str, str]]
    sql: str = ""


def build(project: Project) -> Graph:
    """The graph of a project; raises ProjectError with every wrong reference, config and zone."""
    problems: list[Problem] = []
    drafts = [_model_draft(project, name, problems) for name in _model_names(project)]
    tests = [_render(project, f.name, f.place(), f, None, {}, problems) for f in project.tests.values()]
    models = {d.name: d for d in drafts}
    configs = {d.name: _config(project, d, problems) for d in drafts}
    enabled = {name: d for name, d in models.items() if configs[name].enabled is not False}
    zones = {name: _zone(project, d, configs[name], problems) for name, d in enabled.items()}
    nodes = _source_nodes(project)
    for draft in _sorted(project, enabled, problems):
        nodes_of_parents = _parents(project, draft, zones, problems)
        node = _node(project, draft, "model", zones[draft.name], configs[draft.name], nodes_of_parents, zones)
        problems += _zone_problems(node, zones, draft)
        nodes[node.id] = node
    for draft in tests:
        node = _node(
            project, draft, "test", "public", spec.ModelConfig(), _parents(project, draft, zones, problems), zones
        )
        problems += _zone_problems(node, zones, draft)
        nodes[node.id] = node
    if problems:
        raise ProjectError(problems)
    return Graph(project.settings.name, nodes)


def _model_names(project: Project) -> list[str]:
    implied = [name for name, d in project.tables.items() if d.table.source]
    return sorted({*project.models, *implied})


def _model_draft(project: Project, name: str, problems: list[Problem]) -> _Draft:
    text, declared = project.models.get(name), project.tables.get(name)
    if text is not None:
        return _render(project, name, text.place(), text, declared, {}, problems)
    assert declared is not None and declared.table.source
    draft = _Draft(name, declared.place("name"), None, declared, {}, [], [])
    source, _, table = declared.table.source.partition(".")
    draft.sources.append((source, table))
    draft.sql = f'select {_columns(declared.table)}\nfrom "source"."{source}.{table}"\n'
    return draft


def _columns(table: spec.Table) -> str:
    return ", ".join('"' + column.name.replace('"', '""') + '"' for column in table.columns)


def _render(
    project: Project, name: str, place: Place, text: SqlFile, declared: Declared | None, config: dict[str, Any],
    problems: list[Problem],
) -> _Draft:  # fmt: skip
    draft = _Draft(name, place, text, declared, config, [], [])

    def set_config(**given: Any) -> str:
        draft.config.update(given)
        return ""

    def ref(model: str) -> str:
        draft.refs.append(model)
        return f'"ref"."{model}"'

    def source(source_name: str, table: str) -> str:
        draft.sources.append((source_name, table))
        return f'"source"."{source_name}.{table}"'

    def declared_columns() -> str:
        if declared is None:
            raise RenderError(
                f"declared_columns() needs metadata, and no table '{name}' is declared", needle="declared_columns"
            )
        return _columns(declared.table)

    names = {"config": set_config, "ref": ref, "source": source, "declared_columns": declared_columns}
    try:
        draft.sql = project.renderer.sql(text.text, names)
    except RenderError as error:
        problems.append(Problem(text.find(error.needle, error.line), error.what, "Mend the template."))
    return draft


def _config(project: Project, draft: _Draft, problems: list[Problem]) -> spec.ModelConfig:
    """Folders of synth_project.yml, then metadata's config, then config() in SQL; tags add up."""
    layers: list[tuple[dict[str, Any], Place]] = list(_folder_configs(project, draft))
    if draft.declared:
        written = draft.declared.table.config.model_dump(exclude_unset=True)
        layers.append((written, draft.declared.place("config")))
    config_place = draft.text.find("config(") if draft.text else draft.place
    layers.append((draft.config, config_place))
    merged: dict[str, Any] = {}
    tags: list[str] = []
    for layer, place in layers:
        given = layer.get("tags", [])
        tags += [given] if isinstance(given, str) else given
        try:
            spec.ModelConfig.model_validate({k: v for k, v in layer.items() if k != "tags"})
            merged |= {k: v for k, v in layer.items() if k != "tags"}
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                problems.append(_config_problem(detail["type"], str(detail["loc"][0]), detail["msg"], place, draft))
    return spec.ModelConfig.model_validate({**merged, "tags": tuple(dict.fromkeys(tags))})


def _config_problem(kind: str, key: str, message: str, place: Place, draft: _Draft) -> Problem:
    at = draft.text.find(key) if draft.text and place.file == draft.text.file else place
    if kind == "extra_forbidden":
        return Problem(at, f"unknown config '{key}'", nearest(key, spec.ModelConfig.model_fields))
    return Problem(at, f"config {key}: {message[0].lower()}{message[1:]}")


def _folder_configs(project: Project, draft: _Draft) -> Iterator[tuple[dict[str, Any], Place]]:
    here: Any = project.settings.models
    path: tuple[str, ...] = ("models",)
    for folder in (None, project.settings.name, *(draft.text.folders if draft.text else ())):
        if folder is not None:
            here, path = (here.get(folder) if isinstance(here, dict) else None), (*path, folder)
        if isinstance(here, dict):
            plus = {k[1:]: v for k, v in here.items() if k.startswith("+")}
            yield plus, project.document.place(path, key=True)


def _zone(project: Project, draft: _Draft, config: spec.ModelConfig, problems: list[Problem]) -> Zone:
    wanted = config.materialized
    zone: Zone = "public" if wanted in (None, "view", "table", "public") else wanted  # type: ignore[assignment]
    if wanted is None and draft.declared is not None:
        zone = "synthetic"
    if zone == "synthetic" and draft.declared is None:
        fix = f"Declare a table '{draft.name}' in {project.settings.metadata_paths[0]}/, or set materialized."
        problems.append(Problem(draft.place, f"the synthetic model '{draft.name}' has no metadata", fix))
    return zone


def _source_nodes(project: Project) -> dict[str, Node]:
    nodes = {}
    for declared in project.sources.values():
        for i, table in enumerate(declared.source.tables):
            name = f"{declared.source.name}.{table.name}"
            place = declared.place("tables", i)
            node = Node(
                f"source.{project.settings.name}.{name}",
                name,
                "source",
                "private",
                place.file,
                (),
                place,
                source=declared,
            )
            nodes[node.id] = node
    return nodes


def _parents(project: Project, draft: _Draft, zones: Mapping[str, Zone], problems: list[Problem]) -> tuple[str, ...]:
    found = []
    for source, table in draft.sources:
        declared = project.sources.get(source)
        tables = [t.name for t in declared.source.tables] if declared else []
        if declared is None:
            problems.append(
                Problem(_reference(draft, source), f"there is no source '{source}'", nearest(source, project.sources))
            )
        elif table not in tables:
            what = f"the source '{source}' declares no table '{table}'"
            problems.append(Problem(_reference(draft, table), what, nearest(table, tables)))
        else:
            found.append(f"source.{project.settings.name}.{source}.{table}")
    for name in draft.refs:
        if name in zones:
            found.append(f"model.{project.settings.name}.{name}")
        else:
            problems.append(Problem(_reference(draft, name), f"there is no model '{name}'", nearest(name, zones)))
    return tuple(dict.fromkeys(found))


def _reference(draft: _Draft, name: str) -> Place:
    if draft.text is not None:
        return draft.text.find(f"'{name}'") if f"'{name}'" in draft.text.text else draft.text.find(name)
    assert draft.declared is not None
    return draft.declared.place("source")


def _node(
    project: Project, draft: _Draft, kind: Literal["model", "test"], zone: Zone, config: spec.ModelConfig,
    parents: tuple[str, ...], zones: Mapping[str, Zone],
) -> Node:  # fmt: skip
    sql = draft.sql
    for name in draft.refs:
        sql = sql.replace(f'"ref"."{name}"', f'"{zones.get(name, "ref")}"."{name}"')
    file = draft.text.file if draft.text else draft.place.file
    node_id = f"{kind}.{project.settings.name}.{draft.name}"
    return Node(node_id, draft.name, kind, zone, file, parents, draft.place, config, sql, draft.text, draft.declared)


def _zone_problems(node: Node, zones: Mapping[str, Zone], draft: _Draft) -> Iterator[Problem]:
    """One line in the DAG: private rows reach a public model only through a synthetic one."""
    if node.zone == "public":
        for source, table in draft.sources:
            reader = "test" if node.kind == "test" else "public model"
            what = f"the {reader} '{node.name}' reads the private table {source}.{table}"
            fix = "Read a synthetic model with ref(), or make this one materialized='private'."
            yield Problem(_reference(draft, table), what, fix)
    for name in draft.refs:
        zone = zones.get(name)
        if zone is not None and (zone == "private") != (node.zone in ("private", "synthetic")):
            what = f"the {node.zone} {node.kind} '{node.name}' reads the {zone} model '{name}'"
            allowed = "sources and private models" if node.zone != "public" else "synthetic and public models"
            yield Problem(_reference(draft, name), what, f"A {node.zone} {node.kind} reads {allowed}.")


def _sorted(project: Project, drafts: Mapping[str, _Draft], problems: list[Problem]) -> list[_Draft]:
    """Parents first, else by name."""
    done: dict[str, _Draft] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done or name not in drafts:
            return
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            problems.append(
                Problem(drafts[name].place, f"the models refer to each other in a circle: {circle}", "Break it.")
            )
            return
        path.append(name)
        for parent in drafts[name].refs:
            visit(parent)
        path.pop()
        done[name] = drafts[name]

    for name in sorted(drafts):
        visit(name)
    return list(done.values())
