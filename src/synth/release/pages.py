"""The pages that people read: the report, as one file of HTML that loads nothing, and the model card."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup, escape

from synth.artifacts.catalog import Distribution
from synth.artifacts.plan import SubsampledGaussian
from synth.artifacts.release import ReleaseFigure
from synth.artifacts.results import STATUSES
from synth.compiler.plan import surest
from synth.privacy.ledger import PopulationSummary, Spend
from synth.release.contents import Contents, Finding, ReleasedTable
from synth.release.limits import NEVER_FOR, NOT_PROTECTED, not_for
from synth.release.pictures import bar_list, matrix, time_line
from synth.release.promise import Promise
from synth.release.told import LETTERS, MEANS, Name, Source, Told, in_html, in_text
from synth.site.facts import columns, held
from synth.site.templates import environment
from synth.version import __version__

_DATES = ("DATE", "TIMESTAMP")
_ROW = "a row, of which each unit has one by declaration"


class PromiseView(NamedTuple):
    """A promise as it is told; the names are those of ``Promise``."""

    population: Name
    unit: Name | str
    units: Told
    cap: Told
    epsilon: Told
    delta: Told
    adjacency: str
    replaced_epsilon: Told
    replaced_delta: Told
    surest: Told
    smallest_group: Told


class Picture(NamedTuple):
    column: Name
    drawn: Markup
    missing: Told
    wide: bool


def report(contents: Contents) -> str:
    return _environment(html=True).get_template("report.j2").render(**_told(contents))


def model_card(contents: Contents) -> str:
    return _environment(html=False).get_template("model_card.j2").render(**_told(contents))


def _told(contents: Contents) -> dict[str, Any]:
    return {
        "project": Name(contents.project),
        "title": Markup(escape(contents.project)),
        "made": Told(f"{contents.created[:16].replace('T', ' ')} UTC", "record"),
        "version": Told(__version__, "record"),
        "half": Told("50%", "arithmetic"),
        "fitted": [(Name(fit.name), *_fitted(contents, fit.name)) for fit in contents.fits],
        "promises": [_promise(promise) for promise in contents.promises],
        "populations": [_population(summary) for summary in contents.populations],
        "trusted": [Told(str(trust), "declaration") for fit in contents.fits for trust in fit.trusted],
        "not_protected": NOT_PROTECTED,
        "never_for": NEVER_FOR,
        "letters": [(LETTERS[source], source, MEANS[source]) for source in LETTERS],
        "tables": [_table(table) for table in contents.tables],
    }


def _fitted(contents: Contents, model: str) -> tuple[Told, Told]:
    """When a fit was completed, and by which version of synth."""
    fit = next(fit for fit in contents.fits if fit.name == model)
    entries = contents.entries(fit)
    ended = [entry.time[:10] for entry in entries if isinstance(entry, Spend)]
    versions = [entry.synth_version for entry in entries if not isinstance(entry, Spend) and entry.synth_version]
    return Told(ended[-1] if ended else "not on record", "ledger"), Told(versions[-1] if versions else "?", "ledger")


def _promise(promise: Promise) -> PromiseView:
    epsilon, delta = promise.replace_one
    return PromiseView(
        population=Name(promise.population),
        unit=_ROW if promise.unit == "row" else Name(promise.unit), units=Told(promise.units, "declaration"),
        cap=Told(promise.cap, "declaration"), epsilon=Told(promise.epsilon, promise.source),
        delta=Told(promise.delta, promise.source), adjacency=promise.adjacency,
        replaced_epsilon=Told(epsilon, "arithmetic"), replaced_delta=Told(delta, "arithmetic"),
        surest=Told(f"{promise.surest:g}%", "arithmetic"), smallest_group=Told(promise.smallest_group, "plan"),
    )  # fmt: skip


def _population(summary: PopulationSummary) -> dict[str, Any]:
    return {
        "name": Name(summary.population),
        "spent": Told(summary.spent, "ledger"),
        "cap": Told(summary.cap, "declaration"),
        "delta": Told(summary.delta, "declaration"),
        "approver": Told(summary.approver, "declaration"),
        "surest": Told(f"{min(100.0, surest(summary.spent)):g}%", "arithmetic"),
    }


def _table(table: ReleasedTable) -> dict[str, Any]:
    counts = Counter(result.status for result in table.tests)
    learned = any(isinstance(e, SubsampledGaussian) for fit in table.fits for e in fit.plan.privacy.events)
    return {
        "name": Name(table.name),
        "zone": table.model.relation.partition(".")[0],
        "described": Told(table.model.told, "declaration"),
        "rows": Told(table.rows, "synthetic rows"),
        "made_on": Told(table.made[:10], "record"),
        "made": "noisy marginals and noisy steps of learning" if learned else "noisy marginals",
        "kinds": sorted({fit.plan.kind.replace("_", "-") for fit in table.fits}),
        "sources": [Name(source.name) for fit in table.fits for source in fit.sources],
        "kept": [Told(said, "plan") for fit in table.own_fits for said in fit.plan.why if said.startswith("Kept:")],
        "promises": [_promise(promise) for promise in table.promises],
        "columns": list(_columns(table)),
        "pictures": [_picture(table, found) for found in table.distributions],
        "matrix": matrix(table.associations) if table.associations else "",
        "cut": len(table.distributions) > len({name for pair in table.associations for name in (pair.first, pair.second)}),
        "constraints": [(Told(c.name, "declaration"), held(c)) for c in table.constraints],
        "passed": Told(counts["pass"], "tests on synthetic rows"),
        "judged": Told(len(table.tests), "tests on synthetic rows"),
        "tests": [_finding(one) for one in sorted(table.tests, key=lambda one: (one.status == "pass", one.id))],
        "not_for": list(dict.fromkeys(not_for(table))),
        "fit": _fit(table.figures),
    }  # fmt: skip


def _finding(found: Finding) -> tuple[str, str, Told, Told, Told]:
    """Status and its word, what was tested, rows that break it, rows looked at."""
    tested: Source = "tests on synthetic rows"
    said = Told(found.description or found.id, "declaration")
    return found.status, STATUSES[found.status], said, Told(found.failures, tested), Told(found.rows, tested)


def _columns(table: ReleasedTable) -> Iterator[tuple[Name, Told, Told, Told, Told]]:
    """Name, type, what is declared, missing, description."""
    facts = {found.name: found for found in columns(table.declared)} if table.declared else {}
    for column in table.columns:
        found = facts.get(column.name)
        said = (found.type, found.limits, found.missing) if found else (column.sql_type.lower(), "", "")
        yield (Name(column.name), *(Told(text, "declaration") for text in (*said, column.description)))  # type: ignore[misc]


def _picture(table: ReleasedTable, found: Distribution) -> Picture:
    kind = next(column.sql_type.upper() for column in table.columns if column.name == found.column)
    dated = kind.startswith(_DATES) and found.ordered and len(found.bars) > 1
    drawn = time_line(found) if dated else bar_list(found)
    return Picture(Name(found.column), drawn, Told(found.missing, "synthetic rows"), dated)


def _fit(figures: Sequence[ReleaseFigure]) -> dict[str, list[tuple[Told, Told, Told | str, str | Told]]]:
    """Figures of the whole table, of its columns, of pairs from the worst; "first" are those that say most."""
    whole = [f for f in figures if not f.of]
    paid = [f for f in whole if f.source == "paid release metric"]
    pairs = sorted((f for f in figures if f.of and f.metric != "marginal_1"), key=lambda f: f.value)
    columns = [f for f in figures if f.of and f.metric == "marginal_1"]
    found = {"first": paid or whole, "whole": whole, "columns": columns, "pairs": pairs}
    return {name: [_figure(figure) for figure in listed] for name, listed in found.items()}


def _figure(figure: ReleaseFigure) -> tuple[Told, Told, Told | str, str | Told]:
    """What is measured, its value, its interval, a note."""
    between = (
        ""
        if figure.low is None or figure.high is None
        else Told(f"{figure.low:.3f} to {figure.high:.3f}", figure.source)
    )
    what = Told(figure.of or _MEANS.get(figure.metric, figure.metric), "declaration")
    return (
        what,
        Told(f"{figure.value:.3f}", figure.source),
        between,
        Told(figure.note, figure.source) if figure.note else "",
    )


_MEANS = {
    "marginal_1": "shares of values, the mean of all columns",
    "marginal_2": "the same of pairs of columns",
    "marginal_3": "the same of triples of columns",
}


@functools.cache
def _environment(html: bool) -> Environment:
    """In which a template prints no number that is not ``Told``."""
    finalize = in_html if html else in_text
    found = environment("synth.release", autoescape=html, keep_trailing_newline=True, finalize=finalize)
    found.filters["anchor"] = lambda name: Markup(f"table-{escape(name)}")
    return found
