"""Whether a model that is trained on a candidate treats groups of held-out people alike: metrics of fairlearn.

Demographic parity: the same share of each group is selected. Equalized odds: the same share of those who are what is
predicted, and of those who are not (Hardt, Price & Srebro 2016, arXiv 1610.02413). What is selected is the last of two
classes, as they are sorted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Better, Curve, Prediction
from synth.evaluation.extra import need
from synth.evaluation.prediction import Predicted, Unpredictable, predict
from synth.evaluation.world import Found, Measure, World

LEAST = 20  # held-out rows of a group
FEW = f"fewer than {LEAST} held-out rows"
METRICS: dict[str, Better] = {
    "demographic_parity_difference": "lower",
    "demographic_parity_ratio": "higher",
    "equalized_odds_difference": "lower",
    "equalized_odds_ratio": "higher",
}


def fairness(task: Prediction, protected: tuple[str, ...]) -> Measure:
    def measure(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
        try:
            predicted = predict(task, candidate, world)
            if len(predicted.classes) != 2:
                raise Unpredictable("the target has not two classes")
        except Unpredictable as why:
            yield from _none([f"{task.name}, {name}" for name in protected], str(why))
            return
        for name in protected:
            yield from _of(name, task, predicted, world)

    return measure


def _of(name: str, task: Prediction, predicted: Predicted, world: World) -> Iterator[Found]:
    """Rows of no group, and those of small ones, do not count."""
    groups = world.holdout[name].iloc[predicted.rows]  # of the very rows that were predicted
    sizes = groups.value_counts()
    large = sorted(sizes.index[sizes >= LEAST])
    for value in sorted(sizes.index):
        of = f"{task.name}, {name} = {value}"
        if value not in large:
            yield Found("selection rate", None, "train", of, FEW)
            yield Found("accuracy", None, "higher", of, FEW)
            continue
        own = (groups == value).to_numpy(dtype=bool)
        yield Found("selection rate", float(predicted.predicted[own].mean()), "train", of)
        yield Found("accuracy", float((predicted.predicted == predicted.truth)[own].mean()), "higher", of)
    if len(large) < 2:
        yield from _none([f"{task.name}, {name}"], f"fewer than two groups of {LEAST} held-out rows")
        return
    kept = groups.isin(large).to_numpy(dtype=bool)
    yield from _between(f"{task.name}, {name}", predicted.truth[kept], predicted.predicted[kept], groups[kept])


def _between(
    of: str, truth: NDArray[np.float64], guess: NDArray[np.float64], groups: pandas.Series
) -> Iterator[Found]:  # fmt: skip
    metrics = need("fairlearn.metrics")
    outcomes = pandas.Series(truth).groupby(groups.to_numpy(dtype=object)).nunique()
    for metric, better in METRICS.items():
        if metric.startswith("equalized") and outcomes.min() < 2:
            yield Found(metric, None, better, of, "a group has one outcome only")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of divisions by zero: they are NaN
            value = float(getattr(metrics, metric)(truth, guess, sensitive_features=groups.to_numpy(dtype=object)))
        note = "" if np.isfinite(value) else "nobody is selected"
        yield Found(metric, None if note else value, better, of, note)


def _none(of: list[str], note: str) -> Iterator[Found]:
    yield from (Found(metric, None, better, each, note) for each in of for metric, better in METRICS.items())
