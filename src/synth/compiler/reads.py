"""A statement reads models and sources that it names by ref() and source(), and nothing else.

Only so does the graph know of all that is read, and the line between the zones holds: a bare name could reach rows behind
it, and so could a function that takes SQL, a file or a table's name as text. What DuckDB knows of itself, of its files and of
the machine is no model either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from synth.artifacts.plan import NOT_PRIVATE
from synth.compiler import tree

Path = tuple[str, ...]  # of a table in SQL, in lower case: ("synthetic", "visits")

FIX = "A public model and a test read models, by ref()."
_OF_VALUES = {"range", "generate_series", "unnest", "repeat", "json_each", "json_tree"}  # table functions
_OF_THE_MACHINE = {"getenv", "current_setting", "getvariable"}  # scalar functions


@dataclass(frozen=True)
class Stranger:
    """Something that a statement must not read, and where (bytes of UTF-8 from 0)."""

    what: str
    fix: str
    offset: int


def strangers(statement: dict[str, Any], parents: Collection[Path], public: bool) -> Iterator[Stranger]:
    """``parents``: what the statement names by ref() and source(); ``public``: a public model or a test."""
    for item, names in _visit(statement, 0, frozenset()):
        kind, function = item.node.get("type"), str(item.node.get("function_name")).casefold()
        if kind == "BASE_TABLE":
            yield from _table(item, names, parents, public)
        elif public and kind == "TABLE_FUNCTION":
            name = str(item.node["function"].get("function_name")).casefold()
            if name not in _OF_VALUES:
                yield Stranger(f"the table function {name}() is not allowed here", FIX, item.offset)
        elif public and kind == "SHOW_REF" and not item.node.get("query"):
            yield Stranger("show is not allowed here", FIX, item.offset)
        elif public and item.node.get("class") == "FUNCTION" and function in _OF_THE_MACHINE:
            yield Stranger(f"{function}() asks the machine", "Write the value, or use var().", item.offset)


def _table(item: tree.Item, names: frozenset[str], parents: Collection[Path], public: bool) -> Iterator[Stranger]:
    path = tuple(str(part).casefold() for part in item.node["qualified_name"]["path"])
    name = item.node["table_name"]
    if path in parents or (len(path) == 1 and path[0] in names):
        return
    if {"source", "private"} & set(path[:-1]):
        fix = "Read a synthetic model with ref()." if public else "Name it by source() or ref()."
        yield Stranger(f"'{name}' is private, and read by its bare name", fix, item.offset)
    elif path[-1].startswith(NOT_PRIVATE.casefold()):
        what = f"'{name}' is made without differential privacy, and read by its bare name"
        yield Stranger(what, "Name it by ref().", item.offset)
    elif public:
        of_models = len(path) == 2 and path[0] in ("synthetic", "public")
        fix = f"Write {{{{ ref('{name}') }}}}, so that it is made before." if of_models else FIX
        yield Stranger(f"'{'.'.join(item.node['qualified_name']['path'])}' is not named by ref()", fix, item.offset)


def _visit(part: Any, offset: int, names: frozenset[str]) -> Iterator[tuple[tree.Item, frozenset[str]]]:
    """Every mapping of the tree with the names that ``with`` gives there."""
    if isinstance(part, list):
        for child in part:
            yield from _visit(child, offset, names)
    elif isinstance(part, dict):
        offset = tree.place(part, offset)
        for entry in (part.get("cte_map") or {}).get("map", ()):
            name, query = str(entry["key"]).casefold(), entry["value"]
            itself = query.get("query_node", {}).get("type") == "RECURSIVE_CTE_NODE"
            yield from _visit(query, offset, names | {name} if itself else names)
            names = names | {name}
        yield tree.Item(part, offset), names
        for key, child in part.items():
            if key != "cte_map":
                yield from _visit(child, offset, names)
