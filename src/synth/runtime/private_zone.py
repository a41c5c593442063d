"""The only reader of private rows: sources as read-only views in a DuckDB in memory, prepared to codes.

How each kind of source is opened stands in ``readers``, which nobody else uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import PrivateView, SourceTable, SyntheticModel
from synth.errors import RunError, SynthError, where
from synth.generator.ranges import narrowest
from synth.quoting import CAP_KEY, HOLDOUT_KEY, identifier, literal, unit_text
from synth.runtime.confinement import silenced
from synth.runtime.duckdb_errors import cannot_write, interrupted, keep, private_errors, private_folder
from synth.runtime.readers import open_source
from synth.runtime.readers.reading import Fetched
from synth.runtime.source_files import locate

if TYPE_CHECKING:
    import pandas

_PLAIN = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|BOOLEAN|DECIMAL\(\d+,\d+\)|DATE|TIME|TIMESTAMP.*|UUID|BLOB")
CHUNK_VECTORS = 50  # of 2,048 rows: read at a time
LOCK = "lock"  # a file in what a run spills, locked while it lasts


@dataclass(frozen=True)
class Rows:
    """Prepared rows: ``unit`` [rows], counted from 0, and the codes of each column, [rows] each; mapped from disk.

    In a table below another the parent's codes follow, and ``parent`` [rows] tells a unit's rows of it apart.
    """

    unit: NDArray[np.integer]
    columns: tuple[NDArray[np.integer], ...]
    parent: NDArray[np.integer] | None = None


class Reader(Protocol):
    """What is read for: a model, or a look for a draft."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def sources(self) -> tuple[SourceTable, ...]: ...
    @property
    def views(self) -> tuple[PrivateView, ...]: ...
    @property
    def prepare_sql(self) -> str: ...


R = TypeVar("R", bound=Reader)


class SourceZone(Generic[R]):
    """A context in which one reader's sources can be read. What it spills to disk lies in the private zone, and goes.

    A process that is killed cannot clear up; the next one does it for it. Its files are not encrypted: in the wheels that
    users have, DuckDB does that only where it is told to do without secure randomness. ``key``: gives the ledger's secret,
    which decides what rows a unit keeps above the cap; it is asked for once the sources are found.
    """

    def __init__(
        self,
        root: Path,
        internal: Path,
        reader: R,
        threads: int,
        memory_limit: str,
        key: Callable[[], bytes],
    ) -> None:
        self.root, self.internal, self.reader = root, internal, reader
        self._key = key
        self.located = {source.name: locate(root, source) for source in reader.sources}
        self._stamps = self._stamped()
        self._tables: dict[str, str] = {}  # by source: that of rows which lie in no file
        self._fetched: dict[str, tuple[str, Fetched]] = {}  # by table: what is still to be fetched, and of which source
        self._broken_lines: dict[str, list[str]] = {}  # statements that count them, by what they are called
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": str(threads),
            "memory_limit": memory_limit,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }

    def __enter__(self) -> Self:
        private_folder(self.internal)
        _clear_spills(self.internal)
        with ExitStack() as undo:
            try:
                self._temp = Path(tempfile.mkdtemp(dir=self.internal, prefix="spill-"))
                undo.enter_context(_locked(self._temp))
            except OSError as error:
                raise cannot_write(self.internal, error) from None
            undo.callback(shutil.rmtree, self._temp, ignore_errors=True)
            config = {**self._settings, "temp_directory": str(self._temp)}
            self._connection = undo.enter_context(duckdb.connect(config=config))
            self._open()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._undo.close()

    def digest(self, key: bytes) -> str:
        """A keyed digest of the sources' files: equal for equal files; without the key nobody can test a guess by it.

        Of what lies in no file it is a digest of the rows that were fetched, in any order.
        """
        parts = []
        for name, located in sorted(self.located.items()):
            found = [_file_digest(path, key) for path in located.files] or [self._rows_digest(self._tables[name], key)]
            parts.append(f"{name}:{'+'.join(found)}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def unchanged(self, key: bytes, digest: str) -> bool:
        """Whether the files are those that were there before they were opened, and still have the digest."""
        try:
            return self._stamped() == self._stamps and self.digest(key) == digest
        except FileNotFoundError:
            return False

    def _stamped(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        return {name: located.stamps for name, located in self.located.items()}

    def _rows_digest(self, table: str, key: bytes) -> str:
        self._fetch()
        row = "('0x' || left(sha256(to_json(t)::varchar), 15))::hugeint"
        found = self._connection.execute(f"select count(*), sum({row}) from {table} t").fetchone()
        return hmac.new(key, str(found).encode(), "sha256").hexdigest()

    def _open(self) -> None:
        """Views over the sources, then no other file can be reached; binds the model without reading a row."""
        run = self._connection.execute
        run("set TimeZone = 'UTC'")  # so that the machine's has no say
        # one takes what try() guards out of it, one computes it beforehand of the least and the largest value
        run("set disabled_optimizers = 'common_subexpressions,statistics_propagation'")
        run("create schema source")
        run("create schema private")
        for number, source in enumerate(self.reader.sources):
            with self._reading(source.name):
                self._view(number, source)
        key = self._key()
        for variable, of in ((CAP_KEY, b"rows kept above the cap"), (HOLDOUT_KEY, b"units held out of fits")):
            run(f"set variable {variable} = {literal(hmac.digest(key, of, 'sha256').hex())}")
        allowed = [literal(str(path.resolve())) for located in self.located.values() for path in located.files]
        run(f"set allowed_paths = [{', '.join(allowed)}]")
        run("set enable_external_access = false")
        run("set lock_configuration = true")
        self._bind()

    def _view(self, number: int, source: SourceTable) -> None:
        located = self.located[source.name]
        table = f"source.rows_{number}"
        reading = open_source(source, located, table, self.root, self._connection)
        if not located.files:
            self._tables[source.name] = table
        if reading.fetched:
            columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in reading.fetched.types.items())
            self._connection.execute(f"create table {table} ({columns})")
            self._fetched[table] = source.name, reading.fetched
        if reading.broken:
            self._broken_lines.setdefault(reading.broken_lines, []).append(reading.broken)
        self._connection.execute(f"create view source.file_{number} as {reading.select}")
        self._connection.execute(f'create view "source"."{source.name}" as {self._select(number, source)}')

    def _fetch(self) -> None:
        """Rows that Python has to fetch, once they are needed."""
        while self._fetched:
            table, (source, fetched) = self._fetched.popitem()
            cells = ", ".join(f"try_cast({identifier(name)} as {kind})" for name, kind in fetched.types.items())
            with self._reading(source), self._connection.cursor() as own:  # the zone's may hold a result
                for batch in fetched.batches():
                    own.register("batch", batch)
                    own.execute(f"insert into {table} select {cells} from batch").fetchall()
                    own.unregister("batch")

    @contextmanager
    def _reading(self, source: str) -> Iterator[None]:
        """What a library says or prints of a source, and the words of its errors, stay in the private zone."""
        doing = f"reading the source {source}"
        with silenced(self.internal), private_errors(self.internal, doing), _owned():
            try:
                yield
            except (SynthError, OSError, MemoryError, duckdb.Error):
                raise
            except Exception as error:
                if interrupted(error):
                    raise
                said = keep(self.internal, "".join(traceback.format_exception(error)))
                raise RunError(f"{doing}: {where(error)}", f"Check the source. {said}") from None

    def narrow(self, conditions: Mapping[str, str]) -> None:
        """Leaves in each source the rows that meet its condition, all of them where it has none; "#row" counts from 1."""
        for number, source in enumerate(self.reader.sources):
            rows = self._select(number, source)
            if source.name in conditions:
                counted = f'select *, row_number() over () as "#row" from ({rows})'
                rows = f'select * exclude ("#row") from ({counted}) where {conditions[source.name]}'
            self.execute(f'create or replace view "source"."{source.name}" as {rows}')

    def header(self) -> list[tuple[str, str]]:
        """Every column of the first source's file, and DuckDB's type of it. No row is looked at."""
        described = self._connection.execute("describe source.file_0").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """What it gives is private: it stays in the private zone, and so do the words of an error."""
        self._fetch()
        return self._connection.execute(sql)

    def count(self, sql: str) -> int:
        """The rows of a select. As private as they are."""
        found = self.execute(f"select count(*) from ({sql})").fetchone()
        return int(found[0]) if found else 0

    def _bind(self) -> None:
        with private_errors(self.internal, f"binding {self.reader.name}"):
            try:
                for view in self.reader.views:
                    self._connection.execute(f'create view "private"."{view.name}" as {view.sql}')
                self._connection.execute(f"describe {self.reader.prepare_sql}")
                if isinstance(self.reader, SyntheticModel):
                    self._connection.execute(f"describe {self.reader.oddities_sql}")
            except (duckdb.BinderException, duckdb.CatalogException) as error:  # about names and types, not cells
                what = re.sub(r"ENUM\(.*", "ENUM", str(error), flags=re.DOTALL)  # its values follow
                what = what.splitlines()[0].removeprefix("Binder Error: ").removeprefix("Catalog Error: ")
                raise self._misfit(what) from None

    def _misfit(self, what: str) -> RunError:
        """A column that a source lacks is told where the project declares it."""
        for source in self.reader.sources:
            there = self._columns(f'"source"."{source.name}"')
            for column in source.columns:
                if f'"{column.name}"'.casefold() in what.casefold() and column.name.casefold() not in there:
                    fix = "Mend the declaration, or the SQL that reads the column."
                    return RunError(f"{column.place}: the source {source.name} has no column '{column.name}'", fix)
        fix = "Compare the columns of the source with the metadata."
        return RunError(f"{self.reader.file}: the source does not fit the declaration: {what}", fix)

    def _select(self, number: int, source: SourceTable) -> str:
        """The columns of a source that the project knows of, its unit's as trimmed text: one unit has one spelling."""
        file = f"source.file_{number}"
        found = self._columns(file)
        known = {column.name.casefold(): column for column in source.columns}
        unit = {name.casefold() for name in source.unit or ()}
        if lost := unit - set(found):
            column = known[min(lost)]
            raise RunError(
                f"{column.place}: the source {source.name} has no column '{column.name}', which names the unit",
                "Check the unit in sources/; a table without people belongs to a source of its own, with privacy: public.",
            )
        columns = [
            f"{_alike(unit_text([name]), 'VARCHAR') if folded in unit else _alike(identifier(name), kind)} "
            f"as {identifier(name)}"
            for folded, (name, kind) in found.items()
            if folded in known
        ]
        return f"select {', '.join(columns) or 'null as none_declared'} from {file}"

    def _columns(self, relation: str) -> dict[str, tuple[str, str]]:
        """The columns of a relation and their types, by their names in small letters."""
        described = self._connection.execute(f"describe {relation}").fetchall()
        return {name.casefold(): (name, kind) for name, kind, *_ in described}


class PrivateZone(SourceZone[SyntheticModel]):
    """One model's sources, and its rows prepared."""

    @property
    def model(self) -> SyntheticModel:
        return self.reader

    def prepare(self, sql: str | None = None) -> Rows:
        """The model's rows as codes, the rows of a unit together and in order; ``sql``: of those that are held out."""
        self._fetch()
        layout = (*self.model.plan.layout, *self.model.plan.parent)
        places = dict.fromkeys(("#unit", "#parent") if self.model.link else ("#unit",), np.dtype(np.int64))
        kinds = places | {f"#{i}": narrowest(c.cells) for i, c in enumerate(layout, 1)}
        with ExitStack() as open_files, private_errors(self.internal, f"preparing {self.model.name}"), _owned():
            # such a file has no name that could outlive it; what is mapped of it stays after it is closed
            files = {name: open_files.enter_context(tempfile.TemporaryFile(dir=self._temp)) for name in kinds}
            result = self._connection.execute(sql or self.model.prepare_sql)
            while len(chunk := result.fetch_df_chunk(CHUNK_VECTORS)):
                for name, kind in kinds.items():
                    files[name].write(chunk[name].to_numpy(dtype=kind).tobytes())
            found = {name: _mapped(files[name], kind) for name, kind in kinds.items()}
        return Rows(found.pop("#unit"), parent=found.pop("#parent", None), columns=tuple(found.values()))

    def real(self, sql: str) -> pandas.DataFrame:
        """Real rows by one of the statements that the model has for its evaluation."""
        self._fetch()
        with private_errors(self.internal, f"reading {self.model.name} to evaluate it"), _owned():
            return self._connection.execute(sql).df()

    def oddities(self) -> list[tuple[str, int]]:
        """Exact counts of values outside the declaration: for the private zone only."""
        with private_errors(self.internal, f"counting odd values of {self.model.name}"), _owned():
            result = self._connection.execute(self.model.oddities_sql)
            names = [str(column[0]) for column in result.description or ()]
            counts = list(zip(names, map(int, result.fetchone() or ()), strict=True))
            for what, statements in self._broken_lines.items():
                found = [self._connection.execute(statement).fetchone() for statement in statements]
                counts.append((what, sum(int(row[0]) for row in found if row)))
        return counts


def _alike(column: str, kind: str) -> str:
    """A column in a type of which equal values are alike: else which of them stays could depend on how other rows lie."""
    if kind in ("FLOAT", "DOUBLE"):
        return f"{column} + 0"  # there is a -0, which is equal to 0
    if kind == "VARCHAR":
        return f'{column} collate "C"'  # a column can have another collation, which no type shows
    return column if _PLAIN.fullmatch(kind) else f"cast({column} as varchar)"


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


def _file_digest(path: Path, key: bytes) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hmac.new(key, digestmod="sha256")).hexdigest()
