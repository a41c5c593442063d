"""What compiling makes: SQL, plans and expectations, ready to be run by something that knows no YAML."""

from __future__ import annotations

import hashlib
from typing import Literal

from synth.artifacts.budget import Budget
from synth.artifacts.plan import Artifact, Plan
from synth.artifacts.results import Expectation

FITTING = 1  # raised when a change of the fitting code must not reuse generators of an earlier one


class SourceTable(Artifact):
    """Where a private table lies: a folder of files or a DuckDB file, and the table's name in it."""

    name: str  # "mimic.admissions"
    location: str  # relative to the project, or absolute
    table: str


class PrivateView(Artifact):
    name: str
    sql: str


class Constraint(Artifact):
    name: str
    sql: str  # a boolean expression over the table's columns
    columns: tuple[str, ...]  # all that it takes to tell whether it holds


class OutputColumn(Artifact):
    name: str
    sql_type: str  # DuckDB's
    key: Literal["unit", "row"] | None = None  # generated: one number per unit, or per row
    description: str = ""


class Pool(Artifact):
    """Made-up values of one kind, which a landing table draws from."""

    kind: str  # a provider of Faker
    locale: str

    @property
    def variable(self) -> str:
        """The DuckDB variable that holds them."""
        return f"{self.kind} {self.locale}"


class Imputed(Artifact):
    """A modelled column, counted from 0, whose missing values become a statistic of its noisy marginal."""

    column: int
    statistic: Literal["mean", "median", "mode"]


class SyntheticModel(Artifact):
    name: str
    file: str
    description: str
    sources: tuple[SourceTable, ...]
    views: tuple[PrivateView, ...]
    prepare_sql: str  # private rows to codes
    oddities_sql: str  # counts of values outside the declaration; its result stays in the private zone
    restore_sql: str  # codes to typed values
    land_sql: str  # accepted values and new keys to the final table
    columns: tuple[OutputColumn, ...]
    pools: tuple[Pool, ...] = ()
    imputed: tuple[Imputed, ...] = ()
    constraints: tuple[Constraint, ...]
    plan: Plan
    budget: Budget

    @property
    def relation(self) -> str:
        return f"synthetic.{self.name}"

    def fit_fingerprint(self) -> str:
        """SHA-256 over everything that a fit obeys; only a change of it means a new fit and a new payment."""
        plan = self.plan.model_copy(update={"rows": None, "why": ()})
        parts = [str(FITTING), plan.model_dump_json(), self.prepare_sql, *(f"{v.name}:{v.sql}" for v in self.views)]
        parts += [source.model_dump_json(include={"name", "table"}) for source in self.sources]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class PublicModel(Artifact):
    name: str
    file: str
    sql: str
    materialized: Literal["view", "table"]

    @property
    def relation(self) -> str:
        return f"public.{self.name}"


class SingularTest(Artifact):
    expectation: Expectation
    parents: tuple[str, ...]  # models


class ManifestNode(Artifact):
    """A node as dbt's manifest has it, with this product's zone."""

    unique_id: str
    name: str
    resource_type: str
    original_file_path: str
    zone: str
    materialized: str
    tags: tuple[str, ...]
    depends_on: tuple[str, ...]
    compiled_path: str | None
    fingerprint: str | None  # of the fit, for a synthetic model


class ManifestMetadata(Artifact):
    schema_version: Literal["synth/manifest/v1"] = "synth/manifest/v1"
    synth_version: str
    project_name: str


class Manifest(Artifact):
    metadata: ManifestMetadata
    nodes: dict[str, ManifestNode]


class Compiled(Artifact):
    """A whole project, compiled."""

    synthetic: dict[str, SyntheticModel]
    public: dict[str, PublicModel]
    parents: dict[str, tuple[str, ...]]  # of each model: models
    expectations: dict[str, tuple[Expectation, ...]]  # of each synthetic model
    tests: dict[str, SingularTest]
    manifest: Manifest

    def relation(self, model: str) -> str:
        return f"{'synthetic' if model in self.synthetic else 'public'}.{model}"
