"""The tables that ship with the project: their shape, what a synthesizer must find in them, and that metadata fit."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import synth
from synth.errors import ProjectError
from synth.project import spec
from synth.project.loader import Declared, Project, load
from synth.starter import write_starter

ROOT = Path(__file__).parents[1]
HOSPITAL = ROOT / "sources" / "hospital"
FILES = {
    name: HOSPITAL / f"{name}.csv.gz" for name in ("patients", "admissions", "icustays", "outputevents", "d_items")
}
FILES["support"] = ROOT / "sources" / "support" / "support.csv.gz"

# mimic.mit.edu/docs/iii/tables, in lower case
MIMIC_COLUMNS = {
    "patients": "row_id subject_id gender dob dod dod_hosp dod_ssn expire_flag",
    "admissions": "row_id subject_id hadm_id admittime dischtime deathtime admission_type admission_location "
    "discharge_location insurance language religion marital_status ethnicity edregtime edouttime diagnosis "
    "hospital_expire_flag has_chartevents_data",
    "icustays": "row_id subject_id hadm_id icustay_id dbsource first_careunit last_careunit first_wardid last_wardid "
    "intime outtime los",
    "outputevents": "row_id subject_id hadm_id icustay_id charttime itemid value valueuom storetime cgid stopped newbottle "
    "iserror",
    "d_items": "row_id itemid label abbreviation dbsource linksto category unitname param_type conceptid",
}
SUPPORT_COLUMNS = (
    "id event time age num_co edu scoma hday sps surv2m surv6m meanbp wblc hrt resp temp pafi alb bili crea sod ph "
    "glucose bun urine adlp adls sex dzgroup dzclass race diabetes dementia ca dnr sfdm2 income"
)


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """The files as text, and ``stays``: admissions with typed times, age in years and days in hospital."""
    with duckdb.connect() as connection:
        for name, file in FILES.items():
            connection.execute(f"create table {name} as from read_csv('{file}', header = true, all_varchar = true)")
        connection.execute(
            """create table stays as
            select *, date_diff('minute', admitted, discharged) / 1440 as days, hospital_expire_flag = '1' as died,
              lag(admission_type) over person as type_before, lag(diagnosis) over person as diagnosis_before
            from (select *, admittime::timestamp as admitted, dischtime::timestamp as discharged,
                    date_diff('day', dob::timestamp, admittime::timestamp) / 365.25 as age
                  from admissions join patients using (subject_id))
            window person as (partition by subject_id order by admitted)"""
        )
        yield connection


def one(tables: duckdb.DuckDBPyConnection, sql: str) -> float:
    row = tables.execute(sql).fetchone()
    assert row is not None and row[0] is not None
    return float(row[0])


def share(tables: duckdb.DuckDBPyConnection, condition: str, among: str = "true", table: str = "stays") -> float:
    return one(tables, f"select avg(({condition})::int) from {table} where {among}")


def test_columns_are_mimics_in_their_order() -> None:
    for name, columns in MIMIC_COLUMNS.items():
        with gzip.open(FILES[name], "rt") as file:
            assert file.readline() == columns.replace(" ", ",") + "\n"


@pytest.mark.parametrize(
    ("table", "key", "low", "high"),
    [
        ("patients", "subject_id", 46_520, 46_520),
        ("admissions", "hadm_id", 58_000, 60_000),
        ("icustays", "icustay_id", 60_500, 62_500),
        ("outputevents", "row_id", 78_000, 82_000),
        ("d_items", "itemid", 12, 12),
        ("support", "id", 9_105, 9_105),
    ],
)
def test_rows_and_keys(tables: duckdb.DuckDBPyConnection, table: str, key: str, low: int, high: int) -> None:
    assert low <= one(tables, f"select count(*) from {table}") <= high
    assert one(tables, f"select count(*) - count(distinct {key}) from {table}") == 0


def test_children_have_parents(tables: duckdb.DuckDBPyConnection) -> None:
    orphans = "select count(*) from {} anti join {} using ({})"
    assert one(tables, orphans.format("admissions", "patients", "subject_id")) == 0
    assert one(tables, orphans.format("patients", "admissions", "subject_id")) == 0
    assert one(tables, orphans.format("icustays", "admissions", "subject_id, hadm_id")) == 0
    assert one(tables, orphans.format("outputevents", "icustays", "subject_id, hadm_id, icustay_id")) == 0
    assert one(tables, orphans.format("outputevents", "d_items", "itemid")) == 0


def test_one_to_fifteen_admissions_mostly_one(tables: duckdb.DuckDBPyConnection) -> None:
    counts = "(select count(*) as n from admissions group by subject_id)"
    assert one(tables, f"select min(n) from {counts}") == 1
    assert one(tables, f"select max(n) from {counts}") == 15
    assert 0.82 < share(tables, "n = 1", table=counts) < 0.87
    assert (
        0.015
        < 1 - one(tables, "select count(distinct hadm_id) from icustays") / one(tables, "select count(*) from stays")
        < 0.03
    )


def test_years_are_shifted(tables: duckdb.DuckDBPyConnection) -> None:
    assert share(tables, "admitted >= date '2100-01-01' and discharged < date '2220-01-01'") == 1
    assert share(tables, "age between 0 and 90 or age between 299 and 315") == 1
    assert 0.02 < share(tables, "age > 299") < 0.06


def test_a_persons_stays_follow_each_other_and_end_with_death(tables: duckdb.DuckDBPyConnection) -> None:
    tables.execute(
        """create or replace temp view followed as
        select admitted >= lag(discharged) over person as after_the_last, lag(died) over person as dead_before
        from stays window person as (partition by subject_id order by admitted)"""
    )
    assert share(tables, "after_the_last and not dead_before", "after_the_last is not null", "followed") == 1
    assert share(tables, "died = (deathtime is not null) and died = (discharge_location = 'DEAD/EXPIRED')") == 1
    assert (
        share(tables, "dod = left(deathtime, 10) || ' 00:00:00' and dod_hosp = dod and expire_flag = '1'", "died") == 1
    )
    dated = "dod is not distinct from coalesce(dod_hosp, dod_ssn) and (expire_flag = '1') = (dod is not null)"
    assert share(tables, dated, table="patients") == 1


def test_nulls_and_oddities_as_in_mimic(tables: duckdb.DuckDBPyConnection) -> None:
    for column, low, high in [("language", 0.3, 0.6), ("marital_status", 0.1, 0.25), ("religion", 0.002, 0.03)]:
        assert low < share(tables, f"{column} is null") < high
    assert 0.4 < share(tables, "edregtime is not null and edouttime is not null") < 0.6
    assert 0 < share(tables, "discharged < admitted") < 0.003
    assert one(tables, "select count(*) from icustays where outtime is null and los is null") == 10
    exact = "abs(date_diff('second', intime::timestamp, outtime::timestamp) / 86400 - los::double) <= 0.0001"
    assert share(tables, exact, "outtime is not null", "icustays") == 1


def test_dependencies_within_a_stay(tables: duckdb.DuckDBPyConnection) -> None:
    assert share(tables, "insurance = 'Medicare'", "age >= 65") > 0.8
    assert share(tables, "insurance = 'Medicare'", "age between 18 and 60") < 0.3
    assert share(tables, "marital_status = 'WIDOWED'", "age > 80") > 5 * share(
        tables, "marital_status = 'WIDOWED'", "age < 60"
    )
    assert share(tables, "died", "age > 75") > 1.5 * share(tables, "died", "age between 18 and 60")
    assert share(tables, "died", "admission_type = 'EMERGENCY'") > 3 * share(
        tables, "died", "admission_type = 'ELECTIVE'"
    )
    assert share(tables, "language = 'SPAN'", "ethnicity like 'HISPANIC%' and language is not null") > 0.3
    assert share(tables, "language = 'SPAN'", "ethnicity = 'WHITE' and language is not null") < 0.02
    assert share(tables, "isodow(admitted) > 5", "admission_type = 'ELECTIVE'") == 0
    newborn = "admission_type = 'NEWBORN'"
    assert 0.12 < share(tables, newborn) < 0.15
    assert share(tables, "left(dob, 10) = left(admittime, 10)", newborn) == 1


def test_dependencies_in_intensive_care(tables: duckdb.DuckDBPyConnection) -> None:
    care = "(select * from icustays join stays using (hadm_id))"
    mean_days = f"select avg(los::double) from {care} where "
    assert one(tables, mean_days + "died") > 1.5 * one(tables, mean_days + "not died")
    assert share(tables, "first_careunit = 'NICU'", "admission_type = 'NEWBORN'", care) == 1
    assert share(tables, "first_careunit = 'CSRU'", "diagnosis like 'CORONARY ARTERY DISEASE%'", care) > 0.8
    assert share(tables, "first_careunit = 'CSRU'", "diagnosis = 'PNEUMONIA'", care) < 0.05
    assert share(tables, "intime::timestamp >= admitted", table=care) == 1


def test_dependencies_of_what_is_measured(tables: duckdb.DuckDBPyConnection) -> None:
    joined = "outputevents join icustays i using (icustay_id) join d_items using (itemid)"
    measured = f"(select *, i.dbsource as system from {joined})"
    assert 0.01 < share(tables, "value is null", table=measured) < 0.02
    assert share(tables, "valueuom = 'ml'", "system = 'carevue' and value is not null", measured) == 1
    mean = f"select avg(value::double) from {measured} where label like "
    assert one(tables, mean + "'%Foley'") > 3 * one(tables, mean + "'%Nasogastric'")
    chest = share(tables, "label like 'Chest%'", "first_careunit = 'CSRU'", measured)
    assert chest > 5 * share(tables, "label like 'Chest%'", "first_careunit = 'MICU'", measured)


def test_dependencies_between_stays(tables: duckdb.DuckDBPyConnection) -> None:
    assert share(tables, "diagnosis = diagnosis_before", "diagnosis_before is not null") > 0.2
    elective = "admission_type = 'ELECTIVE'"
    assert share(tables, elective, "type_before = 'ELECTIVE'") > 1.5 * share(
        tables, elective, "type_before = 'EMERGENCY'"
    )
    person = "(select count(distinct ethnicity) as n from admissions group by subject_id having count(*) > 1)"
    assert 0.85 < share(tables, "n = 1", table=person) < 1


def test_support(tables: duckdb.DuckDBPyConnection) -> None:
    with gzip.open(FILES["support"], "rt") as file:
        assert file.readline() == SUPPORT_COLUMNS.replace(" ", ",") + "\n"
    assert share(tables, "event = '1'", table="support") == pytest.approx(6201 / 9105)  # deaths, as published
    assert share(tables, "surv6m::double <= surv2m::double", "surv2m is not null", "support") == 1
    assert share(tables, "time::int between 0 and 2050", table="support") == 1


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("MIMIC_DIR", raising=False)
    return load(ROOT)


def of_files(project: Project) -> dict[str, Declared]:
    """The tables whose metadata are those of a file, and not of a query over several."""
    return {name: declared for name, declared in project.tables.items() if declared.table.source}


def test_every_category_of_the_files_is_declared(tables: duckdb.DuckDBPyConnection, project: Project) -> None:
    for name, declared in of_files(project).items():
        for column in declared.table.columns:
            if isinstance(column, spec.CategoricalColumn):
                found = tables.execute(
                    f"select distinct {column.name} from {name} where {column.name} is not null"
                ).fetchall()
                assert {row[0] for row in found} <= {str(value) for value in column.values}, f"{name}.{column.name}"


def test_numbers_and_dates_of_the_files_are_inside_the_bounds(
    tables: duckdb.DuckDBPyConnection, project: Project
) -> None:
    for name, declared in of_files(project).items():
        for column in declared.table.columns:
            bounds = getattr(column, "bounds", None)
            if bounds is not None:
                kind = "double" if isinstance(column, spec.IntegerColumn | spec.NumberColumn) else "timestamp"
                low, high = (f"'{bound}'::{kind}" for bound in bounds)
                inside = share(
                    tables, f"{column.name}::{kind} between {low} and {high}", f"{column.name} is not null", name
                )
                assert inside > 0.999, f"{name}.{column.name}"  # two patients of SUPPORT have an impossible albumin


@pytest.mark.parametrize(
    ("folder", "population", "units"),
    [
        ("", "simulated_patients", 46_520),
        ("/data/mimic-iii-clinical-database-demo-1.4", "mimic_demo_patients", 100),
        ("/data/mimiciii", "mimic_patients", 46_520),
    ],
)
def test_other_rows_are_other_people(monkeypatch: pytest.MonkeyPatch, folder: str, population: str, units: int) -> None:
    monkeypatch.setenv("MIMIC_DIR", folder)
    if not folder:
        monkeypatch.delenv("MIMIC_DIR")
    project = load(ROOT)
    source = project.sources["mimic"].source
    assert (source.privacy.population, source.privacy.units) == (population, units)
    assert source.location == (folder or "sources/hospital")
    assert population in project.settings.budgets


def test_the_simulation_writes_these_files_again(tmp_path: Path) -> None:
    for script in HOSPITAL.glob("*.py"):
        shutil.copy(script, tmp_path)
    subprocess.run([sys.executable, tmp_path / "simulate.py"], check=True)
    for name in MIMIC_COLUMNS:
        assert gzip.decompress((tmp_path / f"{name}.csv.gz").read_bytes()) == gzip.decompress(FILES[name].read_bytes())


def test_one_file_is_the_rows_of_one_population(tmp_path: Path) -> None:
    """Another spelling of its place does not compile; what only the disk knows is refused before a row is read."""
    root = write_starter(tmp_path / "clinic")
    text = {name: root / name for name in ("sources/clinic.yml", "metadata/members.yml", "synth_project.yml")}
    source, table, settings = (path.read_text() for path in text.values())
    budgets = "budgets:\n  others: {epsilon: 3.0, approver: the test}\n"
    text["synth_project.yml"].write_text(
        settings.replace("budgets:  # the cap of each population, over all models and all runs\n", budgets)
    )
    again = table.replace("name: members", "name: again").replace("clinic.members", "other.members")
    (root / "metadata" / "again.yml").write_text(again)

    def other(location: str) -> None:
        declared = source.replace("name: clinic", "name: other").replace("clinic_members", "others")
        (root / "sources" / "other.yml").write_text(
            declared.replace("location: sources/clinic", f"location: {location}")
        )

    for spelling in ("sources/../sources/clinic", str(root / "sources" / "clinic")):
        other(spelling)
        with pytest.raises(ProjectError, match="the table is declared for the population"):
            synth.Project(root).compile()
    file, place = root / "sources" / "clinic" / "members.csv", root / "elsewhere" / "members.csv"
    other("elsewhere")
    place.parent.mkdir()
    for link in (os.symlink, os.link):
        link(file, place)
        (result,) = synth.Project(root).run(select=["again"]).results
        assert result.status == "error" and "read one file" in str(result.message)
        assert not (root / "privacy_ledger.db").exists()
        place.unlink()
