"""Reservations for tests of the ledger, and real processes that make them: to be raced, killed and run out of disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.artifacts.budget import Budget
from synth.artifacts.plan import Gaussian, Privacy
from synth.errors import BudgetError, LedgerError
from synth.privacy.accounting import epsilon
from synth.privacy.ledger import Ledger, Receipt

BUDGET = Budget(epsilon=3.0, delta=1e-6, approver="The board")
DELTA = BUDGET.delta


def gaussian(noise: float) -> Gaussian:
    return Gaussian(name="sum", noise_multiplier=noise)


def privacy(noise: float = 20.0, population: str = "patients", **changes: Any) -> Privacy:
    """The privacy of a plan with one noisy sum."""
    events = (gaussian(noise),)
    values = {"unit": "subject_id", "units": 1000, "max_rows_per_unit": 10, "delta": DELTA} | changes
    return Privacy(population=population, epsilon=epsilon(events, DELTA), events=events, **values)


def reserve(
    ledger: Ledger,
    noise: float = 20.0,
    budget: Budget = BUDGET,
    population: str = "patients",
    model: str = "admissions",
) -> Receipt:
    return ledger.reserve(budget, model, "plan 1", privacy(noise, population))


@dataclass(frozen=True)
class Job:
    """What one process does: ``attempts`` reservations, each spent after ``rest`` seconds."""

    ledger: str
    noise: float = 200.0
    cap: float = 900.0
    population: str = "patients"
    attempts: int = 1
    rest: float = 0.0
    spends: bool = True
    bookmark: str | None = None
    dies_at: int | None = (
        None  # SIGKILL before that SQL statement, counted from 1; 0: when the reservation has returned
    )
    most_bytes: int | None = None  # of any file: what a full disk is to a process that may not fill one
    most_pages: int | None = None  # of the database


@dataclass(frozen=True)
class Told:
    """What a process said before it ended or was killed, and how it ended: 0, or minus a signal."""

    words: list[list[Any]]
    ending: int

    def of(self, word: str) -> list[list[Any]]:
        return [rest for first, *rest in self.words if first == word]


class Processes:
    """A process that forks one for each job, so that none has to import anything."""

    def __init__(self) -> None:
        paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), *sys.path]))
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._read() == ["ready"]
        self._running: list[int] = []  # process ids
        self._said: list[list[Any]] = []

    def start(self, job: Job) -> int:
        """Its process id; it may be killed."""
        self._write(asdict(job))
        while (line := self._read())[0] != "started":
            self._said.append(line)
        self._running.append(line[1])
        return self._running[-1]

    def wait(self) -> list[Told]:
        """What each process that was started told, in that order, when all have ended."""
        self._write(None)
        while sum(line[0] == "ended" for line in self._said) < len(self._running):
            self._said.append(self._read())
        told = []
        for pid in self._running:
            *words, (_, ending) = [[kind, *rest] for kind, of, *rest in self._said if of == pid]
            told.append(Told(words, ending))
        self._running, self._said = [], []
        return told

    def run(self, *jobs: Job) -> list[Told]:
        for job in jobs:
            self.start(job)
        return self.wait()

    def close(self) -> None:
        for pid in self._running:  # of a test that failed
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.communicate()
        assert self._process.returncode == 0

    def _read(self) -> list[Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.endswith("\n"), f"the process that starts the others is gone: {line!r}"
        return list(json.loads(line))

    def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()


# ---------------------------------------------------------------- in the processes


def serve() -> None:
    """Forks for each job on stdin; null waits for all that run. Answers are lines on stdout, written whole."""
    epsilon([gaussian(20.0)], DELTA)  # imports what is imported late
    _say("ready")
    running = 0
    for line in sys.stdin:
        fields = json.loads(line)
        if fields is None:
            for _ in range(running):
                pid, status = os.wait()
                _say("ended", pid, os.waitstatus_to_exitcode(status))
            running = 0
        elif pid := os.fork():
            running += 1
            _say("started", pid)
        else:
            work(Job(**fields))
            os._exit(0)


def work(job: Job) -> None:
    _instrument(job)
    budget = Budget(epsilon=job.cap, delta=DELTA, approver="x")
    bookmark = Path(job.bookmark) if job.bookmark else None
    for _ in range(job.attempts):
        try:
            receipt = Ledger(Path(job.ledger), bookmark).reserve(
                budget, "admissions", "plan 1", privacy(job.noise, job.population)
            )
            if job.dies_at == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            _tell("reserved", *receipt)
            time.sleep(job.rest)
            if job.spends:
                Ledger(Path(job.ledger), bookmark).spend(receipt.id, "source", "generator")
                _tell("spent", receipt.id)
        except LedgerError as error:
            _tell("failed", str(error))
        except BudgetError:
            _tell("refused")


def _instrument(job: Job) -> None:
    """Limits of this process, and its end at a statement. The ledger's own code runs as it is."""
    if job.most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.most_bytes, job.most_bytes))
    connect, seen = sqlite3.connect, 0

    def trace(statement: str) -> None:
        nonlocal seen
        seen += 1
        if seen == job.dies_at:
            _tell("dies before", statement)
            os.kill(os.getpid(), signal.SIGKILL)

    def instrumented(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        database = connect(*args, **kwargs)
        if job.most_pages is not None:
            database.execute(f"PRAGMA max_page_count = {job.most_pages}")
        if job.dies_at:
            database.set_trace_callback(trace)
        return database

    sqlite3.connect = instrumented  # type: ignore[assignment]


def _tell(word: str, *values: Any) -> None:
    _say(word, os.getpid(), *values)


def _say(*values: Any) -> None:
    os.write(1, (json.dumps(values) + "\n").encode())  # at once, so that lines of several processes do not mix


if __name__ == "__main__":
    serve()
