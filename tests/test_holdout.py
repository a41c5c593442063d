"""Units held out of a fit: by a keyed hash of their own, the same in all linked tables, and read as the table has them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from compiling import Private, compile_folder, write
from family import PROJECT, simulate, with_held_out
from synth.artifacts.compiled import Compiled
from synth.errors import ProjectError

TABLES = ("people", "stays", "moves", "tests_done", "reports")
DAYS = """\
tables:
  - name: days
    source: diary.days
    holdout: 0.3
    config: {epsilon: 1.0}
    columns:
      - {name: mood, type: integer, bounds: [1, 1000]}
      - {name: rain, type: boolean, nullable: true}
"""
DIARY = """\
sources:
  - name: diary
    location: sources
    privacy: {population: diary, one_row_per_unit: true, units: 400}
    tables: [{name: days}]
"""
SETTINGS = "name: diary\nbudgets: {diary: {epsilon: 3, approver: us}}\n"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The project ``family``, where a quarter of the people are held out."""
    return with_held_out(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return simulate(400)


def loaded(compiled: Compiled, table: str, rows: dict[str, list[dict[str, Any]]]) -> Private:
    return Private(compiled.synthetic[table]).load_tables(rows)


def parts(compiled: Compiled, table: str, rows: dict[str, list[dict[str, Any]]]) -> tuple[list[Any], list[Any]]:
    """Values of the rows of the fit and of those held out, without numbers that are counted anew."""
    zone = loaded(compiled, table, rows)
    evaluated = zone.model.evaluated
    assert evaluated is not None
    columns = ", ".join(f'"{c.name}"' for c in evaluated.columns)
    found = (
        zone.connection.execute(f"select {columns} from ({sql}) order by all").fetchall()
        for sql in (evaluated.real_sql, evaluated.held_out_sql)
    )
    fit, held_out = found
    return fit, held_out


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_in_one_part(
    town: Compiled, table: str, rows: dict[str, list[dict[str, Any]]]
) -> None:  # fmt: skip
    """The two parts are what the table keeps where nobody is held out, as the values that a run would land."""
    everybody = loaded(compile_folder(PROJECT), table, rows)
    zone = loaded(town, table, rows)
    fit, held_out = parts(town, table, rows)
    assert held_out and fit
    assert len(fit) == len(zone.prepare())
    assert len(fit) + len(held_out) == len(everybody.prepare())


def test_the_same_people_are_held_out_of_linked_tables(town: Compiled, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Whoever is alone in the source is held out of every table, or of none."""
    seen = set()
    for person in sorted({row["person_id"] for row in rows["people"]})[:15]:
        alone = {name: [row for row in listed if row.get("person_id") == person] for name, listed in rows.items()}
        sides = set()
        for table in TABLES:
            fit, held_out = parts(town, table, alone)
            assert not (fit and held_out)
            sides |= {"fit"} if fit else {"held out"} if held_out else set()
        assert len(sides) == 1
        seen |= sides
    assert seen == {"fit", "held out"}


def test_about_the_declared_share_is_held_out(town: Compiled) -> None:
    """A quarter of 2,000: within five standard deviations of the binomial."""
    _, held_out = parts(town, "people", simulate(2000))
    assert abs(len(held_out) - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5


def test_values_are_those_of_the_source(town: Compiled, rows: dict[str, list[dict[str, Any]]]) -> None:
    fit, held_out = parts(town, "people", rows)
    assert sorted((sex, str(born)) for sex, born in fit + held_out) == sorted(
        (row["sex"], str(row["born"])) for row in rows["people"]
    )
    fit, held_out = parts(town, "moves", rows)
    known = {(str(row["at"])[:16], str(row["room"])) for row in rows["moves"]}
    assert {(str(at)[:16], str(room)) for at, room in fit + held_out} <= known


def test_a_row_that_is_a_unit_goes_by_its_own_values(tmp_path: Path) -> None:
    """Where nothing names a unit, its values do: another row that goes moves nobody."""
    root = write(
        tmp_path, {"synth_project.yml": SETTINGS, "sources/diary.yml": DIARY, "metadata/days.yml": DAYS}
    )  # fmt: skip
    compiled = compile_folder(root)
    days = [{"mood": str(1 + i), "rain": ["0", "1", None][i % 3]} for i in range(300)]

    def sides(listed: list[dict[str, Any]]) -> tuple[set[Any], set[Any]]:
        zone = Private(compiled.synthetic["days"]).load(listed, ["mood", "rain"])
        evaluated = zone.model.evaluated
        assert evaluated is not None
        fit, held_out = (
            {row[0] for row in zone.connection.execute(f"select mood from ({sql})").fetchall()}
            for sql in (evaluated.real_sql, evaluated.held_out_sql)
        )
        return fit, held_out

    fit, held_out = sides(days)
    assert not fit & held_out and len(fit) + len(held_out) == 300 and 60 < len(held_out) < 120
    less, out = sides(days[1:][::-1])
    assert fit - less <= {1} and held_out - out <= {1} and not less - fit and not out - held_out


def test_rows_that_are_alike_are_held_out_one_by_one(tmp_path: Path) -> None:
    """2,000 rows of 4 kinds: of each kind about three in ten, within five standard deviations of the binomial."""
    files = {"synth_project.yml": SETTINGS, "sources/diary.yml": DIARY, "metadata/days.yml": DAYS}
    zone = Private(compile_folder(write(tmp_path, files)).synthetic["days"])
    zone.load([{"mood": str(1 + i % 4), "rain": None} for i in range(2_000)], ["mood", "rain"])
    assert zone.model.evaluated is not None
    sql = f"select mood, count(*) from ({zone.model.evaluated.held_out_sql}) group by mood"
    found = dict(zone.connection.execute(sql).fetchall())
    assert len(found) == 4 and all(abs(n - 150) < 5 * (500 * 0.3 * 0.7) ** 0.5 for n in found.values())


def test_the_key_decides_who_is_held_out(town: Compiled, rows: dict[str, list[dict[str, Any]]]) -> None:
    zone = loaded(town, "people", rows)
    assert zone.model.evaluated is not None
    first = zone.connection.execute(f"select sex, born from ({zone.model.evaluated.held_out_sql})").fetchall()
    zone.connection.execute("set variable holdout_key = 'another secret'")
    other = zone.connection.execute(f"select sex, born from ({zone.model.evaluated.held_out_sql})").fetchall()
    assert len(set(first) & set(other)) < 0.6 * len(first)


def test_the_plan_is_over_those_who_are_fitted(town: Compiled) -> None:
    plan = town.synthetic["stays"].plan
    declared = compile_folder(PROJECT).synthetic["stays"].plan.privacy.units
    assert plan.privacy.units == round(0.75 * declared)
    assert any("held out of the fit" in sentence for sentence in plan.why)


def test_only_the_uppermost_table_says_who_is_held_out(tmp_path: Path) -> None:
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    stays = tmp_path / "metadata" / "stays.yml"
    stays.write_text(stays.read_text().replace("    max_rows", "    holdout: 0.25\n    max_rows"), encoding="utf-8")
    with pytest.raises(ProjectError, match="nothing in people, which this table is below"):
        compile_folder(tmp_path)
