import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.nifti1 import Nifti1Extension
from torch import nn

from neurotarget.data.prepare import Preparation
from neurotarget.data.volume import read_volume
from neurotarget.inference.predict import (
    Predictor,
    probability_path,
    save_labels,
    save_like,
    save_probabilities,
)
from neurotarget.types import Case, Target

TARGET = Target("cube", ["t1"], {"cube": 9}, [1, 1, 1], [8, 8, 8])


class Bright(nn.Module):
    def forward(self, image):
        return torch.cat([0.5 - image, image - 0.5], dim=1) * 100


@pytest.mark.parametrize(
    ("ending", "shape"),
    [
        (".nii.gz", (6, 7, 8)),
        (".nii.gz", (6, 7, 8, 1)),
        (".nii", (6, 7, 8, 1, 1)),
        (".nii", (6, 7, 1)),
        (".mgz", (6, 7, 8)),
    ],
)
def test_maps_come_in_the_shape_that_the_scan_is_stored_in(tmp_path, ending, shape):
    scan = np.zeros(shape, np.float32)
    scan[2:4, 3:5, 0:1] = 1
    kind = nib.MGHImage if ending == ".mgz" else nib.Nifti1Image
    path = tmp_path / f"scan{ending}"
    nib.save(kind(scan, np.diag([-1.0, 1, 1, 1])), path)
    stored = nib.load(path).shape
    predictor = Predictor(Bright(), TARGET, Preparation("none", None))
    prediction = predictor.predict(Case("c", "c", {"t1": path}))
    save_labels(prediction, TARGET, tmp_path / "c.nii.gz")
    save_probabilities(prediction, TARGET, tmp_path)
    labels = nib.load(tmp_path / "c.nii.gz")
    assert labels.shape == nib.load(probability_path(tmp_path, "c", "cube")).shape == stored
    np.testing.assert_array_equal(labels.affine, nib.load(path).affine)
    np.testing.assert_array_equal(labels.dataobj, 9 * scan.reshape(stored))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_what_may_name_a_patient_stays_with_the_scan(tmp_path, kind):
    scan = kind(np.zeros((4, 4, 4), np.float32), np.eye(4))
    scan.header.extensions.append(Nifti1Extension("comment", b"Anna Smith"))
    scan.header["descrip"] = scan.header["aux_file"] = b"Anna Smith"
    scan.header.set_intent("t test", (3,), name="Anna Smith")
    if kind is nib.Nifti1Image:
        scan.header["db_name"] = b"Anna Smith"
    nib.save(scan, tmp_path / "scan.nii")
    header = read_volume(tmp_path / "scan.nii").header
    save_like(np.ones((4, 4, 4), np.uint8), header, tmp_path / "map.nii")
    assert b"Anna" not in (tmp_path / "map.nii").read_bytes()
    assert b"Anna" in (tmp_path / "scan.nii").read_bytes()
    assert len(header.extensions) == 1
    assert nib.load(tmp_path / "map.nii").get_fdata().sum() == 64
