"""What a run of some models would do: a verdict for each with its reasons, and what it would bring the budgets to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Compiled, Constraint, Held, SyntheticModel
from synth.artifacts.forecast import (
    FitForecast,
    Forecast,
    ModelForecast,
    PopulationForecast,
    Reason,
    SourceFile,
    Standing,
    Verdict,
)
from synth.artifacts.plan import Event
from synth.compiler.changes import changes
from synth.compiler.costs import cost
from synth.compiler.shares import event_forecasts
from synth.privacy.accounting import HOPELESS

Price = Callable[[str, Budget, Iterable[Event]], tuple[float, float]]
"""The epsilon of a population now, and after some events: ``Ledger.forecast``."""

_GONE = "not there: a run reuses what was paid for, and cannot tell whether it has changed"
_ANEW = Reason(what="NOT PRIVATE: fitted anew each time, and never paid for")
_STATES = {
    "touched": "touched since the fit: a run reads it, then reuses or refits",
    "unknown": "how it was at the fit is not on record: a run reads it, then reuses or refits",
    "unseen": "whether it has changed, its rows alone tell: a run reads it, then reuses or refits",
    "away": "not there: a run would stop, and spend nothing",
}


def forecast(
    compiled: Compiled, models: Sequence[str], standings: Mapping[str, Standing], price: Price, full_refresh: bool,
    unreviewed: Mapping[str, Sequence[Reason]],
) -> Forecast:  # fmt: skip
    """``models``: names of synthetic and public models, parents first; ``unreviewed``: where metadata bear a draft's mark.

    ``standings``: of those that are synthetic and of the tables that they are below.
    """
    wanted = [compiled.synthetic[name] for name in models if name in compiled.synthetic]
    found = {model.name: _judged(model, standings[model.name], full_refresh) for model in wanted}
    populations = []
    budgets = {model.plan.privacy.population: model.price.budget for model in wanted if model.price}
    for name, budget in budgets.items():
        paying = [model for model in wanted if model.price and model.plan.privacy.population == name]
        population, refused = _population(name, budget, [found[model.name] for model in paying], compiled, price)
        populations.append(population)
        found |= {model.model: model for model in refused}
    found |= {
        name: _stopped(
            model, standings[name], (*unreviewed.get(name, ()), *_not_built(compiled, name, models, standings))
        )
        for name, model in found.items()
    }
    held_back: dict[str, Verdict] = {
        name: model.verdict for name, model in found.items() if model.verdict in ("refused", "stop")
    }
    for name in models:
        if name in compiled.public:
            found[name] = _public(name, compiled, held_back)
            held_back |= {name: "skip"} if found[name].verdict == "skip" else {}
    return Forecast(models=tuple(found[name] for name in models), populations=tuple(populations))


def _judged(model: SyntheticModel, standing: Standing, full_refresh: bool) -> ModelForecast:
    """What a run would do with a synthetic model if the budget allowed it."""
    verdict, reasons = _verdict(model, standing, full_refresh) if model.price else ("fit", (_ANEW,))
    return ModelForecast(
        model=model.name, relation=model.relation, verdict=verdict, reasons=reasons, fit=fit_forecast(model)
    )


def _not_built(
    compiled: Compiled, name: str, models: Sequence[str], standings: Mapping[str, Standing]
) -> Iterator[Reason]:  # fmt: skip
    """Tables above a model that are not among those of the run, and of which there is no generator of today's plan."""
    for above in compiled.above(name):
        if above not in models and compiled.synthetic[above].price and standings[above].generator != "whole":
            yield Reason(what=f"it is below {above}, which is not made by today's plan: select +{name}")


def _stopped(model: ModelForecast, standing: Standing, known: Sequence[Reason]) -> ModelForecast:
    """With what stops a run before the model is fitted, first: what is ``known``, and sources, but of a paid generator."""
    fitted = model.verdict in ("fit", "refit", "refused")
    away = dict.fromkeys(_of_file(file) for file in standing.sources if file.state == "away" and fitted)
    if not (stops := (*known, *away)):
        return model
    verdict = "refused" if model.verdict == "refused" else "stop"
    return model.model_copy(update={"verdict": verdict, "reasons": (*stops, *model.reasons)})


def _verdict(model: SyntheticModel, standing: Standing, full_refresh: bool) -> tuple[Verdict, tuple[Reason, ...]]:
    if standing.generator == "whole":
        if full_refresh:
            return "refit", (Reason(what="--full-refresh: the paid generator is not used"),)
        moved = tuple(
            Reason(what=_GONE, place=file.file) if file.state == "away" else _of_file(file)
            for file in standing.sources
            if file.state != "same"
        )
        same = Reason(what="paid for; plan and source files are unchanged")
        return ("stale", moved) if moved else ("reuse", (same,))
    if standing.generator != "unpaid":
        what = "the paid generator is gone" if standing.generator == "gone" else "the paid generator was changed"
        return "refit", (Reason(what=what, place=standing.folder),)
    begun = "a fit was begun and not ended; what it reserved counts as spent"
    if standing.last == "never":
        return "fit", (Reason(what=begun if standing.begun else "never fitted"),)
    found = changes(standing.record, model) if standing.record else ()
    unknown = Reason(what="fitted by another plan, of which there is no record here")
    return "refit", (found or (unknown,)) + ((Reason(what=begun),) if standing.begun else ())


def _of_file(file: SourceFile) -> Reason:
    return Reason(what=_STATES[file.state], place=file.file)


def _population(
    name: str, budget: Budget, members: Sequence[ModelForecast], compiled: Compiled, price: Price
) -> tuple[PopulationForecast, list[ModelForecast]]:
    """What the members of a population would bring it to, and those that are refused: each in turn, as in a run."""
    paying, stale = ([m for m in members if m.verdict in verdicts] for verdicts in (("fit", "refit"), ("stale",)))

    def after(models: Iterable[ModelForecast]) -> tuple[float, float]:
        events = [e for m in models for e in compiled.synthetic[m.model].plan.privacy.events]
        now, then = price(name, budget, events)
        return min(now, HOPELESS), min(then, HOPELESS)

    spent, asked = after(paying)
    granted, refused, reached = list(paying), [], asked
    if asked > budget.epsilon:
        granted, reached = [], spent
        for model in paying:
            _, would = after([*granted, model])
            if would > budget.epsilon:
                refused.append(_refused(model, name, budget, reached, would))
            else:
                granted, reached = [*granted, model], would
    at_most = after([*granted, *stale])[1] if stale else reached
    return PopulationForecast(
        population=name, spent=spent, after=reached, at_most=at_most, asked=asked, budget=budget
    ), refused


def _refused(model: ModelForecast, population: str, budget: Budget, before: float, would: float) -> ModelForecast:
    what = (
        f"the budget of {population} refuses it: {before:.2f} before, {would:.2f} with it, cap {budget.epsilon:g} "
        f"set by {budget.approver}"
    )
    return model.model_copy(update={"verdict": "refused", "reasons": (Reason(what=what), *model.reasons)})


def _public(name: str, compiled: Compiled, held_back: Mapping[str, Verdict]) -> ModelForecast:
    parents = list(_held_back(compiled.parents[name], held_back, compiled))
    reasons = tuple(parents) or (Reason(what="free: it reads synthetic rows only"),)
    verdict: Verdict = "skip" if parents else "build"
    return ModelForecast(model=name, relation=compiled.relation(name), verdict=verdict, reasons=reasons)


def _held_back(parents: Iterable[str], held_back: Mapping[str, Verdict], compiled: Compiled) -> Iterator[Reason]:
    said: dict[Verdict, str] = {"refused": "be refused", "stop": "stop", "skip": "be skipped"}
    for parent in parents:
        if parent in held_back:
            yield Reason(what=f"{compiled.relation(parent)} would {said[held_back[parent]]}")


def fit_forecast(model: SyntheticModel) -> FitForecast:
    """What fitting it costs, takes and gives, whatever was paid before."""
    plan, privacy = model.plan, model.plan.privacy
    found = cost(plan)
    return FitForecast(
        population=privacy.population, unit=privacy.unit, units=privacy.units, max_rows_per_unit=plan.cap,
        epsilon=privacy.epsilon, delta=privacy.delta, seconds=round(found.seconds, 1), megabytes=round(found.megabytes),
        events=event_forecasts(plan),
        sentences=(*plan.why, *_held(model.constraints)),
    )  # fmt: skip


def _held(constraints: Sequence[Constraint]) -> Iterator[str]:
    """What holds each constraint, in one sentence; each stands there once, under all the ways that it takes."""
    ways: dict[str, tuple[str, ...]] = {}
    for one in constraints:
        ways[one.name] = tuple(kind for kind in get_args(Held) if kind in (*one.held, *ways.get(one.name, ())))
    order = sorted(set(ways.values()), key=lambda kinds: [get_args(Held).index(kind) for kind in kinds])
    said = {" and ".join(kinds): [name for name, own in ways.items() if own == kinds] for kinds in order if kinds}
    if found := [f"{kinds}: {'; '.join(names)}" for kinds, names in said.items()]:
        yield f"Held in every row by {'. By '.join(found)}."
