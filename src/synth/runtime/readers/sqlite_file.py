"""SQLite, whose cells have a type each: all become text. Python's own library reads it, so no extension is needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier
from synth.runtime.readers.reading import Reading, fetched_text, known_columns


def sqlite_reading(source: SourceTable, table: str, paths: Sequence[Path]) -> Reading:
    with closing(_connected(paths)) as database:
        wanted = database.execute(
            "select name from sqlite_master where type in ('table', 'view') and lower(name) = lower(?)", [source.table]
        ).fetchone()
        if wanted is None:
            what = f"the source {source.name}: {paths[0].name} has no table '{source.table}'"
            raise RunError(what, "Check the table's name or identifier in sources/.")
        relation = identifier(str(wanted[0]))
        described = database.execute(f"select * from {relation} limit 0").description
        names = known_columns(source, (str(column[0]) for column in described))

    def rows() -> Iterator[tuple[object, ...]]:
        with closing(_connected(paths)) as database:
            yield from database.execute(f"select {', '.join(map(identifier, names)) or 'null'} from {relation}")

    return fetched_text(table, names or ["none_declared"], rows)


def _connected(paths: Sequence[Path]) -> sqlite3.Connection:
    """Read-only. Where no log lies beside the file SQLite need not look for one, and so writes nothing into the folder."""
    mode = "mode=ro" if len(paths) > 1 else "mode=ro&immutable=1"
    database = sqlite3.connect(f"file:{quote(str(paths[0].resolve()))}?{mode}", uri=True)
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    return database
