"""DataFrames and plain arguments of the functions for notebooks, without a training."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.api.data import as_file, relabel
from neurotarget.problems import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written_again(table: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(as_file(table), sep="\t", keep_default_na=False)


def test_paths_become_absolute_and_other_texts_stay(here):
    (here / "a.nii.gz").touch()
    table = pd.DataFrame({"case_id": ["a"], "t1": ["a.nii.gz"], "label": ["m.nii.gz"]})
    known = written_again(table.assign(group="control"))
    assert known.loc[0].tolist() == ["a", str(here / "a.nii.gz"), str(here / "m.nii.gz"), "control"]


@pytest.mark.usefixtures("here")
def test_a_text_that_is_too_long_for_a_path_stays():
    table = pd.DataFrame({"case_id": ["a"], "note": ["long" * 100]})
    assert written_again(table)["note"][0] == "long" * 100


@pytest.mark.parametrize("text", ["n/a", "NA", ""])
def test_a_case_without_a_mask_gets_no_path(here, text):
    known = written_again(pd.DataFrame({"case_id": ["a", "b"], "label": ["m.nii.gz", text]}))
    assert known["label"].tolist() == [str(here / "m.nii.gz"), text]


def test_relabel_refuses_another_word_for_unknown_values(tmp_path):
    with pytest.raises(DataError, match="unknown: got 'backgrond', wanted error or background"):
        relabel(tmp_path, tmp_path / "out", "freesurfer", unknown="backgrond")


def test_relabel_replaces_files_of_others_if_allowed(tmp_path):
    nib.save(nib.Nifti1Image(np.full((4, 4, 4), 17, np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.nii.gz").write_text("of somebody else")
    with pytest.raises(DataError, match="overwrite"):
        relabel(tmp_path / "a.nii.gz", tmp_path / "out", "freesurfer")
    table = relabel(tmp_path / "a.nii.gz", tmp_path / "out", "freesurfer", overwrite=True)
    assert table["is_written"].tolist() == [True]
