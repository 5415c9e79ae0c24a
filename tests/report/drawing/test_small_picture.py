from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from neurotarget.report.drawing.small_picture import GAP_PX, HEIGHT_PX, WIDTH_PX, small_picture

RED, BLUE = (255, 0, 0), (0, 0, 255)
SPACING = np.diag([1.0, 1.0, 2.0, 1.0])


def drawn(*arguments, **settings):
    content = small_picture(*arguments, **settings)
    return np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)


def box_of(label, *spans):
    classes = np.zeros((80, 90, 50), np.int16)
    classes[tuple(slice(*span) for span in spans)] = label
    return classes


def is_like(picture, colour):
    return np.abs(picture - np.array(colour)).max(axis=-1) < 80


def test_three_slices_fit_into_the_size_of_a_small_picture():
    image = np.random.default_rng(0).normal(size=(80, 90, 50)).astype(np.float32)
    picture = drawn(image, box_of(1, (30, 50), (30, 50), (15, 35)), SPACING, [RED])
    high, wide, _ = picture.shape
    assert high <= HEIGHT_PX
    assert HEIGHT_PX < wide <= WIDTH_PX + 2 * GAP_PX


def test_each_label_is_outlined_in_its_colour_and_not_filled():
    classes = box_of(1, (20, 34), (20, 60), (10, 40)) + box_of(2, (44, 60), (20, 60), (10, 40))
    picture = drawn(np.full(classes.shape, 7.0), classes, SPACING, [RED, BLUE])
    for colour in (RED, BLUE):
        assert 0.001 < is_like(picture, colour).mean() < 0.05


def test_right_is_on_the_left():
    """A label at high x, the patient's right in RAS, in the coronal and the axial slice."""
    classes = box_of(1, (10, 70), (20, 60), (10, 40))
    classes[60:70, 20:60, 10:40] = 2
    picture = drawn(np.zeros(classes.shape), classes, SPACING, [RED, BLUE])
    last = picture[:, -picture.shape[1] // 4 :]  # within the axial slice
    columns = [np.flatnonzero(is_like(last, colour).any(axis=0)) for colour in (RED, BLUE)]
    assert len(columns[0])
    whole = [np.flatnonzero(is_like(picture, colour).any(axis=0)).max() for colour in (RED, BLUE)]
    assert whole[1] < whole[0]


def test_colours_repeat_after_the_last():
    classes = box_of(3, (20, 60), (20, 60), (10, 40))
    picture = drawn(np.zeros(classes.shape), classes, SPACING, [RED, BLUE])
    assert is_like(picture, RED).any()
    assert not is_like(picture, BLUE).any()


def test_a_scan_without_a_label_map_is_drawn_without_colours():
    image = np.random.default_rng(0).normal(size=(20, 20, 20))
    picture = drawn(image, None, np.eye(4), [RED])
    assert np.ptp(picture, axis=-1).max() < 40


def test_a_label_map_without_a_scan_is_outlined_on_grey():
    picture = drawn(None, box_of(1, (20, 60), (20, 60), (10, 40)), SPACING, [RED])
    assert is_like(picture, RED).any()


def test_a_film_is_shown_without_and_with_its_outlines():
    image = np.random.default_rng(0).normal(size=(60, 60, 1))
    classes = np.zeros((60, 60, 1), np.int16)
    classes[20:40, 20:40] = 1
    picture = drawn(image, classes, np.eye(4), [RED], has_sides=False)
    half = picture.shape[1] // 2
    assert not is_like(picture[:, :half], RED).any()
    assert is_like(picture[:, half:], RED).any()
    alone = drawn(image, None, np.eye(4), [RED], has_sides=False)
    assert alone.shape[1] < picture.shape[1] * 0.6


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="neither image nor mask"):
        small_picture(None, None, np.eye(4), [RED])
