"""Run and test in DAG order: what fails holds its children back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from synth.artifacts.compiled import Compiled
from synth.artifacts.results import Expectation, ExpectationResult, Results, RunResult, SuiteResult
from synth.errors import RunError
from synth.runtime.listener import Listener
from synth.runtime.runner import Runner
from synth.runtime.warehouse import Warehouse
from synth.validation.judge import judge

SINGULAR = "singular_tests"  # the suite of tests that are not a table's own


@dataclass(frozen=True)
class Wanted:
    """What to do: models in order, singular tests, and whether to run, to test, or both."""

    models: tuple[str, ...]
    tests: tuple[str, ...]
    run: bool
    test: bool


@dataclass
class Build:
    compiled: Compiled
    runner: Runner
    warehouse: Warehouse
    listener: Listener
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    failed: set[str] = field(default_factory=set)  # models that failed, were skipped, or whose tests failed
    results: list[RunResult] = field(default_factory=list)
    suites: list[SuiteResult] = field(default_factory=list)
    singular: list[ExpectationResult] = field(default_factory=list)

    def all(self, wanted: Wanted) -> Results:
        started = time.monotonic()
        waiting = list(wanted.tests)
        for number, name in enumerate(wanted.models, 1):
            if wanted.run:
                self._run(name, number, len(wanted.models))
            if wanted.test and name in self.compiled.synthetic and name not in self.failed:
                self._suite(name)
            later = set(wanted.models[number:])
            ready = [t for t in waiting if not later & set(self.compiled.tests[t].parents)]
            self._singular(ready)
            waiting = [t for t in waiting if t not in ready]
        self._singular(waiting)
        if wanted.test and not wanted.run and not self.suites and not self.singular:
            raise RunError("nothing of the selection is built", "Run: synth build")
        if self.singular:
            self._keep(SINGULAR, "tests over one or more tables", "The project's singular tests", self.singular)
        return Results(
            invocation_id=self.run_id, generated_at=_now(), elapsed_time=round(time.monotonic() - started, 1),
            results=tuple(self.results), suites=tuple(self.suites),
        )  # fmt: skip

    def _run(self, name: str, number: int, total: int) -> None:
        relation = self.compiled.relation(name)
        held_back = sorted(self.failed & set(self.compiled.parents[name]))
        if held_back:
            kind = "synthetic" if name in self.compiled.synthetic else "public"
            result = RunResult(model=name, kind=kind, status="skipped", seconds=0, message=f"{held_back[0]} failed")
        else:
            self.listener.started(number, total, relation)
            result = self.runner.build(name)
        if result.status != "success":
            self.failed.add(name)
        self.results.append(result)
        self.warehouse.log_run(self.run_id, result)
        self.listener.finished(number, total, relation, result, self.runner.spent(name))

    def _suite(self, name: str) -> None:
        model = self.compiled.synthetic[name]
        if not self.warehouse.has(model.relation):
            self.listener.note(f"{model.relation} is not built: skipped")
            return
        results = self._judge(model.relation, self.compiled.expectations[name])
        self._keep(name, model.relation, model.told, results)
        if any(r.status in ("fail", "error") for r in results):
            self.failed.add(name)

    def _singular(self, names: Iterable[str]) -> None:
        for name in names:
            test = self.compiled.tests[name]
            unbuilt = [p for p in test.parents if not self.warehouse.has(self.compiled.relation(p))]
            if not unbuilt and not self.failed & set(test.parents):
                results = self._judge("", [test.expectation])
                self.singular += results
                self.failed |= set(test.parents) if any(r.status in ("fail", "error") for r in results) else set()

    def _judge(self, relation: str, expectations: Iterable[Expectation]) -> list[ExpectationResult]:
        results = list(judge(self.warehouse, relation, expectations))
        for result in results:
            self.warehouse.log_test(self.run_id, result)
            examples = self.warehouse.examples(result.expectation) if result.status in ("fail", "warn") else None
            self.listener.tested(result, examples)
        return results

    def _keep(self, model: str, relation: str, description: str, results: Iterable[ExpectationResult]) -> None:
        self.suites.append(
            SuiteResult(
                model=model, relation=relation, description=description, run_time=_now(), results=tuple(results)
            )
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
