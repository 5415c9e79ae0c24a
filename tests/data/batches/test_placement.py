from types import SimpleNamespace

import numpy as np
import pytest

from neurotarget.data.batches.placement import Placed, measure_mask, propose_placement, region_about
from neurotarget.data.scans.geometry import whole_grid

TARGET = SimpleNamespace(name="bean", patch_vox=(16, 16, 16), spacing_mm=(1.0, 1.0, 1.0))


def placed(low, *, share=0.001, anchor="scan", side=6.0):
    """Cubes of one side whose lowest corner lies at `low` from an anchor, in scans of 100 mm."""
    faces = np.array([low, np.add(low, side)], dtype=float)
    return Placed("c", share, 1e6, {anchor: faces})


def people(spread, count=12, **how):
    rng = np.random.default_rng(0)
    return [placed(rng.normal(10, spread, 3), **how) for _ in range(count)]


def test_mask_is_measured_from_the_middle_of_the_scan_in_canonical_axes():
    mask = np.zeros((10, 8, 6), dtype=bool)
    mask[1:3, 2:5, 4] = True
    affine = np.diag([-2.0, 1.0, 1.0, 1.0])  # stored to the left, 2 mm a voxel
    affine[:3, 3] = 50.0
    grid = whole_grid(mask.shape, affine, (1.0, 1.0, 1.0))
    found = measure_mask(mask, np.zeros(mask.shape), grid, case_id="a")
    assert found.share == 6 / 480
    assert found.scan_mm3 == 960
    # voxels 1 and 2 of 0…9 are 8 and 7 from the other side: faces 6.5 and 8.5 from voxel 0
    expected = [[(6.5 - 4.5) * 2, 1.5 - 3.5, 3.5 - 2.5], [(8.5 - 4.5) * 2, 4.5 - 3.5, 4.5 - 2.5]]
    np.testing.assert_allclose(found.faces_mm["scan"], expected)
    # world: voxel k of the stored axis lies at 50 - 2k mm, so the mask spans 45 to 49 mm
    np.testing.assert_allclose(found.faces_mm["world"][:, 0], [45.0, 49.0])
    assert "head" not in found.faces_mm  # nothing but air


def test_empty_mask_has_no_place():
    mask = np.zeros((4, 4, 4), dtype=bool)
    grid = whole_grid(mask.shape, np.eye(4), (1.0, 1.0, 1.0))
    assert measure_mask(mask, mask.astype(float), grid, case_id="a") is None


def test_a_large_target_needs_nothing():
    assert propose_placement(people(1.0, share=0.02), TARGET).kind == "none"


def test_a_small_scan_needs_nothing():
    cases = [one._replace(scan_mm3=4 * 16**3) for one in people(1.0)]
    assert propose_placement(cases, TARGET).kind == "none"


def test_a_target_at_a_fixed_place_gets_a_region_that_holds_all_masks():
    cases = people(1.0)
    found = propose_placement(cases, TARGET)
    assert found.kind == "region"
    assert found.roi.anchor == "scan"
    low = np.subtract(found.roi.offset_mm, np.divide(found.roi.size_mm, 2))
    for one in cases:
        assert (one.faces_mm["scan"][0] - low > 4.9).all()
        assert (low + found.roi.size_mm - one.faces_mm["scan"][1] > 4.9).all()
    assert min(found.roi.size_mm) >= 16
    assert "fills 0.1 % of these scans" in found.reason


def test_a_target_that_lies_anywhere_gets_a_cascade():
    found = propose_placement(people(12.0), TARGET)
    assert (found.kind, found.roi) == ("cascade", None)
    assert "no box at a fixed place holds it" in found.reason


def test_few_people_do_not_show_a_place():
    assert propose_placement(people(1.0, count=7), TARGET).kind == "cascade"


def test_a_region_at_the_head_is_preferred_up_to_twice_the_size():
    cases = []
    for head, scan in zip(people(1.0, side=16.0), people(0.2, side=16.0), strict=True):
        faces = {"head": head.faces_mm["scan"], "scan": scan.faces_mm["scan"]}
        cases.append(head._replace(faces_mm=faces))
    assert propose_placement(cases, TARGET).roi.anchor == "head"
    cases = [one._replace(faces_mm={"scan": one.faces_mm["scan"]}) for one in cases]
    assert propose_placement(cases, TARGET).roi.anchor == "scan"


def test_region_reaches_four_standard_deviations_and_a_margin():
    faces = np.zeros((4, 2, 3))
    faces[:, 1] = 10.0
    faces[:, :, 0] += np.array([[0.0], [2.0], [2.0], [4.0]])
    region = region_about(faces, np.ones(3))
    spread = 4 * np.std([0, 2, 2, 4], ddof=1)
    assert region.low_mm == pytest.approx([2 - spread - 5, -5, -5])
    assert region.high_mm == pytest.approx([12 + spread + 5, 15, 15])
