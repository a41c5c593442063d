"""Figures that may leave: of a synthetic table against real rows, each paid for."""

from __future__ import annotations

from typing import Literal

from synth.artifacts.plan import Artifact

FigureSource = Literal["noisy measurements", "paid release metric"]


class ReleaseFigure(Artifact):
    """One figure, and where the noise that was paid for leaves its true value, with 95% confidence.

    ``noisy measurements``: against the noisy tables that the table was fitted to, which cost nothing more. ``paid release
    metric``: against people who were held out of the fit, for a share of the epsilon.
    """

    metric: str  # "marginal_2": 1 - total variation distance, the mean over what was measured
    of: str = ""  # a column, "age × sex"; "" for the whole table
    value: float
    low: float | None
    high: float | None
    source: FigureSource
    note: str = ""


class ReleaseFigures(Artifact):
    model: str
    figures: tuple[ReleaseFigure, ...]
