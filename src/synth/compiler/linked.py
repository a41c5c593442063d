"""Tables with foreign keys: how each is prepared beside the others, what its rows are generated given, and its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from synth.artifacts.compiled import Constraint, Link, OutputColumn
from synth.artifacts.plan import ColumnLayout
from synth.compiler import family
from synth.compiler.columns import ColumnSql, Offset
from synth.compiler.declaration import order_of
from synth.compiler.made import KEY_TYPE
from synth.compiler.plan import Promise
from synth.compiler.prepare import Parent, Preparation, codes_sql, kept_sql, linked_sql, oddities_sql, prepare_sql
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.quoting import identifier, key_of


@dataclass(frozen=True)
class Checked:
    """A synthetic model without a problem of its own, before it is brought together with the tables it is linked to."""

    node: Node
    statement: str  # what is run for its SQL
    table: spec.Table
    promise: Promise
    columns: tuple[ColumnSql, ...]
    offsets: Mapping[str, Offset]
    held: tuple[Constraint, ...]
    within_bounds: tuple[Constraint, ...]  # of dates that are offsets
    above: tuple[str, ...] = ()  # what constraints name of the row above, as it is called here

    @property
    def anchors(self) -> set[str]:
        """What dates are offsets from, in this table and above."""
        return {offset.anchor for offset in self.offsets.values()}

    @property
    def order_by(self) -> str | None:
        return order_of(self.table) if self.promise.max_rows_per_unit > 1 else None


class Linked:
    """All checked models by name, and the foreign keys between them."""

    def __init__(
        self, graph: Graph, checked: Mapping[str, Checked], part: Literal["fit", "held out"] = "fit"
    ) -> None:  # fmt: skip
        self.graph, self.checked, self.part = graph, checked, part

    def held_out(self) -> Self:
        """The same of the units that are held out of the fit."""
        return type(self)(self.graph, self.checked, "held out")

    def above(self, one: Checked) -> Checked | None:
        found = family.parent_of(self.graph, one.node)
        return self.checked[found.name] if found else None

    def below(self, one: Checked) -> list[Checked]:
        return [self.checked[n.name] for n in family.children_of(self.graph, one.node)]

    def around(self, one: Checked) -> list[Checked]:
        """All whose rows have a say in the codes of the model and of its parent, each after the one it is below."""
        return [self.checked[n.name] for n in family.around(self.graph, one.node)]

    def layout(self, one: Checked) -> tuple[ColumnLayout, ...]:
        """The columns, then how many rows each child table has below a row."""
        counts = (
            ColumnLayout(
                name=f"rows of {child.node.asked}", cells=child.promise.max_rows_per_unit + 1, missing=False,
                ordered=True, zero=0,
            )
            for child in self.below(one)
        )  # fmt: skip
        return (*(c.layout for c in one.columns), *counts)

    def link(self, one: Checked) -> Link | None:
        above = self.above(one)
        if above is None:
            return None
        count = self._count(above, one)
        prefix = f"{above.node.asked}."
        wanted = {*one.anchors, *one.above}
        return Link(
            parent=above.node.name, given=tuple(i for i in range(len(self.layout(above))) if i != count), count=count,
            keys=tuple(key_of(n.name) for n in family.ancestors(self.graph, one.node)),
            values=tuple(c.name for c in above.columns if prefix + c.name in wanted),
            prefix=prefix,
        )  # fmt: skip

    def types(self, one: Checked) -> dict[str, str]:
        """Of each value of the row above that offsets are from, or constraints name, by its name here."""
        above, link = self.above(one), self.link(one)
        types = {c.name: c.sql_type for c in above.columns} if above else {}
        return {f"{link.prefix}{name}": types[name] for name in link.values} if link else {}

    def ruled(self, one: Checked) -> list[str]:
        """The values of the row above that constraints name."""
        return [name for name in self.types(one) if name in one.above]

    def ruling(self, one: Checked) -> str:
        """The landed table as constraints look at it: each row with the values of the row above that they name."""
        above, link, ruled = self.above(one), self.link(one), self.ruled(one)
        own = f"synthetic.{identifier(one.node.name)}"
        if above is None or link is None or not ruled:
            return own
        named = ", ".join(f"above.{identifier(n.removeprefix(link.prefix))} as {identifier(n)}" for n in ruled)
        return (
            f"(select rows.*, {named} from {own} as rows left join synthetic.{identifier(above.node.name)} as above\n"
            f"  on above.{identifier(above.table.primary_key or '')} = rows.{identifier(_foreign_key(one, above))})"
        )

    def given(self, one: Checked) -> tuple[ColumnLayout, ...]:
        """The columns of the parent that the model's rows are generated given."""
        above, link = self.above(one), self.link(one)
        if above is None or link is None:
            return ()
        layout = self.layout(above)
        return tuple(layout[i] for i in link.given)

    def referred(self, one: Checked) -> bool:
        """Whether a foreign key refers to the model."""
        return any(one.node.id in node.links for node in self.graph.referring)

    def key(self, one: Checked, column: spec.KeyColumn) -> OutputColumn:
        """What stands in a key column: the unit's number, the row's, or that of a row of another table."""
        made = OutputColumn(name=column.name, sql_type=KEY_TYPE, description=column.description)
        name = column.name.casefold()
        if name in {part.casefold() for part in one.promise.unit}:
            return made.model_copy(update={"key": "unit"})
        if second := family.seconds(self.graph, one.node).get(name):
            shared = key_of(second.shared.name) if second.shared else "#unit"
            return made.model_copy(update={"key": "other", "of": second.other.name, "shared": shared})
        landed = {n.asked: n.name for n in self.graph.linked(one.node)}
        named = {f.column.casefold(): landed[f.references] for f in one.table.foreign_keys}
        if name in named:
            return made.model_copy(update={"key": "above", "of": named[name]})
        return made.model_copy(update={"key": "row"})

    def preparation(self, one: Checked) -> Preparation:
        below = [child.node.name for child in self.below(one)]
        return Preparation(
            name=one.node.name, model_sql=one.statement, columns=one.columns, unit=one.promise.unit,
            units=one.promise.units, cap=one.promise.max_rows_per_unit, order_by=one.order_by,
            key=one.table.primary_key if below else None, children=below, parent=self._parent(one),
            holdout=one.promise.holdout, part=self.part,
        )  # fmt: skip

    def prepare_sql(self, one: Checked, anchors: bool = False) -> str:
        """Private rows to codes; ``anchors``: with the values of the row above that offsets are from, and of linked tables
        what names the unit."""
        around, above = self.around(one), self.above(one)
        if len(around) == 1:
            return prepare_sql(self.preparation(one))
        parts, parent = self._kept(around), self.preparation(above) if above else None
        if parent:
            parts[parent.coded] = codes_sql(parent)
        return linked_sql(self.preparation(one), parent, parts, anchors)

    def oddities_sql(self, one: Checked) -> str:
        """Counts of values outside the declaration, and of rows whose parent is not kept."""
        above = [self.checked[n.name] for n in family.ancestors(self.graph, one.node)]
        parent = self.preparation(above[0]) if above else None
        return oddities_sql(self.preparation(one), parent, self._kept(reversed(above)))

    def _kept(self, tables: Iterable[Checked]) -> dict[str, str]:
        """The parts with the rows that some tables keep, each after the table it is below."""
        kept = {}
        for one in tables:
            table, above = self.preparation(one), self.above(one)
            kept[table.kept] = kept_sql(table, self.preparation(above) if above else None)
        return kept

    def _parent(self, one: Checked) -> Parent | None:
        above, link = self.above(one), self.link(one)
        if above is None or link is None:
            return None
        return Parent(
            name=above.node.name, foreign_key=_foreign_key(one, above), columns=len(self.layout(above)),
            own_count=link.count + 1,
            anchors=tuple((name, link.prefix + name) for name in link.values if link.prefix + name in one.anchors),
        )  # fmt: skip

    def _count(self, above: Checked, one: Checked) -> int:
        return len(above.columns) + [child.node.name for child in self.below(above)].index(one.node.name)


def _foreign_key(one: Checked, above: Checked) -> str:
    """The column with the key of the row above."""
    return next(f.column for f in one.table.foreign_keys if f.references == above.node.asked)
