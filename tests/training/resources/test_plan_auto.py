import math

import numpy as np
import pytest
import yaml

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.losses import DeepSupervision, DiceCrossEntropy
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.runs.network.fitting import fit_patch
from neurotarget.runs.network.objects import build
from neurotarget.training.resources.plan_auto import as_planned, with_plan
from neurotarget.types import Target

UNETR = {
    "_target_": "neurotarget.models.nets.unetr.UNETR",
    "feature_size": 4,
    "hidden_size": 24,
    "mlp_dim": 16,
    "num_heads": 2,
}
UNET = {"_target_": "neurotarget.models.nets.unet.UNet", "widths": [2, 4], "strides": [2]}


@pytest.fixture(scope="module")
def planned(tiny, train_arguments, command):
    """A training that was planned for 20 MB: its folder, and what it printed."""
    folder = tiny / "planned"
    arguments = ["plan=auto", "plan.memory_gb=0.02", "held_out=false", "trainer.max_epochs=1"]
    arguments += ["logger.wandb=disabled"]
    kept = [word for word in train_arguments[1:] if not word.startswith(("model.", "data.batch"))]
    done = command(train_arguments[0], *kept, *arguments, f"hydra.run.dir={folder}", cwd=tiny)
    return folder, done.stdout


def test_a_plan_is_reported_and_kept_in_the_configuration(planned):
    folder, result = planned
    config = yaml.safe_load((folder / "config.yaml").read_text())
    sides, batch = config["patch_vox"], config["data"]["batch_size"]
    assert f"patch_vox=[{','.join(map(str, sides))}] data.batch_size={batch}" in result
    assert "median 24×24×24 voxels" in result
    assert 16 <= min(sides) <= max(sides) <= 24
    assert batch >= 2
    assert len(config["model"]["widths"]) == len(config["model"]["strides"]) + 1


def test_a_planned_run_leaves_the_held_out_cases_unseen(planned):
    folder, _ = planned
    assert (folder / "cost.json").is_file()
    assert not (folder / "predictions").exists()
    assert not (folder / "summary.json").exists()


@pytest.fixture(scope="module")
def planned_with(planned, tiny):
    """`planned_with(set_keys, **settings)` plans again in this process, with these settings."""
    config = yaml.safe_load((planned[0] / "config.yaml").read_text())
    config |= {"patch_vox": "auto", "plan": {"auto": True, "memory_gb": 0.02}}
    config["model"] |= {"widths": [4, 8], "strides": None}
    target = build(config["target"])
    data = build(config["data"], target=target, augmentation=None)
    data.cache = tiny / config["data"]["cache"]  # relative to the command's folder

    def plan(set_keys=(), **changes):
        changed = {**config, **changes}
        return with_plan(changed, set_keys, data=data, target=target).config

    return plan


def test_explicit_settings_are_kept(planned, planned_with):
    config = yaml.safe_load((planned[0] / "config.yaml").read_text())
    assert config["patch_vox"] != [16, 24, 16]  # as planned
    assert planned_with(patch_vox=[16, 24, 16])["patch_vox"] == [16, 24, 16]
    batch = {**config["data"], "batch_size": 3}
    model = {**config["model"], "widths": [4, 8], "strides": None}
    result = planned_with(("data.batch_size", "model.widths"), data=batch, model=model)
    assert result["data"]["batch_size"] == 3
    assert (result["model"]["widths"], result["model"]["strides"]) == ([4, 8], None)


def test_more_memory_gives_no_smaller_plan(planned_with):
    small, large = (planned_with(plan={"auto": True, "memory_gb": gb}) for gb in (0.02, 0.2))
    voxels = [math.prod(one["patch_vox"]) * one["data"]["batch_size"] for one in (small, large)]
    assert voxels[0] <= voxels[1]
    assert large["patch_vox"] == [24, 24, 24]  # the whole scan


def test_a_resumed_run_keeps_its_plan(planned):
    folder, _ = planned
    before = yaml.safe_load((folder / "config.yaml").read_text())
    now = {"model": {"widths": [1, 2], "strides": None}, "data": {"batch_size": 99, "fold": 3}}
    again = as_planned({**now, "patch_vox": "auto"}, folder)
    assert again["patch_vox"] == before["patch_vox"]
    assert again["model"]["widths"] == before["model"]["widths"]
    assert again["data"] == {"batch_size": before["data"]["batch_size"], "fold": 3}


@pytest.fixture
def propose_for(tiny):
    """`propose_for(model, gb, *set_keys)` plans a model for cases of 24³ voxels and 100 labels."""

    def propose(model, memory_gb, *set_keys, batch_size=2):
        labels = {"core": 1, "shell": 2, **{f"absent{number}": number for number in range(3, 100)}}
        target = Target("ball", ["t1"], labels, [1, 1, 1], [16, 16, 16])
        known = Target("ball", ["t1"], {"core": 1, "shell": 2}, [1, 1, 1], [16, 16, 16])
        cache, root = tiny / "plan_cache", str(tiny / "data" / "manifest.tsv")
        data = TargetData(known, Files(), cache=cache, preparation=Preparation(), root=root)
        config = {
            "plan": {"memory_gb": memory_gb},
            "patch_vox": "auto",
            "data": {"batch_size": batch_size},
            "model": model,
            "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
            "loss": {"_target_": "neurotarget.losses.DiceCrossEntropy"},
            "task": {"ema_decay": None},
        }
        return with_plan(config, set_keys, data=data, target=target).config, target

    return propose


def test_a_net_whose_weights_belong_to_its_patch_is_planned_smaller_too(propose_for):
    tight, target = propose_for(UNETR, 0.06)
    assert np.prod(tight["patch_vox"]) < 32**3  # which holds a whole scan
    fitted = fit_patch(tight["patch_vox"], tight["model"], target)
    assert fitted.net.patch_vox == tuple(tight["patch_vox"])


def test_memory_of_a_plan_holds_what_its_loss_needs(propose_for):
    target = propose_for(UNET, 1.0)[1]
    net = fit_patch([24, 24, 24], UNET, target).net
    settings = {"training": True, "loss": DeepSupervision(DiceCrossEntropy())}
    needed_gb = profile(net, (2, 1, 24, 24, 24), **settings).peak_memory_mib * 2**20 / 1e9
    result = ("data.batch_size", "model.strides")
    assert propose_for(UNET, 1.001 * needed_gb, *result)[0]["patch_vox"] == [24, 24, 24]
    assert min(propose_for(UNET, 0.999 * needed_gb, *result)[0]["patch_vox"]) < 24


@pytest.mark.parametrize("budget", ["much", 0, -1, True])
def test_a_budget_that_is_no_number_of_gb_is_refused(budget):
    with pytest.raises(DataError, match=r"plan.memory_gb: found .*, wanted a positive number"):
        with_plan({"plan": {"memory_gb": budget}}, (), data=None, target=None)


def test_too_small_a_budget_says_what_is_needed(tiny, train_arguments, command):
    arguments = ["plan=auto", "plan.memory_gb=0.001", f"hydra.run.dir={tiny / 'small'}"]
    done = command(train_arguments[0], *train_arguments[1:], *arguments, cwd=tiny, check=False)
    assert done.returncode == 2
    assert "GB, and there are 0.001 GB; choose a smaller model" in done.stderr
    assert "Traceback" not in done.stderr
