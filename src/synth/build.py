"""Run and test in DAG order: what fails holds its children back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from synth.artifacts.compiled import Compiled, PublicModel, SyntheticModel
from synth.artifacts.results import Expectation, ExpectationResult, Invocation, Results, RunResult, SuiteResult
from synth.errors import RunError
from synth.runtime.built import made, made_since
from synth.runtime.listener import Listener
from synth.runtime.warehouse import Warehouse
from synth.validation.judge import judge

if TYPE_CHECKING:
    from synth.runtime.runner import Runner

SINGULAR = "singular_tests"  # the suite of tests that are not a table's own
UNIT = "unit_tests"  # that of made-up rows
SUITES = (SINGULAR, UNIT)


@dataclass(frozen=True)
class Wanted:
    """What to do: models to make, by name and in order, and tests to judge, by their nodes' ids."""

    models: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass
class Build:
    compiled: Compiled
    runner: Runner | None  # None where nothing is made
    warehouse: Warehouse
    listener: Listener
    fail_fast: bool = False  # after the first failure nothing more is made or judged
    store_failures: bool = False  # of tests that do not say otherwise
    unmade: set[str] = field(default_factory=set)  # models that failed or were skipped: their tests are skipped
    failed: set[str] = field(default_factory=set)  # and those whose tests failed: their children are skipped
    results: list[RunResult] = field(default_factory=list)
    suites: list[SuiteResult] = field(default_factory=list)
    singular: list[ExpectationResult] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # ids of expectations
    looked_at: set[str] = field(default_factory=set)  # tables of which it is known whether they are there, and of today

    def all(self, wanted: Wanted, args: Invocation) -> Results:
        started = time.monotonic()
        self._units(test for test in wanted.tests if test in self.compiled.unit_tests)
        waiting = [test for test in wanted.tests if test not in self.compiled.unit_tests]
        for number, name in enumerate(wanted.models, 1):
            self._run(name, number, len(wanted.models))
            later = set(wanted.models[number:])
            ready = [t for t in waiting if not later & set(self.compiled.parents[t])]
            self._test(ready)
            waiting = [t for t in waiting if t not in ready]
        self._test(waiting)
        self._left_behind(self.compiled.synthetic if wanted.models else ())
        if not self.results and not self.suites and not self.singular:
            raise RunError("nothing of the selection is built", "Run: synth build")
        return self._so_far(args, time.monotonic() - started)

    def cut_off(self, wanted: Wanted, args: Invocation) -> Results:
        """What was done where ``all`` was cut off; all that was left is skipped."""
        paid = self.runner.paid if self.runner else {}
        for name in wanted.models[len(self.results) :]:
            kind: Literal["synthetic", "public"] = "synthetic" if name in self.compiled.synthetic else "public"
            result = RunResult(
                model=name,
                kind=kind,
                status="skipped",
                seconds=0,
                epsilon=paid.get(name),
                message="the run was cut off",
            )
            self.results.append(result)
        judged = {r.expectation.id for r in (*self.singular, *(r for suite in self.suites for r in suite.results))}
        known = self.compiled.judged
        ids = [known[test].id for test in wanted.tests]
        self.skipped += [id for id in ids if id not in judged and id not in self.skipped]
        return self._so_far(args, 0)

    def _so_far(self, args: Invocation, seconds: float) -> Results:
        if self.singular:
            self._keep(SINGULAR, "tests over one or more tables", "The project's singular tests", self.singular)
        return Results(
            invocation_id=self.listener.invocation_id, generated_at=_now(), args=args, elapsed_time=round(seconds, 1),
            results=tuple(self.results), suites=tuple(self.suites), skipped=tuple(self.skipped),
        )  # fmt: skip

    def _run(self, name: str, number: int, total: int) -> None:
        assert self.runner is not None
        relation = self.compiled.relation(name)
        held_back = sorted(self.failed & {name, *self.compiled.parents[name]})
        if held_back or self._stopped:
            kind = "synthetic" if name in self.compiled.synthetic else "public"
            what = f"a unit test of {name}" if held_back and held_back[0] == name else next(iter(held_back), "")
            why = f"{what} failed" if held_back else "stopped at the first failure"
            result = RunResult(model=name, kind=kind, status="skipped", seconds=0, message=why)
        else:
            self.listener.started(number, total, relation)
            result = self.runner.build(name)
        if result.status != "success":
            self.unmade.add(name)
            self.failed.add(name)
        self.results.append(result)
        self.warehouse.log_run(self.listener.invocation_id, result)
        self.listener.finished(number, total, relation, result, self.runner.spent(name))

    def _units(self, ids: Iterable[str]) -> None:
        """Models of made-up rows, each in a database of its own: no table has to be there."""
        results: list[ExpectationResult] = []
        for test in ids:
            unit = self.compiled.unit_tests[test]
            if self._stopped:
                self.skipped.append(unit.expectation.id)
                continue
            with Warehouse(None, threads=1, memory_limit="1GB") as scratch:
                results += self._judge("", [unit.expectation], scratch, unit.setup)
            if results[-1].status in ("fail", "error"):
                self.failed.add(unit.model)
        if results:
            self._keep(UNIT, "made-up rows", "The project's unit tests", results)

    def _test(self, ids: Iterable[str]) -> None:
        """Judges tests whose models were made, those of one table together; the others are skipped."""
        checks, nodes = self.compiled.checks, self.compiled.manifest.nodes
        generic: dict[str, list[Expectation]] = {}
        singular, ids = [], tuple(ids)
        self._look(ids)
        for test in ids:
            if self.unmade & set(self.compiled.parents[test]):
                self.skipped.append(checks[test].id)
            elif nodes[test].test_type == "generic":
                generic.setdefault(checks[test].model, []).append(checks[test])
            else:
                singular.append(test)
        for name, expectations in generic.items():
            if self._stopped:
                self.skipped += [e.id for e in expectations]
            else:
                self._suite(name, expectations)
        for test in singular:
            if self._stopped:
                self.skipped.append(checks[test].id)
            else:
                self._singular(test, checks[test])

    @property
    def _stopped(self) -> bool:
        return self.fail_fast and bool(self.failed)

    def _look(self, tests: Iterable[str]) -> None:
        """Says once of each table that the tests read whether it is there, and is of the declaration that they judge by."""
        read = dict.fromkeys(name for test in tests for name in self.compiled.parents[test])
        for name in (n for n in read if n not in self.compiled.deferred and n not in self.unmade | self.looked_at):
            self.looked_at.add(name)
            model = self.compiled.synthetic.get(name)
            if not self.warehouse.has(self.compiled.relation(name)):
                self.unmade.add(name)
                self.listener.note(f"tests that read {self.compiled.relation(name)} are skipped: it is not built")
            elif model and self.warehouse.outdated(model):
                self.listener.note(
                    f"{model.relation} was made of an earlier declaration, and is judged by today's. synth run --select {name} "
                    "makes it anew; what that costs, synth plan says."
                )
        if not self.runner:
            self._left_behind(read)

    def _left_behind(self, names: Iterable[str]) -> None:
        """Says of which of the tables the rows above were made anew after their own."""
        linked = [m for name in names if (m := self.compiled.synthetic.get(name)) and self.compiled.above(m.name)]
        when = made(self.warehouse) if linked else {}
        for model in (m for m in linked if m.name not in self.unmade):
            if above := made_since(when, model.name, self.compiled.above(model.name)):
                self.listener.note(
                    f"{model.relation} is older than {', '.join(map(self.compiled.relation, above))}, whose rows its own are "
                    f"below, so that they may not go together. synth run --select {model.name} makes it anew; what that costs, "
                    "synth plan says."
                )

    def _suite(self, name: str, expectations: Iterable[Expectation]) -> None:
        model: SyntheticModel | PublicModel = self.compiled.synthetic.get(name) or self.compiled.public[name]
        results = self._judge(model.relation, expectations)
        self._keep(name, model.relation, model.told, results)
        if any(r.status in ("fail", "error") for r in results):
            self.failed.add(name)

    def _singular(self, test: str, expectation: Expectation) -> None:
        results = self._judge("", [expectation])
        self.singular += results
        if any(r.status in ("fail", "error") for r in results):
            self.failed |= set(self.compiled.parents[test])

    def _judge(
        self, relation: str, expectations: Iterable[Expectation], tables: Warehouse | None = None,
        setup: Sequence[str] = (),
    ) -> list[ExpectationResult]:  # fmt: skip
        """In the target's database, or in ``tables`` after its ``setup``."""
        tables = tables or self.warehouse
        store = self.store_failures and tables is self.warehouse
        results = list(judge(tables, relation, expectations, store, setup))
        self.warehouse.log_tests(self.listener.invocation_id, results)
        for result in results:
            examples = tables.examples(result.expectation) if result.status in ("fail", "warn") else None
            self.listener.tested(result, examples)
        return results

    def _keep(self, model: str, relation: str, description: str, results: Iterable[ExpectationResult]) -> None:
        self.suites.append(
            SuiteResult(
                model=model, relation=relation, description=description, source="synthetic rows", run_time=_now(),
                results=tuple(results),
            )
        )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
