"""What the accountants said before, by content, so that compiling and forecasting again take no time.

A file can be wrong: a run checks every plan's price anew, with two accountants, before it spends, and so does the ledger as
it reserves. No number from here is ever what a budget is held against.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version

from synth.artifacts.plan import Event

VERSION = 1  # of the accounting; a change of it makes every entry stale


class Calibrations:
    """``calibrate`` with a memory; ``known`` is what to write down where ``changed``."""

    def __init__(self, known: dict[str, float]) -> None:
        self.known = known
        self.changed = False

    def __call__(self, target_epsilon: float, delta: float, events_for: Callable[[float], Sequence[Event]]) -> float:
        key = _key(target_epsilon, delta, events_for(1.0))
        if key not in self.known:
            from synth.privacy.accounting import calibrate

            self.known[key] = calibrate(target_epsilon, delta, events_for)
            self.changed = True
        return self.known[key]


class Costs:
    """``accounting.epsilon`` with a memory, for forecasts; ``known`` is what to write down where ``changed``."""

    def __init__(self, known: dict[str, float]) -> None:
        self.known = known
        self.changed = False

    def __call__(self, events: Iterable[Event], delta: float) -> float:
        events = tuple(events)
        key = _key(delta, events)
        if key not in self.known:
            from synth.privacy.accounting import epsilon

            self.known[key] = epsilon(events, delta)
            self.changed = True
        return self.known[key]


def _key(*asked: float | Sequence[Event]) -> str:
    """SHA-256 over all that an answer depends on."""
    parts = [a if isinstance(a, float | int) else [e.model_dump(mode="json") for e in a] for a in asked]
    return hashlib.sha256(json.dumps([VERSION, _accountant(), *parts], sort_keys=True).encode()).hexdigest()


@cache
def _accountant() -> str:
    """The version of the library that answered: another one may say something else."""
    return version("dp-accounting")
