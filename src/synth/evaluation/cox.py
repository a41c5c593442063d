"""Cox's proportional hazards of a candidate beside those of held-out rows.

A number counts in standard deviations of the held-out rows, and a missing one is their median. A category is compared with
the commonest of the held-out rows; rare ones are one. Of intervals the overlap is that of Karr et al. 2006, cut at 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Survival
from synth.evaluation.extra import need
from synth.evaluation.intervals import Interval, Z
from synth.evaluation.prediction import numbers
from synth.evaluation.world import Found, World

MOST_LEVELS = 8
LARGEST = 50.0  # logarithm of a hazard ratio that says anything: what lies beyond did not converge
LEAST = 20  # held-out rows of a category of its own

Numbers = NDArray[np.float64]


def cox(own: pandas.DataFrame, held_out: pandas.DataFrame, task: Survival, world: World) -> Iterator[Found]:
    """``own`` and ``held_out`` have ``(duration)`` and ``(event)``: see ``survival.timed``."""
    known, reference = (design(frame, held_out, task, world) for frame in (own, held_out))
    found, failed = _fit(known, own)
    expected, expected_failed = _fit(reference, held_out)
    for covariate in map(str, reference):
        of = f"{task.name}, {covariate}"
        hazard, of_held_out = (_ratio(fit, covariate) for fit in (found, expected))
        if hazard is None:
            yield Found("hazard_ratio", None, "train", of, failed or "it does not vary, or its interval has no bounds")
            continue
        yield Found("hazard_ratio", math.exp(hazard.value), "train", of)
        yield Found("hazard_ratio low", math.exp(hazard.low), "train", of)
        yield Found("hazard_ratio high", math.exp(hazard.high), "train", of)
        shared = None if of_held_out is None else _overlap(hazard, of_held_out)
        note = "" if of_held_out is not None else expected_failed or "it does not vary in held-out rows"
        yield Found("hazard_ratio overlap", shared, "higher", of, note)
    yield _concordance(found, failed, reference, held_out, task.name)


def design(frame: pandas.DataFrame, held_out: pandas.DataFrame, task: Survival, world: World) -> pandas.DataFrame:
    """Covariates as numbers, [rows of frame, covariates]: of every frame the same ones, for the held-out rows have them."""
    columns: dict[str, Numbers] = {}
    for name in task.covariates:
        if world.kinds[name] == "categorical":
            columns |= _categories(name, _text(frame[name]), _text(held_out[name]))
            continue
        own, reference = (numbers(side[name], world.kinds[name]) for side in (frame, held_out))
        known = reference[np.isfinite(reference)]
        if len(known) and known.std() > 0:
            middle = float(np.median(known))
            columns[name] = (np.where(np.isfinite(own), own, middle) - middle) / known.std()
    return pandas.DataFrame(columns, index=frame.index)


def _categories(name: str, own: pandas.Series, held_out: pandas.Series) -> dict[str, Numbers]:
    counts = held_out.value_counts()
    levels = list(counts.index[counts >= LEAST])[:MOST_LEVELS]
    columns = {f"{name} = {level}": (own == level).to_numpy(np.float64) for level in levels[1:]}
    rare = {} if len(levels) == len(counts) else {f"{name}: rare values": (~own.isin(levels)).to_numpy(np.float64)}
    return columns | rare


def _text(column: pandas.Series) -> pandas.Series:
    return column.astype(object).where(column.notna(), "(missing)").astype(str)


def _fit(covariates: pandas.DataFrame, frame: pandas.DataFrame) -> tuple[Any, str]:
    """A fitted model without the covariates that do not vary; or None, and why."""
    varying = covariates.loc[:, covariates.nunique() > 1] if len(covariates) else covariates.iloc[:, :0]
    if varying.empty:
        return None, "no covariate varies"
    timed = varying.assign(duration=frame["(duration)"], event=frame["(event)"])
    lifelines, exceptions = need("lifelines"), need("lifelines.exceptions")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = lifelines.CoxPHFitter().fit(timed, "duration", "event")
    except (exceptions.ConvergenceError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return None, f"the model does not converge ({type(error).__name__})"
    return fitted, ""


def _ratio(fitted: Any, covariate: str) -> Interval | None:
    """Log of the hazard ratio, and its 95% interval."""
    if fitted is None or covariate not in fitted.params_.index:
        return None
    value, error = float(fitted.params_[covariate]), float(fitted.standard_errors_[covariate])
    interval = Interval(value, value - Z * error, value + Z * error)
    return interval if max(map(abs, interval)) < LARGEST else None


def _overlap(one: Interval, other: Interval) -> float:
    shared = max(0.0, min(one.high, other.high) - max(one.low, other.low))
    return (shared / (one.high - one.low) + shared / (other.high - other.low)) / 2


def _concordance(fitted: Any, failed: str, reference: pandas.DataFrame, held_out: pandas.DataFrame, of: str) -> Found:
    """How often the held-out row that the candidate's model holds for more at risk has its event earlier."""
    if fitted is None:
        return Found("concordance", None, "higher", of, failed)
    risk = reference[list(fitted.params_.index)].to_numpy() @ fitted.params_.to_numpy()
    try:
        index = need("lifelines.utils").concordance_index(held_out["(duration)"], -risk, held_out["(event)"])
    except ZeroDivisionError:
        return Found("concordance", None, "higher", of, "no two held-out rows can be compared")
    return Found("concordance", float(index), "higher", of)
