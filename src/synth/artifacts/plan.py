"""The plan: everything a fit does, decided before a row is read.

A plan is a frozen value. It is printed, compared, paid for and executed by separate readers; none of them changes it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Artifact(BaseModel):
    """A frozen value that crosses the line between compiling and running, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Gaussian(Artifact):
    """``count`` releases of a sum with Gaussian noise, each touching every unit."""

    kind: Literal["gaussian"] = "gaussian"
    name: str
    noise_multiplier: float = Field(gt=0)  # noise stddev / L2 sensitivity
    count: int = Field(default=1, ge=1)


class SubsampledGaussian(Artifact):
    """``steps`` noisy sums, each over a fresh Poisson sample of the units."""

    kind: Literal["subsampled_gaussian"] = "subsampled_gaussian"
    name: str
    noise_multiplier: float = Field(gt=0)  # noise stddev / clipping norm
    sample_rate: float = Field(gt=0, le=1)
    steps: int = Field(ge=1)


Event = Annotated[Gaussian | SubsampledGaussian, Field(discriminator="kind")]


class ColumnLayout(Artifact):
    """How one column is coded: integers 0 to ``cells`` - 1, and ``cells`` for a missing value where ``missing``.

    The codes of an unordered column are its declared categories. Those of an ordered one are the cells of its declared
    grid (bounds and step), of which there may be millions; the generator merges them into bins.
    """

    name: str
    cells: int = Field(ge=1)
    missing: bool
    ordered: bool
    zero: int | None = None  # the cell of the value 0, or of an offset of nothing; it may be a spike
    spacing: Literal["even", "geometric"] = "even"  # how the first ranges widen: evenly, or by doubling away from zero


class Network(Artifact):
    latent: int
    hidden: int
    basis: int  # Legendre polynomials for the logits of an ordered column


class Training(Artifact):
    """DP-SGD, but for what its event says: the sample rate and the noise multiplier."""

    steps: int
    max_grad_norm: float
    learning_rate: float
    expected_batch_units: float  # sample_rate * declared units: the gradient's scale
    seed: int  # initial weights and sampling; never noise


class Privacy(Artifact):
    population: str
    unit: str  # the column that names a unit, or "row" where each unit has one row by declaration
    units: int  # declared, public, approximate
    max_rows_per_unit: int
    adjacency: Literal["add or remove one unit"] = "add or remove one unit"
    epsilon: float
    delta: float
    events: tuple[Event, ...]


class Plan(Artifact):
    schema_version: Literal[1] = 1
    model: str
    privacy: Privacy
    layout: tuple[ColumnLayout, ...]
    network: Network
    training: Training
    bins: int  # about how many bins an ordered column is merged into
    tree_levels: int  # noisy looks at the ranges of an ordered column, each finer than the last
    rows: int | None  # exact number of synthetic rows; None: as many units as declared, with as many rows as they get
    why: tuple[str, ...]  # sentences for the reader
