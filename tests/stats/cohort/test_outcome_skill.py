import math

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.learning import DOUBTFUL, LEARNT, NOT_LEARNT, UNKNOWN, judge_rows
from neurotarget.stats.cohort.outcome_skill import outcome_skill


def rows(metric, predicted, reference, failed=()):
    lines = []
    for number, (one, truth) in enumerate(zip(predicted, reference, strict=True)):
        case = f"c{number}"
        is_failed = number in failed
        lines += [] if is_failed else [(case, "ill", metric, one)]
        lines += [(case, "ill", f"reference_{metric}", truth)]
        lines += [(case, "ill", "failed", float(is_failed))]
    return pd.DataFrame(lines, columns=["case_id", "label", "metric", "value"])


TRUTH = [0.0, 1.0] * 10
SURE = [0.1 + 0.8 * one + 0.001 * place for place, one in enumerate(TRUTH)]


def test_skill_is_that_of_the_auroc():
    found = outcome_skill(rows("probability", [0.1, 0.4, 0.35, 0.8, 0.2, 0.9], [0, 0, 1, 1, 0, 1]))
    assert found.value == pytest.approx(2 * 8 / 9 - 1)
    assert "The AUROC of ill in 6 held-out predictions is 0.89" in found.sentence


def test_skill_of_numbers_is_the_explained_variance():
    reference = np.arange(20.0)
    found = outcome_skill(rows("number", reference + 1, reference))
    assert found.value == pytest.approx(1 - 1 / reference.var())
    assert not found.may_be_guessing


def test_rows_of_masks_have_none():
    assert outcome_skill(pd.DataFrame([("c", "a", "dice", 0.5)],
                         columns=["case_id", "label", "metric", "value"])) is None  # fmt: skip


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [
        (SURE, LEARNT),
        ([0.5 + 0.01 * (place % 7) for place in range(20)], DOUBTFUL),
        ([1 - one for one in SURE], NOT_LEARNT),
    ],
)
def test_a_network_that_guesses_has_not_learnt(predicted, verdict):
    assert judge_rows(rows("probability", predicted, TRUTH), None).verdict == verdict


def test_most_failed_predictions_mean_that_it_has_not_learnt():
    found = judge_rows(rows("probability", SURE, TRUTH, failed=range(14)), None)
    assert found.verdict == NOT_LEARNT
    assert "14 of 20 held-out predictions failed." in found.reasons


def test_one_class_alone_is_not_known():
    found = judge_rows(rows("probability", SURE, [1.0] * 20), None)
    assert found.verdict == UNKNOWN
    assert math.isnan(outcome_skill(rows("probability", SURE, [1.0] * 20)).value)
