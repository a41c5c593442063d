"""``synth draft``: metadata from the rows of a source, from the metadata of another tool, or from both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Price
from synth.artifacts.looks import Answers, Look
from synth.artifacts.plan import Event
from synth.compiler.price import delta_problem, no_budget
from synth.compiler.sources import source_table, source_tables
from synth.drafting import fill, foreign, headings, write
from synth.drafting.ask import Header, Questions
from synth.drafting.foreign import Foreign
from synth.drafting.table import Table
from synth.errors import UsageError
from synth.files import write_whole
from synth.graph.configs import config_of
from synth.graph.dag import Node, of_sources
from synth.privacy import accounting
from synth.privacy.ledger import Ledger
from synth.project.loader import Project, find_root, load_sources
from synth.project.nearest import nearest
from synth.runtime.confinement import confine
from synth.runtime.looks import Looks
from synth.runtime.source_files import check_populations
from synth.runtime.target_folder import TargetFolder

Result = TypeVar("Result")
WARNING = "DRAFTED FROM PRIVATE ROWS: {file}\nIt says what real people's rows showed. Keep it as you keep the source."


@dataclass(frozen=True)
class Written:
    file: str  # relative to the project
    columns: int
    todo: int  # lines that say what is to be filled in
    paid: str  # what it cost, to be said behind the rest
    steps: tuple[str, ...]  # what is to be done before synth plan
    warning: str  # "" where nothing is from private rows


def draft(
    table: str | None = None,
    epsilon: float | None = None,
    metadata: str | Path | None = None,
    force: bool = False,
    path: str | Path = ".",
    target: str | None = None,
    vars: Mapping[str, Any] | None = None,
) -> list[Written]:
    """Writes metadata/TABLE.yml of the project at ``path``; ``table``: a source table, ``metadata``: another tool's file.

    Without a ``table`` no row is read. With ``epsilon`` what rows tell is paid for; without it, it is marked as drafted.
    """
    root = find_root(Path(path).resolve())
    project = load_sources(root, vars, target)
    known = foreign.read(Path(metadata)) if metadata is not None else None
    drafter = _Drafter(project, target, known)
    if table is not None:
        return [drafter.of_rows(table, epsilon, force)]
    if known is None:
        raise UsageError(
            "there is nothing to draft from", "Name a source table, mimic.admissions say, or a file: --from FILE."
        )
    if epsilon is not None:
        raise UsageError(
            "--epsilon pays for a look at rows, and no source table is named", "Name one: mimic.admissions, say."
        )
    return drafter.of_metadata(force)


@dataclass(frozen=True)
class _Spent:
    events: tuple[Event, ...] = ()
    noise: float = 0.0  # of a count, in persons


class _Drafter:
    def __init__(self, project: Project, target: str | None, known: Foreign | None) -> None:
        self.project, self.known = project, known
        self.graph = of_sources(project)
        self.target = project.target(target)
        self.folder = TargetFolder(project.root / project.settings.target_path)
        ledger = Ledger(project.root / project.settings.ledger, self.folder.ledger_bookmark)
        self.looks = Looks(project.root, self.folder, ledger, self.target.threads, self.target.memory_limit)

    def of_metadata(self, force: bool) -> list[Written]:
        """Every table of the other tool's file; no row is read."""
        assert self.known is not None
        tables = [self._with_source(table) for table in self.known.tables]
        for table in tables:
            self._free(table.name, force)
        return [self._write(table, [headings.of_metadata(self.known)]) for table in tables]

    def of_rows(self, name: str, epsilon: float | None, force: bool) -> Written:
        """One source table, whose rows fill the gaps of what is known of it."""
        node = self._source(name)
        table_name = name.partition(".")[2]
        self._free(table_name, force)
        told, questions = self._told(table_name), self._questions(node, epsilon)
        check_populations(self.project.root, source_tables(self.graph))
        header = self.looks.header(questions.header_look())
        table = fill.begun(told, table_name, node.name, questions.unit, header, epsilon is not None)
        if lost := fill.strangers(table, header):
            raise UsageError(
                f"the source {name} has no column '{lost[0]}'", nearest(lost[0], [column for column, _ in header])
            )
        table, spent = self._filled(questions, table, header)
        table = replace(table, references=table.references or tuple(self._references(table)))
        said = [headings.of_metadata(self.known)] if self.known else []
        paid = ""
        if questions.price is not None:
            said.append(headings.of_paid_looks(name, questions.population, questions.price, spent.noise))
            cost = accounting.epsilon(spent.events, questions.price.delta)
            paid = f"; epsilon {cost:g} spent" if spent.events else "; paid for before, nothing spent"
        elif table.drafted:
            said.append(headings.of_private_rows(name))
        return self._write(table, said, paid)

    def _filled(self, questions: Questions, table: Table, header: Header) -> tuple[Table, _Spent]:
        """With what the rows tell. Where that is not paid for, the whole is marked: also what it does not say tells of them."""
        exact = questions.price is None
        first = questions.first_look(table, header)
        answers, spent = self._answers(questions, first, _Spent(), questions.to_follow(first))
        persons = self._privately(partial(fill.persons_known, answers))
        table = self._privately(partial(fill.with_types, table, header, answers, exact))
        second = questions.second_look(table, header, first)
        answers, spent = self._answers(questions, second, spent)
        table = self._privately(partial(fill.with_values, table, answers, persons, exact))
        return replace(table, drafted=table.drafted or (exact and not (first.empty and second.empty))), spent

    def _answers(
        self, questions: Questions, look: Look, spent: _Spent, to_follow: tuple[Event, ...] = ()
    ) -> tuple[Answers, _Spent]:
        if look.empty:
            return Answers(), spent
        if questions.price is None:
            return self.looks.exact(look), spent
        answers, before = self.looks.paid(look, questions.price, to_follow)
        events = look.privacy.events if look.privacy and not before else ()
        return answers, _Spent((*spent.events, *events), max(spent.noise, answers.noise))

    def _privately(self, work: Callable[[], Result]) -> Result:
        """Exact answers are as private as rows: an error must not quote them."""
        return confine(self.folder.internal, "drafting", work)

    # what is known

    def _source(self, name: str) -> Node:
        nodes = {node.name: node for node in self.graph.of_kind("source")}
        if not nodes:
            raise UsageError("no source is declared yet", self._where_to_declare())
        if name not in nodes:
            raise UsageError(f"there is no source table '{name}'", nearest(name, nodes) or "Declare it in sources/.")
        if nodes[name].zone != "private":
            raise UsageError(
                f"the source {name} is public: no synthetic table is made of it", "Name a table of people."
            )
        return nodes[name]

    def _where_to_declare(self) -> str:
        """A file that is there, and declares none, is one of comments, as a bare project has it."""
        folder = self.project.settings.source_paths[0]
        for file in sorted((self.project.root / folder).glob("*.yml")):
            return f'Take the "# " from the lines of {folder}/{file.name}, and say there what is so of yours.'
        return f"Declare where rows lie, and whose they are, in {folder}/NAME.yml."

    def _questions(self, node: Node, epsilon: float | None) -> Questions:
        assert node.source is not None and node.source.source.privacy is not None
        privacy = node.source.source.privacy
        price = None
        if epsilon is not None:
            budgets = self.project.settings.budgets
            budget = budgets.get(privacy.population)
            if budget is None:
                raise UsageError(*no_budget(privacy.population, budgets))
            if too_high := delta_problem(budget.delta, privacy.units):
                what, fix = too_high
                raise UsageError(f"the population '{privacy.population}': {what}", fix)
            said = Budget(epsilon=budget.epsilon, delta=budget.delta, approver=budget.approver)
            price = Price(epsilon, budget.delta, said)
        source = source_table(self.graph, node)
        return Questions(node.source.document.file, source, privacy.population, privacy.units, price)

    def _told(self, name: str) -> Table | None:
        """What the other tool's file says of a table."""
        if self.known is None:
            return None
        tables = {table.name.casefold(): table for table in self.known.tables}
        found = tables.get(name.casefold()) or (next(iter(tables.values())) if len(tables) == 1 else None)
        if found is None:
            fix = nearest(name, [table.name for table in self.known.tables])
            raise UsageError(f"{self.known.file} has no table '{name}'", fix)
        return found

    def _with_source(self, table: Table) -> Table:
        """With the only source table of that name, where there is one, and its unit."""
        named = [
            n for n in self.graph.of_kind("source") if n.name.partition(".")[2].casefold() == table.name.casefold()
        ]
        if len(named) != 1 or named[0].source is None or named[0].source.source.privacy is None:
            return table
        unit = named[0].source.source.privacy.unit_columns
        header = [(column.name, "VARCHAR") for column in table.columns]
        return fill.begun(table, named[0].name.partition(".")[2], named[0].name, unit, header, paid=False)

    def _references(self, table: Table) -> list[tuple[str, str]]:
        """Keys of the table that are primary keys of others."""
        keys = {
            declared.table.primary_key.casefold(): name
            for name, declared in self.project.tables.items()
            if declared.table.primary_key and name != table.name
        }
        own = [c.name for c in table.columns if c.type == "key" and c.name != table.primary_key]
        return [(name, keys[name.casefold()]) for name in own if name.casefold() in keys]

    # what is written

    def _file(self, name: str) -> Path:
        return self.project.root / self.project.settings.metadata_paths[0] / f"{name}.yml"

    def _free(self, name: str, force: bool) -> None:
        """UsageError where the table has metadata already."""
        file = self._file(name)
        shown = os.path.relpath(file, self.project.root)
        if file.exists() and not force:
            raise UsageError(f"{shown} is there already", "Draft over it with --force, which loses what it says.")
        declared = self.project.tables.get(name)
        if declared is not None and declared.document.file != Path(shown).as_posix():
            raise UsageError(f"the table '{name}' has metadata in {declared.document.file}", "Remove it there first.")

    def _write(self, table: Table, said: list[str], paid: str = "") -> Written:
        file = self._file(table.name)
        work = partial(write.metadata, table, said)
        text = self._privately(work) if table.drafted else work()
        write_whole(file, text, 0o600 if table.drafted else 0o666)
        shown = os.path.relpath(file, self.project.root)
        todo = text.count(f"# {write.TODO} ")
        warning = WARNING.format(file=shown) if table.drafted else ""
        return Written(shown, len(table.columns), todo, paid, tuple(self._steps(table, todo)), warning)

    def _steps(self, table: Table, todo: int) -> Iterator[str]:
        if todo:
            yield f"fill in {todo} line{'s' if todo > 1 else ''} with TODO"
        if table.drafted:
            yield "check what is marked drafted: true, and remove each mark; no run takes it before"
        sql = self.project.models.get(table.name)
        said = config_of(self.project, table.name, sql, None, {}, [])
        if sql is None and said.epsilon is None and said.privacy is None:
            yield "say what the table may cost: take the # from its line config: {epsilon: 1.0}"
