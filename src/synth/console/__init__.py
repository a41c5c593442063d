"""What the command line says: dbt's lines, with rows and epsilon, in words and as JSON lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from synth.artifacts.compiled import ManifestNode
from synth.artifacts.forecast import Forecast
from synth.artifacts.freshness import FreshnessReport, SourceAge, SourceUnknown
from synth.artifacts.results import ApartResult, ExpectationResult, Results, RunResult
from synth.console.plans import COLORS, allowed, price, sentences, short, trusted, warning
from synth.console.sinks import Line, Said, Sink
from synth.console.tables import table
from synth.runtime.listener import Examples, Listener

if TYPE_CHECKING:
    from synth.privacy.ledger import PopulationSummary

_LINE = 86  # of a sentence
_LISTED = {
    "name", "resource_type", "package_name", "original_file_path", "unique_id", "zone", "tags", "config", "depends_on",
}  # fmt: skip


class Console(Listener):
    """Says how a build goes to those who look, and to the logs."""

    def __init__(self, shown: Sequence[Sink], logs: Sequence[Sink] = ()) -> None:
        self.shown, self.logs = shown, logs

    def say(self, name: str, *lines: Line, **data: Any) -> None:
        said = Said.of(name, lines, data)
        for sink in (*self.shown, *self.logs):
            sink.say(said)

    def log(self, name: str, line: Line, **data: Any) -> None:
        """What is shown elsewhere."""
        for sink in self.logs:
            sink.say(Said.of(name, [line], data))

    def warned(self, text: str) -> None:
        self.say("warned", (text, "red"))

    def planned(self, forecast: Forecast) -> None:
        """A line for each model; where a fit will happen, also what its table will be good for."""
        said: Any = {"model": True, "verdict": True, "reasons": True, "fit": {"epsilon", "delta"}}
        found = [m.model_dump(mode="json", include=said) for m in forecast.models]
        self.say("planned", *_planned(forecast), models=found)

    def started(self, number: int, total: int, what: str) -> None:
        self.say("started", f"{number} of {total} START  {what}", index=number, total=total, node=what)

    def progress(self, model: str, stage: str, step: int, steps: int) -> None:
        done = f" {step:,} of {steps:,}" if step else ""
        for sink in self.shown:
            sink.progress(f"{model}: {stage}{done}")

    def judging(self, model: str, what: str, number: int, total: int) -> None:
        """A step of minutes' work: a line of its own where no terminal shows how it goes on."""
        for sink in self.shown:
            sink.progress(f"{model}: {number} of {total}, {what}", line=True)

    def finished(
        self, number: int, total: int, relation: str, result: RunResult, spent: PopulationSummary | None
    ) -> None:
        lines = _finished(f"{number} of {total}", relation, result, spent)
        self.say("finished", *lines, index=number, total=total, node=relation, **result.model_dump(mode="json"))

    def tested(self, result: ExpectationResult, examples: Examples | None) -> None:
        expectation = result.expectation
        said = result.model_dump(mode="json", exclude={"expectation"})
        self.say("tested", *_tested(result, examples), test=expectation.id, sql_path=expectation.sql_path, **said)

    def checked(self, number: int, total: int, relation: str, result: ApartResult) -> None:
        """The verdict is for those who may read the rows: on the terminal alone, for others may read a log."""
        color = "green" if result.status == "pass" else "red"
        lines: list[Line] = [(f"{number} of {total} {result.status.upper()}  {relation}", color)]
        if result.status == "fail":
            where = ", ".join(result.columns) or "how the columns go together"
            lines.append((f"  without one unit, rows of others are not as they were: {where}", "red"))
            lines.append((f"  which, and how, is private: {result.details}", "red"))
        lines += [(f"  {text}", "red") for text in (result.message or "").splitlines()]
        for sink in self.shown:
            sink.say(Said.of("checked", lines, {"node": relation, **result.model_dump(mode="json")}))
        for sink in self.logs:
            sink.say(Said.of("checked", [f"{number} of {total} DONE  {relation}"], {"node": relation}))

    def evaluated(self, number: int, total: int, relation: str, report: str) -> None:
        lines: list[Line] = [(f"{number} of {total} DONE  {relation}", "green")]
        lines.append(f"  the figures are private, as the rows that they are computed on: {report}")
        self.say("evaluated", *lines, node=relation, report=report)

    def aged(self, number: int, total: int, source: str, result: SourceAge | SourceUnknown) -> None:
        lines = _aged(f"{number} of {total}", source, result)
        self.say("aged", *lines, index=number, total=total, node=source, **result.model_dump(mode="json"))

    def aged_all(self, report: FreshnessReport) -> None:
        """The last line of freshness."""
        if not report.results:
            self.say("summary", ("Nothing to judge: no source of the selection declares freshness.", "yellow"))
            return
        found = [result.status for result in report.results]
        counts = {
            "PASS": found.count("pass"), "WARN": found.count("warn"),
            "ERROR": found.count("error") + found.count("runtime error"), "TOTAL": len(found),
        }  # fmt: skip
        self._counted(counts, report.failed)

    def note(self, text: str) -> None:
        self.say("note", *(f"  {line}" for line in _wrap(text)))

    def summary(self, results: Results) -> None:
        """The last line of a run, a test or a build, as dbt closes."""
        judged = [r.status for suite in results.suites for r in suite.results]
        ran = [r.status for r in results.results]
        bad = ran.count("error") + ran.count("refused") + judged.count("error") + judged.count("fail")
        counts = {
            "PASS": ran.count("success") + judged.count("pass"), "WARN": judged.count("warn"), "ERROR": bad,
            "SKIP": ran.count("skipped") + len(results.skipped), "TOTAL": len(ran) + len(judged) + len(results.skipped),
        }  # fmt: skip
        lines: list[Line] = [f"{judged.count('pass')} of {len(judged)} expectations passed"] if judged else []
        self._counted(counts, results.failed, lines)

    def _counted(self, counts: Mapping[str, int], failed: bool, before: Sequence[Line] = ()) -> None:
        done = "Done. " + " ".join(f"{name}={count}" for name, count in counts.items())
        figures = {name.lower(): count for name, count in counts.items()}
        self.say("summary", *before, (done, "red" if failed else "green"), **figures)


def _planned(forecast: Forecast) -> Iterator[Line]:
    for model in forecast.models:
        yield short(model), COLORS.get(model.verdict)
    for model in forecast.models:
        if model.fit and model.verdict in ("fit", "refit"):
            yield f"Plan for {model.relation}: {price(model.fit)}"
            yield from ((f"  {text}", color) for text, color in sentences(model.fit, _LINE))
        else:
            yield from ((sentence, warning(sentence)) for sentence in trusted(model))
    for found in forecast.populations:
        if found.after > found.spent:
            spent = f"{found.spent:.2f} of {found.budget.epsilon:.2f} spent, {found.after:.2f} after this run"
            yield f"{found.population}: {spent}; {allowed(found)}"


def _finished(place: str, relation: str, result: RunResult, spent: PopulationSummary | None) -> Iterator[Line]:
    took = f"in {result.seconds:.1f}s"
    if result.status == "success":
        money = f", {_paid(result, spent)}" if spent and result.kind == "synthetic" else ""
        yield f"{place} OK  {relation}  {result.rows:,} rows{money}  [OK {took}]", "green"
    elif result.status == "skipped":
        yield f"{place} SKIP  {relation}  {result.message}  [SKIP]", "yellow"
    else:
        status = result.status.upper()
        yield f"{place} {status}  {relation}  [{status} {took}]", "red"
        yield from ((f"  {text}", "red") for text in (result.message or "").splitlines())


def _paid(result: RunResult, spent: PopulationSummary) -> str:
    paid = "reused, eps 0.00" if result.reused else f"eps {result.epsilon or 0:.2f}"
    return f"{paid} ({spent.spent:.2f} of {spent.cap:.2f} spent)"


def _tested(result: ExpectationResult, examples: Examples | None) -> Iterator[Line]:
    if result.status == "pass":
        return
    expectation = result.expectation
    color = "yellow" if result.status == "warn" else "red"
    yield f"{result.status.upper()}  {expectation.id}: {expectation.description}: {result.observed}", color
    yield f"  see {expectation.sql_path}" + (f", and what broke it in {result.stored}" if result.stored else "")
    if examples and examples[1]:
        yield from (f"  {text}" for text in table(*examples).splitlines())


def _aged(place: str, source: str, result: SourceAge | SourceUnknown) -> Iterator[Line]:
    if isinstance(result, SourceUnknown):
        yield f"{place} ERROR freshness of {source}  [ERROR]", "red"
        yield from ((f"  {line.strip()}", "red") for line in result.error.splitlines())
        return
    word, color = {"pass": ("PASS", "green"), "warn": ("WARN", "yellow"), "error": ("ERROR STALE", "red")}[
        result.status
    ]
    yield f"{place} {word} freshness of {source}  [{word} in {result.execution_time:.2f}s]", color
    limits = [("warn", result.criteria.warn_after), ("error", result.criteria.error_after)]
    said = ", ".join(f"{what} after {limit}" for what, limit in limits if limit)
    age = timedelta(seconds=max(0, int(result.max_loaded_at_time_ago_in_s)))
    yield f"  changed {age} ago, at {result.max_loaded_at[:19].replace('T', ' ')} UTC; {said}", color


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, _LINE, break_long_words=False, break_on_hyphens=False)


def listed(node: ManifestNode, output: str) -> str:
    """A node as ``synth ls`` says it."""
    if output == "json":
        return node.model_dump_json(include=_LISTED)
    if output == "path":
        return node.original_file_path
    return node.name if output == "name" else node.selector
