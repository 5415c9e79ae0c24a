"""Pictures of maps in physical units: three planes of one map, or one plane of several.

The grey scale is the same in every picture, so that maps of different scans can be compared; the
patient's right is on the left.
"""

from collections.abc import Mapping
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from numpy import ndarray

from neurotarget.report.drawing.figure import (
    MUTED,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.lettering import fitted, words
from neurotarget.report.drawing.scene import PLANES

GAP_INCH, FOOT_INCH, HEAD_INCH = 0.06, 0.5, 0.24
BAR_MM = (20.0, 10.0, 5.0, 2.0)  # scale bars; the longest up to a third of a picture is used
MARGIN_MM = 4.0  # around the brain
SCALE_INCH = (1.8, 0.1)  # size of the grey scale
MOST_ROW = 4  # most pictures in a row
TALLEST_INCH = 3.4

Map = Float[ndarray, "I J K"]
Window = tuple[float, float]


class Canvas(NamedTuple):
    """A map in canonical order, its shown part, and the position of its slices."""

    array: ndarray
    spacing_mm: ndarray
    box: tuple[slice, ...]
    centre: tuple[int, ...]

    def side_mm(self, axis: int) -> float:
        """Return the length of the shown part along an axis, in mm."""
        return (self.box[axis].stop - self.box[axis].start) * float(self.spacing_mm[axis])


def canvas(
    array: Map,
    affine: Float[ndarray, "4 4"],
    shown: Bool[ndarray, "I J K"] | None = None,
    focus: Bool[ndarray, "I J K"] | None = None,
) -> Canvas:
    """Reorient a stored map to canonical axes, with slices at the centre of `focus` or `shown`.

    `shown` is the brain mask for cropping; without it the whole map is shown.
    """
    turn = nib.orientations.io_orientation(affine)
    spacing_mm = np.empty(3)
    spacing_mm[turn[:, 0].astype(int)] = nib.affines.voxel_sizes(affine)
    turned = nib.orientations.apply_orientation(array, turn)
    boxes = [slice(0, side) for side in turned.shape]
    centre = [side // 2 for side in turned.shape]
    for mask, is_box in ((shown, True), (focus, False)):
        if mask is None or not mask.any():
            continue
        inside = nib.orientations.apply_orientation(mask, turn)
        for axis in range(3):
            profile = inside.sum(axis=tuple({0, 1, 2} - {axis}))
            used = np.flatnonzero(profile)
            centre[axis] = round(float((np.arange(len(profile)) * profile).sum() / profile.sum()))
            if is_box:
                margin = round(MARGIN_MM / spacing_mm[axis])
                low, high = max(used[0] - margin, 0), min(used[-1] + 1 + margin, len(profile))
                boxes[axis] = slice(int(low), int(high))
    return Canvas(turned, spacing_mm, tuple(boxes), tuple(centre))


@look()
def planes_figure(name: str, scene: Canvas, *, window: Window, unit: str) -> Figure:
    """Draw a sagittal, coronal and axial slice to scale, with grey levels from `window`."""
    wide = sum(scene.side_mm(plane.across) for plane in PLANES)
    high = max(scene.side_mm(plane.up) for plane in PLANES)
    inch = min((WIDTH_INCH - 2 * GAP_INCH) / wide, TALLEST_INCH / high)  # per mm
    height = high * inch + FOOT_INCH
    figure = new_figure(name, WIDTH_INCH, height, free=True)
    left = 0.0
    for plane in PLANES:
        width, tall = scene.side_mm(plane.across) * inch, scene.side_mm(plane.up) * inch
        bottom = FOOT_INCH + (high * inch - tall) / 2
        place = (left / WIDTH_INCH, bottom / height, width / WIDTH_INCH, tall / height)
        panel = figure.add_axes(place)
        _draw(panel, scene, plane, window)
        _mark(panel, 0.02, 0.98, plane.name, ha="left", va="top")
        if plane is PLANES[-1]:
            _bar(panel, scene.side_mm(plane.across))
        left += width + GAP_INCH
    _scale(figure, window, unit)
    return finished(figure)


@look()
def axial_figure(name: str, scenes: Mapping[str, Canvas], *, window: Window, unit: str) -> Figure:
    """Draw one axial slice of several maps on the same grid, each with its name, in rows."""
    plane, first = PLANES[-1], next(iter(scenes.values()))
    columns = min(len(scenes), MOST_ROW)
    rows = -(-len(scenes) // columns)
    width = min((WIDTH_INCH - (columns - 1) * GAP_INCH) / columns, TALLEST_INCH)
    tall = width * first.side_mm(plane.up) / first.side_mm(plane.across)
    height = rows * (tall + HEAD_INCH) + FOOT_INCH
    figure = new_figure(name, WIDTH_INCH, height, free=True)
    for number, (title, scene) in enumerate(scenes.items()):
        row, column = divmod(number, columns)
        left = column * (width + GAP_INCH)
        bottom = height - (row + 1) * (tall + HEAD_INCH)
        place = (left / WIDTH_INCH, bottom / height, width / WIDTH_INCH, tall / height)
        panel = figure.add_axes(place)
        _draw(panel, scene, plane, window)
        panel.set_title(fitted(title, width, TEXT_PT, bold=True), pad=3)
        if number == len(scenes) - 1:
            _bar(panel, scene.side_mm(plane.across))
    _scale(figure, window, unit)
    return finished(figure)


def _draw(panel: Axes, scene: Canvas, plane: object, window: Window) -> None:
    slices = list(scene.box)
    slices[plane.axis] = scene.centre[plane.axis]
    width, height = scene.side_mm(plane.across), scene.side_mm(plane.up)
    panel.imshow(
        scene.array[tuple(slices)].T[:, ::-1].astype(np.float32),  # right, or front, at the left
        cmap="gray",
        vmin=window[0],
        vmax=window[1],
        origin="lower",
        extent=(0, width, 0, height),
        interpolation="none",
        aspect="equal",
    )
    panel.set_axis_off()
    for place, align, text in ((0.02, "left", plane.ends[0]), (0.98, "right", plane.ends[1])):
        _mark(panel, place, 0.5, text, ha=align, va="center")


def _bar(panel: Axes, side_mm: float) -> None:
    length = next((one for one in BAR_MM if one <= side_mm / 3), BAR_MM[-1])
    left = 0.94 - length / side_mm
    line = panel.plot([left, 0.94], [0.04, 0.04], color="white", lw=2, transform=panel.transAxes)
    line[0].set_path_effects([Stroke(linewidth=3.5, foreground="black"), Normal()])
    _mark(panel, left + length / side_mm / 2, 0.06, f"{length:g} mm", ha="center", va="bottom")


def _mark(panel: Axes, x: float, y: float, text: str, **align: str) -> None:
    panel.text(
        x, y, text, color="white", fontsize=SMALL_PT, transform=panel.transAxes, **align
    ).set(path_effects=[Stroke(linewidth=2, foreground="black"), Normal()])


def _scale(figure: Figure, window: Window, unit: str) -> None:
    """Draw the grey scale at the lower left, with its ends and unit."""
    width, height = figure.get_size_inches()
    panel = figure.add_axes(
        (0.25 / width, 0.27 / height, SCALE_INCH[0] / width, SCALE_INCH[1] / height)
    )
    low, high = window
    shades = np.linspace(0, 1, 64)[None]
    panel.imshow(shades, cmap="gray", aspect="auto", extent=(low, high, 0, 1), interpolation="none")
    middle = [0.0] if low < 0 < high else [(low + high) / 2]
    ticks = [low, *middle, high]
    panel.set_xticks(ticks, [words(value) for value in ticks], fontsize=SMALL_PT)
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
    text = unit or "arbitrary unit"
    figure.text((0.4 + SCALE_INCH[0]) / width, 0.32 / height, text, fontsize=SMALL_PT,
                color=MUTED, va="center")  # fmt: skip
