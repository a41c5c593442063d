"""A laboratory's results for tests of sources: typed rows, the project that declares them, and what becomes of them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from compiling import compile_folder, write
from synth.artifacts.compiled import SyntheticModel
from synth.errors import RunError
from synth.runtime.private_zone import PrivateZone

Values = tuple[object, ...]
Write = Callable[[Path], object]

NAMES = ("patient", "ward", "dose", "born", "taken", "smoker", "note")
WARDS = ("Süd", 'a "b"; c, d', "x\\y", "it's", "1")
FILES = {
    "synth_project.yml": "name: lab\nbudgets: {patients: {epsilon: 9, approver: the test}}\n",
    "metadata/results.yml": f"""
tables:
  - name: results
    source: lab.results
    max_rows_per_unit: 3
    config: {{epsilon: 1.0, generator: {{kind: independent}}}}
    columns:
      - {{name: patient, type: key}}
      - {{name: ward, type: categorical, values: {json.dumps(WARDS, ensure_ascii=False)}, nullable: true}}
      - {{name: dose, type: number, bounds: [0, 100], rounding: 0.25, nullable: true}}
      - {{name: born, type: date, bounds: [1900-01-01, 2030-01-01], nullable: true}}
      - {{name: taken, type: datetime, bounds: [2000-01-01, 2030-01-01], resolution: minute}}
      - {{name: smoker, type: boolean, nullable: true}}
""",
}
SOURCE = """
sources:
  - name: lab
    location: {location}
    privacy: {{population: patients, unit: patient, units: 40}}
    tables: [{{name: results{more}}}]
"""


def rows() -> list[Values]:
    """Typed, with nulls; a midnight and a whole number are among them."""
    return [
        (
            1000 + i // 2, None if i % 9 == 0 else WARDS[i % len(WARDS)], None if i % 7 == 0 else i / 4,
            None if i % 8 == 0 else datetime.date(1950, 1, 1 + i % 28),
            datetime.datetime(2020, 1, 1 + i % 28, i % 3, 30 * (i % 2)),
            None if i % 5 == 0 else i % 2 == 0, "never read",
        )
        for i in range(60)
    ]  # fmt: skip


def text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def project(root: Path, location: str = "data", more: str = "") -> Path:
    return write(root, FILES | {"sources/lab.yml": SOURCE.format(location=location, more=more)})


def compiled(root: Path) -> SyntheticModel:
    return compile_folder(root).synthetic["results"]


def zone(root: Path, model: SyntheticModel | None = None) -> PrivateZone:
    return PrivateZone(root, root / "target" / "internal", model or compiled(root), 1, "1GB", lambda: bytes(32))


def prepared(root: Path, model: SyntheticModel | None = None) -> tuple[list[tuple[int, ...]], dict[str, int]]:
    """Unit and codes of each row, and the counts of what was odd."""
    with zone(root, model) as opened:
        found = opened.prepare()
        return sorted(map(tuple, np.stack((found.unit, *found.columns), axis=1).tolist())), dict(opened.oddities())


def refused(root: Path) -> str:
    with pytest.raises(RunError) as raised:
        prepared(root)
    return str(raised.value)


def copied(statement: str) -> Write:
    """What DuckDB writes of the typed rows; {} stands for the folder."""

    def copy(folder: Path) -> None:
        with duckdb.connect(config={"threads": "1"}) as connection:
            kinds = ("bigint", "varchar", "double", "date", "timestamp", "boolean", "varchar")
            body = ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, kinds, strict=True))
            connection.execute(f"create table rows ({body})")
            connection.executemany("insert into rows values (?, ?, ?, ?, ?, ?, ?)", rows())
            connection.execute(statement.format(folder))

    return copy


def json_text() -> str:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), default=str, ensure_ascii=False) for row in rows()]
    return "\n".join(lines) + "\n"
