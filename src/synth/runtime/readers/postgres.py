"""PostgreSQL: columns of the common types keep them, all others are text. The server is asked to change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier
from synth.runtime.readers.reading import Fetched, Reading, batches, known_columns
from synth.runtime.source_files import SourceMissing

if TYPE_CHECKING:
    import psycopg

SECONDS = 30  # until a server that does not answer is given up
# by PostgreSQL's name; the text of these is read by DuckDB as it is
_TYPES = {
    "int2": "bigint", "int4": "bigint", "int8": "bigint", "float4": "double", "float8": "double", "bool": "boolean",
    "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz", "time": "time", "interval": "interval",
}  # fmt: skip


def postgres_reading(source: SourceTable, table: str) -> Reading:
    schema = f"{identifier(source.format.schema_name)}." if source.format.schema_name else ""
    relation = schema + identifier(source.table)
    with _connected(source) as server, _no_such_table(source):
        found = server.execute(f"select * from {relation} limit 0").description or ()
        kinds = {column.name: server.adapters.types.get(column.type_code) for column in found}
    names = known_columns(source, kinds)
    types = {name: _TYPES.get(kind.name if (kind := kinds[name]) else "", "varchar") for name in names}
    columns = ", ".join(f"{identifier(name)}::text" for name in names) or "null"

    def fetch() -> Iterator[Any]:
        copy = f"copy (select {columns} from {relation}) to stdout"
        with _connected(source) as server, server.cursor() as cursor, cursor.copy(copy) as copied:
            yield from batches(list(types), copied.rows())

    types = types or {"none_declared": "varchar"}
    return Reading(f"from {table}", Fetched(types, fetch))


@contextmanager
def _connected(source: SourceTable) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that cannot write."""
    try:
        import psycopg
    except ModuleNotFoundError:
        what = f"the source {source.name}: PostgreSQL is read by psycopg, which is not installed"
        raise RunError(what, 'Install it: pip install "synth[postgres]".') from None
    try:
        server = psycopg.connect(source.location, connect_timeout=SECONDS, application_name="synth")
    except psycopg.OperationalError:
        what = f"the source {source.name} is not there: {source.shown} lets nobody in, or does not answer"
        raise SourceMissing(what, "Check the location in sources/, the user and the password.") from None
    except psycopg.Error:
        what = f"the source {source.name}: {source.shown} is no address of a PostgreSQL server"
        raise RunError(what, "Write it as postgres://user@host/database, with %40 for an @ in a password.") from None
    with server:
        server.read_only = True
        for setting in (
            "client_encoding to 'UTF8'",
            "TimeZone to 'UTC'",
            "DateStyle to 'ISO'",
            "IntervalStyle to 'postgres'",
        ):
            server.execute(f"set local {setting}")
        yield server


@contextmanager
def _no_such_table(source: SourceTable) -> Iterator[None]:
    from psycopg import errors

    try:
        yield
    except (errors.UndefinedTable, errors.InvalidSchemaName, errors.InsufficientPrivilege):
        what = f"the source {source.name}: the server has no table '{source.table}' that this user may read"
        raise RunError(what, "Check the table's name or identifier, and the schema of its format.") from None
