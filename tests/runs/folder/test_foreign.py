"""Configurations of strangers run nothing, read nothing of the environment, and stay inside."""

import os
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from neurotarget.cli.argv import check_argv, resumed_argv
from neurotarget.cli.configs import overrides
from neurotarget.cli.configs.targets import load_target
from neurotarget.problems import DataError
from neurotarget.runs.folder.foreign import read_foreign, refuse_foreign, refuse_replayed
from neurotarget.runs.folder.jobs import Job, read_job
from neurotarget.runs.folder.known_caches import RUNS, note_runs
from neurotarget.runs.folder.multirun import read_multirun, resume_command_of, with_earlier_names
from neurotarget.training.localising import located

CONF = Path(__file__).parents[3] / "conf"
TARGET = """
_target_: neurotarget.types.Target
name: a
contrasts: [t1]
labels: {a: 1}
spacing_mm: [1, 1, 1]
patch_vox: [8, 8, 8]
"""
HIDDEN = [
    "question: {_target_: pandas.read_pickle, filepath_or_buffer: a}",
    "question: {_target_: sympy.parsing.sympy_parser.parse_expr, s: a}",
    "question: [[{deep: {_target_: os.system, command: a}}]]",
    "hypotheses: {a: {claim: {_target_: builtins.eval}}}",
    "published: [{_target_: neurotarget.data.batches.cache.shutil.rmtree, path: a}]",
    "units: {_target_: torch.optim.AdamW}",
]
ASKING = ["${oc.env:HOME}", "${oc.decode:a}", "${hydra:runtime.cwd}", "a ${name}", "${oc.env:A,b}"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_target_of_a_stranger_calls_nothing_wherever_it_is_hidden(hidden, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(TARGET + hidden)
    with pytest.raises(DataError, match=r"found _target_ '.*', wanted a class of .*trust=true"):
        load_target(str(path))


@pytest.mark.parametrize("asking", ASKING)
def test_a_target_of_a_stranger_reads_no_environment(asking, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "secret")
    path = tmp_path / "a.yaml"
    path.write_text(f"{TARGET}question: '{asking}'")
    with pytest.raises(DataError, match="wanted a plain value") as caught:
        load_target(str(path))
    assert "secret" not in str(caught.value)


def test_trust_lets_a_target_of_ones_own_be_built(tmp_path, monkeypatch):
    monkeypatch.setenv("WHY", "because")
    path = tmp_path / "a.yaml"
    path.write_text(f"{TARGET}question: '${{oc.env:WHY}}'")
    assert load_target(str(path), trust=True).question == "because"


@pytest.mark.parametrize("text", ["[" * 10_000, "a: !!python/object/apply:os.getcwd []", "- 1", ""])
def test_what_is_no_config_is_one_sentence(text, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"a.yaml: "):
        load_target(str(path))


def test_aliases_that_stand_for_a_huge_config_are_refused(tmp_path):
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    config = yaml.safe_load("\n".join(lines))
    with pytest.raises(DataError, match=r"more than 200,000 values"):
        refuse_foreign(config, "a run")
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    with pytest.raises(DataError, match="more than 200,000 values"):
        read_foreign(tmp_path / "a.yaml")


REFUSED = [
    "trainer._target_=os.system",
    "+x._target_=pandas.read_pickle",
    "model={_target_:os.system,command:a}",
    "model={widths:[{_target_:os.system}]}",
    "optimizer._target_=torch.optim.lr_scheduler.os.system",
    "hydra/launcher=odd",
    "hydra.launcher.setup=[touch a]",
    "hydra.callbacks={a:{_target_:os.system}}",
    "+hydra.callbacks.a._target_=os.system",
    "hydra.searchpath=[file:///tmp]",
    "hydra.job.env_set.LD_PRELOAD=a",
    "hydra.run.dir.x=${oc.env:HOME}",
    "+optimizer@hydra.callbacks=sgd",
    "--config-dir=/tmp",
    "--config-path=/tmp",
    "-m",
    "name=${oc.env:HOME}",
    "name=a${ oc.env : HOME }",
    "name=${paths.${oc.env:HOME}}",
    "sweep.storage=sqlite:////tmp/a.db",
    "data.cache=../a",
    "data.cache=${paths.cache}/../../../a",
    "paths.cache='/elsewhere/a b'",
    "+paths.runs=~/a",
    "data.source.folder=/elsewhere",
    "paths={cache:/elsewhere}",
    "hydra.sweeper.params.paths.cache=/elsewhere",
    "+hydra.sweeper.params.model._target_=os.system",
    "hydra.sweeper.params.hydra.sweeper.params.data.cache=../a",
    "sweep.space.paths.cache=/elsewhere",
    "sweep.space={paths.cache:/elsewhere}",
]
ALLOWED = [
    "experiment=pituitary",
    "data.root=/a/b_c",
    "model._target_=neurotarget.models.nets.unet.UNet",
    "optimizer._target_=torch.optim.SGD",
    "data.cache=${paths.cache}/a",
    "paths.cache=cache/b",
    "hydra/launcher=submitit_slurm",
    "hydra.launcher.partition=gpu",
    "hydra.launcher.n_jobs=4",
    "+hydra.sweeper.params.seed=1,2",
    "~augment.flip",
    "target.volume_range_mm3={a:[1,2]}",
]


@pytest.mark.parametrize("word", REFUSED)
def test_a_run_of_a_stranger_that_goes_on_does_no_more_than_choose_settings(word, tmp_path):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["seed=1", word, "trust=true"]))
    with pytest.raises(DataError, match=r"resume=.*found the override .*trust=true where the run"):
        resumed_argv([f"resume={tmp_path}"])
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"words": [word], "jobs": []}))
    if not word.startswith("-m"):
        with pytest.raises(DataError, match="found the override"):
            resumed_argv([f"resume={tmp_path}"])


@pytest.mark.parametrize("word", REFUSED)
def test_trust_is_typed_and_never_taken_from_the_run(word, tmp_path):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump([word, "trust=true"]))
    assert resumed_argv([f"resume={tmp_path}", "trust=true"])[0] == word
    assert "trust=true" not in resumed_argv([f"resume={tmp_path}", "trust=true"])
    with pytest.raises(DataError, match="trust: got '1', wanted true or false"):
        resumed_argv([f"resume={tmp_path}", "trust=1"])


@pytest.mark.parametrize("word", ["overwrite=true", "+overwrite=true", "accept_changed_data=true"])
@pytest.mark.parametrize("trust", [[], ["trust=true"]])
def test_leave_is_of_one_sitting_and_never_taken_from_the_run(word, trust, tmp_path):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["seed=1", word]))
    arguments = resumed_argv([f"resume={tmp_path}", *trust])
    assert arguments[0] == "seed=1"
    assert word not in arguments
    assert word in resumed_argv([f"resume={tmp_path}", *trust, word])


@pytest.mark.parametrize("word", ALLOWED)
def test_overrides_that_choose_settings_are_replayed(word, tmp_path):
    refuse_replayed([word], tmp_path)


def test_an_override_that_is_typed_again_stands_for_the_recorded_one(tmp_path):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["--config-dir=/evil", "seed=1"]))
    assert resumed_argv(["--config-dir=/mine", f"resume={tmp_path}"])[:2] == [
        "--config-dir=/mine",
        "seed=1",
    ]


def test_options_come_before_overrides_as_hydra_reads_them(tmp_path):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["seed=1"]))
    made = resumed_argv([f"resume={tmp_path}", "-cd", "/mine", "name=a"])
    assert made[:3] == ["--config-dir=/mine", "seed=1", "name=a"]


def test_the_command_that_goes_on_types_again_what_is_not_taken_from_the_run(tmp_path):
    arguments = ["--config-dir=/mine", "paths.cache=/scratch", "paths.runs=runs2", "seed=1,2"]
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"words": arguments}))
    command = resume_command_of(tmp_path)
    assert command == f"python train.py --config-dir=/mine paths.cache=/scratch resume={tmp_path}"
    made = resumed_argv(command.split()[2:])
    assert [word for word in made if "=/" in word][:2] == [
        "--config-dir=/mine",
        "paths.cache=/scratch",
    ]
    with pytest.raises(DataError, match=r"type paths\.cache=… again next to resume="):
        resumed_argv(["--config-dir=/mine", f"resume={tmp_path}"])


SENDING = [
    "logger.wandb=online",
    "logger.wandb=auto",
    "+logger.entity=them",
    "logger.project=theirs",
    "logger.url=https://them",
    "logger=theirs",
    "logger={wandb:online}",
    "~logger.wandb",
    "hydra.sweeper.params.logger.wandb=online,offline",
    "sweep.space={logger.wandb:online}",
]


@pytest.mark.parametrize("word", SENDING)
@pytest.mark.parametrize("record", ["overrides.yaml", "multirun.yaml"])
def test_only_what_is_typed_decides_where_scores_are_sent(word, record, tmp_path, capsys):
    arguments = ["seed=1", word, "logger.wandb=offline", "logger.tags=[a]"]
    (tmp_path / record).write_text(
        yaml.safe_dump({"words": arguments} if record[0] == "m" else arguments)
    )
    made = resumed_argv([f"resume={tmp_path}"])
    assert [one for one in made if one in arguments] == [one for one in arguments if one != word]
    error = capsys.readouterr().err
    assert error.startswith(f"resume={tmp_path}: {shlex.quote(word)} of its record decides where")
    assert error.count("\n") == 1
    assert shlex.quote(word) in resume_command_of(tmp_path, [word])
    assert word in resumed_argv([f"resume={tmp_path}", "trust=true"])


def test_the_command_that_goes_on_types_again_where_scores_are_sent(tmp_path):
    arguments = ["logger.wandb=online", "logger.project=mine", "seed=1,2"]
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"words": arguments}))
    command = resume_command_of(tmp_path)
    assert command == (f"python train.py logger.wandb=online logger.project=mine resume={tmp_path}")
    assert [one for one in resumed_argv(command.split()[2:]) if one in arguments] == [
        "seed=1,2",
        "logger.wandb=online",
        "logger.project=mine",
    ]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A run in the working folder, and a cache beside that, which was typed for the run."""
    run, cache = tmp_path / "work" / "runs" / "a", tmp_path / "cache"
    run.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    (run / "overrides.yaml").write_text(yaml.safe_dump([f"paths.cache={cache}", "seed=1"]))
    note_runs([cache], run)
    return run, cache


def test_a_cache_that_was_typed_for_a_run_need_not_be_typed_again(elsewhere):
    run, cache = elsewhere
    assert f"paths.cache={cache}" in resumed_argv([f"resume={run}"])
    job = run / "seed=1"
    job.mkdir()
    (job / "overrides.yaml").write_text(yaml.safe_dump([f"paths.cache={cache}"]))
    assert f"paths.cache={cache}" in resumed_argv([f"resume={job}"])
    (run / "multirun.yaml").write_text(yaml.safe_dump({"words": [f"paths.cache={cache}"]}))
    assert resume_command_of(run) == f"python train.py resume={run}"


def refuses(run):
    with pytest.raises(DataError, match=r"type paths\.cache=… again next to resume="):
        resumed_argv([f"resume={run}"])
    return True


def test_a_cache_that_was_typed_for_another_run_is_typed_again(elsewhere):
    run, _ = elsewhere
    assert refuses(run.rename(run.with_name("b")))


def test_a_list_that_came_with_a_cache_lets_nothing_be_written_outside_of_it(elsewhere):
    run, cache = elsewhere
    (cache / "entry").symlink_to(run.parent)
    assert refuses(run)


def test_a_list_of_others_or_that_others_may_change_is_none(elsewhere, monkeypatch):
    run, cache = elsewhere
    (cache / RUNS).chmod(0o666)
    assert refuses(run)
    (cache / RUNS).chmod(0o600)
    assert resumed_argv([f"resume={run}"])
    monkeypatch.setattr(os, "getuid", lambda: -1)
    assert refuses(run)


def test_a_link_in_place_of_the_list_is_none(elsewhere):
    run, cache = elsewhere
    (cache / RUNS).rename(cache / "list")
    (cache / RUNS).symlink_to(cache / "list")
    assert refuses(run)


def test_a_training_lists_itself_in_the_cache_that_is_typed(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    arguments = ["target=pituitary", "data.root=a", "paths.cache=../cache", "hydra.run.dir=runs/a"]
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    check_argv(CONF, "train")
    assert (tmp_path / "cache" / RUNS).read_text() == f"{tmp_path}/work/runs/a\n"
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    check_argv(CONF, "train")
    assert (tmp_path / "cache" / RUNS).read_text() == f"{tmp_path}/work/runs/a\n"


@pytest.mark.parametrize("choice", ["../../a", "/tmp/a", "a/../../b", "'../a'"])
def test_a_choice_of_a_group_is_a_name(choice):
    conf = overrides.Path(__file__).parents[3] / "conf"
    with pytest.raises(DataError, match="found a path, wanted a name of target"):
        overrides.check_overrides([f"target={choice}"], conf, "train")


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", ".hidden", "a/b", "", "a\\b", "a\nb"])
def test_jobs_of_a_multirun_stay_inside_its_folder(name, tmp_path):
    jobs = [{"name": name, "status": "missing", "words": ["seed=1"]}]
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"words": [], "jobs": jobs}))
    with pytest.raises(DataError, match="wanted a folder in that of the multirun"):
        with_earlier_names(tmp_path, [Job("seed=1", ("seed=1",))])


def test_a_job_that_is_a_link_out_of_its_multirun_is_refused(tmp_path):
    folder, outside = tmp_path / "many", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "seed=1").symlink_to(outside)
    jobs = [{"name": "seed=1", "status": "missing", "words": ["seed=1"]}]
    (folder / "multirun.yaml").write_text(yaml.safe_dump({"words": [], "jobs": jobs}))
    with pytest.raises(DataError, match="found the job 'seed=1'"):
        read_multirun(folder)


@pytest.mark.parametrize("jobs", [[1], [{"name": 1, "words": []}], [{"name": "a"}], {"a": 1}, "a"])
def test_a_multirun_with_broken_jobs_is_one_sentence(jobs, tmp_path):
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"words": [], "jobs": jobs}))
    with pytest.raises(DataError, match=r"multirun.yaml: found jobs without a name"):
        read_multirun(tmp_path)


def test_the_log_of_a_job_is_the_one_in_its_folder(tmp_path):
    (tmp_path / "result.json").write_text(
        '{"status": "done", "words": [], "values": {}, "reason": "", "log": "../../etc/passwd"}'
    )
    assert read_job(tmp_path).log == tmp_path / "job.log"


def test_a_region_of_a_run_that_goes_on_is_a_region(tmp_path):
    config = {"localise": "none", "target": {}, "cascade": {"localise": False}}
    for roi in ({"_target_": "os.system"}, {"_target_": "neurotarget.models.nets.unet.UNet"}, [1]):
        text = yaml.safe_dump({"target": {"roi": roi}})
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(DataError, match=r"_target_|region of interest|UNet"):
            located(config, Data(), tmp_path, resumed=True)


class Data:
    target = None
