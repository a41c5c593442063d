"""The privacy ledger: what was ever asked about each population, by whom it was allowed, and what is left.

A run reserves before it reads the first row and spends when it is done. A reservation counts from the moment it is
made: a run that crashed may have shown its noise to somebody. The ledger keeps events, not epsilons, because the price
of a whole is not the sum of its parts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from synth.artifacts.budget import Budget
from synth.artifacts.plan import Artifact, Event, Privacy
from synth.errors import BudgetError, LedgerError
from synth.privacy import accounting
from synth.privacy.bookmark import Bookmark
from synth.privacy.chain import GENESIS, Chain, Link
from synth.version import __version__


class Guarantee(Artifact):
    """What the epsilon of a reservation means: whom it protects, and at which delta."""

    unit: str  # the column that names a unit, or "row" where each unit has one row by declaration
    units: int  # of the fit: declared, public, approximate
    declared_units: int | None = None  # with those held out of it; None, too, where an earlier version wrote it
    max_rows_per_unit: int
    adjacency: str
    delta: float  # of the model, at most the budget's


class Reserve(Artifact):
    """A promise to release these events, from now on counted as released."""

    kind: Literal["reserve"] = "reserve"
    id: str
    time: str  # ISO 8601, UTC, seconds
    population: str
    model: str
    fingerprint: str  # of the plan
    budget: Budget  # as it was declared at the time
    events: tuple[Event, ...]
    epsilon_alone: float  # of these events by themselves
    guarantee: Guarantee | None = None  # None, like the version: written before the ledger kept them
    synth_version: str | None = None


class Spend(Artifact):
    """The end of a reservation: the generator was fitted."""

    kind: Literal["spend"] = "spend"
    id: str  # of the reservation
    time: str
    population: str
    model: str
    fingerprint: str
    source_digest: str  # keyed: see Ledger.source_digest
    generator_digest: str


Entry = Reserve | Spend
Epsilon = Callable[[Iterable[Event], float], float]


class Receipt(NamedTuple):
    """What a reservation did to its population."""

    id: str
    epsilon_spent_before: float
    epsilon_spent_after: float


class Verified(NamedTuple):
    """A ledger that holds together."""

    entries: int
    head: str  # hash of the last entry; 64 zeros for none
    place: int | None  # which entry has the noted hash, counted from 1; 0 for the hash of none


class Chained(NamedTuple):
    """An entry with its place in the chain."""

    sequence: int  # from 1
    entry: Entry
    link: Link


class Cap(NamedTuple):
    """A budget, from the first reservation on that was made under it."""

    population: str
    since: str  # ISO 8601, UTC, seconds
    budget: Budget
    before: Budget | None


class PopulationSummary(Artifact):
    """Where one population stands, under the budget that was declared last."""

    population: str
    cap: float
    delta: float
    approver: str
    spent: float  # epsilon of all entries together, open reservations included
    reserved_open: int  # reservations without an end: a run under way, or one that crashed
    left: float
    entries: int


class Ledger:
    """The ledger in the file ``path``, which is made when it is first needed for writing, never for reading.

    Every method raises ``LedgerError`` where the file was changed or cannot be used (see ``Chain``); with a ``bookmark``
    also where it is older than what was once written from here.
    """

    def __init__(self, path: Path, bookmark: Path | None = None) -> None:
        self.path = path
        self._chain = Chain(path, Bookmark(bookmark) if bookmark else None)

    def reserve(
        self, budget: Budget, model: str, fingerprint: str, privacy: Privacy, declared_units: int | None = None
    ) -> Receipt:
        """Pay for the events of a plan before they happen; ``BudgetError`` above the cap, and then nothing is written.

        ``declared_units``: with those that are held out of the fit.
        """
        with self._chain.write() as page:
            entries = self._parse(page.links)
            before = tuple(entry for entry in _reserves(entries) if entry.population == privacy.population)
            entry = Reserve(
                id=secrets.token_hex(8),
                time=_now(),
                population=privacy.population,
                model=model,
                fingerprint=fingerprint,
                budget=budget,
                events=privacy.events,
                epsilon_alone=privacy.epsilon,
                guarantee=Guarantee(
                    unit=privacy.unit,
                    units=privacy.units,
                    declared_units=declared_units,
                    max_rows_per_unit=privacy.max_rows_per_unit,
                    adjacency=privacy.adjacency,
                    delta=privacy.delta,
                ),
                synth_version=__version__,
            )
            receipt = Receipt(entry.id, _cost(before, budget), _cost((*before, entry), budget))
            if receipt.epsilon_spent_after > budget.epsilon:
                raise _refusal(entry, receipt)
            page.append(_canonical(entry))
        return receipt

    def forecast(
        self, population: str, budget: Budget, events: Iterable[Event], epsilon: Epsilon = accounting.epsilon
    ) -> tuple[float, float]:
        """The epsilon of a population now, and after ``events``, at the delta of the budget. Writes nothing.

        ``epsilon``: of events together; one that remembers will do, for nothing is held against a forecast.
        """
        spent = [event for entry in _reserves(self.history(population)) for event in entry.events]
        return epsilon(spent, budget.delta), epsilon([*spent, *events], budget.delta)

    def spend(self, id: str, source_digest: str, generator_digest: str) -> None:
        """End the reservation ``id``, once."""
        with self._chain.write() as page:
            entries = self._parse(page.links)
            reserved = next((entry for entry in _reserves(entries) if entry.id == id), None)
            if reserved is None or any(entry.id == id for entry in _spends(entries)):
                state = "does not exist" if reserved is None else "is spent already"
                raise LedgerError(f"The reservation {id} {state} in the privacy ledger {self.path}.")
            entry = Spend(
                id=id,
                time=_now(),
                population=reserved.population,
                model=reserved.model,
                fingerprint=reserved.fingerprint,
                source_digest=source_digest,
                generator_digest=generator_digest,
            )
            page.append(_canonical(entry))

    def find_spent(self, fingerprint: str, source_digest: str | None) -> Spend | None:
        """The latest spend of the same plan over the same source, or whichever source: it need not be paid for again."""
        wanted = [e for e in _spends(self.history()) if e.fingerprint == fingerprint]
        found = [e for e in wanted if source_digest in (None, e.source_digest)]
        return found[-1] if found else None

    def history(self, population: str | None = None) -> tuple[Entry, ...]:
        """All entries, of one population or of all, oldest first."""
        return tuple(entry for _, entry, _ in self.chained() if population in (None, entry.population))

    def chained(self) -> tuple[Chained, ...]:
        """All entries, oldest first, each with what was hashed and its hash."""
        links = self._chain.read()
        return tuple(map(Chained, range(1, len(links) + 1), self._parse(links), links))

    def summary(self, budgets: Mapping[str, Budget] | None = None) -> tuple[PopulationSummary, ...]:
        """Every population that was ever asked, by name; under today's ``budgets``, where they know it."""
        return summarize(self.history(), budgets)

    def verify(self, noted: str | None = None) -> Verified:
        """``LedgerError`` naming the first entry that was changed or removed. Every other method does this too.

        ``noted`` is a last hash that was written down earlier; ``LedgerError`` where it is no longer in the chain.
        """
        hashes = [GENESIS, *(link.hash for _, _, link in self.chained())]
        if noted is not None and noted not in hashes:
            raise LedgerError(
                f"The noted hash {noted} is not in the privacy ledger {self.path}, which holds {len(hashes) - 1} entries. "
                "Either the ledger was removed, put back to an older copy or rewritten since, or the hash is not one of it.",
                "Compare the hash with the note. If it is right, let nothing run until the ledger is restored from a backup.",
            )
        return Verified(len(hashes) - 1, hashes[-1], None if noted is None else hashes.index(noted))

    def key(self) -> bytes:
        """32 random bytes for digests that tell outsiders nothing. They are made with the file; this makes it too."""
        with self._chain.write() as page:
            return page.key

    def _parse(self, links: Iterable[Link]) -> tuple[Entry, ...]:
        try:
            return tuple(_ENTRY.validate_json(link.body) for link in links)
        except ValidationError:
            raise LedgerError(f"The privacy ledger {self.path} was written by another version of synth.") from None


_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def summarize(entries: Iterable[Entry], budgets: Mapping[str, Budget] | None = None) -> tuple[PopulationSummary, ...]:
    """The populations of a whole history, by name; under their last entry's budget, if there is no other."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.population, []).append(entry)
    return tuple(_summarize(by_name[name], (budgets or {}).get(name)) for name in sorted(by_name))


def caps(entries: Iterable[Entry]) -> tuple[Cap, ...]:
    """Every budget that a reservation was made under, oldest first: who approved which cap, and when it changed."""
    found: list[Cap] = []
    last: dict[str, Budget] = {}
    for entry in _reserves(entries):
        before = last.get(entry.population)
        if entry.budget != before:
            found.append(Cap(entry.population, entry.time, entry.budget, before))
            last[entry.population] = entry.budget
    return tuple(found)


def open_reservations(entries: Iterable[Entry]) -> frozenset[str]:
    """The ids of reservations without an end: a run under way, or one that crashed. They are paid all the same."""
    listed = tuple(entries)
    return frozenset(e.id for e in _reserves(listed)) - {e.id for e in _spends(listed)}


def _reserves(entries: Iterable[Entry]) -> list[Reserve]:
    return [entry for entry in entries if isinstance(entry, Reserve)]


def _spends(entries: Iterable[Entry]) -> list[Spend]:
    return [entry for entry in entries if isinstance(entry, Spend)]


def _cost(reserves: Iterable[Reserve], budget: Budget) -> float:
    """The epsilon of everything reserved, at the delta of the budget; spent or not makes no difference."""
    return accounting.epsilon([event for entry in reserves for event in entry.events], budget.delta)


def _summarize(entries: list[Entry], declared: Budget | None) -> PopulationSummary:
    """The entries of one population: a reservation at least, since a spend ends one."""
    reserves = _reserves(entries)
    budget = declared or reserves[-1].budget
    spent = _cost(reserves, budget)
    return PopulationSummary(
        population=reserves[-1].population,
        cap=budget.epsilon,
        delta=budget.delta,
        approver=budget.approver,
        spent=spent,
        reserved_open=len(open_reservations(entries)),
        left=max(0.0, round(budget.epsilon - spent, accounting.DECIMALS)),
        entries=len(entries),
    )


def _refusal(entry: Reserve, receipt: Receipt) -> BudgetError:
    budget, before, after = entry.budget, receipt.epsilon_spent_before, receipt.epsilon_spent_after
    left = max(0.0, round(budget.epsilon - before, accounting.DECIMALS))
    return BudgetError(
        f"The budget of the population {entry.population!r} refuses the model {entry.model!r}, which asks for epsilon "
        f"{entry.epsilon_alone:g} (delta {budget.delta:g}). Spent: {before:g}. With this model: {after:g}. The cap is "
        f"{budget.epsilon:g}, set by {budget.approver}, which leaves {left:g}.",
        f"Ask for less epsilon, or ask {budget.approver} to raise the cap. No row was used and nothing was spent.",
    )


def _canonical(entry: Entry) -> str:
    return json.dumps(entry.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
