"""Looks at the rows of a source from which metadata are drafted: what is asked, and what came back.

A look with ``privacy`` is paid for, and its answers passed noise: they may be shown. One without is for a draft that is
marked as made from private rows; its answers are as private as the rows.
"""

from __future__ import annotations

import hashlib

from pydantic import Field, model_validator

from synth.artifacts.compiled import PrivateView, SourceTable
from synth.artifacts.plan import Artifact, Privacy

DRAFT = "draft of "  # how the name of one begins in the ledger; no model's name has a space
COUNTS, VALUES = "counts", "values"  # names of events


class Ask(Artifact):
    """A question: SQL over the looked-at rows, each of whose columns is trimmed text or null."""

    name: str
    sql: str


class Cells(Ask):
    """How many persons are in each cell? The SQL gives 0 to ``size`` - 1, and what it gives else is counted nowhere."""

    size: int = Field(ge=1)


class Look(Artifact):
    called: str  # "draft of mimic.admissions"
    file: str  # where the source is declared
    source: SourceTable
    rows_sql: str
    cells: tuple[Cells, ...] = ()
    values: tuple[Ask, ...] = ()  # which texts do enough units share?
    extremes: tuple[Ask, ...] = ()  # the lowest and the highest, as text
    facts: tuple[Ask, ...] = ()  # is it so, of all rows together?
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _paid_questions_are_noisy(self) -> Look:
        if self.privacy and (self.extremes or self.facts):
            raise ValueError("extremes and facts have no noise")
        return self

    # as the private zone reads a model

    @property
    def name(self) -> str:
        return self.called

    @property
    def sources(self) -> tuple[SourceTable, ...]:
        return (self.source,)

    @property
    def views(self) -> tuple[PrivateView, ...]:
        return ()

    @property
    def prepare_sql(self) -> str:
        return self.rows_sql

    @property
    def empty(self) -> bool:
        return not (self.cells or self.values or self.extremes or self.facts)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Found(Artifact):
    value: str
    persons: float  # the rows of a person count as one together


class Answers(Artifact):
    """By the names of the questions."""

    cells: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    values: dict[str, tuple[Found, ...]] = Field(default_factory=dict)
    extremes: dict[str, tuple[str, str] | None] = Field(default_factory=dict)  # None: no row has a value
    facts: dict[str, bool] = Field(default_factory=dict)
    noise: float = 0.0  # stddev of each count, in persons; 0: exact, and private
