"""All figures of a synthetic table: each of its rows, of train rows, and of shuffled columns, against the same held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve, Figure, Section
from synth.evaluation import linked
from synth.evaluation.linked import Linkage, Rows
from synth.evaluation.linked_measures import linked_measures
from synth.evaluation.world import MOST_ROWS, Found, Measure, World

CANDIDATES = ("synthetic", "train", "shuffled")

T = TypeVar("T")
Told = Callable[[str, int, int], None]  # what is computed, its number from 1, and of how many


def candidates(synthetic: pandas.DataFrame, world: World) -> dict[str, pandas.DataFrame]:
    """Tables of equally many rows: the synthetic one, the train rows, and the train rows with each column shuffled on its own.
    Their index says which unit each row is of, as that of ``synthetic`` does; a row of shuffled columns is of none but its own.

    The train rows are the best that a table can be, for they come from the same people as the held-out rows; shuffled columns
    are what knowing each column, and nothing of how they go together, is worth.
    """
    rng = world.rng("candidates")
    rows = min(len(synthetic), len(world.train), MOST_ROWS)
    chosen = synthetic.iloc[np.sort(rng.permutation(len(synthetic))[:rows])]
    train = world.train.set_axis(world.train_units).iloc[np.sort(rng.permutation(len(world.train))[:rows])]
    shuffled = pandas.DataFrame({name: train[name].to_numpy()[rng.permutation(rows)] for name in world.kinds})
    columns = list(world.kinds)
    return {
        "synthetic": chosen[columns],
        "train": train[columns],
        "shuffled": shuffled.astype(train[columns].dtypes.to_dict()),
    }


def evaluate(
    synthetic: pandas.DataFrame, world: World, measures: Iterable[tuple[Section, str, Measure]], told: Told
) -> tuple[list[Figure], list[Curve]]:  # fmt: skip
    """``measures``: section, what it is called while it is computed, and the function."""
    own = [(section, name, partial(_in_world, measure, world)) for section, name, measure in measures]
    return compared(candidates(synthetic, world), own, told)


def evaluate_links(synthetic: Rows, linkage: Linkage, told: Told) -> tuple[list[Figure], list[Curve]]:
    """The same of linked rows, by every measure that they have."""
    return compared(linked.candidates(synthetic, linkage), list(linked_measures(linkage)), told)


def compared(
    tables: Mapping[str, T], measures: Sequence[tuple[Section, str, Callable[[T], Iterable[Found | Curve]]]], told: Told
) -> tuple[list[Figure], list[Curve]]:  # fmt: skip
    """Of each candidate by each measure."""
    figures: list[Figure] = []
    curves: list[Curve] = []
    for number, (section, name, measure) in enumerate(measures, 1):
        told(name, number, len(measures))
        found = {candidate: list(measure(tables[candidate])) for candidate in CANDIDATES}
        figures += _figures(section, found)
        curves += _curves(found)
    return figures, curves


def _in_world(measure: Measure, world: World, candidate: pandas.DataFrame) -> Iterable[Found | Curve]:
    return measure(candidate, world)


def _figures(section: Section, found: Mapping[str, Iterable[Found | Curve]]) -> Iterable[Figure]:
    by = {c: {(f.metric, f.of): f for f in figures if isinstance(f, Found)} for c, figures in found.items()}
    for key in dict.fromkeys(key for figures in by.values() for key in figures):
        of = {c: figures.get(key) for c, figures in by.items()}
        known = next(f for f in of.values() if f is not None)
        note = next((f.note for f in of.values() if f is not None and f.note), "")
        values = {c: f.value if f is not None else None for c, f in of.items()}
        yield Figure(section=section, metric=known.metric, of=known.of, better=known.better, note=note, **values)


def _curves(found: Mapping[str, Iterable[Found | Curve]]) -> Iterable[Curve]:
    """One curve for each name, with the lines of all candidates; what is no candidate's own is drawn once."""
    by: dict[tuple[str, str], Curve] = {}
    for candidate, all_found in found.items():
        for curve in all_found:
            if not isinstance(curve, Curve) or candidate == "shuffled":
                continue
            own = {(candidate if name == "candidate" else name): line for name, line in curve.series.items()}
            known = by.get((curve.name, curve.of))
            series = own | known.series if known else own
            by[curve.name, curve.of] = curve.model_copy(update={"series": series})
    return by.values()
