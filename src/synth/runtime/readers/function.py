"""A function of the project's own that gives a table, as Arrow or pandas have it. It is called once, and rows stay inside."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier
from synth.runtime.readers.reading import Reading, known_columns, whole_characters


def function_reading(source: SourceTable, table: str, root: Path, connection: duckdb.DuckDBPyConnection) -> Reading:
    frame = _called(source, root)
    if not (hasattr(frame, "__arrow_c_stream__") or isinstance(frame, pandas.DataFrame)):
        what = f"the source {source.name}: {source.location} gave neither Arrow nor pandas, but {type(frame).__name__}"
        raise RunError(what, "Return a pandas DataFrame, or a table or a reader of Arrow.")
    with connection.cursor() as own:
        own.register("given", _clean(frame) if isinstance(frame, pandas.DataFrame) else _Stream(frame))
        names = known_columns(source, (str(row[0]) for row in own.execute("describe given").fetchall()))
        columns = ", ".join(map(identifier, names)) or "null as none_declared"
        own.execute(f"create table {table} as select {columns} from given").fetchall()
    return Reading(f"from {table}")


def _clean(frame: pandas.DataFrame) -> pandas.DataFrame:
    """The same with whole characters only."""
    made = frame.copy(deep=False)
    for i, kind in enumerate(frame.dtypes):
        if kind.kind == "O":  # of numbers and dates nothing is text
            cells = [whole_characters(cell) if isinstance(cell, str) else cell for cell in frame.iloc[:, i]]
            made.isetitem(
                i, np.array([*cells, None], dtype=object)[:-1]
            )  # the last one keeps lists from being unpacked
    return made


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
