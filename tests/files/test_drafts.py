import os
import subprocess
import sys

from neurotarget.files import drafts
from neurotarget.files.drafts import draft_path, drafts_of, sweep
from neurotarget.files.writing import write_text


def ended_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def left_by(path, process, *, machine=None):
    name = draft_path(path).name.replace(f"-{os.getpid()}-", f"-{process}-")
    return path.with_name(name if machine is None else f".draft-{machine}-{process}-{path.name}")


def test_drafts_of_ended_processes_of_this_machine_go_at_once(tmp_path):
    ended = ended_process()
    dead = left_by(tmp_path / "a", ended)
    alive = [
        draft_path(tmp_path / "a"),
        left_by(tmp_path / "a", os.getppid()),
        left_by(tmp_path / "a", ended, machine="0" * 8),
        tmp_path / f".draft-{ended}-a",  # of earlier versions, which knew no machine
        tmp_path / "a",
    ]
    for path in (dead, *alive):
        path.write_text("half")
    folder = left_by(tmp_path / "entry", ended)
    folder.mkdir()
    (folder / "image.npy").touch()
    now_s = (tmp_path / "a").stat().st_mtime
    sweep(tmp_path, now_s)
    assert sorted(tmp_path.iterdir()) == sorted(alive)
    sweep(tmp_path, now_s + 3601)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_whoever_writes_into_a_folder_sweeps_it(tmp_path):
    dead = left_by(tmp_path / "other.tsv", ended_process())
    dead.write_text("half")
    write_text(tmp_path / "a.tsv", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    dead.write_text("half")
    write_text(tmp_path / "a.tsv", "whole")  # looked through once a process
    assert dead.is_file()


def test_a_draft_is_of_one_file(tmp_path):
    ours, longer = draft_path(tmp_path / "a"), draft_path(tmp_path / "1-a")
    ours.touch()
    longer.touch()
    assert drafts_of(tmp_path / "a") == [ours]
    assert drafts_of(tmp_path / "1-a") == [longer]


def test_a_container_numbers_its_processes_by_itself(monkeypatch):
    machine = drafts._machine.__wrapped__
    here = machine()
    monkeypatch.setattr(drafts.socket, "gethostname", lambda: "another")
    assert machine() != here
