"""SQL that no value of a row can fail: what could is put into ``try()``, which gives null for that row.

A run that fails on one value answers a question about one person, to everybody who sees it fail. So a cast, a sum that
overflows, a date or a piece of JSON that cannot be read is null, and the run goes on. ``try()`` cannot stand around an
aggregate or a window; what is reckoned with one must not be able to fail, or be reckoned in a select around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from synth.compiler import tree
from synth.compiler.functions import NUMBERS, PER_ROW
from synth.compiler.tree import Breach, Node

_CONJUNCTIONS = ("CONJUNCTION_AND", "CONJUNCTION_OR", "OPERATOR_NOT")
_NULL_TESTS = ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")
_TYPE = {"class": "TYPE", "type": "TYPE", "alias": "", "catalog": "", "schema": "", "children": []}


def total(select: Node, found: list[Breach]) -> Node:
    """A select node that no value can fail; ``found`` gets what stands in the way. The given tree is left as it is."""
    made = dict(select)
    entries = select["cte_map"]["map"]
    made["cte_map"] = {**select["cte_map"], "map": [_entry(entry, found) for entry in entries]}
    made["from_table"] = _from(select["from_table"], found)
    made["select_list"] = [_item(item, found) for item in select["select_list"]]
    made["group_expressions"] = [_value(group, found) for group in select["group_expressions"]]
    for clause in ("where_clause", "having", "qualify"):
        made[clause] = _condition(select[clause], found) if select[clause] else select[clause]
    return made


def _entry(entry: Node, found: list[Breach]) -> Node:
    value = entry["value"]
    return {**entry, "value": {**value, "query_node": total(value["query_node"], found)}}


def _from(table: Node, found: list[Breach]) -> Node:
    if table["type"] == "SUBQUERY":
        return {**table, "subquery": {**table["subquery"], "node": total(table["subquery"]["node"], found)}}
    if table["type"] != "JOIN":
        return table
    condition = table.get("condition")
    sides = {side: _from(table[side], found) for side in ("left", "right")}
    return {**table, **sides, "condition": _on(condition, found) if condition else condition}


def _on(condition: Node, found: list[Breach]) -> Node:
    """A join's condition, in which two columns are equal where their texts are, so that a fast join stays one."""
    if condition["type"] == "CONJUNCTION_AND":
        return {**condition, "children": [_on(child, found) for child in condition["children"]]}
    if condition["type"] == "COMPARE_EQUAL" and {condition[s]["class"] for s in ("left", "right")} == {"COLUMN_REF"}:
        return {**condition, "left": as_text(condition["left"]), "right": as_text(condition["right"])}
    return _condition(condition, found)


def _item(item: Node, found: list[Breach]) -> Node:
    """An item of a select's list, which keeps its name."""
    made = _value(item, found)
    if made is not item and not item["alias"] and item["class"] != "STAR":
        found.append(Breach("what is computed here has no name", _offset(item), "Add a name: as age, say."))
    return made


def _value(node: Node, found: list[Breach]) -> Node:
    """An expression whose value is wanted, whatever its type."""
    if node["class"] == "STAR":
        replaced = [{**entry, "value": _value(entry["value"], found)} for entry in node["replace_list"]]
        return {**node, "replace_list": replaced} if replaced else node
    if beyond_a_row(node):
        return _parts(node, found)
    if not any(map(beyond_a_row, _mappings(node))):
        return node if _safe(node) else _tried(node)
    made = _mapped(node, lambda child: _value(child, found))
    return made if _safe(made) else _refused(node, found)


def _condition(node: Node, found: list[Breach]) -> Node:
    """An expression that is asked for true or false."""
    if node["type"] in _CONJUNCTIONS:
        return {**node, "children": [_condition(child, found) for child in node["children"]]}
    if not any(map(beyond_a_row, _mappings(node))):
        return node if _safe_condition(node) else _tried(_cast(node, "BOOLEAN", strict=True))
    made = _parts(node, found) if beyond_a_row(node) else _mapped(node, lambda child: _value(child, found))
    return made if _safe_condition(made) else _refused(node, found)


def _parts(node: Node, found: list[Breach]) -> Node:
    """An aggregate or a window, each part of which is of one row."""
    made = dict(node)
    for key in ("arguments", "orders", "arg_orders"):
        if key in node:
            made[key] = [{**part, "expression": _value(part["expression"], found)} for part in node[key]]
    if "partitions" in node:
        made["partitions"] = [_value(part, found) for part in node["partitions"]]
    if "order_bys" in node:
        orders = [{**o, "expression": _value(o["expression"], found)} for o in node["order_bys"]["orders"]]
        made["order_bys"] = {**node["order_bys"], "orders": orders}
    for key in ("filter", "filter_expr"):
        if node.get(key):
            made[key] = _condition(node[key], found)
    return made


def _refused(node: Node, found: list[Breach]) -> Node:
    name = next(str(n["function_name"]) for n in _mappings(node) if beyond_a_row(n))
    what = f"what is reckoned with {name}() could fail the run on one value"
    fix = f"Take {name}() by itself, under a name, and reckon with that in a select around this one; or use try_cast."
    found.append(Breach(what, _offset(node), fix))
    return node


# what cannot fail


def _safe(node: Node) -> bool:
    """Whether no value of a row can fail an expression whose windows and aggregates cannot.

    A constant that cannot be read is safe only where it stands alone: beside anything else it fails the run as soon as a
    row gets there, and not before.
    """
    kind, sort = node["class"], node["type"]
    if kind in ("COLUMN_REF", "CONSTANT") or sort == "OPERATOR_TRY" or beyond_a_row(node):
        return True
    if kind == "CAST":
        return bool(node["try_cast"] or _type(node) == "VARCHAR") and _safe(node["child"])
    if sort == "OPERATOR_COALESCE":
        return _is_number(node["children"][0]) and all(map(_is_whole, node["children"][1:]))
    if kind == "CASE":
        branches = [check["then_expr"] for check in node["case_checks"]] + [node["else_expr"]]
        alike = all(map(_is_whole, branches)) or all(map(_is_text, branches))
        return alike and all(_safe_condition(check["when_expr"]) for check in node["case_checks"])
    return _safe_condition(node)


def _safe_condition(node: Node) -> bool:
    """The same of one that is asked for true or false: a count beside whole numbers, whether something is null."""
    kind, sort = node["class"], node["type"]
    if sort in _CONJUNCTIONS:
        return all(map(_safe_condition, node["children"]))
    if sort in _NULL_TESTS:
        return all(map(_safe, node["children"]))
    if sort in ("COMPARE_IN", "COMPARE_NOT_IN"):
        return _is_number(node["children"][0]) and all(map(_is_whole, node["children"][1:]))
    if kind == "BETWEEN":
        return _is_number(node["input"]) and _is_whole(node["lower"]) and _is_whole(node["upper"])
    if kind == "COMPARISON":
        return any(_is_number(node[a]) and _is_whole(node[b]) for a, b in (("left", "right"), ("right", "left")))
    if sort == "OPERATOR_TRY":
        node = node["children"][0]
    return node.get("function_name") in ("bool_and", "bool_or") or (
        node["class"] == "CAST" and _type(node) == "BOOLEAN"
    )


def _is_number(node: Node) -> bool:
    return beyond_a_row(node) and node["function_name"] in NUMBERS


def _is_text(node: Node) -> bool:
    return _kind(node) in ("STRING", "NULL_LITERAL")


def _is_whole(node: Node) -> bool:
    return _kind(node) in ("INTEGER", "NULL_LITERAL")


def _kind(node: Node) -> str:
    return str(node.get("literal", {}).get("kind", ""))


def _type(node: Node) -> str:
    return str(node["type_expr"].get("type_name"))


def beyond_a_row(node: Node) -> bool:
    """Whether a node is a window, or calls an aggregate."""
    kind = node.get("class")
    return kind == "WINDOW" or (kind == "FUNCTION" and node["function_name"] not in PER_ROW)


# building


def as_text(node: Node) -> Node:
    return _cast(node, "VARCHAR")


def _tried(node: Node) -> Node:
    return {"class": "OPERATOR", "type": "OPERATOR_TRY", "alias": node["alias"], "children": [{**node, "alias": ""}]}


def _cast(node: Node, name: str, strict: bool = False) -> Node:
    """A cast that cannot fail, or, where ``strict``, one that can."""
    of = {**_TYPE, "type_name": name, "qualified_name": {"path": [name]}}
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "alias": "",
        "child": node,
        "try_cast": not strict,
        "type_expr": of,
    }


def _offset(node: Node) -> int:
    """Where the text of a node begins: an operator stands between its operands."""
    return min((at for n in _mappings(node) if (at := tree.place(n, 0))), default=0)


def _mappings(node: Node) -> Iterator[Node]:
    return (item.node for item in tree.walk(node) if "class" in item.node)


def _mapped(part: Any, change: Callable[[Node], Node], top: bool = True) -> Any:
    """A node whose expressions right below it are changed."""
    if isinstance(part, list):
        return [_mapped(child, change, False) for child in part]
    if not isinstance(part, dict) or part.get("class") == "TYPE":
        return part
    if not top and "class" in part:
        return change(part)
    return {key: _mapped(child, change, False) for key, child in part.items()}
