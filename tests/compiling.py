"""Compiles a project for tests, without a calibration, and runs compiled SQL over hand-written rows in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from synth.artifacts.compiled import Compiled, SyntheticModel
from synth.compiler.compile import compile_project
from synth.graph.dag import Graph, build
from synth.project.loader import load
from synth.quoting import CAP_KEY, HOLDOUT_KEY

Row = Mapping[str, Any]


def no_calibration(_epsilon: float, _delta: float, _events: object) -> float:
    return 1.0


def graph_of(root: Path, variables: Mapping[str, Any] | None = None) -> Graph:
    return build(load(root, variables))


def compile_folder(root: Path, variables: Mapping[str, Any] | None = None) -> Compiled:
    project = load(root, variables)
    return compile_project(project, build(project), no_calibration)


def write(root: Path, files: Mapping[str, str]) -> Path:
    """A project from file texts by path."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


class Private:
    """A private zone in memory: source tables with rows, and the private views of a model; its key is fixed."""

    def __init__(self, model: SyntheticModel) -> None:
        self.model = model
        self.connection = duckdb.connect(config={"threads": "1"})
        for variable in (CAP_KEY, HOLDOUT_KEY):
            self.connection.execute(f"set variable {variable} = 'no secret'")
        for schema in ("source", "private", "synthetic"):
            self.connection.execute(f"create schema {schema}")

    def load(self, rows: Sequence[Row], columns: Iterable[str], sql_type: str = "varchar") -> Private:
        """Rows of the model's one source, each column of one type; a column that a row does not name is null."""
        self._table(self.model.sources[0].name, rows, columns, sql_type)
        return self._views()

    def load_tables(self, tables: Mapping[str, Sequence[Row]]) -> Private:
        """Rows of all sources of a linked model, as text, by the name of the table."""
        for source in self.model.sources:
            self._table(source.name, tables.get(source.table, ()), [c.name for c in source.columns], "varchar")
        return self._views()

    def _table(self, source: str, rows: Sequence[Row], columns: Iterable[str], sql_type: str) -> None:
        names = list(dict.fromkeys(columns))
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        relation = f'"source"."{source}"'
        body = ", ".join(f"{name} {sql_type}" for name in quoted)
        self.connection.execute(f"create or replace table {relation} ({body})")
        if rows:
            marks = ", ".join("?" for _ in names)
            values = [[row.get(name) for name in names] for row in rows]
            self.connection.executemany(f"insert into {relation} values ({marks})", values)

    def _views(self) -> Private:
        for view in self.model.views:
            self.connection.execute(f'create or replace view "private"."{view.name}" as {view.sql}')
        return self

    def prepare(self) -> list[tuple[int, ...]]:
        """Rows of codes: unit, position, and a code for each modelled column."""
        return self.connection.execute(self.model.prepare_sql).fetchall()

    def oddities(self) -> dict[str, int]:
        result = self.connection.execute(self.model.oddities_sql)
        names = [column[0] for column in result.description or ()]
        return dict(zip(names, result.fetchone() or (), strict=True))

    def restore(self, codes: Sequence[tuple[int, ...]]) -> list[dict[str, Any]]:
        """Typed rows, in the order of the codes; also kept as the table ``accepted``."""
        width = len(self.model.plan.layout)
        names = ['"#unit"', '"#position"', '"#draw"', *(f'"#{i}"' for i in range(1, width + 1))]
        self.connection.execute(f"create or replace table codes ({', '.join(f'{name} bigint' for name in names)})")
        drawn = [(unit, position, 0, *rest) for unit, position, *rest in codes]
        if drawn:
            self.connection.executemany(
                f"insert into codes values ({', '.join('?' for _ in names)})",
                [(unit, position, 0, *rest) for unit, position, *rest in codes],
            )
        self.connection.execute(f"create or replace table accepted as {self.model.restore_sql}")
        result = self.connection.execute('select * exclude ("#draw") from accepted order by "#unit", "#position"')
        found = [column[0] for column in result.description or ()]
        return [dict(zip(found, row, strict=True)) for row in result.fetchall()]

    def land(self) -> dict[str, str]:
        """The synthetic table from ``accepted``; its columns' types by name."""
        self.connection.execute(self.model.land_sql)
        described = self.connection.execute(f'describe synthetic."{self.model.name}"').fetchall()
        return {row[0]: row[1] for row in described}

    def failures(self, sql: str) -> int:
        """Rows that break an expectation, counted as a run counts them."""
        found = self.connection.execute(f"select count(*) from ({sql}\n)").fetchone()
        assert found is not None
        return int(found[0])
