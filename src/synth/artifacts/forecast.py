"""What a run would do, at what price and why: told from the project, the ledger and ``target/``, before a row is read."""

from __future__ import annotations

from typing import Literal

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import DeclaredKey
from synth.artifacts.plan import Artifact


class FitRecord(Artifact):
    """What the fit of a generator that is used again was made of; it lies beside the generator."""

    schema_version: Literal["synth/fit-record/v1"] = "synth/fit-record/v1"
    synth_version: str
    model: str
    fingerprint: str
    generator_digest: str
    inputs: dict[str, str]  # see SyntheticModel.fit_inputs
    declared: tuple[DeclaredKey, ...]
    sources: dict[str, str]  # by source table: keyed digest of its file's size and time of change, see runtime/paid.py
    rows: str | None = None  # keyed digest of the sources' rows, of a fit that stands in no ledger


class SourceFile(Artifact):
    """A source's file compared with what a fit recorded of it, by size and time of change alone."""

    file: str  # relative to the project; the location where no file is found
    # unknown: nothing is recorded of it; unseen: it is no file, so nothing can be
    state: Literal["same", "touched", "away", "unknown", "unseen"]


class Standing(Artifact):
    """Where the fits of one model stand."""

    begun: bool  # a fit of today's plan was reserved last, and not ended
    last: Literal["never", "this", "another"]  # the plan of the model's last paid fit
    record: FitRecord | None  # of the last paid fit, where it can be read
    folder: str  # of today's plan's generator, relative to the project
    generator: Literal["unpaid", "gone", "changed", "whole"]  # that was paid for with today's plan
    sources: tuple[SourceFile, ...]


class Reason(Artifact):
    what: str
    place: str | None = None  # "metadata/members.yml:14"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


class EventForecast(Artifact):
    """One event of the plan: its part of the price, and what its noise leaves of the signal."""

    name: str
    share: float  # of the plan's mu^2 (Gaussian DP), 0 to 1
    releases: int
    noise: float  # one standard deviation; see ``unit``
    unit: Literal["persons", "clipping norms"]  # per count, and per weight of a step's sum of gradients
    tells: str  # a sentence: noise against expected signal


class FitForecast(Artifact):
    """What fitting a model anew costs, takes and gives."""

    population: str
    unit: str
    units: int
    max_rows_per_unit: int
    epsilon: float | None  # None: made without differential privacy
    delta: float | None
    seconds: float  # of one core; about
    megabytes: float  # most memory of the process; about
    events: tuple[EventForecast, ...]
    sentences: tuple[str, ...]  # what the table will be good for


Verdict = Literal["reuse", "stale", "refit", "fit", "refused", "stop", "build", "skip"]


class ModelForecast(Artifact):
    """``reuse``: paid for, nothing is spent. ``stale``: as that, but the source's files may have changed: a run reads them
    and reuses or refits. ``refit``, ``fit``: paid for anew, or for the first time. ``refused``: by the budget. ``stop``:
    the source is not there, or nobody has reviewed the metadata, so a run would not get as far; what it asks for is counted all
    the same. ``build``: a public model. ``skip``: a parent would be refused or stop."""

    model: str
    relation: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    fit: FitForecast | None = None  # None for a public model


class PopulationForecast(Artifact):
    """A population's epsilon: now, after the selection's fits, and if its stale models were fitted anew as well.

    Models that would stop count as fits: what stops them is to be mended, and then they cost that.
    """

    population: str
    spent: float
    after: float
    at_most: float
    asked: float  # after, were nothing refused
    budget: Budget


class Forecast(Artifact):
    schema_version: Literal["synth/forecast/v1"] = "synth/forecast/v1"
    models: tuple[ModelForecast, ...]
    populations: tuple[PopulationForecast, ...]

    @property
    def refused(self) -> bool:
        return any(model.verdict == "refused" for model in self.models)
