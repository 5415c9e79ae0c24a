"""Sliding-window inference on whole volumes."""

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
    """Overlapping windows of one size, blended with a Gaussian.

    A volume smaller than a window is padded like patches in training: evenly, each channel with its
    smallest value in the volume. If the network does not score the `margin_vox` voxels at each face
    of a window, the volume is padded by as many, and the scored parts of the windows overlap, tile
    the volume and are blended.
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
        """Configure the windows.

        Args:
            window_vox: sides of the network's input.
            overlap: of neighbouring windows, as a share of the scored side, in [0, 1).
            batch: windows per batch.
            swap: class that each class becomes in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window that the network does not score.

        Raises:
            DataError: a window consists of margin only.
        """
        self.window_vox = tuple(int(side) for side in window_vox)
        self.swap = None if swap is None else list(swap)
        self.margin_vox = int(margin_vox)
        self.scored_vox = tuple(side - 2 * self.margin_vox for side in self.window_vox)
        if min(self.scored_vox) < 1:
            raise DataError(
                f"patch_vox: found {list(self.window_vox)} for a network that leaves "
                f"{self.margin_vox} voxels at each face without a score, wanted sides of more than "
                f"{2 * self.margin_vox}; set a larger patch_vox"
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
        # if odd, the larger half is in front, as in `patches`
        starts = [room - room // 2 for room in rooms]
        margin = self.margin_vox
        inner = _box([start + margin for start in starts], sides)
        whole = [side + room + 2 * margin for side, room in zip(sides, rooms, strict=True)]
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *whole)
        padded[inner] = image
        return self.inferer(padded, net)[_box(starts, sides)]


class UnpaddedInferer:
    """MONAI's sliding windows for a network whose output is smaller than its input."""

    def __init__(
        self, scored_vox: Sequence[int], margin_vox: int, *, overlap: float, batch: int
    ) -> None:
        """Set the scored size of a window, and the margin around it that is input only."""
        self.scored_vox, self.margin_vox = tuple(scored_vox), margin_vox
        self.overlap, self.batch = overlap, batch

    def __call__(self, image: Image, net: Scores) -> Float[Tensor, "B L _ _ _"]:
        """Score a volume except for its own margin; sides must be at least those of a window.

        Raises:
            ValueError: the network returns another part of a window than its margin implies.
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
        """Scores of each box; a box starts at its window's start plus the margin."""
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
