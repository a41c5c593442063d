"""The libraries of the extra ``evaluate``: imported when they are needed, for they may not be installed."""

from __future__ import annotations

from functools import partial

from synth import extras

need = partial(extras.need, extra="evaluate")
