"""Records of train rows, held-out rows and a candidate as numbers, and how far they lie apart.

The distance is Gower's (1971), a sum over columns: 1 where categories differ, and of numbers the difference of their ranks
among the real rows. A missing number lies half a range below the lowest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Kind
from synth.evaluation.world import World

Numbers = NDArray[np.float64]
Distances = NDArray[np.float32]

CELLS = 400_000  # of a matrix of distances that is held at once: what a processor's cache takes
MISSING_RANK = -0.5


@dataclass(frozen=True, eq=False)
class Records:
    """``values`` and ``ranks``: [columns, rows]. Values are equal where they are equal in the table; NaN is a missing number."""

    values: Numbers
    ranks: Distances
    categorical: NDArray[np.bool_]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.values.shape[1])

    def rows(self, chosen: NDArray[np.intp] | slice) -> Records:
        return replace(self, values=self.values[:, chosen], ranks=self.ranks[:, chosen])

    def keys(self) -> list[bytes]:
        """Equal for equal rows."""
        rows = np.ascontiguousarray(np.where(np.isnan(self.values), np.inf, self.values).T)
        return [row.tobytes() for row in rows]


@dataclass(frozen=True, eq=False)
class Tables:
    train: Records
    holdout: Records
    candidate: Records


def tables(candidate: pandas.DataFrame, world: World) -> Tables:
    """Coded once for all attacks on a candidate, which is kept beside them: its id is no other table's meanwhile."""
    return world.once(("records", id(candidate)), lambda: (candidate, _tables(candidate, world)))[1]


def _tables(candidate: pandas.DataFrame, world: World) -> Tables:
    frames = [world.train, world.holdout, candidate]
    bounds = np.cumsum([len(frame) for frame in frames])
    joined = pandas.concat([frame[list(world.kinds)] for frame in frames], ignore_index=True)
    values = np.array([_values(joined[name], kind) for name, kind in world.kinds.items()])
    categorical = np.array([kind == "categorical" for kind in world.kinds.values()])
    ranks = np.array(
        [column if is_text else _ranks(column, column[: bounds[1]]) for column, is_text in zip(values, categorical, strict=True)],
        dtype=np.float32,
    )  # fmt: skip
    everything = Records(values, ranks, categorical, tuple(world.kinds))
    train, holdout, made = (
        everything.rows(np.arange(end - len(f), end)) for end, f in zip(bounds, frames, strict=True)
    )
    return Tables(train, holdout, made)


def spread(kinds: Mapping[str, Kind], name: str, frame: pandas.DataFrame) -> float:
    """From the first quartile of a column to the third, as its values are counted in ``Records``."""
    values = _values(frame[name], kinds[name])
    values = values[~np.isnan(values)]
    return float(np.subtract(*np.quantile(values, [0.75, 0.25]))) if len(values) else 0.0


def blocks(some: Records, others: Records) -> Iterator[slice]:
    """Of ``some``, so that a matrix of their distances to all others is small."""
    size = max(1, CELLS // max(1, len(others)))
    yield from (slice(start, start + size) for start in range(0, len(some), size))


def apart(some: Records, others: Records, column: int) -> Distances:
    """[some, others] of one column: its share of the distance."""
    own, other = some.ranks[column][:, None], others.ranks[column][None, :]
    share: Distances = (own != other).astype(np.float32) if some.categorical[column] else np.abs(own - other)
    return share


def distances(some: Records, others: Records, columns: NDArray[np.intp] | None = None) -> Distances:
    """[some, others], over these columns or all."""
    total = np.zeros((len(some), len(others)), dtype=np.float32)
    for column in range(len(some.names)) if columns is None else columns:
        total += apart(some, others, int(column))
    return total


def nearest(
    some: Records, others: Records, columns: NDArray[np.intp] | None = None
) -> tuple[NDArray[np.intp], Distances]:  # fmt: skip
    """Of each record the nearest other: its place, the first of several, and its distance."""
    places, least = np.zeros(len(some), dtype=np.intp), np.zeros(len(some), dtype=np.float32)
    for block in blocks(some, others):
        matrix = distances(some.rows(block), others, columns)
        places[block] = matrix.argmin(axis=1)
        least[block] = matrix.min(axis=1)
    return places, least


def _values(column: pandas.Series, kind: Kind) -> Numbers:
    if kind == "categorical":
        return pandas.factorize(column)[0].astype(np.float64)  # -1: missing
    if kind == "datetime":
        times = column.to_numpy(dtype="datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    return column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # of -0.0 this makes 0.0


def _ranks(column: Numbers, real: Numbers) -> Numbers:
    """Of 0 to 1 among the real values: a rank that a real value has, no other value has."""
    ordered = np.sort(real[~np.isnan(real)])
    below = np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")
    return np.where(np.isnan(column), MISSING_RANK, below / max(1, 2 * len(ordered)))
