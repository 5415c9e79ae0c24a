import numpy as np
import pytest

from neurotarget.data.sides.halves import halves_of


def block(low, high):
    return np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)]), -1)


def points(*blocks):
    return np.concatenate([one.reshape(-1, 3) for one in blocks]).astype(float)


LEFT, RIGHT = block((0, 0, 0), (4, 9, 4)), block((20, 0, 0), (24, 9, 4))


def test_two_blocks_are_two_clear_halves():
    halves = halves_of(points(RIGHT, LEFT))
    np.testing.assert_allclose(halves.left_mm, (1.5, 4, 1.5))
    np.testing.assert_allclose(halves.right_mm, (21.5, 4, 1.5))
    assert halves.separation == pytest.approx(
        20 / np.sqrt(1.25)
    )  # 0, 1, 2, 3 have a variance of 1.25
    assert halves.size_ratio == 1
    assert halves.is_clear
    np.testing.assert_allclose(halves.border.right_mm([[11.5, 0, 0], [14.5, 7, 7]]), (0, 3))


def test_a_bar_is_no_two_halves():
    halves = halves_of(points(block((0, 0, 0), (24, 9, 4))))
    assert halves.separation == pytest.approx(2 * np.sqrt(3), rel=0.01)
    assert not halves.is_separate


def test_a_half_with_a_fragment_is_apart_but_not_clear():
    halves = halves_of(points(LEFT, block((20, 0, 0), (24, 3, 4))))
    assert halves.size_ratio == pytest.approx(1 / 3)
    assert halves.is_separate
    assert not halves.is_clear


@pytest.mark.parametrize("way", [(0, 30, 0), (0, 0, 30), (10, 30, 0)])
def test_one_above_or_behind_the_other_are_no_sides(way):
    halves = halves_of(points(LEFT, LEFT + np.array(way)))
    assert not halves.is_separate


def test_long_halves_beside_each_other_are_parted_along_their_length():
    left, right = block((0, 0, 0), (8, 60, 8)), block((30, 0, 0), (38, 60, 8))
    halves = halves_of(points(left, right))
    np.testing.assert_allclose(halves.left_mm, (3.5, 29.5, 3.5))
    assert halves.is_clear


@pytest.mark.parametrize("places", [[], [[1, 2, 3]], [[1, 2, 3]] * 5])
def test_one_place_has_no_halves(places):
    assert halves_of(np.array(places, dtype=float).reshape(-1, 3)) is None
