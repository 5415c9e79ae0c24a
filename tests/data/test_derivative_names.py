import pytest

from neurotarget.data.derivative_names import derivative_path, entities_in, label_map_path


@pytest.mark.parametrize(
    ("case_id", "name"),
    [
        ("sub-01", "sub-01/anat/sub-01"),
        ("sub-01_T1w", "sub-01/anat/sub-01"),
        ("sub-01_ses-b_run-2", "sub-01/ses-b/anat/sub-01_ses-b_run-2"),
        ("sub-01_run-2_acq-hi_T1w", "sub-01/anat/sub-01_acq-hi_run-2"),
        ("sub-01_desc-preproc_T1w", "sub-01/anat/sub-01"),
        ("scan 7", "sub-scan7/anat/sub-scan7"),
        ("sub-01_left_scan", "sub-sub01leftscan/anat/sub-sub01leftscan"),
    ],
)
def test_entities_of_a_case_are_kept_in_the_order_of_the_standard(case_id, name, tmp_path):
    path = derivative_path(tmp_path, case_id, "dseg.nii.gz")
    assert path == tmp_path / f"{name}_desc-neurotarget_dseg.nii.gz"


def test_a_name_without_letters_or_digits_of_the_standard_is_a_hash():
    first, second = (entities_in(name)["sub"] for name in ("脳", "頭"))
    assert first != second
    assert first.isalnum()
    assert first.isascii()


def test_a_label_map_is_found_by_either_name(tmp_path):
    derived = derivative_path(tmp_path, "sub-1", "dseg.nii.gz")
    assert label_map_path(tmp_path, "sub-1") == tmp_path / "sub-1.nii.gz"
    derived.parent.mkdir(parents=True)
    derived.touch()
    assert label_map_path(tmp_path, "sub-1") == derived
