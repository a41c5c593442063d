"""A function of the project's own that gives a table, as Arrow or pandas have it. It is called once, and rows stay inside.

pandas keeps whole numbers as 12.0 where one of them is missing, and as objects where one of them is a word: so that no row
decides how the others are read, numbers are text, a whole one without a point.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier
from synth.runtime.readers.reading import Reading, as_text, known_columns

if TYPE_CHECKING:
    import pandas

_FLOATS = ("FLOAT", "DOUBLE")
_NOTHING = '"NULL"'  # DuckDB's type of a column without one value
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "BOOLEAN",
)


def function_reading(source: SourceTable, table: str, root: Path, connection: duckdb.DuckDBPyConnection) -> Reading:
    import pandas  # half a second, for those alone who have such a source

    frame = _called(source, root)
    if not (hasattr(frame, "__arrow_c_stream__") or isinstance(frame, pandas.DataFrame)):
        what = f"the source {source.name}: {source.location} gave neither Arrow nor pandas, but {type(frame).__name__}"
        raise RunError(what, "Return a pandas DataFrame, or a table or a reader of Arrow.")
    with connection.cursor() as own:
        own.register("given", _clean(frame) if isinstance(frame, pandas.DataFrame) else _Stream(frame))
        kinds = {str(row[0]): str(row[1]) for row in own.execute("describe given").fetchall()}
        _check_unit(source, kinds)
        columns = ", ".join(
            f"{_value(name, kinds[name])} as {identifier(name)}" for name in known_columns(source, kinds)
        )
        own.execute(f"create table {table} as select {columns or 'null as none_declared'} from given").fetchall()
    return Reading(f"from {table}")


def _check_unit(source: SourceTable, kinds: Mapping[str, str]) -> None:
    unit = {name.casefold() for name in source.unit or ()}
    for name, kind in kinds.items():
        if name.casefold() in unit and kind in _FLOATS:  # of large numbers, two people may by now be one
            what = f"the source {source.name}: the unit's column '{name}' came as floating-point numbers"
            raise RunError(
                what, "Return it as text, or in pandas as Int64: numbers with a missing one become floats there."
            )


def _value(name: str, kind: str) -> str:
    """SQL of a column; ``kind``: DuckDB's."""
    column = identifier(name)
    text = f"cast({column} as varchar)"
    if kind in _FLOATS:
        whole = f"{column} = trunc({column}) and abs({column}) < 1e15"
        return f"case when {whole} then cast(cast({column} as bigint) as varchar) else {text} end"
    return text if kind in (*_WHOLE, _NOTHING) else column


def _clean(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The same with objects as text."""
    made = frame.copy(deep=False)
    for i, kind in enumerate(frame.dtypes):
        if kind.kind == "O":
            made.isetitem(i, np.array([*map(_cell, frame.iloc[:, i])], dtype=object))
    return made


def _cell(cell: object) -> str | None:
    import pandas

    missing = cell is pandas.NA or cell is pandas.NaT or (isinstance(cell, float) and math.isnan(cell))
    return None if missing else as_text(cell)


class _Stream:
    """Arrow's own interface and nothing else, whichever library it comes from."""

    def __init__(self, table: Any) -> None:
        self.__arrow_c_stream__ = table.__arrow_c_stream__


def _called(source: SourceTable, root: Path) -> Any:
    """The module is run anew, and can import what else lies in the project."""
    _, module, function = (part.strip() for part in source.location.split(":"))
    spec = importlib.util.spec_from_file_location(module, root.joinpath(*module.split(".")).with_suffix(".py"))
    assert spec is not None and spec.loader is not None
    sys.path.insert(0, str(root))
    before = dict(sys.modules)
    try:
        sys.modules[module] = made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return getattr(made, function)(source.table)
    except (SystemExit, GeneratorExit) as error:
        raise RuntimeError("the function ended the program") from error
    finally:
        sys.path.remove(str(root))
        for name in sys.modules.keys() - before.keys():
            places = getattr(sys.modules[name], "__path__", None) or [getattr(sys.modules[name], "__file__", None)]
            if any(place and Path(place).is_relative_to(root) for place in places):
                del sys.modules[name]
        sys.modules |= {module: before[module]} if module in before else {}
