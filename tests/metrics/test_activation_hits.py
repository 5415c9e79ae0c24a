import numpy as np
import pytest

from neurotarget.metrics.activation_hits import hit_of


def test_a_hit_is_in_the_finding_and_a_slice_hit_beside_it():
    finding = np.zeros((6, 5, 4), bool)
    finding[1:3, 1:3, 2] = True
    for place, expected in {(1, 2, 2): (1, 1), (5, 4, 2): (0, 1), (1, 2, 3): (0, 0)}.items():
        activation = np.full(finding.shape, -5.0)
        activation[place] = -1.0
        found = hit_of(activation, finding)
        assert (found.hit, found.slice_hit) == expected
        assert found.chance == pytest.approx(4 / 120)


def test_other_grids_and_cases_without_a_finding_are_refused():
    with pytest.raises(ValueError, match="use one grid"):
        hit_of(np.zeros((2, 2, 2)), np.ones((2, 2, 3), bool))
    with pytest.raises(ValueError, match="no voxel of the finding"):
        hit_of(np.zeros((2, 2, 2)), np.zeros((2, 2, 2), bool))
