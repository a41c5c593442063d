"""What is known of a source table before it is opened: its columns, and whose rows it has."""

from __future__ import annotations

from typing import Any

from synth.artifacts.compiled import SourceColumn, SourceFormat, SourceTable
from synth.artifacts.freshness import Criteria
from synth.compiler.scope import People
from synth.graph.dag import Graph, Node
from synth.project import spec


def people_of(node: Node) -> People | None:
    """Whose rows a source table has; None where it is public."""
    assert node.source is not None
    privacy = node.source.source.privacy
    return People(privacy.population, tuple(c.casefold() for c in privacy.unit_columns)) if privacy else None


def columns_of(graph: Graph, node: Node) -> tuple[SourceColumn, ...]:
    """The columns that YAML knows of a source table: those it lists, those with metadata, and the unit's.

    The metadata of a model are of the source that they name, and of its only source of people.
    """
    assert node.source is not None
    source, (number, table) = node.source.source, _table(node)
    found = [(c, node.source.place("tables", number, "columns", i)) for i, c in enumerate(table.columns)]
    for reader in graph.readers.get(node.id, ()):
        if reader.declared is None:
            continue
        read = [source.id for source in graph.private_sources(reader)]
        of_people = [i for i in read if graph.nodes[i].zone == "private"] or read
        if reader.declared.table.source == node.name or of_people == [node.id]:
            found += [
                (c.name, reader.declared.place("columns", i, "name"))
                for i, c in enumerate(reader.declared.table.columns)
            ]
    unit = [(c, node.source.place("privacy", "unit")) for c in source.privacy.unit] if source.privacy else []
    columns = {name.casefold(): SourceColumn(name=name, place=str(at)) for name, at in reversed(found + unit)}
    columns |= {name.casefold(): columns[name.casefold()].model_copy(update={"place": str(at)}) for name, at in unit}
    return tuple(columns.values())[::-1]


def source_table(graph: Graph, node: Node) -> SourceTable:
    """A source table as a run reads it."""
    assert node.source is not None
    source, (_, table) = node.source.source, _table(node)
    declared = source.format_of(table)
    format = SourceFormat(**declared.model_dump()) if declared else SourceFormat(type=source.server)
    return SourceTable(
        name=node.name, location=source.location, format=format, table=table.identifier or table.name,
        columns=columns_of(graph, node), unit=source.privacy.unit_columns if source.privacy else None,
        population=source.privacy.population if source.privacy else None,
    )  # fmt: skip


def source_tables(graph: Graph) -> tuple[SourceTable, ...]:
    """All that the project declares."""
    return tuple(source_table(graph, node) for node in graph.of_kind("source"))


def freshness_of(node: Node) -> Criteria | None:
    """How old a source table may be: each key of the table goes before the source's, and null switches it off."""
    assert node.source is not None
    said: dict[str, Any] = {}
    for declared in (node.source.source, _table(node)[1]):
        if declared.freshness:
            said |= declared.freshness.model_dump(exclude_unset=True)
        elif "freshness" in declared.model_fields_set:
            said = {}
    return Criteria(**said) if any(said.values()) else None


def _table(node: Node) -> tuple[int, spec.SourceTable]:
    """The declaration behind a source's node, and its number among the source's tables."""
    assert node.source is not None
    return node.source.tables[node.name.partition(".")[2]]
