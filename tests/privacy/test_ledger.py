"""T9: the ledger grants exactly up to the cap, loses nothing, charges nothing twice, and knows when it was changed."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledgering import DELTA, gaussian, reserve
from synth.artifacts.budget import Budget
from synth.errors import BudgetError, LedgerError
from synth.privacy import chain
from synth.privacy.accounting import epsilon
from synth.privacy.ledger import Ledger, Reserve, Spend, caps
from synth.version import __version__


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


def test_a_reservation_says_what_its_epsilon_means(ledger):
    reserve(ledger)
    (entry,) = ledger.history()
    assert isinstance(entry, Reserve) and entry.guarantee is not None
    assert entry.guarantee.model_dump() == {
        "unit": "subject_id", "units": 1000, "declared_units": None, "max_rows_per_unit": 10,
        "adjacency": "add or remove one unit", "delta": DELTA,
    }  # fmt: skip
    assert entry.synth_version == __version__


# As it was written before the unit and the version were kept; the text is what was hashed.
OLD = (
    '{"budget":{"approver":"The board","delta":1e-06,"epsilon":3.0},"epsilon_alone":0.2,"events":[{"count":1,"kind":"gaussian",'
    '"name":"sum","noise_multiplier":20.0}],"fingerprint":"plan 1","id":"00c0ffee00c0ffee","kind":"reserve","model":'
    '"admissions","population":"patients","time":"2026-01-02T03:04:05+00:00"}'
)


def test_entries_from_before_the_unit_was_kept_still_count_and_verify(ledger):
    with chain.Chain(ledger.path).write() as page:
        page.append(OLD)
    old_hash = hashlib.sha256(f"{chain.GENESIS}\n{OLD}".encode()).hexdigest()
    assert ledger.verify() == (1, old_hash, None)
    ledger.spend("00c0ffee00c0ffee", "source", "generator")
    assert reserve(ledger).epsilon_spent_before == epsilon([gaussian(20.0)], DELTA)
    assert ledger.verify(old_hash).place == 1
    (first, second) = (entry for entry in ledger.history() if isinstance(entry, Reserve))
    assert (first.guarantee, first.synth_version) == (None, None) and second.guarantee is not None
    assert ledger.chained()[0].link == (OLD, old_hash)


def test_caps_tell_who_approved_which_and_when(ledger):
    def under(cap: float, approver: str, population: str = "patients", delta: float = DELTA) -> None:
        reserve(ledger, 200.0, Budget(epsilon=cap, delta=delta, approver=approver), population)

    under(3.0, "The board")
    under(3.0, "The board")
    under(1.0, "The staff council", "staff")
    under(5.0, "The minister")
    under(2.0, "The board")
    found = caps(ledger.history())
    assert [(c.population, c.budget.epsilon, c.budget.approver) for c in found] == [
        ("patients", 3.0, "The board"), ("staff", 1.0, "The staff council"),
        ("patients", 5.0, "The minister"), ("patients", 2.0, "The board"),
    ]  # fmt: skip
    assert [c.before and c.before.epsilon for c in found] == [None, None, 3.0, 5.0]
    times = [entry.time for entry in ledger.history()]
    assert [c.since for c in found] == [times[0], times[2], times[3], times[4]]


def test_models_of_one_population_pay_together(ledger):
    noises = {"admissions": 5.0, "stays": 6.0, "deaths": 7.0}
    for model, noise in noises.items():
        after = reserve(ledger, noise, model=model).epsilon_spent_after
    assert after == epsilon([gaussian(noise) for noise in noises.values()], DELTA)
    assert after < sum(epsilon([gaussian(noise)], DELTA) for noise in noises.values())
    assert epsilon([gaussian(1.65)], DELTA) < 3.0  # by itself it would be within the cap
    with pytest.raises(BudgetError, match="refuses the model 'births'"):
        reserve(ledger, 1.65, model="births")


def test_a_noted_hash_is_found_again(ledger):
    empty = ledger.verify()
    assert empty == (0, chain.GENESIS, None)
    first = reserve(ledger)
    noted = ledger.verify()
    ledger.spend(first.id, "source", "generator")
    assert noted.entries == 1 and ledger.verify(noted.head) == (2, ledger.verify().head, 1)
    assert ledger.verify(empty.head).place == 0
    with pytest.raises(LedgerError, match="which holds 2 entries"):
        ledger.verify("ab" * 32)


def test_only_its_owner_may_read_a_new_ledger(ledger):
    reserve(ledger)
    assert ledger.path.stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------- what it notices


def change(ledger: Ledger, *statements: str) -> None:
    with closing(sqlite3.connect(ledger.path)) as database:
        database.create_function("link", 2, chain.hash_of)
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


@pytest.mark.parametrize("left", [1, 100, 4096, 4097, -4096, -4095, -32, -1])
def test_wherever_a_file_is_cut_off_it_is_damaged(ledger, left):
    reserve(ledger)
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[:left])
    for use in (ledger.verify, ledger.key, lambda: reserve(ledger)):
        with pytest.raises(LedgerError, match=r"it is (damaged|not a database|a database of something else)"):
            use()
    assert ledger.path.read_bytes() == content[:left]


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


# ---------------------------------------------------------------- bookmarks


@pytest.fixture
def marked(tmp_path: Path) -> Ledger:
    """A ledger with a bookmark and two entries."""
    ledger = Ledger(tmp_path / "privacy_ledger.db", tmp_path / "target" / "bookmark.json")
    reserve(ledger)
    reserve(ledger)
    return ledger


def test_a_bookmark_finds_an_older_copy(marked, tmp_path):
    older = marked.path.read_bytes()
    reserve(marked)
    head = marked.verify().head
    marked.path.write_bytes(older)
    assert Ledger(marked.path).verify().entries == 2  # it is a good ledger, only not the latest
    with pytest.raises(LedgerError, match=f"put back to an older copy or rewritten.*{head}") as found:
        reserve(marked)
    assert "remove " + str(tmp_path / "target" / "bookmark.json") in str(found.value)
    (tmp_path / "target" / "bookmark.json").unlink()
    assert reserve(marked).epsilon_spent_before == epsilon([gaussian(20.0)] * 2, DELTA)


def test_what_others_add_is_no_reason_to_complain(marked, tmp_path):
    other = Ledger(marked.path, tmp_path / "elsewhere" / "bookmark.json")
    reserve(other)
    marked.verify()
    reserve(marked)
    other.verify()


def test_each_ledger_has_its_own_bookmark_which_may_be_moved_with_it(marked, tmp_path):
    second = Ledger(tmp_path / "second.db", tmp_path / "target" / "bookmark.json")
    second.verify()
    reserve(second)
    marked.verify()
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("privacy_ledger.db", "target"):
        (tmp_path / name).rename(moved / name)
    Ledger(moved / "privacy_ledger.db", moved / "target" / "bookmark.json").verify()
    (moved / "privacy_ledger.db").unlink()
    with pytest.raises(LedgerError, match="it was removed"):
        Ledger(moved / "privacy_ledger.db", moved / "target" / "bookmark.json").verify()


def test_a_spoilt_bookmark_is_an_error_in_plain_words(marked, tmp_path):
    for text in ("{", "[]"):
        (tmp_path / "target" / "bookmark.json").write_text(text)
        with pytest.raises(LedgerError, match=r"bookmark.json cannot be read, or was changed"):
            marked.verify()
