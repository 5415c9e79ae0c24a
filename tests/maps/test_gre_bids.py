import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurotarget.maps.gre import read_acquisition
from neurotarget.maps.gre_bids import scan_acquisitions
from neurotarget.problems import DataError, refuse_errors
from oracles.gre_scans import TE_S, save, write_bids, write_json

SMALL = np.ones((2, 4, 4, 4), np.float32)
MAG, PHASE = "sub-01_echo-{}_part-mag_MEGRE", "sub-01_echo-{}_part-phase_MEGRE"


@pytest.fixture
def data(tmp_path):
    """Two people with two echoes of 4 × 4 × 4 voxels."""
    return write_bids(tmp_path / "bids", ["01", "02"], arrays=(SMALL, SMALL))


@pytest.fixture
def anat(data):
    return data / "sub-01" / "anat"


def find_acquisitions(folder, suffix=None):
    found = scan_acquisitions(folder, suffix=suffix)
    refuse_errors(found.problems)
    return found.acquisitions


def problem_text(folder):
    with pytest.raises(DataError) as caught:
        find_acquisitions(folder)
    return str(caught.value)


def test_every_persons_echoes_are_paired_with_their_times(data):
    first, second = find_acquisitions(data)
    assert (first.case_id, second.case_id) == ("sub-01", "sub-02")
    assert first.te_s == TE_S[:2]
    assert first.field_t == 3.0
    assert [path.name for path in first.phases] == [
        PHASE.format(echo) + ".nii.gz" for echo in (1, 2)
    ]
    assert first.folder == "sub-01/anat"
    assert first.sources[0] == f"bids::sub-01/anat/{MAG.format(1)}.nii.gz"


def test_sessions_runs_and_acquisitions_are_scans_of_their_own(data):
    anat = data / "sub-03" / "ses-2" / "anat"
    for name in ("acq-fine_run-1", "run-2"):
        for part in ("mag", "phase"):
            stem = f"sub-03_ses-2_{name}_part-{part}_T2starw"
            save(anat / f"{stem}.nii.gz", SMALL[0])
            write_json(anat / f"{stem}.json", {"EchoTime": 0.02, "MagneticFieldStrength": 7})
    found = {one.case_id: one for one in find_acquisitions(data)}
    assert {"sub-03_ses-2_acq-fine_run-1", "sub-03_ses-2_run-2"} <= set(found)
    assert found["sub-03_ses-2_run-2"].field_t == 7
    assert found["sub-03_ses-2_run-2"].te_s == (0.02,)


def test_sidecars_further_in_go_before_those_above(data, anat):
    write_json(anat / "sub-01_MEGRE.json", {"MagneticFieldStrength": 1.5})
    assert [one.field_t for one in find_acquisitions(data)] == [1.5, 3.0]


def test_the_frequency_is_used_if_it_is_given(data, anat):
    write_json(anat / "sub-01_MEGRE.json", {"ImagingFrequency": 123.25})
    assert find_acquisitions(data)[0].field_t == pytest.approx(123.25 / 42.577, abs=1e-3)
    write_json(anat / "sub-01_MEGRE.json", {"ImagingFrequency": 63.87})
    assert "3 T but a frequency of 63.87 MHz" in problem_text(data)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MagneticFieldStrength", [3], "MagneticFieldStrength of 3, nan T"),
        ("MagneticFieldStrength", 0, "MagneticFieldStrength of 0, 3 T"),
        ("ImagingFrequency", 100, "ImagingFrequency of 100, 123.2 MHz"),
    ],
)
def test_a_sidecar_that_differs_from_others_is_reported_by_its_field(
    data, anat, name, value, words
):
    write_json(anat / "sub-01_MEGRE.json", {"ImagingFrequency": 123.25})
    write_json(anat / f"{PHASE.format(2)}.json", {"EchoTime": 0.008, name: value})
    assert f"{words}, wanted one of all echoes; correct the sidecars" in problem_text(data)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("*part-mag*", "sub-01: found phase without magnitude"),
        ("*part-phase*", "sub-01: found magnitude without phase"),
        ("*echo-2_part-phase*", "found magnitude of echo 1, 2 and phase of echo 1"),
        ("*echo-1_part-phase*.json", "found no EchoTime of echo 1"),
        ("../../MEGRE.json", "found no field strength.*set field_t=3"),
    ],
)
def test_what_is_missing_is_reported(data, anat, gone, words):
    files = [anat / gone] if gone.startswith("..") else list(anat.glob(gone))
    for path in files:
        path.unlink()
    with pytest.raises(DataError, match=words):
        find_acquisitions(data)


@pytest.mark.parametrize(
    ("echo_times", "words"),
    [
        ((4, 8), "echo times of 4, 8 s"),
        ((0.004, 0.004), "one echo time twice"),
        ((0.008, 0.004), "do not rise"),
        (("soon", 0.004), "echo times of nan, 0.004 s"),
    ],
)
def test_unfit_echo_times_are_reported(data, anat, echo_times, words):
    for echo, te in enumerate(echo_times, start=1):
        write_json(anat / f"{PHASE.format(echo)}.json", {"EchoTime": te})
    text = problem_text(data)
    assert words in text
    assert "te_ms" not in text  # which is refused beside a folder


def test_magnitude_and_phase_must_tell_one_echo_time(data, anat):
    write_json(anat / f"{MAG.format(1)}.json", {"EchoTime": 0.005})
    assert "EchoTime 0.005 s for magnitude and 0.004 s for phase of echo 1" in problem_text(data)


def test_problems_of_all_scans_are_reported_in_one_pass_and_the_others_stay(data, anat):
    write_json(anat / f"{PHASE.format(1)}.json", {"EchoTime": 4})
    for path in (data / "sub-02").rglob("*part-mag*"):
        path.unlink()
    (data / "sub-01" / "anat" / "sub-01_MEGRE.json").write_text("{broken")
    text = problem_text(data)
    assert "unreadable JSON" in text
    assert "sub-01: found echo times of 4, 0.008 s" in text
    assert "sub-02: found phase without magnitude" in text


def test_the_field_strength_can_be_given_where_sidecars_have_none(data):
    (data / "MEGRE.json").unlink()
    found = scan_acquisitions(data, field_t=1.5)
    assert [one.field_t for one in found.acquisitions] == [1.5, 1.5]
    assert found.problems == []


def test_two_kinds_of_one_name_ask_for_a_choice(data, anat):
    for part in ("mag", "phase"):
        save(anat / f"sub-01_part-{part}_T2starw.nii.gz", SMALL[0])
    assert "sub-01: found MEGRE and T2starw of one name, wanted one scan" in problem_text(data)
    assert len(find_acquisitions(data, suffix="MEGRE")) == 2


def test_an_echo_in_two_files_is_reported(data, anat):
    save(anat / f"{MAG.format(1)}.nii", SMALL[0])
    assert "found an echo of magnitude twice" in problem_text(data)


def test_without_such_scans_the_suffixes_are_listed(tmp_path):
    write_json(tmp_path / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.10.0"})
    save(tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii.gz", SMALL[0])
    assert "of MEGRE, GRE, T2starw (only T1w)" in problem_text(tmp_path)


def test_masks_and_reference_maps_of_derivatives_are_taken(data):
    place = data / "derivatives" / "bet" / "sub-01" / "anat"
    mask = save(place / "sub-01_desc-brain_mask.nii.gz", SMALL[0])
    save(place / "sub-01_label-lesion_mask.nii.gz", SMALL[0])
    chi = save(place / "sub-01_Chimap.nii.gz", SMALL[0])
    first, second = find_acquisitions(data)
    assert (first.mask, first.reference) == (mask, chi)
    assert (second.mask, second.reference) == (None, None)


def test_a_mask_of_another_grid_is_ignored_with_a_warning(data):
    place = data / "derivatives" / "t1" / "sub-01" / "anat"
    save(place / "sub-01_desc-brain_mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    found = scan_acquisitions(data)
    assert found.acquisitions[0].mask is None
    (problem,) = found.problems
    assert (problem.level, problem.case_id) == ("warning", "sub-01")
    assert "sub-01_desc-brain_mask.nii.gz on another grid" in problem.found


def test_our_own_maps_are_no_input(data):
    place = data / "derivatives" / "maps"
    save(place / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz", SMALL[0])
    write_json(
        place / "dataset_description.json",
        {"Name": "m", "BIDSVersion": "1.10.0", "GeneratedBy": [{"Name": "neurotarget"}]},
    )
    assert find_acquisitions(data)[0].mask is None
    about = json.loads((place / "dataset_description.json").read_text())
    about["GeneratedBy"] = [{"Name": "bet"}]
    write_json(place / "dataset_description.json", about)
    assert find_acquisitions(data)[0].mask is not None


def test_a_folder_may_be_named_from_where_one_stands(tmp_path, monkeypatch):
    write_bids(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set" / "sub-01")
    for name in ("..", "../../set"):
        (found,) = find_acquisitions(Path(name))
        assert found.folder == "sub-01/anat"
        assert found.sources[0] == "bids::sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz"


@pytest.mark.parametrize("above", ["sub-study7", "acq-x", "echo-7", "part-phase", "dwi"])
def test_names_of_folders_above_the_root_are_ignored(tmp_path, above):
    found = find_acquisitions(write_bids(tmp_path / above / "set"))
    assert [(one.case_id, one.te_s, one.folder) for one in found] == [
        ("sub-01", TE_S, "sub-01/anat")
    ]


def test_a_scan_with_a_file_that_was_not_fetched_says_so(data, anat):
    path = anat / f"{PHASE.format(2)}.nii.gz"
    path.unlink()
    path.symlink_to("../.git/annex/objects/x")
    first, second = find_acquisitions(data)
    with pytest.raises(DataError, match=rf"sub-01: .*{path.name}: found a broken link"):
        read_acquisition(first)
    assert all(file.is_file() for file in second.files)


def as_complex(folder, imaginary="imag"):
    """Name the parts of a data set real and imaginary, with the numbers that they stand for."""
    for path in sorted(folder.rglob("*part-mag*.nii.gz")):
        other = path.with_name(path.name.replace("part-mag", "part-phase"))
        size, angle = (np.asarray(nib.load(one).dataobj) for one in (path, other))
        signal = size * np.exp(1j * angle)
        for part, array in (("real", signal.real), (imaginary, signal.imag)):
            name = path.name.replace("part-mag", f"part-{part}")
            save(path.with_name(name), array.astype(np.float32))
        about = other.with_name(other.name.replace(".nii.gz", ".json"))
        about.rename(about.with_name(about.name.replace("part-phase", f"part-{imaginary}")))
        path.unlink()
        other.unlink()


@pytest.mark.parametrize("imaginary", ["imag", "imaginary"])
def test_real_and_imaginary_parts_give_their_magnitude_and_phase(tmp_path, imaginary):
    rng = np.random.default_rng(0)
    size = rng.uniform(1, 9, (2, 4, 4, 4)).astype(np.float32)
    angle = rng.uniform(-3, 3, size.shape).astype(np.float32)
    folder = write_bids(tmp_path / "bids", arrays=(size, angle))
    as_complex(folder, imaginary)
    (found,) = find_acquisitions(folder)
    assert found.is_complex
    assert (found.te_s, found.folder) == (TE_S[:2], "sub-01/anat")
    gre = read_acquisition(found, phase_scale="range")  # which is of stored phase
    np.testing.assert_allclose(gre.magnitude, size, rtol=1e-5)
    np.testing.assert_allclose(gre.phase_rad, angle, atol=1e-5)


def test_magnitude_and_phase_go_before_real_and_imaginary_parts(data, anat):
    write_json(anat / "sub-01_echo-1_MEGRE.json", {"EchoTime": 0.004})
    for part in ("real", "imag"):
        save(anat / f"sub-01_echo-1_part-{part}_MEGRE.nii.gz", SMALL[0])
    first, _ = find_acquisitions(data)
    assert not first.is_complex
    for path in anat.glob("*part-phase*.nii.gz"):
        path.unlink()
    assert find_acquisitions(data)[0].is_complex


def test_a_part_alone_is_reported(data, anat):
    for path in anat.glob("*.nii.gz"):
        path.unlink()
    save(anat / "sub-01_echo-1_part-real_MEGRE.nii.gz", SMALL[0])
    assert "found real part without imaginary part" in problem_text(data)
    assert "add the *_part-imag_* files" in problem_text(data)


def test_parts_without_a_sign_are_refused(data, anat):
    write_json(anat / "sub-01_echo-1_MEGRE.json", {"EchoTime": 0.004})
    for number, part in enumerate(("real", "imag")):
        save(anat / f"sub-01_echo-1_part-{part}_MEGRE.nii.gz", SMALL[0] * number)
        for path in anat.glob(f"*part-{('mag', 'phase')[number]}*.nii.gz"):
            path.unlink()
    first, _ = find_acquisitions(data)
    with pytest.raises(DataError, match="no negative value in real and imaginary parts"):
        read_acquisition(first)


def test_real_and_imaginary_parts_of_a_real_layout_are_read(cases_folder):
    (found,) = find_acquisitions(cases_folder / "real_imaginary")
    assert found.te_s == (0.004, 0.008, 0.012)
    gre = read_acquisition(found)
    real, imaginary = (
        np.asarray(nib.load(paths[2]).dataobj) for paths in (found.magnitudes, found.phases)
    )
    signal = gre.magnitude[2] * np.exp(1j * gre.phase_rad[2])
    np.testing.assert_allclose(signal, real + 1j * imaginary, atol=1e-9)
