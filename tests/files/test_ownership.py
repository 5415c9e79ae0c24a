import os

import pytest

from neurotarget.files import ownership
from neurotarget.files.ownership import claim, claim_file, discard, refuse_foreign, refuse_twins
from neurotarget.files.record import NAME_ONLY, RECORD, Record
from neurotarget.files.writing import is_ours, remove, write_text
from neurotarget.problems import DataError


@pytest.mark.parametrize("content", [None, (), (".DS_Store", "sub/Thumbs.db"), ("sub/",)])
def test_a_folder_that_is_new_or_holds_nothing_of_anyone_is_claimed(tmp_path, content):
    folder = tmp_path / "out"
    for name in content or ():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("")
    if content is not None:
        folder.mkdir(exist_ok=True)
    claim(folder)
    write_text(folder / "a.txt", "ours")
    assert is_ours(folder / "a.txt")


def test_a_folder_of_somebody_else_is_refused_with_the_names_and_not_touched(tmp_path):
    for number in range(7):
        (tmp_path / f"mask{number}.nii").write_text("theirs")
    with pytest.raises(
        DataError,
        match=r"found 7 files in .* did not write \(mask0\.nii, .*mask4\.nii, …\), wanted a new or "
        r"empty folder, or one of its own; choose another output, or overwrite=true",
    ):
        claim(tmp_path)
    assert len(list(tmp_path.iterdir())) == 7


def test_our_own_file_is_replaced_and_one_that_was_corrected_is_not(tmp_path):
    claim(tmp_path)
    write_text(tmp_path / "mask", "ours")
    write_text(tmp_path / "mask", "ours again")
    (tmp_path / "mask").write_text("corrected by an expert")
    with pytest.raises(DataError, match=r"mask: found a file that neurotarget did not write or"):
        write_text(tmp_path / "mask", "ours")
    assert (tmp_path / "mask").read_text() == "corrected by an expert"
    assert not remove(tmp_path / "mask")
    with pytest.raises(DataError, match=r"found 1 file .* changed since \(mask\).*move it"):
        claim(tmp_path, files=[tmp_path / "mask"])
    claim(tmp_path, files=[tmp_path / "mask"], overwrite=True)
    write_text(tmp_path / "mask", "replaced")
    claim(tmp_path, files=[tmp_path / "mask"])
    assert remove(tmp_path / "mask")


def test_a_kill_between_record_and_rename_makes_no_file_foreign(tmp_path, monkeypatch):
    claim(tmp_path)
    write_text(tmp_path / "a", "first")
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_text(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"
    assert is_ours(tmp_path / "a")
    write_text(tmp_path / "a", "third")


def interrupted(*_):
    raise KeyboardInterrupt


def test_state_is_ours_by_its_name_and_a_link_never(tmp_path):
    claim(tmp_path / "out")
    for name in ("run.json", "last.ckpt"):
        write_text(tmp_path / "out" / name, "ours")
    (tmp_path / "out" / "run.json").write_text("edited")
    (tmp_path / "mask").write_text("theirs")
    (tmp_path / "out" / "last.ckpt").unlink()
    (tmp_path / "out" / "last.ckpt").symlink_to(tmp_path / "mask")
    write_text(tmp_path / "out" / "run.json", "new")
    with pytest.raises(DataError, match=r"last\.ckpt: found a file that neurotarget did not write"):
        write_text(tmp_path / "out" / "last.ckpt", "new")


def test_only_recorded_files_and_folders_that_become_empty_are_discarded(tmp_path):
    claim(tmp_path)
    for name in ("maps/sub/ours", "maps/deep/ours", "maps/changed", "other/ours"):
        write_text(tmp_path / name, "ours")
    (tmp_path / "maps" / "sub" / "theirs").write_text("theirs")
    (tmp_path / "maps" / "changed").write_text("theirs")
    discard(tmp_path / "maps")
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    names = ["maps", "maps/changed", "maps/sub", "maps/sub/theirs", "other", "other/ours"]
    assert [name for name in left if not name.startswith(".")] == names


def test_a_folder_of_an_older_version_is_adopted_by_its_names(tmp_path):
    for name in ("old", "run.json", "notes.txt"):
        (tmp_path / name).write_text("")
    known = [tmp_path / name for name in ("old", "run.json", "gone")]
    claim(tmp_path, older=lambda folder: known if (folder / "old").is_file() else None)
    assert Record(tmp_path).digests(tmp_path / "run.json") == [NAME_ONLY]
    assert is_ours(tmp_path / "old")
    assert not is_ours(tmp_path / "notes.txt")


def test_an_older_folder_is_adopted_where_a_kill_left_an_empty_record(tmp_path):
    (tmp_path / "metrics.csv").write_text("step\n1\n")
    (tmp_path / RECORD).touch()
    claim(tmp_path, older=lambda folder: [folder / "metrics.csv"])
    write_text(tmp_path / "metrics.csv", "step\n2\n")
    assert (tmp_path / "metrics.csv").read_text() == "step\n2\n"


def test_permission_to_replace_holds_for_folders_inside(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mask").write_text("theirs")
    claim(tmp_path, overwrite=True)
    claim(tmp_path / "sub", files=[tmp_path / "sub" / "mask"])
    write_text(tmp_path / "sub" / "mask", "ours")
    assert is_ours(tmp_path / "sub" / "mask")


def test_one_file_is_claimed_in_a_folder_of_anything(tmp_path):
    (tmp_path / "notes.txt").write_text("theirs")
    (tmp_path / "rows.csv").write_text("theirs")
    with pytest.raises(DataError, match=r"found 1 file .*\(rows\.csv\).* choose another rows, or"):
        claim_file(tmp_path / "rows.csv", key="rows")
    claim_file(tmp_path / "rows.csv", key="rows", overwrite=True)
    write_text(tmp_path / "rows.csv", "ours")
    claim_file(tmp_path / "rows.csv", key="rows")
    with pytest.raises(DataError, match=r"rows: found the folder .*, wanted a file"):
        claim_file(tmp_path, key="rows")


@pytest.mark.parametrize("place", ["weights", "logs/metrics.csv", ".neurotarget.lock"])
def test_a_link_that_leads_out_is_refused_and_what_it_leads_to_not_touched(tmp_path, place):
    outside, folder = tmp_path / "thesis", tmp_path / "run"
    outside.write_text("theirs")
    claim(folder)
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).unlink(missing_ok=True)
    (folder / place).symlink_to(outside)
    with pytest.raises(DataError, match=rf"found the link {place} .*leads to {outside}"):
        claim(folder, key="hydra.run.dir")
    assert outside.read_text() == "theirs"
    assert claim(folder, overwrite=True).may_replace


def test_links_that_stay_inside_and_those_of_trackers_are_left_alone(tmp_path):
    claim(tmp_path / "run")
    (tmp_path / "run" / "wandb").mkdir()
    (tmp_path / "run" / "wandb" / "debug.log").symlink_to(tmp_path / "elsewhere.log")
    (tmp_path / "run" / "latest").symlink_to("wandb")
    claim(tmp_path / "run")


def test_a_record_is_never_written_through_a_link(tmp_path):
    outside, folder = tmp_path / "thesis", tmp_path / "shared"
    folder.mkdir()
    outside.write_text("theirs")
    (folder / RECORD).symlink_to(outside)
    with pytest.raises(DataError, match="cannot be written"):
        claim_file(folder / "rows.csv", key="rows")
    assert outside.read_text() == "theirs"


def test_what_cannot_be_a_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"output: found the file .*file, wanted a folder"):
        claim(tmp_path / "file")
    with pytest.raises(DataError, match=r"output: .* cannot be written \(Not a directory\)"):
        claim(tmp_path / "file" / "out")


def test_an_unwritable_folder_is_one_sentence(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("neurotarget.files.record.os.open", refused)  # root may write anywhere
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\), wanted"):
        claim(tmp_path)


def test_two_cases_that_would_write_one_file_are_refused(tmp_path):
    files = {"a": ["a.nii", "a_core.nii"], "a_core": ["a_core.nii"]}
    paths = {case: [tmp_path / name for name in names] for case, names in files.items()}
    with pytest.raises(DataError, match=r"a_core: would write a_core\.nii, as a does"):
        refuse_twins(paths)


@pytest.mark.parametrize("other", ["CAF\u00c9", "cafe\u0301"])
def test_names_that_this_file_system_takes_for_one_are_refused(tmp_path, monkeypatch, other):
    paths = {"caf\u00e9": [tmp_path / "caf\u00e9"], other: [tmp_path / other]}
    refuse_twins(paths)  # two files here
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(ownership.os.path, "lexists", lambda _: True)  # as on a Mac
    with pytest.raises(DataError, match="rename one of the two cases"):
        refuse_twins(paths)


def test_what_must_survive_a_loss_of_power_is_synced_in_order(tmp_path, monkeypatch):
    claim(tmp_path)
    done, sync, replace = [], os.fsync, os.replace
    names = {}

    def noted_sync(handle):
        done.append(names.get(os.fstat(handle).st_ino, "draft"))
        sync(handle)

    def noted_replace(source, place):
        done.append("rename")
        replace(source, place)

    for name in ("", RECORD):
        names[(tmp_path / name).stat().st_ino] = name or "folder"
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr("pathlib.os.replace", noted_replace)
    write_text(tmp_path / "a", "x")
    assert done == ["draft", RECORD, "rename", "folder"]
    done.clear()
    write_text(tmp_path / "b.svg", "x")
    assert done == [RECORD, "rename"]


def test_foreign_files_are_none_outside_a_claimed_folder(tmp_path):
    (tmp_path / "a").write_text("theirs")
    refuse_foreign([tmp_path / "a"])
