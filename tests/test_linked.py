"""A real build of linked tables: what a join of them finds, and what a run and a plan say of tables around a table."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import synth
from family import PROJECT, simulate, write_source

pytestmark = pytest.mark.slow
TOWN = simulate(2_000)
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> synth.Project:
    """The family project at a generous epsilon."""
    root = Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("town") / "family"))
    for file in root.glob("metadata/*.yml"):
        how = "{kind: independent}" if file.stem in ("reports", "tests_done") else "{steps: 60}"
        file.write_text(file.read_text().replace("epsilon: 0.5", f"epsilon: 15, generator: {how}"))
    settings = root / "synth_project.yml"
    settings.write_text(settings.read_text().replace("epsilon: 3.0", "epsilon: 100"))
    write_source(root / "data", TOWN)
    project = synth.Project(root)
    early = project.run(select="moves").results[0]
    assert early.status == "error"
    assert early.message == "moves refers to people, which is not built\n    Run: synth build --select +moves"
    assert not project.ledger.history()
    results = project.build()
    assert {result.status for result in results.results} == {"success"}, [r.message for r in results.results]
    assert {check.status for suite in results.suites for check in suite.results} == {"pass"}
    return project


@pytest.fixture
def query(built: synth.Project) -> Query:
    return lambda sql: built.query(sql)[1]


def distance(a: Iterable[Any], b: Iterable[Any]) -> float:
    """Total variation between two lists of values."""
    first, second = Counter(a), Counter(b)
    shares = ((first[x] / first.total(), second[x] / second.total()) for x in {*first, *second})
    return 0.5 * sum(abs(p - q) for p, q in shares)


def below(rows: list[dict[str, Any]], key: str, above: list[dict[str, Any]]) -> list[int]:
    """How many of the rows are below each row above."""
    found = Counter(row[key] for row in rows)
    return [found[row[key]] for row in above]


# what a join finds

BELOW = [
    ("stays", "person_id", "people"),
    ("tests_done", "person_id", "people"),
    ("moves", "stay_id", "stays"),
    ("reports", "stay_id", "stays"),
]


@pytest.mark.parametrize(
    ("table", "key"), [("people", "person_id"), ("stays", "stay_id"), ("moves", "move_id"), ("tests_done", "test_id")]
)
def test_primary_keys_are_unique(query: Query, table: str, key: str) -> None:
    ((rows, keys),) = query(f"select count(*), count(distinct {key}) from synthetic.{table}")
    assert rows == keys > 1_000


@pytest.mark.parametrize(("table", "key", "above"), BELOW)
def test_every_row_is_below_a_row_of_the_same_person(query: Query, table: str, key: str, above: str) -> None:
    assert query(f"from synthetic.{table} anti join synthetic.{above} using (person_id, {key})") == []


def test_second_parents_are_of_the_same_person_or_none(query: Query) -> None:
    tests, reports = "synthetic.tests_done using (person_id", "(from synthetic.reports where test_id is {})"
    assert query(f"from {reports.format('not null')} anti join {tests}, test_id)") == []
    assert query(f"from {reports.format('null')} semi join {tests})") == []
    assert query(f"from {reports.format('null')} anti join {tests})")


@pytest.mark.parametrize(("table", "key", "above"), BELOW)
def test_as_many_rows_are_below_each_as_in_the_source(query: Query, table: str, key: str, above: str) -> None:
    joined = f"synthetic.{above} as above left join synthetic.{table} as below using ({key})"
    counts = query(f"select count(below.{key}) from {joined} group by {key}")
    assert distance((count for (count,) in counts), below(TOWN[table], key, TOWN[above])) < 0.05


def test_a_row_goes_with_the_row_above_it_and_the_one_above_that(query: Query) -> None:
    """The privately insured move more, and the old have other rooms."""
    joined = "synthetic.stays left join synthetic.moves using (stay_id)"
    moves = f"count(move_id) / count(distinct stay_id) from {joined}"
    ((private,),), ((other,),) = (query(f"select {moves} where insurance {sign} 'private'") for sign in ("=", "<>"))
    assert private > 1.8 * other  # 3 in the source, 1 where they are independent
    joined = "synthetic.moves join synthetic.people using (person_id)"
    ages = f"avg(date_diff('year', born, moves.at)) from {joined}"
    ((old,),), ((young,),) = (query(f"select {ages} where room {sign} 200") for sign in ("<", ">"))
    assert old > young + 10  # 30 in the source


def test_a_persons_dates_are_in_order_and_within_bounds(query: Query) -> None:
    joined = (
        "from synthetic.moves join synthetic.stays using (person_id, stay_id) join synthetic.people using (person_id)"
    )
    order = "born <= came and came <= moves.at and moves.at <= came + interval 60 days"
    assert query(f"{joined} where not ({order})") == []
    assert query("from synthetic.stays where went < came or went > came + interval 60 days") == []
    for table, column, key, above in (("stays", "came", "stay_id", "person_id"), ("moves", "at", "move_id", "stay_id")):
        rows = f"synthetic.{table} as moved"
        before = f"lag(moved.{column}) over (partition by {above} order by {key})"
        assert query(f"from (select moved.{column} < {before} as falls from {rows}) where falls") == []
        bounds = f"moved.{column} between timestamp '2000-01-01' and timestamp '2012-12-31'"
        assert query(f"from {rows} where not {bounds}") == []


def test_what_stays_as_it_was_does_so_about_as_often_as_in_the_source(query: Query) -> None:
    def agreement(pairs: list[tuple[Any, ...]]) -> float:
        return sum(a == b for a, b in pairs) / len(pairs)

    following = [(a, b) for a, b in pairwise(TOWN["stays"]) if a["person_id"] == b["person_id"]]
    real = agreement([(a["insurance"], b["insurance"]) for a, b in following])
    before = "lag(insurance) over (partition by person_id order by stay_id) as before"
    found = query(f"select insurance, before from (select *, {before} from synthetic.stays) where before is not null")
    assert real > 0.9
    assert abs(agreement(found) - real) < 0.1  # 0.38 where rows are independent


# what a run and a plan say


def test_a_parent_that_lands_again_has_the_same_keys(built: synth.Project, query: Query) -> None:
    before = {table: query(f"from synthetic.{table} order by all") for table in ("stays", "moves")}
    again = built.run(select="stays").results[0]
    assert again.reused and query("from synthetic.stays order by all") == before["stays"]
    assert built.run(select="moves").results[0].reused
    assert query("from synthetic.moves order by all") == before["moves"]


def test_a_plan_names_what_changed_in_a_linked_table(built: synth.Project, tmp_path: Path) -> None:
    root = Path(shutil.copytree(built.root, tmp_path / "town"))
    assert {model.verdict for model in synth.Project(root).plan().models} == {"reuse"}
    stays = root / "metadata" / "stays.yml"
    stays.write_text(stays.read_text().replace("max_rows_per_unit: 3", "max_rows_per_unit: 2"))
    found = {
        model.model: (model.verdict, [str(reason) for reason in model.reasons])
        for model in synth.Project(root).plan().models
    }
    what = "max_rows_per_unit 3 -> 2"
    assert found["stays"] == ("refit", [f"metadata/stays.yml:6: table stays: {what}"])
    for name in ("people", "moves", "reports", "tests_done"):
        assert found[name] == ("refit", [f"metadata/stays.yml:6: linked table stays, table stays: {what}"])
    early = synth.Project(root).run(select="moves").results[0]
    assert re.match(
        "moves refers to people, which was built by another plan\n.*synth build --select \\+moves", early.message or ""
    )
