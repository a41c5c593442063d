"""Unit tests: the rows that a model's SQL makes of made-up rows, as statements for a database that holds nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from synth.artifacts.compiled import UnitTest
from synth.artifacts.results import Expectation
from synth.compiler import bind, reads, tree
from synth.compiler.bind import BindProblem, Stubs
from synth.compiler.scope import People
from synth.errors import Place, Problem, ProjectError
from synth.graph.dag import Graph, Node, rendered_again
from synth.graph.rendered import ref_in, source_in
from synth.project import spec
from synth.project.jinja import TEST
from synth.project.loader import DeclaredUnitTest, Project
from synth.project.nearest import nearest
from synth.quoting import identifier, literal

Checked = Callable[[Node], tuple[str, People | None, list[Problem]]]
Row = Mapping[str, str | bool | int | float | None]
_EXAMPLE = "For example input: ref('admissions'), or input: source('mimic', 'admissions')."


class _Rows(NamedTuple):
    """Made-up rows, or a query that makes them."""

    columns: tuple[str, ...]  # as they are written
    listed: tuple[Row, ...] = ()
    sql: str = ""

    def selects(self, types: Mapping[str, str]) -> Iterator[str]:
        """Queries that together give them, each value of its column's type; what is not said is null."""
        if self.sql:
            written = {column.casefold(): identifier(column) for column in self.columns}
            yield f"select {bind.cells(types, written)} from (\n{self.sql}\n)"
        for row in self.listed:
            said = {column.casefold(): literal(value) for column, value in row.items()}
            yield f"select {bind.cells(types, said)}"


class UnitTests:
    """Compiles them against the stubs, which have the columns of everything that a model may read."""

    def __init__(
        self, project: Project, graph: Graph, stubs: Stubs, statements: Mapping[str, str], checked: Checked
    ) -> None:  # fmt: skip
        self.project, self.graph, self.stubs, self.statements, self.checked = project, graph, stubs, statements, checked
        self.problems: list[Problem] = []

    def compile(self, declared: DeclaredUnitTest) -> UnitTest | None:
        """None where the problems say why."""
        test = declared.test
        models = {node.asked: node for node in self.graph.of_kind("model")}
        node = models.get(test.model)
        if node is None:
            self._wrong(declared.place("model"), f"there is no model '{test.model}'", nearest(test.model, models))
            return None
        if node.id not in self.statements:
            return None  # its SQL is broken, which is told
        plain = test.overrides == spec.Overrides()
        made = (node, self.statements[node.id]) if plain else self._overridden(declared, node)
        try:
            return self._compiled(declared, *made) if made else None
        except BindProblem as problem:
            if made and not plain:  # else it is told of the model itself
                place = bind.place(made[0], problem.line, problem.column, problem.word)
                self._wrong(place, problem.what, problem.hint or f"So overrides of '{test.name}' make it.")
            return None

    def _overridden(self, declared: DeclaredUnitTest, node: Node) -> tuple[Node, str] | None:
        """The model as the test's overrides make it, and its SQL."""
        said, renderer = declared.test.overrides, self.project.renderer
        for name in said.macros.keys() - renderer.macro_names:
            known = (macro for macro in renderer.macro_names if not macro.startswith(TEST))
            place = declared.place("overrides", "macros", name, key=True)
            self._wrong(place, f"there is no macro '{name}'", nearest(name, known) or "Macros stand in macros/.")
            return None
        environment = {name: str(value) for name, value in said.env_vars.items()}
        project = replace(self.project, renderer=renderer.overridden(said.vars, environment, said.macros))
        try:
            made = rendered_again(project, self.graph, node)
        except ProjectError as error:
            self.problems += error.problems
            return None
        statement, _, found = self.checked(made)
        self.problems += found
        return None if found else (made, statement)

    def _compiled(self, declared: DeclaredUnitTest, node: Node, statement: str) -> UnitTest | None:
        before, test = len(self.problems), declared.test
        inputs = self._inputs(declared, node)
        setup = [f"create schema if not exists {schema}" for schema in ("source", "private", "synthetic", "public")]
        for parent, rows, place in inputs:
            types = self._types(parent.relation)
            setup.append(f"create table {parent.relation} as\n{self._table(rows, types, parent.name, place)}")
        made = self._types(f"(\n{statement}\n)")
        expected = self._rows(test.expect, declared.place("expect"))
        names = expected.columns or tuple(made)
        setup.append(f"create table actual as\n{statement}")
        wanted = {name: made[name] for name in made if name.casefold() in {n.casefold() for n in names}}
        setup.append(
            f"create table expected as\n{self._table(expected, wanted, node.asked, declared.place('expect'), made)}"
        )
        if len(self.problems) > before:
            return None
        listed = ", ".join(map(identifier, wanted))
        sides = [
            f"select '{side}' as rows, * from (select {listed} from {here} except all select {listed} from {there})"
            for side, here, there in (("expected", "expected", "actual"), ("actual", "actual", "expected"))
        ]
        words = test.description or f"{node.asked}: {test.name.replace('_', ' ')}"
        return UnitTest(
            model=node.name,
            setup=tuple(setup),
            expectation=Expectation(
                id=f"unit_test.{test.name}", model=node.name, column=None, type="unexpected_rows_expectation",
                kwargs={"description": words}, description=words, sql="\nunion all\n".join(sides) + "\n",
                sql_path=f"{self.project.settings.target_path}/compiled/unit_tests/{test.name}.sql",
            ),
        )  # fmt: skip

    def _inputs(self, declared: DeclaredUnitTest, node: Node) -> list[tuple[Node, _Rows, Place]]:
        """The rows of each thing that the model reads."""
        found: dict[str, tuple[_Rows, Place]] = {}
        read = {parent.id: parent for parent in self.graph.read_by(node)}
        asked = {parent.id: _called(parent) for parent in read.values()}
        for i, given in enumerate(declared.test.given):
            place = declared.place("given", i, "input")
            wanted = _called_in(given.input)
            ids = [key for key, called in asked.items() if called == wanted]
            if wanted is None:
                self._wrong(place, f"input: '{given.input}' is no ref() or source()", _EXAMPLE)
            elif not ids:
                what = f"the model '{node.asked}' does not read {wanted}"
                self._wrong(place, what, nearest(wanted, asked.values()) or f"It reads: {', '.join(asked.values())}.")
            else:
                found[ids[0]] = (self._rows(given, place), place)
        for key in read.keys() - found.keys():
            what = f"the unit test '{declared.test.name}' gives no rows of {asked[key]}"
            self._wrong(declared.place("name"), what, f"Add to given: {{input: {asked[key]}, rows: []}}.")
        return [(read[key], *value) for key, value in found.items()]

    def _rows(self, given: spec.Rows, place: Place) -> _Rows:
        if given.format == "sql":
            return self._made_by(str(given.rows).strip().rstrip(";"), place)
        listed = tuple(given.rows if not isinstance(given.rows, str) else self._lines(given.rows, place))
        return _Rows(tuple(dict.fromkeys(column for row in listed for column in row)), listed)

    def _lines(self, text: str, place: Place) -> Iterator[Row]:
        lines = list(csv.reader(io.StringIO(text.strip()), skipinitialspace=True))
        for number, line in enumerate(lines[1:], 2):
            if len(line) != len(lines[0]):
                self._wrong(place, f"line {number} of rows has {len(line)} values, the heading {len(lines[0])}", "")
                return
            yield {name.strip(): value or None for name, value in zip(lines[0], line, strict=True)}

    def _made_by(self, sql: str, place: Place) -> _Rows:
        """The rows of a query, which is bound where there is nothing that it could read."""
        try:
            found = [s.what for s in reads.strangers(tree.parse(self._nothing.connection, sql), (), public=True)]
            columns = () if found else tuple(self._nothing.types(f"(\n{sql}\n)"))
        except (tree.SyntaxProblem, BindProblem) as problem:
            found = [problem.what]
        if not found:
            return _Rows(columns, sql=sql)
        self._wrong(
            place,
            f"rows: {found[0]}",
            "A query of made-up rows reads no table. For example: select 1 as id, 'A' as ward",
        )
        return _Rows(())

    @cached_property
    def _nothing(self) -> Stubs:
        return Stubs()

    def _types(self, relation: str) -> dict[str, str]:
        return self.stubs.types(f"from {relation}" if not relation.startswith("(") else relation)

    def _table(self, rows: _Rows, types: Mapping[str, str], name: str, place: Place, known: Iterable[str] = ()) -> str:
        """A query that gives the rows; ``known``: all columns that there are, where ``types`` has some of them."""
        if strangers := bind.names_match(rows.columns, types):
            self._wrong(place, f"{name} has no column '{strangers[0]}'", nearest(strangers[0], known or types))
            return "select null"
        selects = list(rows.selects(types))
        for select in selects:
            try:
                self.stubs.value(select)
            except BindProblem as problem:
                self._wrong(place, f"a value of {name}: {problem.what}", "Write it as DuckDB reads that type.")
                return "select null"
        return "\nunion all ".join(selects) or f"select {bind.cells(types)} limit 0"

    def _wrong(self, place: Place, what: str, fix: str) -> None:
        self.problems.append(Problem(place, what, fix))


def _called(node: Node) -> str:
    """As a model's SQL names it."""
    if node.kind == "source":
        name, _, table = node.name.partition(".")
        return f"source('{name}', '{table}')"
    return f"ref('{node.asked}')"


def _called_in(text: str) -> str | None:
    if name := ref_in(text):
        return f"ref('{name}')"
    found = source_in(text)
    return f"source('{found[0]}', '{found[1]}')" if found else None
