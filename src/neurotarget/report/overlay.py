"""Pictures of one case: three slices through the target with the outlines of both masks."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy import ndarray
from PIL import Image

from neurotarget.report.figure import COLOURS, colour, look
from neurotarget.report.lettering import fitted

ClassMap = Integer[ndarray, "I J K"]

MARGIN_MM = 12.0  # shown around the target
LEAST_MM = 56.0  # shown at least, so that one sees where one is
TITLE_PT = 11.0
WIDTH_INCH, GAP_INCH, HEAD_INCH, FOOT_INCH = 9.6, 0.08, 0.5, 0.34
BAR_MM = 10.0
MOST_LABELS = 6  # in the legend
NO_IMAGE = "0.24"  # grey behind masks without a scan
FILL = 0.5  # opacity of masks without a scan
PAGE_DPIS = (90, 75, 60, 45)  # of pictures on a page: the first that is small enough
PAGE_BYTES = 120_000
PAGE_GREYS = 80  # of pictures on a page


class _Plane(NamedTuple):
    name: str
    axis: int  # cut across
    across: int  # drawn from left to right …
    up: int  # … and from bottom to top
    ends: tuple[str, str]  # of the horizontal axis as drawn, which always falls


PLANES = (
    _Plane("sagittal", 0, 1, 2, ("A", "P")),
    _Plane("coronal", 1, 0, 2, ("R", "L")),
    _Plane("axial", 2, 0, 1, ("R", "L")),
)


class _Scene(NamedTuple):
    """A case in canonical order (RAS+), and what part of it is shown."""

    image: ndarray | None
    truth: ClassMap | None
    pred: ClassMap | None
    shape: tuple[int, ...]
    spacing_mm: ndarray
    centre: list[int]
    box: list[slice]

    def side_mm(self, axis: int) -> float:
        return (self.box[axis].stop - self.box[axis].start) * self.spacing_mm[axis]


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
) -> bytes:
    """Draw a case as PNG: reference outlined solid in colour, prediction dashed in white.

    Arrays are in stored order with their `affine`; they are shown along the nearest anatomical
    axes, true to scale, in radiological convention (the patient's right is on the left). The
    slices go through the centre of the reference, or of the prediction where there is none.
    Without an image the mask is filled, on grey. Of `dpis` the first is taken that gives at most
    120 kB, else the last.

    Raises:
        ValueError: there is neither image nor mask.
    """
    figure, content = _figure(_scene(image, truth, pred, affine), title, label_names), b""
    canvas = FigureCanvasAgg(figure)
    for dpi in dpis:
        figure.set_dpi(dpi)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        few = picture.quantize(palette=_palette(), dither=Image.Dither.NONE)
        buffer = BytesIO()
        few.save(buffer, format="png", optimize=True)
        content = buffer.getvalue()
        if len(content) <= PAGE_BYTES:
            break
    return content


def _palette() -> Image.Image:
    """Greys, and the colours of outlines as they are and mixed with dark, middle and white."""
    greys = np.repeat(np.linspace(0, 1, PAGE_GREYS)[:, None], 3, axis=1)
    pure = np.array([to_rgb(name) for name in COLOURS])
    mixes = [
        share * pure + (1 - share) * grey
        for share in (0.3, 0.5, 0.75)
        for grey in (0.0, float(NO_IMAGE), 0.6, 1.0)
    ]
    colours = np.concatenate([greys, pure, *mixes])
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.rint(255 * colours).astype(np.uint8).tobytes())
    return holder


def _figure(scene: _Scene, title: str, label_names: Sequence[str]) -> Figure:
    high = max(scene.side_mm(plane.up) for plane in PLANES)
    wide = sum(scene.side_mm(plane.across) for plane in PLANES)
    inch = (WIDTH_INCH - 4 * GAP_INCH) / wide  # per mm, the same in all three
    head = HEAD_INCH if title else GAP_INCH
    height = high * inch + head + FOOT_INCH
    figure = Figure(figsize=(WIDTH_INCH, height), facecolor="black")
    left = GAP_INCH
    for plane in PLANES:
        width, tall = scene.side_mm(plane.across) * inch, scene.side_mm(plane.up) * inch
        bottom = FOOT_INCH + (high * inch - tall) / 2
        place = (left / WIDTH_INCH, bottom / height, width / WIDTH_INCH, tall / height)
        _draw(figure.add_axes(place), plane, scene)
        left += width + GAP_INCH
    middle = 1 - head / 2 / height
    text = fitted(title, WIDTH_INCH - 0.2, TITLE_PT)
    figure.text(0.01, middle, text, color="white", fontsize=TITLE_PT, va="center")
    _legend(figure, scene, label_names)
    return figure


def _scene(
    image: ndarray | None, truth: ClassMap | None, pred: ClassMap | None, affine: ndarray
) -> _Scene:
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
        profiles = [target.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
        centre = [_middle(profile) for profile in profiles]
        box = [_span(*pair) for pair in zip(profiles, spacing_mm, strict=True)]
    return _Scene(scan, *maps, shape, spacing_mm, centre, box)


def _middle(profile: Integer[ndarray, " N"]) -> int:
    """Slice through the centre, or the largest one where the centre holds little of the target."""
    centre = round(float((np.arange(len(profile)) * profile).sum() / profile.sum()))
    return centre if profile[centre] > profile.max() / 2 else int(profile.argmax())


def _span(profile: Integer[ndarray, " N"], spacing_mm: float) -> slice:
    used = np.flatnonzero(profile)
    low, high = used[0], used[-1] + 1
    margin = max(MARGIN_MM / spacing_mm, (LEAST_MM / spacing_mm - (high - low)) / 2)
    return slice(max(round(low - margin), 0), min(round(high + margin), len(profile)))


def _draw(panel: Axes, plane: _Plane, scene: _Scene) -> None:
    _background(panel, plane, scene)
    maps = [(scene.truth, False), (scene.pred, True)]
    known = [
        (_cut(classes, plane, scene), dashed) for classes, dashed in maps if classes is not None
    ]
    for place, (classes, dashed) in enumerate(known):
        if scene.image is None and place == 0:
            _fill(panel, classes, plane, scene)
        _outline(panel, classes, plane, scene, dashed=dashed)
    across, up = ((scene.box[axis], scene.spacing_mm[axis]) for axis in (plane.across, plane.up))
    panel.set_xlim(across[0].stop * across[1], across[0].start * across[1])  # falls: R is left
    panel.set_ylim(up[0].start * up[1], up[0].stop * up[1])
    panel.set_axis_off()
    for place, align, text in ((0.02, "left", plane.ends[0]), (0.98, "right", plane.ends[1])):
        _mark(panel, place, 0.5, text, ha=align, va="center")
    _mark(panel, 0.02, 0.98, plane.name, ha="left", va="top")
    if plane is PLANES[0]:
        _scale_bar(panel, scene.side_mm(plane.across))


def _cut(array: ndarray, plane: _Plane, scene: _Scene) -> ndarray:
    return array.take(scene.centre[plane.axis], axis=plane.axis).T  # (up, across)


def _background(panel: Axes, plane: _Plane, scene: _Scene) -> None:
    """The slice of the scan, or grey where there is none."""
    ends = []
    for axis in (plane.across, plane.up):
        ends += [0, scene.shape[axis] * scene.spacing_mm[axis]]
    if scene.image is None:
        panel.fill_between(ends[:2], *ends[2:], color=NO_IMAGE, lw=0)
        panel.set_aspect("equal")
        return
    low, high = np.percentile(scene.image[tuple(scene.box)], (0.5, 99.5))
    panel.imshow(
        _cut(scene.image, plane, scene).astype(float),
        cmap="gray",
        vmin=low,
        vmax=max(high, low + 1e-6),
        origin="lower",
        extent=ends,
        interpolation="bicubic",
        aspect="equal",
    )


def _fill(panel: Axes, classes: ndarray, plane: _Plane, scene: _Scene) -> None:
    for number, x, y, inside in _grids(classes, plane, scene):
        panel.contourf(x, y, inside, levels=[0.5, 1.5], colors=[colour(number)], alpha=FILL)


def _outline(panel: Axes, classes: ndarray, plane: _Plane, scene: _Scene, *, dashed: bool) -> None:
    for number, x, y, inside in _grids(classes, plane, scene):
        drawn = panel.contour(
            x,
            y,
            inside,
            levels=[0.5],
            colors="white" if dashed else colour(number),
            linewidths=1.3 if dashed else 1.8,
            linestyles=[(0, (3, 2))] if dashed else "solid",
        )
        drawn.set_path_effects([Stroke(linewidth=2.4, foreground="black", alpha=0.6), Normal()])


def _grids(
    classes: ndarray, plane: _Plane, scene: _Scene
) -> Iterator[tuple[int, ndarray, ndarray, ndarray]]:
    """Each class of a slice with the places of its voxels in mm."""
    padded = np.pad(classes, 1)  # an outline at the border closes
    steps = [scene.spacing_mm[axis] for axis in (plane.up, plane.across)]
    y, x = ((np.arange(side) - 0.5) * step for side, step in zip(padded.shape, steps, strict=True))
    for number in np.unique(classes[classes > 0]):
        yield int(number), x, y, (padded == number).astype(float)


def _scale_bar(panel: Axes, side_mm: float) -> None:
    bar = panel.plot(
        [0.97 - BAR_MM / side_mm, 0.97],
        [0.04, 0.04],
        color="white",
        lw=2,
        transform=panel.transAxes,
    )
    bar[0].set_path_effects([Stroke(linewidth=3.5, foreground="black"), Normal()])
    middle = 0.97 - BAR_MM / side_mm / 2
    _mark(panel, middle, 0.055, f"{BAR_MM:g} mm", ha="center", va="bottom")


def _mark(panel: Axes, x: float, y: float, text: str, **align: str) -> None:
    panel.text(x, y, text, color="white", fontsize=9, transform=panel.transAxes, **align).set(
        path_effects=[Stroke(linewidth=2, foreground="black"), Normal()]
    )


def _legend(figure: Figure, scene: _Scene, label_names: Sequence[str]) -> None:
    lines = []
    if scene.truth is not None:
        names = label_names if 1 < len(label_names) <= MOST_LABELS else ("reference",)
        for number, name in enumerate(names, start=1):
            text = name if name == "reference" else f"{name}, reference"
            lines.append(Line2D([], [], color=colour(number), lw=1.8, label=text))
    if scene.pred is not None:
        lines.append(Line2D([], [], color="white", lw=1.3, ls=(0, (3, 2)), label="prediction"))
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
