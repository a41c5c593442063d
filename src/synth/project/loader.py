"""The project's files to one frozen Project, or a ProjectError with every problem that was found."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from synth.errors import Place, Problem, ProjectError, UsageError
from synth.project import spec, yaml
from synth.project.complaints import complaints
from synth.project.dbt_manifest import located_by_dbt
from synth.project.jinja import Renderer, RenderError
from synth.project.locations import folder_problems, location_problems
from synth.project.nearest import nearest
from synth.project.sql_file import SqlFile
from synth.project.value_files import FIXTURES, ValueFiles

S = TypeVar("S", bound=spec.Spec)
PROJECT_FILE = "synth_project.yml"
SELECTORS_FILE = "selectors.yml"


@dataclass(frozen=True)
class _Placed:
    """Something that YAML declares, with the document it stands in, so that a later error can point there."""

    document: yaml.Document
    path: yaml.Path

    def place(self, *path: str | int, key: bool = False) -> Place:
        return self.document.place((*self.path, *path), key)

    def folders(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Those of the file, below that one of the ``paths`` in which it lies."""
        return _folders_below(self.document.file, paths)


@dataclass(frozen=True)
class Declared(_Placed):
    """A table's metadata."""

    table: spec.Table


@dataclass(frozen=True)
class DeclaredSource(_Placed):
    source: spec.Source

    @cached_property
    def tables(self) -> Mapping[str, tuple[int, spec.SourceTable]]:
        """Each table, and its number among the source's, by name."""
        return {table.name: (i, table) for i, table in enumerate(self.source.tables)}


@dataclass(frozen=True)
class DeclaredModel(_Placed):
    """What models/*.yml says of a model without metadata."""

    model: spec.ModelProperties


@dataclass(frozen=True)
class DeclaredUnitTest(_Placed):
    test: spec.UnitTest


@dataclass(frozen=True)
class DeclaredSelector(_Placed):
    selector: spec.Selector


@dataclass(frozen=True)
class DeclaredExperiment(_Placed):
    experiment: spec.Experiment


@dataclass(frozen=True)
class Project:
    root: Path
    settings: spec.ProjectSpec
    document: yaml.Document  # synth_project.yml
    sources: Mapping[str, DeclaredSource]
    tables: Mapping[str, Declared]
    models: Mapping[str, SqlFile]
    properties: Mapping[str, DeclaredModel]
    tests: Mapping[str, SqlFile]
    unit_tests: Mapping[str, DeclaredUnitTest]
    selectors: Mapping[str, DeclaredSelector]
    experiments: Mapping[str, DeclaredExperiment]
    renderer: Renderer = field(compare=False)
    chosen: str | None = None  # the target that was asked for

    @property
    def target_words(self) -> dict[str, Any]:
        """``target`` in SQL, with dbt's keys."""
        return _target_words(self.target(self.chosen), self.chosen or self.settings.default_target)

    def target(self, name: str | None) -> spec.TargetSpec:
        name = name or self.settings.default_target
        if name not in self.settings.targets:
            raise UsageError(f"there is no target '{name}' in {PROJECT_FILE}", nearest(name, self.settings.targets))
        return self.settings.targets[name]


def find_root(start: Path) -> Path:
    """The folder of synth_project.yml: ``start`` or the nearest above it."""
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}", "Name the project's folder, or one below it.")
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise UsageError(
        f"there is no {PROJECT_FILE} in {start} or above it",
        "Go to a project's folder, name one with --project-dir, or start one with: synth init my_project",
    )


def load(root: Path, variables: Mapping[str, Any] | None = None, target: str | None = None) -> Project:
    """Reads every file of the project at ``root``; raises ProjectError with all problems at once. ``target``: the chosen one."""
    problems: list[Problem] = []
    project = _load(root, variables, target, problems, problems)
    if problems:
        raise ProjectError(problems)
    return project


def load_sources(root: Path, variables: Mapping[str, Any] | None = None, target: str | None = None) -> Project:
    """Settings and sources, which must be right, and of metadata and SQL what can be read: the rest may not be there yet."""
    problems: list[Problem] = []
    project = _load(root, variables, target, problems, [])
    if problems:
        raise ProjectError(problems)
    return project


def _load(
    root: Path, variables: Mapping[str, Any] | None, target: str | None, problems: list[Problem], later: list[Problem]
) -> Project:  # fmt: skip
    """``problems`` of settings, macros and sources; ``later``: of metadata, models and tests."""
    first, found = yaml.read(PROJECT_FILE, _text(root / PROJECT_FILE, PROJECT_FILE, problems))
    problems += found
    if problems and first.data is None:
        raise ProjectError(problems)
    given = first.data.get("vars") if isinstance(first.data, dict) else None
    renderer = Renderer({**(given if isinstance(given, dict) else {}), **(variables or {})})
    renderer = replace(renderer, target=_target_as_written(first.data, renderer, target))
    settings = _validate(spec.ProjectSpec, first, renderer, problems)
    problems += folder_problems(root, settings, lambda *path: first.place(path)) if settings else ()
    settings = settings or _paths_only(first)
    macros = _macros(root, settings.macro_paths, renderer, problems)
    generic = tuple(f"{path}/generic" for path in settings.test_paths)
    macros += _macros(root, generic, renderer, problems)
    name = target or settings.default_target
    words = _target_words(settings.targets[name], name) if name in settings.targets else {"name": name}
    renderer = Renderer(renderer.variables, macros, target=words)
    sources = _sources(root, settings, renderer, problems)
    people = {name: declared.source.location for name, declared in sources.items() if declared.source.privacy}
    _tell_places(root, settings, sources)
    files = ValueFiles(root, people, settings.target_path, settings.test_paths)
    tables = _tables(root, settings, renderer, files, later)
    models = _sql(root, settings.model_paths, "model", later)
    later += _odd_models(root, settings, models, tables)
    properties, unit_tests = _properties(root, settings, renderer, files, {*models, *tables}, tables, later)
    beside = (*generic, *(f"{path}/{FIXTURES}" for path in settings.test_paths))
    tests = _sql(root, settings.test_paths, "test", later, without=beside)
    selectors = _selectors(root, renderer, later)
    experiments = _experiments(root, settings, renderer, tables, later)
    return Project(
        root, settings, first, sources, tables, models, properties, tests, unit_tests, selectors, experiments, renderer,
        target,
    )  # fmt: skip


def _target_words(target: spec.TargetSpec, name: str) -> dict[str, Any]:
    """With dbt's keys."""
    return {
        "name": name, "type": "duckdb", "threads": target.threads, "schema": "public",
        "database": Path(target.database).stem, "path": target.database,
    }  # fmt: skip


def _target_as_written(data: Any, renderer: Renderer, chosen: str | None) -> dict[str, Any]:
    """What synth_project.yml itself may know of the target, before it is read."""
    default = data.get("default-target") if isinstance(data, dict) else None
    with suppress(RenderError):  # which is told when the file is read
        default = renderer.value(default) if isinstance(default, str) else None
    return {"name": chosen or default or "dev", "type": "duckdb", "schema": "public"}


def target_path(root: Path) -> str:
    """Where the project at ``root`` leaves what it makes, whatever else is wrong with it."""
    return _paths_only(yaml.read(PROJECT_FILE, _text(root / PROJECT_FILE, PROJECT_FILE, []))[0]).target_path


def _paths_only(document: yaml.Document) -> spec.ProjectSpec:
    """What a broken synth_project.yml still says of where the other files are, so that their problems are told as well."""
    settings: dict[str, Any] = {"name": "broken"}
    for key, value in document.data.items() if isinstance(document.data, dict) else ():
        try:
            if key.endswith(("-paths", "-path")):
                settings |= spec.ProjectSpec.model_validate({"name": "broken", key: value}).model_dump(
                    by_alias=True, include={key.replace("-", "_")}
                )
        except ValidationError:
            continue
    return spec.ProjectSpec.model_validate(settings)


def _macros(
    root: Path, folders: tuple[str, ...], renderer: Renderer, problems: list[Problem]
) -> tuple[SqlFile, ...]:  # fmt: skip
    found = []
    for path, file in _files(root, folders, (".sql",), problems):
        macro = SqlFile(path.stem, file, _text(path, file, problems), ())
        try:
            renderer.check(macro.text)
        except RenderError as error:
            problems.append(Problem(macro.find(error.needle, error.line), error.what, error.fix))
        found.append(macro)
    return tuple(found)


def _sources(
    root: Path, settings: spec.ProjectSpec, renderer: Renderer, problems: list[Problem]
) -> dict[str, DeclaredSource]:
    names = _Names("source", problems)
    found: dict[str, DeclaredSource] = {}
    for document in _documents(root, settings.source_paths, problems):
        parsed = _validate(spec.SourcesFile, document, renderer, problems)
        for i, source in enumerate(parsed.sources if parsed else ()):
            declared = DeclaredSource(document, ("sources", i), source)
            if source.loader == "dbt":
                source = located_by_dbt(root, source, declared.place, problems)
                declared = replace(declared, source=source)
            written = document.data["sources"][i]["location"]
            problems += location_problems(root, settings, source, written, declared.place)
            if names.new(source.name, declared.place("name")):
                found[source.name] = declared
            tables = _Names("source table", problems)
            for j, table in enumerate(source.tables):
                tables.new(table.name, declared.place("tables", j, "name"))
    return found


def _tell_places(root: Path, settings: spec.ProjectSpec, sources: Mapping[str, DeclaredSource]) -> None:
    """Tells who listens (see cli.witness) of what may be looked at without being opened by Python, and outside the project."""
    files = [declared.source.location for declared in sources.values() if not declared.source.server]
    for place in (*files, settings.ledger, *(target.database for target in settings.targets.values())):
        sys.audit("synth.place", str(root / place))


def _tables(
    root: Path, settings: spec.ProjectSpec, renderer: Renderer, files: ValueFiles, problems: list[Problem]
) -> dict[str, Declared]:  # fmt: skip
    names = _Names("table", problems)
    found: dict[str, Declared] = {}
    for document in _documents(root, settings.metadata_paths, problems):
        parsed = _validate(spec.MetadataFile, document, renderer, problems, files)
        for i, table in enumerate(parsed.tables if parsed else ()):
            declared = Declared(document, ("tables", i), table)
            if names.new(table.name, declared.place("name")):
                found[table.name] = declared
    return found


def _properties(
    root: Path, settings: spec.ProjectSpec, renderer: Renderer, files: ValueFiles, models: Collection[str],
    tables: Collection[str], problems: list[Problem],
) -> tuple[dict[str, DeclaredModel], dict[str, DeclaredUnitTest]]:  # fmt: skip
    """What YAML in the model paths says, of models without metadata and of unit tests."""
    names, unit_names = _Names("model", problems), _Names("unit test", problems)
    found: dict[str, DeclaredModel] = {}
    unit_tests: dict[str, DeclaredUnitTest] = {}
    for document in _documents(root, settings.model_paths, problems):
        parsed = _validate(spec.PropertiesFile, document, renderer, problems, files)
        for i, model in enumerate(parsed.models if parsed else ()):
            described = DeclaredModel(document, ("models", i), model)
            place = described.place("name")
            if model.name in tables:
                what = f"the model '{model.name}' has metadata, which say all of it"
                problems.append(Problem(place, what, f"Move this to {settings.metadata_paths[0]}/."))
            elif model.name not in models:
                problems.append(Problem(place, f"there is no model '{model.name}'", nearest(model.name, models)))
            elif names.new(model.name, place):
                found[model.name] = described
        for i, test in enumerate(parsed.unit_tests if parsed else ()):
            declared = DeclaredUnitTest(document, ("unit_tests", i), test)
            if unit_names.new(test.name, declared.place("name")):
                unit_tests[test.name] = declared
    return found, unit_tests


def _sql(
    root: Path, folders: tuple[str, ...], what: str, problems: list[Problem], without: tuple[str, ...] = ()
) -> dict[str, SqlFile]:  # fmt: skip
    names = _Names(what, problems)
    found: dict[str, SqlFile] = {}
    for path, file in _files(root, folders, (".sql",), problems):
        if any(Path(file).is_relative_to(folder) for folder in without):
            continue
        sql = SqlFile(path.stem, file, _text(path, file, problems), _folders_below(file, folders))
        if not spec.NAME.fullmatch(sql.name):
            fix = f"Rename the file; a {what}'s name has letters, digits and _, and does not begin with a digit."
            problems.append(Problem(Place(file), f"the file's name cannot be a {what}'s", fix))
        elif names.new(sql.name, Place(file)):
            found[sql.name] = sql
    return found


def _odd_models(
    root: Path, settings: spec.ProjectSpec, models: Mapping[str, SqlFile], tables: Collection[str]
) -> Iterator[Problem]:  # fmt: skip
    """Models that DuckDB would take for a table, and those that dbt writes in Python."""
    spelled = {name.casefold(): name for name in tables}
    for name, sql in models.items():
        if (table := spelled.get(name.casefold(), name)) != name:
            fix = "Names ignore case: call the file as the table, or one of them otherwise."
            yield Problem(Place(sql.file), f"the model '{name}' is called as the table '{table}' but for capitals", fix)
    for path in (path for folder in settings.model_paths for path in sorted((root / folder).rglob("*.py"))):
        fix = "Write it as SQL; rows that Python makes are a source, with location: python:module:function."
        yield Problem(Place(path.relative_to(root).as_posix()), "a model is SQL: this is not read", fix)


def _selectors(root: Path, renderer: Renderer, problems: list[Problem]) -> dict[str, DeclaredSelector]:
    if not (root / SELECTORS_FILE).is_file():
        return {}
    document, wrong = yaml.read(SELECTORS_FILE, _text(root / SELECTORS_FILE, SELECTORS_FILE, problems))
    problems += wrong
    parsed = None if document.data is None else _validate(spec.SelectorsFile, document, renderer, problems)
    names = _Names("selector", problems)
    found: dict[str, DeclaredSelector] = {}
    for i, selector in enumerate(parsed.selectors if parsed else ()):
        declared = DeclaredSelector(document, ("selectors", i), selector)
        first = next((d for d in found.values() if d.selector.default), None)
        if selector.default and first:
            what = f"'{selector.name}' is a second default: '{first.selector.name}' is the first"
            problems.append(Problem(declared.place("default"), what, "Only one is used where nothing is selected."))
        if names.new(selector.name, declared.place("name")):
            found[selector.name] = declared
    return found


def _experiments(
    root: Path, settings: spec.ProjectSpec, renderer: Renderer, tables: Collection[str], problems: list[Problem]
) -> dict[str, DeclaredExperiment]:  # fmt: skip
    """One a file."""
    names = _Names("experiment", problems)
    found: dict[str, DeclaredExperiment] = {}
    for document in _documents(root, settings.experiment_paths, problems):
        parsed = _validate(spec.Experiment, document, renderer, problems)
        if parsed is None:
            continue
        declared = DeclaredExperiment(document, (), parsed)
        if parsed.model not in tables:
            what = f"there is no table '{parsed.model}' to experiment with"
            problems.append(Problem(declared.place("model"), what, nearest(parsed.model, tables)))
        if names.new(parsed.name, declared.place("name")):
            found[parsed.name] = declared
    return found


class _Names:
    """Each name of a kind, once; DuckDB's names ignore case."""

    def __init__(self, what: str, problems: list[Problem]) -> None:
        self.what, self.problems = what, problems
        self.first: dict[str, Place] = {}

    def new(self, name: str, place: Place) -> bool:
        """Whether the name is new; a problem where it is not."""
        first = self.first.setdefault(name.casefold(), place)
        if first is not place:
            fix = f"The first is at {first}; names ignore case. Rename or remove one."
            self.problems.append(Problem(place, f"the {self.what} '{name}' is declared twice", fix))
        return first is place


def _files(
    root: Path, folders: Iterable[str], endings: tuple[str, ...], problems: list[Problem]
) -> Iterator[tuple[Path, str]]:  # fmt: skip
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            file, ending = path.relative_to(root).as_posix(), path.suffix
            if ending in endings and path.is_file():
                yield path, file
            elif ending not in endings and ending.lower() in endings and path.is_file():
                fix = f"Call it {path.stem}{ending.lower()}."
                problems.append(Problem(Place(file), f"a file that ends in {ending} is not read", fix))


def _folders_below(file: str, paths: Iterable[str]) -> tuple[str, ...]:
    return next(Path(file).relative_to(p).parts[:-1] for p in paths if Path(file).is_relative_to(p))


def _documents(root: Path, folders: Iterable[str], problems: list[Problem]) -> Iterator[yaml.Document]:
    for path, file in _files(root, folders, (".yml", ".yaml"), problems):
        document, found = yaml.read(file, _text(path, file, problems))
        problems += found
        if document.data is not None:
            yield document


def _text(path: Path, file: str, problems: list[Problem]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem(Place(file), f"cannot be read: {reason}", "Check the file and its permissions."))
        return ""


def _validate(
    model: type[S], document: yaml.Document, renderer: Renderer, problems: list[Problem], files: ValueFiles | None = None
) -> S | None:  # fmt: skip
    """The document as a spec; None with the problems appended."""
    before = len(problems)
    data = _rendered(document, document.data, (), renderer, problems)
    try:
        parsed = model.model_validate({} if data is None else data, context=files)
    except ValidationError as error:
        told = {problem.place for problem in problems[before:]}
        problems += [c for c in complaints(model, document, error) if c.place not in told]
        return None
    return parsed if len(problems) == before else None


def _rendered(document: yaml.Document, data: Any, path: yaml.Path, renderer: Renderer, problems: list[Problem]) -> Any:
    if isinstance(data, dict):
        return {k: _rendered(document, v, (*path, k), renderer, problems) for k, v in data.items()}
    if isinstance(data, list):
        return [_rendered(document, v, (*path, i), renderer, problems) for i, v in enumerate(data)]
    if isinstance(data, str):
        try:
            return renderer.value(data, secret=path[-1:] == ("location",))
        except RenderError as error:
            problems.append(Problem(document.place(path), error.what, error.fix))
    return data
