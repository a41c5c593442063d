"""Linked tables on hand-written rows: golden SQL, which rows are kept, and how the keys come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from compiling import Private, compile_folder
from family import PROJECT, codes, composite, land
from goldens import GOLDEN, compare
from synth.artifacts.compiled import Compiled
from synth.runtime.warehouse import Warehouse

TABLES: dict[str, list[dict[str, Any]]] = {
    "people": [
        {"person_id": "ann", "sex": "F", "born": "1950-01-01"},
        {"person_id": "bob", "sex": "M", "born": "1990-05-05"},
        {"person_id": "cyd", "sex": "M", "born": "2000-01-01"},  # never stays
        {"person_id": "dora", "sex": "F", "born": "long ago"},  # is left out, and all of hers
        {"person_id": " ann ", "sex": "M", "born": "1960-01-01"},  # ann once more: one of the two is kept
        {"person_id": None, "sex": "F", "born": "1950-01-01"},
    ],
    "stays": [
        *({"stay_id": f"a{i}", "person_id": "ann", "insurance": "none", "came": f"200{i}-03-01"} for i in (1, 2, 3, 4)),
        {"stay_id": "a1", "person_id": "ann", "insurance": "none", "came": "2001-03-01"},  # twice
        {"stay_id": "b1", "person_id": "bob", "insurance": "public", "came": "2005-01-01", "went": "2005-01-09"},
        {"stay_id": "b2", "person_id": "bob", "insurance": "by magic", "came": "2006-01-01"},  # not as declared
        {"stay_id": None, "person_id": "bob", "insurance": "none", "came": "2007-01-01"},
        {"stay_id": "d1", "person_id": "dora", "insurance": "none", "came": "2001-01-01"},
        {"stay_id": "e1", "person_id": "eve", "insurance": "none", "came": "2001-01-01"},  # eve is nobody
        {"stay_id": "a1", "person_id": "cyd", "insurance": "private", "came": "2012-01-01"},  # one key, two people
    ],
    "moves": [
        *(
            {"move_id": f"{stay}{j}", "stay_id": stay, "person_id": "ann", "at": f"200{stay[1]}-03-0{j} 10:00:00", "room": "101"}
            for stay in ("a1", "a2", "a3", "a4")
            for j in (1, 2)
        ),
        *(
            {"move_id": f"b{i}", "stay_id": "b1", "person_id": "bob", "at": f"2005-01-0{i} 12:30:00", "room": "202"}
            for i in range(1, 7)
        ),
        {"move_id": "x1", "stay_id": "b1", "person_id": "ann", "at": "2005-01-02 00:00:00", "room": "102"},  # his stay
        {"move_id": "x2", "stay_id": "a9", "person_id": "ann", "at": "2001-03-02 00:00:00", "room": "102"},  # no stay
        {"move_id": "x3", "stay_id": None, "person_id": "ann", "at": "2001-03-02 00:00:00", "room": "102"},
        {"move_id": "x4", "stay_id": "b2", "person_id": "bob", "at": "2006-01-02 00:00:00", "room": "102"},
        {"move_id": "x5", "stay_id": "d1", "person_id": "dora", "at": "2001-01-02 00:00:00", "room": "102"},
        {"move_id": "x6", "stay_id": "a1", "person_id": None, "at": "2001-03-02 00:00:00", "room": "102"},
        {"move_id": "x7", "stay_id": "b1", "person_id": "bob", "at": "soon", "room": "102"},
    ],
    "tests_done": [
        {"test_id": "t1", "person_id": "ann", "positive": "1"},
        {"test_id": "t2", "person_id": "ann", "positive": "0"},
        {"test_id": "t3", "person_id": "dora", "positive": "0"},
    ],
    "reports": [
        {"person_id": "ann", "stay_id": "a1", "test_id": "t1", "checked_id": "t1", "grade": "1"},
        {"person_id": "bob", "stay_id": "b1", "test_id": "t2", "checked_id": None, "grade": "2"},
        {"person_id": "bob", "stay_id": "b1", "test_id": None, "checked_id": None, "grade": None},
        *({"person_id": "bob", "stay_id": stay, "grade": "3"} for stay in ("a1", "b9", "b2", None, "d1", "e1")),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_folder(PROJECT)


@pytest.fixture(scope="module", params=["a column", "two columns"])
def town(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Compiled, dict[str, list[dict[str, Any]]]]:
    """The project and its rows, where a person is known by a column, and by two."""
    if request.param == "a column":
        return compile_folder(PROJECT), TABLES
    root = composite(tmp_path_factory.mktemp("composite") / "family")
    return compile_folder(root), {name: [{"town": "York", **row} for row in rows] for name, rows in TABLES.items()}


def test_golden_files(compiled: Compiled, golden: Callable[[Path, str], None], request: pytest.FixtureRequest) -> None:
    compare(compiled, GOLDEN / "family", golden, request)


# which rows are kept


def test_rows_without_a_parent_of_the_same_person_are_left_out(town: Any, tmp_path: Path) -> None:
    """Rejects first, then parents, then the cap: of ann's four stays three are kept, and what lies in the fourth is gone."""
    landed = land(*town, tmp_path / "town.duckdb")
    assert len(landed["people"]) == 3
    stays = landed["stays"]
    assert Counter(row["person_id"] for row in stays) == {1: 3, 2: 1, 3: 1}  # ann, bob, cyd
    anns = {row["came"] for row in stays if row["person_id"] == 1}
    assert anns < {date(2000 + i, 3, 1) for i in (1, 2, 3, 4)}
    moves = landed["moves"]
    assert Counter(row["person_id"] for row in moves) == {1: 4, 2: 4}
    assert {row["room"] for row in moves} == {101, 202}
    assert {row["at"].date().replace(day=1) for row in moves if row["person_id"] == 1} <= anns
    assert {row["at"] for row in moves if row["person_id"] == 2} < {datetime(2005, 1, i, 12, 30) for i in range(1, 7)}
    assert Counter((row["person_id"], row["grade"]) for row in landed["reports"]) >= Counter({(2, 2): 1, (2, None): 1})
    assert 3 not in {row["grade"] for row in landed["reports"]}
    assert Counter(row["person_id"] for row in landed["tests_done"]) == {1: 2}


def test_each_row_is_below_the_row_that_it_was_below(town: Any, tmp_path: Path) -> None:
    landed = land(*town, tmp_path / "town.duckdb")
    stays = {row["stay_id"]: row for row in landed["stays"]}
    assert sorted(stays) == [1, 2, 3, 4, 5]
    for row in landed["moves"]:
        stay = stays[row["stay_id"]]
        assert stay["person_id"] == row["person_id"]
        assert 0 <= (row["at"].date() - stay["came"]).days < 9
    assert [row["move_id"] for row in landed["moves"]] == list(range(1, 9))
    assert [stays[row["stay_id"]]["came"] for row in landed["reports"]][-1] == date(2005, 1, 1)


def test_a_second_parent_is_one_of_the_same_person_or_none(town: Any, tmp_path: Path) -> None:
    landed = land(*town, tmp_path / "town.duckdb")
    tests = {row["test_id"]: row["person_id"] for row in landed["tests_done"]}
    for row in landed["reports"]:
        for column in ("test_id", "checked_id"):
            assert tests[row[column]] == row["person_id"] if row["person_id"] == 1 else row[column] is None


def test_a_parent_knows_the_kept_rows_below_it_and_a_row_knows_its_parent(compiled: Compiled) -> None:
    stays = codes(compiled, "stays", TABLES)
    assert compiled.synthetic["stays"].plan.layout[-2].name == "rows of moves"
    assert [row[5:7] for row in stays[1]] == [(4, 2)]  # bob's: moves up to their cap, and reports
    assert sum(row[5] for row in stays[0]) == 4  # those of the stay that is not kept are not counted
    assert [row[5:7] for row in stays[2]] == [(0, 0)]
    people = codes(compiled, "people", TABLES)
    assert [rows[0][3:] for rows in people.values()] == [(3, 2), (1, 0), (1, 0)]
    moves = compiled.synthetic["moves"]
    assert [column.name for column in moves.plan.parent] == ["insurance", "came", "went", "rows of reports"]
    for row in codes(compiled, "moves", TABLES)[1]:
        assert row[-1] == 2 and row[-4] == 2  # bob's reports, and his insurance: public


def test_how_many_rows_found_no_parent_is_counted(compiled: Compiled) -> None:
    moves = Private(compiled.synthetic["moves"]).load_tables(TABLES).oddities()
    assert moves["rows without a unit"] == 1
    assert (
        moves["rows without a row of stays that is kept"] == 6 + 2
    )  # x1 to x6, and two in the stay of ann that is not kept
    people = Private(compiled.synthetic["people"]).load_tables(TABLES).oddities()
    assert not [name for name in people if "without a row" in name]


# what the tests of linked tables find


@pytest.fixture
def warehouse(compiled: Compiled, tmp_path: Path) -> Iterator[Warehouse]:
    land(compiled, TABLES, tmp_path / "town.duckdb")
    with Warehouse(tmp_path / "town.duckdb", 1, "1GB") as found:
        yield found


def broken(compiled: Compiled, warehouse: Warehouse, name: str) -> set[str]:
    checks = [c for c in compiled.expectations[name] if not c.id.endswith(("row_count", "in_set"))]
    return {check.id for check in checks if warehouse.judge(check, "").failures}


def test_good_rows_pass_every_expectation(compiled: Compiled, warehouse: Warehouse) -> None:
    assert not {check for name in compiled.synthetic for check in broken(compiled, warehouse, name)}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("update synthetic.moves set stay_id = 99", "moves.stay_id.relationships"),
        ("update synthetic.moves set stay_id = 4 where person_id = 1", "moves.stay_id.relationships"),  # another's
        ("delete from synthetic.people where person_id = 2", "moves.person_id.relationships"),
        ("update synthetic.moves set move_id = 1", "moves.move_id.unique"),
        ("update synthetic.moves set stay_id = null", "moves.stay_id.not_null"),
        ("update synthetic.reports set test_id = 2 where person_id = 2", "reports.test_id.relationships"),
    ],
)
def test_a_key_that_does_not_fit_is_found(compiled: Compiled, warehouse: Warehouse, statement: str, found: str) -> None:
    warehouse.query(statement)
    assert found in broken(compiled, warehouse, found.partition(".")[0])
