"""Head or brain volume of a case in mm³, from files that accompany its scan; never estimated here.

Sources in this order: FreeSurfer's estimate of the intracranial volume, a brain mask of a BIDS
derivative, the voxels of a skull-stripped scan. A whole head gives no brain volume.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.layouts.bids import NATIVE
from neurotarget.data.scans.volume import Volume, read_volume
from neurotarget.files.reading import opened
from neurotarget.pieces import largest_piece
from neurotarget.problems import DataError
from neurotarget.types import Case

PLAUSIBLE_MM3 = (600e3, 2_200e3)  # of a brain; whole heads of adults have 3 litres and more
ONE_PIECE = 0.999  # share of the non-zero voxels in the largest piece of a stripped scan
TOUCHED = 0.05  # of a face of the grid; more means a cut brain, a neck, or no background
MOST_MISSING = 0.2  # of the cases; a source that lacks more is not used
ENTITY = re.compile(r"(?:^|_)(sub|ses|run|space)-([A-Za-z0-9]+)")
ETIV = re.compile(
    r"EstimatedTotalIntraCranialVol, eTIV, [^,]*, (\d+(?:\.\d*)?(?:[eE]\+?\d+)?), mm\^3"
)
HEADER_BYTES = 64 * 1024  # of aseg.stats; its measures are at the top
FREESURFER = ("derivatives", "sourcedata")  # folders of BIDS data sets with its subjects


class BrainVolumes(NamedTuple):
    """Volumes in mm³ by case_id with their column and origin; empty if no source has them.

    `why` is the reason if nothing was found.
    """

    values: Mapping[str, float]
    column: str = ""
    origin: str = ""
    why: str = ""


def brain_volumes(cases: Sequence[Case], contrasts: Sequence[str]) -> BrainVolumes:
    """Volumes of all cases from the first source that covers enough of them.

    One source serves the whole cohort, as volumes from different sources differ systematically.

    Args:
        cases: all of the cohort; a source that lacks more than a fifth of them is not used.
        contrasts: those whose scan may be read, the preferred contrast first.
    """
    seen = [case for case in cases if _scan_of(case, contrasts)]
    if not seen:
        return BrainVolumes({}, why="no scan was found")
    sources: tuple[tuple[str, str, Callable[[Path], float]], ...] = (
        ("etiv_mm3", "FreeSurfer's eTIV (aseg.stats)", _freesurfer_mm3),
        ("brain_mm3", "brain masks of the derivatives (*_desc-brain_mask)", _masked_mm3),
        (
            "brain_mm3",
            "voxels that are not 0 in skull-stripped scans",
            lambda scan: stripped_mm3(read_volume(scan)),
        ),
    )
    for column, origin, measure in sources:
        if volumes := _of_all(seen, contrasts, measure, most_missing=MOST_MISSING * len(cases)):
            return BrainVolumes(volumes, column, origin)
    return BrainVolumes(
        {}, why="the scans hold whole heads, parts of brains, or no background of exactly 0"
    )


def stripped_mm3(volume: Volume) -> float:
    """Volume of the brain in a skull-stripped scan in mm³; NaN if the scan is not stripped."""
    brain = stripped_brain(volume)
    return math.nan if brain is None else _mm3(brain, volume)


def stripped_brain(
    volume: Volume, *, most_touched: float = TOUCHED
) -> Bool[ndarray, "I J K"] | None:
    """The brain in a skull-stripped scan, holes filled; None if the scan is not stripped.

    The background of such a scan is exactly 0; the rest is one piece of 600 to 2,200 cm³, except
    for a thousandth, and touches at most the share `most_touched` of a face of the grid.

    `volume` is in stored order, and so is the result.
    """
    inside = volume.array != 0
    faces = (inside.take(end, axis=axis).mean() for axis in range(3) for end in (0, -1))
    if not volume.is_placed or not inside.any() or max(faces) > most_touched:
        return None
    largest = largest_piece(inside)
    if largest.sum() < ONE_PIECE * inside.sum():
        return None
    whole = ndimage.binary_fill_holes(largest)
    return whole if math.isfinite(_if_plausible(_mm3(whole, volume))) else None


def mask_mm3(volume: Volume) -> float:
    """Volume of a brain mask in mm³ with its holes filled; NaN where it is not plausible."""
    return _plausible_mm3(volume.array > 0, volume) if volume.is_placed else math.nan


def _of_all(
    cases: Sequence[Case],
    contrasts: Sequence[str],
    measure: Callable[[Path], float],
    *,
    most_missing: float,
) -> dict[str, float]:
    """Volumes of the cases; empty as soon as too many have none."""
    volumes, missing = {}, 0
    for case in cases:
        try:
            value = measure(_scan_of(case, contrasts))
        except (DataError, OSError):  # an unreadable scan is reported elsewhere
            value = math.nan
        missing += not math.isfinite(value)
        if missing > most_missing:
            return {}
        volumes[case.case_id] = value
    return volumes


def _scan_of(case: Case, contrasts: Sequence[str]) -> Path | None:
    """The scan of the first contrast that the case has."""
    paths = (case.images.get(name) for name in (*contrasts, *case.images))
    return next((path for path in paths if path is not None and path.is_file()), None)


def _masked_mm3(scan: Path) -> float:
    """Volume of the brain mask of a scan in the derivatives, if there is exactly one."""
    root, own = _bids_root(scan), dict(ENTITY.findall(scan.name))
    if root is None or "sub" not in own:
        return math.nan
    pattern = f"derivatives/*/sub-{own['sub']}/**/*_desc-brain_mask.nii*"
    fits = [path for path in sorted(root.glob(pattern)) if _is_of(path, own)]
    return mask_mm3(read_volume(fits[0])) if len(fits) == 1 else math.nan


def _is_of(mask: Path, own: Mapping[str, str]) -> bool:
    entities = dict(ENTITY.findall(mask.name))
    if entities.get("space", "") not in NATIVE or entities.get("ses") != own.get("ses"):
        return False
    return entities.get("run") in (None, own.get("run"))


def _freesurfer_mm3(scan: Path) -> float:
    """Estimated TIV of the subject, or of its session if FreeSurfer has a folder for it."""
    root, own = _bids_root(scan), dict(ENTITY.findall(scan.name))
    if root is None or "sub" not in own:
        return math.nan
    subject = f"sub-{own['sub']}"
    names = [f"{subject}_ses-{own['ses']}"] if "ses" in own else []
    for name in (*names, subject):
        for place in FREESURFER:
            path = root / place / "freesurfer" / name / "stats" / "aseg.stats"
            if path.is_file():
                return _etiv_mm3(path)
    return math.nan


def _etiv_mm3(path: Path) -> float:
    with opened(path) as stream:
        text = stream.read(HEADER_BYTES).decode("utf-8", "replace")
    match = ETIV.search(text)
    return _if_plausible(float(match[1])) if match else math.nan


def _if_plausible(mm3: float) -> float:
    return mm3 if PLAUSIBLE_MM3[0] <= mm3 <= PLAUSIBLE_MM3[1] else math.nan


def _bids_root(scan: Path) -> Path | None:
    """Data set of a raw scan: the nearest folder above it with a description; else None."""
    place = scan.absolute()
    return next(
        (one for one in place.parents if (one / "dataset_description.json").is_file()), None
    )


def _plausible_mm3(mask: Bool[ndarray, "I J K"], volume: Volume) -> float:
    return _if_plausible(_mm3(ndimage.binary_fill_holes(mask), volume))


def _mm3(mask: Bool[ndarray, "I J K"], volume: Volume) -> float:
    return float(mask.sum() * abs(np.linalg.det(volume.affine[:3, :3])))
