import nibabel as nib
import numpy as np
import pytest

import neurotarget as nt
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.main import run
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.problems import DataError
from neurotarget.studies.data_sets.measured_labels import (
    Found,
    Measured,
    pairs_by_name,
    pairs_by_place,
)
from neurotarget.studies.data_sets.target_draft import init_target

AFFINE = np.diag([-1.0, 1.0, 2.0, 1.0])  # the first stored axis runs to the left


def boxes(values, side=40):
    """A box of 4 × 6 × 8 voxels for each value, at its first stored index."""
    mask = np.zeros((side, side, side), dtype=np.int16)
    for value, start in values.items():
        mask[start : start + 4, 10:16, 10:18] = value
    return mask


@pytest.fixture
def data(tmp_path):
    for name in ("t1", "masks"):
        (tmp_path / name).mkdir()
    for number, values in enumerate([{1: 25, 2: 5, 9: 15}, {1: 26, 2: 6}]):
        mask, name = boxes(values), f"{number}.nii.gz"
        nib.save(nib.Nifti1Image(mask, AFFINE), tmp_path / "masks" / name)
        nib.save(nib.Nifti1Image(np.ones(mask.shape, np.float32), AFFINE), tmp_path / "t1" / name)
    rows = "participant_id\tage\tsex\n0\t30\tF\n1\t40\tM\n"
    (tmp_path / "participants.tsv").write_text(rows)
    return tmp_path


def test_the_file_states_what_was_measured_and_can_be_read(data):
    (data / "labels.csv").write_text('id,name\n1,Left Box\n2,Right Box\n9,"Lesion, old"\n')
    path = nt.init_target(data / "participants.tsv", name="box", output=data / "box.yaml")
    target = nt.read_target(path)
    assert target.labels == {"Left_Box": (1,), "Right_Box": (2,), "Lesion_old": (9,)}
    assert target.pairs == (("Left_Box", "Right_Box"),)
    assert target.spacing_mm == (1, 1, 2)
    assert target.patch_vox == (40, 32, 32)  # 1.5 times a box of 24 × 6 × 8 voxels
    volume = 4 * 6 * 8 * 2
    assert target.volume_range_mm3["Left_Box"] == (float(f"{volume / 2:.2g}"), 770.0)
    assert target.volume_range_mm3["Lesion_old"][0] == 0  # one mask lacks it
    text = path.read_text()
    assert "names are from labels.csv" in text
    assert 'sex: "volume ~ sex + age: F > M"' in text
    assert "left lies to the right" not in text


def test_only_the_labels_that_are_named_are_taken(data):
    draft = init_target([data / "participants.tsv"], labels=["1"], output=data / "one.yaml")
    target = load_target(str(draft.path))
    assert target.labels == {"label_1": (1,)}
    assert "background: rest  # the 2 other values" in draft.text
    with pytest.raises(DataError, match="found label_3, wanted names or values"):
        init_target([data / "participants.tsv"], labels=["label_3"], output=data / "two.yaml")


def test_sides_that_are_exchanged_are_named(data):
    (data / "labels.csv").write_text("id,name\n1,Right Box\n2,Left Box\n9,x\n")
    draft = init_target([data / "participants.tsv"], output=data / "box.yaml")
    assert "# CHECK: left lies to the right of right in 0, 1" in draft.text


def test_two_folders_get_a_manifest(data, monkeypatch):
    monkeypatch.chdir(data)
    draft = init_target(["t1", "masks"], name="box")
    assert draft.path.as_posix() == "conf/target/box.yaml"
    target = load_target("box")
    assert target.contrasts == ("t1",)
    manifest = read_manifest(draft.table, target)
    assert [case.case_id for case in manifest.cases] == ["0", "1"]
    assert manifest.cases[0].label == data / "masks" / "0.nii.gz"


def test_an_own_file_is_not_replaced(data):
    (data / "box.yaml").write_text("mine")
    with pytest.raises(DataError, match=r"box\.yaml"):
        init_target([data / "participants.tsv"], output=data / "box.yaml")
    assert (data / "box.yaml").read_text() == "mine"


def test_the_command_prints_the_file_and_what_is_next(data, monkeypatch, capsys):
    monkeypatch.chdir(data)
    assert run(["init-target", "participants.tsv", "name=box"]) == 0
    printed = capsys.readouterr().out
    assert "neurotarget lint participants.tsv target=conf/target/box.yaml" in printed
    assert "target=box data.root=participants.tsv" in printed


@pytest.mark.parametrize(
    "names",
    [
        {1: "Left Amygdala", 2: "Right Amygdala"},
        {1: "ctx-lh-cuneus", 2: "ctx-rh-cuneus"},
        {1: "Hippocampus_L", 2: "Hippocampus_R"},
    ],
)
def test_pairs_are_found_by_left_and_right_in_their_names(names):
    assert pairs_by_name({**names, 3: "Lateral", 4: "right lobe"}) == [(1, 2)]


def test_pairs_are_found_by_place_only_where_they_mirror_each_other():
    def found(x, y, mm3=100.0):
        return Found(mm3, np.array([x, y, 0.0]), 1)

    one = Measured("a", (1, 1, 1), (9, 9, 9), {
        1: found(30.0, 0.0), 2: found(-30.0, 2.0), 3: found(0.0, 50.0), 4: found(-30.0, 70.0),
        5: found(30.0, 70.0, mm3=400.0),
    })  # fmt: skip
    assert pairs_by_place([one], [1, 2, 3, 4, 5]) == [(2, 1)]
