"""Slopes over age within and between people."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.effects.longitudinal import NO_SLOPES, SLOPES, _spread, longitudinal_table
from neurotarget.studies.measured_volumes import table_target


def measured(table):
    target = table_target("t", ["v"])
    volumes = {"measured": with_regions(table[["v"]], target)}
    return Measured(
        target, of_volumes(volumes), table.drop(columns="v"), pd.DataFrame(), "measured"
    )


def visits(people=20, scans=4, *, within=-10.0, between=-3.0, seed=1, noise=5.0):
    """People who shrink by `within` a year, and differ by `between` for each year of their age."""
    draw = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        start, slope = draw.uniform(50, 80), within + draw.normal(0, 2)
        for scan in range(scans):
            age, mean = start + scan, start + (scans - 1) / 2
            level = 700 + between * (mean - 65) + 30 * (person % 3)
            rows.append((f"p{person}", age, level + slope * (age - mean) + draw.normal(0, noise)))
    table = pd.DataFrame(rows, columns=["subject_id", "age", "v"])
    return table.set_index("c" + table.index.astype(str)).rename_axis("case_id")


def test_the_slope_within_is_not_the_slope_between():
    row = longitudinal_table(measured(visits())).iloc[0]
    assert row["within_low"] < -10 < row["within_high"] < -5
    assert row["between_low"] < -3 < row["between_high"]
    assert row["within_high"] < row["between_low"]
    assert row["unit"] == "mm3/year"
    assert row["terms"] == SLOPES
    assert (row["n_people"], row["n_repeated"], row["n"]) == (20, 20, 80)


def test_at_equal_distances_it_is_the_t_test_of_peoples_own_slopes():
    table = visits(people=12, scans=5)
    row = longitudinal_table(measured(table)).iloc[0]
    slopes = [np.polyfit(own["age"], own["v"], 1)[0] for _, own in table.groupby("subject_id")]
    test = stats.ttest_1samp(slopes, 0)
    assert row["within"] == pytest.approx(np.mean(slopes))
    assert row["p_within"] == pytest.approx(test.pvalue)
    ends = test.confidence_interval()
    assert (row["within_low"], row["within_high"]) == pytest.approx((ends.low, ends.high))


def test_repeats_of_twelve_people_have_the_mean_slope_of_each(cases_folder):
    path = cases_folder.parent / "statistics" / "repeats.csv"
    table = pd.read_csv(path).set_index("case_id").rename(columns={"v_hand": "v"})
    row = longitudinal_table(measured(table.drop(columns="v_net"))).iloc[0]
    slopes = [np.polyfit(own["age"], own["v"], 1)[0] for _, own in table.groupby("subject_id")]
    assert row["within"] == pytest.approx(np.mean(slopes))
    assert row["n_people"] == 12


def test_the_spread_is_that_of_statsmodels():
    table = visits(people=30, seed=3)
    table = table.drop(table.index[::7])  # at unequal distances
    people = pd.factorize(table["subject_id"])[0]
    within = (table["age"] - table.groupby("subject_id")["age"].transform("mean")).to_numpy()
    fixed = np.column_stack([within, np.ones(len(table))])
    drawn = np.column_stack([np.ones(len(table)), within / within.std()])
    volumes = (table["v"] / table["v"].std()).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = MixedLM(volumes, fixed, people, drawn).fit(reml=True, method=["powell"])
    ours = _spread(volumes, fixed, drawn, people)
    assert ours == pytest.approx(np.asarray(found.cov_re) / found.scale, rel=0.02, abs=0.05)


def test_of_two_scans_only_the_level_is_random():
    row = longitudinal_table(measured(visits(scans=2))).iloc[0]
    assert row["terms"] == "person"
    assert row["reason"] == NO_SLOPES
    assert row["within_low"] < -10 < row["within_high"]


def test_one_scan_a_person_is_not_longitudinal():
    assert longitudinal_table(measured(visits(scans=1))).empty


def test_few_people_with_repeats_give_the_reason():
    row = longitudinal_table(measured(visits(people=4))).iloc[0]
    assert row["reason"] == "4 people with scans at two ages, wanted 6"
    assert np.isnan(row["within"])
