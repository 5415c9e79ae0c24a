import json

import nibabel as nib
import numpy as np
import pytest
import torch

from neurotarget.problems import DataError
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.sharing import window_network
from neurotarget.runs.sharing.export_runs import export_runs
from oracles.runs import write_images, write_run

SIDES = (16, 16, 16)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), ["sub-00", "sub-01"])


@pytest.fixture(scope="module")
def runs(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [
        write_run(folder / model, model=model, fold=fold, images=images)
        for fold, model in enumerate(("unet", "resunet"))
    ]


@pytest.fixture(scope="module")
def windows(images):
    scan = nib.load(images / "sub-00.nii.gz").get_fdata(dtype=np.float32)
    cut = np.zeros((3, 1, *SIDES), np.float32)
    for number in range(3):
        part = scan[number : number + 16, :16, :16]
        cut[number, 0, : part.shape[0], : part.shape[1], : part.shape[2]] = part
    return torch.from_numpy((cut - scan.mean()) / scan.std())


def expected_of(run, windows):
    predictor, _ = load_predictor(run, device="cpu")
    with torch.inference_mode():
        return predictor.net(windows).softmax(dim=1)


def test_onnx_of_an_ensemble_has_the_mean_of_its_probabilities(runs, windows, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    exported = export_runs(runs, tmp_path / "net.onnx", name="balls")
    session = onnxruntime.InferenceSession(exported.file, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"image": windows.numpy()})
    expected = torch.stack([expected_of(run, windows) for run in runs]).mean(dim=0)
    assert found.shape == (3, 3, *SIDES)
    assert np.abs(found - expected.numpy()).max() < 1e-3
    texts = session.get_modelmeta().custom_metadata_map
    document = json.loads(texts["neurotarget"])
    assert document["name"] == "balls"
    assert [len(document["members"]), texts["card"]] == [2, exported.card]
    assert "1 core (1 in label maps), 2 shell (2 in label maps)" in exported.card
    assert "differ by at most" in exported.card
    assert "on two windows of a held-out case" in exported.card
    assert "ONNX opset 18" in exported.card
    raw = exported.file.read_bytes()
    for secret in (b"sub-0", b"secret_", str(tmp_path.parent).encode(), b".py", b"optimizer"):
        assert secret not in raw


def test_a_program_of_pytorch_is_read_without_neurotarget_and_gives_the_same(
    runs, windows, tmp_path
):
    exported = export_runs(runs[0], tmp_path / "net.pt2")
    texts = {"neurotarget": "", "card": ""}
    program = torch.export.load(exported.file, extra_files=texts)
    found = program.module()(windows)
    torch.testing.assert_close(found, expected_of(runs[0], windows), atol=1e-3, rtol=0)
    assert texts["card"] == exported.card
    assert str(tmp_path.parent).encode() not in exported.file.read_bytes()


def test_a_file_whose_probabilities_differ_is_not_written(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(window_network, "TOLERANCE", -1.0)
    with pytest.raises(DataError, match=r"differ by .*, wanted at most -1; export to"):
        export_runs(runs[0], tmp_path / "net.pt2")
    assert not (tmp_path / "net.pt2").exists()


def test_a_network_without_a_held_out_scan_is_compared_on_random_numbers(images, tmp_path):
    run = write_run(tmp_path / "run", images=images)
    (run / "cases.tsv").unlink()
    card = export_runs(run, tmp_path / "net.pt2").card
    assert "on two windows of random numbers" in card


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"half": True}, r"half: found true for .*net\.pt2, wanted \.safetensors"),
        ({"output": "net.zip"}, r"wanted a name that ends in \.safetensors; add it"),
    ],
)
def test_what_has_no_such_form_is_one_sentence(config, message, runs, tmp_path):
    settings = {"output": "net.pt2"} | config
    with pytest.raises(DataError, match=message):
        export_runs(runs[0], tmp_path / settings.pop("output"), **settings)


def test_members_with_windows_of_several_sizes_are_refused(runs, images, tmp_path):
    small = write_run(tmp_path / "small", images=images, config={"patch_vox": [8, 8, 8]})
    with pytest.raises(DataError, match="found networks with windows of several sizes"):
        export_runs([runs[0], small], tmp_path / "net.pt2")
