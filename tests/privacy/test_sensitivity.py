"""T3: no unit moves a sum by more than was declared, whatever its rows hold."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synth.privacy.mechanisms import LATTICE, _lattice_gradient, _lattice_histogram, unit_weights

PARAMETERS = 6
CELLS = 5

extremes = st.sampled_from([0.0, 1e-45, 1e-20, 1e20, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan])
entries = st.one_of(st.floats(width=32), extremes.map(lambda x: float(np.float32(x))))
batches = hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(PARAMETERS)), elements=entries)
units = hnp.arrays(np.float32, (1, PARAMETERS), elements=entries)
noises = st.floats(0.01, 1000)
norms = st.floats(1e-6, 1e6)


@pytest.fixture(autouse=True)
def warnings_tell_about_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@settings(max_examples=500, deadline=None)
@given(others=batches, one=units, place=st.integers(0, 5), noise=noises, max_grad_norm=norms)
def test_one_unit_moves_a_gradient_by_less_than_the_clipping_norm(others, one, place, noise, max_grad_norm):
    with_one = [others[:place], one, others[place:]]
    difference = _lattice_gradient(with_one, PARAMETERS, max_grad_norm, noise) - _lattice_gradient(
        [others], PARAMETERS, max_grad_norm, noise
    )
    assert np.array_equal(difference, np.rint(difference))
    assert sum(int(x) ** 2 for x in difference) < (LATTICE / noise) ** 2


def test_ten_thousand_wild_units_stay_below_the_clipping_norm_and_come_close_to_it():
    wild = np.random.default_rng(7)
    rows = wild.standard_normal((10_000, 40)) * 10.0 ** wild.uniform(-30, 38, (10_000, 1))
    rows *= wild.random((10_000, 40)) < wild.uniform(0.02, 1, (10_000, 1))
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32)  # some overflow to infinity
    rows[::100, 3] = np.nan
    noise = 0.7
    sums = [_lattice_gradient([row[None]], 40, 2.0, noise) for row in rows]
    lengths = np.array([sum(int(x) ** 2 for x in total) ** 0.5 for total in sums])
    assert lengths.max() < LATTICE / noise
    assert lengths.max() > 0.998 * LATTICE / noise
    finite = np.isfinite(rows).all(axis=1)
    assert not lengths[~finite].any() and not finite.all()


def test_a_gradient_is_the_same_however_its_sample_is_cut_into_batches():
    rows = np.random.default_rng(1).standard_normal((300, 1000)).astype(np.float32)
    whole = _lattice_gradient([rows], 1000, 1.0, 1.3)
    pieces = _lattice_gradient(np.array_split(rows[::-1], 7), 1000, 1.0, 1.3)
    assert np.array_equal(whole, pieces)


def test_clipping_keeps_the_direction_and_leaves_the_caller_its_rows():
    row = np.array([[3.0, -4.0]], dtype=np.float32)
    scaled = _lattice_gradient([row], 2, 1.0, 1.0) / LATTICE
    assert scaled == pytest.approx([3 / 5.01, -4 / 5.01], rel=2e-3)
    assert row.tolist() == [[3.0, -4.0]]


histogram_units = st.lists(
    st.lists(st.one_of(st.integers(-3, CELLS + 2), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=12),
    max_size=6,
)


def _histogram(units):
    unit = np.array([3 * i - 7 for i, rows in enumerate(units) for _ in rows], dtype=np.int64)
    cells = np.array([cell for rows in units for cell in rows], dtype=np.int64)
    return _lattice_histogram(cells, unit_weights(unit), CELLS)


@settings(max_examples=1000, deadline=None)
@given(others=histogram_units, one=histogram_units.filter(bool))
def test_one_unit_moves_a_histogram_by_at_most_one_person(others, one):
    difference = _histogram([*others, one[0]]) - _histogram(others)
    assert difference.dtype == np.int64
    assert sum(int(x) ** 2 for x in difference) <= LATTICE**2


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
