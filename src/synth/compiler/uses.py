"""How the truth of a clause goes with the value of each column it names, all other columns left as they are."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from synth.compiler import tree
from synth.compiler.clauses import NULL_TESTS, Clause, Tree, sides

_EQUAL = {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}
_RISING = {
    "ceil", "ceiling", "epoch", "floor", "round", "to_days", "to_hours", "to_minutes", "to_seconds", "to_weeks", "year",
}  # fmt: skip
_SINCE = {"date_diff", "date_sub", "datediff", "datesub"}  # ('day', start, end)
_IN_ORDER = {"BIGINT", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "INTEGER", "TIME", "TIMESTAMP"}  # casts that keep it


@dataclass
class Use:
    """``signs``: 1 where the clause becomes true as the value rises, -1 as it falls, 0 where neither is known.

    ``constants``: what the value, by itself, is compared with. A column that is only tested for null has neither.
    """

    signs: set[int] = field(default_factory=set)
    constants: list[Tree] = field(default_factory=list)


@dataclass(frozen=True)
class Columns:
    """What there is to know of columns, by name in lower case."""

    made_of: Mapping[str, Tree]  # the expressions of those that are computed, which are looked through
    anchors: Mapping[
        str, str
    ]  # of offsets: what they are from, be it in another table; a value rises with its anchor's
    round_the_clock: Container[str]  # times of day, which are followed by earlier ones as something is added to them


def uses(clause: Clause, columns: Columns) -> dict[str, Use]:
    """By the name of each column that is not computed, in lower case."""
    reader = _Reader({}, columns)
    for literal in clause:
        _truth(reader, literal, 1)
    return reader.found


@dataclass(frozen=True)
class _Reader:
    found: dict[str, Use]
    columns: Columns

    def use(self, name: str) -> Use:
        return self.found.setdefault(name, Use())

    def made_of(self, node: Tree) -> Tree | None:
        """The expression of a column that is computed."""
        return self.columns.made_of.get(tree.bare(node) or "")

    def chain(self, name: str) -> Iterator[str]:
        """A column, and what it is an offset from."""
        yield name
        while name in self.columns.anchors:
            name = self.columns.anchors[name]
            yield name

    def named(self, node: Tree) -> Iterator[str]:
        """Columns in an expression, looking through those that are computed."""
        for item in tree.walk(node):
            inner, name = self.made_of(item.node), tree.bare(item.node)
            if inner is not None:
                yield from self.named(inner)
            elif name:
                yield name

    def anyhow(self, node: Tree) -> None:
        for named in self.named(node):
            for name in self.chain(named):
                self.use(name).signs.add(0)


def _truth(reader: _Reader, node: Tree, sign: int) -> None:
    """A boolean expression that is wanted (1), or not (-1), or now one, now the other (0)."""
    kind = node["type"]
    if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
        for child in node["children"]:
            _truth(reader, child, sign)
    elif kind == "OPERATOR_NOT":
        _truth(reader, node["children"][0], -sign)
    elif kind in NULL_TESTS and (tested := tree.bare(node["children"][0])) and not reader.made_of(node["children"][0]):
        for name in reader.chain(tested):
            reader.use(name)
    elif kind == "COMPARE_BETWEEN":
        _compared(reader, node["input"], node["lower"], sign)
        _compared(reader, node["upper"], node["input"], sign)
    elif compared := sides(node):
        _compared(reader, *compared[:2], sign)
    elif kind in _EQUAL:
        left, right = node["left"], node["right"]
        if not _alone(reader, left, [right]) and not _alone(reader, right, [left]):
            _truth(reader, left, 0)
            _truth(reader, right, 0)
    elif kind == "COMPARE_IN" and _alone(reader, node["children"][0], node["children"][1:]):
        return
    elif inner := reader.made_of(node):
        _truth(reader, inner, sign)
    else:
        reader.anyhow(node)


def _compared(reader: _Reader, greater: Tree, less: Tree, sign: int) -> None:
    if _alone(reader, greater, [less]) or _alone(reader, less, [greater]):
        return
    found = [
        (name, slope * direction)
        for side, direction in ((greater, sign), (less, -sign))
        for named, slope in _slopes(reader, side)
        for name in reader.chain(named)
    ]
    for name, slope in found:
        use = reader.use(name)
        if not (_moves(greater) and _moves(less) and (name, -slope) in found):  # what moves both sides moves neither
            use.signs.add(slope)


def _moves(node: Tree) -> bool:
    """Whether an expression is a column, to which a constant may be added."""
    added = [a["expression"] for a in node["arguments"]] if node.get("function_name") in ("+", "-") else []
    first, *rest = added or [node]
    others = (tree.bare(item.node) for part in rest for item in tree.walk(part))
    return tree.bare(first) is not None and not any(others)


def _alone(reader: _Reader, node: Tree, constants: list[Tree]) -> bool:
    """Whether a plain column, none that is an offset, stands against constants alone; they are then noted."""
    name = tree.bare(node)
    if name is None or reader.made_of(node) or name in reader.columns.anchors:
        return False
    if any(True for constant in constants for _ in reader.named(constant)):
        return False
    reader.use(name).constants += constants
    return True


def _slopes(reader: _Reader, node: Tree) -> Iterator[tuple[str, int]]:
    """Whether an expression rises (1) or falls (-1) with each of its columns; 0 where that is not known."""
    name, kind = tree.bare(node), node["class"]
    if inner := reader.made_of(node):
        yield from _slopes(reader, inner)
    elif name:
        yield name, 1
    elif (
        kind == "CAST"
        and (to := node["type_expr"].get("type_name", "").upper()) in _IN_ORDER
        and not node.get("try_cast")
    ):
        for named, slope in _slopes(reader, node["child"]):
            yield named, 0 if to == "TIME" and named not in reader.columns.round_the_clock else slope
    elif kind == "FUNCTION":
        arguments = [a["expression"] for a in node["arguments"]]
        for argument, slope in zip(arguments, _slopes_of(node["function_name"], arguments), strict=True):
            for named, its_slope in _slopes(reader, argument):
                yield named, 0 if named in reader.columns.round_the_clock else slope * its_slope
    else:
        for named in reader.named(node):
            yield named, 0


def _slopes_of(function: str, arguments: list[Tree]) -> list[int]:
    """Of a function with each of its arguments."""
    count = len(arguments)
    if function == "+" or (function in _RISING and count == 1):
        return [1] * count
    if function == "-":
        return [1, -1][-count:]
    if function in _SINCE and count == 3:
        return [0, -1, 1]
    if function in ("*", "/") and count == 2 and (factor := _number(arguments[1])) is not None:
        return [1 if factor > 0 else -1, 0]
    if function == "*" and count == 2 and (factor := _number(arguments[0])) is not None:
        return [0, 1 if factor > 0 else -1]
    return [0] * count


def _number(node: Tree) -> float | None:
    literal = node.get("literal", {})
    return float(literal["text"]) if literal.get("kind") in ("INTEGER", "NUMERIC") else None
