"""What the command line shows: dbt's lines, with rows and epsilon; a plan; progress on a terminal; a table of rows."""

from __future__ import annotations

import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import click

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import ManifestNode
from synth.artifacts.forecast import EventForecast, FitForecast, Forecast, ModelForecast, PopulationForecast, Verdict
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.results import ApartResult, ExpectationResult, Results, RunResult
from synth.privacy.ledger import Cap, Entry, PopulationSummary, Reserve, Verified, caps, open_reservations
from synth.runtime.listener import Examples, Listener

_WIDTH = 40  # of a cell
TRUSTED = "TRUSTED SQL"  # how such a sentence of a plan begins
_LINE = 86  # of a sentence
_PAGE = 100  # of a plan
_SHARES = "Shares are of mu^2 (Gaussian DP), which releases add up to; epsilons do not add up."
_COLORS: dict[Verdict, str] = {"fit": "yellow", "refit": "yellow", "stale": "cyan", "reuse": "green", "refused": "red"}
_LISTED = {
    "name", "resource_type", "package_name", "original_file_path", "unique_id", "zone", "tags", "config", "depends_on",
}  # fmt: skip
_LEDGER = 100  # of a table of the ledger
_LEAST = 12  # of a column that is wrapped
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

    def warned(self, text: str) -> None:
        self.line(text, "red")

    def planned(self, forecast: Forecast) -> None:
        """A line for each model; where a fit will happen, also what its table will be good for."""
        if self.quiet:  # what is refused is said when it is
            return
        for model in forecast.models:
            self.line(_short(model), _COLORS.get(model.verdict))
        for model in forecast.models:
            if model.fit and model.verdict in ("fit", "refit"):
                self.line(f"Plan for {model.relation}: {price(model.fit)}")
                for text, color in _sentences(model.fit, _LINE):
                    self.line(f"  {text}", color)
            else:
                for sentence in _trusted(model):
                    self.line(sentence, warning(sentence))
        for found in forecast.populations:
            if found.after > found.spent:
                spent = f"{found.spent:.2f} of {found.budget.epsilon:.2f} spent, {found.after:.2f} after this run"
                self.line(f"{found.population}: {spent}; {_allowed(found)}")

    def started(self, number: int, total: int, what: str) -> None:
        self.line(f"{number} of {total} START  {what}")

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
        for line in textwrap.wrap(text, _LINE, break_long_words=False, break_on_hyphens=False):
            self.line(f"  {line}")

    def summary(self, results: Results) -> None:
        """The last line of a run, a test or a build, as dbt closes."""
        judged = [r.status for suite in results.suites for r in suite.results]
        ran = [r.status for r in results.results]
        done = f"Done. PASS={ran.count('success') + judged.count('pass')} WARN={judged.count('warn')} "
        bad = ran.count("error") + ran.count("refused") + judged.count("error") + judged.count("fail")
        skipped = ran.count("skipped") + len(results.skipped)
        done += f"ERROR={bad} SKIP={skipped} TOTAL={len(ran) + len(judged) + len(results.skipped)}"
        if judged:
            self.line(f"{judged.count('pass')} of {len(judged)} expectations passed")
        self.line(done, "red" if results.failed else "green")

    def _wipe(self) -> None:
        if self._live:
            click.echo("\r\x1b[2K", file=self.out, nl=False)


def listed(node: ManifestNode, output: str) -> str:
    """A node as ``synth ls`` says it."""
    if output == "json":
        return node.model_dump_json(include=_LISTED)
    if output == "path":
        return node.original_file_path
    return node.name if output == "name" else node.selector


def _trusted(model: ModelForecast) -> list[str]:
    """What is told of a model each time, also where it is not fitted anew: whose word its SQL stands on."""
    return [sentence for sentence in (model.fit.sentences if model.fit else ()) if sentence.startswith(TRUSTED)]


def warning(sentence: str) -> str | None:
    """The color of a sentence of a plan: yellow where it asks for a second look."""
    if sentence == UNPROTECTED:
        return "red"
    return "yellow" if sentence.startswith(("Expect ", TRUSTED)) else None


def price(fit: FitForecast) -> str:
    """What a fit costs, and for what, in one line."""
    rows = f", at most {fit.max_rows_per_unit} rows each" if fit.max_rows_per_unit > 1 else ""
    people = f"{fit.units:,} units ({fit.unit}{rows})"
    if fit.epsilon is None or fit.delta is None:
        return f"NOT PRIVATE, no epsilon, no entry in the ledger, no release, for {people}"
    return f"epsilon {fit.epsilon:g} at delta {fit.delta:g} for {people}"


def plan_text(forecast: Forecast) -> str:
    """A forecast for a reader, at most 100 characters wide as long as names are short; coloured."""
    parts = [_models(forecast.models)]
    detailed = [m for m in forecast.models if m.fit and m.verdict != "reuse"]
    if trusted := [sentence for m in forecast.models if m not in detailed for sentence in _trusted(m)]:
        parts.append("\n".join(click.style(sentence, fg=warning(sentence)) for sentence in trusted))
    parts += [_detail(model, model.fit) for model in detailed if model.fit]
    if any(model.fit.events for model in detailed if model.fit):
        parts.append(_SHARES)
    if forecast.populations:
        parts.append(_populations(forecast.populations))
    return "\n\n".join([*parts, _closing(forecast)])


def _short(model: ModelForecast) -> str:
    """Verdict, price and the first reason, in one line."""
    paid = f"  epsilon {_epsilon(model)}" if model.fit and model.fit.epsilon else ""
    more = f" (and {len(model.reasons) - 1} more)" if len(model.reasons) > 1 else ""
    return f"{model.verdict.upper()}  {model.relation}{paid}  {model.reasons[0]}{more}"


def _epsilon(model: ModelForecast) -> str:
    """What a run would spend on a model; "" for a public one."""
    if model.fit is None or model.fit.epsilon is None:
        return ""
    if model.verdict == "reuse":
        return "0"
    return f"{'≤ ' if model.verdict == 'stale' else ''}{model.fit.epsilon:g}"


def _models(models: Sequence[ModelForecast]) -> str:
    cells = [[m.verdict, m.relation, _epsilon(m), _takes(m)] for m in models]
    head, *lines = _columns(["verdict", "model", "epsilon", "takes"], cells, right=(2, 3))
    found = [f"{head}why"]
    for model, line in zip(models, lines, strict=True):
        lit = click.style(model.verdict, fg=_COLORS.get(model.verdict)) + line[len(model.verdict) :]
        reasons = [str(reason) for reason in model.reasons]
        if len(reasons) == 1 and len(line) + len(reasons[0]) <= _PAGE:
            found.append(lit + reasons[0])
        else:
            found += [lit.rstrip(), *(text for reason in reasons for text in _beside(" " * 9, reason))]
    return "\n".join(found)


def _takes(model: ModelForecast) -> str:
    """About how long a fit takes and how much memory; "" where none happens."""
    if model.fit is None or model.verdict in ("reuse", "refused"):
        return ""
    return _about(model.fit.seconds, model.fit.megabytes)


def _about(seconds: float, megabytes: float) -> str:
    time_needed = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"about {time_needed}, {megabytes / 1000:.1f} GB"


def _detail(model: ModelForecast, fit: FitForecast) -> str:
    """The split of the budget, and what the table will be good for."""
    cells = [[e.name, f"{e.share:.0%}", f"{e.releases:,} x {_noise(e)}"] for e in fit.events]
    head, *lines = _columns(["event", "share", "noise"], cells, right=(1,), indent=2)
    head = f"{head}noise against signal" if cells else ""
    split = [text for line, event in zip(lines, fit.events, strict=True) for text in _beside(line, event.tells)]
    said = [click.style(f"  {text}", fg=color) if color else f"  {text}" for text, color in _sentences(fit, _PAGE - 2)]
    return "\n".join([f"{model.relation}: {price(fit)}", *filter(None, [head]), *split, *said])


def _noise(event: EventForecast) -> str:
    return f"{event.noise:,.0f} {event.unit}" if event.noise >= 10 else f"{event.noise:.2g} {event.unit}"


def _sentences(fit: FitForecast, width: int) -> Iterator[tuple[str, str | None]]:
    for sentence in fit.sentences:
        for text in textwrap.wrap(sentence, width):
            yield text, warning(sentence)


def _populations(populations: Sequence[PopulationForecast]) -> str:
    cells = []
    for found in populations:
        amounts = (found.spent, found.after, found.at_most, found.budget.epsilon)
        cells.append([found.population, *(f"{amount:.2f}" for amount in amounts)])
        if found.at_most == found.after:
            cells[-1][3] = ""
    head, *lines = _columns(["population", "spent", "after", "at most", "cap"], cells, right=(1, 2, 3, 4))
    said = [text for line, found in zip(lines, populations, strict=True) for text in _beside(line, _allowed(found))]
    return "\n".join([head.rstrip(), *said])


def _allowed(found: PopulationForecast) -> str:
    cap = f"the cap set by {found.budget.approver}"
    if found.asked > found.budget.epsilon:
        return f"REFUSED: all that is asked for would take {found.asked:.2f}, above {cap}"
    if found.at_most > found.budget.epsilon:
        return f"within {cap}, but not if all that is stale were fitted anew"
    return f"within {cap}"


def _closing(forecast: Forecast) -> str:
    counts = Counter(model.verdict for model in forecast.models)
    fits = [m.fit for m in forecast.models if m.fit and m.verdict in ("fit", "refit")]
    line = "Plan: " + ", ".join(f"{n} {v if v in ('stale', 'refused') else f'to {v}'}" for v, n in counts.items())
    if fits:
        line += f"; {_about(sum(fit.seconds for fit in fits), max(fit.megabytes for fit in fits))}"
    return click.style(line, fg="red") if forecast.refused else line


def _columns(
    heads: Sequence[str], cells: Sequence[Sequence[str]], right: Iterable[int], indent: int = 0
) -> list[str]:  # fmt: skip
    """Aligned lines of one width, the heads first; a column without anything in it is left out."""
    kept = [i for i in range(len(heads)) if any(row[i] for row in cells)]
    widths = {i: max([len(heads[i]), *(len(row[i]) for row in cells)]) for i in kept}

    def put(row: Sequence[str]) -> str:
        return " " * indent + "".join(f"{row[i]:{'>' if i in right else '<'}{widths[i]}}  " for i in kept)

    return [put(row) for row in (heads, *cells)]


def _beside(line: str, text: str) -> list[str]:
    """A text after a line, wrapped below itself."""
    below = " " * len(line)
    return textwrap.wrap(
        text, _PAGE, initial_indent=line, subsequent_indent=below, break_on_hyphens=False, break_long_words=False
    )


def table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> str:
    """Rows under their names, aligned; numbers to the right. Columns that do not fit ``width`` are named below."""
    cells = [[_cell(value) for value in row] for row in rows]
    fitting = _fitting(names, cells, width)
    more = f"\nand {len(names) - fitting} more columns: {', '.join(names[fitting:])}" if fitting < len(names) else ""
    return _aligned(names[:fitting], [row[:fitting] for row in cells]) + more


def ledger_summary(summaries: Sequence[PopulationSummary], budgets: Mapping[str, Budget]) -> str:
    """Where each population stands, within 100 columns; before the first run, what there is to spend."""
    if not summaries:
        caps = ", ".join(f"{name} (cap {budget.epsilon:g})" for name, budget in budgets.items())
        return f"Nothing is spent yet, of: {caps}"
    names = ["population", "spent", "left", "cap", "delta", "open", "set by"]
    rows = [
        (s.population, f"{s.spent:.4f}", f"{s.left:.4f}", f"{s.cap:g}", f"{s.delta:g}", s.reserved_open, s.approver)
        for s in summaries
    ]
    return _wrapped(names, rows, _LEDGER)


def ledger_history(entries: Sequence[Entry]) -> str:
    """Every entry, and below them every cap that was in force, within 100 columns where names are short."""
    names = ["time (UTC)", "kind", "population", "model", "id", "epsilon", "state"]
    unfinished = open_reservations(entries)
    rows = [
        (_clock(e.time), e.kind, e.population, e.model, e.id, f"{e.epsilon_alone:g}", "open" if e.id in unfinished else "spent")
        if isinstance(e, Reserve) else (_clock(e.time), e.kind, e.population, e.model, e.id, "", "")
        for e in entries
    ]  # fmt: skip
    cap_names = ["cap since (UTC)", "population", "cap", "delta", "change", "set by"]
    cap_rows = [
        (_clock(c.since), c.population, f"{c.budget.epsilon:g}", f"{c.budget.delta:g}", _change(c), c.budget.approver)
        for c in caps(entries)
    ]
    return f"{table(names, rows)}\n\n{_wrapped(cap_names, cap_rows, _LEDGER)}"


def ledger_verdict(path: Path, verified: Verified) -> str:
    """What was found, with the last hash on a line of its own."""
    one = verified.entries == 1
    found = [
        f"{'The 1 entry' if one else f'All {verified.entries:,} entries'} in {path} {'is' if one else 'are'} intact."
    ]
    if not verified.entries:
        found = [f"There is no entry in {path}."]
    if verified.place:
        found += [
            f"The noted hash is that of entry {verified.place:,}: nothing up to it was changed since it was noted."
        ]
    found += ["The last hash, to be written down elsewhere and given to --hash later:", f"  {verified.head}"]
    return "\n".join(found)


def _change(cap: Cap) -> str:
    """How a cap differs from the one before it."""
    if cap.before is None:
        return "first"
    if cap.budget.epsilon != cap.before.epsilon:
        return "raised" if cap.budget.epsilon > cap.before.epsilon else "lowered"
    return "other delta" if cap.budget.delta != cap.before.delta else "other approver"


def _clock(time: str) -> str:
    return time.removesuffix("+00:00").replace("T", " ")


def _wrapped(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int) -> str:
    """A table of at most ``width`` characters, if its other columns leave room: the last goes on in further lines."""
    cells = [[str(value) for value in row] for row in rows]
    others = sum(max(len(name), *(len(_cell(row[i])) for row in cells), 0) + 2 for i, name in enumerate(names[:-1]))
    lines: list[list[str]] = []
    for *first, last in cells:
        pieces = textwrap.wrap(last, min(_WIDTH, max(width - others, _LEAST))) or [""]
        lines.append([*first, pieces[0]])
        lines += [[*("" for _ in first), piece] for piece in pieces[1:]]
    return table(names, lines)


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
