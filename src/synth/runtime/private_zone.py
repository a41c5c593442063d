"""The only reader of private rows: sources as read-only views in a DuckDB in memory, prepared to codes."""

from __future__ import annotations

import csv
import fcntl
import gzip
import hashlib
import hmac
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import duckdb
import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import SourceTable, SyntheticModel
from synth.errors import RunError
from synth.generator.ranges import narrowest
from synth.quoting import CAP_KEY, identifier, literal, unit_text
from synth.runtime.duckdb_errors import cannot_write, lock_holder, private_errors, private_folder
from synth.runtime.source_files import locate

CHUNK_VECTORS = 50  # of 2,048 rows: read at a time
LOCK = "lock"  # a file in what a run spills, locked while it lasts
_FIELD = '(?:"(?:[^"]|"")*"|[^",]*)'


@dataclass(frozen=True)
class Rows:
    """Prepared rows: ``unit`` [rows], counted from 0, and the codes of each column, [rows] each; mapped from disk.

    In a table below another the parent's codes follow, and ``parent`` [rows] tells a unit's rows of it apart.
    """

    unit: NDArray[np.integer]
    columns: tuple[NDArray[np.integer], ...]
    parent: NDArray[np.integer] | None = None


class PrivateZone:
    """A context in which one model's sources can be read. What it spills to disk lies in the private zone, and goes.

    A process that is killed cannot clear up; the next one does it for it. Its files are not encrypted: in the wheels that
    users have, DuckDB does that only where it is told to do without secure randomness. ``key``: gives the ledger's secret,
    which decides what rows a unit keeps above the cap; it is asked for once the sources are found.
    """

    def __init__(
        self,
        root: Path,
        internal: Path,
        model: SyntheticModel,
        threads: int,
        memory_limit: str,
        key: Callable[[], bytes],
    ) -> None:
        self.internal, self.model = internal, model
        self._key = key
        self.files = {source.name: locate(root, source) for source in model.sources}
        self._broken_lines: list[str] = []  # statements that count them, one a CSV file
        self._limits: dict[str, str | bool | int | float | list[str]] = {
            "threads": str(threads),
            "memory_limit": memory_limit,
        }

    def __enter__(self) -> PrivateZone:
        private_folder(self.internal)
        _clear_spills(self.internal)
        with ExitStack() as undo:
            try:
                self._temp = Path(tempfile.mkdtemp(dir=self.internal, prefix="spill-"))
                undo.enter_context(_locked(self._temp))
            except OSError as error:
                raise cannot_write(self.internal, error) from None
            undo.callback(shutil.rmtree, self._temp, ignore_errors=True)
            config = {**self._limits, "temp_directory": str(self._temp)}
            self._connection = undo.enter_context(duckdb.connect(config=config))
            self._open()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._undo.close()

    def digest(self, key: bytes) -> str:
        """A keyed digest of the sources' files: equal for equal files; without the key nobody can test a guess by it."""
        parts = []
        for name, path in sorted(self.files.items()):
            with path.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hmac.new(key, digestmod="sha256"))
            parts.append(f"{name}:{found.hexdigest()}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _open(self) -> None:
        """Views over the sources, then no other file can be reached; binds the model without reading a row."""
        run = self._connection.execute
        run("set TimeZone = 'UTC'")  # so that the machine's has no say
        run("set disabled_optimizers = 'common_subexpressions'")  # it takes what try() guards out of it
        run("create schema source")
        run("create schema private")
        secret = hmac.digest(self._key(), b"rows kept above the cap", "sha256").hex()
        run(f"set variable {CAP_KEY} = {literal(secret)}")
        for number, source in enumerate(self.model.sources):
            path = self.files[source.name]
            with private_errors(self.internal, f"reading the source {source.name}"):
                run(f"create view source.file_{number} as {self._relation(number, source, path)}")
                run(f'create view "source"."{source.name}" as {self._select(number, source)}')
        allowed = ", ".join(_text(path) for path in self.files.values())
        run(f"set allowed_paths = [{allowed}]")
        run("set enable_external_access = false")
        run("set lock_configuration = true")
        self._bind()

    def narrow(self, conditions: Mapping[str, str]) -> None:
        """Leaves in each source the rows that meet its condition, all of them where it has none; "#row" counts from 1."""
        for number, source in enumerate(self.model.sources):
            rows = self._select(number, source)
            if source.name in conditions:
                counted = f'select *, row_number() over () as "#row" from ({rows})'
                rows = f'select * exclude ("#row") from ({counted}) where {conditions[source.name]}'
            self.execute(f'create or replace view "source"."{source.name}" as {rows}')

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """What it gives is private: it stays in the private zone, and so do the words of an error."""
        return self._connection.execute(sql)

    def count(self, sql: str) -> int:
        """The rows of a select. As private as they are."""
        found = self.execute(f"select count(*) from ({sql})").fetchone()
        return int(found[0]) if found else 0

    def _bind(self) -> None:
        with private_errors(self.internal, f"binding {self.model.name}"):
            try:
                for view in self.model.views:
                    self._connection.execute(f'create view "private"."{view.name}" as {view.sql}')
                self._connection.execute(f"describe {self.model.prepare_sql}")
            except (duckdb.BinderException, duckdb.CatalogException) as error:  # about names and types, not cells
                what = re.sub(r"ENUM\(.*", "ENUM", str(error), flags=re.DOTALL)  # its values follow
                what = what.splitlines()[0].removeprefix("Binder Error: ").removeprefix("Catalog Error: ")
                raise RunError(
                    f"{self.model.file}: the source does not fit the declaration: {what}",
                    "Compare the columns of the source with the metadata.",
                ) from None

    def _select(self, number: int, source: SourceTable) -> str:
        """The columns of a source that the project knows of, its unit's as trimmed text: one unit has one spelling."""
        file = f"source.file_{number}"
        names = [str(row[0]) for row in self._connection.execute(f"describe {file}").fetchall()]
        known, unit = ({name.casefold() for name in of} for of in (source.columns, source.unit or ()))
        if lost := unit - {name.casefold() for name in names}:
            raise RunError(
                f"the source {source.name} has no column '{min(lost)}', which names the unit",
                "Check the unit in sources/; a table without people belongs to a source of its own, with privacy: public.",
            )
        columns = [
            f"{unit_text([name])} as {identifier(name)}" if name.casefold() in unit else identifier(name)
            for name in names
            if name.casefold() in known
        ]
        return f"select {', '.join(columns) or 'null as none_declared'} from {file}"

    def _relation(self, number: int, source: SourceTable, path: Path) -> str:
        name = path.name.casefold()
        if name.endswith((".csv", ".csv.gz")):
            names, lines = _header(source, path), f"source.lines_{number}"
            self._connection.execute(f"create view {lines} as {_csv_lines(path)}")
            self._broken_lines.append(f"select count(*) as broken from {lines} where {_csv_broken(len(names))}")
            return _csv(names, lines)
        if name.endswith(".parquet"):
            return f"select * from read_parquet({_text(path)})"
        try:
            self._connection.execute(f"attach {_text(path)} as source_{number} (read_only)")
        except duckdb.IOException as error:
            if "lock" in str(error):
                holder = lock_holder(str(error))
                raise RunError(f"the source {source.name} is locked by {holder}", f"Close it: {path.name}.") from None
            raise RunError(
                f"the source {source.name} is not a DuckDB file: {path.name}", "Check its location."
            ) from None
        return f'select * from source_{number}."{source.table}"'

    def prepare(self) -> Rows:
        """The model's rows as codes, the rows of a unit together and in order."""
        layout = (*self.model.plan.layout, *self.model.plan.parent)
        places = dict.fromkeys(("#unit", "#parent") if self.model.link else ("#unit",), np.dtype(np.int64))
        kinds = places | {f"#{i}": narrowest(c.cells) for i, c in enumerate(layout, 1)}
        with ExitStack() as open_files, private_errors(self.internal, f"preparing {self.model.name}"), _owned():
            # such a file has no name that could outlive it; what is mapped of it stays after it is closed
            files = {name: open_files.enter_context(tempfile.TemporaryFile(dir=self._temp)) for name in kinds}
            result = self._connection.execute(self.model.prepare_sql)
            while len(chunk := result.fetch_df_chunk(CHUNK_VECTORS)):
                for name, kind in kinds.items():
                    files[name].write(chunk[name].to_numpy(dtype=kind).tobytes())
            found = {name: _mapped(files[name], kind) for name, kind in kinds.items()}
        return Rows(found.pop("#unit"), parent=found.pop("#parent", None), columns=tuple(found.values()))

    def oddities(self) -> list[tuple[str, int]]:
        """Exact counts of values outside the declaration: for the private zone only."""
        with private_errors(self.internal, f"counting odd values of {self.model.name}"), _owned():
            result = self._connection.execute(self.model.oddities_sql)
            names = [str(column[0]) for column in result.description or ()]
            counts = list(zip(names, map(int, result.fetchone() or ()), strict=True))
            if self._broken_lines:
                broken = self._connection.execute(
                    f"select sum(broken) from ({' union all '.join(self._broken_lines)})"
                ).fetchone()
                counts.append(("lines that are not CSV of this shape", int(broken[0]) if broken else 0))
        return counts


def _mapped(file: IO[bytes], kind: np.dtype[np.integer]) -> NDArray[np.integer]:
    file.flush()
    if not file.tell():
        return np.zeros(0, dtype=kind)
    return np.memmap(file, dtype=kind, mode="r")


@contextmanager
def _owned() -> Iterator[None]:
    """New files, such as those to which DuckDB spills, are their owner's alone."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else can lock ``folder`` meanwhile, nor after a process that died; BlockingIOError where somebody does."""
    with os.fdopen(os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _clear_spills(internal: Path) -> None:
    """Removes what processes that are gone have left. A process number would not tell: it is given again."""
    for path in internal.glob("spill-*"):
        with suppress(OSError), _locked(path):
            shutil.rmtree(path, ignore_errors=True)


def _text(path: Path) -> str:
    return literal(str(path.resolve()))


def _csv_lines(path: Path) -> str:
    """The lines of a CSV file below its header, each by itself.

    A reader that follows quotes over line ends would let one stray quotation mark swallow other people's lines.
    """
    return (
        f"select rtrim(line, chr(13)) as line from read_csv({_text(path)}, auto_detect=false, header=false, skip=1, "
        "delim=chr(1), quote='', escape='', columns={'line': 'VARCHAR'}, new_line='\\n', strict_mode=false, "
        "ignore_errors=true) where line is not null"
    )


def _csv_broken(width: int) -> str:
    """Whether a line is not ``width`` fields of CSV (RFC 4180, without line ends in quotes)."""
    return f"not regexp_full_match(line, '{_FIELD}(,{_FIELD}){{{width - 1}}}')"


def _csv(names: list[str], lines: str) -> str:
    """Every column as text, nothing sniffed from the rows: one odd cell changes no other. A broken line is left out."""
    cells = 'regexp_extract_all(\',\' || line, \',("(?:[^"]|"")*"|[^",]*)\', 1)'
    fields = [(f"cell[{i}]", identifier(name)) for i, name in enumerate(names, 1)]
    unquoted = """nullif(if({0}[1] = '"', replace({0}[2:-2], '""', '"'), {0}), '')"""
    columns = ", ".join(f"{unquoted.format(cell)} as {name}" for cell, name in fields)
    return f"select {columns} from (select {cells} as cell from {lines} where not ({_csv_broken(len(names))}))"


def _header(source: SourceTable, path: Path) -> list[str]:
    opener = gzip.open if path.name.casefold().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:  # the first line alone is decoded: no row below may decide over the run
            names = next(csv.reader([file.readline().decode("utf-8-sig")]), [])
    except (OSError, UnicodeDecodeError, csv.Error, EOFError, zlib.error):
        raise RunError(
            f"the source {source.name} cannot be read: {path.name} is not CSV text in UTF-8", "Check the file."
        ) from None
    folded = [name.casefold() for name in names]
    if not names or len(set(folded)) < len(folded) or "" in folded:
        what = "has no header" if not names else "has a header with empty or repeated names"
        raise RunError(f"the source {source.name}: {path.name} {what}", "Its first line must name each column once.")
    return names
