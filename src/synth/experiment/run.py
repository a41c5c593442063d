"""Runs an experiment: the price of all first, then every fit by way of the ledger, then figures beside held-out people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from synth.artifacts.experiment import Experiment, ExperimentForecast
from synth.compiler.cells import PlannedCell, fits
from synth.evaluation.evaluate import candidates
from synth.evaluation.extra import need
from synth.evaluator import held_out_of, world_of
from synth.experiment.judge import Judge, judged, measures_of
from synth.experiment.price import refuse
from synth.project import spec
from synth.runtime.confinement import confine
from synth.runtime.keys import zone_key
from synth.runtime.real_rows import real_rows
from synth.runtime.runner import Runner
from synth.runtime.warehouse import Warehouse
from synth.version import __version__

if TYPE_CHECKING:
    from synth.generator.fitted import Generator
    from synth.generator.others import FromMeasurements, Reference


@dataclass(frozen=True, eq=False)
class Experimenter:
    """One experiment. ``others``: the generators that are not of synth, by name."""

    said: spec.Experiment
    forecast: ExperimentForecast
    cells: Sequence[PlannedCell]
    others: Mapping[str, FromMeasurements | Reference]
    runner: Runner

    def run(self) -> Experiment:
        """BudgetError, before a row is read, where the price of all cells is above the cap."""
        need("sklearn")
        refuse(self.forecast)
        fitted: dict[str, Generator] = {}
        wanted = fits(self.cells)
        for number, (fingerprint, planned) in enumerate(wanted.items(), 1):
            self.runner.listener.started(number, len(wanted), f"fit for {planned.cell}")
            fitted[fingerprint], _ = self.runner.fitted(planned.model, keep=True)
        return confine(self.runner.folder.internal, f"judging {self.said.name}", lambda: self._judged(fitted))

    def _judged(self, fitted: Mapping[str, Generator]) -> Experiment:
        runner, model = self.runner, self.cells[0].model
        evaluated = held_out_of(model)
        internal = runner.folder.internal
        key = zone_key(model, runner.ledger, internal)
        real = real_rows(model, evaluated, runner.root, internal, runner.threads, runner.memory_limit, key)
        world = world_of(model, evaluated, real)
        measures, both = measures_of(world.plan), candidates(real.train, world)
        memory = Warehouse(None, runner.threads, runner.memory_limit, read_only=True)
        with memory as warehouse, threadpool_limits(1):  # as in an evaluation
            judge = Judge(world, evaluated, fitted, self.others, warehouse, runner.listener)
            tables = tuple(judge.tables(self.cells))
        return Experiment(
            synth_version=__version__,
            run_id=runner.listener.invocation_id,
            run_time=datetime.now(UTC).isoformat(timespec="seconds"),
            name=self.said.name,
            description=self.said.description,
            model=self.said.model,
            warnings=self.forecast.warnings,
            notes=tuple(self._notes()),
            public=self.said.public,
            held_out_rows=len(real.held_out),
            held_out_units=real.others,
            train=judged(None, both["train"], world, measures),
            shuffled=judged(None, both["shuffled"], world, measures),
            cells=tables,
        )

    def _notes(self) -> Iterator[str]:
        """What should be known before the figures are believed, or shown to anybody."""
        population = self.forecast.population
        if self.said.public and (paid := len(self.runner.ledger.history(population))):
            yield (
                f"The ledger has {paid} entries of the population {population}: somebody held these rows to be private. Ask "
                "before the figures leave."
            )
        if any(planned.reference for planned in self.cells):
            yield "References learn from the rows of the fit themselves: they show what quality costs when nobody is protected."
