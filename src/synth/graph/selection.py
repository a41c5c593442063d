"""dbt's selection grammar as a value, and the nodes of a manifest that it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from synth.artifacts.compiled import Manifest, ManifestNode
from synth.errors import NothingToDo, UsageError
from synth.graph import methods
from synth.graph.state import State

Indirect = Literal["eager", "cautious", "buildable", "empty"]  # which tests come with what they test
_TERM = re.compile(
    r"(?P<at>@)?(?P<up>(?P<up_n>\d*)\+)?((?P<method>[\w.]+):)?(?P<value>.+?)(?P<down>\+(?P<down_n>\d*))?"
)
_COMBINE: dict[str, Callable[..., set[str]]] = {
    "union": set.union,
    "intersection": set.intersection,
    "difference": set.difference,
}


@dataclass(frozen=True)
class Term:
    """One pattern: how far up and down from what matches (None: not at all, -1: all the way)."""

    text: str
    method: str
    value: str
    up: int | None = None
    down: int | None = None
    childrens_parents: bool = False  # dbt's @
    indirect: Indirect | None = None  # None: as the command says


@dataclass(frozen=True)
class Group:
    """Selections that are brought together: of a difference, the first without the others."""

    kind: Literal["union", "intersection", "difference"]
    parts: tuple[Selection, ...]
    indirect: Indirect | None = None


Selection = Term | Group


def parse(selections: Iterable[str]) -> Group:
    """Spaces join (union), commas intersect; one word at least."""
    words = [word for selection in selections for word in selection.split() or [""]]
    return Group("union", tuple(Group("intersection", tuple(map(term, word.split(",")))) for word in words))


def term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if not found or (found["at"] and found["down"]):
        what = f"'{text}' is not a selector" + (": @ already goes down, so + after it says nothing" if found else "")
        raise UsageError(what, "For example: admissions, +admissions, tag:hospital, source:mimic+")
    method = found["method"] or methods.default(found["value"])
    methods.check(method, found["value"])
    up, down = (None if not found[side] else int(found[f"{side}_n"] or -1) for side in ("up", "down"))
    return Term(text, method, found["value"], up, down, bool(found["at"]))


def select(
    manifest: Manifest, wanted: Selection | None, exclude: Selection | None, mode: Indirect, state: State, asked: str
) -> list[ManifestNode]:
    """The selected nodes in the manifest's order; everything where nothing is ``wanted``. Raises UsageError for none."""
    if not manifest.nodes:
        fix = "Declare one in sources/, then write the metadata of a table, or have them drafted: synth draft SOURCE.TABLE"
        raise UsageError("the project has no source and no table yet", fix)
    selector = _Selector(manifest, mode, state)
    chosen = selector.nodes(wanted) if wanted else set(manifest.nodes)
    if not chosen:
        what = f"the selection '{asked}' holds nothing"
        if selector.nothing:
            raise NothingToDo(what, " ".join(selector.nothing))
        raise UsageError(what, "A comma means both; a space, either.")
    if exclude and wanted:
        chosen = selector.nodes(Group("difference", (wanted, exclude), "eager"))
    elif exclude:
        chosen -= selector.nodes(exclude)
    if not chosen:
        raise UsageError(f"the selection '{asked}' leaves nothing after --exclude", "Loosen one of the two.")
    return [node for node in manifest.nodes.values() if node.unique_id in chosen]


class _Selector:
    """What the parts of a selection mean: nodes, and tests that wait for the other tables that they read."""

    def __init__(self, manifest: Manifest, mode: Indirect, state: State) -> None:
        self.manifest, self.mode, self.state = manifest, mode, state
        self.nothing: list[str] = []  # what was asked of the state, and holds of no node
        self.children: dict[str, list[str]] = {i: [] for i in manifest.nodes}
        for node in manifest.nodes.values():
            for parent in node.depends_on:
                self.children[parent].append(node.unique_id)

    def nodes(self, part: Selection) -> set[str]:
        return self._part(part)[0]

    def _part(self, part: Selection) -> tuple[set[str], set[str]]:
        if isinstance(part, Term):
            return self._with_tests(self._reached(part), part.indirect or self.mode)
        found = [self._part(inner) for inner in part.parts]
        combine = _COMBINE[part.kind]
        chosen = combine(*(chosen for chosen, _ in found))
        waiting = combine(*(chosen | waiting for chosen, waiting in found)) - chosen
        ready = self._ready(chosen, waiting, part.indirect or self.mode)
        return chosen | ready, waiting

    def _reached(self, term: Term) -> set[str]:
        start = methods.matching(self.manifest, term.method, term.value, self.state)
        if not start and term.method not in methods.OF_STATE:
            fix = methods.hint(self.manifest, term.method, term.value)
            raise UsageError(f"the selector '{term.text}' matches nothing", fix)
        if not start:
            self.nothing.append(f"'{term.text}' matches nothing in {self.state.folder}.")
        found = set(start)
        if term.childrens_parents:
            found |= self._walk(self._walk(start, -1, self._below), -1, self._above)
        if term.up is not None:
            found |= self._walk(start, term.up, self._above)
        if term.down is not None:
            found |= self._walk(start, term.down, self._below)
        return found

    def _with_tests(self, chosen: set[str], mode: Indirect) -> tuple[set[str], set[str]]:
        """With the tests of what is chosen; and those that also read what is not, where that matters."""
        near = {c for i in chosen for c in self.children[i] if self.manifest.nodes[c].is_test} - chosen
        if mode == "empty":
            return chosen, set()
        ready = near if mode == "eager" else self._ready(chosen, near, mode)
        return chosen | ready, near - ready

    def _ready(self, chosen: set[str], tests: set[str], mode: Indirect) -> set[str]:
        """The tests that read nothing but what is chosen; or, where buildable, is above that."""
        if mode in ("eager", "empty"):
            return set()
        there = chosen if mode == "cautious" else self._walk(chosen, -1, self._above)
        return {test for test in tests if there.issuperset(self._above(test))}

    def _walk(self, start: set[str], steps: int, near: Callable[[str], Iterable[str]]) -> set[str]:
        """What is reached in so many steps, the start as well; -1: in any number."""
        seen, edge = set(start), set(start)
        while edge and steps != 0:
            edge, steps = {n for i in edge for n in near(i)} - seen, steps - 1
            seen |= edge
        return seen

    def _above(self, node: str) -> Iterable[str]:
        return self.manifest.nodes[node].depends_on

    def _below(self, node: str) -> Iterable[str]:
        return self.children[node]
