"""JSON lines: the keys that the project knows of, as text; a line that is no object is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import identifier, literal
from synth.runtime.readers.lines import lines
from synth.runtime.readers.reading import Reading


def json_reading(source: SourceTable, table: str, paths: Sequence[Path]) -> Reading:
    if source.every_column and set(source.unit or ()) >= {column.name for column in source.columns}:
        what = f"the source {source.name}: JSON lines have no header, so only rows could tell which keys there are"
        raise RunError(what, "List them in sources/, under the table: columns: [sex, born].")
    found, fetched = lines(source, table, paths, skip=0)
    objects = f"select try_cast(line as json) as object from ({found})"
    columns = ", ".join(
        f"json_extract_string(object, {literal(_pointer(column.name))}) as {identifier(column.name)}"
        for column in source.columns
    )
    is_object = "coalesce(json_type(object) = 'OBJECT', false)"
    return Reading(
        f"select {columns or 'null as none_declared'} from ({objects}) where {is_object}", fetched,
        f"select count(*) from ({objects}) where not {is_object}", "lines that are not JSON objects",
    )  # fmt: skip


def _pointer(key: str) -> str:
    """RFC 6901."""
    return "/" + key.replace("~", "~0").replace("/", "~1")
