from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import Job, read_job, write_result
from neurotarget.runs.folder.multirun import read_multirun, with_earlier_names, write_multirun
from neurotarget.runs.folder.multirun_overview import overview
from neurotarget.sweeps.grid_sweeper import grid_jobs

CONF = Path(__file__).parents[2] / "conf"


def jobs_of(*arguments):
    return grid_jobs(OverridesParser.create().parse_overrides(list(arguments)))


def test_every_combination_is_a_job_named_by_what_is_swept():
    assert jobs_of("name=x", "model=a,b", "seed=range(1,3)") == [
        Job("model=a,seed=1", ("name=x", "model=a", "seed=1")),
        Job("model=a,seed=2", ("name=x", "model=a", "seed=2")),
        Job("model=b,seed=1", ("name=x", "model=b", "seed=1")),
        Job("model=b,seed=2", ("name=x", "model=b", "seed=2")),
    ]


def test_a_combination_given_twice_is_one_job():
    assert [job.name for job in jobs_of("seed=1,2,1")] == ["seed=1", "seed=2"]


def test_the_last_word_of_a_key_counts():
    assert jobs_of("seed=1,2", "seed=3") == [Job("job", ("seed=3",))]


def test_deletions_and_additions_reach_every_job():
    arguments = {job.overrides for job in jobs_of("~data.root", "+model.depth=2,3", "name='a b'")}
    assert arguments == {
        ("~data.root", "+model.depth=2", "name='a b'"),
        ("~data.root", "+model.depth=3", "name='a b'"),
    }


def test_knees_are_nine_jobs_of_three_findings_and_three_series():
    experiment = yaml.safe_load((CONF / "experiment" / "knee.yaml").read_text(encoding="utf-8"))
    params = experiment["hydra"]["sweeper"]["params"]
    jobs = jobs_of(*(f"{key}={values}" for key, values in params.items()))
    assert len({job.overrides for job in jobs}) == 9
    assert jobs[0].overrides == ("target=knee_abnormal", "target.contrasts=[sagittal]")
    assert jobs[-1].overrides == ("target=knee_meniscus", "target.contrasts=[axial]")


def test_an_interval_is_no_grid():
    with pytest.raises(DataError, match=r"found an interval.*set lr=a,b,c.*sweep=optuna"):
        jobs_of("lr=interval(0,1)")


def write(folder, jobs, *done):
    for job in jobs:
        if job.name in done:
            write_result(folder / job.name, "done", job.overrides)
    write_multirun(folder, ["the=command"], jobs)


def test_a_job_keeps_its_folder_when_another_key_is_swept(tmp_path):
    write(tmp_path, jobs_of("model=a,b", "seed=1"), "model=a")
    names = [job.name for job in with_earlier_names(tmp_path, jobs_of("model=a,b", "seed=1,2"))]
    assert names == ["model=a", "model=a,seed=2", "model=b", "model=b,seed=2"]


def test_a_finished_job_keeps_its_folder_from_one_of_other_words(tmp_path):
    write(tmp_path, jobs_of("model=a,b", "seed=1"), "model=a")
    later = with_earlier_names(tmp_path, jobs_of("model=a,b", "seed=2"))
    assert [job.name for job in later] == ["model=a,seed=2", "model=b"]
    write(tmp_path, later, "model=a,seed=2")
    assert with_earlier_names(tmp_path, jobs_of("model=a,b", "seed=2")) == later


def test_a_finished_job_keeps_its_folder_from_one_of_fewer_words(tmp_path):
    write(tmp_path, jobs_of("model=a", "seed=1"), "job")
    (job,) = with_earlier_names(tmp_path, jobs_of("model=a"))
    assert job.name.startswith("job-")


def test_a_multirun_remembers_its_words_and_the_jobs_of_before(tmp_path):
    first, second = jobs_of("model=a,b")
    write(tmp_path, [first, second], first.name)
    write(tmp_path, [second])
    text = (tmp_path / "multirun.yaml").read_text()
    assert read_multirun(tmp_path) == ["the=command"]
    assert text.index("name: model=a\n  status: done") < text.index("name: model=b\n  status: miss")


@pytest.mark.parametrize("text", ["", "{", "words: 3", "- 1"])
def test_a_multirun_without_words_cannot_go_on(tmp_path, text):
    (tmp_path / "multirun.yaml").write_text(text)
    with pytest.raises(DataError, match=r"run the command again with hydra\.sweep\.dir="):
        read_multirun(tmp_path)


def test_the_overview_counts_and_says_what_is_next(tmp_path):
    for name, status, reason in (("a", "done", ""), ("b", "done", ""), ("c", "failed", "no mask")):
        write_result(tmp_path / name, status, [], reason=reason)
    (tmp_path / "c" / "job.log").touch()
    (tmp_path / "a" / "rows.csv").touch()
    (tmp_path / "b" / "rows.csv").touch()
    results = [read_job(tmp_path / name) for name in "abc"]
    assert overview(tmp_path, results, {"a"}).splitlines() == [
        "3 jobs: 1 done now, 1 done before, 1 failed",
        "  failed: c: no mask",
        f"    log {tmp_path}/c/job.log",
        f"  results   {tmp_path}",
        f"  next      neurotarget compare {tmp_path}",
        f"  resume    python train.py resume={tmp_path}",
    ]


def test_jobs_that_scored_no_held_out_case_are_not_to_be_compared(tmp_path):
    place = tmp_path / "my runs"
    for name, status in (("a", "done"), ("b", "done"), ("c", "failed")):
        write_result(place / name, status, [])
    result = overview(place, [read_job(place / name) for name in "abc"], set())
    assert "neurotarget compare" not in result
    assert f"python train.py 'resume={place}'" in result


def test_the_overview_tells_what_an_earlier_command_left(tmp_path):
    write(tmp_path, jobs_of("seed=1,2,3"), "seed=1")
    write(tmp_path, jobs_of("seed=4,5"), "seed=4", "seed=5")
    result = overview(
        tmp_path, [read_job(tmp_path / "seed=4"), read_job(tmp_path / "seed=5")], set()
    )
    assert "2 jobs of an earlier command in this folder are not done: seed=2, seed=3;" in result
