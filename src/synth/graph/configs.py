"""What a model is told: +config of folders, config of metadata, config() of SQL, nearest last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError

from synth.errors import Place, Problem
from synth.graph.rendered import Rendered
from synth.project import spec
from synth.project.complaints import must
from synth.project.loader import Declared, Project
from synth.project.nearest import nearest
from synth.project.sql_file import SqlFile


def config_of(
    project: Project, name: str, text: SqlFile | None, declared: Declared | None, given: Mapping[str, Any],
    problems: list[Problem],
) -> spec.ModelConfig:  # fmt: skip
    """Folders of synth_project.yml, then metadata's config, then ``given``, which config() in SQL says; tags add up."""
    layers = list(_folder_layers(project, (*(text.folders if text else ()), name)))
    if declared:
        layers.append(declared.table.config.model_dump(exclude_unset=True))
    if described := project.properties.get(name):
        layers.append(described.model.config.model_dump(exclude_unset=True))
    merged: dict[str, Any] = {}
    tags: list[str] = []
    for layer in [*layers, given]:
        try:
            found = spec.ModelConfig.model_validate(layer)
        except ValidationError as error:
            if layer is given and text:  # the others were judged where they stand
                problems += _problems(error, partial(_place, text))
            continue
        merged |= found.model_dump(exclude_unset=True)
        tags += found.tags
    return spec.ModelConfig.model_validate({**merged, "tags": tuple(dict.fromkeys(tags))})


def test_config(asked: Rendered, problems: list[Problem]) -> spec.TestConfig:
    """What config() in a singular test says."""
    try:
        return spec.TestConfig.model_validate(asked.config)
    except ValidationError as error:
        assert asked.text is not None
        problems += _problems(error, partial(_place, asked.text), spec.TestConfig)
        return spec.TestConfig()


def _problems(
    error: ValidationError, place: Callable[[str], Place], kind: type[spec.Spec] = spec.ModelConfig
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


def _folder_layers(project: Project, path: Iterable[str]) -> Iterator[dict[str, Any]]:
    """What synth_project.yml says of the model at a path of folders, outermost first."""
    here: Any = project.settings.models
    for folder in (None, project.settings.name, *path):
        here = here if folder is None else here.get(folder) if isinstance(here, dict) else None
        if isinstance(here, dict):
            yield {key[1:]: value for key, value in here.items() if key.startswith("+") and key != "+trust_sql"}


def folder_problems(project: Project, models: Iterable[str]) -> Iterator[Problem]:
    """Of ``models:`` in synth_project.yml: every +config, also where no model is, and every name of a folder."""
    paths: set[tuple[str, ...]] = {(project.settings.name, name) for name in models}
    paths |= {(project.settings.name, *text.folders, name) for name, text in project.models.items()}

    def visit(here: dict[str, Any], path: tuple[str, ...]) -> Iterator[Problem]:
        def place(key: str) -> Place:
            return project.document.place(("models", *path, key), key=True)

        try:
            spec.ModelConfig.model_validate({k[1:]: v for k, v in here.items() if k.startswith("+")})
        except ValidationError as error:
            yield from _problems(error, lambda key: place(f"+{key}"))
        if "+trust_sql" in here:
            what = "trust_sql is said of one model, never of a folder"
            yield Problem(place("+trust_sql"), what, "Move it to config() of the model's SQL, or to its metadata.")
        known = {p[len(path)] for p in paths if p[: len(path)] == path and len(p) > len(path)}
        for key, value in here.items():
            if key.startswith("+"):
                continue
            if key not in known:
                fix = f"Write +{key}." if key in spec.ModelConfig.model_fields else nearest(key, known)
                yield Problem(place(key), f"there is no folder or model '{key}'", fix)
            elif isinstance(value, dict):
                yield from visit(value, (*path, key))
            else:
                yield Problem(place(key), f"'{key}' must be a mapping", "For example {+materialized: private}.")

    yield from visit(dict(project.settings.models), ())
