"""Data Docs: a folder of pages that says which expectations held, for a browser without a network."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from synth.artifacts.results import SuiteResult
from synth.errors import RunError
from synth.validation.pages import GENERATOR, index_page, table_page


def write_data_docs(suites: Sequence[SuiteResult], directory: Path, title: str, home: str | None = None) -> Path:
    """Write ``directory``/index.html and a page for each suite, and return the path of the index.

    ``home``: a page to lead back to, as seen from ``directory``. The folder is replaced as a whole: pages of tables that
    are gone go too, and a crash leaves the old pages whole.

    Raises:
        RunError: the folder holds something else than Data Docs.
    """
    directory = directory.resolve()
    new, old = (directory.with_name(f".{directory.name}.{suffix}") for suffix in ("new", "old"))
    if old.exists() and not directory.exists():  # a crash between the two renames below
        old.rename(directory)
    _refuse_other_folders(directory)
    for rest in (new, old):
        shutil.rmtree(rest, ignore_errors=True)
    _write_pages(suites, new, title, home)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
    return directory / "index.html"


def _write_pages(suites: Sequence[SuiteResult], directory: Path, title: str, home: str | None) -> None:
    (directory / "tables").mkdir(parents=True)
    paths = [f"tables/{_file_name(suite.model)}" for suite in suites]
    for suite, path in zip(suites, paths, strict=True):
        (directory / path).write_text(table_page(suite, title, home and f"../{home}"), encoding="utf-8")
    (directory / "index.html").write_text(index_page(suites, paths, title, home), encoding="utf-8")


def _file_name(model: str) -> str:
    """The model's name where every file system takes it and tells it from others; else a digest tells it."""
    if re.fullmatch(r"[a-z0-9_]{1,80}", model):
        return f"{model}.html"
    digest = hashlib.sha256(model.encode()).hexdigest()[:12]
    return re.sub(r"[^A-Za-z0-9_]+", "-", model)[:80] + f"-{digest}.html"


def _refuse_other_folders(directory: Path) -> None:
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    index = directory / "index.html"
    if not index.is_file() or GENERATOR not in index.read_text(encoding="utf-8", errors="replace"):
        raise RunError(f"{directory} holds something else than Data Docs", "Name another folder, or empty this one.")
