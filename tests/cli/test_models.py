import shutil
from pathlib import Path

import pandas as pd
import pytest

from neurotarget.cli.commands.models import run
from neurotarget.cli.configs.model_costs import list_models, optimizer_states
from neurotarget.losses import DeepSupervision, DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.types import Target
from oracles.command_arguments import as_arguments

CONF = Path(__file__).parents[2] / "conf"
TWO = Target("two", ("t1", "t2"), {"a": 1, "b": 2}, (1, 1, 1), (16, 24, 16))
SMALL = """# @package _global_
# a small net; doi:10.1
defaults:
  - override /optimizer: sgd
model:
  _target_: neurotarget.models.nets.unet.UNet
  widths: [4, 8, 16]
  deep_supervision: true
"""


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """Project's configuration with a small model and few others; we stand elsewhere."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "project"
    shutil.copytree(CONF, folder, ignore=shutil.ignore_patterns("experiment"))
    for file in folder.glob("model/*.yaml"):
        if file.stem != "resunet":  # what train.yaml names
            file.unlink()
    (folder / "model" / "small.yaml").write_text(SMALL)
    return folder


def listed(conf, target=TWO, **how):
    lines = list_models(target, conf=conf, **{"batch": 3, **how})
    return {line.model: line for line in lines}


def test_a_line_says_what_the_net_is_and_costs(conf):
    line = listed(conf, names=["small"])["small"]
    net, shape = UNet(2, 3, widths=(4, 8, 16), deep_supervision=True), (3, 2, 16, 24, 16)
    loss = DeepSupervision(DiceCrossEntropy())
    predict = profile(net, shape, training=False)
    # momentum, and the average of the weights
    train = profile(net, shape, training=True, optimizer_states=2, loss=loss)
    assert line.what == "a small net; doi:10.1"
    assert line.parameters == sum(weight.numel() for weight in net.parameters())
    assert (line.stride, line.patch_vox, line.deep_supervision) == ("4×4×4", "16×24×16", True)
    assert (line.optimizer, line.learning_rate) == ("SGD", 0.01)
    assert line.gflops_predict == predict.flops / 1e9
    assert line.gflops_train == train.flops / 1e9
    assert line.memory_predict_mib == pytest.approx(predict.peak_memory_mib, rel=0.1)
    assert line.memory_train_mib == pytest.approx(train.peak_memory_mib, rel=0.1)
    assert line.reason == ""


def test_models_come_by_name_and_a_patch_is_made_as_large_as_each_needs(conf):
    lines = listed(conf, patch_vox=(9, 16, 20))
    assert {name: line.patch_vox for name, line in lines.items()} == {
        "resunet": "16×16×24",
        "small": "12×16×20",
    }


def test_a_patch_that_a_model_brings_is_used_unless_one_is_given(conf):
    (conf / "model" / "small.yaml").write_text(f"{SMALL}patch_vox: [8, 8, 12]\n")
    assert listed(conf, names=["small"])["small"].patch_vox == "8×8×12"
    assert listed(conf, names=["small"], patch_vox=(8, 8, 8))["small"].patch_vox == "8×8×8"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("widths", "width", "no such setting 'width'; did you mean widths?"),
        ("neurotarget.models.nets.unet.UNet", "no_such_package.Net", "no_such_package"),
        ("[4, 8, 16]", "[4]", "got 1 widths"),
        ("optimizer: sgd", "optimizer: sgdd", "optimizer/sgdd"),
    ],
)
def test_a_model_that_cannot_be_built_is_a_line_with_its_reason(conf, old, new, expected):
    (conf / "model" / "broken.yaml").write_text(SMALL.replace(old, new))
    line = listed(conf, names=["broken"])["broken"]
    assert expected in line.reason
    assert line.parameters is None


def test_one_that_cannot_be_built_does_not_take_the_others(conf):
    (conf / "model" / "broken.yaml").write_text(SMALL.replace("widths", "width"))
    lines = listed(conf, names=["broken", "small"])
    assert [name for name, line in lines.items() if line.reason] == ["broken"]


def test_models_of_the_users_own_folder_are_listed_too(conf, tmp_path, monkeypatch):
    (tmp_path / "here" / "conf" / "model").mkdir(parents=True)
    (tmp_path / "here" / "conf" / "model" / "mine.yaml").write_text(SMALL)
    monkeypatch.chdir(tmp_path / "here")
    lines = listed(conf, names=["mine", "small"])
    assert lines["mine"].parameters == lines["small"].parameters > 0


@pytest.mark.parametrize(
    ("optimizer", "states"),
    [
        ({"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}, 2),
        ({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1, "momentum": 0.9}, 1),
        ({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1}, 0),
        ({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.1, "amsgrad": True}, 3),
    ],
)
def test_an_optimizers_values_are_counted(optimizer, states):
    assert optimizer_states(optimizer) == states


def test_command_prints_and_writes_the_table(tmp_path, capsys):
    path = tmp_path / "new" / "models.tsv"
    arguments = {"target": "hippocampus", "model": "resunet", "batch": "1", "tsv": str(path)}
    assert run(as_arguments(arguments)) == 0
    shown = capsys.readouterr().out
    assert "target hippocampus: 1 contrast(s), 3 labels with background, batches of 1" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("resunet")]
    assert "40×56×40" in line
    assert "doi:" in line
    table = pd.read_csv(path, sep="\t").set_index("model")
    assert f"{table.loc['resunet', 'parameters']:,}" in line
    assert table.loc["resunet", "gflops_train"] > 2 * table.loc["resunet", "gflops_predict"]


def test_a_model_in_a_folder_is_listed_where_it_is_asked_for():
    (line,) = list_models(TWO, batch=1, names=["small/unet"])
    assert line.model == "small/unet"
    assert (
        line.what == "unet with fewer channels, for a CPU, and a learning rate for a short training"
    )
    assert 1_000_000 < line.parameters < 1_300_000


def test_without_a_target_any_small_one_is_meant(capsys):
    assert run(as_arguments({"model": "resunet"})) == 0
    shown = capsys.readouterr().out
    assert "no target: 1 contrast(s), 2 labels with background, batches of 2" in shown
    assert "64×64×64" in shown


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch": "0"}, "batch: got '0', wanted a whole number from 1 to 65536"),
        ({"patch": "48,64"}, "wanted three sides in voxels such as patch=48,64,48"),
        ({"patch": "48,64,0"}, "wanted three sides in voxels"),
        ({"model": "resunett"}, r"model=resunett: no such model; did you mean resunet\?"),
        (
            {"model": "small/resunet"},
            r"model=small/resunet: .*; set model=resunet \(small variants: attention_unet, mednext",
        ),
        ({"target": "hippocampuss"}, "no such target"),
    ],
)
def test_a_wrong_word_is_one_sentence(arguments, error):
    with pytest.raises(DataError, match=error):
        run(as_arguments(arguments))
