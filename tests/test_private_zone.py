"""The reader of private rows: one person's line moves nobody else's, and nothing but the sources can be reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import synth
from synth.artifacts.compiled import SyntheticModel
from synth.errors import RunError
from synth.runtime.private_zone import PrivateZone
from synth.runtime.warehouse import Warehouse
from synth.starter import write_starter

Prepare = Callable[[list[bytes]], tuple[np.ndarray, dict[str, int]]]
GOOD = [
    f"M{i:03d},{'FM'[i % 2]},{20 + i},{i % 2},north,{100 + i},2016-01-0{1 + i % 9},2017-02-03".encode()
    for i in range(40)
]
ODD = st.one_of(
    st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")),
    st.text('",\x00\x01\r; ab1é', max_size=40).map(str.encode),
)


@pytest.fixture(scope="module")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Prepare:
    """Prepared rows of a CSV file of the given lines, and the counts of what was odd."""
    root = write_starter(tmp_path_factory.mktemp("zone") / "clinic")
    project = synth.Project(root)
    model: SyntheticModel = project.compile().synthetic["members"]
    source = root / "sources" / "clinic" / "members.csv"
    header = source.read_bytes().splitlines()[0]

    def run(lines: list[bytes]) -> tuple[np.ndarray, dict[str, int]]:
        source.write_bytes(b"\n".join([header, *lines]) + b"\n")
        with PrivateZone(project.root, project.folder.internal, model, 1, "1GB", lambda: bytes(32)) as zone:
            rows, odd = zone.prepare(), dict(zone.oddities())
        return np.unique(np.stack(rows.columns, axis=1), axis=0, return_counts=True), odd  # type: ignore[return-value]

    return run


def counted(prepared: tuple[np.ndarray, np.ndarray]) -> dict[tuple[int, ...], int]:
    return {tuple(map(int, row)): int(n) for row, n in zip(*prepared, strict=True)}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=ODD, place=st.integers(0, len(GOOD)))
@example(line=b'M999,"F,30,0,north,100,2016-01-01,2017-01-01', place=3)
@example(line=b'"', place=0)
@example(line=b"", place=40)
@example(line=b"\xff\xfe,,,,,,,", place=7)
def test_a_line_moves_no_other_line(prepare: Prepare, line: bytes, place: int) -> None:
    """Adding one line, whatever is in it, adds at most one row and takes none."""
    before = counted(prepare(GOOD)[0])
    after = counted(prepare([*GOOD[:place], line, *GOOD[place:]])[0])
    assert all(after.get(row, 0) >= n for row, n in before.items())
    assert sum(after.values()) - sum(before.values()) in (0, 1)


def test_quotes_are_read_and_broken_lines_counted(prepare: Prepare) -> None:
    quoted = [b'"M500","F","30","0","nor""th","","2016-01-01","2017-01-01"\r', b"M501,F,30", b'M502,F",30,0,n,,,']
    rows, odd = prepare([*GOOD, *quoted])
    assert sum(counted(rows).values()) == len(GOOD) + 1  # type: ignore[arg-type]
    assert odd["lines that are not CSV of this shape"] == 2
    assert odd["region: outside the declaration"] == 1


def test_the_words_of_duckdb_about_a_row_stay_private(tmp_path: Path) -> None:
    """A function that fails on one value quotes it; the message does not, and the file that does is its owner's alone."""
    root = write_starter(tmp_path / "clinic")
    (root / "models" / "members.sql").write_text(
        "{{ config(trust_sql='a test: run as it is') }} "
        "select * replace (strptime(first_visit, '%Y-%m-%d') as first_visit) from {{ source('clinic', 'members') }}"
    )
    source = root / "sources" / "clinic" / "members.csv"
    source.write_text(source.read_text() + "M9,F,30,0,north,100,CANARY,2017-01-01\n")
    project = synth.Project(root)
    model = project.compile().synthetic["members"]
    zone = PrivateZone(project.root, project.folder.internal, model, 1, "1GB", lambda: bytes(32))
    with zone, pytest.raises(RunError) as error:
        zone.prepare()
    assert "CANARY" not in str(error.value) and "InvalidInputException" in str(error.value)
    (kept,) = project.folder.internal.glob("error-*.txt")
    assert "CANARY" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_public_model_reaches_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "private.csv"
    secret.write_text("name\nCANARY\n")
    with Warehouse(tmp_path / "dev.duckdb", 1, "1GB") as warehouse:
        for sql in (f"from '{secret}'", f"from read_csv('{secret}')", f"from query('from read_csv(''{secret}'')')"):
            with pytest.raises(duckdb.Error):
                warehouse.query(sql)


def opened(root: Path) -> PrivateZone:
    project = synth.Project(root)
    return PrivateZone(
        project.root, project.folder.internal, project.compile().synthetic["members"], 1, "1GB", lambda: bytes(32)
    )


def test_what_a_killed_process_spilled_is_removed(tmp_path: Path) -> None:
    """But not what a living one holds, and neither is told by a process number: it may be given again."""
    root = write_starter(tmp_path / "clinic")
    internal = root / "target" / "internal"
    left = internal / "spill-1-x"
    left.mkdir(parents=True)
    (left / "lock").touch()
    with opened(root):
        (mine,) = internal.glob("spill-*")
        with opened(root):
            assert mine.exists()
        assert mine.exists()
    assert not list(internal.glob("spill-*"))


def test_a_digest_of_sources_needs_the_key(tmp_path: Path) -> None:
    root = write_starter(tmp_path / "clinic")
    with opened(root) as zone:
        digest = zone.digest(b"key")
        assert digest == zone.digest(b"key") != zone.digest(b"another")
        with zone.located["clinic.members"].files[0].open("a") as source:
            source.write("\n")
        assert zone.digest(b"key") != digest


def test_values_of_an_enumeration_are_not_quoted(tmp_path: Path) -> None:
    """DuckDB writes a column's type out, and the type of an enumeration is its values."""
    root = write_starter(tmp_path / "clinic")
    source = root / "sources" / "clinic" / "members.csv"
    with duckdb.connect(str(source.with_suffix(".duckdb"))) as connection:
        connection.execute("create type kind as enum ('CANARY', 'CANARY\n2')")
        connection.execute(
            f"create table members as select * replace ('CANARY'::kind as region) from read_csv('{source}')"
        )
    (root / "sources" / "clinic.yml").write_text(
        (root / "sources" / "clinic.yml").read_text().replace("sources/clinic ", "sources/clinic/members.duckdb ")
    )
    zone = opened(root)
    zone.reader = zone.model.model_copy(update={"prepare_sql": 'select region + 1 from "source"."clinic.members"'})
    with pytest.raises(RunError, match="does not fit the declaration: No function matches") as raised, zone:
        pass
    assert "CANARY" not in str(raised.value)
