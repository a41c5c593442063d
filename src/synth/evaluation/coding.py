"""Tables as cells and as numbers: what figures count and measure. Coded as train rows have it, the same for every table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Kind
from synth.evaluation.world import MOST_ROWS, World

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_VALUES = 100  # of a categorical column that have a cell of their own: the most frequent of train
MOST_CELLS = 1_000_000  # counted one by one: of more, only those that occur


@dataclass(frozen=True, eq=False)
class Coding:
    """How the values of a column become cells. The last cell is of missing values."""

    name: str
    kind: Kind
    edges: Floats  # of numbers and dates: the last value of each cell but the last one
    values: pandas.Index[str]  # of categories: a cell each; whatever else occurs is of one cell after them

    @property
    def size(self) -> int:
        return len(self.edges) + len(self.values) + 2

    def codes(self, table: pandas.DataFrame) -> Integers:
        """[rows]"""
        if self.kind == "categorical":
            found = self.values.get_indexer(pandas.Index(table[self.name].astype(object)))
            known = np.where(found < 0, len(self.values), found)
            return np.where(table[self.name].isna(), self.size - 1, known).astype(np.int64)
        values = numbers(table[self.name], self.kind)
        cells = np.searchsorted(self.edges, np.nan_to_num(values), side="left")
        return np.where(np.isnan(values), self.size - 1, cells).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Cells:
    """Two tables in the same cells."""

    columns: tuple[str, ...]
    sizes: tuple[int, ...]  # of the columns
    candidate: Integers  # [rows, columns]
    holdout: Integers

    def shares(self, columns: Sequence[int]) -> tuple[Floats, Floats]:
        """Of rows in each combination of the columns' cells: [cells] of the candidate, and of the held-out rows."""
        candidate, holdout = counts((self.candidate, self.holdout), self.sizes, columns)
        return candidate / max(len(self.candidate), 1), holdout / max(len(self.holdout), 1)

    def distance(self, columns: Sequence[int]) -> float:
        """Total variation: half the sum of differences between shares, from 0 to 1."""
        candidate, holdout = self.shares(columns)
        return float(np.abs(candidate - holdout).sum() / 2)


def cells(candidate: pandas.DataFrame, world: World, bins: int) -> Cells:
    """Numbers and dates at so many quantiles of train."""
    codings = codings_of(world, bins)
    sizes = tuple(coding.size for coding in codings)
    held_out = world.once(("held-out cells", bins), lambda: coded(some(world.holdout, world), codings))
    return Cells(tuple(world.kinds), sizes, coded(candidate, codings), held_out)


def codings_of(world: World, bins: int) -> Sequence[Coding]:
    """Numbers and dates at so many quantiles of train, found once."""

    def found() -> Sequence[Coding]:
        train = some(world.train, world)
        return tuple(_coding(train[name], name, kind, bins) for name, kind in world.kinds.items())

    return world.once(("codings", bins), found)


def coded(table: pandas.DataFrame, codings: Sequence[Coding]) -> Integers:
    """[rows, columns], a column after the other in memory."""
    codes = np.zeros((len(table), len(codings)), dtype=np.int64, order="F")
    for index, coding in enumerate(codings):
        codes[:, index] = coding.codes(table)
    return codes


def counts(tables: Sequence[Integers], sizes: Sequence[int], columns: Sequence[int]) -> list[Integers]:
    """Of rows in each combination of the columns' cells; where those are very many, of the ones that occur."""
    total = math.prod(sizes[column] for column in columns)
    flat = [_combined(table, sizes, columns) for table in tables]
    if total > MOST_CELLS:
        found, inverse = np.unique(np.concatenate(flat), return_inverse=True)
        flat = np.split(inverse, np.cumsum([len(table) for table in tables])[:-1])
        total = len(found)
    return [np.bincount(each, minlength=total) for each in flat]


def numbers(column: pandas.Series, kind: Kind) -> Floats:
    """A numeric column, or a datetime one in seconds since 1970. What is missing or infinite is NaN."""
    if kind == "datetime":
        dates = pandas.to_datetime(column, errors="coerce").to_numpy("datetime64[us]")
        return np.where(np.isnat(dates), np.nan, dates.astype(np.int64) / 1e6)
    values = pandas.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def some(table: pandas.DataFrame, world: World, most: int = MOST_ROWS) -> pandas.DataFrame:
    """So many rows of it, the same each time."""
    if len(table) <= most:
        return table
    return table.iloc[np.sort(world.rng("some").permutation(len(table))[:most])]


def named(kinds: Mapping[str, Kind], *kind: Kind) -> list[str]:
    """The columns that are of one of these kinds."""
    return [name for name, its in kinds.items() if its in kind]


def features(table: pandas.DataFrame, world: World) -> Floats:
    """[rows, columns] for trees: numbers, and codes of categories. What is missing is NaN."""
    matrix = np.zeros((len(table), len(world.kinds)))
    for index, coding in enumerate(codings_of(world, 1)):
        if coding.kind == "categorical":
            codes = coding.codes(table)
            matrix[:, index] = np.where(codes == coding.size - 1, np.nan, codes)
        else:
            matrix[:, index] = numbers(table[coding.name], coding.kind)
    return matrix


def design(table: pandas.DataFrame, world: World, most: int = 20) -> Floats:
    """[rows, features] for linear models: a column for each of the ``most`` frequent categories, numbers in train standard
    deviations from train's mean, and whether a value is missing."""
    train = some(world.train, world)
    blocks = [np.zeros((len(table), 0))]
    for coding in codings_of(world, 1):
        if coding.kind == "categorical":
            shown = [*range(min(len(coding.values), most)), coding.size - 1]
            blocks.append((coding.codes(table)[:, None] == shown).astype(float))
        else:
            mean, deviation = moments(numbers(train[coding.name], coding.kind))
            values = numbers(table[coding.name], coding.kind)
            scaled = np.clip((values - mean) / (deviation or 1.0), -10, 10)  # one wild value is not all that is seen
            blocks.append(np.column_stack([np.nan_to_num(scaled), np.isnan(values)]))
    return np.hstack(blocks)


def moments(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of those that are not NaN; zeros where there is none."""
    known = values[~np.isnan(values)]
    return (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)


def _coding(column: pandas.Series, name: str, kind: Kind, bins: int) -> Coding:
    none: pandas.Index[str] = pandas.Index([], dtype=object)
    if kind == "categorical":
        return Coding(name, kind, np.zeros(0), column.astype(object).value_counts().index[:MOST_VALUES])
    values = numbers(column, kind)
    known = values[~np.isnan(values)]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    return Coding(name, kind, np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0), none)


def _combined(table: Integers, sizes: Sequence[int], columns: Sequence[int]) -> Integers:
    combined = np.zeros(len(table), dtype=np.int64)
    for column in columns:
        combined = combined * sizes[column] + table[:, column]
    return combined
