"""The price of a whole experiment, before a row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.experiment import CellForecast, ExperimentForecast, Verdict
from synth.artifacts.plan import Event
from synth.compiler.cells import PlannedCell, fits
from synth.compiler.costs import cost
from synth.errors import BudgetError
from synth.privacy import accounting
from synth.privacy.ledger import Ledger
from synth.project.spec import Experiment
from synth.runtime.paid import is_kept, standings
from synth.runtime.target_folder import TargetFolder


def forecast(
    said: Experiment, cells: Sequence[PlannedCell], root: Path, folder: TargetFolder, ledger: Ledger
) -> ExperimentForecast:  # fmt: skip
    """What becomes of each cell, and what all of them together would bring the budget to. The ledger is not changed."""
    model = cells[0].model
    fitted = fits(cells)
    found = {fingerprint: _verdict(cell.model, root, folder, ledger) for fingerprint, cell in fitted.items()}
    told = ExperimentForecast(
        name=said.name, relation=model.relation, population=model.plan.privacy.population, budget=model.budget,
        public=said.public,
        cells=tuple(_cell(planned, fitted, found) for planned in cells),
    )  # fmt: skip
    if model.price is None:
        return told
    paying, stale = ([fitted[f] for f, verdict in found.items() if verdict == wanted] for wanted in ("pay", "stale"))
    return told.model_copy(update=_prices(told.population, model.price.budget, paying, stale, ledger))


def refuse(told: ExperimentForecast) -> None:
    """BudgetError where all cells together are above the cap."""
    if not told.refused or told.budget is None:
        return
    cap = told.budget
    paying = sum(cell.verdict == "pay" for cell in told.cells)
    left = max(0.0, round(cap.epsilon - told.spent, accounting.DECIMALS))
    raise BudgetError(
        f"The budget of the population {told.population!r} refuses the experiment {told.name!r}, of which {paying} cells are "
        f"still to be paid and ask for epsilon {told.asked:g} together (delta {cap.delta:g}). Spent: {told.spent:g}. With them: "
        f"{told.after:g}. The cap is {cap.epsilon:g}, set by {cap.approver}, which leaves {left:g}.",
        f"Take fewer epsilons or seeds, or ask {cap.approver} to raise the cap. No row was read and nothing was spent.",
    )


def _cell(planned: PlannedCell, fitted: Mapping[str, PlannedCell], found: Mapping[str, Verdict]) -> CellForecast:
    """The first cell of a fit is told how long that takes."""
    if planned.reference:
        return CellForecast(cell=planned.cell, verdict="reference")
    fingerprint = planned.model.fit_fingerprint()
    anew = found[fingerprint] not in ("paid", "kept") and fitted[fingerprint] is planned
    return CellForecast(
        cell=planned.cell, verdict=found[fingerprint], seconds=cost(planned.model.plan).seconds if anew else None
    )


def _verdict(model: SyntheticModel, root: Path, folder: TargetFolder, ledger: Ledger) -> Verdict:
    if model.price is None:
        return "kept" if is_kept(model, folder) else "public"
    standing = standings([model], root, folder, ledger)[model.name]
    if standing.generator != "whole":
        return "pay"
    return "paid" if all(file.state in ("same", "away") for file in standing.sources) else "stale"


def _prices(
    population: str, budget: Budget, paying: Iterable[PlannedCell], stale: Iterable[PlannedCell], ledger: Ledger
) -> dict[str, float]:  # fmt: skip
    events, again = _events(paying), _events(stale)
    spent, after = ledger.forecast(population, budget, events)
    at_most = ledger.forecast(population, budget, [*events, *again])[1] if again else after
    return {"spent": spent, "asked": accounting.epsilon(events, budget.delta), "after": after, "at_most": at_most}


def _events(cells: Iterable[PlannedCell]) -> list[Event]:
    return [event for cell in cells for event in cell.model.plan.privacy.events]
