"""Figures of a release that are paid for: how far people who were held out of the fit are from the table's rows.

The table's rows say what to expect of so many people; how many of the held-out ones would have to be in another cell for
that to be so is asked once of all columns, once of pairs and once of triples, with noise. Cells are the generator's own levels.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from synth.artifacts.layout import RELEASE
from synth.artifacts.plan import Plan
from synth.artifacts.release import ReleaseFigure
from synth.generator.agreement import SURE, unit_shares
from synth.generator.fitted import Generator
from synth.generator.marginals import noise_persons
from synth.generator.pairs import Groups, coarsen
from synth.generator.ranges import Floats, Integers
from synth.generator.rows import PrivateRows, Table

MOST_TABLES = 200  # of an order
GROUPS = {1: 20, 2: 10, 3: 5}  # most of a column, in tables of one, two and three columns
CLEAR = 10.0  # noise stddevs that must be held out for figures to say anything


def paid_figures(
    generator: Generator, held_out: PrivateRows, plan: Plan, codes: Integers, units: Integers
) -> tuple[ReleaseFigure, ...]:  # fmt: skip
    """``RELEASES`` answers, whatever the rows; no figure where there is next to nobody to ask.

    ``codes`` int64[rows, columns] and ``units`` [rows]: of the table, as it is drawn from the generator.
    """
    columns = generator.ways.columns
    held_out = held_out.with_codes(lambda j, codes: columns[j].encode(codes), len(columns))
    levels = np.stack([columns[j].encode(codes[:, j]) for j in range(codes.shape[1])], axis=1)
    shares = unit_shares(units)
    everyone = Groups(0, np.zeros(columns[0].count, np.int64))
    persons = float(held_out.histogram(RELEASE, everyone)[0])
    noise = noise_persons(plan, RELEASE)
    found = []
    for order in GROUPS:
        tables = _tables(generator, levels, shares, order, max(persons, 1.0))
        distance = held_out.distance(RELEASE, tables)
        found.append(_figure(len(tables[0].codings), distance, max(persons, 1.0), noise, tables))
    known = {figure.metric: figure for figure in found}  # of two columns there are no triples
    return tuple(known.values()) if persons > CLEAR * noise else ()


def _tables(generator: Generator, levels: Integers, shares: Floats, order: int, persons: float) -> list[Table]:
    """Tables of ``order`` columns, of which none rises from row to row, and how many of ``persons`` each cell should hold."""
    rising = {rise.column for rise in generator.rising}
    columns = [j for j in range(levels.shape[1]) if j not in rising]
    order = min(order, len(columns))
    chosen = list(combinations(columns, order))
    if len(chosen) > MOST_TABLES:
        places = np.random.default_rng(0).choice(len(chosen), MOST_TABLES, replace=False)
        chosen = [chosen[place] for place in sorted(places.tolist())]
    groups = {j: coarsen(j, generator.ways.columns[j], GROUPS[order]) for j in columns}
    return [_expected(tuple(groups[j] for j in picked), levels, shares, persons) for picked in chosen]


def _expected(codings: tuple[Groups, ...], levels: Integers, shares: Floats, persons: float) -> Table:
    shape = [coding.size for coding in codings]
    cells = np.ravel_multi_index([c.encode(levels[:, c.column]) for c in codings], shape)
    counts = np.bincount(cells, shares, math.prod(shape))
    return Table(codings, persons * counts / counts.sum())


def _figure(order: int, distance: float, persons: float, noise: float, tables: list[Table]) -> ReleaseFigure:
    """``low`` and ``high``: the noise of the distance, and of the number of persons; the note says what chance alone makes."""
    reach = SURE * (noise / 2 + noise / 2) / persons
    value = 1 - distance / persons
    chance = np.mean([_chance(t.expected, persons) for t in tables])
    return ReleaseFigure(
        metric=f"marginal_{order}", value=min(max(value, 0.0), 1.0), low=max(0.0, value - reach), high=min(1.0, value + reach),
        source="paid release metric",
        note=f"people who were held out; as many of the table's own would have about {1 - chance:.3f}",
    )  # fmt: skip


def _chance(expected: Floats, persons: float) -> float:
    """Expected total variation distance of as many people, drawn by chance, from where they are drawn (normal approximation)."""
    share = expected / persons
    return float(np.sqrt(2 * share * (1 - share) / (math.pi * persons)).sum() / 2)
