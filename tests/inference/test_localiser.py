import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from neurotarget.data.scans.geometry import whole_grid
from neurotarget.inference.localiser import Limits, locate

GRID = whole_grid((120, 120, 120), np.eye(4), (4.0, 4.0, 4.0))  # 30³ voxels of 4 mm
LIMITS = Limits((16.0, 16.0, 16.0), (64.0 * 20, 64.0 * 64), 4.0, (24.0, 24.0, 24.0))


def head(*balls):
    """Probability 0.9 in cubes of given first voxel and side."""
    probability = np.full(GRID.shape, 0.01, dtype=np.float32)
    for low, side in balls:
        probability[tuple(slice(a, a + side) for a in low)] = 0.9
    return probability


def test_the_box_of_the_target_is_found():
    found = locate(head(((10, 12, 14), 4)), GRID, LIMITS)
    assert found.box.size_mm == (16, 16, 16)
    assert found.box.centre_mm == (47.5, 55.5, 63.5)  # voxel 11.5 of 4 mm, centred on the scan
    assert found.confidence == pytest.approx(0.9)
    assert found.volume_mm3 == 64 * 64
    assert found.reason == ""
    roi = found.roi(LIMITS)
    assert (roi.size_mm, roi.anchor, roi.offset_mm) == ((24, 24, 24), "world", (47.5, 55.5, 63.5))


def test_a_speck_elsewhere_neither_moves_nor_widens_the_box():
    alone = locate(head(((10, 12, 14), 4)), GRID, LIMITS)
    assert locate(head(((10, 12, 14), 4), ((25, 25, 2), 2)), GRID, LIMITS) == alone


def test_two_pieces_within_the_known_size_are_one_target():
    wide = Limits((48.0, 16.0, 16.0), (64.0 * 20, 64.0 * 64), 4.0, (24.0, 24.0, 24.0))
    found = locate(head(((6, 12, 14), 3), ((15, 12, 14), 3)), GRID, wide)
    assert found.box.size_mm == (48, 12, 12)
    assert found.reason == ""


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (np.full(GRID.shape, 0.3, dtype=np.float32), r"nothing found \(highest probability 0.30\)"),
        (head(((10, 12, 14), 4)) * 0.6, r"confidence 0.54, wanted at least 0.6"),
        (head(((10, 12, 14), 1)), r"a region of 64 mm3, wanted 320 to 16384"),
    ],
)
def test_what_cannot_be_trusted_says_why_and_gives_no_region(probability, expected):
    found = locate(probability, GRID, LIMITS)
    assert found.roi(LIMITS) is None
    assert re.search(expected, found.reason)


def test_a_region_much_larger_than_any_mask_is_not_trusted():
    small = Limits((16.0, 16.0, 16.0), (64.0, 640.0), 4.0, (24.0, 24.0, 24.0))
    found = locate(head(((10, 12, 14), 4)), GRID, small)
    assert found.reason == "a region of 4096 mm3, wanted 16 to 2560"


def test_a_box_that_lies_mostly_beyond_the_scan_is_not_trusted():
    large = Limits((16.0, 16.0, 16.0), (64.0, 64.0 * 64), 0.0, (40.0, 40.0, 40.0))
    found = locate(head(((0, 0, 0), 3)), GRID, large)
    # edges at 0 and 12 mm, so a box from −14 to 26 mm: 26/40 of it an axis
    assert found.reason == "27 % of the box in the scan, wanted at least 50 %"


def test_limits_are_read_as_they_were_written():
    assert Limits.from_dict(json.loads(json.dumps(asdict(LIMITS)))) == LIMITS
