"""The generator through its door: fits of any rows, the gradients that DP-SGD clips, and what synthetic rows keep."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fitting import MIXED, category, mixed, plan_for
from synth.artifacts.layout import (
    CHOICE,
    DP_SGD,
    MARGINALS,
    PAIRS,
    PERSISTENCE,
    all_pairs,
    first_edges,
    looks,
    marginal_releases,
)
from synth.artifacts.layout import (
    given as given_columns,
)
from synth.artifacts.plan import (
    ColumnLayout,
    Network,
    Plan,
    SubsampledGaussian,
)
from synth.compiler.sizing import size
from synth.errors import RunError
from synth.generator import network as networks
from synth.generator.dp_sgd import unit_gradients
from synth.generator.fit import Codes, fit
from synth.generator.fitted import Generator
from synth.generator.levels import Levels, merge
from synth.generator.rows import PrivateRows
from synth.generator.rules import Mask, Rule, all_held, by_place, tabled
from synth.generator.sequences import Sequences
from synth.generator.store import load, save
from synth.generator.synthesis import draw_sizes, nats, sample, synthesize
from synth.generator.tilt import best, chosen
from synth.privacy.mechanisms import GRADIENT_GRID, INPUT_GRID, MARGIN, Curator, Factors, _lattice_gradient
from synth.privacy.randomness import Randomness
from synth.project.spec import GeneratorSpec

Integers = NDArray[np.int64]


def assert_sound(generator: Generator, plan: Plan, sizes: Integers) -> None:
    """Right shape, codes of the layout, finite numbers."""
    codes = sample(generator, sizes, 5)
    top = [column.cells - 1 + column.missing for column in plan.layout]
    assert codes.shape == (sizes.sum(), len(plan.layout)) and codes.dtype == np.int64
    assert (codes >= 0).all() and (codes <= top).all()
    assert all(np.isfinite(array).all() for array in generator.weights.values())
    assert all(np.isfinite(column.mass).all() and (column.shares > 0).all() for column in generator.ways.columns)
    assert np.array_equal(codes, sample(generator, sizes, 5))


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnLayout:
    cells = draw(st.sampled_from([1, 2, 7, 33, 1_000, 1 << 30]))
    ordered = cells > 40 or draw(st.booleans())
    zero = draw(st.none() | st.integers(0, cells - 1)) if ordered else None
    spacing = draw(st.sampled_from(["even", "geometric"]))
    heaps = ordered and draw(st.booleans())
    return ColumnLayout(
        name=name, cells=cells, missing=draw(st.booleans()), ordered=ordered, zero=zero, spacing=spacing, heaps=heaps
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[ColumnLayout, ...], Codes, int]:
    layout = tuple(draw(columns(f"column {i}")) for i in range(draw(st.integers(1, 4))))
    cap, rows = draw(st.sampled_from([1, 3])), draw(st.sampled_from([0, 1, 2, 60]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    all_null = draw(st.booleans())
    values = np.stack([_any_codes(column, rows, all_null, random) for column in layout], axis=1)
    return layout, Codes(tuple(values.T), np.arange(rows, dtype=np.int64) // cap * 7 - 11), cap


def _any_codes(column: ColumnLayout, rows: int, all_null: bool, random: np.random.Generator) -> Integers:
    if all_null:
        return np.full(rows, column.cells - 1 + column.missing, np.int64)
    return random.integers(0, column.cells + column.missing, rows)


@settings(max_examples=25, deadline=None)
@given(
    tables(), st.sampled_from([0.05, 1.0, 1000.0]), st.sampled_from(["dp_vae", "marginal", "independent"]),
    st.sampled_from([0, 2]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_table_is_fitted(
    table: tuple[tuple[ColumnLayout, ...], Codes, int], noise: float, kind: str, latent: int, few: bool, weighed: bool
) -> None:
    layout, codes, cap = table
    plan = plan_for(
        layout, units=40, cap=cap, noise=noise, kind=kind, latent=latent, chosen=1 if few else None, weighed=weighed,
        tree_levels=2 + any(column.heaps for column in layout),
    )  # fmt: skip
    generator = fit(codes, plan, Randomness())
    assert_sound(generator, plan, draw_sizes(generator, 50, None, 1))
    assert np.isfinite(nats(generator, 50, 1))


@given(columns("column"), st.integers(1, 5))
@settings(deadline=None)
def test_first_ranges_cover_the_grid_and_end_as_cells(column: ColumnLayout, tree_levels: int) -> None:
    edges = np.array(first_edges(column))
    assert edges[0] == 0 and edges[-1] == column.cells and (np.diff(edges) > 0).all()
    if column.zero is not None:
        assert {column.zero, column.zero + 1} <= set(edges.tolist())
    assert 1 <= looks(column, tree_levels) <= tree_levels
    if looks(column, tree_levels) < tree_levels:  # then further looks would find single cells only
        assert np.diff(edges).max() <= 8 ** (looks(column, tree_levels) - 1)


def test_heaps_on_a_fine_grid_are_found_where_they_are_and_nowhere_else() -> None:
    """Half of the people on four cells of 200,000, the others anywhere. A false alarm has less than one chance in 10,000."""
    random = np.random.default_rng(1)
    heaps = np.array([36_093, 50_000, 50_001, 199_999])
    codes = np.r_[np.repeat(heaps, 500), np.clip(random.normal(60_000, 20_000, 2_000), 0, 199_999).astype(np.int64)]
    column = ColumnLayout(name="temp", cells=200_000, missing=False, ordered=True, heaps=True)
    plan = plan_for((column,), units=4_000, cap=1, noise=10.0, kind="independent", tree_levels=3)
    assert marginal_releases((column,), 3) == 4 and marginal_releases((column,), 2) == 2
    generator = fit(Codes((codes,), np.arange(len(codes))), plan, Randomness())
    levels = generator.ways.columns[0]
    width = np.diff(levels.edges)
    single = width == 1
    assert set(levels.edges[:-1][single & (levels.mass > 0.02)].tolist()) == set(heaps.tolist())
    assert levels.mass[single].sum() == pytest.approx(0.5, abs=0.03)
    drawn = sample(generator, draw_sizes(generator, 4_000, None, 1), 1)[:, 0]
    for heap in heaps:
        assert np.mean(drawn == heap) == pytest.approx(0.125, abs=0.02)
    assert len(np.unique(drawn)) > 1_500  # between the heaps, values are as many as they were
    assert np.mean(drawn < 60_000) == pytest.approx(np.mean(codes < 60_000), abs=0.03)


@pytest.mark.parametrize(("extreme", "nearest"), [(-(2**62), 0), (2**62, 999)])
def test_codes_beyond_the_layout_count_as_the_nearest(extreme: int, nearest: int) -> None:
    layout = (ColumnLayout(name="age", cells=1_000, missing=False, ordered=True),)
    plan = plan_for(layout, units=300, noise=0.05)
    generator = fit(Codes([np.full(300, extreme)], np.arange(300)), plan, Randomness())
    rows = sample(generator, np.ones(300, np.int64), 1)
    assert (abs(rows - nearest) < 40).mean() > 0.95  # in the outermost range


class Asked:
    """A stand-in for the class Curator that writes down what is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.units: set[int] = set()
        asked = self

        class Recorder(Curator):
            def histogram(self, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                asked.calls.append(("histogram", event_name, None))
                return super().histogram(event_name, cells, weights, size)

            def choice(self, event_name: str, candidates: Any, weights: Any) -> Any:
                asked.calls.append(("choice", event_name, None))
                return super().choice(event_name, candidates, weights)

            def poisson(self, event_name: str, units: int) -> Any:
                asked.calls.append(("poisson", event_name, None))
                asked.units.add(units)
                return super().poisson(event_name, units)

            def gradient(self, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
                asked.calls.append(("gradient", event_name, None))
                return super().gradient(event_name, batches, masks, max_grad_norm)

        monkeypatch.setattr("synth.generator.fit.Curator", Recorder)


@pytest.mark.parametrize("cap", [1, 4])
def test_the_curator_is_asked_the_same_of_no_rows_one_and_many(cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(MIXED, units=50, cap=cap, steps=4, chosen=2)
    found = []
    for units in (0, 1, 50, 51):
        asked = Asked(monkeypatch)
        fit(mixed(units, cap), plan, Randomness())
        found.append(asked.calls)
    assert all(calls == found[0] for calls in found)
    counted = Counter((kind, event) for kind, event, _ in found[0])
    planned = {event.name: event for event in plan.privacy.events}
    for name in {MARGINALS, PAIRS, PERSISTENCE} & set(planned):
        assert counted["histogram", name] == planned[name].count  # type: ignore[union-attr]
    assert counted["choice", CHOICE] == 1
    assert counted["poisson", DP_SGD] == counted["gradient", DP_SGD] == 4


# Per-unit gradients


def small_network(
    cap: int, latent: int = 2, autoregressive: bool = True
) -> tuple[networks.Network, networks.Columns, Sequences]:
    """A network over MIXED (and the rows per unit, which are given), with weights everywhere, and nine units."""
    codes = mixed(9, cap, seed=3)
    layout = (*MIXED, *given_columns((), cap))
    columns = [merge(c, np.arange(c.cells + c.missing + 1), np.ones(c.cells + c.missing), 0.1, 12, 20) for c in layout]
    _, sizes = np.unique(codes.unit, return_counts=True)
    values = [*codes.columns, *([np.repeat(sizes - 1, sizes)] if cap > 1 else [])]
    levels = np.stack([column.encode(code) for column, code in zip(columns, values, strict=True)], axis=1)
    tables = networks.Columns(columns, np.array([1, 2, 0]), ((),) * 3, cap > 1, 3)
    shape = Network(latent=latent, hidden=8, basis=3, encoder=5, autoregressive=autoregressive)
    network = networks.Network(tables, shape, 2)
    random = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, matrix in network.matrices.items():
            matrix += 0.3 * torch.randn(matrix.shape, generator=random) * network.masks[name]
    return network, tables, Sequences(levels, sizes)


def looped(network: networks.Network, tables: networks.Columns, units: Sequences, noise: torch.Tensor) -> list[Any]:
    """The gradient of each unit by itself, by plain autograd: one list a layer."""
    found = []
    for u in range(len(units.sizes)):
        loss, _ = network.loss(tables, units.take(np.array([u])), noise[u : u + 1])
        found.append([g.numpy() for g in torch.autograd.grad(loss, list(network.matrices.values()))])
    return [np.stack(layer) for layer in zip(*found, strict=True)]


@pytest.mark.parametrize("cap", [1, 4])
@pytest.mark.parametrize("latent", [0, 2])
def test_factors_make_the_gradients_of_single_units(cap: int, latent: int) -> None:
    network, tables, units = small_network(cap, latent)
    noise = torch.randn((9, latent), generator=torch.Generator().manual_seed(1))
    expected = looped(network, tables, units, noise)
    for factors, gradients, mask in zip(
        unit_gradients(network, tables, units, noise.numpy()), expected, network.masks.values(), strict=True
    ):
        outer = factors.gradients[:, :, None] * factors.inputs[:, None, :]
        summed = np.stack([outer[factors.unit == u].sum(0) for u in range(9)]) * mask.numpy()
        np.testing.assert_allclose(summed, gradients, rtol=1e-4, atol=1e-5)
        assert np.abs(gradients).max() > 0.01


def test_the_sequences_of_a_unit_are_clipped_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below several rows of a parent, each sequence is learned by itself, and a unit's gradients are added up."""
    network, tables, sequences = small_network(4, latent=0)
    whose = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2])
    expected = looped(network, tables, sequences, torch.zeros((9, 0)))
    seen: list[list[Factors]] = []

    class Recorder(Curator):
        def gradient(self, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
            seen.extend(found := [list(batch) for batch in batches])
            return super().gradient(event_name, found, masks, max_grad_norm)

    curator = Recorder([SubsampledGaussian(name=DP_SGD, noise_multiplier=1, sample_rate=1, steps=1)], Randomness())
    rows = PrivateRows(list(sequences.levels.T), sequences.first, sequences.sizes, whose, curator)
    masks = [mask.numpy() for mask in network.masks.values()]
    rows.gradient(
        DP_SGD, lambda s: unit_gradients(network, tables, s, np.zeros((len(s.sizes), 0), np.float32)), masks, 1.0
    )
    (layers,) = seen
    order = np.argsort(np.bincount(whose, sequences.sizes), kind="stable")  # pieces go by size
    for layer, singles, mask in zip(layers, expected, masks, strict=True):
        outer = layer.gradients[:, :, None] * layer.inputs[:, None, :]
        for place, unit in enumerate(order):
            summed = outer[layer.unit == place].sum(0) * mask
            np.testing.assert_allclose(summed, singles[whose == unit].sum(0), rtol=1e-4, atol=1e-5)


def test_a_persons_rows_below_several_parents_weigh_one_person() -> None:
    """Three persons; the first has six rows of level 1 in three sequences. Hardly any noise."""
    unit = np.array([0] * 6 + [1, 2])
    codes = Codes([(unit == 0).astype(np.int64)], unit, np.array([0, 0, 1, 1, 2, 2, 0, 0]))
    plan = plan_for((category("only", 2),), units=3, cap=3, noise=0.01)
    generator = fit(codes, plan, Randomness())
    np.testing.assert_allclose(generator.ways.columns[0].shares, [2 / 3, 1 / 3], atol=0.05)
    np.testing.assert_allclose(generator.ways.columns[-1].shares, [2 / 3, 1 / 3, 0], atol=0.05)


@pytest.mark.parametrize("cap", [1, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 64, 200, 699])
def test_the_company_of_a_unit_moves_its_gradient_by_a_tenth_of_the_room_at_most(cap: int, count: int) -> None:
    """All units cut anew into batches of ``count``: what rounding moves of the sum, in clipping norms."""
    network, tables, few = small_network(cap)
    units = few.take(np.random.default_rng(1).integers(0, 9, 700))
    noise = np.random.default_rng(2).standard_normal((700, 2)).astype(np.float32)
    masks = [mask.numpy() for mask in network.masks.values()]

    def total(size: int) -> list[NDArray[np.float64]]:
        parts = (np.arange(start, min(start + size, 700)) for start in range(0, 700, size))
        batches = (unit_gradients(network, tables, units.take(part), noise[part]) for part in parts)
        return _lattice_gradient(batches, masks, 0.5)

    moved = [(one - other) * mask for one, other, mask in zip(total(700), total(count), masks, strict=True)]
    assert math.sqrt(sum((part**2).sum() for part in moved)) / (INPUT_GRID * GRADIENT_GRID) < MARGIN / 10


@pytest.mark.parametrize("cap", [1, 4])
def test_a_column_sees_neither_itself_nor_what_comes_later(cap: int) -> None:
    for autoregressive in (True, False):
        network, tables, units = small_network(cap, latent=0, autoregressive=autoregressive)
        before = numbers(network, tables, units)
        ends = np.cumsum([0, *tables.widths])
        for changed in range(3):
            other = units.levels.copy()
            other[units.position == units.sizes[units.unit] - 1, changed] ^= 1  # of each unit's last row
            moved = np.abs(numbers(network, tables, Sequences(other, units.sizes)) - before)
            for column in range(3):
                later = tables.position[column] > tables.position[changed] and autoregressive
                assert (moved[:, ends[column] : ends[column + 1]].max() > 1e-6) == later


def numbers(network: networks.Network, tables: networks.Columns, units: Sequences) -> NDArray[np.float32]:
    features = tables.embed(torch.from_numpy(units.levels))
    with torch.no_grad():
        return network.decode(torch.cat([features, tables.history(features, units)], dim=1), []).numpy()


def test_no_unit_moves_the_numbers_of_another() -> None:
    network, tables, units = small_network(4, latent=0)
    alone = [numbers(network, tables, units.take(np.array([u]))) for u in range(9)]
    np.testing.assert_allclose(np.concatenate(alone), numbers(network, tables, units), rtol=1e-4, atol=1e-5)


def test_an_unfolded_network_says_the_same() -> None:
    for cap in (1, 4):
        network, tables, units = small_network(cap)
        full = networks.Columns(tables.columns, tables.order, tables.strata, tables.several, None)
        wide = network.unfolded(tables, full, 0)
        noise = torch.randn((9, 2), generator=torch.Generator().manual_seed(1))
        both = [float(n.loss(t, units, noise)[0].detach()) for n, t in ((network, tables), (wide, full))]
        assert both[0] == pytest.approx(both[1], rel=1e-4)


def test_rows_of_a_unit_that_lie_apart_are_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    codes = Codes([np.zeros(6, np.int64)], np.array([4, 2, 4, 2, 4, 9]))
    plan = plan_for((category("only", 1),), units=3, cap=3, noise=0.01)
    generator = fit(codes, plan, Randomness())
    np.testing.assert_allclose(generator.ways.columns[-1].shares, [1 / 3, 1 / 3, 1 / 3], atol=0.05)
    assert asked.units == {3}


# What synthetic rows keep, with hardly any noise


@pytest.fixture(scope="module")
def linked() -> tuple[Generator, Codes]:
    """1,500 units of up to 3 rows. ``likes`` is ``kind`` for 9 rows in 10; ``number`` grows with ``kind``; ``many`` tells n."""
    random = np.random.default_rng(4)
    sizes = random.choice([1, 2, 3], 1_500, p=[0.6, 0.3, 0.1])
    unit, n = np.repeat(np.arange(1_500), sizes), np.repeat(sizes, sizes)
    kind = random.choice(4, len(unit), p=[0.4, 0.3, 0.2, 0.1])
    likes = np.where(random.random(len(unit)) < 0.9, kind, random.integers(0, 4, len(unit)))
    number = np.where(random.random(len(unit)) < 0.2, 4_000, kind * 700 + random.integers(0, 600, len(unit)))
    many = (n > 1).astype(np.int64)
    layout = (
        category("kind", 4),
        category("likes", 4),
        ColumnLayout(name="number", cells=4_000, missing=True, ordered=True, zero=0),
        category("many", 2),
    )
    codes = Codes([kind, likes, number, many], unit)
    plan = plan_for(layout, units=1_500, cap=3, steps=150, noise=0.05, rate=0.1, lessons=4_000)
    return fit(codes, plan, Randomness()), codes


def shares(values: Integers, size: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(values, weights, size) / weights.sum()


def test_shares_are_kept_and_no_category_collapses(linked: tuple[Generator, Codes]) -> None:
    generator, codes = linked
    sizes = draw_sizes(generator, 4_000, None, 1)
    of = np.repeat(sizes, sizes)
    _, place, count = np.unique(codes.unit, return_inverse=True, return_counts=True)
    real_weights = 1 / count[place]
    rows = sample(generator, sizes, 2)
    for column, cells in ((0, 4), (1, 4), (3, 2)):
        real, synthetic = (
            shares(codes.columns[column], cells, real_weights),
            shares(rows[:, column], cells, 1 / of),
        )
        assert 0.5 * np.abs(real - synthetic).sum() < 0.05
    assert abs((rows[:, 2] == 4_000).mean() - 0.2) < 0.04  # missing
    np.testing.assert_allclose(np.bincount(sizes, minlength=4)[1:] / len(sizes), [0.6, 0.3, 0.1], atol=0.04)


def test_dependence_between_columns_is_learned(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    sizes = draw_sizes(generator, 4_000, None, 1)
    rows = sample(generator, sizes, 2)
    assert (rows[:, 0] == rows[:, 1]).mean() > 0.55  # 0.925 in the data, 0.30 for independent columns
    known = rows[rows[:, 2] < 4_000]
    assert np.corrcoef(known[:, 0], known[:, 2])[0, 1] > 0.5


def test_rows_go_with_the_number_of_rows_of_their_unit(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    alone, several = (sample(generator, np.full(2_000, n), 3)[:, 3].mean() for n in (1, 2))
    assert several - alone > 0.4  # 1 in the data, 0 for rows that do not know their n


def test_sizes_are_exact(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    for rows in (1, 2, 999):
        sizes = draw_sizes(generator, None, rows, 7)
        assert sizes.sum() == rows and sizes.min() >= 1 and sizes.max() <= 3
    assert len(draw_sizes(generator, 123, None, 7)) == 123
    assert np.array_equal(draw_sizes(generator, 123, None, 7), draw_sizes(generator, 123, None, 7))


def test_seeds(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    sizes = np.ones(300, np.int64)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    assert np.array_equal(sample(generator, sizes, 1), sample(generator, sizes, 1))
    assert not np.array_equal(sample(generator, sizes, 1), sample(generator, sizes, 2))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]


def test_a_fitted_generator_comes_back_from_disk(linked: tuple[Generator, Codes], tmp_path: Path) -> None:
    generator, _ = linked
    save(generator, tmp_path / "table")
    sizes = draw_sizes(generator, 200, None, 1)
    again = load(tmp_path / "table")
    assert np.array_equal(sample(again, sizes, 1), sample(generator, sizes, 1))
    weights = tmp_path / "table" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(RunError, match="not a generator"):
        load(tmp_path / "table")


def test_a_generator_cannot_be_changed(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    with pytest.raises(ValueError, match="read-only"):
        generator.weights["trunk"][0, 0] = 1
    with pytest.raises(TypeError):
        generator.weights["more"] = np.zeros(1, np.float32)  # type: ignore[index]


def test_rows_of_a_person_are_as_alike_as_they_were() -> None:
    """Of 1,500 units with 3 rows each, a row repeats the one before in 80% plus chance."""
    random = np.random.default_rng(4)
    kind = random.integers(0, 4, 4_500)
    for row in range(4_500):
        if row % 3 and random.random() < 0.8:
            kind[row] = kind[row - 1]
    codes = Codes([kind, random.integers(0, 3, 4_500)], np.arange(4_500) // 3)
    plan = plan_for(
        (category("kind", 4), category("other", 3)), 1_500, cap=3, steps=60, noise=0.05, rate=0.1, lessons=3_000
    )
    rows = sample(fit(codes, plan, Randomness()), np.full(1_500, 3), 2)[:, 0].reshape(-1, 3)
    assert (rows[:, 1:] == rows[:, :-1]).mean() == pytest.approx(0.85, abs=0.06)


@pytest.mark.parametrize("weighed", [True, False])
def test_rows_repeat_as_often_as_was_measured(weighed: bool) -> None:
    """Whatever the network has learned: here rows of 1,500 units that repeat by chance alone, a third and half of them."""
    random = np.random.default_rng(4)
    codes = Codes([random.integers(0, 3, 4_500), random.integers(0, 2, 4_500)], np.arange(4_500) // 3)
    plan = plan_for(
        (category("kind", 3), category("other", 2)), 1_500, cap=3, steps=20, noise=0.05, rate=0.1, lessons=3_000,
        weighed=weighed,
    )  # fmt: skip
    generator = fit(codes, plan, Randomness())
    assert generator.repeats == pytest.approx([1 / 3, 1 / 2], abs=0.05)
    rows = sample(dataclasses.replace(generator, repeats=np.array([0.95, 0.2])), np.full(1_500, 3), 2).reshape(-1, 3, 2)
    assert (rows[:, 1:] == rows[:, :-1]).mean((0, 1)) == pytest.approx([0.95, 0.2], abs=0.04)
    shares = [np.bincount(rows[..., j].ravel(), minlength=k) / 4_500 for j, k in enumerate((3, 2))]
    assert np.concatenate(shares) == pytest.approx(
        [1 / 3] * 3 + [1 / 2] * 2, abs=0.06
    )  # and no level swallows the others


def test_rows_are_generated_given_the_parent() -> None:
    """A parent's column that its rows repeat: what is generated follows what is given."""
    random = np.random.default_rng(4)
    sex = random.integers(0, 2, 2_000)
    ward = np.where(random.random(2_000) < 0.9, sex, 1 - sex)
    plan = plan_for(
        (category("ward", 2),), 2_000, steps=60, noise=0.05, rate=0.1, lessons=2_000, parent=(category("sex", 2),)
    )
    generator = fit(Codes([ward, sex], np.arange(2_000)), plan, Randomness())
    parent = np.repeat([0, 1], 500)[:, None]
    rows = sample(generator, np.ones(1_000, np.int64), 3, parent)[:, 0]
    assert (rows == parent[:, 0]).mean() == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("weighed", [True, False])
def test_rules_hold_and_move_no_other_share(weighed: bool) -> None:
    """``low`` <= ``high`` in all rows; drawing rows again that break it would favour low values of ``low``."""
    random = np.random.default_rng(4)
    low = random.integers(0, 10, 3_000)
    codes = [low, low + random.integers(0, 10 - low)]
    layout = tuple(ColumnLayout(name=name, cells=10, missing=False, ordered=True) for name in ("low", "high"))
    plan = plan_for(layout, 3_000, steps=60, noise=0.05, rate=0.1, lessons=3_000, weighed=weighed)
    rule = Rule((0, 1), lambda rows, _: np.asarray(rows[:, 0] <= rows[:, 1]))
    generator = fit(Codes(codes, np.arange(3_000)), plan, Randomness())
    blocks = list(synthesize(generator, np.ones(3_000, np.int64), 3, rules=[rule]))
    rows = np.concatenate([block.codes for block in blocks])
    assert all(block.held.all() for block in blocks) and (rows[:, 0] <= rows[:, 1]).all()
    for column in range(2):
        real, synthetic = (np.bincount(values[column], minlength=10) / 3_000 for values in (codes, rows.T))
        assert 0.5 * np.abs(real - synthetic).sum() < 0.05


def test_a_rule_that_cannot_hold_is_told() -> None:
    generator = fit(mixed(40, 1), plan_for(MIXED, units=40), Randomness())
    never = Rule((0, 2), lambda rows, _: np.zeros(len(rows), bool))
    (block,) = synthesize(generator, np.ones(5, np.int64), 3, rules=[never])
    assert block.codes.shape == (5, 3) and not block.held.any()


@settings(deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 99))
def test_candidates_are_chosen_once_and_by_size(sizes: list[int], times: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    wanted = np.array(sizes)
    offered = np.repeat(wanted, times)
    units = Sequences(random.integers(0, 3, (int(offered.sum()), 2)), offered)
    weights = random.random(len(offered)).astype(np.float32) ** 8
    found = chosen(weights, units, wanted, np.array([1, 0]), random)
    assert np.array_equal(offered[found], wanted) and len(set(found.tolist())) == len(wanted)


def test_candidates_without_weight_are_taken_only_where_there_are_no_others() -> None:
    random = np.random.default_rng(1)
    ones = np.ones(4, np.int64)
    units = Sequences(np.zeros((4, 1), np.int64), ones)
    few = np.array([0, 1e-30, 0, 1], np.float32)
    assert set(chosen(few, units, ones[:2], np.array([0]), random).tolist()) == {1, 3}
    assert len(set(chosen(few, units, ones[:3], np.array([0]), random).tolist())) == 3
    assert len(set(chosen(0 * few, units, ones[:2], np.array([0]), random).tolist())) == 2
    assert best(few, 2, random).tolist() == [1, 3]


def test_candidates_are_chosen_in_proportion_to_their_weights() -> None:
    random = np.random.default_rng(1)
    level = np.repeat([0, 1, 2], 2_000)[:, None]
    weights = np.repeat([1.0, 2.0, 3.0], 2_000).astype(np.float32)
    found = chosen(weights, Sequences(level, np.ones(6_000, np.int64)), np.ones(1_200, np.int64), np.array([0]), random)
    np.testing.assert_allclose(np.bincount(level[found, 0]), [200, 400, 600], atol=1)


# The rule that sizes a fit


@settings(max_examples=60, deadline=None)
@given(
    st.lists(columns("column"), min_size=1, max_size=40),
    st.integers(1, 50),
    st.integers(1, 10**7),
    st.sampled_from([0.1, 1.0, 3.0, 10.0]),
)
def test_any_declaration_gets_a_plan(layout: list[ColumnLayout], cap: int, units: int, epsilon: float) -> None:
    sized = size(
        layout, cap, units, epsilon, 1e-6, GeneratorSpec(),
        calibrate=lambda target, delta, events_for: 2.0 + 0 * len(events_for(2.0)),
    )  # fmt: skip
    events = {event.name: event for event in sized.events}
    columns = (*layout, *given_columns((), cap))
    assert events[MARGINALS].count == marginal_releases(columns, sized.marginals.tree_levels)  # type: ignore[union-attr]
    assert (sized.pairs is None) == (len(columns) < 2) and (PERSISTENCE in events) == (cap > 1)
    if sized.pairs:
        every = len(all_pairs(len(columns)))
        assert events[PAIRS].count == (sized.pairs.chosen or every)  # type: ignore[union-attr]
    assert (sized.dp_sgd is None) == (sized.kind == "marginal")
    if sized.dp_sgd:
        sgd = events[DP_SGD]
        assert isinstance(sgd, SubsampledGaussian) and 0 < sgd.sample_rate <= 0.2
        assert sized.dp_sgd.expected_batch_units == sgd.sample_rate * units
        assert (sgd.steps, sgd.noise_multiplier) == (sized.dp_sgd.steps, 2.0)


# Rules


def brute(levels: Levels, weights: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The shares of all codes that a draw among ``allowed`` should have."""
    every = np.arange(len(allowed))
    share = weights[levels.encode(every)] * np.array(
        [levels.density[np.searchsorted(levels.edges, c, "right") - 1] for c in every]
    )
    return np.asarray(share * allowed / (share * allowed).sum())


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_mask_draws_what_is_allowed_by_the_weights_it_had(data: st.DataObject) -> None:
    """Two rules of one column, one that is found by asking and one that is a table; rows differ in what they allow."""
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    cells, missing = data.draw(st.integers(3, 40)), data.draw(st.booleans())
    layout = ColumnLayout(name="b", cells=cells, missing=missing, ordered=True)
    edges = np.unique(np.concatenate([[0, cells], random.integers(0, cells, 4)]))
    edges = np.append(edges, cells + 1) if missing else edges
    levels = merge(layout, edges, random.random(len(edges) - 1) * 100, 1.0, 4, 20)
    first = random.integers(0, cells, 3)  # of another column, which the rules look at
    rising = data.draw(st.booleans())
    order = Rule(
        (0, 1),
        lambda codes, _: np.asarray(
            (codes[:, 1] == cells) | ((codes[:, 0] <= codes[:, 1]) if rising else (codes[:, 0] >= codes[:, 1]))
        ),
        (np.array([0, cells]), np.array([0, cells, cells + 1] if missing else [0, cells])),
    )
    cut = int(random.integers(1, cells))
    table = np.array([[True, False], [True, True]]) if cut % 2 else np.array([[True, True], [False, True]])
    known = np.concatenate([table, np.ones((2, 1), bool)], axis=1) if missing else table
    pieces = np.array([0, cut, cells, cells + 1] if missing else [0, cut, cells])
    other = tabled((0, 1), (np.array([0, cells // 2, cells]), pieces), known)
    mask = Mask((order, other), 1, levels, cells, missing)
    weights = random.random((3, levels.count)) ** 3 + 1e-3
    times = 4_000
    codes = np.stack([first, np.zeros(3, np.int64)], axis=1)
    found_levels, found, none = mask.draw(weights, codes, np.arange(3), np.zeros(3, np.int64), None, times, random)
    assert not none.any()  # another column has a say, and may be drawn otherwise
    assert np.array_equal(found_levels, levels.encode(found))
    for row in range(3):
        every = np.stack([np.full(cells + missing, first[row]), np.arange(cells + missing)], axis=1)
        allowed = all_held([order, other], every, np.zeros(len(every), np.int64))
        mine = found[row * times : (row + 1) * times]
        if allowed.any():
            wanted = brute(levels, weights[row], allowed)
            got = np.bincount(mine, minlength=cells + missing) / times
            assert not got[~allowed].any()
            assert 0.5 * np.abs(got - wanted).sum() < 0.02 + 0.5 * np.sqrt(wanted * (1 - wanted) / times).sum() * 4


def test_within_limits_a_value_is_drawn_by_the_weights_it_had() -> None:
    """Also where they cut a level, and where a value may be missing: nothing heaps up at a limit."""
    layout = ColumnLayout(name="steps", cells=100, missing=True, ordered=True)
    levels = merge(layout, np.array([0, 10, 40, 90, 100, 101]), np.array([5.0, 40, 20, 40, 9]), 1.0, 4, 20)
    weights, times = np.full((1, levels.count), 1 / levels.count), 40_000
    limits = np.array([30]), np.array([49])
    _, found, _ = Mask((), 0, levels, 100, True).draw(
        weights, np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), limits, times,
        np.random.default_rng(1),
    )  # fmt: skip
    every = np.arange(101)
    wanted = brute(levels, weights[0], (every == 100) | ((every >= 30) & (every <= 49)))
    got = np.bincount(found, minlength=101) / times
    assert not got[wanted == 0].any()
    assert np.abs(got - wanted).max() < 5 * np.sqrt(wanted.max() / times)


def test_a_mask_of_steps_moves_the_date() -> None:
    """A step is drawn so that what it leads to holds the rule, from another start in each row, and within the limits."""
    layout = ColumnLayout(name="steps", cells=1_000, missing=True, ordered=True, spacing="geometric", zero=0)
    edges = np.array([0, 1, 10, 100, 1_000, 1_001])
    levels = merge(layout, edges, np.array([5.0, 40, 40, 40, 0]), 1.0, 4, 20)
    rule = Rule((0,), lambda codes, _: np.asarray(codes[:, 0] >= 500), (np.array([0, 5_000]),))
    ends, random = np.array([0, 450, 499, 4_000, 100]), np.random.default_rng(1)
    limits = np.zeros(5, np.int64), np.array([700, 999, 999, 3, 300])
    _, steps, none = Mask((rule,), 0, levels, 5_000, False).draw(
        np.ones((5, levels.count)), np.zeros((5, 1), np.int64), np.arange(5), ends, limits, 500, random
    )
    assert none.tolist() == [False] * 4 + [True]  # 100 and 300 at most are less than 500
    reached = ends[:, None] + steps.reshape(5, 500)
    assert (reached[:4] >= 500).all()
    assert reached[0].max() <= 700 and reached[3].max() <= 4_003 and len(np.unique(reached[3])) == 4


def test_a_table_is_asked_before_its_last_column() -> None:
    """Of a rule that leaves no third column to a pair, the second column is not drawn so."""
    table = np.ones((2, 2, 2), bool)
    table[0, 1] = False
    edges = tuple(np.array([0, 1, 2]) for _ in range(3))
    position = np.array([2, 0, 1])  # the second column is drawn first
    places = by_place([tabled((0, 1, 2), edges, table)], position, 3)
    assert [len(rules) for rules in places] == [0, 0, 1]
    table[:, 1] = False
    places = by_place([tabled((0, 1, 2), edges, table)], position, 3)
    assert [len(rules) for rules in places] == [1, 1, 1]
    codes = np.array([[0, 0, 0], [0, 1, 0]])
    assert places[0][0].held(codes, np.arange(2)).tolist() == [True, False]
