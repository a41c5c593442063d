"""What every figure is computed from: train rows, held-out rows, and a candidate that stands for the train rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Better, Curve, EvaluationPlan, Kind

MOST_ROWS = 20_000  # of a candidate, of train or of held-out rows: beyond it figures cost much and tell no more
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class World:
    """Real rows as the declaration has them. ``train`` and ``holdout`` have the columns of ``kinds`` and share no unit.

    A categorical column holds text, a numeric one floats, a datetime one timestamps (``datetime64[us]``); missing values are
    None, NaN and NaT. ``*_units``: which unit each row is of, [rows] integers.
    """

    train: pandas.DataFrame
    holdout: pandas.DataFrame
    train_units: NDArray[np.int64]
    holdout_units: NDArray[np.int64]
    kinds: Mapping[str, Kind]
    plan: EvaluationPlan = field(default_factory=EvaluationPlan)
    seed: int = 0
    _made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, what: Hashable, make: Callable[[], Made]) -> Made:
        """What several figures go by, computed by the first of them. Nobody changes it."""
        if what not in self._made:
            self._made[what] = make()
        found: Made = self._made[what]
        return found

    def rng(self, of: str) -> np.random.Generator:
        """Randomness of a metric's own, the same each time."""
        return np.random.default_rng([self.seed, *of.encode()])


@dataclass(frozen=True)
class Found:
    """A figure of one candidate. ``value`` None: it could not be computed, and ``note`` says why, without saying whose."""

    metric: str
    value: float | None
    better: Better
    of: str = ""
    note: str = ""


# of a candidate, whose index says which unit each row is of: see evaluate.candidates
Measure = Callable[[pandas.DataFrame, World], Iterable[Found | Curve]]
