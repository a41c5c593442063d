"""synth evaluate on a built project: what it writes, that nothing of it leaves the private zone, and that faults stand out."""

from __future__ import annotations

import csv
import re
import shutil
import stat
from pathlib import Path

import duckdb
import pytest

from processes import synth
from starting import quick_starter
from synth.artifacts.evaluation import Evaluation
from synth.report.headlines import headlines

pytestmark = pytest.mark.slow
REPORT = Path("target/internal/evaluation/members.html")
TASK = """
import os

def share(train, test):
    print("Zq7Kanari", test.iloc[0].to_dict())
    os.system("echo Zq7Kanari")
    return {"rows": len(train) / len(test)}
"""
SAID = """\
    evaluation:
      subgroups: [sex]
      tasks: [{name: smoking, type: prediction, target: smoker}, {name: own, type: python, function: tasks.py:share}]
      goals: [{metric: marginal_1, min: 0.5}]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter with people held out, built and evaluated."""
    root = quick_starter(tmp_path_factory.mktemp("evaluate") / "clinic")
    table = root / "metadata" / "members.yml"
    table.write_text(table.read_text().replace("    columns:", f"    holdout: 0.3\n{SAID}    columns:", 1))
    (root / "tasks.py").write_text(TASK)
    assert synth(root, "run", "--select", "members").returncode == 0
    said = synth(root, "evaluate", "--select", "members")
    assert said.returncode == 0, said.stdout + said.stderr
    (root / "said.txt").write_text(said.stdout + said.stderr)
    return root


def found(root: Path) -> Evaluation:
    return Evaluation.model_validate_json((root / REPORT).with_suffix(".json").read_bytes())


def verdicts(root: Path) -> dict[str, str]:
    return {line.question: line.verdict for line in headlines(found(root))}


def test_every_figure_stands_beside_real_rows_and_shuffled_columns(built: Path) -> None:
    figures = found(built).figures
    whole = {f.metric: f for f in figures if not f.of}
    assert {"marginal_1", "marginal_2", "marginal_3", "dependence"} <= set(whole)
    for metric in ("marginal_2", "dependence"):
        best, floor = whole[metric].train, whole[metric].shuffled
        assert best is not None and floor is not None and best > floor
    assert {f.section for f in figures} >= {
        "fidelity",
        "dependence",
        "distance",
        "detection",
        "tasks",
        "attacks",
        "subgroups",
    }
    of_own = next(f for f in figures if f.section == "tasks" and "own" in f.of)
    assert of_own.synthetic is not None


def test_nothing_of_it_is_said_and_all_of_it_is_the_owners_alone(built: Path) -> None:
    said = (built / "said.txt").read_text()
    log = (built / "logs" / "synth.log").read_text()
    values = {
        f"{v:.3f}" for f in found(built).figures for v in (f.synthetic, f.train) if v is not None and 0.01 < v < 0.99
    }
    assert len(values) > 20
    assert not [v for v in values if v in said]
    assert (
        "members: 1 of " in said and ", membership inference" in said
    )  # a line a step, where nobody sits at a terminal
    assert "Zq7Kanari" not in said  # that a task of the project prints
    assert "marginal" not in said and "marginal" not in log
    folder = built / "target" / "internal" / "evaluation"
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    outside = [p for p in (built / "target").rglob("*") if p.is_file() and "internal" not in p.parts]
    assert not [p for p in outside if b"marginal_3" in p.read_bytes()]
    with duckdb.connect(str(folder / "evaluation.duckdb"), read_only=True) as database:
        rows = database.execute("select count(*) from figures where model = 'members'").fetchone()
    assert rows == (len(found(built).figures),)


def test_the_page_needs_no_network_and_says_what_it_is(built: Path) -> None:
    page = (built / REPORT).read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert re.search(r"Evaluated \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by synth .* The table was made \d{4}-", page)
    assert page.count("INTERNAL") >= 3 and "may be released" in page
    for title in ("Does it copy people?", "Distributions", "Attacks", "What not to use the table for"):
        assert title in page


def test_planted_faults_stand_out_on_page_one(built: Path, tmp_path: Path) -> None:
    """200 rows of real people, a column with one category, a goal that is missed: each is told, and was not before."""
    before = verdicts(built)
    asked = ("Does it copy people?", "Did a column collapse?", "Are its goals reached?")
    assert {before[question] for question in asked} == {"pass"}
    root = tmp_path / "clinic"
    shutil.copytree(built, root)
    plant(root)
    table = root / "metadata" / "members.yml"
    table.write_text(table.read_text().replace("min: 0.5", "min: 0.9999"))
    said = synth(root, "evaluate", "--select", "members")
    assert said.returncode == 1 and "the report says which" in said.stderr
    assert "the report says" not in (root / "logs" / "synth.log").read_text()  # a log may be read by others
    after = verdicts(root)
    assert {after[question] for question in asked} == {"fail"}
    page = (root / REPORT).read_text()
    first = page[: page.index('id="reading"')]
    for told in ("It holds real rows", "region has collapsed", "marginal_1 at least 0.9999"):
        assert told in first


def plant(root: Path) -> None:
    """Real rows in place of the first synthetic ones, and one category in place of four in the others."""
    with (root / "sources" / "clinic" / "members.csv").open(newline="") as file:
        real = list(csv.DictReader(file))[:200]
    with duckdb.connect(str(root / "target" / "dev.duckdb")) as database:
        names = [n for n in database.table("synthetic.members").columns if n in real[0] and n != "member_id"]
        sets = ", ".join(f'"{name}" = ?' for name in names)
        for number, row in enumerate(real):
            values = [row[name] or None for name in names]
            database.execute(f"update synthetic.members set {sets} where rowid = {number}", values)
        database.execute("update synthetic.members set region = 'north' where rowid >= 200")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("    holdout: 0.3\n", ""), "no unit is held out of the fit of members"),
        (("tasks.py:share", "tasks.py:gone"), "tasks.py has no function gone"),
        (("tasks.py:share", "other.py:share"), "names other.py, which is not there"),
    ],
)
def test_what_is_missing_is_told(built: Path, tmp_path: Path, change: tuple[str, str], told: str) -> None:
    root = tmp_path / "clinic"
    shutil.copytree(built, root)
    table = root / "metadata" / "members.yml"
    table.write_text(table.read_text().replace(*change))
    said = synth(root, "evaluate", "--select", "members")
    assert said.returncode == 2 and told in said.stderr
    assert "START" not in said.stdout or "holdout" not in change[0]
