"""``synth draft``: from rows, exact or paid for, from other tools' metadata, and from both."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import compile_folder, write
from synth import Project
from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Price, SourceTable
from synth.artifacts.looks import Answers, Found
from synth.artifacts.plan import Gaussian, PartitionSelection
from synth.cli.root import cli
from synth.draft import draft
from synth.drafting import fill
from synth.drafting.ask import CAPS, ROWS, Questions, order_name
from synth.drafting.shapes import CLEAR, SHAPES
from synth.drafting.spread import EDGES, NUMBER_CELLS, YEARS, number_bounds, rounded, year_bounds
from synth.drafting.table import Column, Table
from synth.drafting.write import metadata, scalar
from synth.errors import BudgetError, ProjectError, RunError, UsageError
from synth.privacy import accounting
from synth.privacy.calibrations import Calibrations
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import least_persons
from synth.project import spec, yaml
from synth.project.jinja import Renderer
from synth.project.loader import load
from synth.starter import write_starter

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden" / "draft"
FOREIGN = TESTS / "foreign"
MIMIC = TESTS.parent / "sources" / "hospital"
SETTINGS = """
name: clinic
budgets: {people: {epsilon: 9.0, delta: 1e-6, approver: the test}}
models: {clinic: {visits: {+epsilon: 1.0}, patients: {+epsilon: 1.0}}}
"""
SOURCES = """
sources:
  - name: clinic
    location: rows
    privacy: {population: people, unit: person_id, units: 3000}
    tables: [{name: visits}, {name: patients}]
"""


def visit(random: Random, number: int, person: int) -> dict[str, Any]:
    """A row with a column of each kind; "" is null."""
    came = datetime(2015, 1, 1) + timedelta(minutes=random.randrange(5 * 525_600))
    went = came + timedelta(minutes=random.randrange(20_000))
    return {
        "visit_id": number, "person_id": f"P{person:04}", "sex": random.choice("FM"),
        "site": random.choice(["007", "010", "123"]), "ward": random.choice([7, 12, 23]),
        "urgent": random.choice(["true", "False"]), "age": random.randrange(18, 100),
        "temperature": round(random.uniform(35, 41), 1), "price": f"{random.randrange(100, 90_000) / 100:.2f}",
        "titre": f"{random.uniform(1, 9):.3f}e-5", "whole": f"{random.randrange(200)}.0",
        "score": random.choice([f"{random.randrange(-50, 50)}"] * 60 + ["n/a"]),
        "born": f"{random.randrange(1, 29):02}/{random.randrange(1, 13):02}/{random.randrange(1930, 2000)}",
        "came": f"{came:%Y-%m-%d %H:%M:%S}", "went": f"{went:%Y-%m-%d %H:%M:%S}" if random.random() < 0.8 else "",
        "booked": f"{came - timedelta(days=9):%Y%m%d}", "clock": f"{came:%H:%M}",
        "note": "It was a long visit, of which there is much to tell: " + "very " * random.randrange(3, 9),
        "surname": "".join(random.choices("abcdefgh", k=6)), "Odd, name": random.choice(["a: b", "NO", "{{ x }}", "é"]),
        "nothing": "", "#hash": 1,
    }  # fmt: skip


def visits(people: int = 1_500) -> list[dict[str, Any]]:
    random, found = Random(1), []
    for person in range(people):
        for _ in range(random.choices([1, 2, 3], [6, 3, 1])[0]):
            found.append(visit(random, len(found) + 1, person))
    return found


def rows(path: Path, table: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("clinic"), {"synth_project.yml": SETTINGS, "sources/clinic.yml": SOURCES})
    rows(root / "rows" / "visits.csv", visits())
    rows(root / "rows" / "patients.csv", [{"person_id": f"P{i:04}", "sex": "FM"[i % 2]} for i in range(1_500)])
    return root


@pytest.fixture
def root(clinic: Path, tmp_path: Path) -> Path:
    shutil.copytree(clinic, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="session")
def exact(clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both tables drafted from private rows."""
    root = tmp_path_factory.mktemp("exact") / "project"
    shutil.copytree(clinic, root)
    (alone,) = draft("clinic.patients", path=root)
    (written,) = draft("clinic.visits", path=root)
    assert (written.file, written.columns, written.todo) == ("metadata/visits.yml", 21, 1)
    assert "DRAFTED FROM PRIVATE ROWS: metadata/visits.yml" in written.warning and alone.warning
    return root


@pytest.fixture
def drafts(exact: Path, tmp_path: Path) -> Path:
    """A copy of that project, in which nothing is to be filled in."""
    root = tmp_path / "drafts"
    shutil.copytree(exact, root)
    (root / "metadata" / "visits.yml").write_text(drafted(root).replace("type: TODO", "type: text"))
    return root


def drafted(root: Path, table: str = "visits") -> str:
    return (root / "metadata" / f"{table}.yml").read_text(encoding="utf-8")


def declared(root: Path, table: str = "visits") -> dict[str, spec.Column]:
    return {column.name: column for column in load(root).tables[table].table.columns}


def reviewed(root: Path) -> None:
    """Every mark removed, as a person does."""
    for path in (root / "metadata").glob("*.yml"):
        lines = [line for line in path.read_text().splitlines() if line.strip() != "drafted: true"]
        path.write_text("\n".join(lines).replace(", drafted: true}", "}") + "\n", encoding="utf-8")


def spent(root: Path) -> list[float]:
    ledger = Ledger(root / "privacy_ledger.db")
    return [entry.epsilon_alone for entry in ledger.history() if entry.kind == "reserve"]


# ---------------------------------------------------------------- from private rows


@pytest.mark.parametrize("table", ["visits", "patients"])
def test_a_draft_of_every_kind_of_column(table: str, exact: Path, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{table}.yml", drafted(exact, table))


@pytest.mark.parametrize("table", ["patients", pytest.param("admissions", marks=pytest.mark.slow)])
def test_a_draft_of_the_simulated_hospital(table: str, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    sources = {"sources/mimic.yml": f"""
sources:
  - name: mimic
    location: {MIMIC}
    privacy: {{population: people, unit: subject_id, units: 46520}}
    tables: [{{name: {table}}}]
"""}  # fmt: skip
    root = write(tmp_path, {"synth_project.yml": "name: hospital\n", **sources})
    draft(f"mimic.{table}", path=root)
    golden(GOLDEN / "hospital" / f"{table}.yml", drafted(root, table))


def test_a_draft_that_was_reviewed_compiles(drafts: Path) -> None:
    text = drafted(drafts)
    (drafts / "metadata" / "visits.yml").write_text(text.replace("# foreign_keys", "foreign_keys"))
    reviewed(drafts)
    visits = compile_folder(drafts).synthetic["visits"]
    assert "went >= came" in [constraint.name for constraint in visits.constraints]
    assert visits.link is not None and visits.link.parent == "patients"


def test_what_a_draft_says_is_true_of_its_rows(drafts: Path) -> None:
    found, table = declared(drafts), visits()
    for name in ("age", "temperature", "price", "titre", "whole"):
        low, high = found[name].bounds  # type: ignore[union-attr]
        assert all(float(low) <= float(row[name]) <= float(high) for row in table), name
    for name in ("sex", "site", "ward", "Odd, name"):
        assert {str(v) for v in found[name].values} == {str(row[name]) for row in table}, name  # type: ignore[union-attr]
    low, high = found["came"].bounds  # type: ignore[union-attr]
    assert all(str(low) <= row["came"] <= str(high) for row in table)
    assert [name for name, column in found.items() if not column.drafted] == [
        "person_id"
    ]  # the source declares the unit


def test_bounds_of_a_draft_are_no_persons_own_number(drafts: Path) -> None:
    largest = max(float(row["price"]) for row in visits())
    assert 890 < largest < 900 == declared(drafts)["price"].bounds[1]  # type: ignore[union-attr]


def test_distinct_text_is_a_key_only_where_it_is_called_like_one(root: Path) -> None:
    people = [
        {"person_id": f"P{i}", "mail": f"{i}@x.org", "card_id": f"C{i}", "number": i, "sex": "FM"[i % 2]}
        for i in range(600)
    ]
    rows(root / "rows" / "patients.csv", people)
    draft("clinic.patients", path=root)
    found = declared(root, "patients")
    assert [found[name].type for name in ("mail", "card_id", "number", "sex")] == ["text", "key", "key", "categorical"]
    assert "# mail has another value in each row" in drafted(root, "patients")
    assert found["mail"].drafted and not found["mail"].lands


def test_a_draft_says_what_comes_next(root: Path) -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["draft", "--project-dir", str(root), *arguments]).stdout

    reviewed = said("clinic.patients").splitlines()
    assert reviewed[-3:] == [
        "Next, in metadata/patients.yml:", "  check what is marked drafted: true, and remove each mark; no run takes it before",
        "Then: synth plan",
    ]  # fmt: skip
    again = CliRunner().invoke(
        cli, ["draft", "--project-dir", str(root), "clinic.patients", "--force"], env={"COLUMNS": "60"}
    )
    assert max(map(len, again.stderr.splitlines())) <= 60
    assert " ".join(again.stderr.split()).endswith("real people's rows showed. Keep it as you keep the source.")
    settings = root / "synth_project.yml"
    settings.write_text(settings.read_text().replace("visits: {+epsilon: 1.0}, ", ""))
    paid = said("clinic.visits", "--epsilon", "1")
    assert "take the # from its line config: {epsilon: 1.0}" in paid and "mark" not in paid
    assert "    # config: {epsilon: 1.0}" in drafted(root)
    assert "fill in " in paid and "# TODO" in drafted(root)


def test_a_run_takes_no_draft_that_nobody_reviewed(drafts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the table itself nor of one that it refers to."""
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1e3)
    text = drafted(drafts).replace("# foreign_keys", "foreign_keys").replace(", drafted: true}", "}")
    (drafts / "metadata" / "visits.yml").write_text(text.replace("    drafted: true\n", ""))
    project = Project(drafts)
    for verb in (project.run, project.build):
        with pytest.raises(ProjectError, match="the metadata of 'patients' were drafted from private rows") as refused:
            verb(select="visits")
        assert len(refused.value.problems) == 1
    assert "nobody has reviewed: keys of the table itself, sex" in project.drafted(["visits", "patients"])
    assert not (drafts / "privacy_ledger.db").exists()
    reviewed(drafts)
    assert Project(drafts).drafted(["visits", "patients"]) == ""


def test_compile_and_plan_warn_of_a_draft(
    drafts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1e3)
    monkeypatch.chdir(drafts)
    for command in (["compile", "-q"], ["plan", "-q"]):
        cli(command, standalone_mode=False)
        assert "nobody has reviewed" in capsys.readouterr().err


def test_what_is_made_of_a_draft_is_for_its_owner_until_it_is_reviewed(
    drafts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1e3)

    def read_by_others() -> set[str]:
        made = (
            p
            for p in (drafts / "target").rglob("*")
            if p.is_file() and not p.is_relative_to(drafts / "target/internal")
        )
        return {path.name for path in made if path.stat().st_mode & 0o077}

    Project(drafts).compile()
    Project(drafts).docs()
    assert read_by_others() == {"catalog.json"}
    with pytest.raises(ProjectError, match="nobody has reviewed"):
        Project(drafts).dbt_sources()
    reviewed(drafts)
    Project(drafts).compile()
    Project(drafts).docs()
    assert {"compiled.json", "manifest.json", "prepare.sql", "patients.json", "index.html"} <= read_by_others()
    assert "clinic" in Project(drafts).dbt_sources()


def test_a_review_does_not_mean_a_new_fit(drafts: Path) -> None:
    before = compile_folder(drafts).synthetic["patients"]
    reviewed(drafts)
    after = compile_folder(drafts).synthetic["patients"]
    assert before.fit_fingerprint() == after.fit_fingerprint()
    assert [key for key in before.declared if "drafted" in key.key] == []


def test_what_rows_do_not_add_is_marked_as_theirs(root: Path) -> None:
    """That no date comes before another would be a constraint; that it is not there tells that somebody's does."""
    for early in ("2001-01-01", "2003-01-01"):
        table = [
            {"person_id": f"P{i}", "came": early if i == 40 else "2002-01-01", "went": "2002-02-02"} for i in range(41)
        ]
        rows(root / "rows" / "patients.csv", table)
        write(root, {"sdv.json": json.dumps({"METADATA_SPEC_VERSION": "V1", "columns": {
            "person_id": {"sdtype": "id"}, **{c: {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"} for c in ("came", "went")},
        }})})  # fmt: skip
        (written,) = draft("clinic.patients", metadata=root / "sdv.json", force=True, path=root)
        assert ("went >= came" in drafted(root, "patients")) == (early == "2001-01-01")
        assert written.warning and "    drafted: true\n" in drafted(root, "patients")
        assert (root / written.file).stat().st_mode & 0o777 == 0o600


def test_a_first_line_of_a_person_is_no_header(root: Path) -> None:
    """Where each row is a person, no unit's column need be there."""
    (root / "rows" / "patients.csv").write_text("P0001,CANARY,2001-02-03\nP0002,F,2001-02-04\n")
    source = SOURCES.replace("unit: person_id", "one_row_per_unit: true")
    write(root, {"sources/clinic.yml": source})
    with pytest.raises(RunError, match="has numbers or dates where names should be") as refused:
        draft("clinic.patients", path=root)
    assert "CANARY" not in str(refused.value) and not (root / "metadata").exists()
    headed = source.replace(
        "{name: patients}", "{name: patients, format: {type: csv, header: [person_id, sex, '2001']}}"
    )
    write(root, {"sources/clinic.yml": headed})
    draft("clinic.patients", path=root)
    assert "name: sex" in drafted(root, "patients")


def test_rows_of_two_populations_are_not_looked_at(root: Path) -> None:
    """Neither budget would know of the other."""
    others = SOURCES.replace("name: clinic", "name: others").replace("population: people", "population: guests")
    (root / "elsewhere").mkdir()
    os.link(root / "rows" / "visits.csv", root / "elsewhere" / "visits.csv")
    write(root, {"sources/others.yml": others.replace("location: rows", "location: elsewhere")})
    for epsilon in (1.0, None):
        with pytest.raises(RunError, match="read one file"):
            draft("clinic.visits", epsilon=epsilon, path=root)
    assert not (root / "privacy_ledger.db").exists()


def saved_as(kind: str, root: Path) -> str:
    """The table of patients as another sort of source; its location."""
    table = [(f"P{i:04}", "FM"[i % 2], i % 7) for i in range(1_500)]
    names = ("person_id", "sex", "visits")
    (root / "rows" / "patients.csv").unlink()
    match kind:
        case "jsonl":
            lines = (json.dumps(dict(zip(names, row, strict=True))) for row in table)
            (root / "rows" / "patients.jsonl").write_text("\n".join(lines) + "\n")
            return "rows"
        case "sqlite":
            with closing(sqlite3.connect(root / "rows.sqlite")) as database:
                database.execute("create table patients (person_id, sex, visits)")
                database.executemany("insert into patients values (?, ?, ?)", table)
                database.commit()
            return "rows.sqlite"
        case "excel":
            book = openpyxl.Workbook()
            for row in (names, *table):
                book.active.append(row)
            book.save(root / "rows" / "patients.xlsx")
            return "rows"
        case _:
            made = f"pandas.DataFrame({table!r}, columns={list(names)})"
            write(root, {"extract.py": f"import pandas\ndef read(table):\n    return {made}\n"})
            return "python:extract:read"


@pytest.mark.parametrize("kind", ["jsonl", "sqlite", "excel", "python"])
def test_every_sort_of_source_can_be_drafted(kind: str, root: Path) -> None:
    source = SOURCES.replace("location: rows", f"location: {saved_as(kind, root)}").replace("{name: visits}, ", "")
    write(root, {"sources/clinic.yml": source})
    if kind == "jsonl":
        with pytest.raises(RunError, match="JSON lines have no header"):
            draft("clinic.patients", path=root)
        write(
            root, {"sources/clinic.yml": source.replace("{name: patients}", "{name: patients, columns: [sex, visits]}")}
        )
    draft("clinic.patients", path=root)
    assert {line.strip() for line in drafted(root, "patients").splitlines() if line.startswith("      - ")} == {
        "- {name: person_id, type: key}",
        "- {name: sex, type: categorical, values: [F, M], drafted: true}",
        "- {name: visits, type: categorical, values: [0, 1, 2, 3, 4, 5, 6], drafted: true}",
    }


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_types_of_the_source_are_taken(kind: str, root: Path) -> None:
    import duckdb

    source = root / "rows" / "visits.csv"
    with duckdb.connect(str(root / "rows.duckdb")) as connection:
        connection.execute(
            f"create table visits as select visit_id::int as visit_id, person_id, urgent::boolean as urgent, "
            f"price::decimal(9, 2) as price, temperature::double as temperature, came::timestamp as came, "
            f"came::date as day, clock::time as clock, age, [age] as ages, interval 1 day as stay "
            f"from read_csv('{source}', all_varchar=true)"
        )
        connection.execute(f"copy visits to '{source.with_suffix('.parquet')}'")
    source.unlink()
    if kind == "duckdb":
        shutil.rmtree(root / "rows")
        (root / "sources" / "clinic.yml").write_text(SOURCES.replace("location: rows", "location: rows.duckdb"))
    draft("clinic.visits", path=root)
    text = drafted(root)
    assert {line.strip() for line in text.splitlines() if line.startswith("      - ")} >= {
        "- {name: visit_id, type: key, drafted: true}",
        "- {name: urgent, type: boolean, drafted: true}",
        "- {name: price, type: decimal, bounds: [0, 900], decimals: 2, drafted: true}",
        '- {name: came, type: datetime, bounds: ["2015-01-01", "2020-01-01"], resolution: minute, drafted: true}',
        '- {name: day, type: date, bounds: ["2015-01-01", "2019-12-31"], drafted: true}',
        "- {name: clock, type: time, drafted: true}",
        "- {name: stay, type: duration, nullable: true}",
        "- {name: ages, type: text}",
    }


# ---------------------------------------------------------------- paid for


def test_a_draft_that_is_paid_for_is_no_secret(root: Path) -> None:
    """False alarm below 1e-6: what it is asked about many people share, and the noise is a few persons."""
    (written,) = draft("clinic.visits", epsilon=8.0, path=root)
    assert written.warning == "" and "drafted" not in drafted(root).partition("columns:")[2]
    first, second = spent(root)
    assert first < 4 and second < 8
    assert Ledger(root / "privacy_ledger.db").summary()[0].spent <= 8
    assert written.paid.startswith("; epsilon 7.9")
    (root / "metadata" / "visits.yml").write_text(drafted(root).replace("type: TODO", "type: text"))
    found = declared(root)
    kinds = {name: column.type for name, column in found.items()}
    assert kinds == {
        "visit_id": "key", "person_id": "key", "sex": "categorical", "site": "categorical", "ward": "categorical",
        "urgent": "boolean", "age": "integer", "temperature": "number", "price": "decimal", "titre": "number",
        "whole": "integer", "score": "integer", "born": "date", "came": "datetime", "went": "datetime", "booked": "date",
        "clock": "time", "note": "text", "surname": "text", "Odd, name": "categorical", "nothing": "text",
    }  # fmt: skip
    assert set(found["site"].values) == {"007", "010", "123"}  # type: ignore[union-attr]
    assert set(found["ward"].values) == {7, 12, 23}  # type: ignore[union-attr]
    assert found["sex"].unknown == "other"  # type: ignore[union-attr]
    assert found["went"].nullable and found["came"].nullable  # a few missing values cannot be told from none
    for name, (low, high) in {"age": (18, 99), "temperature": (35, 41), "price": (1, 900)}.items():
        first, last = map(float, found[name].bounds)  # type: ignore[union-attr]
        assert low / 5 <= first and last <= high * 5.1, name  # loose, since no more can be seen, but not absurd
        assert sum(not first <= float(row[name]) <= last for row in visits()) < 0.03 * 2_100, name
    table = load(root).tables["visits"].table
    assert table.primary_key == "visit_id" and table.max_rows_per_unit in (2, 3)
    draft("clinic.patients", epsilon=0.5, path=root)
    assert set(compile_folder(root).synthetic) == {"visits", "patients"}


def test_a_draft_that_was_paid_for_is_not_paid_twice(root: Path) -> None:
    (first,) = draft("clinic.patients", epsilon=1.0, path=root)
    text = drafted(root, "patients")
    (second,) = draft("clinic.patients", epsilon=1.0, force=True, path=root)
    assert "epsilon" in first.paid and second.paid == "; paid for before, nothing spent"
    assert drafted(root, "patients") == text and len(spent(root)) == 2
    with (root / "rows" / "patients.csv").open("a") as file:
        file.write("P9999,F\n")
    draft("clinic.patients", epsilon=1.0, force=True, path=root)
    assert len(spent(root)) == 4


def test_answers_that_were_changed_are_paid_for_again(root: Path) -> None:
    draft("clinic.patients", epsilon=1.0, path=root)
    for path in (root / "target" / "drafts").glob("*.json"):
        path.write_text(path.read_text() + "\n")
    draft("clinic.patients", epsilon=1.0, force=True, path=root)
    assert len(spent(root)) == 4


@pytest.mark.parametrize("epsilon", [20.0, 9.2])
def test_a_draft_above_the_cap_is_refused_before_a_row_is_used(epsilon: float, root: Path) -> None:
    """Also where its first look alone would be allowed; what the cap leaves can be spent whole."""
    with pytest.raises(BudgetError, match=rf"refuses the draft of clinic\.visits for epsilon {epsilon:g}\. Spent: 0\."):
        draft("clinic.visits", epsilon=epsilon, path=root)
    assert not (root / "metadata").exists() and not spent(root)
    draft("clinic.patients", epsilon=9.0, path=root)


def test_a_draft_of_few_people_says_what_it_could_not_see(root: Path) -> None:
    (written,) = draft("clinic.visits", epsilon=0.01, path=root)
    assert written.todo > 10 and "drafted: true" not in drafted(root)
    assert "bounds" not in drafted(root).partition("columns:")[2].replace("# TODO bounds", "")


def test_paid_answers_stay_when_the_target_is_cleaned(root: Path) -> None:
    draft("clinic.patients", epsilon=1.0, path=root)
    (root / "synth_project.yml").write_text(SETTINGS.replace("visits: {+epsilon: 1.0}, ", ""))
    Project(root).clean()
    assert list((root / "target" / "drafts").glob("*.json"))
    Project(root).clean(everything=True)
    assert not (root / "target" / "drafts").exists()


# ---------------------------------------------------------------- from other tools


@pytest.mark.parametrize("file", ["clinic_metadata.yaml", "hotels.json", "guests.json"])
def test_metadata_of_other_tools(file: str, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    root = write(tmp_path, {"synth_project.yml": "name: empty\n"})
    for written in draft(metadata=FOREIGN / file, path=root):
        name = Path(written.file).stem
        golden(GOLDEN / "foreign" / f"{name}.yml", drafted(root, name))
        assert not written.warning and written.todo


NHSSYNTH = """
columns:
  sex: {categorical: true, missingness: drop}
  ward: {categorical: true, dtype: int64}
  age: {dtype: int64}
  temperature: {dtype: {name: float64, rounding_scheme: 0.1}}
  came: {dtype: {name: datetime64, floor: min}}
  note: drop
constraints:
  - "age in [0,120]"
  - "temperature > 30"
  - "fixcombo sex ward"
"""


@pytest.mark.parametrize("epsilon", [None, 6.0])
def test_rows_fill_the_gaps_of_other_metadata(epsilon: float | None, root: Path) -> None:
    write(root, {"nhs.yaml": NHSSYNTH})
    (written,) = draft("clinic.visits", epsilon, root / "nhs.yaml", path=root)
    assert written.todo == 0
    found, table = declared(root), load(root).tables["visits"].table
    assert list(found) == ["person_id", "sex", "ward", "age", "temperature", "came"]
    assert found["age"].bounds == (0, 120)  # type: ignore[union-attr]
    assert found["temperature"].bounds[0] == 30  # type: ignore[union-attr]
    assert found["ward"].values == (7, 12, 23)  # type: ignore[union-attr]
    assert found["came"].resolution == "minute"  # type: ignore[union-attr]
    warm, combined = table.constraints
    assert warm.expression == "temperature > 30" and combined.combinations == ("sex", "ward")
    assert combined.values == tuple((sex, ward) for sex in "FM" for ward in (12, 23, 7))
    marked = {name for name, column in found.items() if column.drafted}
    assert marked == (set() if epsilon else {"sex", "ward", "temperature", "came"})
    assert table.drafted == (epsilon is None)
    (root / "synth_project.yml").write_text(SETTINGS.replace(", patients: {+epsilon: 1.0}", ""))
    held = {c.name: c.held for c in compile_folder(root).synthetic["visits"].constraints}
    assert held["combinations of sex, ward"] == ("composite",)


def patient(random: Random) -> dict[str, Any]:
    """Where cells and creatinine are known, a constraint that orders them and the temperature hardly ever holds."""
    born = datetime(1930, 1, 1) + timedelta(seconds=random.randrange(10**9))
    found = {
        "dob": f"{born:%Y-%m-%d %H:%M:%S}.500000", "sex": f"{random.randrange(2)}.0", "group": random.choice("ABC"),
        "pulse": f"{random.randrange(50, 160)}.0", "temperature": f"{random.uniform(35, 41):.5f}",
        "sodium": f"{random.randrange(120, 150)}.0", "cells": f"{random.uniform(1, 40):.6f}",
        "creatinine": f"{random.uniform(0.3, 12):.6f}", "event": random.randrange(2),
    }  # fmt: skip
    return {name: "" if random.random() < 0.1 and name != "event" else value for name, value in found.items()}


@pytest.mark.slow
def test_a_study_with_the_metadata_of_another_tool_is_built_with_all_its_constraints(root: Path) -> None:
    random = Random(5)
    rows(root / "rows" / "study.csv", [patient(random) for _ in range(3_000)])
    write(root, {
        "synth_project.yml": SETTINGS.partition("models:")[0]
        + "models: {clinic: {study: {+epsilon: 3.0, +rows: 500, +generator: {kind: independent}}}}\n",
        "sources/clinic.yml": SOURCES.replace("unit: person_id", "one_row_per_unit: true").replace("visits", "study"),
    })  # fmt: skip
    (written,) = draft("clinic.study", 1.0, FOREIGN / "study_metadata.yaml", path=root)
    assert written.todo == 0 and not written.warning
    results = Project(root).build(select="study")
    assert not results.failed
    (suite,) = results.suites
    held = [check for check in suite.results if "cells" in check.expectation.description]
    assert len(held) > 5 and all(check.status == "pass" for check in suite.results)


def test_metadata_that_say_all_need_no_rows(root: Path) -> None:
    """Nothing is asked, so nothing is spent; the source knows the unit."""
    write(root, {"nhs.yaml": "columns:\n  age: {dtype: int64}\nconstraints: ['age in [0,120]']\n"})
    (written,) = draft(metadata=root / "nhs.yaml", path=root)
    assert written.file == "metadata/nhs.yml" and "TODO source" in drafted(root, "nhs")
    write(root, {"patients_metadata.yaml": "columns:\n  sex: {categorical: true}\n"})
    draft(metadata=root / "patients_metadata.yaml", path=root)
    assert "source: clinic.patients" in drafted(root, "patients")
    assert "{name: person_id, type: key}" in drafted(root, "patients")
    assert not (root / "target").exists() and not (root / "privacy_ledger.db").exists()


# ---------------------------------------------------------------- any table


cells = st.one_of(
    st.sampled_from(
        ["", "1", "0", "1.0", "-7.25", "007", "1e300", "nan", "inf", "true", "2001-02-03", "31/12/1999", "12:30"]
    ),
    st.sampled_from(
        ["2001-02-03 10:00:00", "0001-01-01", "9999-12-31", "a", "NO", "{{ x }}", "a: b", "# c", "__other__"]
    ),
    st.text(max_size=8).filter(lambda text: not set(text) & set("\r\n\0") and text.isprintable()),
)
names = st.lists(
    st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8).map("x{}".format).map(str.strip),
    min_size=1, max_size=4, unique_by=str.casefold,
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(header=names, data=st.data())
def test_any_table_drafts_to_metadata_that_load(
    header: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    columns = [data.draw(st.lists(cells, min_size=1, max_size=3)) for _ in header]
    root = write(
        tmp_path_factory.mktemp("any"),
        {
            "synth_project.yml": "name: any\n",
            "sources/any.yml": "sources: [{name: any, location: rows, tables: [{name: table}], "
            "privacy: {population: people, one_row_per_unit: true, units: 20}}]\n",
        },
    )
    rows(root / "rows" / "table.csv", [
        {name: column[i % len(column)] for name, column in zip(header, columns, strict=True)} for i in range(20)
    ])  # fmt: skip
    draft("any.table", path=root)
    text = drafted(root, "table").replace("type: TODO", "type: text")
    write(root, {"metadata/table.yml": text})
    if "TODO" not in text:
        wanted = [name for name in header if not name.startswith("#")]
        assert [c.name for c in load(root).tables["table"].table.columns] == wanted


persons = st.one_of(st.just(0.0), st.floats(0, 1e4))
found = st.lists(
    st.builds(Found, value=cells.map(lambda text: text.strip() or "x"), persons=st.floats(1, 1e4)),
    unique_by=lambda f: f.value, max_size=20,
)  # fmt: skip
numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**60), 2**60))
years = st.integers(1, 9999).map(lambda year: f"{year:04}-06-01 00:00:00")


@settings(max_examples=300, deadline=None)
@given(
    shapes=st.lists(persons, min_size=len(SHAPES), max_size=len(SHAPES)), noise=st.sampled_from([0.0, 3.0]), values=found,
    kind=st.sampled_from(["VARCHAR", "DECIMAL(18,3)", "TIMESTAMP", "BIGINT"]), data=st.data(),
)  # fmt: skip
def test_any_answers_make_metadata_that_load(
    shapes: list[float], noise: float, values: list[Found], kind: str, data: st.DataObject
) -> None:
    header = [("a column", kind), ("unit", "VARCHAR")]
    table = fill.begun(None, "table", "any.table", ("unit",), header, paid=noise > 0)
    caps = data.draw(st.lists(persons, min_size=len(CAPS) + 1, max_size=len(CAPS) + 1))
    first = Answers(cells={"a column shape": shapes, ROWS: caps}, noise=noise)
    table = fill.with_types(table, header, first, exact=noise == 0)
    dated = table.column("a column").type in ("date", "datetime")
    second = Answers(values={"a column values": values}, noise=noise)
    if noise:
        size = YEARS if dated else NUMBER_CELLS
        counts = [0.0] * size
        for place in data.draw(st.lists(st.integers(0, size - 1), max_size=4)):
            counts[place] = 1e3
        second = second.model_copy(update={"cells": {"a column bounds": tuple(counts)}})
    else:
        ends = sorted(data.draw(st.tuples(years, years) if dated else st.tuples(numbers, numbers)))
        second = second.model_copy(update={"extremes": {"a column bounds": tuple(map(str, ends))}})
    table = fill.with_values(table, second, fill.persons_known(first), exact=noise == 0)
    text = metadata(table, ["A draft."])
    if "# TODO" not in text:
        document, problems = yaml.read("f.yml", text)
        assert not problems
        rendered = {**document.data, "tables": [_rendered(document.data["tables"][0])]}
        assert spec.MetadataFile.model_validate(rendered).tables[0].columns[0].name == "a column"


def _rendered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rendered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rendered(inner) for inner in value]
    return Renderer({}).value(value) if isinstance(value, str) else value


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip(" ") == text))
def test_any_text_is_written_so_that_it_is_read(text: str) -> None:
    for form in ("[{}]", "- {}", "- {{a: {}}}"):
        document, problems = yaml.read("f.yml", form.format(scalar(text)))
        assert not problems
        (value,) = document.data
        assert Renderer({}).value(value["a"] if isinstance(value, dict) else value) == text


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(
    "low, high, expected",
    [
        ("18.04", "101.8", (0, 110)), ("31.7", "41.7", (31, 42)), ("110", "181", (110, 190)), ("1989", "1994", (1989, 1994)),
        ("-3", "-3", (-5, -1)),
        ("0", "1.7e308", (0, 8e307)), ("-1.7e308", "1.7e308", (-8e307, 8e307)),
        ("0", "0", (0, 1)), ("6.83", "7.77", (6.8, 7.8)),
    ],
)  # fmt: skip
def test_extremes_are_rounded_outward(low: str, high: str, expected: tuple[float, float]) -> None:
    from decimal import Decimal

    assert tuple(map(float, rounded(Decimal(low), Decimal(high)))) == expected


def test_bounds_from_counts_have_a_step_of_room_and_none_across_zero() -> None:
    def at(*values: float) -> list[float]:
        counts = [0.0] * NUMBER_CELLS
        for value in values:
            counts[2 * EDGES.index(value)] = 100.0
        return counts

    assert number_bounds(at(10, 50), 1.0) == (5, 100)
    assert number_bounds(at(0, 50), 1.0) == (0, 100)
    assert number_bounds(at(-2, 0), 1.0) == (-5, 0)
    assert number_bounds(at(), 1.0) is None
    assert number_bounds([4.0] * NUMBER_CELLS, 1.0) is not None  # together they are clear, none by itself
    counts = [0.0] * YEARS
    counts[190] = counts[200] = 9.0
    assert year_bounds(counts, 1.0) == ("1989-01-01", "2001-12-31")


def test_dates_that_follow_from_others_are_no_constraint_of_their_own() -> None:
    table = Table("t", tuple(Column(name, "date", low="2000-01-01", high="2001-01-01") for name in ("a", "b", "order")))
    facts = {order_name(*pair): True for pair in (("a", "b"), ("b", "order"), ("a", "order"))}
    found = fill.with_values(table, Answers(facts=facts), {}, exact=True)
    assert found.constraints == ("b >= a", '"order" >= b')


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 3.0])
def test_the_page_says_how_many_people_it_takes(epsilon: float) -> None:
    """Of 20 columns, 10 with numbers or dates and 10 with text."""
    source = SourceTable(name="a.b", location="rows", table="b", columns=(), unit=("person",))
    price = Price(epsilon, 1e-6, Budget(epsilon=9, delta=1e-6, approver="the test"))
    drafting = Questions("sources/a.yml", source, "people", 10_000, price)
    header = [(f"c{i}", "VARCHAR") for i in range(20)]
    first = drafting.first_look(Table("b", tuple(Column(name) for name, _ in header), unit=("person",)), header)
    kinds = [Column(n, "number") if i % 2 else Column(n, "text", open=True) for i, (n, _) in enumerate(header)]
    second = drafting.second_look(Table("b", tuple(kinds), unit=("person",)), header, first)
    assert first.privacy and second.privacy
    (forms,), (counts, values) = first.privacy.events, second.privacy.events
    assert isinstance(forms, Gaussian) and isinstance(counts, Gaussian) and isinstance(values, PartitionSelection)
    people = (CLEAR * forms.noise_multiplier, CLEAR * counts.noise_multiplier, least_persons(values))
    row = f"| {epsilon:g} | {' | '.join(str(math.ceil(p)) for p in people)} |"
    assert row in (TESTS.parent / "docs" / "draft.md").read_text()
    events = (*first.privacy.events, *second.privacy.events)
    assert 0.99 * epsilon < accounting.epsilon(events, 1e-6) <= epsilon


def test_a_bare_project_is_right_and_can_be_filled_in(tmp_path: Path) -> None:
    root = tmp_path / "ward 7"
    said = CliRunner().invoke(cli, ["init", "--bare", str(root)]).output
    assert "synth draft hospital.admissions" in said
    assert {path.name for path in root.iterdir()} >= {"sources", "metadata", "models", "macros", "tests"}
    assert "name: ward_7" in (root / "synth_project.yml").read_text()
    assert compile_folder(root).manifest.nodes == {}
    with pytest.raises(UsageError, match=r"no source and no table yet\n.*synth draft"):
        Project(root).plan()
    with pytest.raises(
        UsageError, match=r'no source is declared yet\n.*Take the "# " from the lines of sources/my_source.yml'
    ):
        draft("hospital.admissions", path=root)
    for name in ("synth_project.yml", "sources/my_source.yml"):
        written = (root / name).read_text().splitlines()
        commented = [i for i, line in enumerate(written) if re.match("# +(- )?[a-z]+: ", f"{line} ")]
        assert commented
        for i in commented:
            written[i] = written[i].removeprefix("# ")
        (root / name).write_text("\n".join(written))
    with pytest.raises(ProjectError, match=r"synth_project.yml:5:13: the key 'approver' is missing"):
        compile_folder(root)
    settings_file = root / "synth_project.yml"
    settings_file.write_text(settings_file.read_text().replace("delta: 1e-6}", "delta: 1e-6, approver: the test}"))
    with pytest.raises(UsageError, match=r"only: private source\n.*synth draft hospital.admissions"):
        Project(root).plan()
    rows(root / "sources" / "hospital" / "admissions.csv", [{"patient_id": i, "sex": "FM"[i % 2]} for i in range(200)])
    draft("hospital.admissions", path=root)
    assert declared(root, "admissions")["sex"].type == "categorical"
    assert "sources/*/" in (root / ".gitignore").read_text()


def test_the_starter_can_be_drafted_anew(tmp_path: Path) -> None:
    root = write_starter(tmp_path / "project")
    draft("clinic.members", force=True, path=root)
    columns = declared(root, "members")
    assert columns["smoker"].values == (0, 1)  # type: ignore[union-attr]
    assert "last_visit >= first_visit" in drafted(root, "members")
