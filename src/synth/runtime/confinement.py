"""Where private rows are at work. What Python, a library or DuckDB says meanwhile may quote them: it stays inside.

A warning or an exception of numpy, pandas or torch can hold a value, or the number of rows: in its text, in the exception
behind it, in the variables of its frames. A library that gives up writes to standard error. So the work is done within
``confine``, and what leaves it is its result, or an error in plain words that leads back to nothing.
"""

from __future__ import annotations

import io
import logging
import os
import resource
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import IO, TextIO, TypeVar

import duckdb

from synth.errors import RunError, SynthError, where
from synth.runtime.duckdb_errors import cannot_write, interrupted, keep, private_error, private_folder

Result = TypeVar("Result")
_ONE = threading.Lock()  # what is set here is set for the whole process


def confine(internal: Path, doing: str, work: Callable[[], Result]) -> Result:
    """What ``work`` returns. Where it fails: a RunError, or another error of synth, without cause, context and frames.

    Meanwhile nothing is warned of or logged, and what is written to standard error is kept in the folder ``internal``.
    """
    with _ONE, _hushed(internal):
        try:
            return work()
        except BaseException as error:
            failure = _told(error, internal, doing)
    raise failure  # here, where no exception is being handled: that one would become its context


def _told(error: BaseException, internal: Path, doing: str) -> BaseException:
    """What may be said of an error; the whole of it goes to the private zone."""
    if isinstance(error, KeyboardInterrupt) or interrupted(error):
        return KeyboardInterrupt()
    if isinstance(error, SynthError):
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    if isinstance(error, duckdb.Error):
        return private_error(internal, doing, error)
    what, fix = f"synth has a bug: {where(error)}", "Please report it."
    if isinstance(error, MemoryError):
        what, fix = "there is not enough memory", "Run it where there is more."
    elif isinstance(error, OSError):
        what = os.strerror(error.errno) if error.errno else "a file could not be read or written"
        fix = f"Check that the source can be read, that {internal} can be written, and that its disk has room."
    return RunError(f"{doing}: {what}", f"{fix} {keep(internal, ''.join(traceback.format_exception(error)))}")


@contextmanager
def _hushed(internal: Path) -> Iterator[None]:
    """Nothing is warned of or logged; standard error is kept where anything is said.

    From now on the process leaves no core dump, for memory that is freed still holds what was in it. The limit is 1, not
    0: Linux hands a dump to the program that core_pattern names whatever the limit is, except where it is 1 (do_coredump
    in its fs/coredump.c).
    """
    private_folder(internal)
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (1 if most else 0, most))
    disabled = logging.root.manager.disable
    logging.disable()
    try:
        with _nameless(internal) as said:
            with warnings.catch_warnings(), redirect_stderr(_Aside(said, sys.stderr)), _descriptor(2, said.fileno()):
                warnings.simplefilter("ignore")
                yield
            _keep_said(internal, said)
    finally:
        logging.disable(disabled)


@contextmanager
def silenced(internal: Path) -> Iterator[None]:
    """Standard output is kept as well, while a source is read by code that is not synth's: nobody is told of it then."""
    with _nameless(internal) as said:
        try:
            with redirect_stdout(_Aside(said, sys.stdout)), _descriptor(1, said.fileno()):
                yield
        finally:
            _keep_said(internal, said)


def _keep_said(internal: Path, said: IO[str]) -> None:
    said.seek(0)
    if text := said.read():
        keep(internal, text)


class _Aside(io.TextIOBase):
    """Python's stream meanwhile. A library that is imported now may hold on to it, so later it is the old one."""

    def __init__(self, said: IO[str], before: TextIO | None) -> None:
        self._said, self._before = said, before

    def write(self, text: str) -> int:
        stream = self._before if self._said.closed else self._said
        return stream.write(text) if stream else len(text)

    def flush(self) -> None:
        stream = self._before if self._said.closed else self._said
        if stream:
            stream.flush()


def _nameless(internal: Path) -> IO[str]:
    """A file that goes with the process, whatever becomes of it."""
    try:
        return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", dir=internal)
    except OSError as error:
        raise cannot_write(internal, error) from None


@contextmanager
def _descriptor(number: int, target: int) -> Iterator[None]:
    """File descriptor 1 or 2, to which libraries in C write, leads to ``target``."""
    stream = sys.__stdout__ if number == 1 else sys.__stderr__
    try:
        ours = stream is not None and stream.fileno() == number
    except (OSError, ValueError):
        ours = False
    if not ours:  # it was closed, and may be any file by now
        yield
        return
    if stream:
        stream.flush()
    before = os.dup(number)
    os.dup2(target, number)
    try:
        yield
    finally:
        os.dup2(before, number)
        os.close(before)
