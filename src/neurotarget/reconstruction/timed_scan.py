"""Scans with several volumes (b-values, times), their sidecars, and the maps made of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.reading_results import read_json
from neurotarget.data.scans.volume import (
    Volume,
    file_stem,
    inspect_stack,
    read_volume,
    same_grid,
    sized_as,
)
from neurotarget.files.ownership import claim
from neurotarget.files.writing import write_text, written
from neurotarget.problems import DataError, error, refuse_errors

BRIGHT = 0.15  # share of the 99th percentile of the first volumes; air has less


class TimedScan(NamedTuple):
    """All volumes of a scan on one grid, with the content of its sidecar.

    The last axis of `signals` holds T volumes; `first` is the first volume with its geometry.
    `sidecar` is empty if no JSON lies next to the scan.
    """

    path: Path
    signals: Float[ndarray, "I J K T"]
    first: Volume
    sidecar: dict[str, Any]


class MadeMap(NamedTuple):
    """A map with the unit and the description for its JSON.

    `name` ends the file name; NaN marks voxels without a value.
    """

    name: str
    array: Float[ndarray, "I J K"]
    unit: str
    description: str


def read_timed(path: Path, *, fewest: int) -> TimedScan:
    """Read a 4-D scan with the JSON next to it.

    Args:
        path: scan with volumes along its last axis.
        fewest: smallest number of volumes from which the map can be computed.

    Raises:
        DataError: the scan cannot be read, or has too few volumes.
    """
    volumes, problems = inspect_stack(path)
    refuse_errors(problems)
    if len(volumes) < fewest:
        place = {"file": str(path)}
        found, wanted = f"{len(volumes)} volumes", f"a 4-D scan of at least {fewest}"
        raise DataError(error(found, wanted, "give the scan with all its volumes", **place))
    signals = np.stack([one.array for one in volumes], axis=-1).astype(np.float32)
    side = path.with_name(f"{file_stem(path)}.json")
    sidecar = read_json(side)[0] if side.is_file() else {}
    return TimedScan(path, signals, volumes[0], sidecar)


def read_mask(path: Path, scan: TimedScan) -> Bool[ndarray, "I J K"]:
    """Read a mask on the grid of a scan; voxels above 0 belong to the mask.

    Raises:
        DataError: the mask cannot be read, has another grid or no voxel.
    """
    mask = sized_as(read_volume(path), scan.first)
    if not same_grid(mask, scan.first):
        todo = "resample it to the scan, by nearest neighbour"
        raise DataError(error("a mask on another grid", "the scan's grid", todo, file=str(path)))
    if not (mask.array > 0).any():
        raise DataError(error("an empty mask", "a voxel in it", "check the mask", file=str(path)))
    return mask.array > 0


def bright(scan: TimedScan, count: int = 1) -> Bool[ndarray, "I J K"]:
    """Voxels that are not air in the mean of the first `count` volumes.

    A voxel with at most 15 % of the 99th percentile of that mean is air.

    Raises:
        DataError: no voxel has a signal.
    """
    mean = scan.signals[..., :count].mean(axis=-1)
    inside = mean > BRIGHT * max(float(np.percentile(mean, 99)), 0)
    if not inside.any():
        todo = "look at the scan, or give mask=<file>"
        place = {"file": str(scan.path)}
        raise DataError(error("no voxel with a signal", "a head brighter than air", todo, **place))
    return inside


def on_grid(
    values: Float[ndarray, " V"], inside: Bool[ndarray, "I J K"]
) -> Float[ndarray, "I J K"]:
    """Values in the voxels of a mask, and NaN in the others.

    `values` are in the order of `array[inside]`.
    """
    array = np.full(inside.shape, np.nan)
    array[inside] = values
    return array


def write_maps(
    maps: Sequence[MadeMap],
    scan: TimedScan,
    output: Path,
    about: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write maps with their JSON; voxels without a value are 0 in the file and counted in the JSON.

    Args:
        maps: maps on the grid of the scan.
        scan: scan that gives the affine and the start of the file names.
        output: folder, created if it does not exist.
        about: further content of every JSON, such as method and settings.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        Files by the name of their map.

    Raises:
        DataError: files of other programs would be replaced.
    """
    paths = {one.name: output / f"{file_stem(scan.path)}_{one.name}.nii.gz" for one in maps}
    sides = {name: path.with_name(f"{file_stem(path)}.json") for name, path in paths.items()}
    claim(output, files=[*paths.values(), *sides.values()], overwrite=overwrite)
    for one in maps:
        known = np.isfinite(one.array)
        with written(paths[one.name]) as draft:
            array = np.where(known, one.array, 0).astype(np.float32)
            nib.save(nib.Nifti1Image(array, scan.first.affine), draft)
        content = {
            "Description": one.description,
            "Units": one.unit,
            "Source": scan.path.name,
            "Median": float(np.median(one.array[known])) if known.any() else None,
            "VoxelsWithValue": int(known.sum()),
            **about,
        }
        write_text(sides[one.name], json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return paths
