"""Distances between tables: of rows (Gower), of columns (Kullback-Leibler), of cells (Voas and Williamson), of combinations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.evaluation.coding import Floats, Integers, cells, coded, codings_of, counts, named, numbers, some
from synth.evaluation.world import Found, World

MOST_CANDIDATES, MOST_HELD_OUT = 2_000, 5_000  # rows between which Gower's distance is taken
BLOCK = 50  # rows at a time, so that a block stays in a processor's cache

Singles = NDArray[np.float32]


def gower(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Gower's distance (1971) of the candidate's rows from held-out rows: of all of them, and of the nearest; each 0 to 1.

    The mean over columns of: the difference over the range in train, or whether categories differ. A missing value is as
    far from any other as can be, and equal to a missing one.
    """
    rows = [some(candidate, world, MOST_CANDIDATES), some(world.holdout, world, MOST_HELD_OUT)]
    if not world.kinds or not all(map(len, rows)):
        for metric in ("gower_mean", "gower_nearest"):
            yield Found(metric, None, "train", note="a table has no rows or no columns")
        return
    here, there = (_comparable(table, world) for table in rows)
    blocks = [_gower(here[start : start + BLOCK], there) for start in range(0, len(here), BLOCK)]
    yield Found("gower_mean", float(np.mean(np.concatenate([block.mean(1) for block in blocks]))), "train")
    yield Found("gower_nearest", float(np.mean(np.concatenate([block.min(1) for block in blocks]))), "train")


def kullback_leibler(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Divergence of the candidate from held-out rows, in nats: of each column, and their mean.

    Of cells that each hold half a row more than they do, so that an empty one is no infinity (Krichevsky and Trofimov 1981).
    """
    both = cells(candidate, world, 20)
    found = {}
    for index, name in enumerate(world.kinds):
        here, there = counts((both.candidate, both.holdout), both.sizes, [index])
        used = here + there > 0  # no cell that no table has
        p, q = ((each[used] + 0.5) / (each[used] + 0.5).sum() for each in (there, here))
        found[name] = float((p * np.log(p / q)).sum())
    mean = float(np.mean(list(found.values()))) if found else None
    yield Found("kl_divergence", mean, "lower", note="" if found else "no column")
    for name, value in found.items():
        yield Found("kl_divergence", value, "lower", of=name)


def voas_williamson(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Squared differences of cells' counts over their mean (Voas and Williamson 2001), for each degree of freedom.

    Scaled to be about 1 where both tables are samples of one distribution, whatever their sizes. Mean over pairs of columns,
    and of all categorical columns crossed.
    """
    both = cells(candidate, world, 10)
    every = itertools.combinations(range(len(both.sizes)), 2)
    pairs = [_voas_williamson(*counts((both.candidate, both.holdout), both.sizes, pair)) for pair in every]
    known = [value for value in pairs if value is not None]
    note = "" if known else "no two columns of which one has more than one value"
    yield Found("voas_williamson", float(np.mean(known)) if known else None, "lower", of="pairs", note=note)
    here, there = combinations(candidate, world)
    most = int(max(here.max(initial=0), there.max(initial=0))) + 1
    crossed = _voas_williamson(np.bincount(here, minlength=most), np.bincount(there, minlength=most))
    note = "" if crossed is not None else "no categorical column has more than one value"
    yield Found("voas_williamson", crossed, "lower", of="categories", note=note)


def collisions(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """Of distinct combinations of all categorical columns: the share of the candidate's that occur among held-out rows, and
    the share of the held-out ones that occur in the candidate."""
    here, there = (set(map(int, found)) for found in combinations(candidate, world))
    note = "" if here and there else "no categorical column, or a table has no rows"
    yield Found("collisions", len(here & there) / len(here) if not note else None, "train", note=note)
    yield Found("combinations_found", len(here & there) / len(there) if not note else None, "train", note=note)


def combinations(candidate: pandas.DataFrame, world: World) -> tuple[Integers, Integers]:
    """Which combination of categories each row has, by number: of the candidate and of held-out rows. No column, no rows."""
    names = named(world.kinds, "categorical")
    if not names:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    both = pandas.concat([table[names].astype(object) for table in (candidate, world.holdout)], ignore_index=True)
    found = np.zeros(len(both), np.int64)
    for name in names:
        codes = pandas.factorize(both[name])[0] + 1  # 0 is missing
        found = np.unique(found * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)[1]
    return found[: len(candidate)], found[len(candidate) :]


def _comparable(table: pandas.DataFrame, world: World) -> Singles:
    """[rows, columns] of which the distance is the difference, 1 at most: numbers in train's range, codes, and 2 for missing."""
    matrix = coded(table, codings_of(world, 1)).astype(float)
    for index, (name, kind) in enumerate(world.kinds.items()):
        if kind == "categorical":
            matrix[table[name].isna(), index] = -1
            continue
        train = numbers(some(world.train, world)[name], kind)
        known = train[~np.isnan(train)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        scaled = (numbers(table[name], kind) - low) / ((high - low) or 1.0)
        matrix[:, index] = np.nan_to_num(scaled.clip(0, 1), nan=2)
    return matrix.astype(np.float32)


def _gower(here: Singles, there: Singles) -> Floats:
    """[rows of here, rows of there]"""
    total, difference = (np.zeros((len(here), len(there)), np.float32) for _ in range(2))
    for first, second in zip(here.T, np.ascontiguousarray(there.T), strict=True):
        np.abs(np.subtract(first[:, None], second, out=difference), out=difference)
        total += np.minimum(difference, 1, out=difference)
    return np.asarray(total / here.shape[1], dtype=np.float64)


def _voas_williamson(here: Integers, there: Integers) -> float | None:
    """Of counts of the same cells. None where only one cell is used."""
    used = here + there > 0
    rows, others = int(here.sum()), int(there.sum())
    if used.sum() < 2 or not rows or not others:
        return None
    differences = here[used] / rows - there[used] / others
    means = (here[used] + there[used]) / (rows + others)
    return float((differences**2 / means).sum() * rows * others / (rows + others) / (used.sum() - 1))
