"""Volumes of MedMNIST with their classes and official split, as scans and a table of cases.

A data set is one `.npz` file with `train_images` (N, I, J, K), `train_labels` (N, 1), and the same
of `val` and `test`. Source: Yang et al. 2023, doi:10.1038/s41597-022-01721-8.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pooch
from filelock import FileLock
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.cases.download import TIMEOUT_S
from neurotarget.files.hashes import digest
from neurotarget.files.reading import opened
from neurotarget.files.writing import expand_home, write_text, written
from neurotarget.problems import DataError

SPLITS = ("train", "val", "test")
MOST_BYTES = 1 << 33  # of the unpacked arrays; the data sets have at most 3 GB
TABLE = "cases.tsv"


class Set(NamedTuple):
    """One data set of MedMNIST.

    Attributes:
        file: name of its NumPy archive at `ADDRESS`.
        md5: checksum of that file, as the package medmnist states it.
        column: name of the outcome in the table of cases.
        classes: name of each class, by its code in the file.
        spacing_mm: side of a voxel; the file states none.
    """

    file: str
    md5: str
    column: str
    classes: tuple[str, ...]
    spacing_mm: float


SETS = {  # addresses and checksums as in the package medmnist 3.0.2
    "adrenalmnist3d": Set(
        "adrenalmnist3d_64.npz",
        "17721accfe9fb005146a47d33bc54b2f",
        "hyperplasia",
        ("normal", "hyperplasia"),
        1.0,  # cubes of 64 mm around the gland
    ),
}
ADDRESS = "https://zenodo.org/records/10519652/files/"


@dataclass(frozen=True)
class MedMNIST:
    """A data set of MedMNIST, downloaded once unless `root` is its file or folder.

    Each volume is written once as a scan `<folder>/<name>/images/<case_id>.nii.gz`. The data set
    does not identify people: every volume counts as another subject, although a person can have two
    volumes.
    """

    name: str
    folder: str

    def obtain(self, root: str | None) -> Path:
        """Return the table of the cases; write the scans if they are missing.

        Raises:
            DataError: the data set is unknown, cannot be downloaded, or is not as published.

        `root` is the user's own file, or its folder; without `root` the file is downloaded. Scans
        are written again if that file has changed.
        """
        if self.name not in SETS:
            raise DataError(
                f"data set {self.name}: wanted one of {', '.join(SETS)}; correct data.source.name"
            )
        wanted, folder = SETS[self.name], expand_home(self.folder) / self.name
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            path = _own_file(root, wanted) if root else _download(wanted, folder)
            return _unpacked(path, wanted, folder)

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}


def _own_file(root: str, wanted: Set) -> Path:
    path = expand_home(root)
    path = path / wanted.file if path.is_dir() else path
    if not path.is_file():
        raise DataError(
            f"data.root: found no file {path}, wanted {wanted.file} of MedMNIST, or the folder "
            "that holds it; correct the path, or leave data.root out to download it"
        )
    return path


def _download(wanted: Set, folder: Path) -> Path:
    try:
        found = pooch.retrieve(
            ADDRESS + wanted.file,
            known_hash=f"md5:{wanted.md5}",
            fname=wanted.file,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_S),
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{ADDRESS}{wanted.file}: could not be downloaded ({reason}); run again with a "
            "network, or set data.root=<file>"
        ) from error
    return Path(found)


def _unpacked(path: Path, wanted: Set, folder: Path) -> Path:
    """Write scans and table, unless they exist from the same file."""
    table, mark = folder / TABLE, folder / "made_from.txt"
    source = digest(path)
    if table.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == source:
        return table
    mark.unlink(missing_ok=True)
    arrays = _arrays(path, wanted)
    (folder / "images").mkdir(exist_ok=True)
    lines = [["case_id", "image", wanted.column, "split"]]
    cases = [*_cases(arrays)]
    for case_id, split, volume, label in tqdm(cases, "unpack", unit="case", delay=1):
        name = f"images/{case_id}.nii.gz"
        image = nib.Nifti1Image(volume, np.diag([wanted.spacing_mm] * 3 + [1.0]))
        image.header.set_xyzt_units("mm")
        with written(folder / name) as draft:
            nib.save(image, draft)
        lines.append([case_id, name, wanted.classes[label], split])
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(lines)
    write_text(table, text.getvalue())
    write_text(mark, source)
    return table


def _cases(arrays: Mapping[str, ndarray]) -> Iterator[tuple[str, str, ndarray, int]]:
    for split in SPLITS:
        pairs = zip(arrays[f"{split}_images"], arrays[f"{split}_labels"].ravel(), strict=True)
        for number, (volume, label) in enumerate(pairs):
            yield f"{split}{number:04d}", split, volume, int(label)


def _arrays(path: Path, wanted: Set) -> dict[str, ndarray]:
    """Read the arrays of the file without unpickling.

    Raises:
        DataError: the file is not this data set.
    """
    names = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
    try:
        with opened(path) as stream:
            size = sum(one.file_size for one in zipfile.ZipFile(stream).infolist())
            if size > MOST_BYTES:
                raise ValueError(f"{size >> 20} MiB of arrays")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in names}
        for split in SPLITS:
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
            is_sound = images.dtype == np.uint8 and images.ndim == 4 and len(images) == labels.size
            if not is_sound or labels.dtype.kind not in "ui":
                raise ValueError(f"{split} images {images.dtype} {images.shape}")
            if labels.size and labels.max() >= len(wanted.classes):
                raise ValueError(f"the class {labels.max()} in {split}")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: found no data set of MedMNIST ({reason}), wanted {wanted.file} with "
            f"{', '.join(names)}; download it again"
        ) from error
    return arrays
