"""A command is answered as before while nothing that it depends on has changed, and never otherwise."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import synth as package
from compiling import write
from processes import shared, synth

VERBS = [("ls",), ("ls", "--output", "json"), ("compile",), ("plan",), ("plan", "--json")]
WARD = {
    "synth_project.yml": "name: ward\nvars: {year: 2020}\nbudgets: {patients: {epsilon: 3, approver: the test}}\n"
    "targets: {dev: {database: target/dev.duckdb}, other: {database: target/other.duckdb}}\n",
    "selectors.yml": "selectors: [{name: tables, definition: {union: [people, by_sex]}}]\n",
    "sources/ward.yml": """
sources:
  - name: ward
    location: sources/rows
    privacy: {population: patients, unit: person_id, units: 400}
    tables: [{name: people}]
  - name: extract
    location: ../extract
    privacy: {population: patients, unit: person_id, units: 400}
    tables: [{name: visits}]
  - name: warehouse
    location: ../warehouse/warehouse.duckdb
    loader: dbt
    manifest: ../warehouse/manifest.json
    privacy: public
    tables: [{name: wards, columns: [ward]}]
""",
    "sources/rows/people.csv": "person_id,sex,age\n" + "".join(f"{i},{'FM'[i % 2]},{i % 90}\n" for i in range(400)),
    "metadata/tables.yml": """
tables:
  - name: people
    source: ward.people
    description: "of {{ env_var('WARD', 'nobody') }}"
    primary_key: person_id
    config: {epsilon: 1.0, generator: {kind: independent}}
    columns:
      - {name: person_id, type: key}
      - {name: sex, type: categorical, values: {file: codes/sex.csv, column: code}}
      - {name: age, type: integer, bounds: [0, 120]}
  - name: visits
    source: extract.visits
    config: {privacy: none, generator: {kind: independent}}
    primary_key: person_id
    columns: [{name: person_id, type: key}, {name: ward, type: categorical, values: [A, B]}]
""",
    "codes/sex.csv": "code\nF\nM\n",
    "models/by_sex.sql": "select sex, {{ counted() }} as n from {{ ref('people') }} group by sex",
    "models/by_sex.yml": "models: [{name: by_sex, description: How many}]\n",
    "macros/counted.sql": "{% macro counted() %}count(*){% endmacro %}",
    "tests/too_young.sql": "{{ log('heed this', info=True) }}select * from {{ ref('people') }} "
    "where age < {{ var('year') - 2020 }}",
}  # fmt: skip
NODE = {
    "name": "wards", "resource_type": "seed", "schema": "main", "alias": "wards", "config": {}, "columns": {},
    "description": "Of the hospital",
}  # fmt: skip
OUTSIDE = {
    "extract/visits.csv": "person_id,ward\n1,A\n2,B\n",
    "warehouse/manifest.json": json.dumps(
        {
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "adapter_type": "duckdb"
            },
            "nodes": {"seed.warehouse.wards": NODE}, "sources": {},
        }
    ),
}  # fmt: skip


def settle() -> None:
    """Until no file was changed so short ago that a second change could not be told from the first."""
    time.sleep(0.1)


def answered(project: Path) -> int:
    """How many commands were answered as before."""
    log = project / "logs" / "synth.log"
    return log.read_text().count('"name": "answered"') if log.exists() else 0


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "internal" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in files if "logs" not in path.parts}


def known(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a command says, which is answered as before from now on."""
    settle()
    first = synth(project, *command)
    again = is_answered(project, *command)
    assert (again.stdout, again.stderr, again.returncode) == (first.stdout, first.stderr, 0)
    return again


def is_answered(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    before = answered(project)
    said = synth(project, *command)
    assert answered(project) == before + 1, said.stderr
    return said


def runs(project: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command says that is not answered as before."""
    before = answered(project)
    said = synth(project, *command, **environment)
    assert answered(project) == before
    return said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, compiled, and what lies beside it."""
    around = write(tmp_path_factory.mktemp("around"), OUTSIDE)
    project = write(around / "project", WARD)
    assert synth(project, "compile").returncode == 0
    return project


@pytest.fixture
def ward(made: Path) -> Iterator[Path]:
    """The same, which is put back as it was afterwards."""
    before = contents(made.parent)
    settle()
    yield made
    after = contents(made.parent)
    for path in after.keys() - before.keys():
        (made.parent / path).unlink()
    for path in (path for path, content in before.items() if after.get(path) != content):
        (made.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (made.parent / path).write_bytes(before[path])


@pytest.fixture
def apart(made: Path, tmp_path: Path) -> Path:
    """A copy that one test may spoil."""
    around = shutil.copytree(made.parent, tmp_path / "around", ignore=shutil.ignore_patterns("internal", "logs"))
    settle()
    return around / "project"


# the same


PROCESS = """
import sys
sys.argv[0] = "synth"
from synth.cli import main
main()
open(sys.argv[0] + ".modules", "w").write(" ".join(sys.modules))
"""


def process(project: Path, source: Path, *command: str) -> tuple[bytes, bytes, set[str]]:
    """What a process of its own says, and what it imports. ``source``: the folder of the package."""
    code = PROCESS.replace('sys.argv[0] + ".modules"', repr(str(source.with_suffix(".txt"))))
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=project, env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, set(source.with_suffix(".txt").read_text().split())


def test_it_says_the_same_bytes_and_imports_next_to_nothing_until_synth_itself_changes(
    apart: Path, tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(package.__file__).parent, tmp_path / "source" / "synth", ignore=ignored)
    settle()
    first = process(apart, tmp_path / "source", "plan")
    again = process(apart, tmp_path / "source", "plan")
    assert b"NOT PRIVATE" in again[1] and b"heed this" in again[1] and b"people" in again[0]
    assert first[:2] == again[:2]
    assert "click" in first[2] and not {"click", "pydantic", "logging", "typing", "pathlib"} & again[2]
    (tmp_path / "source" / "synth" / "version.py").touch()
    assert "click" in process(apart, tmp_path / "source", "plan")[2]


@pytest.mark.parametrize("command", VERBS, ids=" ".join)
def test_nothing_is_done_again_where_nothing_changed(command: tuple[str, ...], ward: Path) -> None:
    known(ward, *command)
    before = contents(ward)
    synth(ward, *command)
    assert contents(ward) == before


def test_the_log_says_so_in_its_own_shape(ward: Path) -> None:
    known(ward, "ls")
    line = json.loads((ward / "logs" / "synth.log").read_text().splitlines()[-1])
    assert line["info"].keys() == {"name", "level", "msg", "ts", "invocation_id"} and line["data"]["command"] == "ls"


def test_what_is_kept_is_for_its_owner_and_tells_no_secret(apart: Path) -> None:
    said = synth(apart, "ls", "--vars", "{year: 2020, password: CANARY}", SYNTH_ENV_SECRET_ROWS="CANARY")
    assert said.returncode == 0
    kept = list((apart / "target" / "internal" / "said").iterdir())
    assert len(kept) == 2 and {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert not any(b"CANARY" in path.read_bytes() for path in kept)
    assert stat.S_IMODE((apart / "target" / "internal").stat().st_mode) == 0o700
    assert "internal/said" in synth(apart, "clean").stdout and not kept[0].exists()


def test_the_newest_answers_are_kept(apart: Path) -> None:
    for threads in "1234":
        command = ["ls", "--threads", threads]
        shared()(apart.parent, command, plant="import synth.cli.unchanged as u; u.KEPT = 2")
    kept = list((apart / "target" / "internal" / "said").glob("*.json"))
    assert len(kept) == 2


# another


def edit(file: str, old: str, new: str) -> Callable[[Path], object]:
    def change(project: Path) -> None:
        text = (project / file).read_text()
        assert old in text
        (project / file).write_text(text.replace(old, new))

    return change


def with_its_old_time(project: Path) -> None:
    """As many bytes as before, in the same file, at the same time."""
    file = project / "metadata" / "tables.yml"
    before = file.stat()
    edit("metadata/tables.yml", "120", "119")(project)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns and file.stat().st_size == before.st_size


CHANGES: dict[str, Callable[[Path], object]] = {
    "metadata": edit("metadata/tables.yml", "epsilon: 1.0", "epsilon: 0.9"),
    "metadata, old time": with_its_old_time,
    "settings": edit("synth_project.yml", "epsilon: 3", "epsilon: 2"),
    "a new model": lambda p: (p / "models" / "few.sql").write_text("select * from {{ ref('by_sex') }}"),
    "no model": lambda p: (p / "models" / "few.sql").unlink(),
    "a macro": edit("macros/counted.sql", "*", "sex"),
    "selectors": edit("selectors.yml", "[people, by_sex]", "[people]"),
    "a test": edit("tests/too_young.sql", "heed this", "heed that"),
    "values": edit("codes/sex.csv", "M", "X"),
    "private rows": edit("sources/rows/people.csv", "1,M,1", "1,F,1"),
    "an artifact": edit("target/manifest.json", "by_sex", "by_age"),
    "no artifact": lambda p: (p / "target" / "compiled" / "people" / "prepare.sql").unlink(),
    "a stray file": lambda p: (p / "target" / "compiled" / "models" / "stray.sql").write_text("select 1"),
    "dbt's manifest": edit("../warehouse/manifest.json", "Of the hospital", "Of the other one"),
    "rows elsewhere": edit("../extract/visits.csv", "2,B", "2,A"),
    "rows elsewhere, more": lambda p: (p / ".." / "extract" / "visits.parquet").touch(),
    "a database elsewhere": lambda p: (p / ".." / "warehouse" / "warehouse.duckdb").touch(),
}


def test_every_change_is_noticed(apart: Path) -> None:
    known(apart, "plan")
    for name, change in CHANGES.items():
        change(apart)
        settle()
        runs(apart, "plan")
        assert is_answered(apart, "plan").returncode == 0, name
    (apart / "privacy_ledger.db").write_text("no ledger")
    assert "privacy_ledger.db" in runs(apart, "plan").stderr


@pytest.mark.slow
def test_what_is_installed_below_the_project_is_noticed(ward: Path) -> None:
    libraries, before = ward / ".venv" / "site-packages", answered(ward)
    libraries.mkdir(parents=True)
    (ward / ".venv" / "pyvenv.cfg").touch()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(libraries), str(Path(package.__file__).parents[1])])}

    def ls() -> int:
        settle()
        subprocess.run(
            [sys.executable, "-m", "synth", "ls"], cwd=ward, env=environment, check=True, capture_output=True
        )
        return answered(ward) - before

    assert [ls(), ls()] == [0, 1]
    (libraries / "duckdb-99.dist-info").mkdir()
    assert [ls(), ls()] == [1, 2]


def test_a_secret_of_a_path_is_not_kept(ward: Path) -> None:
    settle()
    for _ in range(2):
        runs(ward, "compile", SYNTH_ENV_SECRET_PLACE="extract")


def test_what_was_removed_from_target_is_there_again(ward: Path) -> None:
    known(ward, "compile")
    before = contents(ward / "target")
    (ward / "target" / "compiled" / "people" / "prepare.sql").unlink()
    runs(ward, "compile")
    assert contents(ward / "target") == before


def test_another_command_environment_or_target_is_another_question(ward: Path) -> None:
    known(ward, "ls")
    for flags in (["--vars", "{year: 2021}"], ["--target", "other"], ["--select", "people"], ["--output", "name"]):
        runs(ward, "ls", *flags)
    known(ward, "ls")
    for name, value in {"WARD": "A", "NO_COLOR": "", "SYNTH_SELECT": "people", "COLUMNS": "60"}.items():
        runs(ward, "ls", **{name: value})
    runs(ward / "models", "ls")


@pytest.mark.slow
def test_a_plan_says_reuse_after_a_build(apart: Path) -> None:
    assert "never fitted" in known(apart, "plan").stdout
    assert synth(apart, "run", "--select", "people").returncode == 0
    settle()
    assert "reuse" in runs(apart, "plan").stdout
    known(apart, "plan")


@pytest.mark.parametrize("file", ["metadata/tables.yml", "macros/counted.sql", "codes/sex.csv"])
def test_what_is_made_is_what_a_fresh_clone_makes_whatever_file_changed(file: str, ward: Path, tmp_path: Path) -> None:
    known(ward, "compile")
    comment = {".sql": "\n-- {{ 1 + 1 }}", ".yml": "\n# changed\n", ".csv": "Z\n"}[Path(file).suffix]
    (ward / file).write_text((ward / file).read_text() + comment)
    shutil.copytree(ward.parent, tmp_path / "around", ignore=shutil.ignore_patterns("target", "logs"))
    clone = tmp_path / "around" / "project"
    write(clone, {"target/calibrations.json": (ward / "target" / "calibrations.json").read_text()})
    said, alike = runs(ward, "compile"), synth(clone, "compile")
    assert (said.stdout, said.stderr, said.returncode) == (alike.stdout, alike.stderr, 0)
    wanted = contents(clone / "target")
    assert {name: content for name, content in contents(ward / "target").items() if name in wanted} == wanted


# never


def broken(project: Path) -> None:
    edit("metadata/tables.yml", "type: integer", "type: integr")(project)


def test_what_fails_tells_its_errors_each_time(ward: Path) -> None:
    broken(ward)
    settle()
    for _ in range(2):
        assert "integr" in runs(ward, "compile").stderr


def test_it_is_turned_off_by_a_variable(ward: Path) -> None:
    known(ward, "ls")
    before = answered(ward)
    synth(ward, "ls", SYNTH_REMEMBER="0")
    assert answered(ward) == before


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda kept: kept[: len(kept) // 2],
    "empty": lambda _: b"",
    "no object": lambda _: b"[1]",
    "deep": lambda _: b"[" * 100_000,
    "no text": lambda _: b"\xff\x00",
    "other words": lambda kept: kept.replace(b"by_sex", b"by_age"),
}


def test_an_answer_that_is_not_as_it_was_kept_is_none(ward: Path) -> None:
    whole = known(ward, "ls").stdout
    for name, spoil in SPOILED.items():
        for path in (ward / "target" / "internal" / "said").glob("*.json"):
            path.write_bytes(spoil(path.read_bytes()))
        assert runs(ward, "ls").stdout == whole, name


def test_where_nothing_can_be_kept_a_command_runs(apart: Path) -> None:
    (apart / "target" / "internal").write_text("no folder")
    settle()
    for _ in range(2):
        assert runs(apart, "ls").returncode == 0


MEANWHILE = """
import synth.cli
run = synth.cli._run
def slow():
    run()
    with open({file!r}, "a") as file:
        file.write("\\n")
synth.cli._run = slow
"""


def test_what_changes_while_a_command_runs_is_not_taken_for_what_it_saw(apart: Path) -> None:
    for file in ("metadata/tables.yml", "target/manifest.json", "../warehouse/manifest.json", "../extract/visits.csv"):
        settle()
        shared()(apart.parent, ["plan"], plant=MEANWHILE.format(file=file))
        settle()
        runs(apart, "plan")


def test_a_variable_that_shells_change_is_heeded_where_it_is_asked_for(ward: Path) -> None:
    edit("tests/too_young.sql", "select", "-- of {{ env_var('OLDPWD') }}\nselect")(ward)
    settle()
    for folder in ("/one", "/two"):
        runs(ward, "compile", OLDPWD=folder)
        assert f"of {folder}" in (ward / "target" / "compiled" / "tests" / "too_young.sql").read_text()


def test_a_named_log_says_what_is_done(ward: Path) -> None:
    settle()
    for _ in range(2):
        runs(ward, "ls", "--log-path", "named.log")


def test_links_are_followed(apart: Path, tmp_path: Path) -> None:
    shutil.move(apart / "metadata", tmp_path / "metadata")
    (apart / "metadata").symlink_to(tmp_path / "metadata")
    (tmp_path / "metadata" / "round").symlink_to(tmp_path / "metadata")
    known(apart, "plan")
    broken(apart)
    assert runs(apart, "plan").returncode == 2
