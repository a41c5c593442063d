"""Rows of a candidate that are rows of real people, or lie nearer to those in the data than to others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve
from synth.evaluation.intervals import wilson
from synth.evaluation.records import Records, nearest, tables
from synth.evaluation.world import Found, World

ROWS = 2_000  # of a candidate whose nearest real rows are looked for
REAL = 10_000  # real rows that they are looked for among
NO_PROOF = "not a proof of privacy: few copied rows do not show (arXiv 2505.01524)"
RARE = "real rows whose values only one person has, of the fit or held out"
CHANCE = "from how often held-out people have a row that only one person of the fit has"


def copies(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    """Exact copies. Rows that only one person has and that are found all the same are hard to explain otherwise.

    How many chance makes is told by real rows alone, whichever of them were copied: held-out people are a sample as a good
    table is one, and some of them have a row that only one person of the fit has.
    """
    known, rng = tables(candidate, world), world.rng("copies")
    train, holdout, made = known.train.keys(), known.holdout.keys(), known.candidate.keys()
    of_train = list(zip(train, (("train", unit) for unit in world.train_units.tolist()), strict=True))
    of_holdout = list(zip(holdout, (("holdout", unit) for unit in world.holdout_units.tolist()), strict=True))
    rare, rare_in_train = _of_one_person([*of_train, *of_holdout]), _of_one_person(of_train)
    met = len(rare_in_train & set(holdout))
    by_chance = met / len(holdout) * len(made) * len(rare) / len(rare_in_train) if holdout and rare_in_train else None
    yield Found("copied rows", float(len(rare & set(made))), "lower", note=RARE)
    yield Found("copied rows by chance", by_chance, "lower", note=CHANCE)
    yield Found("rows at distance zero from train", float(sum(map(set(train).__contains__, made))), "lower")
    if not made or not train or not holdout:
        yield Found("exact copies", None, "lower", note="it needs rows")
        return
    equal = min(len(train), len(holdout))
    sides = [{side[i] for i in rng.permutation(len(side))[:equal]} for side in (train, holdout)]
    share, share_outside = (sum(map(side.__contains__, made)) / len(made) for side in sides)
    note = f"share of rows equal to one of {equal:,} train rows, less that of as many held-out rows"
    yield Found("exact copies", share - share_outside, "lower", note=note)


def copying_check(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    """Distance to the closest record: the share of rows nearer to a train row than to a held-out row; 0.5 is due."""
    known, rng = tables(candidate, world), world.rng("copying check")
    equal = min(len(known.train), len(known.holdout), REAL)
    if not equal or not len(candidate):
        yield Found("copying check (DCR)", None, "lower", note="it needs rows")
        return
    made = _some(known.candidate, ROWS, rng)
    (_, to_train), (_, to_holdout) = (nearest(made, _some(of, equal, rng)) for of in (known.train, known.holdout))
    nearer = float((to_train < to_holdout).sum() + (to_train == to_holdout).sum() / 2)
    found = wilson(nearer, len(made))
    for metric, value in zip(("", " low", " high"), found, strict=True):
        yield Found(f"copying check (DCR){metric}", value, "lower", note=NO_PROOF)


def _some(records: Records, most: int, rng: np.random.Generator) -> Records:
    return records.rows(np.sort(rng.permutation(len(records))[:most]))


def _of_one_person(rows: Iterable[tuple[bytes, tuple[str, int]]]) -> set[bytes]:
    """Of rows and whose they are: those that one person alone has."""
    owners: dict[bytes, set[tuple[str, int]]] = {}
    for key, whose in rows:
        owners.setdefault(key, set()).add(whose)
    return {key for key, whose in owners.items() if len(whose) == 1}
