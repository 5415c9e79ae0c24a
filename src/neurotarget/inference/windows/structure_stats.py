"""Statistics of the structures of a case, in a file such as FreeSurfer's `aseg.stats`.

Volumes are those of the label map, and add up to it. Posterior (soft) volumes are listed too,
the sums of the probabilities, and the confidence, the mean probability of a structure within its
own voxels. A structure with a confidence below `DOUBTFUL` is named in a line of the file; its size
plays no part, since a structure may be small for good reasons such as atrophy.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.anatomy.structures import Structure, find
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.windows.slab_labels import Slab
from neurotarget.types import Target

# SynthSeg's quality control asks for a predicted Dice of 0.65, doi:10.1073/pnas.2216399120; where
# probabilities are calibrated, the confidence is the share of the voxels that are right
DOUBTFUL = 0.65
FLUID_SHARE = 0.05  # CSF of a larger share of all voxels is the fluid around the brain as well
FLUID = 24  # FreeSurfer's number of CSF
COLOURS = "dseg.tsv"  # BIDS: numbers, names and colours of the label maps of a folder
HEADS = ("Index", "SegId", "NVoxels", "Volume_mm3", "StructName", "SoftVolume_mm3", "Confidence")
UNITS = ("NA", "NA", "unitless", "mm^3", "NA", "mm^3", "unitless")


class SoftVolumes:
    """Sums of the probabilities of each class, and of those within its own voxels.

    Args:
        num_labels: number of classes including background.
    """

    def __init__(self, num_labels: int) -> None:
        self.sums, self.inside = np.zeros(num_labels), np.zeros(num_labels)
        self.counts = np.zeros(num_labels, dtype=np.int64)

    def add(self, slab: Slab) -> None:
        """Add the probabilities of some voxels; each voxel counts for the class that wins there."""
        winners, size = slab.argmax(axis=0).ravel(), len(self.sums)
        self.sums += slab.sum(axis=(1, 2, 3), dtype=np.float64)
        self.inside += np.bincount(winners, weights=slab.max(axis=0).ravel(), minlength=size)
        self.counts += np.bincount(winners, minlength=size)

    def watched(self, slabs: Iterable[Slab]) -> Iterator[Slab]:
        """The same slabs; each is added when it passes."""
        for slab in slabs:
            self.add(slab)
            yield slab

    @property
    def confidence(self) -> Float[ndarray, " L"]:
        """Mean probability of each class within its own voxels, 0 to 1; NaN without a voxel."""
        return self.inside / np.where(self.counts > 0, self.counts, np.nan)


def named_structures(target: Target) -> dict[str, Structure]:
    """The structures of FreeSurfer's table among the labels; empty unless all labels are.

    A label is a structure if it has its name and, as the id that is written to files, its number.
    """
    found = {name: find(name) for name in target.labels}
    is_known = all(one and one.id == target.labels[name][0] for name, one in found.items())
    return {name: one for name, one in found.items() if one} if is_known else {}


def write_stats(
    path: Path,
    case_id: str,
    target: Target,
    *,
    volumes_mm3: Mapping[str, float],
    native_mm3: float,
    soft: SoftVolumes,
    work_mm3: float,
) -> None:
    """Write the statistics of a case, whose labels are structures of the table.

    Args:
        path: of the file, written atomically.
        case_id: name of the subject in the file.
        target: its labels.
        volumes_mm3: of the label map, by label.
        native_mm3: volume of a voxel of the label map.
        soft: sums of probabilities on the working grid.
        work_mm3: volume of a voxel of the working grid.
    """
    voxels = {name: round(value / native_mm3) for name, value in volumes_mm3.items()}
    confidence, rows = soft.confidence, []
    for number, (name, one) in enumerate(named_structures(target).items(), start=1):
        sizes = f"{voxels[name]:9d} {volumes_mm3[name]:12.1f}"
        trust = "NaN" if np.isnan(confidence[number]) else f"{confidence[number]:.4f}"
        soft_mm3 = soft.sums[number] * work_mm3
        rows.append(f"{number:3d} {one.id:5d} {sizes}  {name:32s} {soft_mm3:12.1f} {trust:>8s}")
    doubtful = [
        name
        for number, name in enumerate(target.labels, start=1)
        if not confidence[number] >= DOUBTFUL
    ]
    lines = [
        "Title Segmentation Statistics",
        "generating_program neurotarget",
        "anatomy_type volume",
        f"subjectname {case_id}",
        *(f"Measure {name}, {text}, mm^3" for name, text in _measures(volumes_mm3)),
        f"VoxelVolume_mm3 {native_mm3:.6g}",
        f"DoubtfulConfidence below {DOUBTFUL:g}: {', '.join(doubtful) or 'none'}",
        *(
            f"TableCol {place} {key} {value}"
            for place, (head, unit) in enumerate(zip(HEADS, UNITS, strict=True), start=1)
            for key, value in (("ColHeader", head), ("Units", unit))
        ),
        f"NRows {len(rows)}",
        f"NTableCols {len(HEADS)}",
        f"ColHeaders {' '.join(HEADS)}",
    ]
    write_text(path, "".join(f"# {line}\n" for line in lines) + "\n".join(rows) + "\n")


def _measures(volumes_mm3: Mapping[str, float]) -> list[tuple[str, str]]:
    """Sums of volumes: all structures, the brain without CSF, the intracranial volume if known.

    Where CSF is all fluid around the brain, as in SynthSeg's label maps, the sum of all structures
    is the intracranial volume, as SynthSeg estimates it. FreeSurfer's eTIV follows from the
    registration to a template and is another quantity.
    """
    total = float(np.sum([*volumes_mm3.values()]))
    fluid = sum(value for name, value in volumes_mm3.items() if find(name).id == FLUID)
    sums = [
        ("Segmentation, SegmentationVol, Sum of all structures", total),
        ("BrainSeg, BrainSegVol, Sum of all structures without CSF", total - fluid),
    ]
    if total and fluid / total >= FLUID_SHARE:
        name = (
            "EstimatedTotalIntraCranialVol, eTIV, Sum of all structures and the fluid around them"
        )
        sums.append((name, total))
    return [(name, f"{value:.6f}") for name, value in sums]


def write_colours(target: Target, folder: Path) -> None:
    """Write number, name and colour of each structure as dseg.tsv (BIDS), unless it is there.

    A file of other content is replaced.
    """
    rows = [
        (one.id, name, f"#{bytes(one.colour).hex().upper()}")
        for name, one in named_structures(target).items()
    ]
    text = table_text(pd.DataFrame(rows, columns=["index", "name", "color"]))
    path = folder / COLOURS
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
