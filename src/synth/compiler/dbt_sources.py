"""The tables that synth makes as sources of a dbt project: YAML with what the declaration promises as data tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from synth.artifacts.compiled import Compiled, OutputColumn, PublicModel, SyntheticModel
from synth.artifacts.results import Expectation
from synth.graph.dag import Graph, Node
from synth.quoting import identifier

_WIDTH = 120
_HEADER = """\
# Written by synth dbt-sources: the tables of {file}, as sources of a dbt project. Lay it below that project's models/.
# dbt-duckdb reads them where profiles.yml attaches the file; path is seen from where dbt runs:
#
#   type: duckdb
#   path: ...
#   attach:
#     - {{path: {file}, alias: {database}, read_only: true}}
"""


def dbt_sources(graph: Graph, compiled: Compiled, name: str, database: str, file: str) -> str:
    """``name``: of the dbt source; ``database``: under which dbt attaches ``file``. Each schema is an entry of that name."""
    made: dict[str, list[dict[str, Any]]] = {"synthetic": [], "public": []}
    for node in graph.of_kind("model"):
        if model := compiled.synthetic.get(node.name):
            made["synthetic"].append(_synthetic(graph, node, model, compiled.expectations[node.name], name))
        elif public := compiled.public.get(node.name):
            made["public"].append(_public(node, public))
    sources = [
        {"name": name, "database": database, "schema": schema, "tables": tables}
        for schema, tables in made.items()
        if tables
    ]
    body = yaml.safe_dump(
        {"version": 2, "sources": sources}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_WIDTH
    )
    return f"{_HEADER.format(file=file, database=database)}\n{body}"


def _synthetic(
    graph: Graph, node: Node, model: SyntheticModel, promised: Iterable[Expectation], source: str
) -> dict[str, Any]:  # fmt: skip
    keys: dict[str | None, dict[str, str]] = dict(_references(graph, node, source))
    tests: dict[str | None, list[Any]] = {}
    for expectation in promised:
        tests.setdefault(expectation.column, []).extend(_test(expectation, keys))
    price = {"epsilon": model.price.epsilon, "delta": model.price.delta} if model.price else {}
    return _table(node, model.told, price, [_column(column, tests.get(column.name, [])) for column in model.columns])


def _public(node: Node, model: PublicModel) -> dict[str, Any]:
    return _table(node, model.told, {}, [_column(column, []) for column in model.columns])


def _table(node: Node, said: str, price: dict[str, float], columns: list[dict[str, Any]]) -> dict[str, Any]:
    meta = {"synthetic": True, **price, **({"NOT_PRIVATE": True} if node.not_private else {})}
    described = {"description": _plain(said)} if said else {}
    return {"name": node.name, **described, "config": {"meta": meta}, "columns": columns}


def _column(column: OutputColumn, tests: list[Any]) -> dict[str, Any]:
    described = {"description": _plain(column.description)} if column.description else {}
    tested = {"data_tests": tests} if tests else {}
    return {"name": column.name, "quote": True, "data_type": column.sql_type, **described, **tested}


def _test(expectation: Expectation, keys: dict[str | None, dict[str, str]]) -> Iterator[Any]:
    """dbt's own test of what is promised, where it has one."""
    match expectation.id.rpartition(".")[2]:
        case "not_null" | "unique" as check:
            yield check
        case "in_set":
            yield {"accepted_values": {"arguments": _accepted(expectation.kwargs["value_set"])}}
        case "relationships" if expectation.column in keys:
            yield {"relationships": {"arguments": keys[expectation.column]}}


def _accepted(values: list[Any]) -> dict[str, Any]:
    """dbt puts text between quotes as it is, and anything else where it is told to."""
    if all(isinstance(value, str) for value in values):
        return {"values": [_plain(value.replace("'", "''")) for value in values]}
    return {"values": values, "quote": False}


def _references(graph: Graph, node: Node, source: str) -> Iterator[tuple[str, dict[str, str]]]:
    assert node.declared is not None
    for key, to in zip(node.declared.table.foreign_keys, graph.linked(node), strict=True):
        assert to.declared is not None and to.declared.table.primary_key is not None
        field = identifier(to.declared.table.primary_key)
        yield key.column, {"to": f"source('{source}', '{to.name}')", "field": field}


def _plain(text: str) -> str:
    """Text in which dbt finds no Jinja."""
    return f"{{% raw %}}{text}{{% endraw %}}" if any(sign in text for sign in ("{{", "{%", "{#")) else text
