"""``synth source``: what can be told of sources without a row of them."""

from __future__ import annotations

import sys
from typing import Any

import click

from synth.cli.options import SELECTION, Call, verb
from synth.cli.verbs import verbs


@verbs.group()
def source() -> None:
    """Look at sources without reading a row: are they fresh?

    \b
    Example:
      synth source freshness                           all that declare freshness
      synth source freshness --select source:mimic     those of one source
    """


@verb(
    source,
    *SELECTION,
    click.option("-o", "--output", default=None, metavar="FILE", help="In place of target/sources.json."),
)
def freshness(call: Call, select: Any, exclude: Any, output: str | None, **how: Any) -> None:
    """Judge how old sources are by when their files were changed. Reads no row; writes target/sources.json.

    Exit code 1 where one is older than its error_after, or cannot be judged.

    Example: synth source freshness --select source:mimic
    """
    project, console = call.project, call.console
    report = project.source_freshness(select, exclude, output, console, **how)
    console.aged_all(report)
    if report.failed:
        sys.exit(1)
