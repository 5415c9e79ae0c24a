"""Sliding-window inference on whole volumes."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.inference.threads import FEWEST, number_of_parts, side_by_side
from neurotarget.problems import DataError
from neurotarget.shapes import Image, Logits

Scores = Callable[[Tensor], Tensor]
Starts = tuple[int, int, int]
Weights = Float[Tensor, " side"]
Scored = Float[Tensor, "B L _ _ _"]  # less than the input by the margin

MOST_VOXELS = 2**20  # of windows that a CPU scores side by side: four of 64³
SIGMA = 0.125  # of the Gaussian, as a share of a window's side, as in nnU-Net


class SlidingWindow:
    """Overlapping windows of one size, blended with a Gaussian.

    A volume smaller than a window is padded like patches in training: evenly, each channel with its
    smallest value in the volume. If the network does not score the `margin_vox` voxels at each face
    of a window, the volume is padded by as many, and the scored parts of the windows overlap, tile
    the volume and are blended.

    A window and its mirror image are scored together. Of windows in which every channel has one
    value, such as those in the air around a head, equal ones are scored once.
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
            batch: windows per batch on a GPU. On a CPU, threads have two each, with mirror images:
                more need memory, and one would be slow, see `threads`.
            swap: class that each class becomes in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window that the network does not score.

        Raises:
            DataError: a window consists of margin only.
        """
        self.window_vox = tuple(int(side) for side in window_vox)
        self.swap = None if swap is None else list(swap)
        self.overlap, self.batch, self.margin_vox = overlap, batch, int(margin_vox)
        self.scored_vox = tuple(side - 2 * self.margin_vox for side in self.window_vox)
        if min(self.scored_vox) < 1:
            raise DataError(
                f"patch_vox: found {list(self.window_vox)} for a network that leaves "
                f"{self.margin_vox} voxels at each face without a score, wanted sides of more than "
                f"{2 * self.margin_vox}; set a larger patch_vox"
            )

    def __call__(self, image: Image, net: Scores) -> Logits:
        """Score every voxel of a volume of any size.

        Raises:
            ValueError: the network returns another part of a window than its margin implies.
        """
        sides = image.shape[2:]
        rooms = [max(window - side, 0) for window, side in zip(self.scored_vox, sides, strict=True)]
        if not any(rooms) and not self.margin_vox:
            return self._blended(image, net)
        # if odd, the larger half is in front, as in `patches`
        starts = [room - room // 2 for room in rooms]
        margin = self.margin_vox
        inner = _box([start + margin for start in starts], sides)
        whole = [side + room + 2 * margin for side, room in zip(sides, rooms, strict=True)]
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *whole)
        padded[inner] = image
        return self._blended(padded, net)[_box(starts, sides)]

    def _blended(self, image: Image, net: Scores) -> Scored:
        """Score a volume except for its margin; its sides are at least those of a window."""
        sides = [side - 2 * self.margin_vox for side in image.shape[2:]]
        places = self._places(sides)
        bells = [_bell(side, image.device) for side in self.scored_vox]
        share = bells[0][:, None, None] * bells[1][:, None] * bells[2]
        total = None
        for place, scores in self._scores(image, places, net):
            if total is None:
                total = scores.new_zeros(*scores.shape[:2], *sides, dtype=torch.float32)
            total[_box(place, self.scored_vox)].addcmul_(scores.float(), share)
        for axis, (bell, side) in enumerate(zip(bells, sides, strict=True)):
            # a sum of products of weights along each axis is a product of sums
            summed = bell.new_zeros(side)
            for start in sorted({place[axis] for place in places}):
                summed[start : start + len(bell)] += bell
            total /= summed.view([-1 if number == axis else 1 for number in range(3)])
        return total

    def _places(self, sides: Sequence[int]) -> list[Starts]:
        """First voxel of the scored part of each window."""
        steps = [max(int(side * (1 - self.overlap)), 1) for side in self.scored_vox]
        along = map(_starts, sides, self.scored_vox, steps)
        return list(itertools.product(*along))

    def _scores(
        self, image: Image, places: Sequence[Starts], net: Scores
    ) -> Iterator[tuple[Starts, Scored]]:
        """Scores of each window, which starts its margin before its scored part."""
        count = self.batch
        if image.device.type == "cpu" and len(image) == 1:
            parts = MOST_VOXELS // (FEWEST * math.prod(self.window_vox))
            count = FEWEST * max(min(parts, torch.get_num_threads()), 1)
            count = count if self.swap is None else count // 2
        known: dict[tuple[float, ...], Scored] = {}  # scores of windows of one value a channel
        waiting: list[tuple[Starts, tuple[float, ...] | None, Image]] = []
        for number, place in enumerate(places, start=1):
            window = image[_box(place, self.window_vox)]
            values = _values(window)
            if values is not None and values in known:
                yield place, known[values]
            else:
                waiting.append((place, values, window))
            is_full = len(waiting) == count or values is not None or number == len(places)
            if waiting and is_full:
                scores = self._both_sides(torch.cat([one for *_, one in waiting]), net)
                parts = scores.split(len(image))
                for (start, key, _), one in zip(waiting, parts, strict=True):
                    if key is not None:
                        known[key] = one
                    yield start, one
                waiting.clear()

    def _both_sides(self, windows: Image, net: Scores) -> Scored:
        """Scores of windows, averaged with those of their mirror images if wanted."""
        if self.swap is None:
            return self._checked(_scored(windows, net))
        both = torch.cat([windows, windows.flip(2)])
        scores, mirrored = self._checked(_scored(both, net)).chunk(2)
        return (scores.float() + mirrored.flip(2)[:, self.swap]) / 2

    def _checked(self, scores: Scored) -> Scored:
        if tuple(scores.shape[2:]) != self.scored_vox:
            raise ValueError(
                f"SlidingWindow: got scores of {tuple(scores.shape[2:])} voxels from windows of "
                f"{self.window_vox}, wanted {self.scored_vox}; give it the network's margin_vox"
            )
        return scores


def _starts(side: int, window: int, step: int) -> list[int]:
    """First voxels of windows along an axis; the last one ends with the volume."""
    last = side - window
    return [*range(0, last, step), last]


def _scored(windows: Image, net: Scores) -> Scored:
    """Scores of windows; on a CPU, threads have parts of them."""
    parts = number_of_parts(len(windows))
    if windows.device.type != "cpu" or parts == 1:
        return net(windows)
    return torch.cat(side_by_side(net, windows.tensor_split(parts)))


def _values(window: Image) -> tuple[float, ...] | None:
    """The value of each channel of a window in which every channel has only one, else None."""
    low, high = window.flatten(2).aminmax(dim=2)
    return tuple(low.flatten().tolist()) if bool((low == high).all()) else None


def _bell(side: int, device: torch.device) -> Weights:
    """Gaussian weights along one axis of a window."""
    places = torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2
    return torch.exp(-(places**2) / (2 * (SIGMA * side) ** 2))


def _box(starts: Sequence[int], sides: Sequence[int]) -> tuple[object, ...]:
    """Index of a box in the last three axes."""
    return (..., *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))
