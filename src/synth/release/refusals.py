"""Why nothing is released: all reasons at once, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from synth.artifacts.compiled import Compiled, PublicModel, SyntheticModel
from synth.artifacts.plan import NOT_PRIVATE
from synth.artifacts.results import Expectation
from synth.errors import LedgerError, Problem, RunError
from synth.release.contents import behind
from synth.runtime.built import Made, Verdict, made_since


class Refusal(NamedTuple):
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}\n        {self.fix}"


@dataclass(frozen=True)
class Asked:
    """What is asked for, and how it stands."""

    compiled: Compiled
    models: tuple[str, ...]  # synthetic and public ones, by name
    rows: Mapping[str, int]  # of each table that is built
    made: Mapping[str, Made]
    verdicts: Mapping[str, Verdict]  # by id of the expectation
    spent: Set[str]  # fingerprints of fits that the ledger has as paid
    ledger: LedgerError | None
    drafted: Sequence[Problem]
    changed: Set[str] = frozenset()  # tables, or their figures, that are not as they were made

    def model(self, name: str) -> SyntheticModel | PublicModel:
        return self.compiled.synthetic.get(name) or self.compiled.public[name]

    def tests(self, name: str) -> dict[str, Expectation]:
        """That read a table's rows, by their nodes' ids."""
        return {id: test for id, test in self.compiled.checks.items() if name in self.compiled.parents[id]}

    def verdict(self, id: str) -> Verdict | None:
        """What was found of a test as it is declared today, since the tables that it reads were made."""
        test, read = self.compiled.checks[id], behind(self.compiled, self.compiled.parents[id])
        found = self.verdicts.get(test.id)
        since = [self.made[one].at for one in read if one in self.made]
        known = found is not None and found.digest == test.digest and found.at >= max(since, default=found.at)
        return found if known else None


def refuse(asked: Asked) -> None:
    """RunError where there is any reason."""
    found = list(dict.fromkeys(_refusals(asked)))
    if found:
        reasons = "1 reason" if len(found) == 1 else f"{len(found)} reasons"
        said = "\n".join(f"    {refusal}" for refusal in found)
        raise RunError(f"nothing is released, for {reasons}, and nothing was written:\n{said}")


def _refusals(asked: Asked) -> Iterator[Refusal]:
    if asked.ledger:
        yield Refusal(
            f"the ledger does not verify: {asked.ledger.what}", asked.ledger.fix or "See: synth ledger verify"
        )
    for problem in asked.drafted:
        yield Refusal(f"{problem.place}: {problem.what}", problem.fix)
    for name in behind(asked.compiled, asked.models):
        yield from _of_table(asked, name)
        if name in asked.models and name in asked.rows:
            yield from _of_tests(asked, name)


def _of_table(asked: Asked, name: str) -> Iterator[Refusal]:
    model, again = asked.model(name), f"Run: synth build --select {name.removeprefix(NOT_PRIVATE)}"
    if name.startswith(NOT_PRIVATE):
        readers = [n for n in asked.models if name in behind(asked.compiled, [n])]
        what = f"{name} is made without differential privacy, and leaves the house in no release"
        yield Refusal(what, f"Leave out: --exclude {' '.join(n.removeprefix(NOT_PRIVATE) for n in readers)}")
        return
    if name not in asked.rows:
        yield Refusal(f"{name} is not built", again)
        return
    if isinstance(model, SyntheticModel) and not asked.ledger and model.fit_fingerprint() not in asked.spent:
        yield Refusal(f"the generator of {name} is not paid: the ledger has no fit of its plan of today", again)
    if not asked.rows[name]:
        yield Refusal(f"{model.relation} has no rows", again)
    elif name not in asked.made or asked.made[name].declaration != model.declaration():
        yield Refusal(f"{model.relation} was made of an earlier declaration", f"{again}. What that costs: synth plan")
    elif name in asked.changed:
        yield Refusal(f"{model.relation}, or what is said of how it fits, was changed since it was made", again)
    elif late := _made_later(asked, name):
        yield Refusal(f"{model.relation} is older than {', '.join(late)}, whose rows it reads", again)


def _made_later(asked: Asked, name: str) -> list[str]:
    """Of the tables whose rows it was made of, those that were made anew since; a view reads them as they are."""
    if _is_view(asked, name):
        return []
    late = made_since(asked.made, name, dict.fromkeys(_read_by(asked, name)))
    return [asked.model(parent).relation for parent in late]


def _read_by(asked: Asked, name: str) -> Iterator[str]:
    """The tables that it reads, by way of views, too."""
    for parent in asked.compiled.parents[name]:
        if _is_view(asked, parent):
            yield from _read_by(asked, parent)
        yield parent


def _is_view(asked: Asked, name: str) -> bool:
    return name in asked.compiled.public and asked.compiled.public[name].materialized == "view"


def _of_tests(asked: Asked, name: str) -> Iterator[Refusal]:
    """Of tests that failed, or that nobody ran since the tables that they read were made.

    A test that reads a table besides, which is not released, such as a child's foreign key, waits for nobody.
    """
    leaving = set(behind(asked.compiled, asked.models))
    relation, again = asked.model(name).relation, f"Run: synth test --select {name}"
    waiting, failed = [], []
    for id, test in asked.tests(name).items():
        found = asked.verdict(id)
        if found is None:
            waiting += [test.id] if leaving.issuperset(asked.compiled.parents[id]) else []
        elif found.status in ("fail", "error"):
            failed.append(test.id)
    if waiting:
        yield Refusal(f"{relation} has tests that were not run since it was made: {_some(waiting)}", again)
    if failed:
        yield Refusal(f"{relation} has tests that failed: {_some(failed)}", f"Mend what they found. {again}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
