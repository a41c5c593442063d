"""Noise multipliers that were calibrated before, by content, so that compiling again takes no time.

A file can be wrong: a run checks every plan's price anew, with two accountants, before it spends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from synth.artifacts.plan import Event

VERSION = 1  # of the accounting; a change of it makes every entry stale


class Calibrations:
    """``calibrate`` with a memory; ``known`` is what to write down where ``changed``."""

    def __init__(self, known: dict[str, float]) -> None:
        self.known = known
        self.changed = False

    def __call__(self, target_epsilon: float, delta: float, events_for: Callable[[float], Sequence[Event]]) -> float:
        sample = [event.model_dump(mode="json") for event in events_for(1.0)]
        asked = json.dumps([VERSION, target_epsilon, delta, sample], sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()
        if key not in self.known:
            from synth.privacy.accounting import calibrate

            self.known[key] = calibrate(target_epsilon, delta, events_for)
            self.changed = True
        return self.known[key]
