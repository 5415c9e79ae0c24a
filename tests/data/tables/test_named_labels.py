import json

import pytest

from neurotarget.cli.configs.targets import load_target
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.tables.label_tables import label_tables, read_label_table
from neurotarget.data.tables.named_labels import target_settings
from neurotarget.problems import DataError
from neurotarget.target_fields import OTHER_ID
from neurotarget.types import Target

NAMED = {"labels": {"left": "left_amygdala", "both": ["Left Amygdala", "Right-Amygdala", 7]}}
TABLES = {
    "dseg.tsv": "index\tname\n32\tLeft Amygdala\n31\tRight Amygdala\n",
    "labels.csv": "Label Number,Label Name,Class\n32,Left Amygdala,GM\n31,Right Amygdala,GM\n",
    "my_LUT.txt": "#No. Label R G B A\n32 Left-Amygdala 1 2 3 0\n31 Right-Amygdala 1 2 3 0\n",
    "snap.label": '#\n 32 255 0 0 1 1 1 "Left Amygdala"\n31 0 9 0 0.5 1 0 "Right Amygdala"\n',
    "dataset.json": json.dumps({"labels": {"Left Amygdala": 32, "Right Amygdala": 31}}),
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "cases.csv").write_text("case_id,t1,label\na,a.nii.gz,a.nii.gz\n")
    return tmp_path


@pytest.mark.parametrize("folder", ["", "labels"])
@pytest.mark.parametrize("name", TABLES)
def test_names_are_looked_up_in_the_table_beside_the_data(place, name, folder):
    (place / folder / name).write_text(TABLES[name])
    found = target_settings(NAMED, place / "cases.csv")
    assert found["labels"] == {"left": [32], "both": [32, 31, 7]}


def test_a_label_of_the_same_name_twice_has_both_ids(place):
    (place / "labels.tsv").write_text("id\tlabel\n1\tlesion\n2\tlesion\n3\tbrain\n")
    assert read_label_table(place / "labels.tsv") == {"lesion": (1, 2), "brain": (3,)}


def test_without_a_table_names_are_freesurfers():
    settings = target_settings(NAMED | {"background": "rest"}, None)
    grid = {"spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8]}
    del settings["labels"]["both"]
    target = Target("amygdala", ("t1",), **settings, **grid)
    assert target.labels == {"left": (18,)}
    assert target.background_ids == (OTHER_ID,)


def test_a_table_that_numbers_as_freesurfer_leaves_it_the_names_that_it_lacks(place):
    (place / "dseg.tsv").write_text("index\tname\n18\tLeft-Amygdala\n")
    found = target_settings({"labels": {"a": "Left-Amygdala", "b": "Right-Amygdala"}}, place)
    assert found["labels"] == {"a": [18], "b": ["Right-Amygdala"]}


def test_an_absent_name_is_refused_where_the_table_contradicts_freesurfer(place):
    (place / "labels.csv").write_text(TABLES["labels.csv"])
    settings = {"labels": {"left": "Left Hippocampus", "right": "Right Amigdala"}}
    with pytest.raises(DataError, match=r"found Left Hippocampus.*\n.*did you mean Right Amygdala"):
        target_settings(settings, place)


def test_tables_that_differ_about_a_name_are_refused(place):
    (place / "labels.csv").write_text(TABLES["labels.csv"])
    (place / "labels" / "dseg.tsv").write_text("index\tname\n18\tLeft Amygdala\n")
    with pytest.raises(DataError, match=r"found Left Amygdala as 18 in .*dseg.tsv and 32 in"):
        target_settings({"labels": {"left": "Left Amygdala"}}, place)
    own = {"labels": {"left": "Left Amygdala"}, "label_table": "labels.csv"}
    assert target_settings(own, place) == {"labels": {"left": [32]}}


def test_a_packaged_numbering_can_be_named():
    settings = {"labels": {"left": "Left Amygdala"}, "label_table": "neuromorphometrics"}
    assert target_settings(settings, None) == {"labels": {"left": [32]}}


def test_a_list_of_names_follows_the_table_with_its_pairs(place):
    (place / "labels.csv").write_text(TABLES["labels.csv"])
    found = target_settings({"labels": ["Left-Amygdala", "Right-Amygdala"]}, place)
    assert found["labels"] == {"Left-Amygdala": [32], "Right-Amygdala": [31]}
    assert found["pairs"] == [["Left-Amygdala", "Right-Amygdala"]]


def test_ids_to_read_as_background_may_be_named(place):
    (place / "labels.csv").write_text(TABLES["labels.csv"])
    found = target_settings({"labels": {"a": 32}, "ignore_ids": ["Right Amygdala"]}, place)
    assert found["ignore_ids"] == [31]


def test_other_tables_beside_the_data_are_passed_over(place):
    (place / "labels.csv").write_text("case_id,label\na,17.5\n")
    (place / "label_notes.txt").write_text("drawn in 2020\n")
    assert label_tables(place) == {}
    with pytest.raises(DataError, match="found no names of labels, wanted"):
        read_label_table(place / "labels.csv")
    with pytest.raises(DataError, match="found no such file"):
        target_settings({"labels": {"a": "b"}, "label_table": "absent.csv"}, place)


@pytest.mark.parametrize(
    "settings", [{"background": "all"}, {"background": "rest", "background_ids": [3]}]
)
def test_background_is_the_rest_or_a_list_of_ids(settings):
    with pytest.raises(DataError, match=r"background: found .* wanted rest"):
        target_settings({"name": "a", "labels": {"a": 1}} | settings, None)


def test_fifteen_real_brains_are_read_by_the_names_of_their_table(shared_data, tmp_path):
    (tmp_path / "amygdala.yaml").write_text(
        "_target_: neurotarget.types.Target\nname: amygdala\ncontrasts: [t1]\n"
        "labels: {left: Left Amygdala, right: Right Amygdala}\nbackground: rest\n"
        "spacing_mm: [1, 1, 1]\npatch_vox: [32, 32, 32]\n"
    )
    people = shared_data / "brains" / "participants.tsv"
    target = load_target(str(tmp_path / "amygdala.yaml"), source=people)
    assert target.labels == {"left": (32,), "right": (31,)}
    manifest, problems = scan_manifest(people, target)
    assert not problems
    assert len(manifest.cases) == 15
    case = manifest.cases[0]
    assert (case.case_id, case.images["t1"].name, case.label.name) == ("1000", *["1000.nii.gz"] * 2)
    assert case.covariates["age"] == 20
