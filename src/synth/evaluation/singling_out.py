"""Singling out: conditions that hold of one row of a candidate, and whether they hold of exactly one real person.

Giomi et al. 2022 (arXiv 2211.10459), section 4.1. Real rows of one unit count as one. The control is scaled to as many
units as train has, for how often exactly one fits depends on how many there are: see ``_ones_among``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas
from numpy.typing import NDArray
from scipy.optimize import brentq

from synth.artifacts.evaluation import Curve
from synth.evaluation.records import Records, tables
from synth.evaluation.targets import ATTACKS, Attack, impossible
from synth.evaluation.world import Found, World

COLUMNS = 4  # of a condition on several values
TRIES = 40  # records that are looked at for each condition that is wanted
NAMES = ("singling out by one value", "singling out by several values")
FEW = "no value, or no combination of values, is of one row only"


@dataclass(frozen=True)
class Clause:
    column: int
    sign: Literal["=", ">=", "<=", "missing"]
    value: float

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.sign == "missing":
            return np.isnan(values)
        compare = {"=": np.equal, ">=": np.greater_equal, "<=": np.less_equal}[self.sign]
        held: NDArray[np.bool_] = compare(values, self.value)
        return held


Condition = tuple[Clause, ...]  # all of which hold


def singling_out(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    known = tables(candidate, world)
    rng = world.rng("singling out")
    naive = [_random(known.candidate, COLUMNS, rng) for _ in range(ATTACKS)]
    guesses = {NAMES[0]: [condition[:1] for condition in naive], NAMES[1]: naive}
    for name, conditions in zip(NAMES, (_by_one(known.candidate, rng), _by_several(known.candidate, rng)), strict=True):
        if not conditions or not len(known.train) or not len(known.holdout):
            yield impossible(name, FEW)
            continue
        succeeded = _people(conditions, known.train, world.train_units)
        times = len(np.unique(world.train_units)) / len(np.unique(world.holdout_units))
        control = _ones_among(_people(conditions, known.holdout, world.holdout_units), times)
        tried = len(conditions)
        guessed = (_people(guesses[name][:tried], known.train, world.train_units) == 1).sum()
        yield from Attack(name, tried, (succeeded == 1).sum(), tried, control * tried, guessed).found()


def _by_one(records: Records, rng: np.random.Generator) -> list[Condition]:
    """Values that one row has, and the least and the greatest number of each column."""
    found: list[Clause] = []
    for column, values in enumerate(records.values):
        distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        found += [Clause(column, "=", float(value)) for value in distinct[counts == 1]]
        if not records.categorical[column] and len(distinct):
            found += [Clause(column, "<=", float(distinct[0])), Clause(column, ">=", float(distinct[-1]))]
        if np.isnan(values).sum() == 1:
            found.append(Clause(column, "missing", 0.0))
    return [(found[place],) for place in rng.permutation(len(found))[:ATTACKS]]


def _by_several(records: Records, rng: np.random.Generator) -> list[Condition]:
    """From records at random: their category, or from their number outwards; those that hold of no second row."""
    medians = [_median(column) for column in records.values]
    found: dict[Condition, None] = {}
    for _ in range(ATTACKS * TRIES if len(records) else 0):
        row = int(rng.integers(len(records)))
        columns = rng.choice(len(records.names), min(COLUMNS, len(records.names)), replace=False)
        condition = tuple(_clause(records, int(column), row, medians[column]) for column in np.sort(columns))
        if len(_rows(condition, records)) == 1:
            found[condition] = None
        if len(found) == ATTACKS:
            break
    return list(found)


def _clause(records: Records, column: int, row: int, median: float) -> Clause:
    value = float(records.values[column, row])
    if math.isnan(value):
        return Clause(column, "missing", 0.0)
    if records.categorical[column]:
        return Clause(column, "=", value)
    return Clause(column, ">=" if value >= median else "<=", value)


def _random(records: Records, most: int, rng: np.random.Generator) -> Condition:
    """Of values of several records, with signs at random: what needs no look at how columns go together."""
    columns = rng.choice(len(records.names), min(most, len(records.names)), replace=False) if len(records) else ()
    rows = rng.integers(max(1, len(records)), size=len(columns))
    signs = rng.choice([-np.inf, np.inf], size=len(columns))  # in place of the median: either sign
    return tuple(_clause(records, int(c), int(row), s) for c, row, s in zip(columns, rows, signs, strict=True))


def _rows(condition: Condition, records: Records) -> NDArray[np.intp]:
    rows = np.arange(len(records))
    for clause in condition:
        rows = rows[clause.holds(records.values[clause.column][rows])]
    return rows


def _people(conditions: list[Condition], records: Records, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each condition, of how many units it holds."""
    return np.array([len(np.unique(units[_rows(condition, records)])) for condition in conditions])


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def _ones_among(counts: NDArray[np.int64], times: float) -> float:
    """The share of conditions that would hold of exactly one person, were there so many times as many people.

    Counts are taken to be negative binomial (a Poisson count, whose rate is a gamma variable over the conditions), with
    the zeros and ones that were seen: P(0) = a^-r and P(1) = P(0) r (a - 1) / a, where a - 1 grows with their number.
    """
    none, one = float((counts == 0).mean()), float((counts == 1).mean())
    if none in (0.0, 1.0) or one == 0.0 or times == 1.0:
        return one
    share = one / none / -math.log(none)  # of (a - 1) / (a log a), which falls from 1 to 0 as a grows from 1
    if share >= 1 - 1e-9:  # as rare as Poisson counts, or rarer
        rate = -math.log(none) * times
        return rate * math.exp(-rate)
    log_a = brentq(lambda x: -math.expm1(-x) / x - share, 1e-12, 1 / share + 1)
    r, more = -math.log(none) / log_a, 1 + times * math.expm1(min(log_a, 600.0))
    return float(more**-r * r * (more - 1) / more)
