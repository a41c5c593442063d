"""Macros that are run for what they do: ``synth run-operation``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


@dataclass(frozen=True)
class StatementResult:
    """What ``load_result`` gives of a statement that fetched."""

    table: QueryResult

    @property
    def data(self) -> tuple[tuple[Any, ...], ...]:
        return self.table.rows


class _Database:
    """The target's database, as macros ask it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse, self.failed = warehouse, False
        self.kept: dict[str, StatementResult] = {}

    def run_query(self, sql: str) -> QueryResult:
        return self._asked(sql, "run_query")

    def statement(
        self, name: str | None = None, fetch_result: bool = False, *, caller: Callable[[], str], **_: Any
    ) -> str:  # fmt: skip
        """dbt's block, whose body is the SQL; of its further words none means anything here."""
        found = self._asked(str(caller()), "statement")
        if name is not None and fetch_result:
            self.kept[name] = StatementResult(found)
        return ""

    def load_result(self, name: str) -> StatementResult:
        if name not in self.kept:
            fix = f"Say it before: {{% call statement('{name}', fetch_result=True) %}}."
            raise RenderError(
                f"no statement '{name}' has fetched a result", f"{nearest(name, self.kept)} {fix}".strip(), name
            )
        return self.kept[name]

    def _asked(self, sql: str, word: str) -> QueryResult:
        try:
            names, rows = self.warehouse.query(sql)
        except duckdb.InterruptException:  # Ctrl-C
            raise
        except duckdb.Error as error:
            self.failed = True
            what = str(error).splitlines()[0]  # of synthetic and public tables: DuckDB's words may be shown
            raise RenderError(f"{word}: {what}", "Mend the SQL, or build what it reads: synth build", word) from None
        return QueryResult(tuple(names), tuple(rows))


def operation(project: Project, graph: Graph, warehouse: Warehouse, macro: str, arguments: Mapping[str, Any]) -> Any:
    """What the macro gives. Raises UsageError where it cannot be called so, RunError where its SQL fails."""
    relations = {node.asked: node for node in graph.of_kind("model") if node.zone != "private"}

    def ref(model: str) -> str:
        if model not in relations:
            raise RenderError(f"there is no synthetic or public model '{model}'", nearest(model, relations), model)
        return relations[model].relation

    database = _Database(warehouse)
    asks = {name: getattr(database, name) for name in ("run_query", "statement", "load_result")}
    names = {"ref": ref, **asks, "execute": True, "target": project.target_words}
    try:
        return project.renderer.macro(macro, arguments, names)
    except RenderError as error:
        where = f"{error.place}: " if error.place else ""
        kind = RunError if database.failed else UsageError
        raise kind(f"{where}{error.what}", error.fix) from None
