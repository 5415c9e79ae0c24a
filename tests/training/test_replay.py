"""The patches of any step can be made again, and are those that the training got."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pytorch_lightning.callbacks import Callback

from faults.snapshot import snapshot
from neurotarget.cli.compose import compose_training
from neurotarget.problems import DataError
from neurotarget.training.replaying.replay import (
    Place,
    epoch_ends,
    indices_of,
    place_of,
    replay,
    replayed_patches,
    run_data,
)
from neurotarget.training.train import train
from neurotarget.training.training_parts import Start

CPU = torch.device("cpu")
SETTINGS = [
    "patch_vox=[12,12,12]",
    "data.patches_per_epoch=13",  # three batches, and a rest that fills none
    "trainer.max_epochs=null",
    "budget=steps",
    "held_out=false",
    "check_memory=false",
    "logger.wandb=disabled",
    "localise=none",
    "augment.noise.p=0.5",
    "augment.motion.p=0.2",
]


class Kept(Callback):
    """Keeps the batches of every step, counted from 1."""

    def __init__(self):
        self.batches = {}

    def on_train_batch_start(self, trainer, _, batch, *__):
        clones = [None if one is None else one.clone() for one in (batch.image, batch.labels)]
        step = trainer.global_step + 1
        self.batches.setdefault(step, []).append((trainer.current_epoch, *clones, batch.case_ids))


@pytest.fixture
def trained_steps(tiny, train_arguments, monkeypatch):
    """`trained_steps(folder, steps, *settings)`: train in this process; the configuration and
    the batches that the network got."""
    monkeypatch.chdir(tiny)

    def run(folder, steps, *settings, resume=False):
        own = [f"budget.steps={steps}", f"hydra.run.dir={folder}"]
        if resume:
            own = [f"budget.steps={steps}", f"resume={folder}"]
            arguments = [train_arguments[1], *own]
        else:
            arguments = [*train_arguments[1:], *SETTINGS, *settings, *own]
        composed = compose_training(arguments)
        kept = Kept()
        train(composed.config, Start(folder, composed.overrides, "resume it", callbacks=[kept]))
        return composed.config, kept.batches

    return run


def assert_replayed(data, folder, step, seen, *, together=1):
    place = place_of(step, batches=3, together=together, ends=epoch_ends(folder))
    assert [epoch for epoch, *_ in seen] == [place.epoch] * len(place.batches)
    for batch, (epoch, image, labels, case_ids) in zip(place.batches, seen, strict=True):
        indices = indices_of(data, epoch, batch, rank=0, ranks=1)
        patches = list(replayed_patches(data, indices, CPU))
        assert [patch.case_id for patch in patches] == case_ids
        assert np.array_equal(np.stack([patch.after for patch in patches]), image.numpy())
        assert np.array_equal(np.stack([patch.labels for patch in patches]), labels.numpy())


@pytest.mark.parametrize(("patches", "workers"), [("direct", 0), ("queue", 2)])
def test_a_step_gets_the_same_patches_again_also_after_a_resume(
    patches, workers, trained_steps, tmp_path
):
    """The first part ends within its second epoch; the second part begins the third."""
    folder = tmp_path / "run"
    settings = [f"data.patches={patches}", f"data.workers={workers}", "data.queue_length=5"]
    config, first = trained_steps(folder, 5, *settings)
    config, second = trained_steps(folder, 8, resume=True)
    assert (list(first), list(second)) == ([1, 2, 3, 4, 5], [6, 7, 8])
    assert epoch_ends(folder) == {0: 3, 1: 5, 2: 8}
    data = run_data(config, folder)
    for step, seen in (first | second).items():
        assert_replayed(data, folder, step, seen)


def test_all_batches_of_a_step_are_made_again_where_gradients_are_joined(trained_steps, tmp_path):
    folder = tmp_path / "run"
    joined = "+trainer.accumulate_grad_batches=2"
    config, seen = trained_steps(folder, 4, "data.patches=direct", joined)
    assert [len(batches) for batches in seen.values()] == [2, 1, 2, 1]
    data = run_data(config, folder)
    for step, batches in seen.items():
        assert_replayed(data, folder, step, batches, together=2)


@pytest.mark.parametrize(
    ("step", "together", "ends", "place"),
    [
        (1, 1, {}, Place(0, range(1))),
        (8, 1, {}, Place(1, range(2, 3))),
        (2, 2, {}, Place(0, range(2, 4))),
        (3, 2, {}, Place(0, range(4, 5))),
        (4, 2, {}, Place(1, range(2))),
        (7, 1, {0: 5, 1: 6}, Place(2, range(1))),  # the second epoch ended early
        (13, 1, {0: 5, 1: 6}, Place(3, range(1, 2))),
        (6, 1, {0: 5, 1: 6}, Place(1, range(1))),
    ],
)
def test_a_step_has_its_place_in_an_epoch(step, together, ends, place):
    assert place_of(step, batches=5, together=together, ends=ends) == place


def test_ranks_share_the_patches_of_a_step(trained_steps, tmp_path):
    folder = tmp_path / "run"
    config, _ = trained_steps(folder, 1, "data.patches=direct", "data.patches_per_epoch=16")
    data = run_data(config, folder)
    alone = [index for batch in range(4) for index in indices_of(data, 1, batch, rank=0, ranks=1)]
    shared = [
        [index for batch in range(2) for index in indices_of(data, 1, batch, rank=rank, ranks=2)]
        for rank in (0, 1)
    ]
    assert shared == [alone[::2], alone[1::2]]


def test_shuffled_patches_of_a_queue_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"data\.patches_per_region=4, wanted 1"):
        replay({"data": {"patches_per_region": 4}}, tmp_path, 1)


@pytest.fixture(scope="module")
def replayed(trained, tiny, command):
    """The files of a step of a finished run, what was printed, and the run before and after."""
    folder, _ = trained
    before = snapshot(folder)
    own = f"--config-dir={tiny / 'conf'}"
    done = command("train.py", own, f"resume={folder}", "replay=8", cwd=tiny)
    return folder / "replay" / "step_8", done.stdout, before, snapshot(folder)


def test_a_replay_writes_only_its_own_folder(replayed):
    _, _, before, after = replayed
    assert {name for name in after if not name.startswith("replay/")} == before.keys()
    assert all(after[name] == before[name] for name in before)


def test_the_table_has_a_row_for_each_patch(replayed):
    folder, text, *_ = replayed
    assert "step 8: 4 patches of 16×16×16 voxels, in epoch 1" in text
    table = pd.read_csv(folder / "patches.tsv", sep="\t", keep_default_na=False)
    assert list(table["patch"]) == [1, 2, 3, 4]
    assert list(table["draw"]) == [28, 29, 30, 31]  # 6 steps of 4 patches came in epoch 0
    assert {"case_id", "i", "x_mm", "after_max", "core_vox", "shell_vox"} <= set(table)
    assert any(table["transforms"].str.contains("affine "))
    with Image.open(folder / "patches.png") as picture:
        assert picture.width > 300


def test_a_patch_lies_where_its_scan_has_the_same_voxels(replayed, tiny):
    folder, *_ = replayed
    table = pd.read_csv(folder / "patches.tsv", sep="\t", keep_default_na=False)
    for row in table.to_dict("records"):
        patch = nib.load(folder / f"{row['patch']:03d}_{row['case_id']}_before.nii.gz")
        scan = nib.load(tiny / "data" / f"{row['case_id']}.nii.gz")
        to_scan = np.linalg.inv(scan.affine) @ patch.affine
        places = np.indices(patch.shape).reshape(3, -1).T
        there = np.rint(nib.affines.apply_affine(to_scan, places)).astype(int)
        inside = ((there >= 0) & (there < scan.shape)).all(axis=1)
        assert inside.mean() > 0.5
        values = scan.get_fdata()[tuple(there[inside].T)]
        ours = patch.get_fdata().reshape(-1)[inside]
        is_kept = (ours > ours.min()) & (ours < ours.max())  # others may have been clipped
        assert np.corrcoef(values[is_kept], ours[is_kept])[0, 1] > 0.999
        middle = nib.affines.apply_affine(patch.affine, (np.array(patch.shape) - 1) / 2)
        assert middle == pytest.approx([row["x_mm"], row["y_mm"], row["z_mm"]], abs=0.01)
        labels = nib.load(folder / f"{row['patch']:03d}_{row['case_id']}_labels.nii.gz")
        assert (labels.get_fdata() == 2).sum() == row["shell_vox"]
