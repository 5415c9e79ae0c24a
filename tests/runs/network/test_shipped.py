"""The networks that come with the package: sizes, cards, and what they do on a real head."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurotarget.runs.network.network_file import read_card
from neurotarget.runs.network.predict_scans import predict_scans
from neurotarget.runs.network.shipped import shipped

NAMES = {"parcellation", "pituitary"}
SELLA_MM = (0.5, 38.0, -25.5)  # in the scanner's frame, read off the scan
MOST_BYTES = 12_000_000  # of all together


def test_they_are_small_and_there():
    assert set(shipped()) == NAMES
    assert sum(path.stat().st_size for path in shipped().values()) <= MOST_BYTES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_card_names_data_licences_scores_and_failures(name):
    card = read_card(shipped()[name])
    assert card.startswith(f"# {name}\n")
    for heading in ("Intended use", "Trained on", "Licences", "Scores", "Known failures"):
        _, _, text = card.partition(f"## {heading}\n")
        assert text.strip()
        assert not text.startswith("## ")
    assert "None is stated" not in card
    assert ".nii" not in card


def test_the_parcellation_agrees_with_freesurfer_on_a_real_head(shared_data, tmp_path):
    folder = shared_data / "bert_freesurfer" / "fs6"
    predict_scans("parcellation", folder / "norm.mgz", tmp_path / "out")
    found, truth = (
        np.asarray(nib.load(path).dataobj).astype(int)
        for path in (tmp_path / "out" / "norm.nii.gz", folder / "aseg.mgz")
    )
    thalamus, putamen, hippocampus, brain_stem = [10, 49], [12, 51], [17, 53], [16]
    for ids in (thalamus, putamen, hippocampus, brain_stem):
        one, other = np.isin(found, ids), np.isin(truth, ids)
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.7


def test_the_pituitary_of_a_real_head_is_one_piece_in_the_sella(shared_data, tmp_path):
    scan = shared_data / "heads" / "datalad_T1.nii.gz"
    predict_scans("pituitary", scan, tmp_path / "out")
    image = nib.load(tmp_path / "out" / "datalad_T1.nii.gz")
    mask = np.asarray(image.dataobj) > 0
    _, pieces = ndimage.label(mask, np.ones((3, 3, 3)))
    assert pieces == 1
    assert 250 < mask.sum() * abs(np.linalg.det(image.affine[:3, :3])) < 900
    centre_mm = image.affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + image.affine[:3, 3]
    assert np.linalg.norm(centre_mm - SELLA_MM) < 5
