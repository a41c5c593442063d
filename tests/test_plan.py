"""``synth plan``: a verdict for each model and why, where epsilon goes, what a fit takes; told without reading a row.

What the fast tests call a paid fit is paid for in the ledger and recorded like a real one, but its generator is a stand-in.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

import synth
from compiling import compile_folder, write
from synth import cli
from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.forecast import FitRecord, Forecast
from synth.artifacts.plan import ColumnLayout, Plan, Privacy
from synth.compiler.changes import changes
from synth.compiler.costs import cost
from synth.compiler.sizing import size
from synth.console import Console
from synth.console.plans import plan_text
from synth.console.sinks import Terminal
from synth.errors import ProjectError
from synth.project.spec import GeneratorSpec
from synth.runtime.paid import folder_digest, generator_name, remember, stat_digest
from synth.runtime.source_files import locate
from synth.starter import write_starter
from synth.version import __version__

GOLDEN = Path(__file__).parent / "golden" / "plan"
METADATA, SOURCE = "metadata/members.yml", "sources/clinic/members.csv"


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A starter project whose noise is calibrated."""
    root = write_starter(tmp_path_factory.mktemp("calibrated") / "clinic")
    synth.Project(root).compile()
    return root


@pytest.fixture
def clinic(calibrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(calibrated, tmp_path / "clinic"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, int]]:
    """What ``synth`` writes to stdout in a folder, and its exit code."""

    def call(folder: Path, *arguments: str) -> tuple[str, int]:
        monkeypatch.setattr("sys.argv", ["synth", *arguments])
        monkeypatch.chdir(folder)
        try:
            cli.main()
            code = 0
        except SystemExit as ending:
            code = int(ending.code or 0)
        return capsys.readouterr().out, code

    return call


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def reserve(project: synth.Project, model: SyntheticModel) -> str:
    assert model.budget is not None
    return project.ledger.reserve(model.budget, model.name, model.fit_fingerprint(), model.plan.privacy).id


def pay(root: Path, name: str = "members", record: bool = True) -> Path:
    """A paid fit of a model, as a run leaves it; the folder of its generator."""
    project = synth.Project(root)
    model = project.compile().synthetic[name]
    folder = project.folder.generator(generator_name(name, model.fit_fingerprint()))
    folder.mkdir(parents=True)
    (folder / "generator.json").write_text(model.fit_fingerprint())
    project.ledger.spend(reserve(project, model), "the source", folder_digest(folder))
    if record:
        key = project.ledger.key()
        remember(project.folder, model, {s.name: stat_digest(key, locate(root, s)) for s in model.sources})
    return folder


def verdict(root: Path, name: str = "members", **options: Any) -> tuple[str, list[str]]:
    (found,) = (m for m in synth.Project(root).plan(**options).models if m.model == name)
    return found.verdict, [str(reason) for reason in found.reasons]


# what is shown


def fresh(root: Path) -> None:
    pass


def few_units_and_hardly_any_epsilon(root: Path) -> None:
    edit(root / METADATA, "epsilon: 1.0", "epsilon: 0.1")
    edit(root / "sources/clinic.yml", "units: 4000", "units: 100")


def built(root: Path) -> None:
    pay(root)


def touched_source(root: Path) -> None:
    pay(root)
    os.utime(root / SOURCE, (0, 0))


def other_bounds(root: Path) -> None:
    pay(root)
    edit(root / METADATA, "bounds: [18, 110]", "bounds: [18, 90]")


def other_epsilon(root: Path) -> None:
    pay(root)
    edit(root / METADATA, "epsilon: 1.0", "epsilon: 0.5")


def over_the_cap(root: Path) -> None:
    pay(root)
    edit(root / METADATA, "epsilon: 1.0", "epsilon: 2.9")


def generator_removed(root: Path) -> None:
    shutil.rmtree(pay(root))


@pytest.mark.parametrize(
    ("scene", "exit_code"),
    [
        (fresh, 0),
        (few_units_and_hardly_any_epsilon, 0),
        (built, 0),
        (touched_source, 0),
        (other_bounds, 0),
        (other_epsilon, 0),
        (over_the_cap, 3),
        (generator_removed, 0),
    ],
    ids=lambda scene: getattr(scene, "__name__", None),
)
def test_what_plan_shows(
    scene: Callable[[Path], None],
    exit_code: int,
    clinic: Path,
    run: Callable[..., tuple[str, int]],
    golden: Callable[[Path, str], None],
) -> None:
    scene(clinic)
    said, code = run(clinic, "plan")
    assert code == exit_code
    assert max(map(len, said.splitlines())) <= 100
    golden(GOLDEN / f"{scene.__name__}.txt", said)


def test_json_says_the_same(clinic: Path, run: Callable[..., tuple[str, int]]) -> None:
    over_the_cap(clinic)
    said, code = run(clinic, "plan", "--json")
    assert code == 3
    assert json.loads(said)["schema_version"] == "synth/forecast/v1"
    found = Forecast.model_validate_json(said)
    assert found == synth.Project(clinic).plan()
    assert [m.verdict for m in found.models] == ["refused", "skip"]
    assert run(clinic, "plan", "--quiet") == ("", 3)


def test_colour_only_where_it_is_wanted(clinic: Path) -> None:
    text = plan_text(synth.Project(clinic).plan())
    assert "\x1b[33mfit\x1b[0m" in text
    assert unstyle(text).splitlines()[1].startswith("fit      synthetic.members")


def test_a_run_says_it_in_short_first(clinic: Path) -> None:
    """A line for each model, and sentences only where a fit will happen."""

    def said() -> list[str]:
        out = StringIO()
        Console([Terminal(out=out)]).planned(synth.Project(clinic).plan())
        return [line.partition("  ")[2] for line in out.getvalue().splitlines()]

    short, free, plan, *rest, sum_ = said()
    assert (short, free) == (
        "FIT  synthetic.members  epsilon 1  never fitted",
        "BUILD  public.pressure_by_region  free: it reads synthetic rows only",
    )
    assert plan == "Plan for synthetic.members: epsilon 1 at delta 1e-06 for 4,000 units (member_id)"
    assert any(line.startswith("  Kept: ") for line in rest)
    assert sum_.startswith("clinic_members: 0.00 of 3.00 spent, 1.00 after this run; within the cap set by")
    pay(clinic)
    assert said() == ["REUSE  synthetic.members  epsilon 0  paid for; plan and source files are unchanged", free]


# what decides


def test_no_source_is_opened(clinic: Path) -> None:
    pay(clinic)
    opened: list[str] = []
    watching = True
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if watching and event == "open" else None)
    try:
        assert verdict(clinic)[0] == "reuse"
    finally:
        watching = False
    assert any(name.endswith("members.yml") for name in opened)
    assert not any(name.endswith("members.csv") for name in opened)


def test_size_and_time_of_a_source_decide_and_are_not_told(clinic: Path) -> None:
    folder = pay(clinic)
    source = clinic / SOURCE
    before = source.stat()
    record = folder.with_name(folder.name + ".json").read_text()
    assert str(before.st_size) not in record and str(before.st_mtime_ns) not in record
    source.write_bytes(source.read_bytes() + b"\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verdict(clinic)[0] == "stale"
    source.write_bytes(source.read_bytes()[:-1])
    assert verdict(clinic)[0] == "stale"
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verdict(clinic)[0] == "reuse"


def test_a_source_that_is_away(clinic: Path) -> None:
    (clinic / SOURCE).rename(clinic / "elsewhere.csv")
    away = "sources/clinic: not there: a run would stop, and spend nothing"
    assert verdict(clinic) == ("stop", [away, "never fitted"])
    assert verdict(clinic, "pressure_by_region") == ("skip", ["synthetic.members would stop"])
    (population,) = synth.Project(clinic).plan().populations
    assert (population.spent, population.after) == (0, 1)  # what it asks for is counted all the same
    (clinic / "elsewhere.csv").rename(clinic / SOURCE)
    pay(clinic)
    (clinic / SOURCE).unlink()
    gone = "sources/clinic: not there: a run reuses what was paid for, and cannot tell whether it has changed"
    assert verdict(clinic) == ("stale", [gone])
    assert verdict(clinic, full_refresh=True)[0] == "stop"


def test_what_nobody_has_reviewed_would_stop(clinic: Path, run: Callable[..., tuple[str, int]]) -> None:
    pay(clinic)
    edit(clinic / METADATA, "type: boolean}", "type: boolean, drafted: true}")
    found, (reason, _) = verdict(clinic)
    assert found == "stop" and reason.startswith(
        f"{METADATA}:12: the metadata of 'members' were drafted from private rows"
    )
    assert reason.endswith("nobody has reviewed: smoker: a run would stop")
    said, code = run(clinic, "plan")
    assert code == 0 and said.endswith("Plan: 1 that would stop, 1 to skip\n")
    assert "Expect" not in said or "synthetic.members: epsilon 1" in said  # what it would cost is told


def test_a_draft_without_epsilon_is_told_of_at_once(clinic: Path) -> None:
    edit(clinic / METADATA, "    config: {epsilon: 1.0}\n", "    drafted: true\n")
    with pytest.raises(ProjectError, match="has no epsilon") as refused:
        synth.Project(clinic).plan()
    assert "nobody has reviewed: keys of the table itself" in str(refused.value)


def test_a_constraint_stands_once_under_all_that_holds_it(clinic: Path) -> None:
    edit(
        clinic / METADATA,
        "      - last_visit >= first_visit\n",
        "      - last_visit >= first_visit\n      - age > 20\n",
    )
    (model, _) = synth.Project(clinic).plan().models
    assert model.fit is not None
    (held,) = (sentence for sentence in model.fit.sentences if sentence.startswith("Held in every row by"))
    assert held.count("last_visit within bounds") == held.count("age > 20") == held.count("first_visit") == 1


def test_without_a_record_a_run_has_to_look(clinic: Path) -> None:
    folder = pay(clinic)
    record = folder.with_name(folder.name + ".json")
    record.write_text("{}")
    found, (reason,) = verdict(clinic)
    assert found == "stale" and "not on record" in reason
    edit(clinic / METADATA, "epsilon: 1.0", "epsilon: 0.5")
    assert verdict(clinic) == ("refit", ["fitted by another plan, of which there is no record here"])


def test_a_record_of_another_generator_is_not_believed(clinic: Path) -> None:
    """As after a crash between paying for a new generator and recording it."""
    folder = pay(clinic)
    record = folder.with_name(folder.name + ".json")
    kept = record.read_text()
    shutil.rmtree(folder)
    project = synth.Project(clinic)
    folder.mkdir()
    (folder / "generator.json").write_text("fitted again")
    project.ledger.spend(reserve(project, project.compile().synthetic["members"]), "the source", folder_digest(folder))
    assert record.read_text() == kept
    assert verdict(clinic)[0] == "stale"


def test_a_record_outlives_clean(clinic: Path) -> None:
    pay(clinic)
    synth.Project(clinic).clean()
    assert verdict(clinic)[0] == "reuse"


def test_full_refresh(clinic: Path) -> None:
    assert verdict(clinic, full_refresh=True) == ("fit", ["never fitted"])
    pay(clinic)
    assert verdict(clinic, full_refresh=True) == ("refit", ["--full-refresh: the paid generator is not used"])


def test_a_generator_that_was_changed(clinic: Path) -> None:
    folder = pay(clinic)
    (folder / "generator.json").write_text("changed")
    assert verdict(clinic) == ("refit", [f"target/generators/{folder.name}: the paid generator was changed"])


def test_a_fit_that_was_not_ended(clinic: Path) -> None:
    project = synth.Project(clinic)
    reserve(project, project.compile().synthetic["members"])
    found, (reason,) = verdict(clinic)
    assert found == "fit" and reason.startswith("a fit was begun and not ended")


def test_going_back_to_a_plan_that_was_paid_for(clinic: Path) -> None:
    pay(clinic)
    original = (clinic / METADATA).read_text()
    other_bounds_only = original.replace("[18, 110]", "[18, 90]")
    (clinic / METADATA).write_text(other_bounds_only)
    assert verdict(clinic)[0] == "refit"
    pay(clinic)
    (clinic / METADATA).write_text(original)
    assert verdict(clinic)[0] == "reuse"


# the budget


TWO = """
tables:
  - name: visitors
    source: clinic.members
    primary_key: member_id
    config: {epsilon: 0.4}
    columns: [{name: member_id, type: key}, {name: sex, type: categorical, values: [F, M]}]
"""


def test_models_are_refused_in_turn_as_in_a_run(clinic: Path) -> None:
    """members would go above the cap; visitors comes after it and still fits."""
    edit(clinic / "synth_project.yml", "epsilon: 3.0", "epsilon: 0.9")
    write(clinic, {"metadata/visitors.yml": TWO})
    found = synth.Project(clinic).plan()
    assert {m.model: m.verdict for m in found.models} == {
        "members": "refused", "pressure_by_region": "skip", "visitors": "fit"
    }  # fmt: skip
    (population,) = found.populations
    assert population.spent == 0 and population.after <= 0.4 < 0.9 < 1.0 < population.asked
    assert found.refused
    assert not synth.Project(clinic).plan("visitors").refused


BELOW = """
tables:
  - name: visits
    source: clinic.visits
    max_rows_per_unit: 3
    foreign_keys: [{column: member_id, references: members}]
    config: {epsilon: 0.5}
    columns: [{name: member_id, type: key}, {name: ward, type: categorical, values: [A, B]}]
"""


def test_a_table_below_one_that_is_not_made_yet_waits(clinic: Path) -> None:
    """As a run of it alone would stop, paid for or not."""
    edit(clinic / "sources/clinic.yml", "tables: [", "tables: [{name: visits}, ")
    write(clinic, {"metadata/visits.yml": BELOW, "sources/clinic/visits.csv": "member_id,ward\n1,A\n"})
    waits = "it is below members, which is not made by today's plan: select +visits"
    assert verdict(clinic, "visits") == ("fit", ["never fitted"])
    assert verdict(clinic, "visits", select="visits") == ("stop", [waits, "never fitted"])
    pay(clinic, "visits")
    assert verdict(clinic, "visits", select="visits")[1][0] == waits
    pay(clinic)
    assert verdict(clinic, "visits", select="visits")[0] == "reuse"
    edit(clinic / METADATA, "epsilon: 1.0", "epsilon: 0.9")
    assert verdict(clinic, "visits", select="visits")[1][0] == waits
    assert verdict(clinic, "visits", select="+visits")[0] == "reuse"


def test_what_is_stale_counts_at_most(clinic: Path) -> None:
    touched_source(clinic)
    (population,) = synth.Project(clinic).plan().populations
    assert population.spent == population.after == population.asked
    assert population.at_most > population.after


# what changed


FILES = {
    "synth_project.yml": """
name: clinic
budgets: {people: {epsilon: 3, approver: nobody}}
vars: {oldest: 90}
models:
  clinic:
    +seed: 1
""",
    "sources/clinic.yml": """
sources:
  - name: clinic
    location: data
    privacy: {population: people, unit: person, units: 5000}
    tables: [{name: visits}]
""",
    "metadata/visits.yml": """
tables:
  - name: visits
    max_rows_per_unit: 5
    columns:
      - {name: person, type: key}
      - {name: age, type: integer, bounds: [0, 100]}
      - {name: ward, type: categorical, values: [A, B]}
      - {name: came, type: date, bounds: ["2000-01-01", "2020-01-01"]}
      - {name: went, type: date, bounds: ["2000-01-01", "2021-01-01"]}
""",
    "macros/adult.sql": "{% macro adult(age) %}{{ age }} >= 18{% endmacro %}\n",
    "models/recent.sql": "{{ config(materialized='private') }}\nselect *\nfrom {{ source('clinic', 'visits') }}\n",
    "models/visits.sql": """{{ config(
  epsilon=1.0, generator={'bins': 10}
) }}
select {{ declared_columns() }} from {{ ref('recent') }}
where {{ adult('try_cast(age as integer)') }} and try_cast(age as integer) < {{ var('oldest') }}
""",
}


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("metadata/visits.yml", "bounds: [0, 100]", "bounds: [0, 99]",
         ["metadata/visits.yml:7: column age: bounds [0, 100] -> [0, 99]"]),
        ("metadata/visits.yml", "type: integer, bounds: [0, 100]", "type: number, bounds: [0, 100]",
         ['metadata/visits.yml:7: column age: type "integer" -> "number"',
          "metadata/visits.yml:7: column age: bounds [0, 100] -> [0.0, 100.0]"]),
        ("metadata/visits.yml", "values: [A, B]", "values: [A, B], nullable: true",
         ["metadata/visits.yml:8: column ward: nullable false -> true"]),
        ("metadata/visits.yml", "      - {name: ward, type: categorical, values: [A, B]}\n", "",
         ["metadata/visits.yml:5: column ward: removed"]),
        ("metadata/visits.yml", "values: [A, B]}\n", "values: [A, B]}\n      - {name: urgent, type: boolean}\n",
         ["metadata/visits.yml:9: column urgent: added"]),
        ("metadata/visits.yml", "max_rows_per_unit: 5", "max_rows_per_unit: 6",
         ["metadata/visits.yml:4: table visits: max_rows_per_unit 5 -> 6"]),
        ("metadata/visits.yml", "    columns:", "    order_by: went\n    columns:",
         ['metadata/visits.yml:5: table visits: order_by "came" -> "went"']),
        ("metadata/visits.yml", '"2021-01-01"]}\n', '"2021-01-01"]}\n    constraints: [went >= came]\n',
         ['metadata/visits.yml:10: column went: offset_from not set -> "came"',
          'metadata/visits.yml:10: column went: offset_bounds not set -> ["0 days", "7671 days"]']),
        ("models/visits.sql", "epsilon=1.0", "epsilon=0.5", ["models/visits.sql:2: config: epsilon 1.0 -> 0.5"]),
        ("models/visits.sql", "'bins': 10", "'bins': 12", ["models/visits.sql:2: config: generator.bins 10 -> 12"]),
        ("models/visits.sql", "generator={'bins': 10}", "delta=1e-8",
         ["models/visits.sql:2: config: delta 1e-06 -> 1e-08",
          "models/visits.sql:2: config: generator.bins 10 -> not set"]),
        ("models/visits.sql", "as integer) <", "as integer) <=", ["models/visits.sql:5: SQL: changed"]),
        ("models/recent.sql", "select *", "select * -- all", ["models/recent.sql:2: private model recent: changed"]),
        ("macros/adult.sql", "18", "21",
         ["models/visits.sql: its SQL is rendered otherwise: a macro, a variable or what it reads changed"]),
        ("synth_project.yml", "oldest: 90", "oldest: 80",
         ["models/visits.sql: its SQL is rendered otherwise: a macro, a variable or what it reads changed"]),
        ("synth_project.yml", "+seed: 1", "+seed: 2", ["synth_project.yml:7: config: seed 1 -> 2"]),
        ("synth_project.yml", "epsilon: 3,", "epsilon: 3, delta: 1e-7,",
         ["synth_project.yml:3: config: delta 1e-06 -> 1e-07"]),
        ("sources/clinic.yml", "units: 5000", "units: 6000", ["sources/clinic.yml:5: source clinic: units 5000 -> 6000"]),
        ("sources/clinic.yml", "{name: visits}", "{name: visits, identifier: seen}",
         ['sources/clinic.yml:6: source table clinic.visits: identifier "visits" -> "seen"']),
    ],
)  # fmt: skip
def test_what_changed_and_where(tmp_path: Path, file: str, old: str, new: str, told: list[str]) -> None:
    root = write(tmp_path, FILES)
    before = compile_folder(root).synthetic["visits"]
    edit(root / file, old, new)
    after = compile_folder(root).synthetic["visits"]
    assert before.fit_fingerprint() != after.fit_fingerprint()
    assert [str(reason) for reason in changes(record_of(before), after)] == told


def test_another_version_is_named_where_no_key_changed(tmp_path: Path) -> None:
    model = compile_folder(write(tmp_path, FILES)).synthetic["visits"]
    record = record_of(model)
    plan = json.loads(record.inputs["plan"]) | {"network": None}
    older = record.model_copy(update={"synth_version": "0.0.1", "inputs": record.inputs | {"plan": json.dumps(plan)}})
    assert [str(r) for r in changes(older, model)] == [f"synth 0.0.1 -> {__version__} fits it otherwise (network)"]


def record_of(model: SyntheticModel) -> FitRecord:
    return FitRecord(
        synth_version=__version__, model=model.name, fingerprint=model.fit_fingerprint(), generator_digest="",
        inputs=model.fit_inputs(), declared=model.declared, sources={},
    )  # fmt: skip


# what a fit takes


def sized(units: int = 20_000, columns: int = 9, cap: int = 1, **wishes: Any) -> Plan:
    layout = tuple(
        ColumnLayout(name=f"column {i}", cells=(5, 2_000)[i % 2], missing=False, ordered=bool(i % 2))
        for i in range(columns)
    )
    found = size(layout, cap, units, 1.0, 1e-6, GeneratorSpec(**wishes), calibrate=lambda *_: 1.0)
    stages = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "events"}
    privacy = Privacy(
        population="people",
        unit="person",
        units=units,
        max_rows_per_unit=cap,
        epsilon=1,
        delta=1e-6,
        events=found.events,
    )
    return Plan(model="table", privacy=privacy, layout=layout, **stages, seed=0, rows=None, why=())


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"units": 20_000}, {"units": 80_000}),
        ({"units": 1_000_000}, {"units": 5_000_000}),  # beyond what is weighed
        ({"columns": 5}, {"columns": 9}),
        ({"columns": 9}, {"columns": 30}),
        ({"cap": 1}, {"cap": 5}),
        ({"steps": 100}, {"steps": 300}),
        ({"sample_rate": 0.01}, {"sample_rate": 0.1}),
        ({"hidden": 32}, {"hidden": 256}),
        ({"dp_sgd": False}, {}),
        ({"warm_start": False}, {}),
        ({"kind": "independent"}, {"kind": "marginal"}),
    ],
)
def test_more_work_takes_no_less(less: dict[str, Any], more: dict[str, Any]) -> None:
    small, large = cost(sized(**less)), cost(sized(**more))
    assert small.seconds < large.seconds
    assert small.megabytes <= large.megabytes


MEASURE = """
import resource, sys, time
import synth
assert not synth.Project(".").run("members").failed
print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
"""


@pytest.mark.slow
def test_a_small_fit_takes_about_what_was_said(clinic: Path) -> None:
    (model,) = synth.Project(clinic).plan("members").models
    assert model.fit is not None
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=clinic, capture_output=True, text=True, timeout=300)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds / 3 < model.fit.seconds < seconds * 3
    assert megabytes / 3 < model.fit.megabytes < megabytes * 3
    assert verdict(clinic)[0] == "reuse"
