"""The door of the room: private codes in, a fitted generator out, synthetic codes from it.

The stages, in order: noisy marginals of columns and pairs, a fit to them, a network that learns from the fit (warm start),
DP-SGD on the real rows, a tilt of synthetic rows to the noisy marginals, and the network's last lesson from those
(distillation). Three stages ask a ``PrivateRows``, which pays for each answer; all others see answers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from synth.artifacts import plan as artifacts
from synth.artifacts.layout import modelled
from synth.artifacts.plan import Plan
from synth.generator.learning import Progress, learn
from synth.generator.levels import Levels
from synth.generator.marginal_fit import fit_marginals, sample_mixture
from synth.generator.marginals import Ways, measure
from synth.generator.network import Columns, Network, Strata
from synth.generator.pairs import Pairs, dependence, greedy_order, measure_pairs, measure_persistence
from synth.generator.pairs import strata as strata_of
from synth.generator.ranges import Integers
from synth.generator.rows import PrivateRows
from synth.generator.sampling import Rule, Sampler, draw, levels_from
from synth.generator.sequences import Sequences
from synth.generator.tilt import tilted
from synth.generator.warm_start import as_units
from synth.privacy.mechanisms import Curator
from synth.privacy.randomness import Randomness


@dataclass(frozen=True, eq=False)
class Codes:
    """Private rows: codes [rows] of each column as the plan's layout says (then the parent's), ``unit`` [rows].

    The rows of a unit are in order; where they lie apart they are brought together.
    """

    columns: Sequence[NDArray[np.integer]]
    unit: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Generator:
    """All that is released of a fit. Where a unit may have several rows, the last of ``columns`` is how many it has."""

    model: str
    max_rows_per_unit: int
    network: artifacts.Network
    columns: tuple[Levels, ...]
    order: Integers  # in which the table's columns, which are the first, are generated
    strata: Strata  # for each place of the order, the columns before it that it depends on most
    weights: Mapping[str, NDArray[np.float32]]

    def __post_init__(self) -> None:
        self.order.setflags(write=False)
        for array in self.weights.values():
            array.setflags(write=False)
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))


def fit(
    codes: Codes, plan: Plan, randomness: Randomness, progress: Progress | None = None, rules: Sequence[Rule] = ()
) -> Generator:
    """Fits a generator as ``plan`` says; its events are spent whatever the rows are, and also where there are none.

    ``progress`` is called with the steps done and the steps in all. Codes outside the layout count as the nearest.
    ``rules`` are asked of synthetic rows alone: those that the tilt brings to the noisy marginals hold them.
    """
    rows = private_rows(codes, plan, Curator(plan.privacy.events, randomness))
    ways = measure(rows, plan)
    rows = rows.with_codes(lambda j, column: ways.columns[j].encode(column).astype(np.int16), len(ways.columns))
    pairs = measure_pairs(rows, ways, plan) if plan.pairs else None
    persistence = measure_persistence(rows, ways, plan) if plan.pairs and plan.cap > 1 else None
    order, strata = _order(ways, pairs, len(plan.layout))
    columns = Columns(ways.columns, order, strata, plan.cap > 1, plan.network.basis)
    network = Network(columns, plan.network, plan.seed)
    if plan.kind == "independent":
        network.forget()
    first, like = None, Sequences(np.zeros((0, len(ways.columns)), np.int64), np.zeros(0, np.int64))
    if pairs and plan.marginal_fit and plan.warm_start:
        mixture = fit_marginals(ways, pairs, plan.marginal_fit, plan.seed)
        first = sample_mixture(mixture, plan.warm_start.units, np.random.default_rng([plan.seed, 0]))
        like = as_units(first, ways, len(plan.layout), persistence)
        learn(network, columns, like, plan.warm_start, plan.seed)
    if plan.dp_sgd:
        from synth.generator.dp_sgd import train

        train(network, columns, rows, like, plan.dp_sgd, progress)
    shape = plan.network
    if plan.tilt:
        shape = shape.model_copy(update={"basis": None})
        network = _tilt(network, columns, ways, pairs, first, plan, rules)
    weights = {name: matrix.detach().numpy().copy() for name, matrix in network.matrices.items()}
    return Generator(plan.model, plan.cap, shape, ways.columns, columns.order, columns.strata, weights)


def private_rows(codes: Codes, plan: Plan, curator: Curator) -> PrivateRows:
    """The rows behind their doors: units together, none with more rows than the cap, all codes inside the layout."""
    unit, columns = codes.unit, list(codes.columns)
    if np.any(np.diff(unit) < 0):
        order = np.argsort(unit, kind="stable")
        unit, columns = unit[order], [column[order] for column in columns]
    first = np.flatnonzero(np.diff(unit, prepend=unit[:1] - 1)).astype(np.int64)
    sizes = np.minimum(np.diff(np.append(first, len(unit))), plan.cap).astype(np.int64)
    if int(sizes.sum()) < len(unit):
        kept = np.arange(int(sizes.sum())) + np.repeat(first - (np.cumsum(sizes) - sizes), sizes)
        columns, first = [column[kept] for column in columns], np.cumsum(sizes) - sizes
    if plan.cap > 1:
        columns.append(np.repeat(sizes - 1, sizes))
    tops = [layout.cells - 1 + layout.missing for layout in modelled(plan)]
    columns = [np.clip(column, 0, top) for column, top in zip(columns, tops, strict=True)]
    return PrivateRows(columns, first, sizes, curator)


def _order(ways: Ways, pairs: Pairs | None, generated: int) -> tuple[Integers, Strata]:
    """The order in which columns are generated, and for each those before it that it depends on most."""
    if pairs is None:
        return np.arange(generated), ((),) * generated
    strength, given = dependence(pairs, len(ways.columns), ways.persons), range(generated, len(ways.columns))
    order = greedy_order(strength, given, generated)
    return order, strata_of(strength, order, given)


def _tilt(
    network: Network, columns: Columns, ways: Ways, pairs: Pairs | None, first: Integers | None, plan: Plan,
    rules: Sequence[Rule],
) -> Network:  # fmt: skip
    """A network that learned from this one's rows, brought to the noisy marginals."""
    assert plan.tilt is not None and plan.distillation is not None
    random = np.random.default_rng([plan.seed, 1])
    full = Columns(ways.columns, columns.order, columns.strata, columns.several, None)
    wide = network.unfolded(columns, full, plan.seed)
    for turn in range(plan.tilt.rounds):
        given = _given(ways.columns[columns.generated :], first, columns.generated, plan.tilt.units, random)
        sizes = _sizes(ways.columns, given, plan.cap, random)
        units = tilted(draw(wide, full, given, sizes, random, rules), ways, pairs, plan.tilt, random)
        learn(wide, full, units, plan.distillation, plan.seed + 1 + turn)
    return wide


def _given(
    columns: tuple[Levels, ...], first: Integers | None, generated: int, units: int, random: np.random.Generator
) -> Integers:
    """Levels of what rows are generated given, int64[units, given]: as the marginal fit joins them, or one by one."""
    if first is not None and len(columns):
        return first[np.resize(random.permutation(len(first)), units), generated:]
    found = [levels_from(column.shares, units, random) for column in columns]
    return np.stack(found, axis=1) if found else np.zeros((units, 0), dtype=np.int64)


def _sizes(columns: tuple[Levels, ...], given: Integers, cap: int, random: np.random.Generator) -> Integers:
    return columns[-1].decode(given[:, -1], random) + 1 if cap > 1 else np.ones(len(given), dtype=np.int64)


class Rows:
    """Synthetic rows of a generator, drawn one after the other for each unit. The same seed gives the same rows."""

    def __init__(
        self, generator: Generator, sizes: Integers, seed: int, parent: Integers | None = None,
        rules: Sequence[Rule] = (),
    ) -> None:  # fmt: skip
        """``sizes`` int64[units]: the number of rows of each; ``parent`` int64[units, parent's columns]: codes."""
        given = [] if parent is None else list(parent.T)
        given += [sizes - 1] if generator.max_rows_per_unit > 1 else []
        levels = [c.encode(codes) for c, codes in zip(generator.columns[len(generator.order) :], given, strict=True)]
        tables, network = assemble(generator)
        stacked = np.stack(levels, axis=1) if levels else np.zeros((len(sizes), 0), dtype=np.int64)
        self._sampler = Sampler(network, tables, stacked, sizes, np.random.default_rng([seed, 0]), rules)
        self._units = np.zeros(0, np.int64)

    def draw(self, units: Integers) -> Integers:
        """Candidates for the next row of each unit, which may be named several times: codes int64[units, columns].

        Most hold the rules, but not all."""
        self._units, self._drawn = units, self._sampler.draw(units)
        return self._drawn.codes

    def keep(self, places: Integers) -> None:
        """The candidates at these places of the last draw become their units' rows; of a unit at most one."""
        self._sampler.keep(self._units[places], self._drawn.levels[places])


def sample(generator: Generator, sizes: Integers, seed: int, parent: Integers | None = None) -> Integers:
    """Synthetic codes int64[rows, columns] of units with ``sizes`` rows each, a unit's rows together and in order."""
    rows = Rows(generator, sizes, seed, parent)
    first = np.cumsum(sizes) - sizes
    found = np.empty((int(sizes.sum()), len(generator.order)), dtype=np.int64)
    for position in range(int(sizes.max(initial=0))):
        longer = np.flatnonzero(sizes > position)
        found[first[longer] + position] = rows.draw(longer)
        rows.keep(np.arange(len(longer)))
    return found


def draw_sizes(generator: Generator, units: int | None, rows: int | None, seed: int) -> Integers:
    """Numbers of rows int64[units] from the noisy shares: exactly ``rows`` rows if given (the last unit is cut), else
    ``units`` units."""
    wanted = rows if rows is not None else units or 0  # a unit has a row at least
    if generator.max_rows_per_unit == 1 or not wanted:
        return np.ones(wanted, np.int64)
    random = np.random.default_rng([seed, 1])
    column = generator.columns[-1]
    sizes: Integers = column.decode(levels_from(column.shares, wanted, random), random) + 1
    if rows is not None:
        ends = np.cumsum(sizes)
        last = int(np.searchsorted(ends, rows))
        sizes = sizes[: last + 1].copy()
        sizes[last] -= ends[last] - rows
    return sizes


def assemble(generator: Generator) -> tuple[Columns, Network]:
    """The network of a generator and the tables around it."""
    columns = Columns(
        generator.columns, generator.order, generator.strata, generator.max_rows_per_unit > 1, generator.network.basis
    )
    network = Network(columns, generator.network, 0)
    with torch.no_grad():
        for name, matrix in network.matrices.items():
            matrix.copy_(torch.tensor(generator.weights[name]))
    return columns, network


def nats(generator: Generator, units: int, seed: int) -> float:
    """Mean divergence of a unit's latent from its prior, in nats, over synthetic units: what the latent carries."""
    columns, network = assemble(generator)
    if not network.shape.latent:
        return 0.0
    random = np.random.default_rng([seed, 3])
    given = _given(generator.columns[columns.generated :], None, columns.generated, units, random)
    sizes = _sizes(generator.columns, given, generator.max_rows_per_unit, random)
    with torch.no_grad():
        return network.divergence(columns, draw(network, columns, given, sizes, random))
