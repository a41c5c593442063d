"""The lines of text files, each by itself: whatever is in one, no other line is read in another way for it."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError
from synth.quoting import literal
from synth.runtime.readers.reading import Batch, Fetched, batches


def lines(source: SourceTable, table: str, paths: Sequence[Path], skip: int) -> tuple[str, Fetched | None]:
    """A select of ``line``, without the first ``skip`` of each file; Python decodes what DuckDB cannot."""
    encoding = source.format.encoding
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return utf8_lines(paths, skip), None
    if any(is_zstd(path) for path in paths):
        what = f"the source {source.name}: of files packed by zstd only those in utf-8 are read, not {encoding}"
        raise RunError(what, "Unpack them, or pack them by gzip.")

    def fetch() -> Iterator[Batch]:
        return batches(["line"], ((line,) for path in paths for line in _decoded(path, encoding, skip)))

    return f"select line from {table}", Fetched({"line": "varchar"}, fetch)


def utf8_lines(paths: Sequence[Path], skip: int) -> str:
    """A reader that follows quotes over line ends would let one stray quotation mark swallow other people's lines."""
    files = ", ".join(literal(str(path.resolve())) for path in paths)
    return (
        f"select rtrim(line, chr(13)) as line from read_csv([{files}], auto_detect=false, header=false, skip={skip}, "
        "delim=chr(1), quote='', escape='', columns={'line': 'VARCHAR'}, new_line='\\n', strict_mode=false, "
        "ignore_errors=true) where line is not null"
    )


def _decoded(path: Path, encoding: str, skip: int) -> Iterator[str]:
    """Empty lines are left out."""
    with opened(path) as file:
        for number, line in enumerate(text_lines(file, encoding)):
            text = line.rstrip("\n") if number else line.removeprefix("\ufeff").rstrip("\n")
            if number >= skip and text:
                yield text


def text_lines(file: IO[bytes], encoding: str) -> Iterator[str]:
    """As DuckDB has it, a carriage return ends a line, too. What is no text in the encoding becomes U+FFFD."""
    if codecs.lookup(encoding).name.startswith("utf-16"):
        with io.TextIOWrapper(file, encoding, "replace") as text:
            yield from text
    else:  # cut before it is decoded: half a character must not take the end of its line along
        with io.TextIOWrapper(file, "latin-1") as cut:  # a sign for each byte
            yield from (line.encode("latin-1").decode(encoding, "replace") for line in cut)


def opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.casefold().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def is_zstd(path: Path) -> bool:
    return path.name.casefold().endswith(".zst")
