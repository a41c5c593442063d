"""Linked tables: no row of a person moves another person's, and a person weighs one person in each table's fit.

A table's codes hold those of the row above and counts of rows below, so all tables around it have a say in them.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import figures
from compiling import compile_folder
from family import PROJECT, Tables, codes, simulate
from figures import cases
from replaying import Scales, Tape, fitted, weighs
from synth.artifacts.compiled import Compiled, SyntheticModel
from synth.artifacts.plan import Learning, Plan, SubsampledGaussian
from synth.generator.fit import Codes
from synth.runtime.private_zone import PrivateZone

ROOT = Path(__file__).parents[2]
FAMILY = compile_folder(PROJECT)
PEOPLE = ["1", "2", " 2", "10", "ann", "", None]
STAYS = ["s1", "s2", "s3", " s1", "", None]


def rows(**columns: Sequence[str | None]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(
        st.fixed_dictionaries({name: st.sampled_from(values) for name, values in columns.items()}), max_size=9
    )


WILD = st.fixed_dictionaries(
    {
        "people": rows(person_id=PEOPLE, sex=["F", "M", "X"], born=["1950-01-01", "1990-05-05", "never"]),
        "stays": rows(
            person_id=PEOPLE, stay_id=STAYS, insurance=["none", "public", "magic"], came=["2001-01-01", "2005-01-01", None]
        ),
        "moves": rows(person_id=PEOPLE, stay_id=STAYS, at=["2001-01-02 10:00:00", "2005-02-01 00:00:00"], room=["101", "7"]),
        "tests_done": rows(person_id=PEOPLE, test_id=STAYS, positive=["0", "1"]),
        "reports": rows(person_id=PEOPLE, stay_id=STAYS, grade=["1", "9", None]),
    }
)  # fmt: skip
TAME = {
    name: [row for row in found if row["person_id"] in ("p1", "p2", "p3", "p4")] for name, found in simulate(5).items()
}


def person(row: dict[str, Any]) -> str:
    return (row["person_id"] or "").strip()


def records(name: str, tables: Tables) -> Counter[tuple[tuple[int, ...], ...]]:
    """What is prepared of each person, without who it is."""
    return Counter(tuple(rows) for rows in codes(FAMILY, name, tables).values())


@pytest.mark.parametrize("name", FAMILY.synthetic)
@settings(max_examples=cases(15, 300), deadline=None, phases=[Phase.generate])  # shrinking takes minutes
@given(wild=WILD, gone=st.sampled_from(["1", "2", "10", "ann", "p1", "p2", "p3"]))
def test_leaving_one_person_out_changes_nothing_of_any_other(name: str, wild: Tables, gone: str) -> None:
    """Of people with good rows, and of others whose keys come twice, name other people's rows, or none."""
    tables = {table: [*TAME[table], *wild[table]] for table in wild}
    rest = {table: [row for row in rows if person(row) != gone] for table, rows in tables.items()}
    with_one, without = records(name, tables), records(name, rest)
    assert without <= with_one
    assert (with_one - without).total() <= 1
    assert all(len(record) <= FAMILY.synthetic[name].plan.cap for record in with_one)
    figures.count("cases")


# one person with fifteen admissions, each with a stay in intensive care, among those of the hospital

ADMISSIONS = 15
NOBODY = "999999"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> tuple[Compiled, Callable[[str, bool], Codes]]:
    """The example project over some of its patients, and the codes of a table with and without one person more."""
    folder = tmp_path_factory.mktemp("hospital")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIMIC_DIR", str(folder / "source"))
        compiled = compile_folder(ROOT)
    few = {
        table: [row for row in shipped(table) if int(row["subject_id"]) < 700]
        for table in ("patients", "admissions", "icustays")
    }

    def prepared(name: str, more: bool) -> Codes:
        for table, found in few.items():
            write(folder / "source" / f"{table}.csv", [*found, *(frequent(few, table) if more else ())])
        with PrivateZone(ROOT, folder / "internal", compiled.synthetic[name], 1, "1GB", lambda: b"key") as zone:
            rows = zone.prepare()
            return Codes([np.array(column) for column in rows.columns], np.array(rows.unit), np.array(rows.parent))

    return compiled, prepared


def shipped(table: str) -> Iterator[dict[str, str]]:
    with gzip.open(ROOT / "sources" / "hospital" / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def frequent(tables: Tables, table: str) -> Iterator[dict[str, Any]]:
    """Rows of one person more, like somebody's, but so often and a month apart."""
    first = dict(tables["patients"][0])
    if table == "patients":
        yield first | {"subject_id": NOBODY}
        return
    born = int(str(first["dob"])[:4])
    for i in range(ADMISSIONS):
        month = f"{born + 40 + i // 12}-{i % 12 + 1:02}"
        times = {"admittime": f"{month}-01 07:00:00", "dischtime": f"{month}-09 12:00:00"}
        times |= {"intime": f"{month}-01 08:00:00", "outtime": f"{month}-02 09:00:00"}
        ids = {"subject_id": NOBODY, "hadm_id": f"9{i:05}", "icustay_id": f"8{i:05}"}
        row = tables[table][0]
        yield row | {name: value for name, value in (times | ids).items() if name in row}


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def by_person(found: Codes) -> Counter[tuple[tuple[int, ...], ...]]:
    assert found.parent is not None
    rows = np.stack([found.parent, *found.columns], axis=1)
    return Counter(tuple(map(tuple, part.tolist())) for part in np.split(rows, np.flatnonzero(np.diff(found.unit)) + 1))


def short(model: SyntheticModel) -> Plan:
    """The model's plan with three steps of DP-SGD, and hardly any training on synthetic rows."""
    plan = model.plan
    events = tuple(
        event.model_copy(update={"steps": 3}) if isinstance(event, SubsampledGaussian) else event
        for event in plan.privacy.events
    )
    lesson = Learning(units=300, epochs=1, batch_units=100, learning_rate=1e-3)
    assert plan.dp_sgd and plan.marginal_fit
    return plan.model_copy(
        update={
            "privacy": plan.privacy.model_copy(update={"events": events}),
            "dp_sgd": plan.dp_sgd.model_copy(update={"steps": 3}),
            "marginal_fit": plan.marginal_fit.model_copy(update={"points": 20, "steps": 5}),
            "warm_start": lesson, "refinement": lesson,
        }
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["admissions", "icustays"])
def test_somebody_with_more_rows_than_the_cap_weighs_one_person(
    name: str, hospital: tuple[Compiled, Callable[[str, bool], Codes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """T2 with that person removed, and added: others are as they were, and so are all questions and files."""
    compiled, prepared = hospital
    plan, few, more = short(compiled.synthetic[name]), prepared(name, False), prepared(name, True)
    assert by_person(few) <= by_person(more)
    (record,) = (by_person(more) - by_person(few)).elements()
    assert len(record) == plan.cap == 10
    for first, second in ((few, more), (more, few)):
        tape, again, scales = Tape(), Tape(), (Scales(), Scales())
        monkeypatch.setattr("synth.generator.fit.Curator", scales[0].on(tape.recorder()))
        files = fitted(first, plan, tmp_path / f"{len(first.unit)} alone")
        monkeypatch.setattr("synth.generator.fit.Curator", scales[1].on(again.recorder(tape)))
        assert fitted(second, plan, tmp_path / f"{len(second.unit)} again") == files
        assert again.questions == tape.questions
        weighs(*scales)
        figures.count("pairs without a difference")
