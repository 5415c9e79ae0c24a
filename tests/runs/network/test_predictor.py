import shutil

import numpy as np
import pytest
import torch
import yaml

from neurotarget.problems import DataError
from neurotarget.runs.network.predictor import load_predictor, usable_device
from neurotarget.runs.network.pretrained import load_pretrained
from neurotarget.studies.study_inputs import run_target
from oracles.runs import TARGET, write_images, write_run, write_weights


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), ["sub-00"])


@pytest.fixture
def a_run(tmp_path, images):
    return write_run(tmp_path / "run", images=images)


@pytest.mark.parametrize("device", ["cude", "cuda:99", "meta", 0, None])
def test_a_missing_device_lists_those_that_exist(device):
    with pytest.raises(DataError, match=rf"device: found {device}, wanted auto or one of cpu"):
        usable_device(device)


def test_the_device_is_a_gpu_where_there_is_one():
    assert usable_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert usable_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(DataError, match="device: found cuda, wanted auto or one of cpu"):
        usable_device("cuda")


def test_a_run_predicts_with_the_patch_that_it_was_trained_on(a_run):
    assert load_predictor(a_run, device="cpu")[0].inferer.window_vox == (16, 16, 16)
    edit(a_run, patch_vox=[8, 16, 24])
    predictor, _ = load_predictor(a_run, device="cpu")
    assert predictor.inferer.window_vox == predictor.target.patch_vox == (8, 16, 24)
    edit(a_run, patch_vox="auto", target=TARGET | {"patch_vox": [24, 24, 24]})
    assert load_predictor(a_run, device="cpu")[0].inferer.window_vox == (24, 24, 24)


@pytest.mark.parametrize(
    ("augment", "fills"),
    [
        ({"contrast_dropout": {"p": 0.3}}, True),
        ({"contrast_dropout": {}}, True),
        ({"contrast_dropout": {"p": 0.0}}, False),
        ({"contrast_dropout": None}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_run_can_do_without_contrasts_if_some_dropped_out_in_training(a_run, augment, fills):
    edit(a_run, augment=augment)
    assert load_predictor(a_run, device="cpu")[0].fills_missing is fills


def test_weights_of_another_width_are_reported_by_shape(a_run):
    write_weights(a_run, "resunet", 1)
    edit(a_run, model={"_target_": "neurotarget.models.nets.unet.UNet", "widths": [4, 8]})
    with pytest.raises(DataError) as refused:
        load_predictor(a_run, device="cpu")
    result = str(refused.value)
    assert result.startswith(
        f"{a_run}/weights/best.ckpt: the weights do not fit UNet as config.yaml"
    )
    assert (
        "of another shape: downs.0.conv.unit0.conv.weight found 2×1×3×3×3, wanted 4×1×3×3×3"
        in result
    )
    assert "missing" not in result
    assert "classes" not in result


def test_weights_of_another_architecture_are_reported_by_name(a_run):
    write_weights(a_run, "resunet", 1)
    with pytest.raises(DataError, match=r"do not fit PlainUNet") as refused:
        load_predictor(a_run, device="cpu")
    missing, unexpected = str(refused.value).partition("(")[2].split("; ")[:2]
    assert missing.partition(" ")[2].startswith("missing: ")
    assert missing.count(", ") == 4
    assert missing.endswith(" more")
    assert "unexpected: downs.0.conv.unit0.conv.weight, " in unexpected


def test_weights_of_a_target_with_other_labels_are_reported_by_class(a_run):
    write_weights(a_run, "unet", 1, num_labels=5)
    error = "they are of 5 classes, and the target ball has 3: background, core, shell"
    with pytest.raises(DataError, match=error):
        load_predictor(a_run, device="cpu")


def test_weights_of_other_contrasts_are_reported_by_contrast(a_run):
    edit(a_run, target=TARGET | {"contrasts": ["t1", "t2"]})
    with pytest.raises(DataError, match=r"of 1 contrasts, and the target ball has 2: t1, t2"):
        load_predictor(a_run, device="cpu")


def test_a_file_of_other_things_is_one_sentence(a_run):
    torch.save({"weights": torch.zeros(1)}, a_run / "weights" / "best.ckpt")
    with pytest.raises(DataError, match=r"best.ckpt: found no state_dict, wanted a checkpoint"):
        load_predictor(a_run, device="cpu")


def test_a_config_that_lacks_parts_is_one_sentence(a_run):
    edit(a_run, data={})
    with pytest.raises(DataError, match=r"config.yaml: no network can be made of it \(KeyError"):
        load_predictor(a_run, device="cpu")
    shutil.rmtree(a_run / "weights")
    with pytest.raises(DataError, match="no such weights"):
        load_predictor(a_run, device="cpu")


def edit(run, **settings):
    path = run / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(wrong, a_run):
    path = a_run / "weights" / "best.ckpt"
    state = torch.load(path, weights_only=True)
    name = next(key for key in state["state_dict"] if key.startswith("net."))
    state["state_dict"][name].view(-1)[0] = wrong
    torch.save(state, path)
    message = (
        rf"found NaN or infinite numbers in {name.removeprefix('net.')}, wanted finite weights"
    )
    with pytest.raises(DataError, match=message):
        load_predictor(a_run, device="cpu")
    torch.save(state["state_dict"], a_run / "a.pt")
    with pytest.raises(DataError, match=r"a\.pt: found NaN or infinite numbers in net"):
        load_pretrained(a_run / "a.pt", torch.nn.Linear(1, 1))


def test_a_case_whose_probabilities_are_not_finite_is_no_mask(a_run):
    predictor, _ = load_predictor(a_run, device="cpu")
    with torch.no_grad():
        next(predictor.net.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="found probabilities that are NaN, wanted numbers"):
        predictor.probabilities(np.zeros((1, 16, 16, 16), dtype=np.float32))


def test_a_refused_target_of_a_run_names_its_file(a_run):
    edit(a_run, target=TARGET | {"labels": {"core": 0}})
    with pytest.raises(DataError, match=rf"^{a_run}/config\.yaml: .*labels"):
        load_predictor(a_run, device="cpu")


def test_a_target_of_a_stranger_that_names_code_names_its_file(a_run):
    edit(a_run, target=TARGET | {"question": {"_target_": "os.system"}})
    with pytest.raises(DataError, match=rf"^{a_run}/config\.yaml: found _target_ 'os\.system'"):
        load_predictor(a_run, device="cpu")
    with pytest.raises(DataError, match=rf"^{a_run}/config\.yaml: found _target_ 'os\.system'"):
        run_target(a_run)
