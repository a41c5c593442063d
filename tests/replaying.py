"""Fits whose noisy answers are recorded, and given again to a fit of other rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import figures
from synth.artifacts.plan import Plan
from synth.generator.fit import Codes, fit
from synth.generator.store import save
from synth.privacy.mechanisms import GRADIENT_GRID, INPUT_GRID, LATTICE, Curator, _lattice_gradient, _lattice_histogram
from synth.privacy.randomness import Randomness


class Tape:
    """What the curator was asked, without what it was asked about, and what it said."""

    def __init__(self) -> None:
        self.questions: list[Any] = []
        self.answers: list[Any] = []

    def recorder(self, of: Tape | None = None) -> type[Curator]:
        """A curator that writes on this tape; with ``of`` it repeats that tape's answers."""

        class Recorder(Curator):
            def histogram(_, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                return self._say(
                    ("histogram", event_name, size), super().histogram(event_name, cells, weights, size), of
                )

            def choice(_, event_name: str, candidates: Any, weights: Any) -> Any:
                listed = list(candidates)
                asked = [(c.expected.tolist(), c.handicap) for c in listed]
                return self._say(("choice", event_name, asked), super().choice(event_name, listed, weights), of)

            def gradient(_, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
                asked = ("gradient", event_name, [mask.tobytes() for mask in masks], max_grad_norm)
                return self._say(asked, super().gradient(event_name, batches, masks, max_grad_norm), of)

        return Recorder

    def _say(self, question: Any, answer: Any, of: Tape | None) -> Any:
        self.questions.append(question)
        self.answers.append(of.answers[len(self.answers)] if of else answer)
        return self.answers[-1]


class Scales:
    """What a fit's histograms and gradients are before the noise, with everybody in every sample."""

    def __init__(self) -> None:
        self.histograms: list[np.ndarray] = []
        self.gradients: list[list[np.ndarray]] = []

    def on(self, curator: type[Curator]) -> type[Curator]:
        class Weighing(curator):  # type: ignore[misc, valid-type]
            def histogram(_, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                self.histograms.append(_lattice_histogram(cells, weights, size))
                return super().histogram(event_name, cells, weights, size)

            def poisson(_, event_name: str, units: int) -> Any:
                return np.ones_like(super().poisson(event_name, units))

            def gradient(_, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
                taken = list(batches)
                sums = _lattice_gradient(taken, masks, max_grad_norm)
                self.gradients.append([total * mask for total, mask in zip(sums, masks, strict=True)])
                return super().gradient(event_name, taken, masks, max_grad_norm)

        return Weighing


def weighs(one: Scales, other: Scales) -> None:
    """No histogram differs by more than a person, and some by nearly one; no gradient by more than the clipping norm."""
    moved = [np.abs(a - b).sum() / LATTICE for a, b in zip(one.histograms, other.histograms, strict=True)]
    assert 0.99 < max(moved) <= 1
    for a, b in zip(one.gradients, other.gradients, strict=True):
        length = np.sqrt(sum(((x - y) ** 2).sum() for x, y in zip(a, b, strict=True)))
        assert 0 < length / (INPUT_GRID * GRADIENT_GRID) < 1
        figures.largest("share of the declared sensitivity", float(length / (INPUT_GRID * GRADIENT_GRID)))


def fitted(codes: Codes, plan: Plan, folder: Path) -> dict[str, Any]:
    """The files of a fit, and the progress that it told."""
    told: list[Any] = []
    save(fit(codes, plan, Randomness(), lambda *step: told.append(step)), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"told": told}
