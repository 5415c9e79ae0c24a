"""Pictures of one case: three slices with the outlines of both masks and the errors.

Outlines are used for up to six labels. More labels are painted as areas, since their outlines could
not be distinguished by colour.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.patheffects import Normal, Stroke
from numpy import ndarray
from PIL import Image
from scipy import ndimage

from neurotarget.report.drawing.figure import COLOURS, colour, look
from neurotarget.report.drawing.image_panels import (
    GAP_INCH,
    inch_per_mm,
    mark,
    plane_panels,
    scale_bar,
    show_slice,
)
from neurotarget.report.drawing.lettering import fitted
from neurotarget.report.drawing.painted import MOST_OUTLINED, paint, painted_rows, palette_of
from neurotarget.report.drawing.scene import (
    ClassMap,
    Mask,
    Plane,
    Scene,
    error_scenes,
    scene_of,
)

TITLE_PT = 11.0
WIDTH_INCH, HEAD_INCH, FOOT_INCH = 9.6, 0.5, 0.34
MOST_HIGH_INCH = 3.4  # largest height of a row that shows errors
NO_IMAGE = "0.24"  # grey behind masks without a scan
FILL = 0.5  # opacity of masks without a scan
STRAY, STRAY_FILL = "#FF4D4D", 0.6  # colour and opacity of pieces outside the reference
SMALL_SHARE, RING_SHARE, MOST_RINGS = 0.08, 0.015, 40  # shares of a panel's width
VIEWS = {"slice": "", "error": ", largest error", "projection": ", projection"}
VIEWS |= {"reference": ", reference", "prediction": ", prediction"}
PAGE_DPIS = (90, 75, 60, 45)  # resolutions to try for pictures on a page
PAGE_BYTES = 120_000
PAGE_GREYS = 80  # grey levels of pictures on a page


@look()
def overlay_bytes(
    image: Float[ndarray, "I J K"] | None,
    truth: ClassMap | None,
    pred: ClassMap | None,
    affine: Float[ndarray, "4 4"],
    *,
    title: str = "",
    label_names: Sequence[str] = (),
    dpis: Sequence[int] = PAGE_DPIS,
    errors: bool = False,
    unit: str = "mm",
    has_sides: bool = True,
) -> bytes:
    """Draw a case as PNG: reference as a solid coloured outline, prediction dashed in white.

    Slices are shown along the nearest anatomical axes, true to scale, in radiological convention
    (the patient's right is on the left). They go through the centre of the reference, or of the
    prediction where there is no reference. An image of one slice is shown whole and twice, without
    and with outlines. More than `MOST_OUTLINED` labels are painted, the reference above the
    prediction, without projections.

    Args:
        image: scan in stored order; None fills the mask, on grey.
        truth: class indices of the reference on the grid of the scan, 0 is background.
        pred: class indices of the prediction; where `truth` or `pred` is None, the other is drawn
            alone.
        affine: affine of that grid, to RAS+ in mm.
        title: text above the picture, shortened to its width.
        label_names: names of the classes from 1 on, for the legend.
        dpis: resolutions to try; the first that gives at most 120 kB is used, else the last.
        errors: whether the slices go through the largest error, and a second row shows projections
            of the whole volume along each axis, so that no distant piece is missed; pieces of the
            prediction without overlap with the reference are filled and circled.
        unit: unit of the scale bar, mm or px.
        has_sides: whether left and right are known; otherwise sides are not named.

    Raises:
        ValueError: there is neither image nor mask.
    """
    scene, content = scene_of(image, truth, pred, affine, unit, has_sides=has_sides), b""
    scenes, is_painted = (
        (errors and error_scenes(scene)) or [scene],
        len(label_names) > MOST_OUTLINED,
    )
    scenes = painted_rows(scenes[0]) if is_painted else scenes
    figure = _figure(scenes, title, label_names)
    canvas = FigureCanvasAgg(figure)
    drawn_dpi = 0
    for dpi in dpis:
        # bytes fall no faster than pixels, so resolutions that must be too large are not drawn
        if dpi != dpis[-1] and len(content) * dpi**2 > PAGE_BYTES * drawn_dpi**2:
            continue
        figure.set_dpi(dpi)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        palette = None if is_painted else _palette()
        few = picture.quantize(palette=palette, dither=Image.Dither.NONE)
        buffer = BytesIO()
        few.save(buffer, format="png")  # `optimize` takes three times as long, for 1 % fewer bytes
        content, drawn_dpi = buffer.getvalue(), dpi
        if len(content) <= PAGE_BYTES:
            break
    return content


def _palette() -> Image.Image:
    """Return a palette of greys and of the outline colours, pure and mixed with three greys."""
    greys = np.repeat(np.linspace(0, 1, PAGE_GREYS)[:, None], 3, axis=1)
    pure = np.array([to_rgb(name) for name in (*COLOURS, STRAY)])
    mixes = [
        share * pure + (1 - share) * grey
        for share in (0.3, 0.5, 0.75)
        for grey in (0.0, float(NO_IMAGE), 0.6, 1.0)
    ]
    colours = np.concatenate([greys, pure, *mixes])
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.rint(255 * colours).astype(np.uint8).tobytes())
    return holder


def _figure(scenes: Sequence[Scene], title: str, label_names: Sequence[str]) -> Figure:
    """Return a figure with a row of three planes per scene; panels of a row have the same scale."""
    top = HEAD_INCH if title else GAP_INCH
    most = {"slice": np.inf}
    scales = [
        inch_per_mm(one, WIDTH_INCH - 2 * GAP_INCH, most.get(one.view, MOST_HIGH_INCH))
        for one in scenes
    ]
    highs = [
        max(scene.side_mm(plane.up) for plane in scene.planes) * scale
        for scene, scale in zip(scenes, scales, strict=True)
    ]
    height = sum(highs) + top + FOOT_INCH + GAP_INCH * (len(scenes) - 1)
    figure = Figure(figsize=(WIDTH_INCH, height), facecolor="black")
    text, middle = fitted(title, WIDTH_INCH - 0.2, TITLE_PT), 1 - top / 2 / height
    figure.text(0.01, middle, text, color="white", fontsize=TITLE_PT, va="center")
    for scene, scale, high in zip(scenes, scales, highs, strict=True):
        for place, (plane, panel) in enumerate(plane_panels(figure, scene, scale, top)):
            _draw(panel, plane, scene, place, label_names)
        top += high + GAP_INCH
    _legend(figure, scenes[0], label_names)
    return figure


def _draw(panel: Axes, plane: Plane, scene: Scene, place: int, label_names: Sequence[str]) -> None:
    """Draw the plane at a place of its row; the first panel of a single slice has no outlines."""
    if scene.image is None:
        show_slice(panel, plane, scene, None)
        panel.fill_between(panel.get_xlim(), *panel.get_ylim(), color=NO_IMAGE, lw=0)
    else:
        low, high = np.percentile(scene.image[tuple(scene.box)], (0.5, 99.5))
        show_slice(panel, plane, scene, (low, max(high, low + 1e-6)), "bicubic")
    maps = [(scene.truth, False), (scene.pred, True)]
    known = [(classes, dashed) for classes, dashed in maps if classes is not None]
    is_bare = scene.flat_axis is not None and place == 0 and scene.image is not None
    for number, (classes, dashed) in enumerate(() if is_bare else known):
        if len(label_names) > MOST_OUTLINED:
            paint(panel, classes, plane, scene, palette_of(label_names))
            continue
        if scene.image is None and number == 0:
            _fill(panel, classes, plane, scene)
        _outline(panel, classes, plane, scene, dashed=dashed)
    if scene.stray is not None and scene.stray.any() and not is_bare:
        _mark_stray(panel, scene.stray, plane, scene)
    mark(panel, 0.02, 0.98, f"{plane.name}{VIEWS[scene.view]}", ha="left", va="top")
    if place == 0:
        scale_bar(panel, scene.unit)


def _fill(panel: Axes, classes: ClassMap, plane: Plane, scene: Scene) -> None:
    for number, x, y, inside in _grids(classes, plane, scene):
        panel.contourf(x, y, inside, levels=[0.5, 1.5], colors=[colour(number)], alpha=FILL)


def _outline(panel: Axes, classes: ClassMap, plane: Plane, scene: Scene, *, dashed: bool) -> None:
    for number, x, y, inside in _grids(classes, plane, scene):
        outline = panel.contour(
            x,
            y,
            inside,
            levels=[0.5],
            colors="white" if dashed else colour(number),
            linewidths=1.3 if dashed else 1.8,
            linestyles=[(0, (3, 2))] if dashed else "solid",
        )
        outline.set_path_effects([Stroke(linewidth=2.4, foreground="black", alpha=0.6), Normal()])


def _grids(
    classes: ClassMap, plane: Plane, scene: Scene
) -> Iterator[tuple[int, ndarray, ndarray, ndarray]]:
    """Yield each class in a plane, with the positions of its voxels in mm."""
    for number, seen in scene.classes_seen(classes, plane):
        yield number, *_grid(seen, plane, scene)


def _grid(seen: ndarray, plane: Plane, scene: Scene) -> tuple[ndarray, ndarray, ndarray]:
    """Return the positions of voxels across and up in mm, and their mask, as input of contours."""
    padded = np.pad(seen, 1)  # closes outlines at the border
    steps = [scene.spacing_mm[axis] for axis in (plane.up, plane.across)]
    y, x = ((np.arange(side) - 0.5) * step for side, step in zip(padded.shape, steps, strict=True))
    return x, y, padded.astype(float)


def _mark_stray(panel: Axes, stray: Mask, plane: Plane, scene: Scene) -> None:
    """Fill the pieces outside the reference, and circle those that are too small to see."""
    seen = scene.seen(stray, plane)
    if not seen.any():
        return
    panel.contourf(*_grid(seen, plane, scene), levels=[0.5, 1.5], colors=[STRAY], alpha=STRAY_FILL)
    pieces, _ = ndimage.label(seen, structure=np.ones((3, 3)))
    sides_mm = scene.spacing_mm[[plane.up, plane.across]]
    shown_mm = scene.side_mm(plane.across)
    for box in ndimage.find_objects(pieces)[:MOST_RINGS]:
        low, high = (np.array([getattr(side, end) for side in box]) for end in ("start", "stop"))
        extent_mm = float(np.hypot(*((high - low) * sides_mm)))
        if extent_mm < SMALL_SHARE * shown_mm:
            middle = ((low + high - 1) / 2 + 0.5) * sides_mm
            radius = extent_mm / 2 + RING_SHARE * shown_mm
            panel.add_patch(Circle(middle[::-1], radius, fill=False, color=STRAY, lw=1.2))


def _legend(figure: Figure, scene: Scene, label_names: Sequence[str]) -> None:
    if len(label_names) > MOST_OUTLINED:
        return
    lines = []
    if scene.truth is not None:
        names = label_names if len(label_names) > 1 else ("reference",)
        for number, name in enumerate(names, start=1):
            text = name if name == "reference" else f"{name}, reference"
            lines.append(Line2D([], [], color=colour(number), lw=1.8, label=text))
    if scene.pred is not None:
        lines.append(Line2D([], [], color="white", lw=1.3, ls=(0, (3, 2)), label="prediction"))
    if scene.stray is not None and scene.stray.any():
        ring = {"marker": "o", "ms": 7, "color": STRAY, "ls": "none"}
        lines.append(Line2D([], [], label="piece off the reference", **ring))
    legend = figure.legend(
        handles=lines,
        loc="lower center",
        ncols=len(lines) or 1,
        frameon=False,
        labelcolor="white",
        fontsize=9,
        borderaxespad=0.3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
