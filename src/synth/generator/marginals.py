"""The paid 1-way marginals: every column's levels and their shares, from noisy histograms alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synth.artifacts.layout import MARGINALS, looks
from synth.artifacts.plan import ColumnLayout, Plan
from synth.generator.levels import Levels, merge
from synth.generator.ranges import Floats, Histogram, Integers, Look, first_look, leaves, next_look
from synth.privacy.mechanisms import Curator

ROWS_PER_UNIT = "rows per unit"
CERTAIN = 4.0  # noise stddevs a range must hold before it is split


def measure(codes: Sequence[Integers], weights: Integers, plan: Plan, curator: Curator) -> tuple[Levels, ...]:
    """Levels of every column, then of the rows per unit where a unit may have several.

    ``codes`` is int64[rows] of each such column; ``weights`` int64[rows] share one person among its rows, so that all
    shares are shares of units. Takes ``marginal_releases`` histograms, whatever the rows.
    """

    def histogram(cells: Integers, size: int) -> Floats:
        return curator.histogram(MARGINALS, cells, weights, size)

    layout = list(plan.layout)
    if (cap := plan.privacy.max_rows_per_unit) > 1:
        layout.append(ColumnLayout(name=ROWS_PER_UNIT, cells=cap, missing=False, ordered=False))
    first = [first_look(column, code, histogram) for column, code in zip(layout, codes, strict=True)]
    persons = population(first)
    heavy = max(CERTAIN * noise_persons(plan), persons / plan.bins)
    found = []
    for column, code, look in zip(layout, codes, first, strict=True):
        found.append(_levels(column, _refined(column, code, look, heavy, plan, histogram), persons, plan.bins))
    return tuple(found)


def population(first: Sequence[Look]) -> float:
    """Persons, from the noisy totals of all columns; a total of m counts has m times the variance of one."""
    precision = np.array([1 / len(look.persons) for look in first])
    totals = np.array([look.persons.sum() for look in first])
    return float(precision @ totals / precision.sum())


def noise_persons(plan: Plan) -> float:
    """Standard deviation of one noisy count, in persons (the L2 sensitivity of a histogram is 1)."""
    return math.fsum(event.noise_multiplier for event in plan.privacy.events if event.name == MARGINALS)


def _refined(
    column: ColumnLayout, codes: Integers, first: Look, heavy: float, plan: Plan, histogram: Histogram
) -> list[Look]:
    found = [first]
    for _ in range(looks(column, plan.tree_levels) - 1):
        found.append(next_look(found[-1], heavy, codes, histogram))
    return found


def _levels(column: ColumnLayout, found: Sequence[Look], persons: float, bins: int) -> Levels:
    edges, mass = leaves(found, persons)
    if persons < 1:  # nothing but noise: every leaf alike
        mass = np.ones(len(mass))
    return merge(column.name, column.ordered, column.missing, edges, mass, bins)
