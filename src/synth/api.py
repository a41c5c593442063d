"""The verbs, as a Python user calls them: ``synth.Project("path").run(select="admissions")``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Compiled, Manifest, ManifestNode
from synth.artifacts.forecast import Forecast, Reason
from synth.artifacts.freshness import FreshnessMetadata, FreshnessReport
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.results import ApartResult, Invocation, Results
from synth.compiler.inputs import digest_of_inputs
from synth.compiler.populations import population_problems
from synth.errors import NothingToDo, Problem, ProjectError, RunError, UsageError
from synth.files import write_whole
from synth.graph.dag import Graph, Node, build
from synth.graph.selection import Indirect, parse
from synth.graph.selection import select as select_nodes
from synth.graph.state import FAILED, State
from synth.graph.unreviewed import unreviewed
from synth.privacy.calibrations import Calibrations, Costs
from synth.project import loader
from synth.project.nearest import nearest
from synth.runtime.target_folder import TargetFolder
from synth.version import __version__

if TYPE_CHECKING:
    import pandas

    from synth.artifacts.evaluation import Goal
    from synth.artifacts.experiment import ExperimentForecast
    from synth.artifacts.release import Bundle
    from synth.compiler.cells import PlannedCell
    from synth.generator.others import FromMeasurements, Reference
    from synth.privacy.ledger import Ledger
    from synth.project.spec import Experiment
    from synth.runtime.listener import Listener
    from synth.runtime.runner import Runner
    from synth.runtime.warehouse import Warehouse

Selection = str | Iterable[str]


class How(TypedDict, total=False):
    """How a selection is meant; see docs/selection.md."""

    selector: str | None  # a name in selectors.yml, instead of select and exclude
    indirect_selection: Indirect | None  # which tests come with what they test; eager where nothing is said
    state: str | Path | None  # a folder with an earlier manifest.json or run_results.json
    defer: bool  # what is neither selected nor built is read where the manifest in state has it


class Project:
    """A project at ``path`` (or above it). Loads its files; raises ProjectError with every problem at once."""

    def __init__(
        self,
        path: str | Path = ".",
        target: str | None = None,
        vars: Mapping[str, Any] | None = None,
        threads: int | None = None,
    ) -> None:
        self.root = loader.find_root(Path(path).resolve())
        self.project = loader.load(self.root, vars, target)
        self.settings = self.project.settings
        self.target = self.project.target(target)
        self.target = self.target.model_copy(update={"threads": threads}) if threads else self.target
        self.opened = (target or self.settings.default_target, dict(vars or {}))
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

    def ls(
        self, select: Selection = (), exclude: Selection = (), resource_types: Iterable[str] = (), **how: Unpack[How]
    ) -> list[ManifestNode]:
        """Sources, models and tests."""
        types = tuple(resource_types)
        chosen = self._selection(select, exclude, how)
        compiled = self.refresh()
        manifest = compiled.manifest if compiled else self.folder.manifest() or self.compile().manifest
        found = [n for n in chosen(manifest) if not types or n.resource_type in types]
        if not found:
            raise UsageError(f"nothing of the selection is a {' or a '.join(types)}", "See all with: synth ls")
        return found

    def compile(self) -> Compiled:
        """Compiles the whole project into target/; opens no data and gives the same bytes each time."""
        return self._compiled(digest_of_inputs(self.project, self.graph))

    def _compiled(self, inputs: str) -> Compiled:
        from synth.compiler.compile import compile_project

        calibrations = Calibrations(self._numbers(self.folder.calibrations))
        try:
            compiled = compile_project(self.project, self.graph, calibrations)
        except ProjectError as error:  # a draft is told of at once, not when the rest is mended
            raise ProjectError([*error.problems, *self._drafts()]) from None
        if calibrations.changed:
            self._keep(self.folder.calibrations, calibrations.known)
        self.folder.write_compiled(compiled, inputs, own=bool(self._drafts()))
        return compiled

    def refresh(self) -> Compiled | None:
        """Compiles the project unless target/ holds what it gives, and then returns None.

        For verbs that show and run nothing: what runs was always compiled by the process that runs it.
        """
        wrong = any(population_problems(self.root, self.project.sources.values()))
        inputs = digest_of_inputs(self.project, self.graph)
        return None if not wrong and self.folder.holds(inputs) else self._compiled(inputs)

    def counts(self) -> dict[str, int]:
        """How many models each zone has, and how many tests of its own ("test") and unit tests there are."""
        found = Counter(node.zone if node.kind == "model" else node.kind for node in self.graph.nodes.values())
        return found | Counter(unit_test=sum(config.enabled for config in self.graph.unit_tests.values()))

    def plan(
        self, select: Selection = (), exclude: Selection = (), full_refresh: bool = False, **how: Unpack[How]
    ) -> Forecast:
        """What a run of the selected models would reuse, fit and spend, with reasons."""
        chosen = self._selection(select, exclude, how)
        located = {n.name: n.source.source.location for n in self.graph.of_kind("source") if n.source}
        compiled = self.refresh() or self.folder.compiled(located) or self.compile()
        costs = Costs(self._numbers(self.folder.costs))
        found = self._forecast(compiled, _models(chosen(compiled.manifest)), full_refresh, costs)
        if costs.changed:
            self._keep(self.folder.costs, costs.known)
        return found

    def dbt_sources(self, name: str | None = None, database: str = "synth") -> str:
        """The project's tables as YAML of a dbt source ``name``; ``database``: under which dbt attaches the target's file.

        ProjectError where metadata that nobody has reviewed would go out with it.
        """
        if drafted := self._drafts():
            raise ProjectError(drafted)
        from synth.compiler.dbt_sources import dbt_sources

        return dbt_sources(self.graph, self.compile(), name or self.settings.name, database, self.target.database)

    def unprotected(self, models: Container[str]) -> str:
        """A warning that names those of the models that are made without differential privacy; "" where none is."""
        names = [n.relation.replace('"', "") for n in self.graph.of_kind("model") if n.not_private and n.name in models]
        return f"{UNPROTECTED} Here: {', '.join(names)}." if names else ""

    def drafted(self, models: Container[str]) -> str:
        """A warning that names those of the models whose metadata nobody has reviewed; "" where there is none."""
        names = {n.name for n in self.graph.of_kind("model") if n.name in models}
        return "\n".join(str(problem) for problem in unreviewed(self.graph, names))

    def source_freshness(
        self,
        select: Selection = (),
        exclude: Selection = (),
        output: str | Path | None = None,
        listener: Listener | None = None,
        **how: Unpack[How],
    ) -> FreshnessReport:
        """Judges how old the selected sources are by when their files were changed; writes it as dbt does.

        To ``target/sources.json``, or to ``output``.
        """
        from synth.runtime.freshness import source_age
        from synth.runtime.listener import Listener

        began, listener = datetime.now(UTC), listener or Listener()
        compiled, nodes = self._selected(select, exclude, how)
        if not any(node.resource_type == "source" for node in nodes):
            raise UsageError("the selection holds no source", "See them with: synth ls --resource-type source")
        wanted = [node for node in nodes if node.unique_id in compiled.freshness]
        tables = {table.name: table for table in compiled.sources}
        results = []
        for number, node in enumerate(wanted, 1):
            listener.started(number, len(wanted), f"freshness of {node.name}")
            criteria = compiled.freshness[node.unique_id]
            results.append(source_age(self.root, tables[node.name], node.unique_id, criteria, datetime.now(UTC)))
            listener.aged(number, len(wanted), node.name, results[-1])
        now = datetime.now(UTC)
        metadata = FreshnessMetadata(
            synth_version=__version__, generated_at=now.isoformat(), invocation_id=listener.invocation_id
        )
        elapsed = round((now - began).total_seconds(), 3)
        report = FreshnessReport(metadata=metadata, results=tuple(results), elapsed_time=elapsed)
        self.folder.write_freshness(report, Path(output) if output else None)
        return report

    # verbs with effects

    def run(
        self,
        select: Selection = (),
        exclude: Selection = (),
        full_refresh: bool = False,
        listener: Listener | None = None,
        fail_fast: bool = False,
        empty: bool = False,
        **how: Unpack[How],
    ) -> Results:
        """Builds the selected models in order; a failed model's children are skipped, after it all with ``fail_fast``.

        ``empty``: tables without rows, for which nothing is read, fitted or spent.
        """
        said = self._said("run", how, full_refresh=full_refresh, empty=empty)
        return self._build(*self._selected(select, exclude, how), said, listener, fail_fast)

    def build(
        self,
        select: Selection = (),
        exclude: Selection = (),
        full_refresh: bool = False,
        listener: Listener | None = None,
        fail_fast: bool = False,
        store_failures: bool = False,
        docs: bool = True,
        **how: Unpack[How],
    ) -> Results:
        """Run and test in order; children of a model that failed, or whose tests failed, are skipped.

        ``store_failures``: the synthetic rows that break a test are kept as a table of the schema test_failures; ``docs``:
        whether to write Data Docs of what was judged.
        """
        said = self._said("build", how, full_refresh=full_refresh, store_failures=store_failures, docs=docs)
        return self._build(*self._selected(select, exclude, how), said, listener, fail_fast)

    def test(
        self,
        select: Selection = (),
        exclude: Selection = (),
        listener: Listener | None = None,
        fail_fast: bool = False,
        store_failures: bool = False,
        docs: bool = True,
        **how: Unpack[How],
    ) -> Results:
        """Judges what landed: what metadata promise, and the project's own generic, singular and unit tests.

        ``store_failures`` and ``docs`` as in ``build``.
        """
        said = self._said("test", how, store_failures=store_failures, docs=docs)
        return self._build(*self._selected(select, exclude, how), said, listener, fail_fast)

    def retry(
        self, previous: Results | None = None, listener: Listener | None = None, fail_fast: bool = False
    ) -> Results:  # fmt: skip
        """Does again what failed or was skipped in ``previous``, else in the last run here, by the same verb and flags."""
        from synth.runtime.listener import Listener

        previous = previous or last_results(self.root)
        compiled = self.compile()
        found = State("", None, previous, named=False).statuses(compiled.manifest)
        nodes = [compiled.manifest.nodes[i] for i in compiled.manifest.nodes if found.get(i) in FAILED]
        if not nodes:
            raise NothingToDo(f"the last synth {previous.args.which} left nothing", "Say: synth build")
        listener = listener or Listener()
        listener.note(f"again what failed or was skipped in synth {previous.args.which} of {previous.generated_at}")
        target, variables = self.opened
        paid = [r.model for r in previous.results if r.epsilon and r.status in FAILED]
        if previous.args.full_refresh and paid:
            listener.note(f"without --full-refresh, since {', '.join(paid)} was paid for before that run failed")
        refresh = previous.args.full_refresh and not paid
        said = previous.args.model_copy(update={"target": target, "vars": variables, "full_refresh": refresh})
        return self._build(compiled, nodes, said, listener, fail_fast)

    def check_sql(
        self,
        select: Selection = (),
        exclude: Selection = (),
        units: int = 20,
        listener: Listener | None = None,
        **how: Unpack[How],
    ) -> tuple[ApartResult, ...]:
        """Whether the SQL behind the selected models keeps people apart: it runs without one unit, ``units`` times.

        Reads private rows and pays nothing, so what it says stays with those who may read them.
        """
        from synth.runtime.leave_one_out import check
        from synth.runtime.listener import Listener

        compiled, nodes = self._selected(select, exclude, how, some=True)
        listener = listener or Listener()
        names, key, found = self._prepared(nodes), self.ledger.key, []
        for number, name in enumerate(names, 1):
            model, target = compiled.synthetic[name], self.target
            listener.started(number, len(names), f"{model.relation}  without each of up to {units:,} units")
            result = check(model, self.root, self.folder.internal, target.threads, target.memory_limit, key, units)
            listener.checked(number, len(names), model.relation, result)
            found.append(result)
        return tuple(found)

    def evaluate(
        self, select: Selection = (), exclude: Selection = (), listener: Listener | None = None, **how: Unpack[How]
    ) -> dict[Path, tuple[Goal, ...]]:  # fmt: skip
        """Judges the selected synthetic tables beside real rows, those of the fit and those held out.

        The reports that it writes, and of each the goals of the metadata that are not reached.

        Reads private rows and pays nothing, so every figure stays in the private zone, with those who may read the rows.
        """
        from synth.evaluator import Evaluator, held_out_of
        from synth.runtime.listener import Listener

        compiled, nodes = self._selected(select, exclude, how, some=True)
        names = self._prepared(nodes)
        for name in names:
            held_out_of(compiled.synthetic[name])
        listener = listener or Listener()
        written: dict[Path, tuple[Goal, ...]] = {}
        evaluator = Evaluator(
            self.root, self.folder, self.ledger, partial(self._warehouse, read_only=True), listener, self.target.threads,
            self.target.memory_limit,
        )  # fmt: skip
        for number, name in enumerate(names, 1):
            model = compiled.synthetic[name]
            listener.started(number, len(names), f"evaluation of {model.relation}")
            link = model.evaluated and model.evaluated.link
            found = evaluator.evaluate(model, compiled.synthetic.get(link.parent) if link else None)
            report = evaluator.written(model, found)
            written[report] = found.missed
            listener.evaluated(number, len(names), model.relation, os.path.relpath(report, self.root))
        return written

    def experiment(
        self, name: str, dry_run: bool = False, listener: Listener | None = None
    ) -> tuple[ExperimentForecast, Path | None]:
        """Fits the model of an experiment by each of its generators at each epsilon and seed, and judges every table.

        What all of it costs, and the page of its figures; with ``dry_run`` no row is read, and there is no page. BudgetError
        before a row is read where the whole price is above the cap.
        """
        from synth.evaluator import held_out_of
        from synth.experiment.price import forecast, refuse
        from synth.experiment.run import Experimenter
        from synth.report.experiment_page import write_experiment
        from synth.runtime.listener import Listener

        said = self._experiment(name)
        if drafted := unreviewed(self.graph, [said.model]):
            raise ProjectError(drafted)
        others, cells = self._cells(said)
        held_out_of(cells[0].model)
        told = forecast(said, cells, self.root, self.folder, self.ledger)
        if dry_run:
            return told, None
        listener = listener or Listener()
        for warning in told.warnings:
            listener.warned(warning)
        refuse(told)
        with self._warehouse(read_only=False) as warehouse:
            runner = self._runner(self.compile(), warehouse, listener, full_refresh=False, empty=False)
            found = Experimenter(said, told, cells, others, runner).run()
        page = write_experiment(found, self.folder.experiments(public=bool(said.public)))
        listener.note(f"the figures of {name}: {os.path.relpath(page, self.root)}")
        return told, page

    def run_operation(self, macro: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """What a macro of the project gives. Its ``run_query`` asks the target's database, which holds synthetic and public
        tables only, and may change it."""
        from synth.operation import operation

        with self._warehouse(read_only=False) as warehouse:
            return operation(self.project, self.graph, warehouse, macro, arguments or {})

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

    def sample(
        self,
        model: str,
        rows: int = 10,
        where: Iterable[str] = (),
        given: Mapping[str, str] | None = None,
        per: str | None = None,
        seed: int = 1,
        out: str | Path | None = None,
        listener: Listener | None = None,
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names and rows: so many more of a fitted model that meet every condition, or so many for each value of ``per``.

        ``where``: SQL over one row; ``given``: values by column, as text, "" for a missing one. With ``out``, a .csv or
        .parquet file, they are written there instead, and the only row says how many. Spends nothing.
        """
        from synth.compiler.request import request
        from synth.runtime.above import require_above
        from synth.runtime.listener import Listener
        from synth.runtime.more_rows import more_rows
        from synth.runtime.paid import paid_generator
        from synth.runtime.warehouse import Warehouse

        compiled = self.compile()
        node = next(
            (n for n in self.graph.of_kind("model") if model in (n.name, n.asked) and n.zone == "synthetic"), None
        )
        if node is None or node.declared is None:
            raise UsageError(f"'{model}' is not a synthetic model", nearest(model, compiled.synthetic))
        made = compiled.synthetic[node.name]
        if made.price is None:
            raise UsageError(
                f"{node.name} has privacy: none, and is fitted anew each time", f"Ask: synth show {node.asked}."
            )
        asked = request(node.declared.table, made, rows, tuple(where), given, per)
        file = Path(out).absolute() if out else None
        part = file.with_name(f".{file.stem}.{os.getpid()}.part{file.suffix}") if file else None
        database, target = (self.database if made.link else None), self.target
        with Warehouse(database, target.threads, target.memory_limit, read_only=True, out=part) as warehouse:
            if made.link:
                require_above(compiled, warehouse, made)
            generator = paid_generator(made, self.folder, self.ledger)
            if generator is None:
                raise RunError(
                    f"{node.name} has no generator of its plan of today", f"Run: synth run --select {node.name}"
                )
            more_rows(asked, made, generator, warehouse, listener or Listener(), seed)
            if file is None or part is None:
                return warehouse.landed(made)
            try:
                written = warehouse.export(made, part)
                os.replace(part, file)
            finally:
                part.unlink(missing_ok=True)
            return ["rows"], [(written,)]

    def docs(self) -> Path:
        """Writes ``catalog.json`` and the project's site; the path of its first page. Figures are of synthetic rows."""
        from synth.build import SUITES
        from synth.compiler.forecast import fit_forecast
        from synth.runtime.look_around import catalog, distributions
        from synth.site.facts import Facts
        from synth.site.write import write_site

        compiled = self.compile()
        nodes = compiled.manifest.nodes.values()
        if self.database.exists():
            with self._warehouse(read_only=True) as warehouse:
                found = catalog(warehouse, nodes)
                unread = {name: {c.name for c in m.columns if c.key} for name, m in compiled.synthetic.items()}
                spread = {
                    i: distributions(warehouse, table, unread.get(table.metadata.name, ()))
                    for i, table in found.nodes.items()
                }
        else:
            found, spread = catalog(None, nodes), {}
        self.folder.write_catalog(found)
        fits = {name: fit_forecast(model) for name, model in compiled.synthetic.items()}
        suites = self.folder.suites({*compiled.synthetic, *compiled.public, *SUITES})
        facts = Facts(
            name=self.settings.name, generated_at=found.metadata.generated_at.removesuffix("+00:00").replace("T", " "),
            compiled=compiled, descriptions={node.id: self._described(node) for node in self.graph.nodes.values()},
            tables={n.name: n.declared.table for n in self.graph.of_kind("model") if n.declared}, fits=fits,
            suites={suite.model: suite for suite in suites}, catalog=found, distributions=spread,
            ledger=tuple(self.ledger.summary(self.budgets)), data_docs=(self.folder.data_docs / "index.html").is_file(),
        )  # fmt: skip
        led_here = (self.folder.docs / "index.html").is_file()
        index = write_site(facts, self.folder.docs, own=bool(self._drafts()))
        if facts.data_docs and not led_here:  # they were written when there was no page to lead back to
            self._write_data_docs({*compiled.synthetic, *compiled.public, *SUITES})
        return index

    def release(
        self, select: Selection = (), exclude: Selection = (), out: str | Path | None = None, **how: Unpack[How]
    ) -> tuple[Path, Bundle]:
        """Writes the selected synthetic and public tables as a bundle into the new folder ``out``; its path and its seal.

        RunError with every reason for which nothing may be released.
        """
        from contextlib import nullcontext
        from tempfile import TemporaryDirectory

        from synth.release.bundle import refuse_taken, release_folder, write
        from synth.release.contents import behind
        from synth.release.gather import gather

        compiled, nodes = self._selected(select, exclude, how, some=True)
        models = _models(nodes)
        folder = Path(out).absolute() if out else release_folder(self.folder.releases, self.settings.name)
        refuse_taken(folder)
        drafted, made = unreviewed(self.graph, behind(compiled, models)), self.database.exists()
        near = next(above for above in folder.parents if above.is_dir())  # so that the whole folder moves in at once
        with TemporaryDirectory(prefix=".synth-release-", dir=near) as temporary:
            part = Path(temporary) / folder.name
            part.mkdir()
            with self._warehouse(read_only=True, out=part) if made else nullcontext() as warehouse:
                contents = gather(compiled, self.graph, models, warehouse, self.ledger, self.budgets, drafted)
                assert warehouse is not None  # else nothing is built, which is refused
                return folder, write(contents, warehouse, part, folder)

    def rows(self, model: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and the first rows of a synthetic or public table."""
        import duckdb

        relation = self._relation(model)
        with self._warehouse(read_only=True) as warehouse:
            _built(warehouse, relation, model)
            try:
                return warehouse.query(f"select * from {relation} limit {limit}")
            except duckdb.InterruptException:  # Ctrl-C
                raise
            except duckdb.Error as error:  # of a view over synthetic rows
                raise RunError(f"{model} cannot be read: {str(error).splitlines()[0]}", "Mend its SQL.") from None

    def clean(self, everything: bool = False) -> list[str]:
        """Removes what can be made again for nothing; with ``everything`` also what was paid for, if nobody uses it."""
        if everything and self.database.exists():
            with self._warehouse(read_only=False):
                pass  # RunError where another process has it open
        return self.folder.clean(everything, {self.root / target.database for target in self.settings.targets.values()})

    # how

    def _selected(
        self, select: Selection, exclude: Selection, how: How, some: bool = False
    ) -> tuple[Compiled, list[ManifestNode]]:
        """The project compiled, and the nodes that are selected; ``some``: nothing to do would be a mistake."""
        chosen = self._selection(select, exclude, how)  # before compiling writes another manifest there
        compiled = self.compile()
        try:
            return compiled, chosen(compiled.manifest)
        except NothingToDo as nothing:
            raise (UsageError(nothing.what, nothing.fix) if some else nothing) from None

    def _selection(
        self, select: Selection, exclude: Selection, how: How
    ) -> Callable[[Manifest], list[ManifestNode]]:  # fmt: skip
        """Finds the nodes that are selected; of the default selector where nothing is said."""
        said, without = _listed(select), _listed(exclude)
        default = next((name for name, d in self.project.selectors.items() if d.selector.default), None)
        name = how.get("selector") or (None if said or without else default)
        if name and (said or without):
            raise UsageError("--selector stands beside --select or --exclude", "Say one or the other.")
        if name and name not in self.graph.selectors:
            what = f"there is no selector '{name}' in {loader.SELECTORS_FILE}"
            example = f"Define it there; for example {{name: {name}, definition: tag:hospital}}."
            raise UsageError(what, nearest(name, self.graph.selectors) or example)
        wanted = self.graph.selectors[name] if name else parse(said) if said else None
        excluded = parse(without) if without else None
        state = self._state(how.get("state"))
        asked, mode = name or " ".join(said) or "everything", how.get("indirect_selection") or "eager"

        def chosen(manifest: Manifest) -> list[ManifestNode]:
            try:
                return select_nodes(manifest, wanted, excluded, mode, state, asked)
            except UsageError as error:
                what = f"{loader.SELECTORS_FILE}, {name}: {error.what}"
                raise (type(error)(what, error.fix) if name else error) from None

        return chosen

    def _state(self, folder: str | Path | None) -> State:
        found = TargetFolder(Path(folder)) if folder else self.folder
        shown = str(folder or self.settings.target_path)
        if not folder:
            return State(shown, None, found.results(), named=False)
        return State(shown, found.manifest(), found.results(), True, found.freshness(), self.folder.freshness())

    def _said(self, which: Literal["run", "test", "build"], how: How, **flags: bool) -> Invocation:
        target, variables = self.opened
        state = os.path.relpath(folder, self.root) if (folder := how.get("state")) else None
        return Invocation(
            which=which, target=target, vars=variables, defer=how.get("defer", False), state=state, **flags
        )  # fmt: skip

    def _build(
        self, compiled: Compiled, nodes: Sequence[ManifestNode], args: Invocation, listener: Listener | None,
        fail_fast: bool,
    ) -> Results:  # fmt: skip
        from synth.build import SUITES, Build, Wanted
        from synth.runtime.listener import Listener

        listener = listener or Listener()
        run, deferred = args.which != "test", self._deferred(args)
        tests = tuple(n.unique_id for n in nodes if n.is_test and args.which != "run")
        wanted = Wanted(_models(nodes, or_tests=bool(tests)) if run else (), tests)
        if not run and not tests:
            raise UsageError("the selection holds no test", "See them with: synth ls --resource-type test")
        read = {*wanted.models, *(p for t in tests for p in compiled.parents[t])}
        if drafted := unreviewed(self.graph, read):
            raise ProjectError(drafted)
        if unprotected := self.unprotected(read):
            listener.warned(unprotected)
        if wanted.models and not args.empty:
            listener.planned(self._forecast(compiled, wanted.models, args.full_refresh))
        if run and self.folder.generators() and not self.ledger.history():
            listener.note(
                f"{self.settings.ledger} is empty though paid generators are here: was it removed? It counts from 0."
            )
        with self._warehouse(read_only=False, deferred=deferred) as warehouse:
            if deferred:
                compiled = self._deferring(compiled, wanted.models, warehouse, listener)
            runner = self._runner(compiled, warehouse, listener, args.full_refresh, args.empty) if run else None
            build = Build(compiled, runner, warehouse, listener, fail_fast, args.store_failures)
            ids = {expectation.id for expectation in compiled.judged.values()}
            try:
                results = build.all(wanted, args)
            except RunError:  # nothing of it is built
                raise
            except BaseException:  # Ctrl-C, or a mistake of synth's own: a retry goes on from here
                self.folder.write_results(build.cut_off(wanted, args), ids)
                raise
        self.folder.write_results(results, ids)
        if results.suites and args.docs:
            self._write_data_docs({*compiled.synthetic, *compiled.public, *SUITES})
        return results

    def _runner(
        self, compiled: Compiled, warehouse: Warehouse, listener: Listener, full_refresh: bool, empty: bool
    ) -> Runner:  # fmt: skip
        from synth.runtime.runner import Runner

        return Runner(
            compiled, self.root, self.folder, self.ledger, warehouse, listener,
            self.target.threads, self.target.memory_limit, full_refresh, empty,
        )  # fmt: skip

    def _forecast(
        self, compiled: Compiled, models: Sequence[str], full_refresh: bool, costs: Costs | None = None
    ) -> Forecast:  # fmt: skip
        """``costs``: known ones; without them the accountants are asked."""
        from synth.compiler.forecast import forecast
        from synth.runtime.paid import standings

        wanted = [compiled.synthetic[name] for name in models if name in compiled.synthetic]
        above = {name for model in wanted for name in compiled.above(model.name)}.difference(models)
        asked = [*wanted, *(compiled.synthetic[name] for name in sorted(above))]
        found = standings(asked, self.root, self.folder, self.ledger)
        drafted = {m.name: [_unreviewed(problem) for problem in unreviewed(self.graph, [m.name])] for m in wanted}
        ledger = self.ledger
        price = partial(ledger.forecast, epsilon=costs) if costs else ledger.forecast
        return forecast(compiled, models, found, price, full_refresh, drafted)

    def _experiment(self, name: str) -> Experiment:
        known = self.project.experiments
        if name not in known:
            where = self.settings.experiment_paths[0]
            example = f"Write {where}/{name}.yml; see docs/experiments.md."
            raise UsageError(f"there is no experiment '{name}' in {where}/", nearest(name, known) or example)
        return known[name].experiment

    def _cells(self, said: Experiment) -> tuple[Mapping[str, FromMeasurements | Reference], list[PlannedCell]]:
        """The generators of an experiment that are not of synth, by name, and all its cells."""
        from synth.compiler.cells import OWN, planned_cells
        from synth.generator.others import Reference, other

        others = {name: other(name) for name in said.generators if name not in OWN}
        references = {name for name, made in others.items() if isinstance(made, Reference)}
        calibrations = Calibrations(self._numbers(self.folder.calibrations))
        cells = planned_cells(self.project, self.graph, calibrations, said, references)
        if calibrations.changed:
            self._keep(self.folder.calibrations, calibrations.known)
        return others, cells

    def _write_data_docs(self, names: set[str]) -> None:
        from synth.validation.data_docs import write_data_docs

        home = "../index.html" if (self.folder.docs / "index.html").is_file() else None
        title = f"{self.settings.name}: synthetic tables"
        write_data_docs(self.folder.suites(names), self.folder.data_docs, title, home)

    def _deferred(self, said: Invocation) -> Path | None:
        """The database of the target that the manifest in ``state`` was compiled for; None where nothing is deferred."""
        if not said.defer:
            return None
        folder = said.state
        found = TargetFolder(self.root / folder).manifest() if folder else None
        if found is None:
            what = (
                f"there is no manifest.json of this version of synth in {folder}"
                if folder
                else "--defer needs --state DIR"
            )
            raise UsageError(what, "Name a folder with the manifest.json of the target whose tables are to be read.")
        path = self.root / found.metadata.database
        if path == self.database:
            raise UsageError(f"--defer: {folder} is of this target itself", "Name one of another target, or --target.")
        if found.metadata.database not in {target.database for target in self.settings.targets.values()}:
            raise UsageError(
                f"--defer: {folder} is of no target of {loader.PROJECT_FILE}", "Compile it for one of them."
            )
        if not path.exists():
            raise RunError(f"--defer: there is no {found.metadata.database}", f"It is the database of {folder}.")
        return path

    def _deferring(
        self, compiled: Compiled, made: Sequence[str], warehouse: Warehouse, listener: Listener
    ) -> Compiled:  # fmt: skip
        from synth.runtime.warehouse import DEFERRED

        def there(name: str) -> bool:
            relation = compiled.relation(name)
            return not warehouse.has(relation) and warehouse.has(relation, deferred=True)

        names = [name for name in (*compiled.synthetic, *compiled.public) if name not in made and there(name)]
        if names:
            listener.note(f"read where the other target has them: {', '.join(map(compiled.relation, names))}")
        return compiled.deferring(names, DEFERRED)

    def _warehouse(self, read_only: bool, deferred: Path | None = None, out: Path | None = None) -> Warehouse:
        from synth.runtime.warehouse import Warehouse

        target = self.target
        return Warehouse(self.database, target.threads, target.memory_limit, read_only, out, deferred)

    def _described(self, node: Node) -> str:
        if node.source is not None:
            table = node.source.tables[node.name.partition(".")[2]][1]
            return table.description or node.source.source.description
        if node.described:
            return node.described.model.description
        return node.declared.table.description if node.declared else ""

    def _relation(self, model: str) -> str:
        found = [n for n in self.graph.of_kind("model") if model in (n.name, n.asked) and n.zone != "private"]
        if not found:
            raise UsageError(f"'{model}' is not a synthetic or public model", "See them with: synth ls")
        return found[0].relation

    def _prepared(self, nodes: Iterable[ManifestNode]) -> tuple[str, ...]:
        """Synthetic models that are selected, or read a private model that is."""
        from synth.compiler.synthetic import private_views

        chosen = {node.unique_id for node in nodes}
        synthetic = [node for node in self.graph.of_kind("model") if node.zone == "synthetic"]
        names = tuple(n.name for n in synthetic if chosen & {n.id, *(v.id for v in private_views(self.graph, n))})
        if not names:
            raise UsageError("the selection holds no synthetic model, nor what one reads", "See them with: synth ls")
        return names

    def _drafts(self) -> list[Problem]:
        """What nobody has reviewed, of all the project."""
        return unreviewed(self.graph, {node.name for node in self.graph.of_kind("model")})

    def _numbers(self, file: Path) -> dict[str, float]:
        """Numbers that were computed before, by name; none where the file is not such."""
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            return {str(k): float(v) for k, v in known.items()} if isinstance(known, dict) else {}
        except (OSError, ValueError, TypeError):
            return {}

    def _keep(self, file: Path, known: Mapping[str, float]) -> None:
        write_whole(file, json.dumps(known, indent=1, sort_keys=True) + "\n")


def compiled_selectors(path: str | Path = ".") -> list[str]:
    """What selects each node of the project as it was compiled last; nothing where it was not."""
    try:
        root = loader.find_root(Path(path).resolve())
    except UsageError:
        return []
    found = TargetFolder(root / loader.target_path(root)).manifest()
    nodes = found.nodes.values() if found else ()
    return sorted({name for n in nodes for name in (n.name, n.selector, *(f"tag:{tag}" for tag in n.tags))})


def last_results(path: str | Path = ".", state: str | Path | None = None) -> Results:
    """``run_results.json`` of the project at ``path``, or in ``state``: what failed and was skipped, and how it was called."""
    root = loader.find_root(Path(path).resolve())
    folder = TargetFolder(Path(state) if state else root / loader.target_path(root))
    if (found := folder.results()) is None:
        what = f"there is no run_results.json of this version of synth in {state or folder.path.relative_to(root)}"
        raise UsageError(what, "Run synth build first, or name another folder with --state DIR.")
    return found


def _models(nodes: Iterable[ManifestNode], or_tests: bool = False) -> tuple[str, ...]:
    """The synthetic and public models, by name; there is one, or else a test."""
    models = tuple(n.name for n in nodes if n.resource_type == "model" and n.zone != "private")
    if not models and not or_tests:
        kinds = ", ".join(sorted({f"{n.zone} {n.resource_type}" for n in nodes}))
        private = next((n for n in nodes if n.resource_type == "source" and n.zone == "private"), None)
        of = ".".join(private.fqn[-2:]) if private else "SOURCE.TABLE"
        fix = f"See them with: synth ls. Metadata make a table of a source; to have them drafted: synth draft {of}"
        raise UsageError(f"the selection holds no synthetic or public model, only: {kinds}", fix)
    return models


def _unreviewed(problem: Problem) -> Reason:
    return Reason(what=f"{problem.what}: a run would stop", place=f"{problem.place.file}:{problem.place.line}")


def _built(warehouse: Warehouse, relation: str, model: str) -> None:
    if not warehouse.has(relation.replace('"', "")):
        raise RunError(f"{model} is not built", f"Run: synth build --select {model}")


def _listed(selection: Selection) -> tuple[str, ...]:
    return (selection,) if isinstance(selection, str) else tuple(selection)
