import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

from neurotarget.cli.main import run
from neurotarget.problems import DataError
from neurotarget.runs.folder.finished_runs import run_folders
from neurotarget.runs.folder.multirun import MULTIRUN
from neurotarget.sweeps.cross_validation import pool_multirun, pooled_folder

SHORT = ["trainer.max_epochs=1", "logger.wandb=disabled", "logger.pictures=0"]


@pytest.fixture(scope="module")
def multirun(tiny, train_arguments, command):
    """A cross-validation of three folds by one command, and what it printed."""
    folder = tiny / "cv"
    done = command(*train_arguments, *SHORT, "cv=3", f"hydra.sweep.dir={folder}", cwd=tiny)
    return folder, done.stdout


@pytest.fixture
def copied(multirun, tmp_path):
    """A copy of the multirun, to be broken."""
    shutil.copytree(multirun[0], tmp_path / "cv", symlinks=True)
    shutil.rmtree(tmp_path / "cv" / "cross_validation")
    return tmp_path / "cv"


def test_each_case_is_predicted_once_by_the_fold_that_held_it_out(multirun):
    home = multirun[0] / "cross_validation"
    folds = pd.read_csv(home / "folds.tsv", sep="\t", dtype=str)
    assert sorted(folds["case_id"]) == [f"sub-{number:02d}" for number in range(12)]
    assert folds["fold"].value_counts().to_dict() == {"0": 4, "1": 4, "2": 4}
    for line in folds.itertuples():
        splits = pd.read_csv(multirun[0] / line.run / "splits.tsv", sep="\t", index_col="case_id")
        assert splits.loc[line.case_id, "split"] == "test"
        own = multirun[0] / line.run / "predictions" / f"{line.case_id}.nii.gz"
        mine = home / "predictions" / own.name
        assert np.array_equal(nib.load(own).dataobj, nib.load(mine).dataobj)


def test_the_rows_are_those_of_the_folds(multirun):
    folder = multirun[0]
    parts = [pd.read_csv(place / "rows.csv") for place in run_folders([folder])]
    assert len(parts) == 3  # the pooled folds are no run of their own
    pooled = pd.read_csv(folder / "cross_validation" / "rows.csv")
    assert len(pooled) == sum(map(len, parts))
    keys = ["case_id", "label", "metric"]
    whole = pd.concat(parts).set_index(keys)["value"].sort_index()
    assert whole.equals(pooled.set_index(keys)["value"].sort_index())


def test_one_report_and_summary_are_over_all_cases(multirun):
    folder, printed = multirun
    summary = json.loads((folder / "cross_validation" / "summary.json").read_text())
    assert summary["n_test"] == 12
    assert [one["fold"] for one in summary["folds"]] == [0, 1, 2]
    means = [one["dice_mean"] for one in summary["folds"]]
    assert summary["dice_mean"] == pytest.approx(np.mean(means))  # folds are of equal size
    assert (folder / "cross_validation" / "report.html").is_file()
    assert "cross-validation: 3 folds, 12 cases, each once" in printed
    assert f"neurotarget predict run={folder}" in printed


def test_resuming_runs_nothing_again_and_pools_anew(multirun, tiny, command):
    folder = multirun[0]
    shutil.rmtree(folder / "cross_validation")
    own = f"--config-dir={tiny / 'conf'}"
    done = command("train.py", own, f"resume={folder}", cwd=tiny)
    assert "3 jobs, 3 of them done before" in done.stdout
    assert (folder / "cross_validation" / "report.html").is_file()


def test_predict_averages_the_networks_of_all_folds(multirun, tiny, command):
    scan, folder = tiny / "data" / "sub-00.nii.gz", tiny / "cv_masks"
    arguments = [f"run={multirun[0]}", f"input={scan}", f"output={folder}"]
    done = command("predict.py", *arguments, cwd=tiny, check=False)
    assert "the mean of the probabilities of 3 networks" in done.stdout
    assert "left out" not in done.stdout
    assert (folder / "sub-00.nii.gz").is_file()


def test_a_study_takes_the_multirun(copied, capsys):
    assert run(["study", f"rows={copied}", "cases=0", "ask=volume[shell] ~ age: any"]) == 0
    assert f"report  {copied / 'cross_validation' / 'report.html'}" in capsys.readouterr().out
    assert pooled_folder(copied) == copied / "cross_validation"


def test_a_fold_that_is_not_finished_is_named(copied):
    (copied / "data.fold=1" / "result.json").unlink()
    with pytest.raises(DataError, match=r"found unfinished folds \(data\.fold=1 is missing\)"):
        pool_multirun(copied)


def test_a_case_that_no_fold_has_held_out_is_named(copied):
    record = yaml.safe_load((copied / MULTIRUN).read_text())
    record["jobs"] = [job for job in record["jobs"] if job["name"] != "data.fold=2"]
    (copied / MULTIRUN).write_text(yaml.safe_dump(record))
    with pytest.raises(DataError, match=r"found 4 cases that no fold has held out \(sub-"):
        pool_multirun(copied)


def test_folds_that_hold_out_the_same_cases_are_refused(copied):
    for name in ("cases.tsv", "rows.csv"):
        for number in (1, 2):
            shutil.copy(copied / "data.fold=0" / name, copied / f"data.fold={number}" / name)
    with pytest.raises(DataError, match="found all held-out cases in several folds"):
        pool_multirun(copied)


def test_folds_of_other_targets_are_refused(copied):
    path = copied / "data.fold=2" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["target"]["labels"] = {"core": 1, "shell": 3}
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match="found another target than in"):
        pool_multirun(copied)


def test_a_multirun_without_folds_is_no_cross_validation(copied):
    text = (copied / MULTIRUN).read_text().replace("data.fold=", "seed=")
    (copied / MULTIRUN).write_text(text)
    with pytest.raises(DataError, match=r"found no data\.fold in its jobs"):
        pool_multirun(copied)


def test_a_dry_run_trains_nothing_and_leaves_nothing(tiny, train_arguments, command):
    before = {*tiny.rglob("*")}
    done = command(*train_arguments, "dry_run=true", "cv=3", cwd=tiny)
    assert "held out: 4 cases of 4 people" in done.stdout
    assert "cv        3 such trainings, one per fold; this is fold 0" in done.stdout
    assert "nothing was trained" in done.stdout
    assert {*tiny.rglob("*")} == before
