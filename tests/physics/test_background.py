import pytest
import torch

from neurotarget.physics.background import default_radii_mm, pdf, sharp, sphere_kernel, vsharp
from neurotarget.physics.extent import squared_depth_mm2
from neurotarget.problems import DataError
from oracles.magnetised import ball_field, places

B0 = (0.0, 0.6, 0.8)
GRIDS = [((60, 60, 60), (1.0, 1.0, 1.0)), ((60, 60, 30), (1.0, 1.0, 2.0))]


def scene(shape, spacing_mm):
    """Mask, local field of a ball inside it, and field of air below it, 40 times as strong."""
    away = sum(place**2 for place in places(shape, spacing_mm)).sqrt()
    local = 0.1 * ball_field(shape, spacing_mm, 5.0, B0)
    outer = 9.4 * ball_field(shape, spacing_mm, 12.0, B0, centre_mm=(8.0, 10.0, -36.0))
    return away < 22, local, outer


def error(found, expected, inside):
    gap = (found - expected)[inside]
    return float((gap - gap.mean()).norm() / (expected[inside] - expected[inside].mean()).norm())


@pytest.mark.parametrize(("shape", "spacing_mm"), GRIDS)
@pytest.mark.parametrize(
    ("remove", "most", "rest"),
    [("sharp", 0.35, 0.02), ("vsharp", 0.45, 0.03), ("pdf", 0.25, 0.03)],
)
def test_the_field_of_air_outside_goes_and_that_of_iron_inside_stays(
    shape, spacing_mm, remove, most, rest
):
    mask, local, outer = scene(shape, spacing_mm)
    assert outer[mask].std() > 5 * local[mask].std()

    def run(field):
        if remove == "pdf":
            return pdf(field, mask, spacing_mm, B0)
        return {"sharp": sharp, "vsharp": vsharp}[remove](field, mask, spacing_mm)

    found, inside = run(local + outer)
    deep = squared_depth_mm2(mask, spacing_mm, 8.0) > 49
    assert inside[deep].all()
    assert found[~inside].abs().max() == 0
    assert error(found, local, deep) < most
    gone, _ = run(outer)
    assert gone[deep].std() < rest * outer[deep].std()


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 0.9, 2.0)])
def test_quadratic_harmonic_fields_go_whole_on_any_grid(spacing_mm):
    shape = tuple(round(44 / step) for step in spacing_mm)
    x, y, z = (place.float() for place in places(shape, spacing_mm))
    mask = x**2 + y**2 + z**2 < 18**2
    for field in (1 + x - 2 * z, x * y, x**2 - z**2, 2 * y**2 - x**2 - z**2):
        found, inside = vsharp(field, mask, spacing_mm)
        assert found[inside].abs().max() < 2e-3 * field[mask].std()


def test_removal_is_linear():
    mask, local, outer = scene(*GRIDS[0])
    one, other = (
        vsharp(field, mask, (1, 1, 1))[0] for field in (local + outer, -3 * (local + outer))
    )
    torch.testing.assert_close(other, -3 * one, atol=1e-5, rtol=1e-3)


def test_the_mask_loses_the_radius_of_the_smallest_sphere():
    mask = torch.zeros(40, 40, 40, dtype=torch.bool)
    mask[5:35, 5:35, 5:35] = True
    field = torch.zeros(mask.shape)
    result = torch.zeros_like(mask)
    result[11:29, 11:29, 11:29] = True
    assert torch.equal(sharp(field, mask, (1, 1, 1), radius_mm=6.0)[1], result)
    result[6:34, 6:34, 6:34] = True
    assert torch.equal(vsharp(field, mask, (1, 1, 1))[1], result)
    assert torch.equal(pdf(field, mask, (1, 1, 1), B0)[1], mask)


def test_radii_run_from_12_mm_to_the_side_of_a_voxel():
    assert default_radii_mm((1, 1, 1)) == [12, 10, 8, 6, 4, 2, 1]
    assert default_radii_mm((0.5, 0.5, 3)) == [12, 9, 6, 3]


def test_the_mean_over_a_sphere_keeps_a_constant_and_counts_seven_voxels():
    kernel = sphere_kernel(1.0, (8, 6, 10), (1, 1, 1))
    assert kernel[0, 0, 0] == pytest.approx(1)
    weights = torch.fft.irfftn(kernel.to(torch.complex64), s=(8, 6, 10))
    assert (weights > 1e-6).sum() == 7
    assert weights.max() == pytest.approx(1 / 7, abs=1e-6)


def test_masks_too_thin_for_the_sphere_are_refused():
    mask = torch.zeros(30, 30, 30, dtype=torch.bool)
    field = torch.zeros(mask.shape)
    with pytest.raises(DataError, match="mask: found no voxel"):
        vsharp(field, mask, (1, 1, 1))
    mask[10:13] = True
    with pytest.raises(DataError, match="found a mask nowhere as thick as a sphere of 6 mm"):
        sharp(field, mask, (1, 1, 1))
    with pytest.raises(DataError, match=r"found a sphere of 1 mm for voxels of 1 × 1 × 2 mm"):
        sharp(field, mask | True, (1, 1, 2), radius_mm=1.0)


def test_voxels_without_weight_do_not_disturb_the_dipoles_outside():
    mask, local, outer = scene(*GRIDS[0])
    field, weight = local + outer, mask.float()
    field[28:32, 28:32, 44:48] = 5.0  # noise where there is no signal
    weight[28:32, 28:32, 44:48] = 0.0
    blind, _ = pdf(field, mask, (1, 1, 1), B0)
    seeing, _ = pdf(field, mask, (1, 1, 1), B0, weight=weight)
    deep = squared_depth_mm2(weight > 0, (1, 1, 1), 8.0) > 49
    assert error(seeing, local, deep) < 0.4
    assert error(blind, local, deep) > 1.5 * error(seeing, local, deep)
