"""SQL before the mechanism keeps people apart: what the compiler lets through holds on rows, and what it refuses breaks."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import synth
from compiling import compile_folder, write
from synth import cli
from synth.artifacts.results import ApartResult
from synth.compiler import functions
from synth.errors import ProjectError
from synth.privacy.calibrations import Calibrations
from synth.runtime.leave_one_out import check
from synth.runtime.private_zone import PrivateZone

ROOT = Path(__file__).parent.parent
TRUST = "Ada Lovelace: planted for a test"
FILES = {
    "synth_project.yml": "name: clinic\nbudgets: {people: {epsilon: 1.0, approver: the board}}\n",
    "sources/clinic.yml": """
sources:
  - name: clinic
    location: data
    privacy: {population: people, unit: person, units: 1000}
    tables:
      - {name: visits, columns: [age, ward, day]}
      - {name: people, columns: [sex, ward]}
  - name: codes
    location: data
    privacy: public
    tables: [{name: wards, columns: [ward, floor]}]
""",
    "metadata/stays.yml": """
tables:
  - name: stays
    max_rows_per_unit: 3
    columns:
      - {name: person, type: key}
      - {name: age, type: integer, bounds: [0, 99], nullable: true}
      - {name: ward, type: categorical, values: [A, B, C], nullable: true}
""",
}
NAMES = {"visits": "'clinic', 'visits'", "people": "'clinic', 'people'", "wards": "'codes', 'wards'"}
COLUMNS = {"visits": ["person", "age", "ward", "day"], "people": ["person", "sex", "ward"], "wards": ["ward", "floor"]}
WARDS = [["A", "1"], ["B", "2"], ["B", "3"], ["", "4"]]
Rows = Sequence[Sequence[str]]


def key() -> bytes:
    return bytes(32)


def source(sql: str) -> str:
    """``@visits`` becomes the source's table."""
    for short, name in NAMES.items():
        sql = sql.replace(f"@{short}", f"{{{{ source({name}) }}}}")
    return sql


def model(sql: str, trust: bool = False) -> str:
    said = f", trust_sql='{TRUST}'" if trust else ""
    return f"{{{{ config(materialized='synthetic', epsilon=0.5{said}) }}}}\n{source(sql)}\n"


def data(root: Path, visits: Rows, people: Rows) -> Path:
    for name, rows in {"visits": visits, "people": people, "wards": WARDS}.items():
        text = "\n".join(",".join(row) for row in [COLUMNS[name], *rows]) + "\n"
        write(root, {f"data/{name}.csv": text})
    return root


def verdict(root: Path, sql: str, trust: bool = False, units: int = 20) -> ApartResult:
    write(root, {**FILES, "models/stays.sql": model(sql, trust)})
    return check(compile_folder(root).synthetic["stays"], root, root / "internal", 1, "1GB", key, units)


# what is let through

SAFE = [
    "select * from @visits",
    "select person, age, ward from @visits where age is not null and ward <> 'C'",
    # windows of one unit
    "select person, count(*) over (partition by person) as age, ward from @visits",
    "select person, row_number() over (partition by person order by age, ward, day) as age, ward from @visits",
    "select person, lag(age) over (partition by ward, person order by age, ward, day) as age, ward from @visits",
    "select person, age, first_value(ward) over w as ward from @visits window w as (partition by person order by day, ward)",
    "select person, sum(try_cast(age as int)) over (partition by person order by day, age) as age, ward from @visits",
    "select person, median(try_cast(age as double)) over (partition by person) as age, ward from @visits",
    "select v.* from @visits as v qualify rank() over (partition by v.person order by day desc) = 1",
    # groups of one unit
    "select person, max(age) as age, ward from @visits group by person, ward",
    "select person, count(*) as age, min(ward) as ward from @visits group by 1 having count(*) > 1",
    "select person, count(distinct day) filter (where age > '3') as age, ward from @visits group by all",
    "select person, avg(try_cast(age as decimal(18, 3))) as age, mode(ward order by ward) as ward from @visits group by person",
    "select person, sum(try_cast(age as double) order by age) as age, first(ward order by day, ward) as ward from @visits "
    "group by person",
    "select person, sum(count(*)) over (partition by person order by ward rows unbounded preceding) as age, ward from @visits "
    "group by person, ward",
    "select distinct person, age, ward from @visits",
    # joins on the unit
    "select v.person, p.sex as age, v.ward from @visits as v join @people as p on v.person = p.person",
    "select v.*, p.sex from @visits as v left join @people as p on p.person = v.person and p.ward = v.ward",
    "select person, age, v.ward, sex from @visits as v join @people as p using (person)",
    "select v.* from @visits as v semi join @people as p on v.person = p.person and v.day > p.sex",
    "select v.* from @visits as v anti join @people as p using (person)",
    "select a.person, b.age, a.ward from @visits as a join @visits as b on a.person = b.person and a.day < b.day",
    "select a.person, a.age, b.ward from @visits a left join @people p using (person) left join @visits b on a.person = b.person",
    # joins to nobody's rows
    "select v.person, k.floor as age, v.ward from @visits as v left join @wards as k on v.ward = k.ward",
    "select v.person, k.floor as age, v.ward from @visits as v, @wards as k where v.age >= k.floor",
    "select person, floor as age, v.ward from @wards as k join @visits as v on v.ward = k.ward",
    "select v.* from @visits as v anti join @wards as k on v.ward = k.ward",
    "select v.person, n.n as age, v.ward from @visits as v join (select ward, count(*) as n from @wards group by ward) as n "
    "on n.ward = v.ward",
    "select v.person, m.top as age, v.ward from @visits as v, (select max(floor) as top from @wards) as m",
    # with and brackets
    "with v as (select person, age, ward from @visits where age > '2') select * from v",
    "with first as (select *, row_number() over (partition by person order by day, age, ward) as n from @visits), "
    "one as (select person, age, ward from first where n = 1) select one.* from one join @people as p using (person)",
    "select t.person, t.n as age, v.ward from (select person, count(*) as n from @visits group by person) as t "
    "join @visits as v on v.person = t.person",
    "with k as (select distinct ward from @wards) select v.person, v.age, k.ward from @visits v left join k on v.ward = k.ward",
]  # fmt: skip


def test_what_keeps_people_apart_is_let_through(tmp_path: Path) -> None:
    """All at once, as private models, which a synthetic model may read in turn."""
    views = {
        f"models/v{i}.sql": f"{{{{ config(materialized='private') }}}}\n{source(sql)}" for i, sql in enumerate(SAFE)
    }
    chain = "select a.* from {{ ref('v0') }} as a join {{ ref('v9') }} as b on a.person = b.person"
    compiled = compile_folder(write(tmp_path, {**FILES, **views, "models/stays.sql": model(chain)}))
    assert [view.name for view in compiled.synthetic["stays"].views] == ["v0", "v9"]
    assert [s.unit for s in compiled.synthetic["stays"].sources] == [("person",)]
    assert len(
        [n for n in compiled.manifest.nodes.values() if n.zone == "private" and n.resource_type == "model"]
    ) == len(SAFE)


def test_the_examples_of_the_documentation_are_let_through(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sql.md").read_text()
    blocks = {kind: re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("sql", "yaml")}
    files = {
        f"models/example_{i}.sql": f"{{{{ config(materialized='private') }}}}\n{sql}"
        for i, sql in enumerate(blocks["sql"])
    }
    for folder in ("sources", "metadata"):
        files |= {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / folder).glob("*.yml")}
    files |= {"synth_project.yml": (ROOT / "synth_project.yml").read_text(), "sources/codes.yml": blocks["yaml"][0]}
    files |= {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "models").rglob("*.sql")}
    files |= {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "macros").rglob("*.sql")}
    names = {node.name for node in compile_folder(write(tmp_path, files)).manifest.nodes.values()}
    assert {"example_0", "example_1", "codes.payers"} <= names


# what is let through holds on rows: parts of a select, and what an unlucky one may have in their place

PERSON = st.sampled_from(["1", "2", " 2", "03", "ann", ""])
AGES = st.one_of(st.integers(0, 99).map(str), st.sampled_from(["", "x"]))
VISIT = st.tuples(PERSON, AGES, st.sampled_from("ABCD"), st.integers(0, 30).map(str))
PATIENT = st.tuples(PERSON, st.sampled_from("FM"), st.sampled_from("ABC"))
SOME = [
    ("1", "20", "A", "1"),
    ("1", "7", "B", "5"),
    ("2", "41", "A", "2"),
    ("03", "33", "B", "3"),
    ("ann", "90", "A", "9"),
]
PARTS = {
    "from": [
        "@visits as v",
        "(select * from @visits where ward <> 'A') as v",
        "@visits as v join @people as p on v.person = p.person",
        "@visits as v left join @people as p on p.person = v.person and p.ward = v.ward",
        "@visits as v anti join @people as p on p.person = v.person",
        "@visits as v join @visits as w on v.person = w.person and w.day < v.day",
        "@visits as v left join @wards as k on v.ward = k.ward",
        "@visits as v, @wards as k",
    ],
    "age": [
        "v.age",
        "try_cast(v.age as int) + 1",
        "count(*) over (partition by v.person)",
        "row_number() over (partition by v.person order by v.age, v.ward, v.day)",
        "lead(v.age) over (partition by v.person, v.ward order by v.age, v.day)",
        "sum(try_cast(v.age as int)) over (partition by v.person order by v.day)",
    ],
    "group": [
        "v.person, max(v.age) as age, v.ward group by v.person, v.ward",
        "v.person, count(*) as age, min(v.ward) as ward group by 1 having count(*) > 1",
        "v.person, sum(try_cast(v.age as int)) as age, any_value(v.ward order by v.ward) as ward group by v.person",
        "v.person, max(count(*)) over (partition by v.person) as age, v.ward group by v.person, v.ward",
    ],
    "round": [
        "{}",
        "with q as ({}) select * from q where age is not null",
        "select distinct * from ({})",
        "with q as ({}) select q.person, r.age, q.ward from q join q as r on q.person = r.person",
        "select person, age, ward from ({}) as q qualify count(*) over (partition by person) > 1",
        "select person, min(age) as age, ward from ({}) as q group by person, ward",
    ],
}
UNLUCKY = {
    "from": [
        "@visits as v, @people as p",
        "@visits as v join @people as p using (ward)",
        "@visits as v semi join @people as p on p.ward = v.ward",
        "@visits as v left join @people as p on p.ward = v.ward or p.person = v.person",
        "@wards as k left join @visits as v on v.ward = k.ward",
        "(select * from @visits order by age limit 5) as v",
    ],
    "age": [
        "count(*) over ()",
        "max(try_cast(v.age as int)) over (partition by v.ward)",
        "rank() over (order by v.age)",
        "count(*) over (partition by v.ward)",
    ],
    "group": [
        "max(v.person) as person, count(*) as age, v.ward group by v.ward",
        "v.person, max(count(*)) over () as age, v.ward group by v.person, v.ward",
        "v.ward as person, max(v.age) as age, v.ward group by v.ward, v.person",
    ],
    "round": [
        "{} limit 2",
        "with q as ({}) select q.person, r.age, q.ward from q left join q as r on q.ward = r.ward",
        "with q as ({}) select age as person, age, ward from q",
        "{} union select person, '50' as age, 'A' as ward from @people",
    ],
}


@st.composite
def selects(draw: st.DrawFn) -> str:
    """Selects of which some keep people apart and some do not, by one part of them."""
    unlucky = draw(st.sampled_from(["", "", "from", "age", "group", "round"]))
    part = {name: draw(st.sampled_from(UNLUCKY[name] if name == unlucky else PARTS[name])) for name in PARTS}
    where = draw(st.sampled_from(["", "where v.age > '1'", "where v.person <> '2'"]))
    inner = f"select v.person, {part['age']} as age, v.ward from {part['from']} {where}"
    if unlucky == "group" or (unlucky != "age" and draw(st.booleans())):
        items, _, groups = part["group"].partition(" group by ")
        inner = f"select {items} from {part['from']} {where} group by {groups}"
    return part["round"].replace("{}", inner)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clinic")


@settings(max_examples=40, deadline=None)
@given(selects(), st.lists(VISIT, max_size=6), st.lists(PATIENT, max_size=5))
def test_what_is_let_through_moves_nobody(folder: Path, sql: str, visits: Rows, people: Rows) -> None:
    """Whatever the rows and the select: where the compiler sees no breach, no person moves another's rows."""
    try:
        found = verdict(data(folder, [*SOME, *visits], [("2", "F", "A"), *people]), sql)
    except ProjectError:
        event("refused")
        return
    event("let through")
    assert found.status == "pass", (sql, found)


def test_each_safe_select_moves_nobody(tmp_path: Path) -> None:
    visits = [["1", "3", "A", "1"], ["1", "4", "B", "2"], ["2", "3", "A", "1"], [" 2", "5", "B", "1"], ["", "9", "C", "3"],
              ["ann", "3", "B", "2"], ["ann", "3", "B", "2"], ["4", "7", "", "1"]]  # fmt: skip
    people = [["1", "F", "A"], ["2", "M", "B"], ["2", "F", "B"], ["5", "M", "A"], ["", "M", "C"]]
    data(tmp_path, visits, people)
    for sql in SAFE:
        assert verdict(tmp_path, sql).status == "pass", sql


LINKED = {
    "synth_project.yml": FILES["synth_project.yml"],
    "sources/clinic.yml": """
sources:
  - name: clinic
    location: data
    privacy: {population: people, unit: person, units: 1000}
    tables: [{name: people}, {name: stays}, {name: tests}, {name: bills}]
""",
    "metadata/all.yml": """
tables:
  - name: people
    source: clinic.people
    primary_key: person
    config: {epsilon: 0.5}
    columns: [{name: person, type: key}, {name: born, type: date, bounds: [1900-01-01, 2000-01-01]}]
  - name: stays
    source: clinic.stays
    primary_key: stay
    foreign_keys: [{column: person, references: people}]
    max_rows_per_unit: 2
    config: {epsilon: 0.5}
    columns:
      - {name: stay, type: key}
      - {name: person, type: key}
      - {name: came, type: date, offset_from: people.born, offset_bounds: [0 days, 40000 days]}
  - name: tests
    source: clinic.tests
    foreign_keys: [{column: stay, references: stays}]
    max_rows_per_unit: 3
    config: {epsilon: 0.5}
    columns: [{name: stay, type: key}, {name: person, type: key}, {name: found, type: integer, bounds: [0, 9]}]
  - name: bills
    source: clinic.bills
    foreign_keys: [{column: person, references: people}]
    max_rows_per_unit: 2
    config: {epsilon: 0.5}
    columns: [{name: person, type: key}, {name: pounds, type: integer, bounds: [0, 9]}]
""",
}


def test_linked_tables_keep_people_apart(tmp_path: Path) -> None:
    """Keys that come twice, name rows of others or nobody's, and rows above the cap, whose children go with them."""
    person = ["1", "2", " 2", "03", "ann", "4", ""]
    rows = {
        "people": [f"{p},19{50 + i}-01-01" for i, p in enumerate(person * 2)],
        "stays": [f"{i % 6},{person[i % 7]},{1960 + i}-01-01" for i in range(25)],
        "tests": [f"{i % 6},{person[i * 3 % 7]},{i % 11}" for i in range(40)],
        "bills": [f"{person[i % 7]},{i}" for i in range(20)],
    }
    heads = {
        "people": "person,born",
        "stays": "stay,person,came",
        "tests": "stay,person,found",
        "bills": "person,pounds",
    }
    write(tmp_path, {f"data/{name}.csv": "\n".join([heads[name], *rows[name]]) + "\n" for name in rows})
    models = compile_folder(write(tmp_path, LINKED)).synthetic
    for model in models.values():
        with PrivateZone(tmp_path, tmp_path / "internal", model, 1, "1GB", key) as zone:
            assert len(zone.prepare().unit)
        assert check(model, tmp_path, tmp_path / "internal", 1, "1GB", key, 20).status == "pass", model.name


# what is refused breaks

PLANTED = {
    "select person, avg(try_cast(age as int)) over () as age, ward from @visits": ("age",),
    "with m as (select avg(try_cast(age as int)) as a from @visits) select person, m.a as age, ward from @visits, m": ("age",),
    "select * from @visits limit 3": (),
    "select * from @visits order by age desc limit 3": (),
    "select person, row_number() over (order by age) as age, ward from @visits": ("age",),
    "select v.person, p.age, v.ward from @visits as v join @visits as p on v.ward = p.ward and v.person <> p.person": ("age",),
    "select day as person, age, ward from @visits": (),
    "select person, age, ward from @visits using sample 3 rows": (),
    "select any_value(person) as person, max(age) as age, ward from @visits group by ward": (),
    "select person, (random() * 99)::int as age, ward from @visits": ("age",),
    "select person, age, ward from @visits where age < (select max(age) from @visits)": (),
}  # fmt: skip


@pytest.mark.parametrize("sql", PLANTED)
def test_a_planted_breach_is_refused_and_found(tmp_path: Path, sql: str) -> None:
    """The compiler refuses it; with trust_sql it compiles, and leaving people out shows it."""
    visits = [[str(i // 2), str((7 * i) % 23), "ABC"[i % 3], str(i % 5)] for i in range(24)]
    data(tmp_path, visits, [])
    with pytest.raises(ProjectError):
        verdict(tmp_path, sql)
    found = verdict(tmp_path, sql, trust=True)
    assert found.status == "fail"
    assert set(PLANTED[sql]) <= set(found.columns)


# ties, and values that nothing can be made of

TIED = [
    "select person, row_number() over (partition by person order by day) as age, ward from @visits",
    "select person, lag(age) over (partition by person order by day desc) as age, ward from @visits",
    "select person, age, last_value(ward) over (partition by person order by day) as ward from @visits",
    "select person, nth_value(age, 2) over (partition by person order by day) as age, ward from @visits",
    "select person, sum(try_cast(age as int)) over (partition by person order by day rows 1 preceding) as age, ward from @visits",
    "select person, first(age order by day) as age, arg_max(ward, day order by day) as ward from @visits group by person",
    "select person, avg(try_cast(age as double) order by day) as age, ward from @visits group by person, ward",
    "select person, row_number() over (partition by person order by max(day), ward) as age, min(ward) as ward "
    "from @visits group by person, ward, age",
    "with v as (select *, ntile(2) over (partition by person order by day) as half from @visits) "
    "select person, half as age, ward from v qualify row_number() over (partition by person order by half) < 3",
    "select v.person, p.sex as age, v.ward from @visits as v join @people as p on v.person = p.person "
    "qualify row_number() over (partition by v.person order by v.day) = 1",
]  # fmt: skip


@pytest.mark.parametrize("sql", TIED)
def test_rows_that_tie_are_told_apart_by_all_that_they_have(tmp_path: Path, sql: str) -> None:
    """However the lines of a file lie, the same is prepared: every person's rows have one day, so every order ties."""
    visits = [[str(i % 4), str(7 * i % 90), "ABC"[i % 3], "1"] for i in range(48)]
    people = [[str(i % 4), str(20 + i % 5), "A"] for i in range(12)]
    write(tmp_path, {**FILES, "models/stays.sql": model(sql)})
    compiled = compile_folder(tmp_path).synthetic["stays"]
    found = set()
    for turn in range(12):
        turned, step = visits[turn * 5 :] + visits[: turn * 5], -1 if turn % 2 else 1
        data(tmp_path, turned[::step], people[::step])
        with PrivateZone(tmp_path, tmp_path / "internal", compiled, 2, "1GB", key) as zone:
            rows = zone.prepare()
        found.add(tuple(zip(rows.unit.tolist(), *(c.tolist() for c in rows.columns), strict=True)))
    assert len(found) == 1


ODD = [
    "",
    "x",
    "0",
    "-1",
    "9223372036854775807",
    "1e999",
    "nan",
    "inf",
    "0001-01-01",
    "infinity",
    "99999-12-31",
    "{",
    "(",
    "\\",
]
OF_ONE_ROW = [
    "age::int", "cast(age as date)", "try_cast(age as bigint) + 1", "-try_cast(age as bigint) * 10",
    "strptime(age, '%Y-%m-%d')", "sqrt(try_cast(age as double))", "ln(age::double)", "decode(from_hex(age))",
    "json_extract(age, '$.a')", "age ->> '$.a'", "regexp_matches(ward, age)", "age::date + interval 9000000 year",
    "make_date(age::int, 1, 1)", "date_trunc(age, date '2020-01-01')", "split_part(age, ',', age::bigint)",
    "chr(age::int)", "[1, 2][age::bigint]", "case when age then 1 else 2 end", "age = 1", "age in (1, 2)", "age like ward",
    "1 // try_cast(age as int)", "timezone('UTC', age::timestamp)", "lpad(age, 3, '0')", "substr(age, try_cast(age as bigint))",
    "date_diff('microsecond', date '0001-01-01', age::date)", "abs(try_cast(age as bigint))",
]  # fmt: skip
ODD_SELECTS = [
    *[f"select person, ({made})::varchar as age, ward from @visits" for made in OF_ONE_ROW],
    *[f"select person, age, ward from @visits where not ({made})" for made in OF_ONE_ROW],
    "select person, bool_or(age::bool) over (partition by person) as age, ward from @visits",
    "select person, max(age::int) filter (where ward = 1) over (partition by person) as age, ward from @visits",
    "select person, lag(age::int + 1) over (partition by person order by age::int) as age, ward from @visits",
    "select person, max(age::int) as age, ward from @visits group by person, ward having count(age::int * 2) = 1",
    "select v.person, v.age, v.ward from @visits as v join @people as p on p.person = v.person and v.age = p.sex::int",
    "select v.person, v.age, v.ward from @visits as v left join @wards as k on k.floor::int = v.age::int",
    "with v as (select person, age::date as age, ward from @visits) "
    "select person, year(age) as age, ward from v where age = ward",
]  # fmt: skip


def test_no_value_of_a_row_fails_a_run(tmp_path: Path) -> None:
    """What cannot be computed of a row is null there, and the run goes on."""
    data(tmp_path, [[str(i), value, "ABC"[i % 3], value] for i, value in enumerate(ODD)], [["1", "7", "A"]])
    table = FILES["metadata/stays.yml"].partition("tables:\n")[2]
    files = {
        **FILES,
        "synth_project.yml": FILES["synth_project.yml"].replace("1.0", "100.0"),
        "metadata/stays.yml": "tables:\n",
    }
    for i, sql in enumerate(ODD_SELECTS):
        files[f"models/m{i}.sql"] = model(sql)
        files["metadata/stays.yml"] += table.replace("stays", f"m{i}")
    models = compile_folder(write(tmp_path, files)).synthetic
    assert len(models) == len(ODD_SELECTS)
    for made in models.values():
        with PrivateZone(tmp_path, tmp_path / "internal", made, 1, "1GB", key) as zone:
            zone.prepare()


VALUES = {
    "VARCHAR": ["''", "'x'", "'(('", "'%q'", "'-1'", "'$['", "'2020-01-01'", "'Foo/Bar'", "chr(92)", "'[['", "'{}'"],
    "BIGINT": ["0", "-1", "9223372036854775807", "-9223372036854775808"], "INTEGER": ["0", "-1", "2147483647", "-2147483648"],
    "DOUBLE": ["'nan'::double", "'-inf'::double", "1e308::double", "-1e-308::double"],
    "DECIMAL": ["1::decimal(18, 3)", "99999999999999999999999999999999999999::decimal(38, 0)"],
    "DATE": ["'infinity'::date", "date '5877642-06-25 (BC)'", "date '5881580-07-10'"],
    "TIMESTAMP": ["'-infinity'::timestamp", "timestamp '290309-12-22 (BC) 00:00:00'", "timestamp '294247-01-10 04:00:54'"],
    "TIMESTAMP WITH TIME ZONE": ["'infinity'::timestamptz", "'294247-01-10 04:00:54+00'::timestamptz"],
    "TIME": ["time '00:00:00'", "time '24:00:00'"], "BLOB": ["'\\xFF'::blob"], "BOOLEAN": ["true"],
    "VARCHAR[]": ["['a']", "[]::varchar[]"], "ANY[]": ["['a']", "[1]", "[]"], "T[]": ["['a']", "[1]"],
}  # fmt: skip
ANYTHING = ["'x'", "-1", "'nan'::double", "date 'infinity'", "[1]", "null"]


def test_try_holds_whatever_a_function_is_given() -> None:
    """Of each function that is allowed, with what its arguments can hold: null, never an error."""
    random = np.random.default_rng(0)
    with duckdb.connect(config={"threads": "1", "memory_limit": "1GB"}) as connection:
        connection.execute("set disabled_optimizers = 'common_subexpressions,statistics_propagation'")
        known = connection.execute(
            "select function_name, parameter_types, varargs from duckdb_functions() where function_type = 'scalar'"
        ).fetchall()
        for name, types, more in known:
            if name not in functions.PER_ROW or {"INTERVAL", "TIME"} & {*types}:
                continue  # some have no meaning for these, whatever the row
            kinds = [*types, *([more] * 2 if more else [])]
            values = [VALUES.get(kind) or VALUES.get(kind.partition("(")[0]) or ANYTHING for kind in kinds]
            for _ in range(6):
                row = [str(random.choice(each)) for each in values]
                place = functions.CONSTANT_BUT.get(name)
                text = {"timezone": "'UTC'", "regexp_replace": "'g'"}.get(name, "'day'")
                fixed = [text if kind == "VARCHAR" else "3" for kind in kinds]  # by who writes the SQL, not by a row
                given = [f"c{i}" if place in (None, i) else fixed[i] for i in range(len(row))]
                columns = ", ".join(f"{value} as c{i}" for i, value in enumerate(row)) or "1 as none"
                call = f"{name}({', '.join(given)})" if name[0].isalpha() else f" {name} ".join(given[:2])
                call = call if len(given) > 1 or name[0].isalpha() else f"{name} {given[0]}"
                with suppress(duckdb.BinderException, duckdb.ParserException):
                    connection.execute(f"create or replace temp table t as select {columns}")
                    connection.execute(f"select try({call})::varchar from t").fetchall()


def test_a_function_is_allowed_only_after_it_was_looked_at() -> None:
    """DuckDB has what is allowed, and gives the same answer for it each time; aggregates have names of their own."""
    with duckdb.connect() as connection:
        kinds = connection.execute(
            "select function_name, list(distinct function_type), bool_and(function_type <> 'scalar' or stability = 'CONSISTENT') "
            "from duckdb_functions() group by all"
        ).fetchall()
    known = {name: (set(types), steady) for name, types, steady in kinds}
    for name in functions.OF_SYNTHETIC_ROWS:
        types, steady = known.get(name, ({"scalar"}, name in ("if", "nullif", "!~~", "!~~*", "->>")))
        assert steady and types & {"scalar", "macro"} and "aggregate" not in types, name
    for name in functions.SETTLED | functions.SUMS | functions.ORDERED:
        assert "aggregate" in known[name][0] and name not in functions.PER_ROW, name
    assert not functions.PER_ROW & {
        "getvariable",
        "typeof",
        "json_serialize_plan",
        "now",
        "random",
        "enum_range",
        "stats",
    }


# the command


def said(
    command: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, int]:
    monkeypatch.chdir(root)
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    monkeypatch.setattr("sys.argv", ["synth", *command.split()])
    code = 0
    try:
        cli.main()
    except SystemExit as ending:
        code = int(ending.code or 0)
    found = capsys.readouterr()
    return "".join(line.partition("  ")[2] + "\n" for line in found.out.splitlines()) + found.err, code


def test_the_command_says_pass_or_fail_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = [[f"token{i // 2}", str(40 + i), "ABC"[i % 3], "1"] for i in range(12)]
    mean = "select person, max(age) over () as age, ward from @visits"
    private = f"{{{{ config(materialized='private', trust_sql='{TRUST}') }}}}\n{source(mean)}"
    good = {"metadata/good.yml": FILES["metadata/stays.yml"].replace("stays", "good")}
    good |= {"models/good.sql": model("select * from @visits"), "models/tops.sql": private}
    write(data(tmp_path, visits, []), {**FILES, **good, "models/stays.sql": model("select * from {{ ref('tops') }}")})
    out, code = said("check-sql", tmp_path, monkeypatch, capsys)
    details = next((tmp_path / "target" / "internal").glob("error-*.txt"))
    assert code == 1
    assert out.splitlines()[1:] == [
        "1 of 2 START  synthetic.good  without each of up to 20 units",
        "1 of 2 PASS  synthetic.good",
        "2 of 2 START  synthetic.stays  without each of up to 20 units",
        "2 of 2 FAIL  synthetic.stays",
        "  without one unit, rows of others are not as they were: age",
        f"  which, and how, is private: target/internal/{details.name}",
    ]
    assert stat.S_IMODE(details.stat().st_mode) == 0o600
    assert "token" in details.read_text()
    assert said("check-sql -s good", tmp_path, monkeypatch, capsys)[1] == 0
    assert "2 of 2" not in said("check-sql -s tops", tmp_path, monkeypatch, capsys)[0]  # the models that read it
    (tmp_path / "data" / "visits.csv").write_text("person,age\n1,2\n")
    out, code = said("check-sql", tmp_path, monkeypatch, capsys)
    assert code == 1 and "1 of 2 ERROR  synthetic.good" in out


def test_the_starter_keeps_people_apart(tmp_path: Path) -> None:
    """Leaving out rows where each is a person, and persons of a real project."""
    from synth.starter import write_starter

    project = synth.Project(write_starter(tmp_path / "clinic"))
    assert [result.status for result in project.check_sql(units=3)] == ["pass"]


@pytest.mark.slow
def test_the_example_project_keeps_people_apart(tmp_path: Path) -> None:
    for folder in ("sources", "metadata", "models", "macros"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "synth_project.yml", tmp_path)
    results = synth.Project(tmp_path).check_sql(["patients", "support", "table_one"], units=1)
    assert {result.model: result.status for result in results} == dict.fromkeys(
        ("patients", "support", "table_one"), "pass"
    )


def test_where_each_row_is_a_person(tmp_path: Path) -> None:
    rows = FILES["sources/clinic.yml"].replace("unit: person", "one_row_per_unit: true")
    table = FILES["metadata/stays.yml"].replace("    max_rows_per_unit: 3\n", "")
    data(tmp_path, [["1", str(i), "ABC"[i % 3], "1"] for i in range(9)], [])
    most = "select person, ward, max(age) over () as age from @visits"
    for sql, status in {"select * from @visits where age > '2'": "pass", most: "fail"}.items():
        files = {**FILES, "sources/clinic.yml": rows, "metadata/stays.yml": table}
        files["models/stays.sql"] = model(sql, trust=status == "fail")
        made = compile_folder(write(tmp_path, files)).synthetic["stays"]
        assert check(made, tmp_path, tmp_path / "internal", 1, "1GB", key, 20).status == status


# trust_sql


def test_trust_is_on_every_report(tmp_path: Path) -> None:
    mean = "select person, avg(try_cast(age as int)) over () as age, ward from @visits"
    private = f"{{{{ config(materialized='private', trust_sql='{TRUST}') }}}}\n{source(mean)}"
    chain = {"models/means.sql": private, "models/stays.sql": model("select * from {{ ref('means') }}")}
    compiled = compile_folder(write(tmp_path, {**FILES, **chain}))
    sentence = f"TRUSTED SQL: means is not checked to keep people apart. {TRUST}"
    stays = compiled.synthetic["stays"]
    assert [str(trust) for trust in stays.trusted] == [sentence]
    assert stays.plan.why[0] == sentence
    nodes = {node.name: node.trusted for node in compiled.manifest.nodes.values() if node.resource_type != "test"}
    assert nodes == {
        "clinic.visits": (),
        "clinic.people": (),
        "codes.wards": (),
        "means": (sentence,),
        "stays": (sentence,),
    }
    reworded = compile_folder(write(tmp_path, {"models/means.sql": private.replace("planted", "put here")}))
    assert reworded.synthetic["stays"].fit_fingerprint() == stays.fit_fingerprint()


def test_trust_lifts_the_check_of_its_own_model_only(tmp_path: Path) -> None:
    means = f"{{{{ config(materialized='private', trust_sql='{TRUST}') }}}}\n{source('select * from @visits limit 3')}"
    again = model("select person, max(age) over () as age, ward from {{ ref('means') }}")
    with pytest.raises(ProjectError, match="a window is over everybody"):
        compile_folder(write(tmp_path, {**FILES, "models/means.sql": means, "models/stays.sql": again}))


# units


def prepared(root: Path, files: dict[str, str]) -> list[list[int]]:
    made = compile_folder(write(root, files)).synthetic["stays"]
    with PrivateZone(root, root / "internal", made, 1, "1GB", key) as zone:
        rows = zone.prepare()
    return [list(map(int, row)) for row in zip(rows.unit, *rows.columns, strict=True)]


def test_a_unit_has_one_spelling_in_every_source(tmp_path: Path) -> None:
    """'2' and ' 2' are one person, in windows and joins too; 2 and 02 are two; who has no name joins nobody."""
    visits = [["2", "1", "A", "1"], [" 2", "1", "A", "1"], ["02", "1", "A", "1"], ["", "1", "B", "1"]]
    data(tmp_path, visits, [["2 ", "F", "A"], ["", "M", "B"]])
    sql = "select v.person, count(*) over (partition by v.person) as age, p.ward from @visits v "
    sql += "left join @people p using (person)"
    rows = prepared(tmp_path, {**FILES, "models/stays.sql": model(sql)})
    assert rows == [
        [0, 1, 3],
        [1, 2, 0],
        [1, 2, 0],
    ]  # 02, 2, 2: the unit, the count, and the ward of people, 3 where null


def test_columns_that_nobody_declared_are_not_read(tmp_path: Path) -> None:
    """What a star gives is what was seen when the select was checked: a column of the file alone brings in nobody."""
    data(tmp_path, [["1", "3", "A", "1"]], [])
    write(tmp_path, {"data/wards.csv": "person,ward,floor\n9,A,1\n"})
    sql = "select * from @wards as k join @visits as v on k.ward = v.ward"
    rows = prepared(
        tmp_path, {**FILES, "models/stays.sql": model(f"select person, age, floor, 'B' as ward from ({sql})")}
    )
    assert rows == [[0, 3, 1]]


def test_a_table_without_its_unit_is_an_error(tmp_path: Path) -> None:
    data(tmp_path, [], [])
    write(tmp_path, {"data/visits.csv": "age,ward,day\n3,A,1\n"})
    with pytest.raises(synth.errors.RunError, match=r"clinic\.visits has no column 'person'"):
        prepared(tmp_path, {**FILES, "models/stays.sql": model("select * from @visits")})


def test_the_key_decides_what_the_cap_keeps(tmp_path: Path) -> None:
    """The same key keeps the same rows, however they lie; without it nobody can tell which."""
    visits = [["1", str(i), "A", "1"] for i in range(60)]
    write(data(tmp_path, visits, []), {**FILES, "models/stays.sql": model("select * from @visits")})
    made = compile_folder(tmp_path).synthetic["stays"]

    def kept(rows: Rows, number: int) -> set[int]:
        data(tmp_path, rows, [])
        with PrivateZone(tmp_path, tmp_path / "internal", made, 1, "1GB", lambda: bytes([number] * 32)) as zone:
            return {int(age) for age in zone.prepare().columns[0]}

    assert len(kept(visits, 1)) == 3
    assert kept(visits[::-1], 1) == kept(visits, 1)
    assert kept(visits, 2) != kept(visits, 1)


def composite(root: Path, rows: list[list[Any]], sql: str = "select * from @visits") -> list[list[int]]:
    files = {**FILES, "models/stays.sql": model(sql)}
    files["sources/clinic.yml"] = files["sources/clinic.yml"].replace("unit: person", "unit: [hospital, person]")
    files["metadata/stays.yml"] = files["metadata/stays.yml"].replace(
        "{name: person", "{name: hospital, type: key}\n      - {name: person"
    )
    text = "\n".join(",".join(row) for row in [["hospital", *COLUMNS["visits"]], *rows])
    write(
        data(root, [], []),
        {"data/visits.csv": text + "\n", "data/people.csv": "hospital,person,sex,ward\nX,1,F,B\nY,1,M,C\n"},
    )
    return prepared(root, files)


def test_several_columns_name_a_unit_together(tmp_path: Path) -> None:
    """The same number in two hospitals is two people; a part that is missing leaves the row out; no two run together."""
    rows = [["X", "1", "1", "A", "1"], ["X", "1", "2", "A", "1"], ["Y", "1", "3", "A", "1"], ["", "1", "9", "A", "1"],
            ["X", "", "9", "A", "1"], ["1:X", "1", "4", "A", "1"], ["1", "X1", "5", "A", "1"],
            [" X ", "1", "2", "A", "1"]]  # fmt: skip
    found = composite(tmp_path, rows)
    by_unit = sorted(sorted(row[1] for row in found if row[0] == unit) for unit in {row[0] for row in found})
    assert by_unit == [[1, 2, 2], [3], [4], [5]]
    joined = "select v.*, p.ward as of from @visits v join @people p on p.person = v.person and v.hospital = p.hospital"
    found = composite(tmp_path, rows, f"select hospital, person, age, of as ward from ({joined})")
    assert sorted({(row[1], row[2]) for row in found}) == [(1, 1), (2, 1), (3, 2)]


def test_a_composite_unit_keeps_its_people_apart_and_its_keys_together(tmp_path: Path) -> None:
    composite(tmp_path, [["X", "1", "1", "A", "1"], ["Y", "1", "3", "A", "1"], ["X", "2", "3", "B", "1"]])
    made = compile_folder(tmp_path).synthetic["stays"]
    assert made.plan.privacy.unit == "hospital, person"
    assert [(column.name, column.key) for column in made.columns[:2]] == [("hospital", "unit"), ("person", "unit")]
    assert check(made, tmp_path, tmp_path / "internal", 1, "1GB", key, 20).status == "pass"
    with PrivateZone(tmp_path, tmp_path / "internal", made, 1, "1GB", key) as zone:
        assert dict(zone.oddities())["rows without a unit"] == 0
    composite(tmp_path, [["", "1", "1", "A", "1"], ["Y", " ", "3", "A", "1"], ["X", "2", "3", "B", "1"]])
    with PrivateZone(tmp_path, tmp_path / "internal", made, 1, "1GB", key) as zone:
        assert dict(zone.oddities())["rows without a unit"] == 2
