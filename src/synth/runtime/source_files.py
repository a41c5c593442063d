"""Where the file of a source lies. Its rows are read elsewhere: see private_zone."""

from __future__ import annotations

from pathlib import Path

from synth.artifacts.compiled import SourceTable
from synth.errors import RunError

ENDINGS = (".csv", ".csv.gz", ".parquet")


class SourceMissing(RunError):
    """A source is not where the project says. No row of it was read."""


def locate(root: Path, source: SourceTable) -> Path:
    """The file that holds a source table: the table's own, in any case of its name, or the DuckDB file it is in."""
    location = root / source.location
    if location.is_file():
        return location
    if not location.is_dir():
        fix = "Check the location in sources/, and the environment variables in it."
        raise SourceMissing(f"the source {source.name} is not there: {source.location} does not exist", fix)
    wanted = {source.table.casefold() + ending: ending for ending in ENDINGS}
    found = sorted(path for path in location.iterdir() if path.name.casefold() in wanted)
    if not found:
        raise SourceMissing(
            f"the source {source.name} is not there: {source.location} holds no {source.table}.csv, .csv.gz or .parquet",
            "Check the location and the table's identifier in sources/.",
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise RunError(f"the source {source.name} is ambiguous: {names}", "Keep one of them in that folder.")
    return found[0]
