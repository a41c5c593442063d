"""``synth sample``: more rows of a fitted model, on any condition, for nothing."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from synth.api import Project
from synth.errors import ProjectError, RunError, UsageError
from synth.starter import write_starter

pytestmark = pytest.mark.slow
FAST = "config: {epsilon: 1.0, generator: {kind: marginal}}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted project whose source is gone."""
    root = write_starter(tmp_path_factory.mktemp("sample") / "clinic")
    table = root / "metadata" / "members.yml"
    text = table.read_text().replace("config: {epsilon: 1.0}", FAST)
    text = text.replace("west]", "-west]")  # which a spreadsheet computes
    table.write_text(text.replace('"2030-01-01"]}', '"2030-01-01"], format: "%d/%m/%Y"}', 1))
    source = root / "sources" / "clinic" / "members.csv"
    lines = [line.split(",") for line in source.read_text().splitlines()]
    place = lines[0].index("first_visit")
    for line in lines[1:]:
        line[place] = "/".join(reversed(line[place].split("-")))
    source.write_text("\n".join(map(",".join, lines)).replace(",west,", ",-west,") + "\n")
    assert not Project(root).run().failed
    shutil.rmtree(root / "sources" / "clinic")
    return root


def rows(root: Path, *wanted: str, **how: object) -> list[dict[str, object]]:
    names, found = Project(root).sample("members", *wanted, **how)  # type: ignore[arg-type]
    return [dict(zip(names, row, strict=True)) for row in found]


def test_as_many_rows_as_asked_which_meet_every_condition(root: Path) -> None:
    before = Project(root).ledger.history()
    found = rows(
        root, rows=70, where=["age > 80", "systolic is not null"], given={"region": "north", "smoker": "false"}
    )
    assert len(found) == 70 and len({row["member_id"] for row in found}) == 70
    assert all(row["age"] > 80 and row["systolic"] and row["region"] == "north" and not row["smoker"] for row in found)  # type: ignore[operator]
    assert all(row["last_visit"] >= row["first_visit"] for row in found)  # type: ignore[operator]
    assert all(row["systolic"] is None for row in rows(root, rows=5, given={"systolic": ""}))
    assert Project(root).ledger.history() == before


def test_a_seed_makes_the_same_rows_and_another_makes_others(root: Path) -> None:
    first = rows(root, rows=20, where=["sex = 'F'"], seed=3)
    assert rows(root, rows=20, where=["sex = 'F'"], seed=3) == first != rows(root, rows=20, where=["sex = 'F'"], seed=4)


def test_so_many_rows_for_each_value_of_a_column(root: Path) -> None:
    found = rows(root, rows=30, per="region", where=["age < 50"])
    counts = Counter(row["region"] for row in found)
    assert counts == dict.fromkeys(("north", "south", "east", "-west"), 30)
    assert Counter(row["smoker"] for row in rows(root, rows=4, per="SMOKER")) == {True: 4, False: 4}


def test_rows_on_a_condition_are_as_those_of_the_table_that_meet_it(root: Path) -> None:
    """Of 4,000 rows on a condition and those of 40,000 without one: a difference of five standard errors has a chance of 1e-6."""
    condition = "age > 60 and region <> 'north'"
    given = rows(root, rows=4_000, where=[condition])
    others = [r for r in rows(root, rows=40_000, seed=9) if r["age"] > 60 and r["region"] != "north"]  # type: ignore[operator]
    for value in (lambda r: r["smoker"], lambda r: r["sex"] == "F", lambda r: (r["systolic"] or 0) > 140):
        shares = [sum(map(value, some)) / len(some) for some in (given, others)]
        error = sum(s * (1 - s) / len(some) for s, some in zip(shares, (given, others), strict=True)) ** 0.5
        assert abs(shares[0] - shares[1]) < 5 * error


def test_files_have_the_declared_formats_and_types(root: Path, tmp_path: Path) -> None:
    project = Project(root)
    project.sample("members", rows=12, out=tmp_path / "rows.csv")
    project.sample("members", rows=12, out=tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 12 and all(row["first_visit"][2] == row["first_visit"][5] == "/" for row in listed)
    kinds = {name: kind for name, kind, *_ in duckdb.sql(f"describe from '{tmp_path}/rows.parquet'").fetchall()}
    assert (kinds["first_visit"], kinds["smoker"], kinds["age"]) == ("DATE", "BOOLEAN", "BIGINT")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.parquet"]


def test_no_spreadsheet_computes_a_text_and_numbers_stay_numbers(root: Path, tmp_path: Path) -> None:
    Project(root).sample("members", rows=30, per="region", out=tmp_path / "rows.csv")
    Project(root).sample("members", rows=30, per="region", out=tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert Counter(row["region"] for row in listed) == dict.fromkeys(("north", "south", "east", "'-west"), 30)
    assert all(row["age"].isdigit() for row in listed)
    regions = duckdb.sql(f"select count(*) from '{tmp_path}/rows.parquet' where region = '-west'").fetchall()
    assert regions == [(30,)]


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"where": ["agee > 3"]}, ProjectError, '--where:1:1: Referenced column "agee" not found'),
        ({"where": ["age"]}, ProjectError, "the condition gives bigint, not true or false"),
        ({"where": ["member_id = 3"]}, ProjectError, "is a key"),
        ({"where": ["age > (select 3)"]}, ProjectError, "A condition looks at one row"),
        ({"given": {"agee": "3"}}, UsageError, "Did you mean age?"),
        ({"given": {"age": "old"}}, UsageError, "'old' is no value of age, which is a bigint"),
        ({"per": "age"}, UsageError, "age is of type integer"),
        ({"given": {"member_id": "3"}}, UsageError, "is a key"),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_row_is_drawn(
    how: dict[str, object], error: type[Exception], said: str, root: Path
) -> None:
    with pytest.raises(error) as caught:
        rows(root, **how)
    assert said in str(caught.value)


def test_what_is_too_rare_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.runtime.more_rows.MOST_DRAWN", 2_000)
    with pytest.raises(RunError, match=r"only 0 of [\d,]+ rows of members meet this: age < 0"):
        rows(root, where=["age < 0"])


def test_many_rows_are_not_rare(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.runtime.more_rows.MOST_DRAWN", 2_000)
    monkeypatch.setattr("synth.runtime.more_rows.MOST_UNITS", 5_000)
    assert len(rows(root, rows=12_000)) == 12_000


def test_a_plan_without_a_generator_is_told(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "clinic")
    table = tmp_path / "clinic" / "metadata" / "members.yml"
    table.write_text(table.read_text().replace("epsilon: 1.0", "epsilon: 0.5"))
    with pytest.raises(RunError, match="members has no generator of its plan of today"):
        rows(tmp_path / "clinic")


def test_the_command(root: Path, tmp_path: Path) -> None:
    def said(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "synth", "sample", "-s", "members", *arguments]
        return subprocess.run(command, cwd=root, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True)

    shown = said("--rows", "3", "--where", "age > 80")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == 5 and not shown.stderr
    written = said("--rows", "3", "--out", str(tmp_path / "x.csv"))
    assert written.returncode == 0 and len((tmp_path / "x.csv").read_text().splitlines()) == 4
    assert said("--out", "x.txt").returncode == 2 and said("--given", "sex").returncode == 2
