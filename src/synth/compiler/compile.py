"""A project and its graph to everything a run needs. Pure: reads no row, and gives the same values every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from synth.artifacts.compiled import Compiled, OutputColumn, PublicModel, UnitTest
from synth.artifacts.plan import NOT_PRIVATE, UNPROTECTED
from synth.artifacts.results import Expectation
from synth.compiler import apart, bind, reads, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.manifest import manifest
from synth.compiler.populations import population_problems
from synth.compiler.scope import People, Relation
from synth.compiler.sizing import Calibrate
from synth.compiler.sources import columns_of, freshness_of, people_of, source_tables
from synth.compiler.synthetic import SyntheticCompiler
from synth.compiler.unit_tests import UnitTests
from synth.errors import Place, Problem, ProjectError
from synth.graph.dag import Graph, Node
from synth.project.loader import Project
from synth.project.nearest import nearest
from synth.quoting import identifier

_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")


def compile_project(project: Project, graph: Graph, calibrate: Calibrate) -> Compiled:
    """Compiles every node; raises ProjectError with all problems at once."""
    compiler = _Compiler(project, graph, calibrate)
    compiler.problems += population_problems(project.root, project.sources.values())
    for node in graph.nodes.values():
        compiler.compile(node)
    compiler.problems += compiler.words
    compiler.compile_unit_tests()
    if not compiler.problems:
        compiler.problems += compiler.maker.make()
    if compiler.problems:
        raise ProjectError(compiler.problems)
    return compiler.compiled()


class _Compiler:
    """Visits the nodes in order; later nodes bind against the stubs of earlier ones."""

    def __init__(self, project: Project, graph: Graph, calibrate: Calibrate) -> None:
        self.project, self.graph = project, graph
        self.stubs = Stubs()
        self.problems: list[Problem] = []
        self.relations: dict[tuple[str, str], Relation] = {}  # of the private zone, by schema and name
        self.words: list[Problem] = []  # of descriptions: what they describe can be judged all the same
        self.broken: set[str] = set()  # ids of nodes without known columns: their children cannot be judged
        self.statements: dict[str, str] = {}  # by id of a node that reads rows: what is run for its SQL
        self.maker = SyntheticCompiler(project, graph, self.stubs, calibrate, self.statements)
        self.public: dict[str, PublicModel] = {}
        self.tests: dict[str, Expectation] = {}
        self.unit_tests: dict[str, UnitTest] = {}

    def compile(self, node: Node) -> None:
        if node.kind == "source":
            columns = [column.name for column in columns_of(self.graph, node)]
            self.stubs.table(node.relation, dict.fromkeys(columns, "varchar"))
            self.relations["source", node.name.casefold()] = Relation.of(columns, people_of(node))
            return
        if node.zone == "synthetic":  # it promises its columns whatever it reads, so its children can be judged
            self.maker.stub(node)
        before = len(self.problems)
        readable = not self.broken & set(node.parents)
        if readable:
            self._check(node)
        if node.zone != "synthetic" and not (readable and len(self.problems) == before):
            self.broken.add(node.id)

    def compile_unit_tests(self) -> None:
        made = UnitTests(self.project, self.graph, self.stubs, self.statements, self._statement)
        for name, declared in self.project.unit_tests.items():
            test = made.compile(declared) if self.graph.unit_tests[name].enabled else None
            if test is not None:
                self.unit_tests[f"unit_test.{self.graph.project}.{test.model}.{name}"] = test
        self.problems += made.problems

    def _check(self, node: Node) -> None:
        statement, people, found = self._statement(node)
        if found:
            self.problems += found
            return
        self.statements[node.id] = statement
        if node.zone == "synthetic":
            self.problems += self.maker.check(node)
        else:
            self._bind(node, people)

    def _statement(self, node: Node) -> tuple[str, People | None, list[Problem]]:
        """What is run for a node's SQL, whose rows it gives, and all that the SQL must not do."""
        try:
            parsed = tree.parse(self.stubs.connection, node.statement)
        except tree.SyntaxProblem as problem:
            return "", None, [Problem(bind.place_at(node, problem.offset), problem.what, "Mend the SQL.")]
        parents = self.graph.read_by(node)
        named = {("source" if p.kind == "source" else p.zone, p.name.casefold()) for p in parents}
        strangers = reads.strangers(parsed, named, public=node.zone == "public")
        found = [Problem(bind.place_at(node, s.offset), s.what, s.fix) for s in strangers]
        people, statement = None, node.statement
        if node.config.trust_sql:
            people = next(filter(None, map(people_of, self.graph.private_sources(node))), None)
        elif node.zone != "public":
            check = apart.Check(self.relations, self.stubs)
            made, statement = check.statement(parsed, node.statement)
            people = made.people
            found += [Problem(bind.place_at(node, b.offset), b.what, b.fix) for b in check.found]
        return statement, people, found

    def _bind(self, node: Node, people: People | None) -> None:
        """A private model, a public model or a singular test; ``people``: whose rows a private model has."""
        relation = node.relation if node.kind == "model" else identifier(f"test {node.name}")
        try:
            types = self.stubs.view(relation, node.statement)
        except BindProblem as problem:
            fix = (problem.hint_of_sources if node.zone == "private" else problem.hint) or "Mend the SQL."
            self.problems.append(
                Problem(bind.place(node, problem.line, problem.column, problem.word), problem.what, fix)
            )
            return
        if node.zone == "private":
            self.relations["private", node.name.casefold()] = Relation.of(types, people)
            nested = [
                name for name, sql_type in types.items() if sql_type.startswith(_NESTED) or sql_type.endswith("]")
            ]
            what = "a private model has plain columns only; nested here: "
            fix = "Name the parts as columns of their own."
            self.problems += [Problem(node.place, what + ", ".join(nested), fix)] if nested else []
        sql = node.statement.strip()
        if node.kind == "test":
            self.tests[node.name] = self._test(node, sql)
            self._judge_problems(node.place, relation, self.tests[node.name])
        elif node.zone == "public":
            kind: Literal["view", "table"] = "table" if node.materialized == "table" else "view"
            self.public[node.name] = PublicModel(
                name=node.name, file=node.file, sql=sql + "\n", materialized=kind,
                warning=UNPROTECTED if node.not_private else "", description=_description(node),
                columns=self._described(node, types),
            )  # fmt: skip

    def _test(self, node: Node, sql: str) -> Expectation:
        assert node.judged is not None
        said, config = node.judged, node.judged.config
        words = said.description or node.name.replace("_", " ")
        described = {"description": words} if said.type == "unexpected_rows_expectation" else {}
        return Expectation(
            id=node.name if said.check else f"test.{node.name}", model=next(iter(_models(node.parents)), ""),
            column=said.column, type=said.type, kwargs={**described, **said.kwargs},
            description=words, sql=sql + "\n", sql_path=self._compiled(node), severity=config.severity,
            error_if=config.error_if, warn_if=config.warn_if, fail_calc=config.fail_calc, limit=config.limit,
            store_failures=config.store_failures,
            not_private=any(name.startswith(NOT_PRIVATE) for name in _models(node.parents)),
        )  # fmt: skip

    def _judge_problems(self, place: Place, relation: str, test: Expectation) -> None:
        """What counts as failures, and how many are too many, is SQL as well: of numbers, and of no table."""
        try:
            parsed = tree.parse(self.stubs.connection, test.judging_sql("(select 1)"))
            found = [stranger.what for stranger in reads.strangers(parsed, {("found",)}, public=True)]
            named = (i.node for i in tree.walk(parsed, 0) if i.node.get("type") == "BASE_TABLE")
            found += [f"it reads '{n['table_name']}'" for n in named if n["table_name"] != "found"]
            if not found:
                self.stubs.value(test.judging_sql(relation))
        except (tree.SyntaxProblem, BindProblem) as problem:
            found = [problem.what]
        for what in found[:1]:
            fix = "For example fail_calc: count(distinct id), error_if: '> 10' and warn_if: '> 0'."
            self.problems.append(Problem(place, f"fail_calc, error_if or warn_if: {what}", fix))

    def _described(self, node: Node, types: Mapping[str, str]) -> tuple[OutputColumn, ...]:
        """The columns of a public model, with what YAML says of them."""
        described = node.described.model.columns if node.described else ()
        declared = node.declared.table.columns if node.declared else ()
        said = {c.name.casefold(): c.description for c in (*declared, *described)}
        for i, column in enumerate(described):
            if column.name.casefold() not in {name.casefold() for name in types}:
                assert node.described is not None
                place = node.described.place("columns", i, "name")
                what = f"the model '{node.name}' has no column '{column.name}'"
                self.words.append(Problem(place, what, nearest(column.name, types)))
        return tuple(
            OutputColumn(name=name, sql_type=sql_type, description=said.get(name.casefold(), ""))
            for name, sql_type in types.items()
        )

    def _compiled(self, node: Node) -> str:
        """Where a node's compiled SQL lies, relative to the project: a folder for a synthetic model."""
        base = f"{self.project.settings.target_path}/compiled"
        return f"{base}/{node.name}" if node.zone == "synthetic" else f"{base}/{node.kind}s/{node.name}.sql"

    def compiled(self) -> Compiled:
        models, promised = self.maker.models, self.maker.expectations
        found = manifest(self.project, self.graph, models, promised, self.unit_tests, self._compiled)
        made = {n.name: n.parents for n in self.graph.of_kind("model") if n.zone != "private"}
        tests = {n.unique_id: n.depends_on for n in found.nodes.values() if n.resource_type in ("test", "unit_test")}
        return Compiled(
            sources=source_tables(self.graph),
            freshness={n.id: wanted for n in self.graph.of_kind("source") if (wanted := freshness_of(n))},
            synthetic=models, public=self.public, expectations=promised, tests=self.tests,
            unit_tests=self.unit_tests, manifest=found,
            parents={key: _models(parents) for key, parents in {**made, **tests}.items()},
        )  # fmt: skip


def _description(node: Node) -> str:
    if node.described:
        return node.described.model.description
    return node.declared.table.description if node.declared else ""


def _models(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(i.rpartition(".")[2] for i in ids if i.startswith("model."))
