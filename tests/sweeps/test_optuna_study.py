import sys

import optuna
import pytest
from filelock import FileLock

from neurotarget.problems import DataError
from neurotarget.sweeps.optuna_study import (
    check_same_search,
    importances,
    load_study,
    masked,
    need_optuna,
    objective_values,
    open_study,
    pruner_of,
    read_search,
    sampler_of,
)

SWEEP = {
    "objective": "dice",
    "trials": 20,
    "startup_trials": 3,
    "warmup_epochs": 0,
    "sampler": "tpe",
    "pruner": "median",
    "storage": None,
    "study_name": None,
    "seed": 1,
    "parallel": 1,
}


@pytest.fixture
def search(tmp_path):
    return lambda **changed: read_search(SWEEP | changed, tmp_path, "gland")


@pytest.fixture
def opened(tmp_path, search):
    return lambda **changed: open_study(search(**changed), FileLock(tmp_path / "lock"))


def test_a_search_lies_in_its_folder_and_is_called_after_its_experiment(search, tmp_path):
    assert search().storage == f"sqlite:///{tmp_path}/study.db"
    assert search().study_name == "gland"
    assert search(study_name="mine", storage="sqlite:///x.db").storage == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"objective": "dcie"}, "sweep.objective: found 'dcie'"),
        ({"objective": ["dice", "dice"]}, "wanted each once"),
        ({"objective": []}, "wanted each once"),
        ({"trials": 0}, "sweep.trials: found 0, wanted a whole number of at least 1"),
        ({"trials": "many"}, "sweep.trials: found 'many'"),
        ({"parallel": True}, "sweep.parallel: found True"),
        ({"sampler": "cmaes"}, "sweep.sampler: found 'cmaes', wanted one of tpe, random, gp"),
        ({"pruner": None}, "sweep.pruner: found None, wanted one of median, hyperband, none"),
    ],
)
def test_a_setting_that_is_none_is_refused(search, changed, message):
    with pytest.raises(DataError) as error:
        search(**changed)
    assert message in str(error.value)


def test_several_objectives_are_never_pruned(search):
    assert search(objective=["dice", "volume_r"]).pruner == "none"
    assert search().pruner == "median"


def test_an_objective_is_the_mean_over_labels():
    logged = {
        "val/dice_mean": 0.5,
        "val/volume_icc/left": 0.25,
        "val/volume_icc/right": 0.75,
        "val/volume_r/left": 0.9,
        "val/volume_r/right": float("nan"),
    }
    assert objective_values(logged, ["val/dice_mean", "val/volume_icc/"]) == ([0.5, 0.5], "")
    values, reason = objective_values(logged, ["val/volume_r/", "val/dice_mean"])
    assert values[1] == 0.5
    assert reason == "val/volume_r/right is not a number"
    assert objective_values({}, ["val/volume_r/"])[1] == "val/volume_r/<label> was never logged"
    assert objective_values({}, ["val/dice_mean"])[1] == "val/dice_mean was never logged"


@pytest.mark.parametrize("name", ["tpe", "random", "gp", "nsga2"])
def test_a_trial_draws_the_same_again_and_no_two_draw_alike(search, name):
    drawn = []
    for number in (0, 1, 0):
        study = optuna.create_study(sampler=sampler_of(search(sampler=name), number))
        drawn.append(study.ask().suggest_float("x", 0, 1))
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_search_of_another_seed_draws_otherwise(search):
    drawn = [
        optuna.create_study(sampler=sampler_of(search(seed=seed), 0)).ask().suggest_float("x", 0, 1)
        for seed in (1, 2)
    ]
    assert drawn[0] != drawn[1]


def test_the_pruner_waits_for_the_trials_drawn_at_random(search, opened):
    study = opened()
    for value in (0.5, 0.6, 0.7):
        trial = study.ask()
        trial.report(0.1, 1)
        assert not trial.should_prune()
        trial.report(value, 2)
        study.tell(trial, value)
    trial = study.ask()
    trial.report(0.05, 1)
    assert trial.should_prune()
    study.pruner = pruner_of(search(warmup_epochs=1))
    assert not trial.should_prune()
    trial.report(0.05, 2)
    assert trial.should_prune()
    assert isinstance(pruner_of(search(pruner="hyperband")), optuna.pruners.HyperbandPruner)
    assert isinstance(pruner_of(search(pruner="none")), optuna.pruners.NopPruner)


def test_a_job_finds_the_study_or_reports_that_there_is_none(search, opened):
    trial = opened().ask()
    assert [one.number for one in load_study(search()).trials] == [trial.number]
    with pytest.raises(DataError, match="the study other cannot be opened there"):
        load_study(search(study_name="other"))


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@nowhere.invalid/db", "nonsense", "sqlite:////no/such/place.db"]
)
def test_a_storage_that_does_not_answer_is_reported_without_its_password(opened, url):
    with pytest.raises(
        DataError, match=r"cannot be opened there \(.+\); set sweep.storage"
    ) as caught:
        opened(storage=url)
    assert "secret" not in str(caught.value)
    assert masked("mysql+pymysql://me:secret@host/db") == "mysql+pymysql://me:***@host/db"


def test_a_study_of_another_search_is_not_gone_on_with(opened):
    definition = {"objective": ["dice"], "words": ["seed=1"], "lr": "interval(0, 1)"}
    check_same_search(opened(), definition)
    check_same_search(opened(), definition)
    with pytest.raises(DataError) as error:
        check_same_search(opened(), {**definition, "lr": "interval(0, 2)", "model": "a,b"})
    assert "lr is interval(0, 2) and was interval(0, 1)" in str(error.value)
    assert "model is a,b and was absent" in str(error.value)
    with pytest.raises(DataError, match=r"wanted one to maximize dice and maximize volume_r"):
        opened(objective=["dice", "volume_r"])


def test_the_setting_that_matters_is_the_more_important_one():
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(1))
    for _ in range(30):
        assert len(study.trials) >= 10 or importances(study, ["dice"]) == []
        trial = study.ask()
        matters = trial.suggest_float("matters", 0, 1)
        trial.suggest_float("idle", 0, 1)
        study.tell(trial, 1 - (matters - 0.5) ** 2)
    shares = {name: share for _, name, share in importances(study, ["dice"])}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["matters"] > 0.6


def test_each_objective_has_importances_of_its_own():
    sampler = optuna.samplers.RandomSampler(1)
    study = optuna.create_study(directions=["maximize"] * 2, sampler=sampler)
    for _ in range(30):
        trial = study.ask()
        first, second = (trial.suggest_float(name, 0, 1) for name in ("first", "second"))
        study.tell(trial, [first, second])
    found = importances(study, ["dice", "volume_r"])
    shares = {(objective, name): share for objective, name, share in found}
    assert shares["dice", "first"] > shares["dice", "second"]
    assert shares["volume_r", "second"] > shares["volume_r", "first"]


def test_without_optuna_the_error_names_what_to_install(monkeypatch):
    need_optuna()
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DataError, match=r"found no package optuna.*pip install 'optuna>=5'"):
        need_optuna()


def test_an_old_optuna_is_reported(monkeypatch):
    monkeypatch.setattr(optuna, "__version__", "2.10.1")
    with pytest.raises(DataError, match=r"found optuna 2.10.1, wanted version 5 or later"):
        need_optuna()


def test_importances_tell_the_best_trials_apart_also_where_lower_is_better():
    sampler = optuna.samplers.RandomSampler(1)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for _ in range(60):
        trial = study.ask()
        helps, harms = trial.suggest_float("helps", 0, 1), trial.suggest_float("harms", 0, 1)
        study.tell(trial, 0.0 if helps < 0.15 else 1 + 10 * (harms > 0.85))
    shares = {name: share for _, name, share in importances(study, ["error_abs"])}
    assert shares["helps"] > shares["harms"]
