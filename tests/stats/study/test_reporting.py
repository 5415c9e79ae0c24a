"""What a reviewer asks for: people, flow, checks of differences, tests, non-inferiority."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.outliers_influence import variance_inflation_factor

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.flow import flow_table
from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.cohort.people import people_table
from neurotarget.stats.effects.testing import tests_table as table_of_tests
from neurotarget.stats.effects.testing import variance_inflation
from neurotarget.stats.study.assumptions import assumptions_table
from neurotarget.stats.study.reporting import noninferiority_table
from neurotarget.studies.measured_volumes import table_target

N = 200


def cohort(spread=np.ones_like, *, acceptable=None):
    draw = np.random.default_rng(3)
    index = pd.Index([f"c{number:02}" for number in range(N)], name="case_id")
    size = draw.uniform(300, 900, N)
    covariates = pd.DataFrame(
        {
            "subject_id": index,
            "age": draw.uniform(20, 80, N),
            "sex": ["F", "M"] * (N // 2),
            "group": ["patient"] * 20 + ["control"] * (N - 20),
        },
        index=index,
    )
    net = size + 10 * draw.normal(0, 1, N) * spread(size)
    target = table_target("t", ["v"])
    claims = {"sex": "volume: F > M", "group": "volume ~ group: patient < control"}
    hypotheses = tuple(Hypothesis.parse(name, text) for name, text in claims.items())
    target = replace(target, hypotheses=hypotheses, acceptable=acceptable or {})
    volumes = {
        name: with_regions(pd.DataFrame({"v": values}, index=index), target)
        for name, values in (("hand", size), ("net", net))
    }
    return Measured(target, of_volumes(volumes), covariates, pd.DataFrame(), "hand")


def limits(low, high):
    rows = [("lower_limit", *low), ("upper_limit", *high)]
    table = pd.DataFrame(rows, columns=["statistic", "low", "high"])
    return table.assign(first="hand", second="net", label="v", stratum="all")


NO_LIMITS = limits((-1, 1), (-1, 1)).iloc[:0]


def test_people_count_once_and_missing_values_are_counted():
    measured = cohort()
    table = measured.covariates.assign(subject_id=[f"p{n // 2}" for n in range(N)])
    table.loc[["c00", "c01", "c02"], "age"] = np.nan
    found = people_table(replace(measured, covariates=table))
    whole = found[found["part"] == "all"].set_index(["characteristic", "level"])
    assert whole.loc[("people", ""), "n"] == N / 2
    assert whole.loc[("scans", ""), "n"] == N
    assert whole.loc[("age", ""), "n_missing"] == 1  # of p1 the second scan is known
    assert whole.loc[("sex", "F"), "percent"] == 100  # the first scan of each
    assert set(found["part"]) == {"all", "group patient", "group control"}


def test_people_of_each_split_of_the_training_have_their_column():
    people = pd.DataFrame(
        {
            "subject_id": ["a", "a", "b", "c", "d", "e"],
            "split": ["train", "train", "train", "val", "test", "external"],
            "age": [30.0, 31.0, 50.0, 60.0, 70.0, 80.0],
            "sex": ["F", "F", "M", "F", "M", "M"],
        },
        index=[f"x{number}" for number in range(6)],
    )
    found = people_table(cohort(), people)
    assert list(dict.fromkeys(found["part"]))[-3:] == ["training", "validation", "held out"]
    cells = found.set_index(["part", "characteristic", "level"])
    assert cells.loc[("training", "people", ""), "n"] == 2
    assert cells.loc[("training", "scans", ""), "n"] == 3
    assert cells.loc[("training", "age", ""), "mean"] == 40  # of the first scan of each
    assert cells.loc[("held out", "sex", "M"), "percent"] == 100
    assert cells.loc[("validation", "group", ""), "n"] == 0  # nobody's group is known
    assert cells.loc[("validation", "group", ""), "n_missing"] == 1


def test_the_flow_counts_whom_each_effect_leaves_out():
    effects = pd.DataFrame(
        {"hypothesis": ["sex"], "method": ["net"], "model": ["declared"], "n": [55]}
    ).assign(n_dropped=3, n_failed=2, leads=True)
    found = flow_table(cohort(), effects, n_listed=N + 4)
    assert list(found["n"]) == [N + 4, N, N, N, 55]
    assert found.iloc[1]["n_left_out"] == 4
    last = found.iloc[-1]
    assert last["n_left_out"] == 5
    assert last["why"] == "3 without a value of sex or a volume; 2 whose mask failed"


def test_normal_differences_of_one_spread_hold():
    row = assumptions_table(cohort(), NO_LIMITS).iloc[0]
    measured = cohort()
    apart = measured.values["net"]["v"] - measured.values["hand"]["v"]
    assert row["p_normal"] == pytest.approx(stats.shapiro(apart).pvalue)
    assert (row["holds"], row["reason"], row["verdict"]) == ("yes", "", "")


def test_differences_that_grow_with_size_lead_to_the_ratio():
    row = assumptions_table(cohort(lambda size: 0.01 * size), NO_LIMITS).iloc[0]
    assert row["p_constant"] < 0.05
    assert row["spread_slope"] > 0.02
    assert row["holds"] == "no"
    assert "not of constant spread: read the limits of the ratio" in row["reason"]
    assert row["ratio_lower"] < 1 < row["ratio_upper"]
    assert row["ratio_upper"] / row["ratio"] == pytest.approx(np.exp(0.2), rel=0.1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        ((-30, -20), (20, 30), "inside"),
        ((-60, -45), (20, 30), "undecided"),
        ((-60, -55), (20, 30), "outside"),
    ],
)
def test_limits_are_held_against_those_that_were_set_before(low, high, verdict):
    measured = cohort(acceptable={"limits_mm3": 50})
    assert assumptions_table(measured, limits(low, high)).iloc[0]["verdict"] == verdict


def test_limits_in_percent_are_of_the_mean_volume():
    measured = cohort(acceptable={"limits_percent": 10})
    row = assumptions_table(measured, limits((-30, -20), (20, 30))).iloc[0]
    mean = np.mean([table["v"].mean() for table in measured.values.values()])
    assert row["acceptable"] == pytest.approx(mean / 10)


def test_holm_counts_the_hypotheses_of_each_method():
    effects = pd.DataFrame(
        {"hypothesis": ["sex", "group"] * 2, "method": ["hand"] * 2 + ["net"] * 2}
    )
    effects = effects.assign(
        model="declared", leads=True, label="v", p=[0.01, 0.04, 0.3, np.nan], n=60
    )
    found = table_of_tests(cohort(), effects)
    assert list(found["p_holm"][:3]) == pytest.approx([0.02, 0.04, 0.3])
    assert list(found["n_tests"][:3]) == [2, 2, 1]
    assert np.isnan(found["p_holm"].iloc[3])


def test_the_variance_inflation_is_that_of_statsmodels():
    measured = cohort()
    sex = (measured.covariates["sex"] == "M").astype(float)
    table = measured.covariates.assign(head=measured.covariates["age"] + 20 * sex)
    hypothesis = Hypothesis.parse("age", "volume ~ age + head + sex: negative")
    columns = np.column_stack([np.ones(N), table["age"], table["head"] + 1e-3 * sex, sex])
    assert np.isnan(variance_inflation(hypothesis, table))  # head is age and sex
    table["head"] += np.random.default_rng(0).normal(0, 5, N)
    columns = np.column_stack([np.ones(N), table["age"], table["head"], sex])
    expected = variance_inflation_factor(columns, 1)
    assert variance_inflation(hypothesis, table) == pytest.approx(expected)


def test_the_variance_inflation_is_that_of_the_leading_model():
    measured = cohort()
    man = (measured.covariates["sex"] == "M").astype(float)
    draw = np.random.default_rng(0)
    measured.covariates["eTIV"] = 1400 + 150 * man + draw.normal(0, 60, N)
    effects = pd.DataFrame(
        {"hypothesis": ["sex"], "method": ["hand"], "label": ["v"], "p": [0.01], "n": [N]}
    )
    effects = effects.assign(leads=True, model="tiv_ancova")
    columns = np.column_stack([np.ones(N), man, measured.covariates["eTIV"]])
    expected = variance_inflation_factor(columns, 1)
    assert expected > 2
    (found,) = table_of_tests(measured, effects)["vif"]
    assert found == pytest.approx(expected)
    (declared,) = table_of_tests(measured, effects.assign(model="declared"))["vif"]
    assert declared == pytest.approx(1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.04, "better"),
        (-0.03, 0.02, "not inferior"),
        (-0.08, 0.02, "undecided"),
        (-0.12, -0.06, "inferior"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_the_network_beside_a_second_rater_is_held_against_a_margin(low, high, verdict):
    names = ("label", "network", "against", "rater", "measure")
    row = dict(zip(names, ("v", "predicted", "reference", "B", "dice"), strict=True))
    table = pd.DataFrame([row | {"difference": 0.0, "low": low, "high": high, "n": 20}])
    found = noninferiority_table(table, {}).iloc[0]
    assert (found["verdict"], found["margin"], found["margin_from"]) == (
        verdict,
        0.05,
        "the default",
    )
    assert noninferiority_table(table, {"dice_margin": 0.1}).iloc[0]["margin_from"] == "set before"
