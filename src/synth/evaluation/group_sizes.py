"""How many rows a unit has, and how many are below a row of another table; whether keys join."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synth.artifacts.evaluation import Curve
from synth.evaluation.coding import Floats, Integers
from synth.evaluation.linked import Linkage, LinkedMeasure, Rows
from synth.evaluation.world import Found

MOST = 12  # rows with a bar of their own: more have one together
NONE = "a table has no rows"


def rows_per_unit(linkage: Linkage) -> LinkedMeasure:
    """Of units that have a row."""

    def measure(candidate: Rows) -> Iterator[Found | Curve]:
        here, there = (np.unique(rows.units, return_counts=True)[1] for rows in (candidate, linkage.holdout))
        yield from _compared("unit", here, there)

    return measure


def rows_per_parent(linkage: Linkage) -> LinkedMeasure:
    """Of all rows above, with those that have none below; and the share of rows whose foreign key is of a row above."""

    def measure(candidate: Rows) -> Iterator[Found | Curve]:
        here, there = candidate.counts, linkage.holdout.counts
        yield from _compared(f"row of {linkage.parent}", here, there)
        alone = float((here == 0).mean()) if len(here) else None
        yield Found("parents_without_rows", alone, "train", note="" if len(here) else NONE)
        joined = None if candidate.place is None or not len(candidate.place) else float((candidate.place >= 0).mean())
        yield Found("referential_integrity", joined, "higher", note="" if joined is not None else NONE)

    return measure


def _compared(each: str, here: Integers, there: Integers) -> Iterator[Found | Curve]:
    """1 less the total variation distance of the numbers of rows from those of held-out units, and their mean."""
    if not len(here) or not len(there):
        yield Found("rows_per_group", None, "higher", f"rows per {each}", NONE)
        return
    size = int(max(here.max(), there.max())) + 1
    shares = [np.bincount(counts, minlength=size) / len(counts) for counts in (here, there)]
    yield Found("rows_per_group", 1 - float(np.abs(shares[0] - shares[1]).sum() / 2), "higher", f"rows per {each}")
    yield Found("mean_rows_per_group", float(here.mean()), "train", f"rows per {each}")
    series = {"candidate": _bars(shares[0]), "holdout": _bars(shares[1])}
    x = tuple(str(rows) if rows < MOST else f"{MOST} or more" for rows in range(min(size, MOST + 1)))
    yield Curve(section="linked", name="distribution", of=f"rows per {each}", x=x, series=series)


def _bars(shares: Floats) -> tuple[float, ...]:
    """Of 0 rows, of 1, and so on."""
    return (*shares[:MOST].tolist(), *([float(shares[MOST:].sum())] if len(shares) > MOST else []))
