"""What lies in the target's database: tables, their columns, and how the values of the synthetic rows are spread."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synth.artifacts.plan import Artifact
from synth.artifacts.results import FigureSource


class CatalogColumn(Artifact):
    type: str  # DuckDB's
    index: int  # from 1
    name: str
    comment: str | None = None


class CatalogTable(Artifact):
    type: Literal["BASE TABLE", "VIEW"]
    schema_name: str = Field(serialization_alias="schema", validation_alias="schema")
    name: str
    comment: str | None = None


class CatalogNode(Artifact):
    """dbt's keys."""

    unique_id: str
    metadata: CatalogTable
    columns: dict[str, CatalogColumn]
    rows: int


class CatalogMetadata(Artifact):
    schema_version: Literal["synth/catalog/v1"] = "synth/catalog/v1"
    generated_at: str  # ISO 8601, UTC
    synth_version: str


class Catalog(Artifact):
    """``catalog.json``: the models that are built. Sources are not looked at."""

    metadata: CatalogMetadata
    nodes: dict[str, CatalogNode]
    sources: dict[str, CatalogNode] = Field(default_factory=dict)


class Bar(Artifact):
    label: str
    rows: int


class Distribution(Artifact):
    """Of one column: its most frequent values, or ranges of equal width in order, and the rows without a value."""

    column: str
    source: FigureSource = "synthetic rows"
    ordered: bool  # ranges
    bars: tuple[Bar, ...]
    others: int = 0  # rows of values that have no bar
    missing: int = 0
