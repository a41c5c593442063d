"""The libraries that only figures need: imported when they are needed, for they may not be installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from synth.errors import UsageError


def need(name: str) -> ModuleType:
    """The module of that name: "sklearn.ensemble". Raises UsageError where its package is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise UsageError(f"{package} is not installed", "pip install 'synth[evaluate]'") from error
