"""Real rows for ``synth evaluate``, in the form that the synthetic table has. As private as the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from synth.artifacts.compiled import Evaluated, SyntheticModel
from synth.artifacts.evaluation import Kind
from synth.quoting import identifier
from synth.runtime.private_zone import PrivateZone


@dataclass(frozen=True, eq=False)
class RealRows:
    """Rows that the fit had and rows that were held out of it: the columns that are evaluated, and the unit of each row."""

    train: pandas.DataFrame
    held_out: pandas.DataFrame
    train_units: NDArray[np.int64]
    held_out_units: NDArray[np.int64]
    source_digest: str  # of the files, under the ledger's key

    @property
    def fitted(self) -> int:
        """Units of the fit."""
        return len(np.unique(self.train_units))

    @property
    def others(self) -> int:
        """Units that were held out of it."""
        return len(np.unique(self.held_out_units))


def real_rows(
    model: SyntheticModel, evaluated: Evaluated, root: Path, internal: Path, threads: int, memory_limit: str,
    key: Callable[[], bytes],
) -> RealRows:  # fmt: skip
    """To be called in confinement, and nothing of it to be let out."""
    with PrivateZone(root, internal, model, threads, memory_limit, key) as zone:
        digest = zone.digest(key())
        train, held_out = (zone.real(_selected(evaluated, sql)) for sql in (evaluated.real_sql, evaluated.held_out_sql))
    kinds = {column.name: column.kind for column in evaluated.columns}
    fit, out = (rows["#unit"].to_numpy(np.int64) for rows in (train, held_out))
    return RealRows(typed(train, kinds), typed(held_out, kinds), fit, out, digest)


def synthetic_sql(relation: str, evaluated: Evaluated) -> str:
    """The synthetic table's rows in the same form."""
    columns = ", ".join(f"{c.sql} as {identifier(c.name)}" for c in evaluated.columns)
    unit = f"dense_rank() over (order by {identifier(evaluated.unit)}) - 1" if evaluated.unit else "rowid"
    return f'select {unit} as "#unit", {columns} from {relation}'


def typed(rows: pandas.DataFrame, kinds: dict[str, Kind]) -> pandas.DataFrame:
    """The evaluated columns: text or None, floats, or timestamps of microseconds."""
    types: dict[Kind, Any] = {"categorical": "object", "numeric": "float64", "datetime": "datetime64[us]"}
    found = {}
    for name, kind in kinds.items():
        column = rows[name].astype(types[kind])
        found[name] = column.where(column.notna(), None) if kind == "categorical" else column
    return pandas.DataFrame(found)


def _selected(evaluated: Evaluated, sql: str) -> str:
    columns = ", ".join(f"{c.sql} as {identifier(c.name)}" for c in evaluated.columns)
    return f'select "#unit", {columns} from (\n{sql}\n) order by "#unit", "#position"'
