"""Every measure of rows that belong together, as far as a table has it."""

from __future__ import annotations

from collections.abc import Iterator

from synth.artifacts.evaluation import Section
from synth.evaluation.crossings import rows_below, with_parent, with_previous
from synth.evaluation.group_sizes import rows_per_parent, rows_per_unit
from synth.evaluation.linked import Linkage, LinkedMeasure


def linked_measures(linkage: Linkage) -> Iterator[tuple[Section, str, LinkedMeasure]]:
    """Section, what it is called while it is computed, and the function."""
    if linkage.several:
        yield "linked", "rows per unit", rows_per_unit(linkage)
    if linkage.parent:
        yield "linked", "rows per parent", rows_per_parent(linkage)
        yield "linked", "dependence on the row above", with_parent(linkage)
        yield "linked", "dependence of the number of rows", rows_below(linkage)
    if linkage.several and linkage.ordered:
        yield "linked", "dependence on the row before", with_previous(linkage)
