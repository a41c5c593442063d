"""What is taken from target/ where nothing has changed: shown, never run, and never held against a budget."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import synth.compiler.compile
from synth.api import Project
from synth.artifacts.budget import Budget
from synth.artifacts.plan import Gaussian
from synth.errors import ProjectError
from synth.privacy.calibrations import Calibrations, Costs
from synth.privacy.ledger import Ledger

EVERY_TYPE = Path(__file__).parent / "projects" / "every_type"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    made = shutil.copytree(EVERY_TYPE, tmp_path / "project")
    Project(made).compile()
    return made


def refuse(*_: object) -> None:
    raise AssertionError("it compiles")


def test_a_umask_of_ones_own_writes_nothing_again(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        metadata = folder / "metadata" / "stays.yml"
        metadata.write_text(metadata.read_text() + "# 1\n")
        Project(folder).compile()
        made = {path: path.stat().st_ino for path in (folder / "target" / "compiled").rglob("*.sql")}
        assert not any(path.stat().st_mode & 0o077 for path in made)  # once
        metadata.write_text(metadata.read_text() + "# 2\n")
        Project(folder).compile()
        assert {path: path.stat().st_ino for path in made} == made
    finally:
        os.umask(before)


def test_nothing_is_compiled_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Project(folder)
    compiled, nodes = before.compile(), before.ls()
    planned = before.plan()
    monkeypatch.setattr(synth.compiler.compile, "compile_project", refuse)
    again = Project(folder)
    assert again.refresh() is None
    assert again.ls() == nodes
    assert again.plan() == planned
    locations = {source.name: source.location for source in compiled.sources}
    assert again.folder.compiled(locations) == compiled


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("metadata/stays.yml", lambda text: text.replace("[0, 120]", "[0, 121]")),
        ("metadata/stays.yml", lambda text: f"# a comment moves every line\n{text}"),
        ("models/wards.sql", lambda text: text.replace("count(*)", "count(ward)")),
        ("macros/finished.sql", lambda text: text.replace("'open'", "'shut'")),
        ("target/manifest.json", lambda text: text.replace("synthetic", "private")),
        ("target/compiled.json", lambda _: "{}"),
        ("target/compiled.sha256", lambda _: "\xff"),
        ("target/compiled/stays/prepare.sql", lambda _: "select 1"),
        ("target/compiled/models/strange.sql", lambda _: "select 1"),
    ],
)
def test_any_change_is_seen(file: str, change: object, folder: Path) -> None:
    path = folder / file
    text = path.read_text("utf-8") if path.exists() else ""
    path.write_text(change(text), encoding="utf-8")  # type: ignore[operator]
    assert path.read_text("utf-8") != text
    assert Project(folder).refresh() is not None
    assert Project(folder).refresh() is None


def test_a_variable_of_the_environment_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = folder / "models" / "wards.sql"
    model.write_text(model.read_text("utf-8") + "-- {{ env_var('SYNTH_TESTED', 'x') }}\n", encoding="utf-8")
    Project(folder).compile()
    assert Project(folder).refresh() is None
    monkeypatch.setenv("SYNTH_TESTED", "y")
    assert Project(folder).refresh() is not None


def test_no_password_reaches_the_target(folder: Path) -> None:
    source = folder / "sources" / "ward.yml"
    source.write_text(source.read_text("utf-8").replace("location: nowhere", "location: secret_place"), "utf-8")
    Project(folder).compile()
    written = [path.read_bytes() for path in (folder / "target").rglob("*") if path.is_file()]
    assert not any(b'"location":' in content or b"secret_place" in content for content in written)


def test_what_runs_is_always_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsafe SQL is refused, even if somebody makes target/ say that it was compiled."""
    model = folder / "models" / "stays.sql"
    model.write_text(model.read_text("utf-8") + "\nlimit 3\n", encoding="utf-8")
    monkeypatch.setattr("synth.runtime.target_folder.TargetFolder.holds", lambda *_: True)
    project = Project(folder)
    assert project.refresh() is None
    for verb in (project.run, project.build, project.test, project.check_sql):
        with pytest.raises(ProjectError, match="limit"):
            verb()


def test_a_budget_is_never_held_against_known_costs(tmp_path: Path) -> None:
    """A forecast may be wrong where somebody edits it; the ledger asks the accountants."""
    ledger, budget = Ledger(tmp_path / "ledger.db"), Budget(epsilon=1.0, delta=1e-6, approver="the board")
    events = (Gaussian(name="counts", noise_multiplier=0.5),)
    costs = Costs({})
    true = ledger.forecast("people", budget, events)
    assert ledger.forecast("people", budget, events, costs) == true
    assert costs.changed
    assert true[1] > budget.epsilon
    edited = Costs(dict.fromkeys(json.loads(json.dumps(costs.known)), 0.0))
    assert ledger.forecast("people", budget, events, edited) == (0.0, 0.0)
    assert ledger.forecast("people", budget, events) == true


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}', '{"a": null}', "\x00"])
def test_a_broken_file_of_costs_is_ignored(text: str, folder: Path) -> None:
    planned = Project(folder).plan()
    costs = folder / "target" / "costs.json"
    assert costs.exists()
    costs.write_text(text)
    assert Project(folder).plan() == planned
