"""A fitted generator on disk: weights as safetensors, everything else as JSON. No pickle, and nothing that is not expected.

What a file may hold is an allow-list: the names of the JSON, and for the weights the names, shapes and type that the
described network has. Anything else is refused before it is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from synth.artifacts import plan
from synth.artifacts.plan import Artifact
from synth.artifacts.release import ReleaseFigure
from synth.errors import RunError
from synth.generator.fitted import Generator
from synth.generator.levels import Levels
from synth.generator.marginals import Ways
from synth.generator.network import Columns, Network
from synth.generator.pairs import Groups, Pairs
from synth.generator.ranges import Floats, Integers

DESCRIPTION, WEIGHTS = "generator.json", "weights.safetensors"
COUNTS = "pairs"  # among the weights: the noisy persons in the cells of all pairs, one after the other


class StoredLevels(Artifact):
    """``Levels`` as JSON."""

    name: str
    ordered: bool
    missing: bool
    edges: tuple[int, ...]
    mass: tuple[float, ...]
    level: tuple[int, ...]
    shares: tuple[float, ...]


class StoredPairs(Artifact):
    """``Pairs`` as JSON, without their counts."""

    groups: tuple[tuple[int, ...], ...]  # of each column's levels
    pairs: tuple[tuple[int, int], ...]
    noise: float


class StoredGenerator(Artifact):
    """``Generator`` as JSON, without its weights."""

    schema_version: Literal["synth/generator/v6"] = "synth/generator/v6"
    model: str
    max_rows_per_unit: int
    network: plan.Network
    columns: tuple[StoredLevels, ...]
    persons: float
    noise: float
    pairs: StoredPairs | None
    repeats: tuple[float, ...] | None  # of the landed columns
    order: tuple[int, ...]
    strata: tuple[tuple[int, ...], ...]
    rising: tuple[plan.Rise, ...]
    tilt: plan.Tilt | None
    distillation: plan.Learning | None
    paid: tuple[ReleaseFigure, ...] = ()


def save(generator: Generator, directory: Path) -> None:
    """Writes the folder whole: what was there stays until the new one is complete."""
    part = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    stored = StoredGenerator(
        model=generator.model,
        max_rows_per_unit=generator.max_rows_per_unit,
        network=generator.network,
        columns=tuple(_stored(column) for column in generator.ways.columns),
        persons=generator.ways.persons,
        noise=generator.ways.noise,
        pairs=_stored_pairs(generator.pairs),
        repeats=None if generator.repeats is None else tuple(generator.repeats.tolist()),
        order=tuple(generator.order.tolist()),
        strata=generator.strata,
        rising=generator.rising,
        tilt=generator.tilt,
        distillation=generator.distillation,
        paid=generator.paid,
    )
    arrays: dict[str, NDArray[np.floating]] = dict(generator.weights)
    if generator.pairs:
        arrays[COUNTS] = np.concatenate([np.zeros(0), *(table.ravel() for table in generator.pairs.tables)])
    (part / DESCRIPTION).write_text(stored.model_dump_json(indent=1) + "\n", encoding="utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part / WEIGHTS)
    old = directory.with_name(f"{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        os.replace(directory, old)
    os.replace(part, directory)
    shutil.rmtree(old, ignore_errors=True)


def load(directory: Path) -> Generator:
    """The generator in a folder; RunError, saying what is wrong, where the folder holds anything but that."""
    names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    if names != [DESCRIPTION, WEIGHTS]:
        raise _refused(directory, f"it must hold {DESCRIPTION} and {WEIGHTS} and nothing else")
    try:
        stored = StoredGenerator.model_validate_json((directory / DESCRIPTION).read_bytes())
        weights = load_file(directory / WEIGHTS)
    except (ValidationError, SafetensorError) as error:
        raise _refused(directory, f"its {type(error).__name__}: not the format that is expected") from None
    columns = tuple(_levels(directory, column) for column in stored.columns)
    order = np.array(stored.order, dtype=np.int64)
    given = len(columns) - len(order)
    if sorted(stored.order) != list(range(len(order))) or given < (stored.max_rows_per_unit > 1):
        raise _refused(directory, "the order does not name its columns once each")
    if len(stored.strata) != len(order) or not all(_before(stored, place) for place in range(len(order))):
        raise _refused(directory, "a column is to be spread over columns that do not come before it")
    landed = len(order) - len(stored.rising)
    if not _rise(columns, stored.rising, landed):
        raise _refused(directory, "the columns that rise do not name columns with steps")
    if not (stored.persons > 0 and stored.noise > 0):
        raise _refused(directory, "its number of persons or its noise is not positive")
    repeats = None if stored.repeats is None else np.array(stored.repeats)
    if repeats is not None and (len(repeats) != landed or not ((repeats >= 0) & (repeats <= 1)).all()):
        raise _refused(directory, "how often rows repeat is not a share of each column")
    pairs = _pairs(directory, stored.pairs, columns, weights.pop(COUNTS, np.zeros(0))) if stored.pairs else None
    _check_weights(directory, stored, columns, order, weights)
    return Generator(
        stored.model, stored.max_rows_per_unit, stored.network, Ways(columns, stored.persons, stored.noise), pairs, repeats,
        order, stored.strata, stored.rising, stored.tilt, stored.distillation, weights,
        stored.paid,
    )  # fmt: skip


def _before(stored: StoredGenerator, place: int) -> bool:
    known = {*stored.order[:place], *range(len(stored.order), len(stored.columns))}
    return set(stored.strata[place]) <= known


def _rise(columns: Sequence[Levels], rising: Sequence[plan.Rise], landed: int) -> bool:
    """Whether each column that rises, and its steps, are such as rows can be drawn from."""
    named = [j for rise in rising for j in (rise.column, rise.until) if j is not None]
    if not all(0 <= j < landed for j in named) or len({rise.column for rise in rising}) < len(rising):
        return False
    steps = columns[landed : landed + len(rising)]
    dates = [columns[rise.column] for rise in rising]
    return all(d.ordered and not d.missing for d in dates) and all(s.ordered and s.missing for s in steps)


def _stored(column: Levels) -> StoredLevels:
    return StoredLevels(
        name=column.name, ordered=column.ordered, missing=column.missing, edges=tuple(column.edges.tolist()),
        mass=tuple(column.mass.tolist()), level=tuple(column.level.tolist()), shares=tuple(column.shares.tolist()),
    )  # fmt: skip


def _levels(directory: Path, stored: StoredLevels) -> Levels:
    edges, level = np.array(stored.edges, dtype=np.int64), np.array(stored.level, dtype=np.int64)
    mass, shares = np.array(stored.mass), np.array(stored.shares)
    whole = (
        len(shares) > 0
        and len(edges) == len(mass) + 1 == len(level) + 1
        and set(level.tolist()) == set(range(len(shares)))
        and bool((np.diff(edges) > 0).all())
        and bool((mass >= 0).all() and (shares > 0).all())
    )
    if not whole:
        raise _refused(directory, f"the levels of the column '{stored.name}' do not fit together")
    return Levels(stored.name, stored.ordered, stored.missing, edges, mass, level, shares)


def _stored_pairs(pairs: Pairs | None) -> StoredPairs | None:
    if pairs is None:
        return None
    return StoredPairs(
        groups=tuple(tuple(g.group.tolist()) for g in pairs.groups), pairs=pairs.pairs, noise=pairs.noise
    )


def _pairs(directory: Path, stored: StoredPairs, columns: tuple[Levels, ...], counts: Floats) -> Pairs:
    groups = tuple(Groups(j, np.array(group, dtype=np.int64)) for j, group in enumerate(stored.groups))
    whole = len(groups) == len(columns) and all(
        len(g.group) == c.count and set(g.group.tolist()) == set(range(g.size))
        for g, c in zip(groups, columns, strict=True)
    )
    if not whole or not stored.noise > 0 or not all(0 <= i < j < len(columns) for i, j in stored.pairs):
        raise _refused(directory, "its pairs do not fit its columns")
    shapes = [(groups[i].size, groups[j].size) for i, j in stored.pairs]
    ends = np.cumsum([0, *(a * b for a, b in shapes)])
    if counts.dtype != np.float64 or counts.shape != (ends[-1],) or not np.isfinite(counts).all():
        raise _refused(directory, "the counts of its pairs are not as many finite numbers as they have cells")
    tables = (counts[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], shapes, strict=True))
    return Pairs(groups, stored.pairs, tuple(tables), stored.noise)


def _check_weights(
    directory: Path, stored: StoredGenerator, columns: tuple[Levels, ...], order: Integers,
    weights: dict[str, NDArray[np.float32]],
) -> None:  # fmt: skip
    """Names, shapes and type are those of the described network; every number is finite."""
    network = Network(
        Columns(columns, order, stored.strata, stored.max_rows_per_unit > 1, stored.network.basis, stored.rising),
        stored.network,
        0,
    )
    expected = {name: tuple(matrix.shape) for name, matrix in network.matrices.items()}
    if {name: array.shape for name, array in weights.items()} != expected:
        wrong = sorted(set(expected) ^ set(weights)) or sorted(n for n in expected if weights[n].shape != expected[n])
        raise _refused(directory, f"weights that the network does not have, or of another shape: {', '.join(wrong)}")
    if any(array.dtype != np.float32 or not np.isfinite(array).all() for array in weights.values()):
        raise _refused(directory, "a weight that is not a finite float32")


def _refused(directory: Path, what: str) -> RunError:
    return RunError(
        f"{directory.name} is not a generator of this version: {what}", "Fit it again: synth run --full-refresh"
    )
