"""What holds each constraint: what is declared anyway, a mask as rows are drawn, or rejection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from synth.artifacts.compiled import Constraint, Held, Part
from synth.artifacts.plan import ColumnLayout
from synth.compiler import offsets, row_sql, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.clauses import Clause, Tree, clauses, demanded, whole
from synth.compiler.columns import ColumnSql, Offset
from synth.compiler.constraints import Parsed
from synth.compiler.derived import Computed
from synth.compiler.differences import Difference, Reader, Said, declared_differences, follows
from synth.compiler.offsets import Dated
from synth.compiler.restore import restore_sql
from synth.compiler.row_above import RowAbove
from synth.compiler.row_sql import RowSql
from synth.compiler.uses import Columns, Use, uses
from synth.errors import Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.quoting import identifier

TABLE = 1 << 20  # most cells of a mask that is one table
SMALL_TABLE = 1 << 14  # of one that need not be
LOOKED_AT = 1_000  # most codes of a column that are tried one by one as rows are drawn


@dataclass(frozen=True)
class Facts:
    """What is known of a table's columns when it is decided what holds a constraint."""

    declared: Declared
    generated: Sequence[ColumnSql]
    offsets: Mapping[str, Offset]
    computed: Sequence[Computed]
    above: RowAbove
    stubs: Stubs

    @cached_property
    def columns(self) -> dict[str, ColumnSql]:
        """Those that are generated, by name."""
        return {column.name: column for column in self.generated}

    @cached_property
    def _made_of(self) -> dict[str, Tree]:
        """The expressions of columns that are computed, by name in lower case."""
        return {c.name.casefold(): tree.parse_expression(self.stubs.connection, c.sql) for c in self.computed}

    @cached_property
    def said(self) -> list[Difference]:
        """What bounds and declared offsets say; an offset that a constraint makes is that constraint's."""
        own = {c.name for c in self.declared.table.columns if getattr(c, "offset_from", None)}
        return list(declared_differences(self.declared, {n: o for n, o in self.offsets.items() if n in own}))

    @cached_property
    def sure(self) -> list[Difference]:
        """What holds by itself: bounds and all offsets; but a date that is an offset may leave its own bounds."""
        loose = {name.casefold() for name in self.offsets}
        found = declared_differences(self.declared, self.offsets)
        return [d for d in found if d.said.by == "offset" or not {d.high, d.low} & loose]

    @cached_property
    def _reader(self) -> Reader:
        return Reader({c.name.casefold(): c for c in self.declared.table.columns}, self.stubs)

    def elsewhere(self, column: ColumnSql) -> bool:
        """Whether it is an offset from a date of another table."""
        return column.anchor is not None and column.anchor not in self.columns

    def never_missing(self, column: ColumnSql) -> bool:
        """Whether the date of another table that it is an offset from always is."""
        anchor = self.above.called.get(column.anchor or "")
        return anchor is not None and not anchor.nullable

    def clauses(self, one: Parsed) -> list[Clause]:
        return clauses(one.expression.tree, self._halved)

    def difference(self, literal: Tree, one: Parsed) -> Difference | None:
        return self._reader.difference(literal, Said("rule", one.name, one.expression.place))

    def differences(self, one: Parsed) -> Iterator[Difference]:
        """What a constraint says of differences of columns, in rows where none of them is missing."""
        for clause in self.clauses(one):
            if (literal := demanded(clause)) and (found := self.difference(literal, one)):
                yield found

    def uses(self, clause: Clause) -> dict[str, Use]:
        """By generated column, each after the one it is an offset from."""
        found = uses(clause, self._all)
        anchors = {name: column.anchor for name, column in self.columns.items() if column.anchor in self.columns}
        ordered = offsets.order((name for name in self.columns if name.casefold() in found), anchors)
        return {name: found[name.casefold()] for name in ordered}

    @cached_property
    def _all(self) -> Columns:
        anchors = {c.name.casefold(): c.anchor.casefold() for c in self.generated if c.anchor}
        times = {c.name.casefold() for c in self.declared.table.columns if isinstance(c, spec.TimeColumn)}
        return Columns(self._made_of, anchors, times)

    def rows_sql(self, clause: Clause, sql: str, order: Sequence[str]) -> str:
        """Which rows of codes hold a clause that the columns in this ``order`` decide."""
        named, computed = {tree.bare(i.node) for literal in clause for i in tree.walk(literal)}, list[Computed]()
        for one in reversed(self.computed):
            if one.name.casefold() in named:
                computed.insert(0, one)
                named |= {tree.bare(i.node) for i in tree.walk(self._made_of[one.name.casefold()])}
        anchors = {self.columns[name].anchor or "" for name in order}
        above = self.named_above(clause)
        types = self.above.types({*anchors, *above})
        rows = restore_sql(self.generated, order, computed, [*above], types)
        return f'select "#draw" from (\n{rows})\nwhere coalesce((\n{sql}\n), true)\n'

    def named_above(self, clause: Clause) -> dict[str, str]:
        """DuckDB's types of what a clause names of the row above, by what it is called here."""
        return self.above.types(tree.bare(i.node) or "" for literal in clause for i in tree.walk(literal))

    def steps(self, clause: Clause, used: Sequence[str]) -> tuple[int, ...]:
        """Where a clause is about one value of the row, ``used`` being that and what it is an offset from: how many steps of
        that value a code of each is; () elsewhere."""
        named = {tree.bare(i.node) or "" for literal in clause for i in tree.walk(literal)}
        own = named - {name.casefold() for name in self.above.called} - {""}
        *anchors, last = used or ("",)
        if own != {last.casefold()} or (anchors and self.columns[last].layout.missing):
            return ()
        if not anchors:
            return (1,)
        dated = {c.name: offsets.step(c) for c in self.declared.table.columns if isinstance(c, Dated)}
        return tuple(dated[name] // dated[last] for name in used)

    def _halved(self, equation: Tree) -> bool:
        """Whether both sides of an equation have an order, and too many values to look at each."""
        wide = {n.casefold() for n, c in self.columns.items() if not c.listed and c.layout.cells > LOOKED_AT}
        return all(
            any(use.signs for name, use in uses((side,), self._all).items() if name in wide)
            for side in (equation["left"], equation["right"])
        )


def above_problems(parsed: Sequence[Parsed], facts: Facts) -> Iterator[Problem]:
    """Clauses that say nothing of the row, and columns that are called as one of the row above."""
    for one in parsed:
        if any(facts.named_above(clause) and not facts.uses(clause) for clause in facts.clauses(one)):
            what = f"'{one.name}' has a part that is about the row above alone"
            yield Problem(one.expression.place, what, f"Say that in the metadata of {facts.above.table}.")
    for i, column in enumerate(facts.declared.table.columns):
        if facts.above.types([column.name]):
            what = f"the column '{column.name}' is called as a column of the row above"
            yield Problem(facts.declared.place("columns", i, "name"), what, "Rename one of the two.")


def hold(one: Parsed, facts: Facts) -> Constraint:
    """A constraint, with what holds each of its parts."""
    sql, found = one.expression.sql.strip(), facts.clauses(one)
    if one.combination is not None and one.combination.name in facts.columns:
        parts = [Part(sql=sql, columns=(one.combination.name,), held="composite")]
    elif len(found) == 1:
        parts = [_held(found[0], sql, one, facts)]
    else:
        parts = [_held(c, tree.expression_sql(facts.stubs.connection, whole(c)), one, facts) for c in found]
    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    return Constraint(name=one.name, sql=sql, columns=columns, place=one.place, parts=tuple(parts))


def within_bounds(facts: Facts) -> Iterator[Parsed]:
    """An offset may lead out of a column's own bounds."""
    for i, column in enumerate(facts.declared.table.columns):
        if column.name in facts.offsets and isinstance(column, Dated) and column.bounds:
            kind = "date" if isinstance(column, spec.DateColumn) else "timestamp"
            low, high = (f"{kind} '{b.isoformat()}'" for b in column.bounds)
            sql, place = (
                f"{identifier(column.name)} between {low} and {high}",
                facts.declared.place("columns", i, "bounds"),
            )
            read = row_sql.read(sql, place, "constraint", {}, facts.stubs)
            assert isinstance(read, RowSql)
            yield Parsed(f"{column.name} within bounds", read, (read,))


def _held(clause: Clause, sql: str, one: Parsed, facts: Facts) -> Part:
    """What holds a clause: what is declared, else a mask, else rejection."""
    used = facts.uses(clause)
    made = Part(sql=sql, columns=tuple(used), held="rejection", rows_sql=facts.rows_sql(clause, sql, list(used)))
    wanted = (facts.difference(literal, one) for literal in clause)
    ways = [way for w in wanted if w and (way := follows(w, facts.sure)) is not None]
    if ways:
        by: Held = "offset" if any(d.said.by == "offset" for d in ways[0]) else "bounds"
        whole_ranges = tuple((0, facts.columns[name].layout.cells) for name in used)  # but where something is missing
        return Part(sql=sql, columns=made.columns, held=by, ranges=whole_ranges, table=True)
    masked = [_Masked(facts.columns[name], use, facts.stubs) for name, use in used.items()]
    by_table = tuple(m.ranges if m.decided else None for m in masked)
    by_order = tuple(m.ranges for m in masked)
    cells = prod(_count(r, m.column.layout) for r, m in zip(by_table, masked, strict=True))
    if facts.named_above(clause) or any(
        facts.elsewhere(m.column) and not (m.decided and facts.never_missing(m.column)) for m in masked
    ):
        cells = TABLE + 1  # the row above decides, too
        if len(used) == 1 or None not in by_order:  # else a sum of codes does not tell where it ceases to hold
            made = made.model_copy(update={"steps": facts.steps(clause, list(used))})
    few = all(r is not None or m.column.layout.cells <= LOOKED_AT for r, m in zip(by_order, masked, strict=True))
    if cells <= (SMALL_TABLE if few else TABLE):
        return made.model_copy(update={"held": "mask", "ranges": by_table, "table": True})
    return made.model_copy(update={"held": "mask", "ranges": by_order}) if few else made


@dataclass(frozen=True)
class _Masked:
    """A column of a clause: into which ranges its codes fall, and whether they alone decide."""

    column: ColumnSql
    use: Use
    stubs: Stubs

    @cached_property
    def ranges(self) -> tuple[int, ...] | None:
        """Edges of ranges in which the clause comes or ceases to hold once at most; None where that is not known."""
        cells, signs = self.column.layout.cells, self.use.signs
        if self.column.listed:
            return None if signs or self.use.constants else (0, cells)
        if signs - {1} and signs - {-1}:
            return None
        codes = [self._code(constant) for constant in self.use.constants]
        if None in codes:
            return None
        near = {code + k for code in codes if code is not None for k in (-1, 0, 1, 2)}  # it may lie between two codes
        return tuple(sorted({0, cells} | {edge for edge in near if 0 < edge < cells}))

    @property
    def decided(self) -> bool:
        """Whether the clause depends on nothing but the range."""
        return self.ranges is not None and not self.use.signs

    def _code(self, constant: Tree) -> int | None:
        """The code of a constant, or of a value next to it; None where it has none."""
        column, name = self.column, identifier(self.column.name)
        kind = "double" if column.sql_type.startswith(("bigint", "double", "DECIMAL")) else column.sql_type
        given = f"cast({tree.expression_sql(self.stubs.connection, constant)} as {kind})"
        read = f"select {column.read} as {name} from (select {given} as {name})"
        try:
            code = self.stubs.value(f"select {column.code} from (select {column.declare} as {name} from ({read}))")
        except BindProblem:
            return None
        return None if code is None else int(code)


def _count(ranges: tuple[int, ...] | None, layout: ColumnLayout) -> int:
    return (layout.cells if ranges is None else len(ranges) - 1) + layout.missing
