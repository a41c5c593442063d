"""The seal of a bundle: a digest of every file, as ``sha256sum -c`` reads them, and a digest of those."""

from __future__ import annotations

import hashlib
from pathlib import Path

from synth.artifacts.release import Bundle

MANIFEST, BUNDLE = "MANIFEST.sha256", "bundle.json"


def seal(folder: Path) -> Bundle:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = "".join(f"{digest(folder / name)}  {name}\n" for name in names)
    (folder / MANIFEST).write_text(listed, encoding="utf-8")
    bundle = Bundle(sha256=digest(folder / MANIFEST))
    (folder / BUNDLE).write_text(bundle_text(bundle), encoding="utf-8")
    return bundle


def bundle_text(bundle: Bundle) -> str:
    """``bundle.json``, to the letter."""
    return bundle.model_dump_json(indent=1) + "\n"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
