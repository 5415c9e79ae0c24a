import shutil
from dataclasses import replace

import pandas as pd
import pytest
import wandb

from neurotarget.cli.commands import compare
from neurotarget.comparison.arms_text import markdown, named_after, summary_rows, verdicts
from neurotarget.comparison.gather_runs import read_arms
from neurotarget.comparison.write_comparison import compare_runs, track
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.report.text.numbers import aligned
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.types import Target
from oracles.command_arguments import as_arguments
from oracles.runs import write_images, write_run

QUIET = {"wandb": "disabled", "ensembles": "false"}


def run(places, values):
    return compare.run([*map(str, places), *as_arguments(values)])


def write_multirun(folder, *, folds=3, seeds=(1, 2)):
    """Two models by folds and seeds; resunet is better by 0.05 and loses no case to unet."""
    for model, dice in (("unet", 0.75), ("resunet", 0.8)):
        for fold in range(folds):
            for seed in seeds:
                place = folder / f"model={model},data.fold={fold},seed={seed}"
                level = dice + fold / 100 + seed / 1000
                write_run(place, model=model, fold=fold, seed=seed, dice=level)
    return folder


@pytest.fixture
def pair(tmp_path):
    """A run of each of two models."""
    return write_multirun(tmp_path / "pair", folds=1, seeds=(1,))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A multirun of two models, three folds and two seeds, and its comparison."""
    multirun = write_multirun(tmp_path_factory.mktemp("compared") / "multirun")
    return multirun, compare_runs([multirun], ensembles=False)


def test_a_multirun_becomes_tables_figures_and_a_page(compared, capsys):
    multirun, done = compared
    output = multirun / "compare"
    files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    tables = ("arms", "differences", "spread", "variance", "ranks", "agreement", "effects")
    assert {f"compare/{name}.tsv" for name in (*tables, "costs", "cases")} <= files
    assert {"compare.html", "compare.tsv", "compare.md", "compare/figures/dice.svg"} <= files
    assert {"compare/figures/dice.png", "compare/figures/ranks.svg"} <= files
    assert not [name for name in files if name.startswith(("wandb", "logs", "ensembles"))]
    arms = pd.read_csv(output / "compare.tsv", sep="\t")
    assert arms[["arm", "n_runs", "n_cases"]].to_numpy().tolist() == [
        ["resunet", 6, 6],
        ["unet", 6, 6],
    ]
    assert arms["dice"].tolist() == pytest.approx([0.8 + 0.01 + 0.0015, 0.75 + 0.01 + 0.0015])
    compare.print_comparison(done)
    message = capsys.readouterr().out
    head, _, first, second = message.splitlines()[1:5]
    assert head.split()[:3] == ["arm", "Dice", "[95"]
    assert first.startswith("resunet  0.812 [0.8")
    assert second.startswith("unet     0.761 [0.7")
    assert "resunet has the highest mean Dice, 0.812, which is 0.050 above unet" in message
    assert f"report  {output}/compare.html" in message
    page = (output / "compare.html").read_text()
    assert "resunet has the highest mean Dice" in page


def test_arms_that_have_not_learnt_are_no_winners(tmp_path, capsys):
    for model, dice in (("unet", 0.016), ("resunet", 0.038)):
        for fold in range(3):
            place = tmp_path / "bad" / f"model={model},data.fold={fold}"
            write_run(place, model=model, fold=fold, dice=dice)
    assert run([tmp_path / "bad"], QUIET) == 0
    message, output = capsys.readouterr().out, tmp_path / "bad" / "compare"
    first = "NOT LEARNT: no network has learnt, so no arm is ranked"
    assert message.splitlines()[1] == first
    assert "resunet (not learnt)" in message
    assert "highest" not in message
    assert "99 %" not in message
    page = (output / "compare.html").read_text()
    assert first in page
    assert "No network has learnt, so this comparison does not show which is best" in page
    assert "the highest mean Dice" not in page
    assert f"**{first}**" in (output / "compare.md").read_text()
    arms = pd.read_csv(output / "compare.tsv", sep="\t")
    assert arms["learnt"].tolist() == ["not learnt"] * 2
    assert arms[["p_best", "mean_rank"]].isna().all(axis=None)
    effects = pd.read_csv(output / "compare" / "effects.tsv", sep="\t")
    assert set(effects[effects["arm"] != "reference"]["verdict"]) <= {"no conclusion"}


def test_a_second_comparison_leaves_nothing_of_the_first(compared, tmp_path, capsys):
    """Of one arm alone, which is described."""
    multirun = tmp_path / "multirun"
    shutil.copytree(compared[0], multirun)
    drawn = multirun / "compare" / "compare" / "figures"
    mine = multirun / "compare" / "compare" / "mine.tsv"
    mine.write_text("kept")
    assert (drawn / "ranks.svg").is_file()
    for folder in multirun.glob("model=unet*"):
        shutil.rmtree(folder)
    assert run([multirun], QUIET) == 0
    assert "nothing to compare" in capsys.readouterr().out
    assert not (drawn / "ranks.svg").exists()
    assert (drawn / "dice.svg").is_file()
    assert mine.read_text() == "kept"


def test_runs_named_one_by_one_go_into_a_folder_named_after_the_arms(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(sorted(pair.iterdir()), QUIET | {"title": "Mine & <b>yours</b>"}) == 0
    (output,) = (tmp_path / "runs").iterdir()
    assert output.name.startswith("compare_resunet_vs_unet_")
    page = (output / "compare.html").read_text()
    assert "neurotarget compare" in page
    assert "Mine &amp; &lt;b&gt;yours&lt;/b&gt;" in page
    assert "<b>yours" not in page
    assert (output / "compare.md").read_text().startswith("# Mine & \\<b\\>yours\\</b\\>\n")


def test_undefined_and_failed_masks_do_not_stop_it(pair, capsys):
    for path in pair.glob("model=unet*/rows.csv"):
        path.write_text(
            path.read_text().replace(",dice,0.7", ",dice,").replace(",hd95_mm,2.0", ",hd95_mm,")
        )
    assert run([pair], QUIET) == 0
    assert "unet" in capsys.readouterr().out


def test_runs_that_were_trained_are_compared(
    trained, tiny, train_arguments, command, tmp_path, capsys
):
    """Two real trainings of seconds, through to the ensemble of both."""
    first, _ = trained
    second = tiny / "plain"
    arguments = [
        *train_arguments[1:],
        "model=unet",
        "logger.wandb=disabled",
        "logger.pictures=0",
        "trainer.max_epochs=2",
        f"hydra.run.dir={second}",
    ]
    command("train.py", *arguments, cwd=tiny)
    run([first, second], {"wandb": "offline", "device": "cpu", "output": str(tmp_path)})
    assert list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    arms = pd.read_csv(tmp_path / "compare.tsv", sep="\t").set_index("arm")
    assert arms["kind"].to_dict() == {
        "resunet": "net",
        "unet": "net",
        "all arms ensemble": "ensemble",
    }
    assert (arms["n_cases"] == 3).all()
    assert arms["dice"].between(0, 1).all()
    nets = arms.loc[["resunet", "unet"]]
    assert nets["parameters"].nunique() == 2
    assert (nets[["step_s", "train_s", "steps", "predict_s_per_case"]] > 0).all(axis=None)
    assert arms.loc["all arms ensemble", "parameters"] == nets["parameters"].sum()
    agreement = pd.read_csv(tmp_path / "compare" / "agreement.tsv", sep="\t")
    assert set(agreement["arm"]) == set(arms.index)
    assert "1 ensemble to predict: 6 predictions of a case" in capsys.readouterr().out


def test_ensembles_stand_beside_the_nets(tmp_path, capsys):
    images = write_images(tmp_path / "images")
    for model in ("unet", "resunet"):
        write_run(tmp_path / "multirun" / model, model=model, images=images)
    arguments = {"wandb": "disabled", "device": "cpu"}
    run([tmp_path / "multirun"], arguments)
    arms = pd.read_csv(tmp_path / "multirun" / "compare" / "compare.tsv", sep="\t")
    assert dict(zip(arms["arm"], arms["kind"], strict=True)) == {
        "unet": "net",
        "resunet": "net",
        "all arms ensemble": "ensemble",
    }
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("1 ensemble to predict: 4 predictions of a case, about 8")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"common": "yes"}, "common: got 'yes', wanted true or false"),
        ({"ensembles": "1"}, "ensembles: got '1', wanted true or false"),
        ({"seed": "-1"}, "seed: got '-1', wanted a whole number from 0 to 4294967295"),
        ({"wandb": "on"}, "logger.wandb: got 'on', wanted one of auto, online"),
    ],
)
def test_words_of_another_kind_are_refused_before_anything_is_read(arguments, error):
    with pytest.raises(DataError, match=error):
        run(["/nowhere"], arguments)


def test_an_output_that_is_a_file_is_refused_before_ensembles(pair, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"output: .*file is a file, wanted a folder to write into"):
        run([pair], QUIET | {"output": str(tmp_path / "file" / "inner")})


def test_runs_that_cannot_be_compared_are_one_answer_without_a_page(pair, capsys):
    write_run(pair / "model=unet,data.fold=0,seed=1", test=["sub-05"], fold=0)
    with pytest.raises(SystemExit, match="2"):
        exits_with_sentence(run)([pair], QUIET)
    error = capsys.readouterr().err
    assert "error: fold 0 holds out other cases: " in error
    assert "common=true compares only" in error
    assert not (pair / "compare").exists()


@pytest.fixture
def tracked(compared, tmp_path, wandb_records, monkeypatch):
    """`tracked(run folder)` logs the comparison as that run's settings say: the records of W&B."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_JOB_TYPE"):
        monkeypatch.delenv(name, raising=False)

    def records(folder):
        (first,) = read_arms([folder]).runs.values()
        done = compared[1]._replace(page=tmp_path / "compare.html")
        track(done, first, mode="offline", title="a")
        wandb.teardown()  # its service writes the file, and may lag behind
        (log,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
        assert not (tmp_path / "logs").exists()
        return list(wandb_records(log))

    return records


def test_a_wandb_run_of_its_type_holds_tables_and_figures(tracked, tmp_path):
    records = tracked(write_run(tmp_path / "run"))
    (started,) = [record.run for record in records if record.HasField("run")]
    assert (started.job_type, started.project) == ("comparison", "neurotarget")
    logged = {item.key or item.nested_key[0] for record in records for item in record.history.item}
    assert {"compare/arms", "compare/differences", "compare/figures/dice"} <= logged


def test_a_run_of_a_stranger_sends_no_comparison_to_an_entity(tracked, tmp_path, capsys):
    path = write_run(tmp_path / "run") / "config.yaml"
    path.write_text(f'{path.read_text()}logger: {{entity: "them\\e[2J", project: p}}\n')
    (started,) = [record.run for record in tracked(path.parent) if record.HasField("run")]
    output = capsys.readouterr().out
    assert "names the entity them" in output
    assert "logged to your own entity instead, unless trust=true is set" in output
    assert (started.entity, started.project) == ("", "p")


def test_markdown_and_terminal_show_the_same_cells():
    arms = {"arm": ["a|b", "long_name"], "dice": [0.9, 0.8], "dice_low": 0.7, "dice_high": 0.95}
    arms |= {"n_failed": [0, 1], "n_scored": [6, 6], "verdicts": ["sex: shown 1 of 1", ""]}
    arms |= {"p_best": [0.973, float("nan")], "seed_sd": [float("nan")] * 2}
    arms |= {"total_icc_a1": [0.9, float("nan")]}
    target = Target("t", ("t1",), {"x": 1}, (1, 1, 1), (8, 8, 8))
    tables = {"arms": pd.DataFrame(arms), "effects": pd.DataFrame(columns=["arm"])}
    found = Comparison(target, tables, ("A note.",), {"runs": "2"}, "a|b is best.")
    assert summary_rows(found) == [
        ["arm", "Dice [95 %]", "best", "ICC total", "failed"],
        ["a|b", "0.900 [0.700, 0.950]", "97 %", "0.900", "0 of 6"],
        ["long_name", "0.800 [0.700, 0.950]", "–", "–", "1 of 6"],
    ]
    assert verdicts(found) == {"a|b": "sex: shown 1 of 1"}
    one = found.tables["arms"].rename(columns={"total_icc_a1": "gland_icc_a1"})
    alone = replace(found, tables={**found.tables, "arms": one})
    assert summary_rows(alone)[0][3] == "ICC gland"
    assert aligned(summary_rows(found), right=True).splitlines() == [
        "arm                 Dice [95 %]  best  ICC total  failed",
        "-" * 56,
        "a|b        0.900 [0.700, 0.950]  97 %      0.900  0 of 6",
        "long_name  0.800 [0.700, 0.950]     –          –  1 of 6",
    ]
    assert markdown(found, "T") == (
        "# T\n\na\\|b is best.\n\n"
        "| arm | Dice \\[95 %\\] | best | ICC total | failed |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| a\\|b | 0.900 \\[0.700, 0.950\\] | 97 % | 0.900 | 0 of 6 |\n"
        "| long\\_name | 0.800 \\[0.700, 0.950\\] | – | – | 1 of 6 |\n\n"
        "Verdicts on the hypotheses, over seeds:\n\n- a\\|b: sex: shown 1 of 1\n\n"
        "Notes:\n\n- A note.\n\n- runs: 2\n"
    )


def test_names_of_files_are_plain_and_not_too_long():
    assert named_after(["unet,lr=0.1", "a/b"]) == "unet_lr=0.1_vs_a_b"
    assert len(named_after(["x" * 50, "y" * 50])) == 60
