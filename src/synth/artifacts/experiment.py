"""A grid of fits of one model by several generators: what it would cost, and what its tables were worth."""

from __future__ import annotations

from typing import Literal

from synth.artifacts.budget import Budget
from synth.artifacts.evaluation import Better
from synth.artifacts.plan import UNPROTECTED, Artifact

Verdict = Literal["pay", "stale", "paid", "public", "kept", "reference"]


class Cell(Artifact):
    """One fit. What a reference made has a name that says NOT_PRIVATE, and no epsilon."""

    generator: str
    epsilon: float | None
    seed: int

    def __str__(self) -> str:
        return f"{self.generator}{'' if self.epsilon is None else f', epsilon {self.epsilon:g}'}, seed {self.seed}"


class CellForecast(Artifact):
    """``pay``: not paid for yet; ``stale``: paid for, and the source's file was touched since; ``paid``: used again.

    ``public``: rows that cost nothing; ``kept``: fitted before, and used again if the rows are still those.
    """

    cell: Cell
    verdict: Verdict
    seconds: float | None = None  # of one core, about; None where nothing is fitted, or nobody knows how long it takes


class ExperimentForecast(Artifact):
    """What an experiment asks of a budget, before a row is read. Cells with the same plan are fitted and paid once."""

    name: str
    relation: str
    cells: tuple[CellForecast, ...]
    population: str
    budget: Budget | None  # None where nothing is paid
    spent: float = 0.0
    asked: float = 0.0  # by what is to be paid, alone
    after: float = 0.0  # with all that is to be paid
    at_most: float = 0.0  # and if every stale one has to be paid again
    public: str | None = None  # who says that the rows are public, and why

    @property
    def seconds(self) -> float:
        """Of all fits, on one core, about; without those of references."""
        return sum(cell.seconds or 0.0 for cell in self.cells)

    @property
    def refused(self) -> bool:
        return self.budget is not None and self.after > self.budget.epsilon

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be red wherever it is told of."""
        said = (
            [f"PUBLIC ROWS, says {self.public}. Nothing is paid, and exact figures may leave."] if self.public else []
        )
        named = dict.fromkeys(c.cell.generator for c in self.cells if c.verdict == "reference")
        return (*said, *([f"{UNPROTECTED} Here: {', '.join(named)}."] if named and not self.public else []))


class CellFigure(Artifact):
    metric: str
    of: str = ""  # a task's name; "" for the whole table
    better: Better
    value: float | None  # None: it could not be computed, and ``note`` says why
    note: str = ""


class JudgedCell(Artifact):
    """The figures of one table beside held-out rows; without a ``cell`` those of real rows, or of shuffled columns."""

    cell: Cell | None
    figures: tuple[CellFigure, ...]


class Experiment(Artifact):
    """All figures of an experiment: exact ones, of real rows. They stay in the private zone unless the rows are public."""

    schema_version: Literal["synth/experiment/v1"] = "synth/experiment/v1"
    synth_version: str
    run_id: str
    run_time: str
    name: str
    description: str
    model: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    public: str | None
    held_out_rows: int
    held_out_units: int
    train: JudgedCell  # the best that a table could reach
    shuffled: JudgedCell  # what knowing each column alone is worth
    cells: tuple[JudgedCell, ...]
