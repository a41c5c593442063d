"""Broken projects beside the exact message that each must give.

A case is a transcript, ``broken/<case>.txt``: files laid over the project in broken/base, each below a line
``--- path``; then the command below ``--- synth ...``, with what it writes to stderr; then ``--- exit code``.
``--- without path`` takes a file of the base away.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from synth import cli
from synth.privacy.calibrations import Calibrations

BROKEN = Path(__file__).parent / "broken"
CASES = sorted(BROKEN.glob("*.txt"))
_HEADER = re.compile(r"^--- (.+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    files: dict[str, str]
    without: tuple[str, ...]
    command: str
    expected: str
    exit_code: str

    @classmethod
    def read(cls, text: str) -> Case:
        parts = _HEADER.split(text)
        sections = list(zip(parts[1::2], parts[2::2], strict=True))
        (command, expected), (ending, _) = sections[-2:]
        without = tuple(h.removeprefix("without ") for h, _ in sections if h.startswith("without "))
        files = {h: body for h, body in sections[:-2] if not h.startswith("without ")}
        return cls(files, without, command.removeprefix("synth "), expected, ending.removeprefix("exit "))

    def write(self, folder: Path) -> None:
        shutil.copytree(BROKEN / "base", folder)
        for name in self.without:
            (folder / name).unlink()
        for name, body in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(body, encoding="utf-8")


def run(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[str, int]:
    """What ``synth`` writes to stderr, and its exit code."""
    monkeypatch.setattr("sys.argv", ["synth", *command.split(" ")])
    try:
        cli.main()
        code = 0
    except SystemExit as ending:
        code = int(ending.code or 0)
    return capsys.readouterr().err, code


@pytest.fixture(autouse=True)
def _no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration takes a second and has no part in these messages."""
    monkeypatch.setattr(Calibrations, "__call__", lambda *_: 1.0)
    monkeypatch.delenv("SYNTH_DEBUG", raising=False)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_message(
    path: Path, tmp_path: Path, golden: Callable[[Path, str], None],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    text = path.read_text(encoding="utf-8")
    case = Case.read(text)
    case.write(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    said, code = run(case.command, monkeypatch, capsys)
    said = said.replace(str(tmp_path / "project"), "<project>")
    start = text.index(f"--- synth {case.command}\n")
    golden(path, f"{text[:start]}--- synth {case.command}\n{said}--- exit {code}\n")


def test_base_is_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each case fails for its own reason."""
    shutil.copytree(BROKEN / "base", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    assert run("compile", monkeypatch, capsys) == ("", 0)
