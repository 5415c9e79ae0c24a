"""Small pictures of a case: slices with the outlines of a label map, without matplotlib.

A picture takes tens of milliseconds, since a page may have thousands of cases. As in all pictures,
the patient's right is on the left.
"""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from jaxtyping import Num, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from scipy import ndimage

from neurotarget.report.drawing.scene import ClassMap, Plane, Scene, scene_of

HEIGHT_PX, WIDTH_PX, GAP_PX = 190, 760, 4  # largest size of a picture, and gap between its slices
FINE = 2  # outlines are drawn on a grid finer by this factor and averaged, so that they are smooth
NO_SCAN = 61  # grey behind a label map without a scan
WINDOW_PERCENT = (0.5, 99.5)  # percentiles of the shown part that are black and white
QUALITY = 82  # of JPEG

Colour = tuple[int, int, int]
Size = tuple[int, int]  # width and height in pixels
Picture = UInt8[ndarray, "_ _ 3"]


def small_picture(
    image: Num[ndarray, "I J K"] | None,
    classes: ClassMap | None,
    affine: Num[ndarray, "4 4"],
    colours: Sequence[Colour],
    *,
    has_sides: bool = True,
) -> bytes:
    """Draw slices through the middle of a label map as JPEG, each label outlined in its colour.

    An image of one slice is shown twice, without and with outlines.

    Args:
        image: scan in stored order; None draws the label map on grey.
        classes: class indices on the grid of the scan, 0 is background; None draws the scan alone.
        affine: affine of that grid, to RAS+ in mm.
        colours: colours of the classes from 1 on, 0 to 255; they repeat after the last.
        has_sides: whether left and right are known.

    Raises:
        ValueError: there is neither image nor label map.
    """
    scene = scene_of(image, None, classes, affine, has_sides=has_sides)
    is_flat = scene.flat_axis is not None
    is_twice = is_flat and image is not None and classes is not None
    planes = scene.planes[: 2 if is_twice else 1] if is_flat else scene.planes
    wide = sum(scene.side_mm(plane.across) for plane in planes)
    high = max(scene.side_mm(plane.up) for plane in planes)
    room = WIDTH_PX - GAP_PX * (len(planes) - 1)
    px_per_mm = min(HEIGHT_PX / high, room / wide)
    tiles = []
    for place, plane in enumerate(planes):
        sides = [
            max(round(px_per_mm * scene.side_mm(axis)), 1) for axis in (plane.across, plane.up)
        ]
        tile = _scan(scene, plane, (sides[0], sides[1]))
        if classes is not None and not (is_twice and place == 0):
            tile = _outlined(tile, scene, plane, colours)
        tiles.append(_lettered(tile, plane))
    return _jpeg(_in_row(tiles))


def _cut(scene: Scene, plane: Plane, array: ndarray) -> ndarray:
    """Return the shown part of a slice, rows from the top, with the patient's right on the left."""
    spans = tuple(scene.box[axis] for axis in (plane.up, plane.across))
    return scene.seen(array, plane)[spans][::-1, ::-1]


def _scan(scene: Scene, plane: Plane, size: Size) -> Picture:
    """Return a slice of the scan in grey levels, or uniform grey without a scan."""
    if scene.image is None:
        return np.full((size[1], size[0], 3), NO_SCAN, np.uint8)
    inside = scene.image[tuple(scene.box)]
    low, high = np.percentile(inside, WINDOW_PERCENT)
    cut = _cut(scene, plane, scene.image).astype(np.float32)
    grey = np.clip((cut - low) / max(high - low, 1e-6), 0, 1)
    small = Image.fromarray(np.rint(255 * grey).astype(np.uint8))
    resized = np.asarray(small.resize(size, Image.Resampling.BICUBIC))
    return np.repeat(resized[..., None], 3, axis=-1)


def _outlined(tile: Picture, scene: Scene, plane: Plane, colours: Sequence[Colour]) -> Picture:
    """Return a slice with the outline of each class."""
    size = (FINE * tile.shape[1], FINE * tile.shape[0])
    classes = _enlarged(_cut(scene, plane, scene.pred), size)
    fine = np.repeat(np.repeat(tile, FINE, axis=0), FINE, axis=1)
    widths = 2 * FINE + 1
    low, high = (
        one(classes, widths, mode="nearest")
        for one in (ndimage.minimum_filter, ndimage.maximum_filter)
    )
    is_edge = (classes > 0) & (low != high)
    table = np.array(colours, np.uint8).reshape(-1, 3)
    fine[is_edge] = table[(classes[is_edge] - 1) % len(table)]
    return np.asarray(Image.fromarray(fine).reduce(FINE))


def _enlarged(classes: ndarray, size: Size) -> ndarray:
    """Return the classes on a finer grid, with smooth borders between them."""
    shown, best = np.zeros(size[::-1], np.int64), np.full(size[::-1], 127, np.uint8)
    for number in np.unique(classes[classes > 0]):
        mask = Image.fromarray(np.where(classes == number, 255, 0).astype(np.uint8))
        share = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
        shown[share > best] = number
        best = np.maximum(best, share)
    return shown


def _lettered(tile: Picture, plane: Plane) -> Picture:
    """Return a slice with the letters of its sides."""
    picture = Image.fromarray(tile)
    draw, middle = ImageDraw.Draw(picture), tile.shape[0] // 2
    for at, anchor, text in zip((4, tile.shape[1] - 5), "lr", plane.ends, strict=True):
        draw.text((at, middle), text, "white", anchor=f"{anchor}m", stroke_width=1, stroke_fill=0)
    return np.asarray(picture)


def _in_row(tiles: Sequence[Picture]) -> Picture:
    """Return slices next to each other on black, each centred in height."""
    high = max(tile.shape[0] for tile in tiles)
    wide = sum(tile.shape[1] for tile in tiles) + GAP_PX * (len(tiles) - 1)
    row, left = np.zeros((high, wide, 3), np.uint8), 0
    for tile in tiles:
        top, (tall, across) = (high - tile.shape[0]) // 2, tile.shape[:2]
        row[top : top + tall, left : left + across] = tile
        left += across + GAP_PX
    return row


def _jpeg(picture: Picture) -> bytes:
    buffer = BytesIO()
    # without subsampling of colours, which would blur thin outlines
    Image.fromarray(picture).save(buffer, "jpeg", quality=QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()
