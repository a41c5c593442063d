"""Values that stand in CSV files of the project: codes by the thousand, and which of them go together."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from synth.project.nearest import nearest

Rows = list[dict[str, str]]
EXAMPLE = "for example values: {file: codes/icd9.csv, column: code}"
FIXTURES = "fixtures"  # below a test path: made-up rows for unit tests

_PUBLIC = {
    "values": "values are public knowledge; take them from the documentation",
    "fixture": "a fixture's rows are nobody's; make them up",
}


class ValueFiles:
    """Reads each file once. What is asked for in YAML and cannot be had is a ``ValueError``, in the words of spec.py.

    ``private``: where each source of people lies. What rows hold is no public list, so a file of it is refused under any
    name, and so is what runs leave in ``target_path``. A copy, or what a function reads, cannot be told.
    """

    def __init__(
        self, root: Path, private: Mapping[str, str], target_path: str, test_paths: Sequence[str] = ()
    ) -> None:  # fmt: skip
        self.root, self.test_paths = root.resolve(), test_paths
        self.private = {name: (root / location).resolve() for name, location in private.items()}
        self.target = (root / target_path).resolve()
        self._read: dict[str, Rows] = {}

    def column(self, given: dict[str, Any]) -> dict[str, Any]:
        """What ``values: {file, column, groups, type}`` stands for: ``values``, each once, and their ``groups``."""
        _check_keys(given, ("file", "column"), ("groups", "type"))
        if given.get("type", "text") not in ("text", "integer"):
            raise ValueError("values: type is text or integer; text is what stands in the file, leading zeros and all")
        rows = self._rows(given["file"])
        found = [row[_named(given["column"], rows, given["file"])] for row in rows]
        if "" in found:
            raise ValueError(
                f"values: line {found.index('') + 2} of {given['file']} has none; remove it, or fill it in"
            )
        by = _named(given["groups"], rows, given["file"]) if "groups" in given else None
        group = {text: row[by] if by else "" for text, row in zip(reversed(found), reversed(rows), strict=True)}
        values = [
            _whole(text, given["file"]) if given.get("type") == "integer" else text for text in dict.fromkeys(found)
        ]
        return {"values": values} | ({"groups": [group[text] for text in dict.fromkeys(found)]} if by else {})

    def combinations(self, given: dict[str, Any], columns: list[Any]) -> list[list[str | None]]:
        """What ``values: {file}`` of a constraint stands for: the file's columns of these names; an empty cell is null."""
        _check_keys(given, ("file",), ())
        file = given["file"]
        rows = self._rows(file)
        names = [_named(str(column), rows, file) for column in columns]
        return [[row[name] or None for name in names] for row in rows]

    def _rows(self, file: str) -> Rows:
        if file not in self._read:
            self._read[file] = self._opened(file)
        return self._read[file]

    def fixture(self, name: str) -> str:
        """The text of made-up rows for unit tests, from the first test path that has the file."""
        files = [f"{path}/{FIXTURES}/{name}" for path in self.test_paths]
        return self._text(next((f for f in files if (self.root / f).is_file()), files[0]), "fixture")

    def _text(self, file: str, key: str) -> str:
        path = (self.root / file).resolve()
        if not path.is_relative_to(self.root):
            raise ValueError(
                f"{key}: {file} lies outside the project; a public list is reviewed with it, so keep it there"
            )
        if path.is_relative_to(self.target):
            raise ValueError(f"{key}: {file} is what a run left; a list that somebody has checked lies elsewhere")
        for source, place in self.private.items():
            if path.is_relative_to(place) or _is_one_of(path, place):
                what = f"{key}: {file} lies where the source {source} of people does, and {_PUBLIC[key]}"
                raise ValueError(f"{what}, in a file of their own")
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return raw.decode("utf-8-sig")
        except OSError as error:
            raise ValueError(
                f"{key}: {file} cannot be read: {error.strerror or error}; name a file of the project"
            ) from None
        except (UnicodeDecodeError, EOFError):
            raise ValueError(f"{key}: {file} is not CSV text in UTF-8; write it anew") from None

    def _opened(self, file: str) -> Rows:
        text = self._text(file, "values")
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error:
            raise ValueError(f"values: {file} is not CSV text in UTF-8; write it anew") from None
        header, *rows = [[cell.strip() for cell in line] for line in lines if line] or [[]]
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise ValueError(
                    f"values: line {number} of {file} has {len(row)} cells and its first line {len(header)}; mend it"
                )
        if not rows:
            raise ValueError(f"values: {file} has no values; its first line names its columns, the others hold them")
        return [dict(zip(header, row, strict=True)) for row in rows]


def _is_one_of(path: Path, place: Path) -> bool:
    """Whether a file is that of a source, or one in its folder, under another name."""
    for known in place.iterdir() if place.is_dir() else (place,):
        with suppress(OSError):
            if path.samefile(known):
                return True
    return False


def _check_keys(given: dict[str, Any], needed: tuple[str, ...], further: tuple[str, ...]) -> None:
    known = (*needed, *further)
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"values: unknown key '{key}'; {nearest(str(key), known) or EXAMPLE}")
        if not isinstance(value, str):
            raise ValueError(f"values: {key} must be text; put it in quotes")
    for key in needed:
        if key not in given:
            raise ValueError(f"values: the key '{key}' is missing; {EXAMPLE}")


def _named(column: str, rows: Rows, file: str) -> str:
    """The file's own spelling of a column's name."""
    found = next((name for name in rows[0] if name.casefold() == column.casefold()), None)
    if found is None:
        raise ValueError(f"values: {file} has no column '{column}'; {nearest(column, rows[0]) or 'name one of it'}")
    return found


def _whole(text: str, file: str) -> int:
    if not re.fullmatch(r"-?[0-9]+", text):
        raise ValueError(f"values: '{text}' in {file} is no whole number; remove type: integer, or mend the file")
    return int(text)
