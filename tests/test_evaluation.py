"""Figures of ``synth evaluate`` that need no task: known answers, what is best, what is found, and tables of every odd sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.artifacts.evaluation import Curve, EvaluationPlan, Figure, Kind
from synth.errors import UsageError
from synth.evaluation import propensity
from synth.evaluation.coding import cells, codings_of
from synth.evaluation.correlations import correlation_ratio, correlations, cramers_v
from synth.evaluation.distances import collisions, gower, kullback_leibler, voas_williamson
from synth.evaluation.evaluate import evaluate
from synth.evaluation.extra import need
from synth.evaluation.marginals import collapse, distributions, marginals, missing, pairs, profile, strongest
from synth.evaluation.measures import MEASURES
from synth.evaluation.principal_components import principal_components
from synth.evaluation.sdmetrics_figures import CATEGORICAL, NUMERICAL, TABLE, sdmetrics_figures
from synth.evaluation.subgroups import subgroups
from synth.evaluation.world import Found, World
from synth.report.pictures import outside

KINDS: dict[str, Kind] = {
    "sex": "categorical",
    "ward": "categorical",
    "age": "numeric",
    "cost": "numeric",
    "came": "datetime",
}
QUICK = [each for each in MEASURES if each[0] != "sdmetrics" and "propensity" not in each[1]]


def patients(rows: int, seed: int = 0) -> pandas.DataFrame:
    """Costs go by age, wards by sex; some costs and wards are missing."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, rows)
    age = rng.normal(60, 15, rows)
    ward = np.where(rng.random(rows) < 0.8, sex, rng.integers(0, 4, rows))
    table = pandas.DataFrame({
        "sex": np.array(["F", "M"], object)[sex],
        "ward": np.array(["heart", "lung", "eye", "ear"], object)[ward],
        "age": age,
        "cost": np.where(rng.random(rows) < 0.1, np.nan, age * 10 + rng.normal(0, 20, rows)),
        "came": np.datetime64("2020-01-01", "us") + (rng.integers(0, 500, rows) * 86_400_000_000).astype("timedelta64[us]"),
    })  # fmt: skip
    table.loc[rng.random(rows) < 0.05, "ward"] = None
    return table


def world(train: pandas.DataFrame, holdout: pandas.DataFrame, kinds: dict[str, Kind] = KINDS, **plan: Any) -> World:
    return World(train, holdout, np.arange(len(train)), np.arange(len(holdout)), kinds, EvaluationPlan(**plan))


def shuffled(table: pandas.DataFrame, seed: int = 1) -> pandas.DataFrame:
    rng = np.random.default_rng(seed)
    return pandas.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table})


def figures(found: Any) -> dict[tuple[str, str], float | None]:
    return {(each.metric, each.of): each.value for each in found if isinstance(each, Found)}


def all_figures(
    synthetic: pandas.DataFrame, of: World, measures: Sequence[Any] = QUICK
) -> tuple[list[Figure], list[Curve]]:
    return evaluate(synthetic, of, measures, lambda *_: None)


def test_no_unit_is_fitted_on_and_scored() -> None:
    rng = np.random.default_rng(3)
    y, units = np.repeat([0, 1], 300), np.concatenate([rng.integers(0, 40, 300), 40 + rng.integers(0, 25, 300)])
    scored = []
    for fitted_on, others in propensity.folds(y, units, world(patients(10), patients(10))):
        assert not set(units[fitted_on]) & set(units[others])
        assert set(y[fitted_on]) == set(y[others]) == {0, 1}
        scored += others.tolist()
    assert sorted(scored) == list(range(600))


def test_whose_a_row_is_changes_no_other_figure() -> None:
    of = world(patients(200), patients(100, 1))
    table, owned = patients(150, 2), patients(150, 2).set_axis(np.arange(150) // 3)
    for _, name, measure in QUICK:
        found = [
            [each if isinstance(each, Curve) else (each.metric, each.of, each.value) for each in measure(of_, of)]
            for of_ in (table, owned)
        ]
        assert repr(found[0]) == repr(found[1]), name


def test_rows_of_one_person_do_not_give_a_table_away() -> None:
    """Both tables are 100 people of one distribution, five equal rows each: trees that knew a person would know the side."""
    (first, second), five = (patients(100, seed) for seed in (21, 22)), np.repeat(np.arange(100), 5)
    of = World(patients(500), first.iloc[five].reset_index(drop=True), np.arange(500), five, KINDS)
    alike = second.iloc[five].reset_index(drop=True)
    by_units, by_rows = (figures(propensity.gradient_boosting(table, of)) for table in (alike.set_axis(five), alike))
    assert by_rows["auc", "gradient boosting"] > 0.75  # type: ignore[operator]
    assert by_units["auc", "gradient boosting"] < 0.65  # type: ignore[operator]


# What is best, and what is found


def test_the_held_out_rows_themselves_score_best() -> None:
    real = patients(400)
    of = world(real, real)
    best = figures([*marginals(real, of), *pairs(real, of), *missing(real, of), *collapse(real, of)])
    expected = {"collapse": 0.0}
    assert best and all(value == expected.get(metric, 1.0) for (metric, _), value in best.items())
    distances = figures(
        [*kullback_leibler(real, of), *voas_williamson(real, of), *profile(real, of), *principal_components(real, of)]
    )
    assert all(
        value == pytest.approx(0, abs=1e-9) for (metric, _), value in distances.items() if metric != "pca_explained"
    )
    assert figures(gower(real, of))["gower_nearest", ""] == 0
    assert all(figures(correlations(real, of))[f"{kind}_difference", ""] == 0 for kind in ("pearson", "cramers_v"))


def test_shuffled_columns_keep_their_shares_and_lose_dependence() -> None:
    of = world(patients(3000), patients(3000, 1))
    by = {figure.metric: figure for figure in all_figures(patients(3000, 2), of)[0] if not figure.of}
    for metric, least in (("marginal_1", 0.9), ("missing", 0.95)):
        assert min(by[metric].synthetic, by[metric].train, by[metric].shuffled) > least  # type: ignore[type-var]
    for metric in ("dependence", "marginal_2", "marginal_3"):
        assert by[metric].shuffled < by[metric].synthetic - 0.05  # type: ignore[operator]
    assert by["dependence"].shuffled < 0.02 < 0.15 < by["dependence"].train  # type: ignore[operator]
    for kind in ("pearson", "spearman"):
        assert by[f"{kind}_difference"].shuffled > 0.2 > 0.05 > by[f"{kind}_difference"].synthetic  # type: ignore[operator]
    assert by["cramers_v_difference"].shuffled > 0.5  # type: ignore[operator]


def test_a_collapsed_column_is_found() -> None:
    real = patients(500)
    of = world(real, patients(500, 1))
    broken = real.assign(ward="heart")
    found = figures(collapse(broken, of))
    assert found["collapse", "ward"] > 0.3 and found["collapse", ""] == found["collapse", "ward"]  # type: ignore[operator]
    assert found["collapse", "sex"] < 0.1 and found["not_collapsed", ""] == 0.5  # type: ignore[operator]
    assert figures(collapse(real.assign(ward=None), of))["collapse", "ward"] > 0.9  # type: ignore[operator]
    assert figures(marginals(broken, of))["worst_1", ""] == figures(marginals(broken, of))["marginal_1", "ward"]


def test_a_model_tells_a_shifted_column_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propensity, "PERMUTATIONS", 1)
    of, shifted = world(patients(200), patients(200, 1)), patients(200, 2)
    shifted["age"] = shifted["age"] + 60
    found = figures(propensity.gradient_boosting(shifted, of))
    assert found["auc", "gradient boosting"] > 0.95 and found["detection", "gradient boosting"] < 0.1  # type: ignore[operator]
    importances = {of: value for (metric, of), value in found.items() if metric == "propensity_importance"}
    assert max(importances, key=lambda name: importances[name] or 0) == "age"
    assert figures(propensity.logistic_regression(shifted, of))["pmse_ratio", "logistic regression"] > 5  # type: ignore[operator]


@pytest.mark.parametrize("measure", [propensity.gradient_boosting, propensity.logistic_regression])
def test_the_pmse_ratio_of_one_distribution_is_about_one(measure: Any) -> None:
    found = figures(measure(patients(600), world(patients(600), patients(600, 1))))
    (ratio,) = (value for (metric, _), value in found.items() if metric == "pmse_ratio")
    (auc,) = (value for (metric, _), value in found.items() if metric == "auc")
    assert ratio is not None and 0.6 < ratio < 1.6
    assert auc == pytest.approx(0.5, abs=0.08)


# Known answers


def test_distances_of_shares_by_hand() -> None:
    """Three of four have "a", against one of four: 0.5 of the rows are elsewhere."""
    kinds: dict[str, Kind] = {"x": "categorical"}
    here, there = (pandas.DataFrame({"x": list(text)}, dtype=object) for text in ("aaab", "abbb"))
    of = world(here, there, kinds)
    assert figures(marginals(here, of))["marginal_1", "x"] == 0.5
    p, q = np.array([1.5, 3.5]) / 5, np.array([3.5, 1.5]) / 5
    assert figures(kullback_leibler(here, of))["kl_divergence", "x"] == pytest.approx((p * np.log(p / q)).sum())
    assert figures(voas_williamson(here, of))["voas_williamson", "categories"] == pytest.approx((2**2 / 4) * 2)
    assert figures(collapse(here, of))["collapse", "x"] == 0.5


def test_gowers_distance_by_hand() -> None:
    """Half the range apart in age, another sex, both costs missing: (0.5 + 1 + 0) / 3."""
    kinds: dict[str, Kind] = {"age": "numeric", "sex": "categorical", "cost": "numeric"}
    table = pandas.DataFrame({"age": [0.0, 100.0], "sex": ["F", "M"], "cost": [np.nan, 1.0]})
    of = world(table, table[:1].assign(age=50.0, sex="M"), kinds)
    assert figures(gower(table[:1], of))["gower_nearest", ""] == pytest.approx(0.5)
    assert figures(gower(table[1:], of))["gower_nearest", ""] == pytest.approx((0.5 + 0 + 1) / 3)


def test_the_voas_williamson_statistic_of_one_distribution_is_about_one() -> None:
    found = figures(voas_williamson(patients(2000), world(patients(2000), patients(700, 1))))
    assert found["voas_williamson", "pairs"] == pytest.approx(1, abs=0.25)


def test_combinations_of_categories() -> None:
    here = pandas.DataFrame({"x": ["a", "a", "b", None], "y": ["1", "2", "1", None]}, dtype=object)
    there = pandas.DataFrame({"x": ["a", None], "y": ["1", None]}, dtype=object)
    found = figures(collisions(here, world(here, there, {"x": "categorical", "y": "categorical"})))
    assert found == {("collisions", ""): 0.5, ("combinations_found", ""): 1.0}


def test_associations_by_other_means() -> None:
    from scipy.stats import spearmanr

    real = patients(800)
    found = figures(correlations(real, world(real, real)))
    known = real.dropna(subset=["cost"])
    assert found["pearson", "age × cost"] == pytest.approx(np.corrcoef(known["age"], known["cost"])[0, 1])
    assert found["spearman", "age × came"] == pytest.approx(
        spearmanr(real["age"], real["came"].astype("int64")).statistic
    )
    assert cramers_v(np.array([[10, 0], [0, 10]])) == pytest.approx(1, abs=1e-9)
    assert cramers_v(np.array([[10, 10], [10, 10]])) == 0
    assert math.isnan(cramers_v(np.array([[10, 10], [0, 0]])))
    assert correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0])) == 1
    assert correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 1.0, 3.0])) == 0
    assert correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 3.0, 5.0])) == pytest.approx(0.5**0.5)


def test_the_most_dependent_pairs_of_train_come_first() -> None:
    of = world(patients(2000), patients(100, 1))
    names = list(KINDS)
    assert {names[index] for index in strongest(of)[0]} == {"age", "cost"}
    assert {names[index] for index in strongest(of)[1]} == {"sex", "ward"}


def test_profiles_are_in_deviations_of_train() -> None:
    real = patients(500)
    unit = real["age"].std(ddof=0)
    found = figures(profile(real.assign(age=real["age"] + 2 * unit), world(real, real)))
    assert [found[f"difference_{each}", "age"] for each in ("mean", "q05", "q95")] == pytest.approx([2, 2, 2])
    assert found["difference_deviation", "age"] == pytest.approx(0)


def test_bins_and_categories_are_those_of_train() -> None:
    train = pandas.DataFrame({"age": np.arange(100.0), "sex": ["F", "M"] * 50})
    coding, _ = codings_of(world(train, train, {"age": "numeric", "sex": "categorical"}), 4)
    np.testing.assert_array_equal(
        coding.codes(pandas.DataFrame({"age": [-5, 99, 1e9, np.nan, np.inf]})), [0, 3, 3, 4, 4]
    )
    both = cells(train[:50].assign(sex="X"), world(train, train, {"age": "numeric", "sex": "categorical"}), 4)
    np.testing.assert_allclose(both.shares([0])[0], [0.5, 0.5, 0, 0, 0])
    assert both.distance([1]) == 1


# What is drawn


def test_distributions_have_at_most_thirty_bars_that_hold_nearly_every_row() -> None:
    real = patients(1000).assign(ward=[f"ward {i % 90}" for i in range(1000)])
    by = {curve.of: curve for curve in distributions(real, world(real, real.iloc[::2]))}
    assert by.keys() == KINDS.keys()
    for name, curve in by.items():
        assert len(curve.x) <= 30
        for series, table in (("candidate", real), ("holdout", real.iloc[::2])):
            known = 1.0 if KINDS[name] == "categorical" else table[name].notna().mean()
            assert len(curve.series[series]) == len(curve.x) and known - 0.02 < sum(curve.series[series]) < known + 1e-9
    assert set(by["sex"].x) == {"F", "M", "other", "missing"}
    assert str(by["came"].x[0]).startswith("2020-01")
    astray = real.assign(age=real["age"].where(real.index % 4 > 0, 200.0), cost=math.nan)
    by = {curve.of: curve for curve in distributions(astray, world(real, real))}
    assert sum(by["age"].series["candidate"]) == pytest.approx(0.75, abs=0.01)
    assert sum(by["cost"].series["candidate"]) == 0
    _, curves = all_figures(astray, world(real, real))
    drawn = {
        curve.of: outside(curve)
        for curve in curves
        if curve.name == "distribution" and KINDS[curve.of] != "categorical"
    }
    assert "missing or beyond: 25." in drawn["age"] and "missing or beyond: 100.0%" in drawn["cost"]
    assert drawn["came"] == ""


def test_pictures_have_one_line_for_each_table() -> None:
    _, curves = all_figures(patients(300, 2).assign(ward="a ward of its own"), world(patients(300), patients(300, 1)))
    by = {(curve.name, curve.of): curve for curve in curves}
    for key in (("distribution", "age"), ("associations", "sex"), ("principal_components", "")):
        assert by[key].series.keys() == {"synthetic", "train", "holdout"}
        assert all(len(line) == len(by[key].x) for line in by[key].series.values())
    assert sum(by["principal_components", ""].series["holdout"]) == pytest.approx(1)
    row = by["associations", "sex"]
    assert row.x == tuple(KINDS) and row.series["holdout"][0] == 1 and row.series["holdout"][1] > 0.5


# Groups


def test_a_group_that_came_out_badly_is_found() -> None:
    real, broken = patients(2000), patients(2000, 2)
    women = broken["sex"] == "F"
    broken.loc[women, "cost"] = 0.0
    of = world(real, patients(2000, 1), subgroups=("sex",))
    found = figures(subgroups(broken, of))
    assert found["marginal_1", "sex = F"] < found["marginal_1", "sex = M"] - 0.1  # type: ignore[operator]
    assert found["dependence", "sex = F"] < found["dependence", "sex = M"]  # type: ignore[operator]
    assert found["share", "sex = F"] == pytest.approx(women.mean())


def test_small_groups_have_no_figures() -> None:
    real = patients(200)
    of = world(real, patients(200, 1)[:25], subgroups=("ward",))
    found = [each for each in subgroups(real, of) if each.metric == "marginal_1" and each.of == "ward = eye"]
    assert [(each.value, each.note) for each in found] == [(None, "fewer than 20 held-out rows")]


# SDMetrics


@pytest.mark.slow
def test_every_figure_of_nhssynth_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    real = patients(25)
    found = list(sdmetrics_figures(real, world(real, real, secrets=("ward", "cost"))))
    assert [each.metric for each in found] == [*TABLE, *CATEGORICAL, *NUMERICAL] and len(found) == 24
    assert not [each for each in found if each.value is None]
    by = figures(found)
    for metric in (
        "KSComplement",
        "TVComplement",
        "ContingencySimilarity",
        "CorrelationSimilarity",
        "CategoryCoverage",
    ):
        assert by[metric, ""] == pytest.approx(1)
    assert by["NewRowSynthesis", ""] == 0
    assert capfd.readouterr() == ("", "")


def test_without_secrets_there_is_nothing_to_attack() -> None:
    real = patients(60)
    by = {each.metric: each for each in sdmetrics_figures(real, world(real, real))}
    assert all(by[name].value is None and "secret" in by[name].note for name in (*CATEGORICAL, *NUMERICAL))


def test_a_library_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"(?s)no_such_library is not installed.*synth\[evaluate\]"):
        need("no_such_library.metrics")


# Tables of every odd sort

ODD: dict[Kind, Any] = {
    "categorical": st.sampled_from([[None], ["a"], ["a", "b"], ["a", None], [f"{i}" for i in range(40)]]),
    "numeric": st.sampled_from([[np.nan], [1.0], [0.0, 1.0], [np.nan, 2.0], [-1e12, 1e12, 0.5], [np.inf, 1.0]]),
    "datetime": st.sampled_from([["NaT"], ["2020-01-01"], ["1900-01-01", "2100-01-01"], ["NaT", "2020-01-01"]]),
}


@st.composite
def odd_tables(draw: st.DrawFn) -> tuple[pandas.DataFrame, World]:
    kinds: dict[str, Kind] = {
        f"c{i}": kind for i, kind in enumerate(draw(st.lists(st.sampled_from(list(ODD)), max_size=4)))
    }

    def table(rows: int) -> pandas.DataFrame:
        rng = np.random.default_rng(rows)
        columns: dict[str, Any] = {}
        for name, kind in kinds.items():
            values = np.array(
                draw(ODD[kind]), {"categorical": object, "numeric": float, "datetime": "datetime64[us]"}[kind]
            )
            columns[name] = values[rng.integers(0, len(values), rows)]
        return pandas.DataFrame(columns, index=range(rows))

    rows = st.sampled_from([0, 1, 2, 30])
    categorical = tuple(name for name, kind in kinds.items() if kind == "categorical")
    synthetic, train, holdout = (table(draw(rows)) for _ in range(3))
    return synthetic, world(train, holdout, kinds, subgroups=categorical, secrets=categorical)


@settings(max_examples=20, deadline=None)
@given(odd_tables())
def test_odd_tables_have_figures_or_a_reason(odd: tuple[pandas.DataFrame, World]) -> None:
    check(*odd, QUICK)


@settings(max_examples=4, deadline=None)
@given(odd_tables())
def test_odd_tables_and_what_models_make_of_them(odd: tuple[pandas.DataFrame, World]) -> None:
    check(*odd, [each for each in MEASURES if each not in QUICK])


def check(synthetic: pandas.DataFrame, of: World, measures: Sequence[Any]) -> None:
    found, curves = all_figures(synthetic, of, measures)
    for figure in found:
        values = [figure.synthetic, figure.train, figure.shuffled]
        assert all(value is None or math.isfinite(value) for value in values), figure
        assert figure.note or None not in values, figure
    for curve in curves:
        assert all(math.isfinite(value) for line in curve.series.values() for value in line), curve
