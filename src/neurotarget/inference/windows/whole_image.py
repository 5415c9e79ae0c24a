"""A network that scores whole images: run on the middle of an image, and on its mirror."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from neurotarget.data.batches.draws import middle_of
from neurotarget.shapes import Feature, Image, Outputs


class WholeImage:
    """The middle `window_vox` voxels of an image, padded as in training where it is smaller.

    With `swap` (of any value but None) the outputs are the mean of those of the image and of its
    left/right mirror.

    Args:
        window_vox: sides of the part that the network sees, those of the training patch.
        swap: as above; only whether it is None matters.
    """

    def __init__(self, window_vox: Sequence[int], *, swap: Sequence[int] | None = None) -> None:
        self.window_vox, self.swap = tuple(int(side) for side in window_vox), swap

    def __call__(self, image: Image, net: Callable[[Tensor], Tensor]) -> Outputs:
        """Score an image of any size; one row of outputs per image.

        Args:
            image: a batch (B, C, I, J, K).
            net: returns outputs (B, outputs) of windows.
        """
        views = self.views(image, net)
        return sum(views[1:], views[0]) / len(views)

    def views(self, image: Image, net: Callable[[Tensor], Tensor]) -> list[Outputs]:
        """Outputs of the image and, with `swap`, of its mirror, each (B, outputs) in float32."""
        window = self.window(image)
        views = window if self.swap is None else torch.cat([window, window.flip(2)])
        count = len(views)
        if count == 1 and views.device.type == "cpu":
            # PyTorch convolves one small image without oneDNN: two are faster than one
            views = views.repeat(2, 1, 1, 1, 1)
        return list(net(views).float()[:count].split(len(image)))

    def window(self, image: Image) -> Feature:
        """Cut the middle out; padding has each channel's smallest value in the image.

        An image (B, C, I, J, K) becomes (B, C, *window_vox).
        """
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *self.window_vox)
        into, out_of = self._boxes(image.shape[2:])
        padded[into] = image[out_of]
        return padded

    def placed(self, values: Feature, sides: Sequence[int]) -> Feature:
        """Values of a window in their place in an image of these sides; 0 elsewhere.

        Values in the padding of a smaller image are dropped.
        """
        whole = values.new_zeros(*values.shape[:2], *sides)
        inside, there = self._boxes(sides)
        whole[there] = values[inside]
        return whole

    def _boxes(self, sides: Sequence[int]) -> tuple[tuple, tuple]:
        """Box that a window and an image of these sides share, in the window and in the image."""
        into, out_of = [], []
        low = middle_of(sides, self.window_vox)
        for start, side, window in zip(low, sides, self.window_vox, strict=True):
            first, last = max(start, 0), min(start + window, side)
            out_of.append(slice(int(first), int(last)))
            into.append(slice(int(first - start), int(last - start)))
        return (..., *into), (..., *out_of)
