"""Outcomes of whole images from files to a report, a prediction, a comparison and a search."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from neurotarget.models.nets.efficientnet_lite0 import Lite0

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {
    "illness": """
_target_: neurotarget.types.Target
name: illness
question: Who is ill?
contrasts: [t1]
labels: {}
outcomes: {ill: {kind: binary, classes: ["no", "yes"]}}
spacing_mm: [1, 1, 1]
patch_vox: [8, 8, 8]
hypotheses: {older: "probability[ill] ~ age: any"}
""",
    "head_age": """
_target_: neurotarget.types.Target
name: head_age
contrasts: [t1]
labels: {}
outcomes: {head_age: {kind: number, column: age, unit: years}}
spacing_mm: [1, 1, 1]
patch_vox: [8, 8, 8]
hypotheses: {}
""",
}
NET = ("model=resnet", "model.depth=10", "model.width=4", "model.stem_kernel=3", "model.pool=false")
SETTINGS = [
    *("augment=none", "data.batch_size=6", "data.patches_per_epoch=60", "optimizer.lr=0.02"),
    *("task.ema_decay=0.9", "task.schedule.warmup_steps=5"),
    *("trainer.max_epochs=4", "trainer.accelerator=cpu", "logger.wandb=disabled"),
    *("data.preparation.intensity=none", "data.preparation.clip_percent=null"),
]


def write_people(folder, n=40):
    """Scans that are brighter in the ill and, by less, in the old; whether p1 is ill is unknown."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    lines = ["case_id\tt1\till\tage\tsex"]
    for number in range(n):
        ill, age = ("no", "yes")[number % 2], 30.0 + number
        level = 3.0 * (ill == "yes") + (age - 50) / 20
        image = rng.normal(level, 0.5, (8, 9, 10)).astype(np.float32)
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"p{number}.nii.gz")
        known = "n/a" if number == 1 else ill
        lines.append(f"p{number}\tp{number}.nii.gz\t{known}\t{age}\t{'FM'[number // 2 % 2]}")
    (folder / "cases.tsv").write_text("\n".join(lines))
    return folder / "cases.tsv"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outcomes")
    (folder / "conf" / "target").mkdir(parents=True)
    for name, text in TARGETS.items():
        (folder / "conf" / "target" / f"{name}.yaml").write_text(text)
    write_people(folder / "data")
    return folder


@pytest.fixture(scope="module")
def run(place, command):
    def call(target, task, *more, net=NET, check=True):
        own = [f"--config-dir={place / 'conf'}", f"data.root={place / 'data' / 'cases.tsv'}"]
        names = [f"target={target}", f"task={task}"]
        arguments = (*own, *names, *net, *SETTINGS, *more)
        return command(ROOT / "train.py", *arguments, cwd=place, check=check)

    return call


@pytest.fixture(scope="module")
def classified(place, run):
    return run("illness", "classification", "hydra.run.dir=ill")


def read_page(folder):
    text = (folder / "report.html").read_text()
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL)


def test_a_class_is_predicted_scored_and_reported(classified, place):
    assert classified.returncode == 0, classified.stderr
    page = read_page(place / "ill")
    rows = pd.read_csv(place / "ill" / "rows.csv")
    assert set(rows["metric"]) >= {"probability", "reference_probability", "brier", "failed"}
    table = pd.read_csv(place / "ill" / "study" / "discrimination.tsv", sep="\t")
    auroc = table[(table["statistic"] == "auroc") & (table["stratum"] == "all")]["value"]
    assert auroc.iloc[0] > 0.9
    assert "AUROC" in page
    assert "Calibration" in page
    assert not re.search(r"\bmm³|\bDice\b|\bvolumes?\b", page)
    effects = pd.read_csv(place / "ill" / "study" / "effects.tsv", sep="\t")
    assert set(effects["hypothesis"]) == {"older"}


def test_a_number_is_predicted_and_agrees_in_its_unit(run, place):
    run("head_age", "regression", "hydra.run.dir=old", "trainer.max_epochs=2")
    agreement = pd.read_csv(place / "old" / "study" / "agreement.tsv", sep="\t")
    assert "years" in set(agreement["unit"])
    page = read_page(place / "old")
    assert "years" in page
    assert not re.search(r"\bmm³|\bDice\b|\bvolumes?\b", page)


def test_a_folder_of_scans_gets_a_table_of_probabilities(classified, place, command):
    arguments = [f"run={place / 'ill'}", f"input={place / 'data'}", "output=found", "device=cpu"]
    done = command(ROOT / "predict.py", *arguments, cwd=place)
    assert "40 of 40 cases predicted" in done.stdout
    table = pd.read_csv(place / "found" / "outcomes.tsv", sep="\t").set_index("case_id")
    odd = [name for name in table.index if int(name[1:]) % 2]
    shares = table["ill_probability"]
    assert shares[odd].mean() > 0.3 + shares.drop(odd).mean()
    assert sorted(path.name for path in (place / "found").glob("[!.]*")) == [
        "outcomes.tsv",
        "prediction.json",
        "qc",
        "qc.html",
    ]
    assert len([*(place / "found" / "qc").glob("*.jpg")]) == 40


def test_runs_are_compared_and_joined(classified, run, place, command):
    shutil.copytree(place / "ill", place / "arms" / "narrow")
    wide = ["model.width=8", "trainer.max_epochs=1", "hydra.run.dir=arms/wide"]
    wide += ["data.patches_per_epoch=12"]
    run("illness", "classification", *wide)
    command("neurotarget", "compare", "arms", "output=compared", cwd=place)
    text = (place / "compared" / "compare.html").read_text()
    assert "AUROC" in text
    both = [f"run={place / 'arms'}", f"input={place / 'data'}", "output=joined", "device=cpu"]
    command(ROOT / "predict.py", *both, cwd=place)
    assert len(pd.read_csv(place / "joined" / "outcomes.tsv", sep="\t")) == 40


def written_features(place):
    return {path: path.stat().st_mtime_ns for path in place.glob("cache/*/*_features-*/*.npy")}


def test_frozen_layers_train_on_features_that_are_kept_and_predict_without_their_origin(
    run, place, command
):
    torch.manual_seed(1)
    torch.save(Lite0(1000).state_dict(), place / "lite0.pth")
    net = ["model=efficientnet_lite0", "pretrained=lite0.pth"]
    done = run("illness", "classification", "augment=default", "hydra.run.dir=frozen", net=net)
    assert "frozen    features are computed once for each case" in done.stdout
    kept = written_features(place)
    splits = pd.read_csv(place / "frozen" / "splits.tsv", sep="\t")
    assert len(kept) == splits["split"].isin(["train", "val"]).sum()
    (place / "lite0.pth").unlink()
    command(ROOT / "train.py", "resume=frozen", "trainer.max_epochs=6", cwd=place)
    assert written_features(place) == kept
    arguments = [f"run={place / 'frozen'}", f"input={place / 'data'}", "output=from_frozen"]
    command(ROOT / "predict.py", *arguments, "device=cpu", cwd=place)
    assert len(pd.read_csv(place / "from_frozen" / "outcomes.tsv", sep="\t")) == 40
    refused = run("illness", "classification", net=[net[0], "pretrained=null"], check=False)
    assert refused.returncode == 2
    assert "model.frozen: found true without pretrained weights" in refused.stderr


def test_a_search_maximises_the_auroc(run, place):
    pytest.importorskip("optuna")
    search = ["-m", "sweep=optuna", "sweep.trials=2", "optimizer.lr=interval(0.01,0.02)"]
    search += ["trainer.max_epochs=1", "data.patches_per_epoch=12"]
    run("illness", "classification", *search, "hydra.sweep.dir=search")
    trials = pd.read_csv(place / "search" / "trials.tsv", sep="\t")
    assert trials["auroc"].between(0, 1).all()


@pytest.mark.parametrize(
    ("net", "more", "why"),
    [
        (NET, ["task=segmentation"], "found no labels to segment, only outcomes; set task=classif"),
        (NET, ["task=regression"], r"found the outcomes ill \(binary\) for RegressionTask"),
        (
            ("model=small/unet",),
            [],
            "found PlainUNet for ClassificationTask, wanted a network",
        ),
        (
            NET,
            ["+metrics.own._target_=math.fsum", "+metrics.own.unit=mm"],
            "metrics: found own",
        ),
        (NET, ["cascade=localise"], "cascade.localise: found true for a network of whole images"),
        (NET, ["plan=auto"], "plan: found auto for a network of whole images"),
        (NET, ["monitor=val/auroc_means"], "did you mean val/auroc_mean"),
    ],
)
def test_settings_that_do_not_fit_end_with_one_sentence(run, net, more, why):
    done = run("illness", "classification", *more, net=net, check=False)
    assert done.returncode == 2
    assert re.search(why, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_cases_without_an_outcome_are_counted_and_a_wrong_one_is_named(classified, run, place):
    assert "no ill of 1 of 40 cases (p1)" in classified.stdout + classified.stderr
    table = (place / "data" / "cases.tsv").read_text()
    (place / "data" / "wrong.tsv").write_text(table.replace("\tyes\t33.0", "\tyess\t33.0"))
    done = run(
        "illness", "classification", f"data.root={place / 'data' / 'wrong.tsv'}", check=False
    )
    assert done.returncode == 2
    assert "'yess' is none of the classes no, yes" in done.stderr


def test_the_summary_holds_plain_numbers(classified, place):
    summary = json.loads((place / "ill" / "summary.json").read_text())
    assert summary["n_test"] > 0
