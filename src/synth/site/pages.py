"""The pages: HTML that loads its own style sheet and script and nothing else."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from synth.artifacts.compiled import ManifestNode
from synth.artifacts.results import STATUSES
from synth.site.facts import Facts, columns, held, rule
from synth.site.lineage import Spot, around, lineage
from synth.site.pictures import bars
from synth.site.templates import environment, source
from synth.version import __version__

GENERATOR = "synth docs"  # says whose pages these are
_ASSETS = ("site.css", "site.js")


def pages(facts: Facts) -> Iterator[tuple[str, str]]:
    """Every file of the site, by its path."""
    nodes = [n for n in facts.compiled.manifest.nodes.values() if not n.is_test]
    spots = [_spot(node) for node in nodes]
    yield (
        "index.html",
        _page("index.j2", facts, "", nodes=nodes, picture=_picture(spots, None, ""), counts=_counts(facts)),
    )
    for node in nodes:
        near = around(spots, node.unique_id)
        yield (
            file(node),
            _page(
                "node.j2", facts, "../", node=node, picture=_picture(near, node.unique_id, "../"), **_of(facts, node)
            ),
        )
    yield "search.js", f"const NODES = {json.dumps(list(_index(facts, nodes)), ensure_ascii=False)};\n"
    yield from ((name, source(_environment(), name)) for name in _ASSETS)


def file(node: ManifestNode) -> str:
    return f"nodes/{re.sub(r'[^A-Za-z0-9_.-]', '-', node.unique_id)}.html"


def _spot(node: ManifestNode) -> Spot:
    kind = "public source" if node.resource_type == "source" and node.zone == "public" else node.resource_type
    words = {"source": "source, private", "public source": "source, public"}.get(kind, f"{node.zone} model")
    return Spot(node.unique_id, _name(node), words, node.zone, file(node), node.depends_on)


def _name(node: ManifestNode) -> str:
    return ".".join(node.fqn[-2:]) if node.resource_type == "source" else node.name


def _picture(spots: list[Spot], here: str | None, up: str) -> Markup:
    moved = [Spot(s.id, s.name, s.kind, s.zone, up + s.href, s.parents) for s in spots]
    return Markup(lineage(moved, here))


def _of(facts: Facts, node: ManifestNode) -> dict[str, Any]:
    """What a page says of one node."""
    model = facts.compiled.synthetic.get(node.name) if node.resource_type == "model" else None
    public = facts.compiled.public.get(node.name) if node.resource_type == "model" else None
    declared = facts.tables.get(node.name) if node.resource_type == "model" else None
    catalog = facts.catalog.nodes.get(node.unique_id)
    sql = [("Model", public.sql)] if public else []
    if model:
        sql = [("Private model " + view.name, view.sql) for view in model.views]
        sql += [("Rows to codes (private)", model.prepare_sql), ("Codes to rows", model.restore_sql)]
        sql += [("The table", model.land_sql)]
    source = (
        next((s for s in facts.compiled.sources if s.name == _name(node)), None)
        if node.resource_type == "source"
        else None
    )
    return {
        "source": source, "description": _description(facts, node), "model": model, "sql": sql, "catalog": catalog,
        "columns": list(columns(declared)) if declared else [], "fit": facts.fits.get(node.name) if model else None,
        "constraints": [(c.name, rule(c), held(c), c.place) for c in model.constraints] if model else [],
        "suite": facts.suites.get(node.name) if model or public else None,
        "tests": list(_tests(facts, node)), "public": public,
        "distributions": [(d, bars(d)) for d in facts.distributions.get(node.unique_id, ())],
    }  # fmt: skip


def _description(facts: Facts, node: ManifestNode) -> str:
    """With what is trusted of a synthetic model's SQL before it."""
    model = facts.compiled.synthetic.get(node.name) if node.resource_type == "model" else None
    return model.told if model else facts.descriptions.get(node.unique_id, "")


def _tests(facts: Facts, node: ManifestNode) -> Iterator[Any]:
    """Results of singular and unit tests that read the node."""
    before = {"singular": "test.", "unit": "unit_test."}
    ids = {before[n.test_type] + n.name for n in facts.children(node) if n.test_type in before}
    for suite in facts.suites.values():
        yield from (r for r in suite.results if r.expectation.id in ids)


def _counts(facts: Facts) -> dict[str, int]:
    statuses = [result.status for suite in facts.suites.values() for result in suite.results]
    return {status: sum(one == status for one in statuses) for status in STATUSES}


def _index(facts: Facts, nodes: list[ManifestNode]) -> Iterator[dict[str, str]]:
    """What search looks through: nodes and their columns."""
    for node in nodes:
        described = _description(facts, node)
        yield {"name": _name(node), "kind": _spot(node).kind, "text": described, "href": file(node)}
        table = facts.tables.get(node.name)
        if table and node.resource_type == "model":
            for column in columns(table):
                yield {
                    "name": f"{_name(node)}.{column.name}", "kind": f"column, {column.type}",
                    "text": f"{column.description} {column.limits}".strip(), "href": f"{file(node)}#{column.name}",
                }  # fmt: skip


def _page(template: str, facts: Facts, up: str, **more: Any) -> str:
    shared = {"facts": facts, "up": up, "version": __version__, "generator": GENERATOR, "labels": STATUSES}
    return _environment().get_template(template).render(**shared, **more, file=file, name_of=_name, spot=_spot)


@functools.cache
def _environment() -> Environment:
    return environment("synth.site")
