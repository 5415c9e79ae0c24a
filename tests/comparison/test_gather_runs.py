import json
import re
import shutil

import pandas as pd
import pytest

from neurotarget.comparison.ensemble_arms import with_ensembles
from neurotarget.comparison.gather_runs import read_arms
from neurotarget.problems import DataError
from neurotarget.stats.arms.arms import check_design
from oracles.runs import TARGET, write_run


def multirun(folder, models=("unet", "resunet"), folds=(0, 1, 2), seeds=(1,), **how):
    for model in models:
        for fold in folds:
            for seed in seeds:
                name = f"model={model},data.fold={fold},seed={seed}"
                write_run(folder / name, model=model, fold=fold, seed=seed, **how)
    return folder


def test_arms_of_a_multirun_are_its_models(tmp_path):
    found = read_arms([multirun(tmp_path, seeds=(1, 2))])
    arms = found.arms
    assert set(arms.names) == {"unet", "resunet"}
    assert (arms.folds, arms.seeds) == ((0, 1, 2), (1, 2))
    assert len(arms.runs) == 12
    assert list(arms.runs.loc["unet/fold=2,seed=1", ["arm", "kind", "fold", "seed"]]) == [
        "unet",
        "net",
        2,
        1,
    ]
    assert list(arms.scores)[:5] == ["arm", "kind", "run", "fold", "seed"]
    dice = arms.scores[(arms.scores["metric"] == "dice") & (arms.scores["arm"] == "unet")]
    assert len(dice) == 6 * 2 * 2  # cases, labels, seeds
    assert list(arms.covariates.loc["sub-03"]) == ["sub-03", 33.0, "M"]
    assert check_design(arms) == []
    assert found.notes == ()
    assert found.runs["unet/fold=2,seed=1"].folder.name == "model=unet,data.fold=2,seed=1"


def test_what_a_run_cost_stands_beside_it(tmp_path):
    folder = multirun(tmp_path, folds=(0,))
    (folder / "model=resunet,data.fold=0,seed=1" / "cost.json").unlink()
    runs = read_arms([folder]).arms.runs
    unet, resunet = runs.loc["unet/fold=0,seed=1"], runs.loc["resunet/fold=0,seed=1"]
    assert (unet["parameters"], unet["step_s"], unet["train_s"]) == (1000, 0.5, 60)
    assert (unet["patch_vox"], unet["optimizer"], unet["learning_rate"]) == (
        "16×16×16",
        "AdamW",
        0.001,
    )
    assert pd.isna(unet["energy_wh"])
    assert pd.isna(resunet["parameters"])
    assert pd.isna(resunet["step_s"])
    assert (resunet["train_s"], resunet["batch_size"]) == (60, 2)


def test_runs_may_be_named_one_by_one_or_by_their_parent(tmp_path):
    folder = multirun(tmp_path / "runs" / "ball", folds=(0,))
    one_by_one = read_arms(sorted(folder.iterdir()))
    (folder / "latest").symlink_to(folder / "model=unet,data.fold=0,seed=1")
    by_parent = read_arms([tmp_path / "runs", folder])
    assert (
        set(one_by_one.runs)
        == set(by_parent.runs)
        == {
            "unet/fold=0,seed=1",
            "resunet/fold=0,seed=1",
        }
    )


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ([{"optimizer": {"lr": 0.01}}, {}], ["lr=0.01", "lr=0.001"]),
        (
            [{"augment": {"flip": {"p": 0.5}}}, {"augment": {"flip": None}}],
            ["flip.p=0.5", "flip.p=null"],
        ),
        (
            [{"model": {"widths": [2, 4]}}, {"model": {"widths": [4, 8]}}],
            ["widths=[2,4]", "widths=[4,8]"],
        ),
        (
            [{"patch_vox": [16, 16, 16]}, {"patch_vox": [8, 8, 8]}],
            ["patch_vox=[16,16,16]", "patch_vox=[8,8,8]"],
        ),
        ([{"name": "before"}, {"name": "after"}], ["name=before", "name=after"]),
    ],
)
def test_arms_of_one_model_are_called_after_what_differs(tmp_path, settings, names):
    for place, config in enumerate(settings):
        for fold in (0, 1):
            write_run(tmp_path / f"{place}{fold}", fold=fold, config=config)
    assert list(read_arms([tmp_path]).arms.names) == names


def test_only_models_that_need_more_words_get_them(tmp_path):
    write_run(tmp_path / "a", model="resunet")
    write_run(tmp_path / "b", model="unet", config={"optimizer": {"lr": 0.01}})
    write_run(tmp_path / "c", model="unet", config={"optimizer": {"lr": 0.1}})
    assert set(read_arms([tmp_path]).arms.names) == {"resunet", "unet,lr=0.01", "unet,lr=0.1"}


def test_a_learning_rate_that_a_model_brings_is_not_in_its_name(tmp_path):
    write_run(tmp_path / "a", model="unet", config={"optimizer": {"lr": 0.01}})
    write_run(tmp_path / "b", model="resunet", config={"patch_vox": [8, 8, 8]})
    found = read_arms([tmp_path])
    assert found.arms.names == ("unet", "resunet")
    assert found.notes == ()


def test_settings_of_place_machine_and_design_make_no_arm(tmp_path):
    write_run(tmp_path / "a", fold=0, seed=1)
    other = {"paths": {"runs": "/else"}, "trainer": {"accelerator": "gpu"}, "resume": "x"}
    write_run(tmp_path / "b", fold=1, seed=2, config=other)
    write_run(tmp_path / "c", fold=0, seed=2)
    write_run(tmp_path / "d", fold=1, seed=1)
    assert read_arms([tmp_path]).arms.names == ("unet",)


def test_regions_that_each_fold_proposes_make_no_arm(tmp_path):
    for fold, side in enumerate((60.0, 60.3)):
        roi = {"_target_": "neurotarget.types.Roi", "size_mm": [side] * 3}
        config = {"localise": "auto", "target": {"roi": roi}, "cascade": {"localise": False}}
        write_run(tmp_path / f"auto{fold}", fold=fold, config=config)
    found = read_arms([tmp_path])
    assert found.arms.names == ("unet",)
    assert found.notes == ()


def test_regions_that_a_user_set_make_arms(tmp_path):
    for side in (60.0, 90.0):
        roi = {"_target_": "neurotarget.types.Roi", "size_mm": [side] * 3}
        config = {"localise": "none", "target": {"roi": roi}}
        write_run(tmp_path / f"{side}", config=config)
    assert len(read_arms([tmp_path]).arms.names) == 2


def test_an_old_run_has_the_patch_of_its_target(tmp_path):
    write_run(tmp_path / "a", fold=0)
    write_run(tmp_path / "b", fold=1, config={"patch_vox": "auto"})
    found = read_arms([tmp_path])
    assert found.arms.names == ("unet",)
    assert list(found.arms.runs["patch_vox"]) == ["16×16×16"] * 2


def test_other_budgets_and_unnamed_settings_are_reported(tmp_path):
    write_run(tmp_path / "a", model="unet", config={"trainer": {"max_epochs": 8}})
    write_run(tmp_path / "b", model="resunet", config={"data": {"batch_size": 4}})
    budget, more = read_arms([tmp_path]).notes
    assert budget == ("The arms have different budgets: trainer.max_epochs (unet: 8, resunet: 4).")
    assert (
        more == "The arms differ in more than their model: data.batch_size (unet: 2, resunet: 4)."
    )


def test_steps_that_follow_from_one_budget_are_no_other_budget(tmp_path):
    for model, steps in (("unet", 100), ("resunet", 50)):
        config = {"budget": {"kind": "flops", "teraflops": 9}, "trainer": {"max_steps": steps}}
        write_run(tmp_path / model, model=model, config=config)
    assert read_arms([tmp_path]).notes == ()


def test_runs_that_are_not_finished_are_reported_with_reason_and_log(tmp_path):
    folder = multirun(tmp_path, folds=(0,))
    names = ("failed", "cut", "broken", "gone", "half")
    failed, cut, broken, gone, half = (folder / name for name in names)
    for run in (failed, cut, broken, gone, half):
        write_run(run, model="wide", fold=0)
    result = {
        "status": "failed",
        "words": [],
        "values": {},
        "reason": "out of memory",
        "log": "job.log",
    }
    (failed / "result.json").write_text(json.dumps(result))
    (failed / "job.log").write_text("…")
    (cut / "rows.csv").write_text((cut / "rows.csv").read_text()[:-30])
    (broken / "config.yaml").write_text("model: [")
    shutil.rmtree(gone / "weights", ignore_errors=True)
    (gone / "rows.csv").unlink()
    (gone / "summary.json").unlink()
    (half / "summary.json").write_text('{"model": ')
    found = read_arms([folder])
    assert set(found.arms.names) == {"unet", "resunet"}
    count, *message = found.notes
    assert count == "5 of 7 runs are left out."
    assert message[0].startswith(f"broken: {broken}/config.yaml: found broken YAML")
    assert "cut/rows.csv: the table ends within a line" in message[1]
    assert message[2] == f"failed: failed (out of memory); its log is {failed}/job.log."
    assert f"{half}/summary.json: found no JSON, wanted a summary" in message[4]
    assert message[3] == "gone: no summary.json and no rows.csv: it still runs, or was stopped."


def test_a_table_that_ends_between_two_lines_is_incomplete(tmp_path):
    write_run(tmp_path / "a")
    path = write_run(tmp_path / "b", fold=1) / "rows.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-5]))
    assert (
        "b/rows.csv: the table is incomplete (no score of sub-03: shell)"
        in read_arms([tmp_path]).notes[1]
    )


def test_scores_of_cases_that_were_trained_on_are_not_used(tmp_path):
    run = write_run(tmp_path / "a")
    splits = (run / "splits.tsv").read_text().replace("sub-01\ttest", "sub-01\ttrain")
    (run / "splits.tsv").write_text(splits)
    with pytest.raises(DataError, match=r"scores of 1 cases that were not held out \(sub-01\)"):
        read_arms([run])


def test_without_splits_the_rows_say_what_was_held_out(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "splits.tsv").unlink()
    assert len(read_arms([run]).arms.scores["case_id"].unique()) == 2
    rows = (run / "rows.csv").read_text().replace("sub-01,sub-01,test", "sub-01,sub-01,train")
    (run / "rows.csv").write_text(rows)
    with pytest.raises(DataError, match=r"scores of 1 cases that were not held out \(sub-01\)"):
        read_arms([run])


def test_costs_on_other_hardware_are_reported(tmp_path):
    for model, processor in (("unet", "EPYC"), ("resunet", "Xeon")):
        run = write_run(tmp_path / model, model=model)
        record = {"hardware": {"processor": processor, "gpus": []}}
        (run / "run.json").write_text(json.dumps(record))
    assert read_arms([tmp_path]).notes == (
        "Runs had different hardware, so their costs are not to be compared (Xeon: "
        "resunet/fold=0,seed=1; EPYC: unet/fold=0,seed=1).",
    )
    (run / "run.json").write_text(json.dumps({"hardware": {"processor": "EPYC"}}))
    assert read_arms([tmp_path]).notes == ()


def test_a_name_of_an_arm_is_one_line(tmp_path):
    for model in ("unet", "resunet"):
        write_run(tmp_path / model, model=model, summary={"model": f"my\n{model}\tnet"})
    assert set(read_arms([tmp_path]).arms.names) == {"my unet net", "my resunet net"}


def test_without_a_finished_run_there_is_nothing_to_compare(tmp_path):
    (write_run(tmp_path / "a") / "rows.csv").unlink()
    with pytest.raises(
        DataError, match=r"found no finished run.*\n1 of 1 run is left out.\na: no rows.csv"
    ):
        read_arms([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no run in it"):
        read_arms([tmp_path / "empty"])
    with pytest.raises(DataError, match="no such folder, wanted a multirun or run folder"):
        read_arms([tmp_path / "b"])


def test_runs_of_different_targets_are_refused(tmp_path):
    write_run(tmp_path / "a")
    for name, labels in (("b", {"core": 1, "shell": 3}), ("c", {"core": 1})):
        write_run(tmp_path / name, model="resunet", config={"target": TARGET | {"labels": labels}})
    with pytest.raises(DataError) as refused:
        read_arms([tmp_path])
    first, second = str(refused.value).splitlines()
    assert first.startswith(
        f"{tmp_path}/b: found the labels {{'core': (1,), 'shell': (3,)}}, wanted"
    )
    assert second.startswith(f"{tmp_path}/c: found the labels {{'core': (1,)}}, wanted")


def test_runs_that_hold_out_other_cases_are_refused_by_name(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="resunet", test=["sub-01", "sub-02", "sub-03"])
    with pytest.raises(DataError) as refused:
        read_arms([tmp_path])
    first, advice = str(refused.value).splitlines()
    assert first == (
        "fold 0 holds out other cases: only unet/fold=0,seed=1 has sub-00, only "
        "resunet/fold=0,seed=1 has sub-02, sub-03; use the same data and folds for all"
    )
    assert advice.startswith("common=true compares only")


def test_with_common_other_cases_are_left_out_and_reported(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="resunet", test=["sub-01", "sub-02"])
    found = read_arms([tmp_path], common=True)
    assert set(found.arms.scores["case_id"]) == {"sub-01"}
    assert found.notes[-1] == (
        "Left out 2 cases that not every run of the fold has scored: sub-00, sub-02."
    )
    write_run(tmp_path / "b", model="resunet", test=["sub-02", "sub-03"])
    with pytest.raises(DataError, match="found no case of fold 0 that all runs have scored"):
        read_arms([tmp_path], common=True)


def test_older_runs_whose_seeds_drew_folds_of_their_own_are_reported(tmp_path):
    for seed, test in ((1, ["sub-00"]), (2, ["sub-01"])):
        run = write_run(tmp_path / str(seed), seed=seed, test=test)
        text = (run / "config.yaml").read_text().replace("  split_seed: 1\n", "")
        (run / "config.yaml").write_text(text)
    with pytest.raises(DataError, match="each seed of such older runs drew folds of its own"):
        read_arms([tmp_path])


def test_other_training_cases_are_refused(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="resunet", cases=[f"sub-{n:02d}" for n in range(7)])
    with pytest.raises(
        DataError, match=r"fold 0 has other training cases: only resunet/.* has sub-06;"
    ):
        read_arms([tmp_path])
    splits = (tmp_path / "a" / "splits.tsv").read_text()
    write_run(tmp_path / "b", model="resunet")
    (tmp_path / "b" / "splits.tsv").write_text(splits.replace("sub-05\ttrain", "sub-05\tval"))
    with pytest.raises(
        DataError, match=r"sub-05 are not in the same split; use the same data.split"
    ):
        read_arms([tmp_path])


def test_other_files_under_the_same_names_are_refused(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="resunet", fingerprint="abc")
    with pytest.raises(
        DataError, match=r"same cases and other files .data_fingerprint abc and fold0"
    ):
        read_arms([tmp_path])
    config = {"target": TARGET | {"spacing_mm": [2, 2, 2]}}
    write_run(tmp_path / "b", model="resunet", fingerprint="abc", config=config)
    assert "target.spacing_mm" in read_arms([tmp_path]).notes[0]


PAIRED = TARGET | {"pairs": [["core", "shell"]]}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"target": PAIRED | {"sides": "labels"}}, {"target": PAIRED | {"sides": "split"}}),
        ({"cascade": {"localise": False}}, {"cascade": {"localise": True}}),
    ],
)
def test_other_settings_may_prepare_the_same_files_otherwise(tmp_path, ours, theirs):
    write_run(tmp_path / "a", config=ours)
    write_run(tmp_path / "b", fingerprint="abc", config=theirs)
    assert len(read_arms([tmp_path]).arms.names) == 2


def test_other_masks_are_refused_even_with_common(tmp_path):
    write_run(tmp_path / "a")
    path = write_run(tmp_path / "b", model="resunet") / "rows.csv"
    path.write_text(
        path.read_text().replace(
            "sub-01,sub-01,test,shell,reference_volume_mm3,448.0",
            "sub-01,sub-01,test,shell,reference_volume_mm3,447.0",
        )
    )
    for common in (False, True):
        with pytest.raises(DataError, match="scored against other masks of 1 case: sub-01"):
            read_arms([tmp_path], common=common)


def test_arms_with_other_folds_or_seeds_are_refused_unless_common(tmp_path):
    multirun(tmp_path, folds=(0, 1), seeds=(1, 2))
    shutil.rmtree(tmp_path / "model=unet,data.fold=1,seed=2")
    with pytest.raises(DataError, match="unet has no run of fold 1 seed 2; train it"):
        read_arms([tmp_path])
    found = read_arms([tmp_path], common=True)
    assert len(found.arms.runs) == len(found.runs) == 6
    assert found.notes == (
        "Left out 1 run of folds and seeds that not every arm has: resunet/fold=1,seed=2.",
    )


def test_arms_without_any_common_fold_are_refused(tmp_path):
    write_run(tmp_path / "a", fold=0)
    write_run(tmp_path / "b", fold=1, model="resunet")
    with pytest.raises(
        DataError, match=r"no fold and seed that all arms have \(unet: fold 0 seed 1;"
    ):
        read_arms([tmp_path], common=True)


def test_two_runs_of_one_arm_fold_and_seed_are_refused(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    with pytest.raises(DataError) as refused:
        read_arms([tmp_path])
    assert str(refused.value) == (
        f"unet/fold=0,seed=1: found 2 runs of it, wanted one ({tmp_path}/a, {tmp_path}/b); name "
        "only one of them"
    )


def test_undefined_scores_stay_undefined(tmp_path):
    path = write_run(tmp_path / "a") / "rows.csv"
    path.write_text(
        path.read_text().replace(
            "sub-00,sub-00,test,core,dice,0.8", "sub-00,sub-00,test,core,dice,"
        )
    )
    scores = read_arms([tmp_path]).arms.scores
    dice = scores[(scores["metric"] == "dice") & (scores["case_id"] == "sub-00")]
    assert dice.set_index("label")["value"].isna().to_dict() == {"core": True, "shell": False}


def test_covariates_that_are_gone_or_differ_are_reported(tmp_path):
    write_run(tmp_path / "a", fold=0)
    (write_run(tmp_path / "b", fold=1) / "cases.tsv").unlink()
    found = read_arms([tmp_path])
    assert found.notes == (
        "No covariates of 2 cases, as cases.tsv of the run is lost or cannot be read: sub-02, "
        "sub-03.",
    )
    assert list(found.arms.covariates.index) == ["sub-00", "sub-01"]
    path = write_run(tmp_path / "b", fold=0, model="resunet") / "cases.tsv"
    path.write_text(path.read_text().replace("\t30\t", "\t60\t"))
    found = read_arms([tmp_path])
    assert found.notes[-1].startswith("Covariates of 1 case differ between runs")
    assert found.arms.covariates.loc["sub-00", "age"] == 30


def test_what_one_fold_lacks_is_not_reported_of_all(tmp_path):
    """Fold 0 has women only, fold 1 men only; together they have both."""
    write_run(tmp_path / "a", fold=0, test=["sub-00", "sub-02", "sub-04"])
    write_run(tmp_path / "b", fold=1, test=["sub-01", "sub-03", "sub-05"])
    assert read_arms([tmp_path]).notes == ()


def test_planted_effects_are_those_to_expect(tmp_path):
    write_run(tmp_path / "a", summary={"hypotheses": {"sex_difference": {"planted": 12.5}}})
    (hypothesis,) = read_arms([tmp_path]).arms.target.hypotheses
    assert hypothesis.expected == 12.5


def test_external_cases_are_read_with_the_test_cases(tmp_path):
    folder = multirun(tmp_path, folds=(0, 1), external=["sub-05"])
    found = read_arms([folder])
    assert check_design(found.arms) == []
    scores = found.arms.scores.drop_duplicates(["run", "case_id"])
    assert scores.groupby("split")["case_id"].nunique().to_dict() == {"external": 1, "test": 4}
    assert found.runs["unet/fold=1,seed=1"].test_cases == {"sub-02", "sub-03", "sub-05"}


def test_a_table_without_its_external_cases_breaks_off(tmp_path):
    folder = multirun(tmp_path, models=("unet",), folds=(0, 1), external=["sub-05"])
    path = folder / "model=unet,data.fold=1,seed=1" / "rows.csv"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("sub-05")]
    path.write_text("\n".join(kept) + "\n")
    assert "no score of sub-05: core" in " ".join(read_arms([folder]).notes)


def test_runs_with_other_unseen_sites_are_not_compared(tmp_path):
    write_run(tmp_path / "a", external=["sub-05"])
    write_run(tmp_path / "b", model="resunet", external=["sub-04"])
    with pytest.raises(DataError, match="fold 0 holds out other cases"):
        read_arms([tmp_path])


def count_voxels(folder):
    """Make rows those of a version that measured distances by surface voxels."""
    path = folder / "rows.csv"
    text = path.read_text()
    assert ",mm2/mm2" in text
    path.write_text(text.replace(",mm2/mm2", ","))


def test_distances_of_two_definitions_are_not_mixed(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="resunet")
    count_voxels(tmp_path / "b")
    error = (
        "distances by surface voxels, of an older version, in resunet/fold=0,seed=1, wanted those "
        "by surface elements as in unet/fold=0,seed=1; score them again: neurotarget evaluate "
        f"{tmp_path / 'b'}/cases.tsv target=<name> predictions="
    )
    with pytest.raises(DataError, match=re.escape(error)):
        read_arms([tmp_path])
    count_voxels(tmp_path / "a")
    older = read_arms([tmp_path])
    assert set(older.arms.names) == {"unet", "resunet"}


def test_older_distances_allow_no_ensemble_of_new_ones(tmp_path):
    multirun(tmp_path, models=("unet",), folds=(0,), seeds=(1, 2))
    for folder in tmp_path.iterdir():
        count_voxels(folder)
    found = with_ensembles(read_arms([tmp_path]), tmp_path / "ensembles")
    assert found.arms.names == ("unet",)
    assert "are by surface voxels, from an older version; score them again" in found.notes[-1]
