import numpy as np
import pytest
import torch
from neurotarget.problems import DataError

from neurotarget.physics.dipole import dipole_field
from neurotarget.physics.inversion import invert_l2, invert_tkd, invert_tv
from oracles.magnetised import places

METHODS = {"l2": invert_l2, "tkd": invert_tkd, "tv": invert_tv}
OBLIQUE = (0.3, -0.4, 0.866)
BALLS = (
    (-9, -9, 0, 5.0, 0.15),
    (9, -9, 3, 4.0, 0.10),
    (-9, 9, -3, 4.0, 0.05),
    (9, 9, 0, 5.0, -0.05),
)


def brain(shape=(56, 56, 56), spacing_mm=(1.0, 1.0, 1.0)):
    """Susceptibility of four balls, in a mask, and which voxels lie well inside which ball."""
    x, y, z = places(shape, spacing_mm)
    chi, cores = torch.zeros(shape), []
    for i, j, k, radius, value in BALLS:
        away = ((x - i) ** 2 + (y - j) ** 2 + (z - k) ** 2).sqrt()
        chi += value * torch.sigmoid(4 * (radius - away)).float()
        cores.append(away < radius - 1.5)
    mask = x**2 + y**2 + z**2 < 23**2
    return chi, mask, [*cores, mask & (chi.abs() < 1e-4)]


def means(chi, cores):
    return np.array([float(chi[core].mean()) for core in cores])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("shape", "spacing_mm", "b0"),
    [
        ((56, 56, 56), (1.0, 1.0, 1.0), (0, 0, 1)),
        ((56, 56, 56), (1.0, 1.0, 1.0), OBLIQUE),
        ((56, 56, 28), (1.0, 1.0, 2.0), OBLIQUE),
        ((28, 56, 56), (2.0, 1.0, 1.0), (0, 0, 1)),
    ],
)
def test_susceptibility_comes_back_from_its_field(method, shape, spacing_mm, b0):
    chi, mask, cores = brain(shape, spacing_mm)
    field = dipole_field(chi, spacing_mm, b0) * mask
    found = METHODS[method](field, mask, spacing_mm, b0)
    slope = np.polyfit(means(chi, cores), means(found, cores), 1)[0]
    assert np.corrcoef(means(chi, cores), means(found, cores))[0, 1] > 0.99
    assert 0.88 < slope < 1.1
    assert found[~mask].abs().max() == 0


@pytest.mark.parametrize("method", METHODS)
def test_the_negative_field_gives_the_negative_map(method):
    chi, mask, _ = brain()
    field = dipole_field(chi, (1, 1, 1), OBLIQUE) * mask
    one, other = (METHODS[method](sign * field, mask, (1, 1, 1), OBLIQUE) for sign in (1, -1))
    torch.testing.assert_close(one, -other, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_size_of_the_padded_box_hardly_matters(method):
    chi, mask, cores = brain()
    field = dipole_field(chi, (1, 1, 1), OBLIQUE) * mask
    values = [
        means(METHODS[method](field, mask, (1, 1, 1), OBLIQUE, margin_mm=margin), cores)
        for margin in (14.0, 21.0, 38.0)
    ]
    spans = [value[0] - value[-1] for value in values]
    assert max(spans) - min(spans) < 0.03 * spans[0]


def test_the_correction_lifts_what_the_threshold_lowers():
    chi, mask, cores = brain()
    field = dipole_field(chi, (1, 1, 1), (0, 0, 1)) * mask
    for invert, option in ((invert_tkd, {"threshold": 0.2}), (invert_l2, {"ridge": 3e-3})):
        raw, lifted = (
            means(invert(field, mask, (1, 1, 1), (0, 0, 1), correct=correct, **option), cores)
            for correct in (False, True)
        )
        assert 0.7 < (raw[0] - raw[-1]) / 0.15 < 0.88
        assert 0.88 < (lifted[0] - lifted[-1]) / 0.15 < 1.08


def test_more_weight_on_the_gradient_makes_smoother_maps():
    chi, mask, _ = brain()
    noise = 0.01 * torch.randn(chi.shape, generator=torch.Generator().manual_seed(0))
    field = (dipole_field(chi, (1, 1, 1), (0, 0, 1)) + noise) * mask
    rough = [
        float(invert_l2(field, mask, (1, 1, 1), (0, 0, 1), weight_mm2=weight)[mask].std())
        for weight in (0.0003, 0.003, 0.03)
    ]
    assert rough[0] > 1.5 * rough[1] > 1.5 * rough[2]


def test_total_variation_has_the_least_error_on_piecewise_constant_maps():
    chi, mask, _ = brain()
    noise = 0.004 * torch.randn(chi.shape, generator=torch.Generator().manual_seed(0))
    field = (dipole_field(chi, (1, 1, 1), OBLIQUE) + noise) * mask
    gaps = {
        name: (invert(field, mask, (1, 1, 1), OBLIQUE) - chi)[mask]
        for name, invert in METHODS.items()
    }
    errors = {name: float((gap - gap.mean()).norm()) for name, gap in gaps.items()}
    assert errors["tv"] < 0.7 * errors["l2"]
    assert errors["tv"] < 0.7 * errors["tkd"]


def test_total_variation_stops_when_it_no_longer_changes():
    chi, mask, _ = brain()
    field = dipole_field(chi, (1, 1, 1), OBLIQUE) * mask
    changes, more = [], []
    rough = invert_tv(field, mask, (1, 1, 1), OBLIQUE, changes=changes)
    fine = invert_tv(field, mask, (1, 1, 1), OBLIQUE, tolerance=1e-3, most=200, changes=more)
    assert changes[-1] < 0.01 <= changes[-2]
    assert more[-1] < 1e-3
    assert len(changes) < len(more) < 200
    assert (rough - fine).norm() < 0.06 * fine.norm()
    short = []
    invert_tv(field, mask, (1, 1, 1), OBLIQUE, most=3, changes=short)
    assert len(short) == 3


def test_edges_of_the_magnitude_let_edges_of_susceptibility_stand():
    chi, mask, cores = brain()
    noise = 0.004 * torch.randn(chi.shape, generator=torch.Generator().manual_seed(0))
    field = (dipole_field(chi, (1, 1, 1), OBLIQUE) + noise) * mask
    magnitude = (1 - 3 * chi.abs()) * mask
    given = {"weight_mm": 2e-3}
    plain = invert_tv(field, mask, (1, 1, 1), OBLIQUE, **given)
    edged = invert_tv(field, mask, (1, 1, 1), OBLIQUE, magnitude=magnitude, **given)
    gaps = [np.abs(means(one, cores) - means(chi, cores))[:4].sum() for one in (edged, plain)]
    assert gaps[0] < 0.8 * gaps[1]


def test_an_empty_mask_is_refused():
    field = torch.zeros(8, 8, 8)
    for invert in METHODS.values():
        with pytest.raises(DataError, match="mask: found no voxel"):
            invert(field, field > 1, (1, 1, 1), (0, 0, 1))


def test_the_cylinders_of_qsm_forward_come_back():
    forward = pytest.importorskip("qsm_forward.qsm_forward", reason="qsm-forward not installed")
    values = [0.05, 0.1, 0.2, 0.3]
    chi = forward.generate_susceptibility_phantom(
        resolution=[48, 48, 48],
        background=0,
        large_cylinder_val=0.005,
        small_cylinder_radii=[3, 3, 4, 4],
        small_cylinder_vals=values,
    )
    field = forward.generate_field(chi, voxel_size=[1, 1, 1], B0_dir=[0, 0, 1])
    mask = torch.from_numpy(chi > 0)
    found = invert_tv(torch.from_numpy(field).float(), mask, (1, 1, 1), (0, 0, 1)).numpy()
    cores = [chi == value for value in (0.005, *values)]
    slope = np.polyfit([0.005, *values], [found[core].mean() for core in cores], 1)[0]
    assert 0.85 < slope < 1.1
    gap = (found - chi)[chi > 0]
    assert (gap - gap.mean()).std() < 0.25 * chi[chi > 0].std()
