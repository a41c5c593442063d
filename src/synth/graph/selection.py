"""dbt's selection grammar as a value: unions of intersections of node patterns with + and @."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

from synth.errors import UsageError
from synth.graph.dag import Graph, Node
from synth.project.nearest import nearest

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
    asked = " ".join(wanted) or "everything"
    if not chosen:
        raise UsageError(f"nothing is in all parts of the selection '{asked}'", "A comma means both; a space, either.")
    left = chosen - _evaluate(graph, exclude)
    if not left:
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
        known = (value for node in graph.nodes.values() for value in _values(node, term.method))
        raise UsageError(f"the selector '{term.text}' matches nothing", nearest(term.value, known))
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
    value = term.value.removeprefix("./").rstrip("/") if term.method == "path" else term.value
    if any(fnmatch.fnmatchcase(known, value) for known in _values(node, term.method)):
        return True
    return term.method == "fqn" and node.kind != "source" and _under(node, value)


def _values(node: Node, method: str) -> tuple[str, ...]:
    """What of a node a method compares."""
    *folders, file = node.file.split("/")
    if method == "tag":
        return node.config.tags
    if method == "resource_type":
        return (node.kind,)
    if method == "file":
        return (file, file.rsplit(".", 1)[0])
    if method == "source":
        return (node.name, node.name.split(".")[0]) if node.kind == "source" else ()
    if node.kind == "source":
        return ()
    if method == "fqn":
        return (node.name, node.asked)
    if method == "path":
        return (node.file, *("/".join(folders[:end]) for end in range(len(folders), 0, -1)))
    return _config(node, method.removeprefix("config.")) if node.kind == "model" else ()


def _config(node: Node, key: str) -> tuple[str, ...]:
    if key == "materialized":
        return (node.materialized,)
    value = getattr(node.config, key, None)
    if isinstance(value, tuple):
        return tuple(str(item) for item in value)
    return () if value is None else (str(value).lower() if isinstance(value, bool) else f"{value}",)


def _under(node: Node, value: str) -> bool:
    """A folder's name, or a dotted path of folders, stands for the models in it."""
    folders = node.text.folders if node.text else ()
    wanted = tuple(value.split("."))
    project = node.id.split(".")[1]
    return any(path[: len(wanted)] == wanted for path in ((*folders, node.asked), (project, *folders, node.asked)))
