"""Can a model tell the candidate's rows from held-out rows? Propensity scores of rows that the model has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas

from synth.evaluation.coding import Floats, Integers, design, features, some
from synth.evaluation.extra import need
from synth.evaluation.world import Found, World

MOST_ROWS = 5_000  # of each of the two tables
LEAST_ROWS = 20
FOLDS = 3
PERMUTATIONS = 5  # of which row is whose, for what pMSE is where there is no difference

Model = Callable[[], Any]  # a classifier of scikit-learn, not fitted


def gradient_boosting(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """What trees can tell, and by which columns they do (feature comparison)."""
    rows = _rows(candidate, world)
    if rows is None:
        yield from _none("gradient boosting")
        return
    x = np.vstack([features(table, world) for table in rows])
    yield from _detection(x, _boosting(), "gradient boosting", world, rows)
    for name, value in zip(world.kinds, _importances(x, _whose(rows), world), strict=True):
        yield Found("propensity_importance", float(value), "lower", of=name)


def logistic_regression(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """What a linear model can tell: differences of single columns."""
    rows = _rows(candidate, world)
    if rows is None:
        yield from _none("logistic regression")
        return
    x = np.vstack([design(table, world) for table in rows])
    classifier = need("sklearn.linear_model").LogisticRegression
    yield from _detection(x, lambda: classifier(max_iter=200), "logistic regression", world, rows)


def pmse(scores: Floats) -> float:
    """Mean squared difference of propensity scores from a half: the tables have equally many rows (Woo et al. 2009)."""
    return float(((scores - 0.5) ** 2).mean())


def detection_score(auc: float) -> float:
    """1: no model can tell the tables apart; 0: it always can. That of SDMetrics' DetectionMetric, of all folds at once."""
    return 2 * (1 - max(auc, 0.5))


def _detection(x: Floats, model: Model, of: str, world: World, rows: list[pandas.DataFrame]) -> Iterator[Found]:
    """pMSE ratio: over its mean where rows are given to tables at random; 1: no difference (Snoke, Raab, Nowok, Dibben and
    Slavkovic 2018)."""
    y = _whose(rows)
    scores = cross_fitted(x, y, model, world)
    rng = world.rng("permutations")
    null = float(np.mean([pmse(cross_fitted(x, rng.permutation(y), model, world)) for _ in range(PERMUTATIONS)]))
    auc = float(need("sklearn.metrics").roc_auc_score(y, scores))
    yield Found("auc", auc, "train", of=of)
    yield Found("detection", detection_score(auc), "higher", of=of)
    yield Found("pmse", pmse(scores), "lower", of=of)
    note = "" if null > 0 else "no column has more than one value"
    yield Found("pmse_ratio", pmse(scores) / null if null > 0 else None, "lower", of=of, note=note)


def cross_fitted(x: Floats, y: Integers, model: Model, world: World) -> Floats:
    """[rows]: the chance that a row is of the candidate (y: 1), by a model fitted on other rows."""
    scores = np.full(len(y), 0.5)
    with _calmly():
        for fitted_on, scored in _folds(x, y, world):
            scores[scored] = model().fit(x[fitted_on], y[fitted_on]).predict_proba(x[scored])[:, 1]
    return scores


def _importances(x: Floats, y: Integers, world: World) -> Floats:
    """[columns]: what is lost of the area under the ROC curve, on rows not seen, where a column is shuffled."""
    area = need("sklearn.metrics").roc_auc_score
    rng, lost = world.rng("importances"), np.zeros((FOLDS, x.shape[1]))
    with _calmly():
        for fold, (fitted_on, scored) in enumerate(_folds(x, y, world)):
            fitted = _boosting()().fit(x[fitted_on], y[fitted_on])
            whole = area(y[scored], fitted.predict_proba(x[scored])[:, 1])
            for column in range(x.shape[1]):
                shuffled = x[scored].copy()
                shuffled[:, column] = rng.permutation(shuffled[:, column])
                lost[fold, column] = whole - area(y[scored], fitted.predict_proba(shuffled)[:, 1])
    return np.asarray(lost.mean(0))


def _folds(x: Floats, y: Integers, world: World) -> Iterator[tuple[Integers, Integers]]:
    folds = need("sklearn.model_selection").StratifiedKFold(FOLDS, shuffle=True, random_state=world.seed)
    yield from folds.split(x, y)


def _boosting() -> Model:
    classifier = need("sklearn.ensemble").HistGradientBoostingClassifier
    return lambda: classifier(max_iter=40, max_leaf_nodes=16, early_stopping=False, random_state=0)


@contextmanager
def _calmly() -> Iterator[None]:
    """A model that has not converged is a model too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _rows(candidate: pandas.DataFrame, world: World) -> list[pandas.DataFrame] | None:
    """Equally many held-out rows and rows of the candidate; None where there are too few."""
    rows = min(len(candidate), len(world.holdout), MOST_ROWS)
    return (
        [some(world.holdout, world, rows), some(candidate, world, rows)] if rows >= LEAST_ROWS and world.kinds else None
    )


def _whose(rows: list[pandas.DataFrame]) -> Integers:
    return np.repeat(np.arange(2), [len(table) for table in rows])


def _none(of: str) -> Iterator[Found]:
    note = f"a table has no columns or fewer than {LEAST_ROWS} rows"
    yield Found("auc", None, "train", of=of, note=note)
    yield Found("detection", None, "higher", of=of, note=note)
    yield Found("pmse", None, "lower", of=of, note=note)
    yield Found("pmse_ratio", None, "lower", of=of, note=note)
