"""Bounds: from the lowest and the highest value, rounded outward, or from noisy counts of coarse cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from synth.drafting.shapes import CLEAR
from synth.quoting import literal

FIRST_YEAR, YEARS = 1800, 500  # of dates that are counted
_POWERS = range(-6, 13)
_SIZES = sorted(float(f"{digit}e{power}") for digit in (1, 2, 5) for power in _POWERS)
EDGES = (*(-size for size in reversed(_SIZES)), 0.0, *_SIZES)  # of the cells of numbers: 1, 2 and 5 times powers of ten


LARGEST = Decimal("8e307")  # twice that is still a double


def number_sql(column: str) -> str:
    """The cell of a number: 2i where it is the i-th edge, 2i + 1 where it lies between that and the next."""
    edges = ", ".join(map(literal, EDGES))
    value = f"try_cast({column} as double)"
    below = f"len(list_filter([{edges}], lambda edge: edge <= value)) - 1"
    cell = f"case when value = [{edges}][place + 1] then 2 * place else 2 * place + 1 end"
    return (
        f"(select case when value between {literal(EDGES[0])} and {literal(EDGES[-1])} then {cell} end "
        f"from (select value, {below} as place from (select nullif({value}, 'nan') as value)))"
    )


NUMBER_CELLS = 2 * len(EDGES) - 1


def year_sql(moment: str) -> str:
    """The cell of a date or datetime."""
    return f"year({moment}) - {FIRST_YEAR}"


def number_bounds(counts: Sequence[float], noise: float) -> tuple[float, float] | None:
    """A step of room on either side, since few people cannot be seen; but none across zero."""
    found = _seen(counts, noise)
    if found is None:
        return None
    low, high = found[0] // 2, -(-found[1] // 2)
    zero = EDGES.index(0.0)
    low = max(low - 1, 0) if low != zero else low
    high = min(high + 1, len(EDGES) - 1) if high != zero else high
    return EDGES[low], EDGES[high]


def year_bounds(counts: Sequence[float], noise: float) -> tuple[str, str] | None:
    """A year of room on either side."""
    found = _seen(counts, noise)
    if found is None:
        return None
    return f"{FIRST_YEAR + found[0] - 1}-01-01", f"{FIRST_YEAR + found[1] + 1}-12-31"


def _seen(counts: Sequence[float], noise: float) -> tuple[int, int] | None:
    """The first and the last cell of what is clearly there."""
    ranges = list(_clear(counts, noise, 0, len(counts)))
    return (min(first for first, _ in ranges), max(last for _, last in ranges) - 1) if ranges else None


def _clear(counts: Sequence[float], noise: float, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The shortest ranges first <= cell < last, each half of a longer one, that hold more than noise could make."""
    middle = (first + last) // 2
    halves = [(first, middle), (middle, last)] if last - first > 1 else []
    found = [pair for a, b in halves for pair in _clear(counts, noise, a, b)]
    if not found and math.fsum(counts[first:last]) > CLEAR * noise * math.sqrt(last - first):
        found = [(first, last)]
    yield from found


def rounded(low: Decimal, high: Decimal) -> tuple[Decimal, Decimal]:
    """Outward, to about two digits of what lies between; a lower bound of little more than nothing becomes 0."""
    if low == high:
        low, high = low - abs(low) / 2, high + abs(high) / 2 or Decimal(1)
    step = Decimal(10) ** math.floor((high - low).log10() - Decimal("0.3"))
    low, high = (bound / step for bound in (low, high))
    low, high = low.to_integral_value(ROUND_FLOOR) * step, high.to_integral_value(ROUND_CEILING) * step
    low, high = max(low, -LARGEST), min(high, LARGEST)
    return (Decimal(0) if 0 < low <= step else low), high
