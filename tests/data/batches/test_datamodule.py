import nibabel as nib
import numpy as np
import pytest
import torch

from neurotarget.data.batches.batch_cuts import CutBatch
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.prepare import Preparation, join_errors
from neurotarget.data.batches.whole_cases import share_of
from neurotarget.data.cases.sources import Files
from neurotarget.problems import DataError, Problem
from neurotarget.types import Roi


@pytest.fixture
def data(tmp_path, make_target):
    """`data(cases=…, **settings)`: a module over cases of 10³ voxels with a cube of each label."""

    def make(cases=10, empty=(), roi=None, **settings):
        lines = ["case_id,subject_id,t1,label,age"]
        rng = np.random.default_rng(0)
        for number in range(cases):
            name = f"c{number}"
            label = np.zeros((10, 10, 10), np.uint8)
            if number not in empty:
                label[2:4, 2:4, 2:4], label[6:8, 6:8, 6:8] = 1, 2
            for suffix, array in (("", rng.random((10, 10, 10))), ("_seg", label)):
                image = nib.Nifti1Image(array.astype(np.float32), np.diag([-1.0, -1, 1, 1]))
                nib.save(image, tmp_path / f"{name}{suffix}.nii.gz")
            lines.append(f"{name},{name},{name}.nii.gz,{name}_seg.nii.gz,{number}")
        (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")
        target = make_target(patch=(8, 8, 8), roi=roi)
        options = {"cache": tmp_path / "cache", "root": tmp_path / "cases.csv", "workers": 0}
        options |= {"batch_size": 2, "patches_per_epoch": 6} | settings
        return TargetData(target, Files(), preparation=Preparation(), **options)

    return make


def test_cases_go_from_files_to_batches(data):
    module = data()
    module.prepare_data()
    assert {split: len(module.cases(split)) for split in ("train", "val", "test")} == {
        "train": 7,
        "val": 1,
        "test": 2,
    }
    batches = list(module.train_dataloader())
    assert [tuple(batch.image.shape) for batch in batches] == [(2, 1, 8, 8, 8)] * 3
    assert batches[0].labels.dtype == torch.int64
    (whole,) = list(module.val_dataloader())
    assert whole.image.shape == (1, 1, 10, 10, 10)
    assert whole.labels.shape == (1, 10, 10, 10)


def test_unseen_sites_that_say_no_covariate_are_refused_before_data_are_read(data):
    with pytest.raises(DataError, match=r"data\.external=island, wanted values by covariate"):
        data(external="island")


@pytest.mark.parametrize(("margin_vox", "is_told"), [(0, True), (1, True), (2, False)])
def test_a_volume_must_fill_what_is_scored_of_a_patch(data, make_target, margin_vox, is_told):
    module = data()
    module.target, module.margin_vox = make_target(patch=(14, 14, 14)), margin_vox
    module.prepare_data()
    result = any("volumes smaller than the patch" in problem.found for problem in module.warnings)
    assert result is is_told  # volumes have 10³ voxels


def test_two_modules_with_one_seed_draw_the_same_patches(data):
    first, second, other = (data(seed=seed) for seed in (1, 1, 2))
    loaders = []
    for module in (first, second, other):
        module.prepare_data()
        loaders.append([batch.image for batch in module.train_dataloader()])
    assert all(torch.equal(a, b) for a, b in zip(loaders[0], loaders[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(loaders[0], loaders[2], strict=True))


def test_empty_label_is_an_error_that_names_its_case(data):
    module = data(empty=(3, 5))
    with pytest.raises(DataError, match="an empty label") as caught:
        module.prepare_data()
    assert {problem.case_id for problem in caught.value.problems} == {"c3", "c5"}


def test_mask_outside_the_region_of_interest_is_a_warning(data):
    module = data(roi=Roi((8, 8, 5), anchor="scan"))
    module.prepare_data()
    found = {problem.case_id for problem in module.warnings if "outside" in problem.found}
    assert len(found) == 10


def test_a_further_rater_who_swapped_the_sides_is_a_warning(data, make_target, tmp_path):
    module = data()
    module.target = make_target(patch=(8, 8, 8), pairs=(("b", "a"),))
    swapped = np.zeros((10, 10, 10), np.uint8)
    swapped[2:4, 2:4, 2:4], swapped[6:8, 6:8, 6:8] = 2, 1
    nib.save(nib.Nifti1Image(swapped, np.diag([-1.0, -1, 1, 1])), tmp_path / "swapped.nii.gz")
    table = tmp_path / "cases.csv"
    head, first, *rest = table.read_text().splitlines()
    rest = [f"{line},{line.split(',')[3]}" for line in rest]
    table.write_text("\n".join([f"{head},label_second", f"{first},swapped.nii.gz", *rest]))
    module.prepare_data()
    crossed = [problem for problem in module.warnings if "to the right of" in problem.found]
    assert [(problem.case_id, problem.file) for problem in crossed] == [
        ("c0", str(tmp_path / "swapped.nii.gz"))
    ]


def test_data_root_must_be_given_and_exist(data):
    with pytest.raises(DataError, match=r"data\.root is not set"):
        data(root=None).prepare_data()
    with pytest.raises(DataError, match="no such file or folder: nowhere"):
        data(root="nowhere").prepare_data()


def test_data_are_loaded_once_a_process(data, tmp_path):
    module = data()
    module.prepare_data()
    (tmp_path / "cases.csv").unlink()  # a second look would fail
    module.prepare_data()
    module.setup("fit")
    assert len(module.folders) == 10


def test_warnings_name_the_files_of_today(data, tmp_path):
    constant = np.ones((10, 10, 10), np.float32)
    first = data()
    nib.save(nib.Nifti1Image(constant, np.diag([-1.0, -1, 1, 1])), tmp_path / "c0.nii.gz")
    first.prepare_data()
    (tmp_path / "c0.nii.gz").rename(tmp_path / "moved.nii.gz")
    table = tmp_path / "cases.csv"
    table.write_text(table.read_text().replace("c0.nii.gz", "moved.nii.gz"))
    second = TargetData(
        first.target,
        Files(),
        preparation=Preparation(),
        cache=tmp_path / "cache",
        root=table,
        workers=0,
    )
    second.prepare_data()
    assert second.folders == first.folders
    files = [
        {problem.file for problem in module.warnings if problem.case_id == "c0"}
        for module in (first, second)
    ]
    assert files == [{str(tmp_path / "c0.nii.gz")}, {str(tmp_path / "moved.nii.gz")}]


def test_every_rank_has_a_case_and_every_case_a_rank():
    shares = [share_of("abc", rank, 2) for rank in range(2)]
    assert shares == [["a", "c"], ["b"]]
    assert [share_of("ab", rank, 5) for rank in range(5)] == [["a"], ["b"], ["a"], ["a"], ["a"]]


def test_a_text_is_not_lost_beside_problems():
    problem = Problem("warning", "c0", "a.nii", "x", "y", "z")
    assert join_errors([problem, DataError([problem])]).problems == (problem, problem)
    assert str(join_errors([problem, DataError("no room")])) == f"{problem}\nno room"


ALWAYS = {"affine": {"p": 1.0}, "gamma": {"p": 0.5}, "noise": {"p": 1.0, "std": [0.1, 0.2]}}


def test_direct_and_queue_read_the_same_patches(data):
    batches = []
    for patches in ("direct", "queue"):
        module = data(patches=patches)
        module.prepare_data()
        batches.append(list(module.train_dataloader()))
    for direct, queue in zip(*batches, strict=True):
        assert direct.case_ids == queue.case_ids
        assert torch.equal(direct.image, queue.image)
        assert torch.equal(direct.labels, queue.labels)


def test_patches_may_be_augmented_on_the_device_of_the_network(data):
    module = data(augmentation=ALWAYS, patches="direct")
    module.prepare_data()
    expected = list(module.train_dataloader())
    module.train_dataloader()
    module.cuts.is_finished = False  # as on a GPU
    loader = DirectLoader(module.cuts, DrawSampler(7, 6, seed=1), batch_size=2, workers=0)
    for cut, whole in zip(loader, expected, strict=True):
        assert isinstance(cut, CutBatch)
        moved = module.transfer_batch_to_device(cut, torch.device("cpu"), 0)
        made = module.on_after_batch_transfer(moved, 0)
        assert torch.equal(made.image, whole.image)
        assert torch.equal(made.labels, whole.labels)
        assert made.case_ids == whole.case_ids


def test_whole_volumes_pass_the_device_as_they_are(data):
    module = data(patches="direct")
    module.prepare_data()
    (whole,) = list(module.val_dataloader())
    assert module.on_after_batch_transfer(whole, 0) is whole


@pytest.mark.parametrize(
    "settings", [{"patches": "direct"}, {"patches": "queue", "learns_from": "outcomes"}]
)
def test_only_the_queue_takes_several_patches_of_a_region(data, settings):
    with pytest.raises(DataError, match=r"data\.patches_per_region: found 3.*patches=queue"):
        data(patches_per_region=3, **settings)


def test_an_epoch_of_several_patches_a_region_is_as_long(data):
    module = data(patches="queue", patches_per_region=3)
    module.prepare_data()
    assert len(list(module.train_dataloader())) == 3


def test_what_decides_the_preparation_changes_only_before_it(data):
    module = data()
    module.change(preparation=Preparation("none", None), batch_size=1)
    module.prepare_data()
    module.change(batch_size=3, splits=dict.fromkeys(module.splits, "train"))
    assert [len(batch.image) for batch in module.train_dataloader()] == [3, 3]
    with pytest.raises(RuntimeError, match="only before the cases are prepared"):
        module.change(preparation=Preparation())
