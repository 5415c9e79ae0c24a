import math

import numpy as np
import pytest
import torch

from neurotarget.physics.scan import as_tensor, check_arrays, check_field
from neurotarget.problems import DataError


def test_images_of_two_grids_are_refused():
    echo = np.ones((1, 5, 6, 7))
    with pytest.raises(
        DataError, match=r"magnitude of shape \(1, 5, 6, 7\) and phase of shape \(5"
    ):
        check_arrays(echo, echo[0], None)
    with pytest.raises(
        DataError, match=r"mask: found shape \(5, 6, 6\) for a scan of shape \(5, 6"
    ):
        check_arrays(echo, echo, np.ones((5, 6, 6)))
    with pytest.raises(DataError, match=r"found \(5, 6, 1\) voxels, wanted a volume of at least 4"):
        check_arrays(echo[..., :1], echo[..., :1], None)


def test_numbers_that_are_not_finite_are_refused():
    echo = np.ones((1, 5, 6, 7))
    broken = echo.copy()
    broken[0, 1, 1, :2] = math.inf, math.nan
    with pytest.raises(DataError, match="magnitude: found 2 of 210 values that are not finite"):
        check_arrays(broken, echo, None)
    with pytest.raises(DataError, match="phase: found 2 of 210 values that are not finite"):
        check_arrays(echo, broken, None)
    check_arrays(echo, echo, np.ones((5, 6, 7)))


def test_fields_and_voxels_that_cannot_be_are_refused():
    for tesla in (0, 30000, math.nan):
        with pytest.raises(DataError, match=r"field strength: found .* wanted 0.05 to 25 tesla"):
            check_field(tesla, (1, 1, 1))
    with pytest.raises(DataError, match=r"voxel size: found .* wanted three lengths above 0"):
        check_field(3, (1, 0, 1))


def test_views_and_read_only_arrays_become_tensors():
    values = np.arange(8.0).reshape(2, 2, 2)
    values.flags.writeable = False
    assert as_tensor(values[::-1], "cpu")[0, 0, 0] == 4
    assert as_tensor(values, "cpu").dtype == torch.float32
