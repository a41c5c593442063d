"""The paid 1-way marginals: every column's levels and their shares, from noisy histograms alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.artifacts.layout import MARGINALS, looks, looks_for_heaps, modelled
from synth.artifacts.plan import ColumnLayout, Plan
from synth.generator.levels import Levels, merge
from synth.generator.ranges import Look, first_look, heap_look, leaves, next_look
from synth.generator.rows import PrivateRows

CERTAIN = 4.0  # noise stddevs a range must hold before it is split
FINER = 10  # and this part of a bin


@dataclass(frozen=True)
class Ways:
    """The noisy 1-way marginals: levels of every column, ``persons`` in all, ``noise`` of one count, in persons."""

    columns: tuple[Levels, ...]
    persons: float
    noise: float


def measure(rows: PrivateRows, plan: Plan) -> Ways:
    """Levels of the table's columns, of its parent's, and of the rows per unit where a unit may have several.

    All shares are shares of units. Takes ``marginal_releases`` histograms, whatever the rows.
    """
    layout = modelled(plan)
    first = [first_look(column, rows, j) for j, column in enumerate(layout)]
    persons, noise = max(population(first), 1.0), noise_persons(plan, MARGINALS)
    heavy = max(CERTAIN * noise, persons / plan.marginals.bins / FINER)
    found = []
    for j, (column, look) in enumerate(zip(layout, first, strict=True)):
        all_looks = [look]
        for _ in range(looks(column, plan.marginals.tree_levels) - 1):
            all_looks.append(next_look(all_looks[-1], heavy, rows, j))
        if looks_for_heaps(column, plan.marginals.tree_levels):
            all_looks.append(heap_look(all_looks[-1], heavy, noise, rows, j))
        found.append(_levels(column, all_looks, persons, noise, plan))
    return Ways(tuple(found), persons, noise)


def population(first: Sequence[Look]) -> float:
    """Persons, from the noisy totals of all columns; a total of m counts has m times the variance of one."""
    precision = np.array([1 / len(look.persons) for look in first])
    totals = np.array([look.persons.sum() for look in first])
    return float(precision @ totals / precision.sum())


def noise_persons(plan: Plan, name: str) -> float:
    """Standard deviation of one noisy count, in persons (the L2 sensitivity of a histogram is 1)."""
    (multiplier,) = (e.noise_multiplier for e in plan.privacy.events if e.kind == "gaussian" and e.name == name)
    return multiplier


def _levels(column: ColumnLayout, found: Sequence[Look], persons: float, noise: float, plan: Plan) -> Levels:
    edges, mass = leaves(found, persons)
    if persons <= 1:  # nothing but noise: every leaf alike
        mass = np.full(len(mass), persons / len(mass))
    return merge(column, edges, mass, noise, plan.marginals.bins, plan.marginals.levels)
