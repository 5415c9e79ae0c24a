"""Brain volume from stripped scans, brain masks and FreeSurfer; whole heads give none."""

import json

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.scans.volume import read_volume
from neurotarget.studies.brain_volume import brain_volumes, mask_mm3, stripped_mm3
from neurotarget.types import Case

SIDE, VOXEL_MM = 50, 4.0
ETIV = (
    "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, {}, mm^3"
)


def ball(radius_mm, centre_vox=(25, 25, 25)):
    far = np.linalg.norm(np.moveaxis(np.indices((SIDE,) * 3), 0, -1) - centre_vox, axis=-1)
    return (far * VOXEL_MM < radius_mm).astype(np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-VOXEL_MM, VOXEL_MM, VOXEL_MM, 1])), path)
    return path


MM3 = ball(65).sum() * VOXEL_MM**3


def hollow():
    brain = ball(65)
    brain[20:24, 25, 25] = 0  # a ventricle of 0 within
    return brain


@pytest.mark.parametrize(
    ("array", "known"),
    [
        (hollow(), True),
        (ball(95), False),  # a head
        (ball(40), False),  # less than a brain
        (ball(65) + 1, False),  # no background of 0
        (ball(65, (20, 25, 13)), False),  # cut off at the grid
        (ball(52, (12, 25, 25)) + ball(52, (38, 25, 25)), False),  # two pieces
        (np.zeros((SIDE,) * 3, np.uint8), False),
    ],
)
def test_only_a_whole_stripped_brain_has_a_volume(tmp_path, array, known):
    found = stripped_mm3(read_volume(write(tmp_path / "a.nii.gz", array)))
    assert found == pytest.approx(MM3 if known else np.nan, nan_ok=True)


def test_specks_of_a_thousandth_do_not_count(tmp_path):
    brain = ball(65)
    brain[2, 2, 2:10] = 1
    assert stripped_mm3(read_volume(write(tmp_path / "a.nii.gz", brain))) == pytest.approx(MM3)


def test_a_mask_has_to_be_plausible(tmp_path):
    assert mask_mm3(read_volume(write(tmp_path / "a.nii.gz", ball(65)))) == pytest.approx(MM3)
    assert np.isnan(mask_mm3(read_volume(write(tmp_path / "b.nii.gz", ball(40)))))


@pytest.fixture
def bids(tmp_path):
    """Ten subjects with whole heads."""
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "a"}))
    names = [f"sub-{number:02d}" for number in range(10)]
    head = ball(95)
    return tmp_path, [
        Case(name, name, {"t1": write(tmp_path / name / "anat" / f"{name}_T1w.nii.gz", head)})
        for name in names
    ]


def add_mask(root, name, *, space="", array=None):
    path = root / "derivatives" / "strip" / name / "anat"
    write(path / f"{name}{space}_desc-brain_mask.nii.gz", ball(65) if array is None else array)


def test_whole_heads_have_no_brain_volume_and_say_why(bids):
    found = brain_volumes(bids[1], ["t1"])
    assert not found.values
    assert found.why.startswith("the scans hold whole heads")


def test_brain_masks_of_derivatives_serve_where_four_fifths_have_one(bids):
    root, cases = bids
    for case in cases[:8]:
        add_mask(root, case.case_id)
        add_mask(root, case.case_id, space="_space-MNI152NLin2009cAsym", array=ball(60))
    found = brain_volumes(cases, ["t1"])
    assert (found.column, "desc-brain_mask" in found.origin) == ("brain_mm3", True)
    values = [found.values[case.case_id] for case in cases]
    assert values[:8] == pytest.approx([MM3] * 8)
    assert np.isnan(values[8:]).all()
    add_mask(root, "sub-07", space="_run-1")  # of a run that is not this scan
    assert brain_volumes(cases, ["t1"]).values == pytest.approx(found.values, nan_ok=True)
    (root / "derivatives" / "strip" / "sub-00" / "anat" / "sub-00_desc-brain_mask.nii.gz").unlink()
    assert not brain_volumes(cases, ["t1"]).values


def test_two_masks_of_one_scan_are_no_choice_to_make(bids):
    root, cases = bids
    for case in cases:
        add_mask(root, case.case_id)
        write(
            root / f"derivatives/other/{case.case_id}/{case.case_id}_desc-brain_mask.nii", ball(60)
        )
    assert not brain_volumes(cases, ["t1"]).values


def test_freesurfer_comes_before_masks(bids):
    root, cases = bids
    for number, case in enumerate(cases):
        add_mask(root, case.case_id)
        stats = root / "derivatives" / "freesurfer" / case.case_id / "stats" / "aseg.stats"
        stats.parent.mkdir(parents=True)
        stats.write_text("# Title\n" + ETIV.format(1_500_000.25 + number) + "\n")
    found = brain_volumes(cases, ["t1"])
    assert (found.column, found.values["sub-03"]) == ("etiv_mm3", 1_500_003.25)


def test_a_number_of_freesurfer_that_is_none_gives_no_volume(bids):
    root, cases = bids
    for case in cases:
        stats = root / "derivatives" / "freesurfer" / case.case_id / "stats" / "aseg.stats"
        stats.parent.mkdir(parents=True)
        stats.write_text("# Title\n" + ETIV.format("1.5.0") + "\n")
    assert not brain_volumes(cases, ["t1"]).values


def test_scans_that_are_gone_have_no_brain_volume(tmp_path):
    found = brain_volumes([Case("a", "a", {"t1": tmp_path / "gone.nii.gz"})], ["t1"])
    assert (dict(found.values), found.why) == ({}, "no scan was found")


def test_real_stripped_brains_have_the_volume_of_their_voxels(shared_data):
    folder = shared_data / "brains" / "t1"
    cases = [Case(name, name, {"t1": folder / f"{name}.nii.gz"}) for name in ("1000", "1012")]
    found = brain_volumes(cases, ["t1"])
    assert {name: round(mm3 / 1000) for name, mm3 in found.values.items()} == {
        "1000": 1630,
        "1012": 1212,
    }
    head = shared_data / "heads" / "datalad_T1.nii.gz"
    assert not brain_volumes([Case("a", "a", {"t1": head})], ["t1"]).values
