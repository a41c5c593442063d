"""Where the rows of a source lie, and in which files. They are read elsewhere: see private_zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError

_PACKED = ("", ".gz", ".zst")
_IN_FOLDERS = {  # one file a table, or several
    "csv": tuple(f".csv{packed}" for packed in _PACKED),
    "parquet": (".parquet",),
    "jsonl": tuple(f"{ending}{packed}" for ending in (".jsonl", ".ndjson") for packed in _PACKED),
    "excel": (".xlsx",),
}
_WHOLE = {
    "excel": (".xlsx",),
    "sqlite": (".sqlite", ".sqlite3"),
}  # one file for several tables; the others are DuckDB's
# several tables in one file; what was written last lies beside it. Of a workbook it is not known what is read before it is opened
_DATABASES = {"duckdb": ".wal", "sqlite": "-wal"}
_CHECK = "Check the location and the table's identifier in sources/."


class SourceMissing(RunError):
    """A source is not where the project says. No row of it was read."""


@dataclass(frozen=True)
class Located:
    """A source table's rows: what sort of file or server holds them, its place, and every file that they are read from."""

    type: str
    place: str  # as a plan shows it, relative to the project
    files: tuple[Path, ...] = ()  # none where a server or a function gives them

    @property
    def stamps(self) -> tuple[tuple[int, ...], ...]:
        """What tells, of each file, whether it was replaced or written to; OSError where one is gone."""
        found = [path.stat() for path in self.files]
        return tuple((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)


def locate(root: Path, source: SourceTable) -> Located:
    """Where a source table is: its own files, in any case of their names, or the database or workbook it is in."""
    declared = source.format.type
    if declared in ("postgres", "python"):
        return Located(declared, source.shown)
    location = root / source.location
    if location.is_file():
        return _in_one_file(source, location)
    if not location.is_dir():
        fix = "Check the location in sources/, and the environment variables in it."
        raise SourceMissing(f"the source {source.name} is not there: {source.location} does not exist", fix)
    if declared in _DATABASES:
        raise RunError(f"the source {source.name}: {source.location} is a folder", "Its location is a database's file.")
    return _in_folder(source, location)


def check_populations(root: Path, sources: Iterable[SourceTable]) -> None:
    """RunError where one file has the rows of two populations, or of people and of nobody: links and spellings hide that."""
    known: dict[tuple[tuple[int, ...], str], SourceTable] = {}
    for source in sources:
        try:
            located = locate(root, source)
            stamps = located.stamps
        except (RunError, OSError):
            continue  # what is not there is not read
        for stamp in stamps:
            part = (source.format.schema_name or "main", source.table) if located.type in _DATABASES else ()
            table = ".".join(part).casefold()
            first = known.setdefault((stamp[:2], table), source)
            if first.population != source.population:
                what = f"the sources {first.name} and {source.name} read one file, {located.place}"
                names = " and ".join(s.population or "public, of nobody" for s in (first, source))
                raise RunError(f"{what}, declared as rows of {names}", "Declare a table once, for one population.")


def _in_one_file(source: SourceTable, path: Path) -> Located:
    kind = source.format.type or _kind(path.name, _IN_FOLDERS | _WHOLE) or "duckdb"
    if kind in ("csv", "parquet", "jsonl"):
        fix = "Name its folder there, and the file by the table's name or identifier."
        raise RunError(f"the source {source.name}: the location is a file of one table: {source.location}", fix)
    log = path.with_name(path.name + _DATABASES.get(kind, ""))
    written = log != path and log.is_file() and log.stat().st_size
    return Located(kind, source.location, (path, log) if written else (path,))


def _in_folder(source: SourceTable, folder: Path) -> Located:
    found = sorted(_files(source, folder))
    if not found:
        endings = [_IN_FOLDERS[kind][0] for kind in ([source.format.type] if source.format.type else _IN_FOLDERS)]
        wanted = source.table + " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise SourceMissing(f"the source {source.name} is not there: {source.location} holds no {wanted}", _CHECK)
    kinds = {kind for _, kind in found}
    files = tuple(path for path, _ in found)
    if _is_pattern(source.table):
        if len(kinds) > 1:
            what = f"the source {source.name}: files of several sorts: {', '.join(sorted(kinds))}"
            raise RunError(what, "Give the table's identifier an ending.")
        place = f"{source.location}/{source.table}"
    elif len(found) > 1:
        names = ", ".join(path.name for path in files)
        fix = "Keep one of them in that folder; several files of one table need an identifier with *."
        raise RunError(f"the source {source.name} is ambiguous: {names}", fix)
    else:
        place = f"{source.location}/{files[0].name}"
    return Located(kinds.pop(), place, files)


def _files(source: SourceTable, folder: Path) -> Iterator[tuple[Path, str]]:
    """The table's files, and the sort of each."""
    declared, wanted = source.format.type, source.table.casefold()
    matches = fnmatchcase if _is_pattern(wanted) else str.__eq__
    for path in folder.iterdir():
        name = path.name.casefold()
        kind = declared or _kind(name, _IN_FOLDERS)
        if kind is None or name.startswith((".", "~$")) or not path.is_file():
            continue
        bare = next((name.removesuffix(e) for e in _IN_FOLDERS[kind] if name.endswith(e)), name)
        if matches(name, wanted) or matches(bare, wanted):
            yield path, kind


def _kind(name: str, endings: dict[str, tuple[str, ...]]) -> str | None:
    return next((kind for kind, known in endings.items() if name.casefold().endswith(known)), None)


def _is_pattern(name: str) -> bool:
    return bool(re.search(r"[*?]", name))
