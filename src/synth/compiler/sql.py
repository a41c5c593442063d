"""Small pieces of DuckDB SQL."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from synth.quoting import literal


def values(items: Iterable[str | int | float]) -> str:
    return "[" + ", ".join(literal(item) for item in items) + "]"


def clamp(value: str, low: str, high: str) -> str:
    """Null stays null: DuckDB's greatest(NULL, 0) is 0."""
    return f"case when {value} is null then null else greatest({low}, least({high}, {value})) end"


def decimals(number: float) -> int:
    """How many decimal places a number is written with."""
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def comma(lines: Iterable[str], indent: int = 2) -> str:
    return (",\n" + " " * indent).join(lines)
