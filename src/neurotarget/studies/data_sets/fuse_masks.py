"""Fuse several masks of each case, by people or programs, to one; failed masks are left out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Integer
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.attempts import reason_of
from neurotarget.data.labels import label_values
from neurotarget.data.scans.volume import Volume, file_stem, image_files, read_volume
from neurotarget.files.ownership import claim
from neurotarget.files.reading import real_path
from neurotarget.files.writing import remove, write_text
from neurotarget.inference.segment import save_like
from neurotarget.metrics.masks.fusion import FUSIONS, agreement, failed_masks
from neurotarget.metrics.masks.overlap import dice
from neurotarget.printable import cell
from neurotarget.problems import DataError, error

Method = Literal["majority", "simple", "staple"]
Labels = Mapping[str, Integer[ndarray, "I J K"]]
TABLE, PAIRS = "fused.tsv", "agreement.tsv"
COLUMNS = ("case_id", "mask", "label", "status", "reason", "dice_with_fused")
PAIR_COLUMNS = ("case_id", "first", "second", "label", "dice")
FEWEST = 2  # masks of a case
ANY = "any"  # all labels together
SAME_MM = 0.01  # headers of several programs differ in the last digits


class FusedCase(NamedTuple):
    """One case: `rows` by mask and label, `pairs` by pair and label, and why it was not written.

    Rows have the columns `COLUMNS`, pairs `PAIR_COLUMNS`; `problem` is "" for a case that was
    written.
    """

    case_id: str
    rows: tuple[tuple, ...]
    pairs: tuple[tuple, ...]
    problem: str = ""

    @property
    def refused(self) -> dict[str, str]:
        """Masks that were left out, and why, such as an empty one or one unlike all others."""
        return {row[1]: row[4] for row in self.rows if row[3] == "refused"}

    @property
    def lines(self) -> list[tuple]:
        """Rows of fused.tsv; a case that was not written ends with one of the status failed."""
        failed = (self.case_id, "", "", "failed", self.problem, math.nan)
        return [*self.rows, *([failed] if self.problem else [])]


def fuse_masks(
    source: Path, output: Path, *, method: Method = "majority", overwrite: bool = False
) -> list[FusedCase]:
    """Fuse the masks of each case; write `<case>.nii.gz`, fused.tsv and agreement.tsv.

    A failed case has a row in fused.tsv, and its mask of an earlier call is removed.

    Args:
        source: a folder with the masks of one case, a file each; or with a folder for each program
            or person, in which the masks of a case have the same name.
        output: folder for the fused masks and the tables.
        method: majority, simple or staple; each label is fused separately.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        One result per case; those that failed have a `problem`.

    Raises:
        DataError: no case has two masks, an output would replace one, or an earlier file of a case
            that fails cannot be removed.
    """
    cases = masks_of(source)
    files = {case_id: output / f"{case_id}.nii.gz" for case_id in cases}
    inputs = {real_path(path) for paths in cases.values() for path in paths.values()}
    if inputs & {*map(real_path, files.values())}:
        raise DataError(f"output: found the folder of the masks, {output}; choose another")
    claim(output, files=[*files.values(), output / TABLE, output / PAIRS], overwrite=overwrite)
    made = [
        _attempt(case_id, paths, files[case_id], method)
        for case_id, paths in tqdm(cases.items(), "fuse", unit="case", delay=1)
    ]
    for one in made:
        if one.problem:
            _remove(one.case_id, files[one.case_id])
    _write(output / TABLE, COLUMNS, [row for one in made for row in one.lines])
    _write(output / PAIRS, PAIR_COLUMNS, [row for one in made for row in one.pairs])
    return made


def _remove(case_id: str, path: Path) -> None:
    """Remove the fused mask that an earlier call wrote for a case."""
    try:
        remove(path)
    except OSError as wrong:
        found = f"an earlier mask that cannot be removed ({wrong.strerror or wrong})"
        todo = "remove it, as this fusion has failed"
        raise DataError(error(found, "none", todo, case_id=case_id, file=path)) from wrong


def masks_of(source: Path) -> dict[str, dict[str, Path]]:
    """Return the masks of each case, by the name of the person or program.

    Args:
        source: a folder with the masks of one case, or with a folder for each program or person.

    Returns:
        Paths by case and by program or person. Cases with a single mask are among them, so that
        they are counted as failed.

    Raises:
        DataError: no case has two masks.
    """
    names = sorted(path for path in source.iterdir() if path.is_dir()) if source.is_dir() else []
    cases: dict[str, dict[str, Path]] = {}
    for folder in names:
        for path in image_files(folder):
            cases.setdefault(file_stem(path), {})[folder.name] = path
    if not names and source.is_dir():
        cases[source.resolve().name] = {file_stem(path): path for path in image_files(source)}
    several = {case_id: paths for case_id, paths in cases.items() if len(paths) >= FEWEST}
    if not several:
        wanted = "the masks of one case, or a folder for each program with masks of the same names"
        found = "no case with two masks"
        raise DataError(error(found, wanted, "check the path", file=source))
    return cases


def _attempt(case_id: str, paths: Mapping[str, Path], made: Path, method: Method) -> FusedCase:
    try:
        if len(paths) < FEWEST:
            todo = "add the masks of other people or programs"
            raise DataError(error("one mask", "two or more", todo, case_id=case_id))
        return _fuse_case(case_id, paths, made, method)
    except (DataError, OSError) as wrong:
        return FusedCase(case_id, (), (), reason_of(wrong))


def _fuse_case(case_id: str, paths: Mapping[str, Path], made: Path, method: Method) -> FusedCase:
    volumes = {name: read_volume(path, case_id=case_id) for name, path in paths.items()}
    _same_grids(case_id, paths, volumes)
    largest = 0
    for name, volume in volumes.items():
        ids = label_values(volume.array, case_id=case_id, file=str(paths[name]))
        largest = max(largest, np.abs(ids).max(initial=0))
    kind = np.int16 if largest <= np.iinfo(np.int16).max else np.int32
    maps = {name: np.rint(volume.array).astype(kind) for name, volume in volumes.items()}
    marked = {name: array > 0 for name, array in maps.items()}
    reasons = {one.name: one.reason for one in failed_masks(marked)}
    kept = {name: array for name, array in maps.items() if name not in reasons}
    refused = tuple((case_id, *row) for row in _refused(reasons))
    if len(kept) < FEWEST:
        todo = "look at the masks"
        found = f"{len(kept)} mask left of {len(maps)}"
        text = str(error(found, "two or more that agree", todo, case_id=case_id))
        return FusedCase(case_id, refused, (), text)
    fused = fused_labels(kept, method)
    first = next(iter(kept))
    save_like(fused, volumes[first].header, made)
    parts = _parts({**kept, "": fused})
    rows = [
        (case_id, name, label, "kept", "", dice(masks[""], masks[name]))
        for label, masks in parts.items()
        for name in kept
    ]
    own = {label: {name: masks[name] for name in kept} for label, masks in parts.items()}
    pairs = [
        (case_id, *names, label, value)
        for label, masks in own.items()
        for names, value in agreement(masks).items()
    ]
    return FusedCase(case_id, (*refused, *rows), tuple(pairs))


def fused_labels(maps: Labels, method: Method) -> Integer[ndarray, "I J K"]:
    """Fuse label maps label by label; a voxel in several fused labels gets that with most votes.

    Args:
        maps: label maps of one grid, by person or program.
        method: majority, simple or staple.

    Returns:
        The type of the first map; 0 where no label is fused.
    """
    first = next(iter(maps.values()))
    fused, most = np.zeros_like(first), np.zeros(first.shape, dtype=np.int16)
    for value in _values(maps):
        masks = {name: array == value for name, array in maps.items()}
        votes = sum(mask.astype(np.int16) for mask in masks.values())
        better = FUSIONS[method](masks) & (votes > most)
        fused[better], most[better] = value, votes[better]
    return fused


def _values(maps: Labels) -> list[int]:
    found = {value for array in maps.values() for value in np.unique(array).tolist()}
    return sorted(found - {0})


def _parts(maps: Labels) -> dict[str, dict[str, Bool[ndarray, "I J K"]]]:
    """Masks of each label, and of all together if there are several."""
    values = _values(maps)
    parts = {str(value): {name: a == value for name, a in maps.items()} for value in values}
    if len(values) != 1:
        parts[ANY] = {name: array > 0 for name, array in maps.items()}
    return parts


def _refused(reasons: Mapping[str, str]) -> list[tuple]:
    return [(name, ANY, "refused", reason, math.nan) for name, reason in reasons.items()]


def _same_grids(case_id: str, paths: Mapping[str, Path], volumes: Mapping[str, Volume]) -> None:
    first = next(iter(volumes))
    for name, volume in volumes.items():
        shape, wanted = volume.array.shape, volumes[first].array.shape
        is_same = shape == wanted and np.allclose(
            volume.affine, volumes[first].affine, atol=SAME_MM, equal_nan=True
        )
        if not is_same:
            found = f"a grid of {shape} voxels that is not that of {first} ({wanted})"
            todo = "resample the masks to one scan"
            place = {"case_id": case_id, "file": str(paths[name])}
            raise DataError(error(found, "one grid", todo, **place))


def _write(path: Path, columns: Sequence[str], rows: Sequence[tuple]) -> None:
    lines = [[cell(one) if isinstance(one, str) else one for one in row] for row in rows]
    table = pd.DataFrame(lines, columns=list(columns))
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.4f"))
