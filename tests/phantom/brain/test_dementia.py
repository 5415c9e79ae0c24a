from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy import ndarray

from neurotarget.phantom.brain.atrophy import AD, CHANGES, CONTROL, MCI, deformed, percent_of
from neurotarget.phantom.brain.dementia import DementiaCohort, DementiaPlan
from neurotarget.phantom.brain.plan import MapFile

MM = (1.0, 1.0, 1.0)


def balls(*parts: tuple[int, tuple[int, int, int], float]) -> ndarray:
    """White matter with balls of other ids: id, centre and radius in voxels."""
    ids = np.full((48, 48, 48), 2, dtype=np.uint16)
    places = np.indices(ids.shape)
    for value, centre, radius in parts:
        far = sum((place - at) ** 2 for place, at in zip(places, centre, strict=True))
        ids[far < radius**2] = value
    return ids


def gain(ids: ndarray, value: int, percent: dict) -> float:
    """Percent by which a structure is larger than in the same person without changes."""
    counts = [
        float((deformed(ids, MM, one, rng=np.random.default_rng(2)) == value).sum())
        for one in (percent, {})
    ]
    return 100 * (counts[0] / counts[1] - 1)


@pytest.mark.parametrize("change", [-24.0, 30.0])
def test_a_structure_changes_by_the_stated_share_of_its_volume(change: float):
    ids = balls((17, (24, 24, 24), 8.0))
    assert gain(ids, 17, {(17,): change}) == pytest.approx(change, rel=0.4)


def test_a_neighbour_of_growing_ventricles_keeps_its_volume():
    ids = balls((11, (24, 33, 24), 7.0), (4, (24, 20, 24), 8.0))
    assert gain(ids, 4, percent_of(AD)) > 20
    assert abs(gain(ids, 11, percent_of(AD))) < 10


def test_tissue_far_from_changes_is_that_of_the_same_person():
    ids = balls((17, (10, 24, 24), 6.0), (16, (38, 24, 24), 6.0))
    with_changes, without = (
        deformed(ids, MM, one, rng=np.random.default_rng(2)) for one in ({(17,): -30.0}, {})
    )
    assert np.array_equal(with_changes[26:], without[26:])
    assert not np.array_equal(with_changes[:20], without[:20])


def test_changes_are_those_published_and_graded():
    assert percent_of(CONTROL) == {}
    assert percent_of(AD)[(17,)] == -24.2  # Shi 2009
    assert percent_of(MCI, 0.5)[(53,)] == pytest.approx(-5.55)
    assert all(abs(one.mci) < abs(one.ad) for one in CHANGES)


def test_groups_of_the_clinic_have_equal_sizes_sexes_and_ages():
    people = pd.DataFrame(DementiaPlan(num_cases=6, patients=60).subjects())
    clinic = people[people["group"] != ""]
    assert Counter(clinic["group"]) == {"control": 20, "mci": 20, "ad": 20}
    assert Counter(clinic["site"]) == {"clinic": 60}
    assert np.ptp(clinic.groupby("group")["age"].mean()) < 2
    assert set(people[people["group"] == ""]["site"]) == {"east", "west"}
    assert people["subject_id"].is_unique


def test_no_label_map_is_both_trained_on_and_in_the_clinic():
    maps = tuple(MapFile(f"m{number}", "", "", 1500.0) for number in range(5))
    people = DementiaPlan(maps=maps, patients=9).subjects()
    trained = {one.map_number for one in people if not one.group}
    clinic = {one.map_number for one in people if one.group}
    assert (trained, clinic) == ({0, 2, 4}, {1, 3})
    with pytest.raises(ValueError, match="two label maps"):
        DementiaPlan(maps=maps[:1])


def test_clinic_of_own_maps_has_groups_and_measured_head_sizes(tmp_path: Path):
    (tmp_path / "maps").mkdir()
    for name in ("a", "b"):
        scan = nib.Nifti1Image(
            balls((17, (24, 24, 24), 8.0))[::2, ::2, ::2], np.diag([2.0] * 3 + [1])
        )
        nib.save(scan, tmp_path / "maps" / f"{name}.nii.gz")
    cohort = DementiaCohort(str(tmp_path / "cohort"), DementiaPlan(patients=3))
    table = pd.read_csv(cohort.obtain(str(tmp_path / "maps")))
    assert Counter(table["group"].fillna("")) == {"": 1, "control": 1, "mci": 1, "ad": 1}
    assert set(table["tiv_ml"]) == {round(24**3 * 8 / 1000, 1)}
    assert "age" not in table
