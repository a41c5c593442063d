"""Models and tests while their templates are rendered: what each asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from synth.errors import Place, Problem
from synth.project import spec
from synth.project.jinja import RenderError
from synth.project.loader import Declared, Project
from synth.project.sql_file import SqlFile
from synth.quoting import identifier


@dataclass
class Rendered:
    """What a model or a test asked for."""

    name: str
    place: Place
    text: SqlFile | None
    declared: Declared | None
    config: dict[str, Any]
    refs: list[str]
    sources: list[tuple[str, str]]
    sql: str = ""
    broken: bool = False  # its template could not be rendered, so what it asked for is not known

    @property
    def links(self) -> list[str]:
        """The tables that its foreign keys refer to."""
        return [foreign.references for foreign in self.declared.table.foreign_keys] if self.declared else []

    def link_place(self, name: str) -> Place:
        """Where the foreign key to a table stands."""
        assert self.declared is not None
        return self.declared.place("foreign_keys", self.links.index(name), "references")


def model_names(project: Project) -> list[str]:
    """Models with a SQL file, and tables with metadata that name their source."""
    implied = [name for name, d in project.tables.items() if d.table.source]
    return sorted({*project.models, *implied})


def rendered_model(project: Project, name: str, problems: list[Problem]) -> Rendered:
    """A model by its SQL file; without one, every declared column of its source."""
    text, declared = project.models.get(name), project.tables.get(name)
    if text is not None:
        return render(project, name, text.place(), text, declared, problems)
    assert declared is not None and declared.table.source
    made = Rendered(name, declared.place("name"), None, declared, {}, [], [])
    source, _, table = declared.table.source.partition(".")
    made.sources.append((source, table))
    made.sql = f'select {_columns(declared.table)}\nfrom "source"."{source}.{table}"\n'
    return made


def _columns(table: spec.Table) -> str:
    return ", ".join(identifier(column.name) for column in table.columns if column.is_read)


def render(
    project: Project, name: str, place: Place, text: SqlFile, declared: Declared | None, problems: list[Problem]
) -> Rendered:  # fmt: skip
    """A model or a test whose template is rendered, with what it asked for on the way."""
    made = Rendered(name, place, text, declared, {}, [], [])

    def config(**given: Any) -> str:
        for value in given.values():
            str(value)  # raises where the value is an undefined variable
        made.config.update(given)
        return ""

    def ref(model: str) -> str:
        made.refs.append(str(model))
        return f'"ref"."{model}"'

    def source(source_name: str, table: str) -> str:
        made.sources.append((str(source_name), str(table)))
        return f'"source"."{source_name}.{table}"'

    def declared_columns() -> str:
        if declared is None:
            what = f"declared_columns() needs metadata, and no table '{name}' is declared"
            raise RenderError(what, "Name the columns.", "declared_columns")
        return _columns(declared.table)

    names = {
        "config": config, "ref": ref, "source": source, "declared_columns": declared_columns,
        "target": project.target_words,
    }  # fmt: skip
    if project.models.get(name) is text:
        names["this"] = This(name)
    try:
        made.sql = project.renderer.sql(text.text, names)
    except RenderError as error:
        made.broken = True
        problems.append(Problem(error.place or text.find(error.needle, error.line), error.what, error.fix))
    return made


_SOURCE = re.compile(r"""\s*source\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)\s*""")
_REF = re.compile(r"""\s*ref\(\s*['"](\w+)['"]\s*\)\s*""")


def ref_in(value: Any) -> str | None:
    """The model of an argument that is written ``ref('model')``."""
    found = _REF.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def source_in(text: str) -> tuple[str, str] | None:
    """The source and the table of a text that is written ``source('name', 'table')``."""
    found = _SOURCE.fullmatch(text)
    return (found[1], found[2]) if found else None


@dataclass(frozen=True)
class This:
    """The relation that a model becomes."""

    name: str

    @property
    def identifier(self) -> str:
        return self.name

    def __str__(self) -> str:
        return f'"ref"."{self.name}"'


def reference(made: Rendered, name: str) -> Place:
    """Where it names a source, a table or a model."""
    if made.text is not None:
        found = re.search(rf"['\"]({re.escape(name)})['\"]", made.text.text)
        return made.text.place(found.start(1)) if found else made.text.find(name)
    return made.declared.place("source") if made.declared is not None else made.place
