"""A generator on disk comes back as it was, and anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from synth.artifacts.plan import Network as Shape
from synth.errors import RunError
from synth.generator.fit import BIASES, Generator, sample
from synth.generator.levels import Levels
from synth.generator.network import Columns, Network
from synth.generator.store import load, save


def levels(name: str, count: int, ordered: bool) -> Levels:
    shares = np.arange(1.0, count + 1) / np.arange(1, count + 1).sum()
    edges = np.arange(count + 1) * (7 if ordered else 1)
    return Levels(name, ordered, False, edges.astype(np.int64), shares, np.arange(count), shares)


@pytest.fixture
def generator() -> Generator:
    columns = (levels("sex", 2, False), levels("age", 9, True))
    shape = Shape(latent=2, hidden=8, basis=4)
    tables = Columns(columns, shape.basis)
    weights = {name: tensor.numpy().copy() for name, tensor in Network(tables.features, shape).state_dict().items()}
    weights[BIASES] = np.zeros(11, np.float32)
    return Generator("people", 1, shape, columns, weights)


def test_it_comes_back_as_it_was(generator: Generator, tmp_path: Path) -> None:
    save(generator, tmp_path / "people")
    again = load(tmp_path / "people")
    sizes = np.ones(500, np.int64)
    assert np.array_equal(sample(generator, sizes, 3), sample(again, sizes, 3))
    assert not np.array_equal(sample(again, sizes, 3), sample(again, sizes, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["people"]


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
    "another width": change_json(lambda body: body["network"].update(hidden=9)),
    "unknown weight": change_weights(lambda weights: weights.update(extra=np.zeros(1, np.float32))),
    "missing weight": change_weights(lambda weights: weights.pop(BIASES)),
    "another shape": change_weights(lambda weights: weights.update({BIASES: np.zeros(12, np.float32)})),
    "another type": change_weights(lambda weights: weights.update({BIASES: np.zeros(11, np.float64)})),
    "not finite": change_weights(lambda weights: weights.update({BIASES: np.full(11, np.inf, np.float32)})),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_anything_else_is_refused(generator: Generator, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "people"
    save(generator, folder)
    TAMPERED[how](folder)
    with pytest.raises(RunError, match="is not a generator of this version"):
        load(folder)
