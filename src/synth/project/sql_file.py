"""A file of SQL with Jinja, and the positions in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synth.errors import Place


@dataclass(frozen=True)
class SqlFile:
    """A model, a singular test or a file of macros: its name, where it lies, its text."""

    name: str
    file: str  # relative to the project
    text: str
    folders: tuple[str, ...]  # below the model path; what +config of synth_project.yml speaks about

    def place(self, offset: int = 0) -> Place:
        """The position of a character of the text."""
        before = self.text[: max(offset, 0)]
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        lines = self.text.split("\n")
        return Place(self.file, line, column, lines[line - 1].replace("\t", " "))  # the caret counts characters

    def find(self, needle: str, line: int = 0) -> Place:
        """Where a word stands, on that line if it is given and the word is there; else the first, else the start."""
        starts = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n"), len(self.text) + 1]
        start, end = (starts[line - 1], starts[line] - 1) if 0 < line < len(starts) else (0, len(self.text))
        word = re.escape(needle)
        for pattern in (rf"(?<!\w){word}(?!\w)", word) if needle else ():
            found = re.compile(pattern, re.IGNORECASE).search(self.text, start, end)
            if found:
                return self.place(found.start())
        return self.place(start)
