import numpy as np
import pytest

from neurotarget.phantom.dentate.anatomy import render_dentate
from neurotarget.phantom.dentate.nuclei import sample_dentates
from oracles.dentates import filled_pair, straight_scene


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.9, 0.9, 2.0), (1.2, 0.9375, 0.9375)])
def test_volumes_are_those_planned_on_any_grid(spacing_mm):
    voxel_mm3 = np.prod(spacing_mm)
    pair = filled_pair((480.0, 900.0), 1, spacing_mm=spacing_mm)
    for filled, planned in zip(pair, (480, 900), strict=True):
        assert filled.share.sum() * voxel_mm3 == pytest.approx(planned, rel=0.02)
        assert filled.label.sum() * voxel_mm3 == pytest.approx(planned, abs=voxel_mm3 / 2 + 0.01)


def test_the_label_holds_what_is_filled_by_more_than_half():
    for filled in filled_pair((800.0, 700.0), 2):
        half = filled.share > 0.5
        assert (half != filled.label).sum() < 0.08 * filled.label.sum()
        assert filled.share[filled.label].min() >= filled.share[~filled.label].max()


def test_the_planted_susceptibility_is_the_mean_over_the_nucleus():
    for filled in filled_pair((800.0, 700.0), 3, mean_ppm=0.17):
        mean = np.average(filled.chi_ppm, weights=filled.share)
        inner = filled.chi_ppm[filled.share > 0.99]
        assert mean == pytest.approx(0.17, rel=1e-3)
        assert 0.003 < inner.std() < 0.03  # grain


def test_left_lies_left():
    left, right = filled_pair((800.0, 800.0), 4)
    places = [np.argwhere(one.label)[:, 0].mean() + one.box[0].start for one in (left, right)]
    assert places[0] < 28 < places[1]  # the grid is 56 mm wide about the midline


def test_a_grid_that_misses_the_dentate_is_refused():
    nucleus = sample_dentates(np.random.default_rng(1))[0]
    far = (nucleus.centre[0], nucleus.centre[1], 60.0)
    scene = straight_scene(far, (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"lies outside the scan; widen site\.extent_mm"):
        render_dentate(scene, nucleus, 800.0, mean_ppm=0.1, rng=np.random.default_rng(1))
