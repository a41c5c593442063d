"""Differentially private synthetic tables, declared like a dbt project."""

from __future__ import annotations

from synth.version import __version__

__all__ = ["Project", "__version__"]

TYPE_CHECKING = False  # as typing has it, which takes as long to import as Python to start
if TYPE_CHECKING:
    from synth.api import Project


def __getattr__(name: str) -> object:
    if name == "Project":
        from synth.api import Project

        return Project
    raise AttributeError(f"module 'synth' has no attribute '{name}'")
