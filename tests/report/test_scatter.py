import math
import warnings

import matplotlib.image
import numpy as np
import pytest

from neurotarget.report.scatter import volume_scatter_png


def drawn(path, *volumes, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume_scatter_png(*volumes, path, **options)
    return matplotlib.image.imread(path)[..., :3]


def blue(picture):
    return int((np.abs(picture - np.array([0, 0x72, 0xB2]) / 255).max(axis=-1) < 0.3).sum())


def test_points_are_drawn_for_cases_with_both_volumes(tmp_path):
    truth = {"gland": [500.0, 600.0, 700.0, 800.0]}
    all_four = drawn(tmp_path / "a.png", truth, {"gland": [510.0, 590.0, 720.0, 790.0]})
    one = drawn(tmp_path / "b.png", truth, {"gland": [510.0, math.nan, math.nan, math.nan]})
    assert blue(all_four) > 2.5 * blue(one) > 0


def test_labels_stand_side_by_side_and_then_below(tmp_path):
    volumes = {f"region{number}": [1.0, 2.0, 3.0] for number in range(5)}
    one = drawn(tmp_path / "a.png", {"a": [1.0, 2.0, 3.0]}, {"a": [1.0, 2.0, 3.0]})
    five = drawn(tmp_path / "b.png", volumes, volumes)
    assert five.shape[1] == pytest.approx(4 * one.shape[1], rel=0.01)
    assert five.shape[0] > 1.8 * one.shape[0]


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0, 5.0], [math.nan, math.nan, math.nan]])
def test_few_or_equal_volumes_are_drawn_without_a_warning(tmp_path, values):
    assert drawn(tmp_path / "a.png", {"a": values}, {"a": values}).size


def test_a_label_may_be_called_anything(tmp_path):
    odd = {r"$\frac_ <b>": [1.0, 2.0, 3.0]}
    drawn(tmp_path / "a.png", odd, odd, title="$x_")


def test_labels_without_predictions_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"volume_scatter_png: got reference of \['a'\]"):
        volume_scatter_png({"a": [1.0]}, {}, tmp_path / "a.png")
