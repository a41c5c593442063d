"""A boolean expression as clauses that hold all together, each a choice of literals.

What holds a clause is easier to see than what holds a whole expression. The laws used here (De Morgan, distribution, and
``a = b`` as ``a <= b and a >= b``) are those of SQL's three truth values too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, product
from typing import Any

from synth.compiler import tree

Tree = dict[str, Any]
Clause = tuple[Tree, ...]

MOST = 16  # clauses of one expression; beyond it, it is one clause
NULL_TESTS = ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")
_NOT = {
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHAN": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_EQUAL": "COMPARE_NOTEQUAL", "OPERATOR_IS_NULL": "OPERATOR_IS_NOT_NULL",
}  # fmt: skip
_NOT |= {negated: kind for kind, negated in _NOT.items()}


def clauses(expression: Tree, ordered: Callable[[Tree], bool]) -> list[Clause]:
    """``ordered``: whether an equation is of two values that have an order, and is told by halves."""
    found = _some(_clauses(expression, True, ordered))
    return found if len(found) <= MOST else [(expression,)]


def whole(clause: Clause) -> Tree:
    """A clause as one expression."""
    return clause[0] if len(clause) == 1 else _node("CONJUNCTION", "CONJUNCTION_OR", children=list(clause))


def demanded(clause: Clause) -> Tree | None:
    """The literal that a clause demands of rows in which all that it names is known; None where there is another way out."""
    demands = [literal for literal in clause if literal["type"] not in NULL_TESTS]
    if len(demands) != 1:
        return None
    named = {tree.bare(item.node) for item in tree.walk(demands[0])} - {None}
    tests = [literal for literal in clause if literal["type"] in NULL_TESTS]
    missing = [test["type"] == "OPERATOR_IS_NULL" and tree.bare(test["children"][0]) in named for test in tests]
    return demands[0] if all(missing) else None


def comparison(kind: str, left: Tree, right: Tree) -> Tree:
    return _node("COMPARISON", f"COMPARE_{kind}", left=left, right=right)


def sides(literal: Tree) -> tuple[Tree, Tree, bool] | None:
    """What is greater, what is less, and whether strictly, where a literal compares two values."""
    kind = literal["type"]
    if kind in ("COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHAN"):
        return literal["left"], literal["right"], kind == "COMPARE_GREATERTHAN"
    if kind in ("COMPARE_LESSTHANOREQUALTO", "COMPARE_LESSTHAN"):
        return literal["right"], literal["left"], kind == "COMPARE_LESSTHAN"
    return None


def _clauses(node: Tree, wanted: bool, ordered: Callable[[Tree], bool]) -> Iterator[Clause]:
    kind = node["type"]
    if kind == "OPERATOR_NOT":
        yield from _clauses(node["children"][0], not wanted, ordered)
        return
    if kind == "COMPARE_BETWEEN":
        kind, parts = "CONJUNCTION_AND", _between(node["input"], node["lower"], node["upper"])
    elif kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        parts = node["children"]
    elif not wanted and kind in _NOT:
        yield from _clauses({**node, "type": _NOT[kind]}, True, ordered)
        return
    elif wanted and kind == "COMPARE_EQUAL" and ordered(node):
        kind, parts = "CONJUNCTION_AND", _between(node["left"], node["right"], node["right"])
    else:
        yield (node,) if wanted else (_node("OPERATOR", "OPERATOR_NOT", children=[node]),)
        return
    if (kind == "CONJUNCTION_AND") == wanted:
        for part in parts:
            yield from _clauses(part, wanted, ordered)
        return
    choices = [_some(_clauses(part, wanted, ordered)) for part in parts]
    for chosen in product(*choices):
        yield tuple(literal for clause in chosen for literal in clause)


def _some(found: Iterator[Clause]) -> list[Clause]:
    """All, or one more than may be: distribution can make very many."""
    return list(islice(found, MOST + 1))


def _between(value: Tree, low: Tree, high: Tree) -> list[Tree]:
    return [comparison("GREATERTHANOREQUALTO", value, low), comparison("LESSTHANOREQUALTO", value, high)]


def _node(group: str, kind: str, **parts: Any) -> Tree:
    return {"class": group, "type": kind, "alias": "", **parts}
