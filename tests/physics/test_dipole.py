import math

import numpy as np
import pytest
import torch

from neurotarget.physics.dipole import dipole_field, dipole_kernel, direction
from neurotarget.problems import DataError
from oracles.magnetised import ball, ball_field, places, rod, rod_field

OBLIQUE = (0.36, 0.48, 0.8)


def slope(found, expected):
    return float(np.polyfit(expected.double(), found.double(), 1)[0])


@pytest.mark.parametrize("b0", [(0, 0, 1), (1, 0, 0), OBLIQUE])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.8, 1.0, 2.0)])
def test_a_ball_has_the_field_of_a_dipole_and_none_inside(b0, spacing_mm):
    shape = tuple(2 * round(26 / step) for step in spacing_mm)
    found = dipole_field(ball(shape, spacing_mm, 7.0), spacing_mm, b0)
    expected = ball_field(shape, spacing_mm, 7.0, b0)
    away = sum(place**2 for place in places(shape, spacing_mm)).sqrt()
    assert slope(found[away > 10], expected[away > 10]) == pytest.approx(1, abs=0.01)
    assert (found - expected)[away > 10].std() < 0.002  # the expected field reaches 0.23 there
    assert found[away < 4].abs().max() < 0.03


@pytest.mark.parametrize("angle", [0.0, 30.0, 54.7356, 90.0])
@pytest.mark.parametrize("turn", [0.0, 40.0])
def test_an_endless_cylinder_has_the_field_of_its_angle_to_b0(angle, turn):
    angle, turn = math.radians(angle), math.radians(turn)
    b0 = (
        math.sin(angle) * math.cos(turn),
        math.sin(angle) * math.sin(turn),
        math.cos(angle),
    )
    shape, spacing_mm = (128, 128, 4), (1.0, 1.0, 1.0)
    found = dipole_field(rod(shape, spacing_mm, 8.0), spacing_mm, b0, pad=False)
    expected = rod_field(shape, spacing_mm, 8.0, b0)
    x, y, _ = places(shape, spacing_mm)
    away = (x**2 + y**2).sqrt()
    near = (away < 25) & ((away - 8).abs() > 2)
    if angle > 0:
        assert slope(found[near], expected[near]) == pytest.approx(1, abs=0.01)
    assert (found - expected)[near].std() < 0.004  # the expected field runs from −0.5 to 0.5
    assert found[away < 5].mean() == pytest.approx((3 * b0[2] ** 2 - 1) / 6, abs=0.006)


def test_the_kernel_runs_from_minus_two_thirds_along_b0_to_one_third_across():
    kernel = dipole_kernel((16, 16, 16), (1, 1, 1), (0, 0, 1))
    assert kernel.shape == (16, 16, 9)
    assert kernel[0, 0, 0] == 0
    assert kernel[0, 0, 3] == pytest.approx(-2 / 3)
    assert kernel[3, 5, 0] == pytest.approx(1 / 3)
    assert kernel[4, 0, 4] == pytest.approx(1 / 3 - 1 / 2)


def test_an_oblique_kernel_is_that_of_a_real_field():
    sides = (8, 6, 10)
    half = dipole_kernel(sides, (1, 2, 0.7), OBLIQUE)
    field = torch.fft.irfftn(half.to(torch.complex64), s=sides)
    torch.testing.assert_close(torch.fft.rfftn(field).real, half, atol=1e-6, rtol=1e-5)
    assert torch.fft.rfftn(field).imag.abs().max() < 1e-6


def test_turning_the_array_turns_the_field():
    chi = torch.randn((12, 10, 14), generator=torch.Generator().manual_seed(0))
    result = dipole_field(chi, (1.0, 2.0, 1.5), (0.6, 0.0, 0.8)).permute(2, 0, 1)
    found = dipole_field(chi.permute(2, 0, 1), (1.5, 1.0, 2.0), (0.8, 0.6, 0.0))
    torch.testing.assert_close(found, result, atol=1e-5, rtol=1e-4)


def test_padding_keeps_a_source_from_acting_round_the_corner():
    chi = ball((40, 40, 40), (1, 1, 1), 3.0).roll(-14, dims=2)  # about voxel 6 of the third axis
    padded, touching = (dipole_field(chi, (1, 1, 1), (0, 0, 1), pad=pad) for pad in (True, False))
    result = 2 / 3 * (3 / 31) ** 3  # 31 mm away along b0; round the corner it is 9 mm
    assert padded[20, 20, 37] == pytest.approx(result, rel=0.15)
    assert touching[20, 20, 37] == pytest.approx(2 / 3 * (3 / 9) ** 3, rel=0.15)


def test_b0_is_brought_to_length_1_and_refused_where_it_has_none():
    assert direction((0, 3, 4)) == pytest.approx((0, 0.6, 0.8))
    for wrong in ((0, 0, 0), (0, 1), (0, 0, math.nan)):
        with pytest.raises(DataError, match=r"direction of B0: found .* wanted three numbers"):
            direction(wrong)


@pytest.mark.parametrize("b0", [(0.0, 0.0, 1.0), OBLIQUE])
def test_the_field_is_that_of_qsm_forward(b0):
    forward = pytest.importorskip("qsm_forward.qsm_forward", reason="qsm-forward not installed")
    chi = forward.generate_susceptibility_phantom(
        resolution=[36, 36, 36],
        background=0,
        large_cylinder_val=0.005,
        small_cylinder_radii=[3, 3, 4],
        small_cylinder_vals=[0.05, 0.1, 0.2],
    )
    result = forward.generate_field(chi, voxel_size=[1, 1, 1], B0_dir=list(b0))
    found = dipole_field(torch.from_numpy(chi).float(), (1, 1, 1), b0).numpy()
    gap = found - result  # theirs keeps D(0) at 1/3, which shifts the field
    assert gap.mean() == pytest.approx(-chi.mean() / 8 / 3, rel=1e-3)
    assert np.abs(gap - gap.mean()).max() < 1e-4  # of a field up to 0.1
