"""Bundles read by MONAI's own parser and loader, and compared with our predictions."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, load
from monai.data import decollate_batch

from neurotarget.cli.commands.export import run as export
from neurotarget.data.batches.prepare import read_scans, to_work
from neurotarget.problems import DataError
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.sharing.export_runs import export_runs
from neurotarget.types import Case
from oracles.runs import TARGET, write_images, write_run

SIDES = (16, 16, 16)
IDS = {"target": TARGET | {"labels": {"core": 7, "shell": 300}}}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), ["sub-00", "sub-01"])


@pytest.fixture(scope="module")
def runs(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [
        write_run(folder / model, model=model, fold=fold, images=images, config=IDS)
        for fold, model in enumerate(("unet", "resunet"))
    ]


@pytest.fixture(scope="module")
def bundle(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "balls"
    export_runs(runs[0], folder, kind="monai", name="balls")
    return folder


@pytest.fixture
def parser(bundle, monkeypatch):
    """The config of the bundle, read in its folder as MONAI reads it."""
    monkeypatch.chdir(bundle)
    parser = ConfigParser()
    parser.read_config("configs/inference.json")
    parser.read_meta("configs/metadata.json")
    return parser


def write_scan(folder, sides):
    """A scan of noise, stored from right to left."""
    array = np.random.default_rng(3).normal(100, 20, sides).astype(np.float32)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1.0, 1.0, 1.0])), folder / "head.nii.gz")
    return folder / "head.nii.gz"


def expected_of(run, windows):
    predictor, _ = load_predictor(run, device="cpu")
    with torch.inference_mode():
        return predictor.net(windows).softmax(dim=1)


@pytest.mark.parametrize("count", [1, 3])
def test_the_network_of_the_config_gives_our_probabilities(parser, runs, count):
    windows = torch.randn(count, 1, *SIDES, generator=torch.Generator().manual_seed(0))
    network = parser.get_parsed_content("network_def")
    with torch.inference_mode():
        found = network(windows).softmax(dim=1)
    torch.testing.assert_close(found, expected_of(runs[0], windows), atol=1e-3, rtol=0)


def test_the_loader_of_bundles_reads_network_and_metadata(bundle, runs):
    network, about, _ = load(
        bundle.name, bundle_dir=bundle.parent, load_ts_module=True, device="cpu"
    )
    windows = torch.zeros(1, 1, *SIDES)
    with torch.inference_mode():
        found = network(windows).softmax(dim=1)
    torch.testing.assert_close(found, expected_of(runs[0], windows), atol=1e-3, rtol=0)
    assert about == json.loads((bundle / "configs" / "metadata.json").read_text())


def test_the_metadata_state_what_goes_in_and_comes_out(parser):
    image = parser["_meta_"]["network_data_format"]["inputs"]["image"]
    assert (image["num_channels"], image["spatial_shape"]) == (1, [16, 16, 16])
    assert image["channel_def"] == {"0": "t1"}
    pred = parser["_meta_"]["network_data_format"]["outputs"]["pred"]
    assert pred["channel_def"] == {"0": "background", "1": "core", "2": "shell"}


# MONAI limits the weights of a window from below, which a Gaussian in three directions falls short
# of, so that several windows are blended a little differently, most at the borders of a scan
@pytest.mark.parametrize(("sides", "is_one_window"), [(SIDES, True), ((24, 30, 20), False)])
def test_a_scan_becomes_the_label_map_that_we_predict(parser, runs, tmp_path, sides, is_one_window):
    """On voxels of the working size nothing is interpolated, so both see the same image."""
    scan = write_scan(tmp_path, sides)
    parser["scans"], parser["output_dir"] = [{"t1": str(scan)}], str(tmp_path / "theirs")
    network, inferer, save = map(
        parser.get_parsed_content, ("network_def", "inferer", "postprocessing")
    )
    (batch,) = parser.get_parsed_content("dataloader")
    with torch.inference_mode():
        batch["pred"] = inferer(batch["image"], network)
    probabilities = batch["pred"][0].softmax(dim=0).numpy()
    predictor, _ = load_predictor(runs[0], device="cpu")
    case = Case("head", "head", {"t1": scan})
    work = to_work(read_scans(case, predictor.target, predictor.preparation), predictor.target)
    expected = predictor.probabilities(work.image)
    assert np.abs(batch["image"][0].numpy() - work.image).max() < 1e-3
    differs = np.abs(probabilities - expected)
    assert differs.max() < 1e-3 if is_one_window else differs.mean() < 0.01
    for item in decollate_batch(batch):
        save(item)
    (path,) = (tmp_path / "theirs").glob("*.nii.gz")
    theirs, ours = nib.load(path), nib.load(scan)
    assert np.allclose(theirs.affine, ours.affine)
    found = np.asanyarray(theirs.dataobj).astype(int)
    wanted = np.array([0, 7, 300])[expected.argmax(axis=0)][::-1]  # stored from right to left
    assert len(np.unique(wanted)) > 1
    assert (found == wanted).mean() > (0.999 if is_one_window else 0.95)


def test_an_ensemble_gives_the_mean_of_its_probabilities(runs, tmp_path):
    export_runs(runs, tmp_path / "both", kind="monai")
    network = torch.jit.load(tmp_path / "both" / "models" / "model.ts")
    windows = torch.randn(1, 1, *SIDES, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = network(windows).softmax(dim=1)
    expected = torch.stack([expected_of(run, windows) for run in runs]).mean(dim=0)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_no_expression_path_or_name_of_a_case_is_in_the_bundle(bundle, runs):
    files = [path for path in bundle.rglob("*") if path.is_file() and path.name[0] != "."]
    assert len(files) == 4
    for path in files:
        raw = path.read_bytes()
        for secret in (b"sub-0", str(runs[0].parent).encode(), b"site-packages", b"/src/"):
            assert secret not in raw, path
    for path in (bundle / "configs").glob("*.json"):
        assert "$" not in path.read_text()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"data": {"preparation": {"intensity": "zscore_foreground"}}}, "zscore_foreground, for"),
        ({"data": {"preparation": {"intensity": "nyul"}}}, "intensity=nyul, for"),
    ],
)
def test_what_monai_has_no_transform_for_is_refused(config, message, images, tmp_path):
    preparation = {"_target_": "neurotarget.data.batches.prepare.Preparation"}
    config = {"data": {"preparation": preparation | config["data"]["preparation"]}}
    run = write_run(tmp_path / "run", images=images, config=config)
    with pytest.raises(DataError, match=message):
        export_runs(run, tmp_path / "bundle", kind="monai")
    assert not (tmp_path / "bundle").exists()


def test_the_command_prints_where_the_bundle_is(runs, tmp_path, capsys):
    folder = tmp_path / "bundle"
    assert export([f"run={runs[0]}", f"output={folder}", "format=monai"]) == 0
    assert f"bundle   {folder}" in capsys.readouterr().out
    assert (folder / "models" / "model.ts").is_file()
