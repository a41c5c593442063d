"""What compiling makes: SQL, plans and expectations, ready to be run by something that knows no YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from pydantic import Field

from synth.artifacts.budget import Budget
from synth.artifacts.evaluation import EvaluationPlan, Kind
from synth.artifacts.freshness import Criteria
from synth.artifacts.plan import Artifact, Plan
from synth.artifacts.results import Expectation
from synth.errors import masked, no_secrets
from synth.quoting import identifier

FITTING = 1  # raised when a change of the fitting code must not reuse generators of an earlier one


class SourceFormat(Artifact):
    """How the rows of a source are written."""

    type: Literal["csv", "parquet", "jsonl", "excel", "duckdb", "sqlite", "postgres", "python"] | None = (
        None  # by the ending
    )
    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    header: tuple[str, ...] = ()  # none: the file's first line
    encoding: str = "utf-8"
    sheet: str | None = None
    schema_name: str | None = None


class SourceColumn(Artifact):
    name: str
    place: str  # "metadata/members.yml:14:9": where the project says that it is there


class SourceTable(Artifact):
    """Where a source table lies: a folder of files, a database, a workbook, a function; and the table's name in it."""

    name: str  # "mimic.admissions"
    location: str = Field(exclude=True, repr=False)  # relative to the project, or absolute; it may hold a password
    format: SourceFormat = SourceFormat()
    table: str
    columns: tuple[SourceColumn, ...]  # those that the project knows of; no other is read
    unit: tuple[str, ...] | None  # the columns that name a unit; none where each row is one; None where rows are public
    population: str | None = None  # whose rows they are; None where they are public
    every_column: bool = False  # read also those that the project does not know of yet

    @property
    def shown(self) -> str:
        """The location as anybody may see it."""
        return no_secrets(masked(self.location))


class PrivateView(Artifact):
    name: str
    sql: str


class Trust(Artifact):
    """A model whose SQL somebody trusts to keep people apart, though that cannot be seen: ``trust_sql``."""

    model: str
    said: str  # who, and why

    def __str__(self) -> str:
        return f"TRUSTED SQL: {self.model} is not checked to keep people apart. {self.said}"


Held = Literal["bounds", "offset", "composite", "mask", "rejection"]


class Part(Artifact):
    """A clause of a constraint, and what holds it.

    ``bounds``, ``offset``: it follows from them. ``composite``: its columns are generated as one. ``mask``: as the last of its
    columns is drawn, only what holds it is. ``rejection``: that column is drawn again until it holds.
    """

    sql: str
    columns: tuple[str, ...]  # all that it takes to tell whether it holds
    held: Held
    rows_sql: str = ""  # over codes: "#draw" of the rows that hold it; where it has to be asked
    # the edges of ranges of each column's codes, in each of which it comes or ceases to hold once at most as the code rises;
    # None: each code is a range. Not known where rows are rejected
    ranges: tuple[tuple[int, ...] | None, ...] = ()
    table: bool = False  # nothing but the ranges decides
    # where one value of the row decides, and the row above: how many steps of that value each column's code is; () elsewhere
    steps: tuple[int, ...] = ()


class Constraint(Artifact):
    name: str
    sql: str  # a boolean expression over the table's columns
    columns: tuple[str, ...]
    place: str  # "metadata/admissions.yml:31"
    parts: tuple[Part, ...]

    @property
    def held(self) -> tuple[Held, ...]:
        """All that it takes to hold it."""
        return tuple(dict.fromkeys(part.held for part in self.parts))


class OutputColumn(Artifact):
    name: str
    sql_type: str  # DuckDB's
    key: Literal["unit", "row", "above", "other"] | None = (
        None  # one number per unit or row; or of a row of table ``of``
    )
    of: str = ""  # a table above, or a second parent
    shared: str = ""  # of a second parent: what the rows that may be meant have in common with this one
    description: str = ""
    format: str | None = None  # of a date or a time, as files have it


COLUMNS = "columns"  # what the key that holds the order of the columns is of


class DeclaredKey(Artifact):
    """A key of the project that a fit depends on, in the user's words."""

    of: str  # "column age", "config", "source clinic"; what a file's text belongs to, for SQL
    key: str  # "bounds"; "" for SQL
    value: str  # as JSON; SQL as it was written
    place: str  # "metadata/members.yml:14"; the nearest thing around it where it is not written down


class Price(NamedTuple):
    """What a model costs, and of which budget."""

    epsilon: float
    delta: float
    budget: Budget


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


class Reach(Artifact):
    """The bounds of a date that is the time since one of the row above, so that they depend on that row."""

    column: int  # counted from 0
    anchor: str
    low: str  # ISO 8601
    high: str
    step: int  # seconds of a code
    start: int  # steps from the anchor to code 0


class Link(Artifact):
    """The table below whose rows a table's rows are, each generated given the row above it."""

    parent: str
    given: tuple[int, ...]  # which of the parent's codes, counted from 0, in the order of the plan's ``parent``
    count: int  # which of the parent's codes is the number of rows here
    keys: tuple[str, ...]  # of the parent's row and of those above it, as the parent's hidden table calls them
    values: tuple[str, ...]  # columns of the parent that offsets here are from, or constraints name
    prefix: str  # of their names here


class EvaluatedColumn(Artifact):
    name: str
    kind: Kind
    sql: str  # over the table's columns: text, a double, or a timestamp


class EvaluatedLink(Artifact):
    """How the synthetic rows of a table are below those of another."""

    parent: str  # the model
    foreign_key: str  # the column here
    key: str  # the column there


class Evaluated(Artifact):
    """What ``synth evaluate`` compares the synthetic table with: real rows, those of the fit and those held out of it."""

    columns: tuple[EvaluatedColumn, ...]
    unit: str | None  # the synthetic table's column that counts its units
    real_sql: str  # rows of the fit, as values
    held_out_sql: str  # the others
    held_out_codes_sql: str  # as codes
    ordered: bool  # whether the rows of a unit have an order
    link: EvaluatedLink | None
    plan: EvaluationPlan


class SyntheticModel(Artifact):
    name: str
    file: str
    description: str
    sources: tuple[SourceTable, ...]
    views: tuple[PrivateView, ...]
    trusted: tuple[Trust, ...]  # this model and the private models that it reads
    sql: str  # the model's own select
    prepare_sql: str  # private rows to codes
    oddities_sql: str  # counts of values outside the declaration; its result stays in the private zone
    restore_sql: str  # codes to typed values
    landed_sql: str  # accepted values and new keys: the final table's rows
    rows_sql: str | None = None  # the same with codes and hidden keys, for the tables below
    link: Link | None = None
    reaches: tuple[Reach, ...] = ()
    columns: tuple[OutputColumn, ...]
    pools: tuple[Pool, ...] = ()
    imputed: tuple[Imputed, ...] = ()
    constraints: tuple[Constraint, ...]
    declared: tuple[DeclaredKey, ...]  # what the fit comes from
    plan: Plan
    budget: Budget | None  # None where nothing is promised
    declared_units: int = 0  # those of the fit, and those held out of it
    evaluated: Evaluated | None = None  # None where no unit is held out

    @property
    def relation(self) -> str:
        return f"synthetic.{self.name}"

    @property
    def land_sql(self) -> str:
        """Accepted values and new keys to the final table."""
        header = "-- The synthetic table, in the declared order, with new keys."
        return f"{header}\ncreate or replace table synthetic.{identifier(self.name)} as\n{self.landed_sql}"

    @property
    def price(self) -> Price | None:
        """None where the model is made without differential privacy: nothing is promised, and nothing paid."""
        privacy = self.plan.privacy
        if privacy.epsilon is None or privacy.delta is None or self.budget is None:
            return None
        return Price(privacy.epsilon, privacy.delta, self.budget)

    @property
    def told(self) -> str:
        """What every report says of the table: its description, after what is trusted of it."""
        return " ".join([*(f"{trust}." for trust in self.trusted), self.description]).strip()

    def fit_inputs(self) -> dict[str, str]:
        """Everything that a fit obeys, as text by name; only a change of it means a new fit and a new payment."""
        plan = self.plan.model_copy(update={"rows": None, "why": ()})
        parts = {"fitting": str(FITTING), "plan": plan.model_dump_json(), "prepare_sql": self.prepare_sql}
        parts |= {f"view {view.name}": f"{view.name}:{view.sql}" for view in self.views}
        read = {"name", "table", "format"}
        return parts | {
            f"source {s.name}": s.model_dump_json(include=read, exclude_defaults=True) for s in self.sources
        }

    def fit_fingerprint(self) -> str:
        """SHA-256 over ``fit_inputs``."""
        return hashlib.sha256("\n".join(self.fit_inputs().values()).encode()).hexdigest()

    def declaration(self) -> str:
        """SHA-256 over all that the table's rows come from: the fit, and what is made of its codes for nothing."""
        made = [
            self.fit_fingerprint(),
            str(self.plan.rows),
            self.restore_sql,
            self.land_sql,
            *(c.sql for c in self.constraints),
        ]
        return hashlib.sha256("\n".join(made).encode()).hexdigest()


class Group(Artifact):
    """Rows that are asked for, by a condition over the columns of the table."""

    name: str  # in the words of who asks
    sql: str


class Request(Artifact):
    """``rows`` rows of each group, of a synthetic model."""

    model: str
    rows: int
    groups: tuple[Group, ...]

    @property
    def conditional(self) -> bool:
        return any(group.sql != "true" for group in self.groups)


class PublicModel(Artifact):
    name: str
    file: str
    sql: str
    materialized: Literal["view", "table"]
    columns: tuple[OutputColumn, ...]
    warning: str = ""  # what it says of itself where it is not private
    description: str = ""

    @property
    def told(self) -> str:
        """What every report says of it."""
        return f"{self.warning} {self.description}".strip()

    @property
    def relation(self) -> str:
        return f"public.{self.name}"

    def declaration(self) -> str:
        """SHA-256 over what the table's rows are made by."""
        return hashlib.sha256(f"{self.materialized}\n{self.sql}".encode()).hexdigest()


class UnitTest(Artifact):
    """What a model's SQL makes of made-up rows: statements for an empty database, then what must find no row there."""

    model: str
    setup: tuple[str, ...]
    expectation: Expectation


class ManifestNode(Artifact):
    """A node as dbt's manifest has it, with this product's zone."""

    unique_id: str
    name: str  # of what a declaration promises, a generic test: its expectation's id
    resource_type: Literal["source", "model", "test", "unit_test"]
    package_name: str  # the project's
    fqn: tuple[str, ...]  # the project, folders, and the name that files and users call it by
    original_file_path: str
    patch_path: str | None  # the metadata of a model
    zone: str
    materialized: str
    config: dict[str, Any]
    tags: tuple[str, ...]
    test_type: Literal["generic", "singular", "unit"] | None = None
    test_name: str | None = None  # what a generic test checks: "in_set"
    trusted: tuple[str, ...]  # what its reports say of trust_sql, its own and that of private models it reads
    depends_on: tuple[str, ...]
    compiled_path: str | None
    fingerprint: str | None  # of the fit, for a synthetic model
    checksums: dict[
        str, str
    ]  # of body (as written), sql (as rendered), configs, contract (what metadata or source say)

    @property
    def is_test(self) -> bool:
        return self.resource_type in ("test", "unit_test")

    @property
    def selector(self) -> str:
        """What selects it, as dbt writes that."""
        return ("source:" if self.resource_type == "source" else "") + ".".join(self.fqn)


class ManifestMetadata(Artifact):
    schema_version: Literal["synth/manifest/v1"] = "synth/manifest/v1"
    synth_version: str
    project_name: str
    database: str = ""  # the target's, as the project names it


class Manifest(Artifact):
    metadata: ManifestMetadata
    nodes: dict[str, ManifestNode]


class Compiled(Artifact):
    """A whole project, compiled."""

    sources: tuple[SourceTable, ...]  # all that are declared
    freshness: dict[str, Criteria]  # of source tables that declare it, by their nodes' ids
    synthetic: dict[str, SyntheticModel]
    public: dict[str, PublicModel]
    parents: dict[str, tuple[str, ...]]  # of each model by its name, and of each test by its node's id: models
    expectations: dict[str, tuple[Expectation, ...]]  # of each synthetic model
    tests: dict[str, Expectation]  # that the project asks for, by name
    unit_tests: dict[str, UnitTest]  # by their nodes' ids
    manifest: Manifest
    deferred: frozenset[str] = Field(
        default=frozenset(), exclude=True
    )  # models that are read where another target has them

    def above(self, model: str) -> list[str]:
        """The synthetic models of the tables that a synthetic model's rows are below."""
        return [name for name in self.parents[model] if name in self.synthetic]

    def deferring(self, models: Iterable[str], database: str) -> Compiled:
        """The same, where what reads one of these models reads that of an attached database. A view cannot."""
        names = frozenset(models)
        moved = {f'"{zone}"."{name}"': f'"{database}"."{zone}"."{name}"' for zone, name in map(self._named, names)}

        def there(sql: str) -> str:
            for here, other in moved.items():
                sql = sql.replace(here, other)
            return sql

        public = {
            name: model if (sql := there(model.sql)) == model.sql
            else model.model_copy(update={"sql": sql, "materialized": "table"})
            for name, model in self.public.items()
        }  # fmt: skip
        tests = {name: test.model_copy(update={"sql": there(test.sql)}) for name, test in self.tests.items()}
        return self.model_copy(update={"public": public, "tests": tests, "deferred": names})

    def _named(self, model: str) -> tuple[str, str]:
        return ("synthetic" if model in self.synthetic else "public"), model

    @property
    def checks(self) -> dict[str, Expectation]:
        """Every test of tables by its node's id."""
        promised = {e.id: e for found in self.expectations.values() for e in found}
        known = promised | self.tests
        return {n.unique_id: known[n.name] for n in self.manifest.nodes.values() if n.resource_type == "test"}

    @property
    def judged(self) -> dict[str, Expectation]:
        """Every test, of tables and of made-up rows, by its node's id."""
        return self.checks | {key: unit.expectation for key, unit in self.unit_tests.items()}

    def relation(self, model: str) -> str:
        return f"{'synthetic' if model in self.synthetic else 'public'}.{model}"
