"""Figures of held-out people: what one unit moves, that their noise is as paid, and that they tell good tables from bad."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import figures
from figures import cases
from fitting import MIXED, mixed, plan_for
from synth.artifacts.layout import RELEASE, RELEASES
from synth.artifacts.plan import Gaussian
from synth.artifacts.release import ReleaseFigure
from synth.generator.fit import Codes, HeldOut, fit
from synth.generator.fitted import Generator
from synth.generator.synthesis import draw_sizes, sample
from synth.privacy.mechanisms import LATTICE, Candidate, _lattice_distance, noisy_distance, unit_weights
from synth.privacy.randomness import Randomness

CELLS = 6
rows = hnp.arrays(np.int64, st.integers(0, 12), elements=st.integers(-2, CELLS + 1))
expected = hnp.arrays(np.float64, CELLS, elements=st.floats(0, 20))


@settings(max_examples=cases(500), deadline=None)
@given(others=rows, own=rows, tables=st.lists(expected, min_size=1, max_size=4))
def test_one_unit_moves_the_mean_distance_by_half_a_person_at_most(others, own, tables):
    """Whichever rows it has, and however many, in exact lattice units."""
    unit = np.concatenate([np.arange(len(others)), np.full(len(own), len(others))])

    def total(cells: np.ndarray, whose: np.ndarray) -> int:
        return sum(_lattice_distance(Candidate(cells, t), unit_weights(whose)) for t in tables)

    moved = total(np.concatenate([others, own]), unit) - total(others, unit[: len(others)])
    share = abs(moved) / LATTICE / len(tables)
    figures.count("cases")
    figures.largest("share of the declared sensitivity", share)
    assert share <= 1


def test_the_noise_is_as_declared():
    """Mean and standard deviation of 4,000 draws, within five standard errors of each."""
    cells, weights = np.array([0, 1, 1]), unit_weights(np.arange(3))
    candidates = [Candidate(cells, np.array([1.0, 0.0])), Candidate(cells, np.array([0.0, 0.0]))]
    drawn = np.array([noisy_distance(candidates, weights, 8.0, Randomness()) for _ in range(4_000)])
    true, stddev = ((0 + 2) / 2 + (1 + 2) / 2) / 2, 8.0 / 2
    assert abs(drawn.mean() - true) < 5 * stddev / 4_000**0.5
    assert abs(drawn.std() / stddev - 1) < 5 / (2 * 4_000) ** 0.5


def _figures(held_out: Codes, noise: float = 1.0, cap: int = 1) -> dict[str, ReleaseFigure]:
    """Of a generator that was fitted to people of one kind."""
    plan = plan_for(MIXED, units=3_000, cap=cap, noise=noise, kind="marginal", lessons=2_000)
    event = Gaussian(name=RELEASE, noise_multiplier=noise, count=RELEASES)
    paid = plan.privacy.model_copy(update={"events": (*plan.privacy.events, event)})
    plan = plan.model_copy(update={"privacy": paid})

    def drawn(generator: Generator) -> tuple[np.ndarray, np.ndarray]:
        sizes = draw_sizes(generator, 10_000, None, 1)
        return sample(generator, sizes, 1), np.repeat(np.arange(len(sizes)), sizes)

    found = fit(mixed(3_000, cap), plan, Randomness(), held_out=HeldOut(held_out, drawn))
    return {figure.metric: figure for figure in found.paid}


def test_people_of_the_same_kind_fit_and_others_do_not():
    same = _figures(mixed(1_500, 1, seed=1))
    assert set(same) == {"marginal_1", "marginal_2", "marginal_3"}
    assert all(f.value > 0.85 and f.low <= f.value <= f.high for f in same.values())
    other = mixed(1_500, 1, seed=1)
    tied = Codes([other.columns[0], other.columns[1] // 3 * 3 + other.columns[0], other.columns[2]], other.unit)
    assert _figures(tied)["marginal_2"].value < same["marginal_2"].value - 0.1


def test_where_next_to_nobody_is_held_out_nothing_is_said_and_all_is_asked():
    """The fit makes all its releases whoever is there: it raises where it does not."""
    nobody = mixed(3, 1)
    assert _figures(nobody, noise=2.0) == {}
    assert _figures(Codes([column[:0] for column in nobody.columns], nobody.unit[:0])) == {}


def test_units_of_several_rows_count_once():
    assert set(_figures(mixed(800, 3, seed=1), cap=3)) == {"marginal_1", "marginal_2", "marginal_3"}
