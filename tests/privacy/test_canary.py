"""T10: no private cell leaves the private zone, whatever goes wrong. Every cell of the project is a token that is looked for.

Each scenario is a real process. Afterwards all that it printed and wrote is searched for every spelling of a token; only
what lies in target/internal (and the source) may hold one, and only its owner may read that.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import openpyxl
import pytest

from canary import CODE, FILES, FIRST, HEADER, NUMBER, STAGES, STEPS, WORD, found, leaks, lines, source, write_project
from compiling import write
from processes import Processes, said

AFTERWARDS = [["show", "-s", "stays"], ["ls"], ["plan"], ["ledger"], ["ledger", "--history"], ["test"]]
Change = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_project(tmp_path / "project")
    return tmp_path


def check(root: Path, whole: bool = True) -> None:
    """No token outside the private zone, whose files are their owner's alone; ``whole``: nothing is left of a spill."""
    project = root / "project"
    internal = project / "target" / "internal"
    assert leaks([root], [project / "sources", internal]) == []
    if internal.is_dir():
        assert internal.stat().st_mode & 0o777 == 0o700
        for path in internal.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        assert not whole or not list(internal.glob("spill-*"))


def kept(root: Path) -> bool:
    """Whether a token was written to the private zone: the failure did quote a cell."""
    texts = (root / "project" / "target" / "internal").glob("error-*.txt")
    return any(found(path.read_bytes()) for path in texts)


# ---------------------------------------------------------------- the scanner finds what is planted


def hidden(root: Path) -> dict[str, Callable[[], object]]:
    """A leak of each sort."""
    target = root / "project" / "target"
    database = target / "dev.duckdb"

    def sql(*statements: str) -> None:
        with duckdb.connect(str(database)) as connection:
            for statement in statements:
                connection.execute(statement)

    def stopped() -> None:
        statement = f"create table t as select repeat('{WORD}', 9) as c from range(99)"
        code = f"import duckdb, os; c = duckdb.connect('{database}'); c.execute(\"{statement}\"); os._exit(0)"
        subprocess.run([sys.executable, "-c", code], check=True)

    return {
        "message": lambda: (root / "err.txt").write_text(f"ValueError: could not convert {WORD.lower()}17"),
        "log": lambda: (target / "synth.log").write_text(json.dumps({"level": "info", "value": NUMBER})),
        "code in a log": lambda: (target / "synth.log").write_text(f"code {CODE} of 9"),
        "formatted number": lambda: (root / "out.txt").write_text(f"largest: {NUMBER:,}"),
        "base64": lambda: (target / "x.html").write_bytes(b"data:," + base64.b64encode(b"ab" + WORD.encode() + b"c")),
        "hex": lambda: (target / "x.json").write_text(f"\\x{WORD.encode().hex()}"),
        "utf-16": lambda: (target / "x.txt").write_text(WORD, encoding="utf-16"),
        "float64": lambda: (target / "x.safetensors").write_bytes(bytes(3) + struct.pack("<d", NUMBER)),
        "int64": lambda: (target / "x.npy").write_bytes(bytes(5) + CODE.to_bytes(8, "little")),
        "temp file": lambda: Path(tempfile.mkstemp(dir=root / "tmpdir")[1]).write_text(WORD.upper()),
        "file name": lambda: (root / "home" / f"{WORD}.txt").touch(),
        "ledger": lambda: (root / "project" / "privacy_ledger.db").write_bytes(b"SQLite" + WORD.encode()),
        "database row": lambda: sql("create table t (c varchar)", f"insert into t values ('a {WORD}')"),
        "compressed page": lambda: sql(f"create table t as select '{WORD}' || i % 3 as c from range(50000) r(i)", "checkpoint"),
        "number in a page": lambda: sql(f"create table t as select {NUMBER}::double as c from range(10)"),
        "comment": lambda: sql("create table t (c int)", f"comment on table t is '{WORD}'"),
        "rows that were dropped": lambda: sql(f"create table t as select '{WORD}' as c", "checkpoint", "drop table t"),
        "log of a database": stopped,
    }  # fmt: skip


@pytest.mark.parametrize("sort", hidden(Path()))
def test_the_scanner_finds_a_leak_of_each_sort(sort: str, root: Path) -> None:
    for folder in ("project/target", "home", "tmpdir"):
        (root / folder).mkdir()
    check(root)
    hidden(root)[sort]()
    with pytest.raises(AssertionError, match="assert \\["):
        check(root)


def test_a_file_that_others_may_read_is_found(root: Path) -> None:
    internal = root / "project" / "target" / "internal"
    internal.mkdir(parents=True, mode=0o700)
    (internal / "error.txt").touch(mode=0o600)
    check(root)
    (internal / "error.txt").chmod(0o640)
    with pytest.raises(AssertionError):
        check(root)


# ---------------------------------------------------------------- what goes wrong


@dataclass(frozen=True)
class Scenario:
    """``ends``: the exit code, minus a signal; ``says``: what is printed; ``inside``: a cell was quoted, privately."""

    name: str
    change: Change = lambda root: None
    plant: str = ""
    ends: int = 1
    says: str = ""
    inside: bool = False
    command: tuple[str, ...] = ("run",)
    environment: dict[str, str] = field(default_factory=dict)


def text(content: str | bytes, name: str = "stays.csv") -> Change:
    """The source, and nothing else, is a file of this content."""

    def change(root: Path) -> None:
        source(root).unlink()
        source(root).with_name(name).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def table(*odd: str | bytes, header: str = HEADER, end: bytes = b"\n") -> Change:
    """The source, with odd lines in the middle of it."""
    coded = [line.encode() if isinstance(line, str) else line for line in (header, *lines()[:60], *odd, *lines()[60:])]
    return text(end.join(coded) + end)


def sql(select: str, where: str = "true", trust: str = "") -> Change:
    said = f"{{{{ config(trust_sql='{trust}') }}}}" if trust else ""
    return lambda root: write(
        root,
        {
            "models/stays.sql": f"{said} select stay, patient, ward, age, dose, born, seen, smoker, "
            f"{select} from {{{{ source('ward', 'stays') }}}} where {where}\n"
        },
    )


def yaml(file: str, old: str, new: str) -> Change:
    return lambda root: write(root, {file: FILES[file].replace(old, new)})


def query(statement: str, name: str = "stays.parquet") -> Change:
    """The source as DuckDB writes it from a statement over ``rows``, whose columns are text."""

    def change(root: Path) -> None:
        with duckdb.connect() as connection:
            connection.execute(f"create view rows as from read_csv('{source(root)}', all_varchar=true)")
            connection.execute(f"copy ({statement}) to '{source(root).with_name(name)}'")
        source(root).unlink()

    return change


def database(*statements: str) -> Change:
    """The source as a DuckDB file, in which the statements were run on ``rows``."""

    def change(root: Path) -> None:
        path = source(root).parent / "wards.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create table rows as from read_csv('{source(root)}', all_varchar=true)")
            for statement in statements:
                connection.execute(statement)
        source(root).unlink()
        yaml("sources/ward.yml", "location: sources/ward", "location: sources/ward/wards.duckdb")(root)

    return change


def cut(change: Change, name: str, share: float = 0.6) -> Change:
    """A source of which the end is missing."""

    def both(root: Path) -> None:
        change(root)
        path = source(root).with_name(name)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return both


def generator(wanted: str) -> Change:
    return yaml("metadata/stays.yml", FIRST, wanted)


def both(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for one in changes:
            one(root)

    return change


ZIPPED = gzip.compress(("\n".join([HEADER, *lines()]) + "\n").encode())
TYPED = "select * replace (dose::double as dose, {} as {}) from rows"
LONG = f"{WORD}," * 400_000

BROKEN = [
    Scenario("as it is", ends=0, says="80 rows"),
    Scenario("all stages", generator(STAGES), ends=0, says="80 rows"),
    Scenario("quote never closed", table(f'"{WORD},{WORD},F,1'), ends=0),
    Scenario("stray quotes", table(lines()[0].replace(WORD, f'{WORD}"x"')), ends=0),
    Scenario("too few fields", table(f"{WORD},{WORD},F"), ends=0),
    Scenario("too many fields", table(lines()[0] + f",{WORD}" * 40), ends=0),
    Scenario("zero bytes", table(lines()[0].encode().replace(b",", b",\0", 2)), ends=0),
    Scenario("not UTF-8", table(lines()[0].encode().replace(b"x", b"\xff\xfe\xe9")), ends=0),
    Scenario("Latin-1", table(lines()[0].replace("x", "é").encode("latin-1")), ends=0),
    Scenario("UTF-16", text("\n".join([HEADER, *lines()]).encode("utf-16")), says="is not CSV text in UTF-8"),
    Scenario("UTF-16 below the header", text(
        f"{HEADER}\n".encode() + "\n".join(lines()).encode("utf-16-le")), ends=0),
    Scenario("old Mac line ends", table(end=b"\r"), ends=0),
    Scenario("Windows line ends", table(end=b"\r\n"), ends=0),
    Scenario("quoted line end", table(f'"{WORD}\n{WORD}",{WORD},F,1,2,3,2000-01-01,,1,'), ends=0),
    Scenario("a line of megabytes", table(LONG), ends=0),
    Scenario("a cell of megabytes", table(lines()[0] + WORD * 100_000), ends=0),
    Scenario("no header", text("\n".join(lines())), says="has no column"),
    Scenario("header of one cell", text("\n".join([WORD, *lines()])), says="has no column"),
    Scenario("header twice the same", text("\n".join([f"{WORD},{WORD}", *lines()])), says="repeated names"),
    Scenario("header of quotes", table(header=f'"{WORD}""a","{WORD}b",' + HEADER), ends=0),
    Scenario("header never closed", table(header='"' + HEADER)),
    Scenario("header of odd signs", text(f'"{WORD}\t\\\'"";--",' + "\n".join([HEADER, *lines()])), ends=0),
    Scenario("semicolons", text("\n".join([HEADER, *lines()]).replace(",", ";")), says="has no column"),
    Scenario("tabs", text("\n".join([HEADER, *lines()]).replace(",", "\t")), says="has no column"),
    Scenario("empty file", text(""), says="has no header"),
    Scenario("header only", text(HEADER + "\n"), ends=0),
    Scenario("blank lines", table("", "", " "), ends=0),
    Scenario("a column is missing", table(header=HEADER.replace("dose", WORD)), says="no column 'dose'"),
    Scenario("noise", text(bytes(range(256)) * 40 + WORD.encode())),
    Scenario("zipped", text(ZIPPED, "stays.csv.gz"), ends=0),
    Scenario("zipped, cut off", text(ZIPPED[:-40], "stays.csv.gz")),
    Scenario("zipped, damaged", text(ZIPPED[:200] + b"\xff" * 20 + ZIPPED[220:], "stays.csv.gz")),
    Scenario("zipped, damaged at once", text(ZIPPED[:10] + b"\xff" * 99, "stays.csv.gz"), says="is not CSV text"),
    Scenario("not zipped", text("\n".join([HEADER, *lines()]), "stays.csv.gz"), says="is not CSV text"),
    Scenario("two files", lambda root: write(root, {"sources/ward/STAYS.csv": WORD}), says="is ambiguous"),
    Scenario("parquet", query(TYPED.format("age", "age")), ends=0),
    Scenario("parquet of odd types", query(
        "select {'a': stay} as stay, patient, [sex] as sex, map {ward: 1} as ward, age::blob as age, "
        f"{NUMBER}::decimal(30, 2) as dose, interval 1 day as born, timestamptz '2000-01-01' as seen, "
        "uuid() as smoker, [{'n': note}] as note from rows"), ends=0),
    Scenario("parquet, cut off", cut(query("from rows"), "stays.parquet")),
    Scenario("parquet, damaged", both(
        query("from rows"), lambda root: damage(source(root).with_name("stays.parquet")))),
    Scenario("parquet that is text", text("\n".join([HEADER, *lines()]), "stays.parquet")),
    Scenario("DuckDB file", database("create table stays as from rows"), ends=0),
    Scenario("DuckDB file with enumerations", database(
        "create type kind as enum (select distinct age from rows)",
        "create table stays as select * replace (age::kind as age) from rows"), ends=0),
    Scenario("DuckDB file with a view that fails", database(
        "create view stays as select * replace (note::int as age) from rows"), says="ConversionException", inside=True),
    Scenario("DuckDB file with a view of nothing", database(
        "create view stays as from rows", "alter table rows rename to other"), says="CatalogException"),
    Scenario("DuckDB file without the table", database(f"create table {WORD} as from rows"), says="CatalogException"),
    Scenario("DuckDB file, cut off", cut(database("create table stays as from rows"), "wards.duckdb", 0.2)),
    Scenario("DuckDB file that is text", both(
        lambda root: source(root).rename(source(root).with_name("wards.duckdb")),
        yaml("sources/ward.yml", "location: sources/ward", "location: sources/ward/wards.duckdb")),
        says="is not a DuckDB file"),
]  # fmt: skip


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8 : len(content) // 2 : 3] = b"\xa5" * len(content[8 : len(content) // 2 : 3])
    path.write_bytes(content)


# what DuckDB does with a cell at run time, in a model that is trusted, so that it is run as it is, and in a view of the source
IN_MODELS = (
    "strptime(note, '%Y-%m-%d')", "date_trunc(note, timestamp '2000-01-01')", "date_part(note, date '2000-01-01')",
    "from_base64(note)", "regexp_matches('a', '(' || note)", "json_extract(note, '$.a')", "format(note || '{', 1)",
    "length(note) // (length(note) - length(note))", "length(note) * 9223372036854775807",
)  # fmt: skip
IN_VIEWS = (
    "note::int", "note::date", "note::timestamp", "note::decimal(9, 2)", "note::uuid", "note::interval", "note::boolean",
    "note::int[]", "note::struct(a int)", "note::json", "note::enum('F', 'M')", "dose::double::int", "error(note)",
    "dose::double::bigint * 9000000000000000", "dose::double::bigint::tinyint", "note::hugeint", "note::time",
    "(select sex from rows)", "repeat(note, 2000000000)", "[1, 2][note::int]",
)  # fmt: skip
FAILING = [
    *(Scenario(f"model: {e}", sql(f"({e})::varchar as sex", trust="a test: run as it is"), says="Exception)") for e in IN_MODELS),
    *(
        Scenario(f"view: {e}", database(f"create view stays as select * replace (({e})::varchar as age) from rows"),
                 says="Exception)")
        for e in IN_VIEWS
    ),
]  # fmt: skip


def linked(*changes: Change) -> Change:
    """The stays are below people, and a child table is below them."""

    def change(root: Path) -> None:
        for further in changes:
            further(root)
        stays, sources = (root / name for name in ("metadata/stays.yml", "sources/ward.yml"))
        key = "primary_key: stay\n"
        said = stays.read_text().replace(key, f"{key}    foreign_keys: [{{column: patient, references: people}}]\n")
        said = said.replace("rows: 80, ", "")
        listed = sources.read_text().replace("tables: [", "tables: [{name: people}, {name: tests}, ")
        rows = list(csv.reader(lines()))
        tables = {
            "people": ["patient,born", *(f"{row[1]},{row[6]}" for row in rows)],
            "tests": ["stay,patient,found", *(f"{row[0]},{row[1]},{row[5]}" for row in rows)],
        }
        files = {f"sources/ward/{name}.csv": "\n".join(made) + "\n" for name, made in tables.items()}
        files |= {"metadata/stays.yml": said, "sources/ward.yml": listed, "metadata/around.yml": AROUND}
        write(root, files)

    return change


AROUND = """
tables:
  - name: people
    source: ward.people
    primary_key: patient
    config: {epsilon: 1.0, generator: {kind: independent}}
    columns: [{name: patient, type: key}, {name: born, type: date, bounds: [1900-01-01, 2030-01-01], nullable: true}]
  - name: tests
    source: ward.tests
    foreign_keys: [{column: stay, references: stays}]
    max_rows_per_unit: 3
    config: {epsilon: 1.0, generator: {kind: independent}}
    columns: [{name: stay, type: key}, {name: patient, type: key},
              {name: found, type: number, bounds: [0, 2000000000000], rounding: 0.5}]
"""


ONE_FILE = "location: sources/ward/wards"
PYTHON = """
import os, sys, warnings, pandas
def read(table):
    rows = pandas.read_csv("sources/ward/stays.csv", dtype=str)
    {}
    return rows
"""


def formatted(format: str) -> Change:
    return yaml("sources/ward.yml", "    privacy", f"    format: {{{format}}}\n    privacy")


def records(odd: str = "") -> Change:
    """The source as JSON lines."""
    rows = [json.dumps(dict(zip(HEADER.split(","), line.split(","), strict=False))) for line in lines()]
    return text("\n".join([*rows[:60], odd, *rows[60:]]), "stays.jsonl")


def sqlite(*statements: str) -> Change:
    def change(root: Path) -> None:
        path = source(root).with_name("wards.sqlite")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"create table rows ({HEADER})")
            marks = ", ".join("?" * len(HEADER.split(",")))
            connection.executemany(f"insert into rows values ({marks})", [line.split(",") for line in lines()])
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        source(root).unlink()
        yaml("sources/ward.yml", "location: sources/ward", f"{ONE_FILE}.sqlite")(root)

    return change


def workbook(sheet: str) -> Change:
    def change(root: Path) -> None:
        book = openpyxl.Workbook()
        book.active.title = sheet
        for line in [HEADER, *lines()]:
            book.active.append(line.split(","))
        book.create_sheet("other")
        book.save(source(root).with_name("wards.xlsx"))
        source(root).unlink()
        yaml("sources/ward.yml", "location: sources/ward", f"{ONE_FILE}.xlsx")(root)

    return change


def function(statement: str) -> Change:
    return both(
        lambda root: write(root, {"extract.py": PYTHON.format(statement)}),
        yaml("sources/ward.yml", "location: sources/ward", "location: python:extract:read"),
    )


FORMATS = [
    Scenario("CSV in latin-1", both(formatted("type: csv, encoding: latin-1"), table(
        lines()[0].replace("x", "é").encode("latin-1"))), ends=0),
    Scenario("CSV in UTF-16", both(formatted("type: csv, encoding: utf-16"), text(
        "\n".join([HEADER, *lines()]).encode("utf-16"))), ends=0),
    Scenario("CSV of another delimiter", formatted(r'type: csv, delimiter: "\t"'), says="has no column 'patient'"),
    Scenario("CSV without its header", formatted(f"type: csv, header: [{HEADER}]"), ends=0),
    Scenario("JSON lines", records(), ends=0),
    Scenario("JSON lines that are none", records(f'{{"stay": "{WORD}", "patient": ["{WORD}"'), ends=0),
    Scenario("JSON that is CSV", text("\n".join([HEADER, *lines()]), "stays.jsonl"), ends=0),
    Scenario("SQLite file", sqlite("alter table rows rename to stays"), ends=0),
    Scenario("SQLite file without the table", sqlite(f"alter table rows rename to {WORD}"), says="has no table 'stays'"),
    Scenario("SQLite file with a view that fails", sqlite(
        "create view stays as select *, json_extract(note, '$') as other from rows"), ends=0),
    Scenario("SQLite file with a view that fails on a cell", sqlite(
        "create view stays as select stay, patient, sex, ward, json_extract(age, '$') as age, dose, born, seen, smoker "
        "from rows"), says="OperationalError"),
    Scenario("SQLite file, damaged", both(
        sqlite("alter table rows rename to stays"), lambda root: damage(source(root).with_name("wards.sqlite")))),
    Scenario("workbook", workbook("stays"), ends=0),
    Scenario("workbook without the sheet", workbook(WORD), says="has no sheet 'stays'"),
    Scenario("workbook, damaged", both(
        workbook("stays"), lambda root: damage(source(root).with_name("wards.xlsx")))),
    Scenario("function", function("pass"), ends=0),
    Scenario("function that raises", function("raise ValueError(rows.to_string())"), says="ValueError in read", inside=True),
    Scenario("function that ends the program", function("sys.exit(rows.to_string())"), inside=True),
    Scenario("function that says everything", function(
        "print(rows); warnings.warn(rows.to_string()); os.write(1, rows.to_csv().encode()); "
        "os.system('cat sources/ward/stays.csv'); sys.stderr.write(rows.to_csv())"), ends=0, inside=True),
    Scenario("function of other columns", function("rows = rows.rename(columns={'patient': rows.note[0]})"),
             says="has no column 'patient'"),
    Scenario("function of nothing", function("rows = rows.note[0]"), says="gave neither Arrow nor pandas, but str"),
]  # fmt: skip

RUNTIME = [
    Scenario("linked tables", linked(), ends=0),
    Scenario("linked tables, a crash", linked(generator(STEPS)),
             plant="allow_core_dumps(); first('torch.optim.Adam.step', crashes)", ends=-signal.SIGABRT),
    Scenario("linked tables, no memory", linked(),
             plant=f"first('numpy.unique', raises(MemoryError, 'Unable to allocate ({CODE},)'))",
             says="not enough memory", inside=True),
    Scenario("linked tables, killed in prepare", linked(),
             plant="first('pandas.Series.to_numpy', strikes(signal.SIGKILL))", ends=-signal.SIGKILL),
    Scenario("little memory", yaml("synth_project.yml", "500MB", "1MB")),
    Scenario("full disk", plant="fills_the_disk('synth.runtime.private_zone.PrivateZone.prepare')",
             says="File too large"),
    Scenario("full disk from the start", plant="fills_the_disk('synth.runtime.runner.Runner._generator')", ends=3),
    Scenario("internal is a file", lambda root: write(root, {"target/internal": ""}), says="cannot be written"),
    Scenario("internal cannot be written", plant=(
        "first('tempfile.mkdtemp', raises(PermissionError, 13, 'Permission denied'), False)"), says="Permission denied"),
    Scenario("no memory", plant=f"first('numpy.unique', raises(MemoryError, 'Unable to allocate ({CODE},)'))",
             says="not enough memory", inside=True),
    Scenario("source with other columns", plant=(
        "first('synth.runtime.private_zone.PrivateZone.prepare', lambda: open('sources/ward/stays.csv', 'w')"
        ".write('a,' + WORD + '\\n' + WORD * 9))"), says="changed while it was read"),
    Scenario("source of noise", plant=(
        "first('synth.runtime.private_zone.PrivateZone.prepare', lambda: open('sources/ward/stays.csv', 'wb')"
        ".write(bytes(range(256)) * 999 + WORD.encode() + b'\\xff'))"), says="changed while it was read"),
    Scenario("source that goes", plant=(
        "first('synth.runtime.private_zone.PrivateZone.prepare', lambda: os.remove('sources/ward/stays.csv'))")),
    Scenario("parquet that is another", query("from rows"), plant=(
        "first('synth.runtime.private_zone.PrivateZone.prepare', lambda: os.truncate('sources/ward/stays.parquet', 900))")),
    Scenario("everything is said", generator(STEPS), plant="first('torch.optim.Adam.step', says)", ends=0, inside=True),
    Scenario("everything is said in prepare", plant="first('pandas.Series.to_numpy', says)", ends=0, inside=True),
    Scenario("everything is said quietly", plant="first('numpy.unique', says)", ends=0, inside=True,
             command=("run", "--quiet")),
    Scenario("Ctrl-C in DuckDB", database(
        "create view stays as select * exclude (i) replace (md5(note || i) as age) from rows, range(200000) r(i)"), plant=(
        "first('synth.runtime.private_zone.PrivateZone.prepare', threading.Timer(0.2, strikes(signal.SIGINT)).start)"),
        says="Interrupted"),
    Scenario("Ctrl-C in a public model", lambda root: write(root, {
        "models/doses.sql": "select count(*) as n from " + ", ".join(f"{{{{ ref('stays') }}}} as t{i}" for i in range(5))
        + " where t0.stay * t1.stay + t2.stay * t3.stay = 7 * t4.stay\n"}), plant=(
        "first('synth.runtime.warehouse.Warehouse.build_public', threading.Timer(0.2, strikes(signal.SIGINT)).start)"),
        says="Interrupted"),
    Scenario("a crash", generator(STEPS), plant="allow_core_dumps(); first('torch.optim.Adam.step', crashes)",
             ends=-signal.SIGABRT),
]  # fmt: skip

ERRORS = {
    "pandas.Series.to_numpy": "ValueError",
    "numpy.memmap": "OSError, 5, WORD, WORD",
    "tempfile.TemporaryFile": "OSError, 28, 'No space left on device: ' + WORD",
    "numpy.repeat": "KeyError, WORD",
    "numpy.unique": "TypeError",
    "numpy.bincount": "FloatingPointError",
    "numpy.clip": "SystemExit, WORD",
    "numpy.einsum": "UnicodeDecodeError, 'utf-8', WORD.encode(), 0, 1, WORD",
    "torch.from_numpy": "GeneratorExit, WORD",
    "torch.optim.Adam.step": "click.ClickException, WORD",
    "synth.generator.dp_sgd.unit_gradients": "click.UsageError, WORD",
    "synth.generator.rows.PrivateRows.gradient": "StopIteration, WORD",
    "synth.privacy.mechanisms.noisy_histogram": "AssertionError, WORD",
    "synth.generator.fit.measure": "BrokenPipeError, 32, WORD",
    "synth.generator.fit.measure_pairs": "duckdb.Error, WORD",
    "json.dumps": "RecursionError, WORD",
    "synth.generator.fit.private_rows": "click.Abort, WORD",
}
PLANTED = [
    Scenario(f"{error.split(',')[0]} in {place}", generator(STEPS), plant=f"first('{place}', raises({error}))", inside=True)
    for place, error in ERRORS.items()
] + [
    Scenario("an error in torch.Tensor.backward", generator(STAGES), inside=True,
             plant="first('torch.Tensor.backward', raises(RuntimeError))"),
    Scenario("an error quietly", plant="first('numpy.unique', raises(ValueError))", command=("run", "-q"), inside=True),
    Scenario("an error in build", plant="first('numpy.unique', raises(ValueError))", command=("build",), inside=True),
    Scenario("an error with SYNTH_DEBUG", plant="first('numpy.unique', raises(ValueError))", inside=True,
             environment={"SYNTH_DEBUG": "1"}),
    Scenario("an error while sampling", plant="first('synth.generator.synthesis.draw_sizes', raises(ValueError))"),
]  # fmt: skip

PHASES = {
    "prepare": "pandas.Series.to_numpy",
    "marginals": "numpy.bincount",
    "pairs": "synth.generator.fit.measure_pairs",
    "DP-SGD": "torch.optim.Adam.step",
    "saving": "synth.generator.store.save",
    "sampling": "synth.generator.synthesis.draw_sizes",
    "landing": "synth.runtime.warehouse.Warehouse.land",
}
STRUCK = [
    Scenario(
        f"{blow.name} in {phase}", generator(STEPS), plant=f"first('{place}', strikes(signal.{blow.name}))", ends=ends
    )
    for phase, place in PHASES.items()
    for blow, ends in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 1))
]

AFTER = [
    Scenario("failing test", ends=1, says="FAIL", command=("build",)),
    Scenario("failing public model", ends=1, says="ERROR", change=lambda root: write(
        root, {"models/doses.sql": "{{ config(materialized='table') }} select sex::int as n from {{ ref('stays') }}\n"})),
    Scenario("the budget refuses", yaml("synth_project.yml", "epsilon: 90", "epsilon: 0.5"), ends=3, says="REFUSED"),
]  # fmt: skip

DRAFT = ("draft", "ward.stays", "--force")
PAID = (*DRAFT, "--epsilon", "1")
PERSONAL = text("\n".join([HEADER, *(  # what many people share, a look that is paid for may tell
    ",".join(f"{cell}{i}" for cell in line.split(",")) for i, line in enumerate(lines()))]) + "\n")  # fmt: skip
DRAFTS = [
    Scenario("a draft that is paid for", PERSONAL, command=PAID, ends=0, says="epsilon"),
    Scenario("a draft of few", text("\n".join([HEADER, *lines()[:8]])), command=DRAFT, ends=0, says="DRAFTED FROM PRIVATE"),
    Scenario("a draft of what is no CSV", text("\n".join([HEADER, *lines()]).encode("utf-16")), command=DRAFT,
             says="is not CSV text"),
    Scenario("a draft of a view that fails", database(
        "create view stays as select * replace (note::int as age) from rows"), command=DRAFT,
        says="ConversionException", inside=True),
    Scenario("an error in a draft", plant="first('numpy.bincount', raises(ValueError), False)", command=DRAFT,
             inside=True),
    Scenario("an error in a draft that is paid for", plant="first('numpy.unique', raises(ValueError))", inside=True,
             change=PERSONAL, command=PAID),
    Scenario("everything is said in a draft", plant="first('numpy.unique', says)", inside=True, ends=0,
             change=PERSONAL, command=PAID),
    Scenario("a draft that is killed", plant="first('numpy.unique', strikes(signal.SIGKILL))", ends=-signal.SIGKILL,
             change=PERSONAL, command=PAID),
]  # fmt: skip

IMPORTS = "import os, signal, threading, click, duckdb\nfrom canary import WORD\nfrom plants import *\n"


QUICK = {
    "as it is", "zipped, damaged", "DuckDB file with a view that fails", "model: regexp_matches('a', '(' || note)", "full disk",
    "internal is a file", "everything is said", "Ctrl-C in DuckDB", "a crash", "ValueError in pandas.Series.to_numpy",
    "function that says everything",
    "click.UsageError in synth.generator.dp_sgd.unit_gradients", "failing public model", "SIGKILL in prepare",
    "a draft that is paid for", "an error in a draft",
}  # fmt: skip


def each(*scenarios: Scenario) -> pytest.MarkDecorator:
    """All of them in make test, a few in make check."""
    marked = [pytest.param(s, id=s.name, marks=() if s.name in QUICK else pytest.mark.slow) for s in scenarios]
    return pytest.mark.parametrize("scenario", marked)


def run(processes: Processes, root: Path, scenario: Scenario) -> None:
    scenario.change(root / "project")
    plant = IMPORTS + scenario.plant if scenario.plant else ""
    ends = processes(root, list(scenario.command), plant=plant, **scenario.environment)
    output = said(root)
    assert ends == scenario.ends, output
    assert scenario.says in output
    check(root, whole=ends >= 0)
    assert kept(root) or not scenario.inside
    assert "Traceback" not in output or scenario.environment


@each(*BROKEN, *FORMATS, *FAILING, *RUNTIME, *PLANTED, *DRAFTS)
def test_no_cell_leaves_the_private_zone(scenario: Scenario, processes: Processes, root: Path) -> None:
    run(processes, root, scenario)


@each(*AFTER)
def test_nor_by_another_command(scenario: Scenario, processes: Processes, root: Path) -> None:
    run(processes, root, scenario)
    processes(root, *AFTERWARDS)
    check(root)


@each(*STRUCK)
def test_nor_from_a_run_that_is_struck_down(scenario: Scenario, processes: Processes, root: Path) -> None:
    """What it left is cleared away by the next run, and what that one says is looked at, too."""
    run(processes, root, scenario)
    assert processes(root, ["run"]) == 0, said(root)
    check(root)


def test_what_is_spilled_is_its_owners_and_goes(processes: Processes, root: Path) -> None:
    """Sorting 120,000 keys of 200 characters in 60 MB."""
    project = root / "project"
    both(
        database(
            "create view stays as from (select * replace (patient || i || repeat(md5(patient), 6) as patient) "
            "from rows, range(1000) r(i))"
        ),
        yaml("synth_project.yml", "500MB", "60MB"),
    )(project)
    assert processes(root, ["run"], plant=IMPORTS + "first('pandas.Series.to_numpy', strikes(signal.SIGKILL))") == -9
    check(root, whole=False)
    spilled = list((project / "target" / "internal").glob("spill-*/duckdb_temp*"))
    assert any(found(path.read_bytes()) for path in spilled)
    assert processes(root, ["run"]) == 0, said(root)
    check(root)


FROM_PYTHON = f"""{IMPORTS}
import synth
{{plant}}
try:
    print(synth.Project(".").run())
except BaseException as error:
    confess(error)
"""
FAILURES = {
    "an exception": "first('numpy.unique', raises(ValueError))",
    "no memory": "first('torch.from_numpy', raises(MemoryError))",
    "a broken constraint of DuckDB": "first('pandas.Series.to_numpy', raises(duckdb.ConversionException))",
    "Ctrl-C": "first('synth.generator.rows.PrivateRows.gradient', strikes(signal.SIGINT))",
    "a way out": "first('numpy.bincount', raises(SystemExit))",
}


@pytest.mark.parametrize("name", FAILURES)
def test_nor_by_what_an_exception_leads_to(name: str, processes: Processes, root: Path) -> None:
    generator(STEPS)(root / "project")
    assert processes(root, code=FROM_PYTHON.format(plant=FAILURES[name])) == 0, said(root)
    check(root)
    assert ("KeyboardInterrupt()" if name == "Ctrl-C" else "status='error'") in said(root)


def test_an_exception_that_leads_to_cells_is_found(processes: Processes, root: Path) -> None:
    """A planted bug: the work is done without being confined."""
    generator(STEPS)(root / "project")
    plant = "import synth.runtime.runner as runner\nrunner.confine = lambda internal, doing, work: work()\n"
    processes(root, code=FROM_PYTHON.format(plant=plant + FAILURES["Ctrl-C"]))
    assert any("out.txt" in leak for leak in leaks([root], [root / "project"]))
