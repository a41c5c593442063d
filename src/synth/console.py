"""What the command line shows: dbt's lines, with rows and epsilon; progress on a terminal; a table of rows."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.results import ApartResult, ExpectationResult, Results, RunResult
from synth.privacy.ledger import PopulationSummary
from synth.runtime.listener import Examples, Listener

_WIDTH = 40  # of a cell
_LINE = 86  # of a sentence
_REFRESH_SECONDS = 0.2


class Console(Listener):
    """Lines with a clock. On a terminal a fit shows its steps on one line that is wiped afterwards."""

    def __init__(self, quiet: bool = False, out: IO[str] | None = None) -> None:
        self.quiet, self.out = quiet, out or sys.stdout
        self._live = self.out.isatty() and not quiet
        self._shown = 0.0

    def line(self, text: str, color: str | None = None) -> None:
        if self.quiet and color == "red":  # what failed is said all the same
            click.echo(text, err=True)
        elif not self.quiet:
            self._wipe()
            clock = time.strftime("%H:%M:%S")
            click.echo(f"{clock}  {click.style(text, fg=color) if color else text}", file=self.out)

    def planned(self, models: tuple[SyntheticModel, ...]) -> None:
        for model in models:
            self.line(f"Plan for {model.relation}: {price(model)}")
            for sentence in model.plan.why:
                for text in textwrap.wrap(sentence, _LINE):
                    self.line(f"  {text}", warning(sentence))

    def started(self, number: int, total: int, relation: str) -> None:
        self.line(f"{number} of {total} START  {relation}")

    def progress(self, model: str, stage: str, step: int, steps: int) -> None:
        now = time.monotonic()
        if self._live and (now - self._shown > _REFRESH_SECONDS or not step):
            self._shown = now
            done = f" {step:,} of {steps:,}" if step else ""
            click.echo(f"\r\x1b[2K          {model}: {stage}{done}", file=self.out, nl=False)

    def finished(
        self, number: int, total: int, relation: str, result: RunResult, spent: PopulationSummary | None
    ) -> None:
        took = f"in {result.seconds:.1f}s"
        if result.status == "success":
            money = f", {_paid(result, spent)}" if spent and result.kind == "synthetic" else ""
            self.line(f"{number} of {total} OK  {relation}  {result.rows:,} rows{money}  [OK {took}]", "green")
        elif result.status == "skipped":
            self.line(f"{number} of {total} SKIP  {relation}  {result.message}  [SKIP]", "yellow")
        else:
            status = result.status.upper()
            self.line(f"{number} of {total} {status}  {relation}  [{status} {took}]", "red")
            for text in (result.message or "").splitlines():
                self.line(f"  {text}", "red")

    def tested(self, result: ExpectationResult, examples: Examples | None) -> None:
        if result.status == "pass":
            return
        color = "yellow" if result.status == "warn" else "red"
        expectation = result.expectation
        count = result.message or f"{result.failures:,} rows break it"
        self.line(f"{result.status.upper()}  {expectation.id}: {expectation.description}: {count}", color)
        self.line(f"  see {expectation.sql_path}")
        if examples and examples[1]:
            for text in table(*examples).splitlines():
                self.line(f"  {text}")

    def checked(self, number: int, total: int, relation: str, result: ApartResult) -> None:
        color = "green" if result.status == "pass" else "red"
        self.line(f"{number} of {total} {result.status.upper()}  {relation}", color)
        if result.status == "fail":
            where = ", ".join(result.columns) or "how the columns go together"
            self.line(f"  without one unit, rows of others are not as they were: {where}", "red")
            self.line(f"  which, and how, is private: {result.details}")
        for text in (result.message or "").splitlines():
            self.line(f"  {text}", "red")

    def note(self, text: str) -> None:
        self.line(f"  {text}")

    def summary(self, results: Results) -> None:
        """The last line of a run, a test or a build, as dbt closes."""
        judged = [r.status for suite in results.suites for r in suite.results]
        ran = [r.status for r in results.results]
        done = f"Done. PASS={ran.count('success') + judged.count('pass')} WARN={judged.count('warn')} "
        bad = ran.count("error") + ran.count("refused") + judged.count("error") + judged.count("fail")
        done += f"ERROR={bad} SKIP={ran.count('skipped')} TOTAL={len(ran) + len(judged)}"
        if judged:
            self.line(f"{judged.count('pass')} of {len(judged)} expectations passed")
        self.line(done, "red" if results.failed else "green")

    def _wipe(self) -> None:
        if self._live:
            click.echo("\r\x1b[2K", file=self.out, nl=False)


def warning(sentence: str) -> str | None:
    """The color of a sentence of a plan: yellow where it asks for a second look."""
    return "yellow" if sentence.startswith(("Expect ", "TRUSTED SQL")) else None


def price(model: SyntheticModel) -> str:
    """What a model costs, and for what, in one line."""
    plan = model.plan
    cap = plan.privacy.max_rows_per_unit
    rows = f", at most {cap} rows each" if cap > 1 else ""
    return (
        f"epsilon {plan.privacy.epsilon:g} at delta {plan.privacy.delta:g} for {plan.privacy.units:,} units "
        f"({plan.privacy.unit}{rows}), cap {model.budget.epsilon:g} "
        f"set by {model.budget.approver}"
    )


def table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> str:
    """Rows under their names, aligned; numbers to the right. Columns that do not fit ``width`` are named below."""
    cells = [[_cell(value) for value in row] for row in rows]
    fitting = _fitting(names, cells, width)
    more = f"\nand {len(names) - fitting} more columns: {', '.join(names[fitting:])}" if fitting < len(names) else ""
    return _aligned(names[:fitting], [row[:fitting] for row in cells]) + more


def _fitting(names: Sequence[str], cells: list[list[str]], width: int | None) -> int:
    """How many columns fit, one at least."""
    used = 0
    for i, name in enumerate(names):
        used += max([len(name), *(len(row[i]) for row in cells)]) + 2
        if width is not None and used - 2 > width and i > 0:
            return i
    return len(names)


def _aligned(names: Sequence[str], cells: list[list[str]]) -> str:
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(names)]
    right = [bool(cells) and all(_numeric(row[i]) for row in cells) for i in range(len(names))]

    def put(row: Sequence[str]) -> str:
        return "  ".join(v.rjust(w) if r else v.ljust(w) for v, w, r in zip(row, widths, right, strict=True)).rstrip()

    return "\n".join([put(list(names)), "  ".join("-" * w for w in widths), *(put(row) for row in cells)])


def _paid(result: RunResult, spent: PopulationSummary) -> str:
    paid = "reused, eps 0.00" if result.reused else f"eps {result.epsilon or 0:.2f}"
    return f"{paid} ({spent.spent:.2f} of {spent.cap:.2f} spent)"


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text)  # nothing in a table may steer the terminal
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _numeric(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit() or not text
