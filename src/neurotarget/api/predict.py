"""Prediction of scans from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import nibabel as nib
import pandas as pd

from neurotarget.api.notebook_html import html_page, html_table
from neurotarget.data.derivative_names import label_map_path
from neurotarget.problems import DataError
from neurotarget.runs.network.predict_scans import predict_scans

Images = nib.spatialimages.SpatialImage | Mapping[str, nib.spatialimages.SpatialImage]


class RunFolder(Protocol):
    """Any object with the folder of a run, such as the result of `neurotarget.train`."""

    folder: Path


@dataclass(frozen=True)
class Predictions:
    """Results of cases in a folder: their table, and label maps where scans were segmented."""

    folder: Path
    table_file: Path  # volumes.tsv, areas.tsv of pictures, or outcomes.tsv
    case_ids: tuple[str, ...]  # the requested cases, failed ones too
    page: Path | None = None  # qc.html: pictures and sizes, to look at and to rate

    @cached_property
    def table(self) -> pd.DataFrame:
        """Volumes, areas or outcomes by case, with the status of each case and what to check."""
        whole = pd.read_csv(self.table_file, sep="\t", na_values=["n/a"])
        whole["case_id"] = whole["case_id"].astype(str)
        return whole[whole["case_id"].isin(self.case_ids)].reset_index(drop=True)

    @property
    def failed(self) -> pd.DataFrame:
        """Cases that failed, with the reason in the column `note`."""
        return self.table[self.table["status"] == "failed"]

    def image(self, case_id: str) -> nib.Nifti1Image:
        """Label map of a case, on the grid of its scan.

        Raises:
            DataError: the case is not among these predictions, or has no label map.
        """
        path = label_map_path(self.folder, case_id)
        if case_id not in self.case_ids or not path.is_file():
            raise DataError(
                f"{case_id}: found no label map in {self.folder}, wanted one of "
                f"{', '.join(self.case_ids)}"
            )
        return nib.load(path)

    def _repr_html_(self) -> str:
        shown = self.table.drop(columns="made_from", errors="ignore")
        title = f"{len(self.table)} cases, {len(self.failed)} failed, in {self.folder}"
        return html_page(title, self.table_file, html_table(shown))


def predict(
    run: RunFolder | Path | str | Sequence[RunFolder | Path | str],
    scans: Path | str | Images,
    output: Path | str,
    **settings: object,
) -> Predictions:
    """Segment scans into a folder, or predict their outcomes.

    Args:
        run: a run, its folder, a folder of several runs, a file that `export` has written, the name
            of a network that comes with neurotarget, or a list of these; several form an ensemble.
        scans: a scan, a folder of scans, a DICOM series, a BIDS data set or a manifest; or a
            nibabel image (the case is called `scan`), or a mapping from contrast to image.
        output: folder for label maps and volumes.tsv (or areas.tsv), or for outcomes.tsv.
        settings: those of `neurotarget.runs.network.predict_scans.predict_scans`, such as
            weights, ensemble, device, probabilities, qc, overwrite.

    Returns:
        The table, and label maps where scans were segmented. Failed cases are in the table, with
        the reason.

    Raises:
        DataError: a setting, the run or the scans cannot be used.
    """
    is_list = isinstance(run, Sequence) and not isinstance(run, str)
    runs = [place_of(one) for one in (run if is_list else [run])]
    with TemporaryDirectory(prefix="neurotarget-") as place:
        where = scans if isinstance(scans, Path | str) else _written(scans, Path(place))
        predicted = predict_scans(runs, where, output, **settings)
    case_ids = tuple(one.case_id for one in predicted.results)
    return Predictions(Path(output), predicted.table, case_ids, predicted.page)


def place_of(run: RunFolder | Path | str | os.PathLike) -> str:
    """Return the path of a run folder or an exported file, or the name of a network."""
    return os.fspath(getattr(run, "folder", run))


def _written(images: Images, folder: Path) -> Path:
    """Write the images of one case to disk; return the path of one image, or of a manifest."""
    if not isinstance(images, Mapping):
        nib.save(images, folder / "scan.nii.gz")
        return folder / "scan.nii.gz"
    for name, image in images.items():
        nib.save(image, folder / f"{name}.nii.gz")
    head = ["case_id", *images]
    line = ["scan", *(f"{name}.nii.gz" for name in images)]
    manifest = folder / "cases.tsv"
    manifest.write_text("\t".join(head) + "\n" + "\t".join(line) + "\n", encoding="utf-8")
    return manifest
