"""Constraints: what holds in every synthetic row, as SQL over one row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from synth.compiler import row_sql, tree
from synth.compiler.bind import Stubs
from synth.compiler.clauses import Clause, clauses
from synth.compiler.combinations import Combination
from synth.compiler.row_above import RowAbove
from synth.compiler.row_sql import RowSql
from synth.errors import Place, Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.project.nearest import nearest

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[()\[\]]|->>?|<<|>>|<>|!=|[<>]=?|=|\w+|\s+|.""", re.DOTALL)
_OTHER_TABLE = re.compile(r'Referenced table "(.*?)" not found')  # DuckDB's words
_SAME = ("COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM")
_NO_CHAIN = {"and", "between", "case", "ilike", "in", "is", "like", "not", "or", "similar", "<>", "!="}


@dataclass(frozen=True)
class Parsed:
    """A constraint with the expression that it is, and those that the user wrote of it."""

    name: str
    expression: RowSql
    written: tuple[RowSql, ...]
    combination: Combination | None = None

    @property
    def clauses(self) -> list[Clause]:
        return clauses(self.expression.tree, lambda _: False)

    @property
    def place(self) -> str:
        place = self.expression.place
        return f"{place.file}:{place.line}"


def parse(
    declared: Declared, combined: Mapping[int, Combination], above: RowAbove, stubs: Stubs,
    problems: list[Problem],
) -> list[Parsed]:  # fmt: skip
    """The constraints that are expressions over one row; problems of the others.

    ``combined``: combinations by the number of the constraint that says them; ``above``: the row that a row is below, which
    they may name.
    """
    made, later = [], row_sql.made_later(declared.table)
    for i, one in enumerate(declared.table.constraints):
        said = {"expression": one.expression, "if": one.condition, "then": one.then}
        written = [
            _read(sql, declared.place("constraints", i, key), later, above, stubs)
            for key, sql in said.items()
            if sql is not None
        ]
        problems += [problem for found in written if isinstance(found, list) for problem in found]
        whole_ones = tuple(found for found in written if isinstance(found, RowSql))
        if i in combined:
            expression = _combination(combined[i], declared.place("constraints", i, "combinations"), stubs)
        elif one.expression is None and one.combinations is None and len(whole_ones) == 2:
            expression = _implication(*whole_ones, stubs)
        elif one.expression is not None and whole_ones:
            expression = whole_ones[0]
        else:
            continue
        made.append(Parsed(said_of(one), expression, whole_ones, combined.get(i)))
    return made


def bind(parsed: Iterable[Parsed], relation: str, above: RowAbove, stubs: Stubs) -> Iterator[Problem]:
    """Where a constraint is not true or false over the columns of a stub, with those of the row ``above`` that are named."""
    for expression in (expression for one in parsed for expression in one.written):
        sql_type = row_sql.type_of(expression, relation, stubs)
        if isinstance(sql_type, Problem):
            strange = _OTHER_TABLE.match(sql_type.what)
            yield replace(sql_type, fix=above.hint(strange[1])) if strange else sql_type
        elif sql_type != "BOOLEAN":
            what = f"the constraint gives {sql_type.lower()}, not true or false"
            yield Problem(expression.place, what, "Write a comparison, such as dischtime >= admittime.")


def value_problems(parsed: Iterable[Parsed], columns: Mapping[str, object]) -> Iterator[Problem]:
    """Categories that are compared with what is none of their values: with a typo a rule says nothing, in silence.

    ``columns``: by what they are called here.
    """
    values = {
        name.casefold(): [*map(str, c.values), *([spec.OTHER] if c.unknown == "other" else [])]
        for name, c in columns.items()
        if isinstance(c, spec.CategoricalColumn) and all(isinstance(value, str) for value in c.values)
    }
    for expression in (expression for one in parsed for expression in one.written):
        for item in tree.walk(expression.tree):
            for column, constant in _compared(item.node):
                known, text = values.get(tree.bare(column) or ""), constant.get("literal", {})
                if known is not None and text.get("kind") == "STRING" and text["text"] not in known:
                    place = row_sql.within(
                        expression.place, expression.sql, tree.place(constant, item.offset) - tree.BEFORE
                    )
                    what = f"'{text['text']}' is no value of {tree.column(column)}"
                    yield Problem(place, what, nearest(text["text"], known))


def _compared(node: tree.Node) -> Iterator[tuple[tree.Node, tree.Node]]:
    """What is asked to be the same, both ways round."""
    if node.get("type") == "COMPARE_IN":
        yield from ((node["children"][0], other) for other in node["children"][1:])
    elif node.get("type") in _SAME:
        yield from ((node["left"], node["right"]), (node["right"], node["left"]))


def unchained(sql: str) -> str:
    """``0 <= a < b`` as SQL has it: ``(0 <= a) and (a < b)``. What is no such chain stays as it is."""
    parts, signs, depth = [""], [], 0
    for token in _TOKEN.findall(sql):
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if depth == 0 and token in ("<", "<=", ">", ">=", "="):
            signs.append(token)
            parts.append("")
        elif depth < 0 or (depth == 0 and token.casefold() in _NO_CHAIN):
            return sql
        else:
            parts[-1] += token
    one_way = {sign[0] for sign in signs} - {"="} in ({"<"}, {">"})
    if len(signs) < 2 or not one_way:
        return sql
    values = [part.strip() for part in parts]
    return " and ".join(f"({a} {sign} {b})" for a, sign, b in zip(values, signs, values[1:], strict=False))


def _read(
    sql: str, place: Place, later: Mapping[str, str], above: RowAbove, stubs: Stubs
) -> RowSql | list[Problem]:  # fmt: skip
    found, chain = row_sql.read(sql, place, "constraint", later, stubs, above.said), unchained(sql)
    if isinstance(found, list) and chain != sql:
        return row_sql.read(chain, place, "constraint", later, stubs, above.said)
    return found


def _implication(condition: RowSql, then: RowSql, stubs: Stubs) -> RowSql:
    sql = f"not ({condition.sql}\n) or ({then.sql}\n)"
    return RowSql(sql, tree.parse_expression(stubs.connection, sql), condition.place, condition.named | then.named)


def _combination(combination: Combination, place: Place, stubs: Stubs) -> RowSql:
    """The list may be long; of its tree no more is needed than which columns it is about."""
    about = tree.parse_expression(stubs.connection, combination.columns_sql)
    return RowSql(combination.sql, about, place, frozenset(m.name.casefold() for m in combination.members))


def said_of(one: spec.Constraint) -> str:
    """A constraint's name, or what it says."""
    words = one.name or one.expression or f"if {one.condition} then {one.then}"
    if one.combinations and not one.name:
        words = f"combinations of {', '.join(one.combinations)}"
    return " ".join(words.split())
