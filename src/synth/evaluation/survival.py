"""Times until an event: Kaplan-Meier curves and Cox's proportional hazards of a candidate beside held-out rows, by lifelines."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Curve, Survival
from synth.evaluation.cox import cox
from synth.evaluation.extra import need
from synth.evaluation.world import Found, Measure, World

POINTS = 60  # at most, of a curve
HORIZON = 0.95  # quantile of held-out durations at which survival is no longer compared: few are left
LEAST = 20  # rows of a stratum
TRUE = ("1", "1.0", "true", "t", "yes")


def survival(task: Survival) -> Measure:
    def measure(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
        own, held_out = (timed(frame, task, world) for frame in (candidate, world.holdout))
        yield from _curves(own, held_out, task.name)
        if task.strata:
            sizes = held_out[task.strata].value_counts()
            for value in sorted(sizes.index[sizes >= LEAST]):
                sides = [frame[frame[task.strata] == value] for frame in (own, held_out)]
                yield from _curves(sides[0], sides[1], f"{task.name}, {task.strata} = {value}")
        if task.covariates:
            yield from cox(own, held_out, task, world)

    return measure


def timed(frame: pandas.DataFrame, task: Survival, world: World) -> pandas.DataFrame:
    """Rows whose duration and event are known, with ``(duration)`` a float of 0 or more and ``(event)`` a float, 0 or 1."""
    event, duration = frame[task.event], frame[task.duration].astype(np.float64)
    if task.occurred is not None:
        occurred = event.astype(str) == task.occurred
    elif world.kinds[task.event] == "numeric":
        occurred = event > 0
    else:
        occurred = event.astype(str).str.lower().isin(TRUE)
    known = frame.assign(**{"(duration)": duration, "(event)": occurred.astype(np.float64)})
    return known[event.notna() & (duration >= 0) & np.isfinite(duration)]


def _curves(own: pandas.DataFrame, held_out: pandas.DataFrame, of: str) -> Iterator[Found | Curve]:
    if len(own) < LEAST or len(held_out) < LEAST:
        note = f"fewer than {LEAST} rows whose duration and event are known"
        yield Found("largest distance of survival curves", None, "lower", of, note)
        yield Found("restricted mean survival time", None, "train", of, note)
        return
    horizon = float(np.quantile(held_out["(duration)"], HORIZON))
    fitted, reference = _kaplan_meier(own), _kaplan_meier(held_out)
    times = np.unique([0.0, *own["(duration)"], *held_out["(duration)"]])
    times = times[times <= horizon]
    distance = float(np.abs(_at(fitted, times) - _at(reference, times)).max())
    yield Found("largest distance of survival curves", distance, "lower", of)
    note = f"until {horizon:.6g}, when 5% of held-out rows are still observed"
    yield Found("restricted mean survival time", _mean_time(fitted, horizon), "train", of, note)
    yield _curve(fitted, reference, np.linspace(0, horizon, POINTS), of)


def _curve(fitted: Any, reference: Any, x: NDArray[np.float64], of: str) -> Curve:
    band = reference.confidence_interval_survival_function_
    steps = np.clip(np.searchsorted(band.index.to_numpy(), x, "right") - 1, 0, None)
    low, high = (band.iloc[steps, side].to_numpy(np.float64) for side in (0, 1))
    series = {"candidate": _at(fitted, x), "holdout": _at(reference, x), "holdout low": low, "holdout high": high}
    values = {name: tuple(np.nan_to_num(line, nan=1.0).tolist()) for name, line in series.items()}
    return Curve(section="survival", name="kaplan_meier", of=of, x=tuple(x.tolist()), series=values)


def _kaplan_meier(frame: pandas.DataFrame) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return need("lifelines").KaplanMeierFitter().fit(frame["(duration)"], frame["(event)"])


def _at(fitted: Any, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Survival at these times; after the last observed one it stays as it was."""
    curve = fitted.survival_function_.iloc[:, 0]
    return np.asarray(curve.to_numpy(np.float64)[np.searchsorted(curve.index.to_numpy(), times, "right") - 1])


def _mean_time(fitted: Any, horizon: float) -> float:
    """The area under the curve until the horizon."""
    curve = fitted.survival_function_.iloc[:, 0]
    starts = curve.index.to_numpy(np.float64)
    widths = np.diff(np.minimum(np.append(starts, max(horizon, starts[-1])), horizon))
    return float((widths * curve.to_numpy(np.float64)).sum())
