"""Pictures of maps in physical units: three planes of one map, or one plane of several.

The grey scale is the same in every picture, so that maps of different scans can be compared.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from neurotarget.number_text import stated
from neurotarget.report.drawing.figure import (
    MUTED,
    SMALL_PT,
    TEXT_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.image_panels import (
    GAP_INCH,
    add_panel,
    inch_per_mm,
    mark,
    plane_panels,
    scale_bar,
    show_slice,
)
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.scene import PLANES, Scene, map_scene

__all__ = ["Window", "axial_figure", "map_scene", "planes_figure"]

FOOT_INCH, HEAD_INCH = 0.5, 0.24
SCALE_INCH = (1.8, 0.1)  # width and height of the grey scale
MOST_ROW = 4  # most pictures in a row
TALLEST_INCH = 3.4

Window = tuple[float, float]


@look()
def planes_figure(name: str, scene: Scene, *, window: Window, unit: str) -> Figure:
    """Draw a sagittal, coronal and axial slice to scale, with grey levels from `window`.

    Args:
        name: name of the figure, unique on a page.
        scene: map as `map_scene` returns it.
        window: values shown as black and as white, in `unit`.
        unit: unit, written below the grey scale; "" is written as arbitrary unit.
    """
    scale = inch_per_mm(scene, WIDTH_INCH, TALLEST_INCH)
    high = max(scene.side_mm(plane.up) for plane in PLANES) * scale
    figure = new_figure(name, WIDTH_INCH, high + FOOT_INCH, free=True)
    for plane, panel in plane_panels(figure, scene, scale, 0):
        show_slice(panel, plane, scene, window)
        mark(panel, 0.02, 0.98, plane.name, ha="left", va="top")
    scale_bar(panel)
    _grey_scale(figure, window, unit)
    return finished(figure)


@look()
def axial_figure(name: str, scenes: Mapping[str, Scene], *, window: Window, unit: str) -> Figure:
    """Draw one axial slice of several maps on the same grid, each with its name, in rows of four.

    Args:
        name: name of the figure, unique on a page.
        scenes: maps by name, all with the same part shown.
        window: values shown as black and as white in all maps, in `unit`.
        unit: unit, written below the grey scale; "" is written as arbitrary unit.
    """
    plane, first = PLANES[-1], next(iter(scenes.values()))
    columns = min(len(scenes), MOST_ROW)
    width = min((WIDTH_INCH - (columns - 1) * GAP_INCH) / columns, TALLEST_INCH)
    tall = width * first.side_mm(plane.up) / first.side_mm(plane.across)
    row_inch = tall + HEAD_INCH
    height = -(-len(scenes) // columns) * row_inch + FOOT_INCH
    figure = new_figure(name, WIDTH_INCH, height, free=True)
    for place, (title, scene) in enumerate(scenes.items()):
        row, column = divmod(place, columns)
        left, top = column * (width + GAP_INCH), row * row_inch + HEAD_INCH
        panel = add_panel(figure, left, top, width, tall)
        show_slice(panel, plane, scene, window)
        panel.set_title(fitted(title, width, TEXT_PT, bold=True), pad=3)
    scale_bar(panel)
    _grey_scale(figure, window, unit)
    return finished(figure)


def _grey_scale(figure: Figure, window: Window, unit: str) -> None:
    """Draw the grey scale at the lower left, with its ends and unit."""
    width, height = figure.get_size_inches()
    panel = add_panel(figure, 0.25, height - 0.27 - SCALE_INCH[1], *SCALE_INCH)
    low, high = window
    shades = np.linspace(0, 1, 64)[None]
    panel.imshow(shades, cmap="gray", aspect="auto", extent=(low, high, 0, 1), interpolation="none")
    ticks = [low, 0.0 if low < 0 < high else (low + high) / 2, high]
    panel.set_xticks(ticks, list(map(stated, ticks)), fontsize=SMALL_PT)
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    text, left = unit or "arbitrary unit", (0.4 + SCALE_INCH[0]) / width
    figure.text(left, 0.32 / height, text, fontsize=SMALL_PT, color=MUTED, va="center")
