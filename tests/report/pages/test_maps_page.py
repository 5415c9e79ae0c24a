"""Pictures and page of maps: the right side, the right place, everything shown and escaped."""

import numpy as np
import pytest

from neurotarget.files.writing import write_text
from neurotarget.report.drawing.figure import svg_text
from neurotarget.report.figures.map_pictures import axial_figure, map_scene, planes_figure
from neurotarget.report.pages.maps_page import GRECase, gre_html

WINDOW = (-0.1, 0.2)
MINUS = "\N{MINUS SIGN}"


def axes_images(figure):
    """Grey values of the pictures as they are seen, in their order, without the grey scale."""
    return [panel.images[0].get_array()[:, ::-1] for panel in figure.axes if panel.images][:3]


def corner(affine):
    """A map that is bright at the right, front, upper corner of the patient only."""
    array = np.zeros((8, 8, 8), np.float32)
    place = [-1 if affine[axis, axis] > 0 else 0 for axis in range(3)]
    array[tuple(place)] = 0.2
    return array


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
def test_the_patients_right_is_on_the_left_whatever_the_stored_order(signs):
    affine = np.diag([*(2.0 * sign for sign in signs), 1.0])
    array = corner(affine)
    focus = array > 0
    figure = planes_figure("one", map_scene(array, affine, focus=focus), window=WINDOW, unit="ppm")
    sagittal, coronal, axial = axes_images(figure)
    # rows rise from the bottom; the left column is the front in sagittal, the right in others
    for picture in (sagittal, coronal, axial):
        assert picture[-1, 0] == np.float32(0.2)
        assert (picture > 0).sum() == 1


def test_a_map_with_permuted_axes_is_shown_upright():
    affine = np.array([[0, 0, 3.0, 0], [1.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])
    scene = map_scene(np.zeros((4, 5, 6), np.float32), affine)
    assert scene.image.shape == (6, 4, 5)
    np.testing.assert_allclose(scene.spacing_mm, (3, 1, 2))


def test_pictures_are_cropped_to_the_brain_and_cut_at_the_focus():
    brain = np.zeros((40, 40, 40), bool)
    brain[10:20, 12:20, 14:20] = True
    focus = np.zeros_like(brain)
    focus[18, 13, 15] = True
    scene = map_scene(np.zeros(brain.shape, np.float32), np.eye(4), brain, focus)
    assert [(part.start, part.stop) for part in scene.box] == [(6, 24), (8, 24), (10, 24)]
    assert scene.centre == [18, 13, 15]


def test_the_window_its_unit_sides_and_a_scale_bar_are_written():
    figure = planes_figure(
        "one", map_scene(np.zeros((40, 40, 40)), np.eye(4)), window=WINDOW, unit="ppm"
    )
    texts = {text.get_text() for panel in figure.axes for text in panel.texts}
    texts |= {text.get_text() for text in figure.texts}
    ticks = {label.get_text() for panel in figure.axes for label in panel.get_xticklabels()}
    assert {"R", "L", "A", "P", "10 mm", "ppm", "axial"} <= texts
    assert {f"{MINUS}0.1", "0", "0.2"} <= ticks
    assert all(
        picture.get_clim() == WINDOW for panel in figure.axes[:3] for picture in panel.images
    )
    assert svg_text(figure).startswith("<svg")


def test_several_maps_share_one_window_and_have_their_names():
    scene = map_scene(np.zeros((9, 9, 9)), np.eye(4))
    maps = dict.fromkeys(["truth", "l2", "tkd", "tv", "pdf"], scene)
    figure = axial_figure("several", maps, window=WINDOW, unit="ppm")
    titles = [panel.get_title(loc="left") for panel in figure.axes[:5]]
    assert titles == list(maps)


def test_the_page_tells_scans_numbers_and_failures(tmp_path):
    picture = planes_figure(
        "scan_1", map_scene(np.zeros((9, 9, 9)), np.eye(4)), window=WINDOW, unit="ppm"
    )
    cases = [
        GRECase(
            "sub-1", "done", "look", {"Field": "3 T"}, {"sd_ppm": 0.05, "mask_left": 0.8}, picture
        ),
        GRECase("sub-2", "kept", "", {"Field": "7 T"}, {"sd_ppm": float("nan")}),
        GRECase("sub-3", "failed", "<script>alert(1)</script> no phase"),
    ]
    page = tmp_path / "qsm.html"
    write_text(page, gre_html(cases, kind="qsm", facts={"inversion": "l2"}))
    text = page.read_text()
    assert "3 scans: 1 made, 1 kept from before, 1 failed." in text
    assert "Look at these scans: sub-1." in text
    for part in (
        "0.0500",
        "SD, ppm",
        "Look.",
        "80 %",
        "3 T",
        "7 T",
        "inversion",
        "no phase",
        'id="figure-scan_1"',
    ):
        assert part in text
    assert "<script>alert(1)" not in text
