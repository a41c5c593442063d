"""Tasks, survival, fairness and combining rules: figures that are known beforehand, and what cannot be computed."""

from __future__ import annotations

import math

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, r2_score, roc_auc_score

from synth.artifacts.evaluation import Curve, EvaluationPlan, Prediction, PythonTask, Survival
from synth.errors import UsageError
from synth.evaluation.plan_measures import measures_of
from synth.evaluation.prediction import Predicted
from synth.evaluation.replicates import combine
from synth.evaluation.tasks import score, standard_error
from synth.evaluation.world import Found, World

KINDS = {
    "sex": "categorical",
    "group": "categorical",
    "ill": "categorical",
    "age": "numeric",
    "days": "numeric",
    "seen": "datetime",
}
ILL = Prediction(name="illness", target="ill", features=("sex", "age", "seen"), estimator="logistic_regression")
DEATH = Survival(name="death", duration="days", event="ill", occurred="yes", covariates=("age", "sex"), strata="sex")


def people(rows: int, seed: int) -> pandas.DataFrame:
    """The older are ill more often, and sooner: the hazard doubles with each 10 years."""
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 10, rows)
    ill = rng.random(rows) < 1 / (1 + np.exp(-(age - 50) / 5))
    return pandas.DataFrame({
        "sex": pandas.Series(rng.choice(["F", "M"], rows), dtype=object),
        "group": pandas.Series(rng.choice(["a", "b", "rare"], rows, p=[0.5, 0.49, 0.01]), dtype=object),
        "ill": pandas.Series(np.where(ill, "yes", "no"), dtype=object),
        "age": np.where(rng.random(rows) < 0.05, np.nan, age),
        "days": rng.exponential(100 * 2 ** ((50 - age) / 10)),
        "seen": np.datetime64("2020-01-01", "us") + rng.integers(0, 10**14, rows).astype("timedelta64[us]"),
    })  # fmt: skip


def world_of(plan: EvaluationPlan, holdout: int = 800) -> World:
    return World(people(1_500, 1), people(holdout, 2), np.arange(1_500), np.arange(holdout), KINDS, plan)


def found(
    candidate: pandas.DataFrame, world: World, section: str, function: object = None
) -> dict[tuple[str, str], Found]:
    functions = {"tasks.py:own": function}
    measures = [measure for of, _, measure in measures_of(world.plan, functions) if of == section]
    return {(f.metric, f.of): f for measure in measures for f in measure(candidate, world) if isinstance(f, Found)}


def shuffled(frame: pandas.DataFrame) -> pandas.DataFrame:
    rng = np.random.default_rng(0)
    return pandas.DataFrame({name: frame[name].to_numpy()[rng.permutation(len(frame))] for name in frame}).astype(
        frame.dtypes.to_dict()
    )


def test_utility_is_1_for_train_rows() -> None:
    world = world_of(EvaluationPlan(tasks=(ILL,)))
    own = found(world.train, world, "tasks")
    assert own["utility", "illness"].value == pytest.approx(1)
    assert own["roc_auc", "illness"].value > 0.8
    assert 0.005 < own["standard error", "illness"].value < 0.03


@pytest.mark.parametrize("estimator", ["gradient_boosting", "random_forest", "linear_regression"])
def test_regression_is_worth_nothing_on_shuffled_columns(estimator: str) -> None:
    task = Prediction(
        name="age", target="age", features=("days", "ill"), estimator=estimator, metric="mean_absolute_error"
    )
    world = world_of(EvaluationPlan(tasks=(task,)), 300)
    figures = found(world.train, world, "tasks")
    assert figures["mean_absolute_error", "age"].better == "lower"
    assert figures["utility", "age"].value == pytest.approx(1)
    assert found(shuffled(world.train), world, "tasks")["utility", "age"].value < 0.2


def test_classes_that_a_candidate_lacks_are_wrong() -> None:
    plan = EvaluationPlan(tasks=(ILL.model_copy(update={"metric": "accuracy"}),))
    world = world_of(plan)
    without = world.train.assign(ill="yes")
    figures = found(without, world, "tasks")
    assert figures["accuracy", "illness"].value == pytest.approx((world.holdout["ill"] == "yes").mean())
    unknown = found(world.train.assign(ill="perhaps"), world, "tasks")
    assert unknown["accuracy", "illness"].value == 0


@pytest.mark.parametrize(
    ("task", "note"),
    [
        (ILL.model_copy(update={"estimator": "linear_regression"}), "linear_regression has no roc_auc"),
        (ILL.model_copy(update={"metric": "r2", "estimator": "random_forest"}), "the target is no number"),
        (ILL.model_copy(update={"target": "days"}), "more than 50 values"),
        (ILL.model_copy(update={"target": "group", "features": ("sex",), "metric": "balanced_accuracy"}), ""),
    ],
)
def test_what_cannot_be_predicted_says_why(task: Prediction, note: str) -> None:
    world = world_of(EvaluationPlan(tasks=(task,)), 200)
    figures = found(world.train, world, "tasks")
    if note:
        (only,) = figures.values()
        assert only.value is None and note in only.note
    else:
        assert figures["utility", "illness"].value is None
        assert "no surer than chance" in figures["utility", "illness"].note


def test_metrics_are_those_of_sklearn() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), 200).round(1)
    truth, weights = rng.integers(0, 3, 200), rng.integers(0, 3, 200).astype(float)
    guess, units = scores.argmax(axis=1), np.arange(200)
    classes = Predicted(truth.astype(float), guess.astype(float), units, units, ("a", "b", "c"), scores)
    aucs = [roc_auc_score(truth == c, scores[:, c], sample_weight=weights) for c in range(3)]
    assert score(classes, "roc_auc", weights) == pytest.approx(np.mean(aucs))
    for metric, theirs in (
        ("balanced_accuracy", balanced_accuracy_score),
        ("accuracy", lambda t, g, sample_weight: np.average(t == g, weights=sample_weight)),
    ):
        assert score(classes, metric, weights) == pytest.approx(theirs(truth, guess, sample_weight=weights))
    assert score(classes, "f1", weights) == pytest.approx(
        f1_score(truth, guess, average="macro", sample_weight=weights)
    )
    true, near = rng.normal(size=200), rng.normal(size=200)
    numbers = Predicted(true, near, units, units)
    assert score(numbers, "r2", weights) == pytest.approx(r2_score(true, near, sample_weight=weights))
    assert score(numbers, "mean_absolute_error", weights) == pytest.approx(
        mean_absolute_error(true, near, sample_weight=weights)
    )


def test_the_standard_error_counts_units_and_not_rows() -> None:
    """Each unit's row ten times over tells no more than once."""
    rng = np.random.default_rng(0)
    true, near = rng.normal(size=100), rng.normal(size=100)
    once = Predicted(true, near, np.arange(100), np.arange(100))
    tenfold = Predicted(np.repeat(true, 10), np.repeat(near, 10), np.repeat(np.arange(100), 10), np.arange(1_000))
    errors = [standard_error(of, "mean_absolute_error", np.random.default_rng(1)) for of in (once, tenfold)]
    assert errors[0] == pytest.approx(errors[1])
    assert errors[0] == pytest.approx(np.abs(true - near).std() / 10, rel=0.2)


def test_a_function_of_the_project_gives_figures_or_why_not() -> None:
    plan = EvaluationPlan(tasks=(PythonTask(name="own", function="tasks.py:own"),))
    world = world_of(plan, 50)

    def fails(train: pandas.DataFrame, test: pandas.DataFrame) -> dict[str, float]:
        raise ValueError(f"secret {train['age'].iloc[0]}")

    good = found(world.train, world, "tasks", lambda train, test: {"rows": len(train), "bad": math.nan, "text": "x"})
    assert good["rows", "own"].value == 1_500
    assert good["bad", "own"].value is good["text", "own"].value is None
    failed = found(world.train, world, "tasks", fails)["figure", "own"]
    assert failed.value is None and failed.note == "the function raised ValueError"
    assert "must return" in found(world.train, world, "tasks", lambda train, test: 3)["figure", "own"].note

    def spoils(train: pandas.DataFrame, test: pandas.DataFrame) -> dict[str, float]:
        test["age"] = 0.0
        return {}

    found(world.train, world, "tasks", spoils)
    assert world.holdout["age"].nunique() > 1


def test_fairness_takes_groups_from_the_rows_that_were_predicted() -> None:
    """Men are ill and women are not; held-out rows without a target lie between them and must shift nothing."""
    plan = EvaluationPlan(tasks=(ILL.model_copy(update={"features": ("sex",)}),), protected=("sex", "group"))
    train, holdout = people(400, 1), people(2_000, 2)
    for frame in (train, holdout):
        frame["ill"] = np.where(frame["sex"] == "M", "yes", "no").astype(object)
    holdout.loc[::3, "ill"] = None
    holdout.loc[holdout.index[holdout["group"] == "rare"][5:], "group"] = "a"
    world = World(train, holdout, np.arange(400), np.arange(2_000), KINDS, plan)
    figures = found(train, world, "fairness")
    assert figures["selection rate", "illness, sex = M"].value == 1
    assert figures["selection rate", "illness, sex = F"].value == 0
    assert figures["demographic_parity_difference", "illness, sex"].value == 1
    assert figures["equalized_odds_difference", "illness, sex"].note == "a group has one outcome only"
    assert figures["equalized_odds_difference", "illness, group"].value == 0
    assert figures["accuracy", "illness, group = rare"].note == "fewer than 20 held-out rows"


def test_survival_finds_the_hazard_that_was_made() -> None:
    world = world_of(EvaluationPlan(tasks=(DEATH,)))
    candidate = people(2_000, 3).assign(ill="yes")
    world.holdout["ill"] = "yes"
    figures = found(candidate, world, "survival")
    low, high = (figures[f"hazard_ratio {end}", "death, age"].value for end in ("low", "high"))
    assert low < 2 ** (world.holdout["age"].std() / 10) * 1.03 and high > 1.7
    assert low > 1.5
    assert figures["hazard_ratio overlap", "death, age"].value > 0.2
    assert 0.55 < figures["concordance", "death"].value < 0.8
    assert figures["largest distance of survival curves", "death"].value < 0.1
    same = found(world.holdout, world, "survival")
    assert same["largest distance of survival curves", "death"].value == 0
    assert same["hazard_ratio overlap", "death, age"].value == pytest.approx(1)
    everyone = np.minimum(world.holdout["days"], np.quantile(world.holdout["days"], 0.95)).mean()
    assert same["restricted mean survival time", "death"].value == pytest.approx(everyone)


def test_survival_curves_share_a_grid_of_times() -> None:
    world = world_of(EvaluationPlan(tasks=(DEATH,)))
    ((_, _, measure),) = (asked for asked in measures_of(world.plan, {}) if asked[0] == "survival")
    curves = {curve.of: curve for curve in measure(world.train, world) if isinstance(curve, Curve)}
    assert set(curves) == {"death", "death, sex = F", "death, sex = M"}
    for curve in curves.values():
        assert set(curve.series) == {"candidate", "holdout", "holdout low", "holdout high"}
        assert {len(line) for line in curve.series.values()} == {len(curve.x)} == {60}
        below, line, above = (np.array(curve.series[name]) for name in ("holdout low", "holdout", "holdout high"))
        assert (below <= line).all() and (line <= above).all()
        assert (np.diff(line) <= 0).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[:0],
        lambda frame: frame.iloc[[0] * 60],
        lambda frame: frame.assign(age=np.nan, days=np.nan),
        lambda frame: frame.assign(sex=None, ill=None),
        lambda frame: frame.assign(age=np.where(frame["ill"] == "yes", 1.0, 0.0), days=-1.0),
    ],
    ids=["no row", "all alike", "no number", "no category", "negative durations"],
)
def test_odd_candidates_raise_nothing(change: object) -> None:
    world = world_of(EvaluationPlan(tasks=(ILL, DEATH), protected=("sex",)), 200)
    candidate = change(world.train).reset_index(drop=True).astype(world.train.dtypes.to_dict())
    for section in ("tasks", "survival", "fairness"):
        figures = found(candidate, world, section)
        assert figures and all(f.value is not None or f.note for f in figures.values())


def test_whose_a_row_is_changes_no_figure_of_tasks() -> None:
    """The index of a candidate names units, so that several rows may have the same."""
    world = world_of(EvaluationPlan(tasks=(ILL, DEATH), protected=("sex",)), 200)
    candidate = world.train.head(300)
    for section in ("tasks", "survival", "fairness"):
        assert found(candidate.set_axis(np.arange(300) // 3), world, section) == found(candidate, world, section)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)), min_size=2, max_size=20))
def test_combining_rules(tables: list[tuple[float, float]]) -> None:
    estimates, variances = zip(*tables, strict=True)
    m, between, within = len(tables), np.var(estimates, ddof=1), np.mean(variances)
    partial, full = (combine(estimates, variances, rule) for rule in ("partial", "full"))
    assert partial.estimate == full.estimate == pytest.approx(np.mean(estimates))
    assert partial.variance == pytest.approx(between / m + within)
    assert full.variance > 0 and full.degrees >= 0
    assert combine(estimates[::-1], variances[::-1]).variance == pytest.approx(partial.variance)
    low, high = partial.interval()
    assert low <= partial.estimate <= high


def test_tables_that_do_not_differ_have_the_interval_of_one() -> None:
    assert combine([2.0, 2.0], [0.25, 0.25]).interval() == pytest.approx((2 - 1.959964 / 2, 2 + 1.959964 / 2))


@pytest.mark.parametrize(
    ("estimates", "variances"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [0.0, 1.0]), ([1.0, math.nan], [1.0, 1.0])],
)
def test_what_cannot_be_combined(estimates: list[float], variances: list[float]) -> None:
    with pytest.raises(UsageError):
        combine(estimates, variances)
