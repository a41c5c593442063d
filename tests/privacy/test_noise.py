"""T4: the noise is normal, of the declared size, on the lattice, and nobody's seed moves it."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

import figures
from fitting import MIXED, mixed, plan_for
from synth.errors import RunError
from synth.generator import dp_sgd
from synth.generator.fit import fit
from synth.privacy import randomness as randomness_module
from synth.privacy.mechanisms import (
    GRADIENT_GRID,
    INPUT_GRID,
    LATTICE,
    Factors,
    _lattice_noise,
    noisy_gradient,
    noisy_histogram,
)
from synth.privacy.randomness import Randomness

NOBODY = np.array([], dtype=np.int64)
ONE = np.ones((1, 1), dtype=np.float32)


def bare(rows: np.ndarray) -> Factors:
    """Per-unit gradients [units, parameters] as factors with an input of 1."""
    return Factors(np.ones((len(rows), 1), np.float32), rows, np.arange(len(rows)))


def normality(noise: np.ndarray, stddev: float) -> tuple[float, float]:
    """The p-value of Kolmogorov and Smirnov over 1e6 numbers, and how far the variance of all is off."""
    return stats.kstest(noise[: 10**6] / stddev, "norm").pvalue, abs(np.var(noise) / stddev**2 - 1)


def looks_normal(p_value: float, off: float) -> bool:
    """False alarms: Kolmogorov and Smirnov 1e-4; the variance of 4e6 numbers has a stddev of 0.07%, so 0.5% 1e-12."""
    return p_value > 1e-4 and off < 0.005


def check(noise: np.ndarray, stddev: float) -> None:
    p_value, off = normality(noise, stddev)
    figures.count("numbers drawn", len(noise))
    figures.least("p-value (Kolmogorov and Smirnov)", p_value)
    figures.largest("error of the variance", off)
    assert looks_normal(p_value, off)


def test_the_noise_of_a_histogram():
    noise = noisy_histogram(NOBODY, NOBODY, 4 * 10**6, 2.5, Randomness())
    check(noise, 2.5)
    assert not looks_normal(*normality(noise * 0.99, 2.5))
    assert np.array_equal(noise * LATTICE, np.rint(noise * LATTICE))


@pytest.mark.parametrize("noise_multiplier", [0.3, 1.0, 40.0, 1e6])
def test_what_is_released_is_no_finer_than_the_noise_is(noise_multiplier):
    """Steps of a power of two, at most 2^-16 of the noise's stddev: from there on float64 would show where it came from."""
    step = max(2.0 ** math.floor(math.log2(noise_multiplier * LATTICE / 2**16)), 1) / LATTICE
    noise = noisy_histogram(NOBODY, NOBODY, 10**6, noise_multiplier, Randomness())
    assert np.array_equal(noise / step, np.rint(noise / step))
    assert len(np.unique(noise / step % 8)) == 8  # and no coarser
    mask = np.ones((1, 10**6), dtype=np.float32)
    step = max(2.0 ** math.floor(math.log2(noise_multiplier * 2**24 / 2**16)), 1) / 2**24
    noise = noisy_gradient([], [mask], 1.0, noise_multiplier, Randomness())[0]
    assert np.array_equal(noise / step, np.rint(noise / step))
    assert len(np.unique(noise / step % 8)) == 8


def test_noise_is_whole_before_it_is_added_so_that_the_sum_is_exact():
    """A sum of integers below 2^53 has no rounding that could depend on what the noise is added to."""
    for stddev in (0.3 * LATTICE, 40.0 * LATTICE):
        noise = _lattice_noise(10**5, stddev, Randomness())
        assert np.array_equal(noise, np.rint(noise))


def test_the_float_error_of_a_normal_number():
    """Against the same words in the longest floats: at most 2^-50, or 2^-50 of a radius above 1.

    Only of a radius below 0.1, one in 200, is it more: 2^-54 over the radius.
    """
    size = 10**6
    numbers, stream = Randomness.for_tests(bytes(32)).normal(size), Randomness.for_tests(bytes(32))
    exact, radius = np.empty((2, size // 2), np.longdouble), np.empty(size // 2, np.longdouble)
    for start in range(0, size // 2, randomness_module.BLOCK):
        block = slice(start, min(start + randomness_module.BLOCK, size // 2))
        words, turns = (stream._words(block.stop - start) for _ in range(2))
        radius[block] = np.sqrt(-2 * np.log((words.astype(np.longdouble) + 0.5) * np.longdouble(2) ** -64))
        angle = 8 * np.arctan(np.longdouble(1)) * ((turns >> np.uint64(12)).astype(np.longdouble) + 0.5) * 2.0**-52
        exact[:, block] = radius[block] * np.sin(angle), radius[block] * np.cos(angle)
    errors = np.abs(numbers - exact.ravel()).reshape(2, -1) / np.maximum(radius, 1)
    assert (errors < 2.0**-50 + 2.0**-53 / radius * (radius < 0.1)).all()


def test_the_noise_of_a_gradient_without_anybody():
    mask = np.ones((2, 2 * 10**6), dtype=np.float32)
    noise = noisy_gradient([], [mask], 0.5, 4.0, Randomness())[0].ravel()
    check(noise, 2.0)
    spacing = 0.5 / (INPUT_GRID * GRADIENT_GRID)
    assert np.array_equal(noise / spacing, np.rint(noise / spacing))


def test_every_layer_of_a_gradient_has_noise_of_its_own():
    """False alarm 1e-8: four variances and six correlations within 6 standard deviations."""
    masks = [np.ones((100, 200), dtype=np.float32) for _ in range(4)]
    layers = np.array([layer.ravel() for layer in noisy_gradient([], masks, 1.0, 3.0, Randomness())])
    assert np.abs(layers.var(axis=1) / 9 - 1).max() < 6 * (2 / 20_000) ** 0.5
    assert np.abs(np.corrcoef(layers) - np.eye(4)).max() < 6 / 20_000**0.5


def test_tails_and_independence():
    """False alarm 6e-5: seven figures, each 4.4 standard deviations wide (1e-5)."""
    numbers = Randomness().normal(2 * 10**6)
    for threshold in (2, 3, 4):
        expected = 2 * stats.norm.sf(threshold) * len(numbers)
        assert abs(np.sum(np.abs(numbers) > threshold) - expected) < 4.4 * expected**0.5
    half = len(numbers) // 2
    for other in (numbers[half:], np.roll(numbers[:half], 1)):  # partners of Box and Muller; neighbours
        for power in (1, 2):
            assert abs(np.corrcoef(numbers[:half] ** power, other**power)[0, 1]) < 4.4 / half**0.5


def test_uniform_numbers_are_open_and_flat():
    """False alarm 1e-4."""
    numbers = Randomness().uniform(10**6)
    assert stats.kstest(numbers, "uniform").pvalue > 1e-4


def test_the_first_and_the_last_uniform_number_lie_between_0_and_1(monkeypatch):
    ends = np.array([0, 2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr(Randomness, "_words", lambda _, size: ends[:size])
    assert Randomness().uniform(2).tolist() == [2.0**-53, 1 - 2.0**-53]


def test_no_seed_has_an_effect():
    import torch

    def draw() -> np.ndarray:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        return noisy_histogram(NOBODY, NOBODY, 8, 1.0, Randomness())

    assert not np.array_equal(draw(), draw())
    known = Randomness.for_tests(bytes(32)).normal(5)
    draw()
    assert np.array_equal(known, Randomness.for_tests(bytes(32)).normal(5))


def test_the_noise_of_latents_is_foreseen_by_no_seed(monkeypatch):
    """Were it, one person more would move the noise of all who come after."""
    import torch

    seen = []
    gradients = dp_sgd.unit_gradients

    def watched(network, columns, units, noise):
        seen.append(noise)
        return gradients(network, columns, units, noise)

    monkeypatch.setattr(dp_sgd, "unit_gradients", watched)
    for _ in range(2):
        np.random.seed(1)
        torch.manual_seed(1)
        fit(mixed(40, 1), plan_for(MIXED, units=40, latent=2, rate=1.0, steps=1), Randomness())
    first, second = (noise for noise in seen if len(noise) == 40)  # the others are for the clipping norm
    assert not np.isclose(first, second).any()


def test_the_stream_is_chacha20():
    """RFC 8439, appendix A.1, first test vector."""
    first = Randomness.for_tests(bytes(32)).uniform(1)[0]
    word = int.from_bytes(bytes.fromhex("76b8e0ada0f13d90"), "little")
    assert first == ((word >> 12) + 0.5) * 2.0**-52


def test_the_stream_goes_on_under_a_new_key(monkeypatch):
    monkeypatch.setattr(randomness_module, "REKEY_BYTES", 1 << 10)
    numbers = Randomness().uniform(64 * 50)
    assert len(set(numbers)) == len(numbers)
    chunks = Randomness()
    numbers = np.concatenate([chunks.uniform(100) for _ in range(50)])
    assert len(set(numbers)) == len(numbers)


FORK = """
import os
from synth.errors import RunError
from synth.privacy.randomness import Randomness
randomness = Randomness()
if os.fork() == 0:
    try:
        randomness.normal(1)
    except RunError:
        os._exit(7)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
"""


def test_a_fork_cannot_repeat_the_noise():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", FORK], check=True, env=environment)


@pytest.mark.parametrize("noise_multiplier", [0.0, -1.0, float("nan"), float("inf"), 1e-9])
def test_no_noise_is_refused(noise_multiplier):
    with pytest.raises(RunError):
        noisy_histogram(NOBODY, NOBODY, 3, noise_multiplier, Randomness())
    with pytest.raises(RunError):
        noisy_gradient([], [ONE], 1.0, noise_multiplier, Randomness())


@pytest.mark.parametrize("max_grad_norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clipping_norm_that_clips_nothing_is_refused(max_grad_norm):
    with pytest.raises(RunError):
        noisy_gradient([], [ONE], max_grad_norm, 1.0, Randomness())


def test_a_released_sum_is_the_sum_and_its_noise():
    """False alarm 1e-7: more than 5.5 standard deviations."""
    cells = np.repeat([0, 1, 2], [500, 300, 200])
    counts = noisy_histogram(cells, np.full(1000, LATTICE), 3, 1.5, Randomness())
    assert counts == pytest.approx([500, 300, 200], abs=6.2 * 1.5)
    rows = np.tile(np.array([1e6, 0, -1e6], dtype=np.float32), (400, 1))
    batches = [[bare(rows[:100])], [bare(rows[100:])]]
    total = noisy_gradient(batches, [np.ones((3, 1), np.float32)], 2.0, 0.5, Randomness())[0][:, 0]
    assert total == pytest.approx([400 * 2 / 2**0.5, 0, -400 * 2 / 2**0.5], abs=6.2 * 1.0 + 1)
