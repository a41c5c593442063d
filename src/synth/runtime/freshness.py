"""How old a source's rows are, by when its files were changed. No row is read, and no file is opened."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from synth.artifacts.compiled import SourceTable
from synth.artifacts.freshness import Criteria, SourceAge, SourceUnknown
from synth.errors import RunError
from synth.runtime.source_files import locate

_GIVEN_BY = {"postgres": "a server", "python": "a function"}


def source_age(
    root: Path, source: SourceTable, unique_id: str, criteria: Criteria, now: datetime
) -> SourceAge | SourceUnknown:  # fmt: skip
    """``now``: in UTC."""
    began = time.perf_counter()
    try:
        located = locate(root, source)
        changed = max((path.stat().st_mtime for path in located.files), default=None)
    except RunError as error:
        return SourceUnknown(unique_id=unique_id, error=str(error))
    except OSError as error:
        what = f"the source {source.name} cannot be looked at: {error.strerror}"
        return SourceUnknown(unique_id=unique_id, error=what)
    if changed is None:
        what = f"the rows of {source.name} come from {_GIVEN_BY[located.type]}"
        fix = "Only reading them would tell how old they are, and freshness reads none. Say freshness: null there."
        return SourceUnknown(unique_id=unique_id, error=str(RunError(what, fix)))
    loaded = datetime.fromtimestamp(changed, UTC)
    age = now - loaded
    status: Literal["pass", "warn", "error"] = "pass"
    if criteria.error_after and age > criteria.error_after.age:
        status = "error"
    elif criteria.warn_after and age > criteria.warn_after.age:
        status = "warn"
    return SourceAge(
        unique_id=unique_id, max_loaded_at=loaded.isoformat(), snapshotted_at=now.isoformat(),
        max_loaded_at_time_ago_in_s=age.total_seconds(), status=status, criteria=criteria,
        execution_time=round(time.perf_counter() - began, 3),
    )  # fmt: skip
