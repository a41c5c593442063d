"""The secret that decides which of a unit's rows are kept, and which units are held out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from synth.artifacts.compiled import SyntheticModel
from synth.privacy.ledger import Ledger
from synth.runtime.duckdb_errors import cannot_write

_FILE, _BYTES = "unprotected.key", 32


def zone_key(model: SyntheticModel, ledger: Ledger, internal: Path) -> Callable[[], bytes]:
    """Gives the ledger's; of a model without privacy, of which the ledger knows nothing, one beside the private zone."""
    return ledger.key if model.price else lambda: _own_key(internal.parent / _FILE)


def key_mark(key: bytes) -> str:
    """By which a key is known again, and from which nobody comes to it: SHA-256 of what is random already."""
    return hashlib.sha256(b"synth: who is held out\n" + key).hexdigest()


def _own_key(path: Path) -> bytes:
    """32 random bytes, the same as long as the file is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(_BYTES))
        return path.read_bytes()
    except OSError as error:
        raise cannot_write(path.parent, error) from None
