"""What a release is made of. Figures are of the declaration, of the ledger, of synthetic rows, or were paid for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synth.artifacts.catalog import Distribution
from synth.artifacts.compiled import Compiled, Constraint, OutputColumn, PublicModel, SyntheticModel
from synth.artifacts.release import Association, ReleaseFigure
from synth.privacy.ledger import Chained, PopulationSummary, Reserve, Spend
from synth.project import spec
from synth.release.promise import Promise, promises


@dataclass(frozen=True)
class Finding:
    """What a test found on synthetic rows."""

    id: str
    description: str
    column: str | None
    severity: str
    status: str
    rows: int
    failures: int


@dataclass(frozen=True)
class ReleasedTable:
    model: SyntheticModel | PublicModel
    declared: spec.Table | None  # the metadata of a synthetic one
    fits: tuple[SyntheticModel, ...]  # all that its rows come from
    rows: int
    made: str  # ISO 8601, by the clock of whoever made it
    distributions: tuple[Distribution, ...]
    associations: tuple[Association, ...]
    tests: tuple[Finding, ...]
    figures: tuple[ReleaseFigure, ...] = ()

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def own_fits(self) -> tuple[SyntheticModel, ...]:
        """The fit of a synthetic table, without those of the tables above it; all that a public one is computed from."""
        return (self.model,) if isinstance(self.model, SyntheticModel) else self.fits

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return self.model.columns

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return self.model.constraints if isinstance(self.model, SyntheticModel) else ()

    @property
    def promises(self) -> tuple[Promise, ...]:
        return promises(self.fits)

    @property
    def files(self) -> tuple[str, str]:
        """As the bundle has them: Parquet, CSV."""
        return f"tables/{self.name}.SYNTHETIC.parquet", f"tables/{self.name}.SYNTHETIC.csv"


@dataclass(frozen=True)
class Contents:
    project: str
    created: str  # ISO 8601, UTC
    tables: tuple[ReleasedTable, ...]
    populations: tuple[PopulationSummary, ...]  # of which something is released
    chained: tuple[Chained, ...]  # the whole ledger

    @property
    def fits(self) -> tuple[SyntheticModel, ...]:
        return tuple({fit.name: fit for table in self.tables for fit in table.fits}.values())

    @property
    def promises(self) -> tuple[Promise, ...]:
        """Of all the tables together."""
        return promises(self.fits)

    def entries(self, fit: SyntheticModel) -> list[Reserve | Spend]:
        """Of the ledger, by which a fit was paid."""
        of = (fit.name, fit.fit_fingerprint())
        return [entry for _, entry, _ in self.chained if (entry.model, entry.fingerprint) == of]


def behind(compiled: Compiled, names: Iterable[str]) -> list[str]:
    """The models, and all that their rows come from, parents first."""
    found: dict[str, None] = {}
    for name in names:
        made = [one for one in compiled.parents[name] if one in compiled.synthetic or one in compiled.public]
        found |= dict.fromkeys([*behind(compiled, made), name])
    return list(found)


def fits_behind(compiled: Compiled, name: str) -> tuple[SyntheticModel, ...]:
    return tuple(compiled.synthetic[one] for one in behind(compiled, [name]) if one in compiled.synthetic)
