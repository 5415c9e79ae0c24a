import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.prepare import Preparation
from neurotarget.inference.folder import predict_all
from neurotarget.inference.predict import Predictor
from neurotarget.types import Case, DataError, Roi, Target


class Bright(nn.Module):
    """Scores a voxel as foreground where it is brighter than 0.5."""

    def forward(self, image):
        return torch.cat([0.5 - image, image - 0.5], dim=1) * 100


@pytest.fixture
def target():
    return Target(
        name="cube",
        contrasts=["t1"],
        labels={"cube": 9},
        spacing_mm=[1, 1, 1],
        patch_vox=[8, 8, 8],
        roi=Roi(size_mm=(10, 10, 10), anchor="scan"),
        volume_range_mm3={"cube": (10, 100)},
    )


@pytest.fixture
def predictor(target):
    return Predictor(Bright(), target, Preparation("none", None))


@pytest.fixture
def cases(tmp_path):
    made = []
    for number, low in enumerate((6, 4)):  # the second touches the edge of the box
        scan = np.zeros((16, 16, 16), np.float32)
        scan[low : low + 3, 7:10, 7:10] = 1
        if low == 4:
            scan[3, 7:10, 7:10] = 1
        path = tmp_path / f"c{number}.nii.gz"
        nib.save(nib.Nifti1Image(scan, np.eye(4)), path)
        made.append(Case(f"c{number}", f"c{number}", {"t1": path}))
    return made


def test_labels_are_written_with_the_targets_id_and_measured(predictor, cases, tmp_path):
    outcomes = predict_all(predictor, cases[:1], tmp_path / "out", made_by="w")
    assert outcomes[0].volumes_mm3 == {"cube": 27.0}
    assert outcomes[0].note == ""
    labels = np.asarray(nib.load(tmp_path / "out" / "c0.nii.gz").dataobj)
    assert set(np.unique(labels)) == {0, 9}
    np.testing.assert_array_equal(np.argwhere(labels)[0], (6, 7, 7))


def test_what_looks_odd_is_said(predictor, cases, tmp_path):
    (outcome,) = predict_all(predictor, cases[1:], tmp_path / "out", made_by="w")
    assert "touches the edge of the region of interest" in outcome.note
    empty = tmp_path / "empty.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((16, 16, 16), np.float32), np.eye(4)), empty)
    (outcome,) = predict_all(
        predictor, [Case("e", "e", {"t1": empty})], tmp_path / "out", made_by="w"
    )
    assert outcome.note == "cube: empty"


def test_a_case_without_its_line_is_predicted_again(predictor, cases, tmp_path):
    out = tmp_path / "out"
    predict_all(predictor, cases, out, made_by="w")
    lines = (out / "volumes.tsv").read_text().splitlines(keepends=True)
    (out / "volumes.tsv").write_text("".join(lines[:2]))  # killed before the second line
    stamps = [(out / f"c{number}.nii.gz").stat().st_mtime_ns for number in (0, 1)]
    outcomes = predict_all(predictor, cases, out, made_by="w")
    after = [(out / f"c{number}.nii.gz").stat().st_mtime_ns for number in (0, 1)]
    assert after[0] == stamps[0]
    assert after[1] > stamps[1]
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert (out / "volumes.tsv").read_text() == "".join(lines)


def test_predictions_of_other_weights_are_not_mixed_in(predictor, cases, tmp_path):
    predict_all(predictor, cases, tmp_path / "out", made_by="first")
    with pytest.raises(DataError, match=r"found predictions of other weights \(first\)"):
        predict_all(predictor, cases, tmp_path / "out", made_by="second")
    predict_all(predictor, cases, tmp_path / "out", made_by="second", overwrite=True)
    predict_all(predictor, cases, tmp_path / "out", made_by="second")
