"""Figures that cost nothing more: their intervals hold the true distance, and they see what is wrong with a table."""

from __future__ import annotations

import numpy as np
import pytest

from synth.artifacts.plan import Network
from synth.generator.agreement import Agreement, unit_shares
from synth.generator.fitted import Generator
from synth.generator.levels import Levels
from synth.generator.marginals import Ways
from synth.generator.pairs import Groups, Pairs

UNITS, CELLS = 4_000, 5


def made(rng: np.random.Generator, noise: float) -> tuple[Generator, np.ndarray, np.ndarray]:
    """A generator's tables over three columns, their true counts, and codes that have them."""
    first = rng.integers(0, CELLS, UNITS)
    codes = np.stack([first, (first + rng.integers(0, 2, UNITS)) % CELLS, rng.integers(0, CELLS, UNITS)], axis=1)
    levels = tuple(
        Levels(
            name,
            True,
            False,
            np.arange(CELLS + 1),
            np.full(CELLS, 1 / CELLS),
            np.arange(CELLS),
            np.full(CELLS, 1 / CELLS),
        )
        for name in ("a", "b", "c")
    )
    pairs = ((0, 1), (0, 2), (1, 2))
    true = np.stack([np.histogram2d(codes[:, i], codes[:, j], bins=CELLS, range=[[0, CELLS]] * 2)[0] for i, j in pairs])
    tables = tuple(table + rng.normal(0, noise, table.shape) for table in true)
    measured = Pairs(tuple(Groups(j, np.arange(CELLS)) for j in range(3)), pairs, tables, noise)
    generator = Generator(
        "people", 1, Network(hidden=4), Ways(levels, float(UNITS), noise), measured, None, np.arange(3), ((),) * 3, (),
        None, None, {},
    )  # fmt: skip
    return generator, true, codes


@pytest.mark.parametrize("noise", [1.0, 10.0, 40.0])
def test_intervals_hold_the_true_distance(noise: float) -> None:
    """In 95% of 300 tables at least: fewer than 276 would come with a chance of one in ten thousand."""
    rng, held = np.random.default_rng(int(noise)), 0
    for _ in range(300):
        generator, true, codes = made(rng, noise)
        drawn = np.where(rng.random(codes.shape) < 0.2, rng.integers(0, CELLS, codes.shape), codes)
        agreement = Agreement(generator)
        agreement.add(drawn, np.ones(len(drawn)))
        own = np.stack(
            [
                np.histogram2d(drawn[:, i], drawn[:, j], bins=CELLS, range=[[0, CELLS]] * 2)[0]
                for i, j in ((0, 1), (0, 2), (1, 2))
            ]
        )
        truth = 1 - np.abs(true - own).sum(axis=(1, 2)).mean() / 2 / UNITS
        (whole,) = [f for f in agreement.figures() if f.metric == "marginal_2" and not f.of]
        assert whole.low is not None and whole.high is not None
        held += whole.low <= truth <= whole.high
    assert held >= 276


def test_what_is_wrong_shows() -> None:
    """A column of one value, and columns that go no longer together, in figures with their intervals."""
    generator, _, codes = made(np.random.default_rng(0), 5.0)

    def figures(drawn: np.ndarray) -> dict[tuple[str, str], tuple[float, float]]:
        agreement = Agreement(generator)
        agreement.add(drawn[: UNITS // 2], np.ones(UNITS // 2))
        agreement.add(drawn[UNITS // 2 :], np.ones(UNITS - UNITS // 2))
        return {(f.metric, f.of): (f.value, f.high or 0) for f in agreement.figures()}

    good = figures(codes)
    assert good["marginal_2", ""][0] > 0.95 and good["marginal_1", "a"][0] > 0.98
    collapsed = figures(np.column_stack([np.zeros(UNITS, int), codes[:, 1:]]))
    assert collapsed["marginal_1", "a"][1] < 0.3 and collapsed["marginal_1", "b"][0] > 0.98
    shuffled = figures(np.random.default_rng(1).permuted(codes, axis=0))
    assert shuffled["marginal_2", "a × b"][1] < 0.6 and shuffled["marginal_1", "a"][0] > 0.98
    assert shuffled["marginal_2", "a × c"][0] > 0.9


def test_nothing_is_said_where_all_is_noise() -> None:
    generator, _, codes = made(np.random.default_rng(0), 20_000.0)
    agreement = Agreement(generator)
    assert agreement.figures() == ()
    agreement.add(codes, np.ones(UNITS))
    assert agreement.figures() == ()


def test_rows_of_a_unit_add_up_to_one() -> None:
    weights = unit_shares(np.array([0, 0, 1, 2, 2, 2]))
    assert np.allclose(np.bincount([0, 0, 1, 2, 2, 2], weights), 1)
