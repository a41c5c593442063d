"""How old the rows of sources may be, and how old they are: dbt's sources.json."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from synth.artifacts.plan import Artifact

SCHEMA = "https://schemas.getdbt.com/dbt/sources/v3.json"


class Threshold(Artifact):
    count: int
    period: Literal["minute", "hour", "day"]

    @property
    def age(self) -> timedelta:
        return timedelta(**{f"{self.period}s": self.count})

    def __str__(self) -> str:
        return f"{self.count} {self.period}{'' if self.count == 1 else 's'}"


class Criteria(Artifact):
    warn_after: Threshold | None = None
    error_after: Threshold | None = None
    filter: None = None  # dbt's, which would read rows


class SourceAge(Artifact):
    """A source table whose files tell when they were changed."""

    unique_id: str
    max_loaded_at: str  # ISO 8601, UTC: when the newest file of the table was changed
    snapshotted_at: str
    max_loaded_at_time_ago_in_s: float
    status: Literal["pass", "warn", "error"]
    criteria: Criteria
    adapter_response: dict[str, Any] = Field(default_factory=dict)
    timing: tuple[dict[str, Any], ...] = ()
    thread_id: str = "MainThread"
    execution_time: float

    @property
    def failed(self) -> bool:
        return self.status == "error"


class SourceUnknown(Artifact):
    """A source table of which it cannot be told."""

    unique_id: str
    error: str
    status: Literal["runtime error"] = "runtime error"

    @property
    def failed(self) -> bool:
        return True


class FreshnessMetadata(Artifact):
    dbt_schema_version: str = SCHEMA
    synth_version: str
    generated_at: str
    invocation_id: str
    env: dict[str, str] = Field(default_factory=dict)


class FreshnessReport(Artifact):
    """``sources.json``, with dbt's keys."""

    metadata: FreshnessMetadata
    results: tuple[SourceAge | SourceUnknown, ...]
    elapsed_time: float

    @property
    def loaded(self) -> dict[str, datetime]:
        """When the newest rows of each source table came, where that can be told; by its id."""
        return {r.unique_id: datetime.fromisoformat(r.max_loaded_at) for r in self.results if isinstance(r, SourceAge)}

    @property
    def failed(self) -> bool:
        return any(result.failed for result in self.results)
