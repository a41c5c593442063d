"""The project's graph as a picture: from left to right, a node below another only for want of room, each a link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import mean

WIDTH, HEIGHT, GAP, MARGIN = 200, 44, 64, 12  # pixels
SPACE = 18  # pixels between two nodes of a layer
LONGEST = 24  # letters of a name

# A node's id; or, with a layer's number, where the lines of a node pass that layer on their way to further ones: the
# dummy vertices of layered drawings (Sugiyama, Tagawa and Toda 1981), one for all lines of a node.
Stop = str | tuple[str, int]


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
    steps = dict.fromkeys(_steps(spots, layers))
    places = _places(layers, list(steps))
    wide = max((x for x, _ in places.values()), default=0) + WIDTH + MARGIN
    high = max((y + _height(stop) for stop, (_, y) in places.items()), default=0) + MARGIN
    lines = [
        f'<svg class="lineage" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'role="group" aria-label="Lineage"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
    ]
    lines += [_line(start, end, places) for start, end in steps]
    by_place = sorted(spots, key=lambda spot: places[spot.id])
    lines += [_node(spot, places[spot.id], spot.id == here) for spot in by_place]
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


def _steps(spots: Sequence[Spot], layers: Mapping[str, int]) -> Iterator[tuple[Stop, Stop]]:
    """Each edge as steps from one layer to the next."""
    for spot in spots:
        for parent in filter(layers.__contains__, spot.parents):
            between: list[Stop] = [(parent, layer) for layer in range(layers[parent] + 1, layers[spot.id])]
            yield from pairwise([parent, *between, spot.id])


def _places(layers: Mapping[str, int], steps: Sequence[tuple[Stop, Stop]]) -> dict[Stop, tuple[int, int]]:
    """Left and top of each stop: within its layer by the mean height of those before it, so that few lines cross."""
    stops = dict.fromkeys([*layers, *(end for _, end in steps)])
    places: dict[Stop, tuple[int, int]] = {}
    for number in range(max(layers.values(), default=-1) + 1):
        here = [stop for stop in stops if (layers[stop] if isinstance(stop, str) else stop[1]) == number]
        before = {stop: [_middle(a, places) for a, b in steps if b == stop] for stop in here}
        top = MARGIN
        for stop in sorted(here, key=lambda s: (mean(before[s] or [0]), str(s))):
            places[stop] = (MARGIN + number * (WIDTH + GAP), top)
            top += _height(stop) + SPACE
    return places


def _height(stop: Stop) -> int:
    return HEIGHT if isinstance(stop, str) else 0


def _middle(stop: Stop, places: Mapping[Stop, tuple[int, int]]) -> int:
    return places[stop][1] + _height(stop) // 2


def _line(start: Stop, end: Stop, places: Mapping[Stop, tuple[int, int]]) -> str:
    """Bent between two layers alone, and straight where it passes one."""
    x0, y0, x1, y1 = places[start][0] + WIDTH, _middle(start, places), places[end][0], _middle(end, places)
    bend = (x1 - x0) // 2
    ends = 'marker-end="url(#arrow)" ' if isinstance(end, str) else ""
    passes = "" if isinstance(end, str) else f"H{x1 + WIDTH}"
    return f'<path class="edge" {ends}d="M{x0} {y0}C{x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}{passes}"/>'


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
