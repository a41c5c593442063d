"""Sources as hospitals have them: each sort of file gives the same rows, and each mistake its own words."""

from __future__ import annotations

import datetime
import gzip
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compiling import compile_folder, write
from lab import NAMES, WARDS, Write, compiled, copied, json_text, prepared, project, refused, rows, text, zone
from synth.artifacts.compiled import SyntheticModel
from synth.errors import ProjectError

# ---------------------------------------------------------------- each sort of file, written for real


def csv_text(delimiter: str = ",", quote: str = '"', escape: str = "", header: bool = True, end: str = "\n") -> str:
    def field(value: object) -> str:
        plain = text(value)
        if not quote or not set(plain) & {delimiter, quote, escape}:
            return plain
        for sign in dict.fromkeys((escape or quote, quote)):
            plain = plain.replace(sign, (escape or quote) + sign)
        return quote + plain + quote

    lines = [NAMES, *rows()] if header else rows()
    return end.join(delimiter.join(map(field, line)) for line in lines) + end


def saved(name: str, content: str | bytes, encoding: str = "utf-8") -> Write:
    coded = content.encode(encoding) if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(coded)


def parts(name: str, pack: Callable[[bytes], bytes] = bytes) -> Write:
    """The same rows in three files, each with the header."""
    header, *lines = csv_text().splitlines(keepends=True)

    def files(folder: Path) -> None:
        for i in range(3):
            (folder / name.format(2020 + i)).write_bytes(pack((header + "".join(lines[i::3])).encode()))

    return files


def sqlite_file(name: str) -> Write:
    """Of loosely typed cells, as SQLite keeps them: a real that is whole, times as text, true as 1."""

    def make(folder: Path) -> None:
        with closing(sqlite3.connect(folder / name)) as database:
            database.execute("create table Results (patient real, ward, dose, born text, taken text, smoker, note)")
            database.executemany(
                "insert into Results values (?, ?, ?, ?, ?, ?, ?)",
                [(p, w, d, b and str(b), str(t), s, n) for p, w, d, b, t, s, n in rows()],
            )
            database.commit()

    return make


def workbook(name: str, sheet: str, *others: str) -> Write:
    def make(folder: Path) -> None:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in [NAMES, *rows()]:
            page.append(row)
        page.append([None] * 9)
        page.cell(1, 12).number_format = "0.00"  # an empty cell that was formatted
        for other in others:
            book.create_sheet(other)
        book.save(folder / name)

    return make


FUNCTION = f"""
import json, pathlib
from extracts.shapes import shaped

def read(table):
    assert table == "results"
    lines = (pathlib.Path(__file__).parents[1] / "lab.jsonl").read_text(encoding="utf-8").splitlines()
    return shaped([list(json.loads(line).values()) for line in lines], {list(NAMES)})
"""
PANDAS = """
import pandas

def shaped(rows, names):
    frame = pandas.DataFrame(rows, columns=names)
    return frame.assign(taken=pandas.to_datetime(frame.taken), born=pandas.to_datetime(frame.born))
"""
ARROW = """
import duckdb

def shaped(rows, names):
    connection = duckdb.connect()
    connection.execute(f"create table t ({', '.join(f'{name} varchar' for name in names)})")
    connection.executemany("insert into t values (?, ?, ?, ?, ?, ?, ?)", rows)
    return connection.sql("select * replace (taken::timestamp as taken, born::date as born) from t")
"""

KINDS: dict[str, tuple[str, str, Write]] = {
    "csv": ("data", "", saved("results.csv", csv_text())),
    "csv, declared": ("data", ", format: {type: csv}", saved("RESULTS.CSV", csv_text())),
    "csv with semicolons, in latin-1": (
        "data", ', format: {type: csv, delimiter: ";", encoding: latin-1}',
        saved("results.csv", csv_text(";"), "latin-1")),
    "csv with tabs and escapes, in windows-1252": (
        "data", r""", identifier: results.txt, format: {type: csv, delimiter: "\t", escape: "\\", quote: "'", """
        "encoding: windows-1252}", saved("results.txt", csv_text("\t", "'", "\\", end="\r\n"), "windows-1252")),
    "csv without quotes": (
        "data", ', format: {type: csv, delimiter: "|", quote: ""}', saved("results.csv", csv_text("|", ""))),
    "csv in UTF-16": ("data", ", format: {type: csv, encoding: utf-16}", saved("results.csv", csv_text(), "utf-16")),
    "csv in UTF-16, big end first, zipped": (
        "data", ", format: {type: csv, encoding: utf-16-be}",
        saved("results.csv.gz", gzip.compress(csv_text(end="\r\n").encode("utf-16-be")))),
    "csv with a mark of its encoding": ("data", "", saved("results.csv", csv_text(), "utf-8-sig")),
    "csv without a header": (
        "data", f", format: {{type: csv, header: [{', '.join(NAMES)}]}}", saved("results.csv", csv_text(header=False))),
    "csv without a header, in UTF-16 with a mark": (
        "data", f", format: {{type: csv, header: [{', '.join(NAMES)}], encoding: utf-16-le}}",
        saved("results.csv", "\ufeff" + csv_text(header=False), "utf-16-le")),
    "csv without a header, in latin-1": (
        "data", f", format: {{type: csv, header: [{', '.join(NAMES)}], encoding: latin-1}}",
        saved("results.csv", csv_text(header=False), "latin-1")),
    "csv, zipped": ("data", "", saved("results.csv.gz", gzip.compress(csv_text().encode()))),
    "csv, packed by zstd": ("data", "", copied("copy rows to '{}/results.csv.zst' (header, compression zstd)")),
    "csv in several files": ("data", ', identifier: "results_*"', parts("Results_{}.csv")),
    "csv in several files, zipped": ("data", ', identifier: "results_????.csv.gz"', parts("results_{}.csv.gz", gzip.compress)),
    "csv in several files, in latin-1": (
        "data", ', identifier: "results_*", format: {type: csv, encoding: latin-1}',
        parts("results_{}.csv", lambda content: content.decode().encode("latin-1"))),
    "parquet": ("data", "", copied("copy rows to '{}/results.parquet'")),
    "parquet in several files": ("data", ', identifier: "part-*"', copied(
        "copy (from rows limit 30) to '{0}/part-1.parquet'; copy (from rows offset 30) to '{0}/part-2.parquet'")),
    "json lines": ("data", "", saved("results.jsonl", json_text())),
    "json lines, zipped": ("data", "", saved("results.ndjson.gz", gzip.compress(json_text().encode()))),
    "json lines in UTF-16": (
        "data", ", identifier: results.json, format: {type: jsonl, encoding: utf-16}",
        saved("results.json", json_text(), "utf-16")),
    "a workbook of one sheet": ("data", "", workbook("results.xlsx", "Sheet1")),
    "a sheet of the table's name": ("data/lab.xlsx", "", workbook("lab.xlsx", "Results", "Other")),
    "a sheet by its name": ("data/lab.xlsx", ", format: {type: excel, sheet: All of 2020}",
                            workbook("lab.xlsx", "All of 2020", "Other")),
    "DuckDB": ("data/lab.duckdb", "", copied("attach '{}/lab.duckdb' as lab; create table lab.results as from rows")),
    "DuckDB, in a schema": ("data/lab.db", ", format: {type: duckdb, schema: staging}", copied(
        "attach '{}/lab.db' as lab; create schema lab.staging; create table lab.staging.results as from rows")),
    "SQLite": ("data/lab.sqlite", "", sqlite_file("lab.sqlite")),
    "SQLite of another ending": ("data/lab.db", ", format: {type: sqlite}", sqlite_file("lab.db")),
}  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, ...]]:
    root = project(tmp_path_factory.mktemp("parquet"))
    (root / "data").mkdir()
    copied("copy rows to '{}/results.parquet'")(root / "data")
    found, _ = prepared(root)
    return found


def test_the_typed_rows_are_read_to_their_codes(expected: list[tuple[int, ...]]) -> None:
    """Of the sixty rows none is lost; the other formats are compared with these."""
    assert len(expected) == 60
    days = [(taken - datetime.datetime(2000, 1, 1)) // datetime.timedelta(minutes=1) for *_, taken, _, _ in rows()]
    assert sorted(row[4] for row in expected) == sorted(days)
    assert sorted(row[1] for row in expected) == sorted(
        len(WARDS) if w is None else WARDS.index(str(w)) for _, w, *_ in rows()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_sort_of_file_gives_the_same_rows(kind: str, tmp_path: Path, expected: list[tuple[int, ...]]) -> None:
    location, more, make = KINDS[kind]
    root = project(tmp_path, location, more)
    (root / "data").mkdir()
    make(root / "data")
    before = {path: path.read_bytes() for path in (root / "data").iterdir()}
    found, odd = prepared(root)
    assert found == expected
    fine = (": null", "rows", "units", "units as declared")
    assert not {name: count for name, count in odd.items() if count and not name.endswith(fine)}
    assert {path: path.read_bytes() for path in (root / "data").iterdir()} == before


# ---------------------------------------------------------------- a function of the project


@pytest.mark.parametrize("helper", [PANDAS, ARROW], ids=["pandas", "Arrow"])
def test_a_function_gives_the_same_rows(helper: str, tmp_path: Path, expected: list[tuple[int, ...]]) -> None:
    root = project(tmp_path, "python:extracts.lab:read")
    write(root, {"extracts/lab.py": FUNCTION, "extracts/shapes.py": helper, "lab.jsonl": json_text()})
    before = dict(sys.modules)
    assert prepared(root)[0] == expected
    assert {name for name in sys.modules if name.startswith("extracts")} == set()
    assert sys.path[0] != str(root) and before.keys() <= sys.modules.keys()


def function(root: Path, body: str) -> Path:
    return write(
        project(root, "python:extract:read"), {"extract.py": f"import pandas, sys, os\ndef read(table):\n{body}\n"}
    )


def test_a_column_of_objects_is_text_whatever_its_first_rows_hold(tmp_path: Path) -> None:
    odd = "dict(patient=[*range(3001), 'odd'], dose=pandas.Series([1] * 3001 + ['2.5'], dtype=object))"
    others = "dict(ward=None, born=None, taken='2020-01-01 00:00:00', smoker=None)"
    root = function(tmp_path, f"    return pandas.DataFrame({odd} | {others})")
    found, counts = prepared(root)
    assert sorted(row[2] for row in found) == [4] * 3001 + [10]
    assert counts["dose: not a number"] == 0


def test_no_row_decides_of_which_type_a_column_comes(tmp_path: Path) -> None:
    """An empty column, in pandas or Arrow, is text as is one with a single value."""
    found = []
    for there in ("None", "'x'"):
        others = "dose=1, born=None, taken=None, smoker=None"
        frame = f"pandas.DataFrame(dict(patient=range(3000), ward=[*[None] * 2999, {there}], {others}))"
        with zone(function(tmp_path / there[0], f"    return {frame}")) as opened:
            found.append(opened.header())
    assert found[0] == found[1] and {kind for _, kind in found[0]} == {"VARCHAR"}


TYPED = (
    "dict(patient=[str(i // 2) for i in range(40)], taken='2020-01-01 00:00:00', born=pandas.Timestamp('1980-01-02'))"
)
OTHERS = {
    "a missing number": "dict(ward=None, dose=None, smoker=None)",
    "a word": "dict(ward='odd', dose='odd', smoker='odd')",
    "a number of another sort": "dict(ward=1.5, dose=float('nan'), smoker=2)",
}


@pytest.mark.parametrize(
    ("odd", "library"),
    [*((odd, "frame") for odd in OTHERS), ("a missing number", "of_arrow(frame)")],
    ids=[*OTHERS, "a missing number, in Arrow"],
)
def test_one_row_does_not_decide_how_a_function_gives_the_others(odd: str, library: str, tmp_path: Path) -> None:
    """Where pandas finds a missing number or a word among whole numbers, it keeps all of them in another way."""
    found = []
    for there in (False, True):
        root = function(
            tmp_path / str(there),
            f"""    frame = pandas.DataFrame({TYPED}).assign(ward=[1, 2] * 20, dose=1, smoker=True)
    if {there}:
        more = pandas.DataFrame([frame.iloc[0].to_dict() | dict(patient='odd') | {OTHERS[odd]}])
        frame = pandas.concat([frame.astype(object), more], ignore_index=True).infer_objects()
    return {library}


def of_arrow(frame):
    import duckdb
    return duckdb.sql("from frame")
""",
        )
        rows, _ = prepared(root)
        found.append(Counter(rows))
    assert found[0].total() == 40 and found[1].total() == 41
    assert found[0] <= found[1]


def test_a_function_may_not_give_the_unit_in_floating_point(tmp_path: Path) -> None:
    root = function(
        tmp_path,
        "    return pandas.DataFrame({'patient': [2**53 + 1, None]}).assign(ward=1, dose=1, born=None, taken=None, smoker=None)",
    )
    assert "the unit's column 'patient' came as floating-point numbers" in refused(root)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("    return [1]", "python:extract:read gave neither Arrow nor pandas, but list"),
        ("    raise ValueError('CANARY')", "reading the source lab.results: ValueError in read, line 3"),
        ("    return {}['CANARY']", "reading the source lab.results: KeyError in read, line 3"),
        ("    sys.exit('CANARY')", "reading the source lab.results: RuntimeError in _called"),
        ("    return pandas.DataFrame({'CANARY': [1]})", "sources/lab.yml:5:43: the source lab.results has no column 'patient'"),
    ],
)  # fmt: skip
def test_what_a_function_does_wrong(body: str, says: str, tmp_path: Path) -> None:
    message = refused(function(tmp_path, body))
    assert says in message and "CANARY" not in message


def test_what_a_function_prints_stays_in_the_private_zone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = "print('CANARY 1'); os.write(1, b'CANARY 2'); os.system('echo CANARY 3'); sys.__stdout__.write('CANARY 4')"
    root = function(tmp_path, f"    {said}\n    return None")
    sys.stdout.write("before\n")
    refused(root)
    sys.stdout.write("after\n")
    assert capfd.readouterr().out == "before\nafter\n"
    kept = [path for path in (root / "target" / "internal").glob("error-*.txt") if "CANARY" in path.read_text()]
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    assert {f"CANARY {i}" for i in range(1, 5)} <= set(kept[0].read_text().replace("CANARY", "\nCANARY").split("\n"))


# ---------------------------------------------------------------- one person's line, or cell, moves nobody else's

ODD = st.one_of(st.binary(max_size=60), st.text("\"',;\\{}[]:\x00\r ab1é\u010a", max_size=40).map(str.encode))
DIALECTS = {
    "latin-1": (
        'format: {type: csv, delimiter: ";", quote: "\'", escape: "\\\\", encoding: latin-1}',
        csv_text(";", "'", "\\"),
    ),
    "windows-1252": ("format: {type: csv, encoding: windows-1252}", csv_text()),
    "utf-16": ("format: {type: csv, encoding: utf-16}", csv_text()),
    "shift-jis": ("format: {type: csv, encoding: shift-jis}", csv_text().replace("ü", "")),
    "utf-8": ("identifier: results.jsonl, format: {type: jsonl}", json_text()),
}


@pytest.fixture(scope="module")
def dialects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, SyntheticModel]]:
    """A project of each, without its file."""
    roots = {name: project(tmp_path_factory.mktemp("odd"), more=f", {more}") for name, (more, _) in DIALECTS.items()}
    for root in roots.values():
        (root / "data").mkdir()
    return {name: (root, compiled(root)) for name, root in roots.items()}


@pytest.mark.parametrize("encoding", DIALECTS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=ODD, place=st.integers(1, 60))
@example(line=b"'", place=1)
@example(line=b'{"patient": 7, "taken": ', place=30)
@example(line=b"\\", place=60)
@example(line=b"\x83\x81", place=5)
def test_a_line_moves_no_other_line(
    encoding: str, line: bytes, place: int, dialects: dict[str, tuple[Path, SyntheticModel]]
) -> None:  # fmt: skip
    """Adding one line, whatever is in it, adds at most one row and takes none."""
    more, content = DIALECTS[encoding]
    root, model = dialects[encoding]
    file = root / "data" / ("results.jsonl" if "jsonl" in more else "results.csv")
    lines = [bit.encode(encoding) for bit in content.splitlines(keepends=True)]
    if encoding == "utf-16":  # half a unit of it would shift all that follows, and no program writes that
        lines = [lines[0], *(bit[2:] for bit in lines[1:])]
        odd = line.decode("utf-8", "replace").replace("\n", "").encode("utf-16-le") + b"\0\xd8\n\0"
    else:
        odd = line.replace(b"\n", b"") + b"\n"

    def values() -> list[tuple[int, ...]]:
        return sorted(row[1:] for row in prepared(root, model)[0])  # without the unit's number, which may be another

    file.write_bytes(b"".join(lines))
    before = values()
    file.write_bytes(b"".join([*lines[:place], odd, *lines[place:]]))
    after = values()
    assert len(before) == 60 and len(after) in (60, 61)
    left = list(after)
    for row in before:
        left.remove(row)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_a_line_ends_alike_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    """At a line feed, a carriage return or both, in quotes as well: a line is a row of whoever it names."""
    root = project(tmp_path, more=f", format: {{type: csv, encoding: {encoding}}}")
    (root / "data").mkdir()
    header, _, body = csv_text().partition("\n")
    found = []
    for end in ("\n", "\r\n", "\r"):
        content = f"{header}\n{body.replace(chr(10), end)}"
        (root / "data" / "results.csv").write_bytes(content.encode(encoding))
        found.append(prepared(root)[0])
    assert len(found[0]) == 60 and found[0] == found[1] == found[2]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_a_header_is_a_line_as_any_other(end: str, encoding: str, tmp_path: Path) -> None:
    root = project(tmp_path, more=f", format: {{type: csv, encoding: {encoding}}}")
    (root / "data").mkdir()
    content = csv_text(end=end).replace("ü", "")
    (root / "data" / "results.csv").write_bytes(content.encode(encoding))
    assert len(prepared(root, compiled(root))[0]) == 60


def test_odd_cells_of_loosely_typed_files_are_text_by_themselves(tmp_path: Path) -> None:
    root = project(tmp_path, "data/lab.sqlite")
    (root / "data").mkdir()
    sqlite_file("lab.sqlite")(root / "data")
    before, _ = prepared(root)
    with closing(sqlite3.connect(root / "data" / "lab.sqlite")) as database:
        odd = [(-1, b"\xff", "x", 9e999, "2020-01-01 00:00:00", "?", None)]
        odd += [(-2, "Süd", "2.5", None, "2020-01-01 00:00:00", "true", None)]
        database.executemany("insert into results values (?, ?, ?, ?, ?, ?, ?)", odd)
        database.execute(
            "insert into results select 5000, cast(x'53fc64' as text), 1, null, '2020-01-01 00:00:00', 1, null"
        )
        database.commit()
    after, counts = prepared(root)
    assert len(after) == len(before) + 3
    assert counts["ward: outside the declaration"] == 2 and counts["dose: not a number"] == 1


# ---------------------------------------------------------------- what a run says


def files(**contents: str | bytes | Write) -> Write:
    """By name, with __ for the dot."""

    def make(folder: Path) -> None:
        for name, content in contents.items():
            if callable(content):
                content(folder)
            else:
                saved(name.replace("__", "."), content)(folder)

    return make


CSV = csv_text()
WRONG: dict[str, tuple[str, str, Write, str]] = {
    "nothing": (
        "data", "", files(other__csv=CSV),
        "the source lab.results is not there: data holds no results.csv, .parquet, .jsonl or .xlsx\n"
        "    Check the location and the table's identifier in sources/."),
    "nothing of the declared sort": (
        "data", ", format: {type: parquet}", files(results__csv=CSV),
        "the source lab.results is not there: data holds no results.parquet\n"
        "    Check the location and the table's identifier in sources/."),
    "two files": (
        "data", "", files(results__csv=CSV, results__jsonl=json_text()),
        "the source lab.results is ambiguous: results.csv, results.jsonl\n"
        "    Keep one of them in that folder; several files of one table need an identifier with *."),
    "two sorts": (
        "data", ', identifier: "r*"', files(r1__csv=CSV, r2__jsonl=json_text()),
        "the source lab.results: files of several sorts: csv, jsonl\n    Give the table's identifier an ending."),
    "two headers": (
        "data", ', identifier: "r*"', files(r1__csv=CSV, r2__csv=CSV.replace("note", "CANARY", 1)),
        "the source lab.results: the files that 'r*' matches have different columns\n"
        "    Give them the same columns in the same order, or declare a table for each sort."),
    "two types": (
        "data", ', identifier: "r*"',
        copied("copy rows to '{0}/r1.parquet'; copy (select * replace (note as dose) from rows) to '{0}/r2.parquet'"),
        "the source lab.results: the files that 'r*' matches have different columns\n"
        "    Give them the same columns in the same order, or declare a table for each sort."),
    "a file as the location": (
        "data/results.csv", "", files(results__csv=CSV),
        "the source lab.results: the location is a file of one table: data/results.csv\n"
        "    Name its folder there, and the file by the table's name or identifier."),
    "a folder as a database": (
        "data", ", format: {type: sqlite}", sqlite_file("results.sqlite"),
        "the source lab.results: data is a folder\n    Its location is a database's file."),
    "SQLite as DuckDB": (
        "data/lab.db", "", sqlite_file("lab.db"),
        "the source lab.results is not a DuckDB file: lab.db\n"
        "    Check its location; a file of another sort, such as SQLite's, needs its ending or a format."),
    "SQLite without the table": (
        "data/lab.sqlite", ", identifier: result", sqlite_file("lab.sqlite"),
        "the source lab.results: lab.sqlite has no table 'result'\n    Check the table's name or identifier in sources/."),
    "no SQLite": ("data/lab.sqlite", "", files(lab__sqlite=CSV), "reading the source lab.results: DatabaseError in "),
    "a workbook without the sheet": (
        "data/lab.xlsx", "", workbook("lab.xlsx", "CANARY", "Other"),
        "the source lab.results: lab.xlsx has no sheet 'results'\n    Name it: format: {type: excel, sheet: ...}."),
    "no workbook": ("data/lab.xlsx", "", files(lab__xlsx=CSV), "reading the source lab.results: BadZipFile in "),
    "latin-1 as UTF-8": (
        "data", "", files(results__csv=CSV.replace("note", "nöte", 1).encode("latin-1")),
        "the source lab.results cannot be read: results.csv is not CSV text in UTF-8\n"
        "    Check the file, and the encoding of its format."),
    "UTF-8 as UTF-16": (
        "data", ", format: {type: csv, encoding: utf-16}", files(results__csv=CSV.encode() + b"x" * (len(CSV.encode()) % 2)),
        "the source lab.results cannot be read: results.csv is not CSV text in utf-16\n"
        "    Check the file, and the encoding of its format."),
    "a header of open quotes": (
        "data", "", files(results__csv='"' + CSV),
        "the source lab.results: the header of results.csv is not CSV\n"
        "    Check the delimiter, the quote and the escape of its format."),
    "a header twice the same": (
        "data", "", files(results__csv=CSV.replace("note", "Ward", 1)),
        "the source lab.results: results.csv has a header with empty or repeated names\n"
        "    Its first line must name each column once."),
    "latin-1 packed by zstd": (
        "data", ", format: {type: csv, encoding: latin-1}",
        copied("copy (select * exclude (ward) from rows) to '{}/results.csv.zst' (header, compression zstd)"),
        "the source lab.results: of files packed by zstd only those in utf-8 are read, not latin-1\n"
        "    Unpack them, or pack them by gzip."),
    "a column less": (
        "data", "", copied("copy (select * exclude (dose) from rows) to '{}/results.parquet'"),
        "metadata/results.yml:10:16: the source lab.results has no column 'dose'\n"
        "    Mend the declaration, or the SQL that reads the column."),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_what_is_wrong_with_a_source(mistake: str, tmp_path: Path) -> None:
    location, more, make, says = WRONG[mistake]
    root = project(tmp_path, location, more)
    (root / "data").mkdir()
    make(root / "data")
    message = refused(root)
    assert message == says if "\n" in says else message.startswith(says)
    assert "CANARY" not in message


def test_without_openpyxl_excel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path, "data/lab.xlsx")
    (root / "data").mkdir()
    workbook("lab.xlsx", "Results")(root / "data")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert refused(root) == (
        "the source lab.results: Excel files are read by openpyxl, which is not installed\n"
        '    Install it: pip install "synth[excel]".'
    )


# ---------------------------------------------------------------- what is read, and when


def test_compiling_reads_no_source_and_runs_no_function(tmp_path: Path) -> None:
    """Not even where it is there."""
    for number, (location, more, _) in enumerate(KINDS.values()):
        assert compile_folder(project(tmp_path / str(number), location, more)).synthetic["results"].sources[0].table
    root = function(tmp_path / "function", "    raise RuntimeError")
    (root / "extract.py").write_text("raise RuntimeError\ndef read(table): ...\n")
    assert compile_folder(root).synthetic["results"].sources[0].format.type == "python"


def test_of_a_database_no_other_column_is_fetched(tmp_path: Path) -> None:
    root = project(tmp_path, "data/lab.sqlite")
    (root / "data").mkdir()
    sqlite_file("lab.sqlite")(root / "data")
    with zone(root) as opened:
        fetched = opened.execute("from source.rows_0")
        assert [column[0] for column in fetched.description or ()] == list(NAMES[:-1])


@pytest.mark.parametrize("kind", ["SQLite", "DuckDB"])
def test_what_a_database_wrote_last_is_read_and_part_of_its_digest(kind: str, tmp_path: Path) -> None:
    """It lies in a log beside the file."""
    location, more, make = KINDS[kind]
    root = project(tmp_path, location, more)
    (root / "data").mkdir()
    make(root / "data")
    file = root / location

    def digest() -> str:
        with zone(root) as opened:
            return opened.digest(bytes(32))

    first = digest()
    if kind == "SQLite":
        writer = sqlite3.connect(file)
        writer.execute("pragma journal_mode = wal")
        writer.execute("insert into results select 9999, ward, dose, born, taken, smoker, note from results limit 1")
        writer.commit()
        copy = {path: path.read_bytes() for path in file.parent.glob("lab.sqlite*")}
        writer.close()
    else:
        code = f"""import duckdb, os
c = duckdb.connect({str(file)!r})
c.execute("insert into results select * replace (9999 as patient) from results limit 1")
os._exit(0)"""
        assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0
        copy = {path: path.read_bytes() for path in file.parent.glob("lab.duckdb*")}
    for path, content in copy.items():
        path.write_bytes(content)
    assert len(copy) > 1
    assert len(prepared(root)[0]) == 61
    assert digest() != first


def test_another_format_is_another_fit_and_the_plan_says_so(tmp_path: Path) -> None:
    plain = compile_folder(project(tmp_path / "a")).synthetic["results"]
    declared = compile_folder(project(tmp_path / "b", more=', format: {type: csv, delimiter: ";"}')).synthetic[
        "results"
    ]
    assert plain.fit_fingerprint() != declared.fit_fingerprint()
    assert plain.fit_inputs()["source lab.results"] == '{"name":"lab.results","table":"results"}'
    told = {f"{key.of}: {key.key} {key.value}": key.place for key in declared.declared if key.key.startswith("format.")}
    assert told == {
        'source table lab.results: format.type "csv"': "sources/lab.yml:6",
        'source table lab.results: format.delimiter ";"': "sources/lab.yml:6",
    }


def test_a_sheet_of_one_workbook_has_one_population(tmp_path: Path) -> None:
    root = project(tmp_path, "lab.xlsx", ", format: {type: excel, sheet: All}")
    settings = (root / "synth_project.yml").read_text()
    write(root, {
        "synth_project.yml": settings.replace("}}", "}, others: {epsilon: 1, approver: the test}}"),
        "sources/other.yml": (root / "sources/lab.yml").read_text().replace("name: lab", "name: other")
        .replace("population: patients", "population: others").replace("name: results", "name: lines").replace("All", "ALL"),
    })  # fmt: skip
    with pytest.raises(ProjectError, match="declared for the population 'patients' as well"):
        compile_folder(root)
