"""Macros that are run for what they do: ``synth run-operation``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from synth.errors import RunError, UsageError
from synth.graph.dag import Graph
from synth.project.jinja import RenderError
from synth.project.loader import Project
from synth.project.nearest import nearest
from synth.runtime.warehouse import Warehouse


@dataclass(frozen=True)
class QueryResult:
    """What ``run_query`` gives: rows, and the columns' names."""

    column_names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, tuple(row[i] for row in self.rows)) for i, name in enumerate(self.column_names))


@dataclass(frozen=True)
class Column:
    name: str
    found: tuple[Any, ...]

    def values(self) -> tuple[Any, ...]:
        return self.found


def operation(project: Project, graph: Graph, warehouse: Warehouse, macro: str, arguments: Mapping[str, Any]) -> Any:
    """What the macro gives. Raises UsageError where it cannot be called so, RunError where its SQL fails."""
    relations = {node.asked: node for node in graph.of_kind("model") if node.zone != "private"}

    def ref(model: str) -> str:
        if model not in relations:
            raise RenderError(f"there is no synthetic or public model '{model}'", nearest(model, relations), model)
        return relations[model].relation

    failed = []

    def run_query(sql: str) -> QueryResult:
        try:
            names, rows = warehouse.query(sql)
        except duckdb.Error as error:
            failed.append(error)
            what = str(error).splitlines()[0]  # of synthetic and public tables: DuckDB's words may be shown
            raise RenderError(
                f"run_query: {what}", "Mend the SQL, or build what it reads: synth build", "run_query"
            ) from None
        return QueryResult(tuple(names), tuple(rows))

    names = {"ref": ref, "run_query": run_query, "execute": True, "target": project.target_words}
    try:
        return project.renderer.macro(macro, arguments, names)
    except RenderError as error:
        where = f"{error.place}: " if error.place else ""
        kind = RunError if failed else UsageError
        raise kind(f"{where}{error.what}", error.fix) from None
