"""The project's graph as a picture: from left to right, a node below another only for want of room, each a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean

WIDTH, HEIGHT, GAP, ROW, MARGIN = 200, 44, 64, 62, 12  # pixels
LONGEST = 24  # letters of a name


@dataclass(frozen=True)
class Spot:
    """A node of the picture."""

    id: str
    name: str
    kind: str  # what its second line says
    zone: str  # its class
    href: str
    parents: tuple[str, ...]


def lineage(spots: Sequence[Spot], here: str | None = None) -> str:
    """SVG of a graph without circles; ``here``: the node that is marked."""
    layers = _layers(spots)
    places = _places(spots, layers)
    wide = max((x for x, _ in places.values()), default=0) + WIDTH + MARGIN
    high = max((y for _, y in places.values()), default=0) + HEIGHT + MARGIN
    lines = [
        f'<svg class="lineage" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'role="group" aria-label="Lineage"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
    ]
    for spot in spots:
        lines += [_edge(places[parent], places[spot.id]) for parent in spot.parents if parent in places]
    lines += [_node(spot, places[spot.id], spot.id == here) for spot in sorted(spots, key=lambda s: places[s.id])]
    return "\n".join([*lines, "</svg>"])


def around(spots: Sequence[Spot], here: str) -> list[Spot]:
    """A node with all that it comes from and all that comes of it."""
    by_id = {spot.id: spot for spot in spots}
    children = {spot.id: [s.id for s in spots if spot.id in s.parents] for spot in spots}
    kept = {here}
    for step in (lambda i: by_id[i].parents, children.__getitem__):
        waiting = [here]
        while waiting:
            found = [j for j in step(waiting.pop()) if j in by_id and j not in kept]
            kept |= {*found}
            waiting += found
    return [spot for spot in spots if spot.id in kept]


def _layers(spots: Sequence[Spot]) -> Mapping[str, int]:
    """How many steps a node is from what has no parents, at most."""
    by_id = {spot.id: spot for spot in spots}
    found: dict[str, int] = {}

    def layer(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((layer(p) for p in by_id[name].parents if p in by_id), default=-1)
        return found[name]

    for spot in spots:
        layer(spot.id)
    return found


def _places(spots: Sequence[Spot], layers: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Left and top of each node: within its layer by the mean height of its parents, so that few lines cross."""
    places: dict[str, tuple[int, int]] = {}
    for number in range(max(layers.values(), default=-1) + 1):
        column = [spot for spot in spots if layers[spot.id] == number]
        height = {s.id: mean([places[p][1] for p in s.parents if p in places] or [0]) for s in column}
        for row, spot in enumerate(sorted(column, key=lambda s: (height[s.id], s.name))):
            places[spot.id] = (MARGIN + number * (WIDTH + GAP), MARGIN + row * ROW)
    return places


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x0, y0, x1, y1 = start[0] + WIDTH, start[1] + HEIGHT // 2, end[0], end[1] + HEIGHT // 2
    bend = (x1 - x0) // 2
    return f'<path class="edge" marker-end="url(#arrow)" d="M{x0} {y0}C{x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}"/>'


def _node(spot: Spot, place: tuple[int, int], here: bool) -> str:
    x, y = place
    name = spot.name if len(spot.name) <= LONGEST else spot.name[: LONGEST - 1] + "…"
    mark = ' aria-current="page"' if here else ""
    return (
        f'<a href="{escape(spot.href)}" class="spot {spot.zone}"{mark}><title>{escape(spot.name)}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + 12}" y="{y + 18}" class="name">{escape(name)}</text>'
        f'<text x="{x + 12}" y="{y + 34}" class="kind">{escape(spot.kind)}</text></a>'
    )
