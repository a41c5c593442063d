"""What is known of a source table before it is opened: its columns, and whose rows it has."""

from __future__ import annotations

from synth.artifacts.compiled import SourceTable
from synth.compiler.scope import People
from synth.graph.dag import Graph, Node


def people_of(node: Node) -> People | None:
    """Whose rows a source table has; None where it is public."""
    assert node.source is not None
    privacy = node.source.source.privacy
    return People(privacy.population, tuple(c.casefold() for c in privacy.unit_columns)) if privacy else None


def columns_of(graph: Graph, node: Node) -> tuple[str, ...]:
    """The columns that YAML knows of a source table: those it lists, those with metadata, and the unit's.

    The metadata of a model are of the source that they name, and of its only source of people.
    """
    assert node.source is not None
    source, table_name = node.source.source, node.name.partition(".")[2]
    names = [c for t in source.tables if t.name == table_name for c in t.columns]
    for reader in graph.of_kind("model"):
        read = graph.private_sources(reader)
        if reader.declared is None or node not in read:
            continue
        of_people = [r for r in read if r.zone == "private"] or read
        if reader.declared.table.source == node.name or of_people == [node]:
            names += [c.name for c in reader.declared.table.columns]
    names += source.privacy.unit if source.privacy else ()
    return tuple({name.casefold(): name for name in reversed(names)}.values())[::-1]


def source_table(graph: Graph, node: Node) -> SourceTable:
    """A source table as a run reads it."""
    assert node.source is not None
    source, table_name = node.source.source, node.name.partition(".")[2]
    table = next(t for t in source.tables if t.name == table_name)
    return SourceTable(
        name=node.name, location=source.location, table=table.identifier or table.name, columns=columns_of(graph, node),
        unit=source.privacy.unit_columns if source.privacy else None,
    )  # fmt: skip
