"""Looks at a source's rows from which metadata are drafted: paid for and noisy, or exact and private."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from synth.artifacts.compiled import Price
from synth.artifacts.looks import COUNTS, VALUES, Answers, Ask, Cells, Found, Look
from synth.artifacts.plan import Event, Privacy
from synth.errors import BudgetError, RunError
from synth.privacy import accounting
from synth.privacy.ledger import Ledger
from synth.privacy.mechanisms import LATTICE, Curator, Texts, unit_weights
from synth.privacy.randomness import Randomness
from synth.runtime.confinement import confine
from synth.runtime.duckdb_errors import private_errors
from synth.runtime.private_zone import SourceZone
from synth.runtime.target_folder import TargetFolder

_CELL = re.compile(r"[-+]?[0-9][0-9.,:/ TZ-]*")
LEAST_UNITS = 5  # that share a value which an exact look tells

Integers = NDArray[np.int64]
Result = TypeVar("Result")


class Looks:
    """Where looks are taken."""

    def __init__(self, root: Path, folder: TargetFolder, ledger: Ledger, threads: int, memory_limit: str) -> None:
        self.root, self.folder, self.ledger = root, folder, ledger
        self.threads, self.memory_limit = threads, memory_limit

    def header(self, look: Look) -> list[tuple[str, str]]:
        """The columns of the source's file with DuckDB's types. No row is looked at.

        RunError where the first line of a file seems to be a person's: such names would go into metadata.
        """

        def names(zone: SourceZone[Look]) -> list[tuple[str, str]]:
            found = zone.header()
            text = zone.located[look.source.name].type in ("csv", "excel") and not look.source.format.header
            if text and any(_CELL.fullmatch(name) for name, _ in found):
                raise RunError(
                    f"the first line of the source {look.source.name} has numbers or dates where names should be",
                    "If it has no header, write one into its format: header: [id, born]. Or rename those columns.",
                )
            return found

        return self._within(look, partial(os.urandom, 32), names)

    def exact(self, look: Look) -> Answers:
        """As private as the rows."""
        return self._within(look, partial(os.urandom, 32), lambda zone: _exact(_Rows(zone, look), look))

    def paid(self, look: Look, price: Price, to_follow: Sequence[Event] = ()) -> tuple[Answers, bool]:
        """Noisy answers, which the ledger has reserved before a row is read, and whether they were paid for earlier.

        BudgetError where the cap does not allow the look with what is ``to_follow``.
        """
        privacy = look.privacy
        assert privacy is not None

        def ask(zone: SourceZone[Look]) -> tuple[Answers, bool]:
            fingerprint, digest = look.fingerprint(), zone.digest(self.ledger.key())
            if known := self._known(fingerprint, digest):
                return known, True
            if accounting.dearer(privacy.events, price.epsilon, price.delta) is not None:
                raise RunError(f"the {look.called} costs more than epsilon {price.epsilon:g}", "Please report this.")
            self._check_cap(look, price, [*privacy.events, *to_follow], privacy.population)
            receipt = self.ledger.reserve(price.budget, look.called, fingerprint, privacy)
            rows = _Rows(zone, look)
            if not zone.unchanged(self.ledger.key(), digest):
                raise RunError(
                    f"a source of the {look.called} changed while it was read, so nothing was drafted",
                    "Draft again when nobody writes to it. What was reserved counts as spent, for rows were read.",
                )
            answers = _noisy(rows, look, privacy)
            self.folder.write_answers(fingerprint, answers)
            self.ledger.spend(receipt.id, digest, _digest(self.folder.answers(fingerprint)))
            return answers, False

        return self._within(look, self.ledger.key, ask)

    def _check_cap(self, look: Look, price: Price, events: Sequence[Event], population: str) -> None:
        budget = price.budget
        spent, after = self.ledger.forecast(population, budget, events)
        if after > budget.epsilon:
            raise BudgetError(
                f"The budget of the population {population!r} refuses the {look.called} for epsilon {price.epsilon:g}. Spent: "
                f"{spent:g}. With it: about {after:g}. The cap is {budget.epsilon:g}, set by {budget.approver}.",
                f"Ask for less epsilon, or ask {budget.approver} to raise the cap. No row was used and nothing was spent.",
            )

    def _within(self, look: Look, key: Callable[[], bytes], work: Callable[[SourceZone[Look]], Result]) -> Result:
        def confined() -> Result:
            zone = SourceZone(self.root, self.folder.internal, look, self.threads, self.memory_limit, key)
            with zone, private_errors(self.folder.internal, f"looking for the {look.called}"):
                return work(zone)

        return confine(self.folder.internal, f"looking for the {look.called}", confined)

    def _known(self, fingerprint: str, digest: str) -> Answers | None:
        """The answers to the same look at the same rows, where they are still there as they were paid for."""
        spent, path = self.ledger.find_spent(fingerprint, digest), self.folder.answers(fingerprint)
        if spent is None or not path.is_file() or _digest(path) != spent.generator_digest:
            return None
        try:
            return Answers.model_validate_json(path.read_bytes())
        except ValidationError:
            return None


class _Rows:
    """The rows of a look, those of a unit together: their units int64[rows], and what SQL says of each, [rows]."""

    def __init__(self, zone: SourceZone[Look], look: Look) -> None:
        self._zone = zone
        zone.execute(f"create temp table looked as {look.rows_sql}")
        self.unit = self._column('dense_rank() over (order by "#unit") - 1').astype(np.int64)

    def cells(self, ask: Ask) -> Integers:
        return self._column(f"coalesce(cast(({ask.sql}) as bigint), -1)").astype(np.int64)

    def texts(self, ask: Ask) -> Texts:
        """Empty where there is none."""
        return self._column(f"coalesce(cast(({ask.sql}) as varchar), '')").astype(object)

    def one(self, sql: str) -> Sequence[object]:
        found: Sequence[object] = self._zone.execute(f"select {sql} from looked").fetchone() or ()
        return found

    def _column(self, sql: str) -> NDArray[np.generic]:
        found = self._zone.execute(f'select {sql} as "column" from looked order by "#unit"').fetchnumpy()["column"]
        return np.asarray(found)


def _noisy(rows: _Rows, look: Look, privacy: Privacy) -> Answers:
    curator = Curator(privacy.events, Randomness())
    weights = unit_weights(rows.unit)
    cells = {
        ask.name: tuple(curator.histogram(COUNTS, rows.cells(ask), weights, ask.size).tolist()) for ask in look.cells
    }
    values = {}
    for ask in look.values:
        found = curator.values(VALUES, rows.texts(ask), rows.unit)
        values[ask.name] = tuple(Found(value=text, persons=persons) for text, persons in found.items())
    curator.check_spent()
    noise = max(event.noise_multiplier for event in privacy.events if event.kind != "selection")
    return Answers(cells=cells, values=values, noise=noise)


def _exact(rows: _Rows, look: Look) -> Answers:
    weights = unit_weights(rows.unit)
    return Answers(
        cells={ask.name: _counts(rows.cells(ask), weights, ask) for ask in look.cells},
        values={ask.name: _shared(rows.texts(ask), rows.unit, weights) for ask in look.values},
        extremes={ask.name: _extremes(rows, ask) for ask in look.extremes},
        facts={ask.name: bool(rows.one(ask.sql)[0]) for ask in look.facts},
    )


def _counts(cells: Integers, weights: Integers, ask: Cells) -> tuple[float, ...]:
    there = (cells >= 0) & (cells < ask.size)
    return tuple((np.bincount(cells[there], weights[there], ask.size) / LATTICE).tolist())


def _shared(texts: Texts, unit: Integers, weights: Integers) -> tuple[Found, ...]:
    distinct, place = np.unique(texts, return_inverse=True)
    persons = np.bincount(place, weights, len(distinct)) / LATTICE
    units = np.bincount(np.unique(np.stack([place, unit]), axis=1)[0], minlength=len(distinct))
    told = np.flatnonzero((units >= LEAST_UNITS) & (distinct != ""))
    return tuple(Found(value=distinct[i], persons=persons[i]) for i in told)


def _extremes(rows: _Rows, ask: Ask) -> tuple[str, str] | None:
    low, high = rows.one(f"cast(min({ask.sql}) as varchar), cast(max({ask.sql}) as varchar)")
    return None if low is None or high is None else (str(low), str(high))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
