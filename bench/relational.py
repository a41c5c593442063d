"""How much of what linked tables say together is kept: joins of synthetic tables beside the same joins of the source.

``python bench/relational.py``: builds the linked tables of a project once, by default the shipped hospital's;
``--built`` takes those that are there. What the lines mean stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synth import Project
from synth.artifacts.compiled import SyntheticModel
from synth.compiler import family
from synth.runtime.above import Above
from synth.runtime.private_zone import PrivateZone
from synth.runtime.warehouse import Warehouse

BINS, LEVELS = (
    10,
    15,
)  # of a number or a date, by the source's quantiles; of other columns, the most common of the source
Codes = NDArray[np.int64]
Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Table:
    """A linked table: its rows are below those of ``parent``, by ``foreign_key`` and that table's ``key``."""

    model: SyntheticModel
    unit: list[str]
    key: str | None
    parent: str | None
    foreign_key: str | None

    @property
    def columns(self) -> list[str]:
        landed = {column.name for column in self.model.columns}
        return [column.name for column in self.model.plan.layout if column.name in landed]

    @property
    def categories(self) -> list[str]:
        unordered = {column.name for column in self.model.plan.layout if not column.ordered}
        return [name for name in self.columns if name in unordered]

    def measures(self, values: pd.Series[Any]) -> bool:
        """Whether a column of the table, by its name, holds numbers or times."""
        return str(values.name) not in self.categories and not isinstance(values.dtype, pd.StringDtype)

    @property
    def anchors(self) -> dict[str, str]:
        """Of dates that are a time since another one: the other one."""
        keys = [key for key in self.model.declared if key.key == "offset_from" and key.of.startswith("column ")]
        return {key.of.removeprefix("column "): json.loads(key.value) for key in keys}

    @property
    def lasts(self) -> tuple[str, str] | None:
        """The columns with the begin and the end of a row, where no other may overlap it."""
        said = {key.key: json.loads(key.value) for key in self.model.declared if key.of.startswith("table ")}
        return (said["order_by"], said["until"]) if said.get("until") else None


def linked_tables(project: Project) -> dict[str, Table]:
    """By name, parents first; ``SystemExit`` where none is linked."""
    found = {}
    for name, model in project.compile().synthetic.items():
        node = next(n for n in project.graph.of_kind("model") if n.name == name)
        assert node.declared is not None
        parent, keys = family.parent_of(project.graph, node), node.declared.table.foreign_keys
        if parent or family.children_of(project.graph, node):
            foreign_key = next((f.column for f in keys if parent and f.references == parent.asked), None)
            unit = [column.name for column in model.columns if column.key == "unit"]
            found[name] = Table(
                model, unit, node.declared.table.primary_key, parent and parent.name, foreign_key
            )  # fmt: skip
    return found or sys.exit("Error: no table of this project refers to another by foreign_keys")


# rows


def source_rows(project: Project, tables: dict[str, Table], half: int | None, folder: Path) -> Frames:
    """The source's rows that are kept, of everybody or of half of the people, as if they had been drawn and landed."""
    with Warehouse(folder / f"source {half}.duckdb", 1, "4GB") as warehouse:
        for table in tables.values():
            model = table.model.model_copy(update={"constraints": ()})  # rows of the source may break them
            with PrivateZone(project.root, folder, model, 1, "4GB", lambda: bytes(32)) as zone:
                if half is not None:
                    people = [(s.name, ", ".join(f'"{c}"' for c in s.unit)) for s in model.sources if s.unit]
                    zone.narrow({name: f"hash({unit}) % 2 = {half}" for name, unit in people})
                rows = zone.prepare()
                codes = np.stack(rows.columns[: len(model.plan.layout)], axis=1).astype(np.int64)
                sizes = np.bincount(rows.unit)
                if model.link:
                    above = Above.of(warehouse.rows_above(model.link), model.link)
                else:
                    above = Above(sizes, np.arange(len(sizes)))
                sequence = np.repeat(np.arange(len(above.sizes)), above.sizes)
                warehouse.begin_landing(model, {pool.variable: ["made up"] for pool in model.pools}, above.columns)
                warehouse.accept(model, above.named(codes, sequence, above.positions()))
                warehouse.land(model, "")
        return {name: warehouse.frame(f"from {table.model.relation}") for name, table in tables.items()}


def copied(root: Path, folder: Path) -> Project:
    """The project with a target and a ledger of its own."""
    own = shutil.ignore_patterns(".*", "target", "out", "logs", "*.db*", "__pycache__")
    return Project(shutil.copytree(root, folder / "project", ignore=own))


@dataclass(frozen=True)
class Sample:
    """Rows of all tables as numbers: ``levels`` [rows] of each column, the row ``above`` each and the one ``before`` it."""

    tables: dict[str, Table]
    frames: Frames

    def value(self, name: str, column: str) -> pd.Series[Any]:
        """A column's values; a date that is a time since another one as that time, in seconds."""
        values, anchor = self.frames[name][column], self.tables[name].anchors.get(column)
        if anchor is None:
            return values
        other = self.column(name, anchor)
        return (pd.to_datetime(values) - pd.to_datetime(other)).dt.total_seconds().rename(column)

    def column(self, name: str, column: str) -> pd.Series[Any]:
        """A column of the table or, as ``table.column``, of the row above."""
        frame = self.frames[name]
        if column in frame:
            return frame[column]
        parent, _, there = column.partition(".")
        above = self.above(name)
        return self.frames[parent][there].take(above.clip(min=0)).where(above >= 0).set_axis(frame.index)

    def above(self, name: str) -> Codes:
        """The place of the row above each row, -1 for none."""
        table = self.tables[name]
        parent = self.tables[table.parent or ""]
        keys = pd.Index(self.frames[parent.model.name][parent.key])
        return np.asarray(keys.get_indexer(self.frames[name][table.foreign_key]), dtype=np.int64)

    def before(self, name: str) -> Codes:
        """The place of the row before each row of the same person, -1 for none."""
        unit = self.frames[name][self.tables[name].unit]
        same = (unit == unit.shift()).all(axis=1).to_numpy()
        return np.where(same, np.arange(len(unit)) - 1, -1)

    def independent(self, random: np.random.Generator) -> Sample:
        """The same tables and keys; the values of each column in any order."""
        frames = {}
        for name, frame in self.frames.items():
            mixed = {column: random.permutation(frame[column].array) for column in self.tables[name].columns}
            frames[name] = frame.assign(**mixed)
        return Sample(self.tables, frames)


class Scale:
    """Cuts columns into few levels, as the source has them: numbers and times at its quantiles."""

    def __init__(self, source: Sample) -> None:
        self._known: dict[tuple[str, str], NDArray[Any]] = {}
        for name, table in source.tables.items():
            for column in table.columns:
                values = source.value(name, column).dropna()
                if table.measures(values):
                    edges = np.quantile(number(values), np.arange(1, BINS) / BINS) if len(values) else []
                    self._known[name, column] = np.unique(edges)
                else:
                    self._known[name, column] = values.value_counts().index[:LEVELS].to_numpy()

    def levels(self, sample: Sample, name: str) -> list[Codes]:
        """Of each column of a table, 0 for a missing value, int64[rows]."""
        found = []
        for column in sample.tables[name].columns:
            values, known = sample.value(name, column), self._known[name, column]
            if sample.tables[name].measures(values):
                codes = np.searchsorted(known, number(values), side="right") + 1
            else:
                codes = pd.Index(known).get_indexer(values) + 1
                codes[codes == 0] = len(known) + 1
            found.append(np.where(values.isna(), 0, codes).astype(np.int64))
        return found


def number(values: pd.Series[Any]) -> NDArray[np.float64]:
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0)).dt.total_seconds()
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


# what is compared: each measure is a list of figures of a sample, which are set against those of the source

Shares = dict[int, float]


def shares(values: Codes) -> Shares:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), (counts / max(counts.sum(), 1)).tolist(), strict=True))


def distance(one: Shares, other: Shares) -> float:
    """Total variation."""
    return 0.5 * sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other})


Measure = Mapping[str, Sequence[Shares]]


def measures(sample: Sample, scale: Scale) -> dict[str, list[Shares]]:
    """Shares of pairs of levels within rows and across joins, of numbers of rows, of rows that repeat and of odd dates."""
    found: dict[str, list[Shares]] = {}
    levels = {name: scale.levels(sample, name) for name in sample.tables}
    for name, table in sample.tables.items():
        own = levels[name]
        found[f"{name}: pairs within a row"] = [shares(a * 100 + b) for a, b in combinations(own, 2)]
        place, above, step = np.arange(len(sample.frames[name])), table, "the row above"
        while above.parent:
            place = np.where(place >= 0, sample.above(above.model.name)[place], -1)
            there, joined = levels[above.parent], place >= 0
            found[f"{name} x {above.parent}: pairs with {step}"] = [
                shares(a[joined] * 100 + b[place[joined]]) for a, b in product(own, there)
            ]
            above, step = sample.tables[above.parent], f"{step} that"
        if table.parent:
            counts = np.bincount(sample.above(name).clip(min=0), minlength=len(sample.frames[table.parent]))
            found[f"{name}: rows below one of {table.parent}"] = [shares(counts)]
            found[f"{name}: rows below none"] = [shares(sample.above(name) < 0)]
        if table.model.plan.cap > 1:
            before = sample.before(name)
            after = before >= 0
            pairs = product(own, own)
            found[f"{name}: pairs with the row before"] = [shares(a[after] * 100 + b[before[after]]) for a, b in pairs]
            kept = [own[table.columns.index(column)] for column in table.categories]
            found[f"{name}: categories that stay"] = [shares(a[after] == a[before[after]]) for a in kept]
        if table.lasts:
            begin, end = (sample.frames[name][column] for column in table.lasts)
            found[f"{name}: rows that overlap"] = [shares(number(begin)[after] < number(end)[before[after]])]
        if table.anchors:
            found[f"{name}: dates before those they follow"] = [
                shares(number(sample.value(name, column)) < 0) for column in table.anchors
            ]
    return found


def report(samples: Mapping[str, Sample]) -> Iterator[str]:
    """A line for each measure: the mean distance of each sample from the source."""
    scale = Scale(samples["source"])
    found = {name: measures(sample, scale) for name, sample in samples.items()}
    yield f"{'mean total variation from the source':58}{'of':>5}{'synthetic':>11}{'half':>8}{'mixed':>8}{'lost':>8}"
    for what, of in found["source"].items():
        if not of:
            continue

        def away(one: str, other: str = "source") -> float:
            return mean(map(distance, found[one][what], found[other][what]))  # noqa: B023

        synthetic, half, mixed = away("synthetic"), away("one half", "other half"), away("mixed")
        lost = f"{max(synthetic - half, 0) / (mixed - half):8.0%}" if mixed > 2 * half else f"{'':8}"
        yield f"{what:58}{len(of):5}{synthetic:11.3f}{half:8.3f}{mixed:8.3f}{lost}"


def staying(samples: Mapping[str, Sample]) -> Iterator[str]:
    """A line for each category: how often a row has that of the same person's row before."""
    scale = Scale(samples["source"])
    yield f"{'rows with the category of the row before':58}{'source':>16}{'synthetic':>11}"
    for name, table in samples["source"].tables.items():
        if table.model.plan.cap == 1:
            continue
        levels = {of: scale.levels(samples[of], name) for of in ("source", "synthetic")}
        for column in table.categories:
            found = []
            for of in levels:
                own, before = levels[of][table.columns.index(column)], samples[of].before(name)
                found.append(float((own == own[before])[before >= 0].mean()))
            yield f"{f'{name}.{column}':58}{found[0]:16.3f}{found[1]:11.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument(
        "--built", action="store_true", help="compare the tables that the project has built, build none"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as temporary:
        folder = Path(temporary)
        project = Project(given.project) if given.built else copied(given.project, folder)
        tables = linked_tables(project)
        if not given.built:
            results = project.build(select=[*tables])
            if failed := [result for result in results.results if result.status != "success"]:
                sys.exit(f"Error: {failed[0].model}: {failed[0].message}")
        halves = {"source": None, "one half": 0, "other half": 1}
        samples = {name: Sample(tables, source_rows(project, tables, half, folder)) for name, half in halves.items()}
        samples["synthetic"] = Sample(tables, {name: project.table(name) for name in tables})
        samples["mixed"] = samples["source"].independent(np.random.default_rng(0))
        for line in report(samples):
            print(line, flush=True)
        for line in staying(samples):
            print(line, flush=True)


if __name__ == "__main__":
    main()
