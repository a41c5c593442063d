"""Columns that a unit's rows go by: modelled by the first value and the steps from row to row, and never falling."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fitting import category, plan_for
from synth.artifacts.layout import modelled, rising
from synth.artifacts.plan import ColumnLayout, Network, Plan
from synth.generator import network as networks
from synth.generator.dp_sgd import unit_gradients
from synth.generator.fit import Codes, fit, private_rows
from synth.generator.levels import merge
from synth.generator.marginals import Ways
from synth.generator.rules import tabled
from synth.generator.sequences import Sequences
from synth.generator.synthesis import sample, synthesize
from synth.generator.warm_start import as_units
from synth.privacy.mechanisms import Curator, squared_norms
from synth.privacy.randomness import Randomness

Integers = NDArray[np.int64]
CELLS, LONGEST = 200, 20


def layout(until: bool) -> tuple[ColumnLayout, ...]:
    """A ward, the day that a stay begins, and its days, which may be missing."""
    return (
        category("ward", 3),
        ColumnLayout(
            name="came", cells=CELLS, missing=False, ordered=True, rises=True, until="days" if until else None
        ),
        ColumnLayout(name="days", cells=LONGEST + 1, missing=True, ordered=True, zero=0),
    )


def stays(units: int, seed: int = 0) -> Codes:
    """Up to four stays of each unit, the next 5 or 6 days after the last one ends; parents tell two kinds apart."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 5, units)
    unit = np.repeat(np.arange(units), sizes)
    days = random.integers(0, 4, len(unit))
    gaps = random.integers(5, 7, len(unit)) + np.append(0, days[:-1])
    first = np.cumsum(sizes) - sizes
    gaps[first] = 0
    since = np.cumsum(gaps) - np.repeat(np.cumsum(gaps)[first], sizes)
    came = np.repeat(random.integers(0, CELLS // 2, units), sizes) + since
    return Codes([random.integers(0, 3, len(unit)), came, days], unit)


def seen(codes: Codes, plan: Plan) -> tuple[list[Integers], Integers]:
    """The columns that a fit works with, and the rows of each sequence."""
    rows: Any = private_rows(codes, plan, Curator(plan.privacy.events, Randomness()))
    return [column.astype(np.int64) for column in rows._PrivateRows__columns], rows._PrivateRows__sizes


@pytest.mark.parametrize(("until", "steps"), [(False, [CELLS, 5, 0, CELLS, 7]), (True, [CELLS, 2, 0, CELLS, 7])])
def test_steps_are_counted_from_the_row_before_or_from_its_end(until: bool, steps: list[int]) -> None:
    """The third row begins when the second does; the second's days are three, the last unit's are missing."""
    codes = Codes(
        [np.zeros(5, int), np.array([10, 15, 15, 50, 57]), np.array([3, 1, 0, 21, 0])], np.array([0, 0, 0, 1, 1])
    )
    columns, sizes = seen(codes, plan_for(layout(until), units=2, cap=4))
    assert [column.name for column in modelled(plan_for(layout(until), units=2, cap=4))][
        3
    ] == "came since the row before"
    assert columns[1].tolist() == [10, 10, 10, 50, 50]
    assert columns[3].tolist() == steps
    assert sizes.tolist() == [3, 2]


def test_rows_below_another_row_of_the_parent_begin_anew() -> None:
    codes = Codes(
        [np.zeros(4, int), np.array([10, 15, 90, 99]), np.zeros(4, int)], np.zeros(4, int), np.array([1, 1, 2, 2])
    )
    columns, sizes = seen(codes, plan_for(layout(False), units=2, cap=4))
    assert columns[1].tolist() == [10, 10, 90, 90]
    assert columns[3].tolist() == [CELLS, 5, CELLS, 9]
    assert sizes.tolist() == [2, 2]


def test_rows_above_the_cap_and_codes_outside_the_layout_make_no_odd_step() -> None:
    codes = Codes([np.zeros(3, int), np.array([-(2**40), 2**40, 7]), np.array([0, 2**40, -5])], np.zeros(3, int))
    for until in (False, True):
        plan = plan_for(layout(until), units=2, cap=2)
        columns, sizes = seen(codes, plan)
        assert sizes.tolist() == [2]
        tops = [column.cells - 1 + column.missing for column in modelled(plan)]
        assert all((column >= 0).all() and (column <= top).all() for column, top in zip(columns, tops, strict=True))


# the network


def small(until: bool) -> tuple[networks.Network, networks.Columns, Sequences]:
    """A network over the stays of nine units, with weights everywhere."""
    plan = plan_for(layout(until), units=9, cap=4)
    values, sizes = seen(stays(9), plan)
    columns = [
        merge(c, np.arange(c.cells + c.missing + 1), np.bincount(v, minlength=c.cells + c.missing) + 0.1, 0.1, 8, 20)
        for c, v in zip(modelled(plan), values, strict=True)
    ]
    levels = np.stack([column.encode(code) for column, code in zip(columns, values, strict=True)], axis=1)
    order = np.array([2, 3, 0, 1])
    tables = networks.Columns(columns, order, ((),) * 4, True, 3, rising(plan.layout))
    network = networks.Network(tables, Network(hidden=8, basis=3), 2)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, matrix in network.matrices.items():
            matrix += 0.3 * torch.randn(matrix.shape, generator=random) * network.masks[name]
    return network, tables, Sequences(levels, sizes)


@pytest.mark.parametrize("until", [False, True])
def test_factors_make_the_gradients_of_single_units(until: bool) -> None:
    """And their norms, which decide over the clip, are those of gradients by plain autograd."""
    network, tables, units = small(until)
    noise = np.zeros((9, 0), np.float32)
    factors = unit_gradients(network, tables, units, noise)
    for u in range(9):
        loss, _ = network.loss(tables, units.take(np.array([u])), torch.zeros((1, 0)))
        alone = torch.autograd.grad(loss, list(network.matrices.values()))
        for layer, gradient, mask in zip(factors, alone, network.masks.values(), strict=True):
            mine = layer.unit == u
            summed = layer.gradients[mine].T @ layer.inputs[mine] * mask.numpy()
            np.testing.assert_allclose(summed, gradient.numpy(), rtol=1e-4, atol=1e-5)
            norm = squared_norms(layer, mask.numpy(), 9)[u] ** 0.5
            assert norm == pytest.approx(float(gradient.norm()), rel=1e-3)


def test_a_first_row_tells_nothing_of_steps_and_a_later_one_nothing_of_the_first_value() -> None:
    network, tables, units = small(False)
    head = unit_gradients(network, tables, units, np.zeros((9, 0), np.float32))[list(network.matrices).index("head")]
    ends = np.cumsum([0, *tables.widths])
    by_column = [np.abs(head.gradients[:, a:b]).max(1) for a, b in [*pairwise(ends)][:4]]
    assert ((by_column[1] > 0) == (units.position == 0)).all()
    assert ((by_column[3] > 0) == (units.position > 0)).all()
    assert (by_column[0] > 0).all()


# the warm start


def test_rows_to_learn_from_have_a_step_in_every_row_but_the_first() -> None:
    _, tables, _ = small(False)
    ways = Ways(tuple(tables.columns), 100.0, 1.0)
    random = np.random.default_rng(1)
    first = np.stack([random.integers(0, column.count, 400) for column in tables.columns], axis=1)
    units = as_units(first, ways, tables, np.array([0.5, 1.0, 0.5]), random)
    missing = tables.columns[3].count - 1
    assert ((units.levels[:, 3] == missing) == (units.position == 0)).all()
    assert (units.levels[:, 1] == units.levels[units.first[units.unit], 1]).all()
    assert (units.sizes > 1).any()


# what is drawn


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(
    st.sampled_from([0.05, 1.0, 1000.0]), st.booleans(), st.sampled_from(["dp_vae", "marginal", "independent"]),
    st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_no_row_begins_before_the_one_before_it(noise: float, until: bool, kind: str, weighed: bool, seed: int) -> None:
    """Whatever the network has learned, and where units begin within given limits."""
    parent = (category("sex", 2),)
    plan = plan_for(layout(until), units=60, cap=4, noise=noise, kind=kind, weighed=weighed, parent=parent, lessons=60)
    codes = stays(60, seed)
    below = Codes([*codes.columns, codes.unit % 2], codes.unit, codes.unit)
    generator = fit(below, plan, Randomness())
    sizes = np.random.default_rng(seed).integers(1, 5, 40)
    low = np.random.default_rng(seed + 1).integers(0, CELLS, 40)
    high = np.minimum(low + 3 * LONGEST, CELLS - 1)
    (block,) = synthesize(generator, sizes, seed, np.zeros((40, 1), np.int64), limits={1: (low, high)})
    rows = Sequences(block.codes, sizes)
    came, days = rows.levels[:, 1], rows.levels[:, 2]
    assert ((rows.levels >= 0) & (rows.levels <= [2, CELLS - 1, LONGEST + 1])).all()
    assert (came >= low[rows.unit]).all() and (came <= high[rows.unit]).all()
    later = np.flatnonzero(rows.position > 0)
    assert (came[later] >= came[later - 1]).all()
    if until:
        ended = came[later - 1] + np.where(days[later - 1] <= LONGEST, days[later - 1], 0)
        fits = ended <= high[rows.unit[later]]
        assert (came[later] >= ended)[fits].all()
        assert not block.held[later][~fits].any()


def test_rules_are_asked_of_codes_that_there_are() -> None:
    """Also of a row after one that ends beyond the last day, for which no place is left, and where nothing holds a rule."""
    plan = plan_for(layout(until=True), units=60, cap=4, noise=1000.0)
    generator = fit(stays(60), plan, Randomness())
    edges = (np.array([0, 3]), np.array([0, CELLS]), np.array([0, LONGEST + 1, LONGEST + 2]))
    sizes, limits = np.full(200, 3), {1: (np.full(200, CELLS - 3), np.full(200, CELLS - 1))}
    (block,) = synthesize(generator, sizes, 1, None, [tabled((0, 1, 2), edges, np.zeros((1, 1, 2), bool))], limits)
    assert not block.held.any()
    assert ((block.codes >= 0) & (block.codes <= [2, CELLS - 1, LONGEST + 1])).all()


def test_steps_are_learned() -> None:
    """The next stay begins five or six days after the last one ended."""
    plan = plan_for(layout(True), units=800, cap=4, noise=0.05, steps=60, rate=0.2, lessons=2_000)
    generator = fit(stays(800), plan, Randomness())
    sizes = np.full(500, 3)
    rows = sample(generator, sizes, 1)
    gaps = (rows[1:, 1] - rows[:-1, 1] - np.where(rows[:-1, 2] > LONGEST, 0, rows[:-1, 2]))[np.arange(1499) % 3 < 2]
    assert np.isin(gaps, (5, 6)).mean() > 0.8
    assert rows[::3, 1].std() == pytest.approx(
        stays(800).columns[1][np.unique(stays(800).unit, return_index=True)[1]].std(), rel=0.2
    )
