"""The project's nodes, what each reads, and which side of the privacy line each is on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from synth.artifacts.plan import NOT_PRIVATE
from synth.errors import Place, Problem, ProjectError
from synth.graph.configs import (
    config_of,
    model_folder_problems,
    test_config,
    test_folder_problems,
    unit_test_configs,
)
from synth.graph.rendered import Rendered, model_names, reference, render, rendered_model
from synth.graph.selection import Selection
from synth.graph.selectors import named_selections
from synth.graph.tests import Judgement, generic_tests, named_tests
from synth.project import spec
from synth.project.loader import Declared, DeclaredModel, DeclaredSource, Project
from synth.project.nearest import nearest
from synth.project.sql_file import SqlFile

Zone = Literal["private", "synthetic", "public"]


@dataclass(frozen=True)
class Node:
    """A source table, a model or a test of the project's own; what metadata promise is tested besides."""

    id: str  # as in dbt: "model.hospital.admissions"
    name: str  # "admissions", "mimic.admissions", "NOT_PRIVATE_admissions"
    kind: Literal["source", "model", "test"]
    zone: Zone
    file: str
    parents: tuple[str, ...]  # ids; of what it reads, then of what its foreign keys refer to
    place: Place
    config: spec.ModelConfig = field(default_factory=spec.ModelConfig)
    sql: str = ""  # rendered; "" for a source
    text: SqlFile | None = None  # what the user wrote, if there is a SQL file
    declared: Declared | None = None
    source: DeclaredSource | None = None
    links: tuple[str, ...] = ()  # ids of the synthetic models that its foreign keys refer to, in that order
    described: DeclaredModel | None = None  # what models/*.yml says of a model without metadata
    judged: Judgement | None = None  # of a test

    @property
    def statement(self) -> str:
        """The SQL without its closing semicolon; a position in it is one in ``sql``."""
        return self.sql.rstrip().rstrip(";").rstrip()

    @property
    def not_private(self) -> bool:
        """Whether it is made without differential privacy."""
        return self.name.startswith(NOT_PRIVATE)

    @property
    def asked(self) -> str:
        """The name by which the project's files and a user call it."""
        return self.name.removeprefix(NOT_PRIVATE)

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
    selectors: Mapping[str, Selection]  # by name, of selectors.yml
    unit_tests: Mapping[str, spec.UnitTestConfig]  # by name

    def of_kind(self, *kinds: str) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node.kind in kinds)

    def read_by(self, node: Node) -> list[Node]:
        """What a node's own SQL reads."""
        return [self.nodes[p] for p in node.parents if p not in node.links]

    def linked(self, node: Node) -> list[Node]:
        """The synthetic models that a node's foreign keys refer to."""
        return [self.nodes[p] for p in node.links]

    def private_sources(self, node: Node) -> list[Node]:
        """The source tables that a node reads, directly or through private models; of people and of nobody."""
        found: dict[str, Node] = {}
        for parent in self.read_by(node):
            reached = [parent] if parent.kind == "source" else self.private_sources(parent)
            found |= {n.id: n for n in reached}
        return list(found.values())

    @cached_property
    def referring(self) -> tuple[Node, ...]:
        """The models whose foreign keys refer to others."""
        return tuple(node for node in self.of_kind("model") if node.links)

    @cached_property
    def readers(self) -> Mapping[str, list[Node]]:
        """The models that read each source table, directly or through private models; by its id."""
        found: dict[str, list[Node]] = {}
        for model in self.of_kind("model"):
            for source in self.private_sources(model):
                found.setdefault(source.id, []).append(model)
        return found


def build(project: Project) -> Graph:
    """The graph of a project; raises ProjectError with every wrong reference, config and zone."""
    names = model_names(project)
    problems: list[Problem] = [*_table_problems(project), *model_folder_problems(project, names)]
    rendered = {name: rendered_model(project, name, problems) for name in names}
    configs = {n: config_of(project, n, d.text, d.declared, d.config, problems) for n, d in rendered.items()}
    enabled = {name: asked for name, asked in rendered.items() if configs[name].enabled is not False}
    zones = {name: _zone(project, asked, configs[name], problems) for name, asked in enabled.items()}
    landed = {name: _landed(name, zone, configs[name]) for name, zone in zones.items()}
    problems += _name_problems(rendered.values())
    nodes = _source_nodes(project)
    for asked in _sorted(enabled, problems):
        parents = _parents(project, asked, landed, problems)
        node = _node(project, asked, "model", zones[asked.name], configs[asked.name], parents, zones, landed)
        problems += _zone_problems(node, zones, landed, asked, rendered, nodes)
        if node.zone == "synthetic" and node.declared is not None:
            node = _linked(project, node, zones, landed, problems)
        nodes[node.id] = node
    named = named_tests(project, landed)
    problems += test_folder_problems(project, ((*asked.folders, name) for name, asked in named.items()))
    for asked, judged in [*_singular(project, problems), *generic_tests(project, named, landed, problems)]:
        parents = _parents(project, asked, landed, problems)
        node = _node(project, asked, "test", "public", spec.ModelConfig(), parents, zones, landed)
        node = replace(node, judged=judged)
        problems += _zone_problems(node, zones, landed, asked, rendered, nodes)
        nodes[node.id] = node
    selectors = named_selections(project, problems)
    unit_tests = unit_test_configs(project, problems)
    if problems:
        raise ProjectError(problems)
    return Graph(project.settings.name, nodes, selectors, unit_tests)


def rendered_again(project: Project, graph: Graph, node: Node) -> Node:
    """A model as ``project``'s renderer makes it now, between the same others. Raises ProjectError."""
    models = list(graph.of_kind("model"))
    zones, landed = {n.asked: n.zone for n in models}, {n.asked: n.name for n in models}
    problems: list[Problem] = []
    asked = rendered_model(project, node.asked, problems)
    parents = (*_parents(project, asked, landed, problems), *node.links)
    if problems:
        raise ProjectError(problems)
    made = _node(project, asked, "model", node.zone, node.config, parents, zones, landed)
    return replace(node, sql=made.sql, parents=tuple(dict.fromkeys(parents)))


def of_sources(project: Project) -> Graph:
    """The sources alone: what can be told where models and metadata are still to be written."""
    return Graph(project.settings.name, _source_nodes(project), {}, {})


def _singular(project: Project, problems: list[Problem]) -> Iterator[tuple[Rendered, Judgement]]:
    """The singular tests that are enabled, rendered."""
    for file in project.tests.values():
        asked = render(project, file.name, file.place(), file, None, problems)
        config = test_config(project, file.name, file, file.folders, asked.config, problems)
        if "where" in asked.config:
            problems.append(
                Problem(file.find("where"), "where: is for generic tests", "Say it in the SQL of the test.")
            )
        if config.enabled:
            yield asked, Judgement(config)


def _zone(project: Project, asked: Rendered, config: spec.ModelConfig, problems: list[Problem]) -> Zone:
    wanted = config.materialized
    zone: Zone = "public" if wanted in (None, "view", "table", "public") else wanted  # type: ignore[assignment]
    if wanted is None and asked.declared is not None:
        zone = "synthetic"
    if zone == "synthetic" and asked.declared is None and not asked.broken:
        fix = f"Declare a table '{asked.name}' in {project.settings.metadata_paths[0]}/, or set materialized."
        problems.append(Problem(asked.place, f"the synthetic model '{asked.name}' has no metadata", fix))
    return zone


def _landed(name: str, zone: Zone, config: spec.ModelConfig) -> str:
    """The name of what a model makes: it says so where that is made without differential privacy."""
    return NOT_PRIVATE + name if config.privacy == "none" and zone != "private" else name


def _name_problems(rendered: Iterable[Rendered]) -> Iterator[Problem]:
    for asked in rendered:
        if asked.name.casefold().startswith(NOT_PRIVATE.casefold()):
            fix = "Rename it, and say config(privacy='none') instead: synth gives the name."
            yield Problem(asked.place, f"the model '{asked.name}' has a name that privacy: none gives", fix)


def _source_nodes(project: Project) -> dict[str, Node]:
    nodes = {}
    for declared in project.sources.values():
        for i, table in enumerate(declared.source.tables):
            name = f"{declared.source.name}.{table.name}"
            place = declared.place("tables", i)
            node_id = f"source.{project.settings.name}.{name}"
            zone: Zone = "private" if declared.source.privacy else "public"
            nodes[node_id] = Node(node_id, name, "source", zone, place.file, (), place, source=declared)
    return nodes


def _table_problems(project: Project) -> Iterator[Problem]:
    """Of metadata: tables without rows to describe, and sources that are not there."""
    for name, declared in project.tables.items():
        if declared.table.source:
            source, _, table = declared.table.source.partition(".")
            yield from _source_problems(project, source, table, declared.place("source"), declared.place("source"))
        elif name not in project.models:
            fix = f"Add source: name.table to it, or write {project.settings.model_paths[0]}/{name}.sql."
            yield Problem(declared.place("name"), f"the table '{name}' has no source", fix)


def _source_problems(project: Project, source: str, table: str, at: Place, at_table: Place) -> Iterator[Problem]:
    declared = project.sources.get(source)
    tables = [t.name for t in declared.source.tables] if declared else []
    if declared is None:
        yield Problem(at, f"there is no source '{source}'", nearest(source, project.sources))
    elif not table:
        yield Problem(at_table, f"'{source}' is a source, not a table of it", f"Write {source}.{tables[0]}, say.")
    elif table not in tables:
        yield Problem(at_table, f"the source '{source}' declares no table '{table}'", nearest(table, tables))


def _parents(project: Project, asked: Rendered, landed: Mapping[str, str], problems: list[Problem]) -> tuple[str, ...]:
    found = []
    for source, table in asked.sources:
        wrong = list(_source_problems(project, source, table, reference(asked, source), reference(asked, table)))
        found += [f"source.{project.settings.name}.{source}.{table}"] if not wrong else []
        problems += wrong
    for name in asked.refs:
        if name in landed:
            found.append(f"model.{project.settings.name}.{landed[name]}")
        elif name in model_names(project):
            fix = "Enable it, or disable what reads it."
            problems.append(Problem(reference(asked, name), f"the model '{name}' is disabled", fix))
        else:
            problems.append(Problem(reference(asked, name), f"there is no model '{name}'", nearest(name, landed)))
    return tuple(dict.fromkeys(found))


def _node(
    project: Project, asked: Rendered, kind: Literal["model", "test"], zone: Zone, config: spec.ModelConfig,
    parents: tuple[str, ...], zones: Mapping[str, Zone], landed: Mapping[str, str],
) -> Node:  # fmt: skip
    sql = asked.sql
    for ref in (*asked.refs, asked.name):
        sql = sql.replace(f'"ref"."{ref}"', f'"{zones.get(ref, "ref")}"."{landed.get(ref, ref)}"')
    file = asked.text.file if asked.text else asked.place.file
    name = landed[asked.name] if kind == "model" else asked.name
    node_id = f"{kind}.{project.settings.name}.{name}"
    described = project.properties.get(asked.name) if kind == "model" else None
    return Node(
        node_id, name, kind, zone, file, parents, asked.place, config, sql, asked.text, asked.declared,
        described=described,
    )  # fmt: skip


def _linked(
    project: Project, node: Node, zones: Mapping[str, Zone], landed: Mapping[str, str], problems: list[Problem]
) -> Node:  # fmt: skip
    """The node with an edge to each synthetic model that its foreign keys refer to."""
    assert node.declared is not None
    links = []
    for i, foreign in enumerate(node.declared.table.foreign_keys):
        name, place = foreign.references, node.declared.place("foreign_keys", i, "references")
        if name not in project.tables:
            continue  # told by the compiler, beside what else is wrong with the table
        if zones.get(name) != "synthetic":
            what = f"'{name}' is not a synthetic model" if name in zones else f"the model '{name}' is not enabled"
            problems.append(Problem(place, what, "A foreign key refers to a synthetic model of this project."))
        elif name == node.asked:
            what = f"the table '{name}' refers to itself"
            problems.append(Problem(place, what, "Only keys of other tables can be kept; remove this one."))
        elif landed[name] != name and not node.not_private:
            what = f"the synthetic model '{node.name}' refers to '{name}', which is made without differential privacy"
            problems.append(Problem(place, what, "Say config(privacy='none') here, too, or remove the foreign key."))
        else:
            links.append(f"model.{project.settings.name}.{landed[name]}")
    links = list(dict.fromkeys(links))
    return replace(node, parents=tuple(dict.fromkeys((*node.parents, *links))), links=tuple(links))


def _zone_problems(
    node: Node,
    zones: Mapping[str, Zone],
    landed: Mapping[str, str],
    asked: Rendered,
    rendered: Mapping[str, Rendered],
    nodes: Mapping[str, Node],
) -> Iterator[Problem]:
    """One line in the DAG: private rows reach a public model only through a synthetic one."""
    if asked.broken:
        return
    kind = "test" if node.kind == "test" else f"{node.zone} model"
    if node.zone == "public":
        zone_of = {n.name: n.zone for n in nodes.values() if n.kind == "source"}
        for source, table in asked.sources:
            fix = "Read a synthetic model with ref()"
            fix += "." if node.kind == "test" else ", or make this one materialized='private'."
            which = "private table" if zone_of.get(f"{source}.{table}") == "private" else "source table"
            what = f"the {kind} '{node.name}' reads the {which} {source}.{table}"
            yield Problem(reference(asked, table), what, fix)
        if node.config.trust_sql:
            place = node.text.find("trust_sql") if node.text else node.place
            what = f"the {kind} '{node.name}' has trust_sql, though it reads no private row"
            yield Problem(place, what, "Remove it.")
    for name in asked.refs:
        zone = zones.get(name)
        if zone is None or rendered[name].broken:
            continue
        if (zone == "private") != (node.zone in ("private", "synthetic")):
            what = f"the {kind} '{node.name}' reads the {zone} model '{name}'"
            allowed = "sources and private models" if node.zone != "public" else "synthetic and public models"
            yield Problem(reference(asked, name), what, f"A {kind} reads {allowed}.")
        elif landed[name] != name and node.kind == "model" and not node.not_private:
            what = f"the {kind} '{node.name}' reads '{name}', which is made without differential privacy"
            yield Problem(reference(asked, name), what, "Say config(privacy='none') here, too, or read another model.")


def _sorted(rendered: Mapping[str, Rendered], problems: list[Problem]) -> list[Rendered]:
    """Parents first, else by name."""
    done: dict[str, Rendered] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done or name not in rendered:
            return
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            what = f"the models refer to each other in a circle: {circle}"
            last = rendered[path[-1]]
            at = reference(last, name) if name in last.refs else last.link_place(name)
            problems.append(Problem(at, what, "Remove one of these references."))
            return
        path.append(name)
        for parent in (*rendered[name].refs, *(link for link in rendered[name].links if link != name)):
            visit(parent)
        path.pop()
        done[name] = rendered[name]

    for name in sorted(rendered):
        visit(name)
    return list(done.values())
