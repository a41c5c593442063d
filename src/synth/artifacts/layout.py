"""What the declared layout alone decides: the first ranges of each column and the number of histograms to pay for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

from synth.artifacts.plan import ColumnLayout, Plan, Rise

# names of events
MARGINALS = "marginals"  # noisy histograms of single columns
CHOICE = "choice"  # of pairs of columns
PAIRS = "pairs"  # noisy histograms of pairs of columns
PERSISTENCE = "persistence"  # noisy counts of rows that repeat the row before
DP_SGD = "dp_sgd"  # noisy gradients
RELEASE = "release metrics"  # noisy figures of how the table fits people who were held out

RELEASES = 4  # of those: the number of persons, then columns, pairs and triples

ROWS_PER_UNIT = "rows per unit"
FIRST_RANGES = 32  # of an evenly spaced column
LEAST_LOOKS = 2  # with so few, the budget is too small to look at single cells
BRANCH = 8  # ranges a heavy range is split into at the next look


def first_edges(column: ColumnLayout) -> tuple[int, ...]:
    """Edges of the ranges of the first look, rising from 0 to ``cells``; range i is edges[i] <= code < edges[i + 1].

    An unordered column, or a short one, has a range for every cell. The cell of zero has a range of its own.
    """
    cells = column.cells
    if not column.ordered or cells <= FIRST_RANGES:
        return tuple(range(cells + 1))
    if column.spacing == "geometric":
        edges = set(_doubling(column.zero or 0, cells))
    else:
        edges = set(split(0, cells, FIRST_RANGES))
    if column.zero is not None:
        edges |= {column.zero, column.zero + 1}
    return tuple(sorted(edges))


def looks(column: ColumnLayout, tree_levels: int) -> int:
    """Noisy histograms of ranges that the column takes: no more than ``tree_levels``, fewer where they end as cells."""
    widest = max(b - a for a, b in pairwise(first_edges(column)))
    count = 1
    while widest > 1 and count < tree_levels:
        widest = -(-widest // BRANCH)
        count += 1
    return count


def looks_for_heaps(column: ColumnLayout, tree_levels: int) -> bool:
    """Whether one more histogram looks at single cells, where the ranges are still wide after all looks."""
    widest = max(b - a for a, b in pairwise(first_edges(column)))
    return column.heaps and tree_levels > LEAST_LOOKS and widest > BRANCH ** (tree_levels - 1)


def modelled(plan: Plan) -> tuple[ColumnLayout, ...]:
    """The columns that are generated, then what rows are generated given: see ``generated`` and ``given``."""
    return generated(plan.layout) + given(plan.parent, plan.cap)


def generated(layout: Iterable[ColumnLayout]) -> tuple[ColumnLayout, ...]:
    """The columns of the table, then for each that rises the steps from one row to the next, missing in a unit's first."""
    columns = tuple(layout)
    steps = (
        ColumnLayout(
            name=f"{c.name} since the row before",
            cells=c.cells,
            missing=True,
            ordered=True,
            zero=0,
            spacing="geometric",
        )
        for c in columns
        if c.rises
    )
    return (*columns, *steps)


def rising(layout: Sequence[ColumnLayout]) -> tuple[Rise, ...]:
    """The columns that rise."""
    places = {column.name: j for j, column in enumerate(layout)}
    return tuple(
        Rise(column=places[c.name], until=places[c.until], zero=layout[places[c.until]].zero or 0)
        if c.until
        else Rise(column=places[c.name])
        for c in layout
        if c.rises
    )


def given(parent: Iterable[ColumnLayout], max_rows_per_unit: int) -> tuple[ColumnLayout, ...]:
    """The parent's columns, then the number of rows per unit where that may be more than one (coded as the number - 1)."""
    rows = ColumnLayout(name=ROWS_PER_UNIT, cells=max_rows_per_unit, missing=False, ordered=True)
    return (*parent, rows) if max_rows_per_unit > 1 else tuple(parent)


def marginal_releases(columns: Iterable[ColumnLayout], tree_levels: int) -> int:
    """Noisy histograms of single columns that a whole fit takes."""
    return sum(looks(column, tree_levels) + looks_for_heaps(column, tree_levels) for column in columns)


def all_pairs(columns: int) -> list[tuple[int, int]]:
    return list(combinations(range(columns), 2))


def split(start: int, stop: int, parts: int) -> tuple[int, ...]:
    """Edges of ``parts`` nearly equal ranges of the cells start <= code < stop, or of single cells if those are fewer."""
    parts = min(parts, stop - start)
    return tuple(start + (stop - start) * i // parts for i in range(parts + 1))


def _doubling(zero: int, cells: int) -> Iterable[int]:
    """Edges that double away from ``zero`` on both sides."""
    yield from (0, zero, cells)
    step = 1
    while step < cells:
        yield from (edge for edge in (zero - step, zero + step) if 0 < edge < cells)
        step *= 2
