"""Pictures of synthetic columns as HTML that prints, and that a screen reader reads: bars, a time line, a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from synth.artifacts.catalog import Distribution
from synth.artifacts.release import Association
from synth.release.told import Source, Told
from synth.site.pictures import bars

WIDTH, HEIGHT, BASE = 640, 120, 96  # of a time line, in its own units
_ROWS: Source = "synthetic rows"
_STEPS = (
    (0.5, "strong"),
    (0.3, "clear"),
    (0.1, "weak"),
    (0.0, "none"),
)  # from which association on, and how it is shaded


def bar_list(found: Distribution) -> Markup:
    """Bars with shares; their marks are in titles, for the caption has the letter."""
    return Markup("").join([Markup('<ul class="bars">'), *(_bar(*line) for line in _lines(found)), Markup("</ul>")])


def _lines(found: Distribution) -> list[tuple[str, str, float, bool]]:
    return [(line.label, line.share, line.length, line.quiet) for line in bars(found)]


def _bar(label: str, share: str, length: float, quiet: bool) -> Markup:
    kind = ' class="quiet"' if quiet else ""
    return Markup(
        f'<li{kind}><span class="label">{Told(label, _ROWS).html(False)}</span><span class="track">'
        f'<span class="fill" style="width: {length:.1f}%"></span></span>'
        f'<span class="value">{Told(share, _ROWS).html(False)}</span></li>'
    )


def time_line(found: Distribution) -> Markup:
    """A column of dates from left to right; each bar has its share as a title, and both ends stand below."""
    lines = [line for line in _lines(found) if not line[3]]
    step = WIDTH / max(len(lines), 1)
    highest = max((length for _, _, length, _ in lines), default=0) or 100  # missing values set no scale here
    shapes = [
        _column(i * step, step, label, share, 100 * length / highest)
        for i, (label, share, length, _) in enumerate(lines)
    ]
    marks = [_mark(i, step, lines[i][0], i == len(lines) - 1) for i in range(0, len(lines), 5)]
    said = escape("; ".join(f"from {label}: {share}" for label, share, _, _ in lines))
    missing = Markup("").join(_bar(*line) for line in _lines(found) if line[3])
    picture = (
        f'<svg class="time" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">{"".join(shapes)}'
        f'<line x1="0" y1="{BASE}" x2="{WIDTH}" y2="{BASE}"/>{"".join(marks)}</svg>'
    )
    return Markup(picture) + (Markup('<ul class="bars">{}</ul>').format(missing) if missing else "")


def _column(x: float, wide: float, label: str, share: str, length: float) -> str:
    high = max(0.9 * length, 0.5)
    title = f"<title>{escape(label)}: {share} (synthetic rows)</title>"
    return f'<rect x="{x + 1:.1f}" y="{BASE - high:.1f}" width="{wide - 2:.1f}" height="{high:.1f}">{title}</rect>'


def _mark(place: int, step: float, label: str, last: bool) -> str:
    """The date at which a bar begins, within the picture's width."""
    x, anchor = (WIDTH, "end") if last else ((place + 0.5) * step, "middle") if place else (0, "start")
    return f'<text x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{escape(label)}</text>'


def matrix(found: Sequence[Association]) -> Markup:
    """A row and a column for each column, the lower half filled: a number in each cell, and a shade."""
    names = list(dict.fromkeys([found[0].first, *(one.second for one in found)])) if found else []
    values = {(one.second, one.first): one.value for one in found}
    head = "".join(f'<th scope="col"><code>{escape(name)}</code></th>' for name in names[:-1])
    rows = [
        f'<tr><th scope="row"><code>{escape(name)}</code></th>'
        + "".join(_cell(values[name, other]) for other in names[:place])
        + "<td></td>" * (len(names) - 1 - place)
        + "</tr>"
        for place, name in enumerate(names)
        if place
    ]
    return Markup(
        f'<table class="matrix"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def _cell(value: float | None) -> str:
    if value is None:
        return '<td class="none">-</td>'
    shade = next(name for least, name in _STEPS if value >= least)
    return f'<td class="{shade}">{Told(f"{value:.2f}", _ROWS).html(False)}</td>'
