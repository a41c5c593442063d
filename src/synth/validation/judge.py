"""Runs expectations as DuckDB SQL over synthetic tables."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol

import duckdb

from synth.artifacts.results import Expectation, ExpectationResult


class Tables(Protocol):
    """What is judged: counts of broken rows per expectation, and a few synthetic rows to look at."""

    def judge(self, expectation: Expectation, relation: str) -> tuple[int, int]: ...
    def examples(self, expectation: Expectation, limit: int = 5) -> tuple[list[str], list[tuple[Any, ...]]]: ...


def judge(tables: Tables, relation: str, expectations: Iterable[Expectation]) -> tuple[ExpectationResult, ...]:
    """``relation``: whose rows are counted, such as synthetic."admissions"; "" for a test over several tables."""
    return tuple(_one(tables, relation, expectation) for expectation in expectations)


def _one(tables: Tables, relation: str, expectation: Expectation) -> ExpectationResult:
    started = time.monotonic()
    try:
        rows, failures = tables.judge(expectation, relation)
    except duckdb.Error as error:
        message = str(error).splitlines()[0]  # synthetic rows only: DuckDB's words may be shown
        seconds = time.monotonic() - started
        return ExpectationResult(
            expectation=expectation, status="error", rows=0, failures=0, seconds=seconds, message=message
        )
    bad = "warn" if expectation.severity == "warn" else "fail"
    return ExpectationResult(
        expectation=expectation, status=bad if failures else "pass", rows=rows, failures=failures,
        seconds=time.monotonic() - started,
    )  # fmt: skip
