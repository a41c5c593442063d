"""Tasks: what a model that is trained on a candidate is worth on held-out rows (train on synthetic, test on real).

Esteban, Hyland & Rätsch 2017 (arXiv 1706.02633).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Better, Curve, Prediction, PythonTask, TaskMetric
from synth.evaluation.prediction import OF_NUMBERS, Predicted, Unpredictable, predict
from synth.evaluation.world import Found, Measure, World

RESAMPLES = 200
UNDEFINED = "undefined on these held-out rows, as where they have one class only"
NO_BETTER = "a model of train rows is itself no surer than chance"


class Reference(NamedTuple):
    """The metric of a model of train rows, its standard error, and the metric of the best constant."""

    trained: float
    error: float
    chance: float


def prediction(task: Prediction) -> Measure:
    """The task's metric, its standard error over held-out units, and the utility: 0 is chance, 1 is what train rows give."""
    references: dict[int, Reference] = {}  # by the number of train rows: fitted once, for all candidates

    def measure(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
        better: Better = "lower" if task.metric == "mean_absolute_error" else "higher"
        try:
            predicted = predict(task, candidate, world)
            if len(candidate) not in references:
                references[len(candidate)] = _reference(task, len(candidate), world)
        except Unpredictable as why:
            yield Found(task.metric, None, better, task.name, str(why))
            return
        value = score(predicted, task.metric)
        yield _found(task.metric, value, better, task.name)
        error = standard_error(predicted, task.metric, world.rng("standard error"))
        yield _found("standard error", error, "lower", task.name)
        yield _utility(task, value, references[len(candidate)])

    return measure


def python(task: PythonTask, function: Callable[..., Any]) -> Measure:
    """Figures of the project's own function. Of what goes wrong only the kind is said: a message could quote a row."""

    def measure(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
        try:
            figures = function(candidate.reset_index(drop=True), world.holdout.copy())
        except Exception as error:
            yield Found("figure", None, task.better, task.name, f"the function raised {type(error).__name__}")
            return
        if not isinstance(figures, dict) or not all(isinstance(name, str) for name in figures):
            yield Found("figure", None, task.better, task.name, "the function must return {name: figure}")
            return
        for name, figure in figures.items():
            yield _finite(name, figure, task)

    return measure


def score(predicted: Predicted, metric: TaskMetric, weights: NDArray[np.float64] | None = None) -> float:
    """NaN where it is undefined. Of several classes, AUC (one against the rest), recall and F1 are means over the true ones."""
    truth, guess = predicted.truth, predicted.predicted
    weights = np.ones(len(truth)) if weights is None else weights
    if metric == "mean_absolute_error":
        return float(np.average(np.abs(truth - guess), weights=weights))
    if metric == "r2":
        spread = np.average((truth - np.average(truth, weights=weights)) ** 2, weights=weights)
        return float(1 - np.average((truth - guess) ** 2, weights=weights) / spread) if spread else math.nan
    count = len(predicted.classes)
    known, said = (np.bincount(of.astype(int), weights, count) for of in (truth, guess))
    hit = np.bincount(truth[truth == guess].astype(int), weights[truth == guess], count)
    true = known > 0
    if metric == "roc_auc":
        return _auc(predicted, np.flatnonzero(true), weights)
    if metric == "accuracy":
        return float(hit.sum() / known.sum())
    return float(
        np.mean(hit[true] / known[true] if metric == "balanced_accuracy" else 2 * hit[true] / (known + said)[true])
    )


def standard_error(predicted: Predicted, metric: TaskMetric, rng: np.random.Generator) -> float:
    """By bootstrap over held-out units: of the predictions alone, so what another training set would change is not in it."""
    _, unit, counts = np.unique(predicted.units, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return math.nan
    draws = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=RESAMPLES)
    scores = np.array([score(predicted, metric, draw[unit].astype(np.float64)) for draw in draws])
    scores = scores[np.isfinite(scores)]
    return float(scores.std(ddof=1)) if len(scores) > 1 else math.nan


def _auc(predicted: Predicted, true: NDArray[np.intp], weights: NDArray[np.float64]) -> float:
    if len(true) < 2 or predicted.scores is None:
        return math.nan
    of = true[1:] if len(true) == 2 else true  # of two classes one is enough
    return float(np.mean([_area(predicted.scores[:, c], predicted.truth == c, weights) for c in of]))


def _area(scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The share of pairs, by weight, in which the positive row has the higher score; of equal scores the half."""
    _, place = np.unique(scores, return_inverse=True)
    on, off = (np.bincount(place, weights * chosen) for chosen in (positive, ~positive))
    return float((on * (np.cumsum(off) - off / 2)).sum() / (on.sum() * off.sum()))


def _reference(task: Prediction, rows: int, world: World) -> Reference:
    chosen = np.sort(world.rng("train rows").permutation(len(world.train))[:rows])
    trained = predict(task, world.train.iloc[chosen], world)
    error = standard_error(trained, task.metric, world.rng("standard error"))
    chance = score(trained.constant(_commonest(task, trained)), task.metric)
    return Reference(score(trained, task.metric), error, chance)


def _utility(task: Prediction, value: float, reference: Reference) -> Found:
    gain = reference.trained - reference.chance
    if not abs(gain) > 2 * reference.error:  # also where one of them is NaN
        return Found("utility", None, "higher", task.name, NO_BETTER)
    return _found("utility", (value - reference.chance) / gain, "higher", task.name)


def _commonest(task: Prediction, trained: Predicted) -> float:
    """The best that is the same for all held-out rows: their commonest class, or the mean or median of a number."""
    if task.metric in OF_NUMBERS:
        return float(np.mean(trained.truth) if task.metric == "r2" else np.median(trained.truth))
    return float(np.bincount(trained.truth.astype(int)).argmax())


def _found(metric: str, value: float, better: Better, of: str) -> Found:
    known = math.isfinite(value)
    return Found(metric, value if known else None, better, of, "" if known else UNDEFINED)


def _finite(name: str, figure: object, task: PythonTask) -> Found:
    number = (
        isinstance(figure, int | float | np.number) and not isinstance(figure, bool) and math.isfinite(float(figure))
    )
    note = "" if number else "the function must return a finite number"
    return Found(name, float(figure) if number else None, task.better, task.name, note)  # type: ignore[arg-type]
