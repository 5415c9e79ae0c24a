"""Features of the regions of one case: its scans read, scaled and measured; errors become notes."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.attempts import as_data_error, check_names
from neurotarget.data.labels import label_values
from neurotarget.data.scans.volume import Volume, read_volume, same_grid, sized_as
from neurotarget.data.sides.midplane import Plane, middle_of
from neurotarget.files.writing import written
from neurotarget.image_features.extract import features_of
from neurotarget.image_features.perturbation import perturbed
from neurotarget.image_features.region import Region
from neurotarget.problems import DataError, error
from neurotarget.studies.features.feature_scales import Scales
from neurotarget.types import Case

PERCENTILES = np.arange(101.0)

Labels = Mapping[str, tuple[int, ...]]  # name → ids, which are merged


class RegionFeatures(NamedTuple):
    """Features of one label of one contrast of a case.

    `note` states why a region is absent or failed; its `features` are then empty.
    """

    contrast: str
    label: str
    status: str  # done | absent | failed
    voxels: int
    features: dict[str, float | None]  # None where undefined
    note: str = ""
    percentiles: tuple[float, ...] = ()  # from the least to the largest intensity that counts


def measured_case(
    case: Case,
    *,
    labels: Labels | None,
    scales: Scales,
    folder: Path | None = None,
    perturb: str = "",
) -> list[RegionFeatures]:
    """Features of all regions of a case; an error is the note of a failed region.

    With a `folder` the prepared images of each region are written there.

    Args:
        case: its scans by contrast, and its mask, all on one grid.
        labels: ids by name; None takes each id of the mask as a label.
        scales: scales of the intensities, with the settings of the features.
        folder: for the prepared images, as `<folder>/<case_id>/<contrast>_<label>_<stage>.nii.gz`.
        perturb: change of each region's mask, see `image_features.perturbation`; "" for none.
    """
    regions: list[RegionFeatures] = []
    read_mask = cache(partial(read_volume, case.label, case_id=case.case_id))
    for contrast, path in case.images.items():
        try:
            check_names(case.case_id, [Path(f"{case.case_id}.json")])
            image = read_volume(path, case_id=case.case_id)
            mask = sized_as(read_mask(), image)
            _check_grid(case, contrast, image, mask)
            array = scales.scaled(case, contrast, image, mask)
            middle = cache(partial(middle_of, array, mask.affine))
            one = _Scan(case, contrast, array, mask, middle, scales, folder, perturb)
            regions += _regions(one, labels)
        except Exception as wrong:
            note = str(as_data_error(wrong, case.case_id))
            names = list(labels) if labels else ["n/a"]
            regions += [RegionFeatures(contrast, name, "failed", 0, {}, note) for name in names]
    return regions


class _Scan(NamedTuple):
    """One contrast of a case."""

    case: Case
    contrast: str
    array: Float[ndarray, "I J K"]
    mask: Volume
    middle: Callable[[], Plane]  # of the head
    scales: Scales
    folder: Path | None
    perturb: str


def _check_grid(case: Case, contrast: str, image: Volume, mask: Volume) -> None:
    if same_grid(image, mask):
        return
    found, wanted = (
        f"{' × '.join(map(str, one.array.shape))} voxels of "
        f"{' × '.join(f'{side:g}' for side in one.spacing_mm)} mm"
        for one in (mask, image)
    )
    if found == wanted:
        apart = np.abs(mask.affine - image.affine)[:3].max(axis=1).round(3).tolist()
        found = f"{found} elsewhere (affines differ by {apart} mm along x, y, z)"
    todo = f"resample the mask to the grid of {contrast}, by nearest neighbour"
    place = {"case_id": case.case_id, "file": str(case.label)}
    raise DataError(error(f"a mask of {found}", f"{wanted}, as {contrast} has", todo, **place))


def _regions(one: _Scan, labels: Labels | None) -> Iterator[RegionFeatures]:
    case, contrast, mask = one.case, one.contrast, one.mask
    values = label_values(mask.array, case_id=case.case_id, file=str(case.label))
    known = labels or {f"{value:g}": (value,) for value in values.tolist() if value}
    if not known:
        yield RegionFeatures(contrast, "n/a", "absent", 0, {}, "the mask is empty")
    for name, ids in known.items():
        inside = np.isin(mask.array, ids)
        voxels = int(inside.sum())
        if not voxels:
            yield RegionFeatures(contrast, name, "absent", 0, {}, "the mask has no voxel of it")
            continue
        if one.perturb:  # the same change in all contrasts
            inside = perturbed(inside, one.perturb, crc32(f"{case.case_id} {name}".encode()))
            voxels = int(inside.sum())
        if not voxels:
            yield RegionFeatures(contrast, name, "absent", 0, {}, f"{one.perturb} leaves no voxel")
            continue
        try:
            made, percentiles = _features(one, name, inside)
            features = {key: value if math.isfinite(value) else None for key, value in made.items()}
            yield RegionFeatures(contrast, name, "done", voxels, features, percentiles=percentiles)
        except Exception as wrong:
            note = str(as_data_error(wrong, case.case_id))
            yield RegionFeatures(contrast, name, "failed", voxels, {}, note)


def _features(
    one: _Scan, name: str, inside: Bool[ndarray, "I J K"]
) -> tuple[dict[str, float], tuple[float, ...]]:
    """Features of a region, and percentiles of its intensities."""
    array = one.scales.regional(one.contrast, one.array, inside, one.mask, one.middle)
    percentiles: list[float] = []

    def seen(stage: str, region: Region) -> None:
        """Collect percentiles of the image, and write what is measured where that is asked for."""
        if stage == "image":
            percentiles.extend(np.percentile(region.values, PERCENTILES).tolist())
        if one.folder is not None:
            _save(one.folder / one.case.case_id, f"{one.contrast}_{name}", stage, region, one.mask)

    settings = one.scales.settings.for_contrast(one.contrast)
    made = features_of(array, inside, one.mask.spacing_mm, settings, seen=seen)
    return made, tuple(percentiles)


def _save(folder: Path, region_name: str, stage: str, region: Region, mask: Volume) -> None:
    """Write the image or response map of a region; with the image also its two masks."""
    arrays = {stage: region.image.astype(np.float32)}
    if stage == "image":
        arrays |= {"mask": region.mask.astype(np.uint8), "counted": region.voxels.astype(np.uint8)}
    affine = region.affine(mask.affine)
    for kind, array in arrays.items():
        name = re.sub(r"[^\w.-]", "_", f"{region_name}_{kind}").lstrip(".")  # stays in the folder
        with written(folder / f"{name}.nii.gz") as draft:
            nib.save(nib.Nifti1Image(np.moveaxis(array, 0, 2), affine), draft)
