"""The folder of a run is claimed before Hydra writes a first file into it."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from neurotarget.cli.configs import run_output
from neurotarget.cli.configs.run_output import claim_output
from neurotarget.files.record import RECORD
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_lock import HELD


def config(place, *, overwrite=False):
    dirs = {"run": {"dir": str(place)}, "sweep": {"dir": f"{place}_multirun"}}
    return OmegaConf.create({"hydra": dirs, "overwrite": overwrite, "trainer": {"devices": 1}})


@pytest.fixture(autouse=True)
def one_second():
    OmegaConf.register_new_resolver("now", lambda _: "2026-01-01_00-00-00", replace=True)
    yield
    for folder in list(HELD):
        HELD.pop(folder).release()


@pytest.mark.parametrize("is_sweep", [False, True])
def test_runs_that_begin_in_one_second_get_folders_of_their_own(tmp_path, is_sweep):
    timed = config(tmp_path / "runs" / "${now:%Y}")
    words = [claim_output(timed, is_sweep=is_sweep)[0] for _ in range(3)]
    end = "_multirun" if is_sweep else ""
    names = [Path(word.partition("=")[2].strip('"')).name for word in words]
    assert names == [f"2026-01-01_00-00-00{end}{number}" for number in ("", "_2", "_3")]


def test_a_folder_that_was_asked_for_is_taken_as_it_is_where_it_is_ours(tmp_path):
    assert claim_output(config(tmp_path / "run"), is_sweep=False) == []
    (tmp_path / "run" / "weights").mkdir()
    (tmp_path / "run" / "weights" / "last.ckpt").write_text("")
    assert claim_output(config(tmp_path / "run"), is_sweep=False) == []


def test_a_folder_of_somebody_else_is_refused_before_anything_is_in_it(tmp_path):
    (tmp_path / "report.html").write_text("theirs")
    with pytest.raises(DataError, match=r"hydra\.run\.dir: found 1 file .*choose another hydra"):
        claim_output(config(tmp_path), is_sweep=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    claim_output(config(tmp_path, overwrite=True), is_sweep=False)
    assert (tmp_path / RECORD).is_file()


def test_further_ranks_claim_nothing_and_write_no_log_and_jobs_claim_nothing(tmp_path, monkeypatch):
    several = OmegaConf.merge(config(tmp_path / "run"), {"trainer": {"devices": 2}})
    with monkeypatch.context() as patched:
        patched.setenv("LOCAL_RANK", "1")
        (word,) = claim_output(several, is_sweep=False)
        assert word == f"hydra.job_logging.handlers.file.filename={os.devnull}"
    with monkeypatch.context() as patched:
        patched.setenv(run_output.JOB, str(tmp_path / "run"))
        assert claim_output(several, is_sweep=False) == []
    assert not (tmp_path / "run").exists()


def test_where_nothing_can_be_made_it_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"hydra\.run\.dir: .* be written \(.*paths\.runs="):
        claim_output(config(tmp_path / "file" / "${now:%Y}"), is_sweep=False)
    with pytest.raises(DataError, match="overwrite: found maybe, wanted true or false"):
        claim_output(config(tmp_path, overwrite="maybe"), is_sweep=False)


def test_two_that_resume_one_run_are_told_apart_before_anything_changes(
    command, trained, tiny, train_arguments, tmp_path
):
    folder, _ = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    code = (
        "import sys; from pathlib import Path; from neurotarget.runs.folder.run_lock import hold\n"
        "hold(Path(sys.argv[1])); print('held', flush=True); input()"
    )
    words = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        began_s = time.monotonic()
        done = command(*train_arguments[:2], f"resume={folder}", cwd=tiny, check=False)
        process.kill()
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {folder}: another process works in it now")
    assert time.monotonic() - began_s < 60
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in set(after) - set(before)} <= {".running.lease"}


def test_a_disk_that_is_full_is_reported_before_hydra_writes(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match=r"run: cannot be written \(No space left .* make room"):
        claim_output(config(tmp_path / "run"), is_sweep=False)
