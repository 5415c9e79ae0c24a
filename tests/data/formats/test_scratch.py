"""Folders of converted scans: private, removed at the end, and swept after a kill."""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from neurotarget.data.formats.scratch import LOCK, PREFIX, scratch_folder, sweep_scratch

OLD_S = 120.0
HOLD = """
import sys, time
from neurotarget.data.formats.scratch import scratch_folder
with scratch_folder() as scratch:
    (scratch.folder / "scan.nii").write_text("a patient")
    print(scratch.folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("ending", [SystemExit(143), KeyboardInterrupt(), ValueError("any")])
def test_nothing_is_left_whatever_ends_the_block(home, ending):
    def ended():
        with scratch_folder() as scratch:
            assert scratch.folder.stat().st_mode & 0o777 == 0o700
            (scratch.folder / "scan.nii").write_text("a patient")
            raise ending

    with pytest.raises(type(ending), match=str(ending)):
        ended()
    assert list(home.iterdir()) == []


def test_a_killed_process_leaves_what_the_next_one_removes(home):
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as held:
        folder = Path(held.stdout.readline().strip())
        sweep_scratch(home, now_s=time.time() + OLD_S)
        assert (folder / "scan.nii").exists()  # it lives
        held.send_signal(signal.SIGKILL)
    sweep_scratch(home, now_s=time.time())
    assert folder.exists()  # too young to be sure
    sweep_scratch(home, now_s=time.time() + OLD_S)
    assert not folder.exists()


def test_what_is_not_a_left_folder_of_this_user_stays(home):
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (home / f"{PREFIX}link").symlink_to(elsewhere)
    (home / f"{PREFIX}new").mkdir()
    sweep_scratch(home, now_s=time.time() + OLD_S)
    assert sorted(path.name for path in home.iterdir()) == [
        "elsewhere",
        f"{PREFIX}link",
        f"{PREFIX}new",
    ]
    sweep_scratch(home, now_s=time.time() + 100_000)  # of a version without locks
    assert not (home / f"{PREFIX}new").exists()
    assert (elsewhere / LOCK).exists()
