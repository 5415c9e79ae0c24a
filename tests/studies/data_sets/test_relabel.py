import csv

import nibabel as nib
import numpy as np
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.problems import DataError
from neurotarget.studies.data_sets.relabel import relabel
from neurotarget.types import Target

AFFINE = np.diag([-1.0, 1, 1, 1])  # the first axis runs to the left


def save(path, array, dtype=np.int16):
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(array, dtype), AFFINE), path)
    return path


def lines(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_a_folder_becomes_maps_of_freesurfers_numbers_with_a_table_of_voxels(tmp_path):
    array = np.array([47, 48, 0, 71, 101, 74]).reshape(6, 1, 1)
    save(tmp_path / "in" / "a.nii.gz", array)
    save(tmp_path / "in" / "b.nii", array[::-1], np.float32)
    results = relabel(tmp_path / "in", tmp_path / "out", "neuromorphometrics")
    assert [(one.case_id, one.is_written) for one in results] == [("a", True), ("b", True)]
    assert results[0].notes == ()
    assert "found Left-Hippocampus to the right of Right-Hippocampus" in results[1].notes[0]
    made = nib.load(tmp_path / "out" / "a.nii.gz")
    assert np.asarray(made.dataobj).ravel().tolist() == [53, 17, 0, 172, 1303, 0]
    assert (made.affine == AFFINE).all()
    table = lines(tmp_path / "out" / "relabelled.tsv")
    assert {row["value"]: row["structure_name"] for row in table if row["case_id"] == "a"} == {
        "47": "Right-Hippocampus",
        "48": "Left-Hippocampus",
        "71": "Vermis",
        "74": "n/a",
        "101": "ctx-lh-cingulate-lobe",
    }


def test_values_that_are_missing_are_listed_with_their_counts(tmp_path):
    path = save(tmp_path / "in" / "a.nii.gz", np.array([300, 300, 47]).reshape(3, 1, 1))
    words = ["relabel", str(path), "numbering=neuromorphometrics", f"output={tmp_path / 'out'}"]
    assert run(words) == 2
    assert not (tmp_path / "out" / "a.nii.gz").exists()
    row = lines(tmp_path / "out" / "relabelled.tsv")[1]
    assert (row["value"], row["structure"], row["voxels"]) == ("300", "n/a", "2")
    assert run([*words, "unknown=background"]) == 0
    made = np.asarray(nib.load(tmp_path / "out" / "a.nii.gz").dataobj)
    assert made.ravel().tolist() == [0, 0, 53]


def test_a_table_of_ones_own_is_a_numbering(tmp_path):
    path = save(tmp_path / "in" / "a.nii.gz", np.array([1, 2, 0]).reshape(3, 1, 1))
    table = tmp_path / "own.tsv"
    table.write_text("id\tstructure\n1\tRight-Amygdala\n2\t18\n", encoding="utf-8")
    found = nt.relabel(path, tmp_path / "out", str(table))
    assert found.loc[0, ["case_id", "is_written", "notes"]].tolist() == ["a", True, ""]
    made = np.asarray(nib.load(tmp_path / "out" / "a.nii.gz").dataobj)
    assert made.ravel().tolist() == [54, 18, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"own\.tsv: found no such file, wanted CSV or TSV; check the path"),
        ("", r"own\.tsv: found no row, wanted id and structure of each number; add them"),
        ("id\tstructure\n1\t18\n1\t54\n", r"own\.tsv: found the id 1 twice"),
    ],
)
def test_a_table_that_is_no_numbering_is_refused_by_its_name(tmp_path, text, message):
    path = save(tmp_path / "in" / "a.nii.gz", np.ones((2, 2, 2)))
    if text is not None:
        (tmp_path / "own.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        relabel(path, tmp_path / "out", str(tmp_path / "own.tsv"))


def test_inputs_are_never_replaced_and_empty_folders_refused(tmp_path):
    path = save(tmp_path / "in" / "a.nii.gz", np.ones((2, 2, 2)))
    with pytest.raises(DataError, match="found the folder of the label maps"):
        relabel(path, tmp_path / "in", "freesurfer")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no label map"):
        relabel(tmp_path / "empty", tmp_path / "out", "freesurfer")
    with pytest.raises(DataError, match="numbering: found the numbering aal"):
        relabel(path, tmp_path / "out", "aal")


def test_a_target_reads_the_maps_and_gives_the_vermis_to_the_nearer_half():
    brain = Target(
        "brain", ["t1"], ["Left-Cerebellum-Cortex", "Right-Cerebellum-Cortex"], [1, 1, 1], [8, 8, 8]
    )
    ids = np.array([8, 172, 172, 47]).reshape(4, 1, 1)
    assert to_classes(ids, class_of_id(brain)).ravel().tolist() == [1, 1, 2, 2]
