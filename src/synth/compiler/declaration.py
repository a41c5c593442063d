"""A table's declaration against itself and the other tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from synth.compiler import bind, offsets
from synth.compiler.bind import Stubs
from synth.compiler.columns import ColumnSql, Offset
from synth.errors import Place, Problem
from synth.project import spec
from synth.project.loader import Declared
from synth.project.nearest import nearest


def declaration_problems(declared: Declared, tables: Iterable[str], stubs: Stubs) -> Iterator[Problem]:
    """Names, keys and formats; ``tables``: names of every table with metadata."""
    yield from _names(declared)
    yield from _references(declared, list(tables))
    yield from _formats(declared, stubs)


def order_of(table: spec.Table) -> str | None:
    """The column that a unit's rows go by: as declared, or the first date."""
    dated = [c.name for c in table.columns if isinstance(c, spec.DateColumn | spec.DatetimeColumn)]
    return table.order_by or (dated[0] if dated else None)


def offset_problems(declared: Declared, found: Mapping[str, Offset], parent: Declared | None) -> Iterator[Problem]:
    """Offsets from what is not there, or does not fit; ``found``: every offset of the table; ``parent``: the table above."""
    columns = {c.name: c for c in declared.table.columns}
    if parent:
        columns = {f"{parent.table.name}.{c.name}": c for c in parent.table.columns} | columns
    for i, column in enumerate(declared.table.columns):
        anchor_name = getattr(column, "offset_from", None)
        if anchor_name is None:
            continue
        place, anchor = declared.place("columns", i, "offset_from"), columns.get(anchor_name)
        if anchor is None:
            yield Problem(place, f"there is no column '{anchor_name}'", nearest(anchor_name, columns))
        elif not offsets.follows(column, anchor):
            what = f"'{anchor_name}' is of type {anchor.type}, not {column.type}"
            yield Problem(place, what, "Both must be of one type; a datetime may be an offset from a date, too.")
        elif anchor.nullable and not column.nullable:
            yield Problem(place, f"'{anchor_name}' may be null, so '{column.name}' may be, too", "Add nullable: true.")
        elif (
            isinstance(column, offsets.Dated) and isinstance(anchor, offsets.Dated) and offsets.coarser(column, anchor)
        ):
            what = f"the resolution is coarser than that of '{anchor_name}', which it is an offset from"
            yield Problem(place, what, "Give both the same resolution.")
        elif offsets.circle(column.name, {name: o.anchor for name, o in found.items()}):
            yield Problem(place, f"'{column.name}' is an offset from itself, in a circle", "Break the circle.")


def until_problems(declared: Declared, columns: Sequence[ColumnSql], cap: int) -> Iterator[Problem]:
    """An end of rows that says nothing of when the next may begin."""
    until, by = declared.table.until, order_of(declared.table)
    if until is None:
        return
    place, found = declared.place("until"), {c.name: c for c in columns}
    if until not in found:
        yield Problem(place, f"there is no column '{until}' that is modelled", nearest(until, found))
    elif cap == 1:
        yield Problem(place, "a unit has one row, so no other begins after it", "Remove until.")
    elif by is None or not found[by].layout.rises or found[until].anchor != by:
        what = f"'{until}' is not the time since '{by}', which a unit's rows go by" if by else "rows have no order"
        fix = f"Add offset_from: {by} to it, with offset_bounds from 0." if by else "Add order_by."
        yield Problem(place, what, fix)
    elif found[until].layout.zero is None:
        yield Problem(place, f"the offset_bounds of '{until}' do not hold 0", "Let them begin at 0.")


def _names(declared: Declared) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for i, column in enumerate(declared.table.columns):
        place, name = declared.place("columns", i, "name"), column.name
        if name.casefold() in seen:
            yield Problem(place, f"the column '{name}' is declared twice", "Names ignore case. Rename or remove one.")
        if name.startswith("#"):
            yield Problem(
                place, f"the column '{name}' begins with #", "Such names are kept for codes; rename it in SQL."
            )
        seen[name.casefold()] = name
    if not any(isinstance(column, spec.Modelled) for column in declared.table.columns):
        place = declared.place("columns", key=True)
        what = (
            "every column is a key"
            if all(isinstance(c, spec.KeyColumn) for c in declared.table.columns)
            else "no column is modelled"
        )
        yield Problem(place, f"{what}, so there is nothing to model", "Declare another.")


def _references(declared: Declared, tables: Iterable[str]) -> Iterator[Problem]:
    table = declared.table
    names = [c.name for c in table.columns]
    keys = {c.name.casefold() for c in table.columns if isinstance(c, spec.KeyColumn)}
    wanted: list[tuple[str, Place]] = []
    if table.primary_key:
        wanted.append((table.primary_key, declared.place("primary_key")))
    for i, foreign in enumerate(table.foreign_keys):
        wanted.append((foreign.column, declared.place("foreign_keys", i, "column")))
    for name, place in wanted:
        if bind.names_match([name], names):
            yield Problem(place, f"there is no column '{name}'", nearest(name, names))
        elif name.casefold() not in keys:
            yield Problem(
                place, f"the column '{name}' is not of type key", f"Declare it as {{name: {name}, type: key}}."
            )
    modelled = [c.name for c in table.columns if isinstance(c, spec.Modelled)]
    if table.order_by and bind.names_match([table.order_by], modelled):
        what = f"'{table.order_by}' is not a column whose values are modelled"
        yield Problem(declared.place("order_by"), what, nearest(table.order_by, modelled))
    unordered = [c.name for c in table.columns if isinstance(c, spec.CategoricalColumn | spec.BooleanColumn)]
    if table.order_by and not bind.names_match([table.order_by], unordered):
        what = f"'{table.order_by}' has no order in time"
        yield Problem(declared.place("order_by"), what, "Name a date, or a number that rises from row to row.")
    for i, foreign in enumerate(table.foreign_keys):
        if foreign.references not in tables:
            fix = nearest(foreign.references, tables)
            place = declared.place("foreign_keys", i, "references")
            yield Problem(place, f"there is no table '{foreign.references}'", fix)


def _formats(declared: Declared, stubs: Stubs) -> Iterator[Problem]:
    """Formats that DuckDB cannot read, or in which a value cannot be written without loss."""
    for i, column in enumerate(declared.table.columns):
        if not isinstance(column, offsets.Dated | spec.TimeColumn):
            continue
        resolution = "day" if isinstance(column, spec.DateColumn) else column.resolution
        day = "1900-01-01" if isinstance(column, spec.TimeColumn) else "2001-12-31"
        for what in filter(None, (stubs.format_problem(form, resolution, day) for form in column.format)):
            fix = "Write it with %Y, %m, %d, %H, %M and %S, as far as the resolution goes."
            yield Problem(declared.place("columns", i, "format"), f"format: {what}", fix)
        if len({("%z" in form) for form in column.format}) > 1:
            what = "format: some have an offset from UTC (%z) and some have not"
            yield Problem(declared.place("columns", i, "format"), what, "Bring them to one in the model's SQL.")
        zone = getattr(column, "timezone", None)
        if zone and not stubs.knows_timezone(zone):
            yield Problem(
                declared.place("columns", i, "timezone"), f"'{zone}' is not a time zone", "For example Europe/London."
            )
