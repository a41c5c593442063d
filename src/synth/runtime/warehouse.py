"""The target's DuckDB file: synthetic and public tables, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from synth.artifacts.compiled import Constraint, Link, OutputColumn, Part, PublicModel, Request, SyntheticModel
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.release import ReleaseFigures
from synth.artifacts.results import Expectation, ExpectationResult, Judged, RunResult
from synth.errors import RunError
from synth.quoting import identifier, literal, rows_of
from synth.runtime.duckdb_errors import lock_holder

if TYPE_CHECKING:  # both are slow to import, and who judges tables needs neither
    import numpy as np
    import pandas
    from numpy.typing import NDArray

DEFERRED = "deferred"
FORMULA = "=+-@\t\r\n"  # with these begins what a spreadsheet computes
_NO_TEXT = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT",
    "DOUBLE", "DECIMAL", "BOOLEAN", "DATE", "TIME", "INTERVAL",
)  # fmt: skip
FAILURES = "test_failures"  # the schema of what breaks tests, where that is kept
Codes: TypeAlias = (
    "Mapping[str, NDArray[Any]]"  # "#unit", "#position", "#draw", "#1", ..., int64; of the row above: keys and values
)

_LOG = """
create table if not exists _synth.runs (
  run_id varchar, finished timestamp, model varchar, status varchar, rows bigint, epsilon double, reused boolean);
create table if not exists _synth.test_results (
  run_id varchar, finished timestamp, model varchar, expectation varchar, status varchar, rows bigint, failures bigint);
alter table _synth.test_results add column if not exists judged varchar;
create table if not exists _synth.made_of (model varchar primary key, declaration varchar);
create table if not exists _synth.figures (model varchar primary key, figures varchar);
create table if not exists _synth.contents (model varchar primary key, digest varchar);
create table if not exists _synth.keys (model varchar primary key, mark varchar);
"""


class Warehouse:
    """An open target database. One process writes at a time; a second one is told who holds it."""

    def __init__(
        self, path: Path | None, threads: int, memory_limit: str, read_only: bool = False, out: Path | None = None,
        deferred: Path | None = None,
    ) -> None:  # fmt: skip
        """Without a ``path``, one in memory; ``out``: the only file besides that it can reach, or the only folder; ``deferred``:
        another target's database, to be read only, as ``DEFERRED``."""
        self.path, self.read_only, self.out, self.deferred = path, read_only, out, deferred
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "threads": str(threads), "memory_limit": memory_limit, "python_enable_replacements": "false",
        }  # fmt: skip

    def __enter__(self) -> Warehouse:
        self._connection = duckdb.connect(config=self._config) if self.path is None else self._opened(self.path)
        if self.out:
            allowed = "allowed_directories" if self.out.is_dir() else "allowed_paths"
            self._connection.execute(f"set {allowed} = [{literal(str(self.out))}]")
        if self.deferred:
            self._connection.execute(f"attach {literal(str(self.deferred))} as {DEFERRED} (read_only)")
        self._connection.execute(
            "set enable_external_access = false"
        )  # what a public model or a test says reaches no file
        if not self.read_only:
            for schema in ("synthetic", "public", "_synth"):
                self._connection.execute(f"create schema if not exists {schema}")
            self._connection.execute(_LOG)
        return self

    def _opened(self, path: Path) -> duckdb.DuckDBPyConnection:
        if self.read_only and not path.exists():
            raise RunError(f"there is no {path.name} yet", "Build something first: synth build")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return duckdb.connect(str(path), read_only=self.read_only, config=self._config)
        except duckdb.IOException as error:
            if "lock" in str(error):
                fix = "Wait until it is done, or close it; only one process can write a DuckDB file."
                raise RunError(f"{path.name} is locked by {lock_holder(str(error))}", fix) from None
            raise RunError(f"{path.name} cannot be opened: it is not a DuckDB file, or not readable", "") from None
        except duckdb.InvalidInputException as error:
            raise RunError(f"{path.name} cannot be opened", str(error).splitlines()[0]) from None

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._connection.close()

    # synthetic tables

    def rows_above(self, link: Link) -> Codes:
        """The synthetic rows that a table's rows are below, in the order of their keys, as far as a fit asks for them."""
        codes = [f'"#{i + 1}"' for i in sorted((*link.given, link.count))]
        values = [f"{identifier(name)} as {identifier(link.prefix + name)}" for name in link.values]
        names = ['"#unit"', *map(identifier, link.keys), *codes, *values]
        found = self._connection.execute(
            f"select {', '.join(names)} from {rows_of(link.parent)} order by {identifier(link.keys[0])}"
        )
        return {name: _plain(column) for name, column in found.fetchnumpy().items()}

    def made_by(self, model: str) -> str | None:
        """The fingerprint of the fit that the rows for the tables below were drawn from; None where there are none."""
        schema, _, table = rows_of(model).partition(".")
        found = self._first(
            "select comment from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
            [schema, table],
        )
        return found[0] if found else None

    def begin_landing(self, model: SyntheticModel, pools: Mapping[str, Sequence[str]], above: Codes) -> None:
        """An empty ``accepted`` of the model's shape, and the made-up values that it draws from, by variable.

        ``above``: what the codes of this table have besides, of the rows above.
        """
        for variable, values in pools.items():
            listed = ", ".join(map(literal, values))
            self._connection.execute(f"set variable {identifier(variable)} = [{listed}]")
        import numpy as np

        none, names = (
            np.zeros(0, dtype=np.int64),
            ["#unit", "#position", "#draw", *(f"#{i}" for i in range(1, len(model.plan.layout) + 1))],
        )
        self._codes(dict.fromkeys(names, none) | {name: column[:0] for name, column in above.items()})
        self._connection.execute(f"create or replace temp table accepted as {model.restore_sql}")

    def held(self, part: Part, codes: Codes) -> NDArray[np.bool_]:
        """Whether each row holds a part of a constraint, [rows]."""
        import numpy as np

        self._codes({name: column for name, column in codes.items() if identifier(name) in part.rows_sql})
        kept = self._connection.execute(part.rows_sql)
        held = np.zeros(len(codes["#draw"]), dtype=bool)
        held[np.asarray(kept.fetchnumpy()["#draw"], dtype=np.int64)] = True
        return held

    def accept(self, model: SyntheticModel, codes: Codes) -> dict[str, int]:
        """Adds rows to ``accepted``, all of them or none: how many break each constraint that is broken."""
        self._codes(codes)
        self._connection.execute(f"create or replace temp table candidate as {model.restore_sql}")
        counts = ", ".join(f"count(*) filter (where not {_held([c])})" for c in model.constraints)
        found = self._first(f"select {counts or 0} from candidate") or ()
        broken = {c.name: count for c, count in zip(model.constraints, found, strict=False) if count}
        if not broken:
            self._connection.execute("insert into accepted select * from candidate")
        return broken

    def accept_some(self, model: SyntheticModel, codes: Codes, most: int) -> int:
        """Adds to ``accepted`` the first rows, at most so many, that hold every constraint; how many there were."""
        before = self.count("accepted")
        self._codes(codes)
        self._connection.execute(f"create or replace temp table candidate as {model.restore_sql}")
        held = _held(model.constraints) if model.constraints else "true"
        self._connection.execute(f"insert into accepted select * from candidate where {held} limit {most}")
        return self.count("accepted") - before

    def land(
        self, model: SyntheticModel, label: str, figures: ReleaseFigures | None = None, drawn: bool = True,
        key_mark: str | None = None,
    ) -> int:  # fmt: skip
        """``accepted`` becomes the synthetic table, in one transaction; its number of rows.

        ``figures``: of these rows; ``drawn``: from the model's generator, so that the tables below can go by its rows;
        ``key_mark``: of the key under which people were held out of its fit, see ``runtime.keys``.
        """
        relation = f'synthetic."{model.name}"'
        comments = [f"comment on table {relation} is {literal(label)}", *_described(relation, model.columns)]
        hidden = []
        if model.rows_sql:
            made_by = literal(model.fit_fingerprint() if drawn else "")
            hidden = [model.rows_sql, f"comment on table {rows_of(model.name)} is {made_by}"]
        told = literal(figures.model_dump_json()) if figures else "null"
        kept = f"insert or replace into _synth.figures values ({literal(model.name)}, {told})"
        name, mark = literal(model.name), "null" if key_mark is None else literal(key_mark)
        marked = f"insert or replace into _synth.keys values ({name}, {mark})"
        self._in_transaction([*hidden, model.land_sql, *comments, _made_of(model), kept, marked])
        return self.count(relation)

    def outdated(self, model: SyntheticModel) -> bool:
        """Whether the table is known to be made of another declaration than today's."""
        found = self._first("select declaration from _synth.made_of where model = ?", [model.name])
        return found is not None and found[0] != model.declaration()

    def seal(self, model: str, digest: str) -> None:
        """Notes what the rows of a table are, as they were made."""
        self._connection.execute("insert or replace into _synth.contents values (?, ?)", [model, digest])

    def marked_key(self, model: str) -> str | None:
        """None where nobody noted it."""
        if not self.has("_synth.keys"):
            return None
        found = self._first("select mark from _synth.keys where model = ?", [model])
        return found[0] if found else None

    def sealed(self, model: str) -> str | None:
        """None where nobody noted it."""
        if not self.has("_synth.contents"):
            return None
        found = self._first("select digest from _synth.contents where model = ?", [model])
        return str(found[0]) if found else None

    def figures(self, model: str) -> ReleaseFigures | None:
        """What may be said of how the table fits real rows; None where nothing is known."""
        if not self.has("_synth.figures"):
            return None
        found = self._first("select figures from _synth.figures where model = ?", [model])
        return ReleaseFigures.model_validate_json(found[0]) if found and found[0] else None

    # more rows than the table has

    def keep(self, request: Request, found: Sequence[int], counted: str, before: int, first: bool) -> int:
        """Adds of ``accepted`` to ``more`` what each group of a request still lacks; how many rows there were.

        ``found``: of each group so far; ``counted``: what goes on behind the rows that came ``before``; ``first``: ``more`` is
        made.
        """
        if first:
            self._connection.execute(
                'create or replace temp table more as select *, 0 as "#group" from accepted limit 0'
            )
        moved = f"* replace ({identifier(counted)} + {before} as {identifier(counted)})"
        for number, (group, count) in enumerate(zip(request.groups, found, strict=True)):
            self._connection.execute(
                f"insert into more select {moved}, {number} from accepted where {group.sql} "
                f'order by "#unit", "#position" limit {request.rows - count}'
            )
        return self.count("accepted")

    def kept(self, groups: int) -> NDArray[np.int64]:
        """How many rows of each group there are, [groups]."""
        import numpy as np

        rows = self._connection.execute('select "#group", count(*) from more group by "#group"').fetchall()
        counts = dict(rows)
        return np.array([counts.get(i, 0) for i in range(groups)], dtype=np.int64)

    def landed(self, model: SyntheticModel) -> tuple[list[str], list[tuple[Any, ...]]]:
        """``more`` as the synthetic table has its rows, with keys of their own."""
        self._connection.execute('create or replace temp table accepted as select * exclude ("#group") from more')
        return self.query(model.landed_sql)

    def export(self, model: SyntheticModel, path: Path) -> int:
        """The same as a CSV file, as ``write_csv`` has cells, or as Parquet; its number of rows."""
        self._connection.execute('create or replace temp table accepted as select * exclude ("#group") from more')
        text = path.suffix == ".csv"
        rows = f"select {_cells(model.columns) if text else '*'} from ({model.landed_sql})"
        kind = "(format csv, header)" if text else "(format parquet)"
        self._connection.execute(f"copy ({rows}) to {literal(str(path))} {kind}")
        return self.count("accepted")

    # tables that leave the house

    def write_csv(self, relation: str, columns: Iterable[OutputColumn], path: Path) -> None:
        """A table as CSV, with dates in their declared formats, and no text that a spreadsheet takes for a formula."""
        rows = f"select {_cells(columns)} from {relation}"
        self._connection.execute(f"copy ({rows}) to {literal(str(path))} (format csv, header)")

    def write_parquet(self, relation: str, path: Path, metadata: Mapping[str, str]) -> None:
        """A table as Parquet, with key-value ``metadata``."""
        pairs = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in metadata.items())
        how = f"(format parquet, kv_metadata {{{pairs}}})"
        self._connection.execute(f"copy (from {relation}) to {literal(str(path))} {how}")

    def _codes(self, codes: Codes) -> None:
        self._connection.register("codes", dict(codes))

    # public models and tests

    def build_public(self, model: PublicModel) -> int:
        relation = f'public."{model.name}"'
        other = "table" if model.materialized == "view" else "view"
        kind = self._first(
            "select lower(table_type) from information_schema.tables "
            "where table_catalog = current_database() and table_schema = 'public' and table_name = ?",
            [model.name],
        )
        drop = (
            [f"drop {other} {relation}"]
            if kind and (other in kind[0] or (other == "table" and kind[0] == "base table"))
            else []
        )
        create = [f"create or replace {model.materialized} {relation} as {model.sql}"]
        if model.told:
            create.append(f"comment on {model.materialized} {relation} is {literal(model.told)}")
        create += _described(relation, model.columns)
        self._in_transaction([*drop, *create, _made_of(model)])
        return self.count(relation)

    def judge(self, expectation: Expectation, relation: str, store: bool = False) -> Judged:
        """Looks for what breaks it; ``store``: as a table, where the expectation does not say."""
        kept = store if expectation.store_failures is None else expectation.store_failures
        broken, stored = f"({expectation.limited_sql}\n)", None
        if kept:
            stored = f"{FAILURES}.{identifier(expectation.stored_as)}"
            self._connection.execute(f"create schema if not exists {FAILURES}")
            self._connection.execute(f"create or replace table {stored} as from {broken}")
            if expectation.not_private:
                self._connection.execute(f"comment on table {stored} is {literal(UNPROTECTED)}")
            broken = stored
        found = self._first(expectation.judging_sql(broken))
        failures, fails, warns = found or (0, False, False)
        rows = self.count(relation) if relation else 0
        return Judged(rows=rows, failures=int(failures), fails=bool(fails), warns=bool(warns), stored=stored)

    def prepare(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def examples(self, expectation: Expectation, limit: int = 5) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and a few of the synthetic rows that break an expectation."""
        return self.query(f"select * from ({expectation.limited_sql}\n) limit {limit}")

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        result = self._connection.execute(sql)
        names = [str(column[0]) for column in result.description or ()]
        return names, result.fetchall()

    def frame(self, sql: str) -> pandas.DataFrame:
        return self._connection.execute(sql).df()

    def has(self, relation: str, deferred: bool = False) -> bool:
        schema, _, name = relation.partition(".")
        found = self._first(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ? "
            f"and (table_catalog = {literal(DEFERRED)}) = ?", [schema, name, deferred],
        )  # fmt: skip
        return found is not None

    def count(self, relation: str) -> int:
        found = self._first(f"select count(*) from {relation}")
        return int(found[0]) if found else 0

    # what happened

    def log_run(self, run_id: str, result: RunResult) -> None:
        values = [run_id, result.model, result.status, result.rows, result.epsilon, result.reused]
        self._connection.execute("insert into _synth.runs values (?, now()::timestamp, ?, ?, ?, ?, ?)", values)

    def log_tests(self, run_id: str, results: Sequence[ExpectationResult]) -> None:
        rows = [
            [run_id, r.expectation.model, r.expectation.id, r.status, r.rows, r.failures, r.expectation.digest]
            for r in results
        ]
        listed = ", ".join(["(?, now()::timestamp, ?, ?, ?, ?, ?, ?)"] * len(rows))
        self._connection.execute(f"insert into _synth.test_results values {listed}", list(chain.from_iterable(rows)))

    def _first(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row; all are fetched, for a result that is not leaves the connection busy."""
        rows = self._connection.execute(sql, values).fetchall()
        return rows[0] if rows else None

    def _in_transaction(self, statements: list[str]) -> None:
        self._connection.execute("begin")
        try:
            for statement in statements:
                self._connection.execute(statement)
            self._connection.execute("commit")
        except BaseException:
            self._connection.execute("rollback")
            raise


def _described(relation: str, columns: Iterable[OutputColumn]) -> list[str]:
    return [
        f"comment on column {relation}.{identifier(column.name)} is {literal(column.description)}"
        for column in columns
        if column.description
    ]


def _made_of(model: SyntheticModel | PublicModel) -> str:
    """Notes what a table is made of."""
    return f"insert or replace into _synth.made_of values ({literal(model.name)}, {literal(model.declaration())})"


def _cells(columns: Iterable[OutputColumn]) -> str:
    """As a CSV file has them: dates in their declared formats, and nothing that a spreadsheet takes for a formula."""
    return ", ".join(f"{_dated(c) if c.format else _no_formula(c)} as {identifier(harmless(c.name))}" for c in columns)


def _dated(column: OutputColumn) -> str:
    """A value as files have it: of a date or a time, in its declared format."""
    return f"strftime({_moment(column)}, {literal(column.format)})" if column.format else identifier(column.name)


def _no_formula(column: OutputColumn) -> str:
    """A value of which no spreadsheet makes a formula: text that begins like one gets an apostrophe (OWASP, CSV injection)."""
    name = identifier(column.name)
    if column.sql_type.upper().partition("(")[0].startswith(_NO_TEXT) and not column.sql_type.endswith("]"):
        return name
    text = f"cast({name} as varchar)"
    signs = ", ".join(f"chr({ord(sign)})" for sign in FORMULA)
    return f"case when left({text}, 1) in ({signs}) then chr(39) || {text} else {text} end"


def harmless(text: str) -> str:
    """The same of a text that is no value of a table."""
    return f"'{text}" if text.startswith(tuple(FORMULA)) else text


def _moment(column: OutputColumn) -> str:
    """A time of day has no strftime of its own."""
    name = identifier(column.name)
    return f"date '1900-01-01' + {name}" if column.sql_type == "time" else name


def _held(constraints: Iterable[Constraint]) -> str:
    return " and ".join(f"coalesce(({c.sql}\n), true)" for c in constraints) or "true"


def _plain(found: Any) -> NDArray[Any]:
    """Without a mask where nothing is missing; a date that is missing is not a time."""
    import numpy as np

    column = np.ma.asarray(found)
    if column.dtype.kind == "M":
        return column.filled(np.datetime64("NaT"))
    return column if np.ma.is_masked(column) else column.data
