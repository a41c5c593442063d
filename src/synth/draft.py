"""``synth draft``: metadata from the rows of a source, from the metadata of another tool, or from both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from synth.artifacts.budget import Budget
from synth.artifacts.compiled import Price
from synth.artifacts.looks import Answers, Look
from synth.artifacts.plan import Event
from synth.compiler.sources import source_table
from synth.drafting import fill, foreign, write
from synth.drafting.ask import Drafting, Header
from synth.drafting.foreign import Foreign
from synth.drafting.shapes import CLEAR
from synth.drafting.table import Table
from synth.errors import UsageError
from synth.graph.dag import Node, of_sources
from synth.privacy import accounting
from synth.privacy.ledger import Ledger
from synth.project.loader import Project, find_root, load_sources
from synth.project.nearest import nearest
from synth.runtime.looks import Looks
from synth.runtime.target_folder import TargetFolder

WARNING = (
    "DRAFTED FROM PRIVATE ROWS: {file} says what real people's rows showed. Keep it as you keep the source, until somebody has "
    "checked each column that is marked drafted: true. No run takes it before."
)


@dataclass(frozen=True)
class Written:
    file: str  # relative to the project
    columns: int
    todo: int  # lines that say what is to be filled in
    paid: str  # what it cost, to be said behind the rest
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
    project = load_sources(root, vars)
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
        return [self._write(table, [_of_metadata(self.known)]) for table in tables]

    def of_rows(self, name: str, epsilon: float | None, force: bool) -> Written:
        """One source table, whose rows fill the gaps of what is known of it."""
        node = self._source(name)
        table_name = name.partition(".")[2]
        self._free(table_name, force)
        told, drafting = self._told(table_name), self._drafting(node, epsilon)
        header = self.looks.header(drafting.header_look())
        table = fill.begun(told, table_name, node.name, drafting.unit, header, epsilon is not None)
        if lost := fill.strangers(table, header):
            raise UsageError(
                f"the source {name} has no column '{lost[0]}'", nearest(lost[0], [column for column, _ in header])
            )
        table, spent = self._filled(drafting, table, header)
        table = replace(table, references=table.references or tuple(self._references(table)))
        headings = [_of_metadata(self.known)] if self.known else []
        paid = ""
        if drafting.price is not None:
            headings.append(_paid(drafting, drafting.price, spent))
            cost = accounting.epsilon(spent.events, drafting.price.delta)
            paid = f"; epsilon {cost:g} spent" if spent.events else "; paid for before, nothing spent"
        elif table.drafted or any(column.drafted for column in table.columns):
            headings.append(_private(drafting))
        return self._write(table, headings, paid)

    def _filled(self, drafting: Drafting, table: Table, header: Header) -> tuple[Table, _Spent]:
        first = drafting.first_look(table, header)
        answers, spent = self._answers(drafting, first, _Spent(), drafting.to_follow(first))
        persons = fill.persons_known(answers)
        table = fill.with_types(table, header, answers)
        second = drafting.second_look(table, header, first)
        answers, spent = self._answers(drafting, second, spent)
        return fill.with_values(table, answers, persons), spent

    def _answers(
        self, drafting: Drafting, look: Look, spent: _Spent, to_follow: tuple[Event, ...] = ()
    ) -> tuple[Answers, _Spent]:
        if look.empty:
            return Answers(), spent
        if drafting.price is None:
            return self.looks.exact(look), spent
        answers, before = self.looks.paid(look, drafting.price, to_follow)
        events = look.privacy.events if look.privacy and not before else ()
        return answers, _Spent((*spent.events, *events), max(spent.noise, answers.noise))

    # what is known

    def _source(self, name: str) -> Node:
        nodes = {node.name: node for node in self.graph.of_kind("source")}
        if name not in nodes:
            raise UsageError(f"there is no source table '{name}'", nearest(name, nodes) or "Declare it in sources/.")
        if nodes[name].zone != "private":
            raise UsageError(
                f"the source {name} is public: no synthetic table is made of it", "Name a table of people."
            )
        return nodes[name]

    def _drafting(self, node: Node, epsilon: float | None) -> Drafting:
        assert node.source is not None and node.source.source.privacy is not None
        privacy = node.source.source.privacy
        price = None
        if epsilon is not None:
            budget = self.project.settings.budgets.get(privacy.population)
            if budget is None:
                fix = f'Add to synth_project.yml: budgets: {{{privacy.population}: {{epsilon: 3.0, approver: "who decides"}}}}.'
                raise UsageError(f"the population '{privacy.population}' has no budget", fix)
            if budget.delta >= 1 / privacy.units:
                what = f"delta {budget.delta:g} of the population '{privacy.population}' is not below 1/units"
                raise UsageError(what, "It would allow one person's rows to be published. Lower it.")
            said = Budget(epsilon=budget.epsilon, delta=budget.delta, approver=budget.approver)
            price = Price(epsilon, budget.delta, said)
        source = source_table(self.graph, node)
        return Drafting(node.source.document.file, source, privacy.population, privacy.units, price)

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

    def _write(self, table: Table, headings: list[str], paid: str = "") -> Written:
        file = self._file(table.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(file.name + ".part")
        text = write.metadata(table, headings)
        part.write_text(text, encoding="utf-8")
        os.replace(part, file)
        shown = os.path.relpath(file, self.project.root)
        drafted = table.drafted or any(column.drafted for column in table.columns)
        return Written(
            shown,
            len(table.columns),
            text.count(f"# {write.TODO} "),
            paid,
            WARNING.format(file=shown) if drafted else "",
        )


@dataclass(frozen=True)
class _Spent:
    events: tuple[Event, ...] = ()
    noise: float = 0.0  # of a count, in persons


def _of_metadata(known: Foreign) -> str:
    return f"From {known.file}, metadata of {known.tool}. What has no equivalent here stands beside its column."


def _private(drafting: Drafting) -> str:
    return (
        f"DRAFTED FROM PRIVATE ROWS of {drafting.source.name}: what is marked drafted: true was read off real people. Bounds are "
        "rounded outward, and values that fewer than five units share are left out; that protects nobody. Check that each is "
        "public knowledge, and remove the mark; synth run takes nothing that bears it."
    )


def _paid(drafting: Drafting, price: Price, spent: _Spent) -> str:
    fewest = f"{CLEAR * spent.noise:,.0f}"
    told = f" What fewer than about {fewest} persons share cannot be told from noise." if spent.noise else ""
    return (
        f"Drafted from {drafting.source.name} for epsilon {price.epsilon:g} at delta {price.delta:g} (population "
        f"{drafting.population}): types, bounds and categories passed noise, and stand in the ledger.{told} Bounds have a step "
        "of room on either side. Better ones may be known: write them."
    )
