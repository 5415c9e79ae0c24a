"""Label maps of DICOM series as DICOM Segmentation objects, which PACS and viewers read.

Source: DICOM PS3.3 A.51, Segmentation IOD; Bridge et al. 2022, doi:10.1007/s10278-022-00683-y
(highdicom).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pydicom
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import read_volume
from neurotarget.files.writing import remove, written
from neurotarget.inference.ledger import CaseResult
from neurotarget.printable import one_line
from neurotarget.problems import DataError
from neurotarget.runs.layouts.lookup_tables import Label, labels_of
from neurotarget.types import Case, Target

ENDING = "_seg.dcm"
SERIES_NUMBER = 900  # far from those of scanners
LONGEST_LABEL, LONGEST_CODE = 64, 16  # letters of DICOM's LO and SH
SCHEME = "99NEUROTARGET"  # codes of our labels, whose meaning is their name


class Maps(Protocol):
    """A predictor of label maps on the grid of their scan."""

    target: Target

    def looked_at(self, case: Case, output: Path) -> tuple[Path, Path | None]:
        """Scan and label map of a predicted case; None where it has no label map."""


class DicomSegs:
    """Writes the segmentations of cases whose scan is a DICOM series, next to their label maps."""

    def __init__(self, maps: Maps, output: Path, slices: Mapping[Path, Sequence[Path]]) -> None:
        """Prepare writing; `slices` are the files of each converted series, in its order.

        Raises:
            DataError: highdicom is not installed, or no label map is predicted.
        """
        if find_spec("highdicom") is None:
            raise DataError(
                "dicom_seg: found true without the package highdicom, wanted it installed; pip "
                "install 'neurotarget[dicom]'"
            )
        if not maps.target.labels or maps.target.is_flat:
            raise DataError(
                f"dicom_seg: found true for the target {maps.target.name}, wanted labels of "
                "volumes; leave dicom_seg out"
            )
        self.maps, self.output, self.slices = maps, output, slices

    def write(self, case: Case) -> None:
        """Write the segmentation of a predicted case while its series is converted.

        A case whose scan was no DICOM series is left out.

        Raises:
            DataError: the series lacks what DICOM asks for.
        """
        scan, labels = self.maps.looked_at(case, self.output)
        if scan not in self.slices or labels is None:
            return  # no DICOM
        target = self.maps.target
        array = read_volume(labels, case_id=case.case_id).array
        ids = class_of_id(target)
        classes = to_classes(array, ids, case_id=case.case_id, file=str(labels))
        sources = [pydicom.dcmread(path) for path in self.slices[scan]]
        try:
            seg = segmentation(classes, sources, target)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"{case.case_id}: found a series that DICOM Segmentation cannot refer to "
                f"({reason}), wanted the original images of the scanner; set dicom_seg=false"
            ) from error
        with written(seg_path(labels)) as draft:
            seg.save_as(draft)

    def write_missing(
        self,
        cases: Iterable[Case],
        results: Iterable[CaseResult],
        ready: Callable[[Case], AbstractContextManager],
    ) -> int:
        """Write the segmentations that finished cases lack; return how many cases have one.

        Args:
            cases: in the order of the results.
            results: of which only those that are done count.
            ready: the series of a case is converted while the block of `ready(case)` lasts.

        Raises:
            DataError: as `write`.
        """
        count = 0
        for case, result in zip(cases, results, strict=True):
            _, labels = self.maps.looked_at(case, self.output)
            if result.status != "done" or labels is None:
                continue
            if not seg_path(labels).is_file():
                with ready(case):
                    self.write(case)
            count += seg_path(labels).is_file()
        return count


def forget_seg(maps: Maps, output: Path, case: Case) -> None:
    """Remove the segmentation of an earlier label map of a case, if we wrote it."""
    _, labels = maps.looked_at(case, output)
    if labels is not None and seg_path(labels).is_file():
        remove(seg_path(labels))


def seg_path(labels: Path) -> Path:
    """Segmentation of a label map, next to it."""
    return labels.with_name(labels.name.removesuffix(".nii.gz") + ENDING)


def segmentation(
    classes: Integer[ndarray, "columns rows slices"], sources: Sequence[Any], target: Target
) -> Any:  # noqa: ANN401  # highdicom is optional
    """A binary segmentation with a segment for each label, numbered as the classes.

    Args:
        classes: label map in the order of the slices' pixels.
        sources: the slices as data sets, in the order of the last axis.
        target: names and numbers of the labels.

    Returns:
        highdicom's `Segmentation`, a data set that can be saved.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the slices lack what DICOM asks for.
    """
    import highdicom

    frames = np.ascontiguousarray(classes.transpose(2, 1, 0))
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=frames.astype(np.uint8 if len(target.label_names) < 256 else np.uint16),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=_segments(labels_of(target)),
        series_instance_uid=highdicom.UID(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="neurotarget",
        manufacturer_model_name=one_line(target.name)[:LONGEST_LABEL],
        software_versions=version("neurotarget"),
        device_serial_number="none",
        series_description=f"{one_line(target.name)} by neurotarget"[:LONGEST_LABEL],
    )


def _segments(labels: Sequence[Label]) -> list[Any]:
    """Descriptions of the segments, numbered from 1."""
    import highdicom

    code = highdicom.sr.CodedConcept
    made = highdicom.AlgorithmIdentificationSequence(
        name="neurotarget",
        family=code("123109", "DCM", "Artificial Intelligence"),
        version=version("neurotarget"),
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=one_line(one.name)[:LONGEST_LABEL],
            segmented_property_category=code("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=code(
                str(one.id)[:LONGEST_CODE], SCHEME, one_line(one.name)[:LONGEST_LABEL]
            ),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=made,
            display_color=highdicom.color.CIELabColor.from_rgb(*one.colour),
        )
        for number, one in enumerate(labels, start=1)
    ]
