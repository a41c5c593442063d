"""T3: no unit moves a sum by more than was declared, whatever its rows hold."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import figures
from figures import cases
from synth.privacy.mechanisms import (
    GRADIENT_GRID,
    INPUT_GRID,
    LATTICE,
    Candidate,
    Factors,
    _lattice_distance,
    _lattice_gradient,
    _lattice_histogram,
    squared_norms,
    unit_weights,
)

PARAMETERS = 6
CELLS = 5

extremes = st.sampled_from([0.0, 1e-45, 1e-20, 1e20, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan])
entries = st.one_of(st.floats(width=32), extremes.map(lambda x: float(np.float32(x))))
batches = hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(PARAMETERS)), elements=entries)
units = hnp.arrays(np.float32, (1, PARAMETERS), elements=entries)
norms = st.floats(1e-6, 1e6)


@pytest.fixture(autouse=True)
def warnings_tell_about_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


BOUND = INPUT_GRID * GRADIENT_GRID  # one clipping norm, in lattice units
MASK = np.ones((PARAMETERS, 1), dtype=np.float32)


def bare(rows: np.ndarray) -> list[Factors]:
    """Per-unit gradients [units, parameters] as the factors of one layer with an input of 1."""
    return [Factors(np.ones((len(rows), 1), np.float32), rows, np.arange(len(rows)))]


def moves(share: float) -> float:
    """A case of one unit that moves a sum by this share of what was declared."""
    figures.count("cases")
    figures.largest("share of the declared sensitivity", share)
    return share


def length(vectors: list[np.ndarray]) -> float:
    """Exact L2 norm of integers."""
    assert all(np.array_equal(v, np.rint(v)) for v in vectors)
    return sum(int(x) ** 2 for v in vectors for x in v.ravel()) ** 0.5


@settings(max_examples=cases(500), deadline=None)
@given(others=batches, one=units, place=st.integers(0, 5), max_grad_norm=norms, near=st.none() | st.floats(0.5, 8))
def test_one_unit_moves_a_gradient_by_less_than_the_clipping_norm(others, one, place, max_grad_norm, near):
    """``near``: its own norm in clipping norms; None leaves it as wild as it is."""
    own = np.linalg.norm(one.astype(np.float64))
    if near is not None and 0 < own < np.inf:
        one = (one / own * near * max_grad_norm).astype(np.float32)
    with_one = np.concatenate([others[:place], one, others[place:]])
    moved = _lattice_gradient([bare(with_one)], [MASK], max_grad_norm)[0]
    moved -= _lattice_gradient([bare(others)], [MASK], max_grad_norm)[0]
    assert moves(length([moved]) / BOUND) < 1


def test_ten_thousand_wild_units_stay_below_the_clipping_norm_and_come_close_to_it():
    wild = np.random.default_rng(7)
    rows = wild.standard_normal((10_000, 40)) * 10.0 ** wild.uniform(-30, 40, (10_000, 1))
    rows *= wild.random((10_000, 40)) < wild.uniform(0.02, 1, (10_000, 1))
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32)  # some overflow to infinity
    assert np.isinf(rows).any()
    rows[::100, 3] = np.nan
    mask = np.ones((40, 1), dtype=np.float32)
    lengths = np.array([length(_lattice_gradient([bare(row[None])], [mask], 2.0)) for row in rows])
    assert max(moves(share) for share in lengths / BOUND) < 1
    assert lengths.max() > 0.995 * BOUND
    finite = np.isfinite(rows).all(axis=1)
    assert not lengths[~finite].any() and not finite.all()


layers = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: hnp.arrays(np.float32, size, elements=st.sampled_from([0.0, 1.0]))
)


@settings(max_examples=cases(400), deadline=None)
@given(masks=st.lists(layers, min_size=1, max_size=3), rows=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_a_unit_of_many_rows_stays_below_the_clipping_norm(masks, rows, seed):
    """Rows that cancel, rows that repeat, inputs and gradients of any size: the sum of outer products is what is clipped."""
    wild = np.random.default_rng(seed)
    scale = np.float32(10.0 ** wild.uniform(-8, 8))
    factors = []
    for mask in masks:
        inputs = wild.standard_normal((rows, mask.shape[1])).astype(np.float32) * np.float32(
            10 ** wild.uniform(-1, 3.5)
        )
        gradients = wild.standard_normal((rows, mask.shape[0])).astype(np.float32) * scale
        if wild.random() < 0.5:
            gradients -= gradients.mean(axis=0)  # rows that nearly cancel where inputs are alike
            inputs[:] = inputs[:1]
        factors.append(Factors(inputs, gradients, np.zeros(rows, np.int64)))
    totals = _lattice_gradient([factors], masks, 1.0)
    assert moves(length([total * mask for total, mask in zip(totals, masks, strict=True)]) / BOUND) < 1


def test_norms_of_units_with_several_rows_are_those_of_their_summed_gradients():
    wild = np.random.default_rng(3)
    sizes = np.array([1, 2, 5, 16, 17, 40])
    unit = np.repeat(np.arange(len(sizes)), sizes)
    inputs = wild.standard_normal((len(unit), 7)).astype(np.float32)
    gradients = wild.standard_normal((len(unit), 9)).astype(np.float32)
    mask = (wild.random((9, 7)) < 0.6).astype(np.float32)
    looped = [((gradients[unit == u].T @ inputs[unit == u]) * mask) for u in range(len(sizes))]
    found = squared_norms(Factors(inputs, gradients, unit), mask, len(sizes))
    np.testing.assert_allclose(found, [(g.astype(np.float64) ** 2).sum() for g in looped], rtol=1e-5)


def test_rows_that_cancel_out_have_no_smaller_norm_than_their_sum():
    """Integers, so that the true norm is known exactly; where rows cancel, floating-point errors are all that is left."""
    wild = np.random.default_rng(11)
    for _ in range(200):
        rows, size = int(wild.integers(2, 20)), (20, 30)
        inputs = np.repeat(wild.integers(-1000, 1000, (1, size[1])), rows, axis=0)
        gradients = wild.integers(-(2**20), 2**20, (rows, size[0]))
        gradients[-1] = wild.integers(-2, 3, size[0]) - gradients[:-1].sum(axis=0)
        true = sum(int(x) ** 2 for x in (gradients.T @ inputs).ravel())
        factors = Factors(inputs.astype(np.float32), gradients.astype(np.float32), np.zeros(rows, np.int64))
        assert (factors.gradients == gradients).all()
        assert squared_norms(factors, np.ones(size, np.float32), 1)[0] >= true


def test_a_gradient_is_the_same_however_its_sample_is_cut_into_batches():
    rows = np.random.default_rng(1).standard_normal((300, 1000)).astype(np.float32)
    mask = np.ones((1000, 1), dtype=np.float32)
    whole = _lattice_gradient([bare(rows)], [mask], 1.0)[0]
    pieces = _lattice_gradient([bare(part) for part in np.array_split(rows[::-1], 7)], [mask], 1.0)[0]
    assert np.array_equal(whole, pieces)


def test_clipping_keeps_the_direction_and_leaves_the_caller_its_rows():
    row = np.array([[3.0, -4.0]], dtype=np.float32)
    scaled = _lattice_gradient([bare(row)], [np.ones((2, 1), np.float32)], 1.0)[0][:, 0] / BOUND
    assert scaled == pytest.approx([3 / 5, -4 / 5], rel=2e-3)
    assert row.tolist() == [[3.0, -4.0]]


histogram_units = st.lists(
    st.lists(st.one_of(st.integers(-3, CELLS + 2), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=12),
    max_size=6,
)


def _histogram(units):
    unit = np.array([3 * i - 7 for i, rows in enumerate(units) for _ in rows], dtype=np.int64)
    cells = np.array([cell for rows in units for cell in rows], dtype=np.int64)
    return _lattice_histogram(cells, unit_weights(unit), CELLS)


@settings(max_examples=cases(1000), deadline=None)
@given(others=histogram_units, one=histogram_units.filter(bool))
def test_one_unit_moves_a_histogram_by_at_most_one_person(others, one):
    difference = _histogram([*others, one[0]]) - _histogram(others)
    assert difference.dtype == np.int64
    square = sum(int(x) ** 2 for x in difference)
    moves(square**0.5 / LATTICE)
    assert square <= LATTICE**2


def test_a_unit_with_a_thousand_rows_weighs_one_person_at_most_and_almost():
    weights = unit_weights(np.array([5] * 1000 + [9], dtype=np.int64))
    assert 0.999 * LATTICE < weights[:1000].sum() <= LATTICE
    assert weights[-1] == LATTICE


def test_cells_outside_are_counted_nowhere():
    counts = _lattice_histogram(np.array([-1, 0, 2, 3, 99]), np.full(5, LATTICE), 3)
    assert counts.tolist() == [LATTICE, 0, LATTICE]


def test_no_rows_are_no_error():
    none = np.array([], dtype=np.int64)
    assert _lattice_histogram(none, unit_weights(none), 3).tolist() == [0, 0, 0]


@settings(max_examples=cases(500), deadline=None)
@given(
    others=histogram_units, one=histogram_units.filter(bool), expected=st.lists(st.floats(0, 9), min_size=5, max_size=5)
)
def test_one_unit_moves_the_score_of_a_choice_by_at_most_one(others, one, expected):
    def score(units):
        unit = np.array([i for i, rows in enumerate(units) for _ in rows], dtype=np.int64)
        cells = np.array([cell for rows in units for cell in rows], dtype=np.int64)
        return _lattice_distance(Candidate(cells, np.array(expected)), unit_weights(unit))

    assert moves(abs(score([*others, one[0]]) - score(others)) / LATTICE) <= 1
