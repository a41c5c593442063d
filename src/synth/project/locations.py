"""Where things lie, as far as the project's own files tell: apart, no password is written down, and a function is there."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from synth.errors import Place, Problem, masked
from synth.project import spec
from synth.project.nearest import nearest

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FOLDERS = ("source-paths", "metadata-paths", "model-paths", "macro-paths", "test-paths", "experiment-paths")
_APART = "Name a folder of its own: synth writes there, and removes all of it."
_SORTS = {None: "files", "postgres": "a server", "python": "a function"}


def folder_problems(root: Path, settings: spec.ProjectSpec, place: Callable[..., Place]) -> Iterator[Problem]:
    """Of the folder target/, which is written to and removed: nothing else lies in it. ``place``: of a key of the settings."""
    target = (root / settings.target_path).resolve()
    if _in_target(root, settings, settings.ledger):
        what = f"ledger: must not lie in {settings.target_path}/, which may be removed at any time"
        yield Problem(place("ledger"), what, "Name a place outside it.")
    if root.resolve().is_relative_to(target):
        what = f"target-path: {settings.target_path} is the project's own folder"
        yield Problem(place("target-path"), what, _APART)
        return
    folders = [(key, folder) for key in _FOLDERS for folder in getattr(settings, key.replace("-", "_"))]
    for key, folder in folders:
        if _in_target(root, settings, folder) or target.is_relative_to((root / folder).resolve()):
            what = f"target-path: {settings.target_path} is not apart from {folder}, which is one of the {key}"
            yield Problem(place("target-path"), what, _APART)
            return


def _in_target(root: Path, settings: spec.ProjectSpec, name: str) -> bool:
    """Whether it lies in target/ as it is called, or where links lead."""
    target, path = root / settings.target_path, root / name
    by_name = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(target))
    return by_name or path.resolve().is_relative_to(target.resolve())


def location_problems(
    root: Path, settings: spec.ProjectSpec, source: spec.Source, written: str, place: Callable[..., Place]
) -> Iterator[Problem]:  # fmt: skip
    """``written``: the location as it stands in YAML, before Jinja; ``place``: of a key of the source."""
    text = _JINJA.sub("", written)
    if masked(text) != text:
        fix = "Take it from the environment, postgres://user:{{ env_var('LAB_PASSWORD') }}@host/database, or from ~/.pgpass."
        yield Problem(place("location"), "location: holds a password", fix)
    if source.server is None and _in_target(root, settings, source.location):
        what = f"location: lies in {settings.target_path}/, which may be removed at any time"
        yield Problem(place("location"), what, "Keep what synth cannot make again outside it.")
    for name, target in settings.targets.items():
        if _one_file(root / source.location, root / target.database):
            what = f"location: is the database of the target '{name}', into which synth writes what others may read"
            yield Problem(place("location"), what, "Keep the rows of people in a file of their own.")
    if function := spec.PYTHON_LOCATION.fullmatch(source.location):
        yield from _function_problems(root, function[1], function[2], place("location"))
    tables = (((("tables", i, "format"), table.format)) for i, table in enumerate(source.tables))
    for path, format in ((("format",), source.format), *tables):
        if format and (source.server == "python" or (format.type == "postgres") != (source.server == "postgres")):
            what = f"format: {format.type} does not go with {_SORTS[source.server]}"
            yield Problem(place(*path), what, "A server's location begins with postgres://, a function's with python:.")


def _one_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # they need not be there yet
        return one.resolve() == other.resolve()


def _function_problems(root: Path, module: str, function: str, place: Place) -> Iterator[Problem]:
    """The module is read, not run."""
    file = root.joinpath(*module.split(".")).with_suffix(".py")
    name = file.relative_to(root).as_posix()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except OSError:
        fix = "A source's function lies in the project; name its module by the folders that lead to it."
        yield Problem(place, f"location: there is no {name}", fix)
    except (SyntaxError, ValueError):
        yield Problem(place, f"location: {name} is not Python", "Mend it.")
    else:
        known = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        if function not in known:
            yield Problem(place, f"location: {name} defines no function '{function}'", nearest(function, known))
