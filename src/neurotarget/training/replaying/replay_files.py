"""Files of a replayed step: patches as NIfTI, a table of them, and a picture."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy import ndarray

from neurotarget.files.writing import table_text, write_text, written
from neurotarget.problems import DataError
from neurotarget.report.drawing.figure import COLOURS
from neurotarget.shapes import times
from neurotarget.training.replaying.drawn_transforms import Drawn, as_text
from neurotarget.types import TripleVox

MOST_DRAWN = 24  # patches in the picture
PANEL_INCH, HEAD_INCH, DPI = 2.0, 0.3, 100
COLUMNS = ("before augmentation", "after", "labels")


class Patch(NamedTuple):
    """One patch of a training batch, before and after its augmentation.

    Attributes:
        case_id: id of the case.
        draw: number of the sample in the training, from which all its random numbers follow.
        rank: rank of the process that trained on the patch, from 0.
        low_vox: first voxel of the patch in the prepared case; may be negative.
        case_affine: affine of the prepared case, mm.
        before, after: image (C, I, J, K) before and after augmentation.
        labels: label map after augmentation, the network's input; None for outcomes.
        outcomes: codes, NaN if unknown; None for label maps.
        transforms: applied transforms, with their parameters by name.
    """

    case_id: str
    draw: int
    rank: int
    low_vox: TripleVox
    case_affine: Float[ndarray, "4 4"]
    before: Float[ndarray, "C I J K"]
    after: Float[ndarray, "C I J K"]
    labels: Integer[ndarray, "I J K"] | None
    outcomes: tuple[float, ...] | None
    transforms: Drawn

    @property
    def affine(self) -> Float[ndarray, "4 4"]:
        """Affine of the patch before its augmentation, mm."""
        shift = np.eye(4)
        shift[:3, 3] = self.low_vox
        return self.case_affine @ shift


class Replayed(NamedTuple):
    """The patches of a step, counted from 1; names of the labels by their class from 1 on."""

    step: int
    epoch: int
    patches: Sequence[Patch]
    label_names: tuple[str, ...]


def write_replay(folder: Path, replayed: Replayed) -> Path:
    """Write the patches, patches.tsv and patches.png into a folder, and print a summary.

    Each patch has NIfTI files before and after its augmentation, and of its labels. Patches with
    NaN or infinite values are named.

    Raises:
        DataError: the folder is a link, or a file cannot be written.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        raise DataError(f"{folder}: found a link, wanted a folder of the run; remove the link")
    for number, patch in enumerate(replayed.patches, start=1):
        plain = re.sub(r"[^\w-]", "_", patch.case_id)[:80]
        start = f"{number:03d}_{plain}"
        _write_volume(folder / f"{start}_before.nii.gz", patch.before, patch.affine)
        _write_volume(folder / f"{start}_after.nii.gz", patch.after, patch.affine)
        if patch.labels is not None:
            labels = patch.labels[None].astype(np.int16)
            _write_volume(folder / f"{start}_labels.nii.gz", labels, patch.affine)
    table = table_of(replayed)
    write_text(folder / "patches.tsv", table_text(table))
    with written(folder / "patches.png") as draft:
        _picture(replayed).savefig(draft, format="png", dpi=DPI)
    first = replayed.patches[0]
    print(
        f"step {replayed.step}: {len(replayed.patches)} patches of {times(first.after.shape[1:])} "
        f"voxels, in epoch {replayed.epoch}\n"
        f"  patches   {folder}\n"
        f"  table     {folder / 'patches.tsv'}",
        flush=True,
    )
    for line in _not_finite(table):
        print(line, flush=True)
    return folder


def table_of(replayed: Replayed) -> pd.DataFrame:
    """Return one row per patch: case, sample number, position, values, labels and transforms.

    Positions are the first voxel in the prepared case, and the centre in the world's mm.
    """
    rows = []
    for number, patch in enumerate(replayed.patches, start=1):
        middle = (np.array(patch.after.shape[1:]) - 1) / 2
        centre = nib.affines.apply_affine(patch.affine, middle)
        row = {"patch": number, "case_id": patch.case_id, "draw": patch.draw, "rank": patch.rank}
        row |= dict(zip(("i", "j", "k"), patch.low_vox, strict=True))
        row |= dict(zip(("x_mm", "y_mm", "z_mm"), centre.round(2), strict=True))
        for name, image in (("before", patch.before), ("after", patch.after)):
            row |= {f"{name}_min": np.min(image), f"{name}_max": np.max(image)}
        if patch.labels is not None:
            for place, label in enumerate(replayed.label_names, start=1):
                row[f"{label}_vox"] = int((patch.labels == place).sum())
        if patch.outcomes is not None:
            row["outcomes"] = ",".join(f"{code:g}" for code in patch.outcomes)
        rows.append(row | {"transforms": as_text(patch.transforms)})
    return pd.DataFrame(rows)


def _write_volume(path: Path, values: ndarray, affine: Float[ndarray, "4 4"]) -> None:
    """Write (C, I, J, K) as NIfTI in mm; several contrasts become its fourth axis."""
    volume = values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    with written(path) as draft:
        nib.save(image, draft)


def _not_finite(table: pd.DataFrame) -> list[str]:
    lines = []
    for row in table.to_dict("records"):
        for when in ("before", "after"):
            if not np.isfinite([row[f"{when}_min"], row[f"{when}_max"]]).all():
                lines.append(
                    f"  LOOK      patch {row['patch']} of {row['case_id']} has NaN or infinite "
                    f"values {when} its augmentation"
                )
                break
    return lines


def _picture(replayed: Replayed) -> Figure:
    """Plot one row per patch: the slice along K with most labels, before, after, with labels."""
    patches = replayed.patches[:MOST_DRAWN]
    sides = patches[0].after.shape[1:]
    high = PANEL_INCH * sides[1] / sides[0]
    size = (len(COLUMNS) * PANEL_INCH, len(patches) * (high + HEAD_INCH))
    figure = Figure(figsize=size, facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(patches), len(COLUMNS), squeeze=False)
    for patch, row in zip(patches, panels, strict=True):
        _draw_row(row, patch)
    return figure


def _draw_row(panels: Sequence[Axes], patch: Patch) -> None:
    labelled = patch.after[0] * 0 if patch.labels is None else patch.labels > 0
    per_slice = np.nan_to_num(labelled).sum(axis=(0, 1))
    middle = int(per_slice.argmax()) if per_slice.any() else patch.after.shape[3] // 2
    names = dict.fromkeys(COLUMNS) | {COLUMNS[0]: f"{patch.case_id}, draw {patch.draw}"}
    for panel, (column, title), image in zip(
        panels, names.items(), (patch.before, patch.after, patch.after), strict=True
    ):
        grey = np.nan_to_num(image[0, :, :, middle].T.astype(float))
        panel.imshow(grey, cmap="gray", origin="lower", aspect="equal")
        if column == COLUMNS[2] and patch.labels is not None:
            classes = np.ma.masked_equal(patch.labels[:, :, middle].T, 0)
            last = len(COLOURS)
            panel.imshow(
                (classes - 1) % last,
                cmap=ListedColormap(COLOURS),
                vmin=-0.5,
                vmax=last - 0.5,
                origin="lower",
                alpha=0.5,
                interpolation="nearest",
            )
        panel.invert_xaxis()  # the patient's right is on the left
        panel.set_axis_off()
        panel.set_title(title or column, color="white", fontsize=7, parse_math=False)
