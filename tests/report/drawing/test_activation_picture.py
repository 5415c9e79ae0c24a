from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from neurotarget.data.formats.npy import TO_RAS
from neurotarget.report.drawing.activation_picture import DPI, FOOT_INCH, activation_bytes


def drawn(scan, affine, activation=None):
    activation = np.zeros(scan.shape) if activation is None else activation
    return np.asarray(Image.open(BytesIO(activation_bytes(scan, activation, affine))).convert("L"))


def brightest_place(picture):
    """Share of the left panel's width, and of the picture's height, at the brightest pixel."""
    left = picture[:, : picture.shape[1] // 2].copy()
    left[: int(0.5 * DPI)] = 0  # the title
    row, column = np.unravel_index(left.argmax(), left.shape)
    return column / left.shape[1], row / left.shape[0]


def test_a_film_is_shown_as_it_is_stored_with_its_first_row_at_the_top():
    film = np.zeros((40, 40, 1))
    film[:8, :8] = 1.0  # the first columns of the first rows
    across, down = brightest_place(drawn(film, TO_RAS))
    assert across < 0.3
    assert down < 0.4


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (1, -1, 1)])
def test_the_right_side_is_on_the_left_however_the_scan_is_stored(flips):
    coronal = np.zeros((40, 3, 40))
    coronal[30:, :, 30:] = 1.0  # right and up in RAS+
    stored = coronal[:: flips[0], :: flips[1], :: flips[2]]
    across, down = brightest_place(drawn(stored, np.diag([*map(float, flips), 1.0])))
    assert across < 0.4
    assert down < 0.4


def test_only_a_scan_of_several_slices_has_a_curve_of_its_slices():
    one, several = (drawn(np.ones((40, 40, n)), TO_RAS).shape[0] for n in (1, 4))
    assert several - one == pytest.approx(FOOT_INCH * DPI, abs=1)
