import json
import mmap
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from neurotarget.data.batches.cache import ensure, entry_folder, held, is_whole, open_entry
from neurotarget.data.scans.geometry import whole_grid


def make(draft):
    np.save(draft / "image.npy", np.ones((1, 4, 4, 4), np.float16))
    np.save(draft / "foreground.npy", np.zeros((0, 4), np.int16))
    return {"case_id": "a", "grid": whole_grid((4, 4, 4), np.eye(4), (1, 1, 1)).as_dict()}


def slow_make(folder, made):
    def count(draft):
        with made.get_lock():
            made.value += 1
        time.sleep(0.3)
        return make(draft)

    ensure(folder, count)


def test_entry_is_memory_mapped(tmp_path):
    entry = open_entry(ensure(tmp_path / "a", make))
    image = entry.image
    assert isinstance(image.base, mmap.mmap)
    assert not image.flags.writeable
    assert entry.label is None
    assert entry.case_id == "a"
    assert entry.shape == image.shape


def test_an_entry_holds_no_file_open_that_nobody_looks_at(tmp_path):
    entries = [open_entry(ensure(tmp_path / name, make)) for name in "abcde"]
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert sum(int(entry.image.sum()) for entry in entries) > 0
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    image = held(entries[0])
    assert image.image is image.image
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1


@pytest.mark.parametrize("harm", ["truncate", "flip", "no json", "half json", "no array"])
def test_broken_entry_is_made_again(tmp_path, harm):
    folder = ensure(tmp_path / "a", make)
    image, facts = folder / "image.npy", folder / "entry.json"
    content = image.read_bytes()
    if harm == "truncate":
        image.write_bytes(content[:-1])
    elif harm == "flip":
        image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "no array":
        image.unlink()
    else:
        facts.write_text(facts.read_text()[:20]) if harm == "half json" else facts.unlink()
    assert not is_whole(folder)
    assert (open_entry(ensure(folder, make)).image == 1).all()


def test_failed_making_leaves_nothing(tmp_path):
    def fail(draft):
        (draft / "image.npy").write_bytes(b"half")
        raise ValueError("broken scan")

    with pytest.raises(ValueError, match="broken scan"):
        ensure(tmp_path / "a", fail)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_drafts_of_killed_processes_are_cleared_away(tmp_path):
    for name in (".a.1234567", ".a.7654321", ".ab.1234567"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "image.npy").write_bytes(b"half")
    ensure(tmp_path / "a", make)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"a", ".ab.1234567"}


def test_several_processes_make_an_entry_once(tmp_path):
    context = multiprocessing.get_context("fork")
    made = context.Value("i", 0)
    args = (tmp_path / "a", made)
    processes = [context.Process(target=slow_make, args=args) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert made.value == 1
    assert is_whole(tmp_path / "a")


def test_case_id_cannot_leave_the_cache(tmp_path):
    folder = entry_folder(tmp_path, "../../etc/passwd", "0123456789abcdef0123456789")
    assert folder.parent == tmp_path
    assert json.dumps(folder.name) == '"______etc_passwd-0123456789abcdef0123"'
