import pytest
from bids.layout import parse_file_entities

from neurotarget.data.layouts.bids_files import entities_of


@pytest.mark.parametrize(
    "path",
    [
        "/sub-01/ses-2/anat/sub-01_ses-2_acq-mprage_run-02_T1w.nii.gz",
        "/derivatives/raters/sub-a+b/anat/sub-a+b_space-T1w_label-gland_desc-ann_mask.nii.gz",
        "/sub-1/fmap/sub-1_echo-1_part-mag_MEGRE.nii.gz",
        "/sub-1/anat/sub-1_hemi-L_atlas-x_res-2_from-T1w_to-MNI_mode-image_xfm.nii",
        "/sub-1_scans.tsv",
        "/a.b",
    ],
)
def test_entities_are_those_of_pybids(path):
    wanted = {name: str(value) for name, value in parse_file_entities(path).items()}
    assert entities_of(path) == wanted
