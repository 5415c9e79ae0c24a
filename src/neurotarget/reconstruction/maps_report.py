"""HTML page of a folder of maps."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from neurotarget.data.scans.volume import inspect_volume
from neurotarget.files.writing import write_text
from neurotarget.reconstruction.maps_folder import Outcome, Work
from neurotarget.report.figures.map_pictures import Window, map_scene, planes_figure
from neurotarget.report.pages.maps_page import MOST_PICTURES, GRECase, gre_html

FACTS = {  # headings of the page, with the keys of the JSON of a map
    "Echo times": "EchoTime",
    "Field": "MagneticFieldStrength",
    "B0 along voxel axes": "B0Direction",
    "Phase": "PhaseScale",
    "Sign of phase": "Handedness",
}

WindowOf = Callable[[ndarray, ndarray | None], Window]


def write_report(
    outcomes: Sequence[Outcome], output: Path, work: Work, *, window_of: WindowOf, unit: str,
    device: str,
) -> None:  # fmt: skip
    """Write `<kind>.html`, the page of the maps in a folder, with pictures of the first scans.

    Args:
        outcomes: one per scan, in the order of the page.
        output: folder of the maps.
        work: recipe of the maps, whose settings are listed on the page.
        window_of: returns the grey window of a picture, in the unit of the map, from the array and
            the brain mask (None if there is no such file).
        unit: unit of the map, for the scale of its pictures; "" for arbitrary units.
        device: device that computed the maps, for the page.
    """
    facts = {key: str(value) for key, value in work.settings.items() if value != {}}
    cases = []
    for number, outcome in enumerate(outcomes, start=1):
        has_picture = outcome.main is not None and number <= MOST_PICTURES
        name = f"scan_{number}"
        picture = _picture(outcome.main, name, window_of, unit) if has_picture else None
        cases.append(_case(outcome, picture))
    page = gre_html(cases, kind=work.kind, facts=facts | {"device": device})
    write_text(output / f"{work.kind}.html", page)


def _case(outcome: Outcome, picture: Figure | None) -> GRECase:
    about = outcome.about
    facts = {name: _text(name, about[key]) for name, key in FACTS.items() if key in about}
    numbers = {
        name: float("nan") if value is None else float(value)
        for name, value in about.get("Statistics", {}).items()
    }
    return GRECase(outcome.case_id, outcome.status, outcome.note, facts, numbers, picture)


def _text(name: str, value: Any) -> str:  # noqa: ANN401
    if name == "Echo times":
        return f"{', '.join(f'{1000 * time:g}' for time in value)} ms"
    if name == "Field":
        return f"{value:g} T"
    if name.startswith("B0"):
        return f"({', '.join(f'{part:.3g}' for part in value)})"
    return str(value)


def _picture(path: Path, name: str, window_of: WindowOf, unit: str) -> Figure | None:
    """Three planes of a saved map, cropped to the brain if its mask file exists."""
    volume, _ = inspect_volume(path)
    if volume is None or not volume.is_placed:
        return None  # another program changed the file
    array = volume.array.astype(np.float32)
    brain, _ = inspect_volume(
        path.with_name(path.name.rpartition("_")[0] + "_desc-brain_mask.nii.gz")
    )
    mask = None if brain is None or brain.array.shape != array.shape else brain.array > 0
    scene = map_scene(array, volume.affine, mask)
    return planes_figure(name, scene, window=window_of(array, mask), unit=unit)
