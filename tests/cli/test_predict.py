import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from neurotarget.cli.commands import predict as program
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.network.run_ensemble import load_ensemble
from neurotarget.types import Case
from oracles.runs import TARGET, write_images, write_run

predict = exits_with_sentence(program.predict)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"), ["sub-00", "sub-01"])


@pytest.fixture(scope="module")
def multirun(tmp_path_factory, images):
    """Two models of two seeds each, and three runs that are not finished."""
    folder = tmp_path_factory.mktemp("multirun")
    for model in ("unet", "resunet"):
        for seed in (1, 2):
            run = write_run(folder / f"{model}{seed}", model=model, seed=seed, images=images)
            status = {"status": "done", "words": [], "values": {}, "reason": "", "log": "job.log"}
            (run / "result.json").write_text(json.dumps(status))
    for name in ("failed", "running", "empty"):
        shutil.copytree(folder / "unet1", folder / name)
    failed = status | {"status": "failed", "reason": "out of memory"}
    (folder / "failed" / "result.json").write_text(json.dumps(failed))
    for name in ("result.json", "summary.json"):
        (folder / "running" / name).unlink()
    shutil.rmtree(folder / "empty" / "weights")
    return folder


def segment(run, output, images, **arguments):
    settings = {"weights": "best", "ensemble": "mean", "device": "cpu", "overlap": None}
    settings |= {
        "postprocess": "run",
        "mirror": None,
        "trust": False,
        "overwrite": False,
        "probabilities": False,
        "layout": "plain",
        "dicom_seg": False,
        "qc": False,
    }
    settings |= {"threads": None, "run": run, "output": str(output)}
    manifest = output.with_suffix(".tsv")
    manifest.write_text(f"case_id\tsubject_id\tt1\nsub-00\tsub-00\t{images}/sub-00.nii.gz\n")
    predict(OmegaConf.create(settings | {"input": str(manifest)} | arguments))
    return nib.load(output / "sub-00.nii.gz").get_fdata()


def probabilities(run, images):
    case = Case("sub-00", "sub-00", {"t1": images / "sub-00.nii.gz"})
    predictor = load_predictor(run, device="cpu")[0]
    return predictor.predict(case, probabilities=True).probabilities


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ({"overwrite": "flase"}, "overwrite: found 'flase', wanted true or false"),
        ({"probabilities": "yse"}, "probabilities: found 'yse', wanted true or false"),
        ({"threads": "two"}, "threads: found 'two', wanted null, or a whole number"),
        ({"threads": 0}, "threads: found 0, wanted null, or a whole number"),
        ({"ensemble": "vote"}, "ensemble: found 'vote', wanted mean or soup"),
        ({"postprocess": True}, "postprocess: found True, wanted run or none"),
    ],
)
def test_settings_of_another_type_are_one_sentence(word, error, capsys):
    arguments = {"run": "r", "input": "i", "output": "o", "threads": None, "trust": False}
    arguments |= {"weights": "best", "device": "cpu", "overlap": None, "mirror": None}
    arguments |= {"postprocess": "run"}
    arguments |= {"overwrite": False, "probabilities": False, "ensemble": "mean"}
    with pytest.raises(SystemExit, match="2"):
        predict(OmegaConf.create(arguments | word))
    assert capsys.readouterr().err.startswith(f"error: {error}")


def test_a_multirun_folder_is_the_ensemble_of_its_finished_runs(multirun, images, tmp_path, capsys):
    found = segment(str(multirun), tmp_path / "out", images)
    runs = [multirun / name for name in ("resunet1", "resunet2", "unet1", "unet2")]
    mean = np.mean([probabilities(run, images) for run in runs], axis=0)
    np.testing.assert_array_equal(found, mean.argmax(axis=0))
    assert len(np.unique(found)) > 1
    output = capsys.readouterr().out
    assert "not finished, and left out: empty, failed, running" in output
    assert "the mean of the probabilities of 4 networks (resunet1, resunet2, unet1," in output


def test_several_runs_may_be_listed(multirun, images, tmp_path):
    pair = [str(multirun / "unet1"), str(multirun / "resunet2")]
    found = segment(pair, tmp_path / "out", images)
    mean = np.mean([probabilities(run, images) for run in pair], axis=0)
    np.testing.assert_array_equal(found, mean.argmax(axis=0))
    with pytest.raises(SystemExit, match="2"):
        segment([], tmp_path / "out", images)


def test_predictions_of_one_ensemble_are_kept_and_of_another_refused(
    multirun, images, tmp_path, capsys
):
    pair = [str(multirun / "unet1"), str(multirun / "resunet2")]
    segment(pair, tmp_path / "out", images)
    before = (tmp_path / "out" / "sub-00.nii.gz").stat().st_mtime_ns
    segment(pair[:1] + pair[1:], tmp_path / "out", images)
    assert (tmp_path / "out" / "sub-00.nii.gz").stat().st_mtime_ns == before
    for other in (pair[:1], [pair[0], str(multirun / "resunet1")]):
        with pytest.raises(SystemExit, match="2"):
            segment(other, tmp_path / "out", images)
        assert "found predictions of other weights" in capsys.readouterr().err


def test_the_hash_covers_all_weights_in_any_order(multirun):
    runs = [multirun / "unet1", multirun / "unet2"]
    hashes = [load_ensemble(some, device="cpu")[1] for some in (runs, runs[::-1])]
    assert hashes[0] == hashes[1]
    assert hashes[0] != load_ensemble(runs, mode="soup", device="cpu")[1]
    assert hashes[0] != load_ensemble([runs[0], runs[0]], device="cpu")[1]


def test_a_soup_is_one_network(multirun, images, tmp_path, capsys):
    pair = [str(multirun / "unet1"), str(multirun / "unet2")]
    segment(pair, tmp_path / "out", images, ensemble="soup")
    assert "the mean of the weights of 2 networks (unet1, unet2)" in capsys.readouterr().out
    volumes = pd.read_csv(tmp_path / "out" / "volumes.tsv", sep="\t")
    assert list(volumes["status"]) == ["done"]
    predictor, _ = load_ensemble(
        [multirun / "unet1", multirun / "unet2"], mode="soup", device="cpu"
    )
    apart = [load_predictor(multirun / name, device="cpu")[0] for name in ("unet1", "unet2")]
    states = [one.net.state_dict() for one in apart]
    for name, tensor in predictor.net.state_dict().items():
        np.testing.assert_allclose(tensor, (states[0][name] + states[1][name]) / 2, rtol=1e-6)


def test_runs_that_do_not_belong_together_are_refused(multirun, images, tmp_path):
    with pytest.raises(
        DataError, match=r"soup: .*resunet1 has another model than .*unet1 \(_target_ "
    ):
        load_ensemble([multirun / "unet1", multirun / "resunet1"], mode="soup", device="cpu")
    coarse = {"target": TARGET | {"spacing_mm": [2.0, 2.0, 2.0]}}
    other = write_run(tmp_path / "other", images=images, config=coarse)
    with pytest.raises(DataError, match=r"spacing_mm \[2.0, 2.0, 2.0\], and \[1.0, 1.0, 1.0\]"):
        load_ensemble([multirun / "unet1", other], device="cpu")


def test_a_multirun_without_a_finished_run_is_refused(tmp_path, images, capsys):
    (write_run(tmp_path / "multirun" / "a", images=images) / "summary.json").unlink()
    with pytest.raises(SystemExit, match="2"):
        segment(str(tmp_path / "multirun"), tmp_path / "out", images)
    error = capsys.readouterr().err
    assert "found 1 runs, none of them finished with weights/best.ckpt" in error
    with pytest.raises(SystemExit, match="2"):
        segment(str(tmp_path / "nothing"), tmp_path / "out", images)
    assert "found no config.yaml there" in capsys.readouterr().err


def test_the_series_of_a_disc_is_chosen_by_its_description(
    multirun, images, cases_folder, tmp_path, capsys
):
    arguments = {"input": str(cases_folder / "dicom_on_a_cd")}
    with pytest.raises(SystemExit, match="2"):
        segment(str(multirun / "unet1"), tmp_path / "out", images, **arguments)
    assert "t1_mprage (20 slices, in DICOM/ST000000/SE000001)" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="sub-00"):  # segment looks for that case
        segment(str(multirun / "unet1"), tmp_path / "out", images, series="t1_mprage", **arguments)
    volumes = pd.read_csv(tmp_path / "out" / "volumes.tsv", sep="\t")
    assert volumes[["case_id", "status"]].values.tolist() == [["dicom_on_a_cd", "done"]]
