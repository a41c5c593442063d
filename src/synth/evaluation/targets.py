"""Who is attacked, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.evaluation.intervals import risk
from synth.evaluation.world import Found

ATTACKS = 500  # of each sort: an interval of a risk is then at most about 0.1 wide


@dataclass(frozen=True)
class Attack:
    """How often an attack succeeds on train rows, on held-out rows (the control), and on train rows by naive guesses."""

    name: str
    tried: int
    succeeded: float
    control_tried: int
    control_succeeded: float
    naive_succeeded: float  # of as many as were tried
    together: int = 1  # attacks of which the worst is told: their intervals hold all at once

    def found(self) -> Iterator[Found]:
        """Rates, and the risk that is the data's own: what succeeds as well on people outside the data is no leak."""
        gained = risk(self.succeeded, self.tried, self.control_succeeded, self.control_tried, self.together)
        rates = {
            "attack success": self.succeeded / self.tried,
            "control success": self.control_succeeded / self.control_tried,
            "naive success": self.naive_succeeded / self.tried,
        }
        note = f"{self.tried:,} attacks"
        for metric, value in rates.items():
            yield Found(metric, value, "lower", self.name, note)
        note += f"; 95% for {self.together} of its sort together" if self.together > 1 else ""
        for metric, value in {"risk": gained.value, "risk low": gained.low, "risk high": gained.high}.items():
            yield Found(metric, value, "lower", self.name, note)


def impossible(name: str, note: str) -> Found:
    return Found("risk", None, "lower", name, note)


def one_row_each(units: NDArray[np.int64], rng: np.random.Generator, most: int = ATTACKS) -> NDArray[np.intp]:
    """Rows of at most so many units, one of each, at random."""
    shuffled = rng.permutation(len(units))
    _, first = np.unique(units[shuffled], return_index=True)
    rows: NDArray[np.intp] = shuffled[rng.permutation(first)[:most]]
    return rows


def all_rows_of(units: NDArray[np.int64], rng: np.random.Generator, most: int) -> NDArray[np.intp]:
    """All rows of units at random, at most about so many rows."""
    _, unit, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = rng.permutation(len(counts))
    chosen = order[np.cumsum(counts[order]) <= max(most, counts[order[:1]].max(initial=0))]
    return np.flatnonzero(np.isin(unit, chosen))
