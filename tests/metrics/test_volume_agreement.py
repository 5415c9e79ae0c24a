import math

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy.stats import spearmanr

from neurotarget.metrics.volume_agreement import icc_a1, pearson_r, spearman_rho

TRUTH = np.array([610.0, 540.0, 720.0, 655.0, 590.0, 480.0])
PRED = np.array([600.0, 560.0, 700.0, 690.0, 590.0, 500.0])


def test_perfect_agreement_is_one():
    assert [score(TRUTH, TRUTH) for score in (pearson_r, spearman_rho, icc_a1)] == pytest.approx(
        [1, 1, 1]
    )


def test_constant_bias_lowers_only_the_icc():
    assert pearson_r(TRUTH, TRUTH + 100) == pytest.approx(1)
    assert spearman_rho(TRUTH, TRUTH + 100) == pytest.approx(1)
    assert icc_a1(TRUTH, TRUTH + 100) < 0.7


def test_icc_equals_pingouin():
    long = pd.DataFrame(
        {
            "case": np.tile(np.arange(6), 2),
            "method": np.repeat(["truth", "pred"], 6),
            "volume": np.concatenate([TRUTH, PRED]),
        }
    )
    table = pingouin.intraclass_corr(long, "case", "method", "volume").set_index("Type")
    row = table.loc[next(name for name in table.index if name in ("ICC2", "ICC(A,1)"))]
    assert icc_a1(TRUTH, PRED) == pytest.approx(row["ICC"], abs=1e-6)


def test_correlations_equal_scipy_with_ties():
    assert spearman_rho(TRUTH, PRED) == pytest.approx(spearmanr(TRUTH, PRED).statistic)
    tied = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 3.0])
    assert spearman_rho(tied, PRED) == pytest.approx(spearmanr(tied, PRED).statistic)


@pytest.mark.parametrize("score", [pearson_r, spearman_rho, icc_a1])
def test_undefined_numbers_are_nan(score):
    assert math.isnan(score(TRUTH[:2], PRED[:2]))
    assert math.isnan(score(np.ones(5), np.ones(5)))
    assert math.isnan(score(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0])))
