"""A run folder is one process's at a time, on every kind of file system."""

import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock, Timeout

from neurotarget.problems import DataError
from neurotarget.runs.folder import run_lock
from neurotarget.runs.folder.run_lock import (
    HELD,
    LEASE,
    RunLock,
    claimed_alone,
    hold,
    is_running,
    running,
)

LEASE_S = 1.5
HOLDER = """
import sys, time
from pathlib import Path
from neurotarget.runs.folder import run_lock
if sys.argv[2] == "without":
    def refuse(*_, **__): raise OSError(95, "Operation not supported")
    run_lock.FileLock.acquire = refuse
if sys.argv[3]:
    import filelock._marker, filelock._identity
    for module in (filelock._marker, filelock._identity):
        module.host_name = lambda: sys.argv[3]
lock = run_lock.RunLock(Path(sys.argv[1]), lease_s=1.5).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """`holder(locks, host)` starts a process that holds the lock of a folder."""
    started = []

    def start(locks="with", host=""):
        arguments = [sys.executable, "-c", HOLDER, str(tmp_path), locks, host]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def without_locks(monkeypatch):
    """As on a file system that knows no locks."""

    def refuse(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(FileLock, "acquire", refuse)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def take(folder):
    lock = RunLock(folder, lease_s=LEASE_S)
    with lock:
        pass


@pytest.mark.parametrize("locks", ["with", "without"])
def test_a_second_process_is_refused_and_a_killed_one_blocks_nobody(
    holder, tmp_path, monkeypatch, locks
):
    process = holder(locks)
    if locks == "without":
        without_locks(monkeypatch)
    with pytest.raises(Timeout):
        take(tmp_path)
    kill(process)
    take(tmp_path)
    assert not (tmp_path / LEASE).exists()


def test_another_machine_is_waited_for_only_until_it_was_silent_for_a_lease(
    holder, tmp_path, monkeypatch
):
    process = holder("without", "far-away")
    without_locks(monkeypatch)
    with pytest.raises(Timeout):
        take(tmp_path)
    kill(process)
    began_s = time.monotonic()
    take(tmp_path)
    assert time.monotonic() - began_s > 0.5 * LEASE_S


def test_what_is_held_can_be_taken_again_by_its_process_only(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "CLAIM_S", 0.0)
    hold(tmp_path)
    try:
        with claimed_alone(tmp_path):
            assert is_running(tmp_path)
        code = (
            "import sys; from pathlib import Path; from neurotarget.runs.folder import run_lock\n"
            "run_lock.CLAIM_S = 0.0\n"
            "run_lock.hold(Path(sys.argv[1]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert "another process works in it now" in done.stderr
    finally:
        HELD.pop(tmp_path.resolve()).release()
    assert not is_running(tmp_path)


def test_the_other_machine_is_named(holder, tmp_path, monkeypatch):
    holder("without", "far-away")
    without_locks(monkeypatch)
    monkeypatch.setattr(run_lock.RunLock.__init__, "__kwdefaults__", {"lease_s": LEASE_S})
    with pytest.raises(DataError, match=r"another process works in it now on far-away, wanted a"):
        hold(tmp_path)


def test_a_folder_that_takes_no_lock_is_worked_in_all_the_same(tmp_path, monkeypatch):
    without_locks(monkeypatch)
    monkeypatch.setattr(run_lock.SoftFileLease, "acquire", FileLock.acquire)
    with claimed_alone(tmp_path):
        assert list(tmp_path.iterdir()) == []
    assert not is_running(tmp_path)


def test_a_lock_tells_who_runs(tmp_path):
    assert not is_running(tmp_path)
    with running(tmp_path):
        assert is_running(tmp_path)
    assert not is_running(tmp_path)
