"""Pictures of predicted cases for the page of quality control, small files in one folder."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurotarget.data.attempts import reason_of
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import Volume, counted_for, read_volume, same_grid, sized_as
from neurotarget.files.hashes import hash_of_text
from neurotarget.files.writing import written
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.ledger import CaseResult
from neurotarget.inference.predict_folder import Ready
from neurotarget.problems import some
from neurotarget.report.drawing.small_picture import Colour, small_picture
from neurotarget.types import Case, Target

FOLDER = "qc"
LONGEST = 80  # letters of a case in the name of its picture
log = logging.getLogger(__name__)


def picture_name(case_id: str) -> str:
    """Name of the picture of a case: letters that every file system takes, and a hash."""
    plain = re.sub(r"[^\w.-]", "_", case_id, flags=re.ASCII)[:LONGEST]
    return f"{plain}_{hash_of_text(case_id, 8)}.jpg"


class CasePictures:
    """Draws pictures of cases into a folder; cases that cannot be drawn are left out and counted.

    Args:
        predictor: of the predictions, for the files of a case.
        output: folder of the predictions; pictures go into its folder `qc`.
        colours: one per label.
    """

    def __init__(self, predictor: CasePredictor, output: Path, colours: Iterable[Colour]) -> None:
        self.predictor, self.output, self.colours = predictor, Path(output), list(colours)
        self.lacking: dict[str, str] = {}  # reason by case

    def draw(self, case: Case) -> None:
        """Draw a predicted case whose scan and label map are files.

        Nothing is raised: the reason of a failure is kept in `lacking`.
        """
        try:
            scan, labels = self.predictor.looked_at(case, self.output)
            target = self.predictor.target
            shown = read_shown(case.case_id, scan, labels, target)
            content = shown_picture(shown, target, self.colours)
            with written(self.path(case.case_id)) as draft:
                draft.write_bytes(content)
        except Exception as error:  # the prediction is valid without its picture
            self.lacking[case.case_id] = reason_of(error)

    def path(self, case_id: str) -> Path:
        """File of the picture of a case, in the folder `qc` of the output."""
        return self.output / FOLDER / picture_name(case_id)

    def draw_missing(
        self, cases: Iterable[Case], results: Iterable[CaseResult], ready: Ready
    ) -> None:
        """Draw predicted cases of earlier runs that have no picture, and log what failed.

        The scan of a case is a file while the block of `ready(case)` lasts.
        """
        for case, result in zip(cases, results, strict=True):
            is_drawn = case.case_id in self.lacking or self.path(case.case_id).is_file()
            if result.status == "done" and not is_drawn:
                with ready(case):
                    self.draw(case)
        if self.lacking:
            reason = next(iter(self.lacking.values()))
            names = some([*self.lacking])
            log.warning("qc: no picture of %d cases (%s): %s", len(self.lacking), names, reason)


class Shown(NamedTuple):
    """A scan and the classes of its label map, None without one."""

    scan: Volume
    classes: Volume | None


def read_shown(
    case_id: str,
    scan: Path,
    labels: Path | None,
    target: Target,
    *,
    label_ids: Mapping[str, int] | None = None,
) -> Shown:
    """Read the scan and the label map that a picture shows.

    Args:
        case_id: for messages.
        scan: file of the scan.
        labels: file of the label map, on any grid of the same place; None for the scan alone.
        target: whose labels are the classes.
        label_ids: names and ids of the label map, where the data set states them.

    Raises:
        DataError: a file cannot be read.
    """
    image = counted_for(read_volume(scan, case_id=case_id), target)
    if labels is None:
        return Shown(image, None)
    volume = _classes(labels, case_id, class_of_id(target, label_ids), target)
    return Shown(sized_as(image, volume), volume)


def shown_picture(shown: Shown, target: Target, colours: Sequence[Colour]) -> bytes:
    """Draw a scan with the outlines of its label map as JPEG, each label in one of `colours`."""
    image, volume = shown
    known = image.is_oriented or not target.is_flat  # files of films rarely name sides
    if volume is None:
        return small_picture(image.array, None, image.affine, colours, has_sides=known)
    array = image.array if same_grid(image, volume) else None
    return small_picture(array, volume.array, volume.affine, colours, has_sides=known)


def _classes(path: Path, case_id: str, ids: Mapping[int, int], target: Target) -> Volume:
    volume = counted_for(read_volume(path, case_id=case_id), target)
    classes = to_classes(volume.array, ids, case_id=case_id, file=str(path))
    return volume._replace(array=classes.astype(np.int16))
