"""Which synthetic tables belong together by their foreign keys, and below which of them a table's rows are generated."""

from __future__ import annotations

from dataclasses import dataclass

from synth.graph.dag import Graph, Node


def parent_of(graph: Graph, node: Node) -> Node | None:
    """The table below whose rows a table's rows are: of those it refers to, the one that is itself furthest down."""
    return max(graph.linked(node), key=lambda above: _depth(graph, above), default=None)


def ancestors(graph: Graph, node: Node) -> list[Node]:
    """The parent, its parent, and so on."""
    above = parent_of(graph, node)
    return [] if above is None else [above, *ancestors(graph, above)]


def children_of(graph: Graph, node: Node) -> list[Node]:
    """The tables whose rows are below this one's."""
    return [n for n in graph.referring if parent_of(graph, n) == node]


def around(graph: Graph, node: Node) -> list[Node]:
    """All whose rows have a say in the codes of a table and of its parent, each after the one it is below."""
    above = ancestors(graph, node)
    beside = [child for child in children_of(graph, above[0]) if child != node] if above else []
    return [*reversed(above), node, *beside, *children_of(graph, node)]


@dataclass(frozen=True)
class Second:
    """A foreign key past the row above: to a row of ``other``, of which it is known what both are below."""

    other: Node
    shared: Node | None  # the nearest table that both are below; None where they have no more than the unit in common
    found: bool  # whether there always is such a row


def seconds(graph: Graph, node: Node) -> dict[str, Second]:
    """By column, in lower case: foreign keys to tables that a row is not below, and those that name one above once more."""
    assert node.declared is not None
    found, above, named = {}, ancestors(graph, node), set()
    landed = {other.asked: other for other in graph.linked(node)}
    for foreign in node.declared.table.foreign_keys:
        other = landed.get(foreign.references)
        if other is None:
            continue
        if other not in above or other.id in named:
            shared = ancestors(graph, other)
            nearest = next((n for n in above if n in shared), None)
            found[foreign.column.casefold()] = Second(other, nearest, other in above)
        named.add(other.id)
    return found


def _depth(graph: Graph, node: Node) -> int:
    return len(ancestors(graph, node))
