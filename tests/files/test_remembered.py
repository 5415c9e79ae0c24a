import json
import os
import time
from contextlib import suppress

import pytest

from neurotarget.files.hashes import UNREAD, digest
from neurotarget.files.remembered import remembered


@pytest.fixture
def scan(tmp_path):
    """A file that was changed long ago, as far as the reader can tell."""
    path = tmp_path / "scan"
    path.write_text("first")
    return path


@pytest.fixture
def later(monkeypatch):
    """The clock of the reader is a minute ahead."""
    now = time.time_ns
    monkeypatch.setattr("neurotarget.files.remembered.time.time_ns", lambda: now() + 60 * 10**9)


def values(path, store, *, of=digest):
    """Value of a file, and how often it was read for it."""
    read = []

    def counted(one):
        read.append(one)
        return of(one)

    with remembered(counted, store) as function:
        found = {function(path), function(path)}
    (value,) = found
    return value, len(read)


def test_an_unchanged_file_is_read_once_by_several_processes(scan, later, tmp_path):
    store = tmp_path / "store.json"
    assert values(scan, store) == (digest(scan), 1)
    assert values(scan, store) == (digest(scan), 0)


@pytest.mark.parametrize("keeps_times", [False, True])
def test_a_changed_file_is_read_again(scan, later, tmp_path, keeps_times):
    store, before = tmp_path / "store.json", scan.stat()
    first, _ = values(scan, store)
    scan.write_text("other")  # of the same size
    if keeps_times:
        os.utime(scan, ns=(before.st_atime_ns, before.st_mtime_ns))
    second, times = values(scan, store)
    assert times == 1
    assert second == digest(scan) != first


def test_a_file_that_has_just_changed_is_read_each_time(scan, tmp_path):
    store = tmp_path / "store.json"
    assert values(scan, store) == (digest(scan), 2)
    assert not store.exists()


def test_a_file_that_cannot_be_read_is_tried_again(scan, later, tmp_path):
    assert values(scan, tmp_path / "store.json", of=lambda _: UNREAD) == (UNREAD, 2)
    assert values(tmp_path / "absent", tmp_path / "store.json") == (UNREAD, 2)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"scan": 3}', '{"scan": [1, 2]}'])
def test_a_broken_store_is_replaced(scan, later, tmp_path, text):
    store = tmp_path / "store.json"
    store.write_text(text.replace("scan", str(scan)))
    assert values(scan, store) == (digest(scan), 1)
    assert json.loads(store.read_text())[str(scan)][-1] == digest(scan)


def test_a_store_that_cannot_be_written_is_left(scan, later, tmp_path):
    assert values(scan, scan / "store.json") == (digest(scan), 1)


def test_values_are_kept_after_an_error(scan, later, tmp_path):
    store = tmp_path / "store.json"
    with suppress(KeyError), remembered(digest, store) as function:
        function(scan)
        raise KeyError
    assert values(scan, store) == (digest(scan), 0)
