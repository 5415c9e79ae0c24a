"""The whole main path as its user runs it, and the files it leaves."""

import json
import shlex
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from neurotarget.cli.main import run


def test_run_folder_holds_all_that_a_run_makes(trained):
    folder, _ = trained
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        "config.yaml",
        "run.json",
        "splits.tsv",
        "rows.csv",
        "summary.json",
        "weights/best.ckpt",
        "weights/last.ckpt",
        "logs/metrics.csv",
        "predictions/volumes.tsv",
        "postprocessing.json",
        "cases.tsv",
        "report.html",
        "study/effects.tsv",
        "study/agreement.tsv",
        "study/figures/scatter.svg",
    } <= files
    assert len(list((folder / "pictures").glob("*.png"))) == 3


def test_summary_says_what_was_found(trained):
    summary = json.loads((trained[0] / "summary.json").read_text())
    assert summary["experiment"] == "ball"
    assert summary["model"] == "resunet"
    assert summary["seed"] == 1
    assert summary["train_seconds"] > 0
    assert summary["n_test"] == 3
    assert 0 < summary["dice_mean"] <= 1
    assert summary["dice"].keys() == summary["hd95_mm"].keys() == {"core", "shell"}
    assert {"pearson_r", "icc_a1", "bias_mm3"} <= summary["volume"]["core"].keys()
    effect = summary["hypotheses"]["sex_difference"]["reference"]
    assert {"estimate", "low", "high", "verdict"} <= effect.keys()


def test_a_network_that_has_not_learnt_says_so_first_and_everywhere(train_arguments, tiny, command):
    folder = tiny / "unlearnt"
    limits = ["trainer.max_time=00:01:00:00", "+trainer.max_steps=2", "optimizer.lr=1e-9"]
    limits += ["logger.pictures=0", "logger.wandb=disabled"]
    done = command(*train_arguments, *limits, f"hydra.run.dir={folder}", cwd=tiny)
    text = done.stdout.partition("NOT LEARNT: no conclusion can be drawn from this network\n")[2]
    assert text.startswith("  The mean Dice of 6 held-out masks is 0.")
    assert "an empty mask has 0, a mask of all that the network sees" in text
    assert "2 training steps were done of 2 that its settings require" in text
    assert "no case failed" not in text
    assert "trainer.max_time=00:01:00:00 limits the training time; 2 training steps" in text
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["learnt"] == "not learnt"
    assert summary["learnt_reasons"][0] in text
    assert summary["training"]["steps"] == summary["training"]["expected_steps"] == 2
    assert 0 < summary["training"]["all_foreground_dice"] < 0.2
    assert summary["depends_on_machine"] in text
    verdicts = [one["predicted"]["verdict"] for one in summary["hypotheses"].values()]
    assert verdicts == ["no conclusion"] * 2
    page = (folder / "report.html").read_text()
    assert page.index("NOT LEARNT: no conclusion") < page.index('class="eyebrow"')
    assert "predicted volumes allow no conclusion" in page
    assert "The result depends on the machine: trainer.max_time" in page
    again = run(["study", f"rows={folder}", f"output={tiny / 'again'}", "cases=0"])
    assert again == 0
    assert "NOT LEARNT: no conclusion can be" in (tiny / "again" / "report.html").read_text()


def test_run_prints_the_table_and_where_the_files_are(trained):
    folder, done = trained
    assert "Are balls larger in women?" in done.stdout
    assert "sex_difference" in done.stdout
    assert str(folder) in done.stdout


def test_one_validation_case_teaches_no_postprocessing(trained):
    folder, done = trained
    text = "nothing learned from 1 validation case: too few"
    assert text in done.stdout
    found = json.loads((folder / "summary.json").read_text())["postprocessing"]
    assert (found["n_cases"], found["labels"]) == (1, {})


def test_rows_have_every_held_out_case_and_label(trained):
    folder, _ = trained
    rows = pd.read_csv(folder / "rows.csv")
    splits = pd.read_csv(folder / "splits.tsv", sep="\t")
    held_out = set(splits[splits["split"] == "test"]["case_id"])
    assert set(rows["case_id"]) == held_out
    dice = rows[rows["metric"] == "dice"]
    assert len(dice) == 2 * len(held_out)


def test_validation_logs_dice_and_volume_agreement(trained):
    columns = pd.read_csv(trained[0] / "logs" / "metrics.csv").columns
    assert {
        "train/loss",
        "val/dice/core",
        "val/dice_mean",
        "val/volume_r/shell",
        "val/volume_rho/shell",
        "val/volume_icc/shell",
    } <= set(columns)


def test_weights_load_as_plain_values(trained):
    for name in ("best", "last"):
        state = torch.load(trained[0] / "weights" / f"{name}.ckpt", weights_only=True)
        assert any(key.startswith("net.") for key in state["state_dict"])


def test_config_is_resolved_and_run_is_described(trained):
    folder, _ = trained
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["data"]["cache"] == "cache/ball"
    record = json.loads((folder / "run.json").read_text())
    assert record["versions"]["torch"] == torch.__version__
    assert record["hardware"]["cores"] >= 1
    assert len(record["started"]) == 1


def test_offline_wandb_file_holds_config_scores_and_tables(trained, wandb_records):
    files = list((trained[0] / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 1
    keys, config, summary, tags, finished = set(), set(), set(), set(), False
    for record in wandb_records(files[0]):
        keys |= {item.key or item.nested_key[0] for item in record.history.item}
        config |= {item.key for item in (*record.run.config.update, *record.config.update)}
        summary |= {item.key or item.nested_key[0] for item in record.summary.update}
        tags |= set(record.run.tags)
        finished |= record.HasField("exit")
    assert {"train/loss", "val/dice/core", "val/volume_r/core", "test/rows"} <= keys
    drawn = {path.stem for path in (trained[0] / "study" / "figures").glob("*.png")}
    assert {f"study/figures/{name}" for name in drawn} <= keys
    assert {"scatter", "bland_altman", "dice"} <= drawn
    shown = {path.stem for path in (trained[0] / "pictures").glob("*.png")}
    assert {f"test/overlays/{name}" for name in shown} <= keys
    tables = (trained[0] / "study").glob("*.tsv")
    full = {path.stem for path in tables if len(path.read_text().splitlines()) > 1} - {"claim"}
    assert {f"study/{name}" for name in full} <= keys
    assert {"effects", "agreement", "failures", "cases", "volumes"} <= full
    assert not [key for key in keys if key.startswith("study/")][len(full) + len(drawn) :]
    assert {"target", "seed", "data_fingerprint", "versions", "code"} <= config
    assert {"test/dice_mean", "learnt", "best/val/dice_mean", "report"} <= summary | keys
    assert {"ball", "fold 0", "seed 1"} <= tags
    assert finished


def test_a_study_that_fails_takes_no_result_with_it(train_arguments, tiny, command, wandb_records):
    folder = tiny / "failed_study"
    folder.mkdir()
    (folder / "study").write_text("a file where the folder should be")
    words = ["trainer.max_epochs=1", "logger.pictures=0", "overwrite=true"]
    words += [f"hydra.run.dir={folder}"]
    done = command(*train_arguments, *words, cwd=tiny, check=False)
    assert done.returncode == 2
    assert "the study of this run failed" in done.stderr
    assert f"neurotarget study rows={folder} tries again" in done.stderr
    assert "Traceback" not in done.stderr
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["n_test"], summary["experiment"]) == (3, "ball")
    assert (folder / "rows.csv").is_file()
    assert len(list((folder / "predictions").glob("*.nii.gz"))) == 3
    records = [*wandb_records(next((folder / "wandb").glob("offline-run-*/run-*.wandb")))]
    logged = {item.key or item.nested_key[0] for each in records for item in each.summary.update}
    assert {"test/dice_mean", "test/rows"} <= logged
    (folder / "study").unlink()
    assert run(["study", f"rows={folder}", "cases=0"]) == 0
    assert (folder / "report.html").is_file()


def test_a_task_of_slurm_without_a_home_in_an_odd_folder_leaves_a_whole_run(
    train_arguments, tiny, fresh_interpreter, monkeypatch
):
    place = tiny / "Müller & 头部's; $x [a]{b},c=d (1)"
    place.mkdir()
    for key, value in {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}.items():
        monkeypatch.setenv(key, value)
    for key in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(key, "/dev/null/none")
    short = ["trainer.max_epochs=1", f"paths.cache={place}/cache", "paths.runs=runs #1"]
    short += ["logger.pictures=0"]
    done = fresh_interpreter(*train_arguments, *short, cwd=place)
    (folder,) = place.glob("runs #1/ball/2*")
    assert "this is number 1); for one training on all of them, set trainer.devices=" in done.stdout
    assert len((folder / "logs" / "metrics.csv").read_text(encoding="utf-8").splitlines()) > 1
    for name in ("config.yaml", "rows.csv", "summary.json", "report.html", "weights/best.ckpt"):
        assert (folder / name).is_file()
    media = "wandb/offline-run-*/files/media/table/test/rows_*.table.json"
    assert list(folder.glob(media))
    advice = next(line for line in done.stdout.splitlines() if "stopped?" in line)
    own = next(word for word in train_arguments if word.startswith("--config-dir="))
    assert shlex.split(advice)[1:] == ["python", train_arguments[0], own, f"resume={folder}"]


def test_killed_and_resumed_run_equals_an_unbroken_one(trained, resumed):
    whole = torch.load(trained[0] / "weights" / "last.ckpt", weights_only=True)
    broken = torch.load(resumed / "weights" / "last.ckpt", weights_only=True)
    assert (whole["epoch"], whole["global_step"]) == (broken["epoch"], broken["global_step"])
    for key, values in whole["state_dict"].items():
        assert torch.equal(values, broken["state_dict"][key]), key
    rates = [state["lr_schedulers"][0]["_last_lr"] for state in (whole, broken)]
    assert rates[0] == rates[1]
    record = json.loads((resumed / "run.json").read_text())
    assert len(record["started"]) == 2
    first, second = (
        pd.read_csv(folder / "rows.csv").set_index(["case_id", "label", "metric"])["value"]
        for folder in (trained[0], resumed)
    )
    pd.testing.assert_series_equal(first, second)


def test_resumed_run_keeps_the_scores_of_its_first_sitting(trained, resumed):
    whole, broken = (
        pd.read_csv(folder / "logs" / "metrics.csv") for folder in (trained[0], resumed)
    )
    columns = ["step", "val/dice/core", "val/loss"]
    curves = [log[columns].dropna().reset_index(drop=True) for log in (whole, broken)]
    assert len(curves[0]) == 4
    pd.testing.assert_frame_equal(*curves)


def test_resumed_run_goes_on_with_the_same_wandb_run(resumed):
    run_id = json.loads((resumed / "run.json").read_text())["id"]
    files = list((resumed / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert all(file.name == f"run-{run_id}.wandb" for file in files)


JOBS = ("seed=1", "seed=2")


def test_every_job_of_a_multirun_has_a_finished_wandb_run(
    train_arguments, tiny, command, wandb_records
):
    script, *words = train_arguments
    short = [*words, "trainer.max_epochs=1", "held_out=false"]
    command(script, "-m", *short, "seed=1,2", f"hydra.sweep.dir={tiny / 'sweep'}", cwd=tiny)
    folders = [tiny / "sweep" / job / "wandb" for job in JOBS]
    files = [list(folder.glob("offline-run-*/run-*.wandb")) for folder in folders]
    assert [len(found) for found in files] == [1, 1]
    assert files[0][0].name != files[1][0].name
    for (file,) in files:
        assert any(record.HasField("exit") for record in wandb_records(file))
    configs = [yaml.safe_load((tiny / "sweep" / job / "config.yaml").read_text()) for job in JOBS]
    assert [config["seed"] for config in configs] == [1, 2]


@pytest.fixture
def hippocampi(shared_data, tmp_path) -> Path:
    """The first thirty of the public data set."""
    folder, whole = tmp_path / "hippocampus", shared_data / "hippocampus"
    folder.mkdir()
    content = json.loads((whole / "dataset.json").read_text())
    content["training"] = content["training"][:30]
    (folder / "dataset.json").write_text(json.dumps(content))
    for name in ("imagesTr", "labelsTr"):
        (folder / name).symlink_to(whole / name)
    return folder


def test_real_hippocampi_go_the_whole_way(hippocampi, tmp_path, command):
    words = [
        "experiment=hippocampus",
        f"data.root={hippocampi}",
        "patch_vox=[32,40,32]",
        "data.patches_per_epoch=200",
        "data.batch_size=2",
        "optimizer.lr=0.003",
        "trainer.max_epochs=1",
        "trainer.max_time=null",
        "logger.wandb=disabled",
        "logger.pictures=0",
        f"hydra.run.dir={tmp_path / 'run'}",
    ]
    command("train.py", *words, cwd=tmp_path)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["n_test"], summary["n_failed"]) == (6, 0)
    assert summary["dice_mean"] > 0.3


@pytest.fixture(scope="session")
def predicted(trained, tiny, command):
    scan = nib.load(tiny / "data" / "sub-00.nii.gz")
    folder = tiny / "scans"
    folder.mkdir()
    turned = nib.orientations.axcodes2ornt("PSR")
    here = nib.orientations.io_orientation(scan.affine)
    oblique = scan.as_reoriented(nib.orientations.ornt_transform(here, turned))
    oblique.set_qform(oblique.affine, code=1)
    oblique.set_sform(oblique.affine, code=4)
    nib.save(scan, folder / "plain.nii.gz")
    nib.save(oblique, folder / "turned.nii.gz")
    (folder / "broken.nii.gz").write_bytes((folder / "plain.nii.gz").read_bytes()[:999])
    words = (f"run={trained[0]}", f"input={folder}", f"output={tiny / 'out'}", "probabilities=true")
    done = command("predict.py", *words, cwd=tiny, check=False)
    return folder, tiny / "out", done, words


def test_prediction_lies_on_each_scans_own_grid(predicted):
    scans, out, _, _ = predicted
    for name in ("plain", "turned"):
        scan, labels = nib.load(scans / f"{name}.nii.gz"), nib.load(out / f"{name}.nii.gz")
        assert labels.shape == scan.shape
        np.testing.assert_array_equal(labels.affine, scan.affine)
        for code in ("sform_code", "qform_code"):
            assert labels.header[code] == scan.header[code]
        assert set(np.unique(np.asarray(labels.dataobj))) <= {0, 1, 2}


def test_a_scan_and_the_same_scan_stored_otherwise_get_the_same_labels(predicted):
    _, out, _, _ = predicted
    plain, turned = (nib.load(out / f"{name}.nii.gz") for name in ("plain", "turned"))
    same = np.asarray(nib.as_closest_canonical(plain).dataobj)
    np.testing.assert_array_equal(same, np.asarray(nib.as_closest_canonical(turned).dataobj))


def test_broken_scan_is_counted_and_the_others_go_on(predicted):
    _, out, done, _ = predicted
    assert done.returncode == 2
    assert "broken failed" in done.stderr
    assert "Traceback" not in done.stderr
    table = pd.read_csv(out / "volumes.tsv", sep="\t").set_index("case_id")
    assert table["status"].to_dict() == {"broken": "failed", "plain": "done", "turned": "done"}
    assert not (out / "broken.nii.gz").exists()
    voxels = int((np.asarray(nib.load(out / "plain.nii.gz").dataobj) == 2).sum())
    assert table.loc["plain", "shell_mm3"] == pytest.approx(voxels, abs=0.1)


def test_probabilities_agree_with_the_labels(predicted):
    _, out, _, _ = predicted
    labels = np.asarray(nib.load(out / "plain.nii.gz").dataobj)
    shell = np.asarray(nib.load(out / "plain_shell_probability.nii.gz").dataobj)
    assert shell.min() >= 0
    assert shell.max() <= 1
    assert (shell[labels == 2] > 1 / 3).all()


def test_finished_cases_are_skipped_unless_overwrite_is_set(predicted, command, tiny):
    _, out, _, words = predicted
    stamp = (out / "plain.nii.gz").stat().st_mtime_ns
    command("predict.py", *words, cwd=tiny, check=False)
    assert (out / "plain.nii.gz").stat().st_mtime_ns == stamp
    command("predict.py", *words, "overwrite=true", cwd=tiny, check=False)
    assert (out / "plain.nii.gz").stat().st_mtime_ns > stamp


def test_prediction_never_replaces_a_scan(trained, tiny, command):
    words = (f"run={trained[0]}", f"input={tiny / 'scans'}", f"output={tiny / 'scans'}")
    done = command("predict.py", *words, cwd=tiny, check=False)
    assert done.returncode == 2
    assert "would replace the scan itself" in done.stderr


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data.root=nowhere.csv", "data.root: no such file or folder: nowhere.csv"),
        (
            "patch_vox=[15,16,16]",
            "and UNet wants multiples of 2×2×2 (more than one); set patch_vox",
        ),
        ("trainer.max_epoch=3", "trainer.max_epoch: no such key; did you mean trainer.max_epochs?"),
        ("+data.batchsize=3", "TargetData: no such setting 'batchsize'; did you mean batch_size?"),
        ("monitor=val/dise_mean", "did you mean val/dice_mean?"),
        ("patch_vox=[2,2,2]", "set patch_vox=[4,4,4], or patch_vox=auto"),
        ("pretrained=none.ckpt", "pretrained=none.ckpt: no such file"),
        ("target=bal", "target=bal: no such choice; did you mean target=ball?"),
    ],
)
def test_bad_settings_are_one_sentence(train_arguments, tiny, command, word, message):
    rest = [part for part in train_arguments[1:] if part.split("=")[0] != word.split("=")[0]]
    done = command("train.py", *rest, word, cwd=tiny, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
