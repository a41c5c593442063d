"""The project ``family``: people, their stays, and what happened in those; hand-written rows through its compiled SQL."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from compiling import Private, Row, compile_folder
from synth.artifacts.compiled import Compiled
from synth.runtime.above import Above
from synth.runtime.warehouse import Warehouse

PROJECT = Path(__file__).parent / "projects" / "family"
Tables = Mapping[str, Sequence[Row]]
Records = dict[int, list[tuple[int, ...]]]


def simulate(people: int, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """A town: the old stay more often, insurance mostly stays as it was, and the privately insured move more."""
    random = np.random.default_rng(seed)
    tables: dict[str, list[dict[str, Any]]] = {
        source: [] for source in ("people", "stays", "moves", "tests_done", "reports")
    }
    for person in range(people):
        who, age = {"person_id": f"p{person}"}, int(random.integers(0, 60))
        born = date(2000, 1, 1) - timedelta(days=365 * age + int(random.integers(365)))
        tables["people"].append({**who, "sex": random.choice(["F", "M"]), "born": born})
        came = date(2000, 1, 1) + timedelta(days=int(random.integers(2000)))
        insurance = random.choice(["none", "private", "public"], p=[0.2, 0.3, 0.5])
        for _ in range(random.choice(4, p=[0.1, 0.2, 0.3, 0.4] if age > 30 else [0.3, 0.5, 0.15, 0.05])):
            stay, days = {**who, "stay_id": f"s{len(tables['stays'])}"}, int(random.integers(0, 15))
            went = came + timedelta(days=days) if random.random() < 0.9 else None
            tables["stays"].append({**stay, "insurance": insurance, "came": came, "went": went})
            for _ in range(random.choice(3, p=[0.1, 0.3, 0.6] if insurance == "private" else [0.6, 0.3, 0.1])):
                at = datetime.combine(came, time()) + timedelta(minutes=int(random.integers(1440 * (days + 1))))
                room = int(random.choice([101, 102] if age > 30 else [201, 202]))
                tables["moves"].append({**stay, "move_id": f"m{len(tables['moves'])}", "at": at, "room": room})
            if random.random() < 0.4:
                tables["reports"].append({**stay, "grade": int(random.integers(1, 6))})
            came += timedelta(days=days + int(random.integers(20, 200)))
            insurance = insurance if random.random() < 0.9 else random.choice(["none", "private", "public"])
        for _ in range(random.choice(3)):
            done = {"test_id": f"t{len(tables['tests_done'])}", "positive": int(random.random() < 0.2)}
            tables["tests_done"].append({**who, **done})
    return tables


def write_source(folder: Path, tables: Tables) -> None:
    """A CSV file for each table; what a row does not say is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = {"reports": ["person_id", "stay_id", "test_id", "checked_id", "grade"]}.get(name) or list(rows[0])
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)


def composite(folder: Path) -> Path:
    """The same project where a person is known by two columns together."""
    shutil.copytree(PROJECT, folder)
    source = folder / "sources" / "town.yml"
    source.write_text(source.read_text().replace("unit: person_id", "unit: [town, person_id]"))
    for file in folder.glob("metadata/*.yml"):
        key = "      - {name: person_id, type: key}\n"
        file.write_text(file.read_text().replace(key, f"      - {{name: town, type: key}}\n{key}"))
    return folder


def with_held_out(root: Path) -> Compiled:
    """The project, compiled in this folder, where a quarter of the people are held out."""
    shutil.copytree(PROJECT, root, dirs_exist_ok=True)
    people = root / "metadata" / "people.yml"
    people.write_text(people.read_text().replace("    max_rows", "    holdout: 0.25\n    max_rows"), encoding="utf-8")
    return compile_folder(root)


def codes(compiled: Compiled, name: str, tables: Tables) -> Records:
    """What is prepared of a table by unit: the place of the row above where there is one, the row's own, and the codes."""
    found = defaultdict(list)
    for unit, *rest in Private(compiled.synthetic[name]).load_tables(tables).prepare():
        found[unit].append(tuple(rest))
    return dict(found)


def land(compiled: Compiled, tables: Tables, database: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows that are kept, landed as if they had been drawn; each table by name."""
    landed = {}
    with Warehouse(database, 1, "1GB") as warehouse:
        for name, model in compiled.synthetic.items():  # parents first
            rows = np.array(Private(model).load_tables(tables).prepare(), dtype=np.int64)
            start, width = 3 if model.link else 2, len(model.plan.layout)
            if model.link is None:
                sizes = np.bincount(rows[:, 0])
                above = Above(sizes, np.arange(len(sizes)))
            else:
                above = Above.of(warehouse.rows_above(model.link), model.link)
                assert (above.given == rows[np.cumsum(above.sizes) - 1, start + width :]).all()
            assert above.sizes.sum() == len(rows), name  # the parent knows how many rows are below it
            sequence = np.repeat(np.arange(len(above.sizes)), above.sizes)
            warehouse.begin_landing(model, {}, above.columns)
            values = above.named(rows[:, start : start + width], sequence, above.positions())
            assert warehouse.accept(model, values) == {}
            warehouse.land(model, "")
            names, found = warehouse.query(f"select * from {model.relation}")
            landed[name] = [dict(zip(names, row, strict=True)) for row in found]
    return landed
