"""How the rows of each kind of source come into the private zone's DuckDB. The private zone alone opens these doors."""

from __future__ import annotations

from pathlib import Path

import duckdb

from synth.artifacts.compiled import SourceTable
from synth.runtime.readers.delimited import csv_reading
from synth.runtime.readers.function import function_reading
from synth.runtime.readers.json_lines import json_reading
from synth.runtime.readers.postgres import postgres_reading
from synth.runtime.readers.reading import Reading
from synth.runtime.readers.sqlite_file import sqlite_reading
from synth.runtime.readers.tables import duckdb_reading, parquet_reading
from synth.runtime.readers.workbook import excel_reading
from synth.runtime.source_files import Located


def open_source(
    source: SourceTable, located: Located, table: str, root: Path, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """How a source is read. ``table``: into which goes what Python fetches of it; until then only a function gives rows."""
    files = located.files
    match located.type:
        case "csv":
            return csv_reading(source, table, files, connection)
        case "jsonl":
            return json_reading(source, table, files)
        case "parquet":
            return parquet_reading(source, files, connection)
        case "excel":
            return excel_reading(source, table, files)
        case "sqlite":
            return sqlite_reading(source, table, files)
        case "postgres":
            return postgres_reading(source, table)
        case "python":
            return function_reading(source, table, root, connection)
        case _:
            return duckdb_reading(source, files[0], connection)
