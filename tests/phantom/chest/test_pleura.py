"""Air is drawn between the lung and its lateral and apical wall, in the wanted size."""

import numpy as np
import pytest

from neurotarget.phantom.chest.pleura import Air, air_of, depths_px, draw_air, lungs_of

SIDE = 96
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def ellipse(column):
    return ((ROWS - 48) / 36) ** 2 + ((COLUMNS - column) / 16) ** 2 < 1


LEFT, RIGHT = ellipse(25), ellipse(70)
WIDE = Air(extent=0.9)


def test_the_two_largest_fields_are_lungs_from_left_to_right():
    speck = (ROWS < 3) & (COLUMNS < 3)
    first, second = lungs_of(LEFT | RIGHT | speck)
    assert (first == LEFT).all()
    assert (second == RIGHT).all()


def test_depth_counts_from_the_lateral_and_the_apical_wall_alone():
    depth = depths_px(LEFT, is_left=True)
    assert depth[48, 10] <= 2  # lateral
    assert depth[13, 25] <= 2  # apex
    assert depth[48, 40] > 25  # next to the heart
    assert np.isinf(depth[48, 60])
    assert np.array_equal(depth, depths_px(LEFT[:, ::-1], is_left=False)[:, ::-1])


@pytest.mark.parametrize("is_left", [True, False])
def test_the_air_has_the_wanted_area_and_lies_outside_of_the_pleura(is_left):
    rng = np.random.default_rng(0)
    lung = LEFT if is_left else RIGHT
    mask, apart = air_of(lung, is_left=is_left, area_px=200, air=WIDE, rng=rng)
    assert mask.sum() == pytest.approx(200, abs=45)
    assert not (mask & ~lung).any()
    assert (apart[mask] < 0).all()
    side = COLUMNS[mask].mean() - COLUMNS[lung].mean()
    assert (side < 0) == is_left
    assert ROWS[mask].mean() < ROWS[lung].mean()


def test_the_air_is_darker_without_vessels_and_ends_at_a_bright_line():
    rng = np.random.default_rng(1)
    film = np.where(LEFT | RIGHT, 0.4, 0.8)
    film[::6] += 0.1  # thin vessels
    mask, apart = air_of(LEFT, is_left=True, area_px=500, air=WIDE, rng=rng)
    drawn = draw_air(film, LEFT, apart, Air(0.9, lucency=0.1, line=0.2), rng)
    deep = mask & (apart < -3) & (depths_px(LEFT, is_left=True) > 4)
    assert drawn[deep].mean() < film[deep].mean() - 0.08
    assert drawn[deep].std() < film[deep].std()
    pleura = LEFT & (np.abs(apart) < 0.7) & (depths_px(LEFT, is_left=True) > 4)
    assert drawn[pleura].mean() > drawn[deep].mean() + 0.1
    far = RIGHT | ~LEFT & (COLUMNS > 50)
    assert np.allclose(drawn[far], film[far], atol=0.02)
