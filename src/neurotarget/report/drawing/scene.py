"""What a picture of one case shows: which slices, which part, and where a prediction errs."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Integer
from numpy import ndarray
from scipy import ndimage

ClassMap = Integer[ndarray, "I J K"]
Mask = Bool[ndarray, "I J K"]

MARGIN_MM = 12.0  # shown around the target
LEAST_MM = 56.0  # shown at least, so that one sees where one is
CORNERS = np.ones((3, 3, 3), dtype=bool)  # voxels that share a corner are one piece


class Plane(NamedTuple):
    """A direction of looking, and how its axes are drawn."""

    name: str
    axis: int  # cut across
    across: int  # drawn from left to right …
    up: int  # … and from bottom to top
    ends: tuple[str, str]  # of the horizontal axis as drawn, which always falls


PLANES = (
    Plane("sagittal", 0, 1, 2, ("A", "P")),
    Plane("coronal", 1, 0, 2, ("R", "L")),
    Plane("axial", 2, 0, 1, ("R", "L")),
)


class Scene(NamedTuple):
    """A case in canonical order (RAS+), and what part of it is shown.

    `view` says whether a plane is cut at `centre` or looked through. `stray` are the pieces of the
    prediction that lie off the reference.
    """

    image: ndarray | None
    truth: ClassMap | None
    pred: ClassMap | None
    shape: tuple[int, ...]
    spacing_mm: ndarray
    centre: list[int]
    box: list[slice]
    view: Literal["slice", "error", "projection"] = "slice"
    stray: Mask | None = None

    def side_mm(self, axis: int) -> float:
        """Length of the part that is shown, along an axis."""
        return (self.box[axis].stop - self.box[axis].start) * self.spacing_mm[axis]

    def seen(self, array: ndarray, plane: Plane) -> ndarray:
        """What a plane shows of a volume, (up, across): a slice, the mean of a scan, any of a mask.

        A scan is looked through within the box that is shown, a mask as a whole.
        """
        if self.view != "projection":
            return array.take(self.centre[plane.axis], axis=plane.axis).T
        if array.dtype == bool:
            return array.any(axis=plane.axis).T
        inside = [slice(None)] * 3
        inside[plane.axis] = self.box[plane.axis]
        return array[tuple(inside)].mean(axis=plane.axis).T

    def classes_seen(self, classes: ClassMap, plane: Plane) -> Iterator[tuple[int, ndarray]]:
        """Each class that a plane shows, and where, (up, across)."""
        if self.view != "projection":
            cut = self.seen(classes, plane)
            yield from ((int(number), cut == number) for number in np.unique(cut[cut > 0]))
            return
        for number, box in enumerate(ndimage.find_objects(classes), start=1):
            if box is not None:
                yield number, self.seen(classes == number, plane)


def scene_of(
    image: ndarray | None, truth: ClassMap | None, pred: ClassMap | None, affine: ndarray
) -> Scene:
    """Slices through the centre of the reference, or of the prediction where there is none.

    Raises:
        ValueError: there is neither image nor mask.
    """
    turn = nib.orientations.io_orientation(affine)
    stored = nib.affines.voxel_sizes(affine)
    spacing_mm = np.empty(3)
    spacing_mm[turn[:, 0].astype(int)] = stored
    scan, *maps = (
        None if array is None else nib.orientations.apply_orientation(array, turn)
        for array in (image, truth, pred)
    )
    shape = next((array.shape for array in (scan, *maps) if array is not None), None)
    if shape is None:
        raise ValueError("overlay: got neither image nor mask, wanted one of them to draw")
    target = next((one > 0 for one in maps if one is not None and one.any()), None)
    if target is None:
        centre, box = [side // 2 for side in shape], [slice(0, side) for side in shape]
    else:
        centre, box = [_middle(profile) for profile in _profiles(target)], _box(target, spacing_mm)
    return Scene(scan, *maps, shape, spacing_mm, centre, box)


def error_scenes(scene: Scene) -> list[Scene]:
    """The slices of the largest error, and everything the masks hold in projection.

    The largest error is the largest connected part of the voxels in which the maps differ; along
    each axis the slice with most of its voxels is taken. Empty where nothing differs.
    """
    if scene.truth is None or scene.pred is None:
        return []
    differs = scene.truth != scene.pred
    if not differs.any():
        return []
    parts, _ = ndimage.label(differs, structure=CORNERS)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = parts == sizes.argmax()
    stray = _stray(scene.truth > 0, scene.pred > 0)
    either = (scene.truth > 0) | (scene.pred > 0)
    return [
        scene._replace(
            centre=[int(profile.argmax()) for profile in _profiles(largest)],
            box=_box((scene.truth > 0) | largest, scene.spacing_mm),
            view="error",
            stray=stray,
        ),
        scene._replace(box=_box(either, scene.spacing_mm), view="projection", stray=stray),
    ]


def _stray(truth: Mask, pred: Mask) -> Mask:
    """Pieces of a prediction that share no voxel with the reference."""
    pieces, count = ndimage.label(pred, structure=CORNERS)
    is_stray = np.ones(count + 1, dtype=bool)
    is_stray[0] = False
    is_stray[pieces[truth]] = False
    return is_stray[pieces]


def _profiles(mask: Mask) -> list[Integer[ndarray, " N"]]:
    """Voxels of a mask in each slice along each axis."""
    return [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]


def _box(mask: Mask, spacing_mm: ndarray) -> list[slice]:
    return [_span(*pair) for pair in zip(_profiles(mask), spacing_mm, strict=True)]


def _middle(profile: Integer[ndarray, " N"]) -> int:
    """Slice through the centre, or the largest one where the centre holds little of the target."""
    centre = round(float((np.arange(len(profile)) * profile).sum() / profile.sum()))
    return centre if profile[centre] > profile.max() / 2 else int(profile.argmax())


def _span(profile: Integer[ndarray, " N"], spacing_mm: float) -> slice:
    used = np.flatnonzero(profile)
    low, high = used[0], used[-1] + 1
    margin = max(MARGIN_MM / spacing_mm, (LEAST_MM / spacing_mm - (high - low)) / 2)
    return slice(max(round(low - margin), 0), min(round(high + margin), len(profile)))
