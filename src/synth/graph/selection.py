"""dbt's selection grammar as a value: unions of intersections of node patterns with + and @."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from synth.errors import UsageError
from synth.graph.dag import Graph, Node
from synth.project.loader import nearest

_TERM = re.compile(r"^(?P<at>@)?(?P<up>(?P<up_n>\d*)\+)?(?P<body>[^+@]+?)(?P<down>\+(?P<down_n>\d*))?$")
_METHODS = ("fqn", "tag", "source", "path", "file", "resource_type")


@dataclass(frozen=True)
class Term:
    """One pattern: how far up and down from what matches (None: not at all, -1: all the way)."""

    text: str
    method: str
    value: str
    up: int | None
    down: int | None
    childrens_parents: bool  # dbt's @


def parse(selection: str) -> tuple[tuple[Term, ...], ...]:
    """Spaces join (union), commas intersect."""
    return tuple(tuple(_term(t) for t in part.split(",")) for part in selection.split())


def _term(text: str) -> Term:
    found = _TERM.match(text)
    if not found:
        raise UsageError(
            f"'{text}' is not a selector", "For example: admissions, +admissions, tag:hospital, source:mimic+"
        )
    method, colon, value = found["body"].partition(":")
    if not colon:
        method, value = "fqn", found["body"]
    if method not in _METHODS and not method.startswith("config."):
        raise UsageError(f"unknown selection method '{method}:'", nearest(method, [*_METHODS, "config.materialized"]))
    reach = {side: None if not found[side] else int(found[f"{side}_n"] or -1) for side in ("up", "down")}
    return Term(text, method, value, reach["up"], reach["down"], bool(found["at"]))


def select(graph: Graph, selection: Iterable[str], exclude: Iterable[str] = ()) -> list[Node]:
    """The selected nodes in the graph's order; everything where nothing is asked for. Raises UsageError for no match."""
    chosen = _evaluate(graph, selection) if (wanted := tuple(selection)) else set(graph.nodes)
    left = chosen - _evaluate(graph, exclude)
    if not left:
        asked = " ".join(wanted) or "everything"
        raise UsageError(f"the selection '{asked}' leaves nothing after --exclude", "Loosen one of the two.")
    return [node for node in graph.nodes.values() if node.id in left]


def _evaluate(graph: Graph, selections: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for selection in selections:
        for intersection in parse(selection):
            sets = [_reach(graph, term) for term in intersection]
            found |= set.intersection(*sets)
    return found


def _reach(graph: Graph, term: Term) -> set[str]:
    found = {node.id for node in graph.nodes.values() if _matches(node, term)}
    if not found:
        names = [node.name for node in graph.nodes.values()]
        raise UsageError(f"the selector '{term.text}' matches nothing", nearest(term.value, names))
    start = set(found)
    if term.childrens_parents:
        found |= _walk(graph, found | _walk(graph, start, -1, up=False), -1, up=True) | _walk(
            graph, start, -1, up=False
        )
    if term.up is not None:
        found |= _walk(graph, start, term.up, up=True)
    if term.down is not None:
        found |= _walk(graph, start, term.down, up=False)
    return found


def _walk(graph: Graph, start: set[str], steps: int, up: bool) -> set[str]:
    seen, edge = set(start), set(start)
    while edge and steps != 0:
        near = {n for i in edge for n in (graph.nodes[i].parents if up else graph.children(i))}
        edge, steps = near - seen, steps - 1
        seen |= edge
    return seen


def _matches(node: Node, term: Term) -> bool:
    value = term.value
    if term.method == "fqn":
        return node.kind != "source" and (fnmatch.fnmatchcase(node.name, value) or _under(node, value))
    if term.method == "tag":
        return any(fnmatch.fnmatchcase(tag, value) for tag in node.config.tags)
    if term.method == "source":
        return node.kind == "source" and (node.name == value or fnmatch.fnmatchcase(node.name.split(".")[0], value))
    if term.method == "path":
        path = value.removeprefix("./").rstrip("/")
        return node.kind != "source" and (fnmatch.fnmatchcase(node.file, path) or node.file.startswith(path + "/"))
    if term.method == "file":
        return node.file.rsplit("/", 1)[-1] in (value, f"{value}.sql")
    if term.method == "resource_type":
        return node.kind == value
    config = node.config.model_dump() | {"materialized": node.materialized}
    return node.kind == "model" and str(config.get(term.method.removeprefix("config."))) == value


def _under(node: Node, value: str) -> bool:
    """A folder's name, or a dotted path of folders, stands for the models in it."""
    folders = node.text.folders if node.text else ()
    wanted = tuple(value.split("."))
    project = node.id.split(".")[1]
    return any(path[: len(wanted)] == wanted for path in ((*folders, node.name), (project, *folders, node.name)))
