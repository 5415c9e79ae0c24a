from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.nifti1 import Nifti1Extension
from torch import nn

from neurotarget.data.batches.prepare import Preparation, read_scans
from neurotarget.data.formats.formats import read_grid
from neurotarget.data.scans.volume import read_volume, same_grid
from neurotarget.inference.localiser import Limits
from neurotarget.inference.postprocess import Postprocessing
from neurotarget.inference.segment import (
    Localiser,
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
    prediction = predictor.predict(Case("c", "c", {"t1": path}), probabilities=True)
    save_labels(prediction, TARGET, tmp_path / "c.nii.gz")
    save_probabilities(prediction, TARGET, tmp_path)
    labels = nib.load(tmp_path / "c.nii.gz")
    assert labels.shape == nib.load(probability_path(tmp_path, "c", "cube")).shape == stored
    np.testing.assert_array_equal(labels.affine, nib.load(path).affine)
    np.testing.assert_array_equal(labels.dataobj, 9 * scan.reshape(stored))


def test_a_map_of_a_scan_without_orientation_claims_none_and_lies_on_it(tmp_path):
    affine = np.array([[-1.0, 0, 0, 9], [0, 0, 2, -7], [0, -1.5, 0, 3], [0, 0, 0, 1]])
    nib.save(nib.MGHImage(np.ones((3, 4, 5), np.float32), affine), tmp_path / "a.mgh")
    content = bytearray((tmp_path / "a.mgh").read_bytes())
    content[28:30] = b"\0\0"  # goodRASFlag
    (tmp_path / "a.mgh").write_bytes(content)
    scan = read_volume(tmp_path / "a.mgh")
    save_like(np.ones((3, 4, 5), np.uint8), scan.header, tmp_path / "map.nii.gz")
    header = nib.load(tmp_path / "map.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    made = read_volume(tmp_path / "map.nii.gz")
    assert not made.is_oriented
    assert same_grid(scan, made)
    np.testing.assert_allclose(read_grid(tmp_path / "map.nii.gz")[1], scan.affine, atol=1e-5)


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


def two_sides(tmp_path):
    """A scan of a bright cube on either side and a speck on the left."""
    scan = np.zeros((20, 8, 8), np.float32)
    scan[2:5, 2:5, 2:5] = scan[14:17, 2:5, 2:5] = 1
    scan[6, 6, 6] = 1
    nib.save(nib.Nifti1Image(scan, np.eye(4)), tmp_path / "scan.nii.gz")
    return Case("c", "c", {"t1": tmp_path / "scan.nii.gz"})


def test_each_side_of_a_pair_keeps_its_own_largest_piece(tmp_path):
    """Steps follow the parting into left and right, and see the target's own labels."""
    target = Target(
        *("pair", ["t1"], {"left": 1, "right": 2}, [1, 1, 1], [8, 8, 8]),
        pairs=[("left", "right")],
        sides="split",
    )
    steps = Postprocessing(largest_pieces={"left": 1, "right": 1})
    case = two_sides(tmp_path)
    raw = Predictor(Bright(), target, Preparation("none", None)).predict(case, probabilities=True)
    clean = Predictor(Bright(), target, Preparation("none", None), postprocessing=steps)
    found = clean.predict(case, probabilities=True)
    assert raw.values == {"left": 28.0, "right": 27.0}
    assert found.values == {"left": 27.0, "right": 27.0}
    assert "left: 2 pieces" in raw.flags
    assert "left: 2 pieces" not in found.flags
    np.testing.assert_array_equal(found.probabilities, raw.probabilities)


@pytest.mark.parametrize(
    ("pieces", "flag"),
    [(1, "cube: 3 pieces"), (2, "cube: 3 pieces, normally 2"), (4, "cube: 3 pieces, normally 4"),
     (3, None), ("any", None)],
)  # fmt: skip
def test_another_number_of_pieces_than_the_target_expects_is_flagged(tmp_path, pieces, flag):
    target = replace(TARGET, pieces={"cube": pieces})
    found = Predictor(Bright(), target, Preparation("none", None)).predict(two_sides(tmp_path))
    assert [one for one in found.flags if "piece" in one] == ([flag] if flag else [])


def test_settings_tell_of_pieces_only_where_the_target_does():
    plain = Predictor(Bright(), TARGET, Preparation("none", None))
    other = Predictor(Bright(), replace(TARGET, pieces={"cube": 2}), Preparation("none", None))
    assert other.settings == {**plain.settings, "pieces": {"cube": 2}}


def test_settings_tell_of_steps_only_where_there_are_some():
    plain = Predictor(Bright(), TARGET, Preparation("none", None))
    steps = Postprocessing(fill_holes=("cube",))
    other = Predictor(Bright(), TARGET, Preparation("none", None), postprocessing=steps)
    assert "postprocessing" not in plain.settings
    assert other.settings == {**plain.settings, "postprocessing": steps.as_dict()}


def test_a_localiser_marks_what_its_network_says(tmp_path):
    """The first stage of a cascade reads probabilities, which no step changes."""
    case = two_sides(tmp_path)
    limits = Limits((20.0, 8.0, 8.0), (1.0, 1000.0), 1.0, (1.0, 1.0, 1.0))
    steps = Postprocessing(largest_pieces={"cube": 1})
    volumes = []
    for postprocessing in (Postprocessing(), steps):
        first = Predictor(
            Bright(), TARGET, Preparation("none", None), postprocessing=postprocessing
        )
        scans = read_scans(case, TARGET, Preparation("none", None))
        volumes.append(Localiser(first, limits).locate(scans).volume_mm3)
    assert volumes == [55.0, 55.0]
