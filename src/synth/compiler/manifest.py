"""The manifest: what each node is, which file says so, and checksums that tell whether that has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Literal

from synth.artifacts.compiled import Manifest, ManifestMetadata, ManifestNode, SyntheticModel, UnitTest
from synth.artifacts.results import Expectation
from synth.compiler.synthetic import trusted_by
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.project.loader import Declared, DeclaredSource, Project
from synth.quoting import identifier
from synth.version import __version__

_WORDS = {
    "description": True,
    "config": True,
    "tests": True,
    "data_tests": True,
    "meta": True,
}  # of a table, no part of its contract


def manifest(
    project: Project, graph: Graph, models: Mapping[str, SyntheticModel],
    expectations: Mapping[str, tuple[Expectation, ...]], unit_tests: Mapping[str, UnitTest], compiled_path: Callable[[Node], str],
) -> Manifest:  # fmt: skip
    """Sources, models and singular tests, then what each synthetic model's declaration promises, as generic tests."""
    nodes = [_node(node, graph, models, compiled_path) for node in graph.nodes.values()]
    for node in graph.of_kind("model"):
        nodes += _generic(project, graph, node, expectations.get(node.name, ()))
    nodes += [_unit(project, graph, key, test) for key, test in unit_tests.items()]
    metadata = ManifestMetadata(
        synth_version=__version__, project_name=graph.project, database=project.target_words["path"]
    )
    return Manifest(metadata=metadata, nodes={node.unique_id: node for node in nodes})


def _node(
    node: Node, graph: Graph, models: Mapping[str, SyntheticModel], compiled_path: Callable[[Node], str]
) -> ManifestNode:
    model = models.get(node.name) if node.kind == "model" else None
    materialized = node.materialized if node.kind == "model" else node.kind
    name = node.name.split(".") if node.kind == "source" else [node.asked]
    config = _config(node, materialized)
    return ManifestNode(
        unique_id=node.id, name=node.name, resource_type=node.kind, package_name=graph.project,
        fqn=(graph.project, *_folders(node), *name), original_file_path=node.file,
        patch_path=_patch(node), zone=node.zone, materialized=materialized,
        config=config, tags=node.judged.config.tags if node.judged else node.config.tags, test_type=_test_type(node),
        test_name=node.judged.check if node.judged else None,
        trusted=tuple(map(str, trusted_by(graph, node))), depends_on=node.parents,
        compiled_path=None if node.kind == "source" or node.zone == "private" else compiled_path(node),
        fingerprint=model.fit_fingerprint() if model else None, checksums=dict(_checksums(node, config)),
    )  # fmt: skip


def _patch(node: Node) -> str | None:
    """The YAML file that says what a model is."""
    return node.declared.document.file if node.declared else node.described.document.file if node.described else None


def _test_type(node: Node) -> Literal["generic", "singular"] | None:
    return None if node.judged is None else "generic" if node.judged.check else "singular"


def _folders(node: Node) -> tuple[str, ...]:
    return node.text.folders if node.text else node.judged.folders if node.judged else ()


def _generic(
    project: Project, graph: Graph, node: Node, expectations: Iterable[Expectation]
) -> Iterator[ManifestNode]:  # fmt: skip
    if node.declared is not None:
        folders = node.declared.folders(project.settings.metadata_paths)
        for expectation in expectations:
            yield _promise(graph, node, node.declared, expectation, (graph.project, *folders))


def _promise(
    graph: Graph, node: Node, declared: Declared, expectation: Expectation, folders: tuple[str, ...]
) -> ManifestNode:  # fmt: skip
    _, words, check = expectation.id.split(".")
    referred = (n.id for n in graph.linked(node) if f"synthetic.{identifier(n.name)}" in expectation.sql)
    config, digest = _judging(expectation.severity)
    return ManifestNode(
        unique_id=f"test.{graph.project}.{expectation.id}", name=expectation.id, resource_type="test",
        package_name=graph.project, fqn=(*folders, f"{check}_{node.asked}_{words}"),
        original_file_path=declared.document.file, patch_path=None, zone="public", materialized="test", config=config, tags=(),
        test_type="generic", test_name=check, trusted=(), depends_on=(node.id, *referred),
        compiled_path=expectation.sql_path, fingerprint=None,
        checksums={"body": _digest(expectation.sql), "configs": digest},
    )  # fmt: skip


@cache
def _judging(severity: str) -> tuple[dict[str, Any], str]:
    """The configuration of what metadata promise, and its digest; they are many and alike."""
    config = {"enabled": True, "materialized": "test", "severity": severity}
    return config, _digest(config)


def _unit(project: Project, graph: Graph, key: str, test: UnitTest) -> ManifestNode:
    declared = project.unit_tests[key.rpartition(".")[2]]
    node = next(n for n in graph.of_kind("model") if n.name == test.model)
    file, config = declared.document.file, {"enabled": True, "materialized": "unit"}
    folders = declared.folders(project.settings.model_paths)
    return ManifestNode(
        unique_id=key, name=declared.test.name, resource_type="unit_test", package_name=graph.project,
        fqn=(graph.project, *folders, node.asked, declared.test.name), original_file_path=file, patch_path=None,
        zone=node.zone, materialized="unit", config=config, tags=graph.unit_tests[declared.test.name].tags,
        test_type="unit", trusted=(), depends_on=(node.id,), compiled_path=test.expectation.sql_path, fingerprint=None,
        checksums={"body": _digest(declared.test.model_dump(mode="json")), "configs": _digest(config)},
    )  # fmt: skip


def _config(node: Node, materialized: str) -> dict[str, Any]:
    if node.source is not None:
        return {"enabled": True, "meta": node.source.source.meta}
    said = node.config.model_dump(mode="json", exclude_none=True)
    judged = node.judged.config.model_dump(mode="json", exclude_none=True) if node.judged else {}
    meta = {**said.pop("meta"), **judged.pop("meta", {})}
    return {**said, **judged, "enabled": True, "materialized": materialized, **({"meta": meta} if meta else {})}


def _checksums(node: Node, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if node.text:
        yield "body", _digest(node.text.text)
    if node.kind != "source":
        yield "sql", _digest(node.sql)
        yield "configs", _digest({key: value for key, value in config.items() if key not in ("tags", "meta")})
    if node.declared:
        yield "contract", _digest(_promised(node.declared.table))
    if node.described:
        yield "contract", _digest(_promised(node.described.model))
    if node.source:
        yield "contract", _digest(_given(node.source, node.name))


def _promised(table: spec.Table | spec.ModelProperties) -> Any:
    inner = {"__all__": {"description": True, "tests": True, "data_tests": True, "meta": True}}
    return table.model_dump(mode="json", exclude={**_WORDS, "columns": inner, "constraints": inner})


def _given(declared: DeclaredSource, name: str) -> Any:
    """Of a source table: not where it lies, which may be another place on another machine."""
    source, (_, table) = declared.source, declared.tables[name.partition(".")[2]]
    privacy = source.privacy.model_dump(mode="json") if source.privacy else None
    return {"privacy": privacy, "table": table.model_dump(mode="json", exclude={"description", "freshness"})}


def _digest(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
