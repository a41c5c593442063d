"""Selected tests, the state that a run leaves, and synth retry: real processes on the starter project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compiling import write
from processes import synth
from starting import quick_starter
from synth.api import Project
from test_run import edit

pytestmark = pytest.mark.slow

BROKEN = {
    "models/as_number.sql": "{{ config(materialized='table') }}"
    "select cast(region as {{ var('type') }}) as region from {{ ref('members') }}\n",
    "models/below.sql": "select count(*) as n from {{ ref('as_number') }}\n",
    "tests/below_is_there.sql": "select * from {{ ref('below') }} where n < 0\n",
    "tests/no_regions.sql": "select region from {{ ref('pressure_by_region') }}\n",
}


def ended(project: Path) -> dict[str, str]:
    """How each node of the last run ended."""
    found: dict[str, Any] = json.loads((project / "target" / "run_results.json").read_text())
    tested = {r["expectation"]["id"]: r["status"] for suite in found["suites"] for r in suite["results"]}
    return {r["model"]: r["status"] for r in found["results"]} | tested | dict.fromkeys(found["skipped"], "skipped")


def listed(project: Path, *arguments: str) -> list[str]:
    result = synth(project, "ls", "--output", "name", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted once, with a model that fails, a child, and two tests."""
    project = write(quick_starter(tmp_path_factory.mktemp("retry") / "clinic"), BROKEN)
    result = synth(project, "build", "--vars", "{type: integer}")
    assert result.returncode == 1, result.stdout + result.stderr
    return project


def test_retry_does_again_what_failed_or_was_skipped(project: Path) -> None:
    first = ended(project)
    bad = {
        "as_number": "error", "below": "skipped", "test.below_is_there": "skipped", "test.no_regions": "fail"
    }  # fmt: skip
    assert {name: status for name, status in first.items() if status not in ("pass", "success")} == bad
    said = ("--vars", "{type: integer}", "--indirect-selection", "empty", "--select")
    assert listed(project, *said, "result:error+") == ["as_number", "below", "below_is_there"]
    assert listed(project, *said, "result:fail result:skipped") == ["below", "below_is_there", "no_regions"]

    again = synth(project, "retry")
    assert again.returncode == 1
    assert ended(project) == bad

    edit(project / "models" / "as_number.sql", "cast", "try_cast")
    mended = synth(project, "retry")
    assert mended.returncode == 1, mended.stderr
    assert ended(project) == {
        "as_number": "success", "below": "success", "test.below_is_there": "pass", "test.no_regions": "fail",
    }  # fmt: skip

    edit(project / "tests" / "no_regions.sql", "}}", "}} where false")
    last = synth(project, "retry")
    assert last.returncode == 0, last.stdout + last.stderr
    assert ended(project) == {"test.no_regions": "pass"}
    args = json.loads((project / "target" / "run_results.json").read_text())["args"]
    assert args == {
        "which": "build", "target": "dev", "vars": {"type": "integer"}, "full_refresh": False, "empty": False,
        "store_failures": False, "docs": True, "defer": False, "state": None,
    }  # fmt: skip

    nothing = synth(project, "retry")
    assert (nothing.returncode, nothing.stderr) == (
        0,
        "Nothing to do: the last synth build left nothing\n    Say: synth build\n",
    )


def test_retry_of_tables_without_rows_is_free(tmp_path: Path) -> None:
    clinic = Project(quick_starter(tmp_path / "clinic"))
    done = clinic.run(empty=True)
    failed = tuple(result.model_copy(update={"status": "error"}) for result in done.results)
    again = clinic.retry(done.model_copy(update={"results": failed}))
    assert again.args == done.args and again.args.empty
    assert [(r.model, r.status) for r in again.results] == [("members", "success"), ("pressure_by_region", "success")]
    assert not clinic.ledger.history()


def test_a_test_that_is_selected_runs_alone_and_the_report_keeps_the_others(project: Path) -> None:
    said = ("--vars", "{type: varchar}")
    assert synth(project, "test", *said, "--select", "members").returncode == 0
    whole = json.loads((project / "target" / "validations" / "members.json").read_text())["results"]
    assert synth(project, "test", *said, "--select", "test_name:in_set,members").returncode == 0
    assert set(ended(project)) == {"members.sex.in_set", "members.smoker.in_set", "members.region.in_set"}
    kept = json.loads((project / "target" / "validations" / "members.json").read_text())["results"]
    assert [r["expectation"]["id"] for r in kept] == [r["expectation"]["id"] for r in whole]

    built = synth(project, "build", *said, "--select", "members", "--indirect-selection", "empty")
    assert built.returncode == 0, built.stderr
    assert ended(project) == {"members": "success"}
