"""What compiling goes by, in one digest: where it is the same, so is all that is made of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synth.errors import masked
from synth.graph.dag import Graph, Node
from synth.project.loader import Project
from synth.version import __version__


def digest_of_inputs(project: Project, graph: Graph) -> str:
    """SHA-256 over the files as they are written, what Jinja, variables and the environment made of them, and the programs.

    Where a source lies is no part of it: nothing that is written tells that.
    """
    digest = hashlib.sha256()
    for part in _parts(project, graph):
        digest.update(json.dumps(part, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _parts(project: Project, graph: Graph) -> Iterator[Any]:
    yield __version__, version("duckdb"), _code()
    yield project.settings.model_dump(mode="json"), project.target_words
    for source in project.sources.values():
        yield source.source.model_dump(mode="json", exclude={"location"}), source.source.server
    for table in project.tables.values():
        yield table.table.model_dump(mode="json")
    for described in project.properties.values():
        yield described.model.model_dump(mode="json")
    for test in project.unit_tests.values():
        yield test.test.model_dump(mode="json")
    documents = [project.document]
    documents += [d.document for d in project.sources.values()] + [d.document for d in project.tables.values()]
    documents += [d.document for d in project.properties.values()] + [d.document for d in project.unit_tests.values()]
    yield {d.file: [masked(line) for line in d.lines] for d in documents}
    yield from map(_node, graph.nodes.values())


def _node(node: Node) -> Any:
    written = node.text.text if node.text else None
    config = node.config.model_dump(mode="json")
    judged = [repr(node.judged.config), node.judged.description, node.judged.column] if node.judged else None
    return node.id, node.zone, node.file, str(node.place), node.parents, node.links, config, judged, node.sql, written


def _code() -> str:
    """Of synth itself, whose version stays the same while somebody works on it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
