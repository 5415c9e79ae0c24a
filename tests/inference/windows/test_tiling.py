import itertools
import threading

import numpy as np
import pytest
import torch

from neurotarget.data.batches.draws import _clamped, cut
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.problems import DataError


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


def unpadded(channels=1):
    """Two convolutions that lose two voxels at each face."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv3d(channels, 4, 3), torch.nn.Tanh(), torch.nn.Conv3d(4, 3, 3)
    ).eval()


def dense(net, image, margin=2):
    """A network over a whole volume at once, each channel padded with its smallest value."""
    sides = [side + 2 * margin for side in image.shape[2:]]
    padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *sides)
    padded[..., margin:-margin, margin:-margin, margin:-margin] = image
    return net(padded)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("sides", [(5, 5, 5), (1, 2, 3), (5, 6, 17), (11, 4, 8)])
@torch.no_grad()
def test_windows_of_an_unpadded_net_score_as_the_whole_volume_does(sides, overlap):
    net, image = unpadded(channels=2), torch.randn(1, 2, *sides)
    windows = SlidingWindow((9, 9, 10), overlap=overlap, batch=3, margin_vox=2)
    found = windows(image, net)
    assert found.shape == (1, 3, *sides)
    torch.testing.assert_close(found, dense(net, image))


@torch.no_grad()
def test_mirror_of_an_unpadded_net_is_that_of_the_whole_volume():
    net, image = unpadded(), torch.randn(1, 1, 8, 5, 12)
    windows = SlidingWindow((9, 9, 9), swap=(0, 2, 1), margin_vox=2)
    mirrored = dense(net, image.flip(2)).flip(2)[:, [0, 2, 1]]
    torch.testing.assert_close(windows(image, net), (dense(net, image) + mirrored) / 2)


@torch.no_grad()
def test_several_volumes_keep_apart():
    net, image = unpadded(), torch.randn(2, 1, 5, 5, 11)
    torch.testing.assert_close(
        SlidingWindow((9, 9, 9), margin_vox=2)(image, net), dense(net, image)
    )


def test_scored_parts_overlap_by_the_share_and_are_blended_as_monai_does():
    seen = []

    def net(window):  # scores its inner 4³ with the number of the window
        seen.extend(window)
        numbers = torch.arange(len(seen) - len(window), len(seen), dtype=torch.float32)
        return numbers.view(-1, 1, 1, 1, 1).expand(-1, 1, 4, 4, 4)

    scores = SlidingWindow((6, 6, 6), overlap=0.5, batch=1, margin_vox=1)(
        torch.rand(1, 1, 4, 4, 6), net
    )
    assert len(seen) == 2  # at 0 and at 2 of 6 voxels
    assert scores[0, 0, 0, 0, :2].tolist() == [0, 0]
    assert scores[0, 0, 0, 0, 4:].tolist() == [1, 1]
    near, far = (np.exp(-(at**2) / (2 * (4 * 0.125) ** 2)) for at in (0.5, 1.5))
    assert scores[0, 0, 1, 1, 2].item() == pytest.approx(far / (near + far), rel=1e-4)


def test_windows_of_nothing_but_margin_are_refused():
    with pytest.raises(
        DataError, match=r"patch_vox: found \[8, 9, 9\] for a network that leaves 4"
    ):
        SlidingWindow((8, 9, 9), margin_vox=4)


def test_a_net_that_scores_more_than_its_margin_leaves_is_refused():
    with pytest.raises(ValueError, match=r"got scores of .* give it the network's margin_vox"):
        SlidingWindow((8, 8, 8), margin_vox=2)(torch.zeros(1, 1, 8, 8, 8), identity)


def padded_net(channels=1):
    """Two convolutions that keep the size, with zeros around a window."""
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv3d(channels, 4, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.Conv3d(4, 3, 3, padding=1),
    ).eval()


@torch.no_grad()
def test_scores_are_means_weighted_by_a_gaussian():
    """Its standard deviation is an eighth of a window's side, as in nnU-Net."""
    sides, window = (19, 16, 24), (12, 8, 12)
    net, image = padded_net(channels=2), torch.randn(1, 2, *sides)
    bells = [np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * (n / 8) ** 2)) for n in window]
    share = torch.from_numpy(np.einsum("i,j,k->ijk", *bells)).float()
    total, shares = torch.zeros(3, *sides), torch.zeros(sides)
    for start in itertools.product((0, 6, 7), (0, 4, 8), (0, 6, 12)):
        box = (..., *(slice(a, a + n) for a, n in zip(start, window, strict=True)))
        total[box] += share * net(image[box])[0]
        shares[box] += share
    torch.testing.assert_close(SlidingWindow(window)(image, net)[0], total / shares)


@pytest.mark.parametrize("labels", [3, 9])  # 9 are summed in another layout
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("sides", [(5, 6, 7), (23, 6, 12), (29, 12, 9)])
@torch.no_grad()
def test_slabs_are_the_parts_of_the_whole_and_no_thicker_than_a_window(sides, overlap, labels):
    torch.manual_seed(1)
    net, image = torch.nn.Conv3d(1, labels, 3, bias=False), torch.randn(1, 1, *sides)
    net.to(memory_format=torch.channels_last_3d)
    swap = [0, 2, 1, *range(3, labels)]
    image[:, :, 12:] = 0  # air, whose windows are scored once
    windows = SlidingWindow((10, 9, 9), overlap=overlap, margin_vox=1, swap=swap)
    slabs = [slab.clone() for slab in windows.slabs(image, net)]
    torch.testing.assert_close(torch.cat(slabs, dim=2), windows(image, net), rtol=0, atol=0)
    depths = [slab.shape[2] for slab in slabs]
    assert max(depths) <= 8
    assert sum(depths[:-1]) + 8 >= sides[0]  # all but the last window's are given early


@pytest.mark.parametrize("swap", [None, (0, 2, 1)])
@torch.no_grad()
def test_windows_of_air_are_scored_once(swap):
    net, image = padded_net(channels=2), torch.zeros(1, 2, 32, 8, 8)
    image[:, 1] = 3.0  # constant, and another value than that of the first channel
    image[:, :, 4:8, 2:6, 2:6] = torch.randn(1, 2, 4, 4, 4)
    calls = []

    def counted(windows):
        calls.append(len(windows))
        return net(windows)

    found = SlidingWindow((8, 8, 8), swap=swap)(image, counted)
    wanted = SlidingWindow((8, 8, 8), swap=swap)(image + 1e-6 * torch.randn_like(image), net)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    # starts 0, 4, …, 24: two windows with a head, and one for the five of air
    assert sum(calls) == 3 * (1 if swap is None else 2)


@torch.no_grad()
def test_air_of_other_values_is_scored_again():
    net, image = padded_net(), torch.zeros(2, 1, 8, 8, 24)
    image[1] = 5.0
    found = SlidingWindow((8, 8, 8), overlap=0.0)(image, net)
    for volume, scores in zip(image, found, strict=True):
        torch.testing.assert_close(scores[..., :8], net(volume[None, ..., :8])[0])
        torch.testing.assert_close(scores[..., 16:], scores[..., :8])


def test_a_volume_that_is_not_finite_is_no_air():
    seen = []
    image = torch.full((1, 1, 8, 8, 16), torch.nan)
    scores = SlidingWindow((8, 8, 8), overlap=0.0)(image, lambda w: seen.append(len(w)) or w)
    assert sum(seen) == 2
    assert scores.isnan().all()


@pytest.mark.parametrize("swap", [None, (0, 2, 1)])
def test_scores_do_not_depend_on_the_number_of_threads(swap):
    """On a CPU each thread scores two windows, whatever their number."""
    image = torch.randn(1, 1, 20, 20, 20)
    made, sizes, callers = [], set(), set()
    net = unpadded()

    def score(windows):
        sizes.add(len(windows))
        callers.add(threading.get_ident())
        return net(windows)

    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                window = SlidingWindow((12, 12, 12), margin_vox=2, swap=swap)
                made.append(window(image, score))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*made)
    assert sizes <= {1, 2}
    assert len(callers - {threading.get_ident()}) > 1


def bell(side):
    places = np.arange(side) - (side - 1) / 2
    return np.exp(-(places**2) / (2 * (0.125 * side) ** 2))


def test_the_centre_is_a_fifth_window_beside_the_corners_of_a_picture():
    image = torch.rand(1, 1, 10, 10, 1)
    values = itertools.count(1)

    def numbered(window):
        return torch.full((1, 2, 8, 8, 1), float(next(values)))

    windows = SlidingWindow((8, 8, 1), centre=True)
    windows.limit(1)
    scores = windows(image, numbered)[0, 0, :, :, 0].numpy()
    share, total, weight = np.outer(bell(8), bell(8)), np.zeros((10, 10)), np.zeros((10, 10))
    for number, (i, j) in enumerate([(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)], start=1):
        total[i : i + 8, j : j + 8] += number * share
        weight[i : i + 8, j : j + 8] += share
    np.testing.assert_allclose(scores, total / weight, rtol=1e-5)


@torch.no_grad()
def test_a_centre_that_is_a_window_of_the_grid_is_not_scored_twice():
    image = torch.rand(1, 1, 12, 12, 1)  # windows at 0, 2 and 4 along each axis
    seen = []
    SlidingWindow((8, 8, 1), overlap=0.75, centre=True)(image, lambda w: seen.extend(w) or w)
    assert len(seen) == 9


@torch.no_grad()
def test_slabs_with_a_centre_are_the_parts_of_the_whole():
    net, image = padded_net(), torch.rand(1, 1, 13, 6, 11)
    windows = SlidingWindow((6, 4, 6), overlap=0.0, centre=True)
    slabs = [slab.clone() for slab in windows.slabs(image, net)]
    torch.testing.assert_close(torch.cat(slabs, dim=2), windows(image, net))
    grid = SlidingWindow((6, 4, 6), overlap=0.0)(image, net)
    assert not torch.allclose(grid, windows(image, net))
