"""selectors.yml: selections with a name, as dbt writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from synth.errors import Problem, UsageError
from synth.graph import methods
from synth.graph.selection import Group, Indirect, Selection, Term, term
from synth.project.loader import DeclaredSelector, Project
from synth.project.nearest import nearest

T = TypeVar("T")
_SETS = ("union", "intersection")
_REACH = ("childrens_parents", "parents", "children")
_DEPTHS = ("parents_depth", "children_depth")
_KEYS = ("method", "value", *_REACH, *_DEPTHS, "indirect_selection", "exclude")
_EXAMPLE = "For example: definition: {union: [tag:hospital, +admissions]}."
_Path = tuple[str | int, ...]


class _Wrong(Exception):
    """A definition that cannot be read on; its problem is told."""


def named_selections(project: Project, problems: list[Problem]) -> dict[str, Selection]:
    """Each definition that can be read; a later one may name an earlier."""
    found: dict[str, Selection] = {}
    for name, declared in project.selectors.items():
        reader = _Reader(declared, found, problems)
        try:
            found[name] = reader.read(declared.selector.definition, ("definition",))
        except _Wrong:
            continue
    return found


@dataclass
class _Reader:
    declared: DeclaredSelector
    earlier: dict[str, Selection]
    problems: list[Problem]

    def read(self, definition: Any, path: _Path) -> Selection:
        if isinstance(definition, str):
            if " " in definition or "," in definition:
                raise self.wrong(path, f"'{definition}' is more than one selector", f"Name what joins them. {_EXAMPLE}")
            return self.checked(path, lambda: term(definition))
        if not isinstance(definition, dict) or not definition:
            raise self.wrong(path, "a definition must be text or a mapping", _EXAMPLE)
        kind = next((key for key in _SETS if key in definition), None)
        if kind and len(definition) > 1:
            other = next(key for key in definition if key != kind)
            raise self.wrong(
                (*path, other), f"'{other}' stands beside {kind}", f"Put it into the list of {kind}.", True
            )
        if kind:
            return self.group(kind, definition[kind], (*path, kind))
        if len(definition) == 1 and "method" not in definition:
            ((method, value),) = definition.items()
            return self.reaching({"method": method, "value": value}, path)
        return self.criterion(definition, path)

    def group(self, kind: str, parts: Any, path: _Path) -> Selection:
        if not isinstance(parts, list):
            raise self.wrong(path, f"{kind} must be a list", _EXAMPLE)
        excludes = [i for i, part in enumerate(parts) if isinstance(part, dict) and [*part] == ["exclude"]]
        if len(excludes) > 1:
            raise self.wrong((*path, excludes[1]), "a second exclude in one list", "Put all into one exclude.")
        if len(excludes) == len(parts):
            raise self.wrong(path, f"{kind} holds nothing to select", _EXAMPLE)
        included = [self.read(part, (*path, i)) for i, part in enumerate(parts) if i not in excludes]
        found = Group("union" if kind == "union" else "intersection", tuple(included), "eager")
        if not excludes:
            return found
        return self.without(found, parts[excludes[0]]["exclude"], (*path, excludes[0], "exclude"))

    def criterion(self, definition: dict[str, Any], path: _Path) -> Selection:
        for key in definition:
            if key not in _KEYS:
                raise self.wrong((*path, key), f"unknown key '{key}'", nearest(key, (*_KEYS, *_SETS)), True)
        if not {"method", "value"} <= set(definition):
            missing = "value" if "method" in definition else "method"
            raise self.wrong(path, f"the key '{missing}' is missing", "For example {method: tag, value: hospital}.")
        if definition["method"] == "selector":
            return self.inherited(definition, path)
        self.check_types(definition, path)
        found: Selection = self.reaching(definition, path)
        if "exclude" in definition:
            return self.without(found, definition["exclude"], (*path, "exclude"))
        return found

    def inherited(self, definition: dict[str, Any], path: _Path) -> Selection:
        name = _text(definition["value"])
        if len(definition) > 2:
            other = next(key for key in definition if key not in ("method", "value"))
            what = f"'{other}' has no effect on a selector that is named"
            raise self.wrong((*path, other), what, "Say it there, or put both into a union or an intersection.", True)
        if name not in self.earlier:
            what = f"no selector '{name}' stands above"
            raise self.wrong((*path, "value"), what, nearest(name, self.earlier) or "Define it first.")
        return self.earlier[name]

    def check_types(self, definition: dict[str, Any], path: _Path) -> None:
        for key in _REACH:
            if not isinstance(definition.get(key, False), bool):
                raise self.wrong((*path, key), f"{key}: must be true or false")
        if definition.get("childrens_parents") and definition.get("children"):
            what = "childrens_parents already goes down, so children says nothing"
            raise self.wrong((*path, "children"), what, "Remove one of the two.", True)
        for key in _DEPTHS:
            depth = definition.get(key, 1)
            if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
                raise self.wrong((*path, key), f"{key}: must be a whole number")
            if key in definition and not definition.get(key.removesuffix("_depth")):
                beside = f"{key.removesuffix('_depth')}: true"
                raise self.wrong((*path, key), f"{key} has no effect without {beside}", f"Add {beside}.", True)
        indirect = definition.get("indirect_selection", "eager")
        if indirect not in get_args(Indirect):
            what = f"unknown indirect_selection '{_text(indirect)}'"
            raise self.wrong((*path, "indirect_selection"), what, nearest(_text(indirect), get_args(Indirect)))

    def reaching(self, definition: dict[str, Any], path: _Path) -> Term:
        method, value = _text(definition["method"]), _text(definition["value"])
        self.checked(path, lambda: methods.check(method, value))
        up, down = (
            definition.get(f"{side}_depth", -1) if definition.get(side) else None for side in ("parents", "children")
        )
        at, indirect = definition.get("childrens_parents", False), definition.get("indirect_selection")
        return Term(f"{method}:{value}", method, value, up, down, at, indirect)

    def without(self, found: Selection, excluded: Any, path: _Path) -> Group:
        if not isinstance(excluded, list) or not excluded:
            raise self.wrong(path, "exclude must be a list", "For example exclude: [tag:slow].")
        parts = tuple(self.read(part, (*path, i)) for i, part in enumerate(excluded))
        return Group("difference", (found, Group("union", parts, "eager")), "eager")

    def checked(self, path: _Path, read: Callable[[], T]) -> T:
        try:
            return read()
        except UsageError as error:
            raise self.wrong(path, error.what, error.fix) from error

    def wrong(self, path: _Path, what: str, fix: str = "", key: bool = False) -> _Wrong:
        self.problems.append(Problem(self.declared.place(*path, key=key), what, fix))
        return _Wrong()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
