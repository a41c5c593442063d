"""Values by the thousand: from a file, fitted and landed; what is rare is modelled as its group."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import numpy as np
import pytest

from compiling import compile_folder, write
from synth.api import Project
from synth.artifacts.plan import ColumnLayout
from synth.errors import ProjectError
from synth.generator.levels import merge

FILES = {
    "synth_project.yml": 'name: codes\nbudgets: {people: {epsilon: 3, approver: "nobody"}}\n',
    "sources/clinic.yml": (
        "sources:\n  - name: clinic\n    location: sources/data\n"
        "    privacy: {population: people, unit: person, units: 3000}\n    tables: [{name: stays}]\n"
    ),
    "metadata/stays.yml": """
tables:
  - name: stays
    source: clinic.stays
    primary_key: person
    config: {epsilon: 3.0, generator: {kind: marginal}}
    columns:
      - {name: person, type: key}
      - {name: code, type: categorical, values: {file: codes/codes.csv.gz, column: CODE, groups: chapter}, unknown: other}
      - {name: item, type: categorical, values: {file: codes/items.csv, column: item, type: integer}}
      - {name: ward, type: categorical, values: {file: codes/wards.csv, column: ward}}
      - {name: site, type: categorical, values: {file: codes/wards.csv, column: site}}
    constraints:
      - {combinations: [site, ward], values: {file: codes/wards.csv}}
""",
    "codes/items.csv": "item,label\n220045,Heart Rate\n51,ABP\n",
    "codes/wards.csv": "ward,site\nA,north\nB,north\nC,south\n",
}  # fmt: skip
CODES = [f"{chapter:02}.{i:02}" for chapter in range(20) for i in range(100)]  # with leading zeros


def project(root: Path) -> Path:
    write(root, FILES)
    text = "\ufeffcode, chapter\r\n" + "".join(f"{code}, chapter {code[:2]}\r\n" for code in CODES)
    (root / "codes" / "codes.csv.gz").write_bytes(gzip.compress(text.encode()))
    return root


def test_values_are_those_of_the_file_each_once(tmp_path: Path) -> None:
    model = compile_folder(project(tmp_path)).synthetic["stays"]
    code, item, wards = model.plan.layout
    assert (code.cells, item.cells, wards.cells) == (len(CODES) + 1, 2, 3)
    assert code.groups == (*(i // 100 for i in range(len(CODES))), 20)  # of other values there is one more
    assert {c.name: c.sql_type for c in model.columns}["item"] == "bigint"
    assert model.constraints[0].held == ("composite",)


def test_another_file_is_another_fit(tmp_path: Path) -> None:
    before = compile_folder(project(tmp_path)).synthetic["stays"].fit_fingerprint()
    write(tmp_path, {"codes/items.csv": "item,label\n220045,Heart Rate\n52,ABP\n"})
    assert compile_folder(tmp_path).synthetic["stays"].fit_fingerprint() != before


@pytest.mark.parametrize("link", ["symbolic, in the source's folder", "hard", "outside", "of a run"])
def test_a_list_that_is_no_public_one_is_refused(link: str, tmp_path: Path) -> None:
    """Whatever a file is called, it may be the one in which people are."""
    root = project(tmp_path / "project")
    people, codes = root / "sources" / "data" / "stays.csv", root / "codes" / "items.csv"
    people.parent.mkdir()
    says = "codes/items.csv lies where the source clinic of people does"
    if link == "hard":
        people.hardlink_to(codes)
    elif link == "symbolic, in the source's folder":
        people.symlink_to(codes)
    elif link == "outside":
        codes.symlink_to(codes.rename(tmp_path / "items.csv"))
        says = "codes/items.csv lies outside the project"
    else:
        (root / "target").mkdir()
        codes.symlink_to(codes.rename(root / "target" / "items.csv"))
        says = "codes/items.csv is what a run left"
    with pytest.raises(ProjectError, match=says):
        compile_folder(root)


@pytest.mark.slow
def test_codes_by_the_thousand_land(tmp_path: Path) -> None:
    """Ten codes that many have, and hundreds that few have, all of one chapter: the chapter goes with the item."""
    root, random = project(tmp_path), np.random.default_rng(3)
    people = 3_000
    rare = random.random(people) < 0.4
    code = np.where(
        rare, np.array(CODES)[700 + random.integers(0, 100, people)], np.array(CODES)[random.integers(0, 10, people)]
    )
    item = np.where(rare == (random.random(people) < 0.9), 51, 220045)
    ward = random.choice(["A", "B", "C"], people)
    site = np.where(ward == "C", "south", "north")
    lines = [f"{i},{c},{it},{w},{s}" for i, (c, it, w, s) in enumerate(zip(code, item, ward, site, strict=True))]
    write(root, {"sources/data/stays.csv": "\n".join(["person,code,item,ward,site", *lines]) + "\n"})
    results = Project(root).build()
    assert not results.failed, results
    with duckdb.connect(str(Project(root).database), read_only=True) as connection:
        found = connection.execute(
            "select avg((code[:2] = '07')::int), avg((item = 51)::int) filter (code[:2] = '07'),"
            "avg((item = 51)::int) filter (code[:2] = '00'), count(distinct code) filter (code[:2] = '07'),"
            "avg((code[:2] in ('00', '07'))::int) from synthetic.stays"
        ).fetchone()
    assert found is not None
    share, with_rare, with_common, distinct, known = found
    assert abs(share - 0.4) < 0.08 and with_rare > 0.75 and with_common < 0.25
    assert distinct > 50 and known > 0.85


def test_what_is_rare_shares_a_level_with_its_group() -> None:
    layout = ColumnLayout(name="code", cells=60, missing=True, ordered=False, groups=tuple(i // 20 for i in range(60)))
    persons = np.r_[np.where(np.arange(60) % 20 == 0, 500.0, 1.0), 7.0]
    level = merge(layout, np.arange(62), persons, 2.0, 20, 30).level
    groups = [set(level[first : first + 20]) for first in (0, 20, 40)]
    assert not set.intersection(*groups) and len(set(level[:60:20])) == 3
    assert level.max() + 1 == len({*level}) <= 13 and level[60] == level.max()
    few = merge(layout, np.arange(62), persons, 2.0, 20, 2).level  # hardly any levels: groups share one too
    assert few.max() + 1 <= 4
