"""One tree of errors. Each says where, what, and what to do; none carries a value of a private table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

SECRET = "SYNTH_ENV_SECRET_"  # before the name of a variable of the environment whose value is never shown
# of a server's address, in which the user and the password may be Jinja
_PASSWORD = re.compile(r"(://(?:\{\{.*?\}\}|[^\s:/@{])*:)(?:\{\{.*?\}\}|\S)+(?=@)|(password=)[^\s&'\"]+", re.IGNORECASE)


def no_secrets(text: str) -> str:
    """Without the values of secret variables; where one is a part of another, without the whole."""
    values = {value for name, value in os.environ.items() if name.startswith(SECRET) and value}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def masked(text: str) -> str:
    """Text that may hold the address of a server, without the password in it."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", text)


@dataclass(frozen=True, order=True)
class Place:
    """A position in a file of the project; ``line`` and ``column`` count from 1, 0 means the whole file."""

    file: str
    line: int = 0
    column: int = 0
    text: str = ""  # that line of the file

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake of a project: where it is, what is wrong, what to do about it."""

    place: Place
    what: str
    fix: str = ""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.what}"]
        if self.place.text.strip():
            before = masked(self.place.text[: self.place.column - 1])
            lines += [f"    {masked(self.place.text.rstrip())}", "    " + " " * len(before) + "^"]
        if self.fix:
            lines.append(f"    {self.fix}")
        return "\n".join(lines)


class SynthError(Exception):
    """Anything the user can do something about. ``exit_code`` is what the command line returns, ``word`` how it begins."""

    exit_code = 1
    word = "Error"

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return no_secrets(f"{self.what}\n    {self.fix}" if self.fix else self.what)


class ProjectError(SynthError):
    """The project is wrong: every problem that was found, in the order of the files."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(SynthError):
    """A flag, a selector or a name on the command line is wrong."""

    exit_code = 2


class NothingToDo(UsageError):
    """What was asked for is known, and nothing is in that state: no mistake."""

    exit_code = 0
    word = "Nothing to do"


class BudgetError(SynthError):
    """The privacy budget refuses."""

    exit_code = 3


class LedgerError(BudgetError):
    """The ledger cannot be read, or was changed by something other than synth."""


class RunError(SynthError):
    """A model could not be built. Its message never quotes data."""


def where(error: BaseException) -> str:
    """The kind of an unexpected error and the place in the code that raised it: its message could quote data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"
