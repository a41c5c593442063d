"""Who is told how a build goes. A listener never gets a loss, or anything else computed on rows without noise."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from synth.artifacts.forecast import Forecast
from synth.artifacts.freshness import SourceAge, SourceUnknown
from synth.artifacts.results import ApartResult, ExpectationResult, RunResult

if TYPE_CHECKING:
    from synth.privacy.ledger import PopulationSummary

Examples = tuple[list[str], list[tuple[Any, ...]]]  # column names and a few synthetic rows


class Listener:
    """Says nothing; the command line overrides what it shows."""

    @cached_property
    def invocation_id(self) -> str:
        """Of what is listened to."""
        return str(uuid.uuid4())

    def warned(self, text: str) -> None: ...

    def planned(self, forecast: Forecast) -> None: ...

    def started(self, number: int, total: int, what: str) -> None: ...

    def progress(self, model: str, stage: str, step: int, steps: int) -> None: ...

    def judging(self, model: str, what: str, number: int, total: int) -> None: ...

    def finished(
        self, number: int, total: int, relation: str, result: RunResult, spent: PopulationSummary | None
    ) -> None: ...

    def tested(self, result: ExpectationResult, examples: Examples | None) -> None: ...

    def checked(self, number: int, total: int, relation: str, result: ApartResult) -> None: ...

    def evaluated(self, number: int, total: int, relation: str, report: str) -> None: ...

    def aged(self, number: int, total: int, source: str, result: SourceAge | SourceUnknown) -> None: ...

    def note(self, text: str) -> None: ...
