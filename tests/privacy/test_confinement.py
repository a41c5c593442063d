"""What leaves ``confine`` is a result, or an error that leads back to nothing; the process is as it was afterwards."""

from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from synth.errors import BudgetError, RunError, SynthError
from synth.runtime.confinement import confine
from synth.runtime.duckdb_errors import private_errors

CELL = "CANARY"


@pytest.fixture
def internal(tmp_path: Path) -> Path:
    return tmp_path / "target" / "internal"


def fails(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        cell = CELL  # noqa: F841
        try:
            raise LookupError(CELL)
        except LookupError as first:
            raise error from first

    return work


def caught(internal: Path, work: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:
        confine(internal, "fitting members", work)
    return raised.value


def kept(internal: Path) -> str:
    return "".join(path.read_text() for path in internal.glob("error-*.txt"))


@pytest.mark.parametrize(
    "error, says",
    [
        (ValueError(CELL), "fitting members: synth has a bug: ValueError in work, line"),
        (MemoryError(CELL), "there is not enough memory"),
        (OSError(28, CELL, CELL), "No space left on device"),
        (OSError(CELL), "a file could not be read or written"),
        (duckdb.ConversionException(CELL), "a value could not be converted"),
        (SystemExit(CELL), "synth has a bug: SystemExit"),
        (ExceptionGroup(CELL, [ValueError(CELL)]), "synth has a bug: ExceptionGroup"),
        (duckdb.InterruptException(CELL), ""),
        (KeyboardInterrupt(CELL), ""),
        (RunError("said by synth"), "said by synth"),
        (BudgetError("said by synth"), "said by synth"),
    ],
)
def test_an_error_leads_back_to_nothing(error: BaseException, says: str, internal: Path) -> None:
    found = caught(internal, fails(error))
    assert says in str(found)
    assert isinstance(found, SynthError if says else KeyboardInterrupt)
    assert found.__cause__ is None and found.__context__ is None
    told = "".join(traceback.TracebackException.from_exception(found, capture_locals=True).format())
    assert CELL not in told.replace("CELL", "")
    assert "in work" not in "".join(traceback.format_tb(found.__traceback__))
    assert CELL in kept(internal) or isinstance(found, KeyboardInterrupt) or "said by synth" in says


def test_an_error_of_duckdb_within_another_block_is_cut_off_too(internal: Path) -> None:
    def work() -> None:
        with private_errors(internal, "preparing members"), duckdb.connect() as connection:
            connection.execute(f"select '{CELL}'::int")

    found = caught(internal, work)
    assert str(found).startswith("preparing members: a value could not be converted (ConversionException)")
    assert found.__context__ is None


def test_nothing_is_heard_meanwhile_and_everything_afterwards(
    internal: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    held = []

    def speak() -> str:
        sys.stderr.write(f"{CELL}\n")
        os.write(2, f"{CELL}\n".encode())
        warnings.warn(CELL, RuntimeWarning, stacklevel=1)
        logging.getLogger("torch").critical(CELL)
        held.append(logging.StreamHandler(sys.stderr))
        return "done"

    assert confine(internal, "fitting", speak) == "done"
    assert CELL not in "".join(capfd.readouterr()) + caplog.text
    assert kept(internal).count(CELL) == 2
    sys.stderr.write("1")
    os.write(2, b"2")
    held[0].stream.write("3")
    logging.getLogger("torch").critical("4")
    with pytest.warns(RuntimeWarning, match="5"):
        warnings.warn("5", RuntimeWarning, stacklevel=1)
    assert set("123") <= set(capfd.readouterr().err)
    assert "4" in caplog.text


def test_two_at_once_wait_for_each_other(internal: Path, capfd: pytest.CaptureFixture[str]) -> None:
    threads = [
        threading.Thread(target=confine, args=(internal, "fitting", lambda: os.write(2, CELL.encode())))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"
    assert kept(internal).count(CELL) == 8


def test_where_standard_error_is_closed_no_other_file_is_taken_for_it(tmp_path: Path) -> None:
    """File descriptor 2 is then the next file that is opened."""
    code = f"""
from pathlib import Path
from synth.runtime.confinement import confine
import os
file = os.open({str(tmp_path / "a")!r}, os.O_WRONLY | os.O_CREAT)
confine(Path({str(tmp_path / "internal")!r}), "fitting", lambda: os.write(file, b"mine"))
os.write(file, b" still")
"""
    assert subprocess.run([sys.executable, "-c", code], preexec_fn=lambda: os.close(2)).returncode == 0
    assert (tmp_path / "a").read_text() == "mine still"


def test_no_core_is_dumped_from_then_on(internal: Path) -> None:
    """1: where the limit is 0, Linux still hands the dump to a program."""
    code = f"""
from pathlib import Path
from synth.runtime.confinement import confine
import resource
confine(Path({str(internal)!r}), "fitting", lambda: None)
print(resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == f"{int(most != 0)}\n"


def test_a_private_zone_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "internal").touch()
    found = caught(tmp_path / "internal", lambda: None)
    assert "internal cannot be written: File exists" in str(found)
