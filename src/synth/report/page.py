"""The page: one HTML file that loads nothing, and prints well."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.evaluation import Curve, Evaluation, Figure, Section
from synth.evaluation.intruder import summary
from synth.report import pictures
from synth.report.headlines import headlines, position
from synth.report.words import words
from synth.site.templates import environment, source

SECTIONS: tuple[tuple[Section, str, str], ...] = (
    ("fidelity", "Columns, pairs and triples", "Shares of values: 1 is the same, 0 has nothing in common."),
    ("dependence", "Associations", "How strongly columns go together, in the table and in real rows."),
    ("linked", "Linked tables", "Rows of one unit, and rows below those of another table: how many, and what goes together."),
    ("subgroups", "Subgroups", "The same figures within groups. The smaller a group, the larger the noise in it."),
    ("tasks", "Tasks", "Models that learn from the table, from real rows, and from shuffled columns; tested on held-out people."),
    ("survival", "Survival", "Kaplan-Meier curves and hazard ratios, from the table and from real rows."),
    ("fairness", "Fairness", "What models that learned from the table do to groups of held-out people."),
    ("detection", "Can it be told from real rows?", "Models that try to tell the table's rows from held-out ones."),
    ("distance", "Distances", "How far rows of the table are from real ones, and which combinations they share."),
    ("sdmetrics", "SDMetrics", "The figures that NHSSynth offers, by the SDMetrics library; held-out rows are the real ones."),
    ("attacks", "Attacks", "Tried on people of the fit, and on held-out people as a control. Real rows stand for a copy here."),
)  # fmt: skip
MOST_SHOWN = 12  # figures of parts that are shown at once; the others unfold


@dataclass(frozen=True)
class Line:
    """A figure, and the intervals that stand beside it."""

    figure: Figure
    between: dict[str, str]  # "synthetic", "train", "shuffled"


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    key: Section
    title: str
    said: str
    whole: list[Line]  # of the table
    parts: list[tuple[str, list[Line]]]  # of columns, pairs and groups, by metric
    pictures: list[tuple[str, Markup]]
    matrices: list[tuple[str, Markup]]


def internal_page(model: SyntheticModel, found: Evaluation) -> str:
    """The internal report of a table."""

    def scale(figure: Figure) -> Markup:
        return Markup(pictures.scale(position(figure)))

    missing = _lines([f for f in found.figures if f.metric == "missing" and f.of])
    css = Markup(source(templates(), "report.css"))
    shown = {
        "model": model, "found": found, "headlines": headlines(found), "parts": list(_parts(found)),
        "intruder": summary(found.figures), "distributions": list(_distributions(found)), "missing": missing, "scale": scale,
        "number": number, "words": words, "clock": clock, "most": MOST_SHOWN, "css": css,
    }  # fmt: skip
    return templates().get_template("report.j2").render(shown)


def number(value: float | None) -> str:
    if value is None:
        return "·"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def clock(time: str) -> str:
    """Of ISO 8601, as it is read."""
    return time.replace("T", " ").replace("+00:00", " UTC")


def _parts(found: Evaluation) -> Iterator[Part]:
    for key, title, said in SECTIONS:
        figures = [f for f in found.figures if f.section == key]
        shown = list(_pictures(found, key))
        if not figures and not shown:
            continue
        lines = _lines(figures)
        metrics = list(dict.fromkeys(line.figure.metric for line in lines if line.figure.of))
        parts = [(m, [line for line in lines if line.figure.of and line.figure.metric == m]) for m in metrics]
        whole = [line for line in lines if not line.figure.of]
        yield Part(key, title, said, whole, parts, shown, list(_matrices(found, key)))


def _lines(figures: Sequence[Figure]) -> list[Line]:
    """What measures call "x low" and "x high" is the interval of x."""
    known = {(f.metric, f.of): f for f in figures}

    def between(figure: Figure, candidate: str) -> str:
        ends = [known.get((f"{figure.metric} {end}", figure.of)) for end in ("low", "high")]
        values = [getattr(end, candidate) if end else None for end in ends]
        return "" if None in values else f"{number(values[0])} to {number(values[1])}"

    ends = {(f"{f.metric} {end}", f.of) for f in figures for end in ("low", "high")}
    own = [f for f in figures if (f.metric, f.of) not in ends]
    return [Line(f, {c: between(f, c) for c in ("synthetic", "train", "shuffled")}) for f in own]


def _distributions(found: Evaluation) -> Iterator[tuple[str, str, Markup]]:
    """Of each column its name, words and picture."""
    for curve in found.curves:
        kind = found.kinds.get(curve.of)
        if curve.name == "distribution" and kind == "categorical":
            yield curve.of, "", Markup(pictures.bars(curve))
        elif curve.name == "distribution":
            words = ("on a time line" if kind == "datetime" else "", pictures.outside(curve))
            yield curve.of, "; ".join(filter(None, words)), Markup(pictures.distribution(curve))


def _pictures(found: Evaluation, section: Section) -> Iterator[tuple[str, Markup]]:
    """Those of a section, with their titles."""
    own = [curve for curve in found.curves if curve.section == section]
    for curve in own:
        if curve.name == "kaplan_meier":
            yield f"Share without the event: {curve.of}", Markup(pictures.lines(curve))
    for curve in own:
        if curve.name == "principal_components":
            yield "The two main directions of all columns together", Markup(pictures.density(curve))


def _matrices(found: Evaluation, section: Section) -> Iterator[tuple[str, Markup]]:
    rows = [curve for curve in found.curves if curve.section == section and curve.name == "associations"]
    for series, title in (("synthetic", "Associations in the table"), ("holdout", "Associations in held-out rows")):
        if rows and all(series in row.series for row in rows):
            yield title, _matrix(rows, title, [row.series[series] for row in rows])
    if rows and all({"synthetic", "holdout"} <= set(row.series) for row in rows):
        title = "Difference of the two"
        yield title, _matrix(rows, title, [_difference(row) for row in rows])


def _matrix(rows: Sequence[Curve], told: str, values: Sequence[Sequence[float]]) -> Markup:
    return Markup(pictures.matrix([row.of for row in rows], values, told))


def _difference(row: Curve) -> list[float]:
    return [abs(a - b) for a, b in zip(row.series["synthetic"], row.series["holdout"], strict=True)]


@functools.cache
def templates() -> Environment:
    """Of the room's pages."""
    return environment("synth.report")
