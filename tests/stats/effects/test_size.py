import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy.stats import nct, ttest_ind

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.effects.effects import estimate_effect
from neurotarget.stats.effects.model import Fit
from neurotarget.stats.effects.size import hedges_g

pytestmark = pytest.mark.filterwarnings("error")
SEX = Hypothesis.parse("sex", "volume: F > M")
AGE = Hypothesis.parse("age", "volume ~ age + sex: any")


def cohort(seed=0, n=30, gap=0.0):
    generator = np.random.default_rng(seed)
    table = pd.DataFrame({"sex": ["F", "F", "M"] * (n // 3), "age": generator.uniform(20, 80, n)})
    volumes = generator.normal(0, 50, n) + 50 * gap * (table["sex"] == "F") - 2 * table["age"]
    return volumes, table


def test_g_without_covariates_is_pingouins():
    volumes, table = cohort(gap=0.8)
    women, men = (volumes[table["sex"] == sex] for sex in "FM")
    effect = estimate_effect(SEX, volumes, table)
    assert effect.size_kind == "Hedges g"
    assert effect.size == pytest.approx(pingouin.compute_effsize(women, men, eftype="hedges"))
    assert effect.size_low < effect.size < effect.size_high


def test_the_ends_of_the_interval_leave_the_found_difference_2_5_percent_each():
    volumes, table = cohort(gap=0.8)  # 20 and 10 subjects
    women, men = (volumes[table["sex"] == sex] for sex in "FM")
    test, effect = ttest_ind(women, men), estimate_effect(SEX, volumes, table)
    shifts = np.array([effect.size_low, effect.size_high]) / np.sqrt(1 / 20 + 1 / 10)
    assert nct.cdf(test.statistic, 28, shifts) == pytest.approx([0.975, 0.025], abs=1e-5)


@pytest.mark.parametrize("t", [99.9, -99.9, 1e3, -1e6, 1e12])
@pytest.mark.parametrize("freedom", [3, 100])
def test_groups_far_apart_have_an_interval_without_a_seam_and_in_no_time(t, freedom):
    size = hedges_g(Fit(t, 1.0, freedom, 0.0, 1.0, freedom, 1.0))
    beyond = hedges_g(Fit(t * 1.01, 1.0, freedom, 0.0, 1.0, freedom, 1.0))
    assert size.low < size.value < size.high
    ratio = np.array([beyond.low / size.low, beyond.high / size.high])
    assert ratio == pytest.approx(1.01, abs=0.002)


def test_g_with_covariates_is_the_adjusted_difference_in_sds_of_the_groups():
    """effectsize takes the pooled SD of the groups; about the model it is smaller."""
    adjusted = Hypothesis.parse("sex", "volume ~ sex + age: F > M")
    volumes, table = cohort(n=60, gap=0.8)
    effect = estimate_effect(adjusted, volumes, table)
    women, men = (volumes[table["sex"] == sex] for sex in "FM")
    pooled = np.sqrt((39 * women.var() + 19 * men.var()) / 58)
    assert effect.size == pytest.approx((1 - 3 / (4 * 58 - 1)) * effect.estimate / pooled)
    assert effect.size_low < effect.size < effect.size_high
    assert (effect.size_low > 0) == (effect.size_high * effect.size_low > 0)


def test_covariates_do_not_inflate_g():
    adjusted = Hypothesis.parse("sex", "volume ~ sex + age: F > M")
    volumes, table = cohort(n=3000, gap=0.8)
    alone, with_age = (estimate_effect(one, volumes, table).size for one in (SEX, adjusted))
    assert with_age == pytest.approx(alone, abs=0.05)
    assert with_age < 0.7  # in SDs about the model it would be 0.8


def test_intervals_of_g_cover_the_planted_size():
    hits = []
    for seed in range(125):
        effect = estimate_effect(SEX, *cohort(seed, n=24, gap=0.8 * 1.2166))
        hits.append(effect.size_low <= 0.8 <= effect.size_high)
    assert 0.92 <= np.mean(hits) <= 0.98


def test_partial_r_and_its_interval_are_pingouins():
    volumes, table = cohort()
    numbered = table.assign(volume=volumes, male=1.0 * (table["sex"] == "M"))
    expected = pingouin.partial_corr(numbered, x="age", y="volume", covar="male").iloc[0]
    effect = estimate_effect(AGE, volumes, table)
    assert effect.size_kind == "partial r"
    assert effect.size == pytest.approx(expected["r"], abs=1e-5)
    low, high = expected["CI95"]
    assert (effect.size_low, effect.size_high) == pytest.approx((low, high), abs=0.006)
