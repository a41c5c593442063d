"""What noise costs: the share of a fit's time that goes to drawing random numbers that nobody can foresee.

``python bench/noise.py``: one fit of each model that is named, by default the two examples. Exit code 1 above 15%.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth import Project
from synth.generator.fit import Codes, fit
from synth.privacy.randomness import Randomness
from synth.runtime.private_zone import PrivateZone

MODELS = ("admissions", "support")
MOST = 0.15  # of a fit's time


class Timed(Randomness):
    """Counts the seconds of its outermost calls, and the numbers that they return."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds, self.numbers, self._inside = 0.0, 0, False

    def uniform(self, size: int) -> NDArray[np.float64]:
        return self._timed(super().uniform, size)

    def normal(self, size: int) -> NDArray[np.float64]:
        return self._timed(super().normal, size)

    def bernoulli(self, size: int, rate: float) -> NDArray[np.bool_]:
        return self._timed(super().bernoulli, size, rate)

    def _timed(self, draw: Callable[..., NDArray[Any]], *arguments: float) -> NDArray[Any]:
        if self._inside:
            return draw(*arguments)
        self._inside, started = True, time.perf_counter()
        drawn = draw(*arguments)
        self.seconds += time.perf_counter() - started
        self.numbers, self._inside = self.numbers + len(drawn), False
        return drawn


def share(project: Project, name: str) -> float:
    """Prints and returns the share of one fit; no budget is spent, since nothing of it is kept."""
    import torch

    torch.set_num_threads(1)
    model = project.compile().synthetic[name]
    with PrivateZone(project.root, project.folder.internal, model, 1, "2GB", lambda: bytes(32)) as zone:
        rows = zone.prepare()
        randomness, started = Timed(), time.perf_counter()
        fit(Codes(rows.columns, rows.unit, rows.parent), model.plan, randomness)
        seconds = time.perf_counter() - started
    found = randomness.seconds / seconds
    print(
        f"{name:20}{seconds:8.1f} s  of which {randomness.seconds:6.2f} s ({found:.1%}) "
        f"for {randomness.numbers:,} random numbers",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, help="synthetic models of the project")
    parser.add_argument("--project", type=Path, default=Path(__file__).resolve().parents[1])
    arguments = parser.parse_args()
    project = Project(arguments.project)
    sys.exit(max(share(project, name) for name in arguments.models) > MOST)


if __name__ == "__main__":
    main()
