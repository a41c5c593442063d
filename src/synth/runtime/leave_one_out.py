"""Does a model's SQL keep people apart? Run it with everybody and without one unit, and see whether others move.

What is prepared is a bag of records, one a unit: the codes of its rows, in order. Without one unit, one record may be
gone, and all the others must be there as they were: this is adjacency, which every price stands on. Run on real rows, the
answer is about them: a verdict and names of columns leave the private zone, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.plan import ColumnLayout
from synth.artifacts.results import ApartResult
from synth.errors import RunError
from synth.quoting import identifier, literal, unit_text
from synth.runtime.confinement import confine
from synth.runtime.duckdb_errors import keep_file, private_errors
from synth.runtime.private_zone import PrivateZone


@dataclass(frozen=True)
class _Unit:
    """One unit, by how it is called in the private zone, and what keeps it out: a condition on each source."""

    name: tuple[Any, ...]
    conditions: Mapping[str, str]


@dataclass(frozen=True)
class _Moved:
    """Records that came and went without a unit, and the columns that each show that for themselves."""

    gained: int
    lost: int
    columns: tuple[str, ...]


def check(
    model: SyntheticModel,
    root: Path,
    internal: Path,
    threads: int,
    memory_limit: str,
    key: Callable[[], bytes],
    most: int,
) -> ApartResult:
    """Leaves out up to ``most`` units of a model's sources, one at a time; an error of the run becomes a result."""
    doing = f"leaving units of {model.name} out"

    def tried() -> tuple[int, dict[tuple[Any, ...], _Moved]]:
        with PrivateZone(root, internal, model, threads, memory_limit, key) as zone, private_errors(internal, doing):
            zone.execute(f"create temp table everybody as {_records(model)}")
            units = list(_units(zone, most))
            return len(units), {unit.name: moved for unit in units if (moved := _without(zone, unit))}

    try:
        units, found = confine(internal, doing, tried)
    except RunError as error:
        return ApartResult(model=model.name, status="error", message=str(error))
    if not found:
        return ApartResult(model=model.name, status="pass")
    told = [{"without": name, **vars(moved)} for name, moved in found.items()]
    path = keep_file(internal, json.dumps({"model": model.name, "units tried": units, "moved": told}, indent=1))
    columns = dict.fromkeys(column for moved in found.values() for column in moved.columns)
    return ApartResult(model=model.name, status="fail", columns=tuple(columns), details=str(path.relative_to(root)))


def _records(model: SyntheticModel) -> str:
    codes = ", ".join(f'cast("#{i}" as bigint)' for i, _ in enumerate(_columns(model), 1))
    place = '"#parent", "#position"' if model.link else '"#position"'
    return f'select list([{codes}] order by {place}) as record from (\n{model.prepare_sql}\n) group by "#unit"'


def _columns(model: SyntheticModel) -> tuple[ColumnLayout, ...]:
    return (*model.plan.layout, *model.plan.parent)


def _without(zone: PrivateZone, unit: _Unit) -> _Moved | None:
    """What moved besides the unit itself."""
    zone.narrow(unit.conditions)
    zone.execute(f"create or replace temp table others as {_records(zone.model)}")
    zone.narrow({})
    gained, lost = _difference(zone, "record")
    if not gained and lost <= 1:
        return None
    parts = {"the number of rows": "len(record)"}
    one = "list_sort(list_transform(record, lambda row: row[{}]))"  # where another column moves, its rows change places
    parts |= {column.name: one.format(i) for i, column in enumerate(_columns(zone.model), 1)}
    differences = {name: _difference(zone, part) for name, part in parts.items()}
    columns = (name for name, (came, went) in differences.items() if came or went > 1)
    return _Moved(gained, lost, tuple(columns))


def _difference(zone: PrivateZone, part: str) -> tuple[int, int]:
    """How many records without the unit are none of everybody's, and the other way round, by a part of them."""
    others, everybody = (f"select {part} from {table}" for table in ("others", "everybody"))
    return zone.count(f"{others} except all {everybody}"), zone.count(f"{everybody} except all {others}")


def _units(zone: PrivateZone, most: int) -> Iterator[_Unit]:
    """The units to leave out: where each row is one, rows from first to last; else those that may matter most."""
    by_name = [source for source in zone.model.sources if source.unit]
    rows = [source.name for source in zone.model.sources if source.unit == ()]
    for name in rows:
        count, tries = zone.count(f'from "source".{identifier(name)}'), -(-most // len(rows))
        for row in sorted({1 + i * (count - 1) // max(tries - 1, 1) for i in range(tries)} if count else ()):
            yield _Unit((name, row), {name: f'"#row" <> {row}'})
    if by_name:
        columns = by_name[0].unit or ()
        for unit in _chosen(zone, [source.name for source in by_name], columns, most):
            same = " and ".join(f"{identifier(c)} = {literal(part)}" for c, part in zip(columns, unit, strict=True))
            yield _Unit(unit, {source.name: f"({same}) is not true" for source in by_name})


def _chosen(
    zone: PrivateZone, sources: list[str], columns: tuple[str, ...], most: int
) -> list[tuple[str, ...]]:  # fmt: skip
    """Up to ``most`` units: half of those that the model keeps; the first, the last and the largest; then any."""
    unit = ", ".join(map(identifier, columns))
    named = " and ".join(f"{identifier(column)} is not null" for column in columns)
    texts = ", ".join(f"{unit_text([column])} as {identifier(column)}" for column in columns)
    kept = (
        f"select distinct {unit} from (select {texts} from (\n{zone.model.sql}\n)) where {named} order by hash({unit})"
    )
    places = " union all ".join(
        f'select {unit}, row_number() over () as place from "source".{identifier(s)}' for s in sources
    )
    seen = f"select {unit} from ({places}) where {named} group by {unit} order by"
    wanted = [
        f"{kept} limit {-(-most // 2)}",
        f"{seen} min(place) limit 2",
        f"{seen} max(place) desc limit 2",
        f"{seen} count(*) desc limit 2",
        f"{seen} hash({unit}) limit {most}",
    ]
    found = [tuple(map(str, row)) for sql in wanted for row in zone.execute(sql).fetchall()]
    return list(dict.fromkeys(found))[:most]
