"""Jobs of a tiny program under Hydra's launchers: some raise, some die, and the others run."""

import logging
import runpy
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import read_job
from neurotarget.runs.folder.run_lock import HELD, running
from neurotarget.training.resources.devices import (
    independent_slurm_task,
    needs_own_process,
    num_devices,
    rank,
    starts_own_ranks,
)

ROOT = Path(__file__).resolve().parents[2]
CONF = """
defaults: [_self_, {override hydra/sweeper: grid}]
monitor: score
arm: plain
seed: 1
resume: null
trainer: {devices: 1}
hydra:
  run: {dir: runs/one}
  sweep: {dir: runs/many}
"""
PROGRAM = """
import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig

from neurotarget.cli.argv import check_argv
from neurotarget.runs.folder.jobs import write_result
from neurotarget.sweeps.run_job import run_as_job
from neurotarget.types import DataError

class TrialPruned(Exception): ...

def act(cfg):
    folder = Path(HydraConfig.get().runtime.output_dir)
    with (folder / "ran.txt").open("a") as times:
        times.write(f"{Path(cfg.resume).name if cfg.resume else 'anew'} {len(sys.argv)}\\n")
    print(f"this is {cfg.arm}")
    (folder / "weights").mkdir(exist_ok=True)
    (folder / "weights" / "last.ckpt").touch()
    if Path("calm").exists():
        return {"score": cfg.seed}
    if cfg.arm == "raises":
        raise DataError("sub-01: found no mask, wanted one; draw it")
    if cfg.arm == "breaks":
        return {"score": 1 / 0}
    if cfg.arm == "pruned":
        raise TrialPruned("it was poor")
    if cfg.arm == "exits":
        sys.exit(3)
    if cfg.arm == "stops":
        raise KeyboardInterrupt
    if cfg.arm == "terminates":
        raise type("SIGTERMException", (SystemExit,), {})  # Lightning's
    if cfg.arm == "ends_other":  # a job that another process was at when this one looked
        write_result(folder.parent / "arm=plain", "done", ["arm=plain"], values={"score": 1.0})
    if cfg.arm == "dies":
        os._exit(9)
    return {"score": cfg.seed}

@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg):
    return run_as_job(act, cfg)

if __name__ == "__main__":
    check_argv(Path(__file__).parent / "conf", "train")
    main()
"""


@pytest.fixture
def app(tmp_path, monkeypatch) -> Path:
    sweepers = tmp_path / "conf" / "hydra" / "sweeper"
    sweepers.mkdir(parents=True)
    (sweepers / "grid.yaml").write_text((ROOT / "conf/hydra/sweeper/grid.yaml").read_text())
    (tmp_path / "conf" / "train.yaml").write_text(CONF)
    (tmp_path / "app.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "app.py"


@pytest.fixture
def run(app, monkeypatch):
    """`run(*words)` runs the program within this process; returns its exit status."""

    def act(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", [str(app), *map(str, arguments)])
        try:
            runpy.run_path(str(app), run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
        finally:
            while HELD:  # as the end of its process does
                HELD.popitem()[1].release()
        return 0

    log = logging.getLogger()
    handlers, level = log.handlers[:], log.level
    yield act
    log.handlers[:] = handlers  # Hydra puts its own there
    log.setLevel(level)


def statuses(folder: Path) -> dict[str, str]:
    lines = yaml.safe_load((folder / "multirun.yaml").read_text())["jobs"]
    return {line["name"]: line["status"] for line in lines}


def times_run(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "ran.txt").read_text().splitlines()]


def test_a_failed_job_is_reported_and_the_others_run(run, capfd):
    assert run("-m", "arm=raises,breaks,pruned,exits,plain", "seed=2") == 1
    many = Path("runs/many").resolve()
    output = capfd.readouterr()
    assert statuses(many) == {
        "arm=raises": "failed",
        "arm=breaks": "failed",
        "arm=pruned": "pruned",
        "arm=exits": "failed",
        "arm=plain": "done",
    }
    assert read_job(many / "arm=plain").values == {"score": 2.0}
    assert read_job(many / "arm=plain").overrides == ("arm=plain", "seed=2")
    assert read_job(many / "arm=raises").reason == "sub-01: found no mask, wanted one; draw it"
    assert read_job(many / "arm=breaks").reason == "ZeroDivisionError: division by zero"
    assert read_job(many / "arm=exits").reason == "it exited with status 3"
    assert "Traceback" not in output.out + output.err
    log = (many / "arm=breaks" / "job.log").read_text()
    assert "Traceback" in log
    assert (
        f"failed: arm=raises: sub-01: found no mask, wanted one; draw it; log {many}" in output.err
    )
    assert "this is plain" in output.out
    assert "done: arm=plain: score 2.000, " in output.err
    assert "5 jobs: 1 done now, 1 pruned, 3 failed" in output.out
    assert Path("runs/latest_multirun").resolve() == many


def test_a_second_run_does_only_what_is_missing(run, capfd):
    assert run("-m", "arm=plain,raises") == 1
    Path("calm").touch()
    assert run("-m", "resume=runs/many", "arm=plain,raises,last") == 0
    many = Path("runs/many")
    assert "3 jobs: 2 done now, 1 done before" in capfd.readouterr().out
    assert [times_run(many / name) for name in ("arm=plain", "arm=raises", "arm=last")] == [
        ["anew"]
    ] * 3
    assert times_run(many / ".earlier" / "arm=raises-1") == ["anew"]
    assert run("-m", "arm=last,plain", "hydra.sweep.dir=runs/many") == 0
    assert "2 jobs: 2 done before" in capfd.readouterr().out


def test_no_multirun_is_begun_in_the_folder_of_a_run(run, capfd):
    Path("runs/many").mkdir(parents=True)
    Path("runs/many/config.yaml").touch()
    Path("runs/many/run.json").write_text('{"id": "a", "versions": {}}')
    assert run("-m", "seed=1,2") == 2
    assert "found the folder of one run, wanted that of a multirun" in capfd.readouterr().err
    assert not Path("runs/many/seed=1").exists()


def test_a_job_that_was_done_with_other_settings_or_code_is_reported(run, capfd):
    assert run("-m", "seed=1,2") == 0
    assert run("-m", "seed=1,2", "hydra.sweep.dir=runs/many") == 0
    assert "of them with" not in capfd.readouterr().out
    conf, first = Path("conf/train.yaml"), Path("runs/many/seed=1")
    conf.write_text(conf.read_text().replace("{devices: 1}", "{devices: 1, epochs: 3}"))
    (first / "run.json").write_text('{"code": {"commit": "0123456789abcdef"}}')
    assert run("-m", "seed=1,2", "hydra.sweep.dir=runs/many") == 0
    output = capfd.readouterr().out
    assert "2 of them with other settings than the config files have now (trainer.epochs)" in output
    assert "delete its folder: seed=1, seed=2" in output
    assert "1 of them by the code of commit 01234567; it is " in output
    assert times_run(first) == ["anew"]


def test_a_stopped_job_goes_on_where_it_was(run, capfd):
    assert run("-m", "arm=plain,stops,last") == 130
    many = Path("runs/many")
    assert statuses(many) == {"arm=plain": "done", "arm=stops": "missing", "arm=last": "missing"}
    assert f"resume with: python train.py resume={many.resolve()}\n" in capfd.readouterr().err
    Path("calm").touch()
    assert run("resume=runs/many") == 0
    assert times_run(many / "arm=stops") == ["anew", "arm=stops"]
    assert times_run(many / "arm=last") == ["anew"]
    assert set(statuses(many).values()) == {"done"}


def test_a_stopped_job_of_other_words_begins_anew(run):
    assert run("-m", "arm=stops,plain") == 130
    Path("calm").touch()
    assert run("resume=runs/many", "monitor=none") == 0
    assert times_run(Path("runs/many/arm=stops")) == ["anew"]
    assert times_run(Path("runs/many/.earlier/arm=stops-1")) == ["anew"]


def test_a_job_that_another_process_works_on_is_left_alone(run, capfd):
    folder = Path("runs/many/seed=1")
    folder.mkdir(parents=True)
    with running(folder):
        assert run("-m", "seed=1,2") == 1
    output = capfd.readouterr().out
    assert "missing: seed=1: another process works on it now" in output
    assert statuses(folder.parent) == {"seed=1": "missing", "seed=2": "done"}


def test_a_job_that_another_process_ended_meanwhile_is_done(run, capfd):
    folder = Path("runs/many/arm=plain")
    folder.mkdir(parents=True)
    with running(folder):
        assert run("-m", "arm=plain,ends_other") == 0
    assert "2 jobs: 2 done now" in capfd.readouterr().out
    assert statuses(folder.parent) == {"arm=plain": "done", "arm=ends_other": "done"}


def test_what_a_signal_terminates_is_no_success(run, capfd):
    assert run("arm=terminates") == 143
    assert "stopped by SIGTERM; what was finished is kept" in capfd.readouterr().err
    assert run("-m", "arm=plain,terminates,last") == 143
    assert "resume with: python train.py resume=" in capfd.readouterr().err
    many = Path("runs/many")
    assert set(statuses(many).values()) == {"done", "missing"}
    Path("calm").touch()
    assert run("resume=runs/many") == 0
    assert times_run(many / "arm=terminates") == ["anew", "arm=terminates"]


def test_outside_a_multirun_errors_are_reported_as_ever(run, capfd):
    assert run("arm=raises") == 2
    assert capfd.readouterr().err == "error: sub-01: found no mask, wanted one; draw it\n"
    assert run("arm=plain") == 0
    assert not Path("runs/one/result.json").exists()


def test_an_interval_and_a_missing_plugin_are_refused(run, capfd, monkeypatch):
    assert run("-m", "seed=interval(1,2)") == 2
    assert "found an interval, wanted values that can be listed" in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_ray_launcher", None)
    assert run("-m", "seed=1,2", "hydra/launcher=ray") == 2
    assert "pip install hydra-ray-launcher" in capfd.readouterr().err


def test_where_a_process_of_a_pool_dies_the_rest_is_resumed(run, capfd):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert run("-m", "arm=plain,dies", *launcher) == 1
    many, printed = Path("runs/many"), capfd.readouterr().out
    assert statuses(many)["arm=dies"] == "failed"
    assert "failed: arm=dies: ended without a result" in printed
    assert f"resume    python train.py resume={many.resolve()}" in printed
    Path("calm").touch()
    assert run("resume=runs/many") == 0
    assert set(statuses(many).values()) == {"done"}
    assert times_run(many / "arm=dies") == ["anew", "arm=dies"]
    assert "this is plain" in (many / "arm=plain" / "job.log").read_text()
    assert "this is plain" not in printed + capfd.readouterr().out


def test_a_job_of_submitit_that_dies_is_failed_with_its_log(run, capfd, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    core = pytest.importorskip("submitit.core.core")
    monkeypatch.setattr(core.Job, "_results_timeout_s", 0)  # is for slow network disks
    assert run("-m", "arm=plain,dies", "hydra/launcher=submitit_local") == 1
    assert statuses(Path("runs/many")) == {"arm=plain": "done", "arm=dies": "failed"}
    assert "arm=dies: ended without a result: it was killed" in capfd.readouterr().out


def test_a_job_on_several_devices_has_a_process_of_its_own(run):
    assert run("-m", "arm=dies,plain", "trainer.devices=2") == 1
    many = Path("runs/many")
    assert statuses(many) == {"arm=dies": "failed", "arm=plain": "done"}
    # the words of one job and its folder, which Lightning hands to the other ranks
    assert (many / "arm=plain" / "ran.txt").read_text() == "anew 4\n"


@pytest.mark.parametrize(
    ("trainer", "ntasks", "is_needed"),
    [
        ({"devices": 1}, "1", False),
        ({"devices": 2}, "1", True),
        ({"devices": 2}, "2", False),  # Slurm has started both
        ({"devices": "2"}, "1", True),
        ({"devices": "0,1"}, "1", True),
        ({"devices": [0, 1]}, "1", True),
        ({"devices": [3]}, "1", False),
        ({"devices": "auto", "accelerator": "cpu"}, "1", False),
        ({}, "1", False),
    ],
)
def test_only_several_devices_need_a_process_of_their_own(trainer, ntasks, is_needed, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", ntasks)
    assert needs_own_process(OmegaConf.create({"trainer": trainer})) is is_needed


@pytest.mark.parametrize(
    ("trainer", "devices"),
    [
        ({"devices": 1, "num_nodes": 1}, 1),
        ({"devices": 2, "num_nodes": 3}, 6),
        ({"devices": "0,1"}, 2),
        ({"devices": "3,"}, 1),
        ({"devices": [1, 2, 3]}, 3),
        ({"devices": "auto", "accelerator": "cpu", "num_nodes": 2}, 2),
        ({"devices": "many"}, 1),  # Lightning refuses it
        ({}, 1),
    ],
)
def test_devices_of_a_training_are_counted_over_its_nodes(trainer, devices):
    assert num_devices(trainer) == devices


@pytest.mark.parametrize("key", ["SLURM_PROCID", "RANK", "LOCAL_RANK"])
def test_a_training_on_one_device_is_the_one_that_writes(key, monkeypatch):
    monkeypatch.setenv(key, "1")
    assert rank({"devices": 1}) == 0
    assert rank({"devices": 2}) == 1
    assert rank({"devices": 1, "num_nodes": 2}) == 1


def test_tasks_of_slurm_that_train_separately_name_the_setting(monkeypatch):
    assert independent_slurm_task({"devices": 1}) == ""
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "2")
    result = independent_slurm_task({"devices": 1})
    assert "Slurm started 4 tasks" in result
    assert "this is number 2" in result
    assert "set trainer.devices=<tasks of a node>" in result
    assert independent_slurm_task({"devices": 4}) == ""


@pytest.mark.parametrize(
    ("trainer", "ntasks", "name", "is_own"),
    [
        ({"devices": 2}, "", "train", False),
        ({"devices": 2}, "1", "train", True),  # else Lightning leaves the second device idle
        ({"devices": 1}, "1", "train", False),
        ({"devices": 1}, "4", "train", True),
        ({"devices": 2}, "2", "train", False),
        ({"devices": 2, "num_nodes": 2}, "4", "train", False),
        ({"devices": 2}, "3", "interactive", False),
    ],
)
def test_one_task_of_slurm_stands_for_all_devices_of_a_node(
    trainer, ntasks, name, is_own, monkeypatch
):
    monkeypatch.setenv("SLURM_NTASKS", ntasks)
    monkeypatch.setenv("SLURM_JOB_NAME", name)
    assert starts_own_ranks(trainer) is is_own


@pytest.mark.parametrize("trainer", [{"devices": 2}, {"devices": 2, "num_nodes": 3}])
def test_tasks_of_slurm_that_fit_no_devices_are_refused(trainer, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "3")
    with pytest.raises(DataError, match="in 3 tasks of Slurm, wanted a task for each"):
        starts_own_ranks(trainer)
    monkeypatch.setenv("SLURM_NTASKS", "1")
    with pytest.raises(DataError, match="found 4 devices in 1 tasks of Slurm"):
        starts_own_ranks({"devices": 2, "num_nodes": 2})


def test_two_runs_never_write_into_one_folder(run, capfd, monkeypatch):
    monkeypatch.setattr("neurotarget.runs.folder.run_lock.CLAIM_S", 0.1)
    assert run("seed=2") == 0
    with running(Path("runs/one")):
        assert run("seed=3") == 2
    assert "another process works in it now" in capfd.readouterr().err
    assert times_run(Path("runs/one")) == ["anew"]
