"""What synthetic rows are generated below: units, or rows of the table above, each with a sequence of rows of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import Compiled, Link, Reach, SyntheticModel
from synth.errors import RunError
from synth.runtime.warehouse import Codes, Warehouse


def require_above(compiled: Compiled, warehouse: Warehouse, model: SyntheticModel) -> None:
    """What foreign keys refer to is there, and its codes mean what this model's plan says; RunError where not."""
    for name in compiled.above(model.name):
        made_by, run = warehouse.made_by(name), f"Run: synth build --select +{model.name}"
        if made_by is None:
            raise RunError(f"{model.name} refers to {name}, which is not built", run)
        if made_by != compiled.synthetic[name].fit_fingerprint():
            raise RunError(f"{model.name} refers to {name}, which was built by another plan", run)


@dataclass(frozen=True, eq=False)
class Above:
    """Sequences with one row or more: ``sizes`` int64[sequences], and the ``unit`` of each; the rows of a unit together.

    ``given`` int64[sequences, columns]: codes of the row above that the rows are generated given; ``columns``: more of it,
    by name, [sequences] each.
    """

    sizes: NDArray[np.int64]
    unit: NDArray[np.int64]
    given: NDArray[np.int64] | None = None
    columns: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    @classmethod
    def units(cls, sizes: NDArray[np.int64]) -> Above:
        """Units that are below nothing."""
        return cls(sizes, np.arange(len(sizes)))

    @classmethod
    def of(cls, rows: Codes, link: Link) -> Above:
        """The rows above that have any below, as many as they say themselves."""
        counts = rows[f"#{link.count + 1}"]
        some = np.flatnonzero(counts)
        given = [rows[f"#{i + 1}"][some] for i in link.given]
        names = [*link.keys, *(link.prefix + name for name in link.values)]
        return cls(
            counts[some], rows["#unit"][some], np.stack(given, axis=1) if given else np.zeros((len(some), 0), np.int64),
            {name: rows[name][some] for name in names},
        )  # fmt: skip

    def some(self, count: int, seed: int) -> Above:
        """So many of the sequences, whichever; all of them where there are no more."""
        if count >= len(self.sizes):
            return self
        kept = np.sort(np.random.default_rng(seed).choice(len(self.sizes), count, replace=False))
        given = None if self.given is None else self.given[kept]
        return Above(self.sizes[kept], self.unit[kept], given, {n: column[kept] for n, column in self.columns.items()})

    def positions(self) -> NDArray[np.int64]:
        """The place of each row in its unit, from 1."""
        units = np.repeat(self.unit, self.sizes)
        first = np.flatnonzero(np.diff(units, prepend=units[:1] - 1) != 0)
        counts = np.diff(np.append(first, len(units)))
        return np.arange(len(units)) - np.repeat(first, counts) + 1

    def limits(self, reach: Reach, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The least and the greatest code that the bounds leave each sequence, int64[sequences]; any where there is no date."""
        anchor = self.columns[reach.anchor].astype("datetime64[s]")
        steps = [(np.datetime64(end, "s") - anchor).astype(np.int64) for end in (reach.low, reach.high)]
        none = np.isnat(anchor)
        low = np.where(none, 0, -(-steps[0] // reach.step) - reach.start)
        high = np.where(none, cells - 1, steps[1] // reach.step - reach.start)
        return np.clip(low, 0, cells - 1), np.clip(high, 0, cells - 1)

    def named(self, codes: NDArray[np.int64], sequence: NDArray[np.int64], position: NDArray[np.int64]) -> Codes:
        """Codes [rows, columns] of rows of some sequences as the restoring SQL reads them; "#draw" counts the rows."""
        places = {"#unit": self.unit[sequence], "#position": position, "#draw": np.arange(len(codes))}
        above = {name: column[sequence] for name, column in self.columns.items()}
        return places | above | {f"#{i}": np.ascontiguousarray(column) for i, column in enumerate(codes.T, 1)}
