"""Rules that name the row above: they hold in every row that a join finds, and what they do not forbid stays as likely."""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synth
from compiling import write
from heard import Heard
from synth.errors import ProjectError
from synth.generator.rules import Rule, by_unit
from synth.generator.sampling import Sampler

PEOPLE = 600
PROJECT = {
    "synth_project.yml": "name: clinic\nbudgets: {people: {epsilon: 100, delta: 1e-6, approver: a test}}\n",
    "sources/ward.yml": """
sources:
  - name: ward
    location: data
    privacy: {population: people, unit: person, units: 600}
    tables: [{name: people}, {name: doses}]
""",
    "metadata/people.yml": """
tables:
  - name: people
    source: ward.people
    primary_key: person
    config: {epsilon: 20, generator: {kind: marginal}}
    columns:
      - {name: person, type: key}
      - {name: sex, type: categorical, values: [F, M], nullable: true}
      - {name: most, type: integer, bounds: [1, 50], nullable: true}
      - {name: share, type: decimal, bounds: [0.00, 1.00], decimals: 2}
      - {name: smoker, type: boolean, nullable: true}
      - {name: died, type: date, bounds: [2020-01-01, 2022-12-31], nullable: true}
      - {name: home, type: time, resolution: hour, nullable: true}
""",
    "metadata/doses.yml": """
tables:
  - name: doses
    source: ward.doses
    foreign_keys: [{column: person, references: people}]
    max_rows_per_unit: 4
    config: {epsilon: 20, generator: {kind: marginal}}
    columns:
      - {name: person, type: key}
      - {name: amount, type: number, bounds: [0, 60], rounding: 0.5}
      - {name: drug, type: categorical, values: [A, B, C], nullable: true}
      - {name: given, type: datetime, bounds: [2020-01-01, 2022-12-31], resolution: hour}
      - {name: ended, type: datetime, offset_from: given, offset_bounds: [0 hours, 30 days], resolution: hour}
      - {name: seen, type: datetime, offset_from: ended, offset_bounds: [-1 day, 30 days], resolution: hour, nullable: true}
    constraints:
RULES""",
}
RULES = {
    "given < people.died + interval 1 day": "one date, and a date above",
    "ended < people.died + interval 1 day": "an offset",
    "seen <= people.died + interval 30 days": "an offset that may be missing",
    "amount <= people.most": "a number that may be missing above",
    "amount >= people.share": "a decimal",
    "cast(given as time) <= people.home": "a time of day, which rises and falls",
    "drug <> 'B' or people.sex = 'M'": "categories",
    "drug is distinct from 'A' or not people.smoker": "a boolean, and nulls",
    "case people.sex when 'M' then true else drug is distinct from 'C' end": "what the tree of a case holds twice",
    "amount <= 30 or People.\"sex\" = 'M' or drug is null": "two columns, and a name in another spelling",
}


def project(root: Path, rules: list[str], last: str = "2022-12-31") -> synth.Project:
    """``last``: the latest that a dose can be given."""
    lines = "".join("      - '{}'\n".format(rule.replace("'", "''")) for rule in rules)
    files = {name: text.replace("RULES", lines) for name, text in PROJECT.items()}
    doses = files["metadata/doses.yml"].replace("bounds: [2020-01-01, 2022-12-31]", f"bounds: [2020-01-01, {last}]")
    write(root, files | {"metadata/doses.yml": doses})
    rng = random.Random(5)
    people = [
        (n, rng.choice("FM"), rng.choice([*range(1, 51), ""]), round(rng.random(), 2), rng.choice(["true", "false", ""]),
         rng.choice([date(2020, 6, 1) + timedelta(rng.randrange(900)), ""]), rng.choice(["20:00:00", ""]))
        for n in range(PEOPLE)
    ]  # fmt: skip
    given = []
    for n, *_ in people:
        for _ in range(rng.randrange(5)):
            begin = datetime(2020, 1, 1) + timedelta(hours=rng.randrange(24_000))
            end = begin + timedelta(hours=rng.randrange(500))
            given.append((n, rng.randrange(121) / 2, rng.choice("ABC"), begin, end, rng.choice([end, ""])))
    (root / "data").mkdir()
    columns = {"people": "person sex most share smoker died home", "doses": "person amount drug given ended seen"}
    for name, rows in (("people", people), ("doses", given)):
        with (root / "data" / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns[name].split(), *rows])
    return synth.Project(root)


@pytest.mark.slow
def test_rules_hold_in_every_row_that_a_join_finds(tmp_path: Path) -> None:
    found = project(tmp_path, list(RULES))
    results = found.build(docs=False)
    assert {r.status for r in results.results} == {"success"}, [r.message for r in results.results]
    judged = {check.expectation.id: check.status for suite in results.suites for check in suite.results}
    assert set(judged.values()) == {"pass"} and sum(name.endswith(".holds") for name in judged) == len(RULES)
    joined = "synthetic.doses join synthetic.people using (person)"
    ((rows,),) = found.query(f"select count(*) from {joined}")[1]
    assert rows > PEOPLE
    for rule in RULES:
        assert found.query(f"select count(*) from {joined} where not coalesce({rule}, true)")[1] == [(0,)], rule
    # what is not forbidden is there
    ((free, late, plenty),) = found.query(
        f"select count(*) filter (died is null and given > '2022-06-01'), count(*) filter (given > died - interval 60 days), "
        f"count(*) filter (most is null and amount > 25) from {joined}"
    )[1]
    assert free > 20 and late > 20 and plenty > 2
    assert [r.status for r in found.run(select="doses").results] == ["success"]
    assert sum(entry.kind == "reserve" for entry in found.ledger.history()) == 2  # nothing more was paid
    heard = Heard()
    found.test(select="doses", listener=heard, docs=False)
    assert heard.notes == []
    found.run(select="people", listener=heard)
    found.test(select="doses", listener=heard, docs=False)
    assert sum("synthetic.doses is older than synthetic.people" in note for note in heard.notes) == 2


@pytest.mark.slow
def test_a_row_that_the_one_before_leaves_no_place_is_not_drawn_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stays beyond the day of death cannot come again."""
    candidates, draw = [], Sampler.draw

    def counted(sampler: Sampler, units: np.ndarray) -> Any:
        candidates.append(len(units))
        return draw(sampler, units)

    monkeypatch.setattr(Sampler, "draw", counted)
    project(tmp_path, ["given < people.died + interval 1 day"])
    metadata = tmp_path / "metadata" / "doses.yml"
    text = metadata.read_text().replace("per_unit: 4", "per_unit: 4\n    until: ended")
    metadata.write_text(text.replace("[0 hours, 30 days]", "[0 hours, 300 days]"))
    _, doses = synth.Project(tmp_path).build(docs=False).results
    assert doses.status == "success"
    assert sum(candidates) < 600_000  # where each is tried fifty times, 2.6 million


def test_how_a_rule_is_asked(tmp_path: Path) -> None:
    """Once of each unit only where one value decides, and it is known which way; by whatever name the column goes."""
    rules = [
        "ended < people.died + interval 1 day", "isodow(ended) <> people.most % 7 + 1", "given < \"People.Died\"",
    ]  # fmt: skip
    model = (
        project(tmp_path, rules, last="2020-02-01").compile().synthetic["doses"]
    )  # hours, which are looked at one by one
    assert [part.steps for one in model.constraints for part in one.parts][:3] == [(1, 1), (), (1,)]
    assert model.link and model.link.values == ("most", "died")


@pytest.mark.slow
def test_a_table_with_such_rules_is_evaluated(tmp_path: Path) -> None:
    found = project(tmp_path, ["drug <> 'B' or people.sex = 'M'", "given < people.died + interval 1 day"])
    metadata = tmp_path / "metadata" / "people.yml"
    metadata.write_text(metadata.read_text().replace("primary_key: person", "primary_key: person\n    holdout: 0.3"))
    found = synth.Project(tmp_path)
    assert {r.status for r in found.build(docs=False).results} == {"success"}
    (report,) = found.evaluate(select="doses")
    assert report.is_file()


def test_what_a_test_reads_of_the_row_above_is_its_parent(tmp_path: Path) -> None:
    found = project(tmp_path, ["given < people.died + interval 1 day"])
    tests = {n.name: n.depends_on for n in found.ls("doses") if n.resource_type == "test"}
    (holds,) = (parents for name, parents in tests.items() if name.endswith(".holds"))
    assert holds == ("model.clinic.doses", "model.clinic.people")
    (other,) = (parents for name, parents in tests.items() if name == "doses.amount.not_null")
    assert other == ("model.clinic.doses",)


def test_who_is_above_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as told:
        project(tmp_path, ["given < people.dide", "amount < people.person", "amount < doctors.most"]).compile()
    whats = [problem.what for problem in told.value.problems]
    assert whats == [
        "the table above, people, has no column 'dide'",
        "'people.person' is a key, text, a duration or part of a composite, and cannot be named here",
        'Referenced table "doctors" not found',
    ]
    assert told.value.problems[0].fix == "Did you mean died?"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_rule_that_each_unit_is_asked_once_says_what_it_would_say_of_each_row(data: st.DataObject) -> None:
    """Of one column with ranges and a missing value, and of an offset, whose value is a sum of codes."""
    units, cells = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 40))
    bounds = np.array(data.draw(st.lists(st.integers(-5, 90), min_size=units, max_size=units)))
    rises, absent = data.draw(st.booleans()), data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    names = rng.integers(0, units, 200)
    if data.draw(st.booleans()):

        def one(codes: np.ndarray, of: np.ndarray) -> np.ndarray:
            known = (codes[:, 1] < bounds[of]) == rises
            return np.where(codes[:, 1] == cells, absent, known)

        edges = np.array([0, cells, cells + 1])
        made = by_unit(Rule((1,), one, (edges,), alike=False), (1,), (cells,), units, 3)
        codes, held = rng.integers(0, cells + 1, (200, 3)), one
    else:

        def both(codes: np.ndarray, of: np.ndarray) -> np.ndarray:
            known = (3 * codes[:, 2] + codes[:, 0] < bounds[of]) == rises
            return np.where(codes[:, 2] == cells, absent, known)

        ends = (np.array([0, cells, cells + 1]), np.array([0, 7]))
        made = by_unit(Rule((2, 0), both, ends, alike=False), (3, 1), (cells, None), units, 3)
        codes, held = rng.integers(0, [7, 2, cells + 1], (200, 3)), both
    assert made.held is not held
    assert (made.held(codes, names) == held(codes, names)).all()
