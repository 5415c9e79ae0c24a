import ast
import os
from pathlib import Path

import pytest

import neurotarget
from neurotarget.files.writing import expand_home, write_text, written
from neurotarget.problems import DataError


def test_drafts_of_two_processes_have_two_names(tmp_path):
    with written(tmp_path / "c.nii.gz") as draft:
        assert f"-{os.getpid()}-" in draft.name
        assert draft.name.endswith("-c.nii.gz")
        draft.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["c.nii.gz"]


def fill_the_disk(path):
    with written(path) as draft:
        draft.write_text("half")
        raise OSError(28, "No space left on device")


def test_a_disk_that_refuses_is_one_sentence_and_leaves_no_draft(tmp_path):
    with pytest.raises(DataError, match=r"c\.nii: cannot be written \(No space left on device\)"):
        fill_the_disk(tmp_path / "c.nii")
    assert not list(tmp_path.iterdir())


def test_an_old_text_is_replaced_whole(tmp_path):
    write_text(tmp_path / "new" / "a.tsv", "eins\n")
    write_text(tmp_path / "new" / "a.tsv", "zwei\n")
    assert (tmp_path / "new" / "a.tsv").read_bytes() == b"zwei\n"


def test_a_tilde_is_home_or_a_letter(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert expand_home("~/scans") == tmp_path / "scans"
    for name in ("~no-user/a.csv", "~data", "~no\0user", ""):
        assert expand_home(name) == Path(name)
    (tmp_path / "~").mkdir()
    assert expand_home("~") == Path("~")


def test_nobody_else_expands_a_tilde():
    # `Path.expanduser` raises RuntimeError where no user is called so
    source = Path(neurotarget.__file__).parent
    callers = {
        file.relative_to(source).as_posix()
        for file in source.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("expanduser", "home")
    }
    assert callers == {"files/writing.py"}
