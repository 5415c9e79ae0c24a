import math

import numpy as np
import pytest
import torch

from neurotarget.physics.phase import asymmetry, handedness, to_radians, wrap
from neurotarget.problems import DataError

ANGLES = np.linspace(-math.pi, math.pi, 4096, endpoint=False).reshape(16, 16, 16)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (ANGLES, "radians, −π to π"),
        (ANGLES + math.pi, "radians, 0 to 2π"),
        (np.round((ANGLES + math.pi) / math.pi * 2048).astype(np.int16), "0 to 4095"),
        (np.round(ANGLES / math.pi * 4096).astype(np.int16), "−4096 to 4095"),
        (np.round(ANGLES / math.pi * 2048).astype(np.int16), "−2048 to 2047"),
        (np.round(ANGLES * 1000).astype(np.int16), "thousandths of a radian"),
        (ANGLES * 0.5, "radians that do not fill a turn"),
    ],
)
def test_each_way_to_store_phase_is_known(stored, expected):
    radians, arguments = to_radians(stored)
    assert expected in arguments
    assert radians.dtype == np.float32
    if "2π" in expected or "fill" in expected:
        np.testing.assert_allclose(radians, stored, atol=1e-6)
    else:
        np.testing.assert_allclose(radians, ANGLES, atol=2e-3)


def test_the_phase_of_a_siemens_scan_ends_at_4094():
    stored = np.arange(-4096, 4095, 2)
    radians, arguments = to_radians(stored)
    assert "−4096" in arguments
    assert radians[[0, 2048, -1]] == pytest.approx([-math.pi, 0, math.pi * 4094 / 4096])


@pytest.mark.parametrize("stored", [ANGLES / 1000, ANGLES * 60, ANGLES / math.pi, ANGLES + 9])
def test_a_range_that_could_be_anything_is_refused(stored):
    with pytest.raises(DataError, match=r"phase: found values from .* wanted radians .* set"):
        to_radians(stored)


def test_a_scale_that_is_given_is_taken():
    assert to_radians(ANGLES / 1000, scale=1000)[0] == pytest.approx(ANGLES, abs=1e-5)
    assert to_radians(ANGLES / 1000, scale="1000")[0] == pytest.approx(ANGLES, abs=1e-5)
    assert to_radians(ANGLES * 9, scale="radians")[0] == pytest.approx(ANGLES * 9, rel=1e-6)
    turn = to_radians(ANGLES / 7 + 3, scale="range")[0]
    assert turn.min() == pytest.approx(-math.pi)
    assert turn.max() == pytest.approx(math.pi)


@pytest.mark.parametrize("scale", ["degrees", 0, math.inf])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(DataError, match=r"phase: found the scale .* wanted 'auto'"):
        to_radians(ANGLES, scale=scale)


def test_phase_that_is_not_there_is_refused():
    holed = ANGLES.copy()
    holed[0, 0, :3] = math.nan
    with pytest.raises(DataError, match="found 3 of 4096 values that are not finite"):
        to_radians(holed)
    with pytest.raises(DataError, match="found the value 0 everywhere"):
        to_radians(np.zeros((4, 4, 4)))


def test_wrapping_takes_whole_turns_off():
    found = wrap(torch.tensor([0.5, 3.5, -7.0, 100.0]))
    assert found.tolist() == pytest.approx(
        [0.5, 3.5 - 2 * math.pi, 2 * math.pi - 7.0, 100 - 32 * math.pi], abs=1e-4
    )


SIDES_MM = (2.5, 2.5, 2.5)


def brain_of_nuclei():
    """A brain of 100 mm each way with 216 of its voxels deeper than 10 mm in a nucleus."""
    chi = 0.05 * torch.randn((44, 44, 44), generator=torch.Generator().manual_seed(0))
    mask = torch.zeros_like(chi, dtype=torch.bool)
    mask[2:-2, 2:-2, 2:-2] = True
    chi[15:21, 20:26, 20:26] += 0.15
    return chi, mask


def test_the_long_tail_of_susceptibility_tells_which_way_phase_runs():
    chi, mask = brain_of_nuclei()
    assert handedness(chi, mask, SIDES_MM)[0] == 1
    sign, arguments = handedness(-chi, mask, SIDES_MM)
    assert sign == -1
    assert "of the other sign" in arguments
    assert asymmetry(-chi, mask, SIDES_MM) == pytest.approx(
        -asymmetry(chi, mask, SIDES_MM), abs=0.02
    )


def test_no_way_is_told_from_noise_a_constant_or_few_voxels():
    chi, mask = brain_of_nuclei()
    noise = torch.randn(chi.shape, generator=torch.Generator().manual_seed(1))
    for one, inside in ((noise, mask), (torch.zeros_like(chi), mask)):
        sign, arguments = handedness(one, inside, SIDES_MM)
        assert sign == 1
        assert arguments.startswith("not determined by the data")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slab_or_a_small_brain_is_never_turned(axis):
    chi, mask = brain_of_nuclei()
    slab = mask.clone().movedim(axis, 0)
    slab[2:10] = False  # 80 of 100 mm are left, and the nucleus
    slab = slab.movedim(0, axis)
    assert asymmetry(-chi, slab, SIDES_MM) < -0.1
    for inside, sides_mm in ((slab, SIDES_MM), (mask, (1.8, 1.8, 2.2))):
        sign, arguments = handedness(-chi, inside, sides_mm)
        assert sign == 1
        assert arguments == "not determined by the data (only a part of a brain); taken as it is"
