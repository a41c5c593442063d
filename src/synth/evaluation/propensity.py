"""Can a model tell the candidate's rows from held-out rows? Propensity scores of units that the model has not seen.

Folds are of whole units: a model that has seen a person's other rows would know the person, not the table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from synth.evaluation.coding import Floats, Integers, design, features, some
from synth.evaluation.extra import need
from synth.evaluation.world import Found, World

MOST_ROWS = 5_000  # of each of the two tables
LEAST_ROWS = 20
LEAST_UNITS = 6  # of each table: two in each fold
FOLDS = 3
PERMUTATIONS = 5  # of which row is whose, for what pMSE is where there is no difference

Model = Callable[[], Any]  # a classifier of scikit-learn, not fitted


@dataclass(frozen=True, eq=False)
class Sides:
    """Equally many held-out rows, side 0, and rows of the candidate, side 1; ``units``: which unit each is of, int64[rows]."""

    holdout: pandas.DataFrame
    candidate: pandas.DataFrame
    units: Integers

    @property
    def y(self) -> Integers:
        return np.repeat(np.arange(2), [len(self.holdout), len(self.candidate)])


def gradient_boosting(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """What trees can tell, and by which columns they do (feature comparison)."""
    sides = _sides(candidate, world)
    if sides is None:
        yield from _none("gradient boosting")
        return
    x = np.vstack([features(table, world) for table in (sides.holdout, sides.candidate)])
    yield from _detection(x, _boosting(), "gradient boosting", world, sides)
    for name, value in zip(world.kinds, _importances(x, sides, world), strict=True):
        yield Found("propensity_importance", float(value), "lower", of=name)


def logistic_regression(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """What a linear model can tell: differences of single columns."""
    sides = _sides(candidate, world)
    if sides is None:
        yield from _none("logistic regression")
        return
    x = np.vstack([design(table, world) for table in (sides.holdout, sides.candidate)])
    classifier = need("sklearn.linear_model").LogisticRegression
    yield from _detection(x, lambda: classifier(max_iter=200), "logistic regression", world, sides)


def pmse(scores: Floats, share: float = 0.5) -> float:
    """Mean squared difference of propensity scores from the share of rows that are the candidate's (Woo et al. 2009)."""
    return float(((scores - share) ** 2).mean())


def detection_score(auc: float) -> float:
    """1: no model can tell the tables apart; 0: it always can. That of SDMetrics' DetectionMetric, of all folds at once."""
    return 2 * (1 - max(auc, 0.5))


def _detection(x: Floats, model: Model, of: str, world: World, sides: Sides) -> Iterator[Found]:
    """pMSE ratio: over its mean where units are given to tables at random; 1: no difference (Snoke, Raab, Nowok, Dibben and
    Slavkovic 2018)."""
    y, units = sides.y, sides.units
    scores = cross_fitted(x, y, units, model, world)
    rng = world.rng("permutations")
    mixed = [_given_at_random(y, units, rng) for _ in range(PERMUTATIONS)]
    null = float(np.mean([pmse(cross_fitted(x, each, units, model, world), float(each.mean())) for each in mixed]))
    auc = float(need("sklearn.metrics").roc_auc_score(y, scores))
    yield Found("auc", auc, "train", of=of)
    yield Found("detection", detection_score(auc), "higher", of=of)
    yield Found("pmse", pmse(scores), "lower", of=of)
    note = "" if null > 0 else "no column has more than one value"
    yield Found("pmse_ratio", pmse(scores) / null if null > 0 else None, "lower", of=of, note=note)


def cross_fitted(x: Floats, y: Integers, units: Integers, model: Model, world: World) -> Floats:
    """[rows]: the chance that a row is of the candidate (y: 1), by a model fitted on other units."""
    scores = np.full(len(y), 0.5)
    with _calmly():
        for fitted_on, scored in folds(y, units, world):
            scores[scored] = model().fit(x[fitted_on], y[fitted_on]).predict_proba(x[scored])[:, 1]
    return scores


def _importances(x: Floats, sides: Sides, world: World) -> Floats:
    """[columns]: what is lost of the area under the ROC curve, on rows not seen, where a column is shuffled."""
    area = need("sklearn.metrics").roc_auc_score
    y, rng, lost = sides.y, world.rng("importances"), np.zeros((FOLDS, x.shape[1]))
    with _calmly():
        for fold, (fitted_on, scored) in enumerate(folds(y, sides.units, world)):
            fitted = _boosting()().fit(x[fitted_on], y[fitted_on])
            whole = area(y[scored], fitted.predict_proba(x[scored])[:, 1])
            for column in range(x.shape[1]):
                shuffled = x[scored].copy()
                shuffled[:, column] = rng.permutation(shuffled[:, column])
                lost[fold, column] = whole - area(y[scored], fitted.predict_proba(shuffled)[:, 1])
    return np.asarray(lost.mean(0))


def folds(y: Integers, units: Integers, world: World) -> Iterator[tuple[Integers, Integers]]:
    """Rows to fit on and rows to score, by number: no unit has both, and each fold has its share of the units of a side."""
    rng, fold = world.rng("folds"), np.zeros(len(y), dtype=np.int64)
    for side in (0, 1):
        names, whose = np.unique(units[y == side], return_inverse=True)
        fold[y == side] = (rng.permutation(len(names)) % FOLDS)[whose]
    for number in range(FOLDS):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def _given_at_random(y: Integers, units: Integers, rng: np.random.Generator) -> Integers:
    """The sides of whole units in any order: what is alike in the rows of a unit tells nothing of the side."""
    _, first, whose = np.unique(units, return_index=True, return_inverse=True)
    return rng.permutation(y[first])[whose]


def _boosting() -> Model:
    classifier = need("sklearn.ensemble").HistGradientBoostingClassifier
    return lambda: classifier(max_iter=40, max_leaf_nodes=16, early_stopping=False, random_state=0)


@contextmanager
def _calmly() -> Iterator[None]:
    """A model that has not converged is a model too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _sides(candidate: pandas.DataFrame, world: World) -> Sides | None:
    """None where there are too few rows, or units."""
    rows = min(len(candidate), len(world.holdout), MOST_ROWS)
    held_out = world.holdout.set_axis(world.holdout_units)
    sides = [some(table, world, rows) for table in (held_out, candidate)]
    units = [np.unique(table.index.to_numpy(), return_inverse=True)[1] for table in sides]
    if not world.kinds or rows < LEAST_ROWS or min(int(of.max()) + 1 for of in units) < LEAST_UNITS:
        return None
    return Sides(sides[0], sides[1], np.concatenate([units[0], units[1] + len(units[0])]))


def _none(of: str) -> Iterator[Found]:
    note = f"a table has no columns, or fewer than {LEAST_ROWS} rows or {LEAST_UNITS} units"
    yield Found("auc", None, "train", of=of, note=note)
    yield Found("detection", None, "higher", of=of, note=note)
    yield Found("pmse", None, "lower", of=of, note=note)
    yield Found("pmse_ratio", None, "lower", of=of, note=note)
