"""The project's files to one frozen Project, or a ProjectError with every problem that was found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from synth.errors import Place, Problem, ProjectError, UsageError
from synth.project import spec, yaml
from synth.project.jinja import Renderer, RenderError

S = TypeVar("S", bound=spec.Spec)
PROJECT_FILE = "synth_project.yml"


@dataclass(frozen=True)
class SqlFile:
    """A model or a singular test: its name, where it lies, its text with Jinja."""

    name: str
    file: str  # relative to the project
    text: str
    folders: tuple[str, ...]  # below the model path; what +config of synth_project.yml speaks about

    def place(self, offset: int = 0) -> Place:
        """The position of a character of the text."""
        before = self.text[: max(offset, 0)]
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        lines = self.text.splitlines() or [""]
        return Place(self.file, line, column, lines[min(line, len(lines)) - 1])

    def find(self, needle: str, line: int = 0) -> Place:
        """Where a word stands, on that line if it is given and the word is there; else the first, else the start."""
        starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
        if 0 < line <= len(starts):
            end = starts[line] if line < len(starts) else len(self.text)
            at = self.text.lower().find(needle.lower(), starts[line - 1], end) if needle else -1
            return self.place(at if at >= 0 else starts[line - 1])
        at = self.text.lower().find(needle.lower()) if needle else -1
        return self.place(max(at, 0))


@dataclass(frozen=True)
class Declared:
    """A table's metadata with the document it stands in, so that a later error can point there."""

    table: spec.Table
    document: yaml.Document
    path: yaml.Path

    def place(self, *path: str | int, key: bool = False) -> Place:
        return self.document.place((*self.path, *path), key)


@dataclass(frozen=True)
class DeclaredSource:
    source: spec.Source
    document: yaml.Document
    path: yaml.Path

    def place(self, *path: str | int) -> Place:
        return self.document.place((*self.path, *path))


@dataclass(frozen=True)
class Project:
    root: Path
    settings: spec.ProjectSpec
    document: yaml.Document  # synth_project.yml
    sources: Mapping[str, DeclaredSource]
    tables: Mapping[str, Declared]
    models: Mapping[str, SqlFile]
    tests: Mapping[str, SqlFile]
    renderer: Renderer = field(compare=False)

    def target(self, name: str | None) -> spec.TargetSpec:
        name = name or self.settings.default_target
        if name not in self.settings.targets:
            known = ", ".join(self.settings.targets)
            raise UsageError(f"there is no target '{name}' in {PROJECT_FILE}", f"Targets: {known}.")
        return self.settings.targets[name]


def find_root(start: Path) -> Path:
    """The folder of synth_project.yml: ``start`` or the nearest above it."""
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(
        f"there is no {PROJECT_FILE} in {start} or above it",
        "Go to a project's folder, name one with --project-dir, or start one with: synth init my_project",
    )


def load(root: Path, variables: Mapping[str, Any] | None = None) -> Project:
    """Reads every file of the project at ``root``; raises ProjectError with all problems at once."""
    problems: list[Problem] = []
    first, found = yaml.read(PROJECT_FILE, _text(root / PROJECT_FILE, PROJECT_FILE, problems))
    problems += found
    given = first.data.get("vars") if isinstance(first.data, dict) else None
    renderer = Renderer({**(given if isinstance(given, dict) else {}), **(variables or {})})
    settings = _validate(spec.ProjectSpec, first, renderer, problems)
    if settings is None:
        raise ProjectError(problems)
    macros = [_text(p, file, problems) for p, file in _files(root, settings.macro_paths, (".sql",))]
    renderer = Renderer(renderer.variables, "\n".join(macros))
    sources = _sources(root, settings, renderer, problems)
    tables = _tables(root, settings, renderer, problems)
    models = _sql(root, settings.model_paths, "model", problems)
    tests = _sql(root, settings.test_paths, "test", problems)
    if problems:
        raise ProjectError(problems)
    return Project(root, settings, first, sources, tables, models, tests, renderer)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest known names, or all of them where few."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(sorted(names)[:20])}." if names else ""


def _sources(
    root: Path, settings: spec.ProjectSpec, renderer: Renderer, problems: list[Problem]
) -> dict[str, DeclaredSource]:
    found: dict[str, DeclaredSource] = {}
    for document in _documents(root, settings.source_paths, problems):
        parsed = _validate(spec.SourcesFile, document, renderer, problems)
        for i, source in enumerate(parsed.sources if parsed else ()):
            declared = DeclaredSource(source, document, ("sources", i))
            if source.name in found:
                problems.append(_twice("source", source.name, declared.place("name"), found[source.name].place("name")))
            found.setdefault(source.name, declared)
    return found


def _tables(root: Path, settings: spec.ProjectSpec, renderer: Renderer, problems: list[Problem]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for document in _documents(root, settings.metadata_paths, problems):
        parsed = _validate(spec.MetadataFile, document, renderer, problems)
        for i, table in enumerate(parsed.tables if parsed else ()):
            declared = Declared(table, document, ("tables", i))
            if table.name in found:
                problems.append(_twice("table", table.name, declared.place("name"), found[table.name].place("name")))
            found.setdefault(table.name, declared)
    return found


def _twice(what: str, name: str, here: Place, first: Place) -> Problem:
    return Problem(here, f"the {what} '{name}' is declared twice", f"The first is at {first}. Rename or remove one.")


def _sql(root: Path, folders: tuple[str, ...], what: str, problems: list[Problem]) -> dict[str, SqlFile]:
    found: dict[str, SqlFile] = {}
    for path, file in _files(root, folders, (".sql",)):
        below = next(Path(file).relative_to(f) for f in folders if Path(file).is_relative_to(f))
        sql = SqlFile(path.stem, file, _text(path, file, problems), below.parts[:-1])
        if sql.name in found:
            problems.append(_twice(what, sql.name, Place(file), Place(found[sql.name].file)))
        found.setdefault(sql.name, sql)
    return found


def _files(root: Path, folders: Iterable[str], endings: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in endings and path.is_file():
                yield path, path.relative_to(root).as_posix()


def _documents(root: Path, folders: Iterable[str], problems: list[Problem]) -> Iterator[yaml.Document]:
    for path, file in _files(root, folders, (".yml", ".yaml")):
        document, found = yaml.read(file, _text(path, file, problems))
        problems += found
        if document.data is not None:
            yield document


def _text(path: Path, file: str, problems: list[Problem]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem(Place(file), f"cannot be read: {reason}", "Check the file and its permissions."))
        return ""


def _validate(model: type[S], document: yaml.Document, renderer: Renderer, problems: list[Problem]) -> S | None:
    """The document as a spec; None with the problems appended."""
    before = len(problems)
    data = _rendered(document, document.data, (), renderer, problems)
    try:
        parsed = model.model_validate({} if data is None else data)
    except ValidationError as error:
        problems += [
            _problem(model, document, detail) for detail in error.errors(include_url=False, include_input=False)
        ]
        return None
    return parsed if len(problems) == before else None


def _rendered(document: yaml.Document, data: Any, path: yaml.Path, renderer: Renderer, problems: list[Problem]) -> Any:
    if isinstance(data, dict):
        return {k: _rendered(document, v, (*path, k), renderer, problems) for k, v in data.items()}
    if isinstance(data, list):
        return [_rendered(document, v, (*path, i), renderer, problems) for i, v in enumerate(data)]
    if isinstance(data, str):
        try:
            return renderer.value(data)
        except RenderError as error:
            problems.append(Problem(document.place(path), error.what, "Mend the expression in {{ }}."))
    return data


_WORDS = {
    "missing": "is missing",
    "string_type": "must be text; quote it",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}


def _problem(model: type[spec.Spec], document: yaml.Document, error: ErrorDetails) -> Problem:
    """One of pydantic's errors in the product's words, at its place in the file."""
    path, fields = _path(model, document.data, error["loc"])
    kind, name = error["type"], str(error["loc"][-1]) if error["loc"] else "the file"
    if kind == "extra_forbidden":
        return Problem(document.place(path, key=True), f"unknown key '{name}'", nearest(name, fields))
    if kind == "missing":
        return Problem(document.place(path[:-1]), f"the key '{name}' is missing", _MISSING_FIX.get(name, "Add it."))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known = [get_args(t.model_fields["type"].annotation)[0] for t in get_args(get_args(spec.Column)[0])]
        given = _at(document.data, (*path, "type"))
        what = "the column has no type" if given is None else f"unknown type '{given}'"
        fix = nearest(str(given), known) if given is not None else f"Types: {', '.join(known)}."
        return Problem(document.place((*path, "type")), what, fix)
    subject = ".".join(str(p) for p in path[-1:] if isinstance(p, str))
    what = _WORDS.get(kind) or error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind in _WORDS or not error["msg"].startswith("Value error"):
        what = f"{subject or name}: {what if kind in _WORDS else 'should be ' + what}"
    return Problem(document.place(path), what, "")


_MISSING_FIX = {
    "bounds": "Bounds are public knowledge, never read from rows; for example bounds: [0, 120].",
    "values": "List every category that the documentation names; for example values: [F, M].",
    "units": "The public, approximate number of people behind the source; for example units: 50000.",
    "approver": 'Say who set this cap; for example approver: "Information governance board".',
}


def _path(model: type[spec.Spec], data: Any, loc: tuple[int | str, ...]) -> tuple[yaml.Path, list[str]]:
    """pydantic's location without the union tags that are not in the file, and the keys known at its end's parent."""
    path: list[int | str] = []
    for i, part in enumerate(loc):
        here = _at(data, tuple(path))
        inside = isinstance(here, dict) or (isinstance(here, list) and isinstance(part, int))
        last = i == len(loc) - 1
        if inside and (last or (part in here if isinstance(here, dict) else int(part) < len(here))):
            path.append(part)
    return tuple(path), _fields(model, loc[:-1])


def _fields(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the spec that a location leads to."""
    found = [model]
    for part in loc:
        found = [t for model in found for t in _specs(model, part)]
    return [f.alias or name for m in found for name, f in m.model_fields.items()]


def _specs(model: type[spec.Spec], part: int | str) -> list[type[spec.Spec]]:
    if isinstance(part, int):
        return [model]
    for name, info in model.model_fields.items():
        if part in (name, info.alias):
            return list(_inner(info.annotation))
    tagged = model.model_fields.get("type")
    return [model] if tagged is not None and part in get_args(tagged.annotation) else []


def _inner(annotation: Any) -> Iterator[type[spec.Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, spec.Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from _inner(inner)


def _at(data: Any, path: yaml.Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
