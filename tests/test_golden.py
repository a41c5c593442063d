"""Compiled SQL beside golden files, and what that SQL does to hand-written rows.

``make golden`` rewrites the files; the difference is the review.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import Private, compile_folder
from goldens import GOLDEN, compare
from synth.artifacts.compiled import Compiled, SyntheticModel
from synth.artifacts.results import Expectation

PROJECT = Path(__file__).parent / "projects" / "every_type"


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_folder(PROJECT)


# golden files


def test_golden_files(compiled: Compiled, golden: Callable[[Path, str], None], request: pytest.FixtureRequest) -> None:
    compare(compiled, GOLDEN / "every_type", golden, request)


def test_expectations_have_their_own_names(compiled: Compiled) -> None:
    checks = [check for checks in compiled.expectations.values() for check in checks]
    for names in ([c.id for c in checks], [c.sql_path.casefold() for c in checks]):
        assert len(set(names)) == len(names)


# stays: what each odd value becomes

STAY = {
    "stay_id": "1", "age": "40", "severity": "3", "weight": "70.1", "pressure": "0.5", "temperature": "36.6",
    "ward": "A", "outcome": "well", "route": "foot", "sex": "F", "grade": "2", "score": "10", "urgent": "1",
    "died": "0", "born": "1980-02-29", "last_seen": "31/12/2020", "buried": None, "came": "2010-01-02 03:04:05",
    "seen": "2010-01-02 04:00:00", "booked": "2010-01-01 10:00:00", "opened": "20100101",
    "called": "2010-01-02 03:30:00", "went": "2010-01-05 00:00:00", "state": "closed",
}  # fmt: skip
RESTORED = {
    "age": 40, "severity": 3, "weight": 70.1, "pressure": 0.5, "temperature": 36.6,
    "ward": "A", "outcome": "well", "route": "foot", "sex": "F", "grade": 2, "score": 10, "urgent": True,
    "died": False, "born": date(1980, 2, 29), "last_seen": date(2020, 12, 31), "buried": None,
    "came": datetime(2010, 1, 2, 3, 4, 5), "seen": datetime(2010, 1, 2, 4), "booked": datetime(2010, 1, 1, 10),
    "opened": datetime(2010, 1, 1), "called": datetime(2010, 1, 2, 3, 30), "went": datetime(2010, 1, 5),
}  # fmt: skip
LEFT_OUT = object()
ODD = [
    # integer: out of range is clamped, text that is no number leaves the row out
    ("age", " 42 ", 42), ("age", "41.6", 42), ("age", "-3", 0), ("age", "1e20", 120), ("age", "-inf", 0),
    ("age", "inf", 120), ("age", "NaN", LEFT_OUT), ("age", "abc", LEFT_OUT), ("age", "", LEFT_OUT),
    ("age", None, LEFT_OUT), ("severity", "-5", -5), ("severity", "99", 5), ("severity", "nan", None),
    ("severity", "x", None), ("severity", None, None),
    # number: onto the grid, where there is one
    ("weight", "70.04", 70.0), ("weight", "0.3", 0.3), ("weight", "249.9", 249.9), ("weight", "1e20", 250.0),
    ("weight", "-0.0", 0.0), ("weight", "1e400", 250.0), ("weight", "12,5", LEFT_OUT), ("pressure", "-1", -1.0),
    ("pressure", "1.1", 1.0), ("pressure", "0.3", 0.25), ("pressure", "NaN", None),
    ("temperature", "1", 30.123456789), ("temperature", "99", 45.9876), ("temperature", "36.69999", 36.6999),
    ("temperature", "", None),
    # categorical: text exactly, after trimming
    ("ward", " A ", "A"), ("ward", "B's", "B's"), ("ward", 'C "c"', 'C "c"'), ("ward", "a", "__other__"),
    ("ward", "__other__", "__other__"), ("ward", "  ", LEFT_OUT), ("ward", None, LEFT_OUT), ("outcome", "dead", None),
    ("outcome", None, None), ("route", "plane", LEFT_OUT), ("route", None, None), ("route", "", None),
    ("sex", "X", LEFT_OUT), ("sex", None, LEFT_OUT), ("grade", "3.0", 3), ("grade", "1.6", LEFT_OUT),
    ("grade", "4", LEFT_OUT), ("grade", "NaN", LEFT_OUT), ("score", "-1", -1), ("score", "0", 0), ("score", "1.6", None),
    ("score", "1e20", None), ("score", "inf", None),
    # boolean
    ("urgent", "0", False), ("urgent", "true", True), ("urgent", "FALSE", False), ("urgent", " true ", True),
    ("urgent", "1.0", True), ("urgent", "2", LEFT_OUT), ("urgent", "0.5", LEFT_OUT), ("urgent", "maybe", LEFT_OUT),
    ("died", "NaN", None), ("died", "2", None), ("died", None, None),
    # date: by the format; out of range is clamped
    ("born", " 2000-02-03 ", date(2000, 2, 3)), ("born", "1800-01-01", date(1900, 1, 1)),
    ("born", "2999-01-01", date(2020, 12, 31)), ("born", "2000-13-01", LEFT_OUT), ("born", "01/02/2000", LEFT_OUT),
    ("born", "infinity", LEFT_OUT), ("last_seen", "2020-12-31", None), ("last_seen", "01/01/1999", date(2000, 1, 1)),
    ("buried", "1980-02-29", date(1980, 2, 29)), ("buried", "1990-01-01", date(1990, 1, 1)),
    ("buried", "1970-01-01", date(1980, 2, 29)), ("buried", "2999-01-01", date(1980, 2, 29) + timedelta(days=14610)),
    # datetime: down to its resolution
    ("came", "1000-01-01 00:00:00", datetime(2000, 1, 1)), ("came", "2020-12-31 23:59:59", datetime(2020, 12, 31, 23, 59, 59)),
    ("came", "2010-01-02", LEFT_OUT), ("came", "9999-99-99 99:99:99", LEFT_OUT),
    ("seen", "2020-12-31 23:59:59", datetime(2020, 12, 31, 23, 59)), ("booked", "2010-01-01 10:59:59", datetime(2010, 1, 1, 10)),
    ("booked", "2000-01-01 00:00:00", datetime(2000, 1, 1, 6)), ("opened", "20101231", datetime(2010, 12, 31)),
    ("opened", "2010-12-31", None),
    # an offset: within its own bounds, before or after; a null stays one
    ("called", "2010-01-02 04:00:00", datetime(2010, 1, 2, 4)), ("called", "1950-01-01 00:00:00", datetime(2010, 1, 2, 2)),
    ("called", "2999-01-01 00:00:00", datetime(2010, 1, 3, 4)), ("called", None, LEFT_OUT), ("called", "soon", LEFT_OUT),
    ("went", "2010-01-02 03:59:00", datetime(2010, 1, 2, 4)), ("went", None, None), ("went", "later", None),
    # the private model before it
    ("state", "open", LEFT_OUT), ("state", None, "kept"),
]  # fmt: skip


def stays(compiled: Compiled, rows: list[dict[str, Any]]) -> Private:
    return Private(compiled.synthetic["stays"]).load(rows, ["person_id", *STAY])


def assert_in_layout(model: SyntheticModel, codes: list[tuple[int, ...]]) -> None:
    """Codes in range, units dense from 0 and contiguous, positions from 1 to the cap."""
    units = [row[0] for row in codes]
    assert units == sorted(units)
    assert set(units) == set(range(len(set(units))))
    for unit in set(units):
        positions = [row[1] for row in codes if row[0] == unit]
        assert positions == list(range(1, len(positions) + 1))
        assert len(positions) <= model.plan.privacy.max_rows_per_unit
    for i, column in enumerate(model.plan.layout):
        assert all(0 <= row[2 + i] < column.cells + column.missing for row in codes), column


def test_what_odd_values_become(compiled: Compiled) -> None:
    """Each row is of a person of its own, so that rows that are left out show as missing people."""
    rows = [STAY | {"person_id": f"{i:03}", column: value} for i, (column, value, _) in enumerate(ODD)]
    private = stays(compiled, rows)
    codes = private.prepare()
    assert_in_layout(private.model, codes)
    wanted = [(column, value, became) for column, value, became in ODD if became is not LEFT_OUT]
    restored = private.restore(codes)
    assert len(restored) == len(wanted)
    for row, (column, value, became) in zip(restored, wanted, strict=True):
        expected = RESTORED | ({column: became} if column in RESTORED else {})
        if column == "born":  # buried stays where it was, as a time since then
            expected["buried"] = None
        if column == "seen":  # called and went are times since then, clamped
            expected |= {"called": datetime(2020, 12, 31, 21, 59), "went": datetime(2020, 12, 31, 23, 59)}
        assert {k: v for k, v in row.items() if not k.startswith("#")} == expected, (column, value)


def test_people(compiled: Compiled) -> None:
    """No unit: left out. The same unit with spaces around it: one. Above the cap: cut, duplicates kept."""
    people = [None, "", "  ", "nobody", "one", " one ", "twice", "twice", *["many"] * 5]
    rows = [STAY | {"person_id": person, "age": str(i)} for i, person in enumerate(people)]
    rows[6]["age"] = rows[7]["age"] = "7"
    codes = stays(compiled, rows).prepare()
    assert_in_layout(compiled.synthetic["stays"], codes)
    assert [row[0] for row in codes] == [0, 0, 0, 1, 1, 2, 2]  # many, one, twice
    assert {row[2] for row in codes if row[0] == 0} < {8, 9, 10, 11, 12}
    assert [row[2] for row in codes if row[0] == 2] == [7, 7]


def test_no_rows(compiled: Compiled) -> None:
    private = stays(compiled, [])
    assert private.prepare() == []
    assert private.restore([]) == []
    assert private.oddities()["rows"] == 0


def test_a_typed_source_reads_as_its_text_does(compiled: Compiled) -> None:
    """A Parquet file or a DuckDB table has types; a column whose type cannot be cast is missing, not an error."""
    private = Private(compiled.synthetic["stays"])
    types = {"age": "integer", "weight": "double", "urgent": "boolean", "died": "tinyint", "born": "date", "came": "timestamp",
             "seen": "timestamptz", "grade": "double", "score": "decimal(9, 2)", "severity": "date"}  # fmt: skip
    names = ["person_id", *STAY]
    values = [
        f"cast({'?' if n != 'severity' else 'date ' + repr('2020-01-01')} as {types.get(n, 'varchar')}) as {n}"
        for n in names
    ]
    row = {"person_id": "5", **STAY, "seen": "2010-01-02 04:00:00+00"}
    private.connection.execute("set timezone = 'UTC'")
    private.connection.execute(
        f'create table source."ward.stays" as select {", ".join(values)}', [row[n] for n in names if n != "severity"]
    )
    view = private.model.views[0]
    private.connection.execute(f'create view private."{view.name}" as {view.sql}')
    (restored,) = private.restore(private.prepare())
    assert {k: v for k, v in restored.items() if not k.startswith("#")} == RESTORED | {"severity": None}


def test_oddities_count(compiled: Compiled) -> None:
    rows = [STAY | {"person_id": str(i), column: value} for i, (column, value, _) in enumerate(ODD)]
    counts = stays(compiled, [*rows, STAY | {"person_id": " "}]).oddities()
    assert counts["rows"] == len(ODD)  # the open stay is not read
    assert counts["rows without a unit"] == 1
    assert (counts["units"], counts["units as declared"], counts["rows beyond 3 of a unit"]) == (
        len(ODD) - 1,
        10_000,
        0,
    )
    assert [counts[f"age: {what}"] for what in ("null", "not a number", "outside the declaration")] == [1, 3, 4]
    assert [counts[f"ward: {what}"] for what in ("null", "empty", "outside the declaration")] == [1, 1, 2]
    assert [counts[f"urgent: {what}"] for what in ("null", "not true or false")] == [0, 3]
    assert counts["born: not in the declared format"] == 3
    assert counts["went: null"] == counts["went: not in the declared format"] == 1
    often = [STAY | {"person_id": person} for person in "a" * 8 + "b" * 6 + "c"]
    counts = stays(compiled, often).oddities()
    assert (counts["units"], counts["rows beyond 3 of a unit"]) == (3, 5 + 3)


WEIRD = st.sampled_from(
    [None, "", " ", "0", "1", "-1", "3.7", "1e20", "-1e308", "inf", "-Infinity", "NaN", "nan", "true", "A", "well", "F",
     "2000-01-01", "31/12/2020", "20100101", "2010-01-02 03:04:05", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
     "290000-01-01", "infinity", "-infinity", "epoch", "\x00", "ü", "'; drop table x; --", "9" * 400, "0x10", "1_000"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(STAY)), WEIRD), max_size=6), st.sampled_from(["p", None, "q"]))
def test_nothing_in_a_source_can_break_prepare(rows: list[dict[str, Any]], other: str | None) -> None:
    compiled = _cached()
    people = [STAY | row | {"person_id": other if i % 2 else "p"} for i, row in enumerate(rows)]
    private = stays(compiled, people)
    codes = private.prepare()
    assert_in_layout(private.model, codes)
    assert len(private.restore(codes)) == len(codes)
    assert private.oddities()["rows"] <= len(people)


def _cached(found: list[Compiled] = []) -> Compiled:  # noqa: B006
    if not found:
        found.append(compile_folder(PROJECT))
    return found[0]


def test_every_code_restores_inside_the_declaration(compiled: Compiled) -> None:
    """The first, the last and the missing code of each column: what the generator may give, the expectations allow."""
    private = Private(compiled.synthetic["stays"])
    layout = private.model.plan.layout
    ends = [[0] * len(layout), [c.cells - 1 for c in layout], [c.cells - 1 + c.missing for c in layout]]
    rows = private.restore([(unit, 1, *codes) for unit, codes in enumerate(ends)])
    assert [rows[0][n] for n in ("age", "weight", "born", "called")] == [
        0,
        0.0,
        date(1900, 1, 1),
        datetime(1999, 12, 31, 22),
    ]
    assert [rows[1][n] for n in ("age", "temperature", "score")] == [120, 45.9876, 10]
    assert all(rows[2][c.name] is None for c in layout if c.missing)
    private.land()
    loose = {"went", "called"}  # offsets may leave the bounds; a constraint holds those that have any
    for check in compiled.expectations["stays"]:
        if not check.id.endswith(".holds") and check.column not in loose:
            assert private.failures(check.sql) == 0, check.id


# forms: what is paid, timed, made up and computed

FORM = {
    "fee": "12.50", "dose": "2.5", "pain": "some", "code": "007", "came": "16:30", "shift": "07:00:00",
    "waited": "1 day 02:30:00", "day": "29/02/2020", "sent": "2010-07-01T12:00:00+0000", "visits": "3", "ward": "A",
    "seen": "2011-01-01", "rested": "07:00:00", "height": "170",
}  # fmt: skip
READ = {
    "fee": Decimal("12.50"), "dose": 2.5, "pain": "some", "code": "007", "came": time(16, 30), "shift": time(7),
    "waited": timedelta(hours=26, minutes=30), "day": date(2020, 2, 29), "sent": datetime(2010, 7, 1, 13),
    "visits": 3, "ward": "A", "seen": date(2011, 1, 1), "rested": timedelta(hours=7), "height": 170,
    "site": "north", "version": 2, "late": False, "double fee": Decimal("25.00"), "late fee": Decimal("12.50"),
}  # fmt: skip
ODD_FORMS = [
    ("fee", "-100.004", {"fee": Decimal("-100.00")}), ("fee", "1e20", {"fee": Decimal("9999.99")}),
    ("fee", "0.005", {"fee": Decimal("0.01")}), ("fee", "NaN", {"fee": None}), ("fee", "£5", {"fee": None}),
    ("dose", "0.1", {"dose": 0.5}), ("dose", "3.14", {"dose": 3.1}), ("dose", "ten", None),
    ("code", "7", None), ("code", "08", {"code": "08"}), ("pain", "much", {"pain": "much"}), ("pain", "worse", None),
    ("came", "04:30 PM", {"came": time(16, 30)}), ("came", "17:59", {"came": time(17, 59), "late": True}),
    ("came", "25:00", None), ("came", None, None), ("shift", "05:59:59", {"shift": time(6)}),
    ("shift", "23:00:00", {"shift": time(22)}), ("shift", "noon", {"shift": None}),
    ("waited", "-2 hours", {"waited": timedelta(hours=-1)}), ("waited", "9999999 years", {"waited": None}),
    ("waited", "00:00:59", {"waited": timedelta(0)}), ("waited", "long", {"waited": None}), ("waited", "", {"waited": None}),
    ("day", "2019-03-01", {"day": date(2019, 3, 1)}), ("day", "03-01-2019", None),
    ("sent", "2010-01-01T12:00:00+0100", {"sent": datetime(2010, 1, 1, 11)}), ("sent", "2010-01-01T12:00:00", None),
    # nulls that are imputed; what the statistics are is known when a table lands
    ("visits", None, {"visits": 0}), ("visits", "some", {"visits": 0}), ("ward", "", {"ward": "B"}), ("ward", "C", None),
    ("seen", None, {"seen": date(2010, 1, 1)}), ("rested", None, {"rested": timedelta(hours=8)}),
    ("height", None, {"height": None}),
]  # fmt: skip


def forms(compiled: Compiled, rows: list[dict[str, Any]]) -> Private:
    return Private(compiled.synthetic["forms"]).load(rows, ["form_id", "person_id", *FORM])


def test_what_odd_forms_become(compiled: Compiled) -> None:
    rows = [FORM | {"person_id": f"{i:03}", column: value} for i, (column, value, _) in enumerate(ODD_FORMS)]
    private = forms(compiled, rows)
    codes = private.prepare()
    assert_in_layout(private.model, codes)
    wanted = [(column, value, became) for column, value, became in ODD_FORMS if became is not None]
    for row, (column, value, became) in zip(private.restore(codes), wanted, strict=True):
        expected = READ | became
        if expected["fee"] != READ["fee"]:
            fee = expected["fee"]
            expected |= {"double fee": None if fee is None else fee * 2, "late fee": fee}
        if expected["late"]:
            expected["late fee"] = expected["double fee"]
        assert {k: v for k, v in row.items() if not k.startswith("#")} == expected, (column, value)


def test_text_is_never_asked_for(compiled: Compiled) -> None:
    model = compiled.synthetic["forms"]
    assert [(model.plan.layout[i.column].name, i.statistic) for i in model.imputed] == [("height", "mean")]
    for word in ("letter", "who", "nhs_number", "reference", "remark", "site", "late"):
        assert word not in model.prepare_sql and word not in model.oddities_sql
    assert "letter" not in [column.name for column in model.columns]
    assert [(pool.kind, pool.locale) for pool in model.pools] == [("name", "en_GB")]


def test_a_constraint_over_computed_columns_knows_what_decides_it(compiled: Compiled) -> None:
    (constraint,) = compiled.synthetic["forms"].constraints
    assert set(constraint.columns) == {"fee", "came"}


def test_made_up_text_is_the_persons_own(compiled: Compiled) -> None:
    private = forms(compiled, [FORM | {"person_id": str(i % 500)} for i in range(1000)])
    private.connection.execute("set variable \"name en_GB\" = ['Ann', 'Bob', 'Cy']")
    private.restore(private.prepare())
    private.land()
    rows = private.connection.execute(
        "select person_id, who, nhs_number, reference, remark from synthetic.forms"
    ).fetchall()
    assert (
        len({(person, who, number) for person, who, number, *_ in rows})
        == len({number for _, _, number, *_ in rows})
        == 500
    )
    assert {who for _, who, *_ in rows} == {"Ann", "Bob", "Cy"}
    assert len({reference for *_, reference, _ in rows}) > 900
    assert all(re.fullmatch(r"A\d\d-[A-Z][A-Z]", reference) for *_, reference, _ in rows)
    assert {remark for *_, remark in rows} == {"it's left out"}
    for _, _, number, *_ in rows:  # modulus 11, weights 10 to 2
        *digits, check = map(int, number)
        assert number.startswith("999") and len(digits) == 9
        assert sum(w * d for w, d in zip(range(10, 1, -1), digits, strict=True)) % 11 == (11 - check) % 11


# people: hostile names; land and expectations, with one bad row planted for each

PERSON = {
    "we\"ird, 'name'": "3", "select": "a", "ünï cödé": "0.07", "$x {{y}}": "true", "semi; -- colon": "2000-06-01",
    "line\nbreak": "2000-06-01 03:00:00", "semi; at": "2000-06-01 01:00:00", "back\\slash %s": "\\", "type": "1",
    "rows": "2", "input": None, "read": "4", "codes": "5",
}  # fmt: skip


def test_hostile_names_round_trip(compiled: Compiled) -> None:
    rows = [PERSON | {"person_id": person} for person in ("x", "y", "y", "z")]
    private = Private(compiled.synthetic["people"]).load(rows, ["person_id", *PERSON])
    codes = private.prepare()
    assert_in_layout(private.model, codes)
    assert [row[:2] for row in codes] == [(0, 1), (1, 1), (2, 1)]  # the cap is 1: the unit is the primary key
    restored = private.restore(codes)[0]
    assert {k: v for k, v in restored.items() if not k.startswith("#")} == {
        "we\"ird, 'name'": 3, "select": "a", "ünï cödé": 0.07, "$x {{y}}": True, "semi; -- colon": date(2000, 6, 1),
        "line\nbreak": datetime(2000, 6, 1, 3), "semi; at": datetime(2000, 6, 1, 1), "back\\slash %s": "\\", "type": 1,
        "rows": 2, "input": None, "read": 4, "codes": 5,
    }  # fmt: skip
    assert private.oddities()["input: null"] == 4


def test_one_row_per_unit(compiled: Compiled) -> None:
    model = compiled.synthetic["answers"]
    assert model.plan.privacy.unit == "row"
    assert model.sources[0].table == "Survey 2020"
    private = Private(model).load(
        [{"liked": "1", "stars": str(i % 5 + 1)} for i in range(25)], ["liked", "stars", "answer_id"]
    )
    codes = private.prepare()
    assert_in_layout(model, codes)
    assert len({row[0] for row in codes}) == 25


@pytest.fixture
def landed(compiled: Compiled) -> Callable[[str], Private]:
    """A model's synthetic table from good rows, with the generated keys."""

    def land(name: str) -> Private:
        model = compiled.synthetic[name]
        row = {"stays": STAY, "people": PERSON, "answers": {"liked": "1", "stars": "5"}, "forms": FORM}[name]
        count = 4 if name == "answers" else 3
        rows = [row | {"person_id": person} for person in "xyzu"[:count]]
        private = Private(model).load(rows, [*(c.name for c in model.columns), *row])
        private.connection.execute("set variable \"name en_GB\" = ['Ann']")
        private.restore(private.prepare())
        assert private.land() == {c.name: c.sql_type.upper() for c in model.columns}
        return private

    return land


@pytest.mark.parametrize("name", ["stays", "people", "answers", "forms"])
def test_good_rows_pass_every_expectation(name: str, compiled: Compiled, landed: Callable[[str], Private]) -> None:
    private = landed(name)
    assert {check.id: private.failures(check.sql) for check in compiled.expectations[name]} == {
        check.id: 0 for check in compiled.expectations[name]
    }


def test_keys_are_made_anew(landed: Callable[[str], Private]) -> None:
    found = landed("stays").connection.execute("select stay_id, person_id from synthetic.stays").fetchall()
    assert found == [(1, 1), (2, 2), (3, 3)]


BREAKS = {  # of a constraint, by its expectation
    "stays.went____seen.holds": "went = seen - interval 1 minute",
    "stays.the_old_are_not_light___quotes.holds": "age = 18, weight = 30",
    "stays.buried_is_null_or_died.holds": "buried = born, died = false",
    "forms.late_fee__is_null_or_not_late_or_fee____0.holds": 'late = true, fee = -1, "late fee" = -2',
    "people.we__ird___name______codes.holds": '"we""ird, \'name\'" = 9, codes = 1',
}


def plant(check: Expectation, relation: str, sql_type: str) -> str | None:
    """A statement after which an expectation must find a row; None where its type alone holds it."""
    kind = check.id.rpartition(".")[2]
    name = '"' + (check.column or "").replace('"', '""') + '"'
    one = f"where rowid = (select min(rowid) from {relation})" if kind != "offset" else ""  # any row may lack an anchor
    if kind == "type":
        return f"alter table {relation} alter column {name} type {'integer using 1' if sql_type == 'VARCHAR' else 'varchar'}"
    if kind in ("unique", "row_count"):
        return f"insert into {relation} from {relation} limit 1"
    if kind == "row_count_between":
        return f"delete from {relation}"
    if kind == "holds":
        return f"update {relation} set {BREAKS[check.id]} {one}"
    far = {
        "TIME": "time '23:59:59.5'",
        "INTERVAL": "to_days(99)",
        "DECIMAL(6,2)": "-9999",
        "BIGINT": "-99999",
        "DOUBLE": "1e9",
        "VARCHAR": "'nobody'",
        "DATE": "date '20000-01-01'",
    }
    value = {
        "not_null": "null",
        "in_set": far.get(sql_type),
        "between": far.get(sql_type, "timestamp '1000-01-01'"),
        "offset": far.get(sql_type, "timestamp '9999-01-01'"),
        "rounding": f"{name} + 0.0123",
        "format": far["DATE"] if sql_type == "DATE" else f"{name} + interval 1 microsecond",
        "resolution": f"{name} + interval 1 second",
    }[kind]
    return f"update {relation} set {name} = {value} {one}" if value else None


@pytest.mark.parametrize("name", ["stays", "people", "answers", "forms"])
def test_each_expectation_finds_a_planted_row(name: str, compiled: Compiled, landed: Callable[[str], Private]) -> None:
    private, kinds = landed(name), set()
    types = {c.name: c.sql_type.upper() for c in compiled.synthetic[name].columns}
    for check in compiled.expectations[name]:
        statement = plant(check, f"synthetic.{name}", types.get(check.column or "", ""))
        if statement is None:
            assert types[check.column or ""] == "BOOLEAN"
            continue
        private.connection.execute("begin")
        private.connection.execute(statement)
        assert private.failures(check.sql) > 0, check.id
        private.connection.execute("rollback")
        kinds.add(check.id.rpartition(".")[2])
    if name == "stays":
        assert kinds == {"type", "unique", "not_null", "in_set", "between", "rounding", "format",
                         "resolution", "offset", "holds"}  # fmt: skip


def test_a_singular_test_finds_its_row(compiled: Compiled, landed: Callable[[str], Private]) -> None:
    private, test = landed("stays"), compiled.tests["no_old_children"]
    assert private.failures(test.sql) == 0
    private.connection.execute("update synthetic.stays set age = 0, born = date '1940-01-01' where person_id = 1")
    assert private.failures(test.sql) == 1
