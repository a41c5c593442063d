"""``synth evaluate``: figures of synthetic tables beside real rows. What it finds goes to the private zone, and nowhere else."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from synth.artifacts.compiled import Evaluated, EvaluatedLink, SyntheticModel
from synth.artifacts.evaluation import Evaluation, Kind, PythonTask
from synth.artifacts.plan import NOT_PRIVATE
from synth.errors import RunError, UsageError
from synth.evaluation.evaluate import evaluate, evaluate_links
from synth.evaluation.extra import need
from synth.evaluation.linked import Linkage, Rows, below, below_by_name
from synth.evaluation.measures import MEASURES
from synth.evaluation.plan_measures import measures_of
from synth.evaluation.world import World
from synth.privacy.ledger import Ledger
from synth.report.write import write_internal_report
from synth.runtime.built import made
from synth.runtime.confinement import confine, silenced
from synth.runtime.evaluations import write_evaluation
from synth.runtime.keys import key_mark, zone_key
from synth.runtime.listener import Listener
from synth.runtime.paid import paid_generator
from synth.runtime.real_rows import RealRows, real_rows, synthetic_sql, typed
from synth.runtime.target_folder import TargetFolder
from synth.runtime.warehouse import Warehouse
from synth.version import __version__

LEAST_HELD_OUT = 20  # units; of fewer, figures say nothing


class Evaluator:
    """Evaluates the models of a project, one after the other."""

    def __init__(
        self, root: Path, folder: TargetFolder, ledger: Ledger, warehouse: Callable[[], Warehouse], listener: Listener,
        threads: int, memory_limit: str,
    ) -> None:  # fmt: skip
        """``warehouse``: opens the target's database, which is read at once and closed: figures take minutes."""
        self.root, self.folder, self.ledger, self.warehouse = root, folder, ledger, warehouse
        self.listener, self.threads, self.memory_limit = listener, threads, memory_limit

    def evaluate(self, model: SyntheticModel, above: SyntheticModel | None = None) -> Evaluation:
        """``above``: the model whose rows this one's are below. Errors of the run say nothing of a row."""
        need("sklearn")
        with self.warehouse() as warehouse:
            evaluated = _ready(model, warehouse)
            self._same_people(model, warehouse.marked_key(model.name))
            link = evaluated.link
            drawn = warehouse.frame(synthetic_sql(model.relation, evaluated, link.foreign_key if link else None))
            parent, outdated = _parent(above, link, warehouse), warehouse.outdated(model)
            table = made(warehouse).get(model.name)
        internal, doing = self.folder.internal, f"evaluating {model.name}"
        functions = {
            t.function: _quiet(_function(self.root, t), internal)
            for t in evaluated.plan.tasks
            if isinstance(t, PythonTask)
        }
        found = confine(internal, doing, lambda: self._figures(model, evaluated, drawn, parent, functions))
        early = (
            ["The table was made of an earlier declaration: run synth build, then evaluate again."] if outdated else []
        )
        if link and parent is None:
            early.append(
                f"{link.parent} is not built of today's declaration: what is across the two tables was not looked at."
            )
        at = table.at.isoformat(timespec="seconds") if table else None
        found = found.model_copy(update={"made": at, "notes": (*early, *found.notes)})
        write_evaluation(internal, found)
        return found

    def _same_people(self, model: SyntheticModel, mark: str | None) -> None:
        """RunError where another key would hold out others than the fit did: people of the fit would count as held out.

        ``mark``: of the key of the fit; None for a table of an earlier version, of which nobody knows.
        """
        if mark not in (None, key_mark(zone_key(model, self.ledger, self.folder.internal)())):
            what = f"the key that decided who was held out of {model.name} was lost or changed since the table was made"
            paid = ", which pays for another fit" if model.price else ""
            raise RunError(
                f"{what}, so nobody can tell who had a part in its fit",
                f"Run: synth build --select {_asked(model)}{paid}",
            )

    def written(self, model: SyntheticModel, found: Evaluation) -> Path:
        """The path of the report. Its pictures are made of figures, so an error of theirs stays inside as well."""
        internal = self.folder.internal
        return confine(
            internal, f"reporting on {model.name}", lambda: write_internal_report(model, found, internal)
        )  # fmt: skip

    def _figures(
        self, model: SyntheticModel, evaluated: Evaluated, rows: pandas.DataFrame, parent: Parent | None,
        functions: dict[str, Callable[..., Any]],
    ) -> Evaluation:  # fmt: skip
        kinds = _kinds(evaluated)
        real = self._real(model, evaluated, ("#name", "#parent") if parent else ())
        drawn = typed(rows, kinds).set_axis(rows["#unit"].to_numpy(np.int64))
        world = world_of(model, evaluated, real)

        def told(name: str, number: int, of: int) -> None:
            self.listener.judging(model.name, name, number, of)

        with threadpool_limits(1):  # trees gain little from a second thread, and lose much where the machine is shared
            figures, curves = evaluate(drawn, world, [*MEASURES, *measures_of(evaluated.plan, functions)], told)
            across, bars = evaluate_links(*self._linked(model, real, rows, drawn, parent, world), told)
        return Evaluation(
            synth_version=__version__,
            run_id=self.listener.invocation_id,
            run_time=datetime.now(UTC).isoformat(timespec="seconds"),
            model=model.name,
            relation=model.relation,
            declaration=model.declaration(),
            unit=model.plan.privacy.unit,
            train_rows=len(real.train),
            train_units=real.fitted,
            held_out_rows=len(real.held_out),
            held_out_units=real.others,
            synthetic_rows=len(drawn),
            notes=tuple(self._notes(model, real.source_digest)),
            kinds=kinds,
            plan=evaluated.plan,
            figures=(*figures, *across),
            curves=(*curves, *bars),
        )

    def _real(self, model: SyntheticModel, evaluated: Evaluated, keys: tuple[str, ...]) -> RealRows:
        internal = self.folder.internal
        key = zone_key(model, self.ledger, internal)
        return real_rows(model, evaluated, self.root, internal, self.threads, self.memory_limit, key, keys)

    def _linked(
        self, model: SyntheticModel, real: RealRows, rows: pandas.DataFrame, drawn: pandas.DataFrame, parent: Parent | None,
        world: World,
    ) -> tuple[Rows, Linkage]:  # fmt: skip
        """The synthetic rows, and the real ones, with those above them where there is such a table."""
        synthetic = Rows(drawn, drawn.index.to_numpy())
        train, holdout = Rows(real.train, real.train_units), Rows(real.held_out, real.held_out_units)
        evaluated = parent.model.evaluated if parent else None
        if parent and evaluated:
            synthetic = below(synthetic, _keys(rows), parent.synthetic, parent.keys)
            above = self._real(parent.model, evaluated, ("#name", "#position"))
            train = below_by_name(train, real.train_keys, Rows(above.train, above.train_units), above.train_keys)
            over = Rows(above.held_out, above.held_out_units)
            holdout = below_by_name(holdout, real.held_out_keys, over, above.held_out_keys)
        said = held_out_of(model)
        return synthetic, Linkage(
            train, holdout, world.kinds, model.name, model.plan.cap > 1 and said.unit is not None, said.ordered,
            parent.model.name if parent else "", _kinds(evaluated) if evaluated else {}, model.plan.seed,
        )  # fmt: skip

    def _notes(self, model: SyntheticModel, source_digest: str) -> list[str]:
        """What should be known before the figures are believed."""
        notes = []
        if model.price and paid_generator(model, self.folder, self.ledger, source_digest) is None:
            notes.append("The source has changed since the table's fit: its train rows are not quite those of the fit.")
        if model.price is None:
            notes.append("NOT PRIVATE: nobody in the source is protected.")
        return notes


@dataclass(frozen=True, eq=False)
class Parent:
    """A table that others are below, as it is built; ``keys``: int64[rows]."""

    model: SyntheticModel
    synthetic: Rows
    keys: NDArray[np.int64]


def _parent(above: SyntheticModel | None, link: EvaluatedLink | None, warehouse: Warehouse) -> Parent | None:
    """None where there is none, or it is not built of today's declaration."""
    if above is None or link is None or above.evaluated is None or not warehouse.has(above.relation):
        return None
    if warehouse.outdated(above):
        return None
    rows = warehouse.frame(synthetic_sql(above.relation, above.evaluated, link.key))
    table = typed(rows, _kinds(above.evaluated))
    return Parent(above, Rows(table, rows["#unit"].to_numpy(np.int64)), _keys(rows))


def _keys(rows: pandas.DataFrame) -> NDArray[np.int64]:
    """Keys are counted from 1; one that is missing is of no row."""
    return rows["#key"].fillna(0).to_numpy(np.int64)


def _kinds(evaluated: Evaluated) -> dict[str, Kind]:
    return {column.name: column.kind for column in evaluated.columns}


def held_out_of(model: SyntheticModel) -> Evaluated:
    """What its real rows are; UsageError where nobody is held out of its fit."""
    if model.evaluated is None:
        fix = "Add holdout: 0.2 to its metadata and run it, another fit to pay: only held-out people tell quality from copying."
        raise UsageError(f"no unit is held out of the fit of {model.name}", fix)
    return model.evaluated


def world_of(model: SyntheticModel, evaluated: Evaluated, real: RealRows) -> World:
    """RunError where too few units are held out."""
    if real.others < LEAST_HELD_OUT or not len(real.train):
        what = f"fewer than {LEAST_HELD_OUT} units of {model.name} are held out of the fit"
        raise RunError(what, "Figures of so few say nothing: raise holdout, or use a larger source.")
    return World(
        real.train, real.held_out, real.train_units, real.held_out_units, _kinds(evaluated), evaluated.plan, model.plan.seed
    )  # fmt: skip


def _ready(model: SyntheticModel, warehouse: Warehouse) -> Evaluated:
    evaluated = held_out_of(model)
    if not warehouse.has(model.relation):
        raise RunError(f"{model.name} is not built", f"Run: synth build --select {_asked(model)}")
    return evaluated


def _asked(model: SyntheticModel) -> str:
    return model.name.removeprefix(NOT_PRIVATE)


def _quiet(function: Callable[..., Any], internal: Path) -> Callable[..., Any]:
    """The same; what it prints of the rows that it sees stays in the private zone."""

    def called(*tables: Any) -> Any:
        with silenced(internal):
            return function(*tables)

    return called


def _function(root: Path, task: PythonTask) -> Callable[..., Any]:
    """The project's function; what is wrong with it is told before a row is read."""
    file, name = task.function.rsplit(":", 1)
    path = root / file
    if not path.is_file():
        raise UsageError(f"the task {task.name} names {file}, which is not there", "Mend function: in its evaluation.")
    spec = importlib.util.spec_from_file_location(f"synth_task_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"the task {task.name} names {file}, which is no Python file", "Name a .py file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        what = f"the task {task.name}: {os.fspath(file)} cannot be imported: {type(error).__name__}: {error}"
        raise UsageError(what, "Mend the file.") from None
    found = getattr(module, name, None)
    if not callable(found):
        raise UsageError(f"the task {task.name}: {file} has no function {name}", "Mend function: in its evaluation.")
    return found  # type: ignore[no-any-return]
