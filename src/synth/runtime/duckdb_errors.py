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
        duckdb.CatalogException,
        "a table or a function is not there",
        "Check the tables and identifiers in sources/, and the model's SQL.",
    ),
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
        raise private_error(internal, doing, error) from None


def private_error(internal: Path, doing: str, error: duckdb.Error) -> RunError:
    what, fix = next(((w, f) for kind, w, f in _PLAIN if isinstance(error, kind)), ("DuckDB refused", ""))
    name = type(error).__name__
    return RunError(f"{doing}: {what} ({name})", f"{fix} {keep(internal, f'{name}: {error}')}".strip())


def interrupted(error: BaseException) -> bool:
    """Whether it is what DuckDB makes of Ctrl-C."""
    return isinstance(error, duckdb.InterruptException) or (
        isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    )


def private_folder(internal: Path) -> None:
    """The private zone's folder, which is made where it is not there, for its owner alone."""
    try:
        internal.mkdir(parents=True, exist_ok=True, mode=0o700)
        internal.chmod(0o700)
    except OSError as error:
        raise cannot_write(internal, error) from None


def cannot_write(internal: Path, error: OSError) -> RunError:
    what = os.strerror(error.errno) if error.errno else type(error).__name__
    return RunError(
        f"the private zone {internal} cannot be written: {what}",
        "Rows are prepared there. Give its folder to whoever runs synth, and room on its disk.",
    )


def keep_file(internal: Path, text: str) -> Path:
    """Writes private text to a new file of mode 0600 in the private zone; RunError where it cannot be written."""
    path = internal / f"error-{time.time_ns()}.txt"
    private_folder(internal)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(internal, error) from None
    return path


def keep(internal: Path, text: str) -> str:
    """The same; a sentence that says where it is."""
    try:
        return f"What exactly was said, private: {keep_file(internal, text)}"
    except RunError:
        return "What exactly was said could not be kept: the private zone cannot be written."


def lock_holder(message: str) -> str:
    """The process that holds a database, in DuckDB's own message about it: no data is quoted there."""
    found = re.search(r"PID (\d+)", message)
    return f"process {found[1]}" if found else "another process"
