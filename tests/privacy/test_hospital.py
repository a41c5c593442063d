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
from replaying import Scales, Tape, fitted, weighs
from synth.artifacts.compiled import SyntheticModel
from synth.generator.fit import Codes
from synth.runtime.private_zone import PrivateZone, Rows

ROOT = Path(__file__).parents[2]
FILES = ("patients", "admissions", "icustays", "outputevents")
MODELS = ("patients", "admissions", "icustays", "table_one")
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
    for name in FILES:
        with gzip.open(root / "sources" / "hospital" / f"{name}.csv.gz", "rt", newline="") as file:
            tables[name] = list(csv.DictReader(file))
        (root / "sources" / "hospital" / f"{name}.csv.gz").unlink()
    ((person, admissions),) = Counter(line["subject_id"] for line in tables["admissions"]).most_common(1)
    assert admissions == 15
    models = synth.Project(root).compile().synthetic
    found: dict[str, list[Rows]] = {name: [] for name in MODELS}
    for there in (True, False):
        for name in FILES:
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
@pytest.mark.parametrize("name", MODELS)
def test_without_the_person_nobody_else_moves(name: str, prepared: Any) -> None:
    model, rows, others = prepared[name]
    last = int(rows.unit.max())
    assert last == others.unit.max() + 1
    assert 0 < np.sum(rows.unit == last) <= model.plan.cap <= CAP
    for column, other in zip((rows.unit, *rows.columns), (others.unit, *others.columns), strict=True):
        assert np.array_equal(column[rows.unit < last], other)


@pytest.mark.slow
def test_the_person_changes_no_more_than_a_clipped_share(
    prepared: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of admissions, each generated given its patient."""
    model, rows, others = prepared["admissions"]
    there, gone, scales = Tape(), Tape(), (Scales(), Scales())
    monkeypatch.setattr("synth.generator.fit.Curator", scales[0].on(there.recorder()))
    files = fitted(Codes(rows.columns, rows.unit, rows.parent), model.plan, tmp_path / "there")
    monkeypatch.setattr("synth.generator.fit.Curator", scales[1].on(gone.recorder(there)))
    assert fitted(Codes(others.columns, others.unit, others.parent), model.plan, tmp_path / "gone") == files
    assert gone.questions == there.questions
    weighs(*scales)
