"""T2: what a fit does is decided by the plan and by noisy answers, never by a row in another way.

The answers to a fit of some people are recorded and given again to a fit of their neighbours. The second must ask the
same questions in the same order, and end as the same files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import figures
from fitting import MIXED, category, mixed, plan_for
from replaying import Tape, fitted
from synth.artifacts.plan import ColumnLayout
from synth.errors import RunError
from synth.generator.fit import Codes, fit
from synth.generator.rows import PrivateRows
from synth.privacy.mechanisms import Curator
from synth.privacy.randomness import Randomness

UNITS = 40
PLANS = {
    "a row each": {"cap": 1},
    "several rows": {"cap": 4, "chosen": 2},
    "a latent": {"cap": 3, "latent": 2},
    "no DP-SGD": {"cap": 4, "kind": "marginal"},
    "columns alone": {"cap": 2, "kind": "independent"},
    "heaps": {"cap": 2, "kind": "independent", "tree_levels": 3},
}
FINE = (*MIXED[:2], ColumnLayout(name="age", cells=100_000, missing=True, ordered=True, heaps=True))


def neighbours(codes: Codes, cap: int, seed: int) -> Iterator[tuple[str, Codes]]:
    """The same people with one more or one less, and then some that are further away: nobody may be told."""
    random = np.random.default_rng(seed)

    def without(unit: int) -> Codes:
        kept = codes.unit != unit
        return Codes([column[kept] for column in codes.columns], codes.unit[kept])

    def joined(rows: int, values: tuple[int, ...]) -> Codes:
        columns = [np.append(c, np.full(rows, v)) for c, v in zip(codes.columns, values, strict=True)]
        return Codes(columns, np.append(codes.unit, np.full(rows, UNITS + 1)))

    yield from ((f"without {unit}", without(int(unit))) for unit in random.integers(0, UNITS, 3))
    yield "an ordinary person", joined(1, (1, 2, 50))
    yield "codes far outside", joined(1, (2**62, -(2**62), 10**9))
    yield "all missing", joined(cap, (0, 5, 100))
    yield "a thousand rows", joined(1_000, (1, 1, 1))
    yield "nobody", mixed(0, cap)
    yield "one person", mixed(1, cap)
    yield "other people, and more", mixed(3 * UNITS, cap, seed + 1)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("seed", range(4))
def test_neighbours_are_treated_alike(name: str, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """240 pairs in all."""
    plan = plan_for(FINE if name == "heaps" else MIXED, units=UNITS, steps=3, **PLANS[name])  # type: ignore[arg-type]
    codes, tape = mixed(UNITS, plan.cap, seed), Tape()
    monkeypatch.setattr("synth.generator.fit.Curator", tape.recorder())
    files = fitted(codes, plan, tmp_path / "recorded")
    for place, (neighbour, other) in enumerate(neighbours(codes, plan.cap, seed)):
        replayed = Tape()
        monkeypatch.setattr("synth.generator.fit.Curator", replayed.recorder(tape))
        found = fitted(other, plan, tmp_path / str(place))
        assert replayed.questions == tape.questions, neighbour
        assert found == files, neighbour
        figures.count("pairs without a difference")


STAYS = (
    category("ward", 3),
    ColumnLayout(name="came", cells=400, missing=False, ordered=True, rises=True, until="days"),
    ColumnLayout(name="days", cells=30, missing=True, ordered=True, zero=0),
)


def stays(units: int, seed: int) -> Codes:
    """Rows of units below rows of a parent, which have a sex."""
    random = np.random.default_rng(seed)
    unit = np.sort(random.integers(0, max(units, 1), 3 * units))
    columns = [random.integers(0, column.cells + column.missing, len(unit)) for column in STAYS]
    parent = random.integers(1, 4, len(unit))
    return Codes([*columns, (unit + parent) % 2], unit, parent)


@pytest.mark.parametrize("latent", [0, 2])
def test_neighbours_are_treated_alike_below_a_parent(
    latent: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a child table whose dates rise from row to row."""
    plan = plan_for(STAYS, units=UNITS, cap=4, latent=latent, parent=(category("sex", 2),))
    codes, tape = stays(UNITS, 0), Tape()
    monkeypatch.setattr("synth.generator.fit.Curator", tape.recorder())
    files = fitted(codes, plan, tmp_path / "recorded")
    others = [stays(0, 0), stays(1, 0), stays(3 * UNITS, 1)]
    for gone in (0, UNITS // 2, UNITS - 1):
        kept = codes.unit != gone
        assert codes.parent is not None
        others.append(Codes([column[kept] for column in codes.columns], codes.unit[kept], codes.parent[kept]))
    for place, other in enumerate(others):
        replayed = Tape()
        monkeypatch.setattr("synth.generator.fit.Curator", replayed.recorder(tape))
        assert fitted(other, plan, tmp_path / str(place)) == files
        assert replayed.questions == tape.questions
        figures.count("pairs without a difference")


def test_a_person_takes_part_with_no_more_rows_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with a thousand rows, and one with one."""
    rows: set[int] = set()

    class Watching(Curator):
        def histogram(self, event_name: str, cells: Any, weights: Any, size: int) -> Any:
            rows.add(len(cells))
            return super().histogram(event_name, cells, weights, size)

        def gradient(self, event_name: str, batches: Any, masks: Any, max_grad_norm: float) -> Any:
            taken = list(batches)
            rows.add(sum(len(layers[0].inputs) for layers in taken))
            return super().gradient(event_name, taken, masks, max_grad_norm)

    monkeypatch.setattr("synth.generator.fit.Curator", Watching)
    plan = plan_for(MIXED, units=UNITS, cap=4, rate=1.0)
    fit(Codes([np.ones(1_001, np.int64)] * 3, np.repeat([1, 2], [1_000, 1])), plan, Randomness())
    assert rows == {4 + 1}


def test_a_fit_that_looks_at_its_rows_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clipping norm from the number of people (a planted bug): one person less asks another question."""
    plan = plan_for(MIXED, units=UNITS, steps=2)
    codes = mixed(UNITS, 1)
    asks = PrivateRows.gradient

    def peeking(self: PrivateRows, event: str, factors: Any, masks: Any, max_grad_norm: float) -> Any:
        people = len(self._PrivateRows__sizes)  # type: ignore[attr-defined]
        return asks(self, event, factors, masks, max_grad_norm * people / UNITS)

    monkeypatch.setattr(PrivateRows, "gradient", peeking)
    first, second = Tape(), Tape()
    monkeypatch.setattr("synth.generator.fit.Curator", first.recorder())
    fitted(codes, plan, tmp_path / "first")
    monkeypatch.setattr("synth.generator.fit.Curator", second.recorder(first))
    fitted(next(neighbours(codes, 1, 0))[1], plan, tmp_path / "second")
    assert first.questions != second.questions


def test_a_fit_that_leaves_out_a_planned_step_is_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is not taken where few people were sampled (a planted bug) would tell how many there are."""
    asks = PrivateRows.gradient

    def skipping(self: PrivateRows, event: str, factors: Any, masks: Any, max_grad_norm: float) -> Any:
        if len(self._PrivateRows__sizes) < UNITS:  # type: ignore[attr-defined]
            return [np.zeros(mask.shape) for mask in masks]
        return asks(self, event, factors, masks, max_grad_norm)

    monkeypatch.setattr(PrivateRows, "gradient", skipping)
    fit(mixed(UNITS, 1), plan_for(MIXED, units=UNITS, steps=3), Randomness())
    with pytest.raises(RunError, match=r"made 0 of the 3 releases of 'dp_sgd' in its plan\.\n.*Please report this"):
        fit(mixed(UNITS - 1, 1), plan_for(MIXED, units=UNITS, steps=3), Randomness())
