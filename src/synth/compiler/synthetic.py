"""One synthetic model: its declaration checked against itself and its SQL, then compiled pass by pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Imputed, OutputColumn, PrivateView, SyntheticModel, Trust
from synth.artifacts.plan import UNPROTECTED
from synth.artifacts.results import Expectation
from synth.compiler import bind, combinations, constraints, holding, offsets
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.columns import ColumnSql, column_sql, sql_type
from synth.compiler.contradictions import contradiction_problems
from synth.compiler.declaration import declaration_problems, offset_problems, order_of, until_problems
from synth.compiler.declared import declared_keys, linked_keys
from synth.compiler.derived import Computed, computed
from synth.compiler.evaluated import evaluated, evaluation_problems, release_problems
from synth.compiler.expectations import Reference, expectations
from synth.compiler.family import ancestors, parent_of
from synth.compiler.foreign_keys import key_problems
from synth.compiler.linked import Checked, Linked
from synth.compiler.made import KEY_TYPE, pools, text
from synth.compiler.plan import Promise, make_plan
from synth.compiler.price import delta_problem, no_budget
from synth.compiler.restore import Landing, restore_sql
from synth.compiler.row_above import RowAbove
from synth.compiler.sizing import Calibrate
from synth.compiler.sources import source_table
from synth.errors import BudgetError, Problem
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.project.loader import Declared, Project


class SyntheticCompiler:
    """Checks synthetic models one by one, then makes them; keeps what it made."""

    def __init__(
        self, project: Project, graph: Graph, stubs: Stubs, calibrate: Calibrate, statements: Mapping[str, str]
    ) -> None:
        self.project, self.graph, self.stubs, self.calibrate = project, graph, stubs, calibrate
        self.statements = statements
        self.checked: dict[str, Checked] = {}
        self.linked = Linked(graph, self.checked)
        self.models: dict[str, SyntheticModel] = {}
        self.computed: dict[
            str, tuple[list[Computed], list[Problem]]
        ] = {}  # constants and derived columns of each stub
        self.expectations: dict[str, tuple[Expectation, ...]] = {}

    def check(self, node: Node) -> list[Problem]:
        """The problems of a model, which has a stub."""
        assert node.declared is not None
        table = node.declared.table
        problems = [*self._input(node), *declaration_problems(node.declared, self.project.tables, self.stubs)]
        promise = self._promise(node, problems)
        made, wrong = self.computed[node.name]
        problems += wrong
        parent, combined = parent_of(self.graph, node), combinations.combined(table)
        above = RowAbove.of(parent)
        parsed = constraints.parse(node.declared, combined, above, self.stubs, problems)
        named = above.types(name for one in parsed for name in one.expression.named)
        relation = f"(select *, {bind.cells(named)} from {node.relation})" if named else node.relation
        found = offsets.offsets(table.columns, chain.from_iterable(p.clauses for p in parsed))
        problems += [
            *offset_problems(node.declared, found, parent.declared if parent else None),
            *combinations.combination_problems(node.declared, combined),
            *constraints.bind(parsed, relation, above, self.stubs),
            *constraints.value_problems(parsed, {**{c.name: c for c in table.columns}, **above.called}),
        ]
        problems += key_problems(self.graph, node, node.declared)
        root = self._root(node)
        problems += evaluation_problems(node.declared, root.holdout, root.name)
        problems += release_problems(node, root.holdout, below=root is not table)
        if not problems:
            columns = tuple(
                c.column(i) if isinstance(c, combinations.Combination) else column_sql(c, i, found.get(c.name))
                for i, c in enumerate(combinations.generated(table, combined), 1)
            )
            facts = holding.Facts(node.declared, columns, found, made, above, self.stubs)
            held = tuple(holding.hold(one, facts) for one in parsed)
            problems += [*holding.above_problems(parsed, facts), *contradiction_problems(parsed, held, facts)]
            within = tuple(holding.hold(one, facts) for one in holding.within_bounds(facts))
            if promise is not None:
                own = {c.name for c in columns}
                by = order_of(table) if promise.max_rows_per_unit > 1 else None
                columns = tuple(_rising(c, own, table.until) if c.name == by else c for c in columns)
                problems += until_problems(node.declared, columns, promise.max_rows_per_unit)
                self.checked[node.name] = Checked(
                    node, self.statements[node.id], table, promise, columns, found, held, within, tuple(named)
                )
        return problems

    def make(self) -> list[Problem]:
        """Makes every model that was checked; the problems of those whose budget does not do."""
        problems = []
        for one in self.checked.values():
            try:
                self._make(one)
            except BudgetError as error:
                what = f"the synthetic model '{one.node.name}': {error.what}"
                problems.append(Problem(one.node.place, what, error.fix))
        return problems

    def _make(self, one: Checked) -> None:
        node, table, promise, columns, found = one.node, one.table, one.promise, one.columns, one.offsets
        made, linked = self.computed[node.name][0], self.linked
        outputs = self._outputs(one, made)
        imputing = {c.name: c.impute for c in table.columns if isinstance(c, spec.Modelled)}
        texts = [c for c in table.columns if isinstance(c, spec.TextColumn) and c.lands]
        anchors = {c.name: c.anchor for c in columns if c.anchor in {c.name for c in columns}}
        around = linked.around(one)
        link, layout = linked.link(one), linked.layout(one)
        trusted = tuple(dict.fromkeys(chain.from_iterable(trusted_by(self.graph, n.node) for n in around)))
        plan = make_plan(node.name, layout, promise, node.config, self.calibrate, trusted, linked.given(one))
        sources = _once(self.graph.private_sources(n.node) for n in around)
        views = _once(private_views(self.graph, n.node) for n in around)
        referred = linked.referred(one)
        hidden = [*(link.keys if link else ()), *(f"#{i}" for i in range(1, len(layout) + 1) if referred)]
        hidden += linked.ruled(one)
        landing = Landing(node.name, outputs, {c.name: text(c, plan.seed) for c in texts}, one.order_by, link)
        warning = "" if promise.price else UNPROTECTED
        model = SyntheticModel(
            name=node.name, file=node.file, description=f"{warning} {table.description}".strip(),
            sources=tuple(source_table(self.graph, s) for s in sources),
            views=tuple(PrivateView(name=v.name, sql=self.statements[v.id].strip()) for v in views),
            trusted=trusted, sql=one.statement.strip() + "\n",
            prepare_sql=linked.prepare_sql(one), oddities_sql=linked.oddities_sql(one),
            restore_sql=restore_sql(columns, offsets.order([c.name for c in columns], anchors), made, hidden, linked.types(one)),
            landed_sql=landing.landed_sql(), rows_sql=landing.rows_sql(len(layout)) if referred else None, link=link,
            reaches=offsets.reaches(table, columns, found, link.prefix) if link else (),
            columns=outputs,
            pools=pools(texts),
            imputed=tuple(
                Imputed(column=i, statistic=how)
                for i, c in enumerate(columns)
                if isinstance(how := imputing.get(c.name), str)
            ),
            constraints=(*one.held, *one.within_bounds),
            declared=(
                *declared_keys(self.project, node, promise, found, sources, views, len(around) > 1),
                *chain.from_iterable(linked_keys(n.node, n.promise, n.offsets) for n in around if n is not one),
            ),
            plan=plan, budget=self._budget(promise), declared_units=promise.units,
            evaluated=evaluated(linked, one, outputs, made),
        )  # fmt: skip
        self.models[node.name] = model
        folder = f"{self.project.settings.target_path}/compiled/{node.name}/expectations"
        self.expectations[node.name] = expectations(
            table, outputs, one.held, plan, folder, self._references(one), linked.ruling(one)
        )

    def _references(self, one: Checked) -> list[Reference]:
        landed = {n.asked: n for n in self.graph.linked(one.node)}
        keys = [(f.column, landed[f.references]) for f in one.table.foreign_keys]
        return [
            Reference(column, n.name, n.declared.table.primary_key, one.promise.unit)
            for column, n in keys
            if n.declared and n.declared.table.primary_key
        ]

    def _outputs(self, one: Checked, made: Sequence[Computed]) -> tuple[OutputColumn, ...]:
        types = {c.name: c.sql_type for c in made}
        return tuple(
            self.linked.key(one, c)
            if isinstance(c, spec.KeyColumn)
            else OutputColumn(
                name=c.name, sql_type=types.get(c.name) or _sql_type(c), description=c.description, format=_format(c)
            )
            for c in one.table.columns
            if c.lands
        )

    def stub(self, node: Node) -> None:
        """The table that the declaration promises stands in the synthetic schema, whatever else is wrong."""
        assert node.declared is not None
        table = node.declared.table
        there = [c for c in table.columns if c.lands and not isinstance(c, spec.ConstantColumn | spec.DerivedColumn)]
        columns = {c.name.casefold(): (c.name, _sql_type(c)) for c in there}
        self.stubs.table(node.relation, dict(columns.values()))
        members = [m for c in combinations.combined(table).values() if c.together for m in c.computed()]
        made, problems = computed(node.declared, node.relation, self.stubs)
        self.computed[node.name] = [*members, *made], problems

    def _input(self, node: Node) -> Iterator[Problem]:
        """The model's SQL binds and gives every declared column."""
        assert node.declared is not None
        table = node.declared.table
        try:
            given = self.stubs.types(f"(\n{node.statement}\n)")
        except BindProblem as problem:
            yield Problem(
                bind.place(node, problem.line, problem.column, problem.word),
                problem.what,
                problem.hint_of_sources or "Mend the SQL.",
            )
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
        return Promise(privacy.population, privacy.unit_columns, privacy.units, cap, price, self._root(node).holdout)

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
            source = next(s.source for s in self._people(node) if s.source)
            wrong = no_budget(privacy.population, self.project.settings.budgets)
            problems.append(Problem(source.place("privacy", "population"), *wrong))
        epsilon = node.config.epsilon
        if epsilon is None:
            fix = "Add config(epsilon=1.0) to its SQL, or config: {epsilon: 1.0} to its metadata."
            problems.append(Problem(node.place, f"the synthetic model '{node.name}' has no epsilon", fix))
        delta = node.config.delta or (budget.delta if budget else spec.MAX_DELTA)
        if too_high := delta_problem(delta, privacy.units):
            problems.append(Problem(node.place, *too_high))
        if budget and delta > budget.delta:
            what = f"delta {delta:g} is above the budget's {budget.delta:g}, which holds for all that is released"
            problems.append(Problem(node.place, what, "Lower it, or leave it out."))
        return None if epsilon is None else (epsilon, delta)

    def _root(self, node: Node) -> spec.Table:
        """The table that a table's rows are below in the end: it decides who is held out."""
        root = [node, *ancestors(self.graph, node)][-1]
        assert root.declared is not None
        return root.declared.table

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


def _once(parts: Iterable[Iterable[Node]]) -> list[Node]:
    return list({node.id: node for node in chain.from_iterable(parts)}.values())


def private_views(graph: Graph, node: Node) -> list[Node]:
    """Private models that a node reads, parents first."""
    views: dict[str, Node] = {}
    for parent in graph.read_by(node):
        if parent.kind == "model" and parent.zone == "private":
            views |= {v.id: v for v in [*private_views(graph, parent), parent]}
    return list(views.values())


def trusted_by(graph: Graph, node: Node) -> tuple[Trust, ...]:
    """What trust_sql says of a model of the private zone, and of the private models that it reads."""
    if node.kind != "model" or node.zone == "public":
        return ()
    read = [*private_views(graph, node), node]
    return tuple(Trust(model=n.name, said=n.config.trust_sql) for n in read if n.config.trust_sql)


def _format(column: spec.Column) -> str | None:
    """The first of a date's or a time's formats, which holds every value of it."""
    if isinstance(column, spec.DateColumn | spec.DatetimeColumn | spec.TimeColumn):
        return column.format[0]
    return None


def _rising(column: ColumnSql, own: Collection[str], until: str | None) -> ColumnSql:
    """The column that a unit's rows go by, as one that rises; where its codes say so: not those of an offset within the row."""
    if column.layout.missing or not column.layout.ordered or column.anchor in own:
        return column
    return replace(column, layout=column.layout.model_copy(update={"rises": True, "until": until}))


def _sql_type(column: spec.Column) -> str:
    if isinstance(column, spec.KeyColumn):
        return KEY_TYPE
    if isinstance(column, spec.TextColumn):
        return "varchar"
    assert isinstance(column, spec.Modelled)  # constants and derived columns have types of their own
    return sql_type(column)
