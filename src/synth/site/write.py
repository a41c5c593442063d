"""The pages on disk: each file whole or not at all, and none of an earlier site left over."""

from __future__ import annotations

from pathlib import Path

from synth.errors import RunError
from synth.files import write_whole
from synth.site.facts import Facts
from synth.site.pages import GENERATOR, pages


def write_site(facts: Facts, directory: Path, own: bool = False) -> Path:
    """Writes ``directory``/index.html and what it links to; Data Docs below stay. The path of the index.

    ``own``: for the eyes of who writes it alone.

    Raises:
        RunError: the folder has the pages of somebody else.
    """
    index = directory / "index.html"
    if index.exists() and f'content="{GENERATOR}"' not in index.read_text(encoding="utf-8", errors="replace"):
        raise RunError(f"{index} is no page of synth docs", "Name another folder, or empty this one.")
    wanted = dict(pages(facts))
    for name, text in wanted.items():
        write_whole(directory / name, text, 0o600 if own else 0o666)
    for path in (directory / "nodes").glob("*.html"):
        if f"nodes/{path.name}" not in wanted:
            path.unlink()
    return index
