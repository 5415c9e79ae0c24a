import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.core.spline import knots
from neurotarget.stats.effects.effects import estimate_effect
from neurotarget.stats.effects.model import design

pytestmark = pytest.mark.filterwarnings("error")


def hypothesis(text):
    return Hypothesis.parse("h", text)


def cohort(seed=0, n=60):
    """Volumes that bend with age and shrink faster in men, and covariates."""
    generator = np.random.default_rng(seed)
    sex = np.array(["F", "M"] * (n // 2))
    age, tiv = generator.uniform(20, 80, n), generator.normal(1500, 100, n)
    table = pd.DataFrame({"sex": sex, "age": age, "tiv": tiv, "site": ["a", "b", "c"] * (n // 3)})
    slope = np.where(sex == "M", -3.0, -1.0)
    volumes = 600 + slope * (age - 50) - 0.1 * (age - 50) ** 2 + 0.2 * tiv
    return pd.Series(volumes + generator.normal(0, 30, n), name="volume"), table


def fitted(volumes, table, formula, term):
    """What statsmodels' formulas make of it: estimate, interval, p."""
    found = smf.ols(formula, table.assign(volume=volumes)).fit(cov_type="HC3", use_t=True)
    return (found.params[term], *found.conf_int().loc[term], found.pvalues[term])


@pytest.mark.parametrize(
    ("text", "formula", "term"),
    [
        ("volume ~ age*sex: any", "volume ~ age * C(sex)", "age:C(sex)[T.M]"),
        ("volume ~ sex*age: any", "volume ~ age * C(sex)", "age:C(sex)[T.M]"),
        ("volume ~ age*tiv + sex: any", "volume ~ age * tiv + C(sex)", "age:tiv"),
        ("volume ~ tiv + age*sex: any", "volume ~ tiv + age * C(sex)", "tiv"),
        ("volume ~ age + age*sex: any", "volume ~ centred * spread", "centred"),
        ("volume ~ tiv + age*site: any", "volume ~ tiv + age * C(site)", "tiv"),
    ],
)
def test_interactions_are_those_of_statsmodels(text, formula, term):
    volumes, table = cohort()
    male = 1.0 * (table["sex"] == "M")
    table["centred"], table["spread"] = table["age"] - table["age"].mean(), male - male.mean()
    effect = estimate_effect(hypothesis(text), volumes, table)
    expected = fitted(volumes, table, formula, term)
    found = (effect.estimate, effect.low, effect.high, effect.p)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("term", ["C(sex, Treatment('M'))[T.F]", "tiv"])
def test_splines_are_those_of_statsmodels(term):
    volumes, table = cohort()
    first, *inner, last = knots(table["age"].to_numpy())
    knotted = f"knots={inner}, lower_bound={first}, upper_bound={last}, constraints='center'"
    formula = f"volume ~ C(sex, Treatment('M')) + tiv + cr(age, {knotted})"
    text = "volume ~ tiv + sex + spline(age): any"
    if term != "tiv":
        text = "volume ~ sex + tiv + spline(age): F > M"
    effect = estimate_effect(hypothesis(text), volumes, table)
    expected = fitted(volumes, table, formula, term)
    found = (effect.estimate, effect.low, effect.high, effect.p)
    assert found == pytest.approx(expected, rel=1e-6)


def test_an_interaction_says_which_way_it_counts_and_has_its_unit():
    volumes, table = cohort()
    slopes = estimate_effect(hypothesis("volume ~ age*sex: negative"), volumes, table)
    assert slopes.reason == "sex counts M minus F"
    assert (slopes.unit, slopes.verdict) == ("mm3/year", "shown")
    assert slopes.low < -2 < slopes.high  # planted: −3 in men, −1 in women
    assert estimate_effect(hypothesis("volume ~ age*tiv: any"), volumes, table).unit == (
        "mm3/year/tiv"
    )
    two = table.assign(site=table["site"].replace("c", "b"))
    assert estimate_effect(hypothesis("volume ~ site*sex: any"), volumes, two).unit == "mm3"


def test_a_bend_in_age_hides_no_group_difference_from_a_spline():
    volumes, table = cohort()
    older = table.assign(sex=np.where(np.abs(table["age"] - 50) > 15, "F", "M"))
    line, curve = (
        estimate_effect(hypothesis(f"volume ~ sex + {age}: F != M"), volumes, older)
        for age in ("age", "spline(age)")
    )
    assert line.verdict == "shown"  # the bend, taken for a difference that is not there
    assert curve.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("text", "change", "reason"),
    [
        ("volume ~ age*sex: any", {"sex": "F"}, "sex does not vary"),
        ("volume ~ age*site: any", {}, "site has 3 categories; an interaction is one number"),
        ("volume ~ age*sex: any", {"sex": ["M", "M", *"F" * 58]}, "2 subjects with sex M, wanted"),
        ("volume ~ age*sex: any", {"age": [30.0, 60.0] * 30}, r"age\*sex does not vary"),
        ("volume ~ age + spline(age): any", {}, r"cannot be distinguished from spline\(age\)"),
        ("volume ~ sex + spline(age): F > M", {"age": "old"}, "age is not a number"),
        ("volume ~ age: any", {"age": np.inf}, r"age is not a number \(such as inf\)"),
        ("volume ~ age + tiv: any", {"tiv": np.nan}, "no case has a value of tiv"),
    ],
)
def test_what_a_model_cannot_contain_is_reported(text, change, reason):
    volumes, table = cohort()
    effect = estimate_effect(hypothesis(text), volumes, table.assign(**change))
    assert pd.Series([effect.reason]).str.contains(reason).all(), effect.reason
    assert (effect.verdict, np.isnan(effect.estimate)) == ("inconclusive", True)


def test_a_spline_of_tied_ages_is_a_straight_line_and_says_so():
    volumes, table = cohort()
    table["age"] = np.where(table["age"] < 50, 30.0, 60.0)
    curve = estimate_effect(hypothesis("volume ~ sex + spline(age): F > M"), volumes, table)
    line = estimate_effect(hypothesis("volume ~ sex + age: F > M"), volumes, table)
    assert curve.estimate == pytest.approx(line.estimate)
    assert "spline(age) is a straight line: too few values" in curve.reason


def test_a_term_named_twice_counts_once():
    volumes, table = cohort()
    once, twice = (
        estimate_effect(hypothesis(f"volume ~ {terms}: any"), volumes, table)
        for terms in ("age + sex", "age + sex + age + sex")
    )
    assert twice == once


def designed(text, volumes, table):
    found = gather(hypothesis(text), volumes.to_frame("volume"), table)
    return design(hypothesis(text), found.covariates), found.values.to_numpy()


def test_two_subjects_have_no_design():
    volumes, table = cohort()
    with pytest.raises(NotEstimableError, match="2 subjects, wanted more"):
        designed("volume ~ age: any", volumes[:2], table[:2])
