import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurotarget.phantom.dentate.anatomy import QSMPerson
from neurotarget.phantom.dentate.plan import SITES
from neurotarget.phantom.dentate.scanner import GRESimulation, GRESite, reconstructed, scan_gre

NORTH, SOUTH, EAST, WEST, ISLAND = SITES
COARSE = 2.5


def person(**changed: object) -> QSMPerson:
    values = {"tiv_ml": 1500.0, "dentate_mm3": (820.0, 790.0), "dentate_ppm": (0.15, 0.15)}
    return QSMPerson(**(values | {"seed": (1, 2)} | changed))


@pytest.fixture(scope="module")
def scans() -> dict[str, GRESimulation]:
    return {site.name: scan_gre(person(), site, voxel_scale=COARSE) for site in SITES}


def voxel_mm3(scan: GRESimulation) -> float:
    return float(np.prod(scan.spacing_mm))


def world_mm(scan: GRESimulation, mask: np.ndarray) -> np.ndarray:
    return nib.affines.apply_affine(scan.affine, np.argwhere(mask).mean(axis=0))


def test_sites_store_their_own_grids_and_echoes(scans):
    axes = {name: "".join(nib.aff2axcodes(scan.affine)) for name, scan in scans.items()}
    assert axes == {site.name: site.axes for site in SITES}
    for site in SITES:
        scan = scans[site.name]
        assert scan.magnitude.shape == scan.phase_rad.shape == (len(site.te_s), *scan.label.shape)
        assert sorted(scan.spacing_mm) == pytest.approx(sorted(COARSE * np.array(site.spacing_mm)))
        assert scan.phase_rad.dtype == np.float32
        assert np.abs(scan.phase_rad).max() <= np.pi + 1e-6


def test_b0_runs_up_the_patient_on_every_grid(scans):
    for scan in scans.values():
        turn = scan.affine[:3, :3] / scan.spacing_mm
        assert turn @ np.array(scan.b0) == pytest.approx([0, 0, 1], abs=1e-6)
    assert scans["north"].b0 == pytest.approx((0, 0, 1))
    assert scans["south"].b0[1] > 0.97  # stored second


def test_left_and_right_hold_their_volumes_on_their_sides(scans):
    for scan in scans.values():
        for number, planned in ((1, 820), (2, 790)):
            found = (scan.label == number).sum() * voxel_mm3(scan)
            assert found == pytest.approx(planned, abs=voxel_mm3(scan) / 2 + 0.1)
        left, right = (world_mm(scan, scan.label == number) for number in (1, 2))
        assert 18 < right[0] - left[0] < 34
        assert abs(right[2] - left[2]) < 6


def test_dentates_lie_low_and_behind_in_the_brain(scans):
    for scan in scans.values():
        x, y, z = world_mm(scan, scan.label > 0) - world_mm(scan, scan.mask)
        assert abs(x) < 6
        assert -48 < y < -20
        assert -52 < z < -25


@pytest.mark.parametrize(("site", "seed"), [(SOUTH, 7), (ISLAND, 8)])
def test_the_whole_brain_of_a_large_head_is_scanned(site: GRESite, seed: int):
    scan = scan_gre(person(tiv_ml=1800.0, seed=(seed,)), site, voxel_scale=4)
    assert not any(scan.mask.take([0, -1], axis=axis).any() for axis in range(3))
    litres = scan.mask.sum() * voxel_mm3(scan) / 1e6
    assert 1.1 < litres < 1.8  # a mask leaves out the CSF around


def test_the_truth_has_the_values_of_its_tissues(scans):
    scan = scan_gre(person(dentate_ppm=(0.20, 0.10)), NORTH, voxel_scale=2)
    inner = [scan.chi_ppm[scan.label == number] for number in (1, 2)]
    assert np.quantile(inner[0], 0.9) == pytest.approx(0.20, rel=0.2)
    assert np.quantile(inner[1], 0.9) == pytest.approx(0.10, rel=0.2)
    brain = scan.chi_ppm[scan.mask]
    assert abs(brain.mean()) < 0.02
    low, high = np.quantile(brain, [0.02, 0.98])
    assert -0.07 < low < -0.03
    assert 0.03 < high < 0.07


def test_phase_wraps_near_air_and_grows_with_echo_time(scans):
    scan = scans["north"]
    steps = np.abs(np.diff(scan.phase_rad[-1], axis=2))
    both = scan.mask[..., 1:] & scan.mask[..., :-1]
    assert (steps[both] > np.pi).any()
    deep = ndimage.binary_erosion(scan.mask, iterations=8)
    turns = [np.angle(np.exp(1j * (scan.phase_rad[n + 1] - scan.phase_rad[n]))) for n in (0, 1)]
    assert np.median(np.abs(turns[0] - turns[1])[deep]) < 0.1


def test_maps_show_two_bright_nuclei_at_every_site(scans):
    for site in SITES:
        scan = scans[site.name]
        found = reconstructed(scan, site)
        about = ndimage.binary_dilation(scan.label > 0, iterations=2) & (scan.label == 0)
        for number in (1, 2):
            inside = found.chi_ppm[scan.label == number].mean()
            assert 0.04 < inside < 0.2
            assert inside > found.chi_ppm[about].mean() + 0.04


def test_more_iron_shows_in_the_map(scans):
    richer = scan_gre(person(dentate_ppm=(0.25, 0.25)), NORTH, voxel_scale=COARSE)
    low, high = (reconstructed(scan, NORTH).chi_ppm for scan in (scans["north"], richer))
    gained = (high - low)[richer.label > 0].mean()
    assert 0.045 < gained < 0.1  # of 0.1 ppm, less what a voxel shares with white matter


def test_the_same_seed_gives_the_same_voxels(scans):
    same = scan_gre(person(), EAST, voxel_scale=COARSE)
    other = scan_gre(person(seed=(1, 3)), EAST, voxel_scale=COARSE)
    assert (same.phase_rad == scans["east"].phase_rad).all()
    assert (other.phase_rad != scans["east"].phase_rad).any()
    assert (other.chi_ppm != scans["east"].chi_ppm).any()
