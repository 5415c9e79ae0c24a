"""Choose the cases that a report shows, and load their scans and masks.

Failures come first, then the worst, middle and best cases by mean Dice; without scores, the
smallest, middle and largest ones by the sum of all labels. The rank of a case is in the name of its
picture.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy import ndarray

from neurotarget.data.labels import ClassOfId, class_of_id, to_classes
from neurotarget.data.scans.volume import (
    Volume,
    counted_for,
    missing_file,
    read_volume,
    same_grid,
    sized_as,
)
from neurotarget.files.memory_limits import within_memory
from neurotarget.inference.predict_outcomes import activation_path
from neurotarget.metrics.masks.volume_error import volume_mm3, voxel_mm3
from neurotarget.number_text import number, unit_text
from neurotarget.problems import DataError, some
from neurotarget.quantity import SIZES
from neurotarget.report.drawing.activation_picture import activation_bytes
from neurotarget.report.drawing.montage import montage
from neurotarget.report.drawing.overlay import overlay_bytes
from neurotarget.report.drawing.small_picture import small_picture
from neurotarget.report.pages.study_page import PageCase
from neurotarget.report.sections.viewer import cropped
from neurotarget.runs.layouts.lookup_tables import labels_of
from neurotarget.scoring import prediction_path
from neurotarget.stats.cohort.failures import CRASH, NEARLY_COMPLETE
from neurotarget.stats.cohort.measured import EXTERNAL
from neurotarget.stats.study.results import Study
from neurotarget.studies.study_inputs import Material, from_run
from neurotarget.types import Case, Target

FAILED, FLAGGED = "failed", "flagged"
HARD = (CRASH.name, NEARLY_COMPLETE.name)  # definitions of a failed mask
POOR = (FAILED, FLAGGED, "worst")  # cases whose pictures show the error
RANKS = (FAILED, FLAGGED, "worst", "median", "best", "smallest", "largest")
log = logging.getLogger(__name__)


class Gallery(NamedTuple):
    """Cases that a report shows in full, and a sheet of small pictures of the data set."""

    cases: list[PageCase]
    montage: bytes | None  # JPEG; None if there is nothing to draw


def load_gallery(study: Study, material: Material, *, count: int) -> Gallery:
    """Load scans and masks of a report: failures, then worst, median and best, and a montage.

    The montage has up to twice as many cases, evenly chosen by name, each with its reference mask,
    or else its predicted one. Each case is read once. Cases with unreadable files, or without
    enough memory, are left out and logged. Where a network made maps of activations, pictures show
    these in place of masks.

    Args:
        study: scores, values, and the table of failed cases.
        material: cases and predictions.
        count: about as many cases in full; 0 for no pictures.
    """
    if not count:
        return Gallery([], None)
    ranks, names = choose_cases(study, count), sorted(material.cases)
    places = np.linspace(0, len(names) - 1, min(2 * count, len(names))).round().astype(int)
    small = {names[place]: b"" for place in places}
    shown = []
    for case_id in dict.fromkeys([*ranks, *small]):
        case = material.cases.get(case_id)
        if case is None:
            continue
        try:
            with within_memory(case_id, "close other programs"):
                read = _read(case, study.measured.target, material)
                if case_id in ranks:
                    shown.append(_load(case, read, ranks[case_id], study, material))
                if case_id in small:
                    small[case_id] = _small(read, study.measured.target)
        except DataError as error:
            log.warning("not drawn: %s", error)
    pictures = {case_id: content for case_id, content in small.items() if content}
    return Gallery(shown, montage(pictures) if pictures else None)


def choose_cases(study: Study, count: int) -> dict[str, str]:
    """Return the cases to show with their rank, failures first, by mean Dice or by volume.

    False and missed masks, whose Dice is 0, come first, the largest of them foremost.

    Args:
        study: scores, values, and the table of failed cases.
        count: about as many cases; a third of them at most are failed or flagged.

    Returns:
        Ranks by case: failed, flagged, worst, median or best; smallest and largest without scores.
    """
    worth, ranks = _ranked(study)
    failures = study.tables.get("failed_cases", pd.DataFrame(columns=["case_id", "definition"]))
    hard = set(failures[failures["definition"].isin(HARD)]["case_id"])
    place = {case_id: number for number, case_id in enumerate(worth.index)}
    every = dict.fromkeys(failures["case_id"])
    failed_ids = sorted(every, key=lambda case_id: place.get(case_id, -1))[: count // 3]
    chosen = {case_id: FAILED if case_id in hard else FLAGGED for case_id in failed_ids}
    left = [case_id for case_id in worth.index if case_id not in chosen]
    rest = count - len(chosen)
    low, high = left[: (rest + 2) // 3], left[::-1][: (rest + 1) // 3][::-1]
    between = [case_id for case_id in left if case_id not in {*low, *high}]
    start = max((len(between) - rest // 3) // 2, 0)
    middle = between[start : start + rest // 3]
    for part, rank in zip((low, middle, high), ranks, strict=True):
        chosen |= {case_id: rank for case_id in part if case_id not in chosen}
    return chosen


def _ranked(study: Study) -> tuple[pd.Series, tuple[str, str, str]]:
    scores = study.measured.scores
    dice = scores[scores["metric"] == "dice"].groupby("case_id")["value"].mean()
    methods = study.measured.values
    if len(dice):
        if dice.notna().any():
            dice = dice.dropna()  # a case that rightly has no mask is not among the worst
        sizes = [one.fillna(0).sum(axis=1) for one in methods.values()]
        extent = pd.concat(sizes, axis=1).max(axis=1) if sizes else pd.Series(dtype=float)
        # of equal ones, such as masks that are all missed or all false, the largest first
        order = extent.reindex(dice.index, fill_value=0).sort_values(ascending=False, kind="stable")
        dice = dice.fillna(0).reindex(order.index)
        return dice.sort_values(kind="stable"), ("worst", "median", "best")
    if not methods:
        return pd.Series(dtype=float), ("smallest", "median", "largest")
    labels = list(study.measured.measure.labels)
    total = next(iter(methods.values()))[labels].sum(axis=1)
    return total.sort_values(kind="stable"), ("smallest", "median", "largest")


class CaseView(NamedTuple):
    """Scan and masks of a case of a run, on the grid of the reference, and their picture.

    A class is the number of a label in `label_names`, counted from 1; 0 is background.
    """

    case_id: str
    image: ndarray | None  # the first contrast; None if it has another grid
    reference: ndarray | None  # classes; None without a reference mask
    predicted: ndarray | None  # classes; None without a predicted mask
    affine: ndarray
    label_names: tuple[str, ...]
    picture: bytes  # PNG

    @property
    def volumes_mm3(self) -> pd.DataFrame:
        """Volume of each label in both masks; for pictures in voxels of 1 mm, see `Target`."""
        size = voxel_mm3(self.affine)
        counts = {
            name: [
                np.nan if mask is None else volume_mm3(mask == number, size)
                for mask in (self.reference, self.predicted)
            ]
            for number, name in enumerate(self.label_names, start=1)
        }
        return pd.DataFrame(counts, index=["reference_mm3", "predicted_mm3"]).T

    def _repr_png_(self) -> bytes:
        return self.picture


def view_case(folder: Path, case_id: str) -> CaseView:
    """Read a case of a finished run, and draw it as the report does.

    Raises:
        DataError: the run has no such case, or no file of it can be read.
    """
    material = from_run(folder)
    if case_id not in material.cases:
        raise DataError(
            f"{case_id}: found no such case in {folder}, wanted one of {some(material.cases)}"
        )
    target = material.measured.target
    _, image, maps, affine, _, has_sides = _read(material.cases[case_id], target, material)
    picture = overlay_bytes(
        image,
        *maps,
        affine,
        title=case_id,
        label_names=target.label_names,
        unit=target.size_units.length,
        has_sides=has_sides,
    )
    return CaseView(case_id, image, *maps, affine, target.label_names, picture)


def _small(read: "_Read", target: Target) -> bytes:
    """Draw a small picture; nothing if scan and masks are all missing or on other grids."""
    classes = next((one for one in read.maps if one is not None), None)
    if read.scan is None and classes is None:
        return b""
    colours = [one.colour for one in labels_of(target)] if target.labels else []
    return small_picture(read.scan, classes, read.affine, colours, has_sides=read.has_sides)


def _load(case: Case, read: "_Read", rank: str, study: Study, material: Material) -> PageCase:
    target, folder = study.measured.target, material.predictions
    image, scan, maps, affine = read.image, read.scan, read.maps, read.affine
    caption = _caption(case.case_id, rank, study)
    caption += "; without ignored voxels" if read.has_ignored else ""
    activation = _activation(case, image, target, folder)
    if activation is not None:
        png = activation_bytes(image.array, activation, image.affine, title=caption)
        part = (None, None, None, image.affine)
        return PageCase(case.case_id, rank, caption, _flags(case.case_id, study), png, *part)
    png = overlay_bytes(
        scan,
        *maps,
        affine,
        title=caption,
        label_names=target.label_names,
        errors=rank in POOR,
        unit=target.size_units.length,
        has_sides=read.has_sides,
    )
    # the picture of one slice shows all that a viewer would
    part = (None, None, None, affine) if target.is_flat else cropped(scan, *maps, affine)
    return PageCase(case.case_id, rank, caption, _flags(case.case_id, study), png, *part)


class _Read(NamedTuple):
    """Voxels of a case on the grid of its reference, or else of its prediction or scan."""

    image: Volume | None  # the first contrast, on its own grid
    scan: ndarray | None  # the same on the grid here; None on another
    maps: list[ndarray | None]  # of the reference and of the prediction
    affine: ndarray
    has_ignored: bool  # whether ignored voxels are left out of the maps
    has_sides: bool  # files of films rarely name left and right


def _read(case: Case, target: Target, material: Material) -> _Read:
    """Read scan and masks of a case.

    Raises:
        DataError: there is no file, or one cannot be read.
    """
    image, folder = _image(case, target), material.predictions
    theirs = class_of_id(target, material.label_ids)
    truth = _classes(case.label, case, theirs, target)
    path = prediction_path(folder, case.case_id, target) if folder else None
    pred = _classes(path if path and path.is_file() else None, case, class_of_id(target), target)
    truth = truth and sized_as(truth, pred or image)
    pred = pred and sized_as(pred, truth)
    grid = next((volume for volume in (truth, pred, image) if volume is not None), None)
    if grid is None:
        raise DataError(f"{case.case_id}: found neither scan nor mask, wanted one to draw")
    scan = image.array if image is not None and same_grid(image, grid) else None
    maps, has_ignored = _without_ignored([truth, pred], target)
    return _Read(
        image, scan, maps, grid.affine, has_ignored, grid.is_oriented or not target.is_flat
    )


def _activation(
    case: Case, image: Volume | None, target: Target, folder: Path | None
) -> ndarray | None:
    """Map of activations of the first label that has one on the grid of the scan."""
    labels = [label for one in target.outcomes for label in one.labels]
    paths = [activation_path(folder, case.case_id, label) for label in labels if folder]
    path = next((one for one in paths if one.is_file()), None)
    if path is None or image is None or image.array.ndim != 3:
        return None
    volume = read_volume(path, case_id=case.case_id)
    return volume.array if volume.array.shape == image.array.shape else None


def _without_ignored(
    volumes: Sequence[Volume | None], target: Target
) -> tuple[list[ndarray | None], bool]:
    """Class maps without the voxels that either ignores, as in scoring."""
    maps = [None if volume is None else volume.array for volume in volumes]
    known = [one for one in maps if one is not None]
    ignored = [one == target.ignored_class for one in known]
    if not any(one.any() for one in ignored):
        return maps, False
    left_out = np.logical_or.reduce(ignored)
    return [None if one is None else np.where(left_out, 0, one) for one in maps], True


def _image(case: Case, target: Target) -> Volume | None:
    """The first contrast, if the case has a file of it."""
    for name in (*target.contrasts, *case.images):
        path = case.images.get(name)
        if path is not None and missing_file(path) is None:
            return counted_for(read_volume(path, case_id=case.case_id), target)
    return None


def _classes(path: Path | None, case: Case, ids: ClassOfId, target: Target) -> Volume | None:
    if path is None:
        return None
    volume = counted_for(read_volume(path, case_id=case.case_id), target)
    classes = to_classes(volume.array, ids, case_id=case.case_id, file=str(path))
    return volume._replace(array=classes.astype(np.uint8 if classes.max() < 256 else np.int16))


def _caption(case_id: str, rank: str, study: Study) -> str:
    measured = study.measured
    parts = [f"{case_id} ({rank})"]
    if (measured.parts == EXTERNAL).any() and isinstance(measured.parts[case_id], str):
        parts.append(measured.parts[case_id])
    scores = measured.scores
    dice = scores[(scores["case_id"] == case_id) & (scores["metric"] == "dice")]["value"]
    if dice.notna().any():
        parts.append(f"Dice {dice.mean():.3f}")
    labels, unit = list(measured.measure.labels), unit_text(measured.main.unit)
    shown = [method for method in measured.methods if method not in measured.raters]
    for method in shown:  # the line has no room for more
        total = measured.values[method].loc[case_id, labels].sum(skipna=False)
        if np.isfinite(total):
            digits = 0 if measured.main.name in SIZES else None
            parts.append(f"{method} {number(total, digits)} {unit}".rstrip())
    return ", ".join(parts)


def _flags(case_id: str, study: Study) -> Sequence[str]:
    failures = study.tables.get("failed_cases")
    if failures is None or failures.empty:
        return ()
    own = failures[failures["case_id"] == case_id]
    return tuple(f"{line.method}, {line.label}: {line.detail}" for line in own.itertuples())
