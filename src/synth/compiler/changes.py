"""What changed between a fit that was paid for and the model as it is now, in the user's words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

from synth.artifacts.compiled import COLUMNS, DeclaredKey, SyntheticModel
from synth.artifacts.forecast import FitRecord, Reason
from synth.version import __version__

SHORT = 40  # characters of a value that is shown


def changes(before: FitRecord, now: SyntheticModel) -> tuple[Reason, ...]:
    """Each declared key that is another now, and its place; failing that, which part of the compiled model is."""
    return tuple(_declared(_grouped(before.declared), _grouped(now.declared))) or tuple(_compiled(before, now))


_Groups = dict[str, dict[str, DeclaredKey]]  # by what a key is of, then by key


def _grouped(declared: Iterable[DeclaredKey]) -> _Groups:
    found: _Groups = {}
    for each in declared:
        found.setdefault(each.of, {})[each.key] = each
    return found


def _declared(old: _Groups, new: _Groups) -> Iterator[Reason]:
    for of, keys in new.items():
        if of not in old:
            yield Reason(what=f"{of}: added", place=_nearest(keys))
        elif of == COLUMNS:
            yield from _order(old[of], keys)
        else:
            yield from _keys(of, old[of], keys)
    for of in old:
        if of not in new:
            yield Reason(what=f"{of}: removed", place=_nearest(new[COLUMNS]))


def _keys(of: str, old: Mapping[str, DeclaredKey], new: Mapping[str, DeclaredKey]) -> Iterator[Reason]:
    for key in dict.fromkeys((*new, *old)):
        before, after = (keys[key].value if key in keys else None for keys in (old, new))
        if before == after:
            continue
        place = new[key].place if key in new else _nearest(new)
        if key:
            yield Reason(what=f"{of}: {key}{_values(before, after)}", place=place)
        else:
            yield Reason(what=f"{of}: changed", place=f"{place}:{_first_line(before or '', after or '')}")


def _order(old: Mapping[str, DeclaredKey], new: Mapping[str, DeclaredKey]) -> Iterator[Reason]:
    """Whether the columns are in another order; those that came or went are told by themselves."""
    ((before, after),) = ((json.loads(old[key].value), json.loads(new[key].value)) for key in new)
    if [c for c in before if c in after] != [c for c in after if c in before]:
        yield Reason(what="columns: in another order", place=_nearest(new))


def _nearest(keys: Mapping[str, DeclaredKey]) -> str:
    return next(iter(keys.values())).place


def _compiled(before: FitRecord, now: SyntheticModel) -> Iterator[Reason]:
    """What no declared key explains: a macro or a variable in SQL, or another version of synth."""
    after = now.fit_inputs()
    parts = {name for name in {*before.inputs, *after} if before.inputs.get(name) != after.get(name)}
    of_plan = []
    if "plan" in parts:
        old, new = json.loads(before.inputs.get("plan", "{}")), json.loads(after["plan"])
        of_plan = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if before.synth_version != __version__ or of_plan or "fitting" in parts:
        what = f"synth {before.synth_version} -> {__version__} fits it otherwise"
        yield Reason(what=f"{what} ({', '.join(of_plan)})" if of_plan else what)
    elif parts:
        yield Reason(what="its SQL is rendered otherwise: a macro, a variable or what it reads changed", place=now.file)


def _values(before: str | None, after: str | None) -> str:
    """ " 1.0 -> 0.5"; nothing where that would be long."""
    old, new = ("not set" if value is None else value for value in (before, after))
    return f" {old} -> {new}" if max(len(old), len(new)) <= SHORT else ""


def _first_line(before: str, after: str) -> int:
    """The first line of ``after`` that is another, counted from 1."""
    lines = zip_longest(before.split("\n"), after.split("\n"))
    first = next(i for i, (a, b) in enumerate(lines, 1) if a != b)
    return min(first, after.count("\n") + 1)
