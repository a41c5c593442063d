"""The generator through its door: fits of any rows, the gradients that DP-SGD clips, and what synthetic rows keep."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModule
from synth.generator.training import Units, group, loss, per_unit_gradients

from synth.artifacts.layout import DP_SGD, MARGINALS, first_edges, looks, marginal_releases
from synth.artifacts.plan import ColumnLayout, Gaussian, Network, Plan, Privacy, SubsampledGaussian, Training
from synth.compiler.sizing import size
from synth.errors import RunError
from synth.generator import network as networks
from synth.generator.fit import Codes, Generator, draw_sizes, fit, sample
from synth.generator.levels import Levels
from synth.generator.store import load, save
from synth.privacy.mechanisms import Curator
from synth.privacy.randomness import Randomness

Integers = NDArray[np.int64]


def category(name: str, cells: int, missing: bool = False) -> ColumnLayout:
    return ColumnLayout(name=name, cells=cells, missing=missing, ordered=False)


def plan_for(
    layout: tuple[ColumnLayout, ...], units: int, cap: int = 1, steps: int = 3, noise: float = 1.0, rate: float = 0.5
) -> Plan:
    levels = 2
    releases = marginal_releases(layout, levels, cap)
    events = (
        Gaussian(name=MARGINALS, noise_multiplier=noise, count=releases),
        SubsampledGaussian(name=DP_SGD, noise_multiplier=noise, sample_rate=rate, steps=steps),
    )
    training = Training(
        steps=steps, max_grad_norm=1.0, learning_rate=0.012,
        expected_batch_units=rate * units, seed=1,
    )  # fmt: skip
    privacy = Privacy(
        population="people", unit="person", units=units, max_rows_per_unit=cap, epsilon=1, delta=1e-6, events=events
    )
    shape = Network(latent=2, hidden=16, basis=3)
    return Plan(
        model="table", privacy=privacy, layout=layout, network=shape, training=training, bins=8, tree_levels=levels,
        rows=None, why=(),
    )  # fmt: skip


def assert_sound(generator: Generator, plan: Plan, sizes: Integers) -> None:
    """Right shape, codes of the layout, finite numbers."""
    codes = sample(generator, sizes, 5)
    top = [column.cells - 1 + column.missing for column in plan.layout]
    assert codes.shape == (len(sizes), len(plan.layout)) and codes.dtype == np.int64
    assert (codes >= 0).all() and (codes <= top).all()
    assert all(np.isfinite(array).all() for array in generator.weights.values())
    assert all(np.isfinite(column.mass).all() and (column.shares > 0).all() for column in generator.columns)
    assert np.array_equal(codes, sample(generator, sizes, 5))


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnLayout:
    cells = draw(st.sampled_from([1, 2, 7, 33, 1_000, 1 << 30]))
    ordered = cells > 40 or draw(st.booleans())
    zero = draw(st.none() | st.integers(0, cells - 1)) if ordered else None
    spacing = draw(st.sampled_from(["even", "geometric"]))
    return ColumnLayout(
        name=name, cells=cells, missing=draw(st.booleans()), ordered=ordered, zero=zero, spacing=spacing
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[ColumnLayout, ...], Codes, int]:
    layout = tuple(draw(columns(f"column {i}")) for i in range(draw(st.integers(1, 4))))
    cap, rows = draw(st.sampled_from([1, 3])), draw(st.sampled_from([0, 1, 2, 60]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    all_null = draw(st.booleans())
    values = np.stack([_any_codes(column, rows, all_null, random) for column in layout], axis=1)
    return layout, Codes(values, np.arange(rows, dtype=np.int64) // cap * 7 - 11), cap


def _any_codes(column: ColumnLayout, rows: int, all_null: bool, random: np.random.Generator) -> Integers:
    if all_null:
        return np.full(rows, column.cells - 1 + column.missing, np.int64)
    return random.integers(0, column.cells + column.missing, rows)


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from([0.05, 1.0, 1000.0]))
def test_any_table_is_fitted(table: tuple[tuple[ColumnLayout, ...], Codes, int], noise: float) -> None:
    layout, codes, cap = table
    plan = plan_for(layout, units=40, cap=cap, noise=noise)
    generator = fit(codes, plan, Randomness())
    assert_sound(generator, plan, draw_sizes(generator, 50, None, 1))


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


MIXED = (
    category("sex", 2),
    category("ward", 5, missing=True),
    ColumnLayout(name="age", cells=100, missing=True, ordered=True, zero=0),
)


def mixed(units: int, cap: int, seed: int = 0) -> Codes:
    random = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), random.integers(1, cap + 1, units))
    values = [random.integers(0, column.cells + column.missing, len(unit)) for column in MIXED]
    return Codes(np.stack(values, axis=1), unit)


@pytest.mark.parametrize(("extreme", "nearest"), [(-(2**62), 0), (2**62, 999)])
def test_codes_beyond_the_layout_count_as_the_nearest(extreme: int, nearest: int) -> None:
    layout = (ColumnLayout(name="age", cells=1_000, missing=False, ordered=True),)
    plan = plan_for(layout, units=300, noise=0.05)
    generator = fit(Codes(np.full((300, 1), extreme), np.arange(300)), plan, Randomness())
    rows = sample(generator, np.ones(300, np.int64), 1)
    assert (abs(rows - nearest) < 40).mean() > 0.95  # in the outermost range


class Asked:
    """A stand-in for the class Curator that writes down what is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.units: set[int] = set()
        asked = self

        class Recorder(Curator):
            def histogram(self, event_name: str, cells: Any, weights: Any, size: int) -> Any:
                asked.calls.append(("histogram", event_name, 0))
                return super().histogram(event_name, cells, weights, size)

            def poisson(self, event_name: str, units: int) -> Any:
                asked.calls.append(("poisson", event_name, 0))
                asked.units.add(units)
                return super().poisson(event_name, units)

            def gradient(self, event_name: str, per_unit: Any, parameters: int, max_grad_norm: float) -> Any:
                asked.calls.append(("gradient", event_name, int(max_grad_norm)))
                return super().gradient(event_name, per_unit, parameters, max_grad_norm)

        monkeypatch.setattr("synth.generator.fit.Curator", Recorder)


@pytest.mark.parametrize("cap", [1, 4])
def test_the_curator_is_asked_the_same_of_no_rows_one_and_many(cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(MIXED, units=50, cap=cap, steps=4)
    found = []
    for units in (0, 1, 50, 51):
        asked = Asked(monkeypatch)
        fit(mixed(units, cap), plan, Randomness())
        found.append(asked.calls)
    assert all(calls == found[0] for calls in found)
    counted = Counter(kind for kind, _, _ in found[0])
    assert counted["histogram"] == marginal_releases(MIXED, plan.tree_levels, cap)
    assert counted["poisson"] == counted["gradient"] == plan.training.steps


# Per-unit gradients


def small_network(several: int) -> tuple[networks.Network, networks.Columns, Units]:
    codes = mixed(9, several, seed=3)
    shares = [np.full(column.cells + column.missing, 1.0) for column in MIXED]
    tables = networks.Columns(
        [
            Levels(c.name, c.ordered, c.missing, np.arange(len(s) + 1), s / len(s), np.arange(len(s)), s / len(s))
            for c, s in zip(MIXED, shares, strict=True)
        ],
        order=3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = networks.Network(tables.features, Network(latent=3, hidden=8, basis=3))
    return network, tables, group(codes.values.astype(np.int32), codes.unit, several)


def looped(
    network: networks.Network, tables: networks.Columns, units: Units, order: Integers, noise: torch.Tensor
) -> NDArray[np.float32]:
    """A unit at a time, its rows without padding, by plain autograd."""
    found = []
    for place, unit in enumerate(order):
        network.zero_grad()
        levels, weights = units.take(np.array([unit]))
        loss(network, tables, levels, weights, noise[place : place + 1, : levels.shape[1]]).backward()
        found.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]).numpy().copy())
    return np.stack(found)


@pytest.mark.parametrize("several", [1, 4])
@pytest.mark.parametrize("piece", [2, 512])
def test_per_unit_gradients_are_the_looped_ones(several: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.generator.training.PIECE_UNITS", piece)
    network, tables, units = small_network(several)
    noises: list[torch.Tensor] = []
    plain = torch.randn

    def remembered(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        noises.append(plain(shape, generator=generator))
        return noises[-1]

    hooked = copy.deepcopy(network)
    GradSampleModule(hooked, loss_reduction="sum", strict=True)
    monkeypatch.setattr("synth.generator.training.torch.randn", remembered)
    batches = list(per_unit_gradients(hooked, tables, units, np.arange(9), torch.Generator().manual_seed(1)))
    order = np.argsort(units.sizes, kind="stable")
    padded = [torch.nn.functional.pad(noise, (0, 0, 0, several - noise.shape[1])) for noise in noises]
    expected = looped(network, tables, units, order, torch.cat(padded))
    assert [len(batch) for batch in batches] == ([2, 2, 2, 2, 1] if piece == 2 else [9])
    np.testing.assert_allclose(np.concatenate(batches), expected, rtol=1e-5, atol=1e-5)
    assert np.linalg.norm(expected, axis=1).min() > 0.01


def test_padding_has_no_effect_on_a_gradient() -> None:
    network, tables, _ = small_network(1)
    GradSampleModule(network, loss_reduction="sum", strict=True)
    found = []
    for padding in ([0, 0, 0], [1, 5, 99]):
        levels = torch.tensor([[[1, 2, 40], [0, 3, 7], padding]])
        noise = torch.ones((1, 3, 3)) * torch.tensor([1.0, 1.0, 1.0 + padding[0]])[None, :, None]
        loss(network, tables, levels, torch.tensor([[0.5, 0.5, 0.0]]), noise).backward()
        found.append(torch.cat([p.grad_sample.flatten(1) for p in network.parameters()], dim=1))
        for parameter in network.parameters():
            parameter.grad_sample = None
    assert torch.equal(found[0], found[1])


def test_a_unit_weighs_one_however_many_rows_it_has() -> None:
    _, _, units = small_network(4)
    assert len(set(units.sizes.tolist())) > 1
    _, weights = units.take(np.arange(9))
    np.testing.assert_allclose(weights.sum(1).numpy(), 1, rtol=1e-6)


def test_rows_of_a_unit_that_lie_apart_are_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    codes = Codes(np.zeros((6, 1), np.int64), np.array([4, 2, 4, 2, 4, 9]))
    plan = plan_for((category("only", 1),), units=3, cap=3, noise=0.01)
    generator = fit(codes, plan, Randomness())
    np.testing.assert_allclose(generator.columns[-1].shares, [1 / 3, 1 / 3, 1 / 3], atol=0.05)
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
    codes = Codes(np.stack([kind, likes, number, many], axis=1), unit)
    plan = plan_for(layout, units=1_500, cap=3, steps=250, noise=0.05, rate=0.1)
    return fit(codes, plan, Randomness()), codes


def shares(values: Integers, size: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(values, weights, size) / weights.sum()


def test_shares_are_kept_and_no_category_collapses(linked: tuple[Generator, Codes]) -> None:
    generator, codes = linked
    sizes = draw_sizes(generator, 4_000, None, 1)
    of = np.repeat(sizes, sizes)
    _, place, count = np.unique(codes.unit, return_inverse=True, return_counts=True)
    real_weights = 1 / count[place]
    rows = sample(generator, of, 2)
    for column, cells in ((0, 4), (1, 4), (3, 2)):
        real, synthetic = (
            shares(codes.values[:, column], cells, real_weights),
            shares(rows[:, column], cells, 1 / of),
        )
        assert 0.5 * np.abs(real - synthetic).sum() < 0.05
    assert abs((rows[:, 2] == 4_000).mean() - 0.2) < 0.04  # missing
    np.testing.assert_allclose(np.bincount(sizes, minlength=4)[1:] / len(sizes), [0.6, 0.3, 0.1], atol=0.04)


def test_dependence_between_columns_is_learned(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    sizes = draw_sizes(generator, 4_000, None, 1)
    rows = sample(generator, np.repeat(sizes, sizes), 2)
    assert (rows[:, 0] == rows[:, 1]).mean() > 0.55  # 0.925 in the data, 0.30 for independent columns
    known = rows[rows[:, 2] < 4_000]
    assert np.corrcoef(known[:, 0], known[:, 2])[0, 1] > 0.5


def test_rows_go_with_the_number_of_rows_of_their_unit(linked: tuple[Generator, Codes]) -> None:
    generator, _ = linked
    alone, several = (sample(generator, np.full(3_000, n), 3)[:, 3].mean() for n in (1, 2))
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
        generator.weights["encoder.weight"][0, 0] = 1
    with pytest.raises(TypeError):
        generator.weights["more"] = np.zeros(1, np.float32)  # type: ignore[index]


# The rule that sizes a fit


@settings(max_examples=60, deadline=None)
@given(
    st.lists(columns("column"), min_size=1, max_size=40),
    st.integers(1, 50),
    st.integers(1, 10**7),
    st.sampled_from([0.1, 1.0, 3.0, 10.0]),
)
def test_any_declaration_gets_a_plan(layout: list[ColumnLayout], cap: int, units: int, epsilon: float) -> None:
    network, training, bins, tree_levels, events = size(
        layout, cap, units, epsilon, 1e-6, 1, calibrate=lambda target, delta, events_for: 2.0 + 0 * len(events_for(2.0))
    )
    marginals, sgd = events
    assert isinstance(marginals, Gaussian) and isinstance(sgd, SubsampledGaussian)
    assert marginals.count == marginal_releases(layout, tree_levels, cap)
    assert 0 < sgd.sample_rate <= 0.5 and training.expected_batch_units == sgd.sample_rate * units
    assert (sgd.steps, sgd.noise_multiplier) == (training.steps, 2.0)
    assert network.latent >= 2 and 32 <= network.hidden <= 128 and bins > 1
