"""Tiny data sets of each kind: 6 × 6 × 6 voxels of 1 mm, labels 1 and 2 of eight voxels each."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurotarget.types import Target

SHAPE = (6, 6, 6)


def save_image(path: Path, *, shape=SHAPE, affine=None, array=None) -> Path:
    """Noise that differs from file to file, or the array."""
    if array is None:
        array = np.random.default_rng(zlib.crc32(str(path).encode())).random(shape, np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def save_label(path: Path, *, ids=(1, 2), shape=SHAPE, affine=None) -> Path:
    """A cube of 2 × 2 × 2 voxels for each id, along I."""
    array = np.zeros(shape, np.uint8)
    for number, value in enumerate(ids):
        array[2 * number : 2 * number + 2, 1:3, 1:3] = value
    return save_image(path, affine=affine, array=array)


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def make_target() -> Callable[..., Target]:
    def make(contrasts=("t1",), labels=None, patch=(4, 4, 4), **more) -> Target:
        return Target("gland", contrasts, labels or {"a": 1, "b": 2}, [1, 1, 1], patch, **more)

    return make


@pytest.fixture
def image() -> Callable[..., Path]:
    return save_image


@pytest.fixture
def label() -> Callable[..., Path]:
    return save_label


@pytest.fixture
def jsonfile() -> Callable[..., Path]:
    return write_json


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of cases with its files; columns beyond the paths come as lists of text."""

    def make(cases=12, name="cases.csv", **columns) -> Path:
        ids = [f"c{number:02d}" for number in range(cases)]
        rows = {"case_id": ids, "t1": [f"{i}_t1.nii.gz" for i in ids]}
        rows |= {"label": [f"{i}_mask.nii.gz" for i in ids]} | columns
        for case_id in ids:
            save_image(tmp_path / f"{case_id}_t1.nii.gz")
            save_label(tmp_path / f"{case_id}_mask.nii.gz")
        rows = {key: value for key, value in rows.items() if value is not None}
        lines = [rows.keys(), *zip(*rows.values(), strict=True)]
        (tmp_path / name).write_text("\n".join(",".join(line) for line in lines) + "\n")
        return tmp_path / name

    return make


@pytest.fixture
def msd(tmp_path: Path) -> Callable[..., Path]:
    """Write an MSD data set in the form of Task04."""

    def make(cases=3, modality=("MRI",), **more) -> Path:
        folder, training = tmp_path / "Task99", []
        for number in range(cases):
            name = f"scan_{number:03d}.nii.gz"
            save_image(folder / "imagesTr" / name)
            save_label(folder / "labelsTr" / name)
            training.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
        description = {
            "modality": {str(number): name for number, name in enumerate(modality)},
            "labels": {"0": "background", "1": "A", "2": "B"},
            "numTraining": cases,
            "training": training,
        }
        write_json(folder / "dataset.json", description | more)
        return folder

    return make


@pytest.fixture
def nnunet(tmp_path: Path) -> Callable[..., Path]:
    """Write an nnU-Net v2 raw data set."""

    def make(cases=3, tests=0, channels=("T1",), **more) -> Path:
        folder = tmp_path / "Dataset099_X"
        for part, number in (("Tr", cases), ("Ts", tests)):
            for case_id in (f"x{part}_{index}" for index in range(number)):
                for channel in range(len(channels)):
                    save_image(folder / f"images{part}" / f"{case_id}_{channel:04d}.nii.gz")
                save_label(folder / f"labels{part}" / f"{case_id}.nii.gz")
        description = {
            "channel_names": {str(number): name for number, name in enumerate(channels)},
            "labels": {"background": 0, "a": 1, "b": 2},
            "numTraining": cases,
            "file_ending": ".nii.gz",
        }
        write_json(folder / "dataset.json", description | more)
        return folder

    return make


@pytest.fixture
def bids(tmp_path: Path) -> Callable[..., Path]:
    """Write a BIDS data set: raw names and names of masks, without `.nii.gz`."""

    def make(raw: list[str], masks: list[str] = (), *, described: bool = True) -> Path:
        folder = tmp_path / "bids"
        manual = folder / "derivatives" / "manual"
        write_json(folder / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.10.0"})
        for root, names, save in ((folder, raw, save_image), (manual, masks, save_label)):
            for name in names:
                levels = [part for part in name.split("_") if part.startswith(("sub-", "ses-"))]
                save(root.joinpath(*levels, "anat", f"{name}.nii.gz"))
        if masks and described:
            about = {"Name": "manual", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
            write_json(manual / "dataset_description.json", about)
        return folder

    return make


@pytest.fixture
def target():
    """One cube on a grid of 1 mm."""
    return Target(
        name="cube",
        contrasts=["t1"],
        labels={"cube": 1},
        spacing_mm=[1, 1, 1],
        patch_vox=[8, 8, 8],
    )
