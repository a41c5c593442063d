"""Membership inference: from a candidate alone, was this person in the data?

Two scores of a row: how near the nearest candidate row lies; and how much denser candidate rows lie there than rows of
other people (DOMIAS, van Breugel et al. 2023, arXiv 2302.12580). The holdout is split in two by units: one half is the
reference that the second score needs, the other half are those who were not in the data, for both scores. A unit has the
score of its best row. Of interest is how many are found at few false alarms (Carlini et al. 2022, arXiv 2112.03570); the
intervals of how many are of the members alone, for the threshold that the others set.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Curve
from synth.evaluation.intervals import area, wilson
from synth.evaluation.records import Records, blocks, distances, tables
from synth.evaluation.targets import all_rows_of
from synth.evaluation.world import Found, World

ROWS = 2_000  # of people in the data, and of people who are not, whose membership is guessed
REFERENCE = 5_000  # rows of other people at most
NARROW = (
    5  # kernels reach this many times less far than the nearest row of the reference: a copy outweighs its neighbours
)
LEAST_WIDTH = 1e-3
SCORES = ("nearest row", "density ratio")
FALSE_ALARMS = (0.001, 0.01, 0.1)
LEAST = 20  # units on each side

Scores = NDArray[np.float64]


def membership(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    known, rng = tables(candidate, world), world.rng("membership")
    halves = rng.permutation(np.unique(world.holdout_units))
    outside = np.flatnonzero(np.isin(world.holdout_units, halves[: len(halves) // 2]))
    reference = known.holdout.rows(np.setdiff1d(np.arange(len(known.holdout)), outside))
    members = all_rows_of(world.train_units, rng, ROWS)
    others = outside[all_rows_of(world.holdout_units[outside], rng, ROWS)]
    units = world.train_units[members], world.holdout_units[others]
    if min(len(np.unique(side)) for side in units) < LEAST or not len(candidate):
        yield Found("membership AUC", None, "lower", note=f"fewer than {LEAST} units in the data, or outside it")
        return
    sides = known.train.rows(members), known.holdout.rows(others)
    reference = reference.rows(rng.permutation(len(reference))[:REFERENCE])
    scores = [_scores(side, known.candidate, reference) for side in sides]
    for place, name in enumerate(SCORES):
        yield from _found(name, *(_best(side[place], of) for side, of in zip(scores, units, strict=True)))


def _scores(rows: Records, candidate: Records, reference: Records) -> tuple[Scores, Scores]:
    """Of each row the nearness of the nearest candidate row, and the log of the ratio of two kernel densities."""
    nearness, ratio = np.zeros(len(rows)), np.zeros(len(rows))
    for block in blocks(rows, candidate):
        near, far = (distances(rows.rows(block), others) for others in (candidate, reference))
        nearness[block] = -near.min(axis=1)
        width = np.maximum(far.min(axis=1, keepdims=True), LEAST_WIDTH) / NARROW
        at_near, at_far = (np.exp(-matrix / width).mean(axis=1, dtype=np.float64) for matrix in (near, far))
        ratio[block] = np.log(at_near + 1e-300) - np.log(at_far)
    return nearness, ratio


def _best(scores: Scores, units: NDArray[np.int64]) -> Scores:
    _, unit = np.unique(units, return_inverse=True)
    best = np.full(unit.max() + 1, -np.inf)
    np.maximum.at(best, unit, scores)
    return best


def _found(score: str, members: Scores, others: Scores) -> Iterator[Found]:
    names = ("", " low", " high")
    for name, value in zip(names, area(members, others), strict=True):
        yield Found(f"membership AUC{name}", value, "lower", score)
    for rate in FALSE_ALARMS:
        metric = f"members found at {rate:.1%} false alarms"
        allowed = int(rate * len(others) + 1e-9)
        if not allowed:
            yield Found(metric, None, "lower", score, f"fewer than {round(1 / rate):,} people outside the data")
            continue
        beyond = np.sort(others)[-allowed - 1]  # exactly so many others may lie above
        for name, value in zip(names, wilson(float((members > beyond).sum()), len(members)), strict=True):
            yield Found(metric + name, value, "lower", score)
