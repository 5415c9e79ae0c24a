import json
import os
from pathlib import Path

import pandas as pd
import pytest
import wandb

from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.tracking.final_log import log_best, log_final, log_learning
from neurotarget.runs.tracking.trackers import finish, loggers, on_wandb, run_tags, wandb_mode
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.stats.cohort.learning import Learning


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_a_run_is_offline():
    assert wandb_mode("auto") == "offline"


def test_with_a_key_it_is_online(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert wandb_mode("auto") == "online"
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb_mode("auto") == "online"


def test_wandb_mode_wins_over_auto_and_a_word_over_both(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode("auto") == "disabled"
    assert wandb_mode("offline") == "offline"


def test_other_words_are_refused():
    with pytest.raises(DataError, match="wanted one of auto, online, offline, disabled"):
        wandb_mode("yes")


@pytest.mark.parametrize(
    ("word", "tags"), [("learnt", ("a",)), ("not learnt", ("a", "not learnt"))]
)
def test_a_run_that_has_not_learnt_is_tagged_so(tmp_path, word, tags):
    settings = {"wandb": "offline", "project": "p", "entity": None, "group": None, "tags": ["a"]}
    begun = loggers(tmp_path, settings, run_id="own", name="n", config={})
    log_learning(begun, Learning(word, ("The mean Dice is low.",), ("Few steps.",)))
    run = begun[1].experiment
    assert run.summary["learnt"] == word
    assert run.summary["learnt_reasons"] == "The mean Dice is low. Few steps."
    assert tuple(run.tags) == tags
    finish(begun, failed=False)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made(**environment)` gives the W&B run that our loggers begin there."""
    settings = {"wandb": "offline", "project": "ours", "entity": None, "group": None, "tags": []}

    def begin(mode: str = "offline", **environment: str):
        settings["wandb"] = mode
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        wandb.teardown()  # or it keeps to the environment that it has seen first
        write_json(tmp_path / "run.json", {"id": "own", "started": ["now"]})
        began.extend(loggers(tmp_path, settings, run_id="own", name="a", config={"seed": 1}))
        return began[1].experiment if len(began) > 1 else None

    began = []
    begin.loggers = began
    yield begin
    finish(began, failed=False)
    monkeypatch.undo()
    wandb.teardown()


def test_a_run_has_an_id_of_its_own(made, tmp_path):
    run = made()
    assert (run.id, run.project, run.sweep_id) == ("own", "ours", None)
    assert json.loads((tmp_path / "run.json").read_text())["id"] == "own"


def test_a_run_of_a_wandb_sweep_is_the_one_that_its_agent_named(made, tmp_path, capfd):
    run = made(WANDB_SWEEP_ID="sweep1", WANDB_RUN_ID="run1", WANDB_PROJECT="theirs")
    assert (run.id, run.project, run.sweep_id) == ("run1", "theirs", "sweep1")
    kept = json.loads((tmp_path / "run.json").read_text())
    assert kept == {"id": "run1", "started": ["now"]}
    assert "Ignoring" not in "".join(capfd.readouterr())


NO_KEY = {"WANDB_API_KEY": "x" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}  # nobody listens


def test_a_key_without_network_is_logged_offline(made, capsys, monkeypatch):
    monkeypatch.setattr("neurotarget.runs.tracking.trackers.INIT_S", 1.0)
    run = made("online", **NO_KEY)
    assert run.id == "own"
    assert run.settings.mode == "offline"
    assert "W&B cannot start (" in capsys.readouterr().out


def test_a_home_that_cannot_be_written_costs_nothing(made, tmp_path):
    made(HOME="/dev/null/home", XDG_DATA_HOME="/dev/null/data", XDG_CACHE_HOME="/dev/null/cache")
    rows = pd.DataFrame({"case_id": ["a"], "value": [0.5]})
    log_final(made.loggers, summary={"test/dice": 0.5}, rows=rows, study=None)
    assert not made.loggers[1].is_lost
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/table/test/rows_*.table.json"))


def test_the_places_of_one_run_are_not_those_of_the_next(made, tmp_path):
    made()
    assert Path(os.environ["WANDB_DATA_DIR"]).is_relative_to(tmp_path)
    finish(made.loggers, failed=False)
    assert "WANDB_DATA_DIR" not in os.environ


def test_where_wandb_cannot_begin_at_all_csv_goes_on(made, capsys):
    assert made(WANDB_RUN_ID="a/b:c", WANDB_SWEEP_ID="s", WANDB_ENTITY="e") is None
    assert "this run is logged in logs/ only" in capsys.readouterr().out
    assert len(made.loggers) == 1


def test_an_error_of_wandb_is_reported_once_and_the_run_continues(made, tmp_path, capsys):
    made()
    on_wandb(made.loggers, lambda run: run.log("no mapping"))
    for step in range(3):
        for logger in made.loggers:
            logger.log_metrics({"train/loss/\u5934": 0.5}, step)
            logger.save()
    assert capsys.readouterr().out.count("W&B failed (") == 1
    text = (tmp_path / "logs" / "metrics.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "step,train/loss/\u5934"
    assert len(text.splitlines()) == 4


class Logged:
    """What an offline file of W&B holds."""

    def __init__(self, records):
        self.tags, self.summary, self.history = set(), {}, {}
        for record in records:
            self.tags |= set(record.run.tags)
            for part, items in (
                ("summary", record.summary.update),
                ("history", record.history.item),
            ):
                for item in items:
                    keys = [item.key] if item.key else [*item.nested_key]
                    getattr(self, part)[":".join(keys)] = json.loads(item.value_json)


@pytest.fixture
def logged(tmp_path, wandb_records):
    """`logged(act, tags)` gives what `act` has logged with the loggers of a run."""
    settings = {"wandb": "offline", "project": "p", "entity": None, "group": None, "tags": ["own"]}

    def of(act, tags=()):
        begun = loggers(tmp_path, settings, run_id="own", name="n", config={}, tags=tags)
        act(begun)
        finish(begun, failed=False)
        (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
        return Logged(wandb_records(file))

    yield of
    wandb.teardown()


def test_a_run_is_tagged_with_target_model_fold_and_seed(logged):
    tags = run_tags("amygdala", "resunet", fold=2, seed=7)
    assert logged(lambda _: None, tags).tags == {"own", "amygdala", "resunet", "fold 2", "seed 7"}


def test_a_model_without_a_name_and_a_name_that_is_too_long_give_no_wrong_tag():
    assert run_tags("x" * 100, None, fold=0, seed=1) == ["x" * 64, "fold 0", "seed 1"]


def test_the_summary_has_the_best_validation_beside_the_last(logged):
    def act(made):
        for step, value in enumerate((0.4, 0.8, 0.6)):
            made[1].log_metrics({"val/dice_mean": value}, step)
        log_best(made, {"val/dice_mean": 0.8})

    summary = logged(act).summary
    assert summary["best/val/dice_mean"] == 0.8
    assert summary["val/dice_mean"] == 0.6


def test_the_report_is_logged_as_a_page(logged, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("<!doctype html><title>report</title>")
    study = WrittenStudy(Written({}), page, {}, [], [])
    rows = pd.DataFrame({"case_id": ["a"], "value": [0.5]})
    found = logged(lambda made: log_final(made, summary={}, rows=rows, study=study))
    assert found.history["report:_type"] == "html-file"
    (kept,) = tmp_path.glob(f"wandb/offline-run-*/files/{found.history['report:path']}")
    assert kept.read_text() == page.read_text()


class Written:
    """A study without figures."""

    def __init__(self, tables):
        self.tables = tables
