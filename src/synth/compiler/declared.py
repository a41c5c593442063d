"""What a fit comes from, key by key in the user's words, each with its place: so that a change of it can be named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synth.artifacts.compiled import COLUMNS, DeclaredKey
from synth.compiler.columns import Offset
from synth.compiler.declaration import order_of
from synth.compiler.plan import Promise
from synth.errors import Place
from synth.graph.configs import config_place
from synth.graph.dag import Node
from synth.project import spec
from synth.project.loader import Declared, Project

CONFIG = "config"
_ENCODED = json.JSONEncoder(ensure_ascii=False).encode
_SAID_IN_SQL = re.compile(r"\{\{-?\s*config\s*\((?:(?!\}\}).)*\)\s*-?\}\}", re.DOTALL)
_OFFSET = {"offset_from", "offset_bounds"}  # told as they turned out, since a constraint can make an offset, too
_OF_THE_COLUMN = {"name", "description", "drafted", "meta", *_OFFSET}


def declared_keys(
    project: Project, node: Node, promise: Promise, offsets: Mapping[str, Offset], sources: Sequence[Node],
    views: Sequence[Node], linked: bool,
) -> tuple[DeclaredKey, ...]:  # fmt: skip
    """``sources`` and ``views``: the source tables and the private models that are read; ``linked``: to other tables."""
    assert node.declared is not None
    found = [
        *_config(project, node, promise),
        *_table(node.declared, promise, linked),
        *_columns(node.declared, offsets),
        *_combinations(node.declared),
    ]
    for source in sources:
        found += _source(source)
    for reader in (*views, node):
        found += _sql(reader, "SQL" if reader is node else f"private model {reader.name}")
    return tuple(found)


def linked_keys(node: Node, promise: Promise, offsets: Mapping[str, Offset]) -> Iterator[DeclaredKey]:
    """Of a table that is linked to the model's: what decides which of its rows are kept."""
    assert node.declared is not None
    said = (*_table(node.declared, promise, True), *_columns(node.declared, offsets), *_combinations(node.declared))
    for key in (*said, *_sql(node, "SQL")):
        yield key.model_copy(update={"of": f"linked table {node.name}, {key.of}"})


def _config(project: Project, node: Node, promise: Promise) -> Iterator[DeclaredKey]:
    config = node.config
    generator = config.generator.model_dump(exclude_unset=True) if config.generator else {}
    epsilon, delta = promise.price or (None, None)
    said = [("epsilon", epsilon), ("seed", config.seed or 0), *generator.items()]
    said += [("release_metrics", config.release_metrics)] if config.release_metrics else []
    for key, value in said:
        path = ("generator", key) if key in generator else (key,)
        place = config_place(project, node.name, node.text, node.declared, *path)
        yield _key(CONFIG, ".".join(path), value, place or node.place)
    place = config_place(project, node.name, node.text, node.declared, "delta")
    budget = project.document.place(("budgets", promise.population, "delta"))
    yield _key(CONFIG, "delta", delta, place or budget)


def _table(declared: Declared, promise: Promise, linked: bool) -> Iterator[DeclaredKey]:
    of = f"table {declared.table.name}"
    if linked:
        keys = [f.model_dump() for f in declared.table.foreign_keys]
        yield _key(of, "primary_key", declared.table.primary_key, declared.place("primary_key"))
        yield _key(of, "foreign_keys", keys, declared.place("foreign_keys"))
    yield _key(of, "max_rows_per_unit", promise.max_rows_per_unit, declared.place("max_rows_per_unit"))
    if promise.holdout:
        yield _key(of, "holdout", promise.holdout, declared.place("holdout"))
    if promise.max_rows_per_unit > 1:
        yield _key(of, "order_by", order_of(declared.table), declared.place("order_by"))
        yield _key(of, "until", declared.table.until, declared.place("until"))


def _columns(declared: Declared, offsets: Mapping[str, Offset]) -> Iterator[DeclaredKey]:
    order = [c.name for c in declared.table.columns if c.is_read]
    yield _key(COLUMNS, "order", order, declared.place("columns", key=True))
    for i, column in enumerate(declared.table.columns):
        if not column.is_read:
            continue
        said = column.model_dump(mode="json", exclude=_OF_THE_COLUMN, exclude_none=True)
        if offset := offsets.get(column.name):
            said["offset_from"] = offset.anchor
            said["offset_bounds"] = [spec.duration_text(offset.low), spec.duration_text(offset.high)]
        for key, value in said.items():
            yield _key(f"column {column.name}", key, value, declared.place("columns", i, key))


def _combinations(declared: Declared) -> Iterator[DeclaredKey]:
    for i, one in enumerate(declared.table.constraints):
        if one.combinations:
            of = f"combinations of {', '.join(one.combinations)}"
            yield _key(of, "values", one.values, declared.place("constraints", i, "values"))


def _source(node: Node) -> Iterator[DeclaredKey]:
    assert node.source is not None
    source, table_name = node.source.source, node.name.partition(".")[2]
    for key, value in source.privacy.model_dump().items() if source.privacy else ():
        yield _key(f"source {source.name}", key, value, node.source.place("privacy", key))
    i, table = node.source.tables[table_name]
    name, of = table.identifier or table.name, f"source table {node.name}"
    yield _key(of, "identifier", name, node.source.place("tables", i, "identifier"))
    if format := source.format_of(table):
        path = ("tables", i, "format") if table.format else ("format",)
        for key, value in format.model_dump(by_alias=True, exclude_unset=True).items():
            yield _key(of, f"format.{key}", value, node.source.place(*path, key))


def _sql(node: Node, of: str) -> Iterator[DeclaredKey]:
    """The SQL file, but for its config, whose lines stay as empty ones; or the source that stands for it."""
    if node.text is not None:
        text = _SAID_IN_SQL.sub(lambda said: "\n" * said[0].count("\n"), node.text.text)
        yield DeclaredKey(of=of, key="", value=text, place=node.file)
    elif node.declared is not None:
        yield _key(f"table {node.name}", "source", node.declared.table.source, node.declared.place("source"))


def _key(of: str, key: str, value: Any, place: Place) -> DeclaredKey:
    return DeclaredKey(of=of, key=key, value=_ENCODED(value), place=_line(place))


def _line(place: Place) -> str:
    return f"{place.file}:{place.line}" if place.line else place.file
