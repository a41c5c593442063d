"""T9: the ledger grants exactly up to the cap, loses nothing, charges nothing twice, and knows when it was changed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from synth.artifacts.budget import Budget
from synth.artifacts.plan import Gaussian
from synth.errors import BudgetError, LedgerError
from synth.privacy import chain
from synth.privacy.accounting import epsilon
from synth.privacy.ledger import Ledger, Receipt, Reserve, Spend

BUDGET = Budget(epsilon=3.0, delta=1e-6, approver="The board")
DELTA = BUDGET.delta


def gaussian(noise: float) -> Gaussian:
    return Gaussian(name="sum", noise_multiplier=noise)


def reserve(ledger: Ledger, noise: float = 20.0, budget: Budget = BUDGET, population: str = "patients") -> Receipt:
    events = [gaussian(noise)]
    return ledger.reserve(population, budget, "admissions", "plan 1", events, epsilon(events, DELTA))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "deep" / "privacy_ledger.db")


# ---------------------------------------------------------------- what it answers


def test_reading_a_ledger_that_does_not_exist_makes_none(ledger):
    assert ledger.history() == ledger.summary() == ()
    assert ledger.find_spent("plan 1", "digest") is None
    ledger.verify()
    assert not ledger.path.exists()


def test_a_reservation_is_priced_written_and_counted(ledger):
    alone, both = epsilon([gaussian(20.0)], DELTA), epsilon([gaussian(20.0)] * 2, DELTA)
    first, second = reserve(ledger), reserve(ledger)
    assert (first.epsilon_spent_before, first.epsilon_spent_after) == (0.0, alone)
    assert (second.epsilon_spent_before, second.epsilon_spent_after) == (alone, both)
    ledger.spend(first.id, "source", "generator")
    (summary,) = ledger.summary()
    assert (summary.population, summary.cap, summary.delta, summary.approver) == ("patients", 3.0, 1e-6, "The board")
    assert (summary.spent, summary.left) == (both, pytest.approx(3.0 - both))
    assert (summary.reserved_open, summary.entries) == (1, 3)
    reserved, _, spent = ledger.history()
    assert isinstance(reserved, Reserve) and reserved.events == (gaussian(20.0),) and reserved.epsilon_alone == alone
    assert isinstance(spent, Spend) and (spent.id, spent.model) == (first.id, "admissions")
    assert reserved.time.endswith("+00:00")


def test_populations_do_not_pay_for_each_other(ledger):
    reserve(ledger, population="patients")
    assert reserve(ledger, population="staff").epsilon_spent_before == 0.0
    assert [summary.population for summary in ledger.summary()] == ["patients", "staff"]
    assert len(ledger.history("staff")) == 1


def test_above_the_cap_nothing_is_written_and_the_refusal_says_everything(ledger):
    reserve(ledger, noise=3.0)
    before, after = epsilon([gaussian(3.0)], DELTA), epsilon([gaussian(3.0), gaussian(1.5)], DELTA)
    with pytest.raises(BudgetError) as refusal:
        reserve(ledger, noise=1.5)
    assert refusal.value.exit_code == 3
    for part in (
        "'patients'",
        "'admissions'",
        f"{before:g}",
        f"{after:g}",
        "cap is 3,",
        "The board",
        f"{3 - before:g}",
    ):
        assert part in str(refusal.value)
    assert len(ledger.history()) == 1


def test_the_cap_itself_is_allowed(ledger):
    price = epsilon([gaussian(4.0)], DELTA)
    with pytest.raises(BudgetError):
        reserve(ledger, 4.0, Budget(epsilon=price - 1e-4, delta=DELTA, approver="x"))
    assert reserve(ledger, 4.0, Budget(epsilon=price, delta=DELTA, approver="x")).epsilon_spent_after == price


def test_a_stricter_delta_makes_old_events_dearer(ledger):
    reserve(ledger)
    strict = Budget(epsilon=3.0, delta=1e-9, approver="x")
    assert reserve(ledger, budget=strict).epsilon_spent_before == epsilon([gaussian(20.0)], 1e-9)


def test_a_reservation_is_spent_once(ledger):
    receipt = reserve(ledger)
    ledger.spend(receipt.id, "source", "generator")
    with pytest.raises(LedgerError, match="is spent already"):
        ledger.spend(receipt.id, "source", "generator")
    with pytest.raises(LedgerError, match="does not exist"):
        ledger.spend("0123", "source", "generator")
    assert len(ledger.history()) == 2


def test_an_unchanged_plan_over_an_unchanged_source_is_found(ledger):
    assert ledger.find_spent("plan 1", "source 1") is None
    receipt = reserve(ledger)
    assert ledger.find_spent("plan 1", "source 1") is None  # reserved only
    ledger.spend(receipt.id, "source 1", "generator")
    for source in ("source 1", None):  # None: whichever source it was
        found = ledger.find_spent("plan 1", source)
        assert found is not None and (found.id, found.generator_digest) == (receipt.id, "generator")
    assert ledger.find_spent("plan 2", "source 1") is None and ledger.find_spent("plan 2", None) is None
    assert ledger.find_spent("plan 1", "source 2") is None


def test_every_ledger_has_a_key_of_its_own(ledger, tmp_path):
    assert len(ledger.key()) == 32 and ledger.key() == Ledger(ledger.path).key()
    assert ledger.key() != Ledger(tmp_path / "other.db").key()


def test_only_its_owner_may_read_a_new_ledger(ledger):
    reserve(ledger)
    assert ledger.path.stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------- what it notices


def change(ledger: Ledger, *statements: str) -> None:
    with closing(sqlite3.connect(ledger.path)) as database:
        database.create_function("link", 2, chain._link)
        for statement in ("DROP TRIGGER entry_is_never_changed", "DROP TRIGGER entry_is_never_removed", *statements):
            database.execute(statement)
        database.commit()


def head_of(sequence: int) -> str:
    return f"UPDATE head SET count = {sequence}, hash = (SELECT hash FROM entry WHERE sequence = {sequence})"


CHEAPER = "UPDATE entry SET body = replace(body, '20.0', '90.0') WHERE sequence = 2"
NEW_HASH = "UPDATE entry SET hash = link((SELECT hash FROM entry WHERE sequence = 1), body) WHERE sequence = 2"


@pytest.mark.parametrize(
    "statements, complaint",
    [
        ([CHEAPER], "its entry 2, or the hash of the one before it, was changed"),
        (["UPDATE entry SET hash = 'x' WHERE sequence = 2"], "its entry 2, or"),
        (["DELETE FROM entry WHERE sequence = 2"], "its entry 2 was removed"),
        (["DELETE FROM entry WHERE sequence = 1"], "its entry 1 was removed"),
        (["DELETE FROM entry WHERE sequence >= 3"], "its entries from 3 to 4 were removed"),
        (["DELETE FROM entry WHERE sequence >= 3", head_of(2)], "its entries from 3 to 4 were removed"),
        (["DELETE FROM entry WHERE sequence = 4", "DELETE FROM sqlite_sequence"], "its entries from 4 to 4"),
        (["DELETE FROM entry"], "its entries from 1 to 4 were removed"),
        (["INSERT INTO entry (body, hash) VALUES ('{}', 'x')"], "its entry 5, or"),
        (["DELETE FROM head"], "its entry 4 is not the one that was written last"),
        (["UPDATE head SET hash = 'x'"], "its entry 4 is not"),
        (["DROP TABLE head"], "no such table"),
    ],
)
def test_changes_are_found_by_every_method(ledger, tmp_path, statements, complaint):
    for _ in range(4):
        receipt = reserve(ledger)
    ledger.verify()
    change(ledger, *statements)
    for use in (
        ledger.verify,
        ledger.summary,
        ledger.history,
        lambda: reserve(ledger),
        lambda: ledger.spend(receipt.id, "source", "generator"),
    ):
        with pytest.raises(LedgerError, match=complaint):
            use()


def test_an_edit_with_a_new_hash_breaks_the_next_link(ledger):
    for _ in range(3):
        reserve(ledger)
    change(ledger, CHEAPER, NEW_HASH)
    with pytest.raises(LedgerError, match="its entry 3, or the hash of the one before it, was changed"):
        ledger.verify()


def test_ordinary_hands_cannot_change_an_entry(ledger):
    reserve(ledger)
    with closing(sqlite3.connect(ledger.path)) as database:
        for statement in ("UPDATE entry SET body = '{}'", "DELETE FROM entry"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                database.execute(statement)


def test_files_that_are_no_ledger(tmp_path):
    text, other, folder = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "folder.db"
    text.write_text("not a database at all " * 100)
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE t (x)")
    folder.mkdir()
    for path, complaint in ((text, "not a database"), (other, "of something else"), (folder, "cannot be opened")):
        for use in (Ledger(path).history, lambda path=path: reserve(Ledger(path))):
            with pytest.raises(LedgerError, match=complaint):
                use()


def test_a_damaged_file_is_an_error_in_plain_words(ledger):
    for _ in range(40):
        reserve(ledger, noise=1000.0)
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LedgerError, match="it is damaged"):
        ledger.verify()


def test_a_ledger_that_is_held_too_long(ledger, monkeypatch):
    reserve(ledger)
    monkeypatch.setattr(chain, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another run has held it"):
            reserve(ledger)
    reserve(ledger)


def test_a_later_format_is_not_guessed_at(ledger):
    reserve(ledger)
    with closing(sqlite3.connect(ledger.path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(LedgerError, match="format 2"):
        ledger.history()


# ---------------------------------------------------------------- any order of calls


class AnyOrder(RuleBasedStateMachine):
    """The ledger against a list: it grants exactly what the accountant says is within the cap."""

    receipts = Bundle("receipts")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.granted: dict[str, list[Gaussian]] = {"patients": [], "staff": []}
        self.open: set[str] = set()

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(
        target=receipts,
        population=st.sampled_from(["patients", "staff"]),
        noise=st.sampled_from([3.0, 5.0, 12.0]),
        cap=st.sampled_from([1.0, 2.0, 3.0]),
    )
    def reserve(self, population: str, noise: float, cap: float) -> str:
        wanted = [*self.granted[population], gaussian(noise)]
        budget = Budget(epsilon=cap, delta=DELTA, approver="x")
        if epsilon(wanted, DELTA) > cap:
            with pytest.raises(BudgetError):
                reserve(Ledger(self.path), noise, budget, population)
            return ""
        receipt = reserve(Ledger(self.path), noise, budget, population)
        assert receipt.epsilon_spent_after == epsilon(wanted, DELTA) <= cap
        self.granted[population] = wanted
        self.open.add(receipt.id)
        return receipt.id

    @rule(id=consumes(receipts))
    def spend(self, id: str) -> None:
        if id in self.open:
            self.open.remove(id)
            Ledger(self.path).spend(id, "source", "generator")
        with pytest.raises(LedgerError):
            Ledger(self.path).spend(id, "source", "generator")

    @invariant()
    def nothing_is_lost_and_nothing_is_charged_twice(self) -> None:
        history = Ledger(self.path).history()
        for population, events in self.granted.items():
            reserved = [e for e in history if isinstance(e, Reserve) and e.population == population]
            assert [event for entry in reserved for event in entry.events] == events
        assert {e.id for e in history if isinstance(e, Reserve)} - {
            e.id for e in history if isinstance(e, Spend)
        } == self.open


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


# ---------------------------------------------------------------- crashes and races, with real processes

WORKER = """
import os, sys, time
from pathlib import Path
from synth.artifacts.budget import Budget
from synth.artifacts.plan import Gaussian
from synth.errors import BudgetError
from synth.privacy.accounting import epsilon
from synth.privacy.ledger import Ledger

path, noise, cap, attempts, runs, rest = Path(sys.argv[1]), *map(float, sys.argv[2:])
events = [Gaussian(name="sum", noise_multiplier=noise)]
price = epsilon(events, 1e-6)
print("ready", flush=True)
first = os.getpid()
for _ in range(int(runs) - 1):
    if os.fork() == 0:
        break
for _ in range(int(attempts)):
    try:
        budget = Budget(epsilon=cap, delta=1e-6, approver="x")
        id = Ledger(path).reserve("patients", budget, "admissions", "plan", events, price).id
        print(f"reserved {id}\\n", end="", flush=True)
        time.sleep(rest)
        Ledger(path).spend(id, "source", "generator")
        print(f"spent {id}\\n", end="", flush=True)
    except BudgetError:
        print("refused\\n", end="", flush=True)
if os.getpid() == first:
    assert all(os.wait()[1] == 0 for _ in range(int(runs) - 1))
"""


def work(path: Path, noise: float, cap: float, attempts: int, runs: int, rest: float) -> subprocess.Popen[str]:
    """``runs`` processes that each reserve and spend ``attempts`` times, with a ``rest`` of so many seconds between."""
    arguments = [str(value) for value in (path, noise, cap, attempts, runs, rest)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_run_that_is_killed_at_any_moment_has_paid(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    told: dict[str, set[str]] = {"reserved": set(), "spent": set()}
    for _ in range(6):
        process = work(ledger.path, noise=200.0, cap=900.0, attempts=10**6, runs=1, rest=0.0)
        time.sleep(random.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        for line in process.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n"):
                told[line.split()[0]].add(line.split()[1])
        ledger.verify()
    history = ledger.history()
    reserved = [entry.id for entry in history if isinstance(entry, Reserve)]
    spent = [entry.id for entry in history if isinstance(entry, Spend)]
    assert len(set(reserved)) == len(reserved) and len(set(spent)) == len(spent)
    assert told["reserved"] and told["reserved"] <= set(reserved) and told["spent"] <= set(spent)
    assert len(reserved) - len(told["reserved"]) <= 6  # at most one that each process could not tell any more
    (summary,) = ledger.summary()
    assert summary.spent == epsilon([gaussian(200.0)] * len(reserved), DELTA)
    assert summary.reserved_open == len(reserved) - len(spent) <= 6


def test_a_run_that_is_killed_between_reserve_and_spend_has_paid(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db")
    process = work(ledger.path, noise=4.0, cap=3.0, attempts=1, runs=1, rest=600.0)
    assert process.stdout is not None and process.stdout.readline().startswith("reserved")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (summary,) = ledger.summary()
    assert (summary.reserved_open, summary.spent) == (1, epsilon([gaussian(4.0)], DELTA))
    with pytest.raises(BudgetError):
        reserve(ledger, noise=1.5)


def test_sixteen_runs_at_once_are_granted_exactly_up_to_the_cap(tmp_path):
    noise, cap, runs, attempts = 6.0, 2.0, 16, 2
    fits = next(n for n in range(1, 99) if epsilon([gaussian(noise)] * (n + 1), DELTA) > cap)
    assert 1 < fits < runs * attempts
    ledger = Ledger(tmp_path / "ledger.db")
    process = work(ledger.path, noise, cap, attempts, runs, rest=0.0)
    words = process.communicate()[0].split()
    assert process.returncode == 0
    assert (words.count("reserved"), words.count("spent")) == (fits, fits)
    assert words.count("refused") == runs * attempts - fits
    (summary,) = ledger.summary()
    assert summary.spent == epsilon([gaussian(noise)] * fits, DELTA) <= cap
    assert (summary.reserved_open, summary.entries) == (0, 2 * fits)
