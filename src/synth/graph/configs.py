"""What a model or a test is told: +config of folders, config of YAML, config() of SQL, nearest last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from synth.errors import Place, Problem
from synth.project import spec
from synth.project.complaints import must
from synth.project.loader import Declared, Project
from synth.project.nearest import nearest
from synth.project.sql_file import SqlFile

C = TypeVar("C", spec.ModelConfig, spec.TestConfig, spec.UnitTestConfig)


@dataclass(frozen=True)
class _Block:
    """A key of synth_project.yml below which folders have +config."""

    key: str
    kind: type[spec.ModelConfig] | type[spec.TestConfig] | type[spec.UnitTestConfig]
    what: str
    example: str


_MODELS = _Block("models", spec.ModelConfig, "model", "{+materialized: private}")
_UNIT_TESTS = _Block("unit_tests", spec.UnitTestConfig, "unit test", "{+enabled: false}")


def _tests(project: Project) -> _Block:
    key = "data_tests" if project.settings.data_tests else "tests"
    return _Block(key, spec.TestConfig, "test", "{+severity: warn}")


def config_of(
    project: Project, name: str, text: SqlFile | None, declared: Declared | None, given: Mapping[str, Any],
    problems: list[Problem],
) -> spec.ModelConfig:  # fmt: skip
    """Folders of synth_project.yml, then metadata's config, then ``given``, which config() in SQL says; tags and meta add up."""
    layers = list(_folder_layers(project, _MODELS, (*(text.folders if text else ()), name)))
    if declared:
        layers += [{"meta": declared.table.meta}, declared.table.config.model_dump(exclude_unset=True)]
    if described := project.properties.get(name):
        layers += [{"meta": described.model.meta}, described.model.config.model_dump(exclude_unset=True)]
    return _merged(spec.ModelConfig, layers, given, text, problems)


def test_config(
    project: Project, name: str, text: SqlFile | None, folders: Sequence[str], given: Mapping[str, Any],
    problems: list[Problem],
) -> spec.TestConfig:  # fmt: skip
    """Folders of synth_project.yml, then ``given``: what a generic test says in YAML, a singular one by config() in ``text``."""
    layers = list(_folder_layers(project, _tests(project), (*folders, name)))
    return _merged(spec.TestConfig, layers, given, text, problems)


def unit_test_configs(project: Project, problems: list[Problem]) -> dict[str, spec.UnitTestConfig]:
    """Folders of synth_project.yml, in which a unit test stands below its file and its model; then its own; by name."""
    declared = project.unit_tests.items()
    paths = {name: (*d.folders(project.settings.model_paths), d.test.model, name) for name, d in declared}
    problems += _folder_problems(project, _UNIT_TESTS, paths.values())
    layers = {name: list(_folder_layers(project, _UNIT_TESTS, path)) for name, path in paths.items()}
    given = {name: d.test.config.model_dump(exclude_unset=True) for name, d in declared}
    return {name: _merged(spec.UnitTestConfig, layers[name], given[name], None, problems) for name in paths}


def _merged(
    kind: type[C], layers: list[dict[str, Any]], given: Mapping[str, Any], text: SqlFile | None, problems: list[Problem]
) -> C:  # fmt: skip
    """The nearest wins; tags and meta add up. What is wrong with ``given`` is told; the rest was judged where it stands."""
    merged: dict[str, Any] = {}
    tags: list[str] = []
    meta: dict[str, Any] = {}
    for layer in [*layers, given]:
        try:
            found = kind.model_validate(layer)
        except ValidationError as error:
            if layer is given and text:
                problems += _problems(error, partial(_place, text), kind)
            continue
        merged |= found.model_dump(exclude_unset=True)
        tags += found.tags
        meta |= found.meta
    return kind.model_validate({**merged, "tags": tuple(dict.fromkeys(tags)), "meta": meta})


def _problems(
    error: ValidationError, place: Callable[[str], Place], kind: type[spec.Spec]
) -> Iterator[Problem]:  # fmt: skip
    for detail in error.errors(include_url=False, include_input=False):
        key, *inner = (part for part in detail["loc"] if isinstance(part, str))
        if detail["type"] == "extra_forbidden":
            known = spec.GeneratorSpec.model_fields if inner else kind.model_fields
            name = inner[-1] if inner else key
            yield Problem(place(key), f"unknown config '{'.'.join((key, *inner))}'", nearest(name, known))
        elif detail["type"] == "value_error":
            what, _, fix = detail["msg"].removeprefix("Value error, ").partition("; ")
            yield Problem(place(key), f"config {key}: {what}", f"{fix[:1].upper()}{fix[1:]}." if fix else "")
        else:
            what, fix = must(detail, inner[-1] if inner else key)
            yield Problem(place(key), f"config {f'{key}: ' if inner else ''}{what}", fix)


def _place(text: SqlFile, key: str) -> Place:
    found = re.search(rf"config\s*\(.*?\b({re.escape(key)})\s*=", text.text, re.DOTALL)
    return text.place(found.start(1)) if found else text.find("config")


def config_place(
    project: Project, name: str, text: SqlFile | None, declared: Declared | None, *key: str
) -> Place | None:  # fmt: skip
    """Where the nearest config of a model says a key; None where none does."""
    if text and (found := re.search(rf"\{{\{{-?\s*config\s*\((?:(?!\}}\}}).)*?\b({key[0]})\s*=", text.text, re.DOTALL)):
        return text.place(found.start(1))
    if declared and key[0] in declared.table.config.model_fields_set:
        return declared.place("config", *key)
    path: tuple[str, ...] = ("models",)
    nearest_place = None
    for folder in (None, project.settings.name, *(text.folders if text else ()), name):
        path = path if folder is None else (*path, folder)
        if (*path, f"+{key[0]}") in project.document.keys:
            nearest_place = project.document.place((*path, f"+{key[0]}", *key[1:]))
    return nearest_place


def _folder_layers(project: Project, block: _Block, path: Iterable[str]) -> Iterator[dict[str, Any]]:
    """What synth_project.yml says of the node at a path of folders, outermost first."""
    here: Any = getattr(project.settings, block.key)
    for folder in (None, project.settings.name, *path):
        here = here if folder is None else here.get(folder) if isinstance(here, dict) else None
        if isinstance(here, dict):
            yield {key[1:]: value for key, value in here.items() if key.startswith("+") and key != "+trust_sql"}


def model_folder_problems(project: Project, models: Iterable[str]) -> Iterator[Problem]:
    """Of ``models:`` in synth_project.yml."""
    paths = {(name,) for name in models} | {(*text.folders, name) for name, text in project.models.items()}
    return _folder_problems(project, _MODELS, paths)


def test_folder_problems(project: Project, generic: Iterable[tuple[str, ...]]) -> Iterator[Problem]:
    """Of ``tests:`` in synth_project.yml, or ``data_tests:``; the paths of generic tests, folders and name."""
    paths = {*generic, *((*text.folders, name) for name, text in project.tests.items())}
    return _folder_problems(project, _tests(project), paths)


def _folder_problems(project: Project, block: _Block, below: Iterable[tuple[str, ...]]) -> Iterator[Problem]:
    """Of every +config, also where no node is, and of every name of a folder; ``below``: the nodes, below the project."""
    paths = {(project.settings.name, *path) for path in below} | {(project.settings.name,)}

    def visit(here: dict[str, Any], path: tuple[str, ...]) -> Iterator[Problem]:
        def place(key: str) -> Place:
            return project.document.place((block.key, *path, key), key=True)

        try:
            block.kind.model_validate({k[1:]: v for k, v in here.items() if k.startswith("+")})
        except ValidationError as error:
            yield from _problems(error, lambda key: place(f"+{key}"), block.kind)
        if "+trust_sql" in here and block is _MODELS:
            what = "trust_sql is said of one model, never of a folder"
            yield Problem(place("+trust_sql"), what, "Move it to config() of the model's SQL, or to its metadata.")
        known = {p[len(path)] for p in paths if p[: len(path)] == path and len(p) > len(path)}
        for key, value in here.items():
            if key.startswith("+"):
                continue
            if key not in known:
                fix = f"Write +{key}." if key in block.kind.model_fields else nearest(key, known)
                yield Problem(place(key), f"there is no folder or {block.what} '{key}'", fix)
            elif isinstance(value, dict):
                yield from visit(value, (*path, key))
            else:
                yield Problem(place(key), f"'{key}' must be a mapping", f"For example {block.example}.")

    yield from visit(dict(getattr(project.settings, block.key)), ())
