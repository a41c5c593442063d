"""Rows by the library mbi have the measured marginals, of columns and of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from synth.generator.levels import Levels
from synth.generator.marginals import Ways
from synth.generator.pairs import Pairs, all_pairs, coarsen

pytest.importorskip("mbi", reason="the extra mbi is not installed")
pytestmark = pytest.mark.slow
ROWS, CELLS = 20_000, (3, 3, 30)


def measured() -> tuple[Ways, Pairs, list[np.ndarray]]:
    """Of a column, one that follows it, and a fine one that follows that."""
    random = np.random.default_rng(0)
    first = random.integers(0, 3, ROWS)
    second = np.where(random.random(ROWS) < 0.8, first, random.integers(0, 3, ROWS))
    columns = [first, second, second * 10 + random.integers(0, 10, ROWS)]
    levels = []
    for j, (codes, cells) in enumerate(zip(columns, CELLS, strict=True)):
        shares = np.bincount(codes, minlength=cells) / ROWS
        levels.append(Levels(str(j), j > 1, False, np.arange(cells + 1), shares, np.arange(cells), shares.copy()))
    groups = tuple(coarsen(j, one, 6) for j, one in enumerate(levels))
    pairs = tuple(all_pairs(3))
    tables = tuple(
        crossed(groups[i].encode(columns[i]), groups[j].encode(columns[j]), (groups[i].size, groups[j].size)) * ROWS
        + random.normal(0, 10, (groups[i].size, groups[j].size))
        for i, j in pairs
    )
    return Ways(tuple(levels), float(ROWS), 10.0), Pairs(groups, pairs, tables, 10.0), columns


def crossed(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    found = np.zeros(shape)
    np.add.at(found, (first, second), 1 / len(first))
    return found


def test_rows_have_the_measured_pairs_and_without_them_only_columns() -> None:
    from synth.generator.graphical_model import GraphicalModel

    ways, pairs, real = measured()
    model = GraphicalModel()
    drawn = model.codes(ways, pairs, ROWS, 7)
    assert drawn.shape == (ROWS, 3) and drawn.dtype == np.int64
    assert (drawn == model.codes(ways, pairs, ROWS, 7)).all()
    alone = model.codes(ways, None, ROWS, 7)
    for i, j in pairs.pairs:
        shape = (CELLS[i], CELLS[j])
        truth = crossed(real[i], real[j], shape)
        apart, without = (np.abs(crossed(d[:, i], d[:, j], shape) - truth).sum() / 2 for d in (drawn, alone))
        assert apart < 0.06 < 0.3 < without
    for j, cells in enumerate(CELLS):
        shares = np.bincount(alone[:, j], minlength=cells) / ROWS
        assert np.abs(shares - np.bincount(real[j], minlength=cells) / ROWS).sum() / 2 < 0.02
