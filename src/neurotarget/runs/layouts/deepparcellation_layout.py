"""Predictions in deepParcellation's layout: one folder per case, on FreeSurfer's conformed grid."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from neurotarget.data.scans.conform import conform, first_frame, onto
from neurotarget.data.scans.volume import Volume
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.segment import Prediction, save_labels, save_like
from neurotarget.problems import DataError
from neurotarget.runs.layouts.map_layout import MapLayout
from neurotarget.tasks.regions import RegionPredictor
from neurotarget.types import Case, Target

FILES = (
    *("aparc.DKTatlas+aseg.deepparc.nii.gz", "brainmask.deepparc.nii.gz"),
    *("conformed_input.nii.gz", "stat.csv"),
)


class Parcellation(NamedTuple):
    """Result for one scan: volumes on its own grid, arrays on the conformed grid.

    Attributes:
        case_id: of the case.
        values: volume of each label, mm³.
        flags: signs of a failure, for a person to check.
        conformed: first frame of the scan on FreeSurfer's conformed grid.
        labels: prediction, with its classes on the conformed grid.
        brain: mask of the brain on the conformed grid.
    """

    case_id: str
    values: dict[str, float]
    flags: tuple[str, ...]
    conformed: Volume
    labels: Prediction
    brain: Bool[ndarray, "I J K"]


class DeepParcellationLayout(MapLayout):
    """A predictor of label maps whose cases become `<case_id>/mri/`, as deepParcellation names it.

    A scan (the first frame of a 4-D file) is segmented as in the training of the network. Its
    label map is then resampled to the conformed grid by nearest neighbour. A network that was
    trained on conformed scans needs conformed scans as input.

    Binary networks include one of the brain mask; otherwise the mask is the union of all labels.
    It is saved next to the label map, which is not cut to it. `stat.csv`, separated by tabs, has
    the voxels of each label, of all together as `Brain mask`, and their shares of the largest
    number.

    Source: Lim et al. 2022, doi:10.3389/fnagi.2022.1027857.
    """

    name = "deepparcellation"
    wanted = "labels of volumes and one contrast"
    num_always = len(FILES)

    @classmethod
    def is_fit(cls, inner: CasePredictor) -> bool:
        """Return whether the predictor makes label maps of volumes from one contrast."""
        return super().is_fit(inner) and len(inner.target.contrasts) == 1

    def files(self, case_id: str, output: Path) -> list[Path]:
        """Files of a case: label map, brain mask, conformed scan, numbers of voxels."""
        return [output / case_id / "mri" / name for name in FILES]

    def looked_at(self, case: Case, output: Path) -> tuple[Path, Path | None]:
        """Files of a predicted case to look at: the conformed scan and its label map."""
        labels, _, conformed, _ = self.files(case.case_id, output)
        return conformed, labels

    def predict(self, case: Case, **_: object) -> Parcellation:
        """Segment one case, and bring the result onto the conformed grid.

        Raises:
            DataError: a file is missing or broken, or the region of interest misses the scan.
        """
        ((contrast, path),) = case.images.items()
        volume, note = first_frame(path, case_id=case.case_id)
        conformed = conform(volume)
        with TemporaryDirectory(prefix="neurotarget-") as place:
            if note:
                path = _written(volume, Path(place))
            there = replace(case, images={contrast: path})
            found = self.inner.predict(there)
            whole = found
            if isinstance(self.inner, RegionPredictor):
                whole = self.inner.of_whole().predict(there)
        flags = (*found.flags, *([note] if note else []))
        labels = _conformed(found, conformed)
        brain = _conformed(whole, conformed).classes > 0
        return Parcellation(case.case_id, found.values, flags, conformed, labels, brain)

    def save(self, prediction: Parcellation, output: Path, *, probabilities: bool) -> None:
        """Write the files of a case atomically, the label map last.

        Raises:
            DataError: probabilities are wanted, for which this layout has no file.
        """
        if probabilities:
            raise DataError(
                "probabilities: found true with layout=deepparcellation, which has no maps of "
                "probabilities; set layout=plain, or probabilities=false"
            )
        labels, brain, conformed, stat = self.files(prediction.case_id, output)
        labels.parent.mkdir(parents=True, exist_ok=True)
        header = prediction.labels.header
        save_like(prediction.conformed.array, header, conformed)
        save_like(prediction.brain.astype(np.uint8), header, brain)
        write_text(stat, table_text(statistics(prediction.labels.classes, self.target)))
        save_labels(prediction.labels, self.target, labels)


def _written(frame: Volume, folder: Path) -> Path:
    """Write the first frame of a scan as a file of its own."""
    image = nib.Nifti1Image(frame.array, None, frame.header)
    image.set_data_dtype(frame.array.dtype)
    nib.save(image, folder / "frame.nii")
    return folder / "frame.nii"


def _conformed(prediction: Prediction, conformed: Volume) -> Prediction:
    """A prediction with its label map on the conformed grid of its scan."""
    affine = prediction.grid.native_affine
    classes = onto(prediction.classes, affine, conformed.array.shape, conformed.affine)
    return prediction._replace(classes=classes, header=conformed.header)


def statistics(classes: ndarray, target: Target) -> pd.DataFrame:
    """Count the voxels of each label and of all; `ICV` is their share of the largest number.

    Args:
        classes: label map on the conformed grid.
        target: its labels.

    Returns:
        Columns ROI, n_voxels and ICV; the last row is `Brain mask`, all labels together.
    """
    counts = np.bincount(classes.ravel(), minlength=target.num_labels)[1:]
    voxels = [*counts.tolist(), int(counts.sum())]
    shares = np.array(voxels) / max(*voxels, 1)
    names = [*target.label_names, "Brain mask"]
    return pd.DataFrame({"ROI": names, "n_voxels": voxels, "ICV": shares})
