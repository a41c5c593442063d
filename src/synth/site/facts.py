"""What the pages say of columns, constraints and tables, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from synth.artifacts.catalog import Catalog, Distribution
from synth.artifacts.compiled import Compiled, Constraint, ManifestNode
from synth.artifacts.constraint_graph import MEANS
from synth.artifacts.forecast import FitForecast
from synth.artifacts.results import SuiteResult
from synth.privacy.ledger import PopulationSummary
from synth.project import spec

SHOWN_VALUES = 12  # of a list of categories
LONGEST_RULE = 300  # letters of SQL


@dataclass(frozen=True)
class Facts:
    """All that the site is made of. Figures are of synthetic rows, of the declaration, or paid for."""

    name: str
    generated_at: str
    compiled: Compiled
    descriptions: dict[str, str]  # by node
    tables: dict[str, spec.Table]  # metadata, by the name of the model
    fits: dict[str, FitForecast]
    suites: dict[str, SuiteResult]  # by model; that of singular tests under its own name
    catalog: Catalog
    distributions: dict[str, tuple[Distribution, ...]]
    ledger: tuple[PopulationSummary, ...]
    data_docs: bool  # whether there are any

    def children(self, node: ManifestNode) -> list[ManifestNode]:
        return [n for n in self.compiled.manifest.nodes.values() if node.unique_id in n.depends_on]


@dataclass(frozen=True)
class ColumnFacts:
    name: str
    type: str
    limits: str
    missing: str
    description: str


def columns(table: spec.Table) -> Iterator[ColumnFacts]:
    references = {foreign.column: foreign.references for foreign in table.foreign_keys}
    for column in table.columns:
        limits = _limits(column)
        if column.name in references:
            limits = f"references {references[column.name]}"
        elif column.name == table.primary_key:
            limits = "primary key: new numbers"
        yield ColumnFacts(column.name, _type(column), limits, _missing(column), column.description)


def rule(constraint: Constraint) -> str:
    """Its SQL, where that is not its name, and no list that nobody reads."""
    return constraint.sql if constraint.sql != constraint.name and len(constraint.sql) <= LONGEST_RULE else ""


def held(constraint: Constraint) -> str:
    return "; ".join(MEANS[one] for one in constraint.held)


def _type(column: spec.Column) -> str:
    if isinstance(column, spec.CategoricalColumn) and column.ordered:
        return "categorical, ordered"
    return column.type


def _limits(column: spec.Column) -> str:
    """What is declared of a column's values: bounds, categories, how they are made up."""
    match column:
        case spec.CategoricalColumn():
            return _listed(column)
        case spec.TextColumn():
            if not column.lands:
                return "never read, left out"
            return f"never read; {_made_up(column)}"
        case spec.ConstantColumn():
            return f"always {column.value}"
        case spec.DerivedColumn():
            return f"= {column.expression}"
        case spec.DateColumn() | spec.DatetimeColumn() if column.offset_from and column.offset_bounds:
            low, high = column.offset_bounds
            return f"{_plain(low)} to {_plain(high)} after {column.offset_from}"
    bounds: Sequence[Any] | None = getattr(column, "bounds", None)
    said = [f"{_plain(bounds[0])} to {_plain(bounds[1])}"] if bounds else []
    step = getattr(column, "rounding", None) or getattr(column, "resolution", None)
    places = getattr(column, "decimals", None)
    said += [f"in steps of {_plain(step)}"] if step else [f"{places} decimals"] if places is not None else []
    return ", ".join(said)


def _plain(value: Any) -> str:
    if isinstance(value, timedelta):
        return spec.duration_text(value)
    return f"{value:g}" if isinstance(value, float) else str(value).removesuffix(" 00:00:00")


def _listed(column: spec.CategoricalColumn) -> str:
    values = [str(value) for value in column.values]
    more = f" and {len(values) - SHOWN_VALUES:,} more" if len(values) > SHOWN_VALUES else ""
    unknown = {
        "other": f"; others become {spec.OTHER}",
        "missing": "; others are missing",
        "drop": "; rows of others drop out",
    }
    return ", ".join(values[:SHOWN_VALUES]) + more + unknown.get(column.unknown or "", "")


def _made_up(column: spec.TextColumn) -> str:
    if column.constant is not None:
        return f"always {column.constant}"
    return f"pattern {column.pattern}" if column.pattern is not None else f"made up: {column.fake} ({column.locale})"


def _missing(column: spec.Column) -> str:
    if impute := getattr(column, "impute", None):
        return f"imputed: {impute.constant if isinstance(impute, spec.Imputed) else impute}"
    return "may be missing" if column.nullable else ""
