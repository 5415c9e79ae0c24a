"""Label maps as a generator reads them: cut to the head, coded, with fields of populations.

A map is stored once in the cache: `codes.npy`, uint8 numbers of the rows of `tissues.tsv`, and
`fields.npy`, the displacements of `population`.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from neurotarget.anatomy.structures import structures
from neurotarget.data.batches.cache import Entry, ensure, entry_folder, open_entry
from neurotarget.data.formats.detached import scan_digest
from neurotarget.data.labels import label_values
from neurotarget.data.nearest_class import give_to_nearest
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.data.scans.volume import read_volume
from neurotarget.files.hashes import digest, hash_of_value
from neurotarget.problems import DataError, error, some
from neurotarget.synthesis.population import displacement_fields, is_of_brain
from neurotarget.synthesis.tissues import known_tissues
from neurotarget.types import Case

VERSION = 1  # of the computation in this file; if it is increased, every map is prepared again
FIELD_MM = 3.0  # distance of the displacements
MARGIN_VOX = 2  # kept around the head


@dataclass(frozen=True)
class LabelMap:
    """One stored map, in canonical order (RAS+).

    Its arrays are memory maps, of which only the part that a patch needs is read.
    """

    case_id: str
    entry: Entry

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Sides of a voxel along the canonical axes, in mm."""
        return tuple(self.entry.facts["spacing_mm"])

    @property
    def step(self) -> tuple[int, int, int]:
        """Voxels between the displacements, along each axis."""
        return tuple(self.entry.facts["step"])

    @property
    def brain_vox(self) -> tuple[ndarray, ndarray]:
        """First and last voxel of the box around the brain, each (3,), both inside of it."""
        first, last = self.entry.facts["brain_vox"]
        return np.array(first), np.array(last)

    @cached_property
    def codes(self) -> Tensor:
        """Codes (I, J, K), uint8, as a memory map."""
        return self._tensor("codes")

    @cached_property
    def fields(self) -> Tensor:
        """Displacements (channels, i, j, k), float16, as a memory map.

        Channels are three axes for each of `population.FIELDS`; voxels are every `step`-th of the
        map.
        """
        return self._tensor("fields")

    def _tensor(self, name: str) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.from_numpy(self.entry.array(name))


def open_map(folder: Path) -> LabelMap:
    """Open a stored map without reading its voxels; `folder` is that of `store_map`."""
    entry = open_entry(folder)
    return LabelMap(entry.case_id, entry)


def store_map(case: Case, cache: Path, *, digest_of: Callable[[Path], str] = digest) -> Path:
    """Store the label map of a case, unless it is already in the cache; returns its folder.

    Args:
        case: with a label map of FreeSurfer's ids.
        cache: folder of all stored maps.
        digest_of: hash of a file's content; a changed map is stored anew.

    Raises:
        DataError: the map is missing or broken, has no brain, or has ids that no tissue is known
            for; they are listed with their numbers of voxels.
    """
    key = hash_of_value(
        {
            "version": VERSION,
            "map": scan_digest(case.label, digest_of=digest_of),
            "tissues": [[*known_tissues().ids], known_tissues().tissue_of_code.tolist()],
        }
    )
    folder = entry_folder(cache, f"map-{case.case_id}", key)
    return ensure(folder, lambda draft: _stored(case, draft))


def _stored(case: Case, draft: Path) -> Mapping[str, object]:
    volume = read_volume(case.label, case_id=case.case_id)
    grid = whole_grid(volume.array.shape, volume.affine, volume.spacing_mm)
    codes = to_codes(grid.canonical(volume.array), case_id=case.case_id, file=str(case.label))
    low, high = _box(codes > 0)
    low = np.maximum(low - MARGIN_VOX, 0)
    codes = np.ascontiguousarray(codes[_spans(low, high + MARGIN_VOX)])
    brain = is_of_brain()[codes]
    if not brain.any():
        found = "a label map without any structure of the brain"
        todo = "give label maps with FreeSurfer's ids"
        raise DataError(
            error(found, "structures", todo, case_id=case.case_id, file=str(case.label))
        )
    spacing = np.linalg.norm(grid.canonical_affine[:3, :3], axis=0)
    step = np.maximum(np.round(FIELD_MM / spacing), 1).astype(int)
    np.save(draft / "codes.npy", codes)
    np.save(draft / "fields.npy", displacement_fields(codes, spacing.tolist(), step=step.tolist()))
    return {
        "case_id": case.case_id,
        "grid": grid.as_dict(),
        "spacing_mm": spacing.tolist(),
        "step": step.tolist(),
        "brain_vox": [part.tolist() for part in _box(brain)],
    }


def to_codes(array: ndarray, *, case_id: str = "", file: str = "") -> ndarray:
    """Code of each voxel, uint8: the place of its id in `known_tissues().ids`.

    Voxels of a structure of both sides get the code of the side whose structure is nearer.

    Raises:
        DataError: ids without a known tissue, with their numbers of voxels.
    """
    known = {value: known_tissues().ids.index(value) for value in known_tissues().ids}
    values = label_values(array, case_id=case_id, file=file)
    if unknown := [value for value in values.tolist() if value not in known]:
        counted = (f"{value} ({int((array == value).sum())} voxels)" for value in unknown)
        found = f"labels of which no tissue is known: {some(counted)}"
        todo = "give these voxels ids of FreeSurfer's table, or 0"
        raise DataError(error(found, "FreeSurfer's ids", todo, case_id=case_id, file=file))
    table = np.zeros(int(values[-1]) + 1, dtype=np.uint8)
    table[values] = [known[value] for value in values.tolist()]
    codes = table[np.rint(array).astype(np.int64) if array.dtype.kind == "f" else array]
    for code, right_code in known_tissues().right_codes.items():
        if known_tissues().ids[code] not in values:
            continue
        left, right = (known[one] for one in structures()[known_tissues().ids[code]].within)
        nearest = codes.copy()
        give_to_nearest(nearest, code, (left, right))
        codes[(codes == code) & (nearest == right)] = right_code
    return codes


def _box(mask: ndarray) -> tuple[ndarray, ndarray]:
    """First and last voxel of a mask along each axis; the whole grid if it is empty."""
    first, last = [], []
    for axis in range(3):
        line = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        first.append(line[0] if line.size else 0)
        last.append(line[-1] if line.size else mask.shape[axis] - 1)
    return np.array(first), np.array(last)


def _spans(low: ndarray, high: ndarray) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
