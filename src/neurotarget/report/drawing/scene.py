"""Content of a picture of one case: slices, cropping, and the errors of a prediction."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Integer
from numpy import ndarray
from scipy import ndimage

ClassMap = Integer[ndarray, "I J K"]
Mask = Bool[ndarray, "I J K"]

MARGIN_MM = 12.0  # margin around the target
BRAIN_MARGIN_MM = 4.0  # margin around the brain, in pictures of maps
LEAST_MM = 56.0  # smallest side of the shown part, so that the location is recognisable
CORNERS = np.ones((3, 3, 3), dtype=bool)  # connectivity: voxels that share a corner


class Plane(NamedTuple):
    """A viewing plane and the directions of its axes, as numbers of canonical axes (RAS+).

    The horizontal axis is reversed, so that the patient's right and front are on the left.
    """

    name: str
    axis: int  # perpendicular to the plane
    across: int  # horizontal axis of the picture
    up: int  # vertical axis of the picture
    ends: tuple[str, str]  # labels at the ends of the horizontal axis, which is reversed


PLANES = (
    Plane("sagittal", 0, 1, 2, ("A", "P")),
    Plane("coronal", 1, 0, 2, ("R", "L")),
    Plane("axial", 2, 0, 1, ("R", "L")),
)


class Scene(NamedTuple):
    """A case in canonical order (RAS+), and the part of it that is shown.

    `view` is a projection or a cut at `centre`; a view named after one of the two label maps shows
    this map alone. `stray` holds the pieces of the prediction without overlap with the reference.
    """

    image: ndarray | None
    truth: ClassMap | None
    pred: ClassMap | None
    shape: tuple[int, ...]
    spacing_mm: ndarray
    centre: Sequence[int]
    box: Sequence[slice]
    view: Literal["slice", "error", "projection", "reference", "prediction"] = "slice"
    stray: Mask | None = None
    unit: str = "mm"  # of lengths; px where a pixel counts as 1 mm
    has_sides: bool = True  # whether left and right of a picture are known

    @property
    def flat_axis(self) -> int | None:
        """Return the axis perpendicular to an image of one slice; None for a volume.

        This is the only axis with one voxel. None if several axes have one voxel.
        """
        flat = [axis for axis, side in enumerate(self.shape) if side == 1]
        return flat[0] if len(flat) == 1 else None

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Return the planes that are shown: three of a volume, one plane twice of a single slice.

        The first of the two has no outlines. The sides of a single slice have no letters where left
        and right are unknown.
        """
        if self.flat_axis is None:
            return PLANES
        plane = PLANES[self.flat_axis]._replace(name="")
        return (plane if self.has_sides else plane._replace(ends=("", "")),) * 2

    def side_mm(self, axis: int) -> float:
        """Return the length of the shown part along a canonical axis, in `unit` (mm or px)."""
        return (self.box[axis].stop - self.box[axis].start) * self.spacing_mm[axis]

    def seen(self, array: ndarray, plane: Plane) -> ndarray:
        """Return a slice or a projection of a volume, of shape (up, across).

        The projection of a scan is the mean within the shown box; that of a mask is the union of
        all its slices.
        """
        if self.view != "projection":
            return array.take(self.centre[plane.axis], axis=plane.axis).T
        if array.dtype == bool:
            return array.any(axis=plane.axis).T
        inside = [slice(None)] * 3
        inside[plane.axis] = self.box[plane.axis]
        return array[tuple(inside)].mean(axis=plane.axis).T

    def classes_seen(self, classes: ClassMap, plane: Plane) -> Iterator[tuple[int, ndarray]]:
        """Yield each class in a plane with its mask, of shape (up, across).

        A cut has the classes of its slice; a projection has the classes of the whole volume.
        """
        if self.view != "projection":
            cut = self.seen(classes, plane)
            yield from ((int(number), cut == number) for number in np.unique(cut[cut > 0]))
            return
        for number, box in enumerate(ndimage.find_objects(classes), start=1):
            if box is not None:
                yield number, self.seen(classes == number, plane)


def scene_of(
    image: ndarray | None,
    truth: ClassMap | None,
    pred: ClassMap | None,
    affine: ndarray,
    unit: str = "mm",
    *,
    has_sides: bool = True,
) -> Scene:
    """Return slices through the centre of the reference, or of the prediction if there is none.

    Where the slice at the centre has little of the target, as in a ring, the slice with most of the
    target is shown. An image of one slice and a scan without a mask are shown whole.

    Args:
        image: scan in stored order, or None.
        truth: class indices of the reference on the same grid, or None.
        pred: class indices of the prediction on the same grid, or None.
        affine: affine of the grid, to RAS+ in mm.
        unit: unit of lengths; px where a pixel counts as 1 mm.
        has_sides: whether left and right of a single slice are known.

    Raises:
        ValueError: there is neither image nor mask.
    """
    spacing_mm, (scan, *maps) = canonical(affine, image, truth, pred)
    shape = next((array.shape for array in (scan, *maps) if array is not None), None)
    if shape is None:
        raise ValueError("overlay: got neither image nor mask, wanted one of them to draw")
    target = next((one > 0 for one in maps if one is not None and one.any()), None)
    if target is None or shape.count(1) == 1:
        centre, box = [side // 2 for side in shape], [slice(0, side) for side in shape]
    else:
        centre, box = [_middle(profile) for profile in _profiles(target)], _box(target, spacing_mm)
    known = {"unit": unit, "has_sides": has_sides}
    return Scene(scan, *maps, shape, spacing_mm, centre, box, **known)


def canonical(affine: ndarray, *arrays: ndarray | None) -> tuple[ndarray, list[ndarray | None]]:
    """Return the spacing in mm and the arrays in canonical order (RAS+).

    Axes are only swapped and reversed, without resampling: an oblique scan keeps its voxels. An
    array that is None stays None. All arrays share `affine`, to RAS+ in mm.
    """
    turn = nib.orientations.io_orientation(affine)
    spacing_mm = np.empty(3)
    spacing_mm[turn[:, 0].astype(int)] = nib.affines.voxel_sizes(affine)
    return spacing_mm, [
        None if array is None else nib.orientations.apply_orientation(array, turn)
        for array in arrays
    ]


def map_scene(
    array: ndarray, affine: ndarray, shown: Mask | None = None, focus: Mask | None = None
) -> Scene:
    """Return a stored map in canonical order, with slices at the centre of `focus` or `shown`.

    Args:
        array: map in stored order.
        affine: affine of its grid, to RAS+ in mm.
        shown: brain mask to which the map is cropped; None or an empty mask shows the whole map.
        focus: mask of the structures that the slices go through, such as nuclei; None uses `shown`,
            or the middle of the map.
    """
    spacing_mm, (turned, shown, focus) = canonical(affine, array, shown, focus)
    box = [slice(0, side) for side in turned.shape]
    centre = [side // 2 for side in turned.shape]
    for mask in (shown, focus):
        if mask is not None and mask.any():
            centre = [_mean_slice(profile) for profile in _profiles(mask)]
    if shown is not None and shown.any():
        sides = zip(_profiles(shown), spacing_mm, strict=True)
        box = [_span(*side, BRAIN_MARGIN_MM, 0.0) for side in sides]
    return Scene(turned, None, None, turned.shape, spacing_mm, centre, box)


def error_scenes(scene: Scene) -> list[Scene]:
    """Return slices through the largest error, and projections of both masks.

    The largest error is the largest connected set of voxels in which the label maps differ; along
    each axis the slice with most of these voxels is shown. An image of one slice is shown once.

    Returns:
        The slices first, then the projections; both hold the pieces of the prediction without
        overlap with the reference (`stray`). Empty where the maps are equal.
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
    if scene.flat_axis is not None:
        return [scene._replace(stray=stray)]
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
    """Return the pieces of a prediction that have no voxel in common with the reference."""
    pieces, count = ndimage.label(pred, structure=CORNERS)
    is_stray = np.ones(count + 1, dtype=bool)
    is_stray[0] = False
    is_stray[pieces[truth]] = False
    return is_stray[pieces]


def _profiles(mask: Mask) -> list[Integer[ndarray, " N"]]:
    """Return the number of mask voxels in each slice along each axis."""
    return [mask.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]


def _box(mask: Mask, spacing_mm: ndarray) -> list[slice]:
    return [_span(*pair) for pair in zip(_profiles(mask), spacing_mm, strict=True)]


def _middle(profile: Integer[ndarray, " N"]) -> int:
    """Return the slice through the centre, or that with most target if the centre has little."""
    centre = _mean_slice(profile)
    return centre if profile[centre] > profile.max() / 2 else int(profile.argmax())


def _mean_slice(profile: Integer[ndarray, " N"]) -> int:
    return round(float((np.arange(len(profile)) * profile).sum() / profile.sum()))


def _span(
    profile: Integer[ndarray, " N"],
    spacing_mm: float,
    margin_mm: float = MARGIN_MM,
    least_mm: float = LEAST_MM,
) -> slice:
    used = np.flatnonzero(profile)
    low, high = used[0], used[-1] + 1
    margin = max(margin_mm / spacing_mm, (least_mm / spacing_mm - (high - low)) / 2)
    return slice(max(round(low - margin), 0), min(round(high + margin), len(profile)))
