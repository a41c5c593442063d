"""A picture of a model's constraints: columns to the left, constraints to the right, a line where one looks at the other.

The colour says how it is held. Plain text of SVG, the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from statistics import mean

from synth.artifacts.compiled import Constraint, Held, SyntheticModel

COLORS: dict[Held, str] = {
    "bounds": "#8a94a6", "offset": "#0b7a75", "composite": "#7b3fa0", "mask": "#1f5fbf", "rejection": "#c4560a",
}  # fmt: skip
MEANS: dict[Held, str] = {
    "bounds": "bounds and values hold it", "offset": "a time since another date", "composite": "generated as one column",
    "mask": "nothing else is drawn", "rejection": "drawn again until it holds",
}  # fmt: skip
ROW, TOP, GAP, LETTER = 26, 64, 220, 7.2  # pixels; LETTER: of a letter's width, about
LONGEST = 72  # letters of a constraint's name


def constraint_graph(model: SyntheticModel) -> str:
    """An SVG document; also where there are no constraints."""
    order = {column.name: i for i, column in enumerate(model.plan.layout)}
    shown = sorted(model.constraints, key=lambda c: mean([order[name] for name in c.columns] or [0]))  # few lines cross
    columns = sorted({name for c in shown for name in c.columns}, key=lambda name: order[name])
    left = 24 + LETTER * max(map(len, columns), default=0)
    right = left + GAP
    legend, legend_width = _legend(shown)
    width = max(legend_width, right + 40 + LETTER * max((len(_short(c.name)) for c in shown), default=0))
    height = TOP + ROW * max(len(columns), len(shown), 1) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="system-ui, sans-serif" '
        f'font-size="13" role="img" aria-label="{escape(f"What holds the constraints of {model.name}")}">',
        f'<rect width="{width:.0f}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-weight="600">{escape(model.name)}</text>',
        *legend,
    ]
    heights = {name: _y(i, len(columns), height) for i, name in enumerate(columns)}
    for i, constraint in enumerate(shown):
        lines += _edges(constraint, heights, left + 8, right, _y(i, len(shown), height))
    for name, y in heights.items():
        lines.append(f'<text x="{left:.0f}" y="{y + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        lines.append(f'<circle cx="{left + 8:.0f}" cy="{y:.0f}" r="3" fill="#333"/>')
    for i, constraint in enumerate(shown):
        lines += _name(constraint, right, _y(i, len(shown), height))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(constraints: list[Constraint]) -> tuple[list[str], float]:
    """What the colours mean, and where that ends."""
    lines, x = [], 12.0
    used = {kind for constraint in constraints for kind in constraint.held}
    for kind, color in COLORS.items():
        if kind in used:
            text = f"{kind}: {MEANS[kind]}"
            lines.append(f'<circle cx="{x + 5:.0f}" cy="42" r="5" fill="{color}"/>')
            lines.append(f'<text x="{x + 14:.0f}" y="46" font-size="11" fill="#555">{text}</text>')
            x += 30 + 5.8 * len(text)
    return lines, x


def _edges(constraint: Constraint, heights: dict[str, float], left: float, right: float, y: float) -> Iterator[str]:
    middle = (left + right) / 2
    for held, name in dict.fromkeys((part.held, name) for part in constraint.parts for name in part.columns):
        path = (
            f"M{left:.0f} {heights[name]:.0f}C{middle:.0f} {heights[name]:.0f} {middle:.0f} {y:.0f} {right:.0f} {y:.0f}"
        )
        yield f'<path d="{path}" fill="none" stroke="{COLORS[held]}" stroke-width="1.5" opacity="0.75"/>'


def _name(constraint: Constraint, x: float, y: float) -> Iterator[str]:
    for i, kind in enumerate(constraint.held):
        yield f'<circle cx="{x + 5 + 12 * i:.0f}" cy="{y:.0f}" r="5" fill="{COLORS[kind]}"/>'
    start = x + 4 + 12 * len(constraint.held)
    title = escape(f"{constraint.place}: {', '.join(constraint.held)}: {constraint.sql}"[:400])
    yield f'<text x="{start:.0f}" y="{y + 4:.0f}"><title>{title}</title>{escape(_short(constraint.name))}</text>'


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _y(i: int, count: int, height: int) -> float:
    """Of the i-th of some, spread over the picture."""
    return TOP + (i + 0.5) * (height - TOP - 12) / max(count, 1)
