import sys

import nibabel as nib
import numpy as np
import pytest
import torch

from neurotarget.physics.phase import TURN, to_radians, wrap
from neurotarget.physics.unwrap import unwrap_laplacian, unwrap_path
from neurotarget.problems import DataError
from oracles.magnetised import places

SHAPE, SPACING_MM = (20, 24, 18), (1.0, 1.0, 1.5)


def hill():
    """Phase of 25 rad on a slope, no steeper than 2.2 rad a voxel."""
    x, y, z = places(SHAPE, SPACING_MM)
    away = (x / 7) ** 2 + (y / 8) ** 2 + (z / 9) ** 2
    return (14 * torch.exp(-away / 2) + 0.3 * x - 0.2 * z).float()


def ball():
    x, y, z = places(SHAPE, SPACING_MM)
    return x**2 + y**2 + z**2 < 9**2


def test_laplacian_unwrapping_gives_smooth_phase_back():
    result = hill()
    wrapped = wrap(result)
    assert (wrapped - result).abs().max() > TURN  # there is something to unwrap
    found = unwrap_laplacian(wrapped, SPACING_MM)
    torch.testing.assert_close(found, result - result.mean(), atol=2e-3, rtol=1e-3)


def test_in_a_mask_only_a_harmonic_part_is_missing():
    result, mask = hill(), ball()
    noise = 3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    found = unwrap_laplacian(wrap(torch.where(mask, result, noise)), SPACING_MM, mask)
    assert found[~mask].abs().max() == 0
    gap, inside = found - result, mask.clone()
    bend = torch.zeros(SHAPE)
    for axis, step in enumerate(SPACING_MM):
        bend += (gap.roll(1, axis) + gap.roll(-1, axis) - 2 * gap) / step**2
        inside &= mask.roll(1, axis) & mask.roll(-1, axis)
    assert gap[inside].std() > 0.1
    assert bend[inside].abs().max() < 2e-3


def test_path_unwrapping_adds_whole_turns_and_finds_the_phase():
    pytest.importorskip("skimage", reason="scikit-image not installed")
    result, mask = hill(), ball()
    found = unwrap_path(wrap(result), mask)
    gap = (found - result)[mask]
    assert gap.std() < 1e-4
    assert (gap / TURN - (gap / TURN).round()).abs().max() < 1e-4
    assert found[~mask].abs().max() == 0


def test_paths_run_around_voxels_of_no_weight():
    pytest.importorskip("skimage", reason="scikit-image not installed")
    result, mask = hill(), ball()
    weight = mask.float()
    weight[10, 5:20] = 0
    broken = torch.where(weight > 0, wrap(result), torch.tensor(1.0))
    found = unwrap_path(broken, mask, weight)
    gap = (found - result)[weight > 0]
    assert gap.std() < 1e-4


def test_path_unwrapping_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    with pytest.raises(DataError, match=r"needs scikit-image.* pip install scikit-image"):
        unwrap_path(hill(), ball())


@pytest.fixture(scope="module")
def patch(shared_data):
    """First echo of a real scan: phase in radians, magnitude; ROMEO's test data."""
    folder = shared_data / "qsm" / "gre_patch" / "small"
    stored = np.asanyarray(nib.load(folder / "Phase.nii").dataobj)
    magnitude = np.asanyarray(nib.load(folder / "Mag.nii").dataobj)
    return stored, magnitude


def test_real_phase_is_unwrapped_to_the_same_field_either_way(patch):
    pytest.importorskip("skimage", reason="scikit-image not installed")
    stored, magnitude = patch
    with pytest.raises(DataError, match="set the scale"):
        to_radians(stored)
    phase = torch.from_numpy(to_radians(stored, scale="range")[0][..., 2]).contiguous()
    signal = torch.from_numpy(magnitude[..., 2].astype(np.float32)).contiguous()
    mask = signal > 0.3 * signal.median()
    path = unwrap_path(phase, mask)
    turns = ((path - phase) / TURN)[mask]
    assert (turns - turns.round()).abs().max() < 1e-3
    assert turns.unique().numel() > 1
    smooth = unwrap_laplacian(phase, (0.47, 0.47, 1.0), mask)
    steps = [one.diff(dim=0)[mask[1:] & mask[:-1]] for one in (phase, path, smooth)]
    rough = [float((step.abs() > 3).float().mean()) for step in steps]
    assert rough[0] > 10 * max(rough[1], rough[2])
    assert np.corrcoef(steps[1], steps[2])[0, 1] > 0.8


def test_real_phase_with_holes_is_refused(shared_data):
    file = shared_data / "qsm" / "gre_patch" / "small" / "phase_with_nan.nii"
    with pytest.raises(DataError, match="found 1280 of 163840 values that are not finite"):
        to_radians(np.asanyarray(nib.load(file).dataobj))
