"""Fixed combinations: columns whose values come together only as listed are one column to the generator.

In prepare.sql that column is the place of a row's combination in the list; a row with another one is left out, or missing
where every column of it may be. In restore.sql its columns are looked up by that place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.artifacts.plan import ColumnLayout
from synth.compiler import columns
from synth.compiler.columns import ColumnSql
from synth.compiler.derived import Computed
from synth.compiler.sql import values
from synth.errors import Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.project.nearest import nearest
from synth.quoting import identifier, literal

Value = str | int | bool | None
_BETWEEN, _NULL = "\x1f", "\x1e"  # of the values in a key; no declared value has one


@dataclass(frozen=True)
class Combination:
    """The columns and their combinations, without the one in which all are missing."""

    members: tuple[spec.Modelled, ...]
    values: tuple[tuple[Value, ...], ...]
    together: bool  # whether they are generated as one column

    @property
    def name(self) -> str:
        return " + ".join(member.name for member in self.members)

    @property
    def missing(self) -> bool:
        return all(member.nullable for member in self.members)

    @property
    def columns_sql(self) -> str:
        return f"({', '.join(identifier(member.name) for member in self.members)})"

    @property
    def sql(self) -> str:
        """Whether a row has one of the combinations."""
        missing = [(None,) * len(self.members)] if self.missing else []
        listed = ", ".join(f"({', '.join(map(_sql, each))})" for each in [*self.values, *missing])
        return f"{self.columns_sql} in ({listed})"

    def column(self, number: int) -> ColumnSql:
        """``number``: the position among the modelled columns, from 1."""
        name = identifier(self.name)
        keys = [_BETWEEN.join(_NULL if v is None else _text(v) for v in each) for each in self.values]
        parts = [f"coalesce({_key(member)}, {literal(_NULL)})" for member in self.members]
        nothing = " and ".join(f"{identifier(member.name)} is null" for member in self.members)
        return ColumnSql(
            name=self.name, sql_type="bigint", read=f"concat_ws({literal(_BETWEEN)}, {', '.join(parts)})",
            declare=f"list_position({values(keys)}, {name}) - 1", code=name, restore=f'codes."#{number}"',
            layout=ColumnLayout(name=self.name, cells=len(keys), missing=self.missing, ordered=False),
            unreadable="empty", outside=f"not list_contains({values(keys)}, {name})", listed=True, null=nothing,
        )  # fmt: skip

    def computed(self) -> Iterator[Computed]:
        """Each of its columns, from the place in the list."""
        for i, member in enumerate(self.members):
            listed = ", ".join(_sql(each[i]) for each in self.values)
            kind = columns.column_sql(member, 1, None).sql_type
            sql = f"list_extract(cast([{listed}] as {kind}[]), {identifier(self.name)} + 1)"
            yield Computed(member.name, sql, kind)


def combined(table: spec.Table) -> dict[int, Combination]:
    """By the number of the constraint that says them; as far as the columns are there."""
    by_name = {c.name.casefold(): c for c in table.columns if isinstance(c, spec.Modelled)}
    found: dict[int, Combination] = {}
    taken: set[str] = set()
    for i, one in enumerate(table.constraints):
        names = [name.casefold() for name in one.combinations or ()]
        if not names or not set(names) <= by_name.keys() or len(set(names)) < len(names):
            continue
        members = tuple(by_name[name] for name in names)
        listed = all(isinstance(m, spec.CategoricalColumn | spec.BooleanColumn) and not m.impute for m in members)
        all_missing = {(None,) * len(members)} if all(m.nullable for m in members) else set()
        rows = tuple(tuple(_typed(v, m) for v, m in zip(each, members, strict=True)) for each in one.values or ())
        kept = tuple(each for each in dict.fromkeys(rows) if each not in all_missing)
        found[i] = Combination(members, kept, together=listed and not taken & set(names))
        taken |= set(names) if found[i].together else set()
    return found


def generated(table: spec.Table, found: Mapping[int, Combination]) -> list[spec.Modelled | Combination]:
    """What the generator makes: modelled columns, and where the first of a combination stands, that."""
    first = {c.members[0].name: c for c in found.values() if c.together}
    inside = {member.name for c in first.values() for member in c.members}
    modelled = [c for c in table.columns if isinstance(c, spec.Modelled)]
    return [first.get(c.name, c) for c in modelled if c.name in first or c.name not in inside]


def combination_problems(declared: Declared, found: Mapping[int, Combination]) -> Iterator[Problem]:
    """Columns that are not there, or of no list; values that they do not have."""
    table = declared.table
    by_name = {c.name.casefold(): (j, c) for j, c in enumerate(table.columns)}
    for i, one in enumerate(table.constraints):
        names = [name.casefold() for name in one.combinations or ()]
        for k, name in enumerate(one.combinations or ()):
            place = declared.place("constraints", i, "combinations", k)
            j, column = by_name.get(names[k], (0, None))
            if column is None:
                yield Problem(place, f"there is no column '{name}'", nearest(name, [c.name for c in table.columns]))
            elif names.index(names[k]) < k:
                yield Problem(place, f"'{name}' stands twice", "Remove one.")
            elif not isinstance(column, spec.CategoricalColumn | spec.BooleanColumn | spec.IntegerColumn):
                what = f"'{name}' is of type {column.type}, which has no list of values to combine"
                yield Problem(place, what, "Combinations are of categorical, boolean and integer columns.")
            elif i in found:
                yield from _undeclared(declared, i, k, j, column)


def _undeclared(declared: Declared, i: int, k: int, j: int, column: spec.Modelled) -> Iterator[Problem]:
    """Values that the k-th column of a combination does not have, each once."""
    seen: set[Value] = set()
    for row, each in enumerate(declared.table.constraints[i].values or ()):
        value = _typed(each[k], column)
        if value in seen or (value is None and column.nullable):
            continue
        seen.add(value)
        misfit = "null" if value is None else column.misfit(value)
        if misfit:
            key = declared.place("columns", j, "values" if hasattr(column, "values") else "bounds")
            where = f"'{column.name}' ({key.file}:{key.line})"
            what = (
                f"'{value}', which is {misfit} of {where}"
                if value is not None
                else f"null, but {where} is not nullable"
            )
            place = declared.place("constraints", i, "values", row, k)
            yield Problem(place, f"the combination has {what}", "Declare it there, or remove it here.")


def _typed(value: Any, column: spec.Modelled) -> Value:
    """A value as its column has it: in a file, all is text."""
    if isinstance(column, spec.IntegerColumn):
        return int(value) if re.fullmatch(r"-?\d+", str(value)) else value
    declared: Sequence[Value] = getattr(column, "values", (True, False))
    return next((v for v in declared if isinstance(value, str) and _text(v) == value), value)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sql(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return literal(value)


def _key(member: spec.Modelled) -> str:
    """A value of the source as text; a number only where it is whole."""
    read = columns.column_sql(member, 1, None).read
    if isinstance(member, spec.CategoricalColumn) and isinstance(member.values[0], int):
        return f"cast(try_cast(case when {read} = trunc({read}) then {read} end as bigint) as varchar)"
    return f"cast({read} as varchar)"
