from types import SimpleNamespace

import numpy as np

from neurotarget.training.resources.plan_auto import fingerprint


def entry(sides, corner, box):
    ends = [corner, [low + side - 1 for low, side in zip(corner, box, strict=True)]]
    points = np.array([[1, *end] for end in ends], dtype=np.int16)
    return SimpleNamespace(shape=(1, *sides), foreground=points)


def test_sizes_are_those_of_the_prepared_scans():
    entries = [entry((20, 30, 40), (1, 1, 1), (4, 5, 6)) for _ in range(2)]
    found = fingerprint([*entries, entry((22, 30, 44), (0, 0, 0), (4, 5, 6))])
    assert found.median_vox == (20, 30, 40)
    assert found.target_vox == (4, 5, 6)
    assert found.voxels == 2 * 24_000 + 22 * 30 * 44


def test_a_case_without_a_label_says_nothing_of_the_target():
    empty = entry((8, 8, 8), (0, 0, 0), (1, 1, 1))
    empty.foreground = np.zeros((0, 4), dtype=np.int16)
    assert fingerprint([empty, entry((8, 8, 8), (2, 2, 2), (3, 3, 3))]).target_vox == (3, 3, 3)
    assert fingerprint([empty]).target_vox == (8, 8, 8)
