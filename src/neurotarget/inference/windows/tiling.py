"""Sliding-window inference on whole volumes."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.models.threads import FEWEST, map_in_threads, number_of_parts
from neurotarget.problems import DataError
from neurotarget.shapes import Image, Logits

Scores = Callable[[Tensor], Tensor]
Starts = tuple[int, int, int]
Weights = Float[Tensor, " side"]
Scored = Float[Tensor, "B L _ _ _"]  # less than the input by the margin
SlabScores = Float[Tensor, "B L _ J K"]

MOST_VOXELS = 2**20  # of windows that a CPU scores side by side: four of 64³
LARGE_VOXELS = 2**19  # of a window that is scored alone: two are no faster, and need more memory
FEW_LABELS = 8  # below, sums of windows are faster with the labels outermost in memory
SIGMA = 0.125  # of the Gaussian, as a share of a window's side, as in nnU-Net


class SlidingWindow:
    """Overlapping windows of one size, blended with a Gaussian.

    A volume smaller than a window is padded like patches in training: evenly, each channel with its
    smallest value in the volume. If the network does not score the `margin_vox` voxels at each face
    of a window, the volume is padded by as many, and the scored parts of the windows overlap, cover
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
        centre: bool = False,
    ) -> None:
        """Configure the windows.

        Args:
            window_vox: sides of the network's input.
            overlap: of neighbouring windows, as a share of the scored side, in [0, 1).
            batch: windows per batch on a GPU. On a CPU each thread gets two, counting mirror
                images: more need more memory, and a single one is slow, see `models.threads`.
            swap: class that each class becomes in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window that the network does not score.
            centre: whether a window in the middle is added to the grid of windows, if it has none.

        Raises:
            DataError: a window consists of margin only.
        """
        self.window_vox = tuple(int(side) for side in window_vox)
        self.swap = None if swap is None else list(swap)
        self.overlap, self.batch, self.margin_vox = overlap, batch, int(margin_vox)
        self.centre = bool(centre)
        self.most_windows: int | None = None  # scored together on a CPU; None: by their size
        self.scored_vox = tuple(side - 2 * self.margin_vox for side in self.window_vox)
        if min(self.scored_vox) < 1:
            raise DataError(
                f"patch_vox: found {list(self.window_vox)} for a network that leaves "
                f"{self.margin_vox} voxels at each face without a score, wanted sides of more than "
                f"{2 * self.margin_vox}; set a larger patch_vox"
            )

    def __call__(self, image: Image, net: Scores) -> Logits:
        """Score every voxel of a volume of any size.

        Args:
            image: a batch (B, C, I, J, K) on the device of the network.
            net: returns scores (B, L, …) of windows, smaller by the margin.

        Returns:
            Scores before softmax, (B, L, I, J, K) in float32.

        Raises:
            ValueError: the network returns another part of a window than its margin implies.
        """
        (scores,) = self._parts(image, net, is_whole=True)
        return scores

    def slabs(self, image: Image, net: Scores) -> Iterator[SlabScores]:
        """The same scores in slabs along I, each as soon as no further window reaches it.

        Only the planes that a window spans are in memory. A slab is valid, and may be changed,
        until the next one is asked for.

        Raises:
            ValueError: as for a call.
        """
        return self._parts(image, net, is_whole=False)

    def _parts(self, image: Image, net: Scores, *, is_whole: bool) -> Iterator[SlabScores]:
        """Score a volume, padded where it needs to be; one slab if it is wanted as a whole."""
        sides = image.shape[2:]
        rooms = [max(window - side, 0) for window, side in zip(self.scored_vox, sides, strict=True)]
        if not any(rooms) and not self.margin_vox:
            yield from self._blended(image, net, is_whole=is_whole)
            return
        # if odd, the larger half is in front, as in `patches`
        starts = [room - room // 2 for room in rooms]
        margin = self.margin_vox
        inner = _box([start + margin for start in starts], sides)
        whole = [side + room + 2 * margin for side, room in zip(sides, rooms, strict=True)]
        padded = image.amin(dim=(2, 3, 4), keepdim=True).repeat(1, 1, *whole)
        padded[inner] = image
        for slab in self._blended(padded, net, is_whole=is_whole):
            # a volume that is padded along I has a single slab
            depth = min(slab.shape[2], sides[0])
            yield slab[_box(starts, (depth, *sides[1:]))]

    def _blended(self, image: Image, net: Scores, *, is_whole: bool) -> Iterator[SlabScores]:
        """Score a volume except for its margin; its sides are at least those of a window."""
        sides = [side - 2 * self.margin_vox for side in image.shape[2:]]
        places = self._places(sides)
        bells = [_bell(side, image.device) for side in self.scored_vox]
        share = bells[0][:, None, None] * bells[1][:, None] * bells[2]
        # a sum of products of weights along each axis is a product of sums
        starts = [sorted(set(along)) for along in zip(*places, strict=True)]
        sums = list(map(_summed, bells, sides, starts))
        if (middle := self._middle(sides)) is not None and middle not in places:
            places = sorted([*places, middle])
        else:
            middle = None
        depth = sides[0] if is_whole else self.scored_vox[0]
        total, first = None, 0
        weights = None if middle is None else _product(sums)
        if weights is not None:
            weights[_box(middle, self.scored_vox)] += share

        def divided(slab: SlabScores, first: int) -> SlabScores:
            """A slab whose sums are divided by its weights, in place."""
            if weights is None:
                return _divided(slab, sums, first)
            return slab.div_(weights[first : first + slab.shape[2]])

        for place, scores in self._scores(image, places, net):
            if total is None:
                total = _zeros(scores, (depth, *sides[1:]))
            if place[0] > first and not is_whole:
                yield divided(total[:, :, : place[0] - first], first)
                _move(total, place[0] - first)
                first = place[0]
            box = _box((place[0] - first, *place[1:]), self.scored_vox)
            total[box].addcmul_(scores.float(), share)
        yield divided(total, first)

    def limit(self, most_windows: int | None) -> None:
        """Score at most so many windows together on a CPU; None takes as many as are fast."""
        self.most_windows = most_windows

    def add_centre(self) -> None:
        """Add a window in the middle to the grid of windows, if it has none."""
        self.centre = True

    def windows_together(self, image: Image) -> int:
        """Number of windows that are scored together, without their mirror images.

        On a GPU it is `batch`; on a CPU it follows from the threads and the voxels of a window.
        """
        if image.device.type != "cpu" or len(image) > 1:
            return self.batch
        voxels = math.prod(self.window_vox)
        count = FEWEST * max(min(MOST_VOXELS // (FEWEST * voxels), torch.get_num_threads()), 1)
        return count // 2 if self.swap is not None or voxels > LARGE_VOXELS else count

    def _places(self, sides: Sequence[int]) -> list[Starts]:
        """First voxel of the scored part of each window."""
        steps = [max(int(side * (1 - self.overlap)), 1) for side in self.scored_vox]
        along = map(_starts, sides, self.scored_vox, steps)
        return list(itertools.product(*along))

    def _middle(self, sides: Sequence[int]) -> Starts | None:
        """First voxel of a window in the middle, if it is wanted."""
        if not self.centre:
            return None
        return tuple(
            (side - window) // 2 for side, window in zip(sides, self.scored_vox, strict=True)
        )

    def _scores(
        self, image: Image, places: Sequence[Starts], net: Scores
    ) -> Iterator[tuple[Starts, Scored]]:
        """Scores of each window; a window starts `margin_vox` before its scored part."""
        count = self.windows_together(image)
        count = min(count, self.most_windows or count)
        known: dict[tuple[float, ...], Scored] = {}  # scores of windows of one value per channel
        waiting: list[tuple[Starts, tuple[float, ...] | None]] = []
        windows: list[Image] = []  # those of them that the network has to score
        for number, place in enumerate(places, start=1):
            window = image[_box(place, self.window_vox)]
            values = _values(window)
            waiting.append((place, values))
            is_new = values is None or values not in known
            if is_new:
                windows.append(window)
            is_known_soon = is_new and values is not None
            if windows and len(windows) < count and not is_known_soon and number < len(places):
                continue
            scores = self._both_sides(torch.cat(windows), net) if windows else image.new_empty(0)
            parts = iter(scores.split(len(image)))
            for start, key in waiting:
                if key is not None and key not in known:
                    known[key] = next(parts).clone()  # a copy, so that its batch can be freed
                yield start, next(parts) if key is None else known[key]
            waiting.clear()
            windows.clear()

    def _both_sides(self, windows: Image, net: Scores) -> Scored:
        """Scores of windows, averaged with those of their mirror images if wanted."""
        if self.swap is None:
            return self._checked(_scored(windows, net))
        both = torch.cat([windows, windows.flip(2)])
        scores, mirrored = self._checked(_scored(both, net)).chunk(2)
        return (scores.float() + mirrored.flip(2)[:, self.swap]).div_(2)

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
    return torch.cat(map_in_threads(net, windows.tensor_split(parts)))


def _values(window: Image) -> tuple[float, ...] | None:
    """The value of each channel of a window in which every channel has only one, else None."""
    low, high = window.flatten(2).aminmax(dim=2)
    return tuple(low.flatten().tolist()) if bool((low == high).all()) else None


def _bell(side: int, device: torch.device) -> Weights:
    """Gaussian weights along one axis of a window."""
    places = torch.arange(side, device=device, dtype=torch.float32) - (side - 1) / 2
    return torch.exp(-(places**2) / (2 * (SIGMA * side) ** 2))


def _summed(bell: Weights, side: int, starts: Sequence[int]) -> Float[Tensor, " _"]:
    """Sum along an axis of the weights of the windows that start at these voxels."""
    summed = bell.new_zeros(side)
    for start in starts:
        summed[start : start + len(bell)] += bell
    return summed


def _zeros(scores: Scored, sides: Sequence[int]) -> SlabScores:
    """Zeros for sums of scores, in their layout: mixed layouts take 15 times as long to add."""
    layout, shape = torch.channels_last_3d, (*scores.shape[:2], *sides)
    if scores.shape[1] < FEW_LABELS or not scores.is_contiguous(memory_format=layout):
        layout = torch.contiguous_format
    return torch.empty(shape, device=scores.device, memory_format=layout).zero_()


def _divided(slab: SlabScores, sums: Sequence[Float[Tensor, " _"]], first: int) -> SlabScores:
    """Divide a slab by the sums of its weights, in place; `first` is its first plane."""
    summed = (sums[0][first : first + slab.shape[2]], *sums[1:])
    for axis, along in enumerate(summed):
        slab /= along.view([-1 if number == axis else 1 for number in range(3)])
    return slab


def _product(sums: Sequence[Float[Tensor, " _"]]) -> Float[Tensor, "I J K"]:
    """Compute the sum of weights at each voxel from the sums along each axis."""
    return sums[0][:, None, None] * sums[1][:, None] * sums[2]


def _move(total: SlabScores, step: int) -> None:
    """Move sums forward by some planes, in place, and clear those behind them."""
    kept = total.shape[2] - step
    for plane in range(kept):
        total[:, :, plane] = total[:, :, plane + step]
    total[:, :, kept:] = 0


def _box(starts: Sequence[int], sides: Sequence[int]) -> tuple[object, ...]:
    """Index of a box in the last three axes."""
    return (..., *(slice(a, a + n) for a, n in zip(starts, sides, strict=True)))
