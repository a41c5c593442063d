"""What DuckDB reads by itself with the types of its columns: Parquet, and DuckDB's own files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier, literal
from synth.runtime.duckdb_errors import lock_holder
from synth.runtime.readers.reading import Reading, one_header


def parquet_reading(source: SourceTable, paths: Sequence[Path], connection: duckdb.DuckDBPyConnection) -> Reading:
    files = [literal(str(path.resolve())) for path in paths]
    if len(files) > 1:
        described = (connection.execute(f"describe select * from read_parquet({file})") for file in files)
        one_header(source, [[row[:2] for row in result.fetchall()] for result in described])
    return Reading(f"select * from read_parquet([{', '.join(files)}])")


def duckdb_reading(source: SourceTable, path: Path, connection: duckdb.DuckDBPyConnection) -> Reading:
    database = identifier(source.name)
    try:
        connection.execute(f"attach {literal(str(path.resolve()))} as {database} (type duckdb, read_only)")
    except duckdb.IOException as error:
        if "lock" in str(error):
            holder = lock_holder(str(error))
            raise RunError(f"the source {source.name} is locked by {holder}", f"Close it: {path.name}.") from None
        fix = "Check its location; a file of another sort, such as SQLite's, needs its ending or a format."
        raise RunError(f"the source {source.name} is not a DuckDB file: {path.name}", fix) from None
    schema = f"{identifier(source.format.schema_name)}." if source.format.schema_name else ""
    return Reading(f"select * from {database}.{schema}{identifier(source.table)}")
