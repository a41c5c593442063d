"""What users write in YAML, as frozen types. These types validate; nothing else knows the keys."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from synth.project.nearest import nearest

MAX_DELTA = 1e-6  # above it a budget must say who wants that and why
OTHER = "__other__"  # the level of categories that are not declared
MAX_CELLS = 2**53  # of a column: codes and values stay exact as floating-point numbers

STEPS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}  # seconds of a resolution
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "year": 31557600}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*(second|minute|hour|day|week|year)s?\s*")


def _duration(value: Any) -> timedelta:
    found = _DURATION.fullmatch(str(value))
    if not found:
        raise ValueError("is not a duration; write '30 minutes', '-2 days' or '1 year'")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def duration_text(value: timedelta) -> str:
    """As YAML has it, in the largest unit of which it is a whole number: 365 days."""
    seconds = value.total_seconds()
    unit, size = next((u, s) for u, s in reversed(STEPS.items()) if seconds % s == 0 or s == 1)
    return f"{seconds / size:.15g} {unit}{'' if seconds == size else 's'}"


def _no_number(value: Any) -> Any:
    """pydantic would take a number for seconds since 1970."""
    if not isinstance(value, str | date) or re.fullmatch(r"[-+]?[\d.\s]*", str(value)):
        raise ValueError("must be a date; for example 2100-01-01")
    return value


def _no_seconds(value: Any) -> Any:
    """YAML and pydantic would take 12:30 for a number of seconds."""
    if not isinstance(value, str | time) or ":" not in str(value):
        raise ValueError('must be a time of day in quotes; for example "12:30"')
    return value


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("must be letters, digits and _, and not begin with a digit")
    return value


def _folder(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must lie in the project; name a folder below synth_project.yml")
    return value


def _level(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no categories; use type: boolean, or quote them")
    if not isinstance(value, str | int):
        raise ValueError("must be text or a whole number; quote it")
    if isinstance(value, str) and value.strip(" ") != value:
        raise ValueError("has spaces around it, which are trimmed before comparing; remove them")
    if value == "":
        raise ValueError("is empty, which is read as a missing value; use nullable: true instead")
    return value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _whose(value: Any) -> Any:
    """``public``, which is None from here on, or a mapping; nothing at all would be public by oversight."""
    if value is None or (isinstance(value, str) and value != "public"):
        raise ValueError(
            "does not say whom the rows are about; write {population: ..., unit: ..., units: ...}, or public"
        )
    return None if value == "public" else value


def _reason(value: str) -> str:
    if not re.fullmatch(r"\s*[^\s:][^:\n]*:\s*\S+ \S[^\n]*", value):
        raise ValueError("must say who and why; for example 'Ada Lovelace: the mean is a published figure'")
    return value.strip()


_ENCODINGS = (
    "utf-8", "utf-16", "latin-1", "iso-8859-15", "windows-1250", "windows-1252", "cp437", "cp850", "mac-roman",
)  # fmt: skip


def _encoding(value: str) -> str:
    """UTF-16, or one in which ASCII is ASCII: its lines can be told before they are decoded."""
    try:
        known = codecs.lookup(value).name
        good = known.startswith("utf-16") or bytes(range(128)).decode(value) == "".join(map(chr, range(128)))
    except LookupError:
        raise ValueError(f"is not known; {nearest(value, _ENCODINGS)}") from None
    except UnicodeError:
        good = False
    if not good:
        raise ValueError("is neither UTF-16 nor ASCII with further signs; write the file anew, in utf-8 say")
    return value


def _header(value: Any) -> Any:
    if value is False:
        raise ValueError("must name the columns where the file does not; for example [id, sex, age]")
    return () if value is True else value


def _sign(value: str) -> str:
    if len(value) != 1 or value in "\n\r\0\1":
        raise ValueError('must be one character, and no line end; for example ";" or "\\t"')
    return value


_SCHEME = re.compile(r"(\w[\w+.-]*)://")
_POSTGRES = ("postgres", "postgresql")
PYTHON_LOCATION = re.compile(r"python:\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)\s*")

_ONE_OR_SEVERAL = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
_VALUE = {"type": ["string", "integer"]}
_COLUMN_OF_A_FILE = {
    "type": "object", "required": ["file", "column"], "additionalProperties": False,
    "properties": {
        "file": {"type": "string"}, "column": {"type": "string"}, "groups": {"type": "string"},
        "type": {"enum": ["text", "integer"]},
    },
}  # fmt: skip

Name = Annotated[str, AfterValidator(_name)]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Day = Annotated[date, BeforeValidator(_no_number)]
Moment = Annotated[NaiveDatetime, BeforeValidator(_no_number)]
Clock = Annotated[time, BeforeValidator(_no_seconds)]
Folder = Annotated[str, AfterValidator(_folder)]
Level = Annotated[str | int, BeforeValidator(_level)]
Sign = Annotated[str, AfterValidator(_sign)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Epsilon = Annotated[float, Field(ge=1e-3, le=100)]  # below, nothing but noise would be left


class Spec(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)


# synth_project.yml


class BudgetSpec(Spec):
    epsilon: Epsilon
    delta: float = Field(default=MAX_DELTA, gt=0, le=1e-3)
    approver: str = Field(min_length=1)
    trust_delta: str | None = Field(default=None, description="who wants a delta above 1e-6, and why")

    @model_validator(mode="after")
    def _small_delta(self) -> BudgetSpec:
        if self.delta > MAX_DELTA and not self.trust_delta:
            raise ValueError(f"delta: is above {MAX_DELTA:g}; lower it, or say who wants that and why in trust_delta")
        return self


class TargetSpec(Spec):
    database: str
    threads: int = Field(default=2, ge=1, le=256)
    memory_limit: str = "4GB"

    @model_validator(mode="after")
    def _memory(self) -> TargetSpec:
        if not re.fullmatch(r"\s*\d+(\.\d+)?\s*([KMGT]i?B|bytes|%)\s*", self.memory_limit, re.IGNORECASE):
            raise ValueError("memory_limit: is not an amount of memory; for example 4GB or 80%")
        return self


class ProjectSpec(Spec):
    name: Name
    version: str | float = "0.1"
    budgets: dict[Name, BudgetSpec] = {}
    ledger: str = "privacy_ledger.db"
    default_target: str = Field(default="dev", alias="default-target")
    targets: dict[str, TargetSpec] = {"dev": TargetSpec(database="target/dev.duckdb")}
    vars: dict[str, Any] = {}
    source_paths: tuple[Folder, ...] = Field(default=("sources",), alias="source-paths")
    metadata_paths: tuple[Folder, ...] = Field(default=("metadata",), alias="metadata-paths")
    model_paths: tuple[Folder, ...] = Field(default=("models",), alias="model-paths")
    macro_paths: tuple[Folder, ...] = Field(default=("macros",), alias="macro-paths")
    test_paths: tuple[Folder, ...] = Field(default=("tests",), alias="test-paths")
    experiment_paths: tuple[Folder, ...] = Field(default=("experiments",), alias="experiment-paths")
    target_path: Folder = Field(default="target", alias="target-path")
    models: dict[str, Any] = {}  # folders and +config, checked where they are applied
    tests: dict[str, Any] = {}  # as models
    data_tests: dict[str, Any] = {}  # the same, as newer versions of dbt call it
    unit_tests: dict[str, Any] = {}  # as models

    @model_validator(mode="after")
    def _tests_once(self) -> ProjectSpec:
        if self.tests and self.data_tests:
            raise ValueError("data_tests: is another name of tests; keep one of the two")
        return self

    @model_validator(mode="after")
    def _default_target_is_known(self) -> ProjectSpec:
        if self.default_target not in self.targets:
            known = ", ".join(self.targets)
            raise ValueError(f"default-target: '{self.default_target}' is not among the targets; name one of: {known}")
        return self


# sources/*.yml


class SourcePrivacy(Spec):
    population: Name
    unit: Annotated[tuple[ColumnName, ...], BeforeValidator(_listed), _ONE_OR_SEVERAL] = Field(
        default=(), description="the column that names a unit, or the columns that do so together"
    )
    one_row_per_unit: bool = False
    units: int = Field(ge=1, description="public, approximate number of units")

    @model_validator(mode="after")
    def _unit_or_row(self) -> SourcePrivacy:
        if not self.unit and not self.one_row_per_unit:
            raise ValueError("no unit is named; add the unit's column, unit: subject_id say, or one_row_per_unit: true")
        if len({name.casefold() for name in self.unit}) < len(self.unit):
            raise ValueError("unit: one column stands twice; remove one")
        return self

    @property
    def unit_columns(self) -> tuple[str, ...]:
        """The columns that name a unit together; none where each row is one."""
        return () if self.one_row_per_unit else self.unit


class CsvFormat(Spec):
    """Lines of fields. A field in quotes may hold the delimiter, and a quote that is doubled or escaped; no line end."""

    type: Literal["csv"]
    delimiter: Sign = ","
    quote: Annotated[str, AfterValidator(lambda value: value and _sign(value))] = '"'
    escape: Sign | None = Field(default=None, description="before a quote within quotes; by default it is doubled")
    header: Annotated[tuple[ColumnName, ...], BeforeValidator(_header)] = Field(
        default=(), description="the columns' names, where the file's first line does not hold them"
    )
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _told_apart(self) -> CsvFormat:
        if self.delimiter in (self.quote, self.escape):
            raise ValueError(
                f"delimiter: is the {'quote' if self.delimiter == self.quote else 'escape'} as well; use two"
            )
        if self.escape and not self.quote:
            raise ValueError("escape: has no effect without a quote; remove it")
        if len({name.casefold() for name in self.header}) < len(self.header):
            raise ValueError("header: one column stands twice; names ignore case")
        return self


class ParquetFormat(Spec):
    type: Literal["parquet"]


class JsonLinesFormat(Spec):
    """Each line is an object; its keys are the columns."""

    type: Literal["jsonl"]
    encoding: Encoding = "utf-8"


class ExcelFormat(Spec):
    type: Literal["excel"]
    sheet: str | None = Field(default=None, description="by default the table's, or the only one")


class DuckdbFormat(Spec):
    type: Literal["duckdb"]
    schema_name: str | None = Field(default=None, alias="schema")


class SqliteFormat(Spec):
    type: Literal["sqlite"]


class PostgresFormat(Spec):
    type: Literal["postgres"]
    schema_name: str | None = Field(default=None, alias="schema", description="by default the search path's")


Format = Annotated[
    CsvFormat | ParquetFormat | JsonLinesFormat | ExcelFormat | DuckdbFormat | SqliteFormat | PostgresFormat,
    Field(discriminator="type"),
]


class FreshnessAfter(Spec):
    count: int = Field(ge=1)
    period: Literal["minute", "hour", "day"]


class Freshness(Spec):
    """How old the rows of a source may be, as the files' time of change tells."""

    warn_after: FreshnessAfter | None = None
    error_after: FreshnessAfter | None = None


class SourceTable(Spec):
    name: Name
    description: str = ""
    identifier: str | None = None  # the file's, sheet's or table's name where it differs; * and ? in a file's name
    format: Format | None = None  # where it is not the source's
    columns: tuple[ColumnName, ...] = ()  # further columns, for models' SQL; those with metadata need not stand here
    freshness: Freshness | None = Field(default=None, description="where it is not the source's; null: none")


class Source(Spec):
    name: Name
    description: str = ""
    location: str
    loader: Literal["dbt"] | None = Field(default=None, description="dbt: the tables are those of a dbt project")
    manifest: str | None = Field(default=None, description="with loader: dbt, the manifest.json that dbt wrote")
    format: Format | None = Field(default=None, description="how the files are written; by default their endings tell")
    privacy: Annotated[SourcePrivacy | None, BeforeValidator(_whose)] = Field(
        description="whose rows these are; public: nobody's, such as a list of codes"
    )
    tables: tuple[SourceTable, ...]
    freshness: Freshness | None = None
    meta: dict[str, Any] = {}

    @property
    def server(self) -> Literal["postgres", "python"] | None:
        """What gives the rows; None where they lie in files."""
        if self.location.startswith("python:"):
            return "python"
        scheme = _SCHEME.match(self.location)
        return "postgres" if scheme and scheme[1] in _POSTGRES else None

    def format_of(self, table: SourceTable) -> Format | None:
        return table.format or self.format

    @model_validator(mode="after")
    def _loader_and_manifest(self) -> Source:
        if self.loader and self.manifest is None:
            raise ValueError(
                "loader: dbt takes the manifest that dbt wrote; for example manifest: ../warehouse/target/manifest.json"
            )
        if self.manifest is not None and not self.loader:
            raise ValueError("manifest: has no effect without loader: dbt; add that, or remove manifest")
        return self

    @model_validator(mode="after")
    def _place_is_known(self) -> Source:
        scheme = _SCHEME.match(self.location)
        if scheme and self.server is None:
            raise ValueError(
                f"location: {scheme[1]}:// is nothing that synth reads; use a folder or a file of this machine, "
                "postgres://user@host/database or python:module:function"
            )
        if self.server == "python" and not PYTHON_LOCATION.fullmatch(self.location):
            raise ValueError("location: must name a function; for example python:extracts.lab:read")
        return self


class SourcesFile(Spec):
    version: int = 2
    sources: tuple[Source, ...]


# selectors.yml


class Selector(Spec):
    name: str = Field(min_length=1)
    description: str = ""
    default: bool = False
    definition: Any  # checked where it is read: see graph/selectors.py


class SelectorsFile(Spec):
    version: int = 2
    selectors: tuple[Selector, ...]


# tests, in metadata/ and beside models


class TestConfig(Spec):
    """How what a test finds is judged."""

    severity: Literal["error", "warn"] = "error"
    error_if: str = Field(default="!= 0", min_length=1, description="of the failures: '> 10'")
    warn_if: str = Field(default="!= 0", min_length=1, description="of the failures: '> 0'")
    where: str | None = Field(default=None, min_length=1, description="SQL: only these rows are judged")
    limit: int | None = Field(default=None, ge=1, description="no more failures are looked for")
    fail_calc: str = Field(default="count(*)", min_length=1, description="SQL: what counts as the failures")
    store_failures: bool | None = Field(default=None, description="keep what fails as a table")
    tags: Annotated[tuple[str, ...], BeforeValidator(_listed), _ONE_OR_SEVERAL] = ()
    meta: dict[str, Any] = Field(default={}, description="whatever your own tools want to know; synth reads none of it")
    enabled: bool = True


def _test(written: Any) -> Any:
    """dbt's ways to write a generic test: its name; its name with arguments; or ``test_name`` beside them."""
    if isinstance(written, str):
        return {"test": written}
    if not isinstance(written, dict) or "test" in written:
        return written
    if "test_name" in written:
        name, body = written["test_name"], {k: v for k, v in written.items() if k != "test_name"}
    elif len(written) == 1:
        ((name, body),) = written.items()
    else:
        raise ValueError(
            "a test is a name, or one name with its arguments; for example {accepted_values: {values: [F, M]}}"
        )
    if not isinstance(body, dict | None):
        raise ValueError(f"{name}: its arguments must be a mapping; for example {{{name}: {{severity: warn}}}}")
    body = dict(body or {})
    config = {**(body.pop("config", None) or {})}
    config |= {key: body.pop(key) for key in TestConfig.model_fields if key in body}
    said = {key: body.pop(key) for key in ("name", "description") if key in body}
    return {"test": name, "arguments": {**(body.pop("arguments", None) or {}), **body}, "config": config, **said}


class GenericTest(Spec):
    """A test of a table or a column: not_null, unique, accepted_values, relationships, row_count or one of the project's."""

    test: Name
    name: Name | None = Field(default=None, description="what it is called; by default made of test, model and column")
    description: str = ""
    arguments: dict[str, Any] = {}
    config: TestConfig = TestConfig()


Tests = tuple[Annotated[GenericTest, BeforeValidator(_test)], ...]


class Tested(Spec):
    """What may have tests."""

    tests: Tests = ()
    data_tests: Tests = Field(default=(), description="the same, as newer versions of dbt call it")
    meta: dict[str, Any] = Field(default={}, description="whatever your own tools want to know; synth reads none of it")


# metadata/*.yml


class _Column(Tested):
    is_read: ClassVar[bool] = True  # the model's SQL has to give it

    name: ColumnName
    description: str = ""
    nullable: bool = False
    drafted: bool = Field(
        default=False, description="made from private rows; no run takes it until somebody reviews it"
    )

    @property
    def lands(self) -> bool:
        """Whether the synthetic table has it."""
        return True

    @model_validator(mode="after")
    def _bounds_in_order(self) -> _Column:
        for name in ("bounds", "offset_bounds"):
            pair = getattr(self, name, None)
            if pair is not None and not pair[0] < pair[1]:
                raise ValueError(f"{name}: the first must be lower than the second; write [lowest, highest]")
        return self


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "date": date.fromisoformat, "datetime": datetime.fromisoformat, "time": time.fromisoformat, "duration": _duration,
}  # fmt: skip


class Imputed(Spec):
    constant: bool | int | float | str


class Modelled(_Column):
    """A column whose values the generator makes."""

    impute: Literal["mean", "median", "mode"] | Imputed | None = Field(
        default=None, description="what a null becomes: a statistic of the noisy marginals, or a constant"
    )

    @model_validator(mode="after")
    def _no_null_is_left(self) -> Modelled:
        if self.impute is not None and self.nullable:
            raise ValueError("impute: leaves no null; remove nullable: true, or impute")
        kind = getattr(self, "type", "")
        ordered = kind not in ("categorical", "boolean") or getattr(self, "ordered", False)
        if (self.impute == "mean" and kind in ("categorical", "boolean")) or (self.impute == "median" and not ordered):
            raise ValueError(f"impute: a {kind} column has no {self.impute}; use mode or a constant")
        return self

    @model_validator(mode="after")
    def _constant_fits(self) -> Modelled:
        if isinstance(self.impute, Imputed) and (what := self.misfit(self.impute.constant)):
            raise ValueError(f"impute: {self.impute.constant!r} is {what}; give one that the column can hold")
        return self

    def misfit(self, value: bool | int | float | str) -> str | None:
        """Why the column cannot hold a constant."""
        kind, bounds, listed = getattr(self, "type", ""), getattr(self, "bounds", None), getattr(self, "values", None)
        if listed is not None:
            return None if value in listed else "not among the values"
        if kind == "boolean":
            return None if isinstance(value, bool) else "not true or false"
        if isinstance(value, bool) or isinstance(value, str) == (kind in ("integer", "number", "decimal")):
            return f"not of type {kind}"
        try:
            read = _CONSTANTS[kind](value) if kind in _CONSTANTS else value
        except ValueError:
            return f"not a {kind}"
        return None if bounds is None or bounds[0] <= read <= bounds[1] else "out of bounds"

    @property
    def has_missing_level(self) -> bool:
        """Whether the generator learns where values are missing."""
        return self.nullable or isinstance(self.impute, str)


class KeyColumn(_Column):
    type: Literal["key"]


class IntegerColumn(Modelled):
    type: Literal["integer"]
    bounds: tuple[int, int] = Field(description="[lowest, highest], public knowledge")

    @model_validator(mode="after")
    def _countable(self) -> IntegerColumn:
        if max(abs(bound) for bound in self.bounds) > MAX_CELLS:
            raise ValueError("bounds: are beyond 2^53, where whole numbers are no longer exact; use narrower ones")
        return self


class NumberColumn(Modelled):
    type: Literal["number"]
    bounds: tuple[float, float] = Field(description="[lowest, highest], public knowledge")
    rounding: float | None = Field(
        default=None, gt=0, description="values are multiples of this step from the lower bound"
    )
    decimals: int | None = Field(default=None, ge=0, le=12, description="decimal places of every value")

    @model_validator(mode="after")
    def _countable(self) -> NumberColumn:
        if self.decimals is not None:
            if self.rounding is not None:
                raise ValueError("decimals: and rounding say the same in two ways; keep one of them")
            _whole(self.bounds, self.decimals)
        if math.isinf(self.bounds[1] - self.bounds[0]):
            raise ValueError("bounds: are too far apart to count between them; use narrower ones")
        if self.step and (self.bounds[1] - self.bounds[0]) / self.step > MAX_CELLS:
            word = "rounding" if self.rounding else "decimals"
            raise ValueError(f"{word}: makes more than 2^53 steps between the bounds; use a coarser one")
        return self

    @property
    def step(self) -> float | None:
        """What values are multiples of, from the lower bound on; None where nothing is declared."""
        return self.rounding if self.decimals is None else float(f"1e-{self.decimals}")


class DecimalColumn(Modelled):
    """A number that is exact to its last decimal place: money, say."""

    type: Literal["decimal"]
    bounds: tuple[Decimal, Decimal] = Field(description="[lowest, highest], public knowledge")
    decimals: int = Field(default=2, ge=0, le=12)

    @model_validator(mode="after")
    def _countable(self) -> DecimalColumn:
        _whole(self.bounds, self.decimals)
        if max(abs(bound) for bound in self.bounds) * 10**self.decimals > MAX_CELLS:
            raise ValueError("bounds: are beyond 2^53 steps from 0; use narrower ones, or fewer decimals")
        return self


def _whole(bounds: tuple[Any, Any], decimals: int) -> None:
    for bound in bounds:
        if Decimal(str(bound)) % Decimal(f"1e-{decimals}"):
            raise ValueError(f"bounds: {bound} has more than {decimals} decimals; round it, or raise decimals")


class CategoricalColumn(Modelled):
    type: Literal["categorical"]
    values: Annotated[
        tuple[Level, ...],
        WithJsonSchema({"anyOf": [{"type": "array", "items": _VALUE, "minItems": 1}, _COLUMN_OF_A_FILE]}),
    ] = Field(
        min_length=1, description="a list, or {file, column, groups, type}: a column of a CSV file of the project"
    )
    groups: tuple[str, ...] | None = Field(
        default=None,
        description="of each value: the group it is modelled as where few have it, such as a chapter of codes",
    )
    ordered: bool = Field(default=False, description="values stand in order, from lowest to highest")
    unknown: Literal["other", "missing", "drop"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_a_file(cls, written: Any, info: ValidationInfo) -> Any:
        given = written.get("values") if isinstance(written, dict) else None
        return written | info.context.column(given) if isinstance(given, dict) and info.context else written

    @model_validator(mode="after")
    def _values_and_unknown(self) -> CategoricalColumn:
        if self.groups is not None and len(self.groups) != len(self.values):
            raise ValueError("groups: are as many as the values; give each value's")
        if self.groups is not None and self.ordered:
            raise ValueError("groups: values in an order are modelled with their neighbours; remove groups, or ordered")
        if len(set(self.values)) < len(self.values):
            raise ValueError("values: one value stands twice; remove one")
        if len({type(value) for value in self.values}) > 1:
            raise ValueError("values: are text and numbers; quote the numbers")
        if self.unknown == "missing" and not self.nullable:
            raise ValueError("unknown: missing needs nullable: true; add it, or use drop")
        if self.unknown == "other" and self.ordered:
            raise ValueError("unknown: other has no place in an order; use missing or drop")
        if self.unknown == "other" and isinstance(self.values[0], int):
            raise ValueError("unknown: other needs text values; quote them")
        return self


class BooleanColumn(Modelled):
    type: Literal["boolean"]


Formats = Annotated[
    tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given), _ONE_OR_SEVERAL
]


class DateColumn(Modelled):
    type: Literal["date"]
    format: Formats = Field(
        default=("%Y-%m-%d",), min_length=1, description="the first that fits; written by the first"
    )
    bounds: tuple[Day, Day] | None = None
    offset_from: ColumnName | None = None
    offset_bounds: tuple[Duration, Duration] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> DateColumn:
        _bounded_moment(self)
        return self


class DatetimeColumn(Modelled):
    type: Literal["datetime"]
    format: Formats = Field(default=("%Y-%m-%d %H:%M:%S",), min_length=1)
    timezone: str | None = Field(default=None, description="the wall clock that values are brought to")
    bounds: tuple[Moment, Moment] | None = None
    resolution: Literal["second", "minute", "hour", "day"] = "second"
    offset_from: ColumnName | None = None
    offset_bounds: tuple[Duration, Duration] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> DatetimeColumn:
        _bounded_moment(self)
        if self.bounds and (self.bounds[0] - datetime(1970, 1, 1)) % timedelta(seconds=STEPS[self.resolution]):
            raise ValueError(f"bounds: the earliest must be a whole {self.resolution}, as resolution says; round it")
        return self


def _bounded_moment(column: DateColumn | DatetimeColumn) -> None:
    if (column.offset_from is None) != (column.offset_bounds is None):
        raise ValueError('offset_from and offset_bounds go together; for example offset_bounds: ["0 days", "1 year"]')
    if column.bounds is None and column.offset_from is None:
        raise ValueError(
            "the key 'bounds' is missing; bounds are public knowledge, never read from rows: "
            "for example bounds: [1900-01-01, 2030-01-01]"
        )
    step = timedelta(days=1) if isinstance(column, DateColumn) else timedelta(seconds=STEPS[column.resolution])
    word = "day" if isinstance(column, DateColumn) else column.resolution
    if column.offset_bounds and math.ceil(column.offset_bounds[0] / step) > math.floor(column.offset_bounds[1] / step):
        raise ValueError(f"offset_bounds: there is no whole {word} between them; widen them")


class TimeColumn(Modelled):
    """A time of day."""

    type: Literal["time"]
    format: Formats = Field(default=("%H:%M:%S",), min_length=1)
    bounds: tuple[Clock, Clock] = (time(0), time(23, 59, 59))
    resolution: Literal["second", "minute", "hour"] = "second"

    @model_validator(mode="after")
    def _whole_steps(self) -> TimeColumn:
        if seconds_of_day(self.bounds[0]) % STEPS[self.resolution]:
            raise ValueError(f"bounds: the earliest must be a whole {self.resolution}, as resolution says; round it")
        return self


class DurationColumn(Modelled):
    """A length of time, as DuckDB reads one: ``3 days 02:30:00``."""

    type: Literal["duration"]
    bounds: tuple[Duration, Duration]
    resolution: Literal["second", "minute", "hour", "day"] = "second"

    @model_validator(mode="after")
    def _whole_steps(self) -> DurationColumn:
        if self.bounds[0] % timedelta(seconds=STEPS[self.resolution]):
            raise ValueError(f"bounds: the shortest must be a whole {self.resolution}, as resolution says; round it")
        return self


FAKES = (
    "name", "first_name", "last_name", "address", "street_address", "city", "postcode", "country", "email",
    "phone_number", "company", "job", "user_name", "nhs_number",
)  # fmt: skip


class TextColumn(_Column):
    """Free text and personal data: never read, never modelled. Left out, unless it says what stands there instead."""

    is_read = False

    type: Literal["text"]
    nullable: Literal[False] = False
    constant: str | None = None
    pattern: str | None = Field(default=None, min_length=1, description="# becomes a digit, ? a capital letter")
    fake: str | None = Field(default=None, description="made up: name, address, nhs_number and so on")
    locale: str = Field(default="en_GB", pattern=r"^[a-z]{2,3}_[A-Z]{2}$")
    per: Literal["unit", "row"] = "unit"

    @model_validator(mode="after")
    def _one_of(self) -> TextColumn:
        if sum(value is not None for value in (self.constant, self.pattern, self.fake)) > 1:
            raise ValueError("constant, pattern and fake exclude each other; keep one of them")
        if self.fake is not None and self.fake not in FAKES:
            raise ValueError(f"fake: '{self.fake}' is not known; use one of: {', '.join(FAKES)}")
        return self

    @property
    def lands(self) -> bool:
        return (self.constant, self.pattern, self.fake) != (None, None, None)


class ConstantColumn(_Column):
    """The same value in every synthetic row; the source is not read."""

    is_read = False

    type: Literal["constant"]
    nullable: Literal[False] = False
    value: bool | int | float | str


class DerivedColumn(_Column):
    """Computed from the row's other columns after sampling; the source is not read."""

    is_read = False

    type: Literal["derived"]
    nullable: bool = True
    expression: str = Field(min_length=1)


Column = Annotated[
    KeyColumn
    | IntegerColumn
    | NumberColumn
    | DecimalColumn
    | CategoricalColumn
    | BooleanColumn
    | DateColumn
    | TimeColumn
    | DatetimeColumn
    | DurationColumn
    | TextColumn
    | ConstantColumn
    | DerivedColumn,
    Field(discriminator="type"),
]


def seconds_of_day(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


class ForeignKey(Spec):
    column: ColumnName
    references: Name


class Constraint(Spec):
    """What holds in every synthetic row: an expression; an implication; or which values of some columns go together."""

    name: str | None = None
    expression: str | None = Field(default=None, min_length=1)
    condition: str | None = Field(default=None, alias="if", min_length=1)
    then: str | None = Field(default=None, min_length=1)
    combinations: tuple[ColumnName, ...] | None = Field(default=None, description="two columns or more")
    values: tuple[tuple[StrictBool | Level | None, ...], ...] | None = Field(
        default=None, min_length=1, description="a list of combinations, in the order of the columns"
    )
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, written: Any) -> Any:
        if not isinstance(written, str | dict):
            raise ValueError("a constraint must be text; for example dischtime >= admittime")
        return {"expression": written} if isinstance(written, str) else written

    @model_validator(mode="before")
    @classmethod
    def _from_a_file(cls, written: Any, info: ValidationInfo) -> Any:
        given, names = (
            (written.get(key) for key in ("values", "combinations")) if isinstance(written, dict) else (None, None)
        )
        if not isinstance(given, dict) or not isinstance(names, list) or not info.context:
            return written
        return written | {"values": info.context.combinations(given, names)}

    @model_validator(mode="after")
    def _one_of(self) -> Constraint:
        said = [
            self.expression is not None, (self.condition or self.then) is not None,
            (self.combinations or self.values) is not None,
        ]  # fmt: skip
        if sum(said) != 1:
            raise ValueError(
                "a constraint is an expression, or if and then, or combinations and values; write one of them"
            )
        if (self.condition is None) != (self.then is None):
            raise ValueError("if and then go together; for example {if: died, then: deathtime is not null}")
        if (self.combinations is None) != (self.values is None):
            raise ValueError(
                "combinations and values go together; for example {combinations: [a, b], values: [[1, x]]}"
            )
        if self.combinations is not None and len(self.combinations) < 2:
            raise ValueError("combinations: are of two columns or more; for one, its own values say it")
        wrong = [v for v in self.values or () if len(v) != len(self.combinations or ())]
        if wrong:
            raise ValueError(
                "values: a combination has not one value for each column; give each as many as there are columns"
            )
        return self


class GeneratorSpec(Spec):
    """What is to be fitted, and how; what is left out follows from epsilon, the units and the columns."""

    kind: Literal["dp_vae", "marginal", "independent"] | None = None
    # the network
    hidden: int | None = Field(default=None, ge=4, le=1024)
    basis: int | None = Field(default=None, ge=1, le=16, description="polynomials of an ordered column")
    latent: int | None = Field(default=None, ge=0, le=64, description="dimensions of a unit's latent")
    autoregressive: bool = True
    # marginals
    bins: int | None = Field(default=None, ge=2, le=200)
    levels: int | None = Field(default=None, ge=2, le=1000)
    tree_levels: int | None = Field(default=None, ge=1, le=8)
    groups: int | None = Field(default=None, ge=2, le=50)
    # shares of the budget
    dp_sgd_share: float | None = Field(default=None, gt=0, lt=1)
    marginals_share: float | None = Field(default=None, gt=0, lt=1, description="of what DP-SGD leaves")
    # DP-SGD
    steps: int | None = Field(default=None, ge=1, le=100_000)
    sample_rate: float | None = Field(default=None, gt=0, le=1)
    batch_units: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    clipping_quantile: float | None = Field(default=None, gt=0, le=1)
    # stages that may be left out
    pairs: bool = True
    warm_start: bool = True
    dp_sgd: bool = True
    tilt: bool = True

    @model_validator(mode="after")
    def _nothing_is_in_vain(self) -> GeneratorSpec:
        unused: tuple[str, ...] = ()
        if self.kind in ("marginal", "independent") or not self.dp_sgd:
            unused += ("dp_sgd_share", "steps", "sample_rate", "batch_units", "learning_rate", "clipping_quantile")
        if self.kind == "independent":
            unused += ("groups", "marginals_share", "hidden", "latent")
        for key in unused:
            if getattr(self, key) is not None:
                why = f"kind: {self.kind}" if self.kind not in (None, "dp_vae") else "dp_sgd: false"
                raise ValueError(f"{key}: has no effect with {why}; remove one of the two")
        return self


class ModelConfig(Spec):
    """What ``config()`` in SQL, ``config:`` in metadata and ``+key`` in synth_project.yml may say; the nearest wins."""

    materialized: Literal["private", "synthetic", "public", "view", "table"] | None = None
    privacy: Literal["none"] | None = Field(default=None, description="none: NOT PRIVATE, instead of an epsilon")
    epsilon: Epsilon | None = None
    delta: float | None = Field(default=None, gt=0)
    release_metrics: float | None = Field(
        default=None,
        gt=0,
        le=0.5,
        description="the share of epsilon that buys figures of how the table fits held-out people",
    )
    rows: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0)
    tags: Annotated[tuple[str, ...], BeforeValidator(_listed), _ONE_OR_SEVERAL] = ()
    meta: dict[str, Any] = Field(default={}, description="whatever your own tools want to know; synth reads none of it")
    enabled: bool | None = None
    generator: GeneratorSpec | None = None
    trust_sql: Annotated[str, AfterValidator(_reason)] | None = Field(
        default=None,
        description="who says that this model's SQL keeps people apart though synth cannot see it, and why",
    )


def _function(value: str) -> str:
    if not re.fullmatch(r"[^:]+\.py:[A-Za-z_]\w*", value):
        raise ValueError("is not a function of a file; for example tasks.py:readmission")
    return value


class _Task(Spec):
    name: str = Field(min_length=1, max_length=60)


class PredictionTask(_Task):
    """A model trained on the synthetic table and tested on held-out rows."""

    type: Literal["prediction"]
    target: ColumnName
    features: tuple[ColumnName, ...] = Field(default=(), description="by default every other column")
    estimator: Literal["gradient_boosting", "random_forest", "logistic_regression", "linear_regression"] = (
        "gradient_boosting"
    )
    metric: Literal["roc_auc", "accuracy", "balanced_accuracy", "f1", "r2", "mean_absolute_error"] = "roc_auc"


class SurvivalTask(_Task):
    """Kaplan-Meier curves and Cox hazard ratios of the time until an event."""

    type: Literal["survival"]
    duration: ColumnName
    event: ColumnName
    occurred: str | None = Field(default=None, description="the value of event that counts, where it is not boolean")
    covariates: tuple[ColumnName, ...] = ()
    strata: ColumnName | None = Field(default=None, description="a curve for each of its values")


class PythonTask(_Task):
    """A function of the project: f(train, test) gives {name: figure}."""

    type: Literal["python"]
    function: Annotated[str, AfterValidator(_function)] = Field(description="file.py:function")
    better: Literal["higher", "lower"] = "higher"


Task = Annotated[PredictionTask | SurvivalTask | PythonTask, Field(discriminator="type")]


class Goal(Spec):
    """A figure of synth evaluate that must be reached."""

    metric: str = Field(min_length=1, description="marginal_2, dependence, roc_auc and so on")
    of: str = Field(default="", description="a column, a group, a task; by default the whole table")
    min: float | None = None
    max: float | None = None


class Evaluation(Spec):
    """What synth evaluate looks at beyond the columns."""

    subgroups: tuple[ColumnName, ...] = Field(default=(), description="figures again for each of their values")
    protected: tuple[ColumnName, ...] = Field(default=(), description="whose groups predictions should be fair to")
    secrets: tuple[ColumnName, ...] = Field(
        default=(), description="what an attacker would infer; by default any column"
    )
    tasks: tuple[Task, ...] = ()
    goals: tuple[Goal, ...] = Field(default=(), description="synth evaluate exits with 1 where one is not reached")


class Table(Tested):
    name: Name
    source: str | None = None
    description: str = ""
    primary_key: ColumnName | None = None
    foreign_keys: tuple[ForeignKey, ...] = ()
    max_rows_per_unit: int | None = Field(default=None, ge=1, le=1000)
    order_by: ColumnName | None = Field(default=None, description="the column that a unit's rows go by")
    until: ColumnName | None = Field(
        default=None, description="when a row ends; the next row of the unit begins no earlier"
    )
    holdout: float | None = Field(
        default=None, gt=0, le=0.5, description="the share of units that are held out of the fit, for synth evaluate"
    )
    evaluation: Evaluation = Evaluation()
    drafted: bool = Field(default=False, description="keys of the table itself are made from private rows")
    config: ModelConfig = ModelConfig()
    columns: tuple[Column, ...] = Field(min_length=1)
    constraints: tuple[Constraint, ...] = ()


class MetadataFile(Spec):
    version: int = 2
    tables: tuple[Table, ...]


# models/*.yml


class ModelColumn(Tested):
    name: ColumnName
    description: str = ""


class ModelProperties(Tested):
    """Of a model without metadata: words, config and tests."""

    name: Name
    description: str = ""
    config: ModelConfig = ModelConfig()
    columns: tuple[ModelColumn, ...] = ()


class Rows(Spec):
    """Made-up rows: a list of mappings, lines of CSV under a heading, or a query that reads nothing."""

    rows: tuple[dict[str, str | bool | int | float | None], ...] | str = ()
    format: Literal["dict", "csv", "sql"] = "dict"
    fixture: Name | None = Field(
        default=None, description="the rows lie in fixtures/NAME.csv of a test path, or in NAME.sql"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_a_file(cls, written: Any, info: ValidationInfo) -> Any:
        name = written.get("fixture") if isinstance(written, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return written
        ending = written.get("format")
        if "rows" in written or ending not in ("csv", "sql"):
            raise ValueError("fixture: is a file in place of rows; say format: csv or sql, and no rows")
        return written | {"rows": info.context.fixture(f"{name}.{ending}") if info.context else ""}

    @model_validator(mode="after")
    def _as_said(self) -> Rows:
        if isinstance(self.rows, str) != (self.format != "dict"):
            raise ValueError("rows: are a list of mappings, or text with format: csv or sql")
        return self


class Given(Rows):
    input: str = Field(description="ref('model') or source('name', 'table')")


class UnitTestConfig(Spec):
    tags: Annotated[tuple[str, ...], BeforeValidator(_listed), _ONE_OR_SEVERAL] = ()
    meta: dict[str, Any] = Field(default={}, description="whatever your own tools want to know; synth reads none of it")
    enabled: bool = True


class Overrides(Spec):
    """What a unit test takes in place of what the project and the environment say."""

    vars: dict[str, Any] = {}
    env_vars: dict[str, str | bool | int | float] = {}
    macros: dict[str, Any] = Field(default={}, description="what each gives, whatever it is called with")


class UnitTest(Spec):
    """The rows that a model makes of made-up rows."""

    name: Name
    model: Name
    description: str = ""
    given: tuple[Given, ...] = ()
    expect: Rows
    overrides: Overrides = Overrides()
    config: UnitTestConfig = UnitTestConfig()


class PropertiesFile(Spec):
    version: int = 2
    models: tuple[ModelProperties, ...] = ()
    unit_tests: tuple[UnitTest, ...] = ()


# experiments/*.yml


class Experiment(Spec):
    """A grid of fits of one model, by several generators, each judged beside the same held-out people."""

    name: Name
    description: str = ""
    model: Name
    generators: tuple[str, ...] = Field(
        min_length=1, description="synth, marginal, independent, or one that is installed"
    )
    epsilons: tuple[Epsilon, ...] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(1,), min_length=1)
    public: Annotated[str, AfterValidator(_reason)] | None = Field(
        default=None,
        description="who says that the model's rows are public, and why: then nothing is paid or kept inside",
    )

    @model_validator(mode="after")
    def _once(self) -> Experiment:
        for key in ("generators", "epsilons", "seeds"):
            listed = getattr(self, key)
            if len(set(listed)) < len(listed):
                raise ValueError(f"{key}: one of them stands twice; remove one")
        return self
