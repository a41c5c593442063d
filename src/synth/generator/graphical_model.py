"""A graphical model of the noisy tables, by the library mbi: no network, no learning from rows.

Of the measured pairs those that matter most are kept, as many as a junction tree of bounded size holds, a spanning tree of
the strongest among them (MST, McKenna, Miklau and Sheldon 2021). Pairs were measured over groups of levels, so the model is
one of groups: of all tables with these marginals, that with the most entropy has the levels of a group by their own shares.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.extras import need
from synth.generator.levels import Levels, spread
from synth.generator.marginals import Ways
from synth.generator.pairs import Groups, Pairs, coarsen, dependence
from synth.generator.ranges import Floats, Integers

MOST_MEGABYTES = 4.0  # of the tables of a junction tree
GROUPS = 32  # of a column where no pair was measured


@dataclass(frozen=True)
class GraphicalModel:
    """``mbi`` among the generators; UsageError where the library is not installed."""

    def __post_init__(self) -> None:
        _mbi()

    def codes(self, ways: Ways, pairs: Pairs | None, rows: int, seed: int) -> Integers:
        """Codes int64[rows, columns]: groups of the model, levels of the groups, codes of the levels."""
        random = np.random.default_rng([seed, 0])
        groups = pairs.groups if pairs else tuple(coarsen(j, c, GROUPS) for j, c in enumerate(ways.columns))
        drawn = _drawn(ways, groups, pairs, rows, seed)
        levels = [_levels(drawn[j], groups[j], column, random) for j, column in enumerate(ways.columns)]
        return np.stack([c.decode(found, random) for c, found in zip(ways.columns, levels, strict=True)], axis=1)


def _mbi() -> Any:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax = need("jax", "mbi")
    jax.config.update("jax_enable_x64", True)  # mbi asks for both before it is imported
    jax.config.update("jax_enable_compilation_cache", False)
    return need("mbi", "mbi")


def _drawn(ways: Ways, groups: tuple[Groups, ...], pairs: Pairs | None, rows: int, seed: int) -> list[Integers]:
    """Groups of each column, int64[rows] each."""
    mbi = _mbi()
    names = list(range(len(groups)))  # mbi walks sets of names: those of text have another order in each process
    domain = mbi.Domain(names, [group.size for group in groups])
    measured = [_single(mbi, ways, group) for group in groups]
    if pairs:
        measured += [_pair(mbi, pairs, place) for place in _kept(mbi, domain, ways, pairs)]
    model = mbi.estimation.MirrorDescent().estimate(domain, measured, known_total=ways.persons)
    with _seeded(seed):
        found = model.synthetic_data(rows).to_dict()
    order = np.random.default_rng([seed, 1]).permutation(rows)
    return [np.asarray(found[name], np.int64)[order] for name in names]


def _single(mbi: Any, ways: Ways, group: Groups) -> Any:
    """A column's shares, in persons; a group's noise is that of the levels it sums up."""
    levels = ways.columns[group.column]
    stddev = ways.noise * float(np.sqrt(levels.count / group.size))
    return mbi.LinearMeasurement(ways.persons * group.shares(levels), (group.column,), stddev)


def _pair(mbi: Any, pairs: Pairs, place: int) -> Any:
    return mbi.LinearMeasurement(pairs.tables[place].ravel(), pairs.pairs[place], pairs.noise)


def _kept(mbi: Any, domain: Any, ways: Ways, pairs: Pairs) -> Iterator[int]:
    """The places of the pairs in the model, the most dependent first; those that noise alone explains are none."""
    strength = dependence(pairs, len(ways.columns), ways.persons)
    order = sorted(range(len(pairs.pairs)), key=lambda place: -strength[pairs.pairs[place]])
    tree = list(_spanning(pairs, order))
    kept: list[tuple[int, int]] = []
    for place in (*tree, *(place for place in order if place not in tree)):
        i, j = pairs.pairs[place]
        wanted = [*kept, (i, j)]
        if strength[i, j] > 0 and mbi.junction_tree.hypothetical_model_size(domain, wanted) <= MOST_MEGABYTES:
            kept = wanted
            yield place


def _spanning(pairs: Pairs, order: list[int]) -> Iterator[int]:
    """A maximum spanning tree, for pairs in the ``order`` of their weight (Kruskal)."""
    part = {j: j for pair in pairs.pairs for j in pair}
    for place in order:
        i, j = pairs.pairs[place]
        if part[i] != part[j]:
            part = {k: part[i] if of == part[j] else of for k, of in part.items()}
            yield place


def _levels(drawn: Integers, group: Groups, levels: Levels, random: np.random.Generator) -> Integers:
    """A level of each group int64[rows], by the shares of its levels, evenly spread."""
    order = np.argsort(group.group, kind="stable")
    below: Floats = np.append(0.0, np.cumsum(levels.shares[order]))
    first = np.searchsorted(group.group[order], np.arange(group.size + 1))
    low, high = below[first[:-1]], below[first[1:]]
    target = low[drawn] + spread(drawn, group.size, random) * (high - low)[drawn]
    found = np.clip(np.searchsorted(below, target, side="right") - 1, first[drawn], first[drawn + 1] - 1)
    return np.asarray(order[found], dtype=np.int64)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """mbi samples with numpy's global generator, which is left as it was."""
    before = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(before)
