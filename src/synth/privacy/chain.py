"""A file of texts that can be added to and read, and that tells when it was changed: the ground under the ledger.

One SQLite file on a local disk (the locks of a network share cannot be trusted). Every entry carries the SHA-256 of
its own text and of the hash before it; the number of entries and the last hash are kept beside them. Each read
verifies everything. What is found: an entry edited, removed, inserted or reordered, also at the end. The whole file put
back to an older copy, deleted, or rewritten by somebody who follows the format is found by a hash kept elsewhere: the
bookmark of whoever wrote to it, or a note on paper. Keep the file where only its administrator may replace it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from synth.errors import LedgerError
from synth.privacy.bookmark import Bookmark

APPLICATION = 0x73796E74  # "synt", in the header of the file
VERSION = 1
BUSY_SECONDS = 30.0
GENESIS = "0" * 64  # what the first entry takes for the hash before it
SCHEMA = (
    "CREATE TABLE entry (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE TABLE head (count INTEGER NOT NULL, hash TEXT NOT NULL)",
    "CREATE TABLE secret (key BLOB NOT NULL)",
    "CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END",
    "CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'append only'); END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
WORDS = {  # the beginnings of SQLite's names for what can go wrong with a file
    "SQLITE_BUSY": f"another run has held it for {BUSY_SECONDS:.0f} seconds",
    "SQLITE_NOTADB": "it is not a database",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_READONLY": "it cannot be written",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "it cannot be read or written; the disk may be full or failing",
}
FULL = ("SQLITE_FULL", "SQLITE_IOERR")
SETTLE = "No run can spend until this is settled."
RESTORE = f"{SETTLE} If the file was changed or damaged, restore it from a backup."
ROOM = f"{SETTLE} Nothing was written and nothing is lost: make room on the disk and run again."


class Link(NamedTuple):
    """One entry."""

    body: str
    hash: str  # SHA-256, in hex, of the hash before it, a line feed and the body


class Page(NamedTuple):
    """The chain as it stands within one transaction; nobody else can write until it ends."""

    database: sqlite3.Connection
    links: tuple[Link, ...]  # before this transaction
    key: bytes  # 32 random bytes made with the file, for keyed digests

    def append(self, body: str) -> None:
        ((count, previous),) = self.database.execute("SELECT count, hash FROM head")
        linked = hash_of(previous, body)
        self.database.execute("INSERT INTO entry (body, hash) VALUES (?, ?)", (body, linked))
        self.database.execute("UPDATE head SET count = ?, hash = ?", (count + 1, linked))


class Chain:
    """The chain in the file ``path``, which need not exist. ``LedgerError`` where it was changed or cannot be used.

    What was once appended through a chain with this ``bookmark`` must still be there.
    """

    def __init__(self, path: Path, bookmark: Bookmark | None = None) -> None:
        self.path = path
        self.bookmark = bookmark

    def read(self) -> tuple[Link, ...]:
        """All entries, oldest first; none where there is no file."""
        noted = self._noted()
        try:
            if not self.path.exists():
                return self._checked((), noted)
        except OSError as error:
            raise self._error(f"it cannot be opened ({error.strerror})") from None
        with self._transaction("BEGIN") as database:
            return self._checked(() if self._is_new(database) else self._verified(database), noted)

    @contextmanager
    def write(self) -> Iterator[Page]:
        """One transaction: what is appended within the block is there at its end, or nothing is where it raises."""
        noted = self._noted()
        self._create()
        with self._transaction("BEGIN IMMEDIATE") as database:
            if self._is_new(database):
                _lay_out(database)
            links = self._checked(self._verified(database), noted)
            if (secret := database.execute("SELECT key FROM secret").fetchone()) is None:
                raise self._error("its key was removed")
            yield Page(database, links, *secret)
            ((head,),) = database.execute("SELECT hash FROM head")
        if self.bookmark and head != GENESIS:
            with suppress(OSError):  # what was appended stands; an older bookmark only finds less
                self.bookmark.write(self.path, head)

    def _create(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise self._error(f"it cannot be opened ({error.strerror})") from None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as database:
                # EXTRA, not FULL: it also syncs the folder, without which a power cut can bring the journal back.
                database.execute("PRAGMA synchronous = EXTRA")
                database.execute(begin)
                yield database
                database.execute("COMMIT")  # closing a connection rolls back whatever did not come this far
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            what = next((words for key, words in WORDS.items() if name.startswith(key)), str(error))
            raise self._error(what, ROOM if name.startswith(FULL) else RESTORE) from None

    def _is_new(self, database: sqlite3.Connection) -> bool:
        ((application,),) = database.execute("PRAGMA application_id")
        ((version,),) = database.execute("PRAGMA user_version")
        ((tables,),) = database.execute("SELECT count(*) FROM sqlite_master")
        size = self.path.stat().st_size  # nobody else can change it within this transaction
        if (application, version, tables, size) == (0, 0, 0, 0):
            return True
        if application != APPLICATION:
            raise self._error("it is a database of something else")
        if version != VERSION:
            raise self._error(f"it has the format {version}, and this synth knows {VERSION}")
        if (size,) != database.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ).fetchone():
            raise self._error("it is damaged")  # SQLite reads zeros beyond the end of its last page
        return False

    def _noted(self) -> str | None:
        """Called before the file is looked at: whatever was noted by then is in it."""
        return self.bookmark.read(self.path) if self.bookmark else None

    def _checked(self, links: tuple[Link, ...], noted: str | None) -> tuple[Link, ...]:
        if self.bookmark and noted is not None and noted not in {link.hash for link in links}:
            raise self._error(
                "it was removed, put back to an older copy or rewritten: an entry that was written from here, with the hash "
                f"{noted}, is not in it",
                f"{SETTLE} Restore the ledger. If a new one is meant to begin, remove {self.bookmark.path}.",
            )
        return links

    def _verified(self, database: sqlite3.Connection) -> tuple[Link, ...]:
        rows = database.execute("SELECT sequence, body, hash FROM entry ORDER BY sequence").fetchall()
        hash_before = GENESIS
        for expected, (sequence, body, hash_here) in enumerate(rows, 1):
            if sequence != expected:
                raise self._error(f"its entry {expected} was removed")
            if hash_here != hash_of(hash_before, body):
                raise self._error(f"its entry {expected}, or the hash of the one before it, was changed")
            hash_before = hash_here
        count, head = database.execute("SELECT count, hash FROM head").fetchone() or (0, "")
        (highest,) = database.execute("SELECT max(?, ifnull(max(seq), 0)) FROM sqlite_sequence", (count,)).fetchone()
        if highest > len(rows):
            raise self._error(f"its entries from {len(rows) + 1} to {highest} were removed")
        if (count, head) != (len(rows), hash_before):
            raise self._error(f"its entry {len(rows)} is not the one that was written last")
        return tuple(Link(body, hash_here) for _, body, hash_here in rows)

    def _error(self, what: str, fix: str = RESTORE) -> LedgerError:
        return LedgerError(f"The privacy ledger {self.path} cannot be used: {what}.", fix)


def hash_of(hash_before: str, body: str) -> str:
    """Of an entry: SHA-256 over the hash before it and its text."""
    return hashlib.sha256(f"{hash_before}\n{body}".encode()).hexdigest()


def _lay_out(database: sqlite3.Connection) -> None:
    for statement in SCHEMA:  # one by one: executescript would end the transaction first
        database.execute(statement)
    database.execute("INSERT INTO head VALUES (0, ?)", (GENESIS,))
    database.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
