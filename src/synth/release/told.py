"""A value and where it comes from. No page of a release prints a number without that."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

from markupsafe import Markup

Source = Literal[
    "declaration", "plan", "ledger", "synthetic rows", "noisy measurements", "paid release metric",
    "tests on synthetic rows", "arithmetic", "record",
]  # fmt: skip
LETTERS: dict[Source, str] = {
    "declaration": "D", "plan": "P", "ledger": "L", "synthetic rows": "S", "noisy measurements": "N",
    "paid release metric": "M", "tests on synthetic rows": "T", "arithmetic": "A",
    "record": "R",
}  # fmt: skip
MEANS: dict[Source, str] = {
    "declaration": "written by people, before any row was read",
    "plan": "decided from the declaration, before any row was read",
    "ledger": "the record of all that was ever asked about these people",
    "synthetic rows": "counted in the released tables",
    "noisy measurements": "measured on real rows with noise, and paid for",
    "paid release metric": "measured on real rows for this report with noise, and paid for",
    "tests on synthetic rows": "tests of the released tables",
    "arithmetic": "computed from other values of this page",
    "record": "when a table or this release was made, and by which synth",
}


@dataclass(frozen=True)
class Told:
    """A number, or words with numbers in them, and its source. Of no words nothing is printed, no letter either."""

    value: str | int | float
    source: Source

    def __str__(self) -> str:
        if isinstance(self.value, float):
            return f"{self.value:.6g}"
        return f"{self.value:,}" if isinstance(self.value, int) else self.value

    def html(self, letter: bool = True) -> Markup:
        """``letter``: without it the mark is the title alone, as in a picture whose caption has the letter."""
        if self.value == "":
            return Markup("")
        mark = f'&NoBreak;<abbr title="{self.source}">{LETTERS[self.source]}</abbr>' if letter else ""
        return Markup(f'<span class="told" title="{self.source}">{escape(str(self))}{mark}</span>')


class Name(str):
    """What a column, a table or a project is called. A digit in it counts nothing."""


def in_html(value: object) -> Markup | str:
    """What a page prints of a value; TypeError for a number, or text with one, that nobody gave a source."""
    if isinstance(value, Told):
        return value.html()
    return Markup(f"<code>{escape(value)}</code>") if isinstance(value, Name) else _checked(value)


def in_text(value: object) -> str:
    """The same for plain text: the letter in brackets."""
    if isinstance(value, Told):
        return f"{_plain(str(value))} [{LETTERS[value.source]}]" if value.value != "" else ""
    return f"`{_plain(value)}`" if isinstance(value, Name) else _checked(value)


def _plain(text: str) -> str:
    """In one line, and no markup: what YAML says makes no heading, no tag and no code of a page."""
    return escape(" ".join(text.split()), quote=False).replace("`", "'").replace("|", "/")


def _checked(value: object) -> str:
    if isinstance(value, Markup):
        return value
    if not isinstance(value, str):
        raise TypeError(f"a page prints a {type(value).__name__} without its source; say Told(value, source)")
    if any(char.isdigit() for char in value):
        raise TypeError("a page prints text with a number in it without its source; say Told(text, source)")
    return value
