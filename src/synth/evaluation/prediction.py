"""A model that is trained on a candidate and predicts a column of held-out rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Prediction
from synth.evaluation.extra import need
from synth.evaluation.world import World

MOST_CLASSES = 50
MOST_CATEGORIES = 50  # of a feature; the rarest beyond them are one
OF_NUMBERS = ("r2", "mean_absolute_error")  # metrics of a regression

Numbers = NDArray[np.float64]


class Unpredictable(Exception):
    """Why there is no prediction, in words that hold no value of a row."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Of held-out rows. Of a classification truth and prediction are places in ``classes``, and ``scores`` is [rows, classes]."""

    truth: Numbers
    predicted: Numbers
    units: NDArray[np.int64]
    rows: NDArray[np.intp]  # which held-out rows: those whose target is known
    classes: tuple[str, ...] = ()
    scores: Numbers | None = None

    def constant(self, value: float) -> Predicted:
        """The same for every row: what is predicted without a look at its features."""
        scores = None if self.scores is None else np.zeros_like(self.scores)
        predicted = np.full_like(self.predicted, value)
        return Predicted(self.truth, predicted, self.units, self.rows, self.classes, scores)


def predict(task: Prediction, candidate: pandas.DataFrame, world: World) -> Predicted:
    """``Unpredictable`` where there is nothing to learn from, or the estimator is not one of such a target."""
    trained = candidate[candidate[task.target].notna()]
    rows = np.flatnonzero(world.holdout[task.target].notna())
    tested, units = world.holdout.iloc[rows], world.holdout_units[rows]
    if trained.empty or tested.empty:
        raise Unpredictable("no row has a target")
    known, unknown = (features(frame, task, world) for frame in (trained, tested))
    if not len(known.columns):
        raise Unpredictable("it has no feature")
    if task.metric in OF_NUMBERS:
        targets, truth = (numbers(frame[task.target], world.kinds[task.target]) for frame in (trained, tested))
        fitted = _fitted(task, known, targets, world)
        return Predicted(truth, np.asarray(fitted.predict(unknown), np.float64), units, rows)
    labels, true = (frame[task.target].astype(str).to_numpy() for frame in (trained, tested))
    classes = tuple(sorted({*labels, *true}))
    if len(classes) > MOST_CLASSES:
        raise Unpredictable(f"the target has more than {MOST_CLASSES} values")
    scores = _scores(task, known, np.searchsorted(classes, labels), unknown, len(classes), world)
    places = np.searchsorted(classes, true).astype(np.float64)
    return Predicted(places, scores.argmax(axis=1).astype(np.float64), units, rows, classes, scores)


def features(frame: pandas.DataFrame, task: Prediction, world: World) -> pandas.DataFrame:
    """Text and floats; times are numbers of days."""
    names = task.features or [name for name in world.kinds if name != task.target]
    columns: dict[str, Any] = {}
    for name in names:
        if world.kinds[name] == "categorical":
            columns[name] = frame[name].astype(object).where(frame[name].notna(), "(missing)").astype(str).to_numpy()
        else:
            values = numbers(frame[name], world.kinds[name])
            columns[name] = np.where(np.isfinite(values), values, np.nan)
    return pandas.DataFrame(columns)


def numbers(column: pandas.Series, kind: str) -> Numbers:
    if kind == "categorical":
        raise Unpredictable("the target is no number")
    if kind == "datetime":
        times = column.to_numpy(dtype="datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 86_400e6)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _scores(
    task: Prediction, known: pandas.DataFrame, targets: NDArray[np.intp], unknown: pandas.DataFrame, classes: int, world: World
) -> Numbers:  # fmt: skip
    """[rows, classes]; 0 for a class that the candidate does not have, so that it is never predicted."""
    scores = np.zeros((len(unknown), classes))
    seen = np.unique(targets)
    if len(seen) == 1:  # nothing to be learnt: estimators refuse it
        scores[:, seen[0]] = 1.0
    else:
        scores[:, seen] = _fitted(task, known, targets, world).predict_proba(unknown)
    return scores


def _fitted(task: Prediction, known: pandas.DataFrame, targets: NDArray[Any], world: World) -> Any:
    pipeline = need("sklearn.pipeline").make_pipeline(_encoder(known, world), _estimator(task, world.seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, and of columns that are missing throughout
        return pipeline.fit(known, targets)


def _encoder(known: pandas.DataFrame, world: World) -> Any:
    preprocessing, pipeline = need("sklearn.preprocessing"), need("sklearn.pipeline")
    impute = need("sklearn.impute").SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    one_hot = preprocessing.OneHotEncoder(
        handle_unknown="ignore", max_categories=MOST_CATEGORIES, sparse_output=False
    )  # fmt: skip
    text = [name for name in known.columns if world.kinds[name] == "categorical"]
    rest: Iterable[str] = [name for name in known.columns if name not in text]
    scaled = pipeline.make_pipeline(impute, preprocessing.StandardScaler())
    return need("sklearn.compose").ColumnTransformer([("text", one_hot, text), ("numbers", scaled, rest)])


def _estimator(task: Prediction, seed: int) -> Any:
    ensemble, linear = need("sklearn.ensemble"), need("sklearn.linear_model")
    regression = task.metric in OF_NUMBERS
    if task.estimator == ("logistic_regression" if regression else "linear_regression"):
        raise Unpredictable(f"{task.estimator} has no {task.metric}")
    if task.estimator == "gradient_boosting":
        chosen = ensemble.HistGradientBoostingRegressor if regression else ensemble.HistGradientBoostingClassifier
        return chosen(random_state=seed)
    if task.estimator == "random_forest":
        chosen = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
        return chosen(n_estimators=100, min_samples_leaf=2, random_state=seed)
    return linear.LinearRegression() if regression else linear.LogisticRegression(max_iter=1000)
