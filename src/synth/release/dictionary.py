"""The data dictionary: what each column of a release holds, by declaration."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from synth.artifacts.compiled import OutputColumn
from synth.project import spec
from synth.release.contents import Contents, ReleasedTable
from synth.runtime.warehouse import harmless
from synth.site.facts import ColumnFacts, columns, held

APOSTROPHE = (
    "In CSV, a text that begins with = + - @, a tab or a line's end has an apostrophe before it, so that no spreadsheet computes "
    "it. In Parquet it is as it is."
)
KEYS = {
    "unit": "one number per unit",
    "row": "one number per row",
    "above": "of a row of {of}",
    "other": "of a row of {of}",
}
_FIELDS = (
    "table",
    "column",
    "type",
    "sql_type",
    "declared",
    "missing",
    "key",
    "format",
    "description",
    "lowest",
    "highest",
    "categories",
)


def dictionary(contents: Contents) -> dict[str, Any]:
    return {
        "schema_version": "synth/dictionary/v1",
        "project": contents.project,
        "synthetic": True,
        "csv": APOSTROPHE,
        "tables": [
            {
                "name": table.name,
                "description": table.model.told,
                "rows": table.rows,
                "columns": list(_columns(table)),
                "constraints": [
                    {"name": c.name, "sql": c.sql, "columns": list(c.columns), "held_by": held(c)} for c in table.constraints
                ],
            }
            for table in contents.tables
        ],
    }  # fmt: skip


def dictionary_csv(contents: Contents) -> str:
    """A line for each column, for a spreadsheet: a text that begins like a formula has an apostrophe before it."""
    found = io.StringIO()
    writer = csv.DictWriter(found, _FIELDS, lineterminator="\n")
    writer.writeheader()
    for table in contents.tables:
        for column in _columns(table):
            line = {**column, "table": table.name, "column": column["name"]}
            line["categories"] = "; ".join(column["categories"] or ())
            cells = ((name, line[name]) for name in _FIELDS)
            writer.writerow({name: harmless(cell) if isinstance(cell, str) else cell for name, cell in cells})
    return found.getvalue()


def _columns(table: ReleasedTable) -> Iterator[dict[str, Any]]:
    """In the order of the table; a public one's have a type and words, and nothing else is declared of them."""
    facts = {found.name: found for found in columns(table.declared)} if table.declared else {}
    specs = {column.name: column for column in table.declared.columns} if table.declared else {}
    for column in table.columns:
        yield _column(column, facts.get(column.name), specs.get(column.name))


def _column(column: OutputColumn, facts: ColumnFacts | None, declared: spec.Column | None) -> dict[str, Any]:
    low, high = getattr(declared, "bounds", None) or (None, None)
    values = declared.values if isinstance(declared, spec.CategoricalColumn) else None
    return {
        "name": column.name,
        "type": facts.type if facts else "",
        "sql_type": column.sql_type,
        "declared": facts.limits if facts else "",
        "missing": facts.missing if facts else "",
        "key": KEYS[column.key].format(of=column.of) if column.key else None,
        "format": column.format,
        "description": column.description,
        "lowest": None if low is None else str(low),
        "highest": None if high is None else str(high),
        "categories": None if values is None else [str(value) for value in values],
    }
