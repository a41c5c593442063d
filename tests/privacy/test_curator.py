"""The curator releases what the plan pays for, as the plan says; T5: its samples are Poisson."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats

import figures
from synth.artifacts.plan import Gaussian, Selection, SubsampledGaussian
from synth.errors import RunError
from synth.privacy.mechanisms import LATTICE, Candidate, Curator, Factors, noisy_choice
from synth.privacy.randomness import Randomness

CELLS = np.array([0, 1, 1], dtype=np.int64)
WEIGHTS = np.full(3, LATTICE, dtype=np.int64)
ONE, FIVE = np.ones((1, 1), np.float32), np.ones((5, 1), np.float32)  # masks
TWO = Factors(np.ones((2, 1), np.float32), np.ones((2, 5), np.float32), np.arange(2))  # units


def curator(**changes) -> Curator:
    training = {"noise_multiplier": 2.0, "sample_rate": 0.1, "steps": 3} | changes
    events = (
        Gaussian(name="counts", noise_multiplier=1.5, count=2),
        Selection(name="choice", epsilon=0.5, count=2),
        SubsampledGaussian(name="training", **training),
    )
    return Curator(events, Randomness())


def poisson_p_values(included: np.ndarray, rate: float) -> tuple[float, float]:
    """Two-sided chi-square of the inclusions per unit and of the batch sizes of [steps, units]."""
    found = []
    for sums, terms in ((included.sum(axis=0), included.shape[0]), (included.sum(axis=1), included.shape[1])):
        statistic = np.sum((sums - terms * rate) ** 2) / (terms * rate * (1 - rate))
        found.append(2 * min(stats.chi2.cdf(statistic, len(sums)), stats.chi2.sf(statistic, len(sums))))
    return found[0], found[1]


def test_samples_are_poisson():
    """False alarm 1e-4: 5e-5 for each of the two."""
    held = curator(steps=2000)
    included = np.empty((2000, 3000), dtype=bool)
    for step in range(2000):
        included[step] = held.poisson("training", 3000)
        held.gradient("training", [], [ONE], 1.0)
    per_unit, batch_size = poisson_p_values(included, 0.1)
    figures.least("p-value of inclusions (chi-square)", per_unit)
    figures.least("p-value of batch sizes (chi-square)", batch_size)
    assert min(per_unit, batch_size) > 5e-5


def test_a_shuffling_sampler_fails_that_test():
    shuffled = np.zeros((2000, 3000), dtype=bool)
    order = np.random.default_rng(3)
    for epoch in range(200):
        batches = order.permutation(3000).reshape(10, 300)
        shuffled[epoch * 10 + np.arange(10)[:, None], batches] = True
    per_unit, batch_size = poisson_p_values(shuffled, 0.1)
    figures.largest("p-value of a shuffling sampler", max(per_unit, batch_size))
    assert per_unit < 1e-10 and batch_size < 1e-10


def test_no_seed_moves_a_sample():
    import torch

    def draw() -> np.ndarray:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        return curator(sample_rate=0.5).poisson("training", 200)

    assert not np.array_equal(draw(), draw())


@pytest.mark.parametrize("rate, included", [(1e-12, 0), (1.0, 1000)])
def test_the_ends_of_the_rate(rate, included):
    assert curator(sample_rate=rate).poisson("training", 1000).sum() == included


def test_a_rate_beyond_its_range_is_refused():
    with pytest.raises(RunError):
        Randomness().bernoulli(10, 1.5)


def test_noise_comes_from_the_event():
    """False alarm 1e-9: 6 standard deviations."""
    noise = curator().histogram("counts", CELLS[:0], WEIGHTS[:0], 10**5)
    assert abs(noise.std() / 1.5 - 1) < 6.2 / (2 * 10**5) ** 0.5
    held = curator()
    held.poisson("training", 0)
    noise = held.gradient("training", [], [np.ones((10, 10**4), np.float32)], 0.25)[0].ravel()
    assert abs(noise.std() / 0.5 - 1) < 6.2 / (2 * 10**5) ** 0.5


def test_releases_are_counted_and_never_exceed_the_plan():
    held = curator()
    assert held.spent() == {"counts": 0, "choice": 0, "training": 0}
    for _ in range(2):
        assert held.histogram("counts", CELLS, WEIGHTS, 2).shape == (2,)
    with pytest.raises(RunError, match="more often than the plan pays for, 2 times"):
        held.histogram("counts", CELLS, WEIGHTS, 2)
    for _ in range(3):
        held.poisson("training", 4)
        held.gradient("training", [[TWO]], [FIVE], 1.0)
    with pytest.raises(RunError, match="3 times"):
        held.poisson("training", 4)
    assert held.spent() == {"counts": 2, "choice": 0, "training": 3}


def test_a_fit_that_is_done_has_made_every_release():
    held = curator()
    for _ in range(2):
        held.histogram("counts", CELLS, WEIGHTS, 2)
    with pytest.raises(RunError, match="made 0 of the 1 releases of 'choice'"):
        held.check_spent()
    held.choice("choice", [], WEIGHTS)
    for _ in range(3):
        with pytest.raises(RunError, match="of the 3 releases of 'training'"):
            held.check_spent()
        held.poisson("training", 4)
        with pytest.raises(RunError, match="of the 3 releases of 'training'"):
            held.check_spent()
        held.gradient("training", [[TWO]], [FIVE], 1.0)
    held.check_spent()


def test_a_release_that_fails_is_counted():
    def breaks():
        yield [TWO]
        raise ZeroDivisionError

    held = curator()
    held.poisson("training", 4)
    with pytest.raises(ZeroDivisionError):
        held.gradient("training", breaks(), [FIVE], 1.0)
    with pytest.raises(RunError, match="without a sample"):
        held.gradient("training", [], [FIVE], 1.0)
    assert held.spent()["training"] == 1


def test_a_step_has_one_sample_of_its_own():
    held = curator()
    with pytest.raises(RunError, match="without a sample"):
        held.gradient("training", [], [FIVE], 1.0)
    held.poisson("training", 4)
    with pytest.raises(RunError, match="sampled twice"):
        held.poisson("training", 4)


def test_events_that_were_not_planned_or_are_of_another_kind():
    held = curator()
    for release in (
        lambda: held.histogram("more counts", CELLS, WEIGHTS, 2),
        lambda: held.histogram("training", CELLS, WEIGHTS, 2),
        lambda: held.choice("counts", [], WEIGHTS),
        lambda: held.poisson("counts", 3),
        lambda: held.gradient("counts", [], [ONE], 1.0),
    ):
        with pytest.raises(RunError, match="pays for no"):
            release()


def test_two_events_of_one_name_are_refused():
    with pytest.raises(RunError, match="same name"):
        Curator([Gaussian(name="a", noise_multiplier=1), Gaussian(name="a", noise_multiplier=2)], Randomness())


def test_a_batch_of_another_shape_is_refused():
    held = curator()
    held.poisson("training", 4)
    with pytest.raises(RunError, match="shape"):
        held.gradient("training", [[TWO]], [ONE], 1.0)


def test_a_choice_is_made_once_and_finds_what_stands_out():
    """False alarm 1e-8: the second table's score stands 40 scales of the Gumbel noise above the others."""
    cells = np.zeros(160, dtype=np.int64)
    weights = np.full(160, LATTICE, dtype=np.int64)
    tables = [Candidate(cells, np.array([160.0 - far, far])) for far in (0.0, 160.0, 0.0, 160.0)]
    held = curator()
    assert sorted(held.choice("choice", tables, weights)) == [1, 3]
    with pytest.raises(RunError, match="1 times"):
        held.choice("choice", tables, weights)


def test_a_choice_follows_the_exponential_mechanism():
    """False alarm 1e-4 (chi-square): the odds of two candidates are exp(epsilon * (difference of scores) / 2)."""
    cells, weights = np.zeros(2, dtype=np.int64), np.full(2, LATTICE, dtype=np.int64)
    tables = [Candidate(cells, np.array([2.0 + far])) for far in (0.0, 1.0, 2.0)]
    randomness = Randomness()
    found = np.bincount([noisy_choice(tables, weights, 1, 1.5, randomness)[0] for _ in range(20_000)], minlength=3)
    odds = np.exp(1.5 * np.array([0.0, 1.0, 2.0]) / 2)
    assert stats.chisquare(found, 20_000 * odds / odds.sum()).pvalue > 1e-4
