"""One population is one budget for one kind of unit: sources that blur that are refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from synth.errors import Problem
from synth.project.loader import DeclaredSource


def population_problems(sources: Iterable[DeclaredSource]) -> Iterator[Problem]:
    """The same table under two populations would have two budgets; one population with two units would have none."""
    population_of: dict[tuple[str, str], str] = {}
    unit_of: dict[str, str] = {}
    for declared in sources:
        privacy = declared.source.privacy
        for i, table in enumerate(declared.source.tables):
            key = (posixpath.normpath(declared.source.location), (table.identifier or table.name).casefold())
            first = population_of.setdefault(key, privacy.population)
            if first != privacy.population:
                what = (
                    f"the table is declared for the population '{first}' as well, so its people would have two budgets"
                )
                yield Problem(declared.place("tables", i), what, "Use one population for the same rows.")
        unit = "each row" if privacy.one_row_per_unit else str(privacy.unit).casefold()
        known = unit_of.setdefault(privacy.population, unit)
        if known != unit:
            what = (
                f"the population '{privacy.population}' has two units, {known} and {unit}: their costs cannot be added"
            )
            yield Problem(declared.place("privacy"), what, "Give the sources one unit, or two populations.")
