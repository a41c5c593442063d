"""One graph, written once: as a dbt project and as a synth project. Models, tests and selectors.yml are the same files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compiling import write

TABLES = {  # of metadata: columns and their types, then what else stands there
    "people": (
        {"person": "key", "age": "integer", "sex": "categorical"},
        "primary_key: person",
    ),
    "visits": (
        {"visit": "key", "person": "key", "ward": "categorical"},
        "primary_key: visit\n    max_rows_per_unit: 3\n    foreign_keys: [{column: person, references: people}]\n"
        "    constraints: [{name: a ward, expression: ward is not null}]",
    ),
}
KINDS = {
    "key": "type: key",
    "integer": "type: integer, bounds: [0, 120]",
    "categorical": "type: categorical, values: [A, B]",
}

FILES = {
    "models/staging/stg_people.sql": "{{ config(materialized='private') }}select * from {{ source('clinic', 'people') }}",
    "models/staging/raw/stg_visits.sql": "{{ config(materialized='private', tags=['raw']) }}select v.* from "
    "{{ source('clinic', 'visits') }} as v join {{ source('codes', 'wards') }} as w on v.ward = w.ward",
    "models/hospital/people.sql": "{{ config(materialized='synthetic', epsilon=0.5, tags=['hospital', 'core']) }}"
    "select {{ declared_columns() }} from {{ ref('stg_people') }}",
    "models/hospital/visits.sql": "{{ config(materialized='synthetic', epsilon=0.5, tags=['hospital']) }}"
    "select {{ declared_columns() }} from {{ ref('stg_visits') }} {{ linked_to('people') }}",
    "models/marts/by_age.sql": "{{ config(tags=['mart']) }}select age, count(*) as n from {{ ref('people') }} group by age",
    "models/marts/by_ward.sql": "{{ config(materialized='table', tags=['mart', 'nightly']) }}"
    "select cast(ward as integer) as ward from {{ ref('visits') }}",
    "models/marts/deep/both.sql": "{{ config(tags='nightly') }}select * from {{ ref('by_age') }}, {{ ref('by_ward') }}",
    "models/odd.sql": "select person, {{ twice('1') }} as two from {{ ref('visits') }}",
    "models/even.sql": "{{ config(enabled=true) }}select {{ twice('2') }} as four from {{ ref('people') }}",
    "tests/no_old.sql": "select * from {{ ref('people') }} where age > 120",
    "tests/not_odd.sql": "select * from {{ ref('odd') }}",
    "tests/deep/matches.sql": "select n from {{ ref('by_age') }} except select ward from {{ ref('by_ward') }}",
    "tests/deep/across.sql": "select 1 from {{ ref('people') }}, {{ ref('both') }}, {{ ref('odd') }} where false",
    "selectors.yml": """
selectors:
  - name: text
    definition: tag:mart
  - name: pair
    definition: {tag: nightly}
  - name: whole
    definition: {method: tag, value: hospital, children: true, children_depth: 1, parents: true}
  - name: at
    definition: {method: fqn, value: stg_people, childrens_parents: true}
  - name: without
    definition: {method: fqn, value: marts, exclude: [both, {method: test_type, value: singular}]}
  - name: either
    definition:
      union: [people, {tag: nightly}, {method: resource_type, value: source}, {exclude: [by_ward, 'source:codes']}]
  - name: each
    definition: {intersection: [+both, {tag: mart}]}
  - name: nested
    definition:
      union:
        - {intersection: [{path: models/marts}, {config.materialized: view}]}
        - {method: selector, value: text}
        - {method: fqn, value: odd, indirect_selection: empty}
  - name: careful
    definition:
      union:
        - {method: fqn, value: by_age, indirect_selection: cautious}
        - {method: fqn, value: by_ward, indirect_selection: cautious}
  - name: buildable
    definition: {method: fqn, value: both, indirect_selection: buildable}
""",
}
BEFORE: dict[str, str | None] = {  # as files were once; None: not there
    "models/marts/by_age.sql": "{{ config(tags=['mart']) }}select age, 1 as n from {{ ref('people') }}",
    "models/marts/by_ward.sql": FILES["models/marts/by_ward.sql"].replace(", 'nightly'", ""),
    "models/odd.sql": None,
    "tests/not_odd.sql": None,
    "tests/deep/across.sql": None,
}

SYNTH = {
    "synth_project.yml": "name: ward\nbudgets: {patients: {epsilon: 3, approver: test}}\n",
    "macros/twin.sql": "{% macro linked_to(name) %}{% endmacro %}{% macro twice(x) %}{{ x }} + {{ x }}{% endmacro %}",
    "sources/clinic.yml": "sources:\n  - {name: clinic, location: x, privacy: {population: patients, unit: person, units: 500},"
    " tables: [{name: people}, {name: visits}]}\n"
    "  - {name: codes, location: x, privacy: public, tables: [{name: wards, columns: [ward]}]}\n",
    "metadata/hospital/tables.yml": "tables:\n"
    + "".join(
        f"  - name: {name}\n    {more}\n    columns:\n"
        + "".join(f"      - {{name: {column}, {KINDS[kind]}}}\n" for column, kind in columns.items())
        for name, (columns, more) in TABLES.items()
    ),
}


def _checks(table: str) -> Iterator[tuple[str, str]]:
    """What synth checks of a table, and of which column."""
    columns, more = TABLES[table]
    for column, kind in columns.items():
        yield from ((check, column) for check in ("type", "not_null"))
        yield from ((check, column) for check in {"integer": ["between"], "categorical": ["in_set"]}.get(kind, []))
        yield from [("unique", column)] if f"primary_key: {column}" in more else []
        yield from [("relationships", column)] if f"{{column: {column}," in more else []
    yield from [("holds", "a_ward")] if "constraints" in more else [("row_count", "table")]


def _generic(table: str) -> str:
    """The same as dbt declares it."""
    at: dict[str, list[str]] = {}
    for check, column in _checks(table):
        to = ", arguments: {to: \"ref('people')\", field: person}" if check == "relationships" else ""
        at.setdefault(column, []).append(f"{{{check}: {{name: {check}_{table}_{column}{to}}}}}")
    columns = [f"      - {{name: {c}, data_tests: [{', '.join(at[c])}]}}\n" for c in TABLES[table][0]]
    others = [test for column, tests in at.items() if column not in TABLES[table][0] for test in tests]
    return f"  - name: {table}\n    data_tests: [{', '.join(others)}]\n    columns:\n{''.join(columns)}"


_OWN = ("type", "between", "in_set", "holds", "row_count")
DBT = {
    "dbt_project.yml": "name: ward\nversion: '1.0'\nprofile: ward\nmodel-paths: [models, metadata, sources]\n"
    "flags: {send_anonymous_usage_stats: false}\n",
    "profiles.yml": "ward: {target: dev, outputs: {dev: {type: duckdb, path: dev.duckdb}}}\n",
    "macros/twin.sql": "{% macro linked_to(name) %}\n-- depends_on: {{ ref(name) }}\n{% endmacro %}"
    "{% macro twice(x) %}{{ x }} + {{ x }}{% endmacro %}{% macro declared_columns() %}*{% endmacro %}"
    "{% materialization private, default %}{{ return(dbt.materialization_view_default()) }}{% endmaterialization %}"
    "{% materialization synthetic, default %}{{ return(dbt.materialization_view_default()) }}{% endmaterialization %}",
    "macros/checks.sql": "".join(
        f"{{% test {check}(model, column_name=none) %}}select 1 as one where false{{% endtest %}}\n" for check in _OWN
    ),
    "sources/clinic.yml": "sources:\n  - {name: clinic, tables: [{name: people}, {name: visits}]}\n"
    "  - {name: codes, tables: [{name: wards}]}\n",
    "metadata/hospital/tables.yml": "models:\n" + "".join(_generic(table) for table in TABLES),
}
ROWS = """
create schema clinic; create schema codes;
create table clinic.people as select i as person, i as age, 'A' as sex from range(5) as r(i);
create table clinic.visits as select i as visit, i as person, 'A' as ward from range(5) as r(i);
create table codes.wards as select 'A' as ward;
"""


def write_twin(root: Path, own: dict[str, str], once: bool = False) -> Path:
    """``own``: SYNTH or DBT; ``once``: as it was before."""
    files = own | FILES | (BEFORE if once else {})
    macros = files["macros/twin.sql"] or ""
    files["macros/twin.sql"] = macros.replace("{{ x }} + {{ x }}", "2 * {{ x }}") if once else macros
    settings = next(name for name in own if name.endswith("_project.yml"))
    files[settings] = f"{own[settings]}models: {{ward: {{even: {{+materialized: {'table' if once else 'view'}}}}}}}\n"
    return write(root, {name: text for name, text in files.items() if text is not None})
