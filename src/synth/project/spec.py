"""What users write in YAML, as frozen types. These types validate; nothing else knows the keys."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, NaiveDatetime, model_validator

MAX_DELTA = 1e-6  # above it a budget must say who wants that and why

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "year": 31557600}
_DURATION = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*(second|minute|hour|day|week|year)s?\s*")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if not found:
            raise ValueError("is not a duration such as '30 minutes', '-2 days' or '1 year'")
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    return value


def _no_number(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError('must be a date in quotes, such as "2100-01-01"')
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be letters, digits and _, and not begin with a digit")
    return value


Name = Annotated[str, AfterValidator(_name)]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Day = Annotated[date, BeforeValidator(_no_number)]
Moment = Annotated[NaiveDatetime, BeforeValidator(_no_number)]
Epsilon = Annotated[float, Field(gt=0, le=100)]


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# synth_project.yml


class BudgetSpec(Spec):
    epsilon: Epsilon
    delta: float = Field(default=MAX_DELTA, gt=0, le=1e-3)
    approver: str = Field(min_length=1)
    trust_delta: str | None = Field(default=None, description="who wants a delta above 1e-6, and why")

    @model_validator(mode="after")
    def _small_delta(self) -> BudgetSpec:
        if self.delta > MAX_DELTA and not self.trust_delta:
            raise ValueError(f"delta is above {MAX_DELTA:g}: lower it, or say who wants that and why in trust_delta")
        return self


class TargetSpec(Spec):
    database: str
    threads: int = Field(default=2, ge=1, le=256)
    memory_limit: str = "4GB"


class ProjectSpec(Spec):
    name: Name
    version: str | float = "0.1"
    budgets: dict[Name, BudgetSpec] = {}
    ledger: str = "privacy_ledger.db"
    default_target: str = Field(default="dev", alias="default-target")
    targets: dict[str, TargetSpec] = {"dev": TargetSpec(database="target/dev.duckdb")}
    vars: dict[str, Any] = {}
    source_paths: tuple[str, ...] = Field(default=("sources",), alias="source-paths")
    metadata_paths: tuple[str, ...] = Field(default=("metadata",), alias="metadata-paths")
    model_paths: tuple[str, ...] = Field(default=("models",), alias="model-paths")
    macro_paths: tuple[str, ...] = Field(default=("macros",), alias="macro-paths")
    test_paths: tuple[str, ...] = Field(default=("tests",), alias="test-paths")
    target_path: str = Field(default="target", alias="target-path")
    models: dict[str, Any] = {}  # folders and +config, checked where they are applied

    @model_validator(mode="after")
    def _default_target_is_known(self) -> ProjectSpec:
        if self.default_target not in self.targets:
            raise ValueError(f"default-target '{self.default_target}' is not among the targets")
        return self


# sources/*.yml


class SourcePrivacy(Spec):
    population: Name
    unit: ColumnName | None = None
    one_row_per_unit: bool = False
    units: int = Field(ge=1, description="public, approximate number of units")

    @model_validator(mode="after")
    def _unit_or_row(self) -> SourcePrivacy:
        if self.unit is None and not self.one_row_per_unit:
            raise ValueError("name the unit's column (unit: subject_id), or declare one_row_per_unit: true")
        return self


class SourceTable(Spec):
    name: Name
    description: str = ""
    identifier: str | None = None  # the file's or table's name where it differs
    columns: tuple[ColumnName, ...] = ()  # further columns, for models' SQL; those with metadata need not stand here


class Source(Spec):
    name: Name
    description: str = ""
    location: str
    privacy: SourcePrivacy
    tables: tuple[SourceTable, ...]
    meta: dict[str, Any] = {}


class SourcesFile(Spec):
    version: int = 2
    sources: tuple[Source, ...]


# metadata/*.yml


class _Column(Spec):
    name: ColumnName
    description: str = ""
    nullable: bool = False

    @model_validator(mode="after")
    def _bounds_in_order(self) -> _Column:
        for name in ("bounds", "offset_bounds"):
            pair = getattr(self, name, None)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"{name}: the first must be lower than the second")
        return self


class KeyColumn(_Column):
    type: Literal["key"]
    nullable: Literal[False] = False


class IntegerColumn(_Column):
    type: Literal["integer"]
    bounds: tuple[int, int] = Field(description="[lowest, highest], public knowledge")


class NumberColumn(_Column):
    type: Literal["number"]
    bounds: tuple[float, float] = Field(description="[lowest, highest], public knowledge")
    rounding: float | None = Field(
        default=None, gt=0, description="values are multiples of this step from the lower bound"
    )


class CategoricalColumn(_Column):
    type: Literal["categorical"]
    values: tuple[str, ...] | tuple[int, ...] = Field(min_length=1)
    unknown: Literal["other", "missing", "drop"] | None = None

    @model_validator(mode="after")
    def _values_and_unknown(self) -> CategoricalColumn:
        if len(set(self.values)) < len(self.values):
            raise ValueError("values: one value stands twice")
        if self.unknown == "missing" and not self.nullable:
            raise ValueError("unknown: missing needs nullable: true")
        if self.unknown == "other" and isinstance(self.values[0], int):
            raise ValueError("unknown: other needs text values; quote them")
        return self


class BooleanColumn(_Column):
    type: Literal["boolean"]


class DateColumn(_Column):
    type: Literal["date"]
    format: str = "%Y-%m-%d"
    bounds: tuple[Day, Day] | None = None
    offset_from: ColumnName | None = None
    offset_bounds: tuple[Duration, Duration] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> DateColumn:
        _bounded_moment(self)
        return self


class DatetimeColumn(_Column):
    type: Literal["datetime"]
    format: str = "%Y-%m-%d %H:%M:%S"
    bounds: tuple[Moment, Moment] | None = None
    resolution: Literal["second", "minute", "hour", "day"] = "second"
    offset_from: ColumnName | None = None
    offset_bounds: tuple[Duration, Duration] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> DatetimeColumn:
        _bounded_moment(self)
        return self


def _bounded_moment(column: DateColumn | DatetimeColumn) -> None:
    if (column.offset_from is None) != (column.offset_bounds is None):
        raise ValueError("offset_from and offset_bounds go together")
    if column.bounds is None and column.offset_from is None:
        raise ValueError(
            'needs bounds: [earliest, latest], public knowledge; for example bounds: ["1900-01-01", "2030-01-01"]'
        )


Column = Annotated[
    KeyColumn | IntegerColumn | NumberColumn | CategoricalColumn | BooleanColumn | DateColumn | DatetimeColumn,
    Field(discriminator="type"),
]


class ForeignKey(Spec):
    column: ColumnName
    references: Name


class Constraint(Spec):
    name: str | None = None
    expression: str
    description: str = ""


class RowCountTest(Spec):
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class TableTest(Spec):
    row_count: RowCountTest


class ModelConfig(Spec):
    """What ``config()`` in SQL, ``config:`` in metadata and ``+key`` in synth_project.yml may say; the nearest wins."""

    materialized: Literal["private", "synthetic", "public", "view", "table"] | None = None
    epsilon: Epsilon | None = None
    delta: float | None = Field(default=None, gt=0)
    rows: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0)
    tags: tuple[str, ...] = ()
    enabled: bool | None = None


class Table(Spec):
    name: Name
    source: str | None = None
    description: str = ""
    primary_key: ColumnName | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    max_rows_per_unit: int | None = Field(default=None, ge=1, le=1000)
    config: ModelConfig = ModelConfig()
    columns: tuple[Column, ...] = Field(min_length=1)
    constraints: tuple[str | Constraint, ...] = ()
    tests: tuple[TableTest, ...] = ()


class MetadataFile(Spec):
    version: int = 2
    tables: tuple[Table, ...]
