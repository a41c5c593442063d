"""A generator on disk comes back as it was, and anything else is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from synth.artifacts.plan import Learning, Tilt
from synth.artifacts.plan import Network as Shape
from synth.errors import RunError
from synth.generator.fitted import Generator
from synth.generator.levels import Levels
from synth.generator.marginals import Ways
from synth.generator.network import Columns, Network
from synth.generator.pairs import Groups, Pairs
from synth.generator.store import load, save
from synth.generator.synthesis import sample


def levels(name: str, count: int, ordered: bool) -> Levels:
    shares = np.arange(1.0, count + 1) / np.arange(1, count + 1).sum()
    edges = np.arange(count + 1) * (7 if ordered else 1)
    return Levels(name, ordered, False, edges.astype(np.int64), shares, np.arange(count), shares)


@pytest.fixture
def generator() -> Generator:
    columns = (levels("sex", 2, False), levels("age", 9, True))
    shape = Shape(latent=2, hidden=8, basis=4)
    order, strata = np.array([1, 0]), ((), (1,))
    network = Network(Columns(columns, order, strata, False, shape.basis), shape, 1)
    weights = {name: matrix.detach().numpy().copy() for name, matrix in network.matrices.items()}
    groups = (Groups(0, np.array([0, 1])), Groups(1, np.repeat([0, 1, 2], 3)))
    pairs = Pairs(groups, ((0, 1),), (np.arange(6.0).reshape(2, 3),), 0.5)
    lesson = Learning(units=50, epochs=1, batch_units=10, learning_rate=1e-3)
    tilt = Tilt(steps=5, candidates=2, most_units=1_000)
    return Generator(
        "people", 1, shape, Ways(columns, 15.0, 0.5), pairs, None, order, strata, (), tilt, lesson, weights
    )


def test_it_comes_back_as_it_was(generator: Generator, tmp_path: Path) -> None:
    save(generator, tmp_path / "people")
    again = load(tmp_path / "people")
    sizes = np.ones(500, np.int64)
    assert np.array_equal(sample(generator, sizes, 3), sample(again, sizes, 3))
    assert not np.array_equal(sample(again, sizes, 3), sample(again, sizes, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["people"]


def test_how_often_rows_repeat_comes_back(generator: Generator, tmp_path: Path) -> None:
    save(dataclasses.replace(generator, repeats=np.array([0.25, 1.0])), tmp_path / "people")
    assert load(tmp_path / "people").repeats == pytest.approx([0.25, 1.0])


def change_json(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        body = json.loads((folder / "generator.json").read_text())
        change(body)
        (folder / "generator.json").write_text(json.dumps(body))

    return apply


def change_weights(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "weights.safetensors")
        change(weights)
        save_file(weights, folder / "weights.safetensors")

    return apply


TAMPERED = {
    "another file": lambda folder: (folder / "model.pkl").write_bytes(b""),
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "not safetensors": lambda folder: (folder / "weights.safetensors").write_bytes(b"\x80\x04pickle"),
    "not json": lambda folder: (folder / "generator.json").write_text("{"),
    "unknown key": change_json(lambda body: body.update(loader="os.system")),
    "another version": change_json(lambda body: body.update(schema_version="synth/generator/v9")),
    "nan share": change_json(lambda body: body["columns"][0].update(shares=[float("nan"), 1.0])),
    "edges that fall": change_json(lambda body: body["columns"][0].update(edges=[0, 2, 1])),
    "too few shares": change_json(lambda body: body["columns"][0].update(shares=[1.0])),
    "an order that repeats": change_json(lambda body: body.update(order=[0, 0])),
    "an order that leaves one out": change_json(lambda body: body.update(order=[0])),
    "spread over what comes later": change_json(lambda body: body.update(strata=[[0], []])),
    "a level without leaves": change_json(lambda body: body["columns"][0].update(level=[0, 0])),
    "groups that leave a level out": change_json(lambda body: body["pairs"]["groups"].__setitem__(0, [0])),
    "a pair of a column with itself": change_json(lambda body: body["pairs"].update(pairs=[[1, 1]])),
    "no noise": change_json(lambda body: body["pairs"].update(noise=0)),
    "no persons": change_json(lambda body: body.update(persons=-1.0)),
    "counts of another shape": change_weights(lambda weights: weights.update(pairs=np.zeros(5))),
    "counts of pairs without pairs": change_json(lambda body: body.update(pairs=None)),
    "repeats of one column alone": change_json(lambda body: body.update(repeats=[0.5])),
    "a share of repeats above 1": change_json(lambda body: body.update(repeats=[0.5, 1.5])),
    "another width": change_json(lambda body: body["network"].update(hidden=9)),
    "unknown weight": change_weights(lambda weights: weights.update(extra=np.zeros(1, np.float32))),
    "missing weight": change_weights(lambda weights: weights.pop("head")),
    "another shape": change_weights(lambda weights: weights.update(head=weights["head"][:, 1:].copy())),
    "another type": change_weights(lambda weights: weights.update(head=weights["head"].astype(np.float64))),
    "not finite": change_weights(lambda weights: weights.update(head=weights["head"] + np.float32(np.inf))),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_anything_else_is_refused(generator: Generator, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "people"
    save(generator, folder)
    TAMPERED[how](folder)
    with pytest.raises(RunError, match="is not a generator of this version"):
        load(folder)
