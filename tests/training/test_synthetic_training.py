"""A training on synthetic scans of label maps, by the command's own settings."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning.callbacks import Callback

from neurotarget.cli.compose import compose_training
from neurotarget.problems import DataError
from neurotarget.training.replaying.replay import indices_of, replayed_patches, run_data
from neurotarget.training.train import train
from neurotarget.training.training_parts import Start
from oracles.small_heads import head_case

SETTINGS = [
    "target.labels=[Left-Cerebral-Cortex,Right-Cerebral-Cortex,Left-Cerebral-White-Matter,"
    "Right-Cerebral-White-Matter]",
    "data=synthesis",
    "augment=synthesis",
    "target.spacing_mm=[2,2,2]",
    "patch_vox=[16,16,16]",
    "model.widths=[4,8]",
    "data.batch_size=2",
    "data.patches_per_epoch=4",
    "budget=steps",
    "budget.steps=4",
    "held_out=false",
    "check_memory=false",
    "logger.wandb=disabled",
    "localise=none",
]


class Kept(Callback):
    """Keeps the batches of a training."""

    def __init__(self):
        self.batches = []

    def on_train_batch_start(self, trainer, _, batch, *__):
        self.batches.append((trainer.current_epoch, batch.image.clone(), batch.labels.clone()))


def write_heads(folder):
    """Four heads with scans whose grey values rise with the label; returns the manifest."""
    splits = ("train", "train", "val", "test")
    rows = []
    for number, split in enumerate(splits):
        case = head_case(folder, number)
        label = nib.load(case.label)
        scan = nib.Nifti1Image(label.get_fdata() % 50 + number, label.affine)
        nib.save(scan, folder / f"scan{number}.nii.gz")
        rows.append((case.case_id, case.case_id, f"scan{number}.nii.gz", case.label.name, split))
    table = pd.DataFrame(rows, columns=["case_id", "subject_id", "t1", "label", "split"])
    table.to_csv(folder / "heads.csv", index=False)
    return folder / "heads.csv"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    arguments = [
        "target=parcellation",
        f"data.root={write_heads(folder)}",
        f"paths.cache={folder / 'cache'}",
        f"hydra.run.dir={folder / 'run'}",
        *SETTINGS,
    ]
    composed = compose_training(arguments)
    kept = Kept()
    train(
        composed.config,
        Start(folder / "run", composed.overrides, "resume it", callbacks=[kept]),
    )
    return folder / "run", composed.config, kept.batches


def test_a_training_sees_synthetic_scans_and_learns_from_their_labels(trained):
    folder, _, batches = trained
    assert len(batches) == 4
    assert (folder / "weights" / "last.ckpt").is_file()
    for _, image, labels in batches:
        assert image.shape == (2, 1, 16, 16, 16)
        assert 0 < (labels > 0).float().mean() <= 1
        assert image.amax() <= 1.3
    first, second = batches[0][1], batches[2][1]
    assert not torch.equal(first, second)  # other heads in another epoch


def test_replayed_patches_are_those_of_the_training(trained):
    folder, config, batches = trained
    data = run_data(config, folder)
    for number, (epoch, image, labels) in enumerate(batches):
        indices = indices_of(data, epoch, number % 2, rank=0, ranks=1)
        patches = [*replayed_patches(data, indices, torch.device("cpu"))]
        for place, patch in enumerate(patches):
            assert np.array_equal(patch.after, image[place].numpy())
            assert np.array_equal(patch.labels, labels[place].numpy())
            assert {*np.unique(patch.before)} <= {0, 511, 515, 24, 2, 3, 4, 41, 42, 43}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.patches=queue", "found queue for synthetic scans, wanted direct"),
        ("+data.synthesis.look.contrasts.flare=1.0", "did you mean flair"),
        ("data.synthesis.deformation.elastic=[[10.0, 9.0]]", "tissue never folds"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(tmp_path, setting, message):
    arguments = ["target=parcellation", f"data.root={tmp_path / 'none.csv'}", *SETTINGS, setting]
    arguments.append(f"hydra.run.dir={tmp_path / 'run'}")
    composed = compose_training(arguments)
    with pytest.raises(DataError, match=message):
        train(composed.config, Start(tmp_path / "run", composed.overrides, "resume it"))
