"""Builds one model: reserve, prepare, fit, spend, sample, land. What was there stays until the new is whole."""

from __future__ import annotations

import hashlib
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from synth.artifacts.compiled import Compiled, Constraint, PublicModel, SyntheticModel
from synth.artifacts.results import RunResult
from synth.errors import BudgetError, LedgerError, RunError
from synth.privacy import accounting
from synth.privacy.ledger import Ledger, PopulationSummary
from synth.runtime.confinement import confine
from synth.runtime.listener import Listener
from synth.runtime.private_zone import PrivateZone, SourceMissing
from synth.runtime.target_folder import TargetFolder
from synth.runtime.warehouse import Codes, Warehouse

if TYPE_CHECKING:
    from synth.generator.fitted import Generator
    from synth.generator.sampling import Rule

LATENT_UNITS = 1_000  # synthetic units over which the latent's use is averaged
PRV_TOLERANCE = 0.03  # how far the second accountant may lie above the planned epsilon


class Runner:
    """One run over a compiled project."""

    def __init__(
        self, compiled: Compiled, root: Path, folder: TargetFolder, ledger: Ledger, warehouse: Warehouse,
        listener: Listener, threads: int, memory_limit: str, full_refresh: bool = False,
    ) -> None:  # fmt: skip
        self.compiled, self.root, self.folder, self.ledger = compiled, root, folder, ledger
        self.warehouse, self.listener = warehouse, listener
        self.threads, self.memory_limit, self.full_refresh = threads, memory_limit, full_refresh
        self._notes: dict[str, str] = {}  # what is to be known of a model that was built

    def build(self, name: str) -> RunResult:
        """One model; an error of the run or a refusal of the budget becomes a result."""
        started = time.monotonic()
        kind = "synthetic" if name in self.compiled.synthetic else "public"
        try:
            if kind == "public":
                rows, epsilon, reused = self._public(self.compiled.public[name]), None, False
            else:
                rows, epsilon, reused = self._synthetic(self.compiled.synthetic[name])
        except (RunError, BudgetError, duckdb.Error) as error:
            status: Literal["error", "refused"] = "refused" if isinstance(error, BudgetError) else "error"
            seconds = round(time.monotonic() - started, 1)
            return RunResult(model=name, kind=kind, status=status, seconds=seconds, message=str(error).strip())
        return RunResult(
            model=name, kind=kind, status="success", seconds=round(time.monotonic() - started, 1), rows=rows, epsilon=epsilon,
            reused=reused, message=self._notes.get(name),
        )  # fmt: skip

    def spent(self, name: str) -> PopulationSummary | None:
        """Where the population behind a synthetic model stands."""
        if name not in self.compiled.synthetic:
            return None
        wanted = self.compiled.synthetic[name].plan.privacy.population
        try:
            return next((s for s in self.ledger.summary() if s.population == wanted), None)
        except LedgerError:
            return None  # what was built stays built; the next reservation says what is wrong

    def _public(self, model: PublicModel) -> int:
        missing = [p for p in self.compiled.parents[model.name] if not self.warehouse.has(self.compiled.relation(p))]
        if missing:
            raise RunError(
                f"{model.name} reads {missing[0]}, which is not built", f"Run: synth build --select +{model.name}"
            )
        return self.warehouse.build_public(model)

    def _synthetic(self, model: SyntheticModel) -> tuple[int, float, bool]:
        import torch

        # Matrices of this size gain nothing from a second thread, and lose tenfold where the machine is shared.
        torch.set_num_threads(1)
        generator, reused = confine(self.folder.internal, f"fitting {model.name}", lambda: self._generator(model))
        rows = self._land(model, generator)
        return rows, 0.0 if reused else model.plan.privacy.epsilon, reused

    def _generator(self, model: SyntheticModel) -> tuple[Generator, bool]:
        """A generator, and whether it was paid for before. Its rows are here and nowhere else."""
        try:
            zone = PrivateZone(self.root, self.folder.internal, model, self.threads, self.memory_limit)
        except SourceMissing as missing:
            return self._without_source(model, missing), True
        with zone:
            digest = zone.digest(self.ledger.key())
            generator = None if self.full_refresh else self._reusable(model, digest)
            return generator or self._fit(model, zone, digest), generator is not None

    def _without_source(self, model: SyntheticModel, missing: SourceMissing) -> Generator:
        """Sampling needs no row: the generator of this plan that was paid for last, whatever the source is by now."""
        generator = None if self.full_refresh else self._reusable(model, None)
        if generator is None:
            raise missing
        self._notes[model.name] = (
            f"{missing.what}. {model.name} is drawn from the generator that this plan was paid for; whether the source has "
            "changed since cannot be told"
        )
        self.listener.note(self._notes[model.name])
        return generator

    def _reusable(self, model: SyntheticModel, source_digest: str | None) -> Generator | None:
        """The generator that was paid for with this plan over this source (None: any), if it is still on disk as it was."""
        from synth.generator import store

        spent = self.ledger.find_spent(model.fit_fingerprint(), source_digest)
        folder = self._generator_folder(model)
        if spent is None or not folder.is_dir() or folder_digest(folder) != spent.generator_digest:
            return None
        return store.load(folder)

    def _fit(self, model: SyntheticModel, zone: PrivateZone, source_digest: str) -> Generator:
        from synth.generator import store
        from synth.generator.fit import Codes as PrivateCodes
        from synth.generator.fit import fit
        from synth.privacy.randomness import Randomness

        plan = model.plan
        self._check_price(model)
        receipt = self.ledger.reserve(
            plan.privacy.population, model.budget, model.name, model.fit_fingerprint(), plan.privacy.events,
            plan.privacy.epsilon,
        )  # fmt: skip
        rows = zone.prepare()
        self._keep_oddities(model, zone)

        def progress(stage: str, step: int, steps: int) -> None:
            self.listener.progress(model.name, stage, step, steps)

        private = PrivateCodes(rows.columns, rows.unit)
        generator = fit(private, plan, Randomness(), progress)
        folder = self._generator_folder(model)
        store.save(generator, folder)
        self.ledger.spend(receipt.id, source_digest, folder_digest(folder))
        return generator

    def _generator_folder(self, model: SyntheticModel) -> Path:
        """One folder for each plan: a fit of other people, or at another price, takes no paid generator away."""
        return self.folder.generator(f"{model.name}-{model.fit_fingerprint()[:12]}")

    def _check_price(self, model: SyntheticModel) -> None:
        """The plan's events cost what the plan says, by the accountant and by a second one; before anything is spent."""
        privacy = model.plan.privacy
        exact = accounting.epsilon(privacy.events, privacy.delta)
        other = accounting.cross_check(privacy.events, privacy.delta)
        if exact > privacy.epsilon or other > privacy.epsilon * (1 + PRV_TOLERANCE):
            raise RunError(
                f"the plan of {model.name} costs epsilon {max(exact, other):.4f}, not {privacy.epsilon:g}",
                "Remove target/calibrations.json and compile again.",
            )

    def _keep_oddities(self, model: SyntheticModel, zone: PrivateZone) -> None:
        """Counts about real rows go to the private zone; the line that says so is the same whatever they are."""
        path = self.folder.internal / f"{model.name}.oddities.json"
        text = json.dumps(dict(zone.oddities()), indent=1)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
        shown = os.path.relpath(path, self.root)
        self.listener.note(
            f"before you trust the table, see how many values were unreadable or left out: {shown} (private)"
        )

    def _land(self, model: SyntheticModel, generator: Generator) -> int:
        from synth.generator.sequences import places
        from synth.generator.synthesis import draw_sizes, nats, synthesize

        plan = model.plan
        if plan.network.latent:
            carried = nats(generator, LATENT_UNITS, plan.seed)
            self.listener.note(f"the latent of {model.name} carries about {carried:.2f} nats of a unit; 0 is nothing")
        self.listener.progress(model.name, "sampling", 0, 1)
        sizes = draw_sizes(generator, None if plan.rows else plan.privacy.units, plan.rows, plan.seed)
        unit, position = np.repeat(np.arange(len(sizes)), sizes), places(np.zeros(len(sizes), np.int64), sizes)
        self.warehouse.begin_landing(model)
        done = 0
        for block in synthesize(generator, sizes, plan.seed, rules=self._rules(model)):
            part = slice(done, done + len(block.codes))
            broken = self.warehouse.accept(model, _named(block.codes, unit[part], position[part] + 1))
            if broken:
                raise RunError(
                    f"{model.name}: {sum(broken.values()):,} of {len(block.codes):,} rows broke a constraint however often they "
                    f"were drawn, mostly: {max(broken, key=lambda name: broken[name])}",
                    "Is it rare in the declared bounds? Model a date with offset_from, or loosen the constraint.",
                )
            done += len(block.codes)
            self.listener.progress(model.name, "sampling", done, len(unit))
        price = f"epsilon {plan.privacy.epsilon:g}, delta {plan.privacy.delta:g}"
        label = f"SYNTHETIC, differentially private: {price}. {model.description}"
        return self.warehouse.land(model, label)

    def _rules(self, model: SyntheticModel) -> list[Rule]:
        """The model's constraints over codes of synthetic rows."""
        from synth.generator.sampling import Rule

        def held(constraint: Constraint, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
            return self.warehouse.held(model, constraint, _named(codes, *np.zeros((2, len(codes)), np.int64)))

        places = {column.name: i for i, column in enumerate(model.plan.layout)}
        return [
            Rule(tuple(places[name] for name in constraint.columns), partial(held, constraint))
            for constraint in model.constraints
            if constraint.columns
        ]


def _named(codes: NDArray[np.int64], units: NDArray[np.int64], position: NDArray[np.int64]) -> Codes:
    """Codes [rows, columns] as the restoring SQL reads them; "#draw" counts the rows."""
    places = {"#unit": units, "#position": position, "#draw": np.arange(len(units))}
    return places | {f"#{i}": np.ascontiguousarray(column) for i, column in enumerate(codes.T, 1)}


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
