"""The SQL before the mechanism keeps people apart: a row of a private or synthetic model depends on the rows of one unit.

A select does where each of its parts does: expressions over one row; windows and groups that hold the unit; joins on the
unit, or to rows of nobody. Anything else (a mean of everybody, a limit, chance) would let one person move other people's
rows, and the guarantee would no longer hold. What is not known to be harmless is refused: see docs/sql.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import duckdb

from synth.compiler import functions, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.scope import Refusal, Relation, Scope, Table, join
from synth.compiler.sql import laid_out
from synth.compiler.total import as_text, beyond_a_row, total
from synth.compiler.tree import FIX, Breach, Node

_CLOCK = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}  # without brackets
_MODIFIERS = {"LIMIT_MODIFIER": "limit", "LIMIT_PERCENT_MODIFIER": "limit", "ORDER_MODIFIER": "order by"}
_FROM = {"EMPTY": "the model selects from no table", "TABLE_FUNCTION": "a table function is not allowed here"}
UNIT_FIX = "Select it by its name, as it is: all rows of a person must stay that person's."


def expression(part: Any, allowed: Collection[str] = functions.PER_ROW) -> Iterator[Breach]:
    """Breaches of an expression over one row, which may call what is ``allowed``."""
    for item in tree.walk(part):
        kind, name = item.node.get("class"), item.node.get("function_name")
        if kind == "WINDOW":
            yield Breach("a window function is not allowed here", item.offset)
        elif kind == "FUNCTION" and name not in allowed:
            yield _no_function(str(name), item.offset)
        yield from _never(item)


_UNKNOWN = Relation(frozenset(), None, frozenset())  # after a breach nothing more is said
_Types = Callable[[Sequence[Node], int], set[str]]  # DuckDB's types of expressions, which stand at a place
_Ctes = Mapping[str, tuple[Node, Relation]]  # by name: the entry in the tree, and what it makes


@dataclass
class Check:
    """Walks one statement; ``found`` holds its breaches, ``relations`` what it may read, by schema and name."""

    relations: Mapping[tuple[str, str], Relation]
    stubs: Stubs
    found: list[Breach] = field(default_factory=list)
    _tied: bool = False  # whether the tree was given orders that break ties
    _untyped: list[Breach] = field(default_factory=list)

    def statement(self, node: Node, sql: str) -> tuple[Relation, str]:
        """What a whole model makes, where nothing is found and it binds, and the text to run; ``sql``: its own.

        What is run breaks the ties of every order by all that the rows have, and no value can fail it (``total``).
        """
        made = self._select(node, {}, sql)
        if made.columns and not self.found:
            self.found += self._untyped
        if self.found:
            return made, sql
        run = total(node, self.found)
        if self.found or not made.columns or (run == node and not self._tied):
            return made, sql
        text = laid_out(tree.to_sql(self.stubs.connection, run))
        try:
            self.stubs.types(f"(\n{text}\n)")
        except BindProblem as problem:
            fix = "Write it in more selects, and order by a key of the rows."
            self._breach(f"DuckDB cannot run this with its ties broken: {problem.what}", node, fix)
        return made, text

    def _breach(self, what: str, part: Any, fix: str = FIX) -> None:
        self.found.append(Breach(what, part if isinstance(part, int) else _first(part), fix))

    # a select

    def _select(self, node: Node, outer: _Ctes, whole: str | None = None) -> Relation:
        """``whole``: the text of a model; without it the select is a part of one."""
        if node.get("type") != "SELECT_NODE":
            recursive = node.get("type") == "RECURSIVE_CTE_NODE"
            what = "with recursive is" if recursive else "union, intersect, except and values are"
            self._breach(f"{what} not allowed here", node)
            return _UNKNOWN
        ctes = self._ctes(node, outer)
        scope = self._from(node["from_table"], ctes)
        groups = self._group(node, scope, ctes)
        self._row(node["where_clause"])
        self._row(node["group_expressions"])
        for part in ("select_list", "having", "qualify"):
            self._beyond(node[part], scope, groups, node, ctes)
        if node["sample"]:
            self._breach("using sample is not allowed here", node)
        for item in node["select_list"]:
            if moved := scope.moves(item):
                fix = UNIT_FIX if len(scope.tables) == 1 else f"{UNIT_FIX} Of a join, take the first table's."
                self._breach(f"the unit '{moved}' must be the source's own column", item, fix)
        names = self._names(node, ctes, whole)
        made = Relation.of(names, scope.people)
        self._modifiers(node, scope, made if names else None)
        if (
            any(m["type"] == "DISTINCT_MODIFIER" for m in node["modifiers"])
            and not (of := set(names.values())) <= functions.ALIKE
        ):
            self._breach(
                f"distinct of {min(of - functions.ALIKE)}: equal values need not be alike",
                node,
                "Cast it to a text, say.",
            )
        return made

    def _ctes(self, node: Node, outer: _Ctes) -> _Ctes:
        known = dict(outer)
        for entry in node["cte_map"]["map"]:
            body = entry["value"]["query_node"]
            if entry["value"]["aliases"]:
                self._breach("columns are renamed in with", body, UNIT_FIX)
            if entry["key"].casefold() in known:
                self._breach(f"the name '{entry['key']}' stands twice in with", body, "Rename one.")
            known[entry["key"].casefold()] = (entry, self._select(body, known))
        return known

    def _modifiers(self, node: Node, scope: Scope, made: Relation | None) -> None:
        """``made``: None where it is not known, as the select does not bind."""
        for modifier in node["modifiers"]:
            kind = modifier["type"]
            if kind != "DISTINCT_MODIFIER":
                self._breach(f"{_MODIFIERS.get(kind, kind.lower())} is not allowed here", modifier)
            elif modifier["distinct_on_targets"]:
                self._breach("distinct on is not allowed here", modifier, "Say qualify row_number() over (...) = 1.")
            elif scope.people and made and not (scope.unit and made.own >= set(scope.unit)):
                self._breach(_everybody("distinct", "select", scope), node)

    def _names(self, node: Node, ctes: _Ctes, whole: str | None) -> dict[str, str]:
        """The names and types of what a select makes; a part must bind by itself, as it may not look at what stands around it."""
        try:
            return self.stubs.types(f"(\n{whole}\n)") if whole else self._types(node, ctes)
        except BindProblem as problem:
            if not whole and not self.found:
                word = problem.word.strip('"').casefold()
                at = [i.offset for i in tree.walk(node) if (tree.column(i.node) or "").casefold() == word]
                fix = f"{problem.hint_of_sources} A select in brackets or in with must stand by itself."
                self._breach(problem.what, at[0] if at else node, fix.strip())
            return {}

    def _types(self, node: Node, ctes: _Ctes) -> dict[str, str]:
        """DuckDB's type by name of what a part of the statement makes. Raises BindProblem."""
        entries = [entry for entry, _ in ctes.values()]
        try:
            sql = tree.to_sql(self.stubs.connection, {**node, "cte_map": {"map": entries}})
        except duckdb.Error:
            raise BindProblem("DuckDB cannot write this part of the statement by itself", "", 0, 0, "") from None
        return self.stubs.types(sql)

    # from

    def _from(self, table: Node, ctes: _Ctes) -> Scope:
        kind = str(table["type"])
        if table["sample"] or table.get("at_clause") or kind not in ("BASE_TABLE", "SUBQUERY", "JOIN"):
            what = "a sample is not allowed here" if table["sample"] else _FROM.get(kind)
            self._breach(what or f"from {kind.lower()} is not allowed here", table)
            return Scope()
        if kind == "JOIN":
            return self._join(table, ctes)
        if table["column_name_alias"]:
            self._breach("columns are renamed in from", table, UNIT_FIX)
        named = kind == "BASE_TABLE"
        relation = self._named(table, ctes) if named else self._select(table["subquery"]["node"], ctes)
        name = str(table["alias"] or table.get("table_name", ""))  # an alias hides the table's name
        return Scope((Table(name.casefold(), relation),), relation.people)

    def _named(self, table: Node, ctes: _Ctes) -> Relation:
        schema, name = table["schema_name"], table["table_name"]
        if not schema and not table["catalog_name"] and name.casefold() in ctes:
            return ctes[name.casefold()][1]
        known = None if table["catalog_name"] else self.relations.get((schema.casefold(), name.casefold()))
        if known is None:
            self._breach(f"'{'.'.join(n for n in (schema, name) if n)}' is not named by source() or ref()", table)
        return known or _UNKNOWN

    def _join(self, table: Node, ctes: _Ctes) -> Scope:
        before = len(self.found)
        left, right = self._from(table["left"], ctes), self._from(table["right"], ctes)
        self._row(table.get("condition"))
        if len(self.found) > before:
            return Scope()
        joined = join(table, left, right)
        if isinstance(joined, Refusal):
            self._breach(joined.what, table, joined.fix)
            return Scope()
        return joined

    # expressions

    def _row(self, part: Any) -> None:
        self.found += expression(part)

    def _group(self, node: Node, scope: Scope, ctes: _Ctes) -> list[Node]:
        """What a select groups by, a breach where its groups are not of one unit each."""
        groups: list[Node] = node["group_expressions"]
        items: list[Node] = node["select_list"]
        if len(node["group_sets"]) > 1:
            self._breach("rollup, cube and grouping sets are not allowed here", groups or node)
        if node["aggregate_handling"] == "FORCE_AGGREGATES":  # group by all
            groups = [item for item in items if not any(beyond_a_row(i.node) for i in tree.walk(item))]
        elif not any(item["class"] == "STAR" for item in items):
            groups = [_meant(group, items, scope) for group in groups]
        if node["having"] and not groups and scope.people:
            self._breach("having is not allowed without group by", node["having"])
        if groups and not scope.divides(groups):
            self._breach(_everybody("group by", "group by", scope), node["group_expressions"] or node)
        if (
            groups
            and not (of := self._types_of({**node, **_UNGROUPED}, ctes, groups, _first(groups))) <= functions.ALIKE
        ):
            what = f"group by {min(of - functions.ALIKE)}: equal values need not be alike"
            self._breach(what, groups, "Cast it to a decimal or a text.")
        return groups

    def _beyond(self, part: Any, scope: Scope, groups: list[Node], node: Node, ctes: _Ctes) -> None:
        """Breaches of an expression that may look at a window or a group; ``groups``: what the select groups by."""
        of_rows = partial(self._types_of, {**node, **_UNGROUPED}, ctes)
        of_groups = partial(self._types_of, node, ctes) if groups else of_rows
        for item in list(tree.walk(part)):
            kind, name = item.node.get("class"), str(item.node.get("function_name"))
            if kind == "WINDOW":
                if not scope.divides(item.node["partitions"]):
                    self._breach(_everybody("a window", "partition by", scope), item.offset)
                self._window(item, scope, groups, of_groups)
            elif kind == "FUNCTION" and name not in functions.PER_ROW:
                if scope.people and not groups:
                    self.found.append(_no_function(name, item.offset))
                else:
                    self._aggregate(item, item.node["order_bys"]["orders"], scope, (), of_rows)
            self.found += _never(item)

    def _window(self, item: tree.Item, scope: Scope, groups: list[Node], types: _Types) -> None:
        window, name, at = item.node, str(item.node["function_name"]), item.offset
        orders, by_rows = window["orders"], any(window[end].endswith("_ROWS") for end in ("start", "end"))
        ranks = name in functions.BY_PEERS | functions.IN_ORDER | functions.IN_FRAME
        bounds = [window[key] for key in ("start_expr", "end_expr", "offset_expr", "default_expr") if window[key]]
        bounds += [a["expression"] for a in window["arguments"][name != "ntile" :]] if ranks else []
        if any(window[end].startswith("EXPR_") and window[end].endswith("_RANGE") for end in ("start", "end")):
            self._breach("a range may reach beyond what its type can hold", at, "Say rows or groups.")
        elif not all(_is_count(bound, least=name == "ntile") for bound in bounds):
            self._breach(
                f"{name}() takes how far it looks from something else than a number", at, "Write a whole number."
            )
        if by_rows and window["exclude_clause"] in ("TIES", "GROUP"):
            self._breach("exclude has no meaning in a frame of rows", at, "Say range or groups, or leave exclude out.")
        if (ranks or by_rows) and not scope.orders(orders):
            fix = "Add order by to the window, down to a column that tells rows apart."
            self._breach(f"{name}() over rows in no order depends on how they lie", at, fix)
        if name in functions.IN_ORDER and window["arg_orders"]:
            self._breach(f"{name}() has an order of its own", at, "Order the window.")
        if name in functions.IN_FRAME and not by_rows and not window["arg_orders"]:
            window["arg_orders"] = [*orders]  # rows that tie in the window's order stay in one frame
        if name in functions.IN_FRAME and window["arg_orders"]:
            self._break_ties(window["arg_orders"], scope, groups)
        if by_rows or name in functions.IN_ORDER:
            self._break_ties(orders, scope, groups)
        if not ranks:
            self._aggregate(item, window["arg_orders"], scope, groups, types)

    def _aggregate(
        self, item: tree.Item, orders: list[Node], scope: Scope, groups: Sequence[Node], types: _Types
    ) -> None:
        """A breach where an aggregate depends on how its rows lie, or one value could fail it."""
        name, at = str(item.node["function_name"]), item.offset
        first, *rest = [argument["expression"] for argument in item.node["arguments"]] or [_CONSTANT]
        ordered, of = scope.orders(orders), types([first], at)
        counted = (
            frozenset() if name in functions.ORDERED else functions.FLOATS
        )  # 0 and -0 are one value, and neither stays
        if name not in functions.SETTLED | functions.SUMS | functions.ORDERED:
            self._breach(f"{name}() is not known to give the same however its rows lie", at)
        elif rest[1:] or (rest and name in functions.SETTLED and (_reads_a_column(rest) or "quantile" not in name)):
            self._breach(f"{name}() takes too many arguments", at, f"Write {name}(x) of one value.")
        elif name in functions.ORDERED and not ordered:
            fix = f"Write {name}(x order by y), say."
            self._breach(f"{name}() of rows in no order depends on how they lie", at, fix)
        elif name in functions.SUMS and not of <= functions.EXACT | (functions.FLOATS if ordered else set()):
            fix = f"Write {name}(try_cast(x as decimal(18, 3))), say, or {name}(try_cast(x as double) order by x)."
            what = "can grow too large, which fails the run"
            if not ordered:
                what = "of inexact numbers depends on the order they are added in"
            self._breach(f"{name}() {what}", at, fix)
        elif name in functions.ONE_OF and of & functions.FLOATS:
            item.node["arguments"][0]["expression"] = _without_sign(first)
            self._tied = True
        elif not of <= functions.TYPES.get(name, of):
            self._breach(f"{name}() of {min(of)} could fail the run on one value", at, "Cast it to a number.")
        elif (name in functions.ONE_OF or item.node["distinct"]) and not of <= functions.ALIKE | counted:
            self._breach(f"{name}() of {min(of)}: equal values need not be alike", at, "Cast it to a text, say.")
        if ordered and not item.node["distinct"]:
            self._break_ties(orders, scope, groups)

    def _break_ties(self, orders: list[Node], scope: Scope, groups: Sequence[Node]) -> None:
        """Ends an order with all that tells rows apart, or groups, as texts: what is left tied is alike."""
        parts = groups or [n for table in scope.tables for n in table.references()]
        kind = {"type": "ORDER_DEFAULT", "null_order": "ORDER_DEFAULT"}
        orders += [{**kind, "expression": as_text({**part, "alias": ""})} for part in parts]
        self._tied = True

    def _types_of(self, node: Node, ctes: _Ctes, items: Sequence[Node], at: int) -> set[str]:
        """DuckDB's types of expressions in a select; none where it does not say, which is a breach if all else binds."""
        named = [{**item, "alias": f"#{i}"} for i, item in enumerate(items)]
        alone = {**node, "select_list": named, "modifiers": [], "having": None, "qualify": None}
        try:
            return set(self._types(alone, ctes).values())
        except BindProblem:
            fix = "Compute it in a select of its own, in with or in brackets."
            self._untyped.append(Breach("the type of this cannot be told by itself", at, fix))
            return set()


_UNGROUPED = {"group_expressions": [], "group_sets": [], "aggregate_handling": "STANDARD_HANDLING"}
_CONSTANT: Node = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "literal": {"kind": "INTEGER", "text": "1"},
}


def _without_sign(number: Node) -> Node:
    """A floating-point number plus 0, which makes 0 of -0: the two are equal, and not alike."""
    arguments = [
        {"name": "", "expression": part}
        for part in (number, {**_CONSTANT, "literal": {"kind": "INTEGER", "text": "0"}})
    ]
    orders = {"type": "ORDER_MODIFIER", "orders": []}
    return {
        "class": "FUNCTION", "type": "FUNCTION", "alias": "", "function_name": "+", "schema": "", "catalog": "", "filter": None,
        "order_bys": orders, "distinct": False, "is_operator": True, "export_state": False, "arguments": arguments,
        "qualified_name": {"path": ["+"]},
    }  # fmt: skip


def _is_count(node: Node, least: int) -> bool:
    literal = node.get("literal", {})
    return literal.get("kind") == "INTEGER" and int(literal["text"]) >= least


def _never(item: tree.Item) -> Iterator[Breach]:
    """What no expression may hold."""
    if item.node.get("class") == "SUBQUERY":
        yield Breach("a subquery is not allowed here", item.offset)
    elif item.node.get("class") == "POSITIONAL_REFERENCE":
        yield Breach("a column is named by its number", item.offset, "Name it.")
    elif item.node.get("class") == "COLLATE":
        yield Breach("texts that a collation makes equal need not be alike", item.offset, "Say lower(x), say.")
    elif (
        item.node.get("class") == "CAST" and str(item.node["type_expr"].get("type_name")).lower() not in functions.CASTS
    ):
        yield Breach(
            "this type is not known to be harmless", item.offset, "Cast to a number, a text, a date or a time."
        )
    elif (name := item.node.get("function_name")) in functions.CONSTANT_BUT:
        at = functions.CONSTANT_BUT[name]
        if _reads_a_column([a for i, a in enumerate(item.node["arguments"]) if i != at]):
            yield Breach(f"{name}() takes what it is to do from a row", item.offset, "Write a constant.")
    elif (tree.column(item.node) or "").casefold() == "rowid":
        yield Breach("where a row lies in its file is not in the row", item.offset)
    elif _asks_the_clock(item.node):
        yield Breach("what is asked of the clock is not in the row", item.offset)


def _asks_the_clock(node: Node) -> bool:
    """Whether it is a function without brackets, or the age up to today."""
    if node.get("class") == "COLUMN_REF":
        return len(node["column_names"]) == 1 and node["column_names"][0].casefold() in _CLOCK
    return node.get("function_name") == "age" and len(node["arguments"]) == 1


def _meant(group: Node, items: list[Node], scope: Scope) -> Node:
    """What ``group by 1`` speaks of, or an alias that is no column."""
    literal, name = group.get("literal", {}), tree.column(group)
    number = int(literal["text"]) if literal.get("kind") == "INTEGER" else 0
    if 0 < number <= len(items):
        return items[number - 1]
    if name and scope.find(group) is None:
        return next((item for item in items if item["alias"].casefold() == name.casefold()), group)
    return group


def _everybody(what: str, clause: str, scope: Scope) -> str:
    """What a clause lacks to look at one unit at a time."""
    own = " and ".join(f"'{name}'" for name in scope.unit)
    return f"{what} is over everybody: " + (f"{clause} must hold the unit's own {own}" if own else "each row is a unit")


def _no_function(name: str, offset: int) -> Breach:
    return Breach(f"{name}() is not a function of one row", offset)


def _reads_a_column(part: Any) -> bool:
    return any(item.node.get("class") == "COLUMN_REF" for item in tree.walk(part))


def _first(part: Any) -> int:
    return next((item.offset for item in tree.walk(part) if item.offset), 0)
