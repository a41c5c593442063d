"""Our judged expectations as great_expectations' own objects.

Nothing here reads data: the SQL was run elsewhere and the counts are ours. A result never carries the value of a cell,
which great_expectations' own SUMMARY results would.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from synth.artifacts.results import Expectation, ExpectationResult, SuiteResult
from synth.validation.gx import (
    VERSION,
    ExpectationConfiguration,
    ExpectationSuite,
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
    FailureSeverity,
)

SEVERITY = {"error": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}


def to_expectation_suite(suite: SuiteResult) -> ExpectationSuite:
    """What was expected of the table. Raises pydantic's ValidationError where great_expectations refuses a kwarg."""
    expectations = [_configuration(result.expectation) for result in suite.results]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints where a query does not name {batch}
        return ExpectationSuite(name=suite.model, expectations=expectations, meta=_meta(suite))


def to_validation_result(suite: SuiteResult) -> ExpectationSuiteValidationResult:
    """What came out. A warning counts as an unsuccessful expectation, but fails no suite, as in ``synth test``."""
    passed = sum(result.status == "pass" for result in suite.results)
    total = len(suite.results)
    return ExpectationSuiteValidationResult(
        success=all(result.status in ("pass", "warn") for result in suite.results),
        results=[_result(result) for result in suite.results],
        suite_name=suite.model,
        statistics={
            "evaluated_expectations": total,
            "successful_expectations": passed,
            "unsuccessful_expectations": total - passed,
            "success_percent": 100 * passed / total if total else None,
        },
        meta=_meta(suite),
    )


def _meta(suite: SuiteResult) -> dict[str, Any]:
    return {
        "great_expectations_version": VERSION,
        "description": suite.description,
        "active_batch_definition": {"data_asset_name": suite.relation},
        "run_id": {"run_name": suite.run_time, "run_time": suite.run_time},
    }


def _configuration(expectation: Expectation) -> ExpectationConfiguration:
    kwargs = {**expectation.kwargs}
    rule = kwargs.pop("description", "")  # a field of its own there
    sentences = [expectation.description, "" if rule in expectation.description else rule]
    if expectation.column is not None and expectation.type.startswith("expect_column"):
        kwargs["column"] = expectation.column
    if expectation.type == "unexpected_rows_expectation":
        kwargs["unexpected_rows_query"] = _format_string(kwargs.get("unexpected_rows_query") or expectation.sql)
    return ExpectationConfiguration(
        type=expectation.type,
        kwargs=kwargs,
        description=": ".join(filter(None, sentences)),
        severity=SEVERITY[expectation.severity],
        meta={"id": expectation.id, "sql_path": expectation.sql_path, "sql": expectation.sql},
    )


def _format_string(sql: str) -> str:
    """great_expectations reads a query as a format string, in which only {batch} is meant."""
    return sql.replace("{", "{{").replace("}", "}}").replace("{{batch}}", "{batch}")


def _result(result: ExpectationResult) -> ExpectationValidationResult:
    raised = result.status == "error"
    return ExpectationValidationResult(
        success=result.status == "pass",
        expectation_config=_configuration(result.expectation),
        result={} if raised else _counts(result),
        meta={"status": result.status, "seconds": result.seconds, "message": result.message},
        exception_info={
            "raised_exception": raised,
            "exception_message": result.message if raised else None,
            "exception_traceback": None,
        },
    )


def _counts(result: ExpectationResult) -> dict[str, Any]:
    """Counts of rows under great_expectations' names; a singular test may find more rows than its table has."""
    if result.expectation.type.startswith("expect_table_row_count"):
        return {"observed_value": result.rows}
    if result.failures > result.rows:
        return {"observed_value": result.failures}
    return {
        "element_count": result.rows,
        "unexpected_count": result.failures,
        "unexpected_percent": 100 * result.failures / result.rows if result.rows else 0.0,
    }
