"""CSV: every column as text, nothing sniffed from the rows; a line that is not CSV of the header's width is left out."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from synth.artifacts.compiled import SourceFormat, SourceTable
from synth.errors import RunError
from synth.quoting import identifier, literal
from synth.runtime.readers.lines import is_zstd, lines, opened, text_lines, utf8_lines
from synth.runtime.readers.reading import Reading, checked_header, one_header


def csv_reading(
    source: SourceTable, table: str, paths: Sequence[Path], connection: duckdb.DuckDBPyConnection
) -> Reading:
    dialect = _Dialect(source.format)
    names = list(source.format.header)
    if not names:
        headers = [_header(source, dialect, path, connection) for path in paths]
        one_header(source, headers)
        names = headers[0]
    below, fetched = lines(source, table, paths, skip=0 if source.format.header else 1)
    broken = f"select count(*) from ({below}) where not {dialect.is_line(len(names))}"
    return Reading(dialect.select(names, below), fetched, broken, "lines that are not CSV of this shape")


class _Dialect:
    """RFC 4180 without line ends in quotes, with the declared signs; as patterns that DuckDB and Python read alike."""

    def __init__(self, format: SourceFormat) -> None:
        self.delimiter, self.quote = format.delimiter, format.quote
        self.escape = "" if format.escape in (None, format.quote) else re.escape(format.escape)
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        self.field = f"[^{quote}{delimiter}]*"
        if quote:
            quoted = f"{self.escape}." if self.escape else quote * 2
            self.field = f"{quote}(?:[^{quote}{self.escape}]|{quoted})*{quote}|{self.field}"
        self.next_field = f"{delimiter}({self.field})"

    def names(self, line: str) -> list[str] | None:
        """The fields of a header; None where it is not CSV."""
        if not re.fullmatch(f"(?:{self.next_field})*", self.delimiter + line):
            return None
        return [self._bare(name) for name in re.findall(self.next_field, self.delimiter + line)] if line else []

    def is_line(self, width: int) -> str:
        """SQL: whether ``line`` has so many fields."""
        return f"regexp_full_match({literal(self.delimiter)} || line, {literal(f'(?:{self.next_field}){{{width}}}')})"

    def select(self, names: Sequence[str], lines: str) -> str:
        """The fields of each line; an empty one is null."""
        cells = f"regexp_extract_all({literal(self.delimiter)} || line, {literal(self.next_field)}, 1)"
        columns = ", ".join(f"{self._value(f'cell[{i}]')} as {identifier(name)}" for i, name in enumerate(names, 1))
        return f"select {columns} from (select {cells} as cell from ({lines}) where {self.is_line(len(names))})"

    def _bare(self, field: str) -> str:
        if not self.quote or not field.startswith(self.quote):
            return field
        if self.escape:
            return re.sub(f"{self.escape}(.)", r"\1", field[1:-1])
        return field[1:-1].replace(self.quote * 2, self.quote)

    def _value(self, cell: str) -> str:
        """SQL: the same of a cell."""
        if not self.quote:
            return f"nullif({cell}, '')"
        bare = f"replace({cell}[2:-2], {literal(self.quote * 2)}, {literal(self.quote)})"
        if self.escape:
            bare = f"regexp_replace({cell}[2:-2], {literal(f'{self.escape}(.)')}, '\\1', 'g')"
        return f"nullif(if({cell}[1] = {literal(self.quote)}, {bare}, {cell}), '')"


def _header(source: SourceTable, dialect: _Dialect, path: Path, connection: duckdb.DuckDBPyConnection) -> list[str]:
    encoding = source.format.encoding
    try:
        line = _first_line(path, encoding, connection)
    except (OSError, EOFError, UnicodeError, zlib.error, duckdb.Error):
        line = "\ufffd"
    if "\ufffd" in line:
        known = "UTF-8" if encoding == "utf-8" else encoding
        what = f"the source {source.name} cannot be read: {path.name} is not CSV text in {known}"
        raise RunError(what, "Check the file, and the encoding of its format.")
    names = dialect.names(line.removeprefix("\ufeff").rstrip("\r\n"))
    if names is None:
        what = f"the source {source.name}: the header of {path.name} is not CSV"
        raise RunError(what, "Check the delimiter, the quote and the escape of its format.")
    return checked_header(source, names, path.name)


def _first_line(path: Path, encoding: str, connection: duckdb.DuckDBPyConnection) -> str:
    """It alone is decoded: no row below may decide over the run."""
    if is_zstd(path):
        found = connection.execute(f"{utf8_lines([path], skip=0)} limit 1").fetchone()
        return str(found[0]) if found else ""
    with opened(path) as file:
        return next(text_lines(file, encoding), "")
