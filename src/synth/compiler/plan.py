"""The plan of one synthetic model, with the sentences that tell a reader what it will and will not be good for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from synth.artifacts.layout import MARGINALS
from synth.artifacts.plan import ColumnLayout, Event, Plan, Privacy
from synth.compiler.sizing import Calibrate, size
from synth.project.spec import GeneratorSpec, ModelConfig


@dataclass(frozen=True)
class Promise:
    """What is promised to the people behind a model: the numbers that the declaration gives."""

    population: str
    unit: str | None  # None: each row is a unit
    units: int
    max_rows_per_unit: int
    epsilon: float
    delta: float


def make_plan(
    model: str, layout: Sequence[ColumnLayout], promise: Promise, config: ModelConfig, calibrate: Calibrate
) -> Plan:
    sized = size(
        layout, promise.max_rows_per_unit, promise.units, promise.epsilon, promise.delta,
        config.generator or GeneratorSpec(), calibrate=calibrate,
    )  # fmt: skip
    stages = {field.name: getattr(sized, field.name) for field in fields(sized) if field.name != "events"}
    privacy = Privacy(
        population=promise.population, unit=promise.unit or "row", units=promise.units,
        max_rows_per_unit=promise.max_rows_per_unit, epsilon=promise.epsilon, delta=promise.delta, events=sized.events,
    )  # fmt: skip
    return Plan(
        model=model, privacy=privacy, layout=tuple(layout), **stages, seed=config.seed or 0, rows=config.rows,
        why=tuple(_why(layout, promise, sized.events)),
    )  # fmt: skip


def smallest_group(events: Sequence[Event]) -> int:
    """People that a single value needs behind it to stand out of one histogram's noise: three standard deviations."""
    return math.ceil(
        3 * max(event.noise_multiplier for event in events if event.kind == "gaussian" and event.name == MARGINALS)
    )


def _surest(epsilon: float) -> float:
    """The posterior of a prior of one half in per cent, rounded up: e^eps / (1 + e^eps)."""
    return math.ceil(1000 / (1 + math.exp(-epsilon))) / 10


def _why(layout: Sequence[ColumnLayout], promise: Promise, events: Sequence[Event]) -> list[str]:
    group = smallest_group(events)
    said = [
        f"From this table alone, whoever is 50% sure that a person is in the data can come to at most "
        f"{_surest(promise.epsilon)}% (but for a chance of {promise.delta:g}).",
        f"A value shared by fewer than about {group:,} of the {promise.units:,} declared units cannot be told from noise.",
    ]
    share = group / promise.units
    if share > 0.02:
        quality = "Expect little more than noise" if share > 0.2 else "Expect a poor table"
        said.append(
            f"{quality}: {promise.units:,} units at epsilon {promise.epsilon:g} are few; only values shared by more than "
            f"{min(share, 1):.0%} of them survive. More units or a larger epsilon would help; nothing else would."
        )
    if promise.max_rows_per_unit > 1:
        said.append(
            f"At most {promise.max_rows_per_unit} rows per unit are used. How many rows a unit has is kept; "
            "likeness between the rows of one unit is not."
        )
    if any(column.cells > 500 and not column.ordered for column in layout):
        said.append("Columns of more than 500 categories keep their common values only.")
    return said
