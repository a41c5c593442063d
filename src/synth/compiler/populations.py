"""One population is one budget for one kind of unit: sources that blur that are refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from synth.errors import Problem
from synth.project import spec
from synth.project.loader import DeclaredSource


def population_problems(root: Path, sources: Iterable[DeclaredSource]) -> Iterator[Problem]:
    """The same table under two populations would have two budgets; one population with two units would have none.

    A table of people that is declared public as well would have no protection at all. Files that only the disk knows to
    be one are found when they are read.
    """
    population_of: dict[tuple[str, ...], str | None] = {}
    unit_of: dict[str, tuple[str, ...]] = {}
    for declared in sources:
        privacy = declared.source.privacy
        population = privacy.population if privacy else None
        for i, table in enumerate(declared.source.tables):
            key = _rows(root, declared.source, table)
            first = population_of.setdefault(key, population)
            if first != population and None in (first, population):
                what = f"the table is declared {'public' if first is None else 'of people'} as well"
                yield Problem(declared.place("tables", i), what, "A table has people or it has not: declare it once.")
            elif first != population:
                what = (
                    f"the table is declared for the population '{first}' as well, so its people would have two budgets"
                )
                yield Problem(declared.place("tables", i), what, "Use one population for the same rows.")
        if privacy is None:
            continue
        unit = tuple(name.casefold() for name in privacy.unit_columns)
        known = unit_of.setdefault(privacy.population, unit)
        if known != unit:
            first, second = (" and ".join(names) or "each row" for names in (known, unit))
            what = f"the population '{privacy.population}' has two units, {first} and {second}: their costs cannot be added"
            yield Problem(declared.place("privacy"), what, "Give the sources one unit, or two populations.")


def _rows(root: Path, source: spec.Source, table: spec.SourceTable) -> tuple[str, ...]:
    """Equal for tables of the same rows."""
    format, name = source.format_of(table), (table.identifier or table.name).casefold()
    if source.server == "postgres":
        location = _database(source.location)
    else:
        location = posixpath.normpath(source.location if source.server else str(root / source.location))
    part = (getattr(format, "schema_name", None) or "").casefold()
    part = "" if part == ("public" if source.server else "main") else part  # where none is named
    if isinstance(format, spec.ExcelFormat) and format.sheet:
        one_workbook = location.casefold().endswith(".xlsx")
        part, name = format.sheet.casefold(), "" if one_workbook else name
    return location, part, name


def _database(location: str) -> str:
    """A server's database, whoever asks it and however that is written."""
    try:
        parts = urlsplit(location)
        return f"{(parts.hostname or 'localhost').casefold()}:{parts.port or 5432}/{parts.path.strip('/')}"
    except ValueError:  # a port that is no number is told by the server
        return location
