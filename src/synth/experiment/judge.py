"""Tables of all cells, drawn in memory and judged by a few measures. In confinement: what is real here stays here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas

from synth.artifacts.compiled import Evaluated, SyntheticModel
from synth.artifacts.evaluation import EvaluationPlan, Prediction
from synth.artifacts.experiment import Cell, CellFigure, JudgedCell
from synth.compiler.cells import OWN, PlannedCell
from synth.errors import RunError, SynthError, where
from synth.evaluation.evaluate import candidates
from synth.evaluation.marginals import marginals, pairs
from synth.evaluation.tasks import prediction
from synth.evaluation.world import Found, Measure, World
from synth.quoting import identifier
from synth.runtime.above import Above
from synth.runtime.drawing import Drawing
from synth.runtime.listener import Listener
from synth.runtime.pools import make_up
from synth.runtime.real_rows import typed
from synth.runtime.warehouse import Warehouse

if TYPE_CHECKING:
    from synth.generator.fitted import Generator
    from synth.generator.others import FromMeasurements, Reference

Made = TypeVar("Made")
TOLD = ("utility",)  # of a task, besides its own metric


@dataclass(frozen=True, eq=False)
class Judge:
    """Draws and judges. ``fitted``: generators by the fingerprint of their fit; ``others``: those not of synth, by name."""

    world: World
    evaluated: Evaluated
    fitted: Mapping[str, Generator]
    others: Mapping[str, FromMeasurements | Reference]
    warehouse: Warehouse
    listener: Listener

    def tables(self, cells: Sequence[PlannedCell]) -> Iterator[JudgedCell]:
        """The figures of each cell."""
        measures = measures_of(self.world.plan)
        for number, planned in enumerate(cells, 1):
            self.listener.judging(planned.model.name, str(planned.cell), number, len(cells))
            table = candidates(self._drawn(planned), self.world)["synthetic"]
            yield judged(planned.cell, table, self.world, measures)

    def _drawn(self, planned: PlannedCell) -> pandas.DataFrame:
        found = self._reference(planned) if planned.reference else self._from_fit(planned)
        return typed(found, dict(self.world.kinds))

    def _reference(self, planned: PlannedCell) -> pandas.DataFrame:
        from synth.generator.others import Reference

        made, train = self.others[planned.generator], self.world.train
        assert isinstance(made, Reference)
        draw = partial(made.rows, train.copy(), self.world.kinds, len(train), planned.cell.seed)
        found = _by(planned.generator, draw)
        if missing := [name for name in self.world.kinds if name not in found]:
            raise RunError(f"the generator '{planned.generator}' gave no column {missing[0]}", "Mend it.")
        return found

    def _from_fit(self, planned: PlannedCell) -> pandas.DataFrame:
        """Rows as the table would have them, in their declared types."""
        from synth.generator.synthesis import draw_sizes

        model, plan = planned.model, planned.model.plan
        generator = self.fitted[model.fit_fingerprint()]
        pools = {pool.variable: make_up(pool, plan.seed) for pool in model.pools}
        drawing = Drawing(self.warehouse, self.listener, model, generator, pools)
        sizes = draw_sizes(generator, None if plan.rows else plan.privacy.units, plan.rows, plan.seed)
        if planned.generator in OWN:
            drawing.draw(Above.units(sizes), plan.seed)
        else:
            drawing.fill(partial(self._codes, planned.generator, model, generator), len(sizes), plan.seed)
        columns = ", ".join(f"{c.sql} as {identifier(c.name)}" for c in self.evaluated.columns)
        return self.warehouse.frame(f"select {columns} from (\n{model.landed_sql})")

    def _codes(self, name: str, model: SyntheticModel, generator: Generator, rows: int, seed: int) -> np.ndarray:
        """What a generator makes of the measurements; RunError where these are no codes of the layout."""
        from synth.generator.others import FromMeasurements

        made = self.others[name]
        assert isinstance(made, FromMeasurements)
        found = _by(name, lambda: np.asarray(made.codes(generator.ways, generator.pairs, rows, seed)))
        most = np.array([column.cells - 1 + column.missing for column in model.plan.layout])
        shape = (rows, len(most))
        if found.shape != shape or found.dtype != np.int64 or ((found < 0) | (found > most)).any():
            raise RunError(f"the generator '{name}' gave no codes int64{list(shape)} of the layout", "Mend it.")
        return found


def measures_of(plan: EvaluationPlan) -> tuple[Measure, ...]:
    """Shares of columns, pairs and triples, dependence, and the predictions that the metadata declare."""
    return (marginals, pairs, *(prediction(task) for task in plan.tasks if isinstance(task, Prediction)))


def judged(cell: Cell | None, table: pandas.DataFrame, world: World, measures: Sequence[Measure]) -> JudgedCell:
    """The figures of the whole table, and of tasks."""
    tasks = {task.name: task for task in world.plan.tasks if isinstance(task, Prediction)}
    found = [f for measure in measures for f in measure(table, world) if isinstance(f, Found)]
    wanted = [f for f in found if not f.of or (f.of in tasks and f.metric in (tasks[f.of].metric, *TOLD))]
    figures = (CellFigure(metric=f.metric, of=f.of, better=f.better, value=f.value, note=f.note) for f in wanted)
    return JudgedCell(cell=cell, figures=tuple(figures))


def _by(name: str, make: Callable[[], Made]) -> Made:
    """What somebody else's generator makes. Of what goes wrong only the kind and the place are said."""
    try:
        return make()
    except SynthError:
        raise
    except Exception as error:
        raise RunError(f"the generator '{name}' failed: {where(error)}", "Mend it, or leave it out.") from None
