"""Whole volumes through a network window by window."""

from collections.abc import Callable, Sequence

from monai.inferers import SlidingWindowInferer
from torch import Tensor

from neurotarget.types import Image, Logits

Scores = Callable[[Tensor], Tensor]


class SlidingWindow:
    """Windows of one size that overlap and are blended with a Gaussian.

    A volume smaller than a window is padded as patches are in training: evenly, each channel
    with its smallest value in the volume.
    """

    def __init__(
        self,
        window_vox: Sequence[int],
        *,
        overlap: float = 0.5,
        batch: int = 4,
        swap: Sequence[int] | None = None,
    ) -> None:
        self.window_vox = tuple(int(side) for side in window_vox)
        self.swap = None if swap is None else list(swap)
        self.inferer = SlidingWindowInferer(
            self.window_vox, sw_batch_size=batch, overlap=overlap, mode="gaussian"
        )

    def __call__(self, image: Image, net: Scores) -> Logits:
        """Score every voxel of a volume of any size."""
        scores = self._once(image, net)
        if self.swap is None:
            return scores
        mirrored = self._once(image.flip(2), net).flip(2)
        return (scores + mirrored[:, self.swap]) / 2

    def _once(self, image: Image, net: Scores) -> Logits:
        sides = image.shape[2:]
        rooms = [max(window - side, 0) for window, side in zip(self.window_vox, sides, strict=True)]
        if not any(rooms):
            return self.inferer(image, net)
        # an odd room has its larger half in front, as in `patches`
        starts = [room - room // 2 for room in rooms]
        inner = (..., *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))
        whole = [side + room for side, room in zip(sides, rooms, strict=True)]
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *whole)
        padded[inner] = image
        return self.inferer(padded, net)[inner]
