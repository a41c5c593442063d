"""Figures computed on real rows: of ``synth evaluate``, for the private zone alone. And what is to be evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from synth.artifacts.plan import Artifact

Kind = Literal[
    "categorical", "numeric", "datetime"
]  # how figures see a column; times and durations are numeric, in seconds
Better = Literal["higher", "lower", "train"]  # "train": the nearer to what train rows have, the better
Section = Literal[
    "fidelity",
    "dependence",
    "linked",
    "distance",
    "detection",
    "sdmetrics",
    "subgroups",
    "tasks",
    "survival",
    "fairness",
    "attacks",
]
Estimator = Literal["gradient_boosting", "random_forest", "logistic_regression", "linear_regression"]
TaskMetric = Literal["roc_auc", "accuracy", "balanced_accuracy", "f1", "r2", "mean_absolute_error"]


class Figure(Artifact):
    """One figure: of the synthetic table, of the train rows (the best that any table could reach), of shuffled columns.

    Each is a candidate compared with the same held-out rows. What could not be computed is None, and ``note`` says why.
    """

    section: Section
    metric: str  # "marginal_2"
    of: str = ""  # a column, "age × sex", "sex = F", a task's name; "" for the whole table
    better: Better
    synthetic: float | None
    train: float | None
    shuffled: float | None
    note: str = ""


class Curve(Artifact):
    """A line or bars to be drawn: the same ``x`` for each of the named series."""

    section: Section
    name: str  # "distribution", "kaplan_meier", "principal_components"
    of: str  # a column, a task
    x: tuple[float | str, ...]
    series: dict[str, tuple[float, ...]]  # "synthetic", "train", "holdout"


class Prediction(Artifact):
    """A model trained on a candidate and tested on held-out rows."""

    type: Literal["prediction"] = "prediction"
    name: str
    target: str
    features: tuple[str, ...]  # none: every other column
    estimator: Estimator = "gradient_boosting"
    metric: TaskMetric = "roc_auc"


class Survival(Artifact):
    """Kaplan-Meier curves and Cox hazard ratios of a time until an event."""

    type: Literal["survival"] = "survival"
    name: str
    duration: str  # a numeric column
    event: str  # a boolean column, or a categorical one of which ``occurred`` is the value that counts
    occurred: str | None = None
    covariates: tuple[str, ...] = ()
    strata: str | None = None  # a categorical column: a curve for each value


class PythonTask(Artifact):
    """A function of the project: ``f(train, test) -> {name: figure}``, called with each candidate as ``train``."""

    type: Literal["python"] = "python"
    name: str
    function: str  # "tasks.py:readmission", relative to the project
    better: Literal["higher", "lower"] = "higher"


Task = Annotated[Prediction | Survival | PythonTask, Field(discriminator="type")]


class Goal(Artifact):
    """A figure of the synthetic table that must be reached."""

    metric: str
    of: str = ""
    min: float | None = None
    max: float | None = None

    def __str__(self) -> str:
        of = f" of {self.of}" if self.of else ""
        bounds = [f"at least {self.min:g}"] if self.min is not None else []
        bounds += [f"at most {self.max:g}"] if self.max is not None else []
        return f"{self.metric}{of} {' and '.join(bounds) or 'is computed'}"

    def reached(self, figures: Iterable[Figure]) -> bool:
        """Whether it is; a figure that is not there, or could not be computed, reaches nothing."""
        found = [f.synthetic for f in figures if (f.metric, f.of) == (self.metric, self.of)]
        value = found[0] if found else None
        return value is not None and (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class EvaluationPlan(Artifact):
    """What the evaluation of a table looks at beyond its columns."""

    subgroups: tuple[str, ...] = ()  # categorical columns: figures again for each of their values
    protected: tuple[str, ...] = ()  # categorical columns for which the predictions' fairness is measured
    secrets: tuple[str, ...] = ()  # columns that an attacker wants to infer; none: every column
    tasks: tuple[Task, ...] = ()
    goals: tuple[Goal, ...] = ()


class Evaluation(Artifact):
    """All that ``synth evaluate`` found of one table. Computed on real rows without noise: it stays in the private zone."""

    schema_version: Literal["synth/evaluation/v1"] = "synth/evaluation/v1"
    synth_version: str
    run_id: str
    run_time: str
    model: str
    relation: str
    made: str | None = None  # when the table was, by the clock of whoever made it; None where nobody noted it
    declaration: str  # of the table that was evaluated: SyntheticModel.declaration
    unit: str
    train_rows: int
    train_units: int
    held_out_rows: int
    held_out_units: int
    synthetic_rows: int
    notes: tuple[str, ...] = ()
    kinds: dict[str, Kind]
    plan: EvaluationPlan
    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...]

    @property
    def missed(self) -> tuple[Goal, ...]:
        return tuple(goal for goal in self.plan.goals if not goal.reached(self.figures))
