"""``privacy: none``: another product, by another name, that says so everywhere and that the ledger does not know."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from compiling import compile_folder
from processes import synth
from synth.artifacts.plan import LEAST_NOISE, UNPROTECTED
from synth.starter import write_starter

FAST = "generator: {kind: independent}"  # columns by themselves: fitted in no time
RAW = "NOT_PRIVATE_raw_members"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The starter with a second table over the same rows and a model over that one, both with ``privacy: none``."""
    root = write_starter(tmp_path / "clinic")
    members = root / "metadata" / "members.yml"
    edit(root / "sources" / "clinic.yml", "units: 4000", "units: 300")
    edit(members, "min: 1000", "min: 100")
    raw = members.read_text().replace("name: members", "name: raw_members")
    edit(members, "{epsilon: 1.0}", f"{{epsilon: 1.0, {FAST}}}")
    (root / "metadata" / "raw.yml").write_text(raw.replace("{epsilon: 1.0}", f"{{privacy: none, {FAST}}}"))
    (root / "models" / "raw_by_region.sql").write_text(
        "{{ config(materialized='table', privacy='none') }}\n"
        "select region, count(*) as members from {{ ref('raw_members') }} group by region\n"
    )
    (root / "tests").mkdir()
    (root / "tests" / "nobody_is_200.sql").write_text("select * from {{ ref('raw_members') }} where age >= 200\n")
    return root


def written(project: Path) -> dict[str, bytes]:
    """What the project is compiled to; not what commands said of it."""
    target = project / "target"
    found = (p for p in target.rglob("*") if p.is_file() and not p.is_relative_to(target / "internal"))
    return {p.relative_to(target).as_posix(): p.read_bytes() for p in found}


def test_the_plan_promises_nothing_and_its_noise_protects_nobody(project: Path) -> None:
    plan = compile_folder(project).synthetic[RAW].plan
    assert (plan.privacy.epsilon, plan.privacy.delta, plan.privacy.adjacency) == (None, None, "none: NOT PRIVATE")
    assert {event.noise_multiplier for event in plan.privacy.events} == {LEAST_NOISE}  # type: ignore[union-attr]
    assert plan.why[0] == UNPROTECTED


@pytest.mark.parametrize("generator", ["{}", "{kind: marginal}", "{latent: 2}", "{pairs: false}"])
def test_every_event_has_the_least_noise(project: Path, generator: str) -> None:
    edit(project / "metadata" / "raw.yml", FAST, f"generator: {generator}")
    events = compile_folder(project).synthetic[RAW].plan.privacy.events
    assert {event.noise_multiplier for event in events} == {LEAST_NOISE}  # type: ignore[union-attr]


def test_files_are_named_by_it_and_those_of_others_are_untouched(project: Path) -> None:
    assert synth(project, "compile").returncode == 0
    both = written(project)
    for path in ("metadata/raw.yml", "models/raw_by_region.sql", "tests/nobody_is_200.sql"):
        (project / path).unlink()
    assert synth(project, "compile").returncode == 0
    alone = written(project)
    for files in (both, alone):
        del files["compiled.json"], files["compiled.sha256"]  # the whole project in one
    manifests = [json.loads(files.pop("manifest.json"))["nodes"] for files in (both, alone)]
    added = {name for name in both if name not in alone}
    assert {name: both[name] for name in alone} == alone
    assert all("NOT_PRIVATE_raw" in name for name in added - {"compiled/tests/nobody_is_200.sql"})
    assert {f"plans/{RAW}.json", f"compiled/{RAW}/land.sql", f"expectations/{RAW}.json"} < added
    assert manifests[1].items() < manifests[0].items()
    named = {node["name"] for name, node in manifests[0].items() if name not in manifests[1]}
    promises = {name for name in named if name.startswith((f"{RAW}.", f"row_count_{RAW}"))}  # its tests
    assert promises
    assert named - promises == {RAW, "NOT_PRIVATE_raw_by_region", "nobody_is_200"}
    assert f'"synthetic"."{RAW}"'.encode() in both["compiled/tests/nobody_is_200.sql"]


def test_every_command_says_it_in_red_and_only_of_what_is_meant(project: Path) -> None:
    for command in (["compile"], ["compile", "-q"], ["plan"], ["ls"], ["ls", "-q", "-s", "raw_members"]):
        told = synth(project, *command)
        assert told.returncode == 0
        assert f"{UNPROTECTED} Here: synthetic.{RAW}" in " ".join(told.stderr.split())  # wrapped
    for command in (["plan", "-s", "members"], ["ls", "-s", "members"]):
        told = synth(project, *command)
        assert "NOT PRIVATE" not in told.stdout + told.stderr
    planned = synth(project, "plan", "-s", RAW).stdout
    assert "NOT PRIVATE, no epsilon, no entry in the ledger, no release, for 300 units (member_id)" in planned
    assert UNPROTECTED in " ".join(planned.split())
    assert "within the cap" not in planned and "mu^2" not in planned


def test_it_needs_no_budget(project: Path) -> None:
    (project / "metadata" / "members.yml").unlink()
    (project / "models" / "pressure_by_region.sql").unlink()
    settings = project / "synth_project.yml"
    settings.write_text("\n".join(line for line in settings.read_text().splitlines() if "clinic_members" not in line))
    edit(settings, "budgets:", "budgets: {} ")
    assert compile_folder(project).synthetic[RAW].price is None


def test_a_folder_of_models_can_be_without_privacy(project: Path) -> None:
    (project / "models" / "pressure_by_region.sql").unlink()
    edit(project / "metadata" / "members.yml", f"{{epsilon: 1.0, {FAST}}}", "{}")
    edit(project / "metadata" / "raw.yml", "privacy: none, ", "")
    (project / "models" / "raw_by_region.sql").write_text("select count(*) as n from {{ ref('raw_members') }}\n")
    (project / "synth_project.yml").write_text(
        (project / "synth_project.yml").read_text() + "models: {clinic: {+privacy: none}}\n"
    )
    compiled = compile_folder(project)
    assert [*compiled.synthetic, *compiled.public] == ["NOT_PRIVATE_members", RAW, "NOT_PRIVATE_raw_by_region"]


@pytest.mark.slow
def test_a_lost_key_holds_nobody_out_anew(project: Path) -> None:
    """Else people of the fit would be taken for others, and what copies them would look good."""
    edit(project / "metadata" / "raw.yml", "    columns:", "    holdout: 0.3\n    columns:")
    assert synth(project, "run", "-s", "raw_members").returncode == 0
    (project / "target" / "unprotected.key").unlink()
    said = synth(project, "evaluate", "-s", "raw_members")
    assert said.returncode == 1 and "Run: synth build --select raw_members" in said.stderr
    assert f"who was held out of {RAW} was lost or changed" in said.stderr


@pytest.mark.slow
def test_a_build_by_another_name_that_the_ledger_does_not_know(project: Path) -> None:
    built = synth(project, "build", "-s", "raw_members+")
    assert built.returncode == 0, built.stdout + built.stderr
    assert f"{UNPROTECTED} Here: synthetic.{RAW}, public.NOT_PRIVATE_raw_by_region." in built.stdout
    assert not (project / "privacy_ledger.db").exists()
    with duckdb.connect(str(project / "target" / "dev.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name, comment from duckdb_tables() where schema_name <> '_synth'")
        comments = dict(tables.fetchall())
        assert set(comments) == {RAW, "NOT_PRIVATE_raw_by_region"}
        assert all(comment.startswith("NOT PRIVATE") for comment in comments.values())
        assert connection.execute(f'select count(*) from synthetic."{RAW}"').fetchone() == (300,)
        runs = connection.execute("select model, epsilon, reused from _synth.runs order by finished").fetchall()
        assert runs == [(RAW, None, False), ("NOT_PRIVATE_raw_by_region", None, False)]
    assert [path.name.startswith(f"{RAW}-") for path in (project / "target" / "generators").iterdir()] == [True]
    assert "NOT PRIVATE" in (project / "target" / "docs" / "data_docs" / "index.html").read_text()
    assert synth(project, "show", "-s", "raw_members").stderr.startswith("NOT PRIVATE")
    tested = synth(project, "test", "-s", "nobody_is_200", "--quiet")
    assert tested.returncode == 0 and tested.stderr.startswith("NOT PRIVATE")

    both = synth(project, "build")
    assert both.returncode == 0, both.stdout + both.stderr
    assert f"OK  synthetic.{RAW}  300 rows  [OK" in both.stdout  # fitted anew
    assert "it counts from 0" not in both.stdout.lower()
    history = synth(project, "ledger", "history").stdout
    assert "members" in history and "NOT_PRIVATE" not in history
    removed = synth(project, "clean").stdout
    assert f"generators/{RAW}" in removed and "generators/members" not in removed
    assert "reused, eps 0.00" in synth(project, "run", "-s", "members").stdout
