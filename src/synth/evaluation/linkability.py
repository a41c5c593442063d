"""Linkability: who holds one half of a row's columns, and who holds the other, find the same row of a candidate.

Giomi et al. 2022 (arXiv 2211.10459), section 4.2, with one neighbour. Halves are drawn at random, several times.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve
from synth.evaluation.records import Records, nearest, tables
from synth.evaluation.targets import Attack, impossible, one_row_each
from synth.evaluation.world import Found, World

NAME = "linkability"
SPLITS = 4


def linkability(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    known, rng = tables(candidate, world), world.rng("linkability")
    targets = known.train.rows(one_row_each(world.train_units, rng))
    controls = known.holdout.rows(one_row_each(world.holdout_units, rng))
    if len(world.kinds) < 2 or not len(candidate) or not len(targets) or not len(controls):
        yield impossible(NAME, "it needs two columns, and rows")
        return
    orders = [rng.permutation(len(world.kinds)) for _ in range(SPLITS)]
    linked, control = (
        sum(_linked(who.rows(np.arange(i, len(who), SPLITS)), known.candidate, order) for i, order in enumerate(orders))
        for who in (targets, controls)
    )
    by_chance = len(targets) / len(candidate)  # two guesses at random agree once in as many tries as there are rows
    yield from Attack(NAME, len(targets), linked, len(controls), control, by_chance).found()


def _linked(targets: Records, among: Records, order: np.ndarray) -> int:
    half = len(order) // 2
    one, other = (nearest(targets, among, columns)[0] for columns in (order[:half], order[half:]))
    return int((one == other).sum())
