"""An experiment on disk: JSON, CSV and a page that loads nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from markupsafe import Markup

from synth.artifacts.experiment import CellFigure, Experiment, JudgedCell
from synth.artifacts.plan import NOT_PRIVATE
from synth.files import write_whole
from synth.report.experiment_pictures import KINDS, Series, against_epsilon, key
from synth.report.page import templates
from synth.report.words import words
from synth.runtime.duckdb_errors import private_folder
from synth.site.templates import source
from synth.version import __version__

CANDIDATES = ("real rows", "shuffled columns")  # what stands in the generator's place for what is compared with
Figure = tuple[str, str]  # a metric, and of what


@dataclass(frozen=True)
class Row:
    """Of the table: a generator at an epsilon, and of each figure the mean over seeds, the least and the greatest."""

    generator: str
    epsilon: float | None
    cells: tuple[tuple[float, float, float] | None, ...]


def write_experiment(found: Experiment, folder: Path) -> Path:
    """The page's path, beside it JSON and CSV: for their owner alone, unless the rows are public."""
    mode = 0o666 if found.public else 0o600
    if not found.public:
        private_folder(folder.parent)
        private_folder(folder)
    page = folder / f"{found.name}.html"
    texts = {page: _page(found), page.with_suffix(".json"): found.model_dump_json(indent=1) + "\n"}
    for path, text in (texts | {page.with_suffix(".csv"): _csv(found)}).items():
        write_whole(path, text, mode)
    return page


def _csv(found: Experiment) -> str:
    """A line for each figure of each cell; what is compared with has neither epsilon nor seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["generator", "epsilon", "seed", *CellFigure.model_fields])
    for table, name in ((found.train, CANDIDATES[0]), (found.shuffled, CANDIDATES[1]), *((c, "") for c in found.cells)):
        cell = table.cell
        place = [cell.generator, cell.epsilon, cell.seed] if cell else [name, None, None]
        writer.writerows([*place, *figure.model_dump().values()] for figure in table.figures)
    return text.getvalue()


def _page(found: Experiment) -> str:
    generators = list(dict.fromkeys(c.cell.generator for c in found.cells if c.cell))
    figures = [(f.metric, f.of) for f in found.train.figures if f.value is not None]
    legend = [(name, Markup(key(i % KINDS, name.startswith(NOT_PRIVATE)))) for i, name in enumerate(generators)]
    return templates().get_template("experiment.j2").render(
        found=found, legend=legend, pictures=list(_pictures(found, generators, figures)), figures=figures,
        rows=list(_rows(found, figures)), version=__version__, name=_name, notes=sorted(_notes(found)),
        css=Markup(source(templates(), "report.css") + source(templates(), "experiment.css")),
    )  # fmt: skip


def _pictures(
    found: Experiment, generators: Sequence[str], figures: Sequence[Figure]
) -> Iterator[tuple[str, str, Markup]]:
    """Title, what is drawn in plain words, and the picture."""
    for figure in figures:
        series = []
        for kind, name in enumerate(generators):
            own = [c for c in found.cells if c.cell and c.cell.generator == name]
            by = {c.cell.epsilon: _values(own, c.cell.epsilon, figure) for c in own if c.cell}
            series.append(Series(name, kind % KINDS, {epsilon: values for epsilon, values in by.items() if values}))
        levels = (_values([table], None, figure) for table in (found.train, found.shuffled))
        train, shuffled = (values[0] if values else None for values in levels)
        drawn = against_epsilon(
            f"{_name(figure)} by epsilon and generator", [s for s in series if s.values], train, shuffled
        )
        if drawn:
            yield _name(figure), words(figure[0]), Markup(drawn)


def _rows(found: Experiment, figures: Sequence[Figure]) -> Iterator[Row]:
    for table, name in zip((found.train, found.shuffled), CANDIDATES, strict=True):
        yield Row(name, None, tuple(_summary(_values([table], None, figure)) for figure in figures))
    for generator, epsilon in dict.fromkeys((c.cell.generator, c.cell.epsilon) for c in found.cells if c.cell):
        own = [c for c in found.cells if c.cell and c.cell.generator == generator]
        yield Row(generator, epsilon, tuple(_summary(_values(own, epsilon, figure)) for figure in figures))


def _values(tables: Sequence[JudgedCell], epsilon: float | None, figure: Figure) -> list[float]:
    """Of the tables at an epsilon; one for each seed."""
    there = [t for t in tables if (t.cell.epsilon if t.cell else None) == epsilon]
    return [f.value for t in there for f in t.figures if (f.metric, f.of) == figure and f.value is not None]


def _summary(values: Sequence[float]) -> tuple[float, float, float] | None:
    return (mean(values), min(values), max(values)) if values else None


def _notes(found: Experiment) -> set[str]:
    """Why figures could not be computed."""
    tables = (found.train, *found.cells)
    return {f"{_name((f.metric, f.of))}: {f.note}" for t in tables for f in t.figures if f.note}


def _name(figure: Figure) -> str:
    return f"{figure[0]} of {figure[1]}" if figure[1] else figure[0]
