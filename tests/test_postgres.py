"""PostgreSQL as a source, with a server that is started for the tests: read only, and its password told to nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import synth
from lab import copied, prepared, project, refused, rows, zone
from postgres_server import PASSWORD, Server, binaries, server
from synth.artifacts.results import RunResult

pytestmark = pytest.mark.skipif(
    binaries() is None, reason="PostgreSQL's initdb is not installed: apt install postgresql"
)
PLAIN = PASSWORD.replace("%40", "@")
LOCATION = "\"postgres://reader:{{{{ env_var('LAB_PASSWORD') }}}}@127.0.0.1:{port}/lab\""


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as found:
        with psycopg.connect(found.address()) as connection:
            connection.execute("create schema lab")
            connection.execute(
                "create table lab.results (patient int, ward text, dose real, born date, taken timestamp, smoker bool, note text)"
            )
            with connection.cursor() as cursor:
                cursor.executemany("insert into lab.results values (%s, %s, %s, %s, %s, %s, %s)", rows())
            for statement in (
                "create table lab.log (seen text)",
                "create function lab.logged(words text) returns text language plpgsql as "
                "$$ begin insert into lab.log values (words); return words; end $$",
                "create view lab.writing as select patient, lab.logged(ward) as ward, dose, born, taken, smoker from lab.results",
                "create view lab.failing as select patient, ward, (note || 'CANARY')::int as dose, born, taken, smoker "
                "from lab.results",
                f"create role reader login password '{PLAIN}'",
                "grant usage on schema lab to reader",
                "grant select on all tables in schema lab to reader",
            ):
                connection.execute(statement)
        yield found


@pytest.fixture
def root(running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_PASSWORD", PASSWORD)
    monkeypatch.setenv("LAB_OTHER", "another")
    return project(tmp_path / "project", LOCATION.format(port=running.port), ", format: {type: postgres, schema: lab}")


def edit(root: Path, old: str, new: str) -> None:
    file = root / "sources" / "lab.yml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def told(root: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in root.rglob("*") if path.is_file())


def test_a_server_gives_the_rows_that_files_give(root: Path, tmp_path: Path) -> None:
    of_files = project(tmp_path / "files")
    (of_files / "data").mkdir()
    copied("copy rows to '{}/results.parquet'")(of_files / "data")
    assert prepared(root)[0] == prepared(of_files)[0]


def test_columns_of_any_type_are_read(root: Path, running: Server) -> None:
    """Those that DuckDB has not, and enumerations, are text."""
    with psycopg.connect(running.address()) as connection:
        connection.execute("create type lab.kind as enum ('1', 'Süd')")
        connection.execute(
            "create or replace view lab.odd as select patient::numeric(9, 0) as patient, 'Süd'::lab.kind as ward, "
            "dose::numeric as dose, 'infinity'::date as born, taken::timestamptz as taken, "
            "case when smoker then 'yes' end as smoker, array[note] as note from lab.results"
        )
        connection.execute("grant select on lab.odd to reader")
    plain, _ = prepared(root)
    edit(root, "results, format", "results, identifier: odd, format")
    found, odd = prepared(root)
    assert sorted((unit, dose, taken) for unit, _, dose, _, taken, _ in found) == sorted(
        (u, d, t) for u, _, d, _, t, _ in plain
    )
    assert {(ward, smoker) for _, ward, _, _, _, smoker in found} == {(0, 1), (0, 2)}
    assert odd["born: not in the declared format"] == 60


def test_nothing_is_written_to_the_server(root: Path, running: Server) -> None:
    edit(root, "results, format", "results, identifier: writing, format")
    assert "reading the source lab.results: ReadOnlySqlTransaction" in refused(root)
    with psycopg.connect(running.address()) as connection:
        assert connection.execute("select count(*) from lab.log").fetchone() == (0,)


def test_the_words_of_the_server_stay_in_the_private_zone(root: Path) -> None:
    edit(root, "results, format", "results, identifier: failing, format")
    message = refused(root)
    assert "reading the source lab.results: InvalidTextRepresentation" in message and "CANARY" not in message
    assert any("CANARY" in path.read_text() for path in (root / "target" / "internal").glob("error-*.txt"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("schema: lab", "schema: labs", "the source lab.results: the server has no table 'results' that this user may read"),
        ("results, format", "results, identifier: result, format", "the server has no table 'result' that this user may read"),
        ("reader:", "nobody:", "is not there: postgres://nobody:***@127.0.0.1:{port}/lab lets nobody in, or does not answer"),
        ("LAB_PASSWORD", "LAB_OTHER", "is not there: postgres://reader:***@127.0.0.1:{port}/lab"),
        ("/lab\"", "/lab?nonsense=1\"", "reader:***@127.0.0.1:{port}/lab?nonsense=1 is no address of a PostgreSQL server"),
    ],
)  # fmt: skip
def test_a_server_that_cannot_be_read(old: str, new: str, says: str, root: Path, running: Server) -> None:
    edit(root, old, new)
    message = refused(root)
    assert says.format(port=running.port) in message
    assert PASSWORD not in message + told(root) and PLAIN not in message + told(root)


def test_a_digest_is_of_the_rows_in_any_order(root: Path, running: Server) -> None:
    def digest() -> str:
        with zone(root) as opened:
            return opened.digest(bytes(32))

    first = digest()
    with psycopg.connect(running.address()) as connection:
        connection.execute("create table lab.turned as select * from lab.results order by random()")
        connection.execute("grant select on lab.turned to reader")
        edit(root, "results, format", "results, identifier: turned, format")
        connection.commit()
        assert digest() == first
        connection.execute("update lab.turned set note = 'other'")  # which no model reads
        connection.commit()
        assert digest() == first
        connection.execute("update lab.turned set dose = dose + 1 where patient = 1001")
        connection.commit()
        assert digest() != first


def test_a_run_reuses_what_it_paid_for_and_tells_no_password(root: Path, running: Server) -> None:
    def run() -> RunResult:
        (result,) = synth.Project(root).run().results
        return result

    def plan() -> tuple[str, str]:
        (model,) = synth.Project(root).plan().models
        return model.verdict, " ".join(map(str, model.reasons))

    assert plan() == ("fit", "never fitted")
    assert run().reused is False
    told_of = f"postgres://reader:***@127.0.0.1:{running.port}/lab: whether it has changed, its rows alone tell"
    assert plan()[0] == "stale" and told_of in plan()[1]
    assert run().reused is True
    running.control("stop", "-m", "fast")
    try:
        result = run()
    finally:
        running.control("start")
    assert result.reused is True and "is drawn from the generator that this plan was paid for" in str(result.message)
    assert PASSWORD not in told(root) and PLAIN not in told(root)


def test_without_psycopg_it_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert refused(root) == (
        "the source lab.results: PostgreSQL is read by psycopg, which is not installed\n"
        '    Install it: pip install "synth[postgres]".'
    )
