"""Generators of others: through the door of entry points, by measurements that are paid once, or by rows."""

from __future__ import annotations

import re
import tomllib
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas
import pytest

from starting import quick_starter
from synth.api import Project
from synth.errors import ProjectError, RunError, UsageError
from synth.generator.others import FromMeasurements, Reference, names, other
from synth.report.experiment_pictures import KINDS, mark

ROOT = Path(__file__).parents[1]
GRID = "name: small\nmodel: members\ngenerators: [{}]\nepsilons: [0.3, 0.6]\n{}"
TASK = "{name: smoking, type: prediction, target: smoker, estimator: logistic_regression}"
PLUGIN = """
import numpy as np

class Alone:
    def codes(self, ways, pairs, rows, seed):
        random = np.random.default_rng(seed)
        found = [c.decode(random.choice(c.count, rows, p=c.shares), random) for c in ways.columns]
        return np.stack(found, axis=1)

class Outside(Alone):
    def codes(self, ways, pairs, rows, seed):
        return super().codes(ways, pairs, rows, seed) + 10_000_000

class Copies:
    def rows(self, train, kinds, rows, seed):
        return train.sample(rows, replace=True, random_state=seed)

class Neither:
    pass
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else's, as pip would leave it."""
    there = tmp_path / "site"
    (there / "strangers-1.0.dist-info").mkdir(parents=True)
    (there / "strangers.py").write_text(PLUGIN)
    (there / "strangers-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n"
    )
    points = "\n".join(f"{n.lower()} = strangers:{n}" for n in ("Alone", "Outside", "Copies", "Neither", "Gone"))
    (there / "strangers-1.0.dist-info" / "entry_points.txt").write_text(f"[synth.generators]\n{points}\n")
    monkeypatch.syspath_prepend(str(there))


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    root = quick_starter(tmp_path / "clinic")
    table = root / "metadata" / "members.yml"
    said = f"    holdout: 0.3\n    evaluation: {{tasks: [{TASK}]}}\n    columns:\n"
    text = table.read_text().replace("    columns:", said.rstrip("\n"), 1)
    table.write_text(text.replace("    constraints:", "    constraints:\n      - age >= 30 or not smoker"))
    (root / "experiments").mkdir()
    return root


def ask(root: Path, generators: str, more: str = "") -> Project:
    (root / "experiments" / "small.yml").write_text(GRID.format(generators, more))
    return Project(root)


def test_anybodys_generators_come_through_the_door(plugin: None) -> None:
    assert {"alone", "copies"} <= set(names())
    assert isinstance(other("alone"), FromMeasurements) and isinstance(other("copies"), Reference)
    for name, told in (
        ("neither", "neither codes"),
        ("gone", "cannot be loaded"),
        ("unheard", "there is no generator"),
    ):
        with pytest.raises(UsageError, match=told):
            other(name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libraries that SDV imports
def test_every_generator_of_our_own_is_there_or_says_what_to_install() -> None:
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["synth.generators"]
    assert {"mbi", "gaussian_copula", "ctgan", "copulagan", "tvae"} == set(points)
    for value in points.values():
        module, _, kind = value.partition(":")
        made = getattr(import_module(module), kind)
        try:
            assert isinstance(made(), FromMeasurements | Reference)
        except UsageError as error:
            assert re.fullmatch(r"pip install 'synth\[(mbi|sdv)\]'", error.fix)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("seeds: [1, 1]", "seeds: one of them stands twice"),
        ("seed: [1]", "seed"),
        ("public: everybody knows", "who and why"),
    ],
)
def test_a_mistake_is_told_where_it_stands(clinic: Path, more: str, told: str) -> None:
    with pytest.raises(ProjectError) as error:
        ask(clinic, "synth", more)
    assert "experiments/small.yml" in str(error.value) and told in str(error.value)


def test_generators_by_the_same_measurements_are_paid_once(clinic: Path, plugin: None) -> None:
    alone, _ = ask(clinic, "marginal").experiment("small", dry_run=True)
    both, _ = ask(clinic, "marginal, alone").experiment("small", dry_run=True)
    assert len(both.cells) == 2 * len(alone.cells) and both.after == alone.after > 0


def test_every_generator_has_a_mark_of_its_own() -> None:
    assert len({re.sub("k[0-9]", "", mark(kind, 0, 0)) for kind in range(KINDS)}) == KINDS


@pytest.mark.slow
def test_codes_outside_the_layout_are_refused(clinic: Path, plugin: None) -> None:
    with pytest.raises(RunError, match="'outside' gave no codes"):
        ask(clinic, "outside", 'public: "Ada Lovelace: they are simulated"').experiment("small")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of libraries that SDV imports
def test_sdv_gives_dates_back_as_they_were() -> None:
    pytest.importorskip("sdv", reason="the extra sdv is not installed")
    from synth.generator.sdv_models import GaussianCopula

    days = pandas.date_range("2015-01-01", periods=400, unit="us")
    train = pandas.DataFrame({"day": days, "kind": pandas.Series(["a", "b"] * 200, dtype="object")})
    drawn = GaussianCopula().rows(train, {"day": "datetime", "kind": "categorical"}, 200, 1)
    assert days.min() <= drawn["day"].min() and drawn["day"].max() <= days.max()
    assert set(drawn["kind"]) == {"a", "b"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries that SDV imports
@pytest.mark.parametrize("name", ["GaussianCopula", "Ctgan", "CopulaGan", "Tvae"])
def test_sdv_draws_the_same_for_the_same_seed_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sdv = pytest.importorskip("sdv.single_table", reason="the extra sdv is not installed")
    from synth.generator import sdv_models

    kind = getattr(sdv_models, name)
    if name != "GaussianCopula":  # which has no epochs
        monkeypatch.setattr(sdv, kind.synthesizer, partial(getattr(sdv, kind.synthesizer), epochs=1))
    random = np.random.default_rng(0)
    train = pandas.DataFrame({"x": random.normal(size=100), "kind": pandas.Series(["a", "b"] * 50, dtype="object")})
    first, again, another = (
        kind().rows(train, {"x": "numeric", "kind": "categorical"}, 50, seed) for seed in (1, 1, 2**40)
    )
    pandas.testing.assert_frame_equal(first, again)
    assert not first.equals(another)
