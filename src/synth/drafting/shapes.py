"""What the text of a cell looks like, and what that makes of a column."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from synth.quoting import literal

Kind = Literal["missing", "integer", "code", "number", "boolean", "date", "time", "text", "long"]

CLEAR = 5.0  # noise stddevs that a count must hold to be told from noise
MOST = 0.95  # of the values that are there: those of one kind, for the column to be of it
LONG = 60  # characters, from which text is no category

RESOLUTIONS = ("day", "hour", "minute", "second")
PLACES = 4  # decimal places, beyond which a number has none that is worth keeping
_INTEGER = "[-+]?(0|[1-9][0-9]{0,14})"
_NUMBER = r"[-+]?([0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?"
_ISO, _SLASH = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", "[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}"
_MINUTES, _SECONDS = " [0-9]{1,2}:[0-9]{2}", " [0-9]{1,2}:[0-9]{2}:[0-9]{2}"

_COMPACT = "(18|19|20|21)[0-9]{6}"

# formats by the pattern of what is written in them
_DATES = {
    "%Y-%m-%d": _ISO,
    "%Y/%m/%d": _ISO.replace("-[", "/["),
    "%d.%m.%Y": r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}",
    "%d-%m-%Y": "[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}",
    "%d-%b-%Y": "[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}",
    "%d %b %Y": "[0-9]{1,2} [A-Za-z]{3} [0-9]{4}",
}
_DATETIMES = {
    "%Y-%m-%d %H:%M:%S": _ISO + _SECONDS,
    "%Y-%m-%d %H:%M": _ISO + _MINUTES,
    "%Y-%m-%d %H:%M:%S.%f": _ISO + _SECONDS + r"\.[0-9]{1,6}",
    "%Y-%m-%d %H:%M:%S.%n": _ISO + _SECONDS + r"\.[0-9]{7,9}",
    "%Y-%m-%dT%H:%M:%S": _ISO + _SECONDS.replace(" ", "T"),
    "%Y-%m-%dT%H:%M:%S.%f": _ISO + _SECONDS.replace(" ", "T") + r"\.[0-9]{1,6}",
    "%Y-%m-%dT%H:%M:%SZ": _ISO + _SECONDS.replace(" ", "T") + "Z",
    "%Y-%m-%d %H:%M:%S%z": _ISO + _SECONDS + "[-+][0-9]{2}(:?[0-9]{2})?",
    "%Y-%m-%dT%H:%M:%S%z": _ISO + _SECONDS.replace(" ", "T") + "[-+][0-9]{2}(:?[0-9]{2})?",
}
_SLASHED = {
    "": _SLASH,
    " %H:%M:%S": _SLASH + _SECONDS,
    " %H:%M": _SLASH + _MINUTES,
}  # of day and month, who knows which
_TIMES = {"%H:%M:%S": _SECONDS[1:], "%H:%M": _MINUTES[1:]}


@dataclass(frozen=True)
class Shape:
    """What one cell of the histogram stands for."""

    kind: Kind
    formats: tuple[str, ...] = ()  # that read it, the likeliest first
    resolution: str = "day"
    places: int | None = 0  # decimal; None: more than are worth keeping
    padded: bool = False  # the last of them is a 0


@dataclass(frozen=True)
class _Rule:
    """A condition on trimmed text, and the shapes of what meets it: one, or one for each resolution."""

    condition: str
    shapes: tuple[Shape, ...]
    which: str = "0"  # SQL: which of the shapes


@dataclass(frozen=True)
class Verdict:
    """What a column is."""

    type: str | None  # None: too little to tell
    nullable: bool
    formats: tuple[str, ...] = ()
    resolution: str = "day"
    decimals: int | None = None
    code: bool = False  # text that is made of digits: 007
    long: bool = False
    whole: bool = False  # dates without a time, in a format with one


def _full(pattern: str) -> str:
    return f"regexp_full_match(text, {literal(pattern)})"


def _read(text_format: str) -> str:
    return f"cast(try_strptime(text, {literal(text_format)}) as timestamp)"


def _moments(condition: str, formats: tuple[str, ...]) -> _Rule:
    moment = f"coalesce({', '.join(map(_read, formats))})"
    finer = [f"when {moment} = date_trunc('{name}', {moment}) then {i}" for i, name in enumerate(RESOLUTIONS[:-1])]
    shapes = tuple(Shape("date", formats, resolution) for resolution in RESOLUTIONS)
    return _Rule(f"{condition} and {moment} is not null", shapes, f"case {' '.join(finer)} else 3 end")


def _rules() -> Iterator[_Rule]:
    """The first that fits decides."""
    yield _Rule("text is null", (Shape("missing"),))
    yield _Rule(f"length(text) > {LONG}", (Shape("long"),))
    yield _Rule("lower(text) in ('true', 'false')", (Shape("boolean"),))
    yield _Rule("not regexp_matches(text, '[0-9]')", (Shape("text"),))
    yield _Rule(f"{_full(_COMPACT)} and {_read('%Y%m%d')} is not null", (Shape("date", ("%Y%m%d",)),))
    yield from _numbers()
    for text_format, pattern in _DATES.items():
        yield _Rule(f"{_full(pattern)} and {_read(text_format)} is not null", (Shape("date", (text_format,)),))
    for text_format, pattern in _DATETIMES.items():
        yield _moments(_full(pattern), (text_format,))
    for rest, pattern in _SLASHED.items():
        day, month = f"%d/%m/%Y{rest}", f"%m/%d/%Y{rest}"
        for formats, other in (((day,), month), ((month,), day), ((day, month), "")):
            only = f"{_full(pattern)} and {_read(other)} is null" if other else _full(pattern)
            found = _moments(only, formats)
            yield found if rest else _Rule(found.condition, found.shapes[:1])
    for text_format, pattern in _TIMES.items():
        read = f"try_strptime(text, {literal(text_format)}) is not null"
        yield _Rule(f"{_full(pattern)} and {read}", (Shape("time", (text_format,)),))
    yield _Rule("true", (Shape("text"),))


def _numbers() -> Iterator[_Rule]:
    yield _Rule(_full(_INTEGER), (Shape("integer"),))
    yield _Rule(_full("0[0-9]+"), (Shape("code"),))
    yield _Rule(_full(r"[-+]?[0-9]{1,15}\.0"), (Shape("integer", padded=True),))
    for places in range(1, PLACES + 1):
        for padded in (False, True):
            last = "0" if padded else "[1-9]"
            pattern = rf"[-+]?[0-9]{{0,15}}\.[0-9]{{{places - 1}}}{last}"
            yield _Rule(_full(pattern), (Shape("number", places=places, padded=padded),))
    yield _Rule(_full(_NUMBER), (Shape("number", places=None),))


_RULES = tuple(_rules())
SHAPES = tuple(shape for rule in _RULES for shape in rule.shapes)


def shape_sql(column: str) -> str:
    """The place in ``SHAPES`` of a column's text; ``column``: as SQL has it."""
    places, cases = 0, []
    for rule in _RULES:
        cell = f"{places} + {rule.which}" if len(rule.shapes) > 1 else str(places)
        cases.append(f"when {rule.condition} then {cell}")
        places += len(rule.shapes)
    return f"(select case {' '.join(cases)} end from (select {column} as text))"


def moment_sql(column: str, formats: Sequence[str]) -> str:
    """The moment that a column's text tells, by the first format that reads it; without one, as DuckDB writes it."""
    reads = [f"cast(try_strptime({column}, {literal(form)}) as timestamp)" for form in formats]
    moment = f"coalesce({', '.join(reads)})" if reads else f"try_cast({column} as timestamp)"
    return f"case when {moment} between timestamp '0001-01-01' and timestamp '9999-12-31' then {moment} end"


@dataclass(frozen=True)
class Counts:
    """Persons in each of ``SHAPES``, and the noise of each count."""

    persons: Sequence[float]
    noise: float

    @property
    def total(self) -> float:
        return math.fsum(persons for persons in self.persons if persons > CLEAR * self.noise)

    def shapes(self, *kinds: Kind) -> list[tuple[float, Shape]]:
        """Those of some kinds that are clearly there, the most frequent first."""
        found = [
            (p, s) for p, s in zip(self.persons, SHAPES, strict=True) if s.kind in kinds and p > CLEAR * self.noise
        ]
        return sorted(found, key=lambda pair: -pair[0])

    def of(self, *kinds: Kind) -> float:
        """Persons in them."""
        return math.fsum(persons for persons, _ in self.shapes(*kinds))


_KNOWN: tuple[Kind, ...] = ("integer", "code", "number", "boolean", "date", "time", "text", "long")
_GROUPS: tuple[tuple[Kind, ...], ...] = (("boolean",), ("date",), ("time",), ("integer", "code", "number", "date"))


def verdict(counts: Counts) -> Verdict:
    """What a column is whose cells have these shapes."""
    known = counts.of(*_KNOWN)
    if not known:
        return Verdict(None, nullable=True)
    for group in _GROUPS:
        if counts.of(*group) >= MOST * known:
            others = counts.of("missing", *(kind for kind in _KNOWN if kind not in group))
            return _of_kind(group[0], counts, nullable=others > 0)
    return Verdict("text", counts.of("missing") > 0, long=counts.of("long") > (1 - MOST) * known)


def _of_kind(kind: str, counts: Counts, nullable: bool) -> Verdict:
    if kind == "boolean":
        return Verdict("boolean", nullable)
    if kind == "time":
        formats = _formats(counts.shapes("time"))
        return Verdict("time", nullable, formats, "second" if any("%S" in form for form in formats) else "minute")
    if kind == "date":
        return _date(counts.shapes("date"), nullable)
    if counts.of("code"):
        return Verdict("text", nullable, code=True)
    return _number(counts.shapes("number"), counts, nullable)


def _date(shapes: list[tuple[float, Shape]], nullable: bool) -> Verdict:
    if not shapes:
        return Verdict(None, nullable)
    finest = max((shape.resolution for _, shape in shapes), key=RESOLUTIONS.index)
    timed = any("%H" in text_format for text_format in _formats(shapes))
    kind = "date" if finest == "day" else "datetime"
    return Verdict(kind, nullable, _formats(shapes), finest, whole=timed and kind == "date")


def _formats(shapes: list[tuple[float, Shape]]) -> tuple[str, ...]:
    """In the order of how many cells they read; where day and month could be either, as the clear cells say."""
    sure = [shape.formats[0] for _, shape in shapes if len(shape.formats) == 1]
    either = [shape.formats for _, shape in shapes if len(shape.formats) > 1]
    found = [*sure, *(pair[0] for pair in either if not set(pair) & set(sure))]
    return tuple(dict.fromkeys(found))


def _number(numbers: list[tuple[float, Shape]], counts: Counts, nullable: bool) -> Verdict:
    if not numbers:
        return Verdict("integer", nullable)
    places = [shape.places for _, shape in numbers]
    if None in places:
        return Verdict("number", nullable)
    most = max(place or 0 for place in places)
    padded = any(shape.padded for _, shape in numbers)
    if padded and set(places) == {most} and most > 1 and not counts.of("integer"):
        return Verdict("decimal", nullable, decimals=most)  # each with the same number of places: 12.50
    last = [shape.places or 0 for _, shape in numbers if not shape.padded]
    return Verdict("number", nullable, decimals=max(last, default=0))
