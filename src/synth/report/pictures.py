"""Pictures of curves as SVG, in colours that the colour-blind tell apart, with shapes besides: areas, lines, dashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from synth.artifacts.evaluation import Curve

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 340.0, 150.0, 34.0, 22.0, 8.0
WORTH_A_WORD = 0.02  # of a table's rows that a picture does not show
LETTER, LONGEST = 5.4, 36  # of a matrix's names: how wide a letter is, and how many are shown


@dataclass(frozen=True)
class Frame:
    """Where numbers lie in a picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return LEFT + across * (WIDTH - LEFT - 6), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in (self.at(x, y) for x, y in zip(xs, ys, strict=True)))


def distribution(curve: Curve) -> str:
    """Shares of bins: held-out rows as a filled area, the table as a line."""
    synthetic, real = curve.series.get("synthetic", ()), curve.series.get("holdout", ())
    top = max((*synthetic, *real, 1e-9))
    frame = Frame((0.0, float(max(len(curve.x), 1))), (0.0, top))
    area = _steps(frame, real)
    base = [frame.at(0, 0), frame.at(len(real), 0)]
    closed = f"{base[0][0]:.1f},{base[0][1]:.1f} {area} {base[1][0]:.1f},{base[1][1]:.1f}"
    body = f'<polygon class="real" points="{closed}"/><polyline class="own" points="{_steps(frame, synthetic)}"/>'
    return _svg(curve, body + _axes(frame, [_end(curve.x[0]), _end(curve.x[-1])] if curve.x else [], f"{top:.0%}"))


def outside(curve: Curve) -> str:
    """How much of the table, and of held-out rows, lies in no bin; nothing of little."""
    own, other = (max(0.0, 1 - sum(curve.series.get(name, ()))) for name in ("synthetic", "holdout"))
    return f"missing or beyond: {own:.1%}, real {other:.1%}" if max(own, other) >= WORTH_A_WORD else ""


def bars(curve: Curve) -> str:
    """Shares of categories, with their whole names: held-out rows as a wide bar, the table as a narrow one."""
    synthetic, real = curve.series.get("synthetic", ()), curve.series.get("holdout", ())
    top = max((*synthetic, *real, 1e-9))
    rows = []
    for name, own, other in zip(map(str, curve.x), synthetic, real, strict=True):
        if not own and not other:
            continue
        rows.append(
            f'<li><span class="label">{escape(name)}</span><span class="both">'
            f'<i class="real" style="width:{100 * other / top:.1f}%"></i><i class="own" style="width:{100 * own / top:.1f}%"></i>'
            f'</span><span class="value">{own:.1%} <small>{other:.1%}</small></span></li>'
        )
    return f'<ul class="bars">{"".join(rows)}</ul>'


def lines(curve: Curve) -> str:
    """A line for each series over numbers; "... low" and "... high" become a band."""
    xs = [float(x) for x in curve.x]
    top = max((max(ys, default=0.0) for ys in curve.series.values()), default=1.0)
    low = min((min(ys, default=0.0) for ys in curve.series.values()), default=0.0)
    frame = Frame((min(xs, default=0.0), max(xs, default=1.0)), (min(low, 0.0), top))
    body = ""
    lows, highs = curve.series.get("holdout low"), curve.series.get("holdout high")
    if lows and highs:
        body += f'<polygon class="real" points="{frame.path(xs, highs)} {frame.path(xs[::-1], lows[::-1])}"/>'
    kinds = {"synthetic": "own", "holdout": "holdout", "train": "train"}
    for name, ys in curve.series.items():
        if name in kinds:
            body += f'<polyline class="{kinds[name]}" points="{frame.path(xs, ys)}"/>'
    ends = [f"{xs[0]:g}", f"{xs[-1]:g}"] if xs else []
    return _svg(curve, body + _axes(frame, ends, f"{top:.2g}"))


def matrix(names: Sequence[str], values: Sequence[Sequence[float | None]], told: str) -> str:
    """A heat map of associations from 0 to 1; a cell that is not known is crossed out."""
    size = max(10.0, min(26.0, 400.0 / max(len(names), 1)))
    edge = 12 + LETTER * min(max(map(len, names), default=0), LONGEST)
    cells = []
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            x, y = edge + j * size, edge + i * size
            if value is None:
                cells.append(f'<rect class="none" x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"/>')
                continue
            title = f"<title>{escape(names[i])} × {escape(names[j])}: {value:.2f}</title>"
            cells.append(
                f'<rect class="heat" style="opacity:{min(abs(value), 1):.3f}" x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" '
                f'height="{size:.1f}">{title}</rect>'
            )
    labels = []
    for i, name in enumerate(names):
        middle = edge + (i + 0.5) * size
        text = escape(name if len(name) <= LONGEST else name[: LONGEST - 1] + "…") + f"<title>{escape(name)}</title>"
        labels.append(f'<text x="{edge - 6:.1f}" y="{middle + 4:.1f}" text-anchor="end">{text}</text>')
        labels.append(
            f'<text x="{middle:.1f}" y="{edge - 6:.1f}" transform="rotate(-60 {middle:.1f} {edge - 6:.1f})">{text}</text>'
        )
    whole = edge + len(names) * size + edge / 2  # for names that lean out
    return (
        f'<svg class="matrix" viewBox="0 0 {whole:.0f} {edge + len(names) * size + 6:.0f}" role="img" '
        f'aria-label="{escape(told)}">{"".join(cells)}{"".join(labels)}</svg>'
    )


def scale(position: float | None) -> str:
    """Where a figure lies between shuffled columns, left, and real rows, right."""
    if position is None:
        return ""
    place = 6 + 88 * min(max(position, -0.05), 1.05)
    told = f"{position:.0%} of the way from shuffled columns to real rows"
    return (
        f'<svg class="scale" viewBox="0 0 100 14" role="img" aria-label="{told}"><title>{told}</title>'
        '<line x1="6" x2="94" y1="7" y2="7"/><line x1="6" x2="6" y1="3" y2="11"/><line x1="94" x2="94" y1="3" y2="11"/>'
        f'<circle cx="{place:.1f}" cy="7" r="4.5"/></svg>'
    )


def _end(value: float | str) -> str:
    """A number, or the day of a time."""
    return value.partition("T")[0] if isinstance(value, str) else f"{value:.4g}"


def _steps(frame: Frame, shares: Sequence[float]) -> str:
    points = [point for i, share in enumerate(shares) for point in ((i, share), (i + 1, share))]
    return frame.path([float(x) for x, _ in points], [y for _, y in points])


def _axes(frame: Frame, ends: Sequence[str], top: str) -> str:
    x0, y0 = frame.at(frame.x[0], frame.y[0])
    x1, y1 = frame.at(frame.x[1], frame.y[1])
    found = f'<line class="axis" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y0:.1f}"/>'
    found += f'<text x="{x0 - 3:.1f}" y="{y1 + 8:.1f}" text-anchor="end">{escape(top)}</text>'
    if ends:
        found += f'<text x="{x0:.1f}" y="{HEIGHT - 6:.1f}">{escape(ends[0][:22])}</text>'
        found += f'<text x="{x1:.1f}" y="{HEIGHT - 6:.1f}" text-anchor="end">{escape(ends[-1][:22])}</text>'
    return found


def _svg(curve: Curve, body: str) -> str:
    told = f"{curve.name.replace('_', ' ')} of {curve.of}: the synthetic table beside held-out rows"
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(told)}">{body}</svg>'
    )


def density(curve: Curve) -> str:
    """Two grids of counts side by side, the table's and held-out rows'; the series are rows of a square grid."""
    grids = [(name, curve.series[name]) for name in ("synthetic", "holdout") if name in curve.series]
    side = max(round(len(grids[0][1]) ** 0.5), 1) if grids else 1
    size, parts = 150.0 / side, []
    for number, (name, counts) in enumerate(grids):
        top, left = max((*counts, 1e-9)), number * 170.0
        for place, count in enumerate(counts):
            x, y = left + place % side * size, (side - 1 - place // side) * size + 16
            parts.append(
                f'<rect class="heat" style="opacity:{(count / top) ** 0.5:.3f}" x="{x:.1f}" y="{y:.1f}" width="{size:.2f}" '
                f'height="{size:.2f}"/>'
            )
        parts.append(f'<text x="{left:.0f}" y="10">{"this table" if name == "synthetic" else "held-out rows"}</text>')
    told = "density of rows along the two main directions"
    return f'<svg class="curve" viewBox="0 0 325 170" role="img" aria-label="{told}">{"".join(parts)}</svg>'
