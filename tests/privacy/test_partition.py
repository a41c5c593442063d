"""Values that nobody declared come through only where enough units share them: T3, T4 and T8 of partition selection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

import figures
from figures import cases
from synth.artifacts.plan import Gaussian, PartitionSelection
from synth.errors import RunError
from synth.privacy import mechanisms
from synth.privacy.accounting import cross_check, epsilon
from synth.privacy.mechanisms import LATTICE, Curator, least_persons, noisy_values, unit_weights
from synth.privacy.randomness import Randomness


def event(noise: float = 2.0, delta: float = 1e-8, values: int = 5, count: int = 1) -> PartitionSelection:
    return PartitionSelection(name="values", noise_multiplier=noise, delta=delta, values_per_unit=values, count=count)


def rows(units: list[list[object]]) -> tuple[np.ndarray, np.ndarray]:
    unit = np.array([3 * i - 7 for i, values in enumerate(units) for _ in values], dtype=np.int64)
    return np.array([str(value) for values in units for value in values], dtype=object), unit


def sums(units: list[list[object]], most: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The lattice sums behind the noise, by text."""
    seen: list[np.ndarray] = []
    with monkeypatch.context() as patched:
        histogram = mechanisms._lattice_histogram
        patched.setattr(mechanisms, "_lattice_histogram", lambda *a: seen.append(histogram(*a)) or seen[-1])
        patched.setattr(mechanisms, "least_persons", lambda _: -math.inf)
        texts, unit = rows(units)
        found = noisy_values(texts, unit, event(values=most), Randomness())
    return dict(zip(found, (int(s) for s in seen[0][len(seen[0]) - len(found) :]), strict=True))  # "" comes first


wild = st.lists(st.lists(st.one_of(st.sampled_from("abcd"), st.text()), min_size=1, max_size=12), max_size=6)


# ---------------------------------------------------------------- sensitivity


@settings(max_examples=cases(400), deadline=None)
@given(others=wild, one=wild.filter(bool), most=st.integers(1, 8))
def test_one_unit_moves_all_sums_together_by_one_person_at_most(others, one, most):
    """And has no more texts to itself than rows that are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        before, after = sums(others, most, patch), sums([*others, one[0]], most, patch)
    moved = [after.get(text, 0) - before.get(text, 0) for text in {*before, *after}]
    figures.largest("share of the declared sensitivity", math.sqrt(sum(m * m for m in moved)) / LATTICE)
    assert sum(m * m for m in moved) <= LATTICE**2
    assert min(moved, default=0) >= 0
    assert len(after.keys() - before.keys()) <= most


def test_rows_of_a_unit_that_lie_apart_are_counted_together():
    kept = mechanisms._first_rows(np.array([4, 9, 4, 4, 9, 1]), 2)
    assert kept.tolist() == [True, True, True, False, True, True]


def test_a_row_without_a_value_counts_nowhere_and_weighs_all_the_same(monkeypatch):
    assert sums([["a", "", "", ""]], 5, monkeypatch) == {"a": LATTICE // 4}


# ---------------------------------------------------------------- what comes through


def test_a_value_of_one_unit_comes_through_as_rarely_as_delta_says():
    """False alarm 1e-6, both ways. Each unit has its five rows' values to itself, or all five rows hold one value."""
    loose = event(noise=3.0, delta=0.02, values=5)
    lists = 2_000
    for values, least in (([1, 2, 3, 4, 5], 0.0), ([1, 1, 1, 1, 1], 0.002)):
        texts, unit = rows([values])
        found = sum(bool(noisy_values(texts, unit, loose, Randomness())) for _ in range(lists))
        assert binomtest(found, lists, loose.delta, alternative="greater").pvalue > 1e-6
        if least:  # and the test would see ten times as many
            assert binomtest(found, lists, least, alternative="less").pvalue > 1e-6
    figures.largest("share of lists with a value of one unit", found / lists)


def test_the_threshold_is_a_person_and_the_tail_of_the_noise():
    found = least_persons(event(noise=10.0, delta=1e-9, values=20))
    assert found == pytest.approx(1 + 10 * norm.isf(1e-9 / 20), rel=1e-4)
    assert found > 1 + 10 * norm.isf(1e-9 / 20)


def test_values_that_many_share_are_found_with_their_persons():
    """False alarm 1e-9: far above the threshold, and within six standard deviations."""
    texts, unit = rows([["a", "b"]] * 500 + [["b"]] * 300 + [["c"], [""]])
    found = noisy_values(texts, unit, event(noise=2.0), Randomness())
    assert found == pytest.approx({"a": 250, "b": 550}, abs=12.5)


def test_no_rows_have_no_values():
    assert noisy_values(*rows([]), event(), Randomness()) == {}


def test_the_noise_of_each_value_is_its_own_and_of_the_events_size(monkeypatch):
    """False alarm 1e-9."""
    monkeypatch.setattr(mechanisms, "least_persons", lambda _: -math.inf)
    unit = np.arange(100_000)
    found = noisy_values(unit.astype(str).astype(object), unit, event(noise=3.0), Randomness())
    noise = np.array(list(found.values())) - 1
    assert abs(noise.std() / 3 - 1) < 6.2 / math.sqrt(2 * len(noise))
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 6.2 / math.sqrt(len(noise))


def test_a_curator_gives_as_many_lists_as_were_paid_for():
    held = Curator([event(count=2), Gaussian(name="counts", noise_multiplier=1.0)], Randomness())
    texts, unit = rows([["a"]])
    for _ in range(2):
        held.values("values", texts, unit)
    with pytest.raises(RunError, match="2 times"):
        held.values("values", texts, unit)
    for ask in (
        lambda: held.values("counts", texts, unit),
        lambda: held.histogram("values", unit, unit_weights(unit), 3),
    ):
        with pytest.raises(RunError, match="pays for no"):
            ask()


# ---------------------------------------------------------------- the price


def analytic_delta(noise: float, delta: float, target: float) -> float:
    """Of the pair that no unit exceeds, in both directions.

    With the unit: its value is found (probability delta), which cannot happen without it, or all else is as without it but
    for one Gaussian that is one person further.
    """
    mu = 1 / noise
    added = delta + (1 - delta) * _hockey(mu, target - math.log1p(-delta))
    removed = _hockey(mu, target + math.log1p(-delta))
    return max(added, removed)


def _hockey(mu: float, target: float) -> float:
    return float(norm.cdf(mu / 2 - target / mu) - math.exp(target) * norm.cdf(-mu / 2 - target / mu))


@pytest.mark.parametrize("noise", [1.0, 5.0, 40.0])
@pytest.mark.parametrize("delta", [1e-8, 5e-7])
def test_a_list_costs_what_mathematics_says(noise, delta):
    found = epsilon([event(noise, delta)], 1e-6)
    assert analytic_delta(noise, delta, found) <= 1e-6
    assert analytic_delta(noise, delta, found * 0.999 - 2e-4) > 1e-6
    assert cross_check([event(noise, delta)], 1e-6) == pytest.approx(found, rel=0.02, abs=1e-3)


def test_a_list_costs_more_than_its_noise_alone_and_lists_add_up():
    bare = [Gaussian(name="counts", noise_multiplier=2.0, count=4)]
    assert epsilon([event(2.0, 2e-7, count=4)], 1e-6) > epsilon(bare, 1e-6)
    assert epsilon([event(2.0, 1e-7, count=4)], 1e-6) == epsilon([event(2.0, 1e-7)] * 4, 1e-6)
    assert epsilon([event(2.0, 1e-7, count=4)], 1e-6) == pytest.approx(epsilon(bare, 6e-7), abs=1.1e-4)


@pytest.mark.parametrize("count", [10, 11])
def test_lists_that_concede_the_whole_delta_have_no_price(count):
    assert epsilon([event(5.0, 1e-7, count=count)], 1e-6) == math.inf
    assert cross_check([event(5.0, 1e-7, count=count)], 1e-6) == math.inf
