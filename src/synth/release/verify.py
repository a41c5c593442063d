"""Is a bundle as it was written? Needs the folder alone: no project, no ledger, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from synth.artifacts.release import Bundle
from synth.errors import RunError, UsageError
from synth.privacy.chain import GENESIS, hash_of
from synth.release.seal import BUNDLE, MANIFEST, bundle_text, digest

_LINE = re.compile(r"([0-9a-f]{64})  (\S[^\n]*)")


def verify(folder: Path, noted: str | None = None) -> str:
    """The digest of the manifest; RunError that names every file that is missing, changed or one too many.

    ``noted``: a digest that was told by another way, which it has to be.
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}", "Name the one that synth release wrote: synth release verify DIR"
        )
    if not (folder / BUNDLE).is_file() and not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{folder} is no release: it has neither {BUNDLE} nor {MANIFEST}", "Name a folder of synth release."
        )
    links = [f"changed: {name}, which is a link" for name in (BUNDLE, MANIFEST) if (folder / name).is_symlink()]
    found = [*links, *_of_seal(folder), *_of_files(folder), *_of_receipt(folder)]
    told = digest(folder / MANIFEST) if (folder / MANIFEST).is_file() else ""
    if noted is not None and noted != told:
        found.append(f"changed: {MANIFEST} has not the digest that was noted")
    if found:
        said = "\n".join(f"    {line}" for line in found)
        raise RunError(f"{folder} is not as it was written:\n{said}", "Ask whoever released it for another copy.")
    return told


def _of_seal(folder: Path) -> Iterator[str]:
    """Whether the manifest is the one that bundle.json names, and bundle.json has not a letter more."""
    missing = [name for name in (BUNDLE, MANIFEST) if not (folder / name).is_file()]
    if missing:
        yield from (f"missing: {name}" for name in missing)
        return
    text = (folder / BUNDLE).read_bytes()
    try:
        bundle = Bundle.model_validate_json(text)
    except ValidationError:
        yield f"changed: {BUNDLE} cannot be read"
        return
    if text != bundle_text(bundle).encode():
        yield f"changed: {BUNDLE}"
    if bundle.sha256 != digest(folder / MANIFEST):
        yield f"changed: {MANIFEST} or {BUNDLE}, which do not agree"


def _of_files(folder: Path) -> Iterator[str]:
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    listed = {found[2]: found[1] for line in lines if (found := _LINE.fullmatch(line))}
    if len(listed) != len(lines):
        yield f"changed: {MANIFEST} has lines that are no digest and name, or a name twice"
    there = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    for name, wanted in listed.items():
        if name not in there:
            yield f"missing: {name}"
        elif (folder / name).is_symlink() or not (folder / name).is_file() or digest(folder / name) != wanted:
            yield f"changed: {name}"
    folders = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()}
    known = {above.as_posix() for name in listed for above in Path(name).parents}
    yield from (f"added: {name}" for name in sorted((there - {*listed, MANIFEST, BUNDLE}) | (folders - known)))


def _of_receipt(folder: Path) -> Iterator[str]:
    """Whether the entries that the receipt shows have the hashes that it gives, each with the one before it."""
    try:
        links = json.loads((folder / "ledger_receipt.json").read_bytes())["links"]
        before = GENESIS
        for link in links:
            if link["body"] is not None and hash_of(before, link["body"]) != link["hash"]:
                yield f"changed: ledger_receipt.json, entry {link['sequence']}"
            before = link["hash"]
    except (OSError, ValueError, LookupError, TypeError):
        yield "changed: ledger_receipt.json cannot be read"
