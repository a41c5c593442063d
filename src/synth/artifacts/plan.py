"""The plan: everything a fit does, decided before a row is read.

A plan is a frozen value. It is printed, compared, paid for and executed by separate readers; none of them changes it.
A stage that a plan leaves out is ``None``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# of all that is made without differential privacy
NOT_PRIVATE = "NOT_PRIVATE_"  # how its name begins
UNPROTECTED = "NOT PRIVATE: nobody in the source is protected, and rows of real people may come out as they are."


class Artifact(BaseModel):
    """A frozen value that crosses the line between compiling and running, as JSON."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)


# Events: what is paid for

LEAST_NOISE, MOST_NOISE = 1e-2, 1e6  # noise multipliers between which integer noise is exact: see privacy/mechanisms


class Gaussian(Artifact):
    """``count`` releases of a sum with Gaussian noise, each touching every unit."""

    kind: Literal["gaussian"] = "gaussian"
    name: str
    noise_multiplier: float = Field(gt=0)  # noise stddev / L2 sensitivity
    count: int = Field(default=1, ge=1)


class Selection(Artifact):
    """``count`` of the best candidates, each picked by the exponential mechanism with this ``epsilon``."""

    kind: Literal["selection"] = "selection"
    name: str
    epsilon: float = Field(gt=0)
    count: int = Field(default=1, ge=1)


class PartitionSelection(Artifact):
    """``count`` lists of values that nobody declared: those whose noisy number of persons is above a threshold.

    A value that one unit alone has comes through with probability ``delta`` at most, however many of ``values_per_unit``
    rows it is in.
    """

    kind: Literal["partition_selection"] = "partition_selection"
    name: str
    noise_multiplier: float = Field(gt=0)  # noise stddev / L2 sensitivity
    values_per_unit: int = Field(ge=1)  # rows of a unit that are looked at, and so the most values it can have
    delta: float = Field(gt=0, lt=1)  # of each list
    count: int = Field(default=1, ge=1)


class SubsampledGaussian(Artifact):
    """``steps`` noisy sums, each over a fresh Poisson sample of the units."""

    kind: Literal["subsampled_gaussian"] = "subsampled_gaussian"
    name: str
    noise_multiplier: float = Field(gt=0)  # noise stddev / clipping norm
    sample_rate: float = Field(gt=0, le=1)
    steps: int = Field(ge=1)


Event = Annotated[Gaussian | Selection | PartitionSelection | SubsampledGaussian, Field(discriminator="kind")]


class Privacy(Artifact):
    """The promise and its events. Where nothing is promised there is no epsilon, and the noise protects nobody."""

    population: str
    unit: str  # the columns that name a unit, or "row" where each unit has one row by declaration
    units: int  # declared, public, approximate
    max_rows_per_unit: int
    adjacency: Literal["add or remove one unit", "none: NOT PRIVATE"] = "add or remove one unit"
    epsilon: float | None
    delta: float | None
    events: tuple[Event, ...]

    @model_validator(mode="after")
    def _all_or_nothing(self) -> Privacy:
        if {self.epsilon is None, self.delta is None} != {self.adjacency == "none: NOT PRIVATE"}:
            raise ValueError("epsilon, delta and adjacency promise something together, or nothing")
        return self


Kind = Literal["dp_vae", "marginal", "independent"]

# What is modelled


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
    groups: tuple[int, ...] | None = None  # of an unordered one: which categories are alike, where few have one of them
    heaps: bool = (
        False  # of a fine grid, on which single cells may be those of many people: whole numbers, a limit, a default
    )
    spacing: Literal["even", "geometric"] = "even"  # how the first ranges widen: evenly, or by doubling away from zero
    # a unit's rows go by it, so that it never falls: modelled by its first value and the steps between
    rises: bool = False
    until: str | None = None  # of one that rises: the column that says how long a row lasts; the next begins no earlier


class Rise(Artifact):
    """A column that rises from row to row of a unit, by steps from the row before, or from its end."""

    column: int
    until: int | None = None  # the column that says how long a row lasts, in the same steps
    zero: int = 0  # its code for no time at all


class Network(Artifact):
    """A masked autoregressive decoder with one hidden layer, and an encoder where there is a latent."""

    hidden: int = Field(ge=1)
    basis: int | None = Field(default=None, ge=1)  # Legendre polynomials of an ordered column; None: a feature a level
    skip: bool = True  # the inputs reach the logits past the hidden layer too
    autoregressive: bool = True  # False: columns are independent given the latent
    latent: int = Field(default=0, ge=0)  # dimensions of a unit's latent
    encoder: int = Field(default=64, ge=1)  # its hidden layer


# Stages: what is done, in this order


class Marginals(Artifact):
    """Noisy 1-way marginals of every column, on ranges that are refined where there are people."""

    bins: int = Field(ge=2)  # about how many bins an ordered column is merged into
    levels: int = Field(ge=2)  # most levels of an unordered column; its rare categories share one
    tree_levels: int = Field(ge=1)  # noisy looks at the ranges of an ordered column, each finer than the last


class Pairs(Artifact):
    """Noisy 2-way marginals of coarse groups of levels; of all pairs of columns, or of those chosen."""

    groups: int = Field(ge=2)  # most groups of a column, besides missing
    chosen: int | None = Field(default=None, ge=1)  # how many pairs are picked by the paid selection; None: all pairs


class MarginalFit(Artifact):
    """A mixture of product distributions fitted to the noisy marginals."""

    points: int = Field(ge=2)  # of the mixture
    latent: int = Field(ge=1)
    hidden: int = Field(ge=1)
    basis: int = Field(ge=1)  # Legendre polynomials for the logits of an ordered column
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class Learning(Artifact):
    """Plain training on synthetic rows: warm start, refinement and distillation."""

    units: int = Field(ge=1)  # synthetic units to learn from
    epochs: int = Field(ge=1)
    batch_units: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class DpSgd(Artifact):
    """DP-SGD, but for what its event says: the sample rate and the noise multiplier."""

    steps: int = Field(ge=1)
    clipping_quantile: float = Field(gt=0, le=1)  # of gradient norms on synthetic units: the clipping norm
    learning_rate: float = Field(gt=0)
    expected_batch_units: float = Field(gt=0)  # sample_rate * declared units: the gradient's scale


class Tilt(Artifact):
    """Weights on synthetic units that bring them to the noisy marginals."""

    steps: int = Field(ge=1)
    candidates: int = Field(ge=1)  # drawn for each unit of a table
    most_units: int = Field(ge=0)  # of a table that is weighed; larger ones are drawn from the distilled network


class Plan(Artifact):
    schema_version: Literal[2] = 2
    model: str
    kind: Kind
    privacy: Privacy
    layout: tuple[ColumnLayout, ...]
    parent: tuple[ColumnLayout, ...] = ()  # columns of the parent table that every row is generated given
    network: Network
    marginals: Marginals
    pairs: Pairs | None = None
    marginal_fit: MarginalFit | None = None
    warm_start: Learning | None = None
    refinement: Learning | None = None
    dp_sgd: DpSgd | None = None
    tilt: Tilt | None = None
    distillation: Learning | None = None
    seed: int  # initial weights and sampling; never noise
    rows: int | None  # exact number of synthetic rows; None: as many units as declared, with as many rows as they get
    why: tuple[str, ...]  # sentences for the reader

    @property
    def cap(self) -> int:
        return self.privacy.max_rows_per_unit
