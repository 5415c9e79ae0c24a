"""`neurotarget qsm` on files: what it writes, keeps, makes again and refuses."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from neurotarget.cli.commands.qsm import run
from neurotarget.problems import DataError
from oracles.command_arguments import as_arguments
from oracles.gre_scans import (
    AFFINE,
    BRAIN,
    IRON,
    IRON_PPM,
    echoes,
    save,
    write_bids,
    write_json,
    write_plain,
)


def load(path):
    return np.asanyarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Words of a plain scan, and the folder of its maps."""
    folder = tmp_path_factory.mktemp("plain")
    arguments = {**write_plain(folder), "device": "cpu", "output": str(folder / "maps")}
    assert run(as_arguments(arguments)) == 0
    return arguments, folder / "maps"


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    """A data set of three people of whom one has a NaN and one no magnitude, and its maps."""
    folder = tmp_path_factory.mktemp("bids")
    write_bids(folder, ["01", "02", "03"])
    broken = folder / "sub-02" / "anat" / "sub-02_echo-1_part-phase_MEGRE.nii.gz"
    phase = load(broken).copy()
    phase[0, 0, 0] = np.nan
    save(broken, phase)
    for path in (folder / "sub-03").rglob("*part-mag*"):
        path.unlink()
    mask = folder / "derivatives" / "bet" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    save(mask, BRAIN.astype(np.uint8))
    output = folder / "derivatives" / "neurotarget"
    status = run(as_arguments({"source": str(folder), "output": str(output), "device": "cpu"}))
    return folder, output, status


def test_iron_is_found_in_ppm_against_the_brain(plain):
    _, maps = plain
    chi, mask = (
        load(maps / "magnitude_1_Chimap.nii.gz"),
        load(maps / "magnitude_1_desc-chi_mask.nii.gz"),
    )
    inside = mask > 0
    assert chi.dtype == np.float32
    assert abs(chi[inside].mean()) < 1e-3
    contrast = chi[IRON & inside].mean() - chi[inside & ~IRON].mean()
    assert 0.7 * IRON_PPM < contrast < 1.1 * IRON_PPM
    assert not chi[~inside].any()


def test_maps_lie_on_the_scans_grid(plain):
    arguments, maps = plain
    scan = nib.load(arguments["magnitude"].split(",")[0])
    files = sorted(maps.glob("*.nii.gz"))
    assert len(files) == 4
    for path in files:
        image = nib.load(path)
        assert image.shape == scan.shape
        np.testing.assert_array_equal(image.affine, scan.affine)
        assert int(image.header["sform_code"]) == int(scan.header["sform_code"]) == 1
        assert path.with_name(path.name.replace(".nii.gz", ".json")).is_file()


def test_the_sidecar_says_how_the_map_was_made(plain):
    _, maps = plain
    text = (maps / "magnitude_1_Chimap.json").read_text()
    about = json.loads(text)
    assert about["Units"] == "ppm"
    assert about["EchoTime"] == [0.004, 0.008, 0.012]
    assert about["MagneticFieldStrength"] == 3
    assert about["B0Direction"] == [0, 0, 1]
    assert about["Method"]["background"] == "vsharp"
    assert about["Method"]["inversion"] == "l2"
    assert about["Reference"] == "brain"
    assert "−π to π" in about["PhaseScale"]
    assert "paramagnetic is positive" in about["Handedness"]
    assert about["Method"]["handedness"] == 1
    assert about["Sources"][0] == "magnitude_1.nii.gz"
    assert about["Statistics"]["sd_ppm"] > 0
    assert 0.3 < about["Statistics"]["mask_left"] < 1
    assert "/" not in text.replace("n/a", "")  # no path of the machine


def test_the_local_field_is_in_hz(plain):
    _, maps = plain
    about = json.loads((maps / "magnitude_1_desc-local_fieldmap.json").read_text())
    assert about["Units"] == "Hz"
    hz = load(maps / "magnitude_1_desc-local_fieldmap.nii.gz")
    # 0.2 ppm at 3 T are 25 Hz; the field of a ball is at most two thirds of that outside it
    assert 5 < np.abs(hz).max() < 26


def test_the_page_shows_picture_numbers_and_statements(plain):
    _, maps = plain
    page = (maps / "qsm.html").read_text()
    for part in (
        "magnitude_1",
        "4, 8, 12 ms",
        "−π to π",
        "paramagnetic is positive",
        "<svg",
        "ppm",
    ):
        assert part in page


def test_phase_of_the_other_sign_gives_the_same_map(plain, tmp_path):
    arguments, maps = plain
    _, phase = echoes()
    paths = [save(tmp_path / f"p{n}.nii", -one) for n, one in enumerate(phase)]
    turned = {**arguments, "phase": ",".join(map(str, paths)), "output": str(tmp_path / "maps")}
    assert run(as_arguments(turned)) == 0
    found = load(tmp_path / "maps" / "magnitude_1_Chimap.nii.gz")
    np.testing.assert_allclose(found, load(maps / "magnitude_1_Chimap.nii.gz"), atol=1e-5)
    about = json.loads((tmp_path / "maps" / "magnitude_1_Chimap.json").read_text())
    assert "other sign" in about["Handedness"]
    assert about["Notes"][0].startswith("the sign of the phase was inverted: paramagnetic is")
    assert about["Method"]["handedness"] == -1


def test_one_4d_file_gives_the_same_map(plain, tmp_path):
    arguments, maps = plain
    stacked = write_plain(tmp_path, stacked=True)
    assert run(as_arguments({**arguments, **stacked, "output": str(tmp_path / "maps")})) == 0
    found = load(tmp_path / "maps" / "magnitude_Chimap.nii.gz")
    np.testing.assert_allclose(found, load(maps / "magnitude_1_Chimap.nii.gz"), atol=1e-5)


def test_real_and_imaginary_parts_give_the_same_map(plain, tmp_path):
    arguments, maps = plain
    magnitude, phase = echoes()
    signal = np.moveaxis(magnitude * np.exp(1j * phase), 0, -1)
    parts = {
        "real": str(save(tmp_path / "real.nii", signal.real.astype(np.float32))),
        "imaginary": str(save(tmp_path / "imaginary.nii", signal.imag.astype(np.float32))),
    }
    rest = {key: value for key, value in arguments.items() if key not in ("magnitude", "phase")}
    assert run(as_arguments({**rest, **parts, "output": str(tmp_path / "maps")})) == 0
    found = load(tmp_path / "maps" / "real_Chimap.nii.gz")
    np.testing.assert_allclose(found, load(maps / "magnitude_1_Chimap.nii.gz"), atol=1e-4)


def test_a_finished_scan_is_kept_until_something_changes(plain, capsys):
    arguments, maps = plain
    path = maps / "magnitude_1_Chimap.nii.gz"
    before = path.stat().st_mtime_ns
    assert run(as_arguments(arguments)) == 0
    assert "1 of 1 scans have their maps, 1 of them kept" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == before
    assert run(as_arguments({**arguments, "inversion": "tkd"})) == 0
    assert path.stat().st_mtime_ns > before
    before = path.stat().st_mtime_ns
    assert run(as_arguments({**arguments, "inversion": "tkd", "overwrite": "true"})) == 0
    assert path.stat().st_mtime_ns > before
    assert run(as_arguments({**arguments, "overwrite": "true"})) == 0  # as the others found it
    assert not list(maps.glob(".draft-*"))


def test_scans_that_fail_are_reported_and_the_others_continue(bids, capsys):
    _, output, status = bids
    assert status == 2
    there = {path.name for path in output.rglob("*_Chimap.nii.gz")}
    assert there == {"sub-01_Chimap.nii.gz"}
    page = (output / "qsm.html").read_text()
    assert "NaN or Inf in 1 of" in page
    assert "phase without magnitude" in page
    run(as_arguments({"source": str(bids[0]), "output": str(output), "device": "cpu"}))
    message = capsys.readouterr()
    assert "1 of 3 scans have their maps, 1 of them kept" in message.out
    assert "sub-02_echo-1_part-phase_MEGRE.nii.gz: found NaN or Inf in 1 of" in message.err
    assert "error: sub-03: found phase without magnitude" in message.err
    assert "failed: sub-02, sub-03; the page gives the reasons" in message.err


def test_maps_of_bids_are_a_derivative_with_the_given_mask(bids):
    _, output, _ = bids
    about = json.loads((output / "dataset_description.json").read_text())
    assert (about["DatasetType"], about["GeneratedBy"][0]["Name"]) == ("derivative", "neurotarget")
    anat = output / "sub-01" / "anat"
    np.testing.assert_array_equal(load(anat / "sub-01_desc-brain_mask.nii.gz"), BRAIN)
    text = json.loads((anat / "sub-01_Chimap.json").read_text())
    assert text["BrainMask"] == "given"
    assert text["Sources"][0] == "bids::sub-01/anat/sub-01_echo-1_part-mag_MEGRE.nii.gz"


def test_a_data_set_is_not_written_into(bids):
    folder, _, _ = bids
    for output in (folder, folder / "sub-01" / "anat"):
        with pytest.raises(DataError, match=r"holds the scans' own data.*derivatives/neurotarget"):
            run(as_arguments({"source": str(folder), "output": str(output), "device": "cpu"}))
    assert not list((folder / "sub-01").rglob("*Chimap*"))


def test_a_map_never_replaces_an_input(plain, tmp_path):
    arguments, _ = plain
    copy = tmp_path / "magnitude_1_desc-brain_mask.nii.gz"
    save(copy, BRAIN.astype(np.uint8))
    with pytest.raises(DataError, match="a map would replace an input"):
        run(as_arguments({**arguments, "mask": str(copy), "output": str(tmp_path)}))


def test_the_derivatives_of_another_tool_are_not_written_into(bids, tmp_path):
    folder, _, _ = bids
    shutil.copytree(folder / "derivatives" / "bet", tmp_path / "bet")
    write_json(tmp_path / "bet" / "dataset_description.json", {"Name": "bet"})
    with pytest.raises(DataError, match="found another data set"):
        run(as_arguments({"source": str(folder), "output": str(tmp_path / "bet"), "device": "cpu"}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"output": None}, "found no output"),
        ({"te_ms": "4,8"}, "found 3 echoes of magnitude for 2 echo times"),
        ({"te_ms": "0.004,0.008,0.012"}, "echo times of 0.004, 0.008, 0.012 ms"),
        ({"te_ms": "4;8"}, "te_ms: got '4;8', wanted numbers"),
        ({"te_ms": None}, "found no te_ms="),
        ({"field_t": None}, "found no field_t="),
        ({"phase": None}, "found no phase="),
        ({"real": "real.nii"}, "magnitude= or phase= with real= or imaginary="),
        ({"phase": "nowhere.nii"}, "phase: no such file: nowhere.nii"),
        ({"b0": "0,0"}, "b0: got '0,0', wanted three numbers"),
        ({"b0": "0,0,0"}, "b0: got '0,0,0', wanted three numbers"),
        ({"inversion": "tkdd"}, "inversion: got 'tkdd', wanted l2, tkd or tv; did you mean tkd?"),
        ({"handedness": "left"}, "handedness: got 'left', wanted auto, 1 or -1"),
        ({"overwrite": "yes"}, "overwrite: got 'yes', wanted true or false"),
        ({"device": "abacus"}, "device: found abacus"),
        ({"suffix": "MEGRE"}, "suffix=: belongs to a BIDS folder"),
        ({"source": "."}, "magnitude=: has no meaning with a BIDS folder"),
        ({"inversion_options": "thresh:1"}, "inversion_options: l2 has no thresh; known are"),
        ({"inversion_options": "weight"}, "wanted names and numbers such as a:0.1"),
        ({"inversion_options": "weight_mm2:-3"}, "found weight_mm2:-3, wanted a number above 0"),
        ({"inversion": "tkd", "inversion_options": "threshold:0"}, "found threshold:0, wanted"),
        ({"inversion": "tv", "inversion_options": "most:2.5"}, "wanted a whole number above 0"),
        ({"background_options": "threshold:nan"}, "found threshold:nan, wanted a number above 0"),
    ],
)
def test_a_wrong_word_is_one_sentence(plain, tmp_path, capsys, more, message):
    arguments = {**plain[0], "output": str(tmp_path), **more}
    arguments = {key: value for key, value in arguments.items() if value is not None}
    try:
        assert run(as_arguments(arguments)) == 2
        text = capsys.readouterr().err
    except DataError as error:
        text = str(error)
    assert message in text
    assert not list(tmp_path.rglob("*.nii.gz"))


def test_a_scan_without_orientation_asks_for_b0_and_takes_it(tmp_path, capsys):
    arguments = {**write_plain(tmp_path, code=0), "output": str(tmp_path / "maps"), "device": "cpu"}
    assert run(as_arguments(arguments)) == 2
    assert "set b0=0,0,1" in capsys.readouterr().err
    assert run(as_arguments({**arguments, "b0": "0,0,1"})) == 0
    image = nib.load(tmp_path / "maps" / "magnitude_1_Chimap.nii.gz")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (0, 0)


@pytest.mark.parametrize("flip", [np.diag([-1, -1, 1, 1]), np.eye(4)[[1, 2, 0, 3]]])
def test_maps_follow_the_scans_orientation(tmp_path, flip):
    """The same voxels under another affine: another direction of B0 where axes are permuted."""
    arguments = write_plain(tmp_path, affine=flip @ AFFINE)
    assert run(as_arguments({**arguments, "output": str(tmp_path / "maps"), "device": "cpu"})) == 0
    image = nib.load(tmp_path / "maps" / "magnitude_1_Chimap.nii.gz")
    np.testing.assert_allclose(image.affine, flip @ AFFINE, atol=1e-6)
    about = json.loads((tmp_path / "maps" / "magnitude_1_Chimap.json").read_text())
    np.testing.assert_allclose(np.abs(about["B0Direction"]), np.abs(flip[2, :3]), atol=1e-6)
