"""The real search on trainings that take no time: what they log is a function of their settings."""

import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import hydra
import optuna
import pandas as pd
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig

from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import read_job
from neurotarget.runs.folder.multirun import read_multirun
from neurotarget.sweeps.optuna_sweeper import SearchProcess
from neurotarget.sweeps.run_job import run_as_job

CONF = Path(__file__).parents[2] / "conf"
APP = """
defaults: [_self_, {net: plain}, {sweep: optuna}, {experiment: null}]
name: bowl
monitor: val/dice_mean
resume: null
held_out: true
x: 0.0
y: 0.1
"""
FIVE = ["sweep.trials=5", "sweep.parallel=5"]
NET = {"plain": "width: 1", "wide": "width: 2"}


def bowl(cfg) -> dict[str, float]:
    """Best at x = 0.3 for Dice and at x = 0.7 for the agreement of volumes."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with (folder / "begun").open("a") as stream:
        stream.write("once\n")
    if os.environ.get("DIES_IN") == str(cfg.sweep.trial):
        os.kill(os.getpid(), signal.SIGKILL)
    while "MEETS" in os.environ and not (folder.parent / "trial_0001" / "begun").exists():
        time.sleep(0.05)
    if cfg.y > 1:
        raise DataError(f"y: found {cfg.y}, wanted at most 1; say y=1")
    loss = (1 - cfg.net.width) ** 2
    return {
        "val/dice_mean": 1 - (cfg.x - 0.3) ** 2 - loss,
        "val/volume_icc/left": 1 - (cfg.x - 0.7) ** 2,
        "val/volume_icc/right": float("nan") if cfg.y > 0.5 else 1 - (cfg.x - 0.7) ** 2,
    }


def train(folder: Path, words: list[str], environment: Mapping[str, str] | None = None) -> None:
    """`python train.py -m …` in this process."""
    os.environ |= environment or {}

    def act(cfg) -> float:
        value = run_as_job(bowl, cfg)
        if os.environ.get("STOPS_AFTER") == str(cfg.sweep.trial):
            raise KeyboardInterrupt
        return value

    before, sys.argv = sys.argv, ["train.py", "-m", *words]
    try:
        hydra.main(version_base="1.3", config_path=str(folder / "conf"), config_name="app")(act)()
    finally:
        sys.argv = before


@pytest.fixture
def place(tmp_path) -> Path:
    conf = tmp_path / "conf"
    for name in ("sweep/optuna.yaml", "hydra/sweeper/neurotarget_optuna.yaml"):
        (conf / name).parent.mkdir(parents=True)
        shutil.copy(CONF / name, conf / name)
    (conf / "app.yaml").write_text(APP)
    (conf / "net").mkdir()
    for name, text in NET.items():
        (conf / "net" / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def search(place):
    """`search(*words)` runs a search here and gives its folder."""

    def run(*words: str) -> Path:
        train(place, [*words, f"hydra.sweep.dir={place / 'search'}"])
        return place / "search"

    return run


@pytest.fixture
def start(place):
    """`start(*words, NAME=value)` starts a search in a process of its own."""
    fork = multiprocessing.get_context("fork")  # which need not import everything again

    def run(*words: str, **environment: str) -> multiprocessing.Process:
        words = [*words, f"hydra.sweep.dir={place / 'search'}"]
        process = fork.Process(target=train, args=(place, words, environment))
        process.start()
        return process

    return run


def trials(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "trials.tsv", sep="\t", keep_default_na=False, na_values="n/a")


def study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="bowl", storage=f"sqlite:///{folder / 'study.db'}")


def begun(folder: Path) -> dict[str, int]:
    return {path.parent.name: len(path.read_text().splitlines()) for path in folder.glob("*/begun")}


def test_a_search_finds_the_best_settings_and_says_how_to_train_them(search, capsys):
    words = ["x=interval(0,1)", "net=plain,wide", "y=0.2", "sweep.trials=16", "sweep.parallel=8"]
    folder = search("+z='a b'", *words)
    table, output = trials(folder), capsys.readouterr().out
    best = table.loc[table["dice"].idxmax()]
    assert abs(best["x"] - 0.3) < 0.1
    assert best["net"] == "plain"
    assert table["status"].tolist() == ["done"] * 16
    assert table["trial"].tolist() == list(range(16))
    assert f"best: trial {best['trial']};" in output
    assert f"python train.py '+z='\"'\"'a b'\"'\"'' y=0.2 x={best['x']} net=plain" in output
    assert "held_out" not in output.partition("python train.py '")[2]
    assert (folder / "sweep.html").read_text().count("<html") == 1
    assert begun(folder) == {f"trial_{number:04d}": 1 for number in range(16)}
    listed = yaml.safe_load((folder / "multirun.yaml").read_text())
    assert [job["status"] for job in listed["jobs"]] == ["done"] * 16
    assert "sweep.trials=16" in listed["words"]
    job = read_job(folder / "trial_0003")
    assert "sweep.trial=3" in job.overrides
    assert "sweep.trials=16" not in job.overrides


def test_a_finished_search_can_get_more_trials_and_repeats_none(search):
    search("x=interval(0,1)", "sweep.trials=1", "sweep.sampler=random")
    folder = search("x=interval(0,1)", "sweep.trials=3", "sweep.sampler=random")
    assert len(set(trials(folder)["x"])) == 3
    assert set(begun(folder).values()) == {1}


def test_a_search_of_the_same_seed_is_the_same_search(search):
    drawn = []
    for seed in (1, 1, 2):
        folder = search("x=interval(0,1)", "sweep.trials=1", f"sweep.seed={seed}")
        drawn.append(trials(folder)["x"].tolist())
        shutil.rmtree(folder)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_failed_trial_and_one_without_an_objective_are_reported_and_the_others_run(
    search, capsys
):
    words = ["y=0.2,0.7,3", "sweep.objective=volume_icc", "sweep.trials=7", "sweep.parallel=7"]
    table = trials(search(*words))
    outcomes = table.drop_duplicates("y").set_index("y")[["status", "reason"]].T.to_dict("list")
    assert outcomes == {
        0.2: ["done", ""],
        0.7: ["failed", "val/volume_icc/right is not a number"],
        3.0: ["failed", "y: found 3, wanted at most 1; say y=1"],
    }
    assert len(table) == 7
    output = capsys.readouterr().out
    assert "failed: y: found 3, wanted at most 1; say y=1; its log: " in output


def test_a_trial_that_has_not_learnt_is_never_the_best(search, capsys):
    folder = search("sweep.trials=2", "x=0.3", "y=0.1,0.2", "net=wide")  # a Dice of 0 throughout
    output = capsys.readouterr().out
    assert "NOT LEARNT: 2 of 2 trials, never the best: 0, 1" in output
    assert "no trial has learnt, so none is best" in output
    assert "best: trial" not in output
    assert trials(folder)["reason"].str.startswith("not learnt: The mean Dice of").all()
    page = (folder / "sweep.html").read_text()
    assert "No network has learnt, so no trial is best." in page
    assert "NOT LEARNT: trials whose network has not learnt" in page


def test_where_every_trial_fails_the_search_says_why(search, capsys):
    with pytest.raises(SystemExit, match="2"):
        search("y=interval(2,3)", "sweep.trials=2")
    assert "found no trial that was done among 2 (y: found 2." in capsys.readouterr().err


def test_several_objectives_end_in_a_pareto_front(search, capsys):
    folder = search("x=interval(0,1)", "sweep.objective=[dice,volume_icc]", *FIVE)
    table = trials(folder)
    front = {trial.number for trial in study(folder).best_trials}
    for row in table.itertuples():
        better = (table["dice"] > row.dice) & (table["volume_icc"] > row.volume_icc)
        assert (row.trial in front) == (not better.any())
    assert f"{len(front)} on the Pareto front" in capsys.readouterr().out
    assert "one objective only" in (folder / "sweep.html").read_text()


def test_a_killed_search_goes_on_with_the_trial_it_was_at(search, start, place):
    words = ["x=interval(0,1)", "sweep.trials=3"]
    killed = start(*words, DIES_IN="1")
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    folder = place / "search"
    left = study(folder).trials
    assert [one.state.name for one in left] == ["COMPLETE", "RUNNING"]
    table = trials(search(*words))
    assert table["status"].tolist() == ["done"] * 3
    assert table["x"].tolist()[:2] == [one.params["x"] for one in left]
    assert begun(folder) == {f"trial_{number:04d}": 1 + (number == 1) for number in range(3)}


def test_a_trial_that_was_done_but_not_recorded_is_not_run_again(search, monkeypatch, capsys):
    monkeypatch.setenv("STOPS_AFTER", "1")
    with pytest.raises(SystemExit, match="130"):
        search("x=interval(0,1)", "sweep.trials=3")
    assert (
        "stopped; what was finished is kept; resume with: python train.py"
        in capsys.readouterr().err
    )
    monkeypatch.delenv("STOPS_AFTER")
    folder = search("x=interval(0,1)", "sweep.trials=3")
    assert trials(folder)["status"].tolist() == ["done"] * 3
    assert set(begun(folder).values()) == {1}


def test_a_search_that_is_stopped_before_its_first_trial_can_be_resumed(search, place, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SearchProcess, "_next", stopped)
    with pytest.raises(SystemExit, match="130"):
        search("x=interval(0,1)", "sweep.trials=1")
    assert "x=interval(0,1)" in read_multirun(place / "search")  # what `resume=` reads


def test_two_processes_share_the_trials_of_one_storage(start, place):
    words = ["x=interval(0,1)", "sweep.trials=4"]
    both = [start(*words, MEETS="yes") for _ in range(2)]
    for process in both:
        process.join(120)
        assert process.exitcode == 0
    done = study(place / "search").trials
    assert [one.state.name for one in done] == ["COMPLETE"] * 4
    assert {one.user_attrs["at"]["worker"] for one in done} == {0, 1}
    assert len({one.params["x"] for one in done}) == 4
    assert set(begun(place / "search").values()) == {1}
    assert trials(place / "search")["status"].tolist() == ["done"] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep.trials=2"], "found nothing to search"),
        (["x=interval(1,0)"], "x=interval(1,0): found 1 up to 0, wanted the lower end first"),
        (["x=1,2", "held_out=true"], "held_out: found true, wanted false: a search must not look"),
        (["x=1,2", "sweep.objective=dcie"], "sweep.objective: found 'dcie'"),
        (["sweep.space={xx: 'interval(0,1)'}"], "xx=0.0 makes no configuration"),
        (["sweep.space={net: 'plain,wied'}"], "net=wied makes no configuration"),
        (["sweep.space={x: 3}"], "sweep.space: found x: 3, wanted text as on the command line"),
        (["x=1,2", "sweep.storage=nonsense"], "sweep.storage=nonsense: the study bowl cannot"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_it_begins(search, place, capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        search(*words)
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not list(place.glob("search/trial_*"))


def test_a_space_in_the_configuration_is_searched_where_the_command_says_nothing_else(search):
    space = "sweep.space={x: 'tag(log, interval(0.1,1))', net: 'plain,wide'}"
    table = trials(search(space, "net=wide", "sweep.trials=2", "sweep.sampler=random"))
    assert table["x"].between(0.1, 1).all()
    assert "net" not in table


def test_another_search_in_the_same_folder_is_refused(search, capsys):
    search("x=interval(0,1)", "sweep.trials=1")
    with pytest.raises(SystemExit, match="2"):
        search("x=interval(0,2)", "sweep.trials=2")
    assert "x is interval(0,2) and was interval(0,1)" in capsys.readouterr().err


def test_without_optuna_the_search_says_what_to_install(search, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SystemExit, match="2"):
        search("x=1,2")
    assert "pip install 'optuna>=5'" in capsys.readouterr().err


def test_a_real_training_is_searched_by_what_it_logs(tiny, train_arguments, command):
    folder = tiny / "search"
    words = ["sweep=optuna", "optimizer.lr='tag(log, interval(1e-4,1e-1))'", "sweep.trials=2"]
    small = ["data.patches_per_epoch=8", "trainer.max_epochs=2", "logger.wandb=disabled"]
    small += [f"hydra.sweep.dir={folder}"]
    arguments = ["-m", *train_arguments[1:], *words, *small]
    done = command("train.py", *[word.replace("'", "") for word in arguments], cwd=tiny)
    assert f"python {train_arguments[0]} --config-dir=" in done.stdout
    found = optuna.load_study(study_name="ball", storage=f"sqlite:///{folder / 'study.db'}")
    for trial in found.trials:
        place = folder / f"trial_{trial.number:04d}"
        logged = pd.read_csv(place / "logs" / "metrics.csv")["val/dice_mean"].dropna()
        assert trial.value == pytest.approx(logged.max())
        assert list(trial.intermediate_values.values()) == pytest.approx(logged.tolist())
        assert not (place / "predictions").exists()
