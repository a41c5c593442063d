"""A project and its graph to everything a run needs. Pure: reads no row, and gives the same values every time."""

from __future__ import annotations

from synth.artifacts.compiled import Compiled, Manifest, ManifestMetadata, ManifestNode, PublicModel, SingularTest
from synth.artifacts.results import Expectation
from synth.compiler import apart, bind, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.sizing import Calibrate
from synth.compiler.sql import identifier
from synth.compiler.synthetic import SyntheticCompiler
from synth.errors import Problem, ProjectError
from synth.graph.dag import Graph, Node
from synth.project.loader import Project
from synth.version import __version__


def compile_project(project: Project, graph: Graph, calibrate: Calibrate) -> Compiled:
    """Compiles every node; raises ProjectError with all problems at once."""
    compiler = _Compiler(project, graph, calibrate)
    for node in graph.nodes.values():
        compiler.compile(node)
    if compiler.problems:
        raise ProjectError(compiler.problems)
    return compiler.compiled()


class _Compiler:
    """Visits the nodes in order; later nodes bind against the stubs of earlier ones."""

    def __init__(self, project: Project, graph: Graph, calibrate: Calibrate) -> None:
        self.project, self.graph = project, graph
        self.stubs = Stubs()
        self.functions = apart.Functions.of(self.stubs.connection)
        self.problems: list[Problem] = []
        self.maker = SyntheticCompiler(project, graph, self.stubs, self.functions, calibrate)
        self.public: dict[str, PublicModel] = {}
        self.tests: dict[str, SingularTest] = {}

    def compile(self, node: Node) -> None:
        if node.kind == "source":
            self.stubs.table(node.relation, dict.fromkeys(self._source_columns(node), "varchar"))
            return
        before = len(self.problems)
        if node.zone != "public":
            self.problems += self._not_apart(node)
        if len(self.problems) == before and node.zone != "synthetic":
            self._bind(node)
        elif len(self.problems) == before:
            self.problems += self.maker.compile(node)

    def _bind(self, node: Node) -> None:
        """A private model, a public model or a singular test."""
        sql = node.sql.strip().rstrip(";")
        try:
            tree.parse(self.stubs.connection, sql)
            relation = node.relation if node.kind == "model" else identifier(f"test {node.name}")
            self.stubs.view(relation, sql)
        except tree.SyntaxProblem as problem:
            self.problems.append(Problem(bind.place_at(node, problem.offset), problem.what, "Mend the SQL."))
        except BindProblem as problem:
            self.problems.append(Problem(bind.place(node, problem.line, problem.word), problem.what, "Mend the SQL."))
        else:
            if node.kind == "test":
                self.tests[node.name] = self._test(node, sql)
            elif node.zone == "public":
                kind = "table" if node.materialized == "table" else "view"
                self.public[node.name] = PublicModel(name=node.name, file=node.file, sql=sql + "\n", materialized=kind)

    def _not_apart(self, node: Node) -> list[Problem]:
        try:
            parsed = tree.parse(self.stubs.connection, node.sql.strip().rstrip(";"))
        except tree.SyntaxProblem as problem:
            return [Problem(bind.place_at(node, problem.offset), problem.what, "Mend the SQL.")]
        leading = len(node.sql) - len(node.sql.lstrip())
        breaches = apart.statement(parsed, self.functions)
        return [Problem(bind.place_at(node, leading + b.offset), b.what, apart.FIX) for b in breaches]

    def _source_columns(self, node: Node) -> list[str]:
        """The columns that YAML knows of a source table: those it lists, those with metadata, and the unit."""
        assert node.source is not None
        source, table_name = node.source.source, node.name.partition(".")[2]
        names = [c for t in source.tables if t.name == table_name for c in t.columns]
        for reader in self.graph.of_kind("model"):
            reads = reader.declared is not None and node in self.graph.private_sources(reader)
            if reads and reader.declared is not None:
                names += [c.name for c in reader.declared.table.columns]
        names += [source.privacy.unit] if source.privacy.unit else []
        return list({name.casefold(): name for name in reversed(names)}.values())[::-1]

    def _test(self, node: Node, sql: str) -> SingularTest:
        model = next((p.rpartition(".")[2] for p in node.parents if p.startswith("model.")), "")
        description = node.name.replace("_", " ")
        expectation = Expectation(
            id=f"test.{node.name}", model=model, column=None, type="unexpected_rows_expectation",
            kwargs={"description": description}, description=description, sql=sql + "\n",
            sql_path=f"{self._compiled(node)}",
        )  # fmt: skip
        return SingularTest(expectation=expectation, parents=tuple(p.rpartition(".")[2] for p in node.parents))

    def _compiled(self, node: Node) -> str:
        """Where a node's compiled SQL lies, relative to the project: a folder for a synthetic model."""
        base = f"{self.project.settings.target_path}/compiled"
        return f"{base}/{node.name}" if node.zone == "synthetic" else f"{base}/{node.kind}s/{node.name}.sql"

    def compiled(self) -> Compiled:
        models = [n for n in self.graph.of_kind("model") if n.zone != "private"]
        synthetic = self.maker.models
        return Compiled(
            project=self.graph.project,
            order=tuple(n.name for n in models),
            synthetic=synthetic,
            public=self.public,
            parents={n.name: tuple(p.rpartition(".")[2] for p in n.parents if p.startswith("model.")) for n in models},
            expectations=self.maker.expectations,
            tests=self.tests,
            manifest=Manifest(
                metadata=ManifestMetadata(synth_version=__version__, project_name=self.graph.project),
                nodes={n.id: self._manifest_node(n) for n in self.graph.nodes.values()},
            ),
        )

    def _manifest_node(self, node: Node) -> ManifestNode:
        model = self.maker.models.get(node.name) if node.kind == "model" else None
        return ManifestNode(
            unique_id=node.id, name=node.name, resource_type=node.kind, original_file_path=node.file, zone=node.zone,
            materialized="source" if node.kind == "source" else "test" if node.kind == "test" else node.materialized,
            tags=node.config.tags, depends_on=node.parents,
            compiled_path=None if node.kind == "source" or node.zone == "private" else self._compiled(node),
            fingerprint=model.fit_fingerprint() if model else None,
        )  # fmt: skip
