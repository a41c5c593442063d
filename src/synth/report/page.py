"""The page: one HTML file that loads nothing, and prints well."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synth.artifacts.compiled import SyntheticModel
from synth.artifacts.evaluation import Curve, Evaluation, Figure, Section
from synth.evaluation.intruder import summary
from synth.report import pictures
from synth.report.headlines import headlines, position
from synth.version import __version__

SECTIONS: tuple[tuple[Section, str, str], ...] = (
    ("fidelity", "Columns, pairs and triples", "Shares of values: 1 is the same, 0 has nothing in common."),
    ("dependence", "Associations", "How strongly columns go together, in the table and in real rows."),
    ("subgroups", "Subgroups", "The same figures within groups. The smaller a group, the larger the noise in it."),
    ("tasks", "Tasks", "Models that learn from the table, from real rows, and from shuffled columns; tested on held-out people."),
    ("survival", "Survival", "Kaplan-Meier curves and hazard ratios, from the table and from real rows."),
    ("fairness", "Fairness", "What models that learned from the table do to groups of held-out people."),
    ("detection", "Can it be told from real rows?", "Models that try to tell the table's rows from held-out ones."),
    ("distance", "Distances", "How far rows of the table are from real ones, and which combinations they share."),
    ("sdmetrics", "SDMetrics", "The figures that NHSSynth offers, by the SDMetrics library; held-out rows are the real ones."),
    ("attacks", "Attacks", "Tried with the table on people of the fit, and on held-out people as a control."),
)  # fmt: skip
MOST_SHOWN = 12  # figures of parts that are shown at once; the others unfold


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    key: Section
    title: str
    said: str
    whole: list[Figure]  # of the table
    parts: list[tuple[str, list[Figure]]]  # of columns, pairs and groups, by metric
    pictures: list[tuple[str, Markup]]


def internal_page(model: SyntheticModel, found: Evaluation) -> str:
    """The internal report of a table."""
    return environment().get_template("report.j2").render(
        model=model, found=found, headlines=headlines(found), parts=list(_parts(found)), intruder=summary(found.figures),
        distributions=list(_distributions(found)), missing=[f for f in found.figures if f.metric == "missing" and f.of],
        position=position, scale=lambda figure: Markup(pictures.scale(position(figure))), number=number, version=__version__,
        most=MOST_SHOWN, css=Markup(source("report.css")),
    )  # fmt: skip


def number(value: float | None) -> str:
    if value is None:
        return "·"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _parts(found: Evaluation) -> Iterator[Part]:
    for key, title, said in SECTIONS:
        figures = [f for f in found.figures if f.section == key]
        shown = list(_pictures(found, key))
        if not figures and not shown:
            continue
        metrics = list(dict.fromkeys(f.metric for f in figures if f.of))
        parts = [(metric, [f for f in figures if f.metric == metric and f.of]) for metric in metrics]
        yield Part(key, title, said, [f for f in figures if not f.of], parts, shown)


def _distributions(found: Evaluation) -> Iterator[tuple[str, Markup]]:
    for curve in found.curves:
        if curve.name == "distribution":
            yield curve.of, Markup(pictures.distribution(curve))


def _pictures(found: Evaluation, section: Section) -> Iterator[tuple[str, Markup]]:
    """Those of a section, with their titles."""
    own = [curve for curve in found.curves if curve.section == section]
    for curve in own:
        if curve.name == "kaplan_meier":
            yield f"Share without the event: {curve.of}", Markup(pictures.lines(curve))
    rows = [curve for curve in own if curve.name == "associations"]
    for series, title in (("synthetic", "Associations in the table"), ("holdout", "Associations in held-out rows")):
        if rows and all(series in row.series for row in rows):
            yield title, _matrix(rows, title, [row.series[series] for row in rows])
    if rows and all({"synthetic", "holdout"} <= set(row.series) for row in rows):
        title = "Difference of the two"
        yield title, _matrix(rows, title, [_difference(row) for row in rows])
    for curve in own:
        if curve.name == "principal_components":
            yield "The two main directions of all columns together", Markup(pictures.density(curve))


def _matrix(rows: Sequence[Curve], told: str, values: Sequence[Sequence[float]]) -> Markup:
    return Markup(pictures.matrix([row.of for row in rows], values, told))


def _difference(row: Curve) -> list[float]:
    return [abs(a - b) for a, b in zip(row.series["synthetic"], row.series["holdout"], strict=True)]


def source(name: str) -> str:
    """The text of an asset, as it is."""
    found: Any = environment()
    return str(found.loader.get_source(found, name)[0])


@functools.cache
def environment() -> Environment:
    return Environment(
        loader=PackageLoader("synth.report", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
