"""What was before: an earlier manifest and ages of sources to compare with, and how the last run ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from synth.artifacts.compiled import Manifest, ManifestNode
from synth.artifacts.freshness import FreshnessReport
from synth.artifacts.results import Results
from synth.errors import UsageError

_Change = Callable[[ManifestNode, ManifestNode], bool]


def _differs(part: str) -> _Change:
    return lambda old, new: old.checksums.get(part) != new.checksums.get(part)


def _renders_otherwise(old: ManifestNode, new: ManifestNode) -> bool:
    """By a macro or a variable: the file itself is as it was."""
    return "body" in new.checksums and not _differs("body")(old, new) and _differs("sql")(old, new)


def _is_another(old: ManifestNode, new: ManifestNode) -> bool:
    return (old.fingerprint, old.checksums, old.fqn) != (new.fingerprint, new.checksums, new.fqn)


_MODIFIED: dict[str, _Change] = {
    "modified": _is_another,
    "modified.body": _differs("body"),
    "modified.configs": _differs("configs"),
    "modified.contract": _differs("contract"),
    "modified.macros": _renders_otherwise,
}
CHANGES = (*_MODIFIED, "new", "old", "unmodified")
STATUSES = ("success", "error", "refused", "skipped", "pass", "fail", "warn")
AGES = ("fresher",)
FAILED = ("error", "refused", "skipped", "fail")  # what synth retry runs again

_AGES = "sources.json"


@dataclass(frozen=True)
class State:
    """What lies in a folder; None where there is none that this version reads. ``now``: the ages in target/."""

    folder: str
    manifest: Manifest | None
    results: Results | None
    named: bool  # by --state
    freshness: FreshnessReport | None = None
    now: FreshnessReport | None = None

    def changed(self, manifest: Manifest, change: str) -> set[str]:
        """What ``change`` holds of: a new node is modified, too."""
        if not self.named:
            raise UsageError("state: compares with an earlier manifest.json", "Name its folder: --state DIR.")
        if self.manifest is None:
            raise self._missing("manifest.json", "Keep the target folder of a synth compile to compare with.")
        return {n.unique_id for n in manifest.nodes.values() if _holds(change, self.manifest.nodes.get(n.unique_id), n)}

    def statuses(self, manifest: Manifest) -> dict[str, str]:
        """How each node that is still there ended, by its id."""
        if self.results is None:
            raise self._missing("run_results.json", "Run synth build first, or name another folder with --state DIR.")
        known = {_result_id(node): node.unique_id for node in manifest.nodes.values() if node.resource_type != "source"}
        return {known[told]: status for told, status in _statuses(self.results) if told in known}

    def fresher(self, manifest: Manifest) -> set[str]:
        """The sources with rows that are newer than those of before, or that nothing was known of."""
        if not self.named:
            raise UsageError("source_status: compares with an earlier sources.json", "Name its folder: --state DIR.")
        ask = "synth source freshness"
        if self.freshness is None:
            raise self._missing(_AGES, f"Keep the target folder of a {ask} to compare with.")
        if self.now is None:
            raise UsageError(f"there is no {_AGES} in the target folder to compare with", f"Say first: {ask}")
        before = self.freshness.loaded
        newer = {key for key, at in self.now.loaded.items() if key not in before or at > before[key]}
        return newer & manifest.nodes.keys()

    def _missing(self, file: str, fix: str) -> UsageError:
        return UsageError(f"there is no {file} of this version of synth in {self.folder}", fix)


def _holds(change: str, old: ManifestNode | None, new: ManifestNode) -> bool:
    if change in ("new", "old"):
        return (old is None) == (change == "new")
    if change == "unmodified":
        return old is not None and not _is_another(old, new)
    return old is None or _MODIFIED[change](old, new)


def _result_id(node: ManifestNode) -> tuple[bool, str]:
    """Whether it is a test, which may be called as a model is, and by what name results know it."""
    before = {"singular": "test.", "unit": "unit_test."}
    return node.resource_type != "model", before.get(node.test_type or "", "") + node.name


def _statuses(results: Results) -> Iterator[tuple[tuple[bool, str], str]]:
    yield from (((False, r.model), r.status) for r in results.results)
    yield from (((True, r.expectation.id), r.status) for suite in results.suites for r in suite.results)
    yield from (((True, name), "skipped") for name in results.skipped)
