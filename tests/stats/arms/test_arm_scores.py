import math

import pytest

from neurotarget.stats.arms.arm_scores import mean_of, score_arms, secondary_scores, undefined
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


def test_a_lost_mask_errs_by_the_whole_volume_and_has_no_surface():
    """Of three masks one is lost: without a volume, or with one of 0, and without distances."""
    cases = {
        "c1": {"dice": 0.9, "volume_mm3": 90.0, "surface_dice": 0.95, "hd95_mm": 1.0},
        "c2": {"dice": 0.0, "volume_mm3": NAN, "surface_dice": NAN, "hd95_mm": NAN},
        "c3": {"dice": NAN, "volume_mm3": 0.0, "surface_dice": NAN, "hd95_mm": NAN},  # in neither
    }
    rows = [
        ("a", 0, 1, case, "front", metric, value)
        for case, values in cases.items()
        for metric, value in {**values, "reference_volume_mm3": 100.0}.items()
        if metric != "reference_volume_mm3" or case != "c3"
    ]
    found = secondary_scores(arms_of(rows, target("front")))
    assert list(found) == ["volume_error_abs_mm3", "surface_dice"]
    error, surface = (scored.by_arm["mean"]["a"].tolist() for scored in found.values())
    assert error == pytest.approx([10, 100, NAN], nan_ok=True)
    assert surface == pytest.approx([0.95, 0, NAN], nan_ok=True)


def test_hd95_has_no_worst_value_so_a_case_with_a_lost_mask_has_none():
    rows = [
        ("a", 0, 1, case, label, metric, value)
        for case, label, dice, distance in (
            ("c1", "front", 0.9, 1.0), ("c1", "back", 0.8, 3.0),
            ("c2", "front", 0.9, 1.0), ("c2", "back", 0.0, NAN),
        )
        for metric, value in (("dice", dice), ("hd95_mm", distance))
    ]  # fmt: skip
    (found,) = secondary_scores(arms_of(rows, target("front", "back"))).values()
    assert found.by_arm["mean"]["a"].tolist() == pytest.approx([2, NAN], nan_ok=True)
