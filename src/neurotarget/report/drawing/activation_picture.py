"""Picture of an activation map: the slice with the highest activation, without and with the map."""

from io import BytesIO

import numpy as np
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image

from neurotarget.report.drawing.figure import COLOURS, look
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.scene import canonical

WIDTH_INCH, HEAD_INCH, FOOT_INCH, GAP_INCH, DPI = 9.6, 0.5, 0.9, 0.1, 80
MOST_HIGH_INCH = 4.6
OPACITY = 0.65  # opacity of the highest value
GREYS = (1.0, 99.0)  # percentiles of the slice that are shown black and white
COLOURED = 200  # number of colours in the file


@look()
def activation_bytes(
    scan: Float[ndarray, "I J K"],
    activation: Float[ndarray, "I J K"],
    affine: Float[ndarray, "4 4"],
    *,
    title: str = "",
) -> bytes:
    """Draw a scan and its activation map as PNG, both in stored order on one grid.

    Slices are perpendicular to the axis with the fewest voxels, in radiological view. Values above
    0 are coloured; higher values are more opaque. A curve below shows the highest value of each
    slice, if there are several. Colours are relative to the highest value of the slice shown, so
    they cannot be compared between cases.

    Args:
        scan: grey levels.
        activation: contribution of each voxel to the prediction, on the grid of the scan.
        affine: affine of the grid, to RAS+ in mm.
        title: shortened to the width of the picture.
    """
    spacing_mm, arrays = canonical(affine, scan, activation)
    axis = int(np.argmin(arrays[0].shape))
    # the right side of the patient, or the front of a sagittal slice, is on the left
    scan, activation = (np.moveaxis(one, axis, 0)[:, ::-1] for one in arrays)
    across_mm, up_mm = np.delete(spacing_mm, axis)
    highest = activation.max(axis=(1, 2))
    number = int(highest.argmax())
    grey, heat = scan[number].astype(float).T, activation[number].T
    wide, high = grey.shape[1] * across_mm, grey.shape[0] * up_mm
    panel = (WIDTH_INCH - 3 * GAP_INCH) / 2
    tall = min(panel * high / wide, MOST_HIGH_INCH)
    foot = FOOT_INCH if len(highest) > 1 else 0.0
    height = HEAD_INCH + tall + foot + GAP_INCH
    figure = Figure(figsize=(WIDTH_INCH, height), facecolor="black")
    text = fitted(title, WIDTH_INCH - 0.2, 11.0)
    figure.text(0.01, 1 - HEAD_INCH / 2 / height, text, color="white", fontsize=11.0, va="center")
    low, top = np.percentile(grey, GREYS)
    for place in range(2):
        left = GAP_INCH + place * (panel + GAP_INCH)
        box = (left / WIDTH_INCH, foot / height, panel / WIDTH_INCH, tall / height)
        axes = figure.add_axes(box)
        style = {"origin": "lower", "aspect": up_mm / across_mm, "interpolation": "bilinear"}
        axes.imshow(grey, cmap="gray", vmin=low, vmax=max(top, low + 1e-6), **style)
        if place and heat.max() > 0:
            share = np.clip(heat / heat.max(), 0, 1)
            axes.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=OPACITY * share, **style)
        axes.set_axis_off()
    if foot:
        _curve(figure, highest, number, height)
    return _png(figure)


def _curve(figure: Figure, highest: Float[ndarray, " K"], number: int, height: float) -> None:
    """Plot the highest value of each slice, and mark the slice that is shown."""
    bottom, tall = 0.34 / height, (FOOT_INCH - 0.44) / height
    axes = figure.add_axes((0.06, bottom, 0.92, tall), facecolor="black")
    axes.plot(np.arange(len(highest)), highest, color=COLOURS[0], lw=1.5)
    axes.axvline(number, color="white", lw=1.0, ls=(0, (2, 2)))
    axes.set_xlim(0, max(len(highest) - 1, 1))
    axes.set_xlabel(f"slice; shown is {number}, of the highest value", color="white", labelpad=1)
    axes.tick_params(colors="white", labelsize=8)
    axes.locator_params(axis="y", nbins=2)
    for spine in axes.spines.values():
        spine.set_color("0.4")


def _png(figure: Figure) -> bytes:
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = BytesIO()
    picture.quantize(COLOURED, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
