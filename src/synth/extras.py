"""Libraries that few need: imported when they are needed, for they may not be installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from synth.errors import UsageError


def need(module: str, extra: str) -> ModuleType:
    """The module of that name: "sklearn.ensemble". UsageError where its package is not installed, with the extra that has it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        package = module.partition(".")[0]
        raise UsageError(f"{package} is not installed", f"pip install 'synth[{extra}]'") from None
