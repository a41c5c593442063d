"""Runs expectations as DuckDB SQL over synthetic tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import duckdb

from synth.artifacts.results import Expectation, ExpectationResult, Judged


class Tables(Protocol):
    """What is judged: counts of broken rows per expectation, and a few synthetic rows to look at."""

    def judge(self, expectation: Expectation, relation: str, store: bool = False) -> Judged: ...
    def prepare(self, statements: Sequence[str]) -> None: ...
    def examples(self, expectation: Expectation, limit: int = 5) -> tuple[list[str], list[tuple[Any, ...]]]: ...


def judge(
    tables: Tables, relation: str, expectations: Iterable[Expectation], store: bool = False, setup: Sequence[str] = (),
) -> tuple[ExpectationResult, ...]:  # fmt: skip
    """``relation``: whose rows are counted, such as synthetic."admissions"; "" for a test over several tables.

    ``store``: what breaks a test that does not say otherwise is kept as a table; ``setup``: what is said to the database before.
    """
    return tuple(_one(tables, relation, expectation, store, setup) for expectation in expectations)


def _one(
    tables: Tables, relation: str, expectation: Expectation, store: bool, setup: Sequence[str]
) -> ExpectationResult:
    started = time.monotonic()
    try:
        tables.prepare(setup)
        found = tables.judge(expectation, relation, store)
    except duckdb.InterruptException:  # Ctrl-C
        raise
    except duckdb.Error as error:
        message = str(error).splitlines()[0]  # synthetic rows only: DuckDB's words may be shown
        seconds = time.monotonic() - started
        return ExpectationResult(
            expectation=expectation, status="error", rows=0, failures=0, seconds=seconds, message=message
        )
    fails = found.fails and expectation.severity == "error"
    return ExpectationResult(
        expectation=expectation, status="fail" if fails else "warn" if found.warns else "pass", rows=found.rows,
        failures=found.failures, seconds=time.monotonic() - started, stored=found.stored,
    )  # fmt: skip
