"""``synth debug``: each thing that a build needs, checked, with its cure where it is missing."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from synth.errors import SynthError

if TYPE_CHECKING:
    from synth.api import Project

_PACKAGES = ("duckdb", "torch", "opacus", "dp-accounting", "great-expectations", "cryptography")


@dataclass(frozen=True)
class Check:
    what: str
    good: bool = True


def diagnose(open_project: Callable[[], Project]) -> Iterator[Check]:
    yield Check(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    for package in _PACKAGES:
        yield _package(package)
    yield _randomness()
    try:
        project = open_project()
    except SynthError as error:
        yield Check(f"the project: {error}", False)
        return
    yield Check(f"the project {project.settings.name} in {project.root}, {len(project.graph.nodes)} nodes")
    yield _try("the project compiles", project.compile)
    yield _try(f"the database {project.target.database}", lambda: _open(project))
    ledger = _try(f"the ledger {project.settings.ledger}", project.ledger.verify)
    yield ledger
    if not ledger.good:
        return
    summaries = {s.population: s for s in project.ledger.summary(project.budgets)}
    for population, budget in project.settings.budgets.items():
        spent = summaries[population].spent if population in summaries else 0.0
        yield Check(f"the budget of {population}: {spent:.2f} of {budget.epsilon:g} spent, set by {budget.approver}")


def _package(name: str) -> Check:
    try:
        return Check(f"{name} {version(name)}")
    except PackageNotFoundError:
        return Check(f"{name} is not installed. Install synth again: make install", False)


def _randomness() -> Check:
    from synth.privacy.randomness import Randomness

    good = len(os.urandom(32)) == 32 and len(set(Randomness().uniform(1000))) == 1000
    return Check("the operating system's randomness", good)


def _try(what: str, do: Callable[[], object]) -> Check:
    try:
        do()
    except SynthError as error:
        return Check(f"{what}: {error}", False)
    return Check(what)


def _open(project: Project) -> None:
    if project.database.exists():
        project.query("select 1")
