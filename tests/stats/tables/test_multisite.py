import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.tables.multisite import (
    Scans,
    folds,
    gather_scans,
    prediction_errors,
    site_share,
    site_shares,
)

AGE = Hypothesis.parse("age", "volume ~ age: negative")


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scans(seed=0, sizes=(30, 30, 30), scanned=(0.0, 0.0, 0.0), sd=50.0):
    """Volumes that fall with age by 4 mm³ a year, at sites that add `scanned`."""
    generator = np.random.default_rng(seed)
    place = np.repeat(np.arange(len(sizes)), sizes)
    age = generator.uniform(20, 70, (len(place), 1))
    volumes = 3000 - 4 * age + np.array(scanned)[place][:, None]
    volumes = volumes + generator.normal(0, sd, (len(place), 2))
    subjects = np.array([f"s{number:03}" for number in range(len(place))], dtype=object)
    return Scans(subjects, np.array(list("abcdefgh"), dtype=object)[place], age, volumes)


def test_scans_of_a_subject_are_averaged_within_a_site_and_not_across_sites():
    cases = pd.Index(["1", "2", "3", "4", "5"], name="case_id")
    table = pd.DataFrame(
        {"subject_id": ["x", "x", "x", "y", "z"], "age": [30.0, 32.0, 31.0, 50.0, 70.0]}, cases
    )
    volumes = pd.DataFrame({"gland": [100.0, 110.0, 300.0, 90.0, np.nan]}, cases)
    sites = pd.Series(["a", "a", "b", "a", "b"], cases)
    found = gather_scans(AGE, volumes, table, sites)
    assert list(zip(found.subjects, found.sites, strict=True)) == [
        ("x", "a"),
        ("x", "b"),
        ("y", "a"),
        ("z", "b"),
    ]
    ages = found.columns.ravel() * table["age"].std(ddof=0) + table["age"].mean()  # were in SDs
    assert ages == pytest.approx([31, 31, 50, 70])
    assert found.values.ravel() == pytest.approx([105, 300, 90, np.nan], nan_ok=True)


def test_cases_without_a_site_or_a_covariate_are_no_scans():
    cases = pd.Index(list("12345678"), name="case_id")
    table = pd.DataFrame({"subject_id": list("12345678"), "age": np.arange(8.0)}, cases)
    table.loc["3", "age"] = np.nan
    sites = pd.Series(["a"] * 7 + [np.nan], cases)
    volumes = pd.DataFrame({"gland": np.arange(8.0)}, cases)
    assert list(gather_scans(AGE, volumes, table, sites).subjects) == list("124567")


def test_folds_keep_a_subject_together_and_spread_each_site():
    found = scans(sizes=(20, 10, 5))
    number = folds(found, 5, seed=3)
    for site, each in (("a", 4), ("b", 2), ("c", 1)):
        assert (np.bincount(number[found.sites == site]) == each).all()
    twice = Scans(*(np.concatenate([part, part]) for part in found))
    both = folds(twice, 5, seed=3)
    assert (both[:35] == both[35:]).all()
    assert (folds(found, 5, seed=4) != number).any()


def test_a_site_is_predicted_by_the_line_of_the_others():
    found = scans(scanned=(0.0, 0.0, 100.0), sd=1e-3)
    errors = prediction_errors(found, "c", count=5, seed=0)
    assert errors.bias == pytest.approx([-100, -100], abs=0.01)
    assert errors.mae == pytest.approx([100, 100], abs=0.01)
    assert errors.reason == ""


def test_combat_takes_the_bias_from_a_site_that_it_did_not_see():
    found = scans(sizes=(40, 40, 40, 40), scanned=(0.0, 60.0, -60.0, 90.0))
    errors = prediction_errors(found, "d", count=5, seed=0)
    assert (errors.bias < -70).all()
    assert (np.abs(errors.bias_combat) < 20).all()
    assert (errors.mae_combat < 0.7 * errors.mae).all()


def test_no_case_of_a_site_is_harmonised_by_its_own_volume():
    found = scans(sizes=(40, 40, 40, 10), scanned=(0.0,) * 4)
    last = np.flatnonzero(found.sites == "d")[-1]
    found.values[last] += 5000
    mine = prediction_errors(found, "d", count=10, seed=0)
    # one of ten is 5000 mm³ off; with its own volume the spread would be too large to show it
    assert (mine.mae_combat > 450).all()


def test_nobody_of_a_site_helps_to_predict_it():
    found = scans(sizes=(20, 20, 20))
    found.subjects[found.sites == "b"] = found.subjects[found.sites == "a"]
    without = found.only(found.sites != "b")
    both = [prediction_errors(one, "a", count=5, seed=0) for one in (found, without)]
    assert both[0].mae == pytest.approx(both[1].mae)
    travelled = found.only(found.sites != "c")
    errors = prediction_errors(travelled, "a", count=5, seed=0)
    assert errors.reason == "nobody was scanned at other sites alone"
    assert np.isnan(errors.mae).all()


def test_a_category_that_no_other_site_has_is_not_predicted():
    found = scans(sizes=(20, 20, 20))
    woman = np.zeros((60, 1))
    woman[50:] = 1.0
    found = found._replace(columns=np.column_stack([found.columns, woman]))
    errors = prediction_errors(found, "c", count=5, seed=0)
    assert errors.reason == "10 subjects of a category that no other site has"
    men = found.only(woman[:, 0] == 0)._replace(columns=found.columns[:50, :1])
    assert errors.mae == pytest.approx(prediction_errors(men, "c", count=5, seed=0).mae)


def test_share_of_site_in_one_fold_is_adjusted_r_squared():
    generator = np.random.default_rng(0)
    sites = np.repeat(["a", "b", "c"], [10, 20, 15])
    values = generator.normal(0, 1, 45) + (sites == "c")
    found = site_share(values, sites, np.zeros(45, dtype=int))
    fit = smf.ols("v ~ site", pd.DataFrame({"v": values, "site": sites})).fit()
    assert (found.value, found.p) == pytest.approx((fit.rsquared_adj, fit.f_pvalue))


def test_share_of_site_over_folds_is_that_of_sites_nested_in_folds():
    found = scans(sizes=(25, 35, 30), scanned=(0, 30, 60))
    fold = np.arange(90) % 3
    table = pd.DataFrame({"v": found.values[:, 0], "site": found.sites, "fold": fold})
    whole, fold_alone = (smf.ols(f"v ~ {m}", table).fit() for m in ("C(fold):site", "C(fold)"))
    share = site_share(table["v"].to_numpy(), found.sites, fold)
    assert share.p == pytest.approx(whole.compare_f_test(fold_alone)[1])
    assert share.value == pytest.approx(1 - whole.mse_resid / fold_alone.mse_resid)


def test_combat_lowers_the_share_of_site_in_cases_that_it_did_not_see():
    found = scans(sizes=(60, 50, 40), scanned=(0, 60, -60))
    before, after = site_shares(found, count=5, seed=0)
    for raw, combat in zip(before, after, strict=True):
        assert raw.value > 0.3
        assert raw.p < 1e-9
        assert combat.value < 0.1
        assert combat.p > 0.01


def test_without_any_site_effect_the_test_of_site_rarely_finds_one():
    """Neither before ComBat nor after it."""
    cohorts = [scans(seed, (30, 20, 10, 40), (0,) * 4) for seed in range(60)]
    found = [site_shares(cohort, count=5, seed=0) for cohort in cohorts]
    for when, most in ((0, 0.085), (1, 0.13)):
        p = np.array([[share.p for share in one[when]] for one in found])
        assert (p < 0.05).mean() <= most


def test_values_without_spread_have_no_share():
    sites, fold = np.repeat(["a", "b"], 10), np.zeros(20, dtype=int)
    for values in (np.full(20, 7.0), np.repeat([1.0, 2.0], 10), np.full(20, np.nan)):
        found = site_share(values, sites, fold)
        assert np.isnan([found.value, found.p]).all()
