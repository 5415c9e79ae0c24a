from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.phantom.brain.cohort import HeadCohort
from neurotarget.phantom.brain.plan import HeadPlan
from neurotarget.problems import DataError
from neurotarget.types import Target

COARSE = HeadPlan(num_cases=2, voxel_scale=4.0)


def write_map(path: Path, axes: str = "PIR", unknown: int = 0) -> None:
    """A block of white matter in a shell of cortex, with a lesion and a region of the cortex."""
    ids = np.zeros((12, 14, 16), dtype=np.uint16)
    ids[1:-1, 1:-1, 1:-1] = 3
    ids[3:-3, 3:-3, 3:-3] = 2
    ids[5:7, 5:7, 5:7], ids[1:3, 1:3, 1:3], ids[0, 0, 0] = 25, 1006, unknown
    scan = nib.Nifti1Image(ids, np.diag([2.0, 2.0, 2.0, 1.0]))
    turn = nib.orientations.axcodes2ornt(axes)
    nib.save(
        scan.as_reoriented(nib.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], turn)), path
    )


@pytest.fixture
def target() -> Target:
    return Target(
        name="brain",
        question="How large?",
        contrasts=["t1"],
        labels=["Left-Cerebral-White-Matter", "Left-Cerebral-Cortex"],
        background_ids="others",
        spacing_mm=(2.0, 2.0, 2.0),
        patch_vox=(8, 8, 8),
    )


def test_drawn_heads_have_scan_map_and_covariates(tmp_path: Path):
    table = pd.read_csv(HeadCohort(str(tmp_path), COARSE).obtain(None))
    assert list(table) == [
        *("case_id", "subject_id", "t1", "label", "age", "sex"),
        *("site", "tiv_ml"),
    ]
    folder = next(tmp_path.iterdir())
    scan, label = (nib.load(folder / table[name][0]) for name in ("t1", "label"))
    assert np.allclose(scan.affine, label.affine)
    ids, grey = np.asarray(label.dataobj), scan.get_fdata()
    white, cortex, fluid = (np.median(grey[np.isin(ids, one)]) for one in ((2, 41), (3, 42), 24))
    assert white > 1.1 * cortex > 1.3 * fluid


def test_own_maps_of_any_orientation_get_scans_on_their_grid(tmp_path: Path, target: Target):
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps" / "anna.nii.gz")
    write_map(tmp_path / "maps" / "ben.mgz", axes="RAS")
    cohort = HeadCohort(str(tmp_path / "cohort"), HeadPlan(contrasts={"t1": "t2"}))
    manifest = read_manifest(cohort.obtain(str(tmp_path / "maps")), target)
    assert [case.case_id for case in manifest.cases] == ["anna", "ben"]
    for case in manifest.cases:
        scan, label = nib.load(case.images["t1"]), nib.load(case.label)
        assert nib.aff2axcodes(scan.affine) == nib.aff2axcodes(label.affine)
        assert scan.shape == label.shape
    assert nib.aff2axcodes(nib.load(manifest.cases[0].label).affine) == ("P", "I", "R")


def test_another_map_gives_another_cohort_but_the_same_maps_none(tmp_path: Path):
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps" / "anna.nii.gz")
    cohort = HeadCohort(str(tmp_path / "cohort"))
    first = cohort.obtain(str(tmp_path / "maps"))
    assert cohort.obtain(str(tmp_path / "maps")) == first
    write_map(tmp_path / "maps" / "anna.nii.gz", axes="RAS")
    assert cohort.obtain(str(tmp_path / "maps")) != first


def test_unknown_ids_of_own_maps_are_listed_with_counts(tmp_path: Path):
    write_map(tmp_path / "anna.nii.gz", unknown=999)
    with pytest.raises(DataError, match=r"anna.*999 \(1 voxels\)"):
        HeadCohort(str(tmp_path / "cohort")).obtain(str(tmp_path))


def test_other_data_sets_are_used_as_they_are(tmp_path: Path):
    (tmp_path / "dataset_description.json").write_text("{}")
    write_map(tmp_path / "anna.nii.gz")
    assert HeadCohort(str(tmp_path / "cohort")).obtain(str(tmp_path)) == tmp_path


def test_plan_refuses_an_unknown_sequence():
    with pytest.raises(ValueError, match="unknown sequences mprag, known are free, mprage"):
        HeadPlan(contrasts={"t1": "mprag"})
