"""What a selector's method compares: ``tag:hospital``, ``path:models/marts``, ``config.materialized:table``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from synth.artifacts.compiled import Manifest, ManifestNode
from synth.errors import UsageError
from synth.graph.state import AGES, CHANGES, STATUSES, State
from synth.project.nearest import nearest

OF_STATE = ("state", "result", "source_status")
_ABSENT = {
    "access": "access levels", "exposure": "exposures", "group": "groups", "metric": "metrics", "package": "packages",
    "saved_query": "saved queries", "semantic_model": "semantic models", "version": "versions of models",
}  # fmt: skip


def default(value: str) -> str:
    """What a pattern without a method is compared with."""
    return "path" if "/" in value else "file" if value.endswith((".sql", ".yml")) else "fqn"


def check(method: str, value: str) -> None:
    """Raises UsageError for a method that there is not, and for a value that it can never have."""
    known = {"state": CHANGES, "result": STATUSES, "source_status": AGES}.get(method)
    if method in _ABSENT:
        raise UsageError(
            f"'{method}:{value}' is dbt's: synth has no {_ABSENT[method]}", f"Methods: {', '.join(_METHODS)}."
        )
    if method not in _VALUES and method not in OF_STATE and not method.startswith("config."):
        raise UsageError(f"unknown selection method '{method}:'", nearest(method, _METHODS))
    if known and value not in known:
        raise UsageError(f"unknown selector '{method}:{value}'", nearest(value, known))


def matching(manifest: Manifest, method: str, value: str, state: State) -> set[str]:
    """The ids of the nodes that match."""
    if method == "state":
        return state.changed(manifest, value)
    if method == "result":
        return {i for i, status in state.statuses(manifest).items() if status == value}
    if method == "source_status":
        return state.fresher(manifest)
    fits = _FITS.get(method, _any_of(method))
    return {node.unique_id for node in manifest.nodes.values() if fits(node, value)}


def hint(manifest: Manifest, method: str, value: str) -> str:
    """The nearest of all that would have matched."""
    nodes = list(manifest.nodes.values())
    if method == "fqn" and "." not in value:  # the ids of generic tests have dots
        nodes = [node for node in nodes if node.test_type != "generic"]
    key = method.removeprefix("config.")
    known = [found for node in nodes for found in _values(method)(node)]
    if known or not method.startswith("config."):
        return nearest(value, known) or f"Nothing here has a {method}."
    return nearest(key, {key for node in nodes for key in node.config})


def _values(method: str) -> Callable[[ManifestNode], Iterable[str]]:
    if method in _VALUES:
        return _VALUES[method]
    return lambda node: _configured(node, method.removeprefix("config."))


def _any_of(method: str) -> Callable[[ManifestNode, str], bool]:
    """Whether a node has a value that the pattern fits; a config is compared as it is."""
    fits = fnmatchcase if method in _VALUES else _same
    return lambda node, wanted: any(fits(value, wanted) for value in _values(method)(node))


def _called(node: ManifestNode, wanted: str) -> bool:
    """As dbt reads it: a name; a path of folders, with the project or without; a pattern of either. Sources have none."""
    if node.resource_type == "source":
        return False
    return node.name == wanted or any(_named(fqn, wanted) for fqn in (node.fqn, node.fqn[1:]))


def _named(fqn: Sequence[str], wanted: str) -> bool:
    parts, path = wanted.split("."), ".".join(fqn).split(".")
    plain = next((i for i, part in enumerate(parts) if any(sign in part for sign in "*?[]")), len(parts))
    if fqn[-1] == wanted or ("." not in wanted and fnmatchcase(fqn[-1], wanted)):
        return True
    if path[:plain] != parts[:plain]:
        return False
    return plain == len(parts) or fnmatchcase(".".join(path[plain:]), ".".join(parts[plain:]))


def _lies_in(node: ManifestNode, wanted: str) -> bool:
    pattern = PurePosixPath(wanted).parts
    return any(_fits(PurePosixPath(path).parts, pattern) for path in _paths(node))


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """``*`` is any part of a path, ``**`` any number of them."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return _fits(path, pattern[1:]) or (bool(path) and _fits(path[1:], pattern))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])


def _is_source(node: ManifestNode, wanted: str) -> bool:
    """``source``, ``source.table`` or ``project.source.table``."""
    found = [name for name in _sources(node) if name.count(".") == wanted.count(".")]
    return any(fnmatchcase(name, wanted) for name in found)


def _names(node: ManifestNode) -> Iterator[str]:
    if node.resource_type != "source":
        yield from (node.name, *node.fqn)


def _paths(node: ManifestNode) -> Iterator[str]:
    """The node's file, its metadata, and the folders around them."""
    for file in filter(None, (node.original_file_path, node.patch_path)):
        yield from (file, *(str(folder) for folder in PurePosixPath(file).parents if folder.name))


def _files(node: ManifestNode) -> tuple[str, ...]:
    file = PurePosixPath(node.original_file_path)
    return (file.name, file.stem)


def _sources(node: ManifestNode) -> tuple[str, ...]:
    if node.resource_type != "source":
        return ()
    return (node.name.split(".")[0], node.name, f"{node.package_name}.{node.name}")


def _test_types(node: ManifestNode) -> tuple[str, ...]:
    """With dbt's older words, ``schema`` and ``data``."""
    older = {"generic": ("schema", "data"), "singular": ("data",), "unit": ()}
    return (node.test_type, *older[node.test_type]) if node.test_type else ()


def _configured(node: ManifestNode, path: str) -> tuple[str, ...]:
    value: Any = node.config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return tuple(str(item) for item in (value if isinstance(value, list | tuple) else [value]) if item is not None)


def _same(value: str, wanted: str) -> bool:
    """Numbers are the same however they are written, and words in capitals or not."""
    try:
        return float(value) == float(wanted)
    except ValueError:
        return value.casefold() == wanted.casefold()


_VALUES: dict[str, Callable[[ManifestNode], Iterable[str]]] = {
    "fqn": _names,
    "tag": lambda node: node.tags,
    "path": _paths,
    "file": _files,
    "source": _sources,
    "resource_type": lambda node: (node.resource_type,),
    "test_type": _test_types,
    "unit_test": lambda node: (node.name,) if node.resource_type == "unit_test" else (),
    "test_name": lambda node: (node.test_name,) if node.test_name else (),
}
_FITS: dict[str, Callable[[ManifestNode, str], bool]] = {"fqn": _called, "path": _lies_in, "source": _is_source}
_METHODS = (*_VALUES, "config.materialized", *OF_STATE)
