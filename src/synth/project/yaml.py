"""Strict YAML: a document with the position of every key and value, and every problem at once.

Scalars follow YAML 1.2's core schema, not 1.1: ``NO`` and ``008`` are text, ``1e-5`` is a number. Duplicate keys, tags and
merge keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from synth.errors import Place, Problem

Path = tuple[str | int, ...]

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar as text: any other tag was written by hand
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ZERO_LED = re.compile(r"[-+]?0[0-9]+")
_BARE_JINJA = ("an expression in {{ }} must stand in quotes", 'Write "{{ ... }}".')
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


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
    whole: bool = True  # false where something could not be read, and judging the rest would mislead

    def at(self, mark: yaml.Mark) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.file, mark.line + 1, mark.column + 1, text.replace("\t", " "))  # the caret counts characters

    def refuse(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.whole = False

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = self.at(node.start_mark)
        if node.tag not in _TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(Problem(self.at(node.start_mark), f"the tag {tag} is not allowed", "Remove it."))
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
                self.refuse(_no_key(place, name))
            elif name in result:
                first = self.keys[(*path, name)]
                self.problems.append(
                    Problem(place, f"the key '{name}' stands twice", f"The first is on line {first.line}. Keep one.")
                )
            else:
                self.keys[(*path, name)] = place
                result[name] = self.read(value_node, (*path, name))
        return result


_LONGEST_INT = 4000  # signs; Python reads no more


def _scalar(node: yaml.ScalarNode) -> Hashable:
    text: str = node.value
    if node.style:  # quoted or a block
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INT.fullmatch(text) and len(text) < _LONGEST_INT:
        return int(text)
    if _FLOAT.fullmatch(text) and not _ZERO_LED.fullmatch(text):
        return float(text)
    return text


def _no_key(place: Place, name: Any) -> Problem:
    if name == "<<":
        return Problem(place, "merge keys are not allowed", "Write the keys out.")
    if place.text[max(place.column - 2, 0) : place.column] == "{{":
        return Problem(place, *_BARE_JINJA)
    return Problem(place, "a key must be plain text", "Write it out.")


def read(file: str, text: str) -> tuple[Document, list[Problem]]:
    """One YAML document. Where the file is not YAML its data is None and the problem says where it breaks."""
    reader = _Reader(file, tuple(text.splitlines()))
    try:
        node = yaml.compose(text, Loader=_LOADER)
        found = None if node is None else reader.read(node, ())
        data = found if reader.whole else None
    except yaml.YAMLError as error:
        data, reader.problems = None, [_not_yaml(reader, text, error)]
    except RecursionError:
        data, reader.problems = None, [Problem(Place(file), "an anchor holds itself", "Write it out.")]
    return Document(file, reader.lines, data, reader.keys, reader.values), reader.problems


_CHECK = "Check indentation, quotes, brackets and colons; inside {}, SQL with commas or brackets stands in quotes."


def _not_yaml(reader: _Reader, text: str, error: yaml.YAMLError) -> Problem:
    """The parser's complaint; in the words of PyYAML's own parser, which are the same everywhere, not of the C library."""
    try:
        yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as own:
        error = own
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(Place(reader.file), f"this is not YAML: {str(error).splitlines()[0]}", "Is the file UTF-8 text?")
    mark = error.problem_mark or error.context_mark
    place = reader.at(mark) if mark else Place(reader.file)
    bare = re.search(r"[:,\[-]\s+(\{\{)", place.text)
    if bare:
        return Problem(replace(place, column=bare.start(1) + 1), *_BARE_JINJA)
    if mark and "\t" in reader.lines[min(mark.line, len(reader.lines) - 1)][: mark.column + 1]:
        return Problem(place, "this is not YAML: a tab cannot indent", "Use spaces.")
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(place, f"this is not YAML: {what}", _CHECK)
