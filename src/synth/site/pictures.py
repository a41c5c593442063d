"""Distributions as bars: a list that a screen reader can read, with lengths in its style."""

from __future__ import annotations

from dataclasses import dataclass

from synth.artifacts.catalog import Distribution


@dataclass(frozen=True)
class BarLine:
    label: str
    share: str  # "12.3%"
    length: float  # percent of the longest
    quiet: bool  # missing, or all others


def bars(found: Distribution) -> list[BarLine]:
    """The bars of a column, then what has none."""
    counts = [(bar.label, bar.rows, False) for bar in found.bars]
    counts += [
        (name, rows, True) for name, rows in (("other values", found.others), ("missing", found.missing)) if rows
    ]
    total = sum(rows for _, rows, _ in counts) or 1
    longest = max((rows for _, rows, _ in counts), default=0) or 1
    return [BarLine(label, f"{rows / total:.1%}", 100 * rows / longest, quiet) for label, rows, quiet in counts]
