"""Aligned columns for a terminal or a file: rows of a table, lines of a plan."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

PAGE = 100  # of a plan, and of a table of the ledger
_WIDTH = 40  # of a cell
_LEAST = 12  # of a column that is wrapped


def table(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None = None) -> str:
    """Rows under their names, aligned; numbers to the right. Columns that do not fit ``width`` are named below."""
    cells = [[_cell(value) for value in row] for row in rows]
    fitting = _fitting(names, cells, width)
    more = f"\nand {len(names) - fitting} more columns: {', '.join(names[fitting:])}" if fitting < len(names) else ""
    return _aligned(names[:fitting], [row[:fitting] for row in cells]) + more


def wrapped(names: Sequence[str], rows: Iterable[Sequence[Any]], width: int) -> str:
    """A table of at most ``width`` characters, if its other columns leave room: the last goes on in further lines."""
    cells = [[str(value) for value in row] for row in rows]
    others = sum(max(len(name), *(len(_cell(row[i])) for row in cells), 0) + 2 for i, name in enumerate(names[:-1]))
    lines: list[list[str]] = []
    for *first, last in cells:
        pieces = textwrap.wrap(last, min(_WIDTH, max(width - others, _LEAST))) or [""]
        lines.append([*first, pieces[0]])
        lines += [[*("" for _ in first), piece] for piece in pieces[1:]]
    return table(names, lines)


def columns(
    heads: Sequence[str], cells: Sequence[Sequence[str]], right: Iterable[int], indent: int = 0
) -> list[str]:  # fmt: skip
    """Aligned lines of one width, the heads first; a column without anything in it is left out."""
    kept = [i for i in range(len(heads)) if any(row[i] for row in cells)]
    widths = {i: max([len(heads[i]), *(len(row[i]) for row in cells)]) for i in kept}

    def put(row: Sequence[str]) -> str:
        return " " * indent + "".join(f"{row[i]:{'>' if i in right else '<'}{widths[i]}}  " for i in kept)

    return [put(row) for row in (heads, *cells)]


def beside(line: str, text: str) -> list[str]:
    """A text after a line, wrapped below itself."""
    below = " " * len(line)
    return textwrap.wrap(
        text, PAGE, initial_indent=line, subsequent_indent=below, break_on_hyphens=False, break_long_words=False
    )


def _fitting(names: Sequence[str], cells: list[list[str]], width: int | None) -> int:
    """How many columns fit, one at least."""
    used = 0
    for i, name in enumerate(names):
        used += max([len(name), *(len(row[i]) for row in cells)]) + 2
        if width is not None and used - 2 > width and i > 0:
            return i
    return len(names)


def _aligned(names: Sequence[str], cells: list[list[str]]) -> str:
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(names)]
    right = [bool(cells) and all(_numeric(row[i]) for row in cells) for i in range(len(names))]

    def put(row: Sequence[str]) -> str:
        return "  ".join(v.rjust(w) if r else v.ljust(w) for v, w, r in zip(row, widths, right, strict=True)).rstrip()

    return "\n".join([put(list(names)), "  ".join("-" * w for w in widths), *(put(row) for row in cells)])


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    text = "".join(c if c.isprintable() else "?" for c in text)  # nothing in a table may steer the terminal
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _numeric(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdigit() or not text
