"""The plan of one synthetic model, with the sentences that tell a reader what it will and will not be good for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from synth.artifacts.compiled import Trust
from synth.artifacts.layout import MARGINALS, all_pairs
from synth.artifacts.plan import UNPROTECTED, ColumnLayout, Event, Plan, Privacy
from synth.compiler.sizing import Calibrate, Sized, size, size_without_privacy
from synth.project.spec import GeneratorSpec, ModelConfig


@dataclass(frozen=True)
class Promise:
    """What is promised to the people behind a model, by the declaration; nothing where there is no epsilon."""

    population: str
    unit: tuple[str, ...]  # the columns that name a unit together; none where each row is a unit
    units: int
    max_rows_per_unit: int
    price: tuple[float, float] | None  # epsilon and delta
    holdout: float | None = None  # the share of units that are held out of the fit

    @property
    def fitted(self) -> int:
        """The units that a fit is over, about."""
        return max(1, round(self.units * (1 - (self.holdout or 0))))


def make_plan(
    model: str, layout: Sequence[ColumnLayout], promise: Promise, config: ModelConfig, calibrate: Calibrate,
    trusted: Sequence[Trust] = (), parent: Sequence[ColumnLayout] = (),
) -> Plan:  # fmt: skip
    cap, units, wishes = promise.max_rows_per_unit, promise.fitted, config.generator or GeneratorSpec()
    if promise.price:
        sized = size(layout, cap, units, *promise.price, wishes, parent, calibrate, config.release_metrics or 0.0)
    else:
        sized = size_without_privacy(layout, cap, units, wishes, parent)
    stages = {field.name: getattr(sized, field.name) for field in fields(sized) if field.name != "events"}
    epsilon, delta = promise.price or (None, None)
    privacy = Privacy(
        population=promise.population, unit=", ".join(promise.unit) or "row", units=units, max_rows_per_unit=cap,
        adjacency="add or remove one unit" if promise.price else "none: NOT PRIVATE",
        epsilon=epsilon, delta=delta, events=sized.events,
    )  # fmt: skip
    return Plan(
        model=model, privacy=privacy, layout=tuple(layout), parent=tuple(parent), **stages, seed=config.seed or 0,
        rows=config.rows,
        why=(*map(str, trusted), *_why((*layout, *parent), promise, sized, wishes, bool(parent))),
    )  # fmt: skip


def smallest_group(events: Sequence[Event]) -> int:
    """People that a single value needs behind it to stand out of one histogram's noise: three standard deviations."""
    return math.ceil(
        3 * max(event.noise_multiplier for event in events if event.kind == "gaussian" and event.name == MARGINALS)
    )


def surest(epsilon: float) -> float:
    """The posterior of a prior of one half in per cent, rounded up: e^eps / (1 + e^eps)."""
    return math.ceil(1000 / (1 + math.exp(-epsilon))) / 10


def _why(
    layout: Sequence[ColumnLayout], promise: Promise, sized: Sized, wishes: GeneratorSpec, below: bool
) -> list[str]:  # fmt: skip
    said = [UNPROTECTED]
    if promise.price:
        of = "units of the fit" if promise.holdout else "declared units"
        said = list(_protected(promise.fitted, of, *promise.price, sized.events))
        if smallest_group(sized.events) >= promise.fitted:
            return said
    if promise.holdout:
        said.append(
            f"About {promise.units - promise.fitted:,} of the {promise.units:,} declared units are held out of the fit, for "
            "synth evaluate."
        )
    said.append(f"Kept: {'; '.join(_kept(layout, promise, sized, below))}.")
    if lost := list(_lost(layout, promise, sized, wishes)):
        said.append(f"Not kept: {'; '.join(lost)}.")
    return said


def _protected(units: int, of: str, epsilon: float, delta: float, events: Sequence[Event]) -> Iterator[str]:
    """What a reader can learn of a person, and what that costs in what the table can show."""
    group = smallest_group(events)
    yield (
        f"From this table alone, whoever is 50% sure that a person is in the data can come to at most "
        f"{surest(epsilon)}% (but for a chance of {delta:g})."
    )
    share = group / units
    cure = "More units or a larger epsilon would help; nothing else would."
    if share >= 1:
        what = "nothing" if share >= 3 else "hardly anything"  # all of them together are less than a standard deviation
        yield (
            f"Expect nothing but noise: {what} survives of {units:,} units at epsilon {epsilon:g}. Not even a value that all "
            f"of them share could be told from noise; it would take {group:,} units. {cure}"
        )
        return
    yield f"A value shared by fewer than about {group:,} of the {units:,} {of} cannot be told from noise."
    if share > 0.02:
        quality = "Expect little more than noise" if share > 0.2 else "Expect a poor table"
        yield (
            f"{quality}: {units:,} units at epsilon {epsilon:g} are few; only values shared by more than {share:.0%} of them "
            f"survive. {cure}"
        )


def _kept(layout: Sequence[ColumnLayout], promise: Promise, sized: Sized, below: bool) -> Iterator[str]:
    yield "the shares of each column's values"
    if sized.pairs:
        columns = len(layout) + (promise.max_rows_per_unit > 1)
        every = len(all_pairs(columns))
        which = f"{sized.pairs.chosen:,} of the {every:,} pairs" if sized.pairs.chosen else f"all {every:,} pairs"
        yield f"how two columns go together, in up to {sized.pairs.groups} groups each, of {which}"
    if sized.dp_sgd:
        yield f"what several columns do together, as far as {sized.dp_sgd.steps:,} noisy steps of learning tell"
    if sized.network.latent and sized.kind != "independent":
        yield f"what a unit's rows have in common, in a latent of {sized.network.latent}, as far as learning uses it"
    if below:
        yield "how many rows are below each row of the table above, and how they go together with it"
    if promise.max_rows_per_unit > 1:
        several = "how rows below one row follow one another" if below else "how a row follows those before it"
        yield ", and ".join([*(() if below else ["how many rows a unit has"]), *([several] if sized.pairs else [])])


def _lost(layout: Sequence[ColumnLayout], promise: Promise, sized: Sized, wishes: GeneratorSpec) -> Iterator[str]:
    if sized.kind == "independent":
        yield "any relation between columns, as kind: independent says"
    elif not sized.dp_sgd:
        why = (
            "few units for so many columns at this epsilon: DP-SGD would only add noise"
            if wishes.kind is None and wishes.dp_sgd
            else "by declaration"
        )
        yield f"what only three or more columns together tell ({why})"
    if promise.max_rows_per_unit > 1:
        yield f"a unit's rows beyond {promise.max_rows_per_unit}"
    many = [column.name for column in layout if column.cells > sized.marginals.levels and not column.ordered]
    if many:
        yield f"all but the common values of {', '.join(many)}"
