import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurotarget.phantom.gland.anatomy import Head, Person, render_head
from neurotarget.phantom.gland.plan import SITES
from neurotarget.phantom.scanner import Site

NORTH, SOUTH = SITES


def person(**changed: object) -> Person:
    values = {"age": 40.0, "sex": "F", "tiv_ml": 1450.0, "gland_mm3": 640.0, "seed": (1, 2)}
    return Person(**(values | changed))


def volume_mm3(head: Head) -> float:
    return float(head.label.sum() * abs(np.linalg.det(head.affine[:3, :3])))


@pytest.fixture(scope="module")
def head() -> Head:
    return render_head(person(), NORTH)


def mean_at(head: Head, offset_mm: tuple[float, float, float]) -> float:
    """Mean of 27 voxels at a place given in scanner mm from the gland's middle."""
    world = nib.affines.apply_affine(head.affine, np.argwhere(head.label).mean(axis=0)) + offset_mm
    i, j, k = np.round(nib.affines.apply_affine(np.linalg.inv(head.affine), world)).astype(int)
    return float(head.image[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2].mean())


def test_label_holds_the_planned_volume_in_one_piece(head: Head):
    assert volume_mm3(head) == pytest.approx(640, rel=0.005)
    assert ndimage.label(head.label)[1] == 1
    assert head.label.dtype == np.uint8


@pytest.mark.parametrize("planned_mm3", [250.0, 950.0])
def test_small_and_large_glands_keep_their_volume_on_an_oblique_grid(planned_mm3: float):
    drawn = render_head(person(gland_mm3=planned_mm3), SOUTH)
    assert volume_mm3(drawn) == pytest.approx(planned_mm3, rel=0.005)


def test_gland_is_brighter_than_sinus_and_cistern_and_darker_than_white_matter(head: Head):
    gland = float(head.image[head.label == 1].mean())
    assert mean_at(head, (4, 6, -11)) < 0.35 * gland  # sphenoid sinus: air
    assert mean_at(head, (0, -2, 7)) < 0.8 * gland  # suprasellar cistern
    assert gland < mean_at(head, (0, -24, -3))  # pons


def test_head_is_whole_from_vertex_to_neck(head: Head):
    tissue = head.image > 0.2 * np.percentile(head.image, 99)
    levels = np.flatnonzero(tissue.mean(axis=(0, 1)) > 0.02)
    gland = np.argwhere(head.label)[:, 2].mean()
    assert levels[-1] < head.image.shape[2] - 3  # air above the vertex
    assert 85 < levels[-1] - gland < 125  # mm, in a head smaller than the template
    assert gland - levels[0] > 60


def test_the_same_seed_draws_the_same_voxels():
    one, two = (render_head(person(), NORTH, voxel_scale=3) for _ in range(2))
    other = render_head(person(seed=(1, 3)), NORTH, voxel_scale=3)
    assert (one.image == two.image).all()
    assert (one.label == two.label).all()
    assert (one.image != other.image).any()


def test_sites_store_their_own_grids():
    north, south = (render_head(person(), site, voxel_scale=3) for site in SITES)
    assert nib.aff2axcodes(north.affine) == ("R", "A", "S")
    assert nib.aff2axcodes(south.affine) == ("P", "S", "R")
    assert nib.affines.voxel_sizes(north.affine) == pytest.approx([3, 3, 3])
    assert nib.affines.voxel_sizes(south.affine) == pytest.approx([2.8125, 2.8125, 3.6])
    assert nib.affines.obliquity(north.affine).max() == 0
    assert nib.affines.obliquity(south.affine).max() > 0.005


def test_larger_heads_are_larger():
    small, large = (render_head(person(tiv_ml=ml), NORTH, voxel_scale=4) for ml in (1200, 1700))
    bright = [(head.image > 100).sum() for head in (small, large)]
    assert bright[1] > 1.1 * bright[0]


def test_a_scan_that_misses_the_gland_is_refused():
    narrow = Site("narrow", (2.0, 2.0, 2.0), (20.0, 20.0, 20.0))
    with pytest.raises(ValueError, match="lies outside the scan"):
        render_head(person(), narrow)
