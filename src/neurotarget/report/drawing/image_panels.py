"""Panels with slices of images, true to scale: placing, marks at the sides, and a scale bar.

Pictures are in radiological convention: the patient's right is on the left.
"""

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from neurotarget.report.drawing.scene import Plane, Scene

BARS_MM = (50.0, 20.0, 10.0, 5.0, 2.0)  # the longest up to a third of a panel is used
BARS_PX = (1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0)
GAP_INCH = 0.07  # between panels
MARK_PT = 9.0


def inch_per_mm(scene: Scene, width_inch: float, most_high_inch: float = float("inf")) -> float:
    """Return the scale at which the planes fill a width, limited by the height of the row.

    Args:
        scene: scan and its planes.
        width_inch: width of all planes with the gaps between them.
        most_high_inch: limit of the height of the tallest plane.
    """
    wide = sum(scene.side_mm(plane.across) for plane in scene.planes)
    high = max(scene.side_mm(plane.up) for plane in scene.planes)
    return min((width_inch - (len(scene.planes) - 1) * GAP_INCH) / wide, most_high_inch / high)


def plane_panels(
    figure: Figure, scene: Scene, scale: float, top_inch: float
) -> Iterator[tuple[Plane, Axes]]:
    """Yield a panel for each plane, in a centred row `top_inch` below the top of the figure.

    `scale` is in inches per mm, as `inch_per_mm` returns it; planes of different height are
    centred.
    """
    width = figure.get_size_inches()[0]
    planes = scene.planes
    sides = [[scale * scene.side_mm(axis) for axis in (one.across, one.up)] for one in planes]
    left = (width - sum(across for across, _ in sides) - (len(planes) - 1) * GAP_INCH) / 2
    high = max(up for _, up in sides)
    for plane, (across, up) in zip(planes, sides, strict=True):
        yield plane, add_panel(figure, left, top_inch + (high - up) / 2, across, up)
        left += across + GAP_INCH


def add_panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes at a place in inches from the upper left corner of the figure.

    The size is in inches, too; `figure` must have no automatic layout.
    """
    wide, tall = figure.get_size_inches()
    return figure.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall))


def show_slice(
    panel: Axes,
    plane: Plane,
    scene: Scene,
    window: Sequence[float] | None,
    interpolation: str = "none",
) -> None:
    """Draw a slice of the scan in grey levels from `window`, in mm, with the sides of the patient.

    Args:
        panel: axes to draw in; they become true to scale, with the patient's right at the left.
        plane: orientation of the slice, and the letters at its ends.
        scene: scan, its spacing, and the box that is shown.
        window: lowest and highest grey level; None draws no scan, so that the panel stays empty.
        interpolation: argument of matplotlib's `imshow`; "none" shows voxels as squares.
    """
    spans = [scene.box[axis] for axis in (plane.up, plane.across)]
    steps = [scene.spacing_mm[axis] for axis in (plane.up, plane.across)]
    (low, high), (right, left) = (
        (span.start * step, span.stop * step) for span, step in zip(spans, steps, strict=True)
    )
    if window is not None:
        panel.imshow(
            scene.seen(scene.image, plane)[tuple(spans)].astype(float),
            cmap="gray",
            vmin=window[0],
            vmax=window[1],
            origin="lower",
            extent=(right, left, low, high),
            interpolation=interpolation,
        )
    panel.set(xlim=(left, right), ylim=(low, high), aspect="equal")  # reversed: R at the left
    panel.set_axis_off()
    for place, align, text in ((0.02, "left", plane.ends[0]), (0.98, "right", plane.ends[1])):
        mark(panel, place, 0.5, text, ha=align, va="center")


def mark(panel: Axes, x: float, y: float, text: str, **align: str) -> None:
    """Write white text with a black edge at a place in a panel.

    `x` and `y` are shares of the panel's width and height, 0 at the lower left and 1 at the upper
    right. `align` is `ha` and `va` of matplotlib's text.
    """
    panel.text(x, y, text, color="white", fontsize=MARK_PT, transform=panel.transAxes, **align).set(
        path_effects=[Stroke(linewidth=2, foreground="black"), Normal()]
    )


def scale_bar(panel: Axes, unit: str = "mm") -> None:
    """Draw a scale bar at the lower right of a panel, up to a third of its width, in mm or px."""
    bars = BARS_PX if unit == "px" else BARS_MM
    side_mm = abs(panel.get_xlim()[1] - panel.get_xlim()[0])
    length_mm = next((one for one in bars if one <= side_mm / 3), bars[-1])
    ends = [0.97 - length_mm / side_mm, 0.97]
    (bar,) = panel.plot(ends, [0.04, 0.04], color="white", lw=2, transform=panel.transAxes)
    bar.set_path_effects([Stroke(linewidth=3.5, foreground="black"), Normal()])
    mark(panel, sum(ends) / 2, 0.055, f"{length_mm:g} {unit}", ha="center", va="bottom")
