import math
import warnings

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.api as sm
from scipy.stats import pearsonr, spearmanr

from neurotarget.metrics import volume_agreement as per_epoch
from oracles.agreement import (
    bland_altman,
    ccc,
    icc_a1,
    icc_c1,
    over_subjects,
    pearson,
    proportional_slope,
    spearman,
)

ALL = (pearson, spearman, icc_a1, icc_c1, ccc)
# Shrout and Fleiss 1979, table 2: six targets, four judges
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
).T
# Bland and Altman 1986, table 1: peak flow by a large and a mini meter, first readings, l/min
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def volumes(seed=0, n=30, bias=20.0, noise=40.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(640, 115, n)
    return truth, truth + bias + generator.normal(0, noise, n)


def pingouin_row(table, kind):
    """Value and interval (rounded to two digits there) of one form of ICC."""
    long = pd.DataFrame(table.T).stack().reset_index()
    long.columns = ["case", "rater", "volume"]
    rows = pingouin.intraclass_corr(long, "case", "rater", "volume").set_index("Type")
    row = rows.loc[kind]
    return row["ICC"], row["CI95"]


def test_iccs_are_those_of_shrout_and_fleiss():
    assert icc_a1(*JUDGES).value == pytest.approx(0.29, abs=0.005)
    assert icc_c1(*JUDGES).value == pytest.approx(0.71, abs=0.005)


@pytest.mark.parametrize(("score", "kind"), [(icc_a1, "ICC(A,1)"), (icc_c1, "ICC(C,1)")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_iccs_and_their_intervals_equal_pingouin(score, kind, seed):
    table = np.stack(volumes(seed, n=12, noise=80.0))
    found = score(*table)
    value, interval = pingouin_row(table, kind)
    assert found.value == pytest.approx(value, abs=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(interval), abs=0.0051)


def test_icc_interval_of_several_raters_equals_pingouin():
    found = icc_a1(*JUDGES)
    assert (found.low, found.high) == pytest.approx(
        tuple(pingouin_row(JUDGES, "ICC(A,1)")[1]), abs=0.0051
    )


def test_values_equal_those_logged_in_training():
    pairs = [(pearson, "pearson_r"), (spearman, "spearman_rho"), (icc_a1, "icc_a1")]
    for ours, name in pairs:
        assert ours(*volumes()).value == pytest.approx(getattr(per_epoch, name)(*volumes()))


def test_correlations_equal_scipy():
    truth, pred = volumes(n=15)
    assert pearson(truth, pred).value == pytest.approx(pearsonr(truth, pred).statistic)
    tied = np.round(pred, -2)
    assert spearman(truth, tied).value == pytest.approx(spearmanr(truth, tied).statistic)


def test_bland_and_altmans_own_example_comes_out():
    found = bland_altman(np.array(MINI), np.array(LARGE))
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    # their interval of the bias is −22.0 to 17.8, of the lower limit −114.3 to −45.1, and
    # their limits are two SD wide, ours 1.96
    assert (found.bias.low, found.bias.high) == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.lower.low, found.lower.high) == pytest.approx((-114.3, -45.1), abs=3)


def test_limits_hold_nineteen_of_twenty_differences():
    found = bland_altman(*volumes(n=4000))
    truth, pred = volumes(seed=5, n=4000)
    inside = (found.lower.value < pred - truth) & (pred - truth < found.upper.value)
    assert inside.mean() == pytest.approx(0.95, abs=0.01)


def test_a_bias_in_proportion_to_size_tilts_the_differences():
    truth, _ = volumes()
    found = proportional_slope(truth, 1.2 * truth)
    assert found == pytest.approx((0.2 / 1.1, 0.2 / 1.1, 0.2 / 1.1, 30))
    assert proportional_slope(truth, truth + 50) == pytest.approx((0, 0, 0, 30))
    assert proportional_slope(1.2 * truth, truth).value == pytest.approx(-0.2 / 1.1)


def test_the_slope_and_its_interval_are_those_of_least_squares():
    truth, pred = volumes(n=25)
    found = proportional_slope(truth, pred)
    fit = sm.OLS(pred - truth, sm.add_constant((truth + pred) / 2)).fit()
    assert found.value == pytest.approx(fit.params[1])
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int()[1]))
    assert proportional_slope(truth, pred, interval=False).value == pytest.approx(found.value)


def test_more_scatter_of_one_method_tilts_the_differences_without_a_bias():
    truth, pred = volumes(n=4000, bias=0, noise=80.0)
    found = proportional_slope(truth, pred)
    # (var pred − var truth) / (2 var mean)
    assert found.value == pytest.approx(80**2 / (2 * (115**2 + 80**2 / 4)), abs=0.03)
    assert found.low > 0.1


def test_concordance_by_hand():
    truth, pred = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    assert ccc(truth, pred).value == pytest.approx(4 / 7)  # 2 · 2/3 over 2/3 + 2/3 + 1


def test_the_interval_of_the_concordance_covers_the_truth():
    covered = []
    for seed in range(300):
        found = ccc(*volumes(seed, n=40, bias=30.0, noise=60.0))
        truth = 2 * 115**2 / (115**2 + 115**2 + 60**2 + 30**2)
        covered.append(found.low <= truth <= found.high)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_bias_lowers_absolute_agreement_alone():
    truth, _ = volumes()
    for score in (pearson, spearman, icc_c1):
        assert score(truth, truth + 100) == pytest.approx((1, 1, 1, 30))
    assert icc_a1(truth, truth + 100).value < 0.8
    assert ccc(truth, truth + 100).value < 0.8


@pytest.mark.parametrize("score", ALL)
def test_the_same_values_agree_with_certainty(score):
    truth, _ = volumes()
    assert score(truth, truth.copy()) == pytest.approx((1, 1, 1, 30))


@pytest.mark.parametrize("score", [*ALL, proportional_slope])
@pytest.mark.parametrize("truth", [np.ones(8), np.array([1.0, 2.0]), np.empty(0)])
def test_no_spread_and_few_cases_are_undefined_without_a_warning(score, truth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(score(truth, truth.copy()).value)
        bland_altman(truth, truth.copy())


@pytest.mark.parametrize("score", ALL)
def test_cases_that_do_not_differ_cannot_agree(score):
    assert math.isnan(score(np.full(4, 100.0), np.full(4, 101.0)).value)


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize("seed", range(5))
def test_values_lie_within_their_interval_and_range(score, seed):
    truth, pred = volumes(seed, n=5, noise=200.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(truth, pred)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_scans_of_one_subject_are_drawn_together():
    truth, pred = volumes(n=12)
    single = over_subjects(pearson, truth, pred, subjects=range(12), seed=0)
    assert single == pearson(truth, pred)
    repeated = over_subjects(
        pearson, np.tile(truth, 3), np.tile(pred, 3), subjects=[*range(12)] * 3, seed=0
    )
    naive = pearson(np.tile(truth, 3), np.tile(pred, 3))
    assert repeated.value == pytest.approx(naive.value)
    assert repeated.high - repeated.low > naive.high - naive.low


@pytest.mark.parametrize("score", [*ALL, bland_altman, proportional_slope])
def test_cases_without_a_value_are_refused_and_counted(score):
    with pytest.raises(ValueError, match=f"{score.__name__}: 1 of 3 cases have no value"):
        score(np.array([1.0, math.nan, 2.0]), np.array([1.0, 2.0, 3.0]))


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"icc_a1: got values of shapes \[\(6,\), \(5,\)\]"):
        icc_a1(np.ones(6), np.ones(5))
