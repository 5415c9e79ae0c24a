import math

import pytest

from neurotarget.stats.arm_scores import mean_of, score_arms, undefined
from oracles.arms import arms_of, target

NAN = math.nan


def scored(rows, *labels):
    return score_arms(arms_of(rows, target(*(labels or ("front", "back")))))


def test_a_case_is_the_mean_over_labels_then_over_runs():
    table = scored(
        [
            ("unet", 0, 1, "c1", "front", "dice", 0.6),
            ("unet", 0, 1, "c1", "back", "dice", 0.8),
            ("unet", 0, 2, "c1", "front", "dice", 0.0),  # failed
            ("unet", 0, 2, "c1", "back", "dice", 0.4),
        ]
    )
    assert table.by_run["mean"].loc["c1"].tolist() == pytest.approx([0.7, 0.2])
    assert table.by_arm["mean"].at["c1", "unet"] == pytest.approx(0.45)
    assert table.by_arm["front"].at["c1", "unet"] == pytest.approx(0.3)
    assert table.labels == ("mean", "front", "back")


def test_a_label_that_is_nowhere_is_left_out_and_told():
    rows = [
        ("unet", 0, 1, "c1", "front", "dice", 0.6),
        ("unet", 0, 1, "c1", "back", "dice", NAN),
        ("unet", 0, 1, "c2", "front", "dice", NAN),
        ("unet", 0, 1, "c2", "back", "dice", NAN),
    ]
    table = scored(rows)
    assert table.by_arm["mean"]["unet"].tolist() == pytest.approx([0.6, NAN], nan_ok=True)
    assert table.held_out.all(axis=None)  # scored, though undefined
    front, back = sorted(undefined(arms_of(rows, target("front", "back"))))
    assert front.startswith("1 Dice values of front are undefined")
    assert back.endswith("left out: c1, c2.")


def test_a_fold_holds_out_its_own_cases():
    table = scored(
        [("unet", 0, 1, "c1", "front", "dice", 0.6), ("unet", 1, 1, "c2", "front", "dice", 0.8)],
        "front",
    )
    assert table.held_out.to_numpy().tolist() == [[True, False], [False, True]]
    assert table.labels == ("mean",)  # of one label it is that of the label


def test_regions_are_no_part_of_the_mean():
    rows = [("unet", 0, 1, "c1", label, "dice", v) for label, v in (("front", 0.5), ("total", 0.9))]
    assert scored(rows).by_arm["mean"].at["c1", "unet"] == 0.5


def test_scans_of_a_subject_are_averaged():
    table = scored(
        [
            ("unet", 0, 1, "s1-1", "front", "dice", 0.6),
            ("unet", 0, 1, "s1-2", "front", "dice", 0.8),
            ("unet", 0, 1, "s2-1", "front", "dice", 0.5),
        ],
        "front",
    )
    assert table.has_repeats
    means = table.per_subject(table.complete("mean", ["unet"]))
    assert means["unet"].tolist() == pytest.approx([0.7, 0.5])


def test_a_metric_that_nobody_has_is_nan():
    arms = arms_of([("unet", 0, 1, "c1", "front", "dice", 0.6)], target("front"))
    assert math.isnan(mean_of("hd95_mm", arms)["unet"])
    assert mean_of("dice", arms)["unet"] == 0.6
