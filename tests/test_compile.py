"""Compiling: pure, the same each time, light; what Jinja, YAML and configs mean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import synth
from compiling import compile_folder, graph_of, write
from synth.api import Project
from synth.errors import ProjectError
from synth.privacy.calibrations import Calibrations
from synth.project import yaml

EVERY_TYPE = Path(__file__).parent / "projects" / "every_type"
HEAVY = ["torch", "opacus", "great_expectations", "pandas", "sklearn", "pyarrow"]


def in_a_process(code: str, folder: Path, **environment: str) -> str:
    """What Python code prints in a process of its own."""
    path = str(Path(synth.__file__).parents[1])
    variables = {**os.environ, **environment, "PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(target: Path) -> dict[str, bytes]:
    """Without the private zone, where answers are kept under a random key."""
    files = (path for path in target.rglob("*") if path.is_file() and "internal" not in path.parts)
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


# pure


COMPILE = """
import sys
sys.argv = ["synth", "compile", "--quiet"]
from synth.cli import main
main()
print(*sys.modules)
"""


def test_the_same_bytes_in_every_process_with_and_without_data(tmp_path: Path) -> None:
    """Other hashes, another folder, private rows there or not: the same files; and nothing heavy is imported."""
    found = []
    for seed in ("0", "1"):
        folder = shutil.copytree(EVERY_TYPE, tmp_path / f"copy {seed}" / "project")
        if seed == "1":
            write(
                folder / "nowhere", {"stays.csv": "not,a\ntable\n\x00", "people.csv": "1,2,3\n", "Survey 2020.csv": ""}
            )
        loaded = in_a_process(COMPILE, folder, PYTHONHASHSEED=seed).split()
        assert not set(HEAVY) & set(loaded)
        found.append(contents(folder / "target"))
    assert found[0] == found[1]
    assert {"manifest.json", "plans/stays.json", "compiled/stays/prepare.sql", "expectations/stays.json"} <= set(
        found[0]
    )


LOADED = """
import sys
sys.argv = ["synth", *{arguments}]
from synth.cli import main
try:
    main()
except SystemExit:  # tables without rows fail some tests
    pass
print()
print(*sys.modules)
"""
ANY_VERB = {
    "duckdb",
    "numpy",
    "scipy",
    "dp_accounting",
    "faker",
    *HEAVY,
}  # what a verb that shows and runs nothing needs not
NOT_NEEDED = {
    "--version": {"click", "typing", "inspect", "pydantic", "yaml", "jinja2", "sqlite3", *ANY_VERB},
    "--help": {
        "pydantic",
        "yaml",
        "jinja2",
        "sqlite3",
        "importlib.metadata",
        "synth.cli.options",
        "synth.cli.verbs",
        "synth.cli.unchanged",
        *ANY_VERB,
    },
    "test --help": {"pydantic", "yaml", "jinja2", "sqlite3", "importlib.metadata", *ANY_VERB},
    "ls": {"sqlite3", *ANY_VERB},
    "compile": {"sqlite3", "synth.console", *ANY_VERB},
    "plan": ANY_VERB,
    "test --no-docs --select answers": {
        "sqlite3",
        "scipy",
        "dp_accounting",
        "faker",
        "synth.runtime.private_zone",
        *HEAVY,
    },
}


def loaded(arguments: str, folder: Path) -> set[str]:
    """The modules that a process has imported for a verb."""
    code = LOADED.format(arguments=arguments.split())
    return set(in_a_process(code, folder, SYNTH_REMEMBER="0").splitlines()[-1].split())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with tables without rows, of which target/ knows all that a verb may ask."""
    folder = shutil.copytree(EVERY_TYPE, tmp_path_factory.mktemp("built") / "project")
    Project(folder).run(empty=True)
    Project(folder).plan()
    return folder


@pytest.mark.parametrize("arguments", NOT_NEEDED)
def test_what_is_not_needed_is_not_imported(arguments: str, built: Path) -> None:
    assert not NOT_NEEDED[arguments] & loaded(arguments, built)


def test_what_compiles_for_the_first_time_imports_nothing_heavy(tmp_path: Path) -> None:
    folder = shutil.copytree(EVERY_TYPE, tmp_path / "project")
    Project(folder).compile()  # noise multipliers are known
    (folder / "target" / "compiled.sha256").unlink()
    assert not {"numpy", "scipy", "dp_accounting", "sqlite3", "faker", *HEAVY} & loaded("compile", folder)


def test_the_target_holds_this_project_and_nothing_of_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    folder = shutil.copytree(EVERY_TYPE, tmp_path / "project")
    Project(folder).compile()
    (folder / "metadata" / "answers.yml").unlink()
    (folder / "sources" / "ward.yml").write_text((EVERY_TYPE / "sources" / "ward.yml").read_text())
    Project(folder).compile()
    assert not [name for name in contents(folder / "target") if "answers" in name]


def test_what_is_named_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    folder = shutil.copytree(EVERY_TYPE, tmp_path / "project")
    compiled = Project(folder).compile()
    paths = [n.compiled_path for n in compiled.manifest.nodes.values() if n.compiled_path]
    paths += [check.sql_path for checks in compiled.expectations.values() for check in checks]
    assert all((folder / path).exists() for path in paths)
    for path in (folder / "target").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


def test_a_fit_is_named_by_what_it_obeys(tmp_path: Path) -> None:
    """Words for readers and public models change nothing that is paid for; bounds, epsilon and SQL do."""
    files = {p.relative_to(EVERY_TYPE).as_posix(): p.read_text("utf-8") for p in EVERY_TYPE.rglob("*") if p.is_file()}

    def fingerprint(name: str, old: str, new: str) -> str:
        assert old in files[name]
        write(tmp_path, {**files, name: files[name].replace(old, new)})
        return compile_folder(tmp_path).synthetic["stays"].fit_fingerprint()

    before = fingerprint("metadata/stays.yml", "stays", "stays")
    assert fingerprint("metadata/stays.yml", "One row per stay", "A stay a row") == before
    assert fingerprint("models/wards.sql", "count(*)", "count(ward)") == before
    assert fingerprint("sources/ward.yml", "location: nowhere", "location: elsewhere") == before
    assert fingerprint("models/stays.sql", "tags=['clinical']", "tags=['x']") == before
    changed = [
        fingerprint("metadata/stays.yml", "bounds: [0, 120]", "bounds: [0, 121]"),
        fingerprint("metadata/stays.yml", "max_rows_per_unit: 3", "max_rows_per_unit: 4"),
        fingerprint("models/stays.sql", "epsilon=2.0", "epsilon=2.1"),
        fingerprint("models/staging/finished_stays.sql", "where", "where true and"),
        fingerprint("macros/finished.sql", "'open'", "'shut'"),
    ]
    assert len({before, *changed}) == 6


# Jinja

SETTINGS = """
name: clinic
budgets: {people: {epsilon: 3.0, approver: the board}}
vars: {lowest: 18, ward: A}
"""
SOURCES = """
sources:
  - name: clinic
    location: "{{ env_var('CLINIC_DIR', 'data') }}"
    privacy: {population: people, unit: person, units: "{{ var('units', 1000) }}"}
    tables: [{name: visits, columns: [state]}]
"""
VISITS = """
tables:
  - name: visits
    max_rows_per_unit: 2
    columns:
      - {name: person, type: key}
      - {name: age, type: integer, bounds: [0, "{{ 60 if var('young', false) else 120 }}"]}
      - {name: "the ward", type: categorical, values: [A, B]}
"""
MODEL = "{{ config(materialized='synthetic', epsilon=0.5) }}select {{ declared_columns() }} from {{ source('clinic', 'visits') }}"
CLINIC = {"synth_project.yml": SETTINGS, "sources/c.yml": SOURCES, "metadata/v.yml": VISITS, "models/visits.sql": MODEL}


def sql_of(root: Path, files: Mapping[str, str], name: str, **variables: Any) -> str:
    graph = graph_of(write(root, {**CLINIC, **files}), variables)
    return " ".join(next(node.sql for node in graph.nodes.values() if node.name == name).split())


def test_source_ref_and_declared_columns(tmp_path: Path) -> None:
    count = {
        "models/count.sql": "select count(*) as n from {{ ref('visits') }} join {{ ref(\"visits\") }} as v using (age)"
    }
    assert sql_of(tmp_path, count, "visits") == 'select "person", "age", "the ward" from "source"."clinic.visits"'
    assert sql_of(tmp_path, count, "count").startswith(
        'select count(*) as n from "synthetic"."visits" join "synthetic"'
    )


def test_var_and_env_var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {
        "models/m.sql": "select {{ var('lowest') }} as a, '{{ var('none', 'x') }}' as b, '{{ env_var('SYNTH_X', 'y') }}' as c"
    }
    assert sql_of(tmp_path, model, "m") == "select 18 as a, 'x' as b, 'y' as c"
    monkeypatch.setenv("SYNTH_X", "z")
    monkeypatch.setenv("CLINIC_DIR", "/elsewhere")
    assert sql_of(tmp_path, model, "m", lowest=21) == "select 21 as a, 'x' as b, 'z' as c"
    compiled = compile_folder(tmp_path, {"young": True, "units": 77})
    assert compiled.synthetic["visits"].sources[0].location == "/elsewhere"
    assert compiled.synthetic["visits"].plan.privacy.units == 77
    assert compiled.synthetic["visits"].plan.layout[0].cells == 61


def test_macros_see_each_other_and_the_functions(tmp_path: Path) -> None:
    files = {
        "macros/a.sql": "{% macro adult(column) %}{{ at_least(column, var('lowest')) }}{% endmacro %}",
        "macros/deep/b.sql": "{% macro at_least(column, low=0) -%} {{ column }} >= {{ low }} {%- endmacro %}",
        "macros/c.sql": "{% macro all_visits() %}(select * from {{ ref('visits') }}){% endmacro %}",
        "models/m.sql": "select * from {{ all_visits() }} where {{ adult('age') }} {{ 'and true' if var('ward') == 'A' }}",
    }
    assert sql_of(tmp_path, files, "m") == 'select * from (select * from "synthetic"."visits") where age >= 18 and true'
    assert [node.name for node in graph_of(tmp_path).nodes.values()][-2:] == ["visits", "m"]


def test_tests_have_jinja_too(tmp_path: Path) -> None:
    files = {"tests/t.sql": "select * from {{ ref('visits') }} where age < {{ var('lowest') }}"}
    compiled = compile_folder(write(tmp_path, {**CLINIC, **files}))
    assert compiled.tests["t"].sql == 'select * from "synthetic"."visits" where age < 18\n'
    assert compiled.parents["test.clinic.t"] == ("visits",)


PER_ROW = [
    "LOWER(ward) || '-' || Upper(ward)",
    "ward ilike 'a%' and ward not similar to 'b.*'",
    "try_cast(age as integer) + 1 > 18",
    "extract(year from try_cast(came as date))",
    "date_diff('day', try_cast(came as timestamp), try_cast(went as timestamp))",
    "try_cast(came as date) - interval 1 day",
    "case when age is null then 'x' else coalesce(ward, 'y') end",
    "ward in ('A', 'B') or age between '1' and '2'",
    "greatest(try_cast(age as int), 3) // 2",
    "regexp_replace(ward, '[0-9]+', '')",
    "try_strptime(came, '%d/%m/%Y')",
    "split_part(ward, '/', 1)",
    "nullif(trim(ward), '')",
    "if(age > '3', 1, 2)",
    "list_contains(['a', 'b'], ward)",
    "round(try_cast(age as double), 1)",
    "ward[1:3]",
    "not (age is null)",
    "list_aggregate([try_cast(age as int), 3], 'sum')",
    "to_json({'a': age})",
    "age::varchar",
    "date_trunc('month', try_cast(came as date))",
    "strftime(try_cast(came as date), '%Y')",
    "age is distinct from '3'",
]


PUBLIC = [
    "with source as (select 1 as one), twice as (from source union all from source) select * from twice",
    "with recursive up as (select 1 as n union all select n + 1 from up where n < 9) select * from up",
    "select * from (with visits as (from {{ ref('visits') }}) select count(*) from visits)",
    "select * from (values (1), (2)) as v(a), range(3) as r(b), unnest([1, 2]) as u(c)",
    "select * from (summarize {{ ref('visits') }})",
    "select *, row_number() over (order by age) as n, random() as chance from {{ ref('visits') }} using sample 10%",
    "select v.age from {{ ref('visits') }} as v where exists (from {{ ref('visits') }} as w where w.age = v.age + 1)",
    "select age, count(*) as n from {{ ref('visits') }} group by all having count(*) > 3 limit 5",
]


def test_sql_over_models_is_free(tmp_path: Path) -> None:
    """A public model may say what it likes of tables that everybody may see, and so may a test."""
    files = {f"{folder}/public_{i}.sql": sql for i, sql in enumerate(PUBLIC) for folder in ("models", "tests")}
    compiled = compile_folder(write(tmp_path, {**CLINIC, **files}))
    assert len(compiled.public) == len(compiled.tests) == len(PUBLIC)


def test_sql_of_one_row_is_allowed(tmp_path: Path) -> None:
    """Where people are kept apart, everything that looks at one row alone may be said, in a private view or in where."""
    listed = ",\n".join(f"  {sql} as c{i}" for i, sql in enumerate(PER_ROW))
    private = f"{{{{ config(materialized='private') }}}}select v.person, v.age, 'A' as \"the ward\",\n{listed}\n"
    private += "from {{ source('clinic', 'visits') }} as v where v.age <> '7' -- sevens are unlucky\n;"
    columns = SOURCES.replace("[state]", "[ward, came, went]")
    model = MODEL.replace("source('clinic', 'visits')", "ref('some_visits')")
    files = {**CLINIC, "sources/c.yml": columns, "models/some_visits.sql": private, "models/visits.sql": model}
    compiled = compile_folder(write(tmp_path, files)).synthetic["visits"]
    assert [view.name for view in compiled.views] == ["some_visits"]
    assert "TRY(date_diff('day'" in compiled.views[0].sql


# YAML

SCALARS = {
    "NO": "NO", "yes": "yes", "on": "on", "y": "y", "true": True, "False": False, "TRUE": True, "tRuE": "tRuE",
    "null": None, "~": None, "Null": None, "nULL": "nULL", "": None, "'null'": "null", '"1"': "1", "'true'": "true",
    "0": 0, "12": 12, "-3": -3, "+4": 4, "008": "008", "010": "010", "-07": "-07", "0x1F": "0x1F", "0o17": "0o17",
    "1_000": "1_000", "1:30": "1:30", "190:20:30": "190:20:30", "1e-5": 1e-5, "1E3": 1000.0, "-2.5e+2": -250.0,
    ".5": 0.5, "5.": 5.0, "-.5": -0.5, "1.0": 1.0, "0.50": 0.5, ".": ".", "1.2.3": "1.2.3", "e5": "e5", ".inf": ".inf",
    ".nan": ".nan", "2000-01-01": "2000-01-01", "2000-01-01 10:00:00": "2000-01-01 10:00:00", "=": "=", "10 days": "10 days",
    "|\n  a\n  b\n": "a\nb\n", ">\n  1\n": "1\n",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars(text: str) -> None:
    document, problems = yaml.read("f.yml", f"key: {text}\n")
    assert not problems
    value = document.data["key"]
    assert value == SCALARS[text]
    assert type(value) is type(SCALARS[text])


def test_places_of_keys_and_values() -> None:
    document, problems = yaml.read("f.yml", "a:\n  - {b: 1, c: [x, y]}\n")
    assert not problems
    assert str(document.place(("a", 0, "c", 1))) == "f.yml:2:19"
    assert str(document.place(("a", 0, "c"), key=True)) == "f.yml:2:12"
    assert str(document.place(("a", 0, "nothing", "there"))) == "f.yml:2:5"


def test_yaml_scalars_in_metadata_mean_what_they_say(tmp_path: Path) -> None:
    """NO is Norway; 01 is a text; 1.0 in a source is the category 1."""
    columns = "{name: person, type: key}, {name: land, type: categorical, values: [NO, SE, 01, null_, on]}"
    columns += (
        ", {name: n, type: categorical, values: [1, 2]}, {name: x, type: number, bounds: [1e-5, .5], rounding: 1e-5}"
    )
    metadata = f"tables:\n  - name: visits\n    max_rows_per_unit: 2\n    columns: [{columns}]\n"
    model = compile_folder(write(tmp_path, {**CLINIC, "metadata/v.yml": metadata})).synthetic["visits"]
    assert "['NO', 'SE', '01', 'null_', 'on']" in model.restore_sql
    assert "[1, 2]" in model.restore_sql
    assert [c.sql_type for c in model.columns] == ["bigint", "varchar", "bigint", "double"]
    assert [c.cells for c in model.plan.layout] == [5, 2, 50000]


# configs


def config_of(root: Path, files: Mapping[str, str], name: str = "visits") -> Any:
    graph = graph_of(write(root, {**CLINIC, **files}))
    return next(node for node in graph.nodes.values() if node.name == name and node.kind == "model")


LAYERS = {
    "synth_project.yml": SETTINGS
    + """
models:
  +tags: everything
  clinic:
    +epsilon: 0.1
    +rows: 10
    +seed: 1
    +tags: [project]
    deep:
      +rows: 20
      +tags: [folder, project]
      visits: {+seed: 3}
""",
    "metadata/v.yml": VISITS.replace("max_rows", "config: {rows: 30, tags: [metadata]}\n    max_rows"),
}


def test_the_nearest_config_wins_and_tags_add_up(tmp_path: Path) -> None:
    moved = {"models/deep/visits.sql": MODEL.replace("epsilon=0.5", "epsilon=0.5, tags=['sql', 'folder']")}
    write(tmp_path, {**CLINIC, **LAYERS, **moved})
    (tmp_path / "models" / "visits.sql").unlink()
    node = next(n for n in graph_of(tmp_path).of_kind("model"))
    config = node.config
    assert (config.epsilon, config.rows, config.seed, config.materialized) == (0.5, 30, 3, "synthetic")
    assert config.tags == ("everything", "project", "folder", "metadata", "sql")


def test_each_layer_alone(tmp_path: Path) -> None:
    plain = {"models/visits.sql": MODEL.replace("{{ config(materialized='synthetic', epsilon=0.5) }}", "")}
    project = {"synth_project.yml": SETTINGS + "models: {clinic: {+epsilon: 0.25}}\n"}
    assert config_of(tmp_path / "a", {**plain, **project}).config.epsilon == 0.25
    metadata = {"metadata/v.yml": LAYERS["metadata/v.yml"].replace("{rows: 30", "{epsilon: 0.75")}
    assert config_of(tmp_path / "b", {**plain, **project, **metadata}).config.epsilon == 0.75
    assert config_of(tmp_path / "c", {**project, **metadata}).config.epsilon == 0.5


@pytest.mark.parametrize(
    ("config", "zone", "materialized"),
    [
        ("{{ config(materialized='view') }}", "public", "view"),
        ("{{ config(materialized='table') }}", "public", "table"),
        ("{{ config(materialized='public') }}", "public", "view"),
        ("", "public", "view"),
    ],
)
def test_what_a_model_becomes(config: str, zone: str, materialized: str, tmp_path: Path) -> None:
    node = config_of(tmp_path, {"models/m.sql": config + "select 1 as one from {{ ref('visits') }}"}, "m")
    assert (node.zone, node.materialized) == (zone, materialized)


def test_a_table_with_metadata_needs_no_sql(tmp_path: Path) -> None:
    implied = VISITS.replace("max_rows", "source: clinic.visits\n    config: {epsilon: 0.5}\n    max_rows")
    write(tmp_path, {**CLINIC, "metadata/v.yml": implied})
    with_sql = compile_folder(tmp_path).synthetic["visits"]
    (tmp_path / "models" / "visits.sql").unlink()
    without = compile_folder(tmp_path).synthetic["visits"]
    assert without.file == "metadata/v.yml"
    assert without.plan.layout == with_sql.plan.layout
    assert without.restore_sql == with_sql.restore_sql


def test_a_disabled_model_is_not_there(tmp_path: Path) -> None:
    off = {"models/m.sql": "{{ config(enabled=false) }}select 1 as one"}
    assert "m" not in compile_folder(write(tmp_path, {**CLINIC, **off})).public
    with pytest.raises(ProjectError, match="the model 'm' is disabled"):
        graph_of(write(tmp_path, {"models/n.sql": "select * from {{ ref('m') }}"}))


def test_offsets_are_inferred_only_where_they_hold(tmp_path: Path) -> None:
    """The later date is modelled as a time since the earlier; not against nulls, types, resolutions or a circle."""
    day = "{{name: {}, type: datetime, bounds: [2000-01-01, 2001-01-01], resolution: {}, nullable: {}}}"
    columns = [
        day.format(*c)
        for c in (("a", "minute", "false"), ("b", "minute", "false"), ("c", "hour", "true"), ("d", "minute", "true"))
    ]
    constraints = ["B >= a", "a >= b", "c >= a", "b >= d", "d is null or (d >= b and d >= a)", "d between a and c"]
    listed = "".join(f"      - {text}\n" for text in constraints)
    listed_columns = ", ".join(["{name: person, type: key}", *columns])
    metadata = f"tables:\n  - name: visits\n    max_rows_per_unit: 2\n    columns: [{listed_columns}]\n"
    files = {**CLINIC, "metadata/v.yml": metadata + f"    constraints:\n{listed}"}
    model = compile_folder(write(tmp_path, files)).synthetic["visits"]
    offsets = {c.name for c in model.plan.layout if c.spacing == "geometric"}
    assert offsets == {"b", "d"}
    assert 'cast("a" + to_microseconds(' in model.restore_sql
    assert [c.name for c in model.constraints][-2:] == ["b within bounds", "d within bounds"]
