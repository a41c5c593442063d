"""What is prepared of a person depends on that person's rows alone: the ground that every sensitivity stands on."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiling import Private, compile_folder, write
from synth.artifacts.compiled import SyntheticModel

FILES = {
    "synth_project.yml": "name: clinic\nbudgets: {people: {epsilon: 1.0, approver: the board}}\n",
    "sources/clinic.yml": """
sources:
  - name: clinic
    location: nowhere
    privacy: {population: people, unit: person, units: 1000}
    tables: [{name: visits}]
""",
    # two texts of the same values and a shift of nulls between them: rows that look alike when joined
    "metadata/visits.yml": """
tables:
  - name: visits
    max_rows_per_unit: 2
    columns:
      - {name: person, type: key}
      - {name: age, type: integer, bounds: [0, 5], nullable: true}
      - {name: "size", type: number, bounds: [0, 1], rounding: 0.5}
      - {name: first, type: categorical, values: [a, b], unknown: other, nullable: true}
      - {name: second, type: categorical, values: [a, b], unknown: drop, nullable: true}
      - {name: came, type: date, bounds: [2000-01-01, 2000-12-31]}
      - {name: went, type: date, offset_from: came, offset_bounds: [0 days, 3 days], nullable: true}
""",
    "models/visits.sql": """{{ config(materialized='synthetic', epsilon=0.5) }}
select * from {{ source('clinic', 'visits') }} where age is null or age <> '4'
""",
}
COLUMNS = ["person", "age", "size", "first", "second", "came", "went"]
PEOPLE = ["1", "2", " 2", "10", "ann", "", None]
ROW = st.fixed_dictionaries(
    {
        "person": st.sampled_from(PEOPLE),
        "age": st.sampled_from([None, "0", "3", "4", "99", "x"]),
        "size": st.sampled_from(["0", "0.5", "1", "inf", "nan"]),
        "first": st.sampled_from([None, "a", "b", "c"]),
        "second": st.sampled_from([None, "a", "b", "c"]),
        "came": st.sampled_from(["2000-01-01", "2000-06-01", "1990-01-01", "never"]),
        "went": st.sampled_from([None, "2000-06-02", "2000-06-09"]),
    }
)
Prepared = dict[str, list[tuple[int, ...]]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SyntheticModel:
    return compile_folder(write(tmp_path_factory.mktemp("clinic"), FILES)).synthetic["visits"]


@pytest.fixture(scope="module")
def private(model: SyntheticModel) -> Private:
    return Private(model)


def unit(row: dict[str, Any]) -> str:
    return (row["person"] or "").strip(" ")


def prepared(private: Private, rows: list[dict[str, Any]]) -> Prepared:
    """Position and codes by person; units are numbered in the order of their names, those without rows left out."""
    found = defaultdict(list)
    for number, *codes in private.load(rows, COLUMNS).prepare():
        found[number].append(tuple(codes))
    names = sorted({unit(row) for row in rows} - {""})
    kept = [name for name in names if private.load([r for r in rows if unit(r) == name], COLUMNS).prepare()]
    assert sorted(found) == list(range(len(kept)))
    return {name: found[number] for number, name in enumerate(kept)}


@settings(max_examples=50, deadline=None)
@given(st.lists(ROW, max_size=12), st.randoms(use_true_random=False))
def test_the_rows_of_others_change_nothing(private: Private, rows: list[dict[str, Any]], random: Any) -> None:
    """A person's codes, and which rows the cap keeps, are the same among others, alone, and in another order."""
    whole = prepared(private, rows)
    for person, codes in whole.items():
        own = [row for row in rows if unit(row) == person]
        random.shuffle(own)
        assert [row[1:] for row in private.load(own, COLUMNS).prepare()] == codes


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12), st.integers(0, 11))
def test_leaving_one_person_out_moves_nobody_else(private: Private, rows: list[dict[str, Any]], which: int) -> None:
    gone = unit(rows[which % len(rows)])
    rest = prepared(private, [row for row in rows if unit(row) != gone])
    assert rest == {person: codes for person, codes in prepared(private, rows).items() if person != gone}


def test_rows_that_join_to_the_same_text_have_an_order(private: Private) -> None:
    """(null, a) and (a, null) hash alike; which of three rows stays must not depend on how they lie in the file."""
    alike = [{"first": "a", "second": None}, {"first": None, "second": "a"}, {"first": None, "second": None}]
    rows = [{"person": "1", "age": None, "size": "1", "came": "2000-01-01", "went": None, **part} for part in alike]
    orders = [[rows[i] for i in order] for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2))]
    found = [private.load(order, COLUMNS).prepare() for order in orders]
    assert len(found[0]) == 2
    assert all(codes == found[0] for codes in found)


def test_a_person_keeps_the_same_rows_among_others(private: Private) -> None:
    """Of 200 people with three rows each, one of which is above the cap; half of them prepared by themselves."""
    row = {"size": "1", "first": "a", "second": "b", "came": "2000-01-01", "went": None}
    rows = [row | {"person": f"p{i:03}", "age": str(age)} for i in range(200) for age in (1, 2, 3)]
    among = sorted(codes for codes in private.load(rows, COLUMNS).prepare() if codes[0] < 100)
    assert among == sorted(private.load(rows[:300], COLUMNS).prepare())
    assert len(among) == 200


def test_the_cap_prefers_no_row(private: Private) -> None:
    """Over many people with the same three rows, each row is kept two times in three: the hash is the person's own."""
    people = [f"p{i}" for i in range(300)]
    row = {"size": "1", "first": "a", "second": "b", "came": "2000-01-01", "went": None}
    codes = private.load([row | {"person": p, "age": str(a)} for p in people for a in (1, 2, 3)], COLUMNS).prepare()
    kept = [sum(1 for c in codes if c[2] == age) for age in (1, 2, 3)]
    assert sum(kept) == 600
    assert all(160 < count < 240 for count in kept)
