"""Synthetic rows of a fitted generator: post-processing, as often as wanted.

Several candidates are drawn for each unit, and weights on them say which ones together have the noisy marginals (the
tilt). A table too large for that takes the rows of a network that has learned from such rows (distillation).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from synth.artifacts.plan import Tilt
from synth.generator.fitted import Generator, assemble
from synth.generator.learning import learn
from synth.generator.network import Columns, Network
from synth.generator.ranges import Floats, Integers
from synth.generator.repeats import pull_of
from synth.generator.rules import Rule
from synth.generator.sampling import Limits, draw, levels_from, sizes_from
from synth.generator.tilt import best, chosen, tilt_weights, tilted

UNITS_AT_ONCE = 250_000
LEAST_WEIGHT = 1e-30  # of a candidate that holds every rule; one that does not has none


@dataclass(frozen=True, eq=False)
class Block:
    """Codes int64[rows, columns] of some units' rows, and whether each row holds every rule, bool[rows]."""

    codes: Integers
    held: NDArray[np.bool_]


def synthesize(
    generator: Generator, sizes: Integers, seed: int, parent: Integers | None = None, rules: Sequence[Rule] = (),
    limits: Limits | None = None,
) -> Iterator[Block]:  # fmt: skip
    """Rows of units with ``sizes`` int64[units] rows each, unit after unit; the same seed gives the same rows.

    ``parent`` int64[units, parent's columns]: codes that each unit's rows are generated given. The rules know a unit by its
    place in ``sizes``, and so do ``limits``.
    """
    if not len(sizes):
        return
    random = np.random.default_rng([seed, 0])
    columns, network = assemble(generator)
    given = _given(generator, sizes, parent)
    tilt = generator.tilt
    weighed = tilt and len(sizes) <= tilt.most_units
    if tilt and generator.distillation and not weighed:
        network, columns = _distilled(generator, network, columns, given, tilt, seed, rules, limits)
    pull = pull_of(network, columns, generator.repeats, given, sizes, random)
    if tilt and weighed:
        yield _weighed(generator, network, columns, given, sizes, tilt, parent is None, random, rules, limits, pull)
        return
    for start in range(0, len(sizes), UNITS_AT_ONCE):
        part = slice(start, start + UNITS_AT_ONCE)
        names = np.arange(len(sizes))[part]
        units = draw(network, columns, given[part], sizes[part], random, rules, limits, names, pull)
        yield Block(units.codes, units.held)


def sample(
    generator: Generator, sizes: Integers, seed: int, parent: Integers | None = None, rules: Sequence[Rule] = ()
) -> Integers:
    """All rows at once: codes int64[rows, columns]."""
    blocks = [block.codes for block in synthesize(generator, sizes, seed, parent, rules)]
    landed = len(generator.order) - len(generator.rising)
    return np.concatenate([np.zeros((0, landed), np.int64), *blocks])


def draw_sizes(generator: Generator, units: int | None, rows: int | None, seed: int) -> Integers:
    """Numbers of rows int64[units] from the noisy shares: exactly ``rows`` rows if given (the last unit is cut), else
    ``units`` units."""
    wanted = rows if rows is not None else units or 0  # a unit has a row at least
    if generator.max_rows_per_unit == 1 or not wanted:
        return np.ones(wanted, np.int64)
    random = np.random.default_rng([seed, 1])
    column = generator.ways.columns[-1]
    sizes: Integers = column.decode(levels_from(column.shares, wanted, random), random) + 1
    if rows is not None:
        ends = np.cumsum(sizes)
        last = int(np.searchsorted(ends, rows))
        sizes = sizes[: last + 1].copy()
        sizes[last] -= ends[last] - rows
    return sizes


def nats(generator: Generator, units: int, seed: int) -> float:
    """Mean divergence of a unit's latent from its prior, in nats, over synthetic units: what the latent carries."""
    columns, network = assemble(generator)
    if not network.shape.latent:
        return 0.0
    random = np.random.default_rng([seed, 3])
    found = [levels_from(column.shares, units, random) for column in generator.ways.columns[columns.generated :]]
    given = np.stack(found, axis=1) if found else np.zeros((units, 0), dtype=np.int64)
    sizes = sizes_from(generator.ways.columns, given, generator.max_rows_per_unit, random)
    with torch.no_grad():
        return network.divergence(columns, draw(network, columns, given, sizes, random).rows)


def _given(generator: Generator, sizes: Integers, parent: Integers | None) -> Integers:
    """Levels of what rows are generated given, int64[units, given columns]."""
    given = [] if parent is None else list(parent.T)
    given += [sizes - 1] if generator.max_rows_per_unit > 1 else []
    columns = generator.ways.columns[len(generator.order) :]
    levels = [column.encode(codes) for column, codes in zip(columns, given, strict=True)]
    return np.stack(levels, axis=1) if levels else np.zeros((len(sizes), 0), dtype=np.int64)


def _weighed(
    generator: Generator, network: Network, columns: Columns, given: Integers, sizes: Integers, tilt: Tilt,
    exchangeable: bool, random: np.random.Generator, rules: Sequence[Rule], limits: Limits | None,
    pull: Floats | None,
) -> Block:  # fmt: skip
    """Several candidates for each unit, and of those as many as are wanted; any unit's where units are exchangeable."""
    wanted = np.repeat(np.arange(len(sizes)), tilt.candidates)
    units = draw(network, columns, given[wanted], sizes[wanted], random, rules, limits, wanted, pull)
    weights = tilt_weights(units.rows, generator.ways, generator.pairs, tilt.steps)
    weights = np.where(units.held_by_unit, np.maximum(weights, LEAST_WEIGHT), 0)
    if exchangeable:
        found = chosen(weights, units.rows, sizes, columns.order, random)
    else:
        found = best(weights, tilt.candidates, random)
    rows = units.rows.rows_of(found)
    return Block(units.codes[rows], units.held[rows])


def _distilled(
    generator: Generator, network: Network, columns: Columns, given: Integers, tilt: Tilt, seed: int,
    rules: Sequence[Rule], limits: Limits | None,
) -> tuple[Network, Columns]:  # fmt: skip
    """A network with a feature for each level that has learned from this one's rows, brought to the noisy marginals."""
    lesson = generator.distillation
    assert lesson is not None
    random = np.random.default_rng([seed, 2])
    names = random.integers(0, len(given), lesson.units)
    given = given[names]
    sizes = sizes_from(generator.ways.columns, given, generator.max_rows_per_unit, random)
    pull = pull_of(network, columns, generator.repeats, given, sizes, random)
    units = draw(network, columns, given, sizes, random, rules, limits, names, pull)
    rows = tilted(units.rows, generator.ways, generator.pairs, tilt.steps, random)
    full = Columns(generator.ways.columns, columns.order, columns.strata, columns.several, None, columns.rises)
    wide = network.unfolded(columns, full, seed)
    learn(wide, full, rows, lesson, seed)
    return wide, full
