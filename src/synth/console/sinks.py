"""Where the command line's words go: a terminal, JSON lines for a program, and a log file that turns over."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import click

from synth.errors import no_secrets

LOG_BYTES, LOG_FILES = 10_000_000, 5  # of the log, and how many earlier ones stay
_REFRESH_SECONDS = 0.2

Level = Literal["info", "warn", "error"]
Line = str | tuple[str, str | None]  # with its color
_LEVELS: dict[str | None, Level] = {"red": "error", "yellow": "warn"}


@dataclass(frozen=True)
class Said:
    """What happened, in words and as figures."""

    name: str  # "finished"
    lines: tuple[tuple[str, str | None], ...]
    data: Mapping[str, Any] = field(default_factory=dict)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, name: str, lines: Iterable[Line], data: Mapping[str, Any]) -> Said:
        pairs = (line if isinstance(line, tuple) else (line, None) for line in lines)
        return cls(name, tuple((no_secrets(text), color) for text, color in pairs), data)

    @property
    def level(self) -> Level:
        """That of its worst line."""
        levels = {_LEVELS.get(color, "info") for _, color in self.lines}
        return "error" if "error" in levels else "warn" if "warn" in levels else "info"


class Sink(Protocol):
    def say(self, said: Said) -> None: ...
    def progress(self, text: str, line: bool = False) -> None: ...  # of work that goes on; line: of a long step of it


def _write(text: str, out: IO[str], **how: Any) -> None:
    """Who reads no more stops nothing, nor a disk that is full: a run goes on, and its log tells the rest."""
    try:
        click.echo(text, file=out, **how)
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


class Terminal:
    """Lines with a clock. On a terminal what goes on is shown on one line that is wiped afterwards, else long steps are lines."""

    def __init__(self, quiet: bool = False, out: IO[str] | None = None) -> None:
        self.quiet, self.out = quiet, out or sys.stdout
        self._live = self.out.isatty() and not quiet
        self._shown = 0.0

    def say(self, said: Said) -> None:
        for text, color in said.lines:
            if not self.quiet:
                self._wipe()
                clock = time.strftime("%H:%M:%S")
                _write(f"{clock}  {click.style(text, fg=color) if color else text}", self.out)
            elif color == "red":  # what failed is said all the same
                _write(text, sys.stderr)

    def progress(self, text: str, line: bool = False) -> None:
        if line and not self._live and not self.quiet:
            _write(f"{time.strftime('%H:%M:%S')}    {text}", self.out)
        now = time.monotonic()
        if self._live and now - self._shown > _REFRESH_SECONDS:
            self._shown = now
            _write(f"\r\x1b[2K          {text}", self.out, nl=False)

    def _wipe(self) -> None:
        if self._live:
            _write("\r\x1b[2K", self.out, nl=False)


class JsonLines:
    """An object a line, with dbt's keys: ``info`` (name, level, msg, ts, invocation_id) and ``data``."""

    def __init__(self, invocation_id: str, quiet: bool = False, out: IO[str] | None = None) -> None:
        self.invocation_id, self.quiet, self.out = invocation_id, quiet, out or sys.stdout

    def say(self, said: Said) -> None:
        if said.level == "error" or not self.quiet:
            _write(record(said, self.invocation_id), self.out)

    def progress(self, text: str, line: bool = False) -> None: ...


class _Rotating(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None: ...


class LogFile:
    """The same in a file, always, which nobody waits for: a log that cannot be written stops no run."""

    def __init__(self, path: Path, invocation_id: str) -> None:
        self.path, self.invocation_id = path, invocation_id

    def say(self, said: Said) -> None:
        text = record(said, self.invocation_id)
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(_Rotating(self.path, "a", LOG_BYTES, LOG_FILES, "utf-8")) as file:
                file.emit(logging.LogRecord("synth", logging.INFO, "", 0, text, None, None))

    def progress(self, text: str, line: bool = False) -> None: ...


def record(said: Said, invocation_id: str) -> str:
    info = {
        "name": said.name, "level": said.level, "msg": "\n".join(text for text, _ in said.lines),
        "ts": said.time.isoformat(timespec="milliseconds"), "invocation_id": invocation_id,
    }  # fmt: skip
    return json.dumps(_plain({"info": info, "data": said.data}), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON has, without secrets, before it is spelled in a way that hides one."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else no_secrets(str(value))
