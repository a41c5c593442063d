"""What keeps a table's foreign keys from being kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synth.compiler import family
from synth.errors import Place, Problem
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.project.loader import Declared


def key_problems(graph: Graph, node: Node, declared: Declared) -> Iterator[Problem]:
    """Foreign keys to what has no key, to other people and to the wrong rows; keys that are null when they cannot be."""
    people, landed = _people(graph, node), {other.asked: other for other in graph.linked(node)}
    keys = {c.name.casefold() for c in declared.table.columns if isinstance(c, spec.KeyColumn)}
    if people is not None:
        for i, foreign in enumerate(declared.table.foreign_keys):
            other = landed.get(foreign.references)
            if other is not None and other.declared is not None and foreign.column.casefold() in keys:
                place = declared.place("foreign_keys", i, "references")
                yield from _reference(graph, node, foreign.column, other, other.declared, people, place)
    yield from _nulls(graph, node, declared, people.unit_columns if people else ())
    if graph.linked(node) and node.config.rows is not None:
        what = f"the synthetic model '{node.asked}' has rows: {node.config.rows}, and a foreign key"
        fix = "Remove rows: how many there are follows from the rows of the table it refers to."
        yield Problem(node.place, what, fix)


def _reference(
    graph: Graph, node: Node, column: str, other: Node, there: Declared, people: spec.SourcePrivacy, place: Place
) -> Iterator[Problem]:  # fmt: skip
    of, unit = _people(graph, other), [name.casefold() for name in people.unit_columns]
    above = family.ancestors(graph, node)
    if there.table.primary_key is None:
        what = f"the table '{other.asked}' has no primary key to refer to"
        yield Problem(place, what, f"Add primary_key to it in {there.document.file}.")
    elif of is None or (of.population, of.unit_columns) != (people.population, people.unit_columns):
        what = f"the table '{other.asked}' is about other people: its sources have another population"
        yield Problem(place, what, "Linked tables share one population, one unit and one budget.")
    elif not unit:
        what = f"each row of '{node.asked}' is a person of its own, so it is below no row of '{other.asked}'"
        yield Problem(place, what, "Remove it, or say in sources/ which column is the unit.")
    elif column.casefold() in unit and other not in above:
        what = (
            f"the rows of '{above[0].asked}', which those of '{node.asked}' are below, have no row of '{other.asked}'"
        )
        yield Problem(place, what, f"Add a foreign key to '{other.asked}' to '{above[0].asked}', too.")
    elif column.casefold() not in unit and unit == [there.table.primary_key.casefold()]:
        what = f"'{column}' is not the unit, and other people whom a row names are not synthesized"
        yield Problem(place, what, f"Leave it out, or refer to '{other.asked}' by {people.unit_columns[0]}.")


def _nulls(graph: Graph, node: Node, declared: Declared, unit: Sequence[str]) -> Iterator[Problem]:
    """Keys that say that they may be null and never are, and the other way round."""
    known = {name.casefold() for name in unit}
    unsure = {n: s.other for n, s in family.seconds(graph, node).items() if not s.found and n not in known}
    above = family.parent_of(graph, node)
    for i, column in enumerate(declared.table.columns):
        if not isinstance(column, spec.KeyColumn):
            continue
        other = unsure.get(column.name.casefold())
        if column.nullable and other is None:
            fix = "Remove nullable: only a foreign key to a table that rows are not below may find no row."
            yield Problem(declared.place("columns", i, "nullable"), f"the key '{column.name}' is never null", fix)
        elif not column.nullable and other is not None and above is not None:
            below = f"the rows of '{node.asked}' are below '{above.asked}'"
            what = f"'{column.name}' may find no row of '{other.asked}': {below}"
            yield Problem(declared.place("columns", i, "name"), what, "Add nullable: true to it.")


def _people(graph: Graph, node: Node) -> spec.SourcePrivacy | None:
    sources = (s.source.source.privacy for s in graph.private_sources(node) if s.source)
    return next(filter(None, sources), None)
