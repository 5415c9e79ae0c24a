import math

import numpy as np
import pytest
import statsmodels.api as sm

from neurotarget.stats.core.interval import is_normal
from neurotarget.stats.core.resample import codes
from neurotarget.stats.tables.agreement import agreement_intervals, agreement_values
from oracles.coverage import DESIGNS, covered
from oracles.statistics_cases import statistics_case

# by R 4.2 (psych, epiR, boot) on the same tables
GOLDEN = {
    "agree12": {
        "bias": (-204.89, -362, -48),
        "upper_limit": (280.2, 97, 668),
    },
    "agree40": {
        "pearson_r": (0.95701, 0.920, 0.977),
        "icc_a1": (0.893874, 0.209, 0.969),
        "bias": (-263.96, -329.6, -198.3),
        "lower_limit": (-666.38, -802, -574),
        "upper_limit": (138.46, 46, 274),
    },
}
VALUES = {
    "agree40": {"icc_c1": 0.95677, "ccc": 0.89145, "icc_a1_fixed": 0.893874},
    "agree200": {"proportional_slope": -0.126, "slope_on_reference": -0.185},
    "repeats": {"icc_a1": 0.568, "bias": 7.9},
}


def found_in(name, columns=("hip_hand", "hip_net"), seed=0):
    table = statistics_case(name)
    people = table["subject_id"] if "subject_id" in table else table["case_id"]
    return agreement_intervals(table[list(columns)].to_numpy(float), *codes(people), seed=seed)


def volumes(n=40, seed=0, slope=1.0, noise=30.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(640, 115, n)
    return truth, 640 + slope * (truth - 640) + generator.normal(0, noise, n)


@pytest.mark.parametrize("name", GOLDEN)
def test_closed_forms_are_those_of_r(name):
    found = found_in(name)
    kinds = {"bias": "t", "pearson_r": "Fisher", "icc_a1": "McGraw–Wong"}
    for statistic, (value, low, high) in GOLDEN[name].items():
        got = found[statistic]
        assert got.interval == kinds.get(statistic, "Carkeet")
        digits = 1e-3 if abs(value) < 1 else 0.5
        assert got.value == pytest.approx(value, abs=digits / 10)
        assert (got.low, got.high) == pytest.approx((low, high), abs=digits), statistic


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_r(name):
    columns = ("v_hand", "v_net") if name == "repeats" else ("hip_hand", "hip_net")
    found = found_in(name, columns)
    for statistic, value in VALUES[name].items():
        assert found[statistic].value == pytest.approx(value, rel=0.01), statistic


def test_scans_of_twelve_people_have_intervals_over_people():
    found = found_in("repeats", ("v_hand", "v_net"))
    # R's bootstrap over people has [−33, 36] and [0.22, 0.80], too narrow of twelve
    bias, icc = found["bias"], found["icc_a1_fixed"]
    assert (bias.low, bias.high) == pytest.approx((-33, 36), abs=13)
    assert icc.low < 0.22
    assert 0.80 < icc.high < 0.9
    kinds = {name: one.interval for name, one in found.items()}
    assert "McGraw–Wong" not in kinds.values()
    assert kinds["icc_a1"] == "McGraw–Wong, effective n"
    assert kinds["lower_limit"] == "bootstrap-t"
    assert {kinds[name] for name in ("pearson_r", "icc_c1", "ccc")} == {"jackknife-t"}


def test_the_closed_form_is_taken_where_values_look_normal():
    truth, pred = volumes(40, seed=2)
    skewed = truth + 30 * np.exp(np.random.default_rng(3).normal(0, 1, 40))
    assert is_normal(pred - truth)
    assert not is_normal(skewed - truth)
    every = np.arange(40)
    plain = agreement_intervals(np.stack([truth, pred], axis=1), every, 40, seed=0)
    other = agreement_intervals(np.stack([truth, skewed], axis=1), every, 40, seed=0)
    assert [plain[name].interval for name in ("pearson_r", "upper_limit", "sd_difference")] == [
        "Fisher",
        "Carkeet",
        "chi-square",
    ]
    assert [other[name].interval for name in ("pearson_r", "upper_limit", "sd_difference")] == [
        "jackknife-t",
        "bootstrap-t",
        "bootstrap-t",
    ]
    assert plain["bias"].interval == other["bias"].interval == "t"


def test_too_many_values_to_test_are_not_called_normal():
    assert not is_normal(np.random.default_rng(0).normal(size=5001))
    assert is_normal(np.full(9, 0.1))


def test_values_without_intervals_are_the_same_values():
    table = np.stack(volumes(20), axis=1)
    alone = agreement_values(table, np.arange(20), 20)
    for name, one in agreement_intervals(table, np.arange(20), 20, seed=0).items():
        assert alone[name].value == pytest.approx(one.value), name
        assert math.isnan(alone[name].low)
        assert alone[name].interval == "none"


def reference_slope(truth, pred, subjects):
    """Deming's slope with its interval."""
    table = np.stack([np.asarray(truth, float), np.asarray(pred, float)], axis=1)
    return agreement_intervals(table, *codes(np.asarray([*subjects])), seed=0)["reference_slope"]


@pytest.mark.parametrize("slope", [0.6, 1.0, 1.4])
def test_a_network_that_shrinks_has_a_slope_below_one(slope):
    truth, pred = volumes(400, seed=2, slope=slope, noise=5.0)
    found = reference_slope(truth, pred, range(400))
    assert found.value == pytest.approx(slope, abs=0.01)
    assert found.low < slope < found.high
    turned = reference_slope(pred, truth, range(400))
    assert turned.value == pytest.approx(1 / found.value)  # as least squares would not


def test_demings_line_is_the_main_axis():
    truth, pred = volumes(60, slope=0.7)
    _, axes = np.linalg.eigh(np.cov(truth, pred))
    line = agreement_intervals(np.stack([truth, pred], axis=1), np.arange(60), 60, seed=0)
    slope = axes[1, 1] / axes[0, 1]
    assert line["reference_slope"].value == pytest.approx(slope)
    assert line["reference_intercept"].value == pytest.approx(pred.mean() - slope * truth.mean())
    ols = sm.OLS(pred - truth, sm.add_constant(truth)).fit()
    assert line["slope_on_reference"].value == pytest.approx(ols.params[1])
    hc3 = ols.get_robustcov_results("HC3").conf_int()[1]
    found = line["slope_on_reference"]
    assert (found.low, found.high) == pytest.approx(tuple(hc3), abs=0.01)


def test_scans_of_one_person_count_once_in_the_slope():
    truth, pred = volumes(20, slope=0.8)
    once = reference_slope(truth, pred, range(20))
    thrice = reference_slope(np.tile(truth, 3), np.tile(pred, 3), [*range(20)] * 3)
    assert thrice[:3] == pytest.approx(once[:3])


def test_a_slope_without_a_correlation_is_undefined():
    assert math.isnan(reference_slope([1, 2, 3], [5, 5, 5], "abc").value)


@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_cover_the_truth(design):
    shares = covered(design, 12, samples=60)
    # of 60 samples a share of 0.95 is uncertain by 0.055
    lowest = {"normal": 0.88, "clustered": 0.83, "skewed": 0.77}[design]
    assert min(shares.values()) >= lowest, shares
    assert shares["bias"] >= 0.88
