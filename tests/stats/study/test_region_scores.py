import numpy as np
import pandas as pd
import pytest

from neurotarget.metrics.case import score_case
from neurotarget.stats.cohort.learning import study_learning
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.tables.tables import scores_table, values_table
from neurotarget.types import Case, Row, Target

TARGET = Target(
    "tumour", ["t1"], {"necrosis": 1, "edema": 2}, [1] * 3, [8] * 3, regions={"whole": [1, 2]}
)


@pytest.fixture(scope="module")
def measured():
    """Four cases whose two labels are exchanged, so that only the whole is right."""
    rows = []
    for number in range(4):
        truth = np.zeros((12, 12, 12), np.uint8)
        truth[2:6, 2:6, 2 : 6 + number], truth[6:10, 2:6, 2:6] = 1, 2
        pred = np.where(truth > 0, 3 - truth, 0).astype(np.uint8)
        case = Case(f"c{number}", f"c{number}", {})
        known = {"affine": np.eye(4), "spacing_mm": (1.0, 1.0, 1.0), "split": "test"}
        rows += score_case(case, truth, pred, TARGET, **known)
    table = pd.DataFrame(rows, columns=list(Row._fields))
    return from_rows(table, TARGET, pd.DataFrame(index=table["case_id"].unique()))


def test_a_region_has_scores_and_volumes_of_its_own(measured):
    scores = scores_table(measured).set_index(["label", "metric"])["mean"]
    assert scores["necrosis", "dice"] == scores["mean", "dice"] == 0.0
    assert scores["whole", "dice"] == scores["whole", "lesion_dice"] == 1.0
    assert ("necrosis", "lesion_dice") not in scores
    means = values_table(measured).set_index(["method", "label"])["mean"]
    assert means["reference", "whole"] == means["predicted", "whole"] == 128 + 24


def test_a_network_is_judged_by_its_labels_alone(measured):
    reasons = " ".join(study_learning(measured, None).reasons)
    assert "mean Dice of 8 held-out masks is 0.000" in reasons
    assert "8 of 8 held-out masks failed" in reasons
