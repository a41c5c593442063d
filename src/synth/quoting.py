"""Names and constants in SQL, and the text that a unit goes by."""

from __future__ import annotations

from collections.abc import Sequence

CAP_KEY = "cap_key"  # DuckDB's variable with the secret that decides which rows are kept above the cap
HOLDOUT_KEY = "holdout_key"  # and which units are held out of a fit


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def unit_text(columns: Sequence[str]) -> str:
    """What names a unit, as text: null where a part of it is null or blank; of several, no two units have the same."""
    parts = [f"nullif(trim(cast({identifier(column)} as varchar)), '')" for column in columns]
    return parts[0] if len(parts) == 1 else " || ".join(f"length({part}) || ':' || {part}" for part in parts)


def rows_of(model: str) -> str:
    """The hidden table of a synthetic table's rows that tables below it are made from."""
    return f"_synth.rows_of_{model}"


def key_of(model: str) -> str:
    """The column there that counts the rows of a synthetic table from 1."""
    return f"#key {model}"


def literal(value: str | bool | int | float | None) -> str:
    """A constant; floats keep every digit, and None is null."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value) if isinstance(value, int) else repr(float(value))
