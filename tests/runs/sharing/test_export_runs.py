"""Exported files predict what their runs predict, and hold nothing else of these."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from neurotarget.files.hashes import digest
from neurotarget.models.nets.resnet import ResNet
from neurotarget.problems import DataError
from neurotarget.runs.network import shipped
from neurotarget.runs.network.network_file import read_card, read_network_file
from neurotarget.runs.network.predict_scans import predict_scans
from neurotarget.runs.sharing.export_runs import export_runs
from oracles.runs import TARGET, write_images, write_run, write_weights

PREPARATION = "neurotarget.data.batches.prepare.Preparation"
PEOPLE = (
    "case_id\tsubject_id\tsplit\tage\tsex\nsecret_1\ts\ttrain\t20\tF\nsecret_2\tt\tval\t70\tM\n"
)
OUTCOMES = {
    "_target_": "neurotarget.types.Target",
    "name": "illness",
    "contrasts": ["t1"],
    "labels": {},
    "outcomes": {"ill": {"kind": "binary", "classes": ["no", "yes"]}},
    "spacing_mm": [1, 1, 1],
    "patch_vox": [16, 16, 16],
}
DEPTH = {"depth": 10, "width": 2, "stem_kernel": 3, "pool": False}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), ["sub-00", "sub-01"])


@pytest.fixture(scope="module")
def runs(images, tmp_path_factory):
    """Runs of two models, one with post-processing."""
    folder = tmp_path_factory.mktemp("runs")
    mirror = {"augment": {"flip": {"p": 0.5, "axes": [0]}}, "windows": {"mirror": "auto"}}
    for fold, model in enumerate(("unet", "resunet")):
        run = write_run(folder / model, model=model, fold=fold, images=images, config=mirror)
        (run / "people.tsv").write_text(PEOPLE)
    steps(folder / "unet", "postprocessing", {"largest_pieces": {"core": 1}})
    return folder


@pytest.fixture(scope="module")
def cascade(images, tmp_path_factory):
    """A cascade whose localiser accepts what it finds."""
    cascades = {"cascade": {"localise": True}, "target": TARGET | {"patch_vox": [8, 8, 8]}}
    run = write_run(tmp_path_factory.mktemp("cascade") / "run", images=images, config=cascades)
    coarse = TARGET | {"labels": {"ball": [1, 2]}, "spacing_mm": [2, 2, 2], "patch_vox": [8] * 3}
    first = write_run(run / "localiser", seed=3, images=images, config={"target": coarse})
    write_weights(first, "unet", 3, num_labels=2)
    (first / "weights" / "best.ckpt").rename(first / "weights" / "last.ckpt")
    limits = {"size_mm": [8, 8, 8], "volume_mm3": [1, 1e6], "margin_mm": 1, "least_mm": [4, 4, 4]}
    loose = {"min_confidence": 0, "min_inside": 0, "tolerance": 100}
    (first / "localiser.json").write_text(json.dumps(limits | loose))
    return run


@pytest.fixture(scope="module")
def classifier(images, tmp_path_factory):
    """A network of whole images with corrected probabilities."""
    model = {"_target_": "neurotarget.models.nets.resnet.ResNet", **DEPTH}
    config = {"target": OUTCOMES, "model": model}
    config |= {"task": {"_target_": "neurotarget.tasks.classification.ClassificationTask"}}
    run = write_run(tmp_path_factory.mktemp("outcomes") / "run", images=images, config=config)
    whole = yaml.safe_load((run / "config.yaml").read_text()) | config  # nothing is merged into
    (run / "config.yaml").write_text(yaml.safe_dump(whole))
    torch.manual_seed(0)
    state = {f"net.{name}": value for name, value in ResNet(1, 1, **DEPTH).state_dict().items()}
    torch.save({"state_dict": state}, run / "weights" / "best.ckpt")
    lines = {"ill": {"intercept": -0.7, "slope": 1.5}}
    steps(run, "recalibration", {"lines": lines, "thresholds": {"ill": 0.3}})
    return run


def steps(run, name, values):
    sha256 = digest(run / "weights" / "best.ckpt")
    (run / f"{name}.json").write_text(json.dumps({"steps": values, "weights_sha256": sha256}))


def predicted(run, images, output, **settings):
    """The table without the hash of the weights, and the voxels of all maps."""
    done = predict_scans(run, images / "sub-00.nii.gz", output, device="cpu", **settings)
    assert [one.status for one in done.results] == ["done"], done.results
    table = pd.read_csv(done.table, sep="\t").drop(columns="made_from")
    maps = {path.name: nib.load(path).get_fdata() for path in sorted(output.glob("*.nii.gz"))}
    return table, maps


def assert_same(run, file, images, folder, **settings):
    before, after = (
        predicted(one, images, folder / name, **settings) for one, name in ((run, "a"), (file, "b"))
    )
    pd.testing.assert_frame_equal(before[0], after[0])
    assert before[1].keys() == after[1].keys()
    for name, voxels in before[1].items():
        np.testing.assert_array_equal(voxels, after[1][name])
    return before


def test_a_segmentation_is_the_same(runs, images, tmp_path):
    file = export_runs(runs / "unet", tmp_path / "net.safetensors").file
    maps = {"probabilities": True}
    table, voxels = assert_same(runs / "unet", file, images, tmp_path, **maps)
    assert len(np.unique(voxels["sub-00.nii.gz"])) > 1
    raw, _ = predicted(file, images, tmp_path / "raw", postprocess="none")
    assert not raw.equals(table)  # the steps had been applied


@pytest.mark.parametrize("mode", ["mean", "soup"])
def test_an_ensemble_is_the_same(mode, runs, images, tmp_path):
    pair = [runs / "unet", runs / "resunet"]
    if mode == "soup":
        pair[1] = write_run(tmp_path / "other", seed=2, images=images)
    file = export_runs(pair, tmp_path / "net.safetensors", ensemble=mode).file
    members = read_network_file(file).document["members"]
    assert len(members) == {"mean": 2, "soup": 1}[mode]
    (tmp_path / "b").mkdir()
    before = predicted(pair, images, tmp_path / "a", ensemble=mode, probabilities=True)
    after = predicted(file, images, tmp_path / "b", probabilities=True)
    pd.testing.assert_frame_equal(before[0], after[0])
    for name, voxels in before[1].items():
        np.testing.assert_array_equal(voxels, after[1][name])


def test_a_cascade_is_the_same_and_an_ensemble_of_cascades_holds_one_localiser(
    cascade, images, tmp_path
):
    file = export_runs([cascade, cascade], tmp_path / "net.safetensors", name="twice").file
    table, _ = assert_same([cascade, cascade], file, images, tmp_path, probabilities=True)
    assert not table["note"].str.contains("not localised").any()
    tensors = read_network_file(file).tensors
    assert {name.partition(".")[0] for name in tensors} == {"0", "1", "localiser"}
    assert "a localiser (PlainUNet) at 2 × 2 × 2 mm" in read_card(file)


def test_an_outcome_is_the_same_with_its_recalibration(classifier, images, tmp_path):
    file = export_runs(classifier, tmp_path / "net.safetensors").file
    table, _ = assert_same(classifier, file, images, tmp_path)
    raw, _ = predicted(file, images, tmp_path / "raw", postprocess="none")
    assert raw["ill_probability"][0] != table["ill_probability"][0]
    assert read_network_file(file).document["members"][0]["steps"]["thresholds"] == {"ill": 0.3}


def test_half_takes_half_and_the_change_is_measured(runs, images, tmp_path):
    whole = export_runs(runs / "unet", tmp_path / "whole.safetensors")
    half = export_runs(runs / "unet", tmp_path / "half.safetensors", half=True)
    sizes = [
        sum(tensor.nbytes for tensor in read_network_file(one.file).tensors.values())
        for one in (whole, half)
    ]
    assert 0.5 <= sizes[1] / sizes[0] < 0.6
    assert "16. On one held-out case, " in half.card
    assert "bits of a weight: 32" in whole.card
    maps = [
        predicted(one.file, images, tmp_path / one.file.stem, probabilities=True)[1]
        for one in (whole, half)
    ]
    change = max(abs(maps[0][name] - maps[1][name]).max() for name in maps[0] if "prob" in name)
    assert 0 < change < 0.005


def test_a_card_joins_what_the_run_knows_with_the_text_of_its_author(runs, tmp_path):
    (tmp_path / "card.md").write_text(
        "Segments balls.\n\n## Licences\nCC0.\n\n## Known failures\nCubes.\n\n## Thanks\nTo all.\n"
    )
    exported = export_runs(
        runs / "unet", tmp_path / "net.safetensors", card=tmp_path / "card.md", name="balls"
    )
    card = exported.card
    assert card == read_card(exported.file)
    assert card.startswith("# balls\n\nSegments balls.\n\n## Intended use\nResearch")
    assert "## Licences\nCC0.\n" in card
    assert "Cubes." in card.partition("## Known failures")[2].partition("## Thanks")[0]
    assert "- ages in the training: 20 to 20" in card
    assert "- cases: 1 train, 1 val, of 2 people" in card
    assert "not a medical device" in card


def test_neither_paths_nor_names_of_cases_are_in_a_file(runs, images, tmp_path):
    file = export_runs(runs / "unet", tmp_path / "net.safetensors").file
    raw = file.read_bytes()
    for secret in (b"sub-0", b"secret_", str(images).encode(), b"/tmp", b"optimizer"):
        assert secret not in raw


def test_a_file_that_ships_is_found_by_its_name(runs, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    export_runs(runs / "unet", tmp_path / "weights" / "ball.safetensors")
    monkeypatch.chdir(tmp_path)
    by_name, _ = predicted("ball", images, tmp_path / "named")
    by_path, _ = predicted(tmp_path / "weights" / "ball.safetensors", images, tmp_path / "path")
    pd.testing.assert_frame_equal(by_name, by_path)
    with pytest.raises(DataError, match=r"run=bal: .*did you mean ball\? known are ball"):
        predict_scans("bal", images, tmp_path / "no")
    (tmp_path / "ball").symlink_to(runs / "resunet")
    predicted("ball", images, tmp_path / "folder")
    assert "run=ball: the folder ./ball, not the shipped network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": "net.zip"}, r"found .*net\.zip, wanted a name that ends in \.safetensors"),
        ({"ensemble": "vote"}, "ensemble: found vote, wanted mean or soup"),
        ({"card": "nothing.md"}, r"card: .*nothing\.md cannot be read \(No such file"),
        ({"run": []}, "found an empty list"),
        ({"run": "nowhere"}, "run=nowhere: found no folder or file"),
        ({"weights": "last"}, r"last\.ckpt: no such weights \(there: best\)"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(settings, message, runs, tmp_path):
    settings = {"run": runs / "unet", "output": tmp_path / "net.safetensors"} | settings
    with pytest.raises(DataError, match=message):
        export_runs(**settings)
    assert not (tmp_path / "net.safetensors").exists()


def test_files_of_others_are_kept_and_files_are_not_exported_again(runs, tmp_path):
    file = tmp_path / "net.safetensors"
    file.write_text("mine")
    with pytest.raises(DataError, match=r"net\.safetensors"):
        export_runs(runs / "unet", file)
    assert file.read_text() == "mine"
    export_runs(runs / "unet", file, overwrite=True)
    with pytest.raises(DataError, match=r"found the file .*, wanted run folders"):
        export_runs(file, tmp_path / "again.safetensors")
