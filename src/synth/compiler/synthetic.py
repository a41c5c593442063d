"""One synthetic model: its declaration checked against itself and its SQL, then compiled pass by pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Constraint, Imputed, OutputColumn, PrivateView, SyntheticModel, Trust
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.results import Expectation
from synth.compiler import apart, bind, constraints, offsets
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.columns import ColumnSql, Offset, column_sql
from synth.compiler.declaration import declaration_problems, offset_problems, order_of
from synth.compiler.declared import declared_keys
from synth.compiler.derived import Computed, computed
from synth.compiler.expectations import expectations
from synth.compiler.made import KEY_TYPE, pools, text
from synth.compiler.plan import Promise, make_plan
from synth.compiler.prepare import oddities_sql, prepare_sql
from synth.compiler.restore import land_sql, restore_sql
from synth.compiler.sizing import Calibrate
from synth.compiler.sources import source_table
from synth.errors import BudgetError, Problem
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.project.loader import Declared, Project
from synth.project.nearest import nearest
from synth.quoting import identifier


class SyntheticCompiler:
    """Compiles synthetic models one by one; keeps what it made."""

    def __init__(
        self, project: Project, graph: Graph, stubs: Stubs, functions: apart.Functions, calibrate: Calibrate
    ) -> None:
        self.project, self.graph, self.stubs, self.functions, self.calibrate = (
            project,
            graph,
            stubs,
            functions,
            calibrate,
        )
        self.models: dict[str, SyntheticModel] = {}
        self.computed: dict[
            str, tuple[list[Computed], list[Problem]]
        ] = {}  # constants and derived columns of each stub
        self.expectations: dict[str, tuple[Expectation, ...]] = {}

    def compile(self, node: Node) -> list[Problem]:
        """The problems of a model, which has a stub; without any, the model is kept."""
        assert node.declared is not None
        table = node.declared.table
        problems = [*self._input(node), *declaration_problems(node.declared, self.project.tables, self.stubs)]
        promise = self._promise(node, problems)
        made, wrong = self.computed[node.name]
        problems += wrong
        reads = {c.name: (c.name,) for c in table.columns if isinstance(c, spec.Modelled)} | {
            c.name: c.reads for c in made
        }
        parsed = constraints.parse(node.declared, reads, self.stubs, self.functions, problems)
        found = offsets.offsets(table.columns, [p.expression.tree for p in parsed])
        problems += [*offset_problems(node.declared, found), *constraints.bind(parsed, node.relation, self.stubs)]
        if not problems and promise is not None:
            try:
                self._keep(node, promise, [p.constraint for p in parsed], found)
            except BudgetError as error:
                problems.append(Problem(node.place, f"the synthetic model '{node.name}': {error.what}", error.fix))
        return problems

    def _keep(self, node: Node, promise: Promise, held: Sequence[Constraint], found: Mapping[str, Offset]) -> None:
        assert node.declared is not None
        table, sql, made = node.declared.table, node.statement, self.computed[node.name][0]
        outputs = self._outputs(table, promise, made)
        modelled = [c for c in table.columns if isinstance(c, spec.Modelled)]
        texts = [c for c in table.columns if isinstance(c, spec.TextColumn) and c.lands]
        columns = [column_sql(c, i, found.get(c.name)) for i, c in enumerate(modelled, 1)]
        order_by = order_of(table) if promise.max_rows_per_unit > 1 else None
        anchors = {c.name: c.anchor for c in columns}
        trusted = trusted_by(self.graph, node)
        plan = make_plan(node.name, [c.layout for c in columns], promise, node.config, self.calibrate, trusted)
        sources, views = self.graph.private_sources(node), private_views(self.graph, node)
        warning = "" if promise.price else UNPROTECTED
        model = SyntheticModel(
            name=node.name, file=node.file, description=f"{warning} {table.description}".strip(),
            sources=tuple(source_table(self.graph, s) for s in sources),
            views=tuple(PrivateView(name=v.name, sql=v.statement.strip()) for v in views),
            trusted=trusted, sql=sql.strip() + "\n",
            prepare_sql=prepare_sql(sql, columns, promise.unit, promise.max_rows_per_unit, node.name, order_by),
            oddities_sql=oddities_sql(sql, columns, promise.unit),
            restore_sql=restore_sql(columns, offsets.order([c.name for c in columns], anchors), made),
            land_sql=land_sql(node.name, outputs, {c.name: text(c, plan.seed) for c in texts}, order_by), columns=outputs,
            pools=pools(texts),
            imputed=tuple(
                Imputed(column=i, statistic=c.impute) for i, c in enumerate(modelled) if isinstance(c.impute, str)
            ),
            constraints=tuple(
                c.model_copy(update={"columns": tuple(offsets.order(c.columns, anchors))})
                for c in (*held, *constraints.still_bounded(table, found))
            ), declared=declared_keys(self.project, node, promise, found, sources, views), plan=plan,
            budget=self._budget(promise),
        )  # fmt: skip
        self._bind_own(model, columns)
        self.models[node.name] = model
        folder = f"{self.project.settings.target_path}/compiled/{node.name}/expectations"
        self.expectations[node.name] = expectations(table, outputs, held, plan, folder)

    def _bind_own(self, model: SyntheticModel, columns: Sequence[ColumnSql]) -> None:
        """The SQL that synth itself wrote must bind too; a failure here is a bug of synth's and raises as one."""
        self.stubs.types(model.prepare_sql)
        self.stubs.types(model.oddities_sql)
        codes = dict.fromkeys(("#unit", "#position", "#draw"), "bigint") | {
            f"#{i}": "bigint" for i, _ in enumerate(columns, 1)
        }
        body = ", ".join(f"{identifier(n)} {t}" for n, t in codes.items())
        self.stubs.connection.execute(f"create or replace temp table codes ({body})")
        self.stubs.types(model.restore_sql)

    def _outputs(self, table: spec.Table, promise: Promise, made: Sequence[Computed]) -> tuple[OutputColumn, ...]:
        unit, types = {name.casefold() for name in promise.unit}, {c.name: c.sql_type for c in made}
        return tuple(
            OutputColumn(
                name=c.name, sql_type=types.get(c.name) or _sql_type(c), description=c.description,
                key=None if not isinstance(c, spec.KeyColumn) else "unit" if c.name.casefold() in unit else "row",
            )
            for c in table.columns
            if c.lands
        )  # fmt: skip

    def stub(self, node: Node) -> None:
        """The table that the declaration promises stands in the synthetic schema, whatever else is wrong."""
        assert node.declared is not None
        table = node.declared.table
        there = [c for c in table.columns if c.lands and not isinstance(c, spec.ConstantColumn | spec.DerivedColumn)]
        columns = {c.name.casefold(): (c.name, _sql_type(c)) for c in there}
        self.stubs.table(node.relation, dict(columns.values()))
        self.computed[node.name] = computed(node.declared, node.relation, self.stubs, self.functions)

    def _input(self, node: Node) -> Iterator[Problem]:
        """The model's SQL binds and gives every declared column."""
        assert node.declared is not None
        table = node.declared.table
        try:
            given = self.stubs.types(f"(\n{node.statement}\n)")
        except BindProblem as problem:
            fix = f"{problem.hint} Columns of a source that no metadata declare are listed in sources/, under columns."
            yield Problem(bind.place(node, problem.line, problem.column, problem.word), problem.what, fix.strip())
            return
        for name in bind.names_match((c.name for c in table.columns if c.is_read), given):
            index = next(i for i, c in enumerate(table.columns) if c.name == name)
            fix = f"Add it to the select of {node.file}, or remove it here."
            yield Problem(
                node.declared.place("columns", index, "name"), f"the model's SQL gives no column '{name}'", fix
            )

    def _promise(self, node: Node, problems: list[Problem]) -> Promise | None:
        """Whom the model is about, and what it may cost."""
        assert node.declared is not None
        declared, table = node.declared, node.declared.table
        privacies = {s.source.source.privacy for s in self._people(node) if s.source} - {None}
        privacy = privacies.pop() if len(privacies) == 1 else None
        if privacy is None:
            what = (
                "reads nobody's rows" if not privacies else "reads sources with different privacy units or populations"
            )
            problems.append(
                Problem(node.place, f"the synthetic model '{node.name}' {what}", "Read exactly one population.")
            )
            return None
        before = len(problems)
        price = self._price(node, privacy, problems)
        cap = self._cap(declared, privacy, problems)
        names = {c.name.casefold(): c for c in table.columns}
        for unit in privacy.unit_columns:
            if not isinstance(names.get(unit.casefold()), spec.KeyColumn):
                fix = f"Add to its columns: {{name: {unit}, type: key}}."
                place = declared.place("columns", key=True)
                problems.append(Problem(place, f"the unit '{unit}' is not among the key columns", fix))
        if len(problems) > before:
            return None
        return Promise(privacy.population, privacy.unit_columns, privacy.units, cap, price)

    def _price(
        self, node: Node, privacy: spec.SourcePrivacy, problems: list[Problem]
    ) -> tuple[float, float] | None:  # fmt: skip
        """Epsilon and delta, which the population's budget allows; None where config says privacy: none."""
        if node.not_private:
            said = [key for key in ("epsilon", "delta") if getattr(node.config, key) is not None]
            if said:
                what = f"the synthetic model '{node.asked}' has privacy: none, and {said[0]} too"
                problems.append(Problem(node.place, what, f"Remove one: without privacy there is no {said[0]}."))
            return None
        budget = self.project.settings.budgets.get(privacy.population)
        if budget is None:
            what = f"the population '{privacy.population}' has no budget"
            fix = f'Add to synth_project.yml: budgets: {{{privacy.population}: {{epsilon: 3.0, approver: "who decides"}}}}.'
            known = self.project.settings.budgets
            fix = f"{nearest(privacy.population, known)} {fix}" if known else fix
            source = next(s.source for s in self._people(node) if s.source)
            problems.append(Problem(source.place("privacy", "population"), what, fix))
        epsilon = node.config.epsilon
        if epsilon is None:
            fix = "Add config(epsilon=1.0) to its SQL, or config: {epsilon: 1.0} to its metadata."
            problems.append(Problem(node.place, f"the synthetic model '{node.name}' has no epsilon", fix))
        delta = node.config.delta or (budget.delta if budget else spec.MAX_DELTA)
        if delta >= 1 / privacy.units:
            what = f"delta {delta:g} is not below 1/units: it would allow one person's rows to be published"
            fix = f"Use a delta of {min(spec.MAX_DELTA, 0.01 / privacy.units):.0e} or less."
            problems.append(Problem(node.place, what, fix))
        if budget and delta > budget.delta:
            what = f"delta {delta:g} is above the budget's {budget.delta:g}, which holds for all that is released"
            problems.append(Problem(node.place, what, "Lower it, or leave it out."))
        return None if epsilon is None else (epsilon, delta)

    def _people(self, node: Node) -> list[Node]:
        """The source tables of people that a model reads."""
        return [source for source in self.graph.private_sources(node) if source.zone == "private"]

    def _cap(self, declared: Declared, privacy: spec.SourcePrivacy, problems: list[Problem]) -> int:
        table = declared.table
        unit = [name.casefold() for name in privacy.unit_columns]
        one = not unit or unit == [(table.primary_key or "").casefold()]
        if table.max_rows_per_unit is None and not one:
            fix = "Add max_rows_per_unit: 10, say; rows of one person beyond it are left out."
            what = f"the table '{table.name}' does not say how many rows one {' and '.join(privacy.unit)} may have"
            problems.append(Problem(declared.place("name"), what, fix))
        if one and (table.max_rows_per_unit or 1) > 1:
            what = "max_rows_per_unit must be 1: the primary key is the unit, or each row is a unit"
            problems.append(Problem(declared.place("max_rows_per_unit"), what, "Remove it."))
        return 1 if one else table.max_rows_per_unit or 1

    def _budget(self, promise: Promise) -> Budget | None:
        if promise.price is None:
            return None
        budget = self.project.settings.budgets[promise.population]
        return Budget(epsilon=budget.epsilon, delta=budget.delta, approver=budget.approver)


def private_views(graph: Graph, node: Node) -> list[Node]:
    """Private models that a node reads, parents first."""
    views: dict[str, Node] = {}
    for parent in (graph.nodes[p] for p in node.parents):
        if parent.kind == "model" and parent.zone == "private":
            views |= {v.id: v for v in [*private_views(graph, parent), parent]}
    return list(views.values())


def trusted_by(graph: Graph, node: Node) -> tuple[Trust, ...]:
    """What trust_sql says of a model of the private zone, and of the private models that it reads."""
    if node.kind != "model" or node.zone == "public":
        return ()
    read = [*private_views(graph, node), node]
    return tuple(Trust(model=n.name, said=n.config.trust_sql) for n in read if n.config.trust_sql)


def _sql_type(column: spec.Column) -> str:
    if isinstance(column, spec.KeyColumn):
        return KEY_TYPE
    if isinstance(column, spec.TextColumn):
        return "varchar"
    assert isinstance(column, spec.Modelled)  # constants and derived columns have types of their own
    return column_sql(column, 1, Offset(column.name, *_ANY) if getattr(column, "offset_from", None) else None).sql_type


_ANY = (timedelta(0), timedelta(days=1))
