"""Whose rows a select reads: which of its columns are the unit's own, which joins keep units apart, what stays in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from synth.compiler import tree

JOINS = ("INNER", "LEFT", "SEMI", "ANTI")
JOIN_FIX = "Join inner or left: on the unit, or to a source that is public."
_ROWS_FIX = "Each row is a unit of its own here: select from one source, row by row."


@dataclass(frozen=True)
class People:
    """Whose rows they are: a population, and the columns that name its unit together, in lower case.

    No columns where each row is a unit.
    """

    population: str
    unit: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """What a select reads or makes: columns in lower case, and whose rows they are; None: nobody's.

    ``own``: those that are the unit's own columns, as they come from the source.
    """

    columns: frozenset[str]
    people: People | None
    own: frozenset[str]

    @classmethod
    def of(cls, columns: Iterable[str], people: People | None) -> Relation:
        """A relation in which a column of the unit's name is the unit's own."""
        names = frozenset(column.casefold() for column in columns)
        return cls(names, people, names & set(people.unit) if people else frozenset())


@dataclass(frozen=True)
class Table:
    """A table of a from: its name there, what it is, and columns that USING shows once, as another table's."""

    name: str
    relation: Relation
    hidden: frozenset[str] = frozenset()

    @property
    def shown(self) -> frozenset[str]:
        return self.relation.columns - self.hidden

    def references(self) -> list[dict[str, Any]]:
        """Its columns, as nodes of a parse tree that name them."""
        of = [self.name] if self.name else []
        return [
            {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [*of, name]}
            for name in sorted(self.shown)
        ]


@dataclass(frozen=True)
class Scope:
    """The tables of a from, and whose rows their join has."""

    tables: tuple[Table, ...] = ()
    people: People | None = None

    @property
    def unit(self) -> tuple[str, ...]:
        return self.people.unit if self.people else ()

    def find(self, node: Mapping[str, Any]) -> Table | None:
        """The one table that a plain column is of; None where that is not certain."""
        match [str(name).casefold() for name in node.get("column_names", ())]:
            case [name]:
                found = [table for table in self.tables if name in table.shown]
            case [of, name]:
                found = [table for table in self.tables if table.name == of and name in table.relation.columns]
            case _:
                found = []
        return found[0] if len(found) == 1 else None

    def own(self, node: Mapping[str, Any]) -> str | None:
        """The column of the unit that an expression is, and nothing more; None for any other expression."""
        table, name = self.find(node), str((node.get("column_names") or ("",))[-1]).casefold()
        return name if table and name in table.relation.own else None

    def divides(self, nodes: Iterable[Mapping[str, Any]]) -> bool:
        """Whether rows that agree in these expressions are of one unit."""
        return self.people is None or (bool(self.unit) and {self.own(node) for node in nodes} >= set(self.unit))

    def orders(self, nodes: Iterable[Mapping[str, Any]]) -> bool:
        """Whether rows of one unit are put in an order: not by the unit's own columns, which all of them share."""
        columns = (i.node for i in tree.walk(list(nodes)) if i.node.get("class") == "COLUMN_REF")
        return any(self.own(column) is None for column in columns)

    def moves(self, item: Mapping[str, Any]) -> str | None:
        """The column of the unit whose name an item of a select gives to something else; None where it does not."""
        return next((name for name in self.unit if self._moves(item, name)), None)

    def _moves(self, item: Mapping[str, Any], name: str) -> bool:
        if item["class"] == "STAR":
            return self._star_moves(item, name)
        if any(inner.node.get("class") == "STAR" for inner in tree.walk(item)):
            return True
        called = item["alias"] or "".join(item.get("column_names", ())[-1:])
        return called.casefold() == name and self.own(item) != name

    def _star_moves(self, item: Mapping[str, Any], name: str) -> bool:
        made = [r["key"] for r in item["replace_list"]] + [r["value"] for r in item["rename_list"]] + [item["alias"]]
        if name in (str(column).casefold() for column in made) or (item["columns"] and item["alias"]):
            return True
        of = item["relation_name"].casefold()
        tables = [table for table in self.tables if of in ("", table.name)]
        if not tables:  # the fields of a struct, spread out
            return True
        gone = [("", str(column).casefold()) for column in item["exclude_list"]]
        gone += [(str(e["table"]).casefold(), str(e["column"]).casefold()) for e in item["qualified_exclude_list"]]
        left = [table for table in tables if not {("", name), (table.name, name)} & set(gone)]
        return any(name in (t.relation.columns if of else t.shown) - t.relation.own for t in left)


class Refusal(NamedTuple):
    """Why a join is not allowed, and what to do."""

    what: str
    fix: str


def join(node: Mapping[str, Any], left: Scope, right: Scope) -> Scope | Refusal:
    """What a join of two scopes gives, where each of its rows is of one unit; ``node``: of the parse tree."""
    kind, how = node["join_type"], node["ref_type"]
    if kind not in JOINS or how not in ("REGULAR", "CROSS") or node["alias"]:
        word = kind if how in ("REGULAR", "CROSS") else how
        return Refusal(f"{'renamed' if node['alias'] else word.lower()} join is not allowed here", JOIN_FIX)
    using = frozenset(str(name).casefold() for name in node["using_columns"])
    refusal = _refusal(kind, node.get("condition"), left, right, using) or _using(left.people or right.people, using)
    if refusal:
        return refusal
    if kind in ("SEMI", "ANTI"):
        return left
    joined = right.tables
    if kind == "LEFT":  # where nothing matches, the right side's unit is null
        joined = tuple(replace(t, relation=replace(t.relation, own=frozenset())) for t in joined)
    joined = tuple(replace(t, hidden=t.hidden | using) for t in joined)
    return Scope((*left.tables, *joined), left.people or right.people)


def _refusal(kind: str, condition: Any, left: Scope, right: Scope, using: frozenset[str]) -> Refusal | None:
    people = left.people or right.people
    if people is None:
        return None
    if left.people and right.people:
        if left.people != right.people:
            return Refusal("the join brings people of two populations together", "Read exactly one population.")
        if not people.unit or not _on_unit(condition, left, right, using):
            on = " and ".join(f"a.{name} = b.{name}" for name in people.unit)
            fix = f"Say on {on}, and more if you like; a is the first table that has it." if on else _ROWS_FIX
            return Refusal("the join is not on the unit: it brings different people together", fix)
        return None
    if left.people is None and kind != "INNER":
        return Refusal("the join keeps rows of nobody", "Name the people's table first, and join the public one to it.")
    if not people.unit and kind in ("INNER", "LEFT"):
        return Refusal("the join could make several units of one row", _ROWS_FIX)
    if using & set(people.unit):
        return Refusal("using takes the unit for a column of a public source", "Write the condition with on.")
    return None


def _using(people: People | None, using: frozenset[str]) -> Refusal | None:
    if people and (other := sorted(using - set(people.unit))):
        what = f"using compares '{other[0]}' as one side's type, which a text of the other may not fit"
        return Refusal(what, f"Write on a.{other[0]} = b.{other[0]}, which compares texts.")
    return None


def _on_unit(condition: Any, left: Scope, right: Scope, using: frozenset[str]) -> bool:
    """Whether a join's condition says, among other things, that both sides are of one unit."""
    both = Scope((*left.tables, *right.tables), left.people)
    held = set()
    for node in _conjuncts(condition):
        if node.get("type") == "COMPARE_EQUAL":
            sides = both.find(node["left"]), both.find(node["right"])
            names = {both.own(node["left"]), both.own(node["right"])}
            across = any(a in left.tables and b in right.tables for a, b in (sides, sides[::-1]))
            held |= names if across and len(names) == 1 else set()
    for name in using:
        column = {"column_names": [name]}
        held |= {name} if left.own(column) and right.own(column) else set()
    return held >= set(left.unit)


def _conjuncts(condition: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(condition, dict) and condition.get("type") == "CONJUNCTION_AND":
        for child in condition["children"]:
            yield from _conjuncts(child)
    elif isinstance(condition, dict):
        yield condition
