import numpy as np
import pytest

from neurotarget.phantom.dentate.nuclei import CENTRE_MM, in_dentate, sample_dentates

STEP_MM = 0.5
LATTICE = np.stack(np.meshgrid(*[np.arange(-15, 15.1, STEP_MM)] * 3, indexing="ij"))


def points_of(nucleus) -> np.ndarray:
    """Places in the nucleus, template mm from its centre, (N, 3)."""
    return LATTICE[:, in_dentate(nucleus, LATTICE.astype(np.float32))].T


@pytest.fixture(scope="module")
def pairs():
    return [sample_dentates(np.random.default_rng(seed)) for seed in range(12)]


def test_centres_of_mass_lie_where_the_atlas_has_them(pairs):
    for side, place in ((0, -1), (1, 1)):
        found = [pair[side].centre + points_of(pair[side]).mean(axis=0) for pair in pairs]
        wanted = np.array(CENTRE_MM) * (place, 1, 1)
        assert np.mean(found, axis=0) == pytest.approx(wanted, abs=0.9)  # 2.5 standard errors


def test_extent_is_that_of_a_dentate_in_the_template(pairs):
    extents = np.array([np.ptp(points_of(one), axis=0) for pair in pairs for one in pair])
    assert extents.mean(axis=0) == pytest.approx([13.5, 19.5, 16.0], abs=1.0)
    assert (extents.std(axis=0) > 0.4).all()


def test_a_dentate_is_a_crescent_open_to_the_midline(pairs):
    for left, right in pairs:
        for nucleus, inward in ((left, 1), (right, -1)):
            points = points_of(nucleus)
            middle = points[np.abs(points[:, 1]) < 2, 0].mean() * inward
            ends = points[np.abs(points[:, 1]) > 7, 0].mean() * inward
            assert ends > middle + 2  # the ends lie nearer to the midline
        hilum = np.array([[4.0], [0.0], [0.0]], dtype=np.float32)
        assert not in_dentate(left, hilum).any()


def test_sides_of_one_person_resemble_each_other_more_than_people_do(pairs):
    heights = np.array([[one.height for one in pair] for pair in pairs])
    within = np.abs(np.diff(heights, axis=1)).mean()
    between = np.abs(np.diff(heights[:, 0])).mean()
    assert within < 0.7 * between
    assert (heights[:, 0] != heights[:, 1]).all()


def test_volume_goes_with_the_cube_of_the_size(pairs):
    nucleus = pairs[0][0]
    small, large = (len(points_of(nucleus.sized(factor))) for factor in (0.8, 1.0))
    assert small / large == pytest.approx(0.512, rel=0.05)
