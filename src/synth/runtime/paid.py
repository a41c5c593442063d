"""What is used again: the generator of each plan in ``target/``, and beside it the record of what its fit was made of.

The ledger says what was paid for. Of a fit that nothing was paid for, since somebody says that its rows are public, only the
record can say whether it is that of these rows.

Where a model stands is told without reading a row. Of a source's file only size and time of change are looked at, and
they are recorded as a keyed digest, since a size in bytes is a fact about the rows.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from synth.artifacts.compiled import SourceTable, SyntheticModel
from synth.artifacts.forecast import FitRecord, SourceFile, Standing
from synth.errors import RunError
from synth.privacy.ledger import Entry, Ledger, Reserve, Spend
from synth.runtime.source_files import Located, locate
from synth.runtime.target_folder import TargetFolder
from synth.version import __version__

if TYPE_CHECKING:
    from synth.generator.fitted import Generator


def generator_name(model: str, fingerprint: str) -> str:
    """One generator for each plan: a fit of other people, or at another price, takes no paid one away."""
    return f"{model}-{fingerprint[:12]}"


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def paid_generator(
    model: SyntheticModel, folder: TargetFolder, ledger: Ledger, source_digest: str | None = None
) -> Generator | None:  # fmt: skip
    """The generator that was paid for with this plan over this source (None: any), if it is still on disk as it was."""
    from synth.generator import store

    spent = ledger.find_spent(model.fit_fingerprint(), source_digest)
    path = folder.generator(generator_name(model.name, model.fit_fingerprint()))
    if spent is None or not path.is_dir() or folder_digest(path) != spent.generator_digest:
        return None
    return store.load(path)


def is_kept(model: SyntheticModel, folder: TargetFolder) -> bool:
    """Whether a generator of this plan, of a fit that stands in no ledger, is on disk as it was; of which rows, is not asked."""
    return _kept_rows(model, folder) is not None


def kept_generator(model: SyntheticModel, folder: TargetFolder, source_digest: str) -> Generator | None:
    """The generator of a fit of this plan over this source that stands in no ledger, if it is still on disk as it was."""
    from synth.generator import store

    if _kept_rows(model, folder) != source_digest:
        return None
    return store.load(folder.generator(generator_name(model.name, model.fit_fingerprint())))


def _kept_rows(model: SyntheticModel, folder: TargetFolder) -> str | None:
    """The digest of the rows of which the generator on disk was made; None where it is not the one that was recorded."""
    name = generator_name(model.name, model.fit_fingerprint())
    record, path = folder.fit_record(name), folder.generator(name)
    whole = record and record.fingerprint == model.fit_fingerprint() and path.is_dir()
    return record.rows if record and whole and folder_digest(path) == record.generator_digest else None


def stat_digest(key: bytes, located: Located) -> str:
    """HMAC-SHA256 under the ledger's key of the size and time of change of a source's files."""
    found = "\n".join(f"{size} {changed}" for *_, size, changed in located.stamps)
    return hmac.new(key, found.encode(), "sha256").hexdigest()


def remember(
    folder: TargetFolder, model: SyntheticModel, sources: Mapping[str, str], rows: str | None = None
) -> None:  # fmt: skip
    """Records what the model's generator was made of; ``sources``: ``stat_digest`` by name, from before it was read.

    ``rows``: the digest of the sources, where no ledger keeps it.
    """
    name = generator_name(model.name, model.fit_fingerprint())
    folder.write_fit_record(
        name,
        FitRecord(
            synth_version=__version__, model=model.name, fingerprint=model.fit_fingerprint(),
            generator_digest=folder_digest(folder.generator(name)), inputs=model.fit_inputs(), declared=model.declared,
            sources=dict(sources), rows=rows,
        ),
    )  # fmt: skip


def standings(
    models: Iterable[SyntheticModel], root: Path, folder: TargetFolder, ledger: Ledger
) -> dict[str, Standing]:  # fmt: skip
    """Where each model stands, by name. Neither the ledger nor a file is made or changed."""
    history = ledger.history()
    key = ledger.key() if any(entry.kind == "spend" for entry in history) else None
    return {m.name: _standing(m, root, folder, [e for e in history if e.model == m.name], key) for m in models}


def _standing(
    model: SyntheticModel, root: Path, folder: TargetFolder, history: list[Entry], key: bytes | None
) -> Standing:  # fmt: skip
    fingerprint = model.fit_fingerprint()
    name = generator_name(model.name, fingerprint)
    spends = [entry for entry in history if isinstance(entry, Spend)]
    paid = {spend.generator_digest for spend in spends if spend.fingerprint == fingerprint}
    last = spends[-1] if spends else None
    record = folder.fit_record(generator_name(model.name, last.fingerprint)) if last else None
    digest = folder_digest(folder.generator(name)) if folder.generator(name).is_dir() else None
    generator: Literal["unpaid", "gone", "changed", "whole"] = "unpaid"
    if paid:
        generator = "gone" if digest is None else "whole" if digest in paid else "changed"
    of_today = folder.fit_record(name)
    known = of_today.sources if of_today and of_today.generator_digest == digest else {}
    return Standing(
        begun=bool(history) and isinstance(history[-1], Reserve) and history[-1].fingerprint == fingerprint,
        last="never" if last is None else "this" if last.fingerprint == fingerprint else "another", record=record,
        folder=os.path.relpath(folder.generator(name), root), generator=generator,
        sources=tuple(_source_file(root, source, known.get(source.name), key) for source in model.sources),
    )  # fmt: skip


def _source_file(root: Path, source: SourceTable, known: str | None, key: bytes | None) -> SourceFile:
    try:
        located = locate(root, source)
        digest = stat_digest(key, located) if key else None
    except (RunError, OSError):
        return SourceFile(file=source.shown, state="away")
    if not located.files:
        return SourceFile(file=located.place, state="unseen")
    state: Literal["same", "touched", "unknown"] = (
        "unknown" if known is None else "same" if known == digest else "touched"
    )
    return SourceFile(file=located.place, state=state)
