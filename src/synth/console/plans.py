"""A plan in words: what a run would do, what that costs, and what its tables would be good for."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from synth.artifacts.forecast import EventForecast, FitForecast, Forecast, ModelForecast, PopulationForecast, Verdict
from synth.artifacts.plan import UNPROTECTED
from synth.console.tables import PAGE, beside, columns

TRUSTED = "TRUSTED SQL"  # how such a sentence of a plan begins
COLORS: dict[Verdict, str] = {
    "fit": "yellow",
    "refit": "yellow",
    "stale": "cyan",
    "reuse": "green",
    "refused": "red",
    "stop": "red",
}
_SHARES = "Shares are of mu^2 (Gaussian DP), which releases add up to; epsilons do not add up."


def trusted(model: ModelForecast) -> list[str]:
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
    if told := [sentence for m in forecast.models if m not in detailed for sentence in trusted(m)]:
        parts.append("\n".join(click.style(sentence, fg=warning(sentence)) for sentence in told))
    parts += [_detail(model, model.fit) for model in detailed if model.fit]
    if any(model.fit.events for model in detailed if model.fit):
        parts.append(_SHARES)
    if forecast.populations:
        parts.append(_populations(forecast.populations))
    return "\n\n".join([*parts, _closing(forecast)])


def short(model: ModelForecast) -> str:
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
    head, *lines = columns(["verdict", "model", "epsilon", "takes"], cells, right=(2, 3))
    found = [f"{head}why"]
    for model, line in zip(models, lines, strict=True):
        lit = click.style(model.verdict, fg=COLORS.get(model.verdict)) + line[len(model.verdict) :]
        reasons = [str(reason) for reason in model.reasons]
        if len(reasons) == 1 and len(line) + len(reasons[0]) <= PAGE:
            found.append(lit + reasons[0])
        else:
            found += [lit.rstrip(), *(text for reason in reasons for text in beside(" " * 9, reason))]
    return "\n".join(found)


def _takes(model: ModelForecast) -> str:
    """About how long a fit takes and how much memory; "" where none happens."""
    if model.fit is None or model.verdict in ("reuse", "refused", "stop"):
        return ""
    return _needs(model.fit.seconds, model.fit.megabytes)


def _needs(seconds: float, megabytes: float) -> str:
    return f"about {about(seconds)}, {megabytes / 1000:.1f} GB"


def about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _detail(model: ModelForecast, fit: FitForecast) -> str:
    """The split of the budget, and what the table will be good for."""
    cells = [[e.name, f"{e.share:.0%}", f"{e.releases:,} x {_noise(e)}"] for e in fit.events]
    head, *lines = columns(["event", "share", "noise"], cells, right=(1,), indent=2)
    head = f"{head}noise against signal" if cells else ""
    split = [text for line, event in zip(lines, fit.events, strict=True) for text in beside(line, event.tells)]
    said = [click.style(f"  {text}", fg=color) if color else f"  {text}" for text, color in sentences(fit, PAGE - 2)]
    return "\n".join([f"{model.relation}: {price(fit)}", *filter(None, [head]), *split, *said])


def _noise(event: EventForecast) -> str:
    return f"{event.noise:,.0f} {event.unit}" if event.noise >= 10 else f"{event.noise:.2g} {event.unit}"


def sentences(fit: FitForecast, width: int) -> Iterator[tuple[str, str | None]]:
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
    head, *lines = columns(["population", "spent", "after", "at most", "cap"], cells, right=(1, 2, 3, 4))
    said = [text for line, found in zip(lines, populations, strict=True) for text in beside(line, allowed(found))]
    return "\n".join([head.rstrip(), *said])


def allowed(found: PopulationForecast) -> str:
    cap = f"the cap set by {found.budget.approver}"
    if found.asked > found.budget.epsilon:
        return f"REFUSED: all that is asked for would take {found.asked:.2f}, above {cap}"
    if found.at_most > found.budget.epsilon:
        return f"within {cap}, but not if all that is stale were fitted anew"
    return f"within {cap}"


def _closing(forecast: Forecast) -> str:
    counts = Counter(model.verdict for model in forecast.models)
    fits = [m.fit for m in forecast.models if m.fit and m.verdict in ("fit", "refit")]
    said = {"stale": "stale", "refused": "refused", "stop": "that would stop"}
    line = "Plan: " + ", ".join(f"{n} {said.get(v, f'to {v}')}" for v, n in counts.items())
    if fits:
        line += f"; {_needs(sum(fit.seconds for fit in fits), max(fit.megabytes for fit in fits))}"
    return click.style(line, fg="red") if forecast.refused or counts["stop"] else line
