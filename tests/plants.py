"""What goes wrong in a planted process: at a named function, when it is first called after the budget was reserved."""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from canary import CODE, NUMBER, WORD

Act = Callable[[], None]
HERE = globals()


def first(place: str, act: Act, reserved: bool = True) -> None:
    """``act()`` before the first call of the function at ``place``, such as numpy.unique or pandas.Series.to_numpy."""
    state = {"armed": not reserved}
    if reserved:
        _around("synth.privacy.ledger.Ledger.reserve", lambda: None, lambda: state.update(armed=True))

    def before() -> None:
        if state["armed"]:
            state["armed"] = False
            act()

    _around(place, before, lambda: None)


def _around(place: str, before: Act, after: Act) -> None:
    owner, name = _resolved(place)
    original = getattr(owner, name)

    @wraps(original)
    def planted(*arguments: Any, **named: Any) -> Any:
        before()
        found = original(*arguments, **named)
        after()
        return found

    setattr(owner, name, planted)


def _resolved(place: str) -> tuple[Any, str]:
    *path, name = place.split(".")
    for length in range(len(path), 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(path[:length]))
        except ModuleNotFoundError:
            continue
        for part in path[length:]:
            owner = getattr(owner, part)
        return owner, name
    raise ModuleNotFoundError(place)


def raises(kind: type[BaseException], *arguments: Any) -> Act:
    """An exception that quotes a cell: in its text, notes, cause and context, and in the variables of its frames."""

    def act() -> None:
        cell = f"{WORD} {NUMBER} {CODE}"  # noqa: F841
        error = kind(*(arguments or (f"invalid literal: '{WORD}' in row 17, {NUMBER}",)))
        error.add_note(f"the row was {WORD}")
        try:
            raise LookupError(f"{WORD} first")
        except LookupError as context:
            raise error from context

    return act


def says() -> None:
    """Cells in every stream but standard output, which belongs to the command line."""
    for stream in (sys.stderr, sys.__stderr__):
        stream.write(f"{WORD} {NUMBER}\n")
        stream.flush()
    os.write(2, WORD.encode())
    ctypes.CDLL(None).perror(WORD.encode())
    for category in (UserWarning, RuntimeWarning, DeprecationWarning, FutureWarning):
        warnings.warn(f"overflow at {WORD} {NUMBER}", category, stacklevel=1)
    for name in ("", "torch", "opacus", "duckdb"):
        logging.getLogger(name).critical("%s %s", WORD, NUMBER)
    thread = threading.Thread(target=raises(ValueError))
    thread.start()
    thread.join()
    Unraisable()


class Unraisable:
    def __del__(self) -> None:
        raise ValueError(WORD)


def strikes(blow: signal.Signals) -> Act:
    return lambda: os.kill(os.getpid(), blow)


def crashes() -> None:
    """As a library in C that gives up, where core dumps are on."""
    os.write(2, WORD.encode())
    os.abort()


def allow_core_dumps() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def confess(error: BaseException) -> None:
    """Writes to standard output what a debugger, or a service that collects errors, finds from an exception."""
    reached: dict[int, Any] = {}  # by id; held, so that none is given again
    waiting: list[Any] = [error]
    while waiting:
        found = waiting.pop()
        if id(found) in reached or isinstance(found, type | ModuleType):
            continue
        reached[id(found)] = found
        sys.stdout.buffer.write(found.tobytes() if isinstance(found, np.ndarray) else f"{found!r}\n".encode())
        if isinstance(found, BaseException):
            frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__)]
            waiting += [
                f.f_locals for f in frames if Path(f.f_code.co_filename).is_absolute() and f.f_globals is not HERE
            ]
            waiting += [found.__cause__, found.__context__, *found.args]
        elif isinstance(found, Mapping):
            waiting += found.values()
        elif isinstance(found, list | tuple | set):
            waiting += found
        waiting += [cell.cell_contents for cell in getattr(found, "__closure__", None) or ()]
        waiting += [vars(found)] if hasattr(found, "__dict__") and not callable(found) else []
    sys.stdout.flush()


def fills_the_disk(place: str) -> None:
    """No file can grow beyond ten bytes while the function at ``place`` is at work."""
    owner, name = _resolved(place)
    original = getattr(owner, name)

    def planted(*arguments: Any, **named: Any) -> Any:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        try:
            return original(*arguments, **named)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    setattr(owner, name, planted)
