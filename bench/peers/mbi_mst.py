"""MST (McKenna, Miklau and Sheldon 2021) over the public API of mbi, which estimates and samples but ships no mechanism.

The mechanism is written here, as small as it can be. Numbers are cut at the train part's own quantiles: that is not private,
and kind to MST, which spends nothing on its bins.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from itertools import combinations

import jax
import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from runner import main, whole

if hasattr(os, "sched_setaffinity"):  # XLA has as many threads as it has cores, and no setting for it
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
jax.config.update("jax_enable_x64", True)  # mbi asks for both before it is imported
jax.config.update("jax_enable_compilation_cache", False)

from mbi import Dataset, Domain, LinearMeasurement, Model  # noqa: E402
from mbi.estimation import MirrorDescent, minimum_variance_unbiased_total  # noqa: E402

BINS = 32  # about as many for each column of numbers; values that hold so large a share of the rows stand alone


def synthesize(table: pd.DataFrame, given: argparse.Namespace) -> pd.DataFrame:
    np.random.seed(given.seed)  # mbi samples with numpy's global generator
    rng = np.random.default_rng(given.seed)
    levels = {name: levels_of(column) for name, column in table.items()}
    codes = {name: codes_of(column, levels[name][1]) for name, column in table.items()}
    data = Dataset(codes, Domain(levels, [len(ends) + table[name].hasnans for name, (_, ends) in levels.items()]))
    synthetic = mst(data, zcdp(given.epsilon, given.delta), rng)
    return pd.DataFrame({name: values_of(synthetic[name], levels[name], table[name], rng) for name in table})


def zcdp(epsilon: float, delta: float) -> float:
    """The largest rho whose zCDP implies (epsilon, delta), by Canonne, Kamath and Steinke 2020."""
    order = 1 + np.geomspace(1e-2, 1e5, 100_000)
    slack = np.log(delta) + np.log(order - 1) - order * np.log1p(-1 / order)
    return float(((epsilon + slack / (order - 1)) / order).max())


def mst(data: Dataset, rho: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A third of rho each for single columns, for choosing pairs, and for the pairs; as many rows as there are."""
    rows = data.records
    singles = measured(data, [(name,) for name in data.domain], rho / 3, rng)
    total = minimum_variance_unbiased_total(singles)
    levels = {single.clique[0]: common_levels(single) for single in singles}
    singles = [single.compress(levels, data.domain) for single in singles]
    data = data.compress(levels)
    independent = MirrorDescent().estimate(data.domain, singles, total)
    pairs = measured(data, tree(data, independent, rho / 3, rng), rho / 3, rng)
    model = MirrorDescent().estimate(data.domain, singles + pairs, total)
    return model.synthetic_data(rows).decompress(levels).to_dict()


def measured(
    data: Dataset, cliques: Sequence[tuple[str, ...]], rho: float, rng: np.random.Generator
) -> list[LinearMeasurement]:
    """Marginals under Gaussian noise that together cost rho."""
    stddev = float(np.sqrt(len(cliques) / (2 * rho)))
    counts = {clique: np.asarray(data.project(clique).datavector()) for clique in cliques}
    return [LinearMeasurement(c + rng.normal(0, stddev, c.size), q, stddev) for q, c in counts.items()]


def common_levels(single: LinearMeasurement) -> np.ndarray:
    """The new level of each level: those that do not stand out of the noise share the last one."""
    common = single.noisy_measurement >= 3 * single.stddev
    return np.where(common, np.cumsum(common) - 1, common.sum())


def tree(data: Dataset, independent: Model, rho: float, rng: np.random.Generator) -> list[tuple[str, str]]:
    """A spanning tree of the pairs that independence misses by most, each picked by the exponential mechanism."""
    alone = {name: np.asarray(independent.project(name).datavector()) for name in data.domain}
    missed = {
        (a, b): np.abs(data.project((a, b)).datavector() - np.kron(alone[a], alone[b]) / independent.total).sum()
        for a, b in combinations(data.domain, 2)
    }
    part = {name: name for name in data.domain}
    epsilon = np.sqrt(8 * rho / (len(part) - 1))  # of each pick
    picked = []
    while len(set(part.values())) > 1:
        joining = [(a, b) for a, b in missed if part[a] != part[b]]
        a, b = max(joining, key=lambda pair: epsilon / 2 * missed[pair] + rng.gumbel())
        picked.append((a, b))
        part = {name: part[a] if of == part[b] else of for name, of in part.items()}
    return picked


def levels_of(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Where each level starts (that itself left out) and ends; a category and a spike start where they end."""
    values = np.sort(column.dropna().to_numpy())
    if not is_numeric_dtype(column):
        return np.unique(values), np.unique(values)
    ends = np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf")
    spikes = ends[1:][np.diff(ends) == 0]
    if len(np.unique(values)) <= BINS:
        ends = spikes = np.unique(values)
    ends = np.union1d(ends, spikes - 1 if whole(column) else np.nextafter(spikes, -np.inf))
    starts = np.concatenate([ends[:1], ends[:-1]])
    held = np.unique(np.searchsorted(ends, values))  # levels without a row are none
    return np.where(np.isin(ends, spikes), ends, starts)[held], ends[held]


def codes_of(column: pd.Series, ends: np.ndarray) -> np.ndarray:
    """Each value's level; a missing one is a level of its own, the last, in columns that have any."""
    known = column.notna().to_numpy()
    codes = np.full(len(column), len(ends))
    codes[known] = np.searchsorted(ends, column[known].to_numpy())
    return codes


def values_of(
    codes: np.ndarray, levels: tuple[np.ndarray, np.ndarray], column: pd.Series, rng: np.random.Generator
) -> np.ndarray:
    """A value for each code: the category, or a number drawn evenly from the level."""
    if not is_numeric_dtype(column):
        return np.append(levels[1], None)[codes]
    starts, ends = (np.append(edge, np.nan)[codes] for edge in levels)
    values = ends - rng.random(len(codes)) * (ends - starts)
    return np.ceil(values) if whole(column) else values


if __name__ == "__main__":
    main(synthesize)
