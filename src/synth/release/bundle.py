"""The bundle on disk: every file whole, then the digests of all, and the folder in one move."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol

from synth.artifacts.compiled import OutputColumn
from synth.artifacts.release import Bundle
from synth.errors import RunError
from synth.release.contents import Contents
from synth.release.dictionary import dictionary, dictionary_csv
from synth.release.documents import guarantee, labels, receipt, registry, tests
from synth.release.pages import model_card, report
from synth.release.seal import seal


class Tables(Protocol):
    """What writes a table of synthetic rows to a file."""

    def write_csv(self, relation: str, columns: tuple[OutputColumn, ...], path: Path) -> None: ...
    def write_parquet(self, relation: str, path: Path, metadata: Mapping[str, str]) -> None: ...


def texts(contents: Contents) -> Iterator[tuple[str, str]]:
    """Every file but the tables, by its name."""
    yield "data_dictionary.json", _json(dictionary(contents))
    yield "data_dictionary.csv", dictionary_csv(contents)
    yield "model_card.md", model_card(contents)
    yield "guarantee.json", _json(guarantee(contents))
    yield "ledger_receipt.json", _json(receipt(contents))
    yield "tests.json", _json(tests(contents))
    yield "registry.json", _json(registry(contents))
    yield "report.html", report(contents)


def release_folder(releases: Path, project: str) -> Path:
    """A folder that is not there yet: of the project, today's date, and a number after the first of a day."""
    first = f"{project}-{datetime.now(UTC):%Y-%m-%d}"
    names = chain([first], (f"{first}-{number}" for number in count(2)))
    return next(releases / name for name in names if not (releases / name).exists())


def refuse_taken(folder: Path) -> None:
    """RunError where a folder has anything in it: no release is written over another."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is there already, and is not empty", "Name another folder with --out DIR.")


def write(contents: Contents, tables: Tables, part: Path, folder: Path) -> Bundle:
    """Writes into the empty folder ``part``, which then becomes ``folder``."""
    for name, text in texts(contents):
        (part / name).write_text(text, encoding="utf-8")
    (part / "tables").mkdir()
    for table in contents.tables:
        zone, _, name = table.model.relation.partition(".")
        parquet, csv = (part / file for file in table.files)
        tables.write_parquet(f'{zone}."{name}"', parquet, labels(contents.project, table))
        tables.write_csv(f'{zone}."{name}"', table.columns, csv)
    sealed = seal(part)
    if folder.is_dir():
        folder.rmdir()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part.rename(folder)
    return sealed


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
