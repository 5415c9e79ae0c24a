import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.types import Row, Target
from oracles.agreement import icc_a1, pearson

HYPOTHESES = {
    "sex_difference": "volume: F > M",
    "age_slope": "volume[anterior] ~ age + sex: negative",
}
PLANTED = {"sex_difference": 60.0, "age_slope": -2.0}


def target(**changes):
    known = {
        "name": "gland",
        "contrasts": ("t1",),
        "labels": {"anterior": (1,), "posterior": (2,)},
        "spacing_mm": (1, 1, 1),
        "patch_vox": (8, 8, 8),
        "hypotheses": HYPOTHESES,
        "question": "Is the gland larger in women?",
    }
    return Target(**(known | changes))


def one_case(case_id, label, reference, predicted, dice):
    """Rows of a label; `predicted` is None where the case failed."""
    volume = math.nan if predicted is None else predicted
    distance = math.nan if predicted is None else 1.5
    scores = {
        "dice": dice,
        "hd95_mm": distance,
        "assd_mm": distance / 3,
        "surface_dice": distance * 0 + 0.95,
        "volume_mm3": volume,
        "reference_volume_mm3": reference,
        "volume_error_mm3": volume - reference,
        "volume_error_abs_mm3": abs(volume - reference),
        "volume_error_percent": 100 * (volume - reference) / reference,
        "failed": float(predicted is None),
    }
    return [Row(case_id, case_id, "test", label, *score, "") for score in scores.items()]


def cohort(n=60, failed=("p05",), seed=0):
    generator = np.random.default_rng(seed)
    rows, people = [], []
    for number in range(n):
        case_id, sex, age = f"p{number:02}", "FM"[number % 2], generator.uniform(20, 70)
        people.append({"case_id": case_id, "subject_id": case_id, "sex": sex, "age": age})
        expected = 500 + 60 * (sex == "F") - 2 * (age - 45)
        for label, mean in (("anterior", expected), ("posterior", 90.0)):
            truth = mean + generator.normal(0, mean / 20)
            pred = None if case_id in failed else truth + generator.normal(-5, mean / 50)
            dice = 0.0 if pred is None else generator.uniform(0.85, 0.95)
            rows += one_case(case_id, label, truth, pred, dice)
    return pd.DataFrame(rows), pd.DataFrame(people).set_index("case_id")


def summed(rows, people, asked, planted=None):
    return summarise(analyse(from_rows(rows, asked, people)), planted=planted)


@pytest.fixture(scope="module")
def summary():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return summed(*cohort(), target(), planted=PLANTED)


def test_a_failed_case_lowers_the_mean_and_is_counted(summary):
    rows, _ = cohort()
    dice = rows[(rows["metric"] == "dice") & (rows["label"] == "anterior")]["value"]
    found = summary["scores"]["dice"]["anterior"]
    assert found["mean"] == pytest.approx(dice.mean())
    assert dice.min() == 0
    assert (found["n"], found["n_nan"]) == (60, 0)
    assert (summary["n_test"], summary["n_failed"], summary["failed_cases"]) == (60, 1, ["p05"])
    assert found["low"] < found["mean"] < found["high"]


def test_undefined_distances_are_left_out_and_counted(summary):
    assert summary["hd95_mm"]["posterior"] == pytest.approx(1.5)
    assert summary["scores"]["hd95_mm"]["posterior"]["n_nan"] == 1


def test_the_mean_dice_is_that_of_the_labels(summary):
    both = list(summary["dice"].values())
    assert summary["dice_mean"] == pytest.approx(sum(both) / 2)


def test_volume_agreement_is_over_cases_with_both_volumes(summary):
    rows, _ = cohort()
    wide = rows[rows["label"] == "anterior"].pivot(
        index="case_id", columns="metric", values="value"
    )
    both = wide[["reference_volume_mm3", "volume_mm3"]].dropna().to_numpy().T
    found = summary["volume"]["anterior"]
    assert (found["n"], found["n_nan"]) == (59, 1)
    assert found["pearson_r"] == pytest.approx(pearson(*both).value)
    assert found["icc_a1"] == pytest.approx(icc_a1(*both).value)
    assert found["icc_a1_low"] < found["icc_a1"] < found["icc_a1_high"]
    assert found["bias_mm3"] == pytest.approx((both[1] - both[0]).mean())
    assert found["error_abs_percent"] == pytest.approx(wide["volume_error_percent"].abs().mean())


def test_hypotheses_are_put_to_both_kinds_of_volume(summary):
    sex = summary["hypotheses"]["sex_difference"]
    assert sex["reference"]["n"] == 60
    assert (sex["predicted"]["n"], sex["predicted"]["n_failed"]) == (59, 1)
    assert sex["reference"]["verdict"] == sex["predicted"]["verdict"] == "shown"
    assert (sex["planted"], sex["recovered"]) == (60, True)
    slope = summary["hypotheses"]["age_slope"]
    assert slope["predicted"]["estimate"] == pytest.approx(-2, abs=1)
    assert slope["predicted"]["unit"] == "mm3/year"


def test_the_volume_of_a_hypothesis_is_the_sum_of_labels_unless_it_names_one():
    rows, people = cohort()
    lifted = rows["value"] + 1000 * rows["metric"].eq("reference_volume_mm3") * rows["label"].eq(
        "posterior"
    ) * rows["case_id"].map(people["sex"]).eq("F")
    found = summed(rows.assign(value=lifted), people, target())["hypotheses"]
    assert found["sex_difference"]["reference"]["estimate"] > 1000
    assert abs(found["age_slope"]["reference"]["estimate"]) < 10


def test_without_a_planted_value_nothing_is_said_of_recovery():
    found = summed(*cohort(), target())["hypotheses"]["sex_difference"]
    assert (found["planted"], found["recovered"]) == (None, None)


@pytest.fixture
def no_gap():
    """Cases whose sex, as the table has it, tells nothing of the volume."""
    rows, people = cohort(24, failed=())
    return rows, people.assign(sex=["F", "F", "M", "M"] * 6)


def test_a_small_cohort_is_told_with_the_power_it_had(no_gap):
    claims = {"sex": {"claim": "volume: F > M", "expected": 25, "source": "a paper"}}
    found = summed(*no_gap, target(hypotheses=claims), planted={"sex": 0.0})
    effect = found["hypotheses"]["sex"]["reference"]
    assert (effect["verdict"], effect["expected"]) == ("inconclusive", 25)
    assert 0.05 < effect["power"] < 0.5
    assert found["hypotheses"]["sex"]["recovered"] is True  # it was estimated, if not precisely
    text = summary_text(found)
    assert "sex, reference: the power to find the published +25 mm³ was" in text


def test_an_effect_that_is_not_there_is_told_with_what_would_have_been_found(no_gap):
    found = summed(*no_gap, target())
    effect = found["hypotheses"]["sex_difference"]["reference"]
    assert effect["verdict"] == "inconclusive"
    assert (effect["expected"], effect["power"]) == (None, None)
    assert "sex_difference, reference: these data would show" in summary_text(found)


def test_scans_of_one_person_widen_the_interval():
    rows, people = cohort()
    pairs = {name: f"s{number // 6}" for number, name in enumerate(people.index)}
    joined = rows.assign(subject_id=rows["case_id"].map(pairs))
    found = summed(joined, people.assign(subject_id=people.index.map(pairs)), target())
    assert (found["n_test"], found["n_subjects"]) == (60, 10)
    assert found["hypotheses"]["age_slope"]["reference"]["n"] == 0  # sex changes within them


def test_the_summary_is_plain_and_holds_no_nan(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_cases_give_a_summary_without_intervals(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = summed(*cohort(n, failed=()), target(), planted=PLANTED)
        text = summary_text(found)
    assert found["hypotheses"]["sex_difference"]["reference"]["verdict"] == "inconclusive"
    assert found["hypotheses"]["sex_difference"]["recovered"] is None
    assert "inconclusive" in text
    assert "nan" not in text.lower()


def test_poor_masks_are_counted_beside_failed_ones():
    rows, people = cohort()
    of_dice = (rows["metric"] == "dice") & (rows["label"] == "anterior")
    rows.loc[of_dice & rows["case_id"].isin(["p07", "p09"]), "value"] = 0.49
    found = summed(rows, people, target())
    assert (found["n_failed"], found["n_below_half"]) == (1, 3)
    text = summary_text(found)
    assert "1 case failed (no mask, an empty one where the reference is not empty" in text
    assert "p05\n3 cases with a poor mask (Dice below 0.5), failed or not" in text
    whole = summed(*cohort(failed=()), target())
    assert "no case failed\n" in summary_text(whole)


def test_all_failed_is_a_summary_too():
    rows, people = cohort(5, failed=[f"p0{number}" for number in range(5)])
    found = summed(rows, people, target())
    assert (found["dice_mean"], found["n_failed"]) == (0, 5)
    assert found["volume"]["anterior"]["pearson_r"] is None
    assert "5 cases failed" in summary_text(found)


def test_cases_without_reference_have_volumes_alone():
    rows, people = cohort(failed=())
    rows = rows[rows["metric"].isin(["volume_mm3", "failed"])]
    found = summed(rows, people, target())
    assert found["dice_mean"] is None
    assert found["hypotheses"]["sex_difference"]["reference"]["verdict"] == "inconclusive"
    assert found["hypotheses"]["sex_difference"]["predicted"]["verdict"] == "shown"
    assert "Volumes" not in summary_text(found)


def test_the_text_holds_what_a_reader_needs(summary):
    text = summary_text(summary | {"experiment": "gland", "model": "unet", "seed": 3})
    for arguments in (
        "60 held-out cases of 60 subjects",
        "experiment gland, model unet, seed 3",
        "1 case failed (no mask, an empty one where the reference is not empty, or a Dice below ",
        "0.1): p05",
        "(1 undefined)",
        "(1 missing)",
        "age_slope of anterior",
        "mm³ per year",
        "shown",
        "planted",
        "recovered",
        "1 mask failed and is left out",
    ):
        assert arguments in text


def test_a_volume_and_its_spread_have_as_many_decimals(summary):
    text = summary_text(summary)
    found = summary["volume"]["anterior"]
    assert f"{found['reference_mean_mm3']:.0f} ± {found['reference_sd_mm3']:.0f}" in text


def test_columns_of_the_text_stand_below_each_other(summary):
    lines = summary_text(summary).splitlines()
    head = next(line for line in lines if line.startswith("Volumes"))
    body = lines[lines.index(head) + 2 :][:2]
    for column in ("reference", "predicted", "bias", "95 %"):
        assert all(line[head.index(column) - 1] == " " for line in body)
        assert all(line[head.index(column)] != " " for line in body)


def test_many_labels_show_the_worst():
    names = {f"region{number:02}": (number,) for number in range(1, 31)}
    rows = [
        row
        for case in ("a", "b", "c")
        for number, name in enumerate(names)
        for row in one_case(case, name, 100.0, 101.0, 0.5 + number / 100)
    ]
    found = summed(
        pd.DataFrame(rows), pd.DataFrame(index=["a", "b", "c"]), target(labels=names, hypotheses=())
    )
    text = summary_text(found)
    assert "region01" in text
    assert "region30" not in text
    assert "18 labels of higher Dice" in text
