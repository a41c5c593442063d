"""What a reader gives: SQL over files that DuckDB reads by itself, or rows that Python fetches for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError

BATCH = 20_000  # rows that are fetched at a time
Batch = Mapping[str, NDArray[np.object_]]  # text or None, by column


@dataclass(frozen=True)
class Fetched:
    """Rows that Python fetches when they are needed, as text. ``types``: DuckDB's, by column; what does not fit is null."""

    types: Mapping[str, str]
    batches: Callable[[], Iterator[Batch]]


@dataclass(frozen=True)
class Reading:
    """``select``: a source table's rows; ``broken``: how many lines are left out, and why. Both may read ``fetched``."""

    select: str
    fetched: Fetched | None = None
    broken: str | None = None
    broken_lines: str = ""  # what they are called


def fetched_text(table: str, names: Sequence[str], rows: Callable[[], Iterable[Sequence[object]]]) -> Reading:
    """Rows of cells that have a type each, such as SQLite's and Excel's: each becomes text by itself."""
    return Reading(f"from {table}", Fetched(dict.fromkeys(names, "varchar"), lambda: batches(names, rows())))


def batches(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[Batch]:
    left = iter(rows)
    while chunk := list(islice(left, BATCH)):
        columns = zip(*chunk, strict=True)
        yield {
            n: np.array([as_text(c) for c in column], dtype=object) for n, column in zip(names, columns, strict=True)
        }


def as_text(cell: object) -> str | None:
    """A cell that has a type of its own, whatever types the other cells have."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return whole_characters(cell)
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower()
    if isinstance(cell, bytes):
        return cell.hex()
    if isinstance(cell, float) and cell.is_integer():
        return f"{cell:.0f}"  # 12.0 is how a spreadsheet and SQLite may keep the number 12
    if isinstance(cell, timedelta):
        return f"{cell // timedelta(microseconds=1)} microseconds"
    return str(cell)


def whole_characters(text: str) -> str:
    """Half a character, which UTF-8 has no bytes for, is "?": it would fail the run."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def known_columns(source: SourceTable, found: Iterable[str]) -> list[str]:
    """Those columns of a source that the project knows of; no other is fetched, unless all are asked for."""
    if source.every_column:
        return list(found)
    known = {column.name.casefold() for column in source.columns}
    return [name for name in found if name.casefold() in known]


def checked_header(source: SourceTable, names: Sequence[str], what: str) -> list[str]:
    """``what``: the file as it may be named."""
    folded = [name.casefold() for name in names]
    if not names or len(set(folded)) < len(folded) or "" in folded:
        wrong = "has no header" if not names else "has a header with empty or repeated names"
        raise RunError(f"the source {source.name}: {what} {wrong}", "Its first line must name each column once.")
    return list(names)


def one_header(source: SourceTable, headers: Iterable[Sequence[object]]) -> None:
    """All files of a table must begin alike. Their names are not told: they may be those of people."""
    first, *others = headers
    if any(other != first for other in others):
        raise RunError(
            f"the source {source.name}: the files that '{source.table}' matches have different columns",
            "Give them the same columns in the same order, or declare a table for each sort.",
        )
