import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import ttest_ind

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.effects.effects import claim, estimate_effect
from oracles.cohorts import GAP, SLOPE, cohort

pytestmark = pytest.mark.filterwarnings("error")

SEX = Hypothesis.parse("sex_difference", "volume: F > M")
AGE = Hypothesis.parse("age_slope", "volume ~ age + sex: negative")


def covers(effect, true_value):
    return effect.low <= true_value <= effect.high


def test_a_plain_group_difference_is_welchs():
    volumes, table = cohort()
    effect = estimate_effect(SEX, volumes, table)
    women, men = (volumes[table["sex"] == sex] for sex in "FM")
    test = ttest_ind(women, men, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert effect.estimate == pytest.approx(women.mean() - men.mean())
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.p == pytest.approx(test.pvalue)
    assert (effect.n, effect.n_dropped, effect.unit) == (80, 0, "mm3")


@pytest.mark.parametrize(
    ("text", "formula", "term"),
    [
        ("volume ~ age + sex: negative", "volume ~ age + C(sex)", "age"),
        ("volume ~ age + sex + site: negative", "volume ~ age + C(sex) + C(site)", "age"),
        ("volume ~ sex + age + site: F > M", "volume ~ C(sex, Treatment('M')) + age + C(site)", 1),
    ],
)
def test_adjusted_effects_are_those_of_least_squares_with_hc3(text, formula, term):
    volumes, table = cohort()
    effect = estimate_effect(Hypothesis.parse("h", text), volumes, table)
    fit = smf.ols(formula, table.assign(volume=volumes)).fit(cov_type="HC3", use_t=True)
    name = fit.params.index[1] if term == 1 else term
    expected = (fit.params[name], *fit.conf_int().loc[name], fit.pvalues[name])
    found = (effect.estimate, effect.low, effect.high, effect.p)
    assert found == pytest.approx(expected, rel=1e-6)


def test_planted_effects_are_covered_as_often_as_stated():
    curved = Hypothesis.parse("curved", "volume ~ sex + spline(age) + site: F > M")
    planted = {curved: GAP, AGE: SLOPE}
    covered = {hypothesis: [] for hypothesis in planted}
    for seed in range(100):
        volumes, table = cohort(seed, n=60)
        for hypothesis, value in planted.items():
            covered[hypothesis].append(covers(estimate_effect(hypothesis, volumes, table), value))
    # 95 %, and three standard errors of 100 trials
    assert all(0.884 <= np.mean(hits) < 1 for hits in covered.values())


def test_welchs_interval_covers_a_gap_between_groups_of_unequal_spread():
    hits = []
    for seed in range(100):
        volumes, table = cohort(seed, n=60, slope=0)
        few = pd.concat([table[table["sex"] == "F"], table[table["sex"] == "M"][:10]])
        noise = np.where(few["sex"] == "M", 2.0, 0.0) * (volumes[few.index] - 640)
        hits.append(covers(estimate_effect(SEX, volumes[few.index] + noise, few), GAP))
    assert 0.92 <= np.mean(hits) <= 0.98


def test_verdicts_follow_the_interval_and_the_expected_direction():
    volumes, table = cohort()
    texts = {
        "volume: F > M": "shown",
        "volume: F < M": "opposite",
        "volume: F != M": "shown",
        "volume ~ age: negative": "shown",
        "volume ~ age: positive": "opposite",
        "volume ~ age: any": "shown",
    }
    for text, verdict in texts.items():
        assert estimate_effect(Hypothesis.parse("h", text), volumes, table).verdict == verdict
    nothing, table = cohort(seed=1, gap=0, slope=0)
    assert estimate_effect(SEX, nothing, table).verdict == "inconclusive"
    assert estimate_effect(AGE, nothing, table).verdict == "inconclusive"


def test_a_slope_has_the_unit_of_its_covariate():
    volumes, table = cohort()
    assert estimate_effect(AGE, volumes, table).unit == "mm3/year"
    table["tiv"] = 1400 + table["age"]
    by_tiv = Hypothesis.parse("h", "volume ~ tiv: any")
    assert estimate_effect(by_tiv, volumes, table).unit == "mm3/tiv"


def test_missing_values_are_dropped_and_counted():
    volumes, table = cohort()
    table.loc["c003", "age"] = None
    table.loc["c005", "sex"] = None
    volumes["c007"] = math.nan
    effect = estimate_effect(AGE, volumes, table)
    assert (effect.n, effect.n_dropped) == (77, 3)
    assert (estimate_effect(SEX, volumes, table).n_dropped) == 2  # age is not its business


def test_cases_that_the_table_does_not_know_are_counted():
    volumes, table = cohort()
    assert estimate_effect(AGE, volumes, table.iloc[4:]).n_dropped == 4


def test_a_third_group_takes_no_part():
    volumes, table = cohort()
    table.loc[["c000", "c001"], "sex"] = "O"
    effect = estimate_effect(SEX, volumes, table)
    assert (effect.n, effect.n_dropped) == (78, 0)


def test_groups_match_however_they_are_written():
    volumes, table = cohort()
    table["group"] = (table["sex"] == "F").astype(float)
    by_number = estimate_effect(Hypothesis.parse("h", "volume: 1 > 0"), volumes, table)
    assert by_number.estimate == pytest.approx(estimate_effect(SEX, volumes, table).estimate)


def test_sites_that_are_numbered_are_still_categories():
    volumes, table = cohort()
    numbered = table.assign(site=table["site"].map({"a": 1.0, "b": 2.0, "c": 3.0}))
    by_site = Hypothesis.parse("h", "volume ~ age + site: negative")
    assert estimate_effect(by_site, volumes, numbered).estimate == pytest.approx(
        estimate_effect(by_site, volumes, table).estimate
    )


def test_sites_with_long_numbers_stay_apart():
    volumes, table = cohort()
    hypothesis = Hypothesis.parse("age_slope", "volume ~ age + sex + site: negative")
    by_name = estimate_effect(hypothesis, volumes, table)
    numbered = table.assign(site=table["site"].map({"a": 10000001, "b": 10000002, "c": 10000003}))
    assert estimate_effect(hypothesis, volumes, numbered) == by_name


@pytest.mark.parametrize("dtype", [bool, object])
def test_true_and_false_are_groups(dtype):
    volumes, table = cohort()
    table["treated"] = (table["sex"] == "F").astype(dtype)
    hypothesis = Hypothesis.parse("treatment", "volume ~ treated: True > False")
    assert estimate_effect(hypothesis, volumes, table).estimate == pytest.approx(
        estimate_effect(SEX, volumes, table).estimate
    )


def test_scans_of_one_subject_count_once():
    volumes, table = cohort()
    again = [f"{name}b" for name in table.index]
    twice = pd.concat([table, table.set_index(pd.Index(again))])
    both = pd.concat([volumes, pd.Series(volumes.to_numpy() + 10, index=again)])
    for hypothesis in (SEX, AGE):
        once, repeated = (
            estimate_effect(hypothesis, *data) for data in ((volumes, table), (both, twice))
        )
        assert repeated.n == once.n
        assert (repeated.estimate, repeated.p) == pytest.approx((once.estimate, once.p))


def test_a_subject_in_both_groups_is_dropped():
    volumes, table = cohort()
    table["subject_id"] = ["same", "same", *table.index[2:]]
    table.loc[["c000", "c001"], "sex"] = ["F", "M"]
    effect = estimate_effect(SEX, volumes, table)
    assert (effect.n, effect.n_dropped) == (78, 2)
    assert effect.reason == "2 cases left out: their subjects change sex"


def test_people_who_travel_between_all_sites_are_no_lack_of_people():
    volumes, table = cohort()
    table["subject_id"], table["sex"] = [f"s{n // 2}" for n in range(80)], "F"
    table["site"] = ["a", "b"] * 40
    hypothesis = Hypothesis.parse("age_slope", "volume ~ age + site: negative")
    effect = estimate_effect(hypothesis, volumes, table)
    assert effect.reason == "0 subjects, wanted more; 80 cases left out: their subjects change site"


@pytest.mark.parametrize(
    ("change", "hypothesis", "reason"),
    [
        (lambda table: table.drop(columns="age"), AGE, "no covariate age"),
        (lambda table: table.assign(age="old"), AGE, r"age is not a number \(such as old\)"),
        (lambda table: table.assign(sex="F"), SEX, "0 subjects with sex M, wanted 3 or more"),
        (lambda table: table.assign(age=40.0), AGE, "the covariate does not vary"),
        (lambda table: table.iloc[:5], AGE, "5 subjects for 3 terms leave too few degrees"),
        (lambda table: table.iloc[:0], AGE, "no case has a value of age, sex"),
        (
            lambda table: table.assign(site=table["sex"].map({"F": "a", "M": "b"})),
            Hypothesis.parse("h", "volume ~ sex + site: F > M"),
            "it cannot be distinguished from site",
        ),
    ],
)
def test_what_cannot_be_estimated_says_why(change, hypothesis, reason):
    volumes, table = cohort()
    effect = estimate_effect(hypothesis, volumes, change(table))
    assert effect.verdict == "inconclusive"
    assert math.isnan(effect.estimate)
    assert pd.Series([effect.reason]).str.match(reason).all()
    assert not covers(effect, 0.0)


@pytest.mark.parametrize("hypothesis", [SEX, AGE])
def test_constant_volumes_are_not_estimable(hypothesis):
    volumes, table = cohort()
    effect = estimate_effect(hypothesis, volumes * 0 + 500, table)
    assert (effect.verdict, effect.reason) == ("inconclusive", "the volumes do not vary")


def test_a_term_that_does_not_vary_is_left_out_and_reported():
    volumes, table = cohort()
    women = table[table["sex"] == "F"]
    effect = estimate_effect(AGE, volumes[women.index], women)
    assert effect.reason == "sex left out: it does not vary"
    assert effect.estimate == pytest.approx(SLOPE, abs=1.5)


def test_the_detectable_effect_is_found_four_times_of_five():
    detectable = np.mean(
        [estimate_effect(SEX, *cohort(seed, n=40)).detectable for seed in range(15)]
    )
    found = [
        estimate_effect(SEX, *cohort(seed, n=40, gap=detectable)).verdict == "shown"
        for seed in range(100)
    ]
    assert 0.68 <= np.mean(found) <= 0.92  # 80 %, and three standard errors


def test_claims_read_like_their_hypothesis():
    assert claim(SEX) == "F > M"
    assert claim(Hypothesis.parse("h", "volume: a != b")) == "a != b"
    assert claim(AGE) == "age: negative"


def test_claims_of_interactions_read_as_such():
    assert claim(Hypothesis.parse("h", "volume ~ age*sex: any")) == "age*sex: any interaction"
    assert claim(Hypothesis.parse("h", "volume ~ age*sex: positive")) == "age*sex: positive"


def test_a_published_effect_comes_with_the_power_to_find_it():
    volumes, table = cohort(n=20, gap=0, slope=0)
    effect = estimate_effect(replace(SEX, expected=46.0), volumes, table)
    assert effect.expected == 46
    assert 0.1 < effect.power < 0.6
    assert effect.verdict == "inconclusive"
    assert "the power to find the published +46 mm³ was" in effect.reason
    assert not math.isnan(effect.estimate)
    bare = estimate_effect(SEX, volumes, table)
    assert (math.isnan(bare.expected), math.isnan(bare.power)) == (True, True)
    assert bare.verdict == "inconclusive"


def test_the_power_is_how_often_the_published_effect_is_found():
    found = [
        estimate_effect(replace(SEX, expected=GAP), *cohort(seed, n=40, slope=0))
        for seed in range(150)
    ]
    power = np.mean([effect.power for effect in found])
    replicated = np.mean([effect.verdict == "shown" for effect in found])
    assert replicated == pytest.approx(power, abs=0.08)
