"""A hint for a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The nearest known names, or all of them where none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    near += [name for name in names if name.casefold() == word.casefold() and name not in near]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(names[:20])}{', ...' if len(names) > 20 else '.'}" if names else ""
