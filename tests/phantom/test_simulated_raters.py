import numpy as np
import pytest

from neurotarget.metrics.masks.overlap import dice
from neurotarget.metrics.volume_agreement import icc_a1
from neurotarget.phantom.dentate.plan import QSMPlan
from neurotarget.phantom.simulated_raters import (
    RATER_1,
    RATER_2,
    Rater,
    simulate_rater,
    surface_mm2,
)
from neurotarget.problems import DataError
from oracles.dentates import mask_pair

PUBLISHED = {"intra": 0.91, "inter": 0.78}  # Shiraishi et al. 2025, doi:10.1148/ryai.240478
ONE_MM = (1.0, 1.0, 1.0)
REPEATS = 2


def ball(radius: float = 8.0, side: int = 25) -> np.ndarray:
    axes = np.ix_(*[np.arange(side) - side // 2] * 3)
    return (sum(axis**2 for axis in axes) < radius**2).astype(np.uint8)


def again(label: np.ndarray, rater: Rater, *seed: int, spacing_mm=ONE_MM) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return simulate_rater(label, rater, spacing_mm=spacing_mm, rng=rng)


@pytest.fixture(scope="module")
def people() -> list[np.ndarray]:
    """True masks of people of the built-in cohort."""
    subjects = QSMPlan(num_cases=36).subjects()
    return [mask_pair(subject.dentate_mm3, number) for number, subject in enumerate(subjects)]


@pytest.fixture(scope="module")
def drawings(people) -> dict[str, list[list[np.ndarray]]]:
    """Each person's masks by both raters and the first again, several times over."""
    raters = {"one": (RATER_1, 0), "two": (RATER_2, 1), "again": (RATER_1, 2)}
    return {
        name: [
            [again(mask, rater, turn, part, number) for number, mask in enumerate(people)]
            for turn in range(REPEATS)
        ]
        for name, (rater, part) in raters.items()
    }


def totals(masks: list[np.ndarray]) -> np.ndarray:
    return np.array([(mask > 0).sum() for mask in masks], dtype=float)


@pytest.mark.parametrize(("name", "other"), [("intra", "again"), ("inter", "two")])
def test_raters_agree_as_published(drawings, name: str, other: str):
    pairs = zip(drawings["one"], drawings[other], strict=True)
    found = [icc_a1(totals(first), totals(second)) for first, second in pairs]
    print(f"{name}-rater ICC(A,1) of total volume: {np.mean(found):.3f} ± {np.std(found):.3f}")
    assert np.mean(found) == pytest.approx(PUBLISHED[name], abs=0.06)


def test_a_rater_agrees_with_herself_better_than_with_another(drawings):
    pairs = zip(drawings["one"][0], drawings["two"][0], drawings["again"][0], strict=True)
    found = np.array([(dice(a > 0, c > 0), dice(a > 0, b > 0)) for a, b, c in pairs])
    own, others = found.mean(axis=0)
    assert 0.97 > own > others + 0.01
    assert others > 0.85


def test_the_first_rater_measures_the_truth_on_average(people, drawings):
    found = np.mean([totals(masks) for masks in drawings["one"]], axis=0)
    assert (found - totals(people)).mean() == pytest.approx(0, abs=12)  # of 1,340 mm³


def test_a_rater_without_errors_draws_the_same_mask():
    assert (again(ball(), Rater(), 1) == ball()).all()


@pytest.mark.parametrize("shift_mm", [0.4, -0.4])
def test_a_habit_moves_the_whole_boundary(shift_mm: float):
    moved = again(ball(), Rater(habit_mm=shift_mm), 1)
    more = int(moved.sum()) - int(ball().sum())
    assert more == pytest.approx(shift_mm * 4 * np.pi * 8**2, rel=0.06)
    inner, outer = sorted((moved, ball()), key=np.sum)
    assert (outer[inner > 0] > 0).all()


def test_waves_change_the_shape_and_keep_the_volume():
    waved = again(ball(), Rater(wave_mm=0.6), 1)
    assert waved.sum() == ball().sum()
    assert 0.85 < dice(ball() > 0, waved > 0) < 0.99


def test_lengths_hold_for_voxels_of_any_shape():
    flat, tall = (np.arange(41) - 20) * 0.6, (np.arange(13) - 6) * 2.0
    axes = np.ix_(flat, flat, tall)
    mask = (sum(axis**2 for axis in axes) < 8**2).astype(np.uint8)
    spacing = (0.6, 0.6, 2.0)
    assert surface_mm2(mask > 0, spacing) == pytest.approx(4 * np.pi * 64, rel=0.08)
    moved = again(mask, Rater(habit_mm=0.3), 1, spacing_mm=spacing)
    gained_mm3 = (int(moved.sum()) - int(mask.sum())) * 0.72
    assert gained_mm3 == pytest.approx(0.3 * 4 * np.pi * 64, rel=0.1)


def test_structures_that_touch_keep_their_ids_and_share_no_voxel():
    label = ball()
    label[13:][label[13:] > 0] = 7
    drawn = again(label.astype(np.int16), Rater(habit_mm=0.5, wave_mm=0.3), 1)
    assert drawn.dtype == np.int16
    assert set(np.unique(drawn)) == {0, 1, 7}
    assert dice(label == 7, drawn == 7) > 0.85


def test_a_structure_never_vanishes():
    tiny = np.zeros((9, 9, 9), np.uint8)
    tiny[4, 4, 4] = 3
    assert (again(tiny, Rater(habit_mm=-5.0), 1) == 3).sum() == 1


def test_an_empty_mask_is_refused():
    with pytest.raises(DataError, match="0 structures, wanted a 3-D one with at least one"):
        again(np.zeros((4, 4, 4), np.uint8), RATER_1, 1)


def test_a_negative_spread_is_refused():
    with pytest.raises(ValueError, match="wanted spreads of 0 or more"):
        Rater(wave_mm=-1)
