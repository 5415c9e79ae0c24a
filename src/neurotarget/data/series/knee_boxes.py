"""Boxes around findings on slices of knees, as fastMRI+ lists them.

Columns are `file`, `slice`, `study_level`, `x`, `y`, `width`, `height` and `label`; a row whose
`study_level` is Yes describes the whole exam and has no box. Slices, and columns and rows of voxels
count from 0. Of the 16,154 boxes, six begin one row above the image and are cut to it; one has no
height and is left out.

Source: Zhao et al. 2022, doi:10.1038/s41597-022-01255-z.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.reading_results import whole_number
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.problems import DataError, Problem, error, refuse_errors, some

COLUMNS = ("file", "slice", "study_level", "x", "y", "width", "height", "label")
NUMBERS = ("slice", *COLUMNS[3:7])
STEM = 6  # first letters of a finding that its labels contain: meniscus and meniscal are one


log = logging.getLogger(__name__)


class Box(NamedTuple):
    """A box of voxels on one slice of an exam.

    Attributes:
        slice: number of the slice, from 0.
        x, y: first column and row, from 0; a box that began at −1 in the file is cut.
        width, height: columns and rows.
        label: text of the annotation, such as `Meniscus Tear`.
    """

    slice: int
    x: int
    y: int
    width: int
    height: int
    label: str


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Boxes of each exam, by its name in the column `file`; exams without a box are left out.

    Raises:
        DataError: the file has no such columns, or a box is not of whole numbers; all are listed.

    A box without a voxel in the image is left out with a warning.
    """
    table = read_text_table(path, ids=("file",))
    refuse_errors(table.problems)
    if absent := [name for name in COLUMNS if name not in table.columns]:
        found = f"no column {some(absent)}"
        wanted = f"those of fastMRI+ ({', '.join(COLUMNS)})"
        raise DataError(error(found, wanted, "unzip its knee.csv", file=path))
    boxes: dict[str, list[Box]] = {}
    problems: list[Problem] = []
    for row in table.rows:
        if row["study_level"].strip().casefold() == "yes":
            continue
        numbers = [whole_number(row[name].strip()) for name in NUMBERS]
        if None in numbers or numbers[0] < 0 or min(numbers[1:3]) < -1 or min(numbers[3:]) < 0:
            text = ", ".join(f"{name} {row[name]}" for name in NUMBERS)
            wanted = "whole numbers from 0"
            problems.append(error(text, wanted, "correct it", case_id=row["file"], file=path))
            continue
        at, x, y, width, height = numbers
        box = Box(at, max(x, 0), max(y, 0), width + min(x, 0), height + min(y, 0), row["label"])
        if box.width < 1 or box.height < 1:
            log.warning("%s: a box of %s on slice %d has no voxel", path.name, row["file"], at)
            continue
        boxes.setdefault(row["file"].strip(), []).append(box)
    refuse_errors(problems)
    return boxes


def of_finding(boxes: dict[str, list[Box]], finding: str) -> dict[str, list[Box]]:
    """Boxes whose label contains the first six letters of a finding; all if no label does.

    Args:
        boxes: of each exam, from `read_boxes`.
        finding: such as meniscus, which is also in `Meniscal Tear`.

    Returns:
        Boxes by exam; exams without such a box are left out.
    """
    stem = finding.casefold()[:STEM]
    own = {
        name: [box for box in listed if stem in box.label.casefold()]
        for name, listed in boxes.items()
    }
    own = {name: listed for name, listed in own.items() if listed}
    return own or boxes
