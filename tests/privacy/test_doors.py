"""T1: rows are reached through the private zone alone, and in the generator through ``PrivateRows`` alone.

What imports what is held by import-linter, in pyproject.toml. Here: who opens a source while synth runs, and what the text
of the package says.
"""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import openpyxl
import pytest

import synth
from processes import Processes, said
from synth.runtime.listener import Listener
from synth.runtime.private_zone import PrivateZone
from synth.starter import write_starter

EVERYTHING = """
project.plan()
assert not project.build().failed
project.run(full_refresh=True)
project.test()
project.table("members")
project.rows("members", 3)
draft("clinic.members", epsilon=0.1, force=True)
draft("clinic.members", force=True)
"""
PACKAGE = Path(synth.__file__).parent
SMALL = "config: {epsilon: 1.0, generator: {hidden: 8, steps: 3, bins: 6, warm_start: false, tilt: false}}"
WATCH = """
import json, sys
import duckdb
import synth
from synth.draft import draft

PRIVATE = {private!r}
seen = set()

def module():
    frame = sys._getframe()
    while frame and not frame.f_globals.get("__name__", "").startswith("synth."):
        frame = frame.f_back
    return frame.f_globals["__name__"] if frame else "elsewhere"

def watch(event, arguments):
    if event in ("open", "sqlite3.connect") and PRIVATE in str(arguments[0]):
        seen.add(("open", module()))

class Watched:
    def __init__(self, connection, *database, **named):
        self.connection = connection
        self.place = "a file" if database else "memory"
    def __getattr__(self, name):
        return getattr(self.connection, name)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.connection.close()
    def execute(self, sql, *more):
        if PRIVATE in sql:
            seen.add(("sql in " + self.place, module()))
        return self.connection.execute(sql, *more)

connect = duckdb.connect
duckdb.connect = lambda *database, **named: Watched(connect(*database, **named), *database)
sys.addaudithook(watch)
project = synth.Project(".")
{verbs}
print(json.dumps(sorted(seen)))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = write_starter(tmp_path / "project")
    metadata = project / "metadata" / "members.yml"
    metadata.write_text(metadata.read_text().replace("config: {epsilon: 1.0}", SMALL))
    return tmp_path


# ---------------------------------------------------------------- while it runs


ZONE, READERS = "synth.runtime.private_zone", "synth.runtime.readers."
OPENED = {  # by whom, besides the private zone itself, which takes the digest
    "csv": {("sql in memory", ZONE), ("open", READERS + "lines")},
    "csv.gz": {("sql in memory", ZONE), ("open", READERS + "lines")},
    "csv in latin-1": {("sql in memory", ZONE), ("open", READERS + "lines")},
    "parquet": {("sql in memory", ZONE)},
    "jsonl": {("sql in memory", ZONE)},
    "duckdb": {("sql in memory", ZONE), ("sql in memory", READERS + "tables")},
    "sqlite": {("sql in memory", ZONE), ("open", READERS + "sqlite_file")},
    "xlsx": {("sql in memory", ZONE), ("open", READERS + "workbook")},
    "python": {("open", READERS + "function")},
}


@pytest.mark.parametrize("kind", OPENED)
def test_the_private_zone_alone_opens_a_source(kind: str, root: Path, processes: Processes) -> None:
    """Files by Python's audit events, DuckDB's reading by its statements; the target's database is asked for none."""
    project, private = root / "project", root / "private"
    (project / "sources" / "clinic").rename(private)
    source = private / "members.csv"
    location, more = str(private), ""
    with duckdb.connect() as connection:
        connection.execute(f"create view rows as from read_csv('{source}', all_varchar=true)")
        result = connection.execute("from rows")
        names, found = [column[0] for column in result.description or ()], result.fetchall()
        if kind == "duckdb":
            location = f"{private}/clinic.duckdb"
            connection.execute(f"attach '{location}' as clinic")
            connection.execute("create table clinic.members as from rows")
        elif kind == "sqlite":
            location = f"{private}/clinic.sqlite"
            with closing(sqlite3.connect(location)) as database:
                database.execute(f"create table members ({', '.join(names)})")
                database.executemany(f"insert into members values ({', '.join('?' * len(names))})", found)
                database.commit()
        elif kind == "xlsx":
            location = f"{private}/clinic.xlsx"
            book = openpyxl.Workbook()
            for row in [names, *found]:
                book.active.append(row)
            book.save(location)
        elif kind == "python":
            location = "python:extract:read"
            code = f"import pandas\ndef read(table):\n    return pandas.read_csv('{source}', dtype=str)\n"
            (project / "extract.py").write_text(code)
        elif kind == "csv in latin-1":
            more = "format: {type: csv, encoding: latin-1}"
        elif kind == "jsonl":
            connection.execute(f"copy rows to '{private}/members.jsonl' (format json)")
        elif kind != "csv":
            connection.execute(f"copy rows to '{private}/MEMBERS.{kind}'")
    if ("csv" not in kind[:3] and kind != "python") or kind == "csv.gz":
        source.unlink()
    sources = project / "sources" / "clinic.yml"
    written = sources.read_text().replace("location: sources/clinic ", f"location: {location} ")
    sources.write_text(written.replace("    privacy:", f"    {more}\n    privacy:"))
    verbs = EVERYTHING if kind == "csv" else "assert not project.run().failed"
    assert processes(root, code=WATCH.format(private=str(private), verbs=verbs)) == 0, said(root)
    seen = {tuple(found) for found in json.loads(said(root).splitlines()[-1])}
    assert seen - {("open", ZONE)} == OPENED[kind]
    assert ("open", ZONE) in seen or kind == "python"


def test_rows_are_gone_when_sampling_begins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was mapped of them lay in files without a name, in a folder that is gone."""
    import weakref

    mapped: list[weakref.ref[object]] = []
    folders: list[Path] = []
    prepare = PrivateZone.prepare

    def watched(zone: PrivateZone, sql: str | None = None) -> object:
        rows = prepare(zone, sql)
        mapped.extend(weakref.ref(array) for array in (rows.unit, *rows.columns))
        folders.append(zone._temp)
        assert [path.name for path in zone._temp.iterdir()] == ["lock"]
        return rows

    class Sampling(Listener):
        begun = False

        def progress(self, model: str, stage: str, step: int, steps: int) -> None:
            if stage == "sampling":
                self.begun = True
                assert not folders[0].exists()
                assert not any(array() is not None for array in mapped)

    monkeypatch.setattr(PrivateZone, "prepare", watched)
    listener = Sampling()
    assert not synth.Project(root / "project").run(select="members", listener=listener).failed
    assert mapped and listener.begun


# ---------------------------------------------------------------- what the text says


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def users(*names: str) -> set[str]:
    """The modules that use one of these names: imported, called or as an attribute."""
    found = set()
    for module, tree in trees():
        for node in ast.walk(tree):
            named = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}.get(type(node))
            if named and getattr(node, named) in names:
                found.add(module)
    return found


def test_who_connects_to_a_database() -> None:
    found = {
        module
        for module, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("duckdb.connect", "duckdb.sql", "duckdb.execute")
    }
    figures = "runtime/evaluations.py"  # a file of figures in the private zone
    assert found == {"runtime/private_zone.py", "runtime/warehouse.py", "compiler/bind.py", figures}


def test_sql_that_reads_files_stands_in_the_private_zone() -> None:
    readers = ("read_csv(", "read_parquet(", "read_json(", "read_text(", "read_blob(", "attach ")
    found = {
        module
        for module, tree in trees()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower().startswith(readers))
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and any(f" {r}" in node.value for r in readers[:5]))
    }  # fmt: skip
    assert found == {
        "runtime/readers/lines.py",
        "runtime/readers/tables.py",
        "runtime/warehouse.py",
    }  # another target's


def test_who_opens_what_libraries_read() -> None:
    """SQLite files, workbooks, servers, and functions of the project's own; the ledger is an SQLite file itself."""
    readers = {
        "sqlite3.connect": "runtime/readers/sqlite_file.py", "load_workbook": "runtime/readers/workbook.py",
        "psycopg.connect": "runtime/readers/postgres.py", "spec.loader.exec_module": "runtime/readers/function.py",
    }  # fmt: skip
    for name, module in readers.items():
        callers = {
            found
            for found, tree in trees()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name
        }
        assert callers - {"privacy/chain.py", "evaluator.py"} == {module}  # the ledger; tasks of the project's own


def test_codes_of_rows_are_behind_private_rows() -> None:
    """Those who may hold them, those who may ask, and nobody who takes their names apart."""
    assert users("PrivateCodes") == {"runtime/runner.py"}
    asking = {
        f"generator/{name}.py" for name in ("fit", "marginals", "pairs", "repeats", "dp_sgd", "ranges", "paid_figures")
    }
    assert users("PrivateRows") == asking | {"generator/rows.py"}
    assert not [path for path in PACKAGE.rglob("*.py") if "_PrivateRows__" in path.read_text(encoding="utf-8")]
    mechanisms = ("noisy_histogram", "noisy_choice", "noisy_values", "noisy_gradient", "noisy_distance")
    assert users(*mechanisms) == {"privacy/mechanisms.py"}
    assert users("Curator") == {"generator/rows.py", "generator/fit.py", "runtime/looks.py"}


def test_what_private_rows_hold_leaves_them_through_the_curator() -> None:
    """Every public method of PrivateRows returns rows behind the same doors, or an answer of the curator."""
    tree = dict(trees())["generator/rows.py"]
    (rows,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "PrivateRows")
    for method in (node for node in rows.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")):
        text = ast.unparse(method)
        returned = [ast.unparse(node.value) for node in ast.walk(method) if isinstance(node, ast.Return) and node.value]
        assert returned and all(
            value.startswith(("self.__curator.", "PrivateRows(")) or "noisy = self.__curator." in text
            for value in returned
        ), method.name


def test_a_paid_look_gives_its_rows_to_the_curator_and_to_nobody_else() -> None:
    tree = dict(trees())["runtime/looks.py"]
    (noisy,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_noisy")
    given = [
        inner
        for node in ast.walk(noisy)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("curator.histogram", "curator.values", "unit_weights")
        for argument in node.args
        for inner in ast.walk(argument)
    ]
    used = [
        n
        for n in ast.walk(noisy)
        if isinstance(n, ast.Name) and n.id in ("rows", "weights") and isinstance(n.ctx, ast.Load)
    ]
    assert len(used) > 3 and all(name in given for name in used)


def test_the_fit_gives_its_codes_to_private_rows_and_to_nobody_else() -> None:
    tree = dict(trees())["generator/fit.py"]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    used = [node for node in ast.walk(functions["fit"]) if isinstance(node, ast.Name) and node.id == "codes"]
    given = [
        argument
        for node in ast.walk(functions["fit"])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "private_rows"
        for argument in node.args
    ]
    assert len(used) == 1 and used[0] in given
    others = [node for name, node in functions.items() if name not in ("fit", "private_rows", "_inside")]
    assert not [argument for function in others for argument in function.args.args if argument.arg == "codes"]
