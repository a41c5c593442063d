"""Excel: the cells of one sheet, as text; dates as ISO 8601 has them, with a time of day where the cell shows one."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.runtime.readers.reading import Reading, checked_header, fetched_text, known_columns, one_header


def excel_reading(source: SourceTable, table: str, paths: Sequence[Path]) -> Reading:
    headers = [_header(source, path) for path in paths]
    one_header(source, headers)
    names = checked_header(source, headers[0], "the sheet")
    wanted = known_columns(source, names)
    places = [names.index(name) for name in wanted]

    def rows() -> Iterator[tuple[object, ...]]:
        for path in paths:
            found = _rows(source, path)
            next(found, None)
            for row in found:
                cells = [_text(cell) for cell in row]
                if any(cell is not None for cell in cells):
                    yield tuple(cells[place] if place < len(cells) else None for place in places) or (None,)

    return fetched_text(table, wanted or ["none_declared"], rows)


def _header(source: SourceTable, path: Path) -> list[str]:
    names = [str(cell.value or "") for cell in next(_rows(source, path), ())]
    while names and not names[-1]:
        names.pop()  # what was once formatted to the right of the table
    return names


def _rows(source: SourceTable, path: Path) -> Iterator[Sequence[Any]]:
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError:
        what = f"the source {source.name}: Excel files are read by openpyxl, which is not installed"
        raise RunError(what, 'Install it: pip install "synth[excel]".') from None
    with closing(load_workbook(path, read_only=True, data_only=True, keep_links=False)) as workbook:
        sheet = _sheet(source, workbook, path)
        sheet.reset_dimensions()  # other programs write them wrong
        yield from sheet.iter_rows()


def _sheet(source: SourceTable, workbook: Any, path: Path) -> Any:
    wanted = source.format.sheet or source.table
    names = [name for name in workbook.sheetnames if name.casefold() == wanted.casefold()]
    if not names and not source.format.sheet:
        names = workbook.sheetnames
    if len(names) != 1:
        what = f"the source {source.name}: {path.name} has no sheet '{wanted}'"
        raise RunError(what, "Name it: format: {type: excel, sheet: ...}.")
    return workbook[names[0]]


def _text(cell: Any) -> object:
    value = cell.value
    if isinstance(value, datetime.datetime):
        from openpyxl.styles.numbers import is_datetime

        return value.date() if is_datetime(cell.number_format) == "date" else value
    return None if value == "" else value
