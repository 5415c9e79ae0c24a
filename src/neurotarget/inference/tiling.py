"""Whole volumes through a network window by window."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from neurotarget.types import Image, Logits

Scores = Callable[[Tensor], Tensor]


class SlidingWindow:
    """Windows of one size that overlap and are blended with a Gaussian.

    A volume smaller than a window is padded as patches are in training: evenly, with the
    volume's smallest value.
    """

    def __init__(self, window_vox: Sequence[int], *, overlap: float = 0.5, batch: int = 4) -> None:
        self.window_vox = tuple(int(side) for side in window_vox)
        self.inferer = SlidingWindowInferer(
            self.window_vox, sw_batch_size=batch, overlap=overlap, mode="gaussian"
        )

    def __call__(self, image: Image, net: Scores) -> Logits:
        """Score every voxel of a volume of any size."""
        sides = image.shape[2:]
        rooms = [max(window - side, 0) for window, side in zip(self.window_vox, sides, strict=True)]
        if not any(rooms):
            return self.inferer(image, net)
        # torch pads the last axis first; an odd room has its larger half in front, as in `patches`
        pads = [part for room in reversed(rooms) for part in (room - room // 2, room // 2)]
        logits = self.inferer(F.pad(image, pads, value=float(image.min())), net)
        starts = pads[-2::-2]
        return logits[(..., *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))]
