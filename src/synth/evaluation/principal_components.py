"""Both tables in the plane in which their rows differ most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas

from synth.artifacts.evaluation import Curve
from synth.evaluation.coding import Floats, Integers, design, some
from synth.evaluation.world import Found, World

COMPONENTS = 2
GRID = 12  # squares along each side of the picture


def principal_components(candidate: pandas.DataFrame, world: World) -> Iterator[Found | Curve]:
    """Figures by components of both tables together; a picture by those of real rows, the same for every candidate.

    Distances are in standard deviations of the held-out rows along each component.
    """
    here, there = design(candidate, world), design(some(world.holdout, world), world)
    if min(len(here), len(there)) < 2 or here.shape[1] < COMPONENTS:
        for metric in ("pca_centroid_distance", "pca_covariance_difference"):
            yield Found(metric, None, "lower", note="a table has fewer than two rows or no columns")
        return
    axes, explained = _axes(np.vstack([there, here]))
    for number, share in enumerate(explained, 1):
        yield Found("pca_explained", float(share), "train", of=f"component {number}")
    unit = (there @ axes).std(0)
    here_in, there_in = (table @ axes / np.where(unit > 0, unit, 1) for table in (here, there))
    yield Found("pca_centroid_distance", float(np.linalg.norm(here_in.mean(0) - there_in.mean(0))), "lower")
    covariances = [np.cov(table, rowvar=False) for table in (here_in, there_in)]
    yield Found("pca_covariance_difference", float(np.linalg.norm(covariances[0] - covariances[1])), "lower")
    yield _density(here, there, design(some(world.train, world), world))


def _axes(rows: Floats) -> tuple[Floats, Floats]:
    """Of standardized columns: [columns, components], and the components' shares of the variance."""
    deviation = rows.std(0)
    scale = np.where(deviation > 1e-9, deviation, 1)
    values, vectors = np.linalg.eigh(np.cov(rows / scale, rowvar=False))
    order = np.argsort(values)[::-1][:COMPONENTS]
    axes = vectors[:, order] / scale[:, None]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(COMPONENTS)])  # of the two directions always the same
    total = values.clip(0).sum()
    return axes, values[order].clip(0) / total if total > 0 else np.zeros(COMPONENTS)


def _density(here: Floats, there: Floats, train: Floats) -> Curve:
    """Shares of rows in each square, named by its middle: "-0.5, 1.25". What lies beyond is of the outer squares."""
    axes, _ = _axes(np.vstack([train, there]))
    projected = train @ axes
    edges = [_edges(projected[:, component]) for component in range(COMPONENTS)]
    middles = [(each[1:] + each[:-1]) / 2 for each in edges]
    x = tuple(f"{first:.4g}, {second:.4g}" for first in middles[0] for second in middles[1])
    series = {"candidate": _squares(here @ axes, edges), "holdout": _squares(there @ axes, edges)}
    return Curve(section="detection", name="principal_components", of="", x=x, series=series)


def _edges(values: Floats) -> Floats:
    low, high = np.quantile(values, (0.01, 0.99)) if len(values) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, GRID + 1)


def _squares(points: Floats, edges: list[Floats]) -> tuple[float, ...]:
    found: list[Integers] = [np.searchsorted(each[1:-1], points[:, index]) for index, each in enumerate(edges)]
    return tuple(map(float, np.bincount(found[0] * GRID + found[1], minlength=GRID**2) / max(len(points), 1)))
