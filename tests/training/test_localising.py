"""A small target is brought to its network, as its training masks ask for."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.problems import DataError
from neurotarget.training.localising import located
from neurotarget.training.training_parts import build_data
from neurotarget.types import Target

SIDE = 40
TARGET = {
    "name": "seed",
    "contrasts": ["t1"],
    "labels": {"seed": 1},
    "spacing_mm": [1, 1, 1],
    "patch_vox": [10, 10, 10],
}


def write_seeds(folder: Path, *, jitter: float, cases: int = 14) -> Path:
    """Cubes of 3³ voxels in scans of 40³: 0.04 % of them."""
    rng = np.random.default_rng(1)
    lines = ["case_id,subject_id,t1,label"]
    for number in range(cases):
        label = np.zeros((SIDE, SIDE, SIDE), np.uint8)
        low = np.rint(np.clip(rng.normal(15, jitter, 3), 0, SIDE - 3)).astype(int)
        label[tuple(slice(start, start + 3) for start in low)] = 1
        for suffix, array in (("", rng.random(label.shape, np.float32) + label), ("_seg", label)):
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"c{number}{suffix}.nii.gz")
        lines.append(f"c{number},c{number},c{number}.nii.gz,c{number}_seg.nii.gz")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "cases.csv"


def data_of(folder: Path, *, jitter: float) -> TargetData:
    root = write_seeds(folder, jitter=jitter)
    return TargetData(
        Target(**TARGET), Files(), cache=folder / "cache", preparation=Preparation(), root=root
    )


def config(localise: str = "auto") -> dict:
    target = {"_target_": "neurotarget.types.Target", **TARGET}
    return {"localise": localise, "target": target, "cascade": {"localise": False, "folds": 3}}


def test_auto_sets_a_region_that_holds_every_training_mask(tmp_path):
    found = located(config(), data_of(tmp_path, jitter=0.4), tmp_path, resumed=False)
    node = found.config["target"]["roi"]
    assert node["_target_"] == "neurotarget.types.Roi"
    assert found.target.roi.size_mm == tuple(node["size_mm"])
    assert found.config["cascade"]["localise"] is False
    data = data_of(tmp_path, jitter=0.4)
    data.target = found.target
    data.prepare_data()
    assert not [one for one in data.warnings if "outside the region" in one.found]
    (line,) = found.lines
    assert "seed fills 0.042 % of these scans; a box of" in line


def test_auto_sets_a_cascade_where_the_target_lies_anywhere(tmp_path):
    found = located(config(), data_of(tmp_path, jitter=12), tmp_path, resumed=False)
    assert found.config["cascade"] == {"localise": True, "folds": 3}
    assert found.target.roi is None


def test_propose_says_what_auto_would_do_and_changes_nothing(tmp_path):
    settings = config("propose")
    found = located(settings, data_of(tmp_path, jitter=0.4), tmp_path, resumed=False)
    assert found.config == settings
    assert found.target.roi is None
    assert "localise=auto trains in that box" in " ".join(found.lines)


@pytest.mark.parametrize("how", ["none", "cascade"])
def test_a_choice_of_the_users_own_stays(tmp_path, how):
    settings = config("none" if how == "none" else "auto")
    settings["cascade"]["localise"] = how == "cascade"
    data = TargetData(Target(**TARGET), Files(), cache=tmp_path, preparation=Preparation())
    assert located(settings, data, tmp_path, resumed=False).lines == []  # nothing was read


class Unread(TargetData):
    """Data that must not be looked at."""

    def read_training(self):
        raise AssertionError("the data were read")


def test_nothing_is_proposed_for_pictures_and_no_cascade_is_trained_on_them(tmp_path):
    film = Target("seed", ["film"], {"seed": 1}, spacing_px=[1, 1], patch_vox=[10, 10])
    data = Unread(film, Files(), cache=tmp_path, preparation=Preparation())
    assert located(config(), data, tmp_path, resumed=False).lines == []
    task = {"_target_": "neurotarget.tasks.segmentation.SegmentationTask"}
    with pytest.raises(DataError, match=r"found true for a target of pictures.*set cascade=none"):
        build_data({"task": task, "cascade": {"localise": True}}, film)


def test_a_resumed_run_keeps_its_region(tmp_path):
    data = data_of(tmp_path, jitter=0.4)
    first = located(config(), data, tmp_path, resumed=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(first.config), encoding="utf-8")
    data_of(tmp_path, jitter=12)  # the data would now ask for a cascade
    again = located(config(), data, tmp_path, resumed=True)
    assert again.config == first.config
    assert again.target == first.target


def test_an_unknown_choice_is_refused(tmp_path):
    data = TargetData(Target(**TARGET), Files(), cache=tmp_path, preparation=Preparation())
    with pytest.raises(DataError, match="localise: got 'yes', wanted one of propose, auto, none"):
        located(config("yes"), data, tmp_path, resumed=False)
