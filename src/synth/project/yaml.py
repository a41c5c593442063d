"""Strict YAML: a document with the position of every key and value, and every problem at once.

Scalars follow YAML 1.2's core schema, not 1.1: ``NO`` and ``008`` are text, ``1e-5`` is a number. Duplicate keys, tags and
merge keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from synth.errors import Place, Problem

Path = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ZERO_LED = re.compile(r"[-+]?0[0-9]+")
_CORE = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """The data of one file and the place of each path in it: ``keys`` of mappings' keys, ``values`` of everything."""

    file: str
    lines: tuple[str, ...]
    data: Any
    keys: dict[Path, Place]
    values: dict[Path, Place]

    def place(self, path: Path, key: bool = False) -> Place:
        """The place of a path, or of the nearest thing around it that is in the file."""
        for end in range(len(path), -1, -1):
            for known in (self.keys, self.values) if key else (self.values, self.keys):
                if path[:end] in known:
                    return known[path[:end]]
        return Place(self.file)


@dataclass
class _Reader:
    file: str
    lines: tuple[str, ...]
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def at(self, mark: yaml.Mark) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.file, mark.line + 1, mark.column + 1, text)

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = self.at(node.start_mark)
        if not node.tag.startswith(_CORE):
            self.problems.append(Problem(self.at(node.start_mark), f"the tag {node.tag} is not allowed", "Remove it."))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, i)) for i, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name, place = key_node.value, self.at(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode) or name == "<<":
                self.problems.append(Problem(place, "a key must be plain text", "Write it out."))
            elif name in result:
                first = self.keys[(*path, name)]
                self.problems.append(
                    Problem(place, f"the key '{name}' stands twice", f"The first is on line {first.line}. Keep one.")
                )
            else:
                self.keys[(*path, name)] = place
                result[name] = self.read(value_node, (*path, name))
        return result


def _scalar(node: yaml.ScalarNode) -> Hashable:
    text: str = node.value
    if node.style is not None:  # quoted or a block
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _ZERO_LED.fullmatch(text):
        return float(text)
    return text


def read(file: str, text: str) -> tuple[Document, list[Problem]]:
    """One YAML document. Where the file is not YAML its data is None and the problem says where it breaks."""
    reader = _Reader(file, tuple(text.splitlines()))
    try:
        node = yaml.compose(text, Loader=_LOADER)
        data = None if node is None else reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = reader.at(mark) if mark else Place(file)
        what = " ".join(part for part in (error.context, error.problem) if part)
        data, reader.problems = (
            None,
            [Problem(place, f"this is not YAML: {what}", "Check indentation, quotes and colons.")],
        )
    except yaml.YAMLError as error:
        data, reader.problems = None, [Problem(Place(file), f"this is not YAML: {error}", "Is the file UTF-8 text?")]
    return Document(file, reader.lines, data, reader.keys, reader.values), reader.problems
