"""Attacks on a candidate: rows that were copied are found, and other people of the same distribution are no risk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pandas
import pytest

from synth.artifacts.evaluation import Curve, EvaluationPlan, Figure
from synth.evaluation import intruder
from synth.evaluation.copies import copies, copying_check
from synth.evaluation.inference import inference
from synth.evaluation.intervals import area, risk, wilson
from synth.evaluation.linkability import linkability
from synth.evaluation.membership import membership
from synth.evaluation.plan_measures import ATTACKS, measures_of
from synth.evaluation.singling_out import singling_out
from synth.evaluation.world import Found, Measure, World

KINDS = {"sex": "categorical", "ward": "categorical", "age": "numeric", "dose": "numeric", "seen": "datetime"}
RISKS = {"singling out by one value", "singling out by several values", "linkability", "inference of ward"}


def people(rows: int, seed: int) -> pandas.DataFrame:
    """A dose that follows from the ward and the age, and values that are missing."""
    rng = np.random.default_rng(seed)
    ward, age = rng.choice(list("abcdef"), rows), rng.normal(50, 15, rows).round(1)
    dose = age * (1 + (ward == "a")) + rng.normal(0, 5, rows)
    return pandas.DataFrame({
        "sex": pandas.Series(rng.choice(["F", "M", None], rows), dtype=object),
        "ward": pandas.Series(ward, dtype=object),
        "age": np.where(rng.random(rows) < 0.05, np.nan, age),
        "dose": dose.round(2),
        "seen": np.datetime64("2020-01-01", "us") + rng.integers(0, 10**14, rows).astype("timedelta64[us]"),
    })  # fmt: skip


def world_of(train: int = 4_000, holdout: int = 1_000, **plan: tuple[str, ...]) -> World:
    frames = people(train, 1), people(holdout, 2)
    return World(*frames, np.arange(train), np.arange(holdout), KINDS, EvaluationPlan(**plan))


def found(measure: Measure, candidate: pandas.DataFrame, world: World) -> dict[tuple[str, str], float | None]:
    return {(f.metric, f.of): f.value for f in measure(candidate, world) if isinstance(f, Found)}


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(secrets=("ward", "dose"))


@pytest.fixture(scope="module")
def others() -> pandas.DataFrame:
    """People of the same distribution, who are in neither table."""
    return people(4_000, 3)


def attacked(candidate: pandas.DataFrame, world: World) -> dict[tuple[str, str], float | None]:
    measures = (singling_out, linkability, inference, membership)
    return dict(itertools.chain.from_iterable(found(measure, candidate, world).items() for measure in measures))


def test_copied_rows_are_a_high_risk(world: World) -> None:
    figures = attacked(world.train, world)
    assert {of: figures["risk low", of] > 0.8 for of in RISKS} == dict.fromkeys(RISKS, True)
    for score in ("nearest row", "density ratio"):
        assert figures["membership AUC low", score] > 0.9
    assert figures["members found at 1.0% false alarms low", "nearest row"] > 0.9


def test_other_people_of_the_same_distribution_are_no_risk(world: World, others: pandas.DataFrame) -> None:
    figures = attacked(others, world)
    assert {of: figures["risk low", of] < 0.02 for of in RISKS} == dict.fromkeys(RISKS, True)
    for score in ("nearest row", "density ratio"):
        assert figures["membership AUC low", score] < 0.52  # two intervals at 95%, and a little
        assert figures["members found at 10.0% false alarms low", score] < 0.13


def test_singling_out_is_compared_with_as_many_people(others: pandas.DataFrame) -> None:
    """A condition that holds of one in 4,000 holds of few in 250: without the scaling that would look like a leak."""
    figures = found(singling_out, others, world_of(holdout=250))
    several = "singling out by several values"
    assert figures["attack success", several] > 0.15
    assert figures["risk low", several] == 0


def test_a_unit_of_many_rows_is_singled_out_as_one_person() -> None:
    """Each train unit has the same row twice: no condition holds of one row, and each of one person."""
    once = people(300, 4)
    doubled = pandas.concat([once, once], ignore_index=True)
    world = World(doubled, people(300, 5), np.tile(np.arange(300), 2), np.arange(300), KINDS)
    assert found(singling_out, once, world)["attack success", "singling out by several values"] > 0.99
    assert found(copies, once, world)["copied rows", ""] == 300


def test_two_hundred_planted_rows_stand_out(world: World, others: pandas.DataFrame) -> None:
    leaking = pandas.concat([world.train.iloc[:200], others.iloc[200:]], ignore_index=True)
    clean, planted = (found(copies, candidate, world) for candidate in (others, leaking))
    assert planted["copied rows", ""] == planted["rows at distance zero from train", ""] == 200
    assert clean["copied rows", ""] == clean["rows at distance zero from train", ""] == 0
    assert planted["copied rows by chance", ""] == 0
    assert planted["exact copies", ""] == pytest.approx(0.05 / 4, abs=0.006)  # a quarter of train is looked at
    assert found(membership, leaking, world)["members found at 1.0% false alarms low", "nearest row"] > 0.02


def test_common_rows_are_no_copies() -> None:
    """Where few rows are possible, a candidate has them all by chance, and held-out people's as often."""
    coarse = [people(rows, seed)[["sex", "ward"]] for seed, rows in ((1, 4_000), (2, 1_000), (3, 4_000))]
    kinds = {name: KINDS[name] for name in coarse[0]}
    world = World(coarse[0], coarse[1], np.arange(4_000), np.arange(1_000), kinds)
    figures = found(copies, coarse[2], world)
    assert figures["copied rows", ""] == 0
    assert figures["exact copies", ""] == 0
    assert figures["rows at distance zero from train", ""] == 4_000


def test_the_copying_check_is_even_for_other_people(world: World, others: pandas.DataFrame) -> None:
    even, copied = (found(copying_check, candidate, world) for candidate in (others, world.train))
    assert even["copying check (DCR) low", ""] < 0.5 < even["copying check (DCR) high", ""] + 0.01
    assert copied["copying check (DCR) low", ""] > 0.55
    (note,) = {f.note for f in copying_check(others, world) if isinstance(f, Found)}
    assert "not a proof" in note


def odd() -> Iterator[tuple[str, Callable[[pandas.DataFrame], pandas.DataFrame]]]:
    yield "no row", lambda frame: frame.iloc[:0]
    yield "one row", lambda frame: frame.iloc[:1]
    yield "all rows alike", lambda frame: frame.iloc[[0] * 50]
    yield (
        "all values missing",
        lambda frame: frame.iloc[:50].assign(sex=None, ward=None, age=np.nan, dose=np.nan, seen=pandas.NaT),
    )
    yield "unknown categories", lambda frame: frame.iloc[:50].assign(sex="X", ward="z", age=1e300)


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in odd()])
def test_odd_candidates_raise_nothing(change: Callable[[pandas.DataFrame], pandas.DataFrame]) -> None:
    small = world_of(300, 100)
    candidate = change(small.train).reset_index(drop=True).astype(small.train.dtypes.to_dict())
    for _, _, measure in ATTACKS:
        for figure in measure(candidate, small):
            assert isinstance(figure, Curve) or figure.note or figure.value is not None


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_few_real_rows_raise_nothing(rows: int) -> None:
    candidate = people(50, 6)
    for world in (world_of(rows, 30), world_of(30, rows)):
        for _, _, measure in ATTACKS:
            assert list(measure(candidate, world))


def test_attacks_are_the_same_each_time(others: pandas.DataFrame) -> None:
    worlds = world_of(500, 200), world_of(500, 200)
    for _, _, measure in ATTACKS:
        first, second = (list(measure(others.head(300), world)) for world in worlds)
        assert first == second


def test_every_table_is_attacked() -> None:
    assert [name for _, name, _ in measures_of(EvaluationPlan(), {})] == [name for _, name, _ in ATTACKS]


def test_intervals_agree_with_published_ones() -> None:
    """Newcombe 1998, table I: 81 of 263 and 0 of 20, by Wilson's score."""
    assert wilson(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20)[1:] == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert risk(50, 500, 50, 500).value == 0
    assert risk(500, 500, 0, 500).low > 0.98


def test_intervals_of_many_secrets_hold_together() -> None:
    """Of 20 risks that are none, the surest is above 0 in at most 2.5% of cases, give or take five deviations; alone, often."""
    rng = np.random.default_rng(11)
    succeeded, control = rng.binomial(500, 0.3, (2, 1_000, 20))

    def stands_out(together: int) -> float:
        return float(np.mean([any(risk(a, 500, c, 500, together).low > 0 for a, c in zip(*each, strict=True))
                              for each in zip(succeeded, control, strict=True)]))  # fmt: skip

    assert stands_out(20) < 0.025 + 5 * (0.025 * 0.975 / 1_000) ** 0.5
    assert stands_out(1) > 0.15


def test_inference_widens_with_the_number_of_secrets(others: pandas.DataFrame) -> None:
    one, several = (
        found(inference, others.head(500), world_of(500, 200, secrets=s)) for s in (("ward",), ("ward", "dose", "sex"))
    )
    assert one["risk high", "inference of ward"] < several["risk high", "inference of ward"]
    assert one["risk", "inference of ward"] == pytest.approx(several["risk", "inference of ward"], abs=0.02)


def test_the_area_is_the_share_of_pairs() -> None:
    rng = np.random.default_rng(0)
    ones, zeros = rng.integers(0, 10, 60) + 2.0, rng.integers(0, 10, 40) + 0.0
    pairs = [(one > zero) + (one == zero) / 2 for one in ones for zero in zeros]
    measured = area(ones, zeros)
    assert measured.value == pytest.approx(np.mean(pairs))
    redrawn = [area(rng.choice(ones, 60), rng.choice(zeros, 40)).value for _ in range(500)]
    assert (measured.high - measured.low) / 3.92 == pytest.approx(np.std(redrawn), rel=0.15)


def test_the_intruder_is_told_in_three_sentences(world: World) -> None:
    figures = [
        Figure(
            section="attacks", metric=f.metric, of=f.of, better=f.better, synthetic=f.value, train=None, shuffled=None
        )
        for measure in (singling_out, linkability, inference)
        for f in measure(world.train, world)
        if isinstance(f, Found)
    ]
    told = intruder.summary(figures)
    assert [sentence.partition(":")[0] for sentence in told] == ["Singling out", "Linkability", "Inference"]
    assert "100% of cases for people in the data" in told[0]
    assert any(f"learn {secret} (the worst of 2 columns" in told[2] for secret in ("ward", "dose"))
    assert all("was not measured" in sentence for sentence in intruder.summary([]))
