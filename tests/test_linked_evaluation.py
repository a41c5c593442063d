"""Figures of linked tables: what is best, what each fault does to them, and that real rows are joined to the right ones above."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas
import pytest

from compiling import Private
from family import simulate, with_held_out
from synth.artifacts.compiled import Compiled
from synth.artifacts.evaluation import Figure, Kind
from synth.evaluation.evaluate import evaluate_links
from synth.evaluation.linked import Linkage, Rows, below, below_by_name

KINDS: dict[str, Kind] = {"ward": "categorical", "cost": "numeric"}
ABOVE: dict[str, Kind] = {"sex": "categorical", "age": "numeric"}
PAIRS = ("parent", "rows_below", "lag_1")


def town(people: int, seed: int) -> Rows:
    """The old have more stays, wards go by sex and mostly stay as they were, costs go by age."""
    rng = np.random.default_rng(seed)
    age, sex = rng.normal(50, 15, people), rng.choice(["F", "M"], people)
    counts = rng.binomial(4, np.clip(age / 100, 0.05, 0.95))
    place = np.repeat(np.arange(people), counts)
    first = np.cumsum(counts) - counts
    ward = np.where(
        rng.random(len(place)) < 0.9, np.where(sex[place] == "F", "a", "b"), rng.choice(["c", "d"], len(place))
    )
    for row in range(1, len(place)):
        if row not in first and rng.random() < 0.8:
            ward[row] = ward[row - 1]
    cost = age[place] * 10 + rng.normal(0, 50, len(place))
    above = Rows(pandas.DataFrame({"sex": sex.astype(object), "age": age}), np.arange(people))
    return Rows(pandas.DataFrame({"ward": ward.astype(object), "cost": cost}), place, above, place)


@pytest.fixture(scope="module")
def linkage() -> Linkage:
    return Linkage(town(1_200, 1), town(600, 2), KINDS, "stays", True, True, "people", ABOVE)


@pytest.fixture(scope="module")
def good() -> Rows:
    """Other people of the same town."""
    return town(1_200, 3)


def figures(rows: Rows, linkage: Linkage) -> dict[tuple[str, str], Figure]:
    found, _ = evaluate_links(rows, linkage, lambda *_: None)
    return {(figure.metric, figure.of): figure for figure in found}


def test_other_people_are_as_good_as_train_and_far_from_the_floor(good: Rows, linkage: Linkage) -> None:
    found = figures(good, linkage)
    for metric in (f"{name}_dependence" for name in PAIRS):
        figure = found[metric, ""]
        assert figure.train is not None and figure.shuffled is not None
        assert figure.synthetic == pytest.approx(figure.train, abs=0.12)
        assert figure.train > figure.shuffled + (0.1 if metric.startswith("rows_below") else 0.3)
    for each in ("unit", "row of people"):
        assert found["rows_per_group", f"rows per {each}"].synthetic > 0.93  # type: ignore[operator]
    assert found["referential_integrity", ""].synthetic == 1
    assert found["lag_1_association", "ward × previous ward"].synthetic > 0.6  # type: ignore[operator]


def test_children_of_other_parents_are_at_the_floor(good: Rows, linkage: Linkage) -> None:
    assert good.above is not None
    other = good.above.table.iloc[np.random.default_rng(4).permutation(1_200)]
    found = figures(replace(good, above=replace(good.above, table=other)), linkage)
    for name in ("parent", "rows_below"):
        figure = found[f"{name}_dependence", ""]
        assert figure.synthetic == pytest.approx(figure.shuffled, abs=0.12)
    assert found["lag_1_dependence", ""].synthetic == pytest.approx(found["lag_1_dependence", ""].train, abs=0.12)


def test_rows_in_another_order_do_not_depend_on_the_row_before(good: Rows, linkage: Linkage) -> None:
    """Each row of a unit is another person's of the same sex and about the same age: only what goes on is lost."""
    assert good.above is not None and good.place is not None
    sex = good.above.table["sex"].to_numpy()[good.place]
    rng, ward = np.random.default_rng(5), good.table["ward"].to_numpy().copy()
    for each in ("F", "M"):
        ward[sex == each] = rng.permutation(ward[sex == each])
    found = figures(replace(good, table=good.table.assign(ward=ward)), linkage)
    ward_before = found["lag_1_association", "ward × previous ward"]
    assert ward_before.train is not None and ward_before.synthetic < ward_before.train - 0.1  # type: ignore[operator]
    assert found["parent_dependence", ""].synthetic == pytest.approx(found["parent_dependence", ""].train, abs=0.12)


def test_one_row_each_and_keys_of_nobody_are_told(good: Rows, linkage: Linkage) -> None:
    assert good.above is not None
    wards = good.table.iloc[:1_200].reset_index(drop=True)
    keys = np.arange(len(wards))
    keys[:120] = -1
    single = below(Rows(wards, np.arange(len(wards))), keys, good.above, np.arange(1_200))
    found = figures(single, linkage)
    assert found["referential_integrity", ""].synthetic == pytest.approx(1 - 120 / len(wards))
    assert found["parents_without_rows", ""].synthetic == pytest.approx(0.1, abs=0.05)
    assert found["mean_rows_per_group", "rows per unit"].synthetic == 1
    assert found["rows_per_group", "rows per unit"].synthetic < 0.5  # type: ignore[operator]


@pytest.mark.parametrize("most", [3, 30])
def test_bars_are_of_all_units(most: int) -> None:
    """What is beyond the last bar of its own is in one bar."""
    units = np.repeat(np.arange(most), np.arange(1, most + 1))
    rows = Rows(pandas.DataFrame({"ward": np.full(len(units), "a", object)}), units)
    _, (bars,) = evaluate_links(
        rows, Linkage(rows, rows, {"ward": "categorical"}, "stays", True, False), lambda *_: None
    )
    assert bars.of == "rows per unit" and bars.x[1:3] == ("1", "2")
    assert all(len(shares) == len(bars.x) and sum(shares) == pytest.approx(1) for shares in bars.series.values())
    assert bars.series["holdout"][-1] == pytest.approx(1 / 3 if most == 3 else 19 / 30)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_few_rows_raise_nothing(rows: int, linkage: Linkage) -> None:
    few = town(rows, 6)
    for synthetic, of in (
        (few, linkage),
        (town(50, 7), replace(linkage, train=few)),
        (town(50, 7), replace(linkage, holdout=few)),
    ):
        assert figures(synthetic, of)


def test_a_part_has_whole_units_below_the_same_rows(good: Rows) -> None:
    some = good.some(np.random.default_rng(8), 500)
    assert some.above is not None and some.place is not None and good.place is not None
    assert 400 < len(some.table) <= 500
    assert (some.counts == 0).any()
    assert (some.above.units[some.place] == some.units).all()
    left = set(some.units.tolist())
    assert len(some.table) == sum(unit in left for unit in good.units.tolist())


def test_keys_join_by_name() -> None:
    keys, named = (
        pandas.DataFrame({"u": ["b", "a", "x"], "n": [2, 1, 1]}),
        pandas.DataFrame({"k": ["a", "b"], "m": [1, 2]}),
    )
    empty = pandas.DataFrame(index=range(3))
    assert below_by_name(Rows(empty, np.arange(3)), keys, Rows(empty, np.arange(2)), named).place.tolist() == [1, 0, -1]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def held_out_town(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return with_held_out(tmp_path_factory.mktemp("town"))


@pytest.mark.parametrize("part", ["real_sql", "held_out_sql"])
def test_real_rows_are_below_those_of_the_source(part: str, held_out_town: Compiled) -> None:
    """Stays and people are read on their own: the number of the unit differs, its name does not."""
    source = simulate(200)
    frames: dict[str, pandas.DataFrame] = {}
    for table, keys in (("stays", '"#name", "#parent"'), ("people", '"#name", "#position"')):
        zone = Private(held_out_town.synthetic[table]).load_tables(source)
        assert zone.model.evaluated is not None
        frames[table] = zone.connection.execute(f"select {keys}, * from ({getattr(zone.model.evaluated, part)})").df()
    stays, people = frames["stays"], frames["people"]
    joined = below_by_name(
        Rows(stays, stays["#unit"].to_numpy()), stays[["#name", "#parent"]], Rows(people, people["#unit"].to_numpy()),
        people[["#name", "#position"]],
    )  # fmt: skip
    assert joined.place is not None and len(stays) and (joined.place >= 0).all()
    known: dict[str, Any] = {row["person_id"]: row["sex"] for row in source["people"]}
    assert [known[name] for name in stays["#name"]] == people["sex"].to_numpy()[joined.place].tolist()
