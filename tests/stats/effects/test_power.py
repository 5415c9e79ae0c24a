import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.power import FTestPower, TTestIndPower

from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effects import effects_table
from neurotarget.stats.effects.power import COLUMNS, power_table, subjects_needed
from neurotarget.types import Target

pytestmark = pytest.mark.filterwarnings("error")

CLAIMS = {
    "sex": {"claim": "volume: F > M", "expected": 50, "source": "planted"},
    "age": "volume ~ age + sex: negative",
    "both": "volume ~ age*sex: any",
}


def cohort(n=2000, seed=0, women=0.5):
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "subject_id": np.arange(n),
            "sex": np.where(np.arange(n) < women * n, "F", "M"),
            "age": generator.uniform(20, 70, n),
        }
    ).rename_axis("case_id")
    mean = 600 + 50 * (table["sex"] == "F") - 2 * (table["age"] - 45)
    return table, mean + generator.normal(0, 100, n)


def measured(table, hypotheses=CLAIMS, truth="reference", **volumes):
    target = Target("t", ["t1"], {"x": 1}, [1] * 3, [8] * 3, hypotheses=hypotheses)
    tables = {method: pd.DataFrame({"x": of}, index=table.index) for method, of in volumes.items()}
    return Measured(target, of_volumes(tables), table, pd.DataFrame(), truth)


def sized(study, **matters):
    """The table by hypothesis, of which some state the smallest effect of interest."""
    effects = effects_table(study)
    effects["matters"] = effects["hypothesis"].map(matters).astype(float)
    return power_table(study, effects).set_index("hypothesis")


def test_half_an_sd_takes_sixty_four_a_group():
    # Cohen 1988, table 2.4.1: d = 0.5 at two-sided 5 % and 80 % power
    assert subjects_needed(0.5 / 2) == 128
    assert subjects_needed(0.8 / 2) == 52
    assert subjects_needed(-0.2 / 2) == 787  # 393.4 a group


@pytest.mark.parametrize(("d", "ratio"), [(0.3, 1), (0.6, 2), (0.45, 4)])
def test_unequal_groups_take_what_statsmodels_says(d, ratio):
    first = TTestIndPower().solve_power(d, power=0.8, alpha=0.05, ratio=ratio)
    share = 1 / (1 + ratio)
    assert subjects_needed(d * math.sqrt(share * (1 - share))) == math.ceil(first * (1 + ratio))


def test_a_slope_takes_what_the_f_test_of_a_model_says():
    size, terms = 0.3, 4
    n = subjects_needed(size, terms=terms)
    # denominator's degrees of freedom stand first; with ncc they sum to n
    powers = [FTestPower().power(size, m - terms, 1, 0.05, ncc=terms - 1) for m in (n - 1, n)]
    assert powers[0] < 0.8 <= powers[1]


def test_tiny_and_huge_effects_have_their_bounds():
    assert subjects_needed(50.0) == 5
    assert math.isnan(subjects_needed(1e-5))
    assert math.isnan(subjects_needed(0.0))


def test_subjects_grow_by_one_over_the_reliability():
    for reliability in (0.5, 0.9):
        table, volumes = cohort()
        rest = (volumes - volumes.groupby(table["sex"]).transform("mean")).std()
        noise = np.random.default_rng(1).normal(
            0, rest * math.sqrt(1 / reliability - 1), len(table)
        )
        found = sized(measured(table, reference=volumes, predicted=volumes + noise)).loc["sex"]
        assert found["inflation"] == pytest.approx(1 / reliability, rel=0.08)


def test_so_many_noisy_subjects_find_the_effect_as_often_as_promised():
    reliability, d, draws = 0.6, 0.7, 4000
    generator = np.random.default_rng(0)

    def found(n, sd):
        a, b = generator.normal(d, sd, (draws, n)), generator.normal(0, sd, (draws, n))
        return (ttest_ind(a, b, axis=1).pvalue < 0.05).mean()

    perfect = subjects_needed(d / 2) / 2
    noisy = round(perfect / reliability)
    assert found(int(perfect), 1) == pytest.approx(0.8, abs=0.03)
    assert found(noisy, 1 / math.sqrt(reliability)) == pytest.approx(0.8, abs=0.03)
    assert found(int(perfect), 1 / math.sqrt(reliability)) < 0.65


def test_a_stated_effect_is_asked_for_never_the_one_found():
    table, volumes = cohort()
    study = measured(table, reference=volumes, predicted=volumes)
    found = sized(study, sex=20, age=1.0)
    assert (found.index.name, *found.columns) == COLUMNS
    assert found["effect_is"].tolist() == ["expected", "smallest of interest", ""]
    assert found["effect"].tolist()[:2] == [50, -1]
    assert found["unit"].tolist() == ["mm3", "mm3/year", "mm3/year"]
    assert set(found["label"]) == {"x"}
    # SD within sex: noise of 100 and age of 2 × 50 / √12 = 28.9
    assert found.loc["sex", "sd"] == pytest.approx(math.hypot(100, 28.9), rel=0.03)
    assert found.loc["sex", "n_perfect"] == subjects_needed(25 / found.loc["sex", "sd"])
    assert found.loc["age", "sd"] == pytest.approx(100, rel=0.03)
    slope = 1 * 50 / math.sqrt(12) / 100
    assert found.loc["age", "n_perfect"] == pytest.approx(subjects_needed(slope, terms=3), rel=0.1)
    assert found["inflation"].tolist()[:2] == [1, 1]
    why = "the hypothesis states no effect to plan for; add expected: or matters: to it"
    assert found["reason"].tolist() == ["", "", why]
    assert math.isnan(found.loc["both", "n_perfect"])


def test_the_cohorts_own_ratio_is_kept():
    table, volumes = cohort(women=0.1)
    found = sized(measured(table, reference=volumes, predicted=volumes)).loc["sex"]
    first = TTestIndPower().solve_power(50 / found["sd"], power=0.8, alpha=0.05, ratio=9)
    assert found["n_perfect"] == math.ceil(first * 10)


def test_a_method_that_shrinks_volumes_gains_nothing():
    table, volumes = cohort()
    shrunk = volumes.mean() + 0.5 * (volumes - volumes.mean())
    found = sized(measured(table, reference=volumes, predicted=shrunk)).loc["sex"]
    assert found["inflation"] == 1
    against = volumes.mean() - 0.5 * (volumes - volumes.mean())
    found = sized(measured(table, reference=volumes, predicted=against)).loc["sex"]
    assert math.isnan(found["n_method"])
    assert found["reason"].startswith(
        "the volumes by predicted are not shown to follow those by reference: their least-squares "
    )


def test_every_method_has_a_row_and_the_reference_alone_too():
    table, volumes = cohort(n=200)
    study = measured(table, reference=volumes, a=volumes, b=volumes)
    found = power_table(study, effects_table(study))
    assert list(found["method"]) == ["a", "b"] * 3
    alone = sized(measured(table, reference=volumes)).loc["sex"]
    assert alone["n_perfect"] > 0
    assert math.isnan(alone["n_method"])
    assert alone["reason"] == "there is no second method"


@pytest.mark.parametrize(
    ("change", "values", "reason"),
    [
        (lambda t: t[t["sex"] == "F"], None, "0 subjects with sex M, wanted 3 or more"),
        (lambda t: t.groupby("sex").head(2), None, "2 subjects with sex F, wanted 3 or more"),
        (lambda t: t.drop(columns="sex"), None, "no covariate sex"),
        (lambda t: t, 500.0, "the volumes do not vary"),
        (lambda t: t, math.nan, "no case has a volume"),
    ],
)
def test_what_cannot_be_sized_is_reported(change, values, reason):
    table, volumes = cohort(n=40)
    table = change(table)
    volumes = volumes[table.index] if values is None else pd.Series(values, table.index)
    found = sized(measured(table, reference=volumes, predicted=volumes)).loc["sex"]
    assert found["reason"] == reason
    assert found[["sd", "n_perfect", "n_method", "inflation"]].isna().all()


def test_without_a_reference_or_an_effect_it_is_reported():
    table, volumes = cohort(n=40)
    equals = measured(table, truth=None, a=volumes)
    found = sized(equals)
    assert found.loc["sex", "reason"] == "no method counts as the reference"
    assert found.loc["age", "reason"].startswith("the hypothesis states no effect to plan for")
    nothing = {"sex": {"claim": "volume: F > M", "expected": 0}}
    found = sized(measured(table, nothing, reference=volumes, predicted=volumes)).loc["sex"]
    assert found["reason"] == "no number of subjects finds an effect of 0"
