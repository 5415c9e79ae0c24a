import numpy as np
import pytest

from neurotarget.data.scans.film_marks import Marks, alternating_runs, drawn, relative_runs


def test_gaps_count_from_the_end_of_the_run_before_and_runs_go_down():
    runs = relative_runs("4 2 3 1")
    assert runs.tolist() == [[4, 2], [9, 1]]
    mask = drawn(Marks([runs]), (3, 4))[..., 0]  # 3 columns of 4 rows
    assert np.argwhere(mask).tolist() == [[1, 0], [1, 1], [2, 1]]
    assert len(relative_runs("-1")) == len(relative_runs("")) == 0


def test_lengths_of_coco_alternate():
    assert alternating_runs([4, 2, 3, 1]).tolist() == [[4, 2], [9, 1]]
    assert alternating_runs([0, 2, 3]).tolist() == [[0, 2]]


def test_an_outline_is_filled_in_columns_and_rows():
    corners = np.array([[1, 0], [3, 0], [3, 1], [1, 1]], float)
    mask = drawn(Marks(outlines=[corners]), (5, 4))[..., 0]
    assert mask.sum() == 6
    assert mask[1:4, :2].all()


def test_marks_of_another_size_are_enlarged():
    mask = drawn(Marks([relative_runs("0 1")], size_px=(2, 2)), (4, 6))
    assert mask.shape == (4, 6, 1)
    assert mask[:2, :3].all()
    assert mask.sum() == 6


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        (Marks([np.array([[3, 2]])]), r"runs up to pixel 5 of 2 × 2"),
        (Marks((), [np.array([[0.0, 0], [3, 1]])]), r"corners up to \(3, 1\) of 2 × 2"),
    ],
)
def test_marks_beyond_the_film_are_refused(marks, found):
    with pytest.raises(ValueError, match=found):
        drawn(marks, (2, 2))


@pytest.mark.parametrize("text", ["1 2 3", "a b", "-1 4", "1 1.5"])
def test_other_texts_are_no_runs(text):
    with pytest.raises(ValueError):  # noqa: PT011
        relative_runs(text)
