"""What the tests of the privacy programme show in numbers, for the page of ``make audit``; there they also look harder."""

from __future__ import annotations

import os

AUDIT = os.environ.get("SYNTH_AUDIT") == "1"

found: dict[str, float] = {}  # of the test that runs; conftest.py passes them on


def cases(quick: int, audit: int = 10_000) -> int:
    return audit if AUDIT else quick


def largest(what: str, value: float) -> None:
    found[f"largest {what}"] = max(value, found.get(f"largest {what}", value))


def least(what: str, value: float) -> None:
    found[f"least {what}"] = min(value, found.get(f"least {what}", value))


def count(what: str, number: int = 1) -> None:
    found[f"number of {what}"] = found.get(f"number of {what}", 0) + number
