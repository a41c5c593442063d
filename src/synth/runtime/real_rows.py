"""Real rows for ``synth evaluate``, in the form that the synthetic table has. As private as the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    train_keys: pandas.DataFrame  # [rows] the columns that were asked for
    held_out_keys: pandas.DataFrame
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
    key: Callable[[], bytes], keys: Sequence[str] = (),
) -> RealRows:  # fmt: skip
    """To be called in confinement, and nothing of it to be let out. ``keys``: what is asked for besides, such as "#parent"."""
    with PrivateZone(root, internal, model, threads, memory_limit, key) as zone:
        digest = zone.digest(key())
        train, held_out = (
            zone.real(_selected(evaluated, sql, keys)) for sql in (evaluated.real_sql, evaluated.held_out_sql)
        )
    kinds = {column.name: column.kind for column in evaluated.columns}
    fit, out = (rows["#unit"].to_numpy(np.int64) for rows in (train, held_out))
    named = list(keys)
    return RealRows(
        typed(train, kinds), typed(held_out, kinds), fit, out, train[named], held_out[named], digest
    )  # fmt: skip


def synthetic_sql(relation: str, evaluated: Evaluated, key: str | None = None) -> str:
    """The synthetic table's rows in the same form, those of a unit together and as they landed; ``key``: as "#key"."""
    columns = [f'{identifier(evaluated.unit) if evaluated.unit else "rowid"} as "#unit"']
    columns += [f'{identifier(key)} as "#key"'] if key else []
    columns += [f"{c.sql} as {identifier(c.name)}" for c in evaluated.columns]
    return f'select {", ".join(columns)} from {relation} order by "#unit", rowid'


def typed(rows: pandas.DataFrame, kinds: dict[str, Kind]) -> pandas.DataFrame:
    """The evaluated columns: text or None, floats, or timestamps of microseconds."""
    types: dict[Kind, Any] = {"categorical": "object", "numeric": "float64", "datetime": "datetime64[us]"}
    found = {}
    for name, kind in kinds.items():
        column = rows[name].astype(types[kind])
        found[name] = column.where(column.notna(), None) if kind == "categorical" else column
    return pandas.DataFrame(found)


def _selected(evaluated: Evaluated, sql: str, keys: Sequence[str]) -> str:
    columns = [*map(identifier, ("#unit", *keys)), *(f"{c.sql} as {identifier(c.name)}" for c in evaluated.columns)]
    return f'select {", ".join(columns)} from (\n{sql}\n) order by "#unit", "#position"'
