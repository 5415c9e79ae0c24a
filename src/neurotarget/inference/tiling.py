"""Whole volumes through a network window by window."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from neurotarget.problems import DataError
from neurotarget.shapes import Image, Logits

Scores = Callable[[Tensor], Tensor]


class SlidingWindow:
    """Windows of one size that overlap and are blended with a Gaussian.

    A volume smaller than a window is padded as patches are in training: evenly, each channel
    with its smallest value in the volume. For a network that gives the `margin_vox` voxels at each
    face of a window no score, the volume is padded by as many more, and what overlaps, tiles the
    volume and is blended are the scored parts of windows.
    """

    def __init__(
        self,
        window_vox: Sequence[int],
        *,
        overlap: float = 0.5,
        batch: int = 4,
        swap: Sequence[int] | None = None,
        margin_vox: int = 0,
    ) -> None:
        """Set the windows.

        Args:
            window_vox: sides of what the network is given.
            overlap: of neighbours, as a share of the side that is scored, in [0, 1).
            batch: windows that go through the network at once.
            swap: class that each class becomes in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window that come back without a score.

        Raises:
            DataError: a window is nothing but margin.
        """
        self.window_vox = tuple(int(side) for side in window_vox)
        self.swap = None if swap is None else list(swap)
        self.margin_vox = int(margin_vox)
        self.scored_vox = tuple(side - 2 * self.margin_vox for side in self.window_vox)
        if min(self.scored_vox) < 1:
            raise DataError(
                f"patch_vox: found {list(self.window_vox)} for a network that leaves "
                f"{self.margin_vox} voxels at each face without a score, wanted sides of more than "
                f"{2 * self.margin_vox}; say a larger patch_vox"
            )
        self.inferer = (
            UnpaddedInferer(self.scored_vox, self.margin_vox, overlap=overlap, batch=batch)
            if self.margin_vox
            else SlidingWindowInferer(
                self.window_vox, sw_batch_size=batch, overlap=overlap, mode="gaussian"
            )
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
        rooms = [max(window - side, 0) for window, side in zip(self.scored_vox, sides, strict=True)]
        if not any(rooms) and not self.margin_vox:
            return self.inferer(image, net)
        # an odd room has its larger half in front, as in `patches`
        starts = [room - room // 2 for room in rooms]
        margin = self.margin_vox
        inner = _box([start + margin for start in starts], sides)
        whole = [side + room + 2 * margin for side, room in zip(sides, rooms, strict=True)]
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *whole)
        padded[inner] = image
        return self.inferer(padded, net)[_box(starts, sides)]


class UnpaddedInferer:
    """MONAI's sliding windows for a network that scores less than it is given."""

    def __init__(
        self, scored_vox: Sequence[int], margin_vox: int, *, overlap: float, batch: int
    ) -> None:
        """Set the windows: what they score, and the margin around that which they see too."""
        self.scored_vox, self.margin_vox = tuple(scored_vox), margin_vox
        self.overlap, self.batch = overlap, batch

    def __call__(self, image: Image, net: Scores) -> Float[Tensor, "B L _ _ _"]:
        """Score a volume except for its own margin; sides must be at least those of a window.

        Raises:
            ValueError: the network returns another part of a window than its margin says.
        """
        sides = [side - 2 * self.margin_vox for side in image.shape[2:]]
        steps = [max(int(side * (1 - self.overlap)), 1) for side in self.scored_vox]
        boxes = dense_patch_slices(sides, self.scored_vox, steps)
        share = compute_importance_map(self.scored_vox, mode="gaussian", device=image.device)
        total, shares = None, image.new_zeros(1, 1, *sides, dtype=torch.float32)
        for first in range(0, len(boxes), self.batch):
            some = boxes[first : first + self.batch]
            for box, scores in zip(some, self._scores(image, some, net), strict=True):
                if total is None:
                    total = scores.new_zeros(*scores.shape[:2], *sides, dtype=torch.float32)
                total[(..., *box)] += share * scores
                shares[(..., *box)] += share
        return total / shares

    def _scores(
        self, image: Image, boxes: Sequence[tuple[slice, ...]], net: Scores
    ) -> tuple[Float[Tensor, "B L _ _ _"], ...]:
        """Scores of each box; a box starts where its window does, a margin further in."""
        window = [side + 2 * self.margin_vox for side in self.scored_vox]
        windows = [image[_box([int(axis.start) for axis in box], window)] for box in boxes]
        scores = net(torch.cat(windows))
        if tuple(scores.shape[2:]) != self.scored_vox:
            raise ValueError(
                f"SlidingWindow: got scores of {tuple(scores.shape[2:])} voxels from windows of "
                f"{tuple(window)}, wanted {self.scored_vox}; give it the network's margin_vox"
            )
        return scores.split(len(image))


def _box(starts: Sequence[int], sides: Sequence[int]) -> tuple[object, ...]:
    """Index of a box in the last three axes."""
    return (..., *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))
