"""The documents that one follows by hand are followed here, block by block, in an empty folder.

In such a document

- a block ```` ```sh ```` is run by a shell, in the folder in which the one before ended; it must end well, unless what the
  text shows of it holds the word ``Error``;
- a block after a line that holds nothing but a file's name in backticks and a colon is written to that file;
- a block ```` ```text ```` is what the commands before it said: each of its lines stands there, in this order. ``...`` stands for
  any lines. Times of day, seconds and numbers of rows are not compared;
- of a block ```` ```rows ```` only the first line is compared: the rows of a synthetic table are others each time it is fitted.

A block of any other kind is there to be read.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^(?P<before>[^\n]*)\n+```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+)`:")
_VARIES = [
    (re.compile(r"^\d\d:\d\d:\d\d "), "00:00:00 "),
    (re.compile(r"\bin \d+\.\ds\b"), "in 0.0s"),
    (re.compile(r"\babout \d+ s, [\d.]+ GB\b"), "about 0 s, 0.0 GB"),
    (re.compile(r" [\d,]+ rows, "), " 0 rows, "),
    (re.compile(r"\s+"), " "),
]


class Block(NamedTuple):
    line: int
    kind: str
    file: str | None
    text: str


def blocks(text: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        named = _FILE.fullmatch(found["before"].strip())
        line = text[: found.start("text")].count("\n") + 1
        yield Block(line, found["kind"], named[1] if named else None, found["text"])


def same(line: str) -> str:
    for pattern, shown in _VARIES:
        line = pattern.sub(shown, line)
    return line.strip()


def shown_in(text: str, said: str, first_only: bool = False) -> str | None:
    """The first line of a text that what was said does not hold where it should; None where there is none."""
    lines = iter([same(line) for line in said.splitlines()])
    wanted = [line for line in text.splitlines() if line.strip()]
    for line in wanted[:1] if first_only else wanted:
        if line.strip() != "..." and same(line) not in lines:
            return line
    return None


class Reader:
    """Somebody who follows a document in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, ""
        tools = folder.parent / "bin"
        tools.mkdir()
        for name, command in (("synth", f'"{sys.executable}" -m synth'), ("python", f'"{sys.executable}"')):
            (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (tools / name).chmod(0o755)
        self.end = folder.parent / "end"
        path = os.pathsep.join([str(ROOT / "src"), *filter(None, sys.path)])
        self.environment = os.environ | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path, "NO_COLOR": "1", "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }  # fmt: skip

    def run(self, command: str) -> int:
        script = f"trap 'pwd > \"{self.end}\"' EXIT\nset -e\n{command}"
        result = subprocess.run(
            ["/bin/sh", "-c", script], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.folder, self.said = Path(self.end.read_text().strip()), result.stdout
        return result.returncode

    def follow(self, document: Path) -> None:
        found = list(blocks(document.read_text(encoding="utf-8")))
        for place, block in enumerate(found):
            where = f"{document.name}:{block.line}"
            if block.file is not None:
                file = self.folder / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            elif block.kind == "sh":
                shown = "".join(b.text for b in found[place + 1 : place + 2] if b.kind == "text")
                code = self.run(block.text)
                assert (code != 0) == ("Error" in shown), f"{where}: exit code {code}\n{self.said}"
            elif block.kind in ("text", "rows"):
                missing = shown_in(block.text, self.said, block.kind == "rows")
                assert missing is None, f"{where}: not said in this place: {missing}\n{self.said}"


def test_what_is_shown_must_be_said() -> None:
    said = "12:00:00  1 of 1 OK  synthetic.stays  3,628 rows, eps 1.00  [OK in 70.0s]\none\ntwo\nthree\n"
    assert shown_in("09:59:59  1 of 1 OK  synthetic.stays  11 rows, eps 1.00  [OK in 1.5s]\n...\nthree\n", said) is None
    assert shown_in("two\none\n", said) == "one"
    assert shown_in("1 of 1 OK  synthetic.stays  eps 2.00", said) is not None
    assert shown_in("one\nnothing of the kind\n", said, first_only=True) is None


def test_blocks_are_told_apart() -> None:
    text = "Say\n\n```sh\nls\n```\n\n`a/b.yml`:\n\n```yaml\nx: 1\n```\n\nIn `a/b.yml`: so\n\n```yaml\ny: 2\n```\n"
    assert [(b.line, b.kind, b.file, b.text) for b in blocks(text)] == [
        (4, "sh", None, "ls\n"),
        (10, "yaml", "a/b.yml", "x: 1\n"),
        (16, "yaml", None, "y: 2\n"),
    ]


@pytest.mark.parametrize(("page", "file"), [("from_nhssynth.md", "ward_metadata.yaml"), ("from_sdv.md", "visits.json")])
def test_the_shipped_file_is_the_one_that_is_shown(page: str, file: str) -> None:
    shown = {block.file: block.text for block in blocks((DOCS / page).read_text(encoding="utf-8"))}
    assert shown[file] == (DOCS / "examples" / file).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tutorial.md", "from_nhssynth.md", "from_sdv.md"])
def test_a_document_is_true_when_it_is_followed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    Reader(folder).follow(DOCS / name)
