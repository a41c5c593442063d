"""dbt itself is asked: the same selectors, over the same graph, mean the same nodes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from synth import cli
from synth.artifacts.results import Expectation, ExpectationResult, Invocation, Results, RunResult, SuiteResult
from synth.privacy.calibrations import Calibrations
from twin import DBT, ROWS, SYNTH, write_twin

VENV = Path(__file__).parent.parent / ".dbt-venv"  # apart from ours: dbt pins other versions of what both use

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (VENV / ".installed").exists(), reason="no dbt: say make .dbt-venv/.installed"),
]

# arguments of dbt ls and of synth ls
SAME = """

--select people
--select people visits
--select nothing_of_the_name+,people
--select people --select visits
--select people,odd --indirect-selection empty
--select tag:raw,tag:mart
--select *
--select by_*
--select *_ward
--select b?_age
--select [bo]*
--select not_null_*
--select *visits*
--select +visits
--select visits+
--select 1+visits
--select 2+both
--select visits+1
--select 1+by_age+1
--select 0+visits
--select people+0
--select +by_ward+1
--select @stg_people
--select @by_age
--select @source:codes
--select +not_odd
--select 1+across
--select no_old+
--select hospital
--select ward
--select ward.marts
--select ward.marts.deep.both
--select marts.deep
--select marts.*
--select staging.*.stg_visits
--select staging.r*
--select deep
--select fqn:marts.by_age
--select in_set_visits_ward
--select +relationships_visits_person
--select tag:mart
--select tag:night*
--select tag:mart,tag:nightly
--select tag:mart tag:raw
--select tag:core+
--select +tag:nightly,tag:mart+
--select source:clinic
--select source:clinic.visits
--select source:cl*.v*
--select source:ward.codes.wards
--select source:*
--select source:codes+1
--select path:models/marts
--select path:models/marts/*.sql
--select path:models/**/by_*.sql
--select path:models/**
--select path:./models/hospital
--select path:tests/deep
--select path:metadata/hospital/tables.yml
--select path:metadata/*/*.yml
--select models/marts/deep
--select models/odd.sql
--select odd.sql
--select file:by_age.sql
--select file:by_*
--select file:stg_visits
--select file:clinic.yml
--select resource_type:source
--select resource_type:model
--select resource_type:test
--select resource_type:test,no_*
--select test_type:singular
--select test_type:generic
--select test_type:data
--select test_type:schema,people
--select test_name:not_null
--select test_name:*e
--select test_name:relationships
--select test_name:unique,people+
--select config.materialized:view
--select config.materialized:table+
--select config.materialized:private
--select config.materialized:synthetic,tag:core
--select config.materialized:test
--select config.tags:nightly
--select config.enabled:true
--select config.severity:ERROR
--exclude marts
--exclude people
--exclude test_type:generic
--select people+ --exclude visits
--select people+ --exclude by_age both
--select +both --exclude +by_age,resource_type:model
--select marts --exclude resource_type:test
--exclude path:models
--select people --exclude test_name:type
--select visits --exclude test_name:relationships --indirect-selection cautious
--select people --indirect-selection cautious
--select people --indirect-selection buildable
--select people --indirect-selection empty
--select people visits --indirect-selection cautious
--select by_age by_ward --indirect-selection cautious
--select by_age by_ward --indirect-selection buildable
--select by_age --indirect-selection cautious
--select by_age --indirect-selection buildable
--select both --indirect-selection cautious
--select both --indirect-selection buildable
--select both --indirect-selection empty
--select both odd --indirect-selection buildable
--select +both --indirect-selection cautious
--select marts,tag:mart --indirect-selection cautious
--select marts --exclude by_ward --indirect-selection cautious
--select people+ --exclude odd --indirect-selection buildable
--exclude odd --indirect-selection cautious
--select * --indirect-selection empty
--select odd test_type:singular --indirect-selection empty
--select people+ --resource-type model
--select people --resource-type test
--resource-type source --resource-type model
--selector text
--selector pair
--selector whole
--selector at
--selector without
--selector either
--selector each
--selector nested
--selector careful
--selector buildable
--selector nested --indirect-selection cautious
--selector careful --indirect-selection buildable
--selector whole --indirect-selection empty
--select state:new --state state
--select state:old --state state
--select state:modified --state state
--select state:modified+ --state state
--select state:modified,tag:mart --state state
--select state:modified.body --state state
--select state:modified.configs --state state
--select state:modified.macros --state state
--select state:unmodified --state state
--select state:modified --exclude state:new --state state
--select state:new+1 people --indirect-selection cautious --state state
--select result:error --state state
--select result:fail --state state
--select result:skipped --state state
--select result:pass --state state
--select result:success,marts --state state
--select result:error+ --state state
--select 1+result:fail --state state
--select result:error,tag:nightly result:fail --state state
--select state:new,result:fail --state state
""".splitlines()[1:]

# what synth says otherwise, and by which nodes more: see docs/selection.md
OTHERWISE = {
    "--select path:metadata/hospital": {"ward.hospital.people", "ward.hospital.visits"}
    | {"ward.no_old", "ward.deep.across"},
    "--select in_set_people_sex people.age.between": {"ward.hospital.between_people_age"},
}


def arguments(line: str) -> list[str]:
    """Several selectors after one flag are one argument: a union."""
    found: list[str] = []
    for word in line.split():
        if word.startswith("--") or found[-1].startswith("--"):
            found.append(word)
        else:
            found[-1] += f" {word}"
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("twin")
    twins = {"dbt": (DBT, False), "dbt once": (DBT, True), "synth": (SYNTH, False), "synth once": (SYNTH, True)}
    found = {name: write_twin(root / name, own, once) for name, (own, once) in twins.items()}
    for name in ("dbt", "dbt once"):
        with duckdb.connect(str(found[name] / "dev.duckdb")) as connection:
            connection.execute(ROWS)
    return found


@pytest.fixture(scope="module")
def dbt_says(folders: dict[str, Path]) -> dict[str, list[str]]:
    """What dbt lists, by arguments; its earlier manifest and the results of its build lie in state/."""
    root = folders["dbt"]
    lines = [*SAME, *OTHERWISE]
    ask(folders, [("dbt once", ["parse"]), ("dbt", ["build"])])
    (root / "state").mkdir()
    shutil.copy(folders["dbt once"] / "target" / "manifest.json", root / "state")
    shutil.copy(root / "target" / "run_results.json", root / "state")
    said = ask(folders, [("dbt", ["ls", *arguments(line)]) for line in lines])
    return dict(zip(lines, said, strict=True))


def ask(folders: dict[str, Path], commands: list[tuple[str, list[str]]]) -> list[list[str]]:
    root = folders["dbt"].parent
    (root / "questions.json").write_text(json.dumps([(str(folders[name]), command) for name, command in commands]))
    script = Path(__file__).parent / "twin" / "ask.py"
    told = [VENV / "bin" / "python", "-P", script, root / "questions.json", root / "answers.json"]
    done = subprocess.run(told, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[list[str]] = json.loads((root / "answers.json").read_text())
    return answers


@pytest.fixture(scope="module")
def synth_state(folders: dict[str, Path], dbt_says: object) -> Path:
    """The state of the synth project: its own earlier manifest, and how dbt's nodes ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Calibrations, "__call__", lambda *_: 1.0)
        patch.chdir(folders["synth once"])
        patch.setattr("sys.argv", ["synth", "compile", "--quiet"])
        cli.main()
    state = folders["synth"] / "state"
    state.mkdir()
    shutil.copy(folders["synth once"] / "target" / "manifest.json", state)
    results = json.loads((folders["dbt"] / "state" / "run_results.json").read_text())["results"]
    (state / "run_results.json").write_text(as_synth(dict(ended(results))).model_dump_json())
    return state


def ended(results: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    for result in results:
        kind, _, name, *_ = result["unique_id"].split(".")
        yield f"{kind}.{name}", result["status"]


def as_synth(statuses: dict[str, str]) -> Results:
    """Only synthetic and public models have results; a generic test is called by its expectation's id."""
    models, tests, skipped = [], [], []
    for key, status in statuses.items():
        kind, name = key.split(".")
        words = name.split("_")
        split = next((i for i, word in enumerate(words) if word in ("people", "visits")), None)
        own = (
            f"test.{name}"
            if split is None
            else f"{words[split]}.{'_'.join(words[split + 1 :])}.{'_'.join(words[:split])}"
        )
        if kind == "model" and not name.startswith("stg_"):
            models.append(RunResult(model=name, kind="public", status=status, seconds=0))
        elif kind == "test" and status == "skipped":
            skipped.append(own)
        elif kind == "test":
            expectation = Expectation(
                id=own, model="", column=None, type="", kwargs={}, description="", sql="", sql_path=""
            )  # fmt: skip
            tests.append(ExpectationResult(expectation=expectation, status=status, rows=0, failures=0, seconds=0))
    suite = SuiteResult(
        model="all", relation="", description="", source="synthetic rows", run_time="", results=tuple(tests)
    )
    return Results(
        invocation_id="", generated_at="", elapsed_time=0, results=tuple(models), suites=(suite,), skipped=tuple(skipped),
        args=Invocation(which="build", target="dev", vars={}, full_refresh=False),
    )  # fmt: skip


def synth_says(
    line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> set[str]:
    """What synth lists; nothing where it refuses an empty selection."""
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["synth", "ls", *arguments(line)])
    try:
        cli.main()
    except SystemExit as ending:
        assert ending.code == 2
    return set(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("line", [*SAME, *OTHERWISE])
def test_the_same_nodes(
    line: str, folders: dict[str, Path], dbt_says: dict[str, list[str]], synth_state: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert isinstance(dbt_says[line], list), dbt_says[line]
    more = OTHERWISE.get(line, set())
    assert synth_says(line, folders["synth"], monkeypatch, capsys) == {*dbt_says[line], *more}
    assert not more & {*dbt_says[line]}
