"""The project ``family``: people, their stays, and what happened in those; hand-written rows through its compiled SQL."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compiling import Private, Row
from synth.artifacts.compiled import Compiled
from synth.runtime.above import Above
from synth.runtime.warehouse import Warehouse

PROJECT = Path(__file__).parent / "projects" / "family"
Tables = Mapping[str, Sequence[Row]]
Records = dict[int, list[tuple[int, ...]]]


def composite(folder: Path) -> Path:
    """The same project where a person is known by two columns together."""
    shutil.copytree(PROJECT, folder)
    source = folder / "sources" / "town.yml"
    source.write_text(source.read_text().replace("unit: person_id", "unit: [town, person_id]"))
    for file in folder.glob("metadata/*.yml"):
        key = "      - {name: person_id, type: key}\n"
        file.write_text(file.read_text().replace(key, f"      - {{name: town, type: key}}\n{key}"))
    return folder


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
