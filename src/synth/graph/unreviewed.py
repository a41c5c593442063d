"""Metadata that were drafted from private rows and that nobody has reviewed: what they say is not public yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from synth.errors import Problem
from synth.graph.dag import Graph, Node


def unreviewed(graph: Graph, models: Collection[str]) -> list[Problem]:
    """One problem for each such table behind the models, also where only a foreign key leads to it."""
    behind: dict[str, Node] = {}
    for node in graph.of_kind("model"):
        if node.name in models:
            behind |= _behind(graph, node)
    return [problem for node in behind.values() for problem in _problems(node)]


def _behind(graph: Graph, node: Node) -> dict[str, Node]:
    found = {node.id: node}
    for linked in graph.linked(node):
        found |= _behind(graph, linked)
    return found


def _problems(node: Node) -> Iterator[Problem]:
    if node.declared is None or node.zone != "synthetic":
        return
    table = node.declared.table
    drafted = [i for i, column in enumerate(table.columns) if column.drafted]
    if not drafted and not table.drafted:
        return
    place = (
        node.declared.place("drafted", key=True)
        if table.drafted
        else node.declared.place("columns", drafted[0], "drafted", key=True)
    )
    own = ["keys of the table itself"] if table.drafted else []
    names = ", ".join([*own, *(table.columns[i].name for i in drafted)])
    what = f"the metadata of '{table.name}' were drafted from private rows, and nobody has reviewed: {names}"
    fix = "Check that each is public knowledge (documentation, a form, a law), not what rows showed; then remove drafted: true."
    yield Problem(replace(place, text=""), what, fix)  # the line holds what rows showed, and a log is read by others
