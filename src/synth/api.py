"""The verbs, as a Python user calls them: ``synth.Project("path").run(select="admissions")``."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Compiled
from synth.artifacts.forecast import Forecast
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.results import ApartResult, Results
from synth.compiler.compile import compile_project
from synth.compiler.forecast import forecast
from synth.compiler.synthetic import private_views
from synth.errors import RunError, UsageError
from synth.graph.dag import Graph, Node, build
from synth.graph.selection import select as select_nodes
from synth.privacy.calibrations import Calibrations
from synth.project import loader
from synth.runtime.target_folder import TargetFolder

if TYPE_CHECKING:
    import pandas

    from synth.privacy.ledger import Ledger
    from synth.runtime.listener import Listener
    from synth.runtime.warehouse import Warehouse

Selection = str | Iterable[str]


class Project:
    """A project at ``path`` (or above it). Loads its files; raises ProjectError with every problem at once."""

    def __init__(
        self, path: str | Path = ".", target: str | None = None, vars: Mapping[str, Any] | None = None
    ) -> None:
        self.root = loader.find_root(Path(path).resolve())
        self.project = loader.load(self.root, vars)
        self.settings = self.project.settings
        self.target = self.project.target(target)
        self.folder = TargetFolder(self.root / self.settings.target_path)
        self.graph: Graph = build(self.project)

    @property
    def database(self) -> Path:
        return self.root / self.target.database

    @property
    def budgets(self) -> dict[str, Budget]:
        """By population, as they are declared today."""
        found = self.settings.budgets.items()
        return {name: Budget(epsilon=b.epsilon, delta=b.delta, approver=b.approver) for name, b in found}

    @property
    def ledger(self) -> Ledger:
        from synth.privacy.ledger import Ledger

        return Ledger(self.root / self.settings.ledger, self.folder.ledger_bookmark)

    # verbs that read no row

    def ls(self, select: Selection = (), exclude: Selection = ()) -> list[Node]:
        return select_nodes(self.graph, _listed(select), _listed(exclude))

    def compile(self) -> Compiled:
        """Compiles the whole project into target/; opens no data and gives the same bytes each time."""
        calibrations = Calibrations(self._calibrations())
        compiled = compile_project(self.project, self.graph, calibrations)
        self.folder.write_compiled(compiled)
        if calibrations.changed:
            self.folder.calibrations.write_text(json.dumps(calibrations.known, indent=1, sort_keys=True) + "\n")
        return compiled

    def plan(self, select: Selection = (), exclude: Selection = (), full_refresh: bool = False) -> Forecast:
        """What a run of the selected models would reuse, fit and spend, with reasons."""
        return self._forecast(self.compile(), self._models(select, exclude), full_refresh)

    def unprotected(self, models: Container[str]) -> str:
        """A warning that names those of the models that are made without differential privacy; "" where none is."""
        names = [n.relation.replace('"', "") for n in self.graph.of_kind("model") if n.not_private and n.name in models]
        return f"{UNPROTECTED} Here: {', '.join(names)}." if names else ""

    # verbs with effects

    def run(
        self,
        select: Selection = (),
        exclude: Selection = (),
        full_refresh: bool = False,
        listener: Listener | None = None,
    ) -> Results:
        """Builds the selected models in order; a failed model's children are skipped."""
        return self._build(select, exclude, full_refresh, listener, run=True, test=False)

    def build(
        self,
        select: Selection = (),
        exclude: Selection = (),
        full_refresh: bool = False,
        listener: Listener | None = None,
    ) -> Results:
        """Run and test in order; children of a model that failed, or whose tests failed, are skipped."""
        return self._build(select, exclude, full_refresh, listener, run=True, test=True)

    def test(self, select: Selection = (), exclude: Selection = (), listener: Listener | None = None) -> Results:
        """Judges what landed: the declared expectations and the singular tests."""
        return self._build(select, exclude, False, listener, run=False, test=True)

    def check_sql(
        self, select: Selection = (), exclude: Selection = (), units: int = 20, listener: Listener | None = None
    ) -> tuple[ApartResult, ...]:
        """Whether the SQL behind the selected models keeps people apart: it runs without one unit, ``units`` times.

        Reads private rows and pays nothing, so what it says stays with those who may read them.
        """
        from synth.runtime.leave_one_out import check
        from synth.runtime.listener import Listener

        compiled, listener = self.compile(), listener or Listener()
        names, key, found = self._prepared(select, exclude), self.ledger.key, []
        for number, name in enumerate(names, 1):
            model, target = compiled.synthetic[name], self.target
            result = check(model, self.root, self.folder.internal, target.threads, target.memory_limit, key, units)
            listener.checked(number, len(names), model.relation, result)
            found.append(result)
        return tuple(found)

    def query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """A query of the target's database, which holds synthetic and public tables only."""
        with self._warehouse(read_only=True) as warehouse:
            return warehouse.query(sql)

    def table(self, model: str) -> pandas.DataFrame:
        """A synthetic or public table as a data frame."""
        relation = self._relation(model)
        with self._warehouse(read_only=True) as warehouse:
            _built(warehouse, relation, model)
            return warehouse.frame(f"select * from {relation}")

    def rows(self, model: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and the first rows of a synthetic or public table."""
        relation = self._relation(model)
        with self._warehouse(read_only=True) as warehouse:
            _built(warehouse, relation, model)
            return warehouse.query(f"select * from {relation} limit {limit}")

    def clean(self, everything: bool = False) -> list[str]:
        """Removes what can be made again for nothing; with ``everything`` also what was paid for, if nobody uses it."""
        if everything and self.database.exists():
            with self._warehouse(read_only=False):
                pass  # RunError where another process has it open
        return self.folder.clean(everything, {self.root / target.database for target in self.settings.targets.values()})

    # how

    def _build(
        self,
        select: Selection,
        exclude: Selection,
        full_refresh: bool,
        listener: Listener | None,
        run: bool,
        test: bool,
    ) -> Results:
        from synth.build import SINGULAR, Build, Wanted
        from synth.runtime.listener import Listener
        from synth.runtime.runner import Runner

        compiled = self.compile()
        listener = listener or Listener()
        wanted = Wanted(
            self._models(select, exclude, tests=test), self._tests(select, exclude) if test else (), run, test
        )
        if unprotected := self.unprotected(
            {*wanted.models, *(p for t in wanted.tests for p in compiled.tests[t].parents)}
        ):
            listener.warned(unprotected)
        if run:
            listener.planned(self._forecast(compiled, wanted.models, full_refresh))
        if run and self.folder.generators() and not self.ledger.history():
            listener.note(
                f"{self.settings.ledger} is empty though paid generators are here: was it removed? It counts from 0."
            )
        with self._warehouse(read_only=False) as warehouse:
            runner = Runner(
                compiled, self.root, self.folder, self.ledger, warehouse, listener,
                self.target.threads, self.target.memory_limit, full_refresh,
            )  # fmt: skip
            results = Build(compiled, runner, warehouse, listener).all(wanted)
        self.folder.write_results(results)
        if results.suites:
            self._write_data_docs({*compiled.synthetic, SINGULAR})
        return results

    def _forecast(self, compiled: Compiled, models: Sequence[str], full_refresh: bool) -> Forecast:
        from synth.runtime.paid import standings

        wanted = [compiled.synthetic[name] for name in models if name in compiled.synthetic]
        found = standings(wanted, self.root, self.folder, self.ledger)
        return forecast(compiled, models, found, self.ledger.forecast, full_refresh)

    def _write_data_docs(self, names: set[str]) -> None:
        from synth.validation.data_docs import write_data_docs

        write_data_docs(self.folder.suites(names), self.folder.data_docs, f"{self.settings.name}: synthetic tables")

    def _warehouse(self, read_only: bool) -> Warehouse:
        from synth.runtime.warehouse import Warehouse

        return Warehouse(self.database, self.target.threads, self.target.memory_limit, read_only)

    def _relation(self, model: str) -> str:
        found = [n for n in self.graph.of_kind("model") if model in (n.name, n.asked) and n.zone != "private"]
        if not found:
            raise UsageError(f"'{model}' is not a synthetic or public model", "See them with: synth ls")
        return found[0].relation

    def _models(self, select: Selection, exclude: Selection, tests: bool = False) -> tuple[str, ...]:
        nodes = self.ls(select, exclude)
        names = tuple(n.name for n in nodes if n.kind == "model" and n.zone != "private")
        if not names and not (tests and any(n.kind == "test" for n in nodes)):
            kinds = ", ".join(sorted({f"{n.zone} {n.kind}" for n in nodes}))
            raise UsageError(
                f"the selection holds no synthetic or public model, only: {kinds}", "See them with: synth ls"
            )
        return names

    def _prepared(self, select: Selection, exclude: Selection) -> tuple[str, ...]:
        """Synthetic models that are selected, or read a private model that is."""
        chosen = {node.id for node in self.ls(select, exclude)}
        synthetic = [node for node in self.graph.of_kind("model") if node.zone == "synthetic"]
        names = tuple(n.name for n in synthetic if chosen & {n.id, *(v.id for v in private_views(self.graph, n))})
        if not names:
            raise UsageError("the selection holds no synthetic model, nor what one reads", "See them with: synth ls")
        return names

    def _tests(self, select: Selection, exclude: Selection) -> tuple[str, ...]:
        """Singular tests that are selected, or whose models are (as in dbt)."""
        chosen = {n.id for n in self.ls(select, exclude)}
        excluded = {n.id for n in select_nodes(self.graph, _listed(exclude))} if _listed(exclude) else set()
        tests = [n for n in self.graph.of_kind("test") if n.id in chosen or (n.parents and chosen & set(n.parents))]
        return tuple(n.name for n in tests if n.id not in excluded)

    def _calibrations(self) -> dict[str, float]:
        try:
            known = json.loads(self.folder.calibrations.read_text())
        except (OSError, ValueError):
            return {}
        return {str(k): float(v) for k, v in known.items()} if isinstance(known, dict) else {}


def _built(warehouse: Warehouse, relation: str, model: str) -> None:
    if not warehouse.has(relation.replace('"', "")):
        raise RunError(f"{model} is not built", f"Run: synth build --select {model}")


def _listed(selection: Selection) -> tuple[str, ...]:
    return (selection,) if isinstance(selection, str) else tuple(selection)
