"""Singling out: conditions that hold of one row of a candidate, and whether they hold of exactly one real person.

Giomi et al. 2022 (arXiv 2211.10459), section 4.1. Real rows of one unit count as one. How often exactly one person fits
depends on how many there are, so train and holdout are compared at the same size: see ``_control``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas
from numpy.typing import NDArray
from scipy.stats import hypergeom

from synth.artifacts.evaluation import Curve
from synth.evaluation.records import Records, Tables, tables
from synth.evaluation.targets import Attack, impossible
from synth.evaluation.world import Found, World

ATTACKS = 1_000  # more than of other sorts: what is scaled is less sure
COLUMNS = 4  # of a condition on several values
TRIES = 20  # looks at each record, or at as many records as conditions are wanted
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
    if not all(map(len, (known.candidate, known.train, known.holdout))):
        yield from (impossible(name, "it needs rows") for name in NAMES)
        return
    naive = [_random(known.candidate, COLUMNS, rng) for _ in range(ATTACKS)]
    guesses = {NAMES[0]: [condition[:1] for condition in naive], NAMES[1]: naive}
    for name, conditions in zip(NAMES, (_by_one(known.candidate, rng), _by_several(known.candidate, rng)), strict=True):
        if not conditions:
            yield impossible(name, FEW)
            continue
        yield from _attack(name, conditions, guesses[name][: len(conditions)], known, world).found()


def _attack(name: str, conditions: list[Condition], naive: list[Condition], known: Tables, world: World) -> Attack:
    guessed = _people(naive, known.train, world.train_units)
    fitting = _people(conditions, known.train, world.train_units)
    others_fitting = _people(conditions, known.holdout, world.holdout_units)
    inside, outside = (np.array([len(people) for people in each]) for each in (fitting, others_fitting))
    people, others = len(np.unique(world.train_units)), len(np.unique(world.holdout_units))
    control, times = _control(inside, outside, people, others)
    tried = len(conditions)
    # as few tries as have the error of the control: a rate's, times what it was scaled by, and more where one held-out
    # person is whom many conditions fit
    control_tried = max(1, round(tried / times**2 / _repetition(others_fitting)))
    succeeded, by_guess = int((inside == 1).sum()), sum(len(people) == 1 for people in guessed)
    return Attack(name, tried, succeeded, control_tried, control * control_tried, by_guess)


def _repetition(fitting: list[NDArray[np.int64]]) -> float:
    """How many times larger the variance of the rate of ones is than if no two conditions fitted the same person."""
    alone = [int(people[0]) for people in fitting if len(people) == 1]
    counts = np.unique(alone, return_counts=True)[1]
    return float((counts**2).sum() / counts.sum()) if alone else 1.0


def _control(inside: NDArray[np.int64], outside: NDArray[np.int64], people: int, others: int) -> tuple[float, float]:
    """How often exactly one of as many held-out people as train has would fit, and how many times too few there are.

    Anonymeter fits a curve to extrapolate. Here nothing is fitted: as many train people as there are held-out ones, drawn
    at random, are singled out more often than those by the leak alone, of which such a draw holds its share.
    """
    equal = min(people, others)
    of_train, of_others = (
        float(hypergeom.pmf(1, total, counts, equal).mean()) for total, counts in ((people, inside), (others, outside))
    )
    times = people / equal
    return min(1.0, max(0.0, float((inside == 1).mean()) - (of_train - of_others) * times)), times


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
    for _ in range(min(ATTACKS, len(records)) * TRIES):
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
    columns = rng.choice(len(records.names), min(most, len(records.names)), replace=False)
    rows = rng.integers(len(records), size=len(columns))
    signs = rng.choice([-np.inf, np.inf], size=len(columns))  # in place of the median: either sign
    return tuple(_clause(records, int(c), int(row), s) for c, row, s in zip(columns, rows, signs, strict=True))


def _rows(condition: Condition, records: Records) -> NDArray[np.intp]:
    """Of which the condition holds: each clause looks at those that are left."""
    first, *others = condition
    rows = np.flatnonzero(first.holds(records.values[first.column]))
    for clause in others:
        rows = rows[clause.holds(records.values[clause.column][rows])]
    return rows


def _people(conditions: list[Condition], records: Records, units: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Of each condition, the units of which it holds."""
    return [np.unique(units[_rows(condition, records)]) for condition in conditions]


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
