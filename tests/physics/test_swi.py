import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neurotarget.physics.dipole import dipole_field
from neurotarget.physics.phase import wrap
from neurotarget.physics.swi import SWI, slab_minimum
from neurotarget.problems import DataError
from oracles.magnetised import places

SHAPE, SPACING_MM = (64, 64, 12), (1.0, 1.0, 2.0)
X, Y, Z = places(SHAPE, SPACING_MM)
VEIN = (X.abs() < 1.5) & (Y.abs() < 12) & (Z.abs() < 3)
HEAD = (X**2 + Y**2 < 28**2) & (Z.abs() < 30)


def scan(te_s=0.02, steep=1.0):
    """Head with a field that changes slowly and a vein of 12 Hz in it."""
    field_hz = 12 * VEIN + steep * (30 * torch.exp(-(X**2 + Y**2) / 800) + Y / 3)
    phase = wrap(2 * math.pi * te_s * field_hz).float()
    return HEAD.float() * (1 + 0.1 * torch.cos(X / 10)).float(), phase


@pytest.mark.parametrize("high_pass", ["homodyne", "unwrap"])
def test_veins_are_darkened_and_the_rest_is_left(high_pass):
    magnitude, phase = scan()
    given = {"spacing_mm": SPACING_MM, "mask": HEAD}
    found = SWI(high_pass=high_pass, window_vox=12).make(magnitude, phase, (0.02,), **given)
    vein, tissue = VEIN.numpy(), ((X.abs() > 8) & (X**2 + Y**2 < 18**2)).numpy()
    ratio = found.swi / np.maximum(magnitude.numpy(), 1e-6)
    assert np.median(found.filtered_phase[vein]) > 0.6 * 2 * math.pi * 0.02 * 12
    assert np.median(ratio[vein]) < 0.6
    assert np.median(ratio[tissue]) > 0.9
    assert found.swi.dtype == np.float32
    assert 0 <= found.phase_mask.min() <= found.phase_mask.max() <= 1


def test_unwrapping_bears_a_steep_field_better():
    magnitude, phase = scan(steep=6.0)
    rim = ((X**2 + Y**2 < 24**2) & (X.abs() > 8)).numpy()
    rest = {
        high_pass: SWI(high_pass=high_pass, window_vox=16)
        .make(magnitude, phase, (0.02,), spacing_mm=SPACING_MM, mask=HEAD)
        .filtered_phase[rim]
        .std()
        for high_pass in ("homodyne", "unwrap")
    }
    assert rest["unwrap"] < 0.5 * rest["homodyne"]


def test_the_other_hand_needs_the_other_sign():
    magnitude, phase = scan()
    one = SWI().make(magnitude, phase, (0.02,), spacing_mm=SPACING_MM)
    other = SWI(handedness=-1).make(magnitude, -phase, (0.02,), spacing_mm=SPACING_MM)
    np.testing.assert_allclose(one.swi, other.swi, atol=1e-5)
    negative = SWI(phase_mask="negative").make(magnitude, -phase, (0.02,), spacing_mm=SPACING_MM)
    np.testing.assert_allclose(one.swi, negative.swi, atol=1e-5)


@pytest.mark.parametrize("run", [0, 2])
def test_thin_veins_along_and_across_b0_darken_by_the_positive_mask(run):
    """Veins of 1 mm in slices of 2 mm: across B0 their own phase is negative, about them not."""
    fine, flat = 0.25, (2, 2, 8)  # voxels of 0.5 × 0.5 × 2 mm
    sides = torch.meshgrid(*[(torch.arange(96) - 48) * fine] * 3, indexing="ij")
    across = [side for axis, side in enumerate(sides) if axis != run]
    vein = (across[0] ** 2 + across[1] ** 2 < 0.5**2).float()
    turn = 2 * math.pi * 0.02 * 3 * 42.577
    phase = turn * dipole_field(0.2 * vein, (fine,) * 3, (0, 0, 1), pad=False)
    signal = torch.view_as_real(torch.polar(1 - 0.25 * vein, phase)).movedim(-1, 0)[None]
    signal = torch.complex(*F.avg_pool3d(signal, flat)[0])
    inside = (F.avg_pool3d(vein[None], flat)[0] > 0.1).numpy()
    given = {"spacing_mm": (0.5, 0.5, 2.0)}
    darker = {}
    for kind in ("positive", "negative"):
        found = SWI(phase_mask=kind).make(signal.abs(), signal.angle(), (0.02,), **given)
        darker[kind] = 1 - float((found.swi / signal.abs().numpy())[inside].mean())
    assert darker["positive"] > 0.1
    assert darker["positive"] > 2 * darker["negative"]


def test_the_phase_mask_falls_in_a_line_to_the_power_asked_for():
    magnitude, phase = scan()
    found = SWI(mask_power=3).make(magnitude, phase, (0.02,), spacing_mm=SPACING_MM)
    line = np.clip(1 - np.maximum(found.filtered_phase, 0) / math.pi, 0, 1) ** 3
    np.testing.assert_allclose(found.phase_mask, line, atol=1e-5)
    both = SWI(phase_mask="triangular", mask_power=1).make(
        magnitude, phase, (0.02,), spacing_mm=SPACING_MM
    )
    np.testing.assert_allclose(
        both.phase_mask, 1 - np.abs(both.filtered_phase) / math.pi, atol=1e-5
    )


def test_the_smooth_mask_is_a_tanh_about_the_median():
    magnitude, phase = scan()
    found = SWI(phase_mask="tanh", mask_power=4).make(
        magnitude, phase, (0.02,), spacing_mm=SPACING_MM, mask=HEAD
    )
    inside = found.filtered_phase[HEAD.numpy()]
    middle = np.median(inside[inside > 0]) * 10 / 4
    result = (1 + np.tanh(1 - found.filtered_phase / middle)) / 2
    np.testing.assert_allclose(found.phase_mask, result, atol=1e-3)


def test_a_slab_is_the_minimum_of_its_slices():
    image = torch.tensor([5.0, 4, 3, 9, 8, 7, 6]).expand(2, 3, 7)
    assert slab_minimum(image, 3, 2)[0, 0].tolist() == [4, 3, 3, 3, 7, 6, 6]
    assert slab_minimum(image, 4, 2)[0, 0].tolist() == [3, 3, 3, 3, 6, 6, 6]
    turned = slab_minimum(image.permute(2, 0, 1), 3, 0)
    assert torch.equal(turned, slab_minimum(image, 3, 2).permute(2, 0, 1))
    assert torch.equal(slab_minimum(image, 1, 2), image)


def test_the_slab_is_as_thick_as_asked_along_the_slice_axis():
    magnitude, phase = scan()
    given = {"magnitude": magnitude, "phase_rad": phase, "te_s": (0.02,)}
    found = SWI(mip_mm=6.0).make(**given, spacing_mm=SPACING_MM)
    assert found.facts["mip_slices"] == 3
    result = slab_minimum(torch.from_numpy(found.swi), 3, 2).numpy()
    np.testing.assert_array_equal(found.mip, result)
    assert SWI(mip_mm=6.0).make(**given, spacing_mm=SPACING_MM, axis=0).facts["mip_slices"] == 6


@pytest.mark.parametrize("high_pass", ["homodyne", "unwrap"])
def test_echoes_without_noise_agree(high_pass):
    times = (0.01, 0.02, 0.03)
    echoes = [scan(time) for time in times]
    magnitude, phase = (torch.stack(images) for images in zip(*echoes, strict=True))
    given = {"spacing_mm": SPACING_MM, "mask": HEAD}
    many = SWI(high_pass=high_pass).make(magnitude, phase, times, **given)
    one = SWI(high_pass=high_pass).make(magnitude[1:2], phase[1:2], (0.02,), **given)
    assert many.facts["te_s"] == pytest.approx(0.02)
    deep = ((X**2 + Y**2 < 22**2) & HEAD).numpy()
    gap = (many.filtered_phase - one.filtered_phase)[deep]
    assert np.abs(gap).max() < (0.5 if high_pass == "homodyne" else 0.02)


def test_what_cannot_be_is_refused():
    with pytest.raises(DataError, match=r"swi.high_pass: found 'low', wanted homodyne or unwrap"):
        SWI(high_pass="low")
    with pytest.raises(DataError, match=r"swi.mip_mm: found 0, wanted more than 0"):
        SWI(mip_mm=0)
    magnitude, phase = scan()
    with pytest.raises(DataError, match="swi: found slice axis 3, wanted 0, 1 or 2"):
        SWI().make(magnitude, phase, (0.02,), spacing_mm=SPACING_MM, axis=3)
    with pytest.raises(DataError, match="wanted both as"):
        SWI().make(magnitude, phase[:-1], (0.02,), spacing_mm=SPACING_MM)
