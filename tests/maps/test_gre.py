from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from neurotarget.maps.gre import Acquisition, read_acquisition, te_problems
from neurotarget.problems import DataError
from oracles.gre_scans import AFFINE, SIDE_MM, save

SMALL = (6, 5, 4)
TE_S = (0.004, 0.008)


def ramp(echo=0):
    """Phase that fills a turn."""
    return np.linspace(-np.pi, np.pi, 120, dtype=np.float32).reshape(SMALL) * (1 - 1e-3 * echo)


@pytest.fixture
def scan(tmp_path):
    """Write two echoes; arrays, affines and codes may be others."""

    def make(phase=ramp, magnitude=lambda _: np.ones(SMALL, np.float32), **how) -> Acquisition:
        mags = tuple(save(tmp_path / f"m{e}.nii.gz", magnitude(e), **how) for e in (0, 1))
        phases = tuple(save(tmp_path / f"p{e}.nii.gz", phase(e), **how) for e in (0, 1))
        return Acquisition("x", mags, phases, TE_S, 3.0)

    return make


def rotated(degrees):
    """Affine of slices that are tilted about the patient's left-right axis."""
    angle = np.deg2rad(degrees)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = AFFINE.copy()
    affine[:3, :3] = turn * SIDE_MM
    return affine


def test_echoes_come_in_order_with_their_numbers(scan):
    gre = read_acquisition(scan(magnitude=lambda echo: np.full(SMALL, 9.0 - echo, np.float32)))
    assert gre.magnitude.shape == gre.phase_rad.shape == (2, *SMALL)
    assert [float(echo.mean()) for echo in gre.magnitude] == [9.0, 8.0]
    assert (gre.te_s, gre.field_t, gre.spacing_mm) == (TE_S, 3.0, (3.0, 3.0, 3.0))
    assert "−π to π" in gre.phase_scale
    np.testing.assert_allclose(gre.phase_rad[0], ramp(), atol=1e-6)


def test_one_file_may_hold_all_echoes_last(tmp_path):
    stack = np.stack([ramp(0), ramp(1)], axis=-1)
    phase = save(tmp_path / "p.nii", stack)
    magnitude = save(tmp_path / "m.nii", np.abs(stack) + 1)
    gre = read_acquisition(Acquisition("x", (magnitude,), (phase,), TE_S, 3.0))
    np.testing.assert_allclose(gre.phase_rad, np.moveaxis(stack, -1, 0), atol=1e-6)
    assert gre.header.get_data_shape() == SMALL


@pytest.mark.parametrize("stacked", [True, False], ids=["4-D", "3-D"])
def test_a_scan_in_microns_is_that_in_mm(tmp_path, scan, stacked):
    acquisition = scan()
    if stacked:
        stack = np.stack([ramp(0), ramp(1)], axis=-1)
        files = [(save(tmp_path / f"{n}.nii", np.abs(stack) + n),) for n in (1, 0)]
        acquisition = replace(acquisition, magnitudes=files[0], phases=files[1])
    plain = read_acquisition(replace(acquisition, b0=(0, 0, 1)))
    for path in acquisition.files:
        image = nib.load(path)
        small = nib.Nifti1Image(np.array(image.dataobj), np.diag([1e3] * 3 + [1]) @ image.affine)
        small.header.set_xyzt_units("micron")
        nib.save(small, path)
    gre = read_acquisition(replace(acquisition, b0=(0, 0, 1)))
    assert gre.spacing_mm == pytest.approx(plain.spacing_mm)
    np.testing.assert_allclose(gre.affine, plain.affine)
    np.testing.assert_array_equal(gre.phase_rad, plain.phase_rad)


def test_what_a_header_leaves_open_is_among_the_notes(tmp_path):
    stack = np.stack([ramp(0), ramp(1)], axis=-1)
    files = [save(tmp_path / f"{n}.nii", np.abs(stack) + n) for n in (1, 0)]
    for path in files:
        image = nib.load(path)
        crossed = nib.Nifti1Image(np.array(image.dataobj), image.affine)
        crossed.set_qform(np.diag([-1, 1, 1, 1]) @ image.affine, 1)
        nib.save(crossed, path)
    gre = read_acquisition(Acquisition("x", (files[0],), (files[1],), TE_S, 3.0))
    (note,) = [note for note in gre.notes if "MIRRORED" in note]
    assert note.startswith("LEFT AND RIGHT MIRRORED between sform and qform")


@pytest.mark.parametrize(
    ("affine", "b0"),
    [
        (AFFINE, (0, 0, 1)),
        (np.diag([-2.0, -2.0, 2.0, 1.0]), (0, 0, 1)),
        (AFFINE[[1, 2, 0, 3]], (1, 0, 0)),  # the first voxel axis goes up
        (rotated(30), (0, 0.5, np.sqrt(3) / 2)),
    ],
)
def test_b0_is_the_scanners_z_along_the_voxel_axes(scan, affine, b0):
    np.testing.assert_allclose(read_acquisition(scan(affine=affine)).b0, b0, atol=1e-6)


def test_a_direction_that_is_said_goes_before_the_affine(scan):
    gre = read_acquisition(replace(scan(code=0), b0=(0.0, 3.0, 4.0)))
    np.testing.assert_allclose(gre.b0, (0, 0.6, 0.8))


def test_without_orientation_b0_is_asked_for(scan):
    with pytest.raises(DataError, match=r"x: found no orientation.*set b0=0,0,1"):
        read_acquisition(scan(code=0))


def test_a_scan_in_a_templates_axes_has_lost_b0(scan):
    with pytest.raises(DataError, match=r"found a scan in the axes of a template"):
        read_acquisition(scan(code=4))


def test_a_scan_aligned_to_another_says_so(scan):
    assert "aligned to another scan" in read_acquisition(scan(code=2)).notes[0]


@pytest.mark.parametrize(
    ("te_s", "error"),
    [
        ((4.0, 8.0), "echo times of 4, 8 s.*set te_ms=4,8,12"),
        ((0.004, 0.004), r"one echo time twice \(4, 4 ms\)"),
        ((0.008, 0.004), r"do not rise \(8, 4 ms\)"),
        ((4e-6, 8e-6), "echo times of 0.004, 0.008 ms"),
        ((), "no echo time"),
        ((float("nan"),), "echo times of nan s"),
    ],
)
def test_unfit_echo_times_are_told(te_s, error):
    with pytest.raises(DataError, match=error):
        raise DataError(te_problems("x", te_s))


def test_fit_echo_times_have_no_problem():
    assert te_problems("x", TE_S) == []


def test_all_that_is_wrong_is_told_at_once(scan):
    def broken(echo):
        array = ramp(echo)
        array[0, 0, 0] = np.nan
        return array

    acquisition = replace(scan(phase=broken, code=0), te_s=(4.0, 8.0), field_t=3000.0)
    with pytest.raises(DataError) as caught:
        read_acquisition(acquisition)
    result = str(caught.value)
    for part in ("echo times of 4, 8 s", "3000 T", "NaN or Inf in 1 of 120", "no orientation"):
        assert part in result


def test_grids_of_magnitude_and_phase_must_be_one(scan, tmp_path):
    acquisition = scan()
    other = save(tmp_path / "o.nii", ramp(), affine=np.diag([1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(DataError, match=r"found phase on a grid of 6 × 5 × 4 voxels of 1 × 1 × 1"):
        read_acquisition(replace(acquisition, phases=(acquisition.phases[0], other)))


def test_complex_parts_become_polar_beside_a_warning(scan):
    acquisition = scan(
        magnitude=lambda echo: 5 * np.cos(ramp(echo)), phase=lambda echo: 5 * np.sin(ramp(echo))
    )
    for path in acquisition.files:
        image = nib.load(path)
        shifted = image.affine.copy()
        shifted[0, 3] += 2 * SIDE_MM
        image.set_qform(shifted, 1)
        nib.save(image, path)
    gre = read_acquisition(replace(acquisition, is_complex=True))
    np.testing.assert_allclose(gre.magnitude, 5.0, rtol=1e-6)
    turned = np.exp(1j * (gre.phase_rad - [ramp(0), ramp(1)]))  # −π and π are one
    np.testing.assert_allclose(turned, 1, atol=1e-5)
    assert ["sform and qform" in note for note in gre.notes] == [True]


def test_echoes_and_times_must_be_as_many(scan):
    with pytest.raises(DataError, match="found 2 echoes of magnitude for 3 echo times"):
        read_acquisition(replace(scan(), te_s=(0.004, 0.008, 0.012)))


def test_phase_in_unknown_units_is_refused_and_can_be_said(scan):
    acquisition = scan(phase=lambda echo: ramp(echo) / 855)
    with pytest.raises(DataError, match=r"x: phase: found values from -0.0036.*phase_scale="):
        read_acquisition(acquisition)
    gre = read_acquisition(acquisition, phase_scale="range")
    np.testing.assert_allclose(gre.phase_rad[0], ramp(), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "value", "error"),
    [(SMALL, 0, "found an empty mask"), ((6, 5, 5), 1, "found a mask on a grid of 6 × 5 × 5")],
)
def test_a_mask_must_be_of_this_scan(scan, tmp_path, shape, value, error):
    mask = save(tmp_path / "mask.nii", np.full(shape, value, np.uint8))
    with pytest.raises(DataError, match=error):
        read_acquisition(replace(scan(), mask=mask))


def test_real_phase_of_4d_files_is_read_with_its_range_said(shared_data):
    folder = shared_data / "qsm/gre_patch/small"
    files = Acquisition(
        "patch", (folder / "Mag.nii",), (folder / "Phase.nii",), (0.004, 0.008, 0.012), 3.0
    )
    gre = read_acquisition(files, phase_scale="range")
    assert gre.magnitude.shape == (3, 51, 51, 41)
    assert gre.b0 == (0.0, 0.0, 1.0)
    assert np.abs(gre.phase_rad).max() == pytest.approx(np.pi, abs=1e-4)
    with pytest.raises(DataError, match=r"NaN or Inf in 1280 of 163840[\s\S]*2 echoes of phase"):
        read_acquisition(replace(files, phases=(folder / "phase_with_nan.nii",)))


def test_a_grid_elsewhere_is_told_by_its_place_and_axes(scan):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0]) @ AFFINE
    found = scan()
    save(found.phases[1], ramp(1), affine=flipped)
    error = r"axes LAS from \(0.0, 0.0, 0.0\) mm, wanted .* axes RAS from"
    with pytest.raises(DataError, match=error):
        read_acquisition(found)


def test_magnitude_without_signal_is_refused(scan):
    dark = scan(magnitude=lambda echo: np.full(SMALL, 1.0 - echo, np.float32))
    with pytest.raises(DataError, match="no value above 0 in the magnitude of echo 2, wanted"):
        read_acquisition(dark)
