"""What lies in the target: the models that are built, and how the values of their columns are spread. Synthetic rows only."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime

import duckdb

from synth.artifacts.catalog import (
    Bar,
    Catalog,
    CatalogColumn,
    CatalogMetadata,
    CatalogNode,
    CatalogTable,
    Distribution,
)
from synth.artifacts.compiled import ManifestNode
from synth.quoting import identifier, literal
from synth.runtime.warehouse import Warehouse
from synth.version import __version__

BARS = 16
LEAST_ROWS = 50  # of a table of which a picture says more than its rows do
MOST_VALUES = 1_000  # of text: with more it is a name or a key, of which no picture says anything
_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE",
    "DECIMAL",
)  # fmt: skip
_TIMES = ("DATE", "TIMESTAMP", "TIME", "INTERVAL")


def catalog(warehouse: Warehouse | None, nodes: Iterable[ManifestNode]) -> Catalog:
    """Of the models that are built; of none without a warehouse."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    models = [n for n in nodes if n.resource_type == "model" and n.zone != "private"] if warehouse else []
    found = {node.unique_id: _node(warehouse, node) for node in models} if warehouse else {}
    built = {name: node for name, node in found.items() if node}
    return Catalog(metadata=CatalogMetadata(generated_at=now, synth_version=__version__), nodes=built)


def _node(warehouse: Warehouse, node: ManifestNode) -> CatalogNode | None:
    schema = "synthetic" if node.zone == "synthetic" else "public"
    where = f"schema_name = {literal(schema)} and {{}}_name = {literal(node.name)}"
    _, tables = warehouse.query(
        f"select 'BASE TABLE', comment from duckdb_tables() where {where.format('table')} "
        f"union all select 'VIEW', comment from duckdb_views() where {where.format('view')}"
    )
    if not tables:
        return None
    _, columns = warehouse.query(
        f"select column_name, data_type, column_index, comment from duckdb_columns() where {where.format('table')} order by 3"
    )
    kind, comment = tables[0]
    return CatalogNode(
        unique_id=node.unique_id,
        metadata=CatalogTable(type=kind, schema=schema, name=node.name, comment=comment),
        columns={
            name: CatalogColumn(type=type_, index=index, name=name, comment=said)
            for name, type_, index, said in columns
        },
        rows=_rows(warehouse, f"{schema}.{identifier(node.name)}"),
    )


def _rows(warehouse: Warehouse, relation: str) -> int:
    """None of a view that cannot be read."""
    try:
        return warehouse.count(relation)
    except duckdb.InterruptException:  # Ctrl-C
        raise
    except duckdb.Error:
        return 0


def distributions(warehouse: Warehouse, table: CatalogNode, without: Container[str]) -> tuple[Distribution, ...]:
    """Of each column but those ``without`` and those of which a picture says nothing; of none of a view that cannot be read."""
    if table.rows < LEAST_ROWS:
        return ()
    relation = f"{table.metadata.schema_name}.{identifier(table.metadata.name)}"
    columns = [column for column in table.columns.values() if column.name not in without]
    try:
        found = [_distribution(warehouse, relation, column) for column in columns]
    except duckdb.InterruptException:  # Ctrl-C
        raise
    except duckdb.Error:
        return ()
    return tuple(one for one in found if one)


def _distribution(warehouse: Warehouse, relation: str, column: CatalogColumn) -> Distribution | None:
    name = identifier(column.name)
    _, ((rows, there, values),) = warehouse.query(
        f"select count(*), count({name}), count(distinct {name}) from {relation}"
    )
    kind = column.type.partition("(")[0].partition(" ")[0]
    if not there or ((kind in _NUMBERS or kind in _TIMES) and values > BARS):
        bars = _ranges(warehouse, relation, name, kind) if there else ()
        return Distribution(column=column.name, ordered=True, bars=bars, missing=rows - there)
    if values > MOST_VALUES:
        return None
    ordered = kind in _NUMBERS or kind in _TIMES
    order = name if ordered else "2 desc, 1"
    _, found = warehouse.query(
        f"select cast({name} as varchar), count(*) from {relation} where {name} is not null group by {name} "
        f"order by {order} limit {BARS}"
    )
    bars = tuple(Bar(label=label, rows=count) for label, count in found)
    others = there - sum(bar.rows for bar in bars)
    return Distribution(column=column.name, ordered=ordered, bars=bars, others=others, missing=rows - there)


def _ranges(warehouse: Warehouse, relation: str, name: str, kind: str) -> tuple[Bar, ...]:
    """Ranges of one width from the least value to the greatest; each is called by its first value."""
    value = f"epoch({name})" if kind in _TIMES else f"cast({name} as double)"
    _, ((low, high),) = warehouse.query(f"select min({value}), max({value}) from {relation}")
    width = (high - low) / BARS
    if whole := "INT" in kind and kind != "INTERVAL":
        width = float(-(-(high - low + 1) // BARS))
    place = f"least({BARS - 1}, cast(floor(({value} - ({low!r})) / ({width!r})) as integer))"
    _, found = warehouse.query(f"select {place}, count(*) from {relation} where {name} is not null group by 1")
    counts = dict(found)
    labels = _labels(low, width, kind)
    if whole:
        labels = [f"{low + i * width:.0f} to {low + (i + 1) * width - 1:.0f}" for i in range(BARS)]
    filled = [i for i in range(BARS) if not whole or low + i * width <= high]
    return tuple(Bar(label=labels[i], rows=counts.get(i, 0)) for i in filled)


def _labels(low: float, width: float, kind: str) -> Sequence[str]:
    starts = [low + i * width for i in range(BARS)]
    if kind in ("DATE", "TIMESTAMP"):
        form = "%Y" if width > 2 * 366 * 86_400 else "%Y-%m-%d" if width > 86_400 else "%Y-%m-%d %H:%M"
        return [datetime.fromtimestamp(start, UTC).strftime(form) for start in starts]
    if kind == "TIME":
        return [f"{int(start) // 3600:02}:{int(start) % 3600 // 60:02}" for start in starts]
    if kind == "INTERVAL":
        return [f"{start / 86_400:.3g} days" for start in starts]
    return [f"{start:.4g}" for start in starts]
