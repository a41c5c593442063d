"""Constraints that cannot hold, or not together: told before anything is paid for.

Two ways to see it: numbers that contradict each other (``differences``), and tables of which no cell is left. What is asked for
is a row in which a constraint is true: one in which it is null, and so passes, is no sign that it was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import prod

from synth.artifacts.compiled import Constraint, Part
from synth.compiler import offsets
from synth.compiler.constraints import Parsed
from synth.compiler.differences import Difference, contradiction
from synth.compiler.holding import TABLE, Facts
from synth.compiler.restore import restore_sql
from synth.errors import Place, Problem
from synth.project import spec
from synth.quoting import identifier

FIX = "Loosen one of them, or remove it."


def contradiction_problems(
    parsed: Sequence[Parsed], held: Sequence[Constraint], facts: Facts
) -> Iterator[Problem]:  # fmt: skip
    """``held``: what holds each of the ``parsed``."""
    told: set[Place] = set()
    for cycle in _cycles(parsed, facts):
        told |= {d.said.place for d in cycle if d.said.by == "rule"}
        yield _of_differences(cycle)
    possible = []
    for one, constraint in zip(parsed, held, strict=True):
        tables, place = [part for part in constraint.parts if part.table], one.expression.place
        if not tables or place in told:
            continue
        if _possible(tables, facts):
            possible.append((one, tables))
        else:
            names = dict.fromkeys(name for part in tables for name in part.columns)
            what = f"'{one.name}' never holds, whatever the declared values of {_listed(list(names))}"
            yield Problem(place, what, "Loosen it, or declare the values that it needs.")
    for (first, some), (second, others) in combinations(possible, 2):
        shared = {n for part in some for n in part.columns} & {n for part in others for n in part.columns}
        if shared and any(p.held == "mask" for p in (*some, *others)) and not _possible([*some, *others], facts):
            what = f"'{second.name}' and '{first.name}' ({first.place}) cannot both hold"
            yield Problem(second.expression.place, what, FIX)


def _cycles(parsed: Sequence[Parsed], facts: Facts) -> Iterator[list[Difference]]:
    """Differences that contradict each other, for each constraint that does not go with those before it."""
    known = list(facts.said)
    if cycle := contradiction(known):
        yield cycle  # bounds and offsets alone
        return
    for one in parsed:
        found = list(facts.differences(one))
        if found and (cycle := contradiction([*known, *found])):
            yield cycle
        else:
            known += found


def _of_differences(cycle: Sequence[Difference]) -> Problem:
    said = list(dict.fromkeys(d.said for d in cycle))
    rules = sorted((s for s in said if s.by == "rule"), key=lambda s: s.place, reverse=True)
    declared = " and ".join(f"{s.words} ({_line(s.place)})" for s in said if s.by != "rule")
    if not rules:
        return Problem(said[0].place, f"there is no value: {declared}", FIX)
    others = " and ".join(f"'{s.words}' ({_line(s.place)})" for s in rules[1:])
    why = f": {declared}" if declared else ""
    if not others:
        return Problem(rules[0].place, f"'{rules[0].words}' never holds{why}", FIX)
    both = "both" if len(rules) == 2 else "all"
    return Problem(rules[0].place, f"'{rules[0].words}' and {others} cannot {both} hold{why}", FIX)


def _possible(tables: Sequence[Part], facts: Facts) -> bool:
    """Whether a row can be such that all are true; yes, where there are too many kinds of rows to look at."""
    codes = {name: _codes(name, tables, facts) for name in dict.fromkeys(n for part in tables for n in part.columns)}
    if prod(map(len, codes.values())) > TABLE:
        return True
    numbered = [(name, "0::bigint") for name in ("#unit", "#position", "#draw")]
    for i, column in enumerate(facts.generated, 1):
        numbered.append((f"#{i}", f"{identifier(column.name)}.code" if column.name in codes else "0::bigint"))
        if column.anchor and facts.elsewhere(column):
            numbered.append((column.anchor, f"{column.sql_type} '2000-01-01'"))
    listed = ", ".join(f"{sql} as {identifier(name)}" for name, sql in dict(numbered).items())
    kinds = ", ".join(
        f"(select unnest({list(found)}::bigint[]) as code) as {identifier(n)}" for n, found in codes.items()
    )
    anchors = {c.name: c.anchor for c in facts.generated if c.anchor in facts.columns}
    rows = restore_sql(facts.generated, offsets.order(facts.columns, anchors), facts.computed)
    true = " and ".join(f"({part.sql}\n)" for part in tables)
    codes_sql = f"select {listed} from {kinds or '(select 1)'}"
    return facts.stubs.value(f"with codes as ({codes_sql}) select 1 from (\n{rows}) where {true} limit 1") is not None


def _codes(name: str, tables: Sequence[Part], facts: Facts) -> Sequence[int]:
    """One code of each range of a column, and the missing value's where rows may have it."""
    layout, edges = facts.columns[name].layout, set[int]()
    for part in tables:
        for of, ranges in zip(part.columns, part.ranges, strict=True):
            edges |= set(range(layout.cells) if ranges is None else ranges[:-1]) if of == name else set()
    column = next((c for c in facts.declared.table.columns if c.name == name), None)
    imputed = isinstance(column, spec.Modelled) and column.impute is not None
    return [*sorted(edges), *([layout.cells] if layout.missing and not imputed else [])]


def _line(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else "nothing"
