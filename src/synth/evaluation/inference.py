"""Inference: who knows all other columns of a row takes its secret from the nearest row of a candidate.

Giomi et al. 2022 (arXiv 2211.10459), section 4.3. A category is found where it is the same, a number within 5% of it, a
time within 5% of the distance between the quartiles. The worst secret is told first, so the intervals of all hold together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.evaluation import Curve
from synth.evaluation.records import Records, apart, blocks, distances, spread, tables
from synth.evaluation.targets import Attack, impossible, one_row_each
from synth.evaluation.world import Found, World

TOLERANCE = 0.05


def inference(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    known, rng = tables(candidate, world), world.rng("inference")
    targets = known.train.rows(one_row_each(world.train_units, rng))
    controls = known.holdout.rows(one_row_each(world.holdout_units, rng))
    secrets = [list(world.kinds).index(name) for name in world.plan.secrets or world.kinds if name in world.kinds]
    if len(world.kinds) < 2 or not len(candidate) or not len(targets) or not len(controls):
        yield from (impossible(_name(world, secret), "it needs two columns, and rows") for secret in secrets)
        return
    guessed, controlled = (_guesses(who, known.candidate, secrets) for who in (targets, controls))
    naive = rng.integers(len(candidate), size=len(targets))
    for place, secret in enumerate(secrets):
        values = known.candidate.values[secret]
        found, control, chance = (
            _right(who.values[secret], values[guess], world, secret)
            for who, guess in ((targets, guessed[place]), (controls, controlled[place]), (targets, naive))
        )
        attack = Attack(_name(world, secret), len(targets), found, len(controls), control, chance, len(secrets))
        yield from attack.found()


def _name(world: World, secret: int) -> str:
    return f"inference of {list(world.kinds)[secret]}"


def _guesses(targets: Records, among: Records, secrets: list[int]) -> NDArray[np.intp]:
    """[secrets, targets]: the row that is nearest by all columns but the secret."""
    found = np.zeros((len(secrets), len(targets)), dtype=np.intp)
    for block in blocks(targets, among):
        some = targets.rows(block)
        total = distances(some, among)
        for place, secret in enumerate(secrets):
            found[place, block] = (total - apart(some, among, secret)).argmin(axis=1)
    return found


def _right(true: NDArray[np.float64], guess: NDArray[np.float64], world: World, secret: int) -> int:
    name, kind = list(world.kinds.items())[secret]
    if kind == "categorical":
        return int((true == guess).sum())
    within = TOLERANCE * (np.abs(true) if kind == "numeric" else spread(world.kinds, name, world.train))
    both_missing = np.isnan(true) & np.isnan(guess)
    return int(((np.abs(true - guess) <= within) | both_missing).sum())
