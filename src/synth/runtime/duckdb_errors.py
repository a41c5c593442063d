"""DuckDB's messages quote cells and lines of private files. Here they become a code and a cure; the text stays private."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from synth.errors import RunError

_PLAIN: tuple[tuple[type[duckdb.Error], str, str], ...] = (
    (duckdb.OutOfMemoryException, "DuckDB ran out of memory", "Raise memory_limit of the target in synth_project.yml."),
    (duckdb.ConversionException, "a value could not be converted", "Use try_cast in the model's SQL."),
    (duckdb.OutOfRangeException, "a value is out of its type's range", "Use try_cast in the model's SQL."),
    (
        duckdb.IOException,
        "a file could not be read or written",
        "Check that it is there, whole, and that the disk has room.",
    ),
)


@contextmanager
def private_errors(internal: Path, doing: str) -> Iterator[None]:
    """Turns any DuckDB error into a RunError without its text, which goes to a file that only its owner may read."""
    try:
        yield
    except duckdb.Error as error:
        what, fix = next(((w, f) for kind, w, f in _PLAIN if isinstance(error, kind)), ("DuckDB refused", ""))
        log = keep(internal, f"{type(error).__name__}: {error}")
        raise RunError(
            f"{doing}: {what} ({type(error).__name__})", f"{fix} DuckDB's own words, private: {log}".strip()
        ) from None


def keep(internal: Path, text: str) -> Path:
    """Writes private text to a new file of mode 0600 in the private zone."""
    internal.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = internal / f"error-{time.time_ns()}.txt"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def lock_holder(message: str) -> str:
    """The process that holds a database, in DuckDB's own message about it: no data is quoted there."""
    found = re.search(r"PID (\d+)", message)
    return f"process {found[1]}" if found else "another process"
