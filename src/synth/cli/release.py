"""``synth release``: tables that leave the house, and whether a bundle is as it was written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from synth.cli.options import SELECTION, Call, VerbGroup, digest_said, verb
from synth.cli.verbs import verbs


@verb(
    verbs,
    *SELECTION,
    click.option("--out", default=None, metavar="DIR", help="A new folder, in place of one in target/release."),
    cls=VerbGroup,
    invoke_without_command=True,
)
def release(call: Call, select: Any, exclude: Any, out: str | None, **how: Any) -> None:
    """Write the selected tables as a bundle that leaves the house: Parquet and CSV, a report, the guarantee, digests.

    Refused, with all reasons at once, unless every table is built of today's declaration, paid for, reviewed and tested.
    Reads no private row and spends nothing.

    \b
    Example:
      synth release --select admissions --out ../admissions
      synth release verify ../admissions
    """
    folder, sealed = call.project.release(select, exclude, out, **how)
    call.say(f"Wrote {os.path.relpath(folder)}. Tell readers its digest by another way:\n  {sealed.sha256}")


@verb(
    release,
    click.argument("folder", metavar="DIR"),
    click.option("--digest", "noted", metavar="HASH", help="The digest that was told with the bundle."),
)
def verify(call: Call, folder: str, noted: str | None) -> None:
    """Check every file of the bundle in DIR. Needs no project; exit code 1 where one is changed, missing or added.

    Example: synth release verify ../admissions
    """
    from synth.release.verify import verify as verified

    digest = verified(Path(folder), digest_said("--digest", noted, "synth release"))
    call.say(f"All files in {folder} are as they were written. Its digest:\n  {digest}")
