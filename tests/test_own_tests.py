"""The project's own tests, through the command line: generic, singular and unit tests, and what their configs do.

Nothing is fitted: the tables that are judged are public models over constants.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import jsonschema
import pytest

from processes import shared, synth
from synth.project.schemas import artifact_schemas

PROJECT = "name: wards\ntargets: {dev: {database: target/dev.duckdb}, prod: {database: target/prod.duckdb}}\n"
WARDS = """{{ config(materialized='table') }}
select * from (values ('A', 10, 1), ('B', 25, 1), ('B', 3, 2), (null, 7, 3)) as t (ward, beds, floor)
"""
FLOORS = "select floor, sum(beds) as beds from {{ ref('wards') }} group by floor\n"


@pytest.fixture
def wards(tmp_path: Path) -> Path:
    """Two public models, the second over the first."""
    (tmp_path / "models").mkdir()
    (tmp_path / "synth_project.yml").write_text(PROJECT)
    (tmp_path / "models" / "wards.sql").write_text(WARDS)
    (tmp_path / "models" / "floors.sql").write_text(FLOORS)
    return tmp_path


def declare(project: Path, text: str) -> None:
    (project / "models" / "properties.yml").write_text(text)


def statuses(project: Path) -> dict[str, tuple[str, int]]:
    """Of each test of the last command: its status and failures."""
    found = json.loads((project / "target" / "run_results.json").read_text())
    return {r["expectation"]["id"]: (r["status"], r["failures"]) for s in found["suites"] for r in s["results"]}


def test_generic_tests_find_what_breaks_them(wards: Path) -> None:
    declare(
        wards,
        """
models:
  - name: wards
    description: Wards and their beds
    tests: [row_count: {min: 5}]
    columns:
      - {name: ward, description: its letter, tests: [not_null, unique, accepted_values: {values: [A]}]}
      - {name: floor, data_tests: [relationships: {to: ref('floors'), field: floor}, at_most: {top: 2}]}
""",
    )
    (wards / "tests" / "generic").mkdir(parents=True)
    (wards / "tests" / "generic" / "at_most.sql").write_text(
        "{% test at_most(model, column_name, top) %}"
        "select {{ column_name }} from {{ model }} where {{ column_name }} > {{ top }}{% endtest %}"
    )
    result = synth(wards, "build", "--store-failures")
    assert result.returncode == 1, result.stdout + result.stderr
    assert statuses(wards) == {
        "row_count_wards": ("fail", 1), "not_null_wards_ward": ("fail", 1), "unique_wards_ward": ("fail", 1),
        "accepted_values_wards_ward": ("fail", 2), "at_most_wards_floor": ("fail", 1),
    }  # fmt: skip
    assert "SKIP=2" in result.stdout  # the model below, and the test that reads it
    (wards / "models" / "floors.sql").write_text("select 1 as floor")
    assert synth(wards, "run").returncode == 0
    synth(wards, "test", "--select", "relationships_wards_floor")
    assert statuses(wards) == {"relationships_wards_floor": ("fail", 2)}
    with duckdb.connect(str(wards / "target" / "dev.duckdb"), read_only=True) as target:
        kept = target.execute("select ward from test_failures.accepted_values_wards_ward").fetchall()
        (told,) = target.execute("select comment from duckdb_columns() where column_name = 'ward' limit 1").fetchone()  # type: ignore[misc]
        (words,) = target.execute("select comment from duckdb_tables() where table_name = 'wards'").fetchone()  # type: ignore[misc]
    assert kept == [("B",), ("B",)] and told == "its letter" and words == "Wards and their beds"


@pytest.mark.parametrize(
    ("config", "status", "failures"),
    [
        ("{}", "fail", 2),
        ("{severity: warn}", "warn", 2),
        ("{error_if: '> 2'}", "warn", 2),
        ("{error_if: '> 2', warn_if: '> 2'}", "pass", 2),
        ("{severity: warn, warn_if: 'between 3 and 9'}", "pass", 2),
        ("{where: floor = 1}", "fail", 1),
        ("{config: {where: floor = 3}}", "pass", 0),
        ("{limit: 1}", "fail", 1),
        ("{fail_calc: sum(beds)}", "fail", 28),
        ("{fail_calc: sum(beds), where: floor = 3}", "pass", 0),  # the sum of no row is null
    ],
)
def test_config_says_how_failures_are_judged(wards: Path, config: str, status: str, failures: int) -> None:
    keys = "" if config == "{}" else f", {config[1:-1]}"
    declare(
        wards,
        "models: [{name: wards, columns: [{name: ward, tests: "
        f"[accepted_values: {{name: known, values: [A]{keys}}}]}}]}}]\n",
    )
    result = synth(wards, "build", "-s", "wards")
    assert result.returncode == (status == "fail"), result.stdout + result.stderr
    assert statuses(wards)["known"] == (status, failures)


def test_a_singular_test_has_a_config(wards: Path) -> None:
    (wards / "tests").mkdir()
    (wards / "tests" / "few_beds.sql").write_text(
        "{{ config(severity='warn', tags=['odd']) }} select * from {{ ref('wards') }} where beds < 5"
    )
    (wards / "tests" / "never.sql").write_text("{{ config(enabled=false) }} select * from {{ ref('wards') }}")
    assert synth(wards, "build").returncode == 0
    assert statuses(wards) == {"test.few_beds": ("warn", 1)}
    listed = synth(wards, "ls", "--select", "tag:odd,config.severity:warn", "--output", "name").stdout.split()
    assert listed == ["few_beds"]


FOLDERS = """
  wards:
    +severity: warn
    +tags: nightly
    odd: {+enabled: false, few_beds: {+enabled: true, +where: beds > 1}}
    not_null_wards_ward: {+severity: error}
"""


@pytest.mark.parametrize("key", ["tests", "data_tests"])
def test_the_project_says_config_of_folders_of_tests(wards: Path, key: str) -> None:
    with (wards / "synth_project.yml").open("a") as settings:
        settings.write(f"{key}:{FOLDERS}")
    declare(
        wards,
        "models: [{name: wards, tests: [row_count: {min: 5}, row_count: {min: 6, tags: own}], columns: "
        "[{name: ward, tests: [not_null, unique: {severity: error}]}]}]",
    )
    (wards / "tests" / "odd").mkdir(parents=True)
    for name in ("few_beds", "more_beds"):
        (wards / "tests" / "odd" / f"{name}.sql").write_text("select * from {{ ref('wards') }} where beds < 5")
    assert synth(wards, "build", "-s", "wards").returncode == 1
    assert statuses(wards) == {
        "row_count_wards": ("warn", 1), "row_count_wards_2": ("warn", 1), "not_null_wards_ward": ("fail", 1),
        "unique_wards_ward": ("fail", 1), "test.few_beds": ("warn", 1),
    }  # fmt: skip
    listed = synth(wards, "ls", "--select", "tag:own,tag:nightly", "--output", "name").stdout.split()
    assert listed == ["row_count_wards_2"]


UNIT = """
unit_tests:
  - name: beds_add_up
    model: floors
    given:
      - input: ref('wards')
        format: csv
        rows: |
          floor,beds
          1,10
          1,
          2,3
    expect:
      rows:
        - {floor: 1, beds: BEDS}
        - {floor: 2, beds: 3}
"""


def test_unit_tests_need_no_table(wards: Path) -> None:
    declare(wards, UNIT.replace("BEDS", "10"))
    result = synth(wards, "test", "--select", "test_type:unit")
    assert result.returncode == 0, result.stdout + result.stderr
    assert statuses(wards) == {"unit_test.beds_add_up": ("pass", 0)}
    statements = (wards / "target" / "compiled" / "unit_tests" / "beds_add_up.sql").read_text()
    with duckdb.connect() as elsewhere:  # anybody can run it
        *setup, question = statements.rstrip().removesuffix(";").split(";\n\n")
        for statement in setup:
            elsewhere.execute(statement)
        assert elsewhere.execute(question).fetchall() == []


OVERRIDDEN = """
unit_tests:
  - name: beds_of_a_ward
    model: chosen
    given: [{input: ref('wards'), format: csv, fixture: some_wards}]
    overrides:
      vars: {floor: 7}
      env_vars: {SYNTH_TEST_WARD: "Z"}
      macros: {times: 10}
    expect: {format: csv, fixture: chosen_wards}
"""


def test_unit_tests_have_fixtures_and_overrides(wards: Path) -> None:
    (wards / "macros").mkdir()
    (wards / "macros" / "times.sql").write_text(
        "{% macro times(n) %}{{ n }}{% endmacro %}{% macro more(n) %}{{ times(n) }} + 1{% endmacro %}"
    )
    (wards / "models" / "chosen.sql").write_text(
        "select ward, beds * {{ more(2) }} as beds from {{ ref('wards') }}\n"
        "where floor = {{ var('floor', 1) }} and ward = '{{ env_var('SYNTH_TEST_WARD', 'A') }}'"
    )
    fixtures = wards / "tests" / "fixtures"
    fixtures.mkdir(parents=True)
    (fixtures / "some_wards.csv").write_text("ward,beds,floor\nZ,1,7\nZ,2,1\nA,3,7\n")
    (fixtures / "chosen_wards.csv").write_text("ward,beds\nZ,11\n")
    declare(wards, OVERRIDDEN)
    result = synth(wards, "build")
    assert result.returncode == 0, result.stdout + result.stderr
    assert statuses(wards) == {"unit_test.beds_of_a_ward": ("pass", 0)}
    with duckdb.connect(
        str(wards / "target" / "dev.duckdb"), read_only=True
    ) as target:  # nothing but the test has them
        assert target.execute("select * from public.chosen").fetchall() == [("A", 21)]
    (fixtures / "chosen_wards.csv").write_text("ward,beds\nZ,12\n")
    assert synth(wards, "test").returncode == 1
    assert statuses(wards) == {"unit_test.beds_of_a_ward": ("fail", 2)}


QUERIED = """
unit_tests:
  - name: beds_of_a_floor
    model: floors
    given:
      - input: ref('wards')
        format: sql
        rows: |
          -- two beds on every floor, and one without a number
          with numbers as (from range(1, 4) r(floor))
          select floor, 2 as beds from numbers union all select 1, null;
    expect: {format: sql, fixture: floors}
"""


def test_unit_tests_have_rows_that_a_query_makes(wards: Path) -> None:
    fixtures = wards / "tests" / "fixtures"
    fixtures.mkdir(parents=True)
    (fixtures / "floors.sql").write_text("select i as FLOOR, '2' as beds from range(1, 4) r(i)")
    declare(wards, QUERIED)
    result = synth(wards, "build")
    assert result.returncode == 0, result.stdout + result.stderr
    assert statuses(wards) == {"unit_test.beds_of_a_floor": ("pass", 0)}
    (fixtures / "floors.sql").write_text("select 1 as floor, 3 as beds")
    assert synth(wards, "test").returncode == 1
    assert statuses(wards) == {"unit_test.beds_of_a_floor": ("fail", 4)}


def test_folders_configure_unit_tests(wards: Path) -> None:
    declare(wards, UNIT.replace("BEDS", "10"))
    project = wards / "synth_project.yml"
    text = project.read_text()
    project.write_text(f"{text}\nunit_tests: {{+tags: unit, wards: {{floors: {{+enabled: false}}}}}}\n")
    assert synth(wards, "ls", "-s", "test_type:unit").returncode == 2
    project.write_text(f"{text}\nunit_tests: {{+tags: unit, wards: {{floors: {{+tags: [nightly]}}}}}}\n")
    assert synth(wards, "ls", "-s", "tag:unit,tag:nightly", "--output", "name").stdout.split() == ["beds_add_up"]


def test_a_model_whose_unit_test_fails_is_not_built(wards: Path) -> None:
    declare(wards, UNIT.replace("BEDS", "11"))
    result = synth(wards, "build")
    assert result.returncode == 1
    assert "2 rows differ" in result.stdout and "expected" in result.stdout and "actual" in result.stdout
    assert "SKIP  public.floors  a unit test of floors failed" in result.stdout
    with duckdb.connect(str(wards / "target" / "dev.duckdb"), read_only=True) as target:
        names = target.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
        ).fetchall()
    assert names == [("wards",)]
    declare(wards, UNIT.replace("BEDS", "10"))
    assert synth(wards, "retry").returncode == 0
    assert statuses(wards) == {"unit_test.beds_add_up": ("pass", 0)}


def test_a_view_that_cannot_be_read_is_a_mistake_of_its_sql(wards: Path) -> None:
    """DuckDB converts when somebody looks: not when the view is made, and not when its rows are counted."""
    (wards / "models" / "letters.sql").write_text("select cast(ward as integer) as letter from {{ ref('wards') }}")
    assert synth(wards, "build").returncode == 0
    shown = synth(wards, "show", "letters")
    assert shown.returncode == 1 and "letters cannot be read: Conversion Error" in shown.stderr
    assert synth(wards, "docs", "generate").returncode == 0
    assert "letters.html" in (wards / "target" / "docs" / "index.html").read_text()


def test_who_reads_no_more_stops_nothing(wards: Path) -> None:
    """As head does, and less that is left."""
    for said in ((), ("--log-format", "json"), ("-q",)):
        command = [sys.executable, "-m", "synth", "build", *said]
        with subprocess.Popen(command, cwd=wards, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            process.stdout.close()
            assert process.wait(60) == 0, process.stderr.read()
    log = [json.loads(line) for line in (wards / "logs" / "synth.log").read_text().splitlines()]
    assert sum("PASS=2" in line["info"]["msg"] for line in log) == 3


def test_what_was_interrupted_is_done_again(wards: Path) -> None:
    (wards / "tests").mkdir()
    (wards / "tests" / "a_ward.sql").write_text("select * from {{ ref('wards') }} where ward = 'Z'")
    plant = "first('synth.runtime.runner.Runner._public', raises(KeyboardInterrupt), reserved=False)"
    assert synth(wards, "build").returncode == 0
    (wards / "project").symlink_to(wards)
    assert shared()(wards, ["build"], plant=f"from plants import *; import synth.runtime.runner; {plant}") == 1
    found = json.loads((wards / "target" / "run_results.json").read_text())
    assert [(r["model"], r["status"]) for r in found["results"]] == [("wards", "skipped"), ("floors", "skipped")]
    assert found["skipped"] == ["test.a_ward"]
    again = synth(wards, "retry")
    assert again.returncode == 0 and "again what failed or was skipped in synth build of" in again.stdout
    assert "PASS=3" in again.stdout


def test_nothing_to_do_is_no_release_and_no_check(wards: Path) -> None:
    assert synth(wards, "build").returncode == 0
    none = ("--select", "result:fail")
    for verb, code in (("build", 0), ("plan", 0), ("ls", 0), ("release", 2), ("check-sql", 2), ("evaluate", 2)):
        found = synth(wards, verb, *none)
        assert found.returncode == code and "the selection 'result:fail' holds nothing" in found.stderr, verb
    (wards / "selectors.yml").write_text("selectors: [{name: broken, definition: 'result:fail'}]")
    assert synth(wards, "build", "--selector", "broken").returncode == 0


def test_a_file_that_an_editor_left_is_none_of_ours(wards: Path) -> None:
    (wards / "models" / ".#wards.sql").symlink_to("somebody@somewhere.1234")
    (wards / "models" / "old.sql").mkdir()
    assert synth(wards, "compile").returncode == 0


def test_yaml_knows_the_target(wards: Path) -> None:
    (wards / "synth_project.yml").write_text(
        PROJECT + "models: {wards: {floors: {+enabled: \"{{ target.name == 'prod' }}\"}}}\n"
    )
    declare(wards, 'models: [{name: wards, description: "in {{ target.path }}"}]')
    listed = ("ls", "--resource-type", "model", "--output", "name")
    assert synth(wards, *listed).stdout.split() == ["wards"]
    assert synth(wards, *listed, "--target", "prod").stdout.split() == ["wards", "floors"]
    assert synth(wards, "compile", "-t", "prod").returncode == 0
    text = (wards / "synth_project.yml").read_text()
    (wards / "synth_project.yml").write_text(text + "default-target: \"{{ env_var('WHERE', 'dev') }}\"\n")
    assert synth(wards, *listed, WHERE="prod").stdout.split() == ["wards", "floors"]
    assert synth(wards, "compile", "-t", "prod").returncode == 0
    assert "in target/prod.duckdb" in (wards / "target" / "compiled.json").read_text()


def test_sql_knows_its_relation_and_its_target(wards: Path) -> None:
    (wards / "models" / "about.sql").write_text(
        "select '{{ target.name }} {{ target.type }} {{ target.database }} {{ this.name }}' as words, "
        "{{ (var('n', 3), 2) | sum }} as n, '{{ this }}' as this {{ log('compiling', info=true) }}"
    )
    result = synth(wards, "build", "--select", "about", "--target", "prod")
    assert result.returncode == 0 and "compiling" in result.stderr
    with duckdb.connect(str(wards / "target" / "prod.duckdb"), read_only=True) as target:
        assert target.execute("select * from public.about").fetchall() == [
            ("prod duckdb prod about", 5, '"public"."about"')
        ]


def test_a_macro_can_return_a_value_and_be_run(wards: Path) -> None:
    (wards / "macros").mkdir()
    (wards / "macros" / "ops.sql").write_text(
        """
{% macro names() %}{{ return(['wards', 'floors']) }}{% endmacro %}
{% macro drop_it(name) %}{% do run_query('drop table ' ~ ref(name)) %}dropped {{ name }}{% endmacro %}
{% macro counts() %}
{%- for name in names() %}{{ name }}: {{ run_query('select count(*) as n from ' ~ ref(name)).columns[0].values()[0] }}
{% endfor %}{% endmacro %}
"""
    )
    missing = synth(wards, "run-operation", "counts")
    assert missing.returncode == 1 and "synth build" in missing.stderr
    synth(wards, "run")
    assert synth(wards, "run-operation", "counts").stdout == "wards: 4\nfloors: 3\n"
    assert synth(wards, "run-operation", "drop_it", "--args", "{name: wards}").stdout == "dropped wards\n"
    assert synth(wards, "run-operation", "counts").returncode == 1


def test_a_macro_that_is_run_may_have_statements(wards: Path) -> None:
    (wards / "macros").mkdir()
    (wards / "macros" / "ops.sql").write_text(
        """
{% macro count_beds() %}
{%- call statement('beds', fetch_result=True) %}
  select floor, sum(beds) as n from {{ ref('wards') }} group by all order by 1
{%- endcall -%}
{%- set found = load_result('beds') -%}
{{ found['data'] }} {{ found.table.column_names | join(',') }} {{ found['table'].columns[1].values() | sum }}{% endmacro %}
{% macro forget(name) %}{% call statement(auto_begin=true) %}drop table {{ ref(name) }}{% endcall %}done{% endmacro %}
{% macro no_result() %}{% call statement('beds') %}select 1{% endcall %}{{ load_result('beds').data }}{% endmacro %}
{% macro not_sql() %}{% call statement('beds') %}selec 1{% endcall %}{% endmacro %}
"""
    )
    synth(wards, "run")
    assert synth(wards, "run-operation", "count_beds").stdout == "((1, 35), (2, 3), (3, 7)) floor,n 45\n"
    none = synth(wards, "run-operation", "no_result")
    assert none.returncode == 2 and "no statement 'beds' has fetched a result" in none.stderr
    wrong = synth(wards, "run-operation", "not_sql")
    assert wrong.returncode == 1 and "statement: Parser Error" in wrong.stderr
    assert synth(wards, "run-operation", "forget", "--args", "{name: wards}").stdout == "done\n"
    assert synth(wards, "run-operation", "count_beds").returncode == 1
    (wards / "models" / "asks.sql").write_text("select {{ load_result('beds').data }} as n")
    (wards / "models" / "says.sql").write_text("{% call statement('beds') %}select 1{% endcall %}select 1 as n")
    compiled = synth(wards, "compile")
    assert compiled.returncode == 2
    for word in ("asks.sql:1:11: load_result", "says.sql:1:9: statement"):
        assert f"{word}() has no place here: compiling reads no row" in compiled.stderr


def test_a_macro_that_is_run_reaches_no_file(wards: Path) -> None:
    (wards / "macros").mkdir()
    (wards / "private.csv").write_text("name\nJane Doe\n")
    (wards / "macros" / "ops.sql").write_text(
        "{% macro peep() %}{{ run_query(\"from '\" ~ 'private.csv' ~ \"'\").rows }}{% endmacro %}"
    )
    result = synth(wards, "run-operation", "peep")
    assert result.returncode == 1 and "Jane" not in result.stdout + result.stderr


def test_defer_reads_what_another_target_has(wards: Path) -> None:
    assert synth(wards, "build", "--target", "prod").returncode == 0
    (wards / "target" / "manifest.json").rename(wards / "prod_manifest.json")
    (wards / "prod").mkdir()
    (wards / "prod_manifest.json").rename(wards / "prod" / "manifest.json")
    declare(
        wards,
        "models: [{name: floors, columns: [{name: floor, tests: [relationships: {to: ref('wards'), field: floor}]}]}]",
    )
    alone = synth(wards, "build", "--select", "floors")
    assert alone.returncode == 1 and "wards, which is not built" in alone.stdout
    deferred = synth(wards, "build", "--select", "floors", "--defer", "--state", "prod")
    assert deferred.returncode == 0, deferred.stdout + deferred.stderr
    assert "read where the other target has them: public.wards" in deferred.stdout
    assert statuses(wards) == {"relationships_floors_floor": ("pass", 0)}
    with duckdb.connect(str(wards / "target" / "dev.duckdb"), read_only=True) as target:  # it stands without the other
        assert target.execute("select * from public.floors order by all").fetchall() == [(1, 35), (2, 3), (3, 7)]
    for arguments, words in [((), "--defer needs --state"), (("--state", "nowhere"), "no manifest.json")]:
        wrong = synth(wards, "run", "--defer", *arguments)
        assert wrong.returncode == 2 and words in wrong.stderr
    manifest = wards / "prod" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("target/prod.duckdb", "../private/rows.duckdb"))
    elsewhere = synth(wards, "run", "--defer", "--state", "prod")
    assert elsewhere.returncode == 2 and "of no target" in elsewhere.stderr


def test_what_is_written_fits_its_schema(wards: Path) -> None:
    declare(wards, UNIT.replace("BEDS", "10"))
    assert synth(wards, "build").returncode == 0 and synth(wards, "docs", "generate").returncode == 0
    made = artifact_schemas()
    for name in ("manifest", "run_results", "catalog"):
        jsonschema.validate(json.loads((wards / "target" / f"{name}.json").read_text()), made[name])


def test_a_secret_is_not_shown(wards: Path) -> None:
    secret = {"SYNTH_ENV_SECRET_PLACE": "/nowhere/hunter2"}
    (wards / "models" / "told.sql").write_text("select '{{ env_var('SYNTH_ENV_SECRET_PLACE') }}' as word")
    refused = synth(wards, "compile", **secret)
    assert refused.returncode == 2 and "SYNTH_ENV_SECRET_PLACE is a secret" in refused.stderr
    (wards / "models" / "told.sql").unlink()
    declare(wards, "models: [{name: wards, description: \"{{ env_var('SYNTH_ENV_SECRET_PLACE') }}\"}]\n")
    assert "is a secret" in synth(wards, "compile", **secret).stderr
    declare(wards, "models: []\n")
    (wards / "models" / "told.sql").write_text("{{ exceptions.raise_compiler_error(var('word')) }}")
    told = synth(wards, "compile", "--vars", "{word: see /nowhere/hunter2}", **secret)
    assert "see ***" in told.stderr and "hunter2" not in told.stderr


def test_words_and_tests_modify_no_model(wards: Path) -> None:
    declare(wards, "models: [{name: wards, columns: [{name: ward, description: a letter}]}]\n")
    assert synth(wards, "compile").returncode == 0
    (wards / "before").mkdir()
    (wards / "target" / "manifest.json").rename(wards / "before" / "manifest.json")
    declare(wards, "models: [{name: wards, columns: [{name: ward, description: its letter, tests: [unique]}]}]\n")
    found = synth(wards, "ls", "--select", "state:modified", "--state", "before", "--output", "name")
    assert found.stdout.split() == ["unique_wards_ward"], found.stderr
