"""Rule 17: what is fitted needs its source no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest

from processes import Processes, said
from synth.privacy.ledger import Ledger
from synth.starter import write_starter


@pytest.fixture
def root(tmp_path: Path, processes: Processes) -> Path:
    """A project that was run; then its source went."""
    project = write_starter(tmp_path / "project")
    edit(project / "metadata" / "members.yml", "epsilon: 1.0", "epsilon: 1.0, generator: {kind: independent}")
    assert processes(tmp_path, ["run"]) == 0, said(tmp_path)
    (project / "sources" / "clinic" / "members.csv").unlink()
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def table(root: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(root / "project" / "target" / "dev.duckdb"), read_only=True) as connection:
        return connection.execute("from synthetic.members").fetchall()


def test_a_table_is_drawn_from_the_generator_that_was_paid_for(root: Path, processes: Processes) -> None:
    before, paid = table(root), Ledger(root / "project" / "privacy_ledger.db").history()
    (root / "project" / "target" / "dev.duckdb").unlink()
    (root / "out.txt").unlink()
    assert processes(root, ["build"]) == 0, said(root)
    told = "the source clinic.members is not there: sources/clinic holds no members.csv, .parquet, .jsonl or .xlsx. members is"
    heard = " ".join(re.sub(r"\d\d:\d\d:\d\d", "", said(root)).split())
    assert told in heard and "whether the source has changed since cannot be told" in heard
    assert "reused, eps 0.00" in said(root)
    assert table(root) == before
    assert Ledger(root / "project" / "privacy_ledger.db").history() == paid
    results = json.loads((root / "project" / "target" / "run_results.json").read_text())["results"]
    assert results[0]["reused"] and told in results[0]["message"]


def test_a_new_constraint_needs_no_source(root: Path, processes: Processes) -> None:
    metadata = root / "project" / "metadata" / "members.yml"
    edit(metadata, "- last_visit >= first_visit", "- last_visit >= first_visit\n      - not (smoker and age < 30)")
    assert processes(root, ["run"]) == 0, said(root)
    assert not [row for row in table(root) if row[3] and int(str(row[2])) < 30]


@pytest.mark.parametrize("what", ["a fit anew", "another plan", "a generator that was changed"])
def test_what_needs_rows_says_that_there_are_none(what: str, root: Path, processes: Processes) -> None:
    project = root / "project"
    before = table(root)
    if what == "another plan":
        edit(project / "metadata" / "members.yml", "epsilon: 1.0", "epsilon: 0.5")
    if what == "a generator that was changed":
        (stored,) = (project / "target" / "generators").glob("*/generator.json")
        stored.write_text(stored.read_text() + "\n")
    assert processes(root, ["run", *(["--full-refresh"] if what == "a fit anew" else [])]) == 1
    assert "holds no members.csv" in said(root)
    assert table(root) == before
