"""Rules 13 to 17 over whole runs: priced twice, reserved before rows are used, reused only as it was, and nothing told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth import Project
from synth.artifacts.results import RunResult
from synth.privacy.ledger import Ledger
from synth.runtime.listener import Listener
from synth.runtime.private_zone import PrivateZone
from synth.starter import write_starter

UNITS = 200
ODD = "M9,X,1e20,maybe,nowhere,-3,1066-10-14,soon"


class Told(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def progress(self, model: str, stage: str, step: int, steps: int) -> None:
        self.said.append((stage, step, steps))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The starter with few units, columns by themselves, and a budget for three fits."""
    root = write_starter(tmp_path / "clinic")
    for file, old, new in (
        ("sources/clinic.yml", "units: 4000", f"units: {UNITS}"),
        ("metadata/members.yml", "epsilon: 1.0", "epsilon: 1.0, generator: {kind: independent}"),
    ):
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new))
    people(root, UNITS + 50)
    return root


def people(root: Path, count: int, *more: str) -> None:
    source = root / "sources" / "clinic" / "members.csv"
    lines = source.read_text().splitlines()[: count + 1]
    source.write_text("\n".join([*lines, *more]) + "\n")


def run(root: Path, listener: Listener | None = None) -> RunResult:
    (result,) = Project(root).run(select="members", listener=listener).results
    return result


def reservations(root: Path) -> int:
    return sum(summary.entries for summary in Ledger(root / "privacy_ledger.db").summary())


def test_rows_are_used_only_after_their_budget_is_reserved(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = []
    prepare = PrivateZone.prepare

    def watched(self: PrivateZone) -> Any:
        reserved.append(reservations(root))
        return prepare(self)

    monkeypatch.setattr(PrivateZone, "prepare", watched)
    assert run(root).status == "success"
    assert reserved == [1]
    settings = root / "synth_project.yml"
    settings.write_text(settings.read_text().replace("epsilon: 3.0", "epsilon: 1.2"))
    people(root, UNITS)
    assert run(root).status == "refused"
    assert reserved == [1]


def test_a_plan_that_costs_more_than_it_says_is_not_run(root: Path) -> None:
    """A file of noise multipliers that somebody changed: the price is computed anew before anything is spent."""
    Project(root).compile()
    calibrations = root / "target" / "calibrations.json"
    known = json.loads(calibrations.read_text())
    calibrations.write_text(json.dumps({key: noise * 0.8 for key, noise in known.items()}))
    result = run(root)
    assert result.status == "error" and "costs epsilon 1." in result.message
    assert reservations(root) == 0


def test_a_generator_is_reused_only_as_it_was_paid_for(root: Path) -> None:
    assert (run(root).reused, run(root).reused) == (False, True)
    (description,) = (root / "target" / "generators").glob("*/generator.json")
    description.write_text(description.read_text() + "\n")
    assert (run(root).reused, run(root).reused) == (False, True)
    people(root, UNITS)
    assert run(root).reused is False


def test_a_run_says_the_same_and_makes_as_many_rows_whatever_the_rows_are(root: Path) -> None:
    """Not how many people there are, not how many values were odd."""
    told = []
    for more in ([], [ODD] * 3):
        people(root, UNITS - 20, *more)
        listener = Told()
        assert run(root, listener).rows == UNITS
        told.append(listener.said)
    assert told[0] == told[1]
    assert told[0]


def in_place(source: Path) -> None:
    """As many bytes, and no other time of change."""
    stat = source.stat()
    source.write_bytes(source.read_bytes().replace(b",F,", b",M,"))
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def by_another(source: Path) -> None:
    """Of the same size and time, under the same name."""
    other = source.with_name("other")
    shutil.copy2(source, other)
    in_place(other)
    os.replace(other, source)


def appended(source: Path) -> None:
    source.write_bytes(source.read_bytes() + b"\n")


CHANGES = [
    ("_open", by_another),  # a database that is open would be read as it was, and digested as it is
    ("_open", appended),
    *(("prepare", change) for change in (in_place, by_another, appended, os.unlink)),
]


@pytest.mark.parametrize(("after", "change"), CHANGES)
def test_a_source_that_changes_while_it_is_read_is_not_fitted(
    after: str, change: Callable[[Path], None], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its rows would be released under the digest of others, and stand for those from then on."""
    original = getattr(PrivateZone, after)

    def watched(zone: PrivateZone) -> Any:
        found = original(zone)
        change(root / "sources" / "clinic" / "members.csv")
        return found

    monkeypatch.setattr(PrivateZone, after, watched)
    result = run(root)
    assert result.status == "error"
    assert result.message == (
        "a source of members changed while it was read, so nothing was fitted\n"
        "    Run again when nobody writes to it. What was reserved counts as spent, for rows were read."
    )
    assert not list((root / "target" / "generators").glob("*"))
    assert [entry.kind for entry in Ledger(root / "privacy_ledger.db").history()] == ["reserve"]
