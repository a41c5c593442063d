"""One synthetic model: its declaration checked against itself and its SQL, then compiled pass by pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Constraint, OutputColumn, PrivateView, SourceTable, SyntheticModel
from synth.artifacts.results import Expectation
from synth.compiler import apart, bind, offsets, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.columns import ColumnSql, Offset, column_sql
from synth.compiler.expectations import expectations
from synth.compiler.plan import Promise, make_plan
from synth.compiler.prepare import oddities_sql, prepare_sql
from synth.compiler.restore import land_sql, restore_sql, stub_types
from synth.compiler.sizing import Calibrate
from synth.compiler.sql import identifier
from synth.errors import Place, Problem
from synth.graph.dag import Graph, Node
from synth.project import spec
from synth.project.loader import Declared, Project, nearest

_KEY_TYPE = "bigint"


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
        self.expectations: dict[str, tuple[Expectation, ...]] = {}

    def compile(self, node: Node) -> list[Problem]:
        """The problems of a model; without any, the model is kept and its stub stands in the synthetic schema."""
        assert node.declared is not None
        table = node.declared.table
        problems = [*_names(node.declared), *self._input(node), *self._references(node.declared)]
        promise = self._promise(node, problems)
        constraints, trees = self._constraints(node.declared, problems)
        found = offsets.offsets(table.columns, trees)
        problems += _offset_problems(node.declared, found)
        if problems or promise is None:
            self._stub(node, table, promise)
            return problems
        modelled = [c for c in table.columns if not isinstance(c, spec.KeyColumn)]
        columns = [column_sql(c, i, found.get(c.name)) for i, c in enumerate(modelled, 1)]
        outputs = self._stub(node, table, promise)
        problems = self._bind_constraints(node, constraints)
        if not problems:
            self._keep(node, columns, outputs, promise, constraints, found)
        return problems

    def _keep(
        self, node: Node, columns: Sequence[ColumnSql], outputs: tuple[OutputColumn, ...], promise: Promise,
        constraints: Sequence[tuple[Constraint, Place]], found: Mapping[str, Offset],
    ) -> None:  # fmt: skip
        assert node.declared is not None
        table, sql = node.declared.table, node.sql.strip().rstrip(";")
        plan = make_plan(
            node.name, [c.layout for c in columns], promise, node.config.seed or 0, node.config.rows, self.calibrate
        )
        held = tuple(constraint for constraint, _ in constraints)
        model = SyntheticModel(
            name=node.name, file=node.file, description=table.description,
            sources=tuple(self._source_table(s) for s in self.graph.private_sources(node)),
            views=tuple(PrivateView(name=v.name, sql=v.sql.strip().rstrip(";")) for v in self._private_views(node)),
            prepare_sql=prepare_sql(sql, columns, promise.unit, promise.max_rows_per_unit, node.name),
            oddities_sql=oddities_sql(sql, columns, promise.unit),
            restore_sql=restore_sql(columns, offsets.order([c.name for c in columns], {c.name: c.anchor for c in columns})),
            land_sql=land_sql(node.name, outputs), columns=outputs, constraints=held + _still_bounded(table, found),
            plan=plan, budget=self._budget(promise),
        )  # fmt: skip
        self._bind_own(model, columns)
        self.models[node.name] = model
        folder = f"{self.project.settings.target_path}/compiled/{node.name}/expectations"
        self.expectations[node.name] = expectations(table, outputs, held, plan, folder)

    def _bind_own(self, model: SyntheticModel, columns: Sequence[ColumnSql]) -> None:
        """The SQL that synth itself wrote must bind too; a failure here is a bug of synth's and raises as one."""
        self.stubs.types(model.prepare_sql)
        self.stubs.types(model.oddities_sql)
        codes = {"#unit": "bigint", "#position": "bigint"} | {f"#{i}": "bigint" for i, _ in enumerate(columns, 1)}
        body = ", ".join(f"{identifier(n)} {t}" for n, t in codes.items())
        self.stubs.connection.execute(f"create or replace temp table codes ({body})")
        self.stubs.types(model.restore_sql)

    def _stub(self, node: Node, table: spec.Table, promise: Promise | None) -> tuple[OutputColumn, ...]:
        unit = (promise.unit if promise else None) or ""
        outputs = tuple(
            OutputColumn(
                name=c.name, sql_type=_sql_type(c), description=c.description,
                key=None if not isinstance(c, spec.KeyColumn) else "unit" if c.name.casefold() == unit.casefold() else "row",
            )
            for c in table.columns
        )  # fmt: skip
        types = {name.casefold(): (name, sql_type) for name, sql_type in stub_types(outputs).items()}
        self.stubs.table(node.relation, dict(types.values()))
        return outputs

    def _input(self, node: Node) -> Iterator[Problem]:
        """The model's SQL binds and gives every declared column."""
        assert node.declared is not None
        table = node.declared.table
        try:
            given = self.stubs.types(f"({node.sql.strip().rstrip(';')})")
        except BindProblem as problem:
            yield Problem(bind.place(node, problem.line, problem.word), problem.what, "Mend the SQL or the metadata.")
            return
        for name in bind.names_match((c.name for c in table.columns), given):
            index = next(i for i, c in enumerate(table.columns) if c.name == name)
            fix = f"Add it to the select of {node.file}, or remove it here."
            yield Problem(
                node.declared.place("columns", index, "name"), f"the model's SQL gives no column '{name}'", fix
            )

    def _references(self, declared: Declared) -> Iterator[Problem]:
        table = declared.table
        names = [c.name for c in table.columns]
        keys = {c.name.casefold() for c in table.columns if isinstance(c, spec.KeyColumn)}
        wanted: list[tuple[str, Place]] = []
        if table.primary_key:
            wanted.append((table.primary_key, declared.place("primary_key")))
        for i, foreign in enumerate(table.foreign_keys):
            wanted.append((foreign.column, declared.place("foreign_keys", i, "column")))
        for name, place in wanted:
            if bind.names_match([name], names):
                yield Problem(place, f"there is no column '{name}'", nearest(name, names))
            elif name.casefold() not in keys:
                yield Problem(
                    place, f"the column '{name}' is not of type key", f"Declare it as {{name: {name}, type: key}}."
                )
        for i, foreign in enumerate(table.foreign_keys):
            if foreign.references not in self.project.tables:
                fix = nearest(foreign.references, self.project.tables)
                place = declared.place("foreign_keys", i, "references")
                yield Problem(place, f"there is no table '{foreign.references}'", fix)

    def _promise(self, node: Node, problems: list[Problem]) -> Promise | None:
        """Whom the model is about, and what it may cost."""
        assert node.declared is not None
        declared, table = node.declared, node.declared.table
        privacies = {s.source.source.privacy for s in self.graph.private_sources(node) if s.source}
        if len(privacies) != 1:
            what = "reads no source" if not privacies else "reads sources with different privacy units or populations"
            problems.append(
                Problem(node.place, f"the synthetic model '{node.name}' {what}", "Read exactly one population.")
            )
            return None
        privacy = privacies.pop()
        before = len(problems)
        budget = self.project.settings.budgets.get(privacy.population)
        if budget is None:
            what = f"the population '{privacy.population}' has no budget"
            fix = f'Add to synth_project.yml: budgets: {{{privacy.population}: {{epsilon: 3.0, approver: "who decides"}}}}'
            problems.append(Problem(node.place, what, fix))
        epsilon = node.config.epsilon
        if epsilon is None:
            fix = "Add config(epsilon=1.0) to its SQL, or config: {epsilon: 1.0} to its metadata."
            problems.append(Problem(node.place, f"the synthetic model '{node.name}' has no epsilon", fix))
        cap = self._cap(declared, privacy, problems)
        names = {c.name.casefold(): c for c in table.columns}
        unit = None if privacy.one_row_per_unit else privacy.unit
        if unit and not isinstance(names.get(unit.casefold()), spec.KeyColumn):
            fix = f"Add to its columns: {{name: {unit}, type: key}}."
            problems.append(
                Problem(declared.place("columns", key=True), f"the unit '{unit}' is not among the key columns", fix)
            )
        delta = node.config.delta or (budget.delta if budget else spec.MAX_DELTA)
        if delta >= 1 / privacy.units:
            what = f"delta {delta:g} is not below 1/units: it would allow one person's rows to be published"
            problems.append(Problem(node.place, what, "Use a delta of 1e-6 or less."))
        if len(problems) > before or budget is None or epsilon is None:
            return None
        return Promise(privacy.population, unit, privacy.units, cap, epsilon, delta)

    def _cap(self, declared: Declared, privacy: spec.SourcePrivacy, problems: list[Problem]) -> int:
        table = declared.table
        one = privacy.one_row_per_unit or (table.primary_key or "").casefold() == (privacy.unit or "").casefold()
        if table.max_rows_per_unit is None and not one:
            fix = "Add max_rows_per_unit: 10, say; rows of one person beyond it are left out."
            what = f"the table '{table.name}' does not say how many rows one {privacy.unit} may have"
            problems.append(Problem(declared.place("name"), what, fix))
        if one and (table.max_rows_per_unit or 1) > 1:
            what = "max_rows_per_unit must be 1: the primary key is the unit, or each row is a unit"
            problems.append(Problem(declared.place("max_rows_per_unit"), what, "Remove it."))
        return 1 if one else table.max_rows_per_unit or 1

    def _constraints(
        self, declared: Declared, problems: list[Problem]
    ) -> tuple[list[tuple[Constraint, Place]], list[dict[str, Any]]]:
        """Constraints as expressions over one row of modelled columns, with their parse trees."""
        made, trees = [], []
        keys = {c.name.casefold() for c in declared.table.columns if isinstance(c, spec.KeyColumn)}
        for i, written in enumerate(declared.table.constraints):
            sql = written if isinstance(written, str) else written.expression
            name = sql if isinstance(written, str) else written.name or sql
            place = declared.place("constraints", i, *([] if isinstance(written, str) else ["expression"]))
            try:
                parsed = tree.parse(self.stubs.connection, f"select ({sql}\n)")
            except tree.SyntaxProblem as problem:
                problems.append(
                    Problem(place, f"the constraint is not SQL: {problem.what}", "Write a boolean expression.")
                )
                continue
            if len(parsed["select_list"]) != 1 or parsed.get("from_table", {}).get("type") != "EMPTY":
                problems.append(Problem(place, "the constraint is not one expression", "Write one boolean expression."))
                continue
            breaches = list(apart.expression(parsed["select_list"], self.functions))
            problems += [Problem(place, b.what, "A constraint looks at one row.") for b in breaches]
            used = [n for item in tree.walk(parsed) if (n := tree.column(item.node)) and n.casefold() in keys]
            problems += [
                Problem(place, f"'{n}' is a key: its values are made after the constraint is held", "") for n in used
            ]
            made.append((Constraint(name=" ".join(name.split()), sql=sql.strip()), place))
            trees.append(parsed["select_list"][0])
        return made, trees

    def _bind_constraints(self, node: Node, constraints: Sequence[tuple[Constraint, Place]]) -> list[Problem]:
        problems = []
        for constraint, place in constraints:
            try:
                types = self.stubs.types(f"select ({constraint.sql}) as holds from {node.relation}")
            except BindProblem as problem:
                problems.append(Problem(place, problem.what, "Mend the constraint."))
                continue
            if types["holds"] != "BOOLEAN":
                what = f"the constraint gives {types['holds'].lower()}, not true or false"
                problems.append(Problem(place, what, "Write a comparison, such as dischtime >= admittime."))
        return problems

    def _source_table(self, node: Node) -> SourceTable:
        assert node.source is not None
        source, table_name = node.source.source, node.name.partition(".")[2]
        table = next(t for t in source.tables if t.name == table_name)
        return SourceTable(name=node.name, location=source.location, table=table.identifier or table.name)

    def _private_views(self, node: Node) -> list[Node]:
        """Private models that a node reads, parents first."""
        views: dict[str, Node] = {}
        for parent in (self.graph.nodes[p] for p in node.parents):
            if parent.kind == "model" and parent.zone == "private":
                views |= {v.id: v for v in [*self._private_views(parent), parent]}
        return list(views.values())

    def _budget(self, promise: Promise) -> Budget:
        budget = self.project.settings.budgets[promise.population]
        return Budget(epsilon=budget.epsilon, delta=budget.delta, approver=budget.approver)


def _sql_type(column: spec.Column) -> str:
    if isinstance(column, spec.KeyColumn):
        return _KEY_TYPE
    return column_sql(column, 1, Offset(column.name, *_ANY) if getattr(column, "offset_from", None) else None).sql_type


_ANY = (timedelta(0), timedelta(days=1))


def _names(declared: Declared) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for i, column in enumerate(declared.table.columns):
        place, name = declared.place("columns", i, "name"), column.name
        if name.casefold() in seen:
            yield Problem(place, f"the column '{name}' is declared twice", "Names of columns ignore case.")
        if name.startswith("#"):
            yield Problem(
                place, f"the column '{name}' begins with #", "Such names are kept for codes; rename it in SQL."
            )
        seen[name.casefold()] = name


def _offset_problems(declared: Declared, found: Mapping[str, Offset]) -> Iterator[Problem]:
    columns = {c.name: c for c in declared.table.columns}
    for i, column in enumerate(declared.table.columns):
        anchor_name = getattr(column, "offset_from", None)
        if anchor_name is None:
            continue
        place, anchor = declared.place("columns", i, "offset_from"), columns.get(anchor_name)
        if anchor is None:
            yield Problem(place, f"there is no column '{anchor_name}'", nearest(anchor_name, columns))
        elif anchor.type != column.type:
            yield Problem(
                place, f"'{anchor_name}' is of type {anchor.type}, not {column.type}", "Both must be of one type."
            )
        elif anchor.nullable and not column.nullable:
            yield Problem(place, f"'{anchor_name}' may be null, so '{column.name}' may be, too", "Add nullable: true.")
        elif offsets.circle(column.name, {name: o.anchor for name, o in found.items()}):
            yield Problem(place, f"'{column.name}' is an offset from itself, in a circle", "Break the circle.")


def _still_bounded(table: spec.Table, found: Mapping[str, Offset]) -> tuple[Constraint, ...]:
    """An offset may lead out of a column's own bounds; rows where it does are drawn again."""
    made = []
    for column in table.columns:
        if column.name in found and isinstance(column, spec.DateColumn | spec.DatetimeColumn) and column.bounds:
            kind = "date" if isinstance(column, spec.DateColumn) else "timestamp"
            low, high = (f"{kind} '{b.isoformat()}'" for b in column.bounds)
            sql = f"{identifier(column.name)} between {low} and {high}"
            made.append(Constraint(name=f"{column.name} within bounds", sql=sql))
    return tuple(made)
