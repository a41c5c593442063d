"""Builds one model: reserve, prepare, fit, spend, sample, land. What was there stays until the new is whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from synth.artifacts.compiled import Compiled, Price, PublicModel, SyntheticModel
from synth.artifacts.layout import RELEASE
from synth.artifacts.plan import NOT_PRIVATE
from synth.artifacts.release import ReleaseFigures
from synth.artifacts.results import RunResult
from synth.errors import BudgetError, LedgerError, RunError
from synth.privacy import accounting
from synth.privacy.ledger import Ledger, PopulationSummary
from synth.runtime.above import Above, require_above
from synth.runtime.built import contents
from synth.runtime.confinement import confine
from synth.runtime.drawing import Drawing
from synth.runtime.keys import key_mark, zone_key
from synth.runtime.listener import Listener
from synth.runtime.paid import folder_digest, generator_name, kept_generator, paid_generator, remember, stat_digest
from synth.runtime.pools import make_up
from synth.runtime.private_zone import PrivateZone
from synth.runtime.source_files import SourceMissing, check_populations
from synth.runtime.target_folder import TargetFolder
from synth.runtime.warehouse import Warehouse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synth.generator.fitted import Generator

COMPARED_UNITS = 30_000  # synthetic units that people who were held out are compared with
LATENT_UNITS = 1_000  # synthetic units over which the latent's use is averaged


class Runner:
    """One run over a compiled project."""

    def __init__(
        self, compiled: Compiled, root: Path, folder: TargetFolder, ledger: Ledger, warehouse: Warehouse,
        listener: Listener, threads: int, memory_limit: str, full_refresh: bool = False, empty: bool = False,
    ) -> None:  # fmt: skip
        self.compiled, self.root, self.folder, self.ledger = compiled, root, folder, ledger
        self.warehouse, self.listener = warehouse, listener
        self.threads, self.memory_limit, self.full_refresh, self.empty = threads, memory_limit, full_refresh, empty
        self._apart = False  # whether no file was found to be the rows of two populations
        self.paid: dict[str, float] = {}  # epsilon, of the models that were paid for
        self._notes: dict[str, str] = {}  # what is to be known of a model that was built

    def build(self, name: str) -> RunResult:
        """One model; an error of the run or a refusal of the budget becomes a result."""
        started = time.monotonic()
        kind = "synthetic" if name in self.compiled.synthetic else "public"
        try:
            if kind == "public":
                rows, epsilon = self._public(self.compiled.public[name]), None
            elif self.empty:
                rows, epsilon = self._without_rows(self.compiled.synthetic[name]), None
            else:
                rows, epsilon = self._synthetic(self.compiled.synthetic[name])
        except duckdb.InterruptException:  # Ctrl-C
            raise
        except (RunError, BudgetError, duckdb.Error) as error:
            status: Literal["error", "refused"] = "refused" if isinstance(error, BudgetError) else "error"
            seconds = round(time.monotonic() - started, 1)
            return RunResult(
                model=name, kind=kind, status=status, seconds=seconds, epsilon=self.paid.get(name), message=str(error).strip()
            )  # fmt: skip
        return RunResult(
            model=name, kind=kind, status="success", seconds=round(time.monotonic() - started, 1), rows=rows, epsilon=epsilon,
            reused=epsilon == 0, message=self._notes.get(name),
        )  # fmt: skip

    def spent(self, name: str) -> PopulationSummary | None:
        """Where the population behind a synthetic model stands; None where that has nothing to do with it."""
        model = self.compiled.synthetic.get(name)
        if model is None or model.price is None:
            return None
        wanted = model.plan.privacy.population
        try:
            summaries = self.ledger.summary({wanted: model.price.budget})
            return next((s for s in summaries if s.population == wanted), None)
        except LedgerError:
            return None  # what was built stays built; the next reservation says what is wrong

    def _public(self, model: PublicModel) -> int:
        parents = set(self.compiled.parents[model.name]) - self.compiled.deferred
        missing = [p for p in sorted(parents) if not self.warehouse.has(self.compiled.relation(p))]
        if missing:
            raise RunError(
                f"{model.name} reads {missing[0]}, which is not built", f"Run: synth build --select +{model.name}"
            )
        rows = self.warehouse.build_public(model)
        if model.materialized == "table":
            self._seal(name=model.name, relation=f'public."{model.name}"')
        return rows

    def _synthetic(self, model: SyntheticModel) -> tuple[int, float | None]:
        """Rows that landed, and the epsilon that this run spent: 0 for a generator that was paid for, None for no price."""
        from threadpoolctl import threadpool_limits

        require_above(self.compiled, self.warehouse, model)
        pools = {pool.variable: make_up(pool, model.plan.seed) for pool in model.pools}
        self.warehouse.begin_landing(model, pools, self._columns_above(model))  # what cannot land is not paid for
        generator, epsilon = self.fitted(model)
        with threadpool_limits(1):
            rows = self._land(model, generator, pools)
        return rows, epsilon

    def fitted(self, model: SyntheticModel, keep: bool = False) -> tuple[Generator, float | None]:
        """A generator, and the epsilon that this run spent: 0 for one that was paid for, None for no price.

        ``keep``: one without a price is kept, and used again over the same rows.
        """
        import pandas  # noqa: F401  which DuckDB imports else, and a Ctrl-C meanwhile would be its absence
        import torch
        from threadpoolctl import threadpool_limits

        # Matrices of this size gain nothing from a second thread, and lose tenfold where the machine is shared.
        torch.set_num_threads(1)
        with threadpool_limits(1):
            return confine(self.folder.internal, f"fitting {model.name}", lambda: self._generator(model, keep))

    def _without_rows(self, model: SyntheticModel) -> int:
        if self.warehouse.has(model.relation) and (rows := self.warehouse.count(f'synthetic."{model.name}"')):
            said = f"{model.relation} had {rows:,} rows; synth run makes them again"
            self.listener.note(f"{said}, and spends nothing where its plan and source are as they were")
        self.warehouse.begin_landing(model, {pool.variable: () for pool in model.pools}, self._columns_above(model))
        return self.warehouse.land(model, f"EMPTY: made without rows. {model.told}", drawn=False)

    def _columns_above(self, model: SyntheticModel) -> Mapping[str, NDArray[np.generic]]:
        """What its codes have besides, of the rows above it."""
        return Above.of(self.warehouse.rows_above(model.link), model.link).columns if model.link else {}

    def _generator(self, model: SyntheticModel, keep: bool) -> tuple[Generator, float | None]:
        """A generator, and the epsilon that this run spends on it. Its rows are here and nowhere else."""
        if not self._apart:
            check_populations(self.root, self.compiled.sources)
            self._apart = True
        key = zone_key(model, self.ledger, self.folder.internal)
        with ExitStack() as stack:
            try:
                zone = PrivateZone(self.root, self.folder.internal, model, self.threads, self.memory_limit, key)
                stack.enter_context(zone)
            except SourceMissing as missing:
                return self._without_source(model, missing), 0.0
            if model.price:
                return self._paid_generator(model, model.price, zone)
            if keep:
                return self._kept_generator(model, zone, key()), None
            return self._fit(model, zone), None  # anew each time

    def _paid_generator(self, model: SyntheticModel, price: Price, zone: PrivateZone) -> tuple[Generator, float]:
        """A generator, and the epsilon that this run spends on it: nothing where it was paid for before."""
        key = self.ledger.key()
        files = {name: stat_digest(key, located) for name, located in zone.located.items()}
        source_digest = zone.digest(key)
        generator = None if self.full_refresh else paid_generator(model, self.folder, self.ledger, source_digest)
        epsilon = 0.0
        if generator is None:
            self._check_price(model, price)
            receipt = self.ledger.reserve(
                price.budget, model.name, model.fit_fingerprint(), model.plan.privacy, model.declared_units
            )
            generator, epsilon = self._fit(model, zone, (key, source_digest)), price.epsilon
            self.ledger.spend(receipt.id, source_digest, folder_digest(self._generator_folder(model)))
            self.paid[model.name] = epsilon
        remember(self.folder, model, files)
        return generator, epsilon

    def _kept_generator(self, model: SyntheticModel, zone: PrivateZone, key: bytes) -> Generator:
        """Without a price: that of an earlier fit over the same rows, or a new one, which is kept."""
        files = {name: stat_digest(key, located) for name, located in zone.located.items()}
        source_digest = zone.digest(key)
        generator = kept_generator(model, self.folder, source_digest)
        if generator is None:
            generator = self._fit(model, zone, (key, source_digest))
            remember(self.folder, model, files, source_digest)
        return generator

    def _without_source(self, model: SyntheticModel, missing: SourceMissing) -> Generator:
        """Sampling needs no row: the generator of this plan that was paid for last, whatever the source is by now."""
        generator = (
            None if self.full_refresh or model.price is None else paid_generator(model, self.folder, self.ledger)
        )
        if generator is None:
            raise missing
        self._notes[model.name] = (
            f"{missing.what}. {model.name} is drawn from the generator that this plan was paid for; whether the source has "
            "changed since cannot be told"
        )
        self.listener.note(self._notes[model.name])
        return generator

    def _fit(self, model: SyntheticModel, zone: PrivateZone, digested: tuple[bytes, str] | None = None) -> Generator:
        """Reads the rows, fits, and saves. ``digested``: a key and the digest by it, whose rows alone are fitted."""
        from synth.generator import store
        from synth.generator.fit import Codes as PrivateCodes
        from synth.generator.fit import HeldOut, fit
        from synth.privacy.randomness import Randomness

        rows, others = zone.prepare(), None
        if model.evaluated and any(event.name == RELEASE for event in model.plan.privacy.events):
            others = zone.prepare(model.evaluated.held_out_codes_sql)
        if digested is not None and not zone.unchanged(*digested):
            raise RunError(
                f"a source of {model.name} changed while it was read, so nothing was fitted",
                "Run again when nobody writes to it."
                + (" What was reserved counts as spent, for rows were read." if model.price else ""),
            )
        self._keep_oddities(model, zone)

        def progress(stage: str, step: int, steps: int) -> None:
            self.listener.progress(model.name, stage, step, steps)

        held_out = HeldOut(PrivateCodes(others.columns, others.unit), partial(self._sampled, model)) if others else None
        private = PrivateCodes(rows.columns, rows.unit, rows.parent)
        generator = fit(private, model.plan, Randomness(), progress, held_out)
        store.save(generator, self._generator_folder(model))
        return generator

    def _sampled(
        self, model: SyntheticModel, generator: Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
        """Rows of the table as it will be, for the figures that are paid for."""
        from synth.generator.synthesis import draw_sizes

        units = Above.units(draw_sizes(generator, COMPARED_UNITS, None, model.plan.seed))
        return Drawing(self.warehouse, self.listener, model, generator, {}).sample(units, model.plan.seed)

    def _generator_folder(self, model: SyntheticModel) -> Path:
        return self.folder.generator(generator_name(model.name, model.fit_fingerprint()))

    def _check_price(self, model: SyntheticModel, price: Price) -> None:
        """The plan's events cost what the plan says, by the accountant and by a second one; before anything is spent."""
        cost = accounting.dearer(model.plan.privacy.events, price.epsilon, price.delta)
        if cost is not None:
            raise RunError(
                f"the plan of {model.name} costs epsilon {cost:.4f}, not {price.epsilon:g}",
                "Remove target/calibrations.json and compile again.",
            )

    def _keep_oddities(self, model: SyntheticModel, zone: PrivateZone) -> None:
        """Counts about real rows go to the private zone; the line that says so is the same whatever they are."""
        path = self.folder.oddities(model.name)
        text = json.dumps(dict(zone.oddities()), indent=1)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
        shown = os.path.relpath(path, self.root)
        self.listener.note(
            f"{shown} (private) counts units, and what was left out or could not be read: nothing, or all of it. "
            "Look there once; this line is always the same."
        )

    def _land(self, model: SyntheticModel, generator: Generator, pools: Mapping[str, Sequence[str]]) -> int:
        from synth.generator.agreement import Agreement
        from synth.generator.synthesis import draw_sizes, nats

        plan = model.plan
        if plan.network.latent:
            carried = nats(generator, LATENT_UNITS, plan.seed)
            self.listener.note(
                f"the latent of {model.name} carries about {carried:.2f} nats of a unit (0: nothing; 0.69: a coin's worth)"
            )
        self.listener.progress(model.name, "sampling", 0, 1)
        if model.link is None:
            above = Above.units(draw_sizes(generator, None if plan.rows else plan.privacy.units, plan.rows, plan.seed))
        else:
            above = Above.of(self.warehouse.rows_above(model.link), model.link)
        drawing = Drawing(self.warehouse, self.listener, model, generator, pools)
        agreement = Agreement(generator)
        drawing.draw(above, plan.seed, agreement)
        for name, (asked, held) in drawing.tried.items():
            self.listener.note(f"{held / asked:.1%} of {asked:,} rows held this as they were drawn: {name}")
        figures = (
            ReleaseFigures(model=model.name, figures=(*generator.paid, *agreement.figures())) if model.price else None
        )
        held_out = model.evaluated and zone_key(model, self.ledger, self.folder.internal)()
        mark = key_mark(held_out) if held_out else None  # by which an evaluation notices that it would hold out others
        rows = self.warehouse.land(model, _label(model), figures, key_mark=mark)
        self._seal(name=model.name, relation=f'synthetic."{model.name}"')
        return rows

    def _seal(self, name: str, relation: str) -> None:
        """So that a release notices what was changed afterwards. The ledger knows nothing of what is unprotected."""
        if not name.startswith(NOT_PRIVATE) and self.ledger.path.exists():
            self.warehouse.seal(name, contents(self.warehouse, name, relation, self.ledger.key()))


def _label(model: SyntheticModel) -> str:
    """What the table says of itself; the description of an unprotected one begins with a warning."""
    if model.price is None:
        return model.told
    price = f"epsilon {model.price.epsilon:g}, delta {model.price.delta:g}"
    return f"SYNTHETIC, differentially private: {price}. {model.told}"
