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


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sides", [(5, 6, 7), (5, 6, 20)])
def test_small_volume_is_padded_as_training_patches_are(channels, sides):
    seen = []
    volume = np.random.default_rng(0).random((channels, *sides)).astype(np.float32)
    volume[-1] += 10  # a channel with a smallest value of its own
    SlidingWindow((8, 8, 8))(torch.from_numpy(volume)[None], lambda w: seen.extend(w.clone()) or w)
    patch, fill = np.array((8, 8, 8)), volume.min(axis=(1, 2, 3))
    for number, window in enumerate(seen):
        start = np.array([0, 0, 4 * number])  # windows overlap by half
        expected = cut(volume, _clamped(start, np.array(sides), patch), patch, fill=fill)
        np.testing.assert_array_equal(window.numpy(), expected)
    assert len(seen) == (4 if sides[2] == 20 else 1)


def test_mirror_exchanges_paired_labels_back():
    image = torch.rand(1, 1, 8, 8, 8)

    def lateral(window):  # sees label 1 in the first half of axis 0 and label 2 in the second
        first = torch.zeros_like(window)
        first[:, :, :4] = 1
        return torch.cat([torch.zeros_like(window), first, 1 - first], dim=1)

    scores = SlidingWindow((8, 8, 8), swap=(0, 2, 1))(image, lateral)
    torch.testing.assert_close(scores, lateral(image))
    kept = SlidingWindow((8, 8, 8), swap=(0, 1, 2))(image, lateral)
    assert float((kept[:, 1:] - 0.5).abs().max()) < 1e-5  # unpaired sides wash out
