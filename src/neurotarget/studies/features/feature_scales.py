"""Intensity scale of scans before features: fitted on training cases, or on each scan itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.histogram_scale import moved, standard_landmarks
from neurotarget.data.scans.intensity_scale import stripped_brain
from neurotarget.data.scans.volume import Volume, read_volume, same_grid, sized_as
from neurotarget.data.sides.midplane import Plane
from neurotarget.files.hashes import digest
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.normalisation import (
    ARBITRARY,
    NEED_BRAIN,
    brain_landmarks,
    check_brain,
    over_median,
    white_striped,
    zscored,
)
from neurotarget.problems import DataError, error, nearest
from neurotarget.types import Case

LEAST_OTHER_SIDE = 0.5  # share of a region that must have a mirror image outside of all labels
TOP = 100.0  # of the standard scale of Nyúl and Udupa

Image = Float[ndarray, "I J K"]
Mask = Bool[ndarray, "I J K"]


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Settings and fitted values by which intensities are scaled.

    Attributes:
        settings: of the features; `normalise` and `calibrated` count.
        brains: file of a brain mask by case; without one, the brain is every voxel that differs
            from the first voxel of the scan.
        landmarks: of the standard scale by contrast, for `nyul`.
        fitted_on: cases from which the landmarks were computed.
    """

    settings: FeatureSettings
    brains: Mapping[str, Path] = field(default_factory=dict)
    landmarks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fitted_on: tuple[str, ...] = ()

    def method(self, contrast: str) -> str:
        """Normalisation of a contrast; calibrated ones (such as an ADC map) keep their units."""
        method = self.settings.normalise
        keeps_units = method in ARBITRARY and contrast in self.settings.calibrated
        return "none" if keeps_units else method

    def scaled(self, case: Case, contrast: str, image: Volume, mask: Volume) -> Image:
        """The whole image on its scale.

        Args:
            case: for its brain mask and for messages.
            contrast: decides the normalisation.
            image: the scan.
            mask: labels on the grid of the scan, which `brain_median` leaves out.

        Raises:
            DataError: no brain is found, or its intensities give no scale.
        """
        method, array = self.method(contrast), image.array.astype(float)
        if method not in NEED_BRAIN:
            return array
        values = check_brain(array, self._brain(case, image, method, mask))
        match method:
            case "zscore":
                return zscored(array, values)
            case "white_stripe":
                return white_striped(array, values, is_t1=contrast.casefold().startswith("t1"))
            case "nyul":
                return moved(array, brain_landmarks(values), self.landmarks[contrast])
        return over_median(array, values, "the brain outside of the labels")

    def regional(
        self, contrast: str, array: Image, inside: Mask, mask: Volume, middle: Callable[[], Plane]
    ) -> Image:
        """The image scaled for one region: by the median of the other side of the head.

        Other normalisations leave the image unchanged.

        Args:
            contrast: decides the normalisation.
            array: the image on the scale of `scaled`.
            inside: voxels of the region.
            mask: all labels; the other side must have none.
            middle: finds the plane between the sides; it is called only if needed, as it is slow.

        Raises:
            DataError: less than half of the region has a mirror image without a label.
        """
        if self.method(contrast) != "contralateral_median":
            return array
        other = other_side(array, inside, mask, middle())
        return over_median(array, array[other], "the other side")

    def key(self) -> list[Any]:
        """Values besides the settings on which features depend, to recognise finished cases.

        Landmarks, and hashes of the brain masks.
        """
        return [self.landmarks, {name: digest(path) for name, path in self.brains.items()}]

    def record(self) -> dict[str, Any]:
        """Fitted values for a sidecar: `landmarks` by contrast, and `fitted_on`, the cases."""
        return {"landmarks": self.landmarks, "fitted_on": list(self.fitted_on)}

    def _brain(self, case: Case, image: Volume, method: str, mask: Volume) -> Mask:
        brain = brain_of(case, image, self.brains.get(case.case_id))
        return brain & (mask.array == 0) if method == "brain_median" else brain


def brain_of(case: Case, image: Volume, file: Path | None) -> Mask:
    """Voxels of the brain: of its mask, or of a scan without skull.

    Args:
        case: for messages.
        image: the scan.
        file: brain mask; None if the scan has no skull and its background is empty.

    Raises:
        DataError: the mask has another grid, or the scan has no empty voxels around a brain.
    """
    place = {"case_id": case.case_id, "file": str(file or "")}
    if file is not None:
        given = sized_as(read_volume(file, case_id=case.case_id), image)
        if not same_grid(given, image):
            todo = "resample the brain mask to the image, by nearest neighbour"
            raise DataError(error("a brain mask on another grid", "one grid", todo, **place))
        return given.array > 0
    todo = "give brain masks with brains=<folder>, or leave normalise out"
    return stripped_brain(image.array, todo, **place)


def other_side(array: Image, inside: Mask, mask: Volume, plane: Plane) -> Mask:
    """Mirror image of a region across the plane of symmetry of a head, outside of all labels.

    Args:
        array: image; voxels that are not finite do not count.
        inside: voxels of the region.
        mask: labels with the affine of the grid.
        plane: of symmetry, in mm.

    Raises:
        DataError: less than half of the region has such an image.
    """
    affine = mask.affine
    points = np.argwhere(inside) @ affine[:3, :3].T + affine[:3, 3]
    mirrored = points - 2 * np.outer(plane.right_mm(points), plane.normal)
    back = np.linalg.inv(affine)
    places = np.round(mirrored @ back[:3, :3].T + back[:3, 3]).astype(int)
    there = places[((places >= 0) & (places < array.shape)).all(axis=1)]
    other = np.zeros(array.shape, bool)
    other[tuple(there.T)] = True
    other &= (mask.array == 0) & np.isfinite(array)
    if other.sum() < LEAST_OTHER_SIDE * inside.sum():
        found = f"{int(other.sum())} voxels opposite a region of {int(inside.sum())}"
        todo = "choose normalise=brain_median for regions that cross the midline"
        raise DataError(error(found, "at least half as many, without a label", todo))
    return other


def fit_scales(
    cases: Sequence[Case],
    settings: FeatureSettings,
    *,
    brains: Mapping[str, Path] | None = None,
    fit_on: str | None = None,
) -> Scales:
    """Scales of the cases, with landmarks of the training cases where they are needed.

    Args:
        cases: whose features are measured.
        settings: `normalise` and `calibrated` count.
        brains: file of a brain mask by case.
        fit_on: `train` (the split of the manifest), `all`, or a file with one case per line; only
            for `normalise=nyul`.

    Raises:
        DataError: training cases are not known, one of them cannot be read, or `fit_on` is given
            although nothing is fitted.
    """
    scales = Scales(settings=settings, brains=brains or {})
    if settings.normalise != "nyul":
        if fit_on is not None:
            todo = "leave fit_on out, or choose normalise=nyul"
            found = f"fit_on={fit_on} with normalise={settings.normalise}, which fits nothing"
            raise DataError(error(found, "normalise=nyul", todo))
        return scales
    chosen = training_cases(cases, fit_on)
    found: dict[str, list[ndarray]] = {}
    for case in chosen:
        for contrast, path in case.images.items():
            if contrast not in settings.calibrated:
                image = read_volume(path, case_id=case.case_id)
                brain = brain_of(case, image, scales.brains.get(case.case_id))
                values = check_brain(image.array, brain)
                found.setdefault(contrast, []).append(brain_landmarks(values))
    wanted = {name for case in cases for name in case.images} - {*settings.calibrated}
    if missing := sorted(wanted - found.keys()):
        problem = f"no training case with {', '.join(missing)}"
        raise DataError(error(problem, "each contrast in one", "add cases to fit_on"))
    landmarks = {
        name: tuple(standard_landmarks(several, TOP).round(6).tolist())
        for name, several in found.items()
    }
    names = tuple(case.case_id for case in chosen)
    return Scales(settings=settings, brains=scales.brains, landmarks=landmarks, fitted_on=names)


def training_cases(cases: Sequence[Case], fit_on: str | None) -> list[Case]:
    """Cases that a scale is fitted on.

    `fit_on` None and train take the split train of the manifest, all takes every case, and anything
    else is a file with one case per line.

    Raises:
        DataError: there are none, or a name is unknown.
    """
    if fit_on in (None, "train"):
        chosen = [case for case in cases if case.split == "train"]
        if not chosen:
            todo = "add a column split, or give fit_on=<file with one case per line>, or fit_on=all"
            raise DataError(error("no training cases", "cases that the scale is fitted on", todo))
        return chosen
    if fit_on == "all":
        return list(cases)
    path = Path(str(fit_on))
    if not path.is_file():
        raise DataError(error(f"fit_on={fit_on}", "train, all or a file", "check the path"))
    names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    known = {case.case_id: case for case in cases}
    if unknown := [name for name in names if name not in known]:
        hint = nearest(unknown[0], known)
        todo = f"did you mean {hint}?" if hint else "correct the file"
        found = f"{len(unknown)} unknown cases such as {unknown[0]}"
        raise DataError(error(found, "cases of the data set", todo, file=str(path)))
    if not names:
        raise DataError(error("an empty file", "one case per line", "add cases", file=str(path)))
    return [known[name] for name in dict.fromkeys(names)]
