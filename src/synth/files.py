"""Text files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """A file of this text, with the folders above it; until it is whole, what was there stays. ``mode``: before the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode)
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
