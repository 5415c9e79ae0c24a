"""Label maps of many labels, painted over a scan: reference and prediction in separate rows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba

from neurotarget.anatomy.structures import find
from neurotarget.report.drawing.figure import COLOURS
from neurotarget.report.drawing.scene import ClassMap, Plane, Scene

MOST_OUTLINED = 6  # labels whose outlines can be distinguished; more are painted
OPACITY = 0.55


def palette_of(label_names: Sequence[str]) -> tuple[str, ...]:
    """Return the colours of classes 1, 2, …, in hex; they repeat after the last.

    More than `MOST_OUTLINED` structures get the colours of FreeSurfer's table. Fewer structures, or
    structures with a name that is not in the table, get `COLOURS`, since the table has the same
    colour for left and right.
    """
    found = [find(name) for name in label_names]
    if len(found) <= MOST_OUTLINED or None in found:
        return COLOURS
    return tuple(f"#{bytes(one.colour).hex()}" for one in found)


def painted_rows(scene: Scene) -> list[Scene]:
    """Return copies of a scene with one map each: first the reference, then the prediction.

    Both show the same slices. A scene without maps is returned unchanged.
    """
    parts = {"reference": {"pred": None}, "prediction": {"truth": None}}
    maps = (scene.truth, scene.pred)
    rows = [
        scene._replace(view=view, stray=None, **without)
        for (view, without), classes in zip(parts.items(), maps, strict=True)
        if classes is not None
    ]
    return rows or [scene]


def paint(
    panel: Axes, classes: ClassMap, plane: Plane, scene: Scene, palette: Sequence[str]
) -> None:
    """Paint every class of a slice in its colour, over what the panel shows.

    The colours of `palette` belong to classes from 1 on and repeat after the last. The limits of
    the panel do not change.
    """
    spans = [scene.box[axis] for axis in (plane.up, plane.across)]
    steps = [scene.spacing_mm[axis] for axis in (plane.up, plane.across)]
    (low, high), (right, left) = (
        (span.start * step, span.stop * step) for span, step in zip(spans, steps, strict=True)
    )
    cut = scene.seen(classes, plane)[tuple(spans)].astype(np.int64)
    colours = np.array([to_rgba(one, OPACITY) for one in palette])
    picture = colours[(cut - 1) % len(colours)]
    picture[cut == 0] = 0
    limits = panel.get_xlim(), panel.get_ylim()
    place = {"origin": "lower", "extent": (right, left, low, high), "interpolation": "none"}
    panel.imshow(picture, zorder=1.5, **place)  # over the grey of a panel without a scan
    panel.set(xlim=limits[0], ylim=limits[1], aspect="equal")
