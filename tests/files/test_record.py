import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neurotarget.files import record as module
from neurotarget.files.record import NAME_ONLY, RECORD, Record

ONE, TWO = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))


@pytest.fixture
def record(tmp_path):
    made = Record(tmp_path)
    made.create()
    return made


def test_a_line_is_as_sha256sum_has_it(record, tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a b.txt", "sub/back\\slash", "line\nbreak"):
        (tmp_path / name).write_text("one")
        record.enter(tmp_path / name, ONE)
    done = subprocess.run(["sha256sum", "--strict", "-c", RECORD], cwd=tmp_path, check=False)
    assert done.returncode == 0
    again = Record(tmp_path)
    assert again.files() == record.files()
    assert again.digests(tmp_path / "line\nbreak") == [ONE]


def test_every_digest_of_a_file_is_known_and_none_twice_in_a_row(record, tmp_path):
    for digest in (ONE, ONE, TWO):
        record.enter(tmp_path / "a", digest)
    assert record.digests(tmp_path / "a") == [ONE, TWO]
    assert len((tmp_path / RECORD).read_bytes().splitlines()) == 2


def test_what_another_process_appends_is_seen(record, tmp_path):
    other = Record(tmp_path)
    other.enter(tmp_path / "a", ONE)
    assert record.digests(tmp_path / "a") == [ONE]


@pytest.mark.parametrize("cut", range(1, 69))
def test_a_cut_last_line_is_no_line_and_spoils_none(record, tmp_path, cut):
    record.enter(tmp_path / "ab", ONE)
    whole = (tmp_path / RECORD).read_bytes()
    (tmp_path / RECORD).write_bytes(whole + whole[:-1][:cut])
    again = Record(tmp_path)
    again.enter(tmp_path / "b", TWO)
    known = {
        path.name: Record(tmp_path).digests(path) for path in (tmp_path / "ab", tmp_path / "b")
    }
    assert known == {"ab": [ONE], "b": [TWO]}
    assert not Record(tmp_path).digests(tmp_path / "a")


def test_a_record_does_not_grow_without_end(record, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LEAST_BYTES", 1000)
    record.enter(tmp_path / "state", NAME_ONLY)
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(100)]
    for digest in digests:
        record.enter(tmp_path / "a", digest)
    other = Record(tmp_path)
    assert len(other.digests(tmp_path / "a")) == 100
    record.compact()
    assert (tmp_path / RECORD).stat().st_size < 1000
    assert other.digests(tmp_path / "a") == digests[-module.KEPT :]
    assert other.digests(tmp_path / "state") == [NAME_ONLY]


def test_no_line_of_several_processes_is_lost_while_it_is_compacted(tmp_path):
    code = (
        "import sys; from pathlib import Path; from neurotarget.files import record as module\n"
        "module.LEAST_BYTES = 500\n"
        "record = module.Record(Path(sys.argv[1]))\n"
        "for n in range(8):\n"
        "    record.enter(record.folder / f'{sys.argv[2]}-{n}', f'{n:064x}')\n"
        "    for m in range(12):\n"
        "        record.enter(record.folder / f'{sys.argv[2]}-again', f'{m:064x}')\n"
        "    record.compact()\n"
    )
    Record(tmp_path).create()
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    several = [subprocess.Popen([*arguments, name]) for name in "abc"]
    assert [one.wait() for one in several] == [0, 0, 0]
    assert len(Record(tmp_path).files()) == 27
    assert (tmp_path / RECORD).stat().st_size < 8_000  # of 20,000 that were appended


def test_names_that_are_no_unicode_are_kept(record, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    record.enter(path, ONE)
    assert Record(tmp_path).files() == [record.folder / path.name]
