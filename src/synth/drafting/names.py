"""Names as SQL and metadata may have them."""

from __future__ import annotations

import re

from synth.quoting import identifier

_RESERVED = {
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
    "collate", "column", "constraint", "create", "default", "deferrable", "desc", "describe", "distinct", "do",
    "else", "end", "except", "false", "fetch", "for", "foreign", "from", "group", "having", "in", "initially",
    "intersect", "into", "is", "lambda", "lateral", "leading", "limit", "not", "null", "offset", "on", "only", "or",
    "order", "pivot", "pivot_longer", "pivot_wider", "placing", "primary", "qualify", "references", "returning",
    "select", "show", "some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union",
    "unique", "unpivot", "using", "variadic", "when", "where", "window", "with",
}  # fmt: skip


LONGEST = 128  # characters of a column's name


def can_be_declared(column: str) -> bool:
    """Names that begin with # are kept for codes."""
    return not column.startswith("#") and len(column) <= LONGEST


def in_sql(name: str) -> str:
    """A column in a constraint; quoted only where it must be."""
    plain = re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and name.casefold() not in _RESERVED
    return name if plain else identifier(name)


def table_name(name: str) -> str:
    """A name that a table of a project can have."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if plain and not plain[0].isdigit() else f"_{plain}"
