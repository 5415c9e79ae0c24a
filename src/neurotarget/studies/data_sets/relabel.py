"""Conversion of label maps of another atlas to the numbers of FreeSurfer's structures."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from tqdm import tqdm

from neurotarget.anatomy.numberings import Numbered, Numbering, numbering, parse_numbering
from neurotarget.anatomy.structures import pairs_of, structures
from neurotarget.data.attempts import reason_of
from neurotarget.data.labels import label_values, looked_up
from neurotarget.data.scans.volume import file_stem, image_files, read_volume
from neurotarget.data.sides.wrong_side import centres_right_mm, on_wrong_side
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.ownership import claim, refuse_twins
from neurotarget.files.reading import real_path
from neurotarget.files.writing import written
from neurotarget.inference.segment import save_like
from neurotarget.printable import cell
from neurotarget.problems import DataError, error, refuse_errors, some, warning

TABLE = "relabelled.tsv"
COLUMNS = ("case_id", "value", "name", "structure", "structure_name", "voxels")
TABLES = (".tsv", ".csv", ".txt")


class Relabelled(NamedTuple):
    """One label map: voxels of each value, and what is wrong with it; an error if not written.

    `voxels` are counts by value of the source, without 0.
    """

    case_id: str
    voxels: dict[int, int]
    notes: tuple[str, ...]
    is_written: bool


def relabel(
    source: Path,
    output: Path,
    name: str,
    *,
    unknown_is_background: bool = False,
    overwrite: bool = False,
) -> list[Relabelled]:
    """Write a label map, or those of a folder, with FreeSurfer's numbers; and a table of voxels.

    Args:
        source: a label map or a folder of them.
        output: folder for `<name of the file>.nii.gz` and relabelled.tsv.
        name: of a packaged numbering, or a table with the columns id and structure.
        unknown_is_background: whether values that the numbering lacks become 0; otherwise a map
            with such values is not written, and they are listed with their counts.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        One result per label map. A map that fails has its reason in `notes`; the other maps are
        still written.

    Raises:
        DataError: there is no label map or numbering, or an output would replace an input.
    """
    known, files = read_numbering(name), _files(source)
    outputs = {path: output / f"{file_stem(path)}.nii.gz" for path in files}
    refuse_twins({path.name: [made] for path, made in outputs.items()})
    if {*map(real_path, files)} & {*map(real_path, outputs.values())}:
        raise DataError(f"output: found the folder of the label maps, {output}; choose another")
    claim(output, files=[*outputs.values(), output / TABLE], overwrite=overwrite)
    results = [
        _attempt(path, made, known, unknown_is_background)
        for path, made in tqdm(outputs.items(), "relabel", unit="map", delay=1)
    ]
    _write_table(results, known, output / TABLE)
    return results


def read_numbering(name: str) -> Numbering:
    """A numbering by its name, or from a table with the columns id and structure.

    A name that ends in .tsv, .csv or .txt is a table.

    Raises:
        DataError: there is none of this name, or the table is missing, empty or broken.
    """
    is_table = Path(name).suffix.lower() in TABLES
    try:
        if not is_table:
            return numbering(name)
        table = read_text_table(Path(name))
        refuse_errors(table.problems)
        return parse_numbering(table.rows)
    except DataError:
        raise
    except ValueError as wrong:
        raise DataError(f"{name if is_table else 'numbering'}: {wrong}") from wrong


def _files(source: Path) -> list[Path]:
    files = image_files(source) if source.is_dir() else [source]
    if not files or not source.exists():
        todo = "check its path"
        raise DataError(
            error("no label map", "an image file or a folder of them", todo, file=source)
        )
    return files


def _attempt(path: Path, made: Path, known: Numbering, unknown_is_background: bool) -> Relabelled:
    case_id = file_stem(path)
    try:
        return _relabel_one(path, made, known, unknown_is_background)
    except (DataError, OSError) as wrong:
        return Relabelled(case_id, {}, (reason_of(wrong),), is_written=False)


def _relabel_one(
    path: Path, made: Path, known: Numbering, unknown_is_background: bool
) -> Relabelled:
    case_id, place = file_stem(path), {"file": str(path)}
    volume, notes = read_volume(path), []
    values = label_values(volume.array, **place)
    places = looked_up(volume.array, values, np.arange(len(values)))
    counts = np.bincount(places.ravel(), minlength=len(values)).tolist()
    voxels = {value: count for value, count in zip(values.tolist(), counts, strict=True) if value}
    if unknown := [value for value in voxels if value not in known]:
        many = some(voxels[one] for one in unknown)
        found, wanted = f"label values {some(unknown)} (in {many} voxels)", "those of the numbering"
        if not unknown_is_background:
            todo = "give a table that has them, or unknown=background"
            note = str(error(found, wanted, todo, **place))
            return Relabelled(case_id, voxels, (note,), is_written=False)
        notes.append(warning(found, wanted, "they became background", **place))
    into = [known[value].structure if value in known else 0 for value in values.tolist()]
    ids = np.array(into, dtype=np.int16)[places]
    if wrong := _sides(ids, volume.affine) if volume.is_oriented else []:
        todo = "swap the ids, or correct the orientation in the header"
        notes.append(warning(some(wrong, 4), "the left on the left", todo, **place))
    save_like(ids, volume.header, made)
    return Relabelled(case_id, voxels, tuple(map(str, notes)), is_written=True)


def _sides(ids: Integer[ndarray, "I J K"], affine: ndarray) -> list[str]:
    """Structures on the wrong side."""
    known = structures()
    centres = centres_right_mm(ids, affine, int(ids.max(initial=0)) + 1)
    there = np.flatnonzero(~np.isnan(centres)).tolist()
    right_mm = {known[number].name: float(centres[number]) for number in there}
    return on_wrong_side(right_mm, pairs_of([one.name for one in known.values()]))


def _write_table(results: Sequence[Relabelled], known: Numbering, path: Path) -> None:
    """Write the voxels of every value of every map, with the structure that it became."""
    with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for result in results:
            for value, count in result.voxels.items():
                name, number = known.get(value, Numbered("n/a", -1))
                into = structures()[number].name if number in structures() else "n/a"
                line = (result.case_id, value, name, number if number >= 0 else "n/a", into, count)
                table.writerow(map(cell, map(str, line)))
