"""Beside dbt: its models as sources, synth's tables as its sources, and freshness as it says that. Some tests ask dbt itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml

import synth
from compiling import compile_folder, write
from synth import cli
from synth.errors import ProjectError
from synth.privacy.calibrations import Calibrations
from synth.project.schemas import schemas

VENV = Path(__file__).parent.parent / ".dbt-venv"  # apart from ours: dbt pins other versions of what both use
with_dbt = pytest.mark.skipif(not (VENV / ".installed").exists(), reason="no dbt: say make .dbt-venv/.installed")

PEOPLE = """select i as person_id, case when i % 2 = 0 then 'F' else 'L''autre' end as sex, i % 90 as age,
  date '2000-01-01' + (i % 3000)::integer as came from range(400) as r(i)"""
STAYS = """select i as stay_id, i // 2 as person_id, case when i % 3 = 0 then 'A' else 'B' end as ward,
  i % 5 = 0 as died from range(800) as r(i)"""

WAREHOUSE = {  # a dbt project
    "dbt_project.yml": "name: warehouse\nversion: '1.0'\nprofile: warehouse\n"
    "flags: {send_anonymous_usage_stats: false}\n",
    "profiles.yml": "warehouse:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: warehouse.duckdb\n"
    "      attach:\n        - {path: ../study/target/dev.duckdb, alias: synth, read_only: true}\n",
    "models/people.sql": f"{{{{ config(materialized='table') }}}}\n{PEOPLE}\n",
    "models/staging/all_stays.sql": f"{{{{ config(materialized='ephemeral') }}}}\n{STAYS}\n",
    "models/staging/stays.sql": "{{ config(materialized='view', schema='staging', alias='stays_v2') }}\n"
    "select s.*, p.age >= 18 as adult from {{ ref('all_stays') }} as s join {{ ref('people') }} as p using (person_id)\n",
    "models/schema.yml": "models:\n  - {name: people, description: One row per person, columns: [{name: person_id}]}\n"
    "  - {name: stays, columns: [{name: stay_id}, {name: WARD}, {name: adult, description: at the stay}]}\n",
    "seeds/wards.csv": "ward,floor\nA,1\nB,2\n",
}
STUDY = {  # a synth project that reads it
    "synth_project.yml": "name: study\nbudgets: {patients: {epsilon: 3, approver: the test}}\n",
    "sources/warehouse.yml": """
sources:
  - name: warehouse
    location: ../warehouse/warehouse.duckdb
    loader: dbt
    manifest: "{{ env_var('WAREHOUSE', '../warehouse') }}/target/manifest.json"
    privacy: {population: patients, unit: person_id, units: 400}
    tables: [{name: people}, {name: stays, columns: [Ward, died]}]
  - name: codes
    location: ../warehouse/warehouse.duckdb
    loader: dbt
    manifest: ../warehouse/target/manifest.json
    privacy: public
    tables: [{name: wards, columns: [ward]}]
""",
    "metadata/tables.yml": """
tables:
  - name: people
    source: warehouse.people
    description: "{{ '{{ people }}' }}"
    primary_key: person_id
    config: {epsilon: 1.0, generator: {kind: independent}}
    columns:
      - {name: person_id, type: key, description: "100% new: {# numbers #}"}
      - {name: sex, type: categorical, values: ["F", "L'autre"]}
      - {name: age, type: integer, bounds: [0, 120]}
      - {name: came, type: date, bounds: ["2000-01-01", "2020-01-01"], nullable: true}
  - name: stays
    primary_key: stay_id
    foreign_keys: [{column: person_id, references: people}]
    max_rows_per_unit: 3
    config: {epsilon: 1.0, generator: {kind: independent}}
    columns:
      - {name: stay_id, type: key}
      - {name: person_id, type: key}
      - {name: ward, type: categorical, values: [A, B], unknown: other}
      - {name: died, type: boolean}
  - name: ages
    source: warehouse.people
    primary_key: person_id
    config: {privacy: none, generator: {kind: independent}}
    columns:
      - {name: person_id, type: key}
      - {name: age, type: categorical, values: [1, 2], nullable: true}
""",
    "models/adult_stays.sql": "{{ config(materialized='private') }}select s.* from {{ source('warehouse', 'stays') }} as s"
    " join {{ source('codes', 'wards') }} as w on s.ward = w.ward where s.adult",
    "models/stays.sql": "{{ config(materialized='synthetic') }}select {{ declared_columns() }} from {{ ref('adult_stays') }}",
    "models/per_ward.sql": 'select ward, count(*) as n, 1.5::decimal(4, 2) as "the order" from {{ ref(\'stays\') }} group by 1',
}  # fmt: skip
READER = {  # what dbt makes of synth's tables
    "models/marts/by_ward.sql": "{{ config(materialized='table') }}select ward, count(*) as stays, max(p.age) as oldest "
    "from {{ source('study', 'stays') }} as s "
    "join {{ source('study', 'people') }} as p using (person_id) group by ward\n",
    "models/marts/orders.sql": "select \"the order\" from {{ source('study', 'per_ward') }}\n",
}


def manifest(adapter: str = "duckdb") -> str:
    """What dbt would write of the warehouse, as far as synth looks at it."""

    def node(kind: str, name: str, schema: str = "main", **more: Any) -> dict[str, Any]:
        where = {"identifier": name} if kind == "source" else {"alias": name}
        return {"name": name, "resource_type": kind, "schema": schema, "config": {}, "columns": {}, **where, **more}

    column = {name: {"name": name, "data_type": None} for name in ("stay_id", "WARD", "adult")}
    nodes = [
        node("model", "people", description="One row per person", columns={"person_id": {"name": "person_id"}}),
        node("model", "stays", "main_staging", alias="stays_v2", columns=column, raw_code="select 1"),
        node("model", "all_stays", config={"materialized": "ephemeral"}),
        node("seed", "wards"),
        node("test", "people_test"),
    ]
    return json.dumps({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": adapter},
        "nodes": {f"{n['resource_type']}.warehouse.{n['name']}": n for n in nodes},
        "sources": {f"source.warehouse.raw.{name}": node("source", name, "raw") for name in ("people", "letters")},
        "exposures": {"whatever": 1},
    })  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study beside a manifest; nothing that it tells of is there."""
    write(tmp_path / "warehouse", {"target/manifest.json": manifest()})
    return write(tmp_path / "study", STUDY)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synth", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ, timeout=300)


# ---------------------------------------------------------------- dbt's models as sources


def test_the_manifest_tells_where_tables_lie_and_what_they_are(study: Path) -> None:
    """Also of tables that are not there: no row is read."""
    people, stays, wards = compile_folder(study).sources
    assert people.table == "people" and people.format.type == "duckdb" and people.format.schema_name is None
    assert (stays.table, stays.format.schema_name) == ("stays_v2", "main_staging")
    assert {c.name for c in stays.columns} == {"person_id", "Ward", "died", "stay_id", "adult"}
    assert wards.table == "wards" and wards.unit is None
    loaded = synth.Project(study)
    assert loaded.project.sources["warehouse"].source.tables[0].description == "One row per person"


def test_what_yaml_says_goes_before_the_manifest(study: Path) -> None:
    text = STUDY["sources/warehouse.yml"].replace("{name: people}", "{name: people, description: Ours}")
    text = text.replace("{name: wards,", "{name: wards, identifier: source.warehouse.raw.letters,")
    write(study, {"sources/warehouse.yml": text})
    assert compile_folder(study).sources[2].table == "letters"
    assert synth.Project(study).project.sources["warehouse"].source.tables[0].description == "Ours"


def test_postgres_too(study: Path) -> None:
    write(study.parent / "warehouse", {"target/manifest.json": manifest("postgres")})
    at = "postgres://reader@lab.example.org/lab"
    write(study, {"sources/warehouse.yml": STUDY["sources/warehouse.yml"].replace("../warehouse/warehouse.duckdb", at)})
    sources = compile_folder(study).sources
    assert [(s.format.type, s.format.schema_name) for s in sources] == [
        ("postgres", "main"), ("postgres", "main_staging"), ("postgres", "main"),
    ]  # fmt: skip


def test_a_table_that_is_declared_by_hand_as_well_has_one_population(study: Path) -> None:
    by_hand = (
        "sources: [{name: hand, location: ../warehouse/warehouse.duckdb, privacy: public, tables: [{name: people}]}]"
    )
    write(study, {"sources/hand.yml": by_hand})
    with pytest.raises(ProjectError, match="declared public as well"):
        compile_folder(study)


# ---------------------------------------------------------------- synth's tables as dbt's sources


def sources_of(text: str) -> dict[str, dict[str, Any]]:
    """Tables by name, of a file that dbt reads."""
    read = yaml.safe_load(text)
    assert read["version"] == 2
    return {
        f"{source['schema']}.{table['name']}": table | {"source": source["name"], "database": source["database"]}
        for source in read["sources"]
        for table in source["tables"]
    }


def test_what_is_promised_are_data_tests(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    text = synth.Project(study).dbt_sources()
    assert "- {path: target/dev.duckdb, alias: synth, read_only: true}" in text
    tables = sources_of(text)
    assert set(tables) == {
        "synthetic.people", "synthetic.stays", "synthetic.NOT_PRIVATE_ages", "public.per_ward",
    }  # fmt: skip
    people, stays = tables["synthetic.people"], tables["synthetic.stays"]
    assert people["config"] == {"meta": {"synthetic": True, "epsilon": 1.0, "delta": 1e-6}}
    assert people["description"] == "{% raw %}{{ people }}{% endraw %}"
    key, sex, age, came = people["columns"]
    assert key["data_tests"] == ["unique", "not_null"] and key["description"].startswith("{% raw %}100% new")
    assert {"accepted_values": {"arguments": {"values": ["F", "L''autre"]}}} in sex["data_tests"]
    assert (age["data_type"], age["data_tests"]) == ("bigint", ["not_null"])
    assert came == {"name": "came", "quote": True, "data_type": "date"}
    _, person, ward, died = stays["columns"]
    assert {"relationships": {"arguments": {"to": "source('study', 'people')", "field": '"person_id"'}}} in person[
        "data_tests"
    ]
    assert {"accepted_values": {"arguments": {"values": ["A", "B", "__other__"]}}} in ward["data_tests"]
    assert {"accepted_values": {"arguments": {"values": [True, False], "quote": False}}} in died["data_tests"]
    ages = tables["synthetic.NOT_PRIVATE_ages"]
    assert ages["config"] == {"meta": {"synthetic": True, "NOT_PRIVATE": True}}
    assert ages["description"].startswith("NOT PRIVATE:")
    assert {c["name"]: c["data_type"] for c in tables["public.per_ward"]["columns"]} == {
        "ward": "VARCHAR", "n": "BIGINT", "the order": "DECIMAL(4,2)",
    }  # fmt: skip


def test_names_of_the_source_and_of_the_database(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    monkeypatch.chdir(study)
    monkeypatch.setattr("sys.argv", ["synth", "dbt-sources", "--name=made", "--database=lake", "--out=x/made.yml"])
    cli.main()
    assert "Wrote x/made.yml" in capsys.readouterr().out
    tables = sources_of((study / "x" / "made.yml").read_text())
    assert {(table["source"], table["database"]) for table in tables.values()} == {("made", "lake")}
    monkeypatch.setattr("sys.argv", ["synth", "dbt-sources", "--name", "two words"])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    assert ending.value.code == 2 and "--name 'two words' is not a name" in capsys.readouterr().err


# ---------------------------------------------------------------- freshness

FRESHNESS = """
sources:
  - name: lab
    location: data
    freshness: {warn_after: {count: 12, period: hour}, error_after: {count: 2, period: day}}
    privacy: public
    tables:
      - {name: whole}
      - {name: parts, identifier: "parts_*"}
      - {name: own, freshness: {error_after: {count: 30, period: minute}}}
      - {name: calm, freshness: {warn_after: null}}
      - {name: never, freshness: null}
      - {name: gone}
  - name: served
    location: postgres://reader@lab.example.org/lab
    privacy: public
    tables: [{name: results, freshness: {warn_after: {count: 1, period: day}}}]
  - {name: quiet, location: data, privacy: public, tables: [{name: whole2}]}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Files that nobody may read: freshness does not open them."""
    files = {
        "data/whole.csv": 0.5,
        "data/parts_1.csv": 99,
        "data/parts_2.csv": 13,
        "data/own.csv": 1,
        "data/calm.csv": 50,
    }
    root = write(
        tmp_path, {"synth_project.yml": "name: lab\n", "sources/lab.yml": FRESHNESS, **dict.fromkeys(files, "a\n")}
    )
    for name, hours in files.items():
        changed = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
        os.utime(root / name, (changed, changed))
        (root / name).chmod(0)
    return root  # fmt: skip


def test_sources_that_are_fresher_can_be_selected(lab: Path) -> None:
    (lab / "models").mkdir()
    for name in ("whole", "parts"):
        (lab / "models" / f"of_{name}.sql").write_text(
            f"{{{{ config(materialized='private') }}}} select 1 as a from {{{{ source('lab', '{name}') }}}}"
        )

    def ls(*arguments: str) -> tuple[str, str]:
        done = run(lab, "ls", "-s", "source_status:fresher+", *arguments, "--output", "name")
        return done.stdout, done.stderr

    assert "Name its folder: --state DIR." in ls()[1]
    assert "no sources.json of this version of synth in old" in ls("--state", "old")[1]
    run(lab, "source", "freshness", "-s", "source:lab.whole source:lab.own", "-o", "old/sources.json")
    assert "Say first: synth source freshness" in ls("--state", "old")[1]
    run(lab, "source", "freshness")  # of which some are new to it, and one has no file
    assert ls("--state", "old")[0].split() == ["lab.parts", "lab.calm", "of_parts"]
    os.utime(lab / "data" / "whole.csv")
    run(lab, "source", "freshness", "-s", "source:lab.whole source:lab.own")
    assert ls("--state", "old")[0].split() == ["lab.whole", "of_whole"]
    assert "Did you mean fresher?" in run(lab, "ls", "-s", "source_status:fresh", "--state", "old").stderr


def test_sources_are_as_old_as_their_newest_file(lab: Path) -> None:
    done = run(lab, "source", "freshness")
    assert done.returncode == 1 and done.stderr == ""
    report = json.loads((lab / "target" / "sources.json").read_text())
    assert report["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/sources/v3.json"
    found = {result["unique_id"].removeprefix("source.lab."): result for result in report["results"]}
    assert {name: result["status"] for name, result in found.items()} == {
        "lab.whole": "pass", "lab.parts": "warn", "lab.own": "error", "lab.calm": "error", "lab.gone": "runtime error",
        "served.results": "runtime error",
    }  # fmt: skip
    assert found["lab.parts"]["max_loaded_at_time_ago_in_s"] == pytest.approx(13 * 3600, abs=60)
    assert found["lab.own"]["criteria"] == {
        "warn_after": {"count": 12, "period": "hour"}, "error_after": {"count": 30, "period": "minute"}, "filter": None,
    }  # fmt: skip
    assert found["lab.calm"]["criteria"]["warn_after"] is None
    assert "holds no gone.csv" in found["lab.gone"]["error"]
    assert "come from a server" in found["served.results"]["error"]
    lines = [line[10:] for line in done.stdout.splitlines()]
    assert (
        "1 of 6 START  freshness of lab.whole" in lines
        and "1 of 6 PASS freshness of lab.whole  [PASS in 0.00s]" in lines
    )
    assert "2 of 6 WARN freshness of lab.parts  [WARN in 0.00s]" in lines
    assert "3 of 6 ERROR STALE freshness of lab.own  [ERROR STALE in 0.00s]" in lines
    assert lines[-1] == "Done. PASS=1 WARN=1 ERROR=4 TOTAL=6"


def test_a_warning_is_no_failure(lab: Path) -> None:
    done = run(lab, "source", "freshness", "--select", "source:lab.parts", "source:lab.whole", "-o", "old/sources.json")
    assert done.returncode == 0 and not (lab / "target" / "sources.json").exists()
    statuses = [result["status"] for result in json.loads((lab / "old" / "sources.json").read_text())["results"]]
    assert statuses == ["pass", "warn"]


def test_where_nothing_is_declared_nothing_is_judged(lab: Path) -> None:
    found = synth.Project(lab).source_freshness("source:quiet source:lab.never")
    assert found.results == () and not found.failed
    assert "declares freshness" in run(lab, "source", "freshness", "-s", "source:quiet").stdout


# ---------------------------------------------------------------- dbt itself


def dbt(folder: Path, *arguments: str, fails: bool = False) -> str:
    command = [VENV / "bin" / "dbt", "--no-use-colors", *arguments, "--project-dir", ".", "--profiles-dir", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert (done.returncode != 0) == fails, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@with_dbt
def test_synth_reads_what_dbt_built_and_dbt_what_synth_made(tmp_path: Path) -> None:
    warehouse, study = write(tmp_path / "warehouse", WAREHOUSE), write(tmp_path / "study", STUDY)
    (study / "target").mkdir()
    duckdb.connect(str(study / "target" / "dev.duckdb")).close()  # what profiles.yml attaches
    dbt(warehouse, "build")

    # dbt's manifest is what the other tests take it for
    real, ours = json.loads((warehouse / "target" / "manifest.json").read_text()), json.loads(manifest())
    assert real["metadata"]["dbt_schema_version"] == ours["metadata"]["dbt_schema_version"]
    for name in ("model.warehouse.people", "model.warehouse.stays", "seed.warehouse.wards"):
        for key in ("name", "resource_type", "schema", "alias"):
            assert real["nodes"][name][key] == ours["nodes"][name][key]
    jsonschema.validate(yaml.safe_load(STUDY["sources/warehouse.yml"]), schemas()["sources"])

    # synth reads dbt's tables, one of them a view in another schema
    done = run(study, "build", "-s", "people stays per_ward")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR=0" in done.stdout
    assert run(study, "run", "--empty", "-s", "ages").returncode == 0  # so that each table is there

    # dbt reads synth's tables, and tests what is promised of them
    done = run(study, "dbt-sources", "--out", "../warehouse/models/synthetic.yml")
    assert done.returncode == 0 and "NOT PRIVATE" in done.stderr
    write(warehouse, READER)
    said = dbt(warehouse, "build", "--select", "source:study+")
    tests = json.loads((warehouse / "target" / "run_results.json").read_text())["results"]
    assert {result["status"] for result in tests} == {"pass", "success"}
    kinds = {kind for kind in ("unique", "not_null", "accepted_values", "relationships") for r in tests
             if r["unique_id"].startswith(f"test.warehouse.source_{kind}_study")}  # fmt: skip
    assert len(kinds) == 4 and "Deprecat" not in said
    with duckdb.connect(str(warehouse / "warehouse.duckdb"), read_only=True) as built:
        assert built.execute("select sum(stays) > 0 from by_ward").fetchone() == (True,)

    # a row that breaks a promise is found by dbt, too
    with duckdb.connect(str(study / "target" / "dev.duckdb")) as made:
        made.execute("update synthetic.stays set ward = 'X' where stay_id = 1")
        made.execute("update synthetic.stays set person_id = 10000000 where stay_id = 2")
    dbt(warehouse, "test", "--select", "source:study.stays", fails=True)
    tests = json.loads((warehouse / "target" / "run_results.json").read_text())["results"]
    failed = sorted(result["unique_id"] for result in tests if result["status"] == "fail")
    assert [name.removeprefix("test.warehouse.source_").split("___")[0] for name in failed] == [
        "accepted_values_study_stays__ward", "relationships_study_stays__person_id",
    ]  # fmt: skip


@pytest.mark.slow
@with_dbt
def test_dbt_reads_our_sources_json(lab: Path) -> None:
    run(lab, "source", "freshness")
    read = f"""
from dbt.artifacts.schemas.freshness import FreshnessExecutionResultArtifact
found = FreshnessExecutionResultArtifact.read_and_check_versions({str(lab / "target" / "sources.json")!r})
print([str(result.status) for result in found.results])
"""
    done = subprocess.run([VENV / "bin" / "python", "-c", read], capture_output=True, text=True, timeout=100)
    assert done.stdout.count("pass") == 1 and done.stdout.count("runtime error") == 2, done.stderr
