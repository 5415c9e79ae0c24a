import hashlib
import json
import shutil
from itertools import product

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from neurotarget.comparison.ensemble_arms import plan_ensembles, with_ensembles
from neurotarget.comparison.gather_runs import read_arms
from neurotarget.inference.postprocess import Postprocessing
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.stats.arms.arms import check_design
from neurotarget.stats.arms.comparison import compare
from neurotarget.types import Case
from oracles.runs import TARGET, write_images, write_run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def multirun(tmp_path_factory, images):
    """Two models, two folds, two seeds, with weights and scans."""
    folder = tmp_path_factory.mktemp("multirun")
    for model, fold, seed in product(("unet", "resunet"), (0, 1), (1, 2)):
        name = f"model={model},data.fold={fold},seed={seed}"
        write_run(folder / name, model=model, fold=fold, seed=seed, images=images)
    return folder


@pytest.fixture(scope="module")
def joined(multirun, tmp_path_factory):
    """Arms with ensembles, the folder of these, and the arms before."""
    output = tmp_path_factory.mktemp("compare") / "ensembles"
    found = read_arms([multirun])
    return with_ensembles(found, output, device="cpu"), output, found


def test_every_member_has_held_out_every_case_of_its_ensemble(multirun):
    found = read_arms([multirun])
    plans = plan_ensembles(found.arms)
    for plan in plans:
        for member in plan.members:
            splits = pd.read_csv(found.runs[member].folder / "splits.tsv", sep="\t", index_col=0)
            assert set(splits.loc[list(plan.cases), "split"]) == {"test"}
    assert {plan.name: plan.members for plan in plans} == {
        f"{arm} {kind}/fold={fold}": tuple(f"{arm}/fold={fold},seed={seed}" for seed in (1, 2))
        for arm, kind, fold in product(("resunet", "unet"), ("ensemble", "soup"), (0, 1))
    } | {
        f"all arms ensemble/fold={fold},seed={seed}": tuple(
            f"{arm}/fold={fold},seed={seed}" for arm in ("resunet", "unet")
        )
        for fold, seed in product((0, 1), (1, 2))
    }


def test_one_seed_a_fold_makes_no_ensemble_of_folds(tmp_path):
    """Each case was held out once: joining the folds would score cases on their own training."""
    for fold in (0, 1, 2):
        write_run(tmp_path / str(fold), fold=fold)
    found = read_arms([tmp_path])
    assert plan_ensembles(found.arms) == []
    text = with_ensembles(found, tmp_path / "ensembles").notes
    assert text == ("There are no ensembles: no case was held out by two runs.",)


def test_folds_that_share_their_test_cases_are_joined(tmp_path):
    """A data set with a test set of its own: folds differ in what they validate on."""
    for fold in (0, 1, 2):
        write_run(tmp_path / str(fold), fold=fold, test=["sub-04", "sub-05"])
    ensemble, soup = plan_ensembles(read_arms([tmp_path]).arms)
    assert (ensemble.name, soup.name) == ("unet ensemble/fold=0+1+2", "unet soup/fold=0+1+2")
    assert (ensemble.fold, ensemble.seed, len(ensemble.members)) == (0, -1, 3)
    assert ensemble.cases == soup.cases == ("sub-04", "sub-05")


def test_cases_that_some_folds_share_have_an_ensemble_of_these_only(tmp_path):
    write_run(tmp_path / "0", fold=0, test=["sub-00", "sub-01"])
    write_run(tmp_path / "1", fold=1, test=["sub-01", "sub-02"])
    (plan,) = plan_ensembles(read_arms([tmp_path]).arms)
    assert (plan.kind, plan.cases) == ("ensemble", ("sub-01",))


def test_external_cases_have_an_ensemble_of_all_folds(tmp_path):
    """No fold has trained on them; those that one fold tests stay that fold's alone."""
    for fold, seed in product((0, 1), (1, 2)):
        name = f"{fold}{seed}"
        write_run(tmp_path / name, fold=fold, seed=seed, external=["sub-04", "sub-05"])
    plans = {plan.name: plan for plan in plan_ensembles(read_arms([tmp_path]).arms)}
    both = plans["unet ensemble/fold=0+1"]
    assert (both.cases, len(both.members)) == (("sub-04", "sub-05"), 4)
    assert plans["unet ensemble/fold=0"].cases == ("sub-00", "sub-01")
    assert plans["unet soup/fold=1"].cases == ("sub-02", "sub-03", "sub-04", "sub-05")


def test_sites_left_out_make_no_ensemble_of_folds(tmp_path):
    """Each site is external to one fold and training to the others."""
    for fold in (0, 1, 2):
        own = [f"sub-{2 * fold + k:02d}" for k in (0, 1)]
        write_run(tmp_path / str(fold), fold=fold, test=[], external=own)
    assert plan_ensembles(read_arms([tmp_path]).arms) == []


def test_rows_of_an_ensemble_say_which_cases_are_external(tmp_path, images):
    for fold in (0, 1):
        write_run(tmp_path / f"{fold}", fold=fold, external=["sub-05"], images=images)
    found = with_ensembles(read_arms([tmp_path]), tmp_path / "out", device="cpu")
    rows = pd.read_csv(tmp_path / "out" / "unet_ensemble" / "fold=0+1" / "rows.csv")
    assert set(rows["split"]) == {"external"}
    tables = compare(found.arms).tables
    assert tables["arms"]["arm"].tolist() == ["unet"]  # on cases of known sites
    dice = tables["parts"].query("statistic == 'dice' and label == 'core'")
    assert dice.set_index(["arm", "part"])["n"].to_dict() == {
        ("unet", "internal"): 4,
        ("unet", "external"): 1,
        ("unet ensemble", "external"): 1,
    }


def test_ensembles_and_soups_are_arms_of_their_own(joined):
    arms = joined[0].arms
    assert arms.kinds == {
        "resunet": "net",
        "unet": "net",
        "resunet ensemble": "ensemble",
        "resunet soup": "soup",
        "unet ensemble": "ensemble",
        "unet soup": "soup",
        "all arms ensemble": "ensemble",
    }
    assert check_design(arms) == []
    assert set(arms.runs.index) == set(arms.scores["run"])
    assert (arms.seeds, arms.folds) == ((1, 2), (0, 1))
    assert list(arms.runs.columns) == [*joined[2].arms.runs.columns, "parts"]
    result = arms.runs.drop_duplicates("arm").set_index("arm")["parts"]
    assert result["unet soup"] == "unet"
    assert result["all arms ensemble"].splitlines() == ["resunet", "unet"]
    whole = arms.scores[arms.scores["metric"] == "dice"].groupby("arm")["case_id"].unique()
    assert {frozenset(cases) for cases in whole} == {frozenset(f"sub-{n:02d}" for n in range(4))}


def test_costs_are_those_of_all_members(joined):
    runs = joined[0].arms.runs
    ensemble, soup = runs.loc["unet ensemble/fold=0"], runs.loc["unet soup/fold=0"]
    assert (ensemble["parameters"], soup["parameters"]) == (2000, 1000)
    assert ensemble["train_s"] == soup["train_s"] == 120
    assert pd.isna(ensemble["step_s"])
    assert ensemble["predict_s_per_case"] > 0
    assert (ensemble["patch_vox"], ensemble["optimizer"]) == ("16×16×16", "AdamW")


def test_an_ensemble_is_the_mean_of_its_members_probabilities(joined, multirun, images):
    _, output, _ = joined
    case = Case("sub-00", "sub-00", {"t1": images / "sub-00.nii.gz"})
    members = [
        load_predictor(multirun / f"model={model},data.fold=0,seed=2", device="cpu")[0]
        for model in ("unet", "resunet")
    ]
    predicted = [member.predict(case, probabilities=True) for member in members]
    mean = np.mean([one.probabilities for one in predicted], axis=0)
    path = output / "all_arms_ensemble" / "fold=0,seed=2" / "predictions" / "sub-00.nii.gz"
    np.testing.assert_array_equal(nib.load(path).get_fdata(), mean.argmax(axis=0))


def test_a_soup_is_the_network_of_mean_weights(joined, multirun, images):
    _, output, _ = joined
    case = Case("sub-02", "sub-02", {"t1": images / "sub-02.nii.gz"})
    soup, other = (
        load_predictor(multirun / f"model=unet,data.fold=1,seed={seed}", device="cpu")[0]
        for seed in (1, 2)
    )
    with torch.no_grad():
        for ours, theirs in zip(soup.net.parameters(), other.net.parameters(), strict=True):
            ours.copy_((ours.double() + theirs.double()) / 2)
    path = output / "unet_soup" / "fold=1" / "predictions" / "sub-02.nii.gz"
    np.testing.assert_array_equal(nib.load(path).get_fdata(), soup.predict(case).classes)


def test_rows_are_scored_against_the_masks(joined):
    _, output, _ = joined
    rows = pd.read_csv(output / "unet_ensemble" / "fold=0" / "rows.csv")
    volumes = rows[rows["metric"] == "reference_volume_mm3"].set_index(["case_id", "label"])
    assert volumes["value"].to_dict() == {
        (case, label): size
        for case in ("sub-00", "sub-01")
        for label, size in (("core", 4.0**3), ("shell", 8.0**3 - 4.0**3))
    }


def test_what_is_finished_is_not_made_again(joined, multirun, capsys):
    _, output, found = joined
    predictions = {path: path.stat().st_mtime_ns for path in output.rglob("*.nii.gz")}
    victim = output / "unet_ensemble" / "fold=1"
    (victim / "rows.csv").unlink()
    again = with_ensembles(found, output, device="cpu")
    message = capsys.readouterr().out
    assert message.startswith("1 ensemble to predict: 4 predictions of a case, about 8")
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.nii.gz")} == predictions
    pd.testing.assert_frame_equal(again.arms.scores, joined[0].arms.scores)
    with_ensembles(found, output, device="cpu")
    assert capsys.readouterr().out.startswith("12 of 12 ensembles already exist")


def test_other_weights_are_predicted_anew(multirun, tmp_path):
    copy = tmp_path / "multirun"
    shutil.copytree(multirun, copy, ignore=lambda _, names: [n for n in names if "resunet" in n])
    found = read_arms([copy])
    with_ensembles(found, tmp_path / "out", device="cpu")
    record = tmp_path / "out" / "unet_ensemble" / "fold=0" / "ensemble.json"
    before = json.loads(record.read_text())
    other = copy / "model=unet,data.fold=1,seed=1" / "weights" / "best.ckpt"
    shutil.copy(other, copy / "model=unet,data.fold=0,seed=2" / "weights" / "best.ckpt")
    with_ensembles(found, tmp_path / "out", device="cpu")
    after = json.loads(record.read_text())
    assert before["weights"] != after["weights"]
    assert before["cases"] == after["cases"]


def test_steps_that_its_runs_have_learned_since_make_an_ensemble_anew(multirun, tmp_path):
    copy = tmp_path / "multirun"
    shutil.copytree(multirun, copy, ignore=lambda _, names: [n for n in names if "resunet" in n])
    found = read_arms([copy])
    with_ensembles(found, tmp_path / "out", device="cpu")
    place = tmp_path / "out" / "unet_ensemble" / "fold=0"
    before = pd.read_csv(place / "predictions" / "volumes.tsv", sep="\t")
    assert before["note"].str.contains("shell: [0-9]+ pieces").all()
    for run in copy.glob("*data.fold=0*"):
        sha = hashlib.sha256((run / "weights" / "best.ckpt").read_bytes()).hexdigest()
        steps = Postprocessing(largest_pieces={"shell": 1}).as_dict()
        record = {"steps": steps, "weights_sha256": sha}
        (run / "postprocessing.json").write_text(json.dumps(record))
    with_ensembles(found, tmp_path / "out", device="cpu")
    after = pd.read_csv(place / "predictions" / "volumes.tsv", sep="\t")
    assert (after["shell_mm3"] < before["shell_mm3"]).all()
    assert not after["note"].fillna("").str.contains("shell: [0-9]+ pieces").any()
    assert (after["made_from"] != before["made_from"]).all()


def test_without_scans_there_are_no_ensembles_but_a_note(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / str(seed), seed=seed)
    found = with_ensembles(read_arms([tmp_path]), tmp_path / "out")
    assert found.arms.names == ("unet",)
    assert found.notes == (
        "There are no ensembles: scans or masks of 2 cases are missing (sub-00, sub-01).",
    )


def test_masks_that_have_changed_since_make_no_ensemble(tmp_path):
    """Its members were scored against others, so no difference would be paired."""
    images = write_images(tmp_path / "images")
    for seed in (1, 2):
        write_run(tmp_path / "runs" / str(seed), seed=seed, images=images)
    runs, out, path = read_arms([tmp_path / "runs"]), tmp_path / "out", images / "sub-01_seg.nii.gz"
    kept, image = path.read_bytes(), nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros((16, 16, 16), np.uint8), image.affine), path)
    found = with_ensembles(runs, out, device="cpu")
    assert found.arms.names == ("unet",)
    text = (
        "There is no unet ensemble/fold=0: masks of 1 case have changed since its runs were scored"
    )
    assert found.notes[0].startswith(f"{text} (sub-01); score the runs")
    path.write_bytes(kept)
    assert len(with_ensembles(runs, out, device="cpu").arms.names) == 3


def test_one_ensemble_that_cannot_be_made_does_not_take_the_others(tmp_path, images):
    coarse = {"target": TARGET | {"spacing_mm": [2.0, 2.0, 2.0]}, "patch_vox": [8, 8, 8]}
    for seed in (1, 2):
        write_run(tmp_path / f"a{seed}", seed=seed, images=images)
        write_run(tmp_path / f"b{seed}", seed=seed, images=images, model="resunet", config=coarse)
    shutil.rmtree(tmp_path / "a2" / "weights")
    found = with_ensembles(read_arms([tmp_path]), tmp_path / "out", device="cpu")
    made = [name for name, kind in found.arms.kinds.items() if kind != "net"]
    assert [name.split(",")[0].split(" ")[-1] for name in made] == ["ensemble", "soup"]
    assert all(name.startswith("resunet") for name in made)
    text = "\n".join(found.notes)
    assert "There is no all arms ensemble/fold=0,seed=1: ensemble: its 2 networks see" in text
    assert "There is no unet" in text
    assert "no such weights" in text
