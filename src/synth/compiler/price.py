"""What a population's budget says of a price, in words for YAML and the command line alike."""

from __future__ import annotations

from collections.abc import Collection

from synth.project import spec
from synth.project.nearest import nearest


def no_budget(population: str, known: Collection[str]) -> tuple[str, str]:
    """What is wrong, and what to do."""
    fix = f'Add to synth_project.yml: budgets: {{{population}: {{epsilon: 3.0, approver: "who decides"}}}}.'
    return f"the population '{population}' has no budget", f"{nearest(population, known)} {fix}" if known else fix


def delta_problem(delta: float, units: int) -> tuple[str, str] | None:
    """What is wrong, and what to do; None where nothing is."""
    if delta < 1 / units:
        return None
    what = f"delta {delta:g} is not below 1/units: it would allow one person's rows to be published"
    return what, f"Use a delta of {min(spec.MAX_DELTA, 0.01 / units):.0e} or less."
