"""Generators of other people: the door for them, and the two promises that one may make.

A package offers them as entry points of the group ``synth.generators``: each a class that is called without arguments and
is one of the two protocols. Those that synth brings stand in its own pyproject.toml, by the same door.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from synth.artifacts.evaluation import Kind
from synth.errors import UsageError
from synth.generator.marginals import Ways
from synth.generator.pairs import Pairs
from synth.generator.ranges import Integers

if TYPE_CHECKING:
    import pandas

GROUP = "synth.generators"


@runtime_checkable
class FromMeasurements(Protocol):
    """Rows from what was paid for, and nothing else. It never sees a row, so whatever it does is post-processing."""

    def codes(self, ways: Ways, pairs: Pairs | None, rows: int, seed: int) -> Integers:
        """Codes int64[rows, columns] of the layout, a column for each of ``ways``; the same for the same seed."""


@runtime_checkable
class Reference(Protocol):
    """Rows from rows, without any privacy: what is made of them is NOT_PRIVATE, and stays in the private zone."""

    def rows(self, train: pandas.DataFrame, kinds: Mapping[str, Kind], rows: int, seed: int) -> pandas.DataFrame:
        """So many rows with the columns of ``kinds``, in the types that ``train`` has (see ``evaluation.world.World``)."""


def names() -> tuple[str, ...]:
    """Of all that is installed, whether or not the libraries behind it are."""
    return tuple(sorted(_found()))


def other(name: str) -> FromMeasurements | Reference:
    """The generator of that name; UsageError where there is none, or where what it needs is not installed."""
    found = _found()
    if name not in found:
        raise UsageError(f"there is no generator '{name}'", f"Those that are installed: {', '.join(sorted(found))}.")
    try:
        made = found[name].load()()
    except UsageError:
        raise
    except Exception as error:
        what = f"the generator '{name}' ({found[name].value}) cannot be loaded: {type(error).__name__}: {error}"
        raise UsageError(what, "Mend or update the package that brings it.") from None
    if not isinstance(made, FromMeasurements | Reference):
        what = f"the generator '{name}' ({found[name].value}) has neither codes() nor rows()"
        raise UsageError(what, "It must be one of the protocols of synth.generator.others.")
    return made


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
