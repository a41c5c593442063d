"""Quality against epsilon as SVG: a line with marks of its own for each generator, a bar for the range over seeds.

Colours are those of Okabe and Ito (2008), which the colour-blind tell apart; marks and dashes tell the same without colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360.0, 210.0, 40.0, 12.0, 16.0, 34.0
KINDS = 6  # of colours, and of marks
SIZE = 4.5  # of a mark
APART = 10.0  # by which lines are moved aside, so that their bars do not hide each other
GRID = 4  # lines across, besides the axis


@dataclass(frozen=True)
class Series:
    """Of one generator: by epsilon the values of all seeds; of a reference, which has no epsilon, under None."""

    name: str
    kind: int  # of its colour and mark
    values: Mapping[float | None, Sequence[float]]


@dataclass(frozen=True)
class Frame:
    """Where numbers lie: epsilons on a log scale, figures between ``low`` and ``high``."""

    epsilons: Sequence[float]
    low: float
    high: float

    def x(self, epsilon: float) -> float:
        first, last = math.log(self.epsilons[0]), math.log(self.epsilons[-1])
        part = (math.log(epsilon) - first) / (last - first) if last > first else 0.5
        inner = 18.0  # marks of the first and the last do not touch the edge
        return LEFT + inner + part * (WIDTH - LEFT - RIGHT - 2 * inner)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)


def against_epsilon(told: str, series: Sequence[Series], train: float | None, shuffled: float | None) -> str:
    """``told``: what is drawn, for those who hear it; ``train``, ``shuffled``: levels to compare with."""
    values = [v for one in series for found in one.values.values() for v in found]
    levels = [level for level in (train, shuffled) if level is not None]
    epsilons = sorted({e for one in series for e in one.values if e is not None})
    if not values or not epsilons:
        return ""
    frame = Frame(epsilons, *_range([*values, *levels]))
    parts = [_axes(frame), *(_level(frame, level, kind) for level, kind in ((train, "train"), (shuffled, "shuffled")))]
    middle = (len(series) - 1) / 2
    parts += [_drawn(frame, one, (place - middle) * APART) for place, one in enumerate(series)]
    head = f'<svg class="curve" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(told)}">'
    return f"{head}{''.join(parts)}</svg>"


def key(kind: int, dashed: bool) -> str:
    """A mark on a piece of its line, for the legend."""
    line = f'<line class="line k{kind}{" dashed" if dashed else ""}" x1="0" x2="34" y1="8" y2="8"/>'
    return f'<svg class="key" viewBox="0 0 34 16" aria-hidden="true">{line}{mark(kind, 17, 8)}</svg>'


def mark(kind: int, x: float, y: float) -> str:
    """A filled shape at a place; every kind has one of its own."""
    s = SIZE
    shapes = {
        1: [(-s, -s), (s, -s), (s, s), (-s, s)],
        2: [(0, -1.3 * s), (1.2 * s, s), (-1.2 * s, s)],
        3: [(0, -1.4 * s), (1.4 * s, 0), (0, 1.4 * s), (-1.4 * s, 0)],
        4: [(0, 1.3 * s), (1.2 * s, -s), (-1.2 * s, -s)],
    }
    if kind in shapes:
        points = " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in shapes[kind])
        return f'<polygon class="mark k{kind}" points="{points}"/>'
    if kind == 0:
        return f'<circle class="mark k0" cx="{x:.1f}" cy="{y:.1f}" r="{s:g}"/>'
    return f'<path class="line k{kind}" d="M{x - s:.1f} {y - s:.1f}l{2 * s:g} {2 * s:g}m0 {-2 * s:g}l{-2 * s:g} {2 * s:g}"/>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.1 * (high - low) or 0.05
    return low - room, high + room


def _drawn(frame: Frame, one: Series, aside: float) -> str:
    """A line through the means, a bar and a mark at each; a reference is a dashed level."""
    if None in one.values:
        found = one.values[None]
        y, x = frame.y(mean(found)), WIDTH - RIGHT - 10 + aside
        line = f'<line class="line dashed k{one.kind}" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        return line + _bar(frame, one.kind, x, found) + mark(one.kind, x, y)
    places = [
        (frame.x(e) + aside, frame.y(mean(one.values[e])), one.values[e]) for e in sorted(filter(None, one.values))
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    marks = "".join(_bar(frame, one.kind, x, found) + mark(one.kind, x, y) for x, y, found in places)
    return f'<polyline class="line k{one.kind}" points="{points}"/>{marks}'


def _bar(frame: Frame, kind: int, x: float, values: Sequence[float]) -> str:
    low, high = frame.y(min(values)), frame.y(max(values))
    return f'<line class="line k{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'


def _level(frame: Frame, value: float | None, name: str) -> str:
    if value is None:
        return ""
    y = frame.y(value)
    line = f'<line class="level {name}" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
    said = {"train": "real rows", "shuffled": "shuffled columns"}[name]
    return f'{line}<text x="{LEFT + 3:g}" y="{y + (-4 if name == "train" else 11):.1f}">{said}</text>'


def _axes(frame: Frame) -> str:
    base = HEIGHT - BOTTOM
    found = [f'<line class="axis" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{base:g}" y2="{base:g}"/>']
    for step in range(GRID + 1):
        value = frame.low + (frame.high - frame.low) * step / GRID
        y = frame.y(value)
        found.append(f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text x="{LEFT - 4:g}" y="{y + 3.5:.1f}" text-anchor="end">{round(value, 2) + 0.0:.2f}</text>')
    found += [f'<text x="{frame.x(e):.1f}" y="{base + 14:g}" text-anchor="middle">{e:g}</text>' for e in frame.epsilons]
    found.append(f'<text x="{(LEFT + WIDTH) / 2:g}" y="{HEIGHT - 4:g}" text-anchor="middle">epsilon</text>')
    return "".join(found)
