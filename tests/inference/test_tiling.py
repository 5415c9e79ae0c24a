import numpy as np
import pytest
import torch

from neurotarget.data.patches import _clamped, cut
from neurotarget.inference.tiling import SlidingWindow


def identity(window):
    return torch.cat([window, -window], dim=1)


@pytest.mark.parametrize("sides", [(8, 8, 8), (5, 8, 11), (3, 20, 7)])
def test_every_voxel_keeps_its_place(sides):
    image = torch.arange(np.prod(sides), dtype=torch.float32).reshape(1, 1, *sides)
    scores = SlidingWindow((8, 8, 8))(image, identity)
    assert scores.shape == (1, 2, *sides)
    torch.testing.assert_close(scores[:, :1], image, rtol=1e-4, atol=1e-2)


def test_small_volume_is_padded_as_training_patches_are():
    seen = []
    volume = np.random.default_rng(0).random((1, 5, 6, 7)).astype(np.float32)
    SlidingWindow((8, 8, 8))(torch.from_numpy(volume)[None], lambda w: seen.append(w.clone()) or w)
    sides, patch = np.array(volume.shape[1:]), np.array((8, 8, 8))
    expected = cut(volume, _clamped(np.zeros(3, int), sides, patch), patch)
    np.testing.assert_array_equal(seen[0][0].numpy(), expected)
