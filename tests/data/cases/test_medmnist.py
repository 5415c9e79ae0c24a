import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.cases import medmnist
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.cases.medmnist import MedMNIST
from neurotarget.problems import DataError
from neurotarget.types import Target

TARGET = Target(
    "adrenal",
    ["shape"],
    {},
    [1] * 3,
    [8] * 3,
    outcomes={"hyperplasia": {"kind": "binary", "classes": ["normal", "hyperplasia"]}},
)


def arrays(**changes):
    rng = np.random.default_rng(1)
    made = {}
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        made[f"{split}_images"] = rng.integers(0, 2, (count, 4, 5, 6), dtype=np.uint8) * 255
        made[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    return made | changes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "theirs" / "adrenalmnist3d_64.npz"
    path.parent.mkdir()
    np.savez_compressed(path, **arrays())
    return path


def obtained(tmp_path, root):
    return MedMNIST("adrenalmnist3d", str(tmp_path / "sets")).obtain(str(root))


def test_volumes_are_scans_with_their_class_and_the_official_split(tmp_path, file):
    manifest = read_manifest(obtained(tmp_path, file), TARGET)
    assert [case.split for case in manifest.cases] == ["train"] * 4 + ["val"] * 2 + ["test"] * 3
    assert manifest.cases[1].covariates["hyperplasia"] == "hyperplasia"
    image = nib.load(manifest.cases[0].images["shape"])
    np.testing.assert_array_equal(np.asarray(image.dataobj), arrays()["train_images"][0])
    assert image.header.get_zooms() == (1.0, 1.0, 1.0)


def test_a_folder_holds_the_file_and_nothing_is_written_twice(tmp_path, file):
    table = obtained(tmp_path, file.parent)
    before = {path: path.stat().st_mtime_ns for path in table.parent.rglob("*.nii.gz")}
    assert obtained(tmp_path, file) == table
    assert {path: path.stat().st_mtime_ns for path in table.parent.rglob("*.nii.gz")} == before
    assert len(pd.read_csv(table, sep="\t")) == 9


def test_another_file_is_unpacked_again(tmp_path, file):
    obtained(tmp_path, file)
    np.savez_compressed(file, **arrays(test_labels=np.ones((3, 1), np.uint8)))
    table = pd.read_csv(obtained(tmp_path, file), sep="\t")
    assert table[table["split"] == "test"]["hyperplasia"].tolist() == ["hyperplasia"] * 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"test_labels": np.array([[0], [1], [7]])}, "the class 7 in test"),
        ({"val_images": np.zeros((2, 4, 5, 6), np.float32)}, "val images float32"),
        ({"val_labels": np.zeros((3, 1), np.uint8)}, "val images uint8"),
        ({"train_images": np.array([{}])}, "no data set of MedMNIST"),
    ],
)
def test_a_file_that_is_not_as_published_is_refused(tmp_path, file, changes, why):
    np.savez(file, **arrays(**changes))
    with pytest.raises(DataError, match=why):
        obtained(tmp_path, file)


def test_a_file_that_is_no_archive_or_absent_is_refused(tmp_path, file):
    file.write_bytes(b"no archive")
    with pytest.raises(DataError, match="found no data set of MedMNIST"):
        obtained(tmp_path, file)
    with pytest.raises(DataError, match=r"data\.root: found no file"):
        obtained(tmp_path, tmp_path / "nowhere")
    with pytest.raises(DataError, match="wanted one of adrenalmnist3d"):
        MedMNIST("organmnist", str(tmp_path)).obtain(None)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, file, monkeypatch):
    monkeypatch.setattr(medmnist, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="MiB of arrays"):
        obtained(tmp_path, file)


def test_the_real_glands_are_read(tmp_path, shared_data):
    manifest = read_manifest(obtained(tmp_path, shared_data / "adrenalmnist3d"), TARGET)
    assert len(manifest.cases) == 1584
    ill = [case.covariates["hyperplasia"] == "hyperplasia" for case in manifest.cases]
    test = [one for case, one in zip(manifest.cases, ill, strict=True) if case.split == "test"]
    assert (len(test), sum(test)) == (298, 69)
