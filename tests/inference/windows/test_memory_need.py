import pytest
import torch

from neurotarget.inference.windows import memory_need
from neurotarget.inference.windows.memory_need import need_mib, windows_that_fit
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError

LABELS = 5


@pytest.fixture
def net():
    return UNet(1, LABELS, widths=[4, 8]).eval()


@pytest.fixture
def image():
    return torch.rand(1, 1, 40, 32, 32)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_fewer_windows_are_scored_together_where_memory_is_short(
    net, image, two_threads, monkeypatch
):
    inferer = SlidingWindow((16, 16, 16))
    assert inferer.windows_together(image) == 4
    needs = [need_mib(inferer, image, net, LABELS, count) for count in (1, 2, 4)]
    assert needs == sorted(set(needs))
    monkeypatch.setattr(memory_need, "free_memory_mib", lambda: needs[1] + 0.01)
    assert windows_that_fit(inferer, image, net, LABELS) == 2
    inferer.limit(2)
    with torch.inference_mode():
        few = inferer(image, net)
        inferer.limit(None)
        torch.testing.assert_close(few, inferer(image, net))


def test_a_prediction_that_cannot_fit_is_refused_before_it_begins(net, image, monkeypatch):
    monkeypatch.setattr(memory_need, "free_memory_mib", lambda: 100.0)
    with pytest.raises(DataError, match=r"memory: .*40×32×32 voxels with 4 labels needs about 0\."):
        windows_that_fit(SlidingWindow((16, 16, 16)), image, net, LABELS)


def test_nothing_is_estimated_where_memory_is_plentiful(image, monkeypatch):
    monkeypatch.setattr(memory_need, "free_memory_mib", lambda: 64_000.0)
    inferer = SlidingWindow((16, 16, 16))
    assert windows_that_fit(inferer, image, None, LABELS) == inferer.windows_together(image)
