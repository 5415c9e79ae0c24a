import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.tables.tables import (
    AGREEMENT_UNITS,
    OWN,
    SCORE_UNITS,
    agreement_table,
    scores_table,
    values_table,
)
from neurotarget.types import Row, Target
from oracles.agreement import bland_altman, ccc, icc_a1, icc_c1, pearson, spearman

TARGET = Target(
    "gland", ("t1",), {"front": 1, "back": 2}, (1, 1, 1), (8, 8, 8), pairs=(("front", "back"),)
)
TABLES = (values_table, agreement_table, scores_table)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def measured(volumes, *, subjects=None, scores=(), **covariates):
    """A cohort from {method: {label: values}}; an absent label is 1 mm³ in every case."""
    n = len(next(iter(next(iter(volumes.values())).values())))
    cases = pd.Index([f"c{number:02}" for number in range(n)], name="case_id")
    people = [f"s{number}" for number in range(n)] if subjects is None else subjects
    tables = {
        method: with_regions(
            pd.DataFrame({"front": np.ones(n), "back": np.ones(n)} | by_label, index=cases), TARGET
        )
        for method, by_label in volumes.items()
    }
    known = pd.DataFrame({"subject_id": people} | covariates, index=cases)
    rows = pd.DataFrame(list(scores), columns=list(Row._fields))
    return Measured(
        TARGET, of_volumes(tables), known, rows, "reference" if "reference" in tables else None
    )


def two_methods(n=30, seed=0, **more):
    generator = np.random.default_rng(seed)
    truth = generator.normal(640, 115, n)
    pred = truth + 20 + generator.normal(0, 40, n)
    return measured({"reference": {"front": truth}, "predicted": {"front": pred}}, **more)


def scored(metric, values, label="front"):
    return [
        Row(f"c{number:02}", f"s{number}", "test", label, metric, value, SCORE_UNITS[metric])
        for number, value in enumerate(values)
    ]


def row(table, **wanted):
    """The one row with these values; the whole cohort if no stratum is given."""
    wanted = {"stratum": "all", "level": "all"} | wanted
    found = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])]
    assert len(found) == 1, found
    return found.iloc[0]


def statistic(table, name, **wanted):
    return row(table, statistic=name, **({"label": "front"} | wanted))


def test_volumes_have_their_columns_and_units():
    table = values_table(two_methods())
    assert " ".join(table) == (
        "method label stratum level mean low high interval sd median minimum maximum unit n "
        "n_missing reason"
    )
    assert list(table["label"]) == ["front", "back", "total"] * 2
    assert set(table["unit"]) == {"mm3"}


def test_volumes_by_hand():
    table = values_table(measured({"reference": {"front": [1.0, 2.0, 4.0, 9.0, math.nan]}}))
    found = row(table, label="front", method="reference")
    assert tuple(found[["mean", "median", "minimum", "maximum"]]) == (4, 3, 1, 9)
    assert found["sd"] == pytest.approx(math.sqrt((9 + 4 + 0 + 25) / 3))
    assert (found["n"], found["n_missing"], found["reason"]) == (4, 1, "")
    half = 3.182446 * math.sqrt(38 / 3 / 4)  # t of 3 degrees of freedom
    assert (found["low"], found["high"]) == pytest.approx((4 - half, 4 + half))
    assert found["interval"] == "t"
    total = row(table, label="total")
    assert (total["mean"], total["n_missing"]) == (5, 1)


def test_a_mean_volume_of_repeated_scans_has_the_error_of_clusters():
    values = np.random.default_rng(0).lognormal(6, 0.5, 24)
    people = np.arange(24) // 3
    found = row(values_table(measured({"a": {"front": values}}, subjects=people)), label="front")
    theirs = sm.OLS(values, np.ones(24)).fit(cov_type="cluster", cov_kwds={"groups": people})
    half = theirs.bse[0] * stats.t.ppf(0.975, 7)  # people less one
    assert (found["low"], found["high"]) == pytest.approx(
        (values.mean() - half, values.mean() + half)
    )


def test_agreement_has_its_columns_statistics_and_units():
    table = agreement_table(two_methods())
    assert " ".join(table) == (
        "first second label stratum level statistic value low high interval unit n n_subjects "
        "n_missing reason"
    )
    front = table[table["label"] == "front"]
    assert dict(zip(front["statistic"], front["unit"], strict=True)) == {
        name: "mm3" if unit == OWN else unit for name, unit in AGREEMENT_UNITS.items()
    }
    assert list(front["statistic"]) == list(AGREEMENT_UNITS)


def test_agreement_is_that_of_the_plain_formulas():
    cohort = two_methods()
    table = agreement_table(cohort)
    pair = [cohort.values[method]["front"].to_numpy() for method in cohort.methods]
    names = ("pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc")
    for name, score in zip(names, (pearson, spearman, icc_a1, icc_c1, ccc), strict=True):
        found, closed = statistic(table, name), score(*pair)
        assert found["value"] == pytest.approx(closed.value)
        assert found["low"] < found["value"] < found["high"]
        same = (closed.low, closed.high)
        if name not in ("spearman_rho", "ccc"):  # these have no closed form in the table
            assert (found["low"], found["high"]) == pytest.approx(same), name
    limits = bland_altman(*pair)
    for name, closed in (("bias", limits.bias), ("lower_limit", limits.lower)):
        found = statistic(table, name)
        assert found["value"] == pytest.approx(closed.value)
        # Bland and Altman's interval of a limit is an approximation of Carkeet's
        assert (found["low"], found["high"]) == pytest.approx((closed.low, closed.high), abs=10)


def test_a_difference_is_second_less_first():
    pred = {"front": [11.0, 22.0, 33.0, 44.0]}
    cohort = measured({"reference": {"front": [10.0, 20.0, 30.0, 40.0]}, "predicted": pred})
    table = agreement_table(cohort)
    assert statistic(table, "bias")["value"] == pytest.approx(2.5)
    assert statistic(table, "bias_percent")["value"] == pytest.approx(100 / 10.5)
    assert statistic(table, "proportional_slope")["value"] == pytest.approx(1 / 10.5)


def test_the_same_seed_gives_the_same_tables():
    cohort = two_methods(scores=scored("dice", np.linspace(0.7, 0.9, 30)))
    for make in TABLES:
        pd.testing.assert_frame_equal(make(cohort), make(cohort))
    three, four = (agreement_table(cohort, seed=seed) for seed in (3, 4))
    pd.testing.assert_frame_equal(three, agreement_table(cohort, seed=3))
    drawn = three["interval"].isin(["BCa", "bootstrap-t"])
    assert drawn.any()
    pd.testing.assert_frame_equal(three[~drawn], four[~drawn])
    assert not three[drawn].equals(four[drawn])


def test_repeated_scans_do_not_narrow_an_interval():
    once = two_methods(n=20)
    tripled = {
        method: {"front": np.tile(table["front"], 3)} for method, table in once.values.items()
    }
    people = [f"s{number % 20}" for number in range(60)]
    clustered = agreement_table(measured(tripled, subjects=people))
    naive = agreement_table(measured(tripled))
    for name in AGREEMENT_UNITS:
        width, alone, blind = (
            found["high"] - found["low"]
            for found in (
                statistic(clustered, name),
                statistic(agreement_table(once), name),
                statistic(naive, name),
            )
        )
        assert width == pytest.approx(alone, rel=0.35), name
        if name != "icc_a1":  # of two methods there are two, however often they are applied
            assert blind < 0.8 * width, name
    counts = statistic(clustered, "bias")
    assert (counts["n"], counts["n_subjects"], counts["n_missing"]) == (60, 20, 0)


def test_every_stratum_has_its_rows():
    cohort = two_methods(
        sex=["F", "M"] * 15, age=[30.0] * 10 + [50.0] * 20, scores=scored("dice", [0.8] * 30)
    )
    for make in TABLES:
        table = make(cohort)
        strata = table[["stratum", "level"]].drop_duplicates().itertuples(index=False, name=None)
        assert [*strata] == [
            ("all", "all"),
            ("sex", "F"),
            ("sex", "M"),
            ("age", "20-39"),
            ("age", "40-59"),
        ]
    women = statistic(agreement_table(cohort), "bias", stratum="sex", level="F")
    alone = cohort.values["predicted"]["front"] - cohort.values["reference"]["front"]
    assert women["value"] == pytest.approx(alone.iloc[::2].mean())
    assert women["n"] == 15


def test_a_case_that_a_method_lacks_is_missing_in_its_pairs():
    cohort = two_methods(n=10)
    cohort.values["predicted"].iloc[:2] = math.nan
    found = statistic(agreement_table(cohort), "icc_a1")
    assert (found["n"], found["n_missing"]) == (8, 2)


def test_several_raters_have_their_pairs_and_all_at_once():
    generator = np.random.default_rng(0)
    truth = generator.normal(600, 100, 25)
    raters = {name: {"front": truth + generator.normal(0, 30, 25)} for name in ("ann", "bo", "cy")}
    table = agreement_table(measured(raters))
    pairs = table[["first", "second"]].drop_duplicates().itertuples(index=False, name=None)
    assert [*pairs] == [("ann", "bo"), ("ann", "cy"), ("bo", "cy"), ("all", "all")]
    everyone = table[(table["first"] == "all") & (table["label"] == "front")]
    assert list(everyone["statistic"]) == ["icc_a1", "icc_a1_fixed", "icc_c1"]
    for score, (_, found) in zip((icc_a1, icc_c1), everyone.iloc[[0, 2]].iterrows(), strict=True):
        closed = score(*(by_label["front"] for by_label in raters.values()))
        assert found["value"] == pytest.approx(closed.value)
        assert (found["low"], found["high"]) == pytest.approx((closed.low, closed.high))
        assert found["interval"] == "McGraw–Wong"


def test_one_method_agrees_with_nobody():
    alone = measured({"reference": {"front": [1.0, 2.0, 3.0]}})
    table = agreement_table(alone)
    assert table.empty
    assert "statistic" in table
    assert len(values_table(alone)) == 3


@pytest.mark.parametrize(
    ("volumes", "subjects", "reason", "has_bias"),
    [
        (([1.0, 2.0], [1.0, 3.0]), None, "fewer than 3 cases", False),
        (([math.nan] * 4, [1.0] * 4), None, "no case has a value", False),
        (([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), ["a"] * 3, "all cases are of one subject", True),
        (([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]), [*"aab"], "fewer than 3 subjects", True),
        (([1.0, 2.0, 3.0], [0.1] * 3), None, "no spread in predicted", True),
        (([0.1] * 5, [0.2] * 5), None, "no spread in reference and predicted", True),
    ],
)
def test_what_has_no_interval_says_why(volumes, subjects, reason, has_bias):
    first, second = volumes
    cohort = measured(
        {"reference": {"front": first}, "predicted": {"front": second}}, subjects=subjects
    )
    table = agreement_table(cohort)
    for name in ("pearson_r", "icc_a1", "icc_c1", "ccc"):
        found = statistic(table, name)
        assert found["reason"] == reason
        assert math.isnan(found["low"])
        assert math.isnan(found["high"])
    assert math.isfinite(statistic(table, "bias")["value"]) == has_bias
    unsaid = table[table[["value", "low", "high"]].isna().any(axis=1) != (table["reason"] != "")]
    assert unsaid.empty


def test_cases_on_a_falling_line_have_no_slope_and_say_why():
    cohort = measured(
        {"reference": {"front": [1.0, 2.0, 3.0]}, "predicted": {"front": [3.0, 2.0, 1.0]}}
    )
    found = statistic(agreement_table(cohort), "proportional_slope")
    assert found["reason"] == "no spread in the mean of both"


def test_an_interval_that_one_of_the_people_carries_says_so():
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0]
    other = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]
    cohort = measured({"reference": {"front": values}, "predicted": {"front": other}})
    found = statistic(agreement_table(cohort), "pearson_r")
    assert found["value"] == pytest.approx(-1 / 7)
    assert found["reason"] == "too few people or too little spread for an interval"


def test_a_stratum_of_fewer_than_ten_people_has_values_alone():
    cohort = two_methods(n=19, sex=["F"] * 9 + ["M"] * 10, scores=scored("dice", [0.8] * 19))
    for make in TABLES:
        table = make(cohort)
        women, men = (table[table["level"] == level] for level in ("F", "M"))
        has_people = women["n"] > 0
        assert set(women.loc[has_people, "interval"]) == {"none"}
        known = women.loc[has_people & ~women["reason"].str.startswith("no spread"), "reason"]
        assert set(known) == {"fewer than 10 people: no interval"}
        assert "t" in set(men["interval"])
    assert math.isfinite(women.loc[has_people, "mean"].iloc[0])


def test_scores_have_their_columns_and_units():
    table = scores_table(two_methods(scores=scored("hd95_mm", [1.0] * 30)))
    assert " ".join(table) == (
        "label stratum level metric mean low high interval sd median q1 q3 unit n n_nan n_failed "
        "reason"
    )
    front = table[table["label"] == "front"]
    assert dict(zip(front["metric"], front["unit"], strict=True)) == SCORE_UNITS


def test_a_failed_case_counts_in_the_mean_and_its_distances_are_counted_out():
    scores = [*scored("dice", [0.0, 0.8, 0.9, 0.7]), *scored("hd95_mm", [math.nan, 1.0, 2.0, 3.0])]
    table = scores_table(two_methods(n=4, scores=scores))
    dice, distance = (row(table, label="front", metric=name) for name in ("dice", "hd95_mm"))
    assert dice["mean"] == pytest.approx(0.6)
    assert (dice["n"], dice["n_nan"]) == (4, 0)
    assert (dice["q1"], dice["median"], dice["q3"]) == pytest.approx((0.525, 0.75, 0.825))
    assert distance["mean"] == 2
    assert (distance["n"], distance["n_nan"], distance["n_failed"]) == (3, 1, 1)
    assert (distance["q1"], distance["median"], distance["q3"]) == (1.5, 2, 2.5)
    assert dice["n_failed"] == row(table, label="mean", metric="dice")["n_failed"] == 1
    assert row(table, label="back", metric="dice")["n_failed"] == 0


def test_the_interval_of_a_score_ends_where_the_score_does():
    table = scores_table(two_methods(n=12, scores=scored("dice", [0.0] + [0.999] * 11)))
    found = row(table, label="front", metric="dice")
    assert found["low"] < found["mean"] < found["high"] == 1


def test_the_mean_over_labels_is_that_of_each_case():
    scores = [*scored("dice", [0.8, 0.6, 0.7]), *scored("dice", [0.4, math.nan, 0.5], "back")]
    table = scores_table(two_methods(n=3, scores=scores))
    found = row(table, label="mean", metric="dice")
    assert found["mean"] == pytest.approx((0.6 + 0.6 + 0.6) / 3)
    assert found["n"] == 3
    assert list(table[table["label"] == "mean"]["metric"]) == ["dice"]


def test_regions_have_scores_only_where_they_were_scored():
    without = two_methods(n=3, scores=scored("dice", [0.8, 0.6, 0.7]))
    assert "total" not in set(scores_table(without)["label"])
    named = two_methods(n=3, scores=scored("dice", [0.8, 0.6, 0.7], "total"))
    assert row(scores_table(named), label="total", metric="dice")["mean"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no scores"),
        ([math.nan] * 4, "no case has a value"),
        ([0.5, math.nan, 0.7], "fewer than 3 cases"),
        ([0.5] * 4, ""),
    ],
)
def test_a_score_without_an_interval_says_why(values, reason):
    found = row(
        scores_table(two_methods(n=4, scores=scored("dice", values))), label="front", metric="dice"
    )
    assert found["reason"] == reason
    assert math.isnan(found["low"]) == bool(reason)
    assert found["n_nan"] == sum(map(math.isnan, values))


def test_a_cohort_without_cases_has_rows_and_reasons():
    cohort = two_methods(n=4)
    nobody = replace(
        cohort.with_values({method: table.iloc[:0] for method, table in cohort.values.items()}),
        covariates=cohort.covariates.iloc[:0],
    )
    for make in TABLES:
        table = make(nobody)
        assert len(table)
        assert (table["n"] == 0).all()
        assert (table["reason"] != "").all()
