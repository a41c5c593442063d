"""The last hash of a ledger, kept away from it: by this an older copy, a rewritten one or a new one is found out."""

from __future__ import annotations

import json
import os
from pathlib import Path

from synth.errors import LedgerError
from synth.files import write_whole


class Bookmark:
    """The file ``path``: of each ledger that was written from here, the hash of its last entry at that time.

    Whoever can replace the ledger should not be able to replace this; a note on paper (``Ledger.verify``) is stronger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, ledger: Path) -> str | None:
        """The hash that must be in ``ledger``; None where it was never written from here."""
        try:
            noted = json.loads(self.path.read_text(encoding="utf-8"))
            found = noted.get(self._name(ledger))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError):
            raise LedgerError(
                f"{self.path} cannot be read, or was changed: it remembers the last entry of the privacy ledger.",
                "Put it back. If it is lost, check the ledger (synth ledger verify --hash HASH) and remove it.",
            ) from None
        return None if found is None else str(found)

    def write(self, ledger: Path, head: str) -> None:
        """Whole or not at all; the bookmarks of other ledgers stay."""
        noted = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        if noted.get(self._name(ledger)) == head:
            return
        write_whole(self.path, json.dumps({**noted, self._name(ledger): head}, indent=1) + "\n")

    def _name(self, ledger: Path) -> str:
        return os.path.relpath(ledger, self.path.parent)  # so that a project may be moved with its ledger
