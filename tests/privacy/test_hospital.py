"""T2 on the hospital that ships with the project: a person of fifteen admissions, there and gone.

Nobody else's codes move; the fit asks the same questions and ends as the same files where it is given the same answers;
and what each question is about moves by no more than one person, however many rows that person has in three tables.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synth
from synth.artifacts.compiled import SyntheticModel
from synth.generator.fit import Codes, fit
from synth.generator.store import save
from synth.privacy import mechanisms
from synth.privacy.mechanisms import Curator
from synth.privacy.randomness import Randomness
from synth.runtime.private_zone import PrivateZone, Rows

ROOT = Path(__file__).parents[2]
TABLES = ("patients", "admissions", "icustays")
LAST = "zzz"  # the person's name, so that the others are counted as they are without
CAP = 10  # of admissions and stays


def without(lines: Sequence[Mapping[str, str]], person: str) -> list[Mapping[str, str]]:
    return [line for line in lines if line["subject_id"] != person]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SyntheticModel, Rows, Rows]]:
    """Of each model the rows with the person of most admissions, and those without."""
    root = tmp_path_factory.mktemp("hospital")
    for folder in ("sources", "metadata", "models", "macros"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copy(ROOT / "synth_project.yml", root)
    for path in (root / "models" / "hospital").glob("*.sql"):
        path.write_text(path.read_text().replace("config(", "config(generator={'steps': 2, 'hidden': 8}, ", 1))
    tables = {}
    for name in TABLES:
        with gzip.open(root / "sources" / "hospital" / f"{name}.csv.gz", "rt", newline="") as file:
            tables[name] = list(csv.DictReader(file))
        (root / "sources" / "hospital" / f"{name}.csv.gz").unlink()
    ((person, admissions),) = Counter(line["subject_id"] for line in tables["admissions"]).most_common(1)
    assert admissions == 15
    models = synth.Project(root).compile().synthetic
    found: dict[str, list[Rows]] = {name: [] for name in (*TABLES, "table_one")}
    for there in (True, False):
        for name in TABLES:
            others = without(tables[name], person)
            own = [{**line, "subject_id": LAST} for line in tables[name] if line["subject_id"] == person]
            with (root / "sources" / "hospital" / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, tables[name][0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows([*others, *(own if there else [])])
        for name, rows in found.items():
            with PrivateZone(root, root / "internal", models[name], 2, "2GB", lambda: bytes(32)) as zone:
                rows.append(zone.prepare())
    return {name: (models[name], *rows) for name, rows in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TABLES, "table_one"])
def test_without_the_person_nobody_else_moves(name: str, prepared: Any) -> None:
    model, rows, others = prepared[name]
    last = int(rows.unit.max())
    assert last == others.unit.max() + 1
    assert 0 < np.sum(rows.unit == last) <= model.plan.cap <= CAP
    for column, other in zip((rows.unit, *rows.columns), (others.unit, *others.columns), strict=True):
        assert np.array_equal(column[rows.unit < last], other)


class Still(Randomness):
    """No noise: what a mechanism says is what it is about."""

    def normal(self, size: int) -> Any:
        return np.zeros(size)


class Questions:
    """What a curator was asked, about what, and what it said."""

    def __init__(self, answers: list[Any] | None = None) -> None:
        self.asked: list[Any] = []
        self.about: list[tuple[float, Any]] = []  # each with the most that one person may move it
        self.answers: list[Any] = []
        self.given = answers

    def _say(self, asked: Any, about: tuple[float, Any], answer: Any) -> Any:
        self.asked.append(asked)
        self.about.append(about)
        self.answers.append(self.given[len(self.answers)] if self.given else answer)
        return self.answers[-1]

    def curator(self) -> type[Curator]:
        coins = np.random.default_rng(0)

        class Asked(Curator):
            def histogram(_, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                still = mechanisms.noisy_histogram(cells, weights, size, 1.0, Still())
                answer = super().histogram(event_name, cells, weights, size)
                return self._say((event_name, size), (1.0, still), answer)

            def choice(_, event_name: str, candidates: Any, weights: Any) -> Any:
                listed = list(candidates)
                asked = [(c.expected.tolist(), c.handicap) for c in listed]
                return self._say((event_name, asked), (0.0, np.zeros(1)), super().choice(event_name, listed, weights))

            def poisson(_, event_name: str, units: int) -> Any:
                super().poisson(event_name, units)
                taken = coins.random(100_000)[:units] < 0.05
                taken[46_000:] = True  # the person, and some others
                return taken

            def gradient(_, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
                taken = list(batches)
                parts = mechanisms.noisy_gradient(taken, masks, max_grad_norm, 1.0, Still())
                still = np.concatenate([np.ravel(part) for part in parts])
                asked = (event_name, [mask.tobytes() for mask in masks], max_grad_norm)
                answer = super().gradient(event_name, taken, masks, max_grad_norm)
                return self._say(asked, (max_grad_norm, still), answer)

        return Asked


def files(model: SyntheticModel, rows: Rows, folder: Path) -> dict[str, bytes]:
    save(fit(Codes(rows.columns, rows.unit, rows.parent), model.plan, Randomness(), lambda *_: None), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_person_changes_no_more_than_a_clipped_share(
    prepared: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of admissions, each generated given its patient."""
    model, rows, others = prepared["admissions"]
    there = Questions()
    monkeypatch.setattr("synth.generator.fit.Curator", there.curator())
    with_them = files(model, rows, tmp_path / "there")
    gone = Questions(there.answers)
    monkeypatch.setattr("synth.generator.fit.Curator", gone.curator())
    assert files(model, others, tmp_path / "gone") == with_them
    assert gone.asked == there.asked
    moved = [
        (most, float(np.linalg.norm(a - b))) for (most, a), (_, b) in zip(there.about, gone.about, strict=True) if most
    ]
    rounding = 2**-15  # of the noise, to which sums are rounded
    assert all(distance <= most * (1 + rounding) for most, distance in moved)
    assert max(distance / most for most, distance in moved) > 0.5  # it is that person whom this is about
