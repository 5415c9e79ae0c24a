"""`neurotarget swi` on files: dark veins, on the grid of the scan, with settings in a sidecar."""

import json

import nibabel as nib
import numpy as np
import pytest

from neurotarget.cli.commands.swi import run
from neurotarget.problems import DataError
from oracles.command_arguments import as_arguments
from oracles.gre_scans import BRAIN, IRON, echoes, save, write_plain

STRONG = {"high_pass": "unwrap", "high_pass_mm": "8", "mask_power": "20"}  # the phase is small


def load(path):
    return np.asanyarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swi")
    arguments = {**write_plain(folder), "device": "cpu", "output": str(folder / "maps")}
    assert run(as_arguments({**arguments, **STRONG})) == 0
    return arguments, folder / "maps"


def test_iron_is_darker_than_in_the_magnitude(made):
    _, maps = made
    swi, mip = load(maps / "magnitude_1_swi.nii.gz"), load(maps / "magnitude_1_minIP.nii.gz")
    magnitude = np.sqrt((echoes()[0] ** 2).mean(axis=0))
    assert (swi <= magnitude * (1 + 1e-4)).all()
    assert (mip <= swi).all()
    share = swi / magnitude
    assert share[IRON].min() < 0.5 < np.median(share[BRAIN & ~IRON])


def test_the_sidecar_says_how_the_image_was_made(made):
    _, maps = made
    about = json.loads((maps / "magnitude_1_swi.json").read_text())
    assert about["Method"]["high_pass"] == "unwrap"
    assert about["Method"]["mask_power"] == 20
    assert about["SliceAxis"] == 2
    assert "paramagnetic is positive" in about["Handedness"]
    assert 0 < about["Statistics"]["darkened_share"] < 0.5
    page = (maps / "swi.html").read_text()
    assert "4, 8, 12 ms" in page
    assert "<svg" in page


def test_phase_of_the_other_sign_is_turned(made, tmp_path):
    arguments, maps = made
    _, phase = echoes()
    paths = [save(tmp_path / f"p{n}.nii", -one) for n, one in enumerate(phase)]
    turned = {**arguments, "phase": ",".join(map(str, paths)), "output": str(tmp_path / "maps")}
    assert run(as_arguments({**turned, **STRONG})) == 0
    found = load(tmp_path / "maps" / "magnitude_1_swi.nii.gz")
    expected = load(maps / "magnitude_1_swi.nii.gz")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


def test_the_sign_that_is_given_is_used(made, tmp_path):
    arguments, maps = made
    arguments = {**arguments, "output": str(tmp_path), "handedness": "-1"}
    assert run(as_arguments({**arguments, **STRONG})) == 0
    swi, right = load(tmp_path / "magnitude_1_swi.nii.gz"), load(maps / "magnitude_1_swi.nii.gz")
    assert swi[IRON].mean() > right[IRON].mean()
    about = json.loads((tmp_path / "magnitude_1_swi.json").read_text())
    assert about["Handedness"] == "-1 as given"


def test_slices_are_along_the_longest_side_of_voxels(tmp_path):
    affine = np.diag([4.0, 2.0, 2.0, 1.0])
    output = tmp_path / "maps"
    arguments = {**write_plain(tmp_path, affine=affine), "output": str(output), "handedness": "1"}
    assert run(as_arguments({**arguments, "device": "cpu"})) == 0
    assert json.loads((output / "magnitude_1_swi.json").read_text())["SliceAxis"] == 0
    assert run(as_arguments({**arguments, "device": "cpu", "axis": "1"})) == 0
    assert json.loads((output / "magnitude_1_swi.json").read_text())["SliceAxis"] == 1


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"axis": "k"}, "axis: got 'k', wanted auto, 0, 1 or 2"),
        ({"mask_power": "0"}, "swi.mask_power: found 0.0, wanted more than 0"),
        ({"mask_power": "four"}, "mask_power: got 'four', wanted a number"),
        ({"phase_mask": "both"}, "phase_mask: got 'both', wanted positive"),
    ],
)
def test_a_wrong_word_is_one_sentence(made, tmp_path, more, error):
    with pytest.raises(DataError, match=error):
        run(as_arguments({**made[0], "output": str(tmp_path), **more}))
