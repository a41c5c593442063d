"""The right side through the command line: real processes, real files, real fits on a small simulated table."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from processes import synth
from starting import quick_starter
from synth.privacy.ledger import Ledger, Reserve

pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "synth", *arguments]
    return subprocess.Popen(
        command, cwd=project, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip


def rows(project: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(project / "target" / "dev.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter project, built once; tests that change it must put it back."""
    project = quick_starter(tmp_path_factory.mktemp("project") / "clinic")
    result = synth(project, "build")
    assert result.returncode == 0, result.stdout + result.stderr
    return project


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    return quick_starter(tmp_path / "clinic")


@pytest.fixture
def members(fresh: Path) -> Callable[[list[dict[str, str]]], Path]:
    """Replaces the starter's rows; few declared units make the fit short."""

    def replace(records: list[dict[str, str]]) -> Path:
        names = ["member_id", "sex", "age", "smoker", "region", "systolic", "first_visit", "last_visit"]
        with (fresh / "sources" / "clinic" / "members.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(records)
        edit(fresh / "sources" / "clinic.yml", "units: 4000", "units: 300")
        edit(fresh / "metadata" / "members.yml", "min: 1000", "min: 100")
        return fresh

    return replace


def member(number: int, **changes: str) -> dict[str, str]:
    record = {
        "member_id": f"M{number}", "sex": "F", "age": "40", "smoker": "0", "region": "north", "systolic": "120",
        "first_visit": "2016-01-01", "last_visit": "2017-01-01",
    }  # fmt: skip
    return record | changes


def test_a_build_lands_a_typed_table_with_keys_bounds_and_constraints(built: Path) -> None:
    types = rows(
        built, "select column_name, data_type from information_schema.columns where table_schema = 'synthetic'"
    )
    assert dict(types) == {
        "member_id": "BIGINT", "sex": "VARCHAR", "age": "BIGINT", "smoker": "BOOLEAN", "region": "VARCHAR",
        "systolic": "BIGINT", "first_visit": "DATE", "last_visit": "DATE",
    }  # fmt: skip
    ((count, ids, lowest, highest),) = rows(
        built, "select count(*), count(distinct member_id), min(member_id), max(member_id) from synthetic.members"
    )
    assert (count, ids, lowest, highest) == (4000, 4000, 1, 4000)
    assert rows(built, "select count(*) from synthetic.members where last_visit < first_visit") == [(0,)]
    assert rows(built, "select sum(members)::bigint from public.pressure_by_region") == [(4000,)]


def test_the_synthetic_table_resembles_the_source(built: Path) -> None:
    """Shares and means at epsilon 1, with slack far beyond the noise."""
    ((female, age, north, missing),) = rows(
        built,
        "select avg((sex = 'F')::int), avg(age), avg((region = 'north')::int), avg((systolic is null)::int) "
        "from synthetic.members",
    )
    assert float(str(female)) == pytest.approx(0.5, abs=0.08)
    assert float(str(age)) == pytest.approx(52.5, abs=5)
    assert float(str(north)) == pytest.approx(0.37, abs=0.1)
    assert float(str(missing)) == pytest.approx(0.07, abs=0.06)


def test_a_second_build_reuses_and_spends_nothing(built: Path) -> None:
    before = synth(built, "ledger").stdout
    table = rows(built, "select * from synthetic.members")
    result = synth(built, "build")
    assert result.returncode == 0
    assert "reused, eps 0.00" in result.stdout
    assert synth(built, "ledger").stdout == before
    assert rows(built, "select * from synthetic.members") == table  # same generator, same seed


def test_a_new_constraint_is_held_without_a_new_payment(built: Path) -> None:
    metadata = built / "metadata" / "members.yml"
    original = metadata.read_text()
    edit(metadata, "- last_visit >= first_visit", "- last_visit >= first_visit\n      - not (smoker and age < 25)")
    try:
        result = synth(built, "build")
        assert result.returncode == 0, result.stdout
        assert "reused" in result.stdout
        assert rows(built, "select count(*) from synthetic.members where smoker and age < 25") == [(0,)]
    finally:
        metadata.write_text(original)


def test_a_constraint_that_fails_to_compute_takes_no_paid_generator_away(fresh: Path) -> None:
    metadata = fresh / "metadata" / "members.yml"
    failing = "- last_visit >= first_visit\n      - cast(systolic as tinyint) is null or systolic > 40"
    edit(metadata, "- last_visit >= first_visit", failing)
    result = synth(fresh, "run")
    assert result.returncode == 1, result.stdout
    edit(metadata, failing, "- last_visit >= first_visit")
    result = synth(fresh, "run")
    assert result.returncode == 0 and "reused" in result.stdout, result.stdout


def test_above_the_cap_is_refused_before_a_row_is_read(built: Path) -> None:
    metadata, source = built / "metadata" / "members.yml", built / "sources" / "clinic" / "members.csv"
    original, table = metadata.read_text(), rows(built, "select * from synthetic.members")
    before = synth(built, "ledger").stdout
    edit(metadata, "epsilon: 1.0", "epsilon: 2.9")
    try:
        result = synth(built, "run")
    finally:
        metadata.write_text(original)
    assert result.returncode == 3
    assert re.search(r"^\S+  REFUSED  synthetic\.members  epsilon 2\.9  the budget", result.stdout, re.MULTILINE)
    assert "1 of 2 REFUSED" in result.stdout
    assert "No row was used and nothing was spent" in result.stdout
    assert synth(built, "ledger").stdout == before
    assert rows(built, "select * from synthetic.members") == table
    assert source.exists()


def test_plan_says_what_the_budget_would_say(built: Path) -> None:
    metadata = built / "metadata" / "members.yml"
    original = metadata.read_text()
    told = synth(built, "plan")
    assert told.returncode == 0 and "within the cap" in told.stdout
    assert re.search(r"^reuse +synthetic\.members .* paid for", told.stdout, re.MULTILINE), told.stdout
    edit(metadata, "epsilon: 1.0", "epsilon: 2.99")
    try:
        result = synth(built, "plan")
    finally:
        metadata.write_text(original)
    assert result.returncode == 3
    assert "REFUSED: all that is asked for" in result.stdout


def test_a_fit_at_another_price_takes_no_paid_generator_away(built: Path) -> None:
    metadata = built / "metadata" / "members.yml"
    original = metadata.read_text()
    edit(metadata, "epsilon: 1.0", "epsilon: 0.3")
    try:
        assert "eps 0.30" in synth(built, "run").stdout
    finally:
        metadata.write_text(original)
    assert "reused, eps 0.00" in synth(built, "build").stdout


def test_text_is_made_up_and_nulls_are_imputed(members: Callable[[list[dict[str, str]]], Path]) -> None:
    project = members([member(i, systolic="" if i % 3 else "130") for i in range(300)])
    metadata = project / "metadata" / "members.yml"
    edit(metadata, "bounds: [50, 260], nullable: true", "bounds: [50, 260], impute: median")
    edit(
        metadata,
        "      - {name: smoker",
        """      - {name: name, type: text, fake: name}
      - {name: nhs_number, type: text, fake: nhs_number}
      - {name: decade, type: derived, expression: "age // 10 * 10"}
      - {name: smoker""",
    )
    result = synth(project, "build")
    assert result.returncode == 0, result.stdout + result.stderr
    found = "count(*), count(distinct nhs_number), count(distinct name) > 100, count(*) filter (where systolic is null)"
    assert rows(project, f"select {found}, bool_and(decade = age // 10 * 10) from synthetic.members") == [
        (300, 300, True, 0, True)
    ]
    assert "reused" in synth(project, "run", "--vars", "{}").stdout


def test_what_a_latent_carries_is_told(members: Callable[[list[dict[str, str]]], Path]) -> None:
    project = members([member(i) for i in range(300)])
    edit(project / "metadata" / "members.yml", "hidden: 8", "hidden: 8, latent: 2")
    told = synth(project, "run")
    assert re.search(r"the latent of members carries about \d+\.\d\d nats", told.stdout + told.stderr)


def test_trusted_sql_is_told_on_every_report(members: Callable[[list[dict[str, str]]], Path]) -> None:
    project = members([member(i) for i in range(300)])
    trust = "config: {trust_sql: 'Ada Lovelace: the mean is published', "
    edit(project / "metadata" / "members.yml", "config: {", trust)
    sentence = "TRUSTED SQL: members is not checked to keep people apart. Ada Lovelace: the mean is published"
    ran = synth(project, "build")
    assert ran.returncode == 0, ran.stdout
    assert sentence in re.sub(r"\s+[\d:]+\s+", " ", ran.stdout)
    assert sentence in synth(project, "plan").stdout
    ((comment,),) = rows(project, "select comment from duckdb_tables() where table_name = 'members'")
    assert sentence in str(comment)
    for file in ("plans/members.json", "manifest.json", "validations/members.json"):
        assert sentence in (project / "target" / file).read_text()


def test_what_is_not_built_is_said_so(fresh: Path) -> None:
    shown, tested = synth(fresh, "show", "-s", "members"), synth(fresh, "test")
    assert (shown.returncode, tested.returncode) == (1, 1)
    assert "there is no dev.duckdb yet" in shown.stderr
    assert "nothing of the selection is built" in tested.stderr


def test_a_failed_expectation_shows_the_count_five_rows_and_the_sql(built: Path) -> None:
    test = built / "tests" / "nobody_smokes.sql"
    test.parent.mkdir(exist_ok=True)
    test.write_text("select member_id, smoker from {{ ref('members') }} where smoker\n")
    try:
        result = synth(built, "test")
    finally:
        test.unlink()
    assert result.returncode == 1
    ((smokers,),) = rows(built, "select count(*) from synthetic.members where smoker")
    assert f"{smokers:,} rows break it" in result.stdout
    assert "target/compiled/tests/nobody_smokes.sql" in result.stdout
    assert result.stdout.count(" true") + result.stdout.count(" True") == 5
    assert (built / "target/docs/data_docs/index.html").exists()
    results = json.loads((built / "target/run_results.json").read_text())
    assert results["suites"]


def test_a_locked_database_is_named_and_nothing_is_spent(fresh: Path) -> None:
    (fresh / "target").mkdir()
    hold = (
        "import duckdb, sys, time; c = duckdb.connect('target/dev.duckdb'); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold], cwd=fresh, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        result = synth(fresh, "build")
        holder.kill()
    assert result.returncode == 1
    assert f"locked by process {holder.pid}" in result.stderr
    assert not (fresh / "privacy_ledger.db").exists()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_struck_down_counts_as_spent_and_leaves_the_table(built: Path, blow: signal.Signals) -> None:
    table = rows(built, "select * from synthetic.members")
    metadata = built / "metadata" / "members.yml"
    original = metadata.read_text()
    edit(metadata, "epsilon: 1.0", "epsilon: 0.1" if blow == signal.SIGINT else "epsilon: 0.2")
    try:
        before = open_reservations(built)
        process = start(built, "run")
        while open_reservations(built) == before:
            assert process.poll() is None, "the run ended before it could be struck down"
            time.sleep(0.02)
        process.send_signal(blow)
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "Traceback" not in output
        assert open_reservations(built) == before + 1
        if blow == signal.SIGINT:  # which a process hears
            results = json.loads((built / "target" / "run_results.json").read_text())["results"]
            assert {r["model"]: r["status"] for r in results} == {"members": "skipped", "pressure_by_region": "skipped"}
        assert rows(built, "select * from synthetic.members") == table
    finally:
        metadata.write_text(original)
    assert synth(built, "build").returncode == 0  # the database is not locked, and the old generator is still paid for


def test_the_ledger_knows_whom_a_run_protects_and_is_remembered_by_the_project(built: Path) -> None:
    ledger = Ledger(built / "privacy_ledger.db")
    reserved = next(entry for entry in ledger.history() if isinstance(entry, Reserve))
    assert reserved.guarantee is not None
    assert (reserved.guarantee.unit, reserved.guarantee.units, reserved.guarantee.max_rows_per_unit) == (
        "member_id",
        4000,
        1,
    )
    remembered = json.loads((built / "target" / "ledger_bookmark.json").read_text())
    assert remembered == {"../privacy_ledger.db": ledger.verify().head}


def open_reservations(project: Path) -> int:
    return sum(summary.reserved_open for summary in Ledger(project / "privacy_ledger.db").summary())


CANARY = "CANARY"


@pytest.fixture(params=["odd", "empty", "null"])
def strange(request: pytest.FixtureRequest, members: Callable[[list[dict[str, str]]], Path]) -> Iterator[Path]:
    if request.param == "odd":
        odd = [
            {"age": "1e20"}, {"age": "inf"}, {"age": "nan"}, {"age": f"{CANARY}1"}, {"sex": f"{CANARY}2"},
            {"region": f"{CANARY}3"}, {"first_visit": f"{CANARY}4"}, {"first_visit": "1066-10-14"}, {"member_id": ""},
            {"last_visit": "01/02/2020"}, {"systolic": f'"{CANARY}5'}, {"smoker": f"{CANARY},6"}, {"sex": "<b>"},
        ]  # fmt: skip
        records = [member(i) for i in range(250)] + [member(1000 + i, **change) for i, change in enumerate(odd)]
    elif request.param == "null":
        records = [member(i, systolic="") for i in range(250)]
    else:
        records = []
    yield members(records)


def test_odd_values_empty_and_null_sources_have_a_declared_outcome(strange: Path) -> None:
    """No traceback, no private value outside the private zone, a whole table; counts of odd values are kept inside."""
    result = synth(strange, "build")
    assert result.returncode == 0, result.stdout + result.stderr
    assert rows(strange, "select count(*) from synthetic.members") == [(300,)]
    assert CANARY not in result.stdout + result.stderr
    for path in (strange / "target").rglob("*"):
        if path.is_file() and "internal" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
    counts = strange / "target" / "internal" / "members.oddities.json"
    assert counts.stat().st_mode & 0o777 == 0o600
    assert json.loads(counts.read_text())["rows"] >= 0


def test_a_source_without_a_declared_column_is_refused_before_anything_is_spent(fresh: Path) -> None:
    source = fresh / "sources" / "clinic" / "members.csv"
    edit(source, "systolic", "pressure")
    result = synth(fresh, "build")
    assert result.returncode == 1
    assert "metadata/members.yml:14:16: the source clinic.members has no column 'systolic'" in result.stdout
    assert not [e for e in ledger_kinds(fresh) if e == "reserve"]


def ledger_kinds(project: Path) -> list[str]:
    return [entry.kind for entry in Ledger(project / "privacy_ledger.db").history()]


def test_a_missing_source_is_named(fresh: Path) -> None:
    (fresh / "sources" / "clinic" / "members.csv").unlink()
    for result in (synth(fresh, "build"), synth(fresh, "build", "--quiet")):
        assert result.returncode == 1
        assert "holds no members.csv, .parquet, .jsonl or .xlsx" in (result.stdout or result.stderr)
    assert not (fresh / "privacy_ledger.db").exists()


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "duckdb"])
def test_sources_of_every_kind_give_the_same_codes(fresh: Path, kind: str, tmp_path: Path) -> None:
    import numpy as np

    import synth as package
    from synth.runtime.private_zone import PrivateZone

    def prepared() -> np.ndarray:
        project = package.Project(fresh)
        model = project.compile().synthetic["members"]
        with PrivateZone(project.root, project.folder.internal, model, 1, "1GB", lambda: bytes(32)) as zone:
            found = zone.prepare()
        return np.column_stack([found.unit, *found.columns])

    expected = prepared()
    folder = fresh / "sources" / "clinic"
    location = folder / "clinic.duckdb" if kind == "duckdb" else folder
    with duckdb.connect(str(location) if kind == "duckdb" else ":memory:") as connection:
        typed = f"from read_csv('{folder}/members.csv', types={{'systolic': 'INTEGER'}})"
        if kind == "duckdb":
            connection.execute(f"create table members as {typed}")
            edit(fresh / "sources" / "clinic.yml", "location: sources/clinic ", f"location: {location} ")
        elif kind == "parquet":
            connection.execute(f"copy ({typed}) to '{folder}/MEMBERS.parquet' (format parquet)")
        else:
            connection.execute(
                f"copy (from read_csv('{folder}/members.csv', all_varchar=true)) to '{folder}/Members.csv.gz'"
            )
    (folder / "members.csv").unlink()
    assert np.array_equal(prepared(), expected)


def test_private_rows_are_not_left_in_the_target(built: Path) -> None:
    """A member id of the source is nowhere in what a build leaves behind."""
    for path in (built / "target").rglob("*"):
        if path.is_file():
            assert b"M00017" not in path.read_bytes(), path
