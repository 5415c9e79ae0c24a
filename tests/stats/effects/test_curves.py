import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.curves import AGE_COLUMNS, age_table, curve_columns, curves_table
from neurotarget.types import Target

pytestmark = pytest.mark.filterwarnings("error")


def measured(covariates, labels=("gland",), **volumes):
    """A study of one label, or of several with their total, by one method or more."""
    target = Target(
        "gland", ["t1"], {name: i + 1 for i, name in enumerate(labels)}, [1] * 3, [8] * 3
    )
    tables = {}
    for method, values in volumes.items():
        table = pd.DataFrame(dict.fromkeys(labels, values), index=covariates.index)
        tables[method] = table.assign(total=table.sum(axis=1)) if len(labels) > 1 else table
    return Measured(target, of_volumes(tables), covariates, pd.DataFrame(), None)


def cohort(seed=0, n=80, slope=-2.0, bend=0.0, apart=0.0):
    """A slope, a bend, and a slope that is `apart` steeper in men; noise of 40 mm³."""
    generator = np.random.default_rng(seed)
    names = pd.Index([f"c{number:03}" for number in range(n)], name="case_id")
    sex = np.array(["F", "M"] * (n // 2))
    age = generator.uniform(20, 80, n)
    table = pd.DataFrame({"subject_id": names, "age": age, "sex": sex}, index=names)
    away = age - 50
    volumes = 600 + slope * away - bend * away**2 + apart * away * (sex == "M")
    return volumes + 50 * (sex == "F") + generator.normal(0, 40, n), table


def test_the_age_table_is_that_of_statsmodels():
    volumes, table = cohort(bend=0.05)
    (row,) = age_table(measured(table, reference=volumes)).itertuples()
    frame = table.assign(volume=volumes)
    line = smf.ols("volume ~ age + C(sex)", frame).fit()
    robust = smf.ols("volume ~ age + C(sex)", frame).fit(cov_type="HC3", use_t=True)
    low, high = robust.conf_int().loc["age"]
    assert (row.slope, row.low, row.high) == pytest.approx((line.params["age"], low, high))
    assert row.p_slope == pytest.approx(robust.pvalues["age"])
    t = line.tvalues["age"]
    assert row.r == pytest.approx(t / np.sqrt(t**2 + line.df_resid))
    at = np.quantile(table["age"], [0.05, 0.35, 0.65, 0.95])
    bounds = f"knots={list(at[1:3])}, lower_bound={at[0]}, upper_bound={at[3]}"
    curve = smf.ols(f"volume ~ cr(age, {bounds}, constraints='center')", frame).exog
    straight = np.column_stack([np.ones(80), table["age"]])
    bends = curve - straight @ np.linalg.lstsq(straight, curve, rcond=None)[0]
    names = {f"bend{at}": column for at, column in enumerate(np.linalg.svd(bends)[0][:, :2].T)}
    bent = smf.ols("volume ~ C(sex) + age + bend0 + bend1", frame.assign(**names))
    found = bent.fit(cov_type="HC3", use_t=True)
    assert row.p_curve == pytest.approx(float(found.f_test("bend0 = bend1 = 0").pvalue))
    slopes = smf.ols("volume ~ age * C(sex)", frame).fit(cov_type="HC3", use_t=True)
    assert row.p_interaction == pytest.approx(slopes.pvalues["age:C(sex)[T.M]"])
    assert (row.n, row.n_dropped, row.unit, row.reason) == (80, 0, "mm3/year", "")


@pytest.mark.parametrize(
    ("planted", "found"),
    [({"bend": 0.1}, "p_curve"), ({"apart": -3.0}, "p_interaction"), ({}, "p_slope")],
)
def test_each_test_finds_what_was_planted_for_it(planted, found):
    volumes, table = cohort(**planted)
    row = age_table(measured(table, reference=volumes)).iloc[0]
    assert row[found] < 1e-4
    others = {"p_curve", "p_interaction"} - {found}
    assert (row[list(others)] > 0.01).all()


def test_tests_of_shape_err_as_often_as_they_say():
    rows = [age_table(measured(c[1], a=c[0])).iloc[0] for c in map(cohort, range(60))]
    for name in ("p_curve", "p_interaction"):
        wrong = np.mean([row[name] < 0.05 for row in rows])
        assert 0.0 < wrong <= 0.134  # 5 %, and three standard errors


def test_every_label_and_method_has_a_row():
    volumes, table = cohort()
    found = age_table(measured(table, ("a", "b"), reference=volumes, predicted=volumes + 9))
    assert list(found.columns) == list(AGE_COLUMNS)
    assert list(zip(found["label"], found["method"], strict=True)) == [
        (label, method) for label in ("a", "b", "total") for method in ("reference", "predicted")
    ]
    assert found["slope"].to_numpy() == pytest.approx(
        found["slope"][0] * np.array([1, 1, 1, 1, 2, 2])
    )


@pytest.mark.parametrize(
    ("change", "reason", "n", "n_dropped"),
    [
        (lambda t: t.drop(columns="age"), "no covariate age", 0, 80),
        (lambda t: t.assign(age=np.nan), "no case has a value of age", 0, 80),
        (lambda t: t.assign(age=40.0), "the covariate does not vary", 80, 0),
        (lambda t: t.drop(columns="sex"), "no sex × age: no case has a sex", 80, 0),
        (lambda t: t.assign(sex=None), "no sex × age: no case has a sex", 80, 0),
        (lambda t: t.assign(sex="F"), "no sex × age: sex does not vary", 80, 0),
        (lambda t: t.assign(age=t["age"].where(np.arange(80) >= 10)), "", 70, 10),
        (lambda t: t.assign(age=np.where(t["age"] > 50, 60.0, 40.0)), "no curve: too few", 80, 0),
        (lambda t: t.assign(age=t["age"] // 30 * 30), "", 80, 0),
    ],
)
def test_what_cannot_be_tested_says_why_and_counts(change, reason, n, n_dropped):
    volumes, table = cohort()
    row = age_table(measured(change(table), reference=volumes)).iloc[0]
    assert row["reason"].startswith(reason) if reason else row["reason"] == ""
    assert (row["n"], row["n_dropped"]) == (n, n_dropped)


@pytest.mark.parametrize("values", [np.nan, 500.0])
def test_volumes_that_say_nothing_give_a_row_with_a_reason(values):
    _, table = cohort()
    study = measured(table, reference=values)
    row = age_table(study).iloc[0]
    assert row["reason"] in ("no case has a volume", "the volumes do not vary")
    assert row[["slope", "low", "high", "r", "p_slope", "p_curve", "p_interaction"]].isna().all()
    assert len(curves_table(study)) == (0 if np.isnan(values) else 80)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 6, 10])
def test_a_handful_of_subjects_is_no_error(n):
    volumes, table = cohort()
    study = measured(table.iloc[:n], reference=volumes[:n])
    assert len(age_table(study)) == 1
    found = curves_table(study)
    assert list(found.columns) == curve_columns(study.main)
    assert found["sex"].nunique() == (2 if n >= 8 else 0)


def test_curves_run_between_the_2nd_and_98th_percentile_of_each_sex():
    volumes, table = cohort()
    found = curves_table(measured(table, reference=volumes))
    assert len(found) == 80
    for sex, curve in found.groupby("sex"):
        ages = table.loc[table["sex"] == sex, "age"]
        assert (curve["age"].min(), curve["age"].max()) == pytest.approx(
            tuple(np.quantile(ages, [0.02, 0.98]))
        )
        assert (curve["low"] < curve["volume"]).all()
        assert (curve["volume"] < curve["high"]).all()


def test_a_curve_and_its_band_are_those_of_statsmodels():
    volumes, table = cohort(bend=0.1)
    found = curves_table(measured(table, reference=volumes))
    women = table.assign(volume=volumes)[table["sex"] == "F"]
    at = np.quantile(women["age"], [0.05, 0.35, 0.65, 0.95])
    bounds = f"knots={list(at[1:3])}, lower_bound={at[0]}, upper_bound={at[3]}"
    model = smf.ols(f"volume ~ cr(age, {bounds}, constraints='center')", women)
    fit = model.fit(cov_type="HC3", use_t=True)
    curve = found[found["sex"] == "F"]
    inside = curve[curve["age"].between(at[0], at[3])]
    expected = fit.get_prediction(inside).summary_frame(alpha=0.05)
    assert inside["volume"].to_numpy() == pytest.approx(expected["mean"].to_numpy())
    assert inside["low"].to_numpy() == pytest.approx(expected["mean_ci_lower"].to_numpy())
    assert inside["high"].to_numpy() == pytest.approx(expected["mean_ci_upper"].to_numpy())


def test_the_band_covers_the_true_curve_as_often_as_it_says():
    hits = []
    for seed in range(75):
        volumes, table = cohort(seed, slope=-2, n=60)
        curve = curves_table(measured(table, a=volumes)).iloc[20]  # of women, in the middle
        hits.append(curve["low"] <= 650 - 2 * (curve["age"] - 50) <= curve["high"])
    assert 0.875 <= np.mean(hits) <= 0.99  # 95 %, and three standard errors


def test_below_twelve_subjects_of_a_sex_the_curve_is_a_line():
    volumes, table = cohort(n=22, bend=0.1)
    found = curves_table(measured(table, reference=volumes))
    for _, curve in found.groupby("sex"):
        assert np.diff(curve["volume"], n=2) == pytest.approx(0, abs=1e-9)
    more, table = cohort(n=24, bend=0.1)
    found = curves_table(measured(table, reference=more))
    assert np.abs(np.diff(found["volume"][:40], n=2)).max() > 0.1


def test_without_sex_there_is_one_curve_for_all():
    volumes, table = cohort()
    found = curves_table(measured(table.drop(columns="sex"), reference=volumes))
    assert set(found["sex"]) == {"all"}


def test_a_sex_is_called_as_the_table_writes_it():
    volumes, table = cohort()
    table["sex"] = table["sex"].map({"F": "Female", "M": "male"})
    assert set(curves_table(measured(table, reference=volumes))["sex"]) == {"Female", "male"}


def test_scans_of_a_subject_count_once():
    volumes, table = cohort()
    twice = pd.concat([table, table.set_index(table.index + "b")])
    both = np.r_[volumes + 5, volumes - 5]
    assert age_table(measured(twice, a=both)).equals(
        age_table(measured(twice, a=np.r_[volumes, volumes]))
    )
    pd.testing.assert_frame_equal(
        curves_table(measured(twice, a=both)), curves_table(measured(table, a=volumes))
    )
