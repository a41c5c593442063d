"""T9, in real processes: the ledger grants exactly up to the cap, loses nothing and charges nothing twice, whatever dies."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

import figures
from figures import cases
from ledgering import BUDGET, DELTA, Job, Processes, gaussian, privacy, reserve
from synth.artifacts.budget import Budget
from synth.errors import BudgetError, LedgerError
from synth.privacy.accounting import epsilon
from synth.privacy.chain import GENESIS
from synth.privacy.ledger import Entry, Ledger, Reserve, Spend

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", tmp_path / "target" / "bookmark.json")


def job(ledger: Ledger, **changes: object) -> Job:
    assert ledger._chain.bookmark is not None
    return Job(str(ledger.path), bookmark=str(ledger._chain.bookmark.path), **changes)  # type: ignore[arg-type]


def ids(entries: tuple[Entry, ...], kind: type[Entry]) -> list[str]:
    return [entry.id for entry in entries if isinstance(entry, kind)]


def price(noise: float, count: int) -> float:
    return epsilon([gaussian(noise)] * count, DELTA)


# ---------------------------------------------------------------- kill -9


def test_a_kill_before_any_statement_leaves_all_or_nothing(ledger: Ledger, processes: Processes) -> None:
    """A run is killed before its first SQL statement, before its second, and so on to the end of its spending."""
    reserved = spent = committed = 0
    for statement in range(1, 100):
        (told,) = processes.run(job(ledger, dies_at=statement))
        reserved, spent = reserved + len(told.of("reserved")), spent + len(told.of("spent"))
        history = ledger.history()
        assert (len(ids(history, Reserve)), len(ids(history, Spend))) == (reserved, spent)
        committed += told.of("dies before") == [["COMMIT"]]
        if told.ending == 0:
            break
        assert told.ending == KILLED
    assert committed == 2 and spent == 1 < reserved  # it died before both of its commits, and the last one did not
    assert ledger.summary()[0].spent == price(200.0, reserved)


def test_a_kill_after_the_commit_has_paid(ledger: Ledger, processes: Processes) -> None:
    (told,) = processes.run(job(ledger, noise=4.0, dies_at=0))
    assert (told.ending, told.words) == (KILLED, [])  # it could tell nobody
    (summary,) = ledger.summary()
    assert (summary.reserved_open, summary.spent) == (1, price(4.0, 1))
    with pytest.raises(BudgetError):
        reserve(ledger, noise=1.5)


def test_kills_in_the_middle_of_a_commit_are_undone(ledger: Ledger, processes: Processes) -> None:
    """SQLite's journal beside a ledger says that a change is half written. Runs are killed on sight of it."""
    reserve(ledger, noise=200.0)
    journal, met, told_reserved, told_spent = ledger.path.with_name("ledger.db-journal"), 0, [], []
    for round in range(200):
        pid = processes.start(job(ledger, attempts=10**6))
        deadline = time.monotonic() + 5
        while not (journal.exists() and journal.stat().st_size):
            assert time.monotonic() < deadline, "no journal was ever seen"
        time.sleep(random.uniform(0, 0.002))
        os.kill(pid, signal.SIGKILL)
        (told,) = processes.wait()
        assert told.ending == KILLED
        met += journal.exists() and journal.stat().st_size > 0
        told_reserved += [id for id, *_ in told.of("reserved")]
        told_spent += [id for (id,) in told.of("spent")]
        history = ledger.history()  # undoes what is half written, and verifies
        reserved, spent = ids(history, Reserve)[1:], ids(history, Spend)
        assert len({*reserved}) == len(reserved) and len({*spent}) == len(spent)
        assert {*told_reserved} <= {*reserved} and {*told_spent} <= {*spent}
        assert len(reserved) - len(told_reserved) <= round + 1  # at most one a kill that could not be told any more
        if met >= cases(3, 10) and round >= cases(5, 30):
            figures.count("processes killed", round + 1)
            break
    assert met >= cases(3, 10)
    assert ledger.summary()[0].spent == price(200.0, 1 + len(reserved))


def test_the_cap_is_reached_exactly_by_runs_that_are_killed(ledger: Ledger, processes: Processes) -> None:
    """Eight runs at a time race for one cap and are killed at random moments; the last ones may finish."""
    noise, cap = 10.0, 2.0
    fits = next(n for n in range(1, 99) if price(noise, n + 1) > cap)
    told_reserved: list[str] = []
    for kill in (True, True, False):
        pids = [processes.start(job(ledger, noise=noise, cap=cap, attempts=fits)) for _ in range(8)]
        for pid in pids if kill else ():
            time.sleep(random.uniform(0, 0.02))
            os.kill(pid, signal.SIGKILL)
        told = processes.wait()
        assert {t.ending for t in told} <= {0, KILLED} and not any(t.of("failed") for t in told)
        told_reserved += [id for t in told for id, *_ in t.of("reserved")]
    reserved = ids(ledger.history(), Reserve)
    assert len(reserved) == len({*reserved}) == fits  # not one more, not one less, whoever was killed
    assert {*told_reserved} <= {*reserved}
    assert ledger.summary()[0].spent == price(noise, fits) <= cap < price(noise, fits + 1)


# ---------------------------------------------------------------- races


def test_sixteen_runs_at_once_are_granted_exactly_up_to_the_cap(ledger: Ledger, processes: Processes) -> None:
    noise, cap, runs, attempts = 6.0, 2.0, 16, 2
    fits = next(n for n in range(1, 99) if price(noise, n + 1) > cap)
    assert 1 < fits < runs * attempts
    told = processes.run(*[job(ledger, noise=noise, cap=cap, attempts=attempts)] * runs)
    assert [t.ending for t in told] == [0] * runs
    grants = sorted((grant for t in told for grant in t.of("reserved")), key=lambda grant: grant[2])
    refusals = sum(len(t.of("refused")) for t in told)
    assert (len(grants), refusals) == (fits, runs * attempts - fits)
    # One after the other: each saw exactly what those before it had taken, so no two were granted the same room.
    assert [(before, after) for _, before, after in grants] == [
        (price(noise, n), price(noise, n + 1)) for n in range(fits)
    ]
    history = ledger.history()
    assert ids(history, Reserve) == [id for id, _, _ in grants]
    assert sorted(ids(history, Spend)) == sorted(id for id, _, _ in grants)
    (summary,) = ledger.summary()
    assert summary.spent == price(noise, fits) <= cap
    assert (summary.reserved_open, summary.entries) == (0, 2 * fits)


def test_models_over_two_populations_race_without_paying_for_each_other(ledger: Ledger, processes: Processes) -> None:
    noise, cap = 6.0, 1.5
    fits = next(n for n in range(1, 99) if price(noise, n + 1) > cap)
    jobs = [job(ledger, noise=noise, cap=cap, attempts=fits, population=name) for name in ("patients", "staff")]
    told = processes.run(*jobs * 3)
    assert [t.ending for t in told] == [0] * 6
    assert {s.population: (s.spent, s.entries) for s in ledger.summary()} == {
        name: (price(noise, fits), 2 * fits) for name in ("patients", "staff")
    }


# ---------------------------------------------------------------- a full disk


@pytest.mark.parametrize("limit", ["most_bytes", "most_pages"])
def test_where_no_byte_more_can_be_written_nothing_is_granted(ledger: Ledger, processes: Processes, limit: str) -> None:
    """The operating system refuses bytes beyond a size of any file, or SQLite pages beyond a number."""
    granted, outcomes = [reserve(ledger).id], set()
    pages, page_bytes = ledger.path.stat().st_size // 4096, 4096 if limit == "most_bytes" else 1
    for room in (-3, -2, -1, 0, 1, 2) * 2:
        (told,) = processes.run(job(ledger, spends=False, attempts=3, **{limit: (pages + room) * page_bytes}))
        granted += [id for id, *_ in told.of("reserved")]
        outcomes |= {word for word, *_ in told.words}
        for (message,) in told.of("failed"):
            assert "the disk is full" in message or "the disk may be full" in message
            assert "Nothing was written and nothing is lost: make room on the disk" in message
        assert told.ending == 0 and ids(ledger.history(), Reserve) == granted
    assert outcomes == {"failed", "reserved"}
    granted.append(reserve(ledger).id)  # there is room again
    assert ids(ledger.history(), Reserve) == granted
    assert ledger.summary()[0].reserved_open == len(granted)


TINY = """
import subprocess, sys
from pathlib import Path
from ledgering import reserve
from synth.errors import LedgerError
from synth.privacy.ledger import Ledger

folder = Path(sys.argv[1])
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True).returncode:
    sys.exit(77)
ledger, ballast = Ledger(folder / "ledger.db"), folder / "ballast"

def fill(free):
    # every block but ``free`` of them
    ballast.unlink(missing_ok=True)
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(file.tell() // 4096 * 4096 - free * 4096)

paid = open_ones = 0
for free in [*range(12), 0]:
    for attempt in range(3):
        fill(free)
        try:
            id = reserve(ledger, noise=200.0).id
            paid, open_ones = paid + 1, open_ones + 1
            print("reserved")
            ledger.spend(id, "source", "generator")
            open_ones -= 1
            print("spent")
        except LedgerError as error:
            print(error.what.partition("cannot be used: ")[2] or error)
        ballast.unlink()
        found = ledger.summary()
        assert (found[0].entries, found[0].reserved_open) == (2 * paid - open_ones, open_ones) if found else not paid
reserve(ledger)
print(*sorted(path.name for path in folder.iterdir()))
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux's unshare to mount a small disk")
def test_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent), *sys.path]))
    ran = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", TINY, str(tmp_path)],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("no small disk can be mounted here")
    assert ran.returncode == 0, ran.stderr
    *words, left = ran.stdout.splitlines()
    assert {"reserved", "spent", "the disk is full."} == set(words)
    assert words[:3] == ["the disk is full."] * 3 and words[-3:] == words[:3]  # before there was a ledger, and after
    assert left == "ledger.db"


# ---------------------------------------------------------------- any order of anything

Damage = Callable[[Path, random.Random], object]


def rewrite(path: Path, change: Callable[[list[list[str]]], object], consistently: bool) -> None:
    """Changes the list of [body, hash] by somebody who knows the format; with new hashes and a new head, or without."""
    with closing(sqlite3.connect(path)) as database:
        rows = [list(row) for row in database.execute("SELECT body, hash FROM entry ORDER BY sequence")]
        change(rows)
        before = GENESIS
        for row in rows if consistently else []:
            row[1] = before = hashlib.sha256(f"{before}\n{row[0]}".encode()).hexdigest()
        for name in ("changed", "removed"):
            database.execute(f"DROP TRIGGER entry_is_never_{name}")
        database.execute("DELETE FROM entry")
        database.execute("DELETE FROM sqlite_sequence")
        database.executemany("INSERT INTO entry (body, hash) VALUES (?, ?)", rows)
        if consistently:
            database.execute("UPDATE head SET count = ?, hash = ?", (len(rows), before))
        database.commit()


def cheaper(rows: list[list[str]]) -> None:
    """The first entry is a reservation: half of what it cost."""
    entry = json.loads(rows[0][0])
    entry["events"][0]["noise_multiplier"] *= 2
    rows[0][0] = json.dumps(entry, sort_keys=True, separators=(",", ":"))


DAMAGES: dict[str, Damage] = {
    "edited": lambda path, _: rewrite(path, cheaper, False),
    "last removed": lambda path, _: rewrite(path, lambda rows: rows.pop(), False),
    "one removed": lambda path, dice: rewrite(path, lambda rows: rows.pop(dice.randrange(len(rows))), False),
    "reordered": lambda path, _: rewrite(path, lambda rows: rows.reverse(), False),
    "reordered with new hashes": lambda path, _: rewrite(path, lambda rows: rows.reverse(), True),
    "edited with new hashes": lambda path, _: rewrite(path, cheaper, True),
    "older": lambda path, _: rewrite(path, lambda rows: rows.pop(), True),
    "emptied": lambda path, _: rewrite(path, lambda rows: rows.clear(), True),
    "cut": lambda path, dice: os.truncate(path, dice.randrange(1, path.stat().st_size)),
    "removed": lambda path, _: path.unlink(),
}


FOUND_ALONE = ("edited", "last removed", "one removed", "reordered", "cut")  # without a bookmark or a note


class AnyOrder(RuleBasedStateMachine):
    """The ledger against a list, through reservations, spending, crashes, damage and notes of the last hash."""

    receipts = Bundle("receipts")
    notes = Bundle("notes")
    processes: Processes  # of the class: see the fixture below

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.bookmark = Path(self.folder.name) / "target" / "bookmark.json"
        self.granted: dict[str, list[float]] = {"patients": [], "staff": []}  # noise multipliers
        self.reserved: set[str] = set()
        self.open: set[str] = set()
        self.entries = 0

    def teardown(self) -> None:
        figures.count("traces")
        self.folder.cleanup()

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path, self.bookmark)

    @rule(
        target=receipts,
        population=st.sampled_from(["patients", "staff"]),
        noise=st.sampled_from([3.0, 5.0, 12.0]),
        cap=st.sampled_from([1.0, 2.0, 3.0]),
    )
    def reserve(self, population: str, noise: float, cap: float) -> str:
        wanted = epsilon([gaussian(n) for n in [*self.granted[population], noise]], DELTA)
        budget = Budget(epsilon=cap, delta=DELTA, approver="x")
        if wanted > cap:
            with pytest.raises(BudgetError, match="refuses"):
                reserve(self.ledger, noise, budget, population)
            return ""
        receipt = reserve(self.ledger, noise, budget, population)
        assert receipt.epsilon_spent_after == wanted <= cap
        self._grant(population, noise, receipt.id)
        return receipt.id

    @rule(id=consumes(receipts))
    def spend(self, id: str) -> None:
        if id in self.open:
            self.open.remove(id)
            self.ledger.spend(id, "source", "generator")
            self.entries += 1
        with pytest.raises(LedgerError, match=r"is spent already|does not exist"):
            self.ledger.spend(id, "source", "generator")

    @rule(target=receipts, statement=st.integers(0, 40), population=st.sampled_from(["patients", "staff"]))
    def crash(self, statement: int, population: str) -> str:
        """A run is killed before some statement of its reservation, or when that has returned."""
        killed = Job(
            str(self.path),
            noise=30.0,
            population=population,
            spends=False,
            dies_at=statement,
            bookmark=str(self.bookmark),
        )
        (told,) = self.processes.run(killed)
        new = [id for id in ids(self.ledger.history(), Reserve) if id not in self.reserved]
        assert len(new) == len(told.of("reserved")) + (statement == 0)
        for id in new:
            self._grant(population, 30.0, id)
        return new[0] if new else ""

    @rule(target=notes)
    def note(self) -> tuple[int, str]:
        return self.entries, self.ledger.verify().head

    @rule(note=notes)
    def what_was_noted_stays(self, note: tuple[int, str]) -> None:
        entries, head = note
        assert self.ledger.verify(head) == (self.entries, self.ledger.verify().head, entries)

    @precondition(lambda self: self.entries > 1)
    @rule(damage=st.sampled_from(sorted(DAMAGES)), dice=st.randoms(use_true_random=False))
    def damage(self, damage: str, dice: random.Random) -> None:
        """Found out by every method, which changes nothing; then the file is put back as it was."""
        head, whole = self.ledger.verify().head, self.path.read_bytes()
        DAMAGES[damage](self.path, dice)
        for use in (
            self.ledger.verify,
            lambda: Ledger(self.path).verify(head),  # without a bookmark, by the noted hash
            self.ledger.summary,
            self.ledger.history,
            self.ledger.chained,
            self.ledger.key,
            lambda: self.ledger.find_spent("plan 1", "source"),
            lambda: self.ledger.forecast("patients", BUDGET, privacy().events),
            lambda: reserve(self.ledger, 1000.0),
            lambda: self.ledger.spend(next(iter(self.open), ""), "source", "generator"),
        ):
            with pytest.raises(LedgerError):
                use()
        if damage in FOUND_ALONE:
            with pytest.raises(LedgerError):
                Ledger(self.path).verify()
        self.path.write_bytes(whole)

    @invariant()
    def nothing_is_lost_and_nothing_is_charged_twice(self) -> None:
        chained = self.ledger.chained()
        history = tuple(entry for _, entry, _ in chained)
        for population, noises in self.granted.items():
            reserved = [e for e in history if isinstance(e, Reserve) and e.population == population]
            assert [event for entry in reserved for event in entry.events] == [gaussian(noise) for noise in noises]
        assert set(ids(history, Reserve)) - set(ids(history, Spend)) == self.open
        assert {s.population: s.spent for s in self.ledger.summary()} == {
            name: epsilon([gaussian(noise) for noise in noises], DELTA)
            for name, noises in self.granted.items()
            if noises
        }
        before = GENESIS
        for _, _, link in chained:
            before = hashlib.sha256(f"{before}\n{link.body}".encode()).hexdigest()
            assert link.hash == before
        assert (len(chained), before) == (self.entries, self.ledger.verify().head)

    def _grant(self, population: str, noise: float, id: str) -> None:
        self.granted[population].append(noise)
        self.reserved.add(id)
        self.open.add(id)
        self.entries += 1


@pytest.fixture(autouse=True, scope="module")
def _forks(processes: Processes) -> None:
    AnyOrder.processes = processes


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=cases(15, 100), stateful_step_count=15, deadline=None)
