"""Figures again within each value of the columns that the plan names: are the small groups as good as the large ones?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas

from synth.evaluation.marginals import marginals, pairs
from synth.evaluation.world import Found, World

LEAST_ROWS = 20  # held out, of a value: of fewer, figures are noise
MOST_VALUES = 30  # of a column: the most frequent among train rows
METRICS = ("marginal_1", "marginal_2", "dependence")


def subgroups(candidate: pandas.DataFrame, world: World) -> Iterator[Found]:
    """The share of rows that have the value, and figures of these rows beside held-out rows that have it."""
    for column in world.plan.subgroups:
        for value in world.train[column].value_counts().index[:MOST_VALUES]:
            yield from _subgroup(candidate, world, column, value)


def _subgroup(candidate: pandas.DataFrame, world: World, column: str, value: str) -> Iterator[Found]:
    of = f"{column} = {value}"
    here = candidate[candidate[column] == value]
    within = _within(world, column, value)
    yield Found("share", len(here) / max(len(candidate), 1), "train", of=of)
    note = ""
    if len(within.holdout) < LEAST_ROWS:
        note = f"fewer than {LEAST_ROWS} held-out rows"
    elif here.empty:
        note = "the table has no such row"
    found = (
        {} if note else {each.metric: each for each in (*marginals(here, within), *pairs(here, within)) if not each.of}
    )
    for metric in METRICS:
        yield replace(found[metric], of=of) if metric in found else Found(metric, None, "higher", of=of, note=note)


def _within(world: World, column: str, value: str) -> World:
    """The rows that have the value, without the column."""
    train, holdout = ((table[column] == value).to_numpy() for table in (world.train, world.holdout))
    return replace(
        world,
        train=world.train[train],
        holdout=world.holdout[holdout],
        train_units=world.train_units[train],
        holdout_units=world.holdout_units[holdout],
        kinds={name: kind for name, kind in world.kinds.items() if name != column},
    )
