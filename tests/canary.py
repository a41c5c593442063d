"""A project whose every private cell carries a token, and the scanner that finds a token however it is spelled."""

from __future__ import annotations

import base64
import itertools
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

from compiling import write

WORD = "Zq7Kanari"
NUMBER = 918273645546.5  # inside the bounds of its column, so that its code is used
CODE = int(NUMBER * 2)  # on the grid of the column `dose`
SINGLE = struct.unpack("<f", struct.pack("<f", NUMBER))[0]  # what a float32 makes of it
HEADER = "stay,patient,sex,ward,age,dose,born,seen,smoker,note"

FILES = {
    "synth_project.yml": """
name: wards
budgets: {ward_patients: {epsilon: 90, delta: 1e-6, approver: the test}}
targets: {dev: {database: target/dev.duckdb, threads: 1, memory_limit: 500MB}}
""",
    "sources/ward.yml": """
sources:
  - name: ward
    location: sources/ward
    privacy: {population: ward_patients, unit: patient, units: 60}
    tables: [{name: stays, columns: [note]}]
""",
    "metadata/stays.yml": """
tables:
  - name: stays
    source: ward.stays
    primary_key: stay
    max_rows_per_unit: 3
    config: {epsilon: 1.0, rows: 80, generator: {kind: independent}}
    columns:
      - {name: stay, type: key}
      - {name: patient, type: key}
      - {name: sex, type: categorical, values: [F, M], unknown: other}
      - {name: ward, type: categorical, values: [1, 2, 3], unknown: missing, nullable: true}
      - {name: age, type: integer, bounds: [0, 120], nullable: true}
      - {name: dose, type: number, bounds: [0, 2000000000000], rounding: 0.5}
      - {name: born, type: date, bounds: [1900-01-01, 2030-01-01], nullable: true}
      - {name: seen, type: datetime, bounds: [2000-01-01, 2030-01-01], resolution: minute, nullable: true}
      - {name: smoker, type: boolean, nullable: true}
    constraints: [dose >= 0]
""",
    "models/doses.sql": """
{{ config(materialized='table') }}
select sex, count(*) as stays, avg(dose) as dose from {{ ref('stays') }} group by sex
""",
    "tests/nobody_is_other.sql": "select sex from {{ ref('stays') }} where sex = '__other__'\n",
}
FIRST = "generator: {kind: independent}"
STEPS = "generator: {kind: dp_vae, hidden: 8, steps: 3, levels: 4, groups: 3, bins: 6, warm_start: false, tilt: false}"
STAGES = "generator: {kind: dp_vae, hidden: 8, steps: 3, levels: 4, groups: 3, bins: 6}"


def lines() -> list[str]:
    """Two rows for each of 60 patients; what can be declared text is a token, and dates and numbers hold one."""
    return [
        f"{WORD}s{i},{WORD}p{i // 2},{WORD}x,{NUMBER}7,{WORD}a{i},{_dose(i)},{WORD}-19{i % 90 + 10}-13-45,"
        f"2019-02-30 {WORD},{WORD},{WORD} n{i}"
        for i in range(120)
    ]


def _dose(i: int) -> str:
    return f"{NUMBER}" if i % 4 < 3 else f"{int(NUMBER)}{i}918.5"  # one of four is beyond the bounds


def write_project(root: Path) -> Path:
    write(root, FILES)
    source(root).parent.mkdir(parents=True)
    source(root).write_text("\n".join([HEADER, *lines()]) + "\n")
    return root


def source(root: Path) -> Path:
    return root / "sources" / "ward" / "stays.csv"


def _spellings() -> Iterator[bytes]:
    for word in (WORD, f"{int(NUMBER)}", f"{int(NUMBER):,}", f"{NUMBER:.11e}"[:13], f"{SINGLE:.0f}", f"{CODE}"):
        plain = word.encode()
        yield from (plain, plain.lower(), plain.upper(), plain[::-1])
        yield from (plain.hex().encode(), plain.hex().upper().encode())
        yield from (word.encode("utf-16-le"), word.encode("utf-16-be"))
        yield bytes(byte + 1 for byte in plain)  # in DuckDB's keys of sorts
        for before in range(3):  # in base64 a text looks different at each place modulo 3
            coded = base64.b64encode(bytes(before) + plain)
            yield coded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
    yield from (struct.pack(order, NUMBER) for order in ("<d", ">d"))
    yield from (struct.pack("<q", whole) for whole in (CODE, int(NUMBER)))
    yield struct.pack("<f", NUMBER) * 2  # two rows: four bytes alone can be chance


SPELLINGS = tuple(dict.fromkeys(_spellings()))


def found(content: bytes) -> list[bytes]:
    return [spelling for spelling in SPELLINGS if spelling in content]


def leaks(folders: Iterable[Path], private: Iterable[Path]) -> list[str]:
    """Every file below the folders that holds a token, but for what lies in a private one; DuckDB files row by row, too."""
    closed = tuple(private)
    told = []
    for path in itertools.chain.from_iterable(sorted(folder.rglob("*")) for folder in folders):
        if not path.is_file() or any(path.is_relative_to(folder) for folder in closed):
            continue
        content = path.read_bytes()
        if path.suffix == ".duckdb":
            content += rows_of(path)
        told += [f"{path.name}: {spelling!r}" for spelling in found(content)]
        told += [f"the name of {path}"] if found(path.name.encode()) else []
    return told


def rows_of(path: Path) -> bytes:
    """All that a DuckDB file says of itself by SQL; pages may be compressed."""
    with duckdb.connect(str(path), read_only=True) as connection:
        relations = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        said = [connection.execute(f'from "{schema}"."{name}"').fetchall() for schema, name in relations]
        said += [connection.execute(f"from duckdb_{what}()").fetchall() for what in ("tables", "views", "columns")]
    return repr(said).encode()
