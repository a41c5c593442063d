"""How columns of a table that landed go together. Synthetic rows only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from synth.artifacts.catalog import Distribution
from synth.artifacts.release import Association
from synth.quoting import identifier, literal
from synth.runtime.warehouse import Warehouse

MOST_COLUMNS = 16  # of a matrix that a reader can take in
LEVELS = 8  # of a column whose values stand in order


def associations(warehouse: Warehouse, relation: str, pictured: Sequence[Distribution]) -> tuple[Association, ...]:
    """Of each pair of the columns that have a picture, as many of them as a matrix holds; missing is a level of its own."""
    columns = pictured[:MOST_COLUMNS]
    if len(columns) < 2:
        return ()
    levels = ", ".join(f"{_level(column)} as {identifier(column.column)}" for column in columns)
    warehouse.prepare([f"create or replace temp table levels as select {levels} from {relation}"])
    pairs = combinations([column.column for column in columns], 2)
    return tuple(Association(first=a, second=b, value=_cramer(_counts(warehouse, a, b))) for a, b in pairs)


def _level(column: Distribution) -> str:
    """The level of a row: a rank of about equal size, or the place of its value in the picture; -1 where it has none."""
    name = identifier(column.column)
    share = f"percent_rank() over (partition by {name} is null order by {name})"
    rank = f"least(cast(floor({LEVELS} * {share}) as integer), {LEVELS - 1})"
    place = (
        f"coalesce(list_position([{', '.join(literal(bar.label) for bar in column.bars)}], cast({name} as varchar)), 0)"
    )
    return f"case when {name} is null then -1 else {rank if column.ordered else place} end"


def _counts(warehouse: Warehouse, first: str, second: str) -> list[tuple[int, int, int]]:
    a, b = identifier(first), identifier(second)
    return warehouse.query(f"select {a}, {b}, count(*) from levels group by 1, 2")[1]


def _cramer(counts: Sequence[tuple[int, int, int]]) -> float | None:
    """Cramér's V with the correction for bias of Bergsma 2013 (doi 10.1016/j.jkss.2012.10.002)."""
    rows: dict[int, int] = {}
    columns: dict[int, int] = {}
    for a, b, count in counts:
        rows[a] = rows.get(a, 0) + count
        columns[b] = columns.get(b, 0) + count
    n, r, c = sum(rows.values()), len(rows), len(columns)
    if n < 2 or r < 2 or c < 2:
        return None
    phi2 = sum(count * count / (rows[a] * columns[b]) for a, b, count in counts) - 1
    less = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return round(min(1.0, math.sqrt(less / least)), 4) if least > 0 else None
