"""Libraries that figures are computed with and that synth itself does without."""

from __future__ import annotations

import importlib
from typing import Any

from synth.errors import UsageError


def need(module: str) -> Any:
    """The module of that name; ``UsageError`` where its package is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UsageError(f"{package} is not installed", "pip install 'synth[evaluate]'") from error
