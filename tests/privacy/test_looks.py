"""T2 and T5 of a paid draft: what is asked follows from the header and from noisy answers, and a person weighs one at most."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import figures
from compiling import write
from synth.artifacts.compiled import SourceTable
from synth.artifacts.looks import Ask, Look
from synth.artifacts.plan import Privacy
from synth.draft import draft
from synth.drafting.ask import MOST_ROWS
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import Curator
from synth.runtime import looks

PROJECT = {
    "synth_project.yml": "name: ward\nbudgets: {people: {epsilon: 90.0, approver: the test}}\n",
    "sources/ward.yml": "sources: [{name: ward, location: rows, tables: [{name: stays}], "
    "privacy: {population: people, unit: person, units: 100}}]\n",
}
HEADER = ("person", "stay_id", "ward", "age", "weight", "came", "died")
Table = list[tuple[str, ...]]


def stays(people: int = 120) -> Table:
    random = np.random.default_rng(3)
    return [
        (f"p{i}", f"{i}{j}", f"w{random.integers(3)}", f"{random.integers(20, 90)}", f"{random.uniform(50, 90):.1f}",
         f"201{random.integers(10)}-03-0{random.integers(1, 9)}", "" if i % 3 else "2020-01-01")
        for i in range(people) for j in range(1 + i % 3)
    ]  # fmt: skip


def neighbours(table: Table) -> Iterator[tuple[str, Table]]:
    yield "without the first", [row for row in table if row[0] != "p0"]
    yield "an ordinary person", [*table, ("new", "1", "w1", "40", "60.5", "2015-01-01", "")]
    yield "values that nobody has", [*table, ("new", "x", "Zq7Kanari", "1e300", "007", "31/12/1066", "{{ x }}")]
    yield (
        "a thousand rows",
        [*table, *(("new", f"{i}", f"own{i}", f"{i}", "", "2015-01-01", "soon") for i in range(1_000))],
    )
    yield "all missing", [*table, ("new", "", "", "", "", "", "")]
    yield "nobody", []


def project(root: Path, table: Table) -> Path:
    write(root, PROJECT)
    (root / "rows").mkdir(exist_ok=True)
    with (root / "rows" / "stays.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *table])
    return root


class Tape:
    """What the curator was asked, without what it was asked about, and what it said."""

    def __init__(self) -> None:
        self.questions: list[Any] = []
        self.answers: list[Any] = []
        self.rows: list[int] = []  # most of one unit

    def recorder(self, of: Tape | None = None) -> type[Curator]:
        """A curator that writes on this tape; with ``of`` it repeats that tape's answers."""

        class Recorder(Curator):
            def histogram(_, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                answer = super().histogram(event_name, cells, weights, size)
                return self._say(("histogram", event_name, size), answer, of)

            def values(_, event_name: str, texts: Any, unit: Any) -> Any:
                self.rows.append(int(np.bincount(unit).max(initial=0)))
                return self._say(("values", event_name), super().values(event_name, texts, unit), of)

        return Recorder

    def _say(self, question: Any, answer: Any, of: Tape | None) -> Any:
        self.questions.append(question)
        self.answers.append(of.answers[len(self.answers)] if of else answer)
        return self.answers[-1]


@pytest.fixture(autouse=True)
def _one_accountant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one takes seconds, and has its tests elsewhere."""
    monkeypatch.setattr("synth.privacy.accounting.cross_check", lambda *_: 0.0)


def test_neighbours_are_asked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is written is the same, when the answers are."""
    table, tape = stays(), Tape()
    monkeypatch.setattr(looks, "Curator", tape.recorder())
    root = project(tmp_path / "first", table)
    draft("ward.stays", epsilon=40.0, path=root)
    written = (root / "metadata" / "stays.yml").read_text()
    assert "type: number, bounds" in written and "values: [w0" in written
    for place, (name, other) in enumerate(neighbours(table)):
        replayed = Tape()
        monkeypatch.setattr(looks, "Curator", replayed.recorder(tape))
        neighbour = project(tmp_path / str(place), other)
        draft("ward.stays", epsilon=40.0, path=neighbour)
        assert replayed.questions == tape.questions, name
        assert (neighbour / "metadata" / "stays.yml").read_text() == written, name
        reserved = [[e.events for e in Ledger(r / "privacy_ledger.db").history() if e.kind == "reserve"]
                    for r in (root, neighbour)]  # fmt: skip
        assert reserved[0] == reserved[1], name
        figures.count("pairs without a difference")


def test_a_person_takes_part_with_no_more_rows_than_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape()
    monkeypatch.setattr(looks, "Curator", tape.recorder())
    many = [("new", f"{i}", f"w{i}", f"{i}", "60.5", "2015-01-01", "") for i in range(1_000)]
    draft("ward.stays", epsilon=5.0, path=project(tmp_path, [*stays(), *many]))
    assert tape.rows and set(tape.rows) == {MOST_ROWS}


def test_which_rows_take_part_is_not_for_others_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts of a person with many rows are the same whoever else is there, under one ledger's secret."""
    seen: list[set[str]] = []

    class Watching(Curator):
        def values(self, event_name: str, texts: Any, unit: Any) -> Any:
            seen.append({text for text in texts if str(text).startswith("own")})
            return super().values(event_name, texts, unit)

    monkeypatch.setattr(looks, "Curator", Watching)
    many = [("new", f"{i}", f"own{i}", f"{i}", "60.5", "2015-01-01", "") for i in range(200)]
    root = project(tmp_path, [*stays(), *many])
    for table in ([*stays(), *many], [*many[::-1], *stays(20)]):
        project(root, table)
        draft("ward.stays", epsilon=5.0, path=root, force=True)
    found = [texts for texts in seen if texts]
    assert len(found[0]) == MOST_ROWS and all(texts == found[0] for texts in found)


def test_what_has_no_noise_is_not_asked_where_it_is_paid_for() -> None:
    source = SourceTable(name="a.b", location="rows", table="b", columns=(), unit=())
    privacy = Privacy(population="people", unit="row", units=9, max_rows_per_unit=1, epsilon=1.0, delta=1e-6, events=())
    for exact in ({"facts": (Ask(name="x", sql="true"),)}, {"extremes": (Ask(name="x", sql="1"),)}):
        given = {"called": "draft", "file": "f", "source": source, "rows_sql": "select 1", **exact}
        assert Look.model_validate(given)
        with pytest.raises(ValidationError, match="have no noise"):
            Look.model_validate({**given, "privacy": privacy})


def test_a_look_reserves_before_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved: list[int] = []
    rows = looks._Rows.__init__

    def watched(self: Any, *given: Any) -> None:
        history = Ledger(tmp_path / "privacy_ledger.db").history()
        reserved.append(sum(entry.kind == "reserve" for entry in history))
        rows(self, *given)

    monkeypatch.setattr(looks._Rows, "__init__", watched)
    draft("ward.stays", epsilon=5.0, path=project(tmp_path, stays()))
    assert reserved == [1, 2]


def test_a_look_that_costs_more_than_it_says_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synth.errors import RunError

    monkeypatch.setattr("synth.privacy.accounting.cross_check", lambda *_: 99.0)
    with pytest.raises(RunError, match="costs more than epsilon 5"):
        draft("ward.stays", epsilon=5.0, path=project(tmp_path, stays()))
    assert Ledger(tmp_path / "privacy_ledger.db").history() == ()


def test_an_exact_look_tells_no_value_of_few(tmp_path: Path) -> None:
    few = [(f"f{i}", f"{i}", "rare", "40", "60.5", "2015-01-01", "") for i in range(looks.LEAST_UNITS - 1)]
    root = project(tmp_path, [*stays(), *few, *few])
    draft("ward.stays", path=root)
    text = (root / "metadata" / "stays.yml").read_text()
    assert "values: [w0, w1, w2], unknown: other" in text and "rare" not in text
