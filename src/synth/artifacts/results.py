"""What a run and a test leave behind: plain values, JSON in and out."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from synth.artifacts.plan import NOT_PRIVATE, Artifact

# What a figure in a report comes from. There is no word for real rows: what is computed on them and not paid for stays in
# the private zone, and a report without the word is a value that cannot be made.
FigureSource = Literal["synthetic rows", "paid", "declared"]


STATUSES = {"error": "Error", "fail": "Failed", "warn": "Warning", "pass": "Passed"}  # as pages call them, worst first


class Expectation(Artifact):
    """One check of a table, compiled to SQL that selects the rows (or groups) that break it."""

    id: str  # stable, unique in the project: "admissions.insurance.in_set"
    model: str
    column: str | None
    type: str  # great_expectations' name: "expect_column_values_to_be_in_set"
    kwargs: dict[str, Any]  # great_expectations' keyword arguments, from the declaration only
    description: str  # a sentence for the reader: "insurance is one of 5 declared values"
    sql: str  # selects the rows that break the expectation
    sql_path: str  # where that SQL lies, relative to the project
    severity: Literal["error", "warn"] = "error"
    error_if: str = "!= 0"  # of the failures
    warn_if: str = "!= 0"
    fail_calc: str = "count(*)"  # SQL over the rows that break it
    limit: int | None = None  # no more of them are looked for
    store_failures: bool | None = None  # as a table; None: as the command says
    not_private: bool = False  # whether it reads rows that are made without differential privacy

    @property
    def stored_as(self) -> str:
        """The table of the rows that break it, where they are kept; it says so where these are not private."""
        name = "".join(c if c.isalnum() else "_" for c in self.id)
        return f"{NOT_PRIVATE}{name}" if self.not_private and NOT_PRIVATE not in name else name

    def judging_sql(self, relation: str) -> str:
        """One row about the rows that break it, which are those of a relation: failures, and by which they fail it or warn."""
        return (
            f"with found as (select {self.fail_calc} as failures from {relation}) select coalesce(failures, 0), "
            f"(failures {self.error_if}), (failures {self.warn_if}) from found"
        )

    @property
    def digest(self) -> str:
        """SHA-256 over all of it: what was judged by another declaration has another."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def limited_sql(self) -> str:
        return f"{self.sql}\nlimit {self.limit}" if self.limit else self.sql


class Judged(Artifact):
    """What was found of an expectation."""

    rows: int  # looked at
    failures: int
    fails: bool  # by its error_if
    warns: bool  # by its warn_if
    stored: str | None = None


class ExpectationResult(Artifact):
    expectation: Expectation
    status: Literal["pass", "fail", "warn", "error"]
    rows: int  # rows looked at
    failures: int  # rows that break it, or what fail_calc makes of them
    stored: str | None = None  # the table that keeps them

    @property
    def observed(self) -> str:
        """What was found, in words."""
        verb = "differ" if self.expectation.id.startswith("unit_test.") else "break"
        one = self.failures == 1
        return (
            self.message
            or f"{self.failures:,} {'row' if one else 'rows'} {verb}{'s' if one else ''}{' it' * (verb == 'break')}"
        )

    seconds: float
    message: str | None = None


class SuiteResult(Artifact):
    """The expectations of one table, judged."""

    model: str
    relation: str  # "synthetic.admissions"
    description: str
    source: FigureSource  # of every figure in the results
    run_time: str  # ISO 8601, UTC
    results: tuple[ExpectationResult, ...]


class RunResult(Artifact):
    """One model of a run."""

    model: str
    kind: Literal["synthetic", "public"]
    status: Literal["success", "error", "refused", "skipped"]  # refused: by the privacy budget
    seconds: float  # to a tenth
    rows: int | None = None
    epsilon: float | None = None  # what this run paid, also where it failed then; 0 where a fitted generator was reused
    reused: bool = False
    message: str | None = None


class ApartResult(Artifact):
    """Whether the SQL behind a synthetic model kept people apart, on the rows that are there."""

    model: str
    status: Literal["pass", "fail", "error"]
    columns: tuple[str, ...] = ()  # in which rows of others moved
    details: str | None = None  # a private file, relative to the project
    message: str | None = None  # of an error


class Invocation(Artifact):
    """How a command was called: what it takes to say it again."""

    which: Literal["run", "test", "build"]
    target: str
    vars: dict[str, Any]
    full_refresh: bool = False
    empty: bool = False
    store_failures: bool = False
    docs: bool = True
    defer: bool = False
    state: str | None = None  # seen from the project's folder


class Results(Artifact):
    """``run_results.json``: what a run or a test did, with dbt's key names where dbt has the thing."""

    schema_version: Literal["synth/run-results/v1"] = "synth/run-results/v1"
    invocation_id: str
    generated_at: str  # ISO 8601, UTC
    elapsed_time: float  # seconds, to a tenth: how long a run takes is not noised
    args: Invocation
    results: tuple[RunResult, ...] = ()
    suites: tuple[SuiteResult, ...] = ()
    skipped: tuple[str, ...] = ()  # ids of expectations that were not judged: their table is not there

    @property
    def refused(self) -> bool:
        return any(r.status == "refused" for r in self.results)

    @property
    def failed(self) -> bool:
        judged = (r.status for suite in self.suites for r in suite.results)
        return any(r.status in ("error", "refused") for r in self.results) or any(
            s in ("fail", "error") for s in judged
        )
