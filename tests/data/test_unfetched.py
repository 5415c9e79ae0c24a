"""Data sets of which git-annex, datalad or git LFS have fetched a part."""

from pathlib import Path

import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.files.unfetched import unfetched
from neurotarget.problems import DataError

ANNEX = "../.git/annex/objects/x1/MD5E-s9--d4.nii.gz/MD5E-s9--d4.nii.gz"


def drop(path):
    """Leave a file as `datalad drop` does."""
    path.unlink()
    path.symlink_to(ANNEX)


def left(source, target, **options):
    manifest, problems = scan_manifest(source, target, **options)
    return [case.case_id for case in manifest.cases], [str(item) for item in problems]


def test_what_stands_for_a_file_is_reported_from_a_file(tmp_path):
    names = ("annex", "link", "pointer", "lfs", "file", "nothing")
    annex, link, pointer, lfs, file, nothing = (tmp_path / name for name in names)
    annex.symlink_to(ANNEX)
    link.symlink_to(tmp_path / "elsewhere")
    pointer.write_text("/annex/objects/MD5E-s9--d4.nii.gz\n")
    lfs.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
    file.write_text("voxels")
    assert [unfetched(path) for path in (file, nothing, tmp_path)] == [None] * 3
    assert unfetched(annex) == ("a broken link", "fetch it (`datalad get annex` in its folder)")
    assert unfetched(link).todo == f"fetch it (it points to {tmp_path / 'elsewhere'})"
    assert "datalad get pointer" in unfetched(pointer).todo
    assert "git lfs pull --include lfs" in unfetched(lfs).todo


@pytest.mark.parametrize("role", ["t1", "mask"])
def test_cases_of_a_table_that_are_there_are_read(table, make_target, role):
    source = table(3)
    drop(source.parent / f"c01_{role}.nii.gz")
    names, (problem,) = left(source, make_target())
    assert names == ["c00", "c02"]
    assert problem.startswith("c01: ")
    assert "found a broken link" in problem
    assert "`datalad get c01" in problem
    assert problem.endswith("the case is left out")


def test_cases_of_bids_that_are_there_are_read(bids, make_target):
    folder = bids(["sub-1_T1w", "sub-2_T1w", "sub-3_T1w"], ["sub-1_dseg", "sub-3_dseg"])
    drop(folder / "sub-1/anat/sub-1_T1w.nii.gz")
    drop(folder / "derivatives/manual/sub-3/anat/sub-3_dseg.nii.gz")
    names, problems = left(folder, make_target())
    assert names == ["sub-2"]
    assert ["a broken link" in problem for problem in problems] == [True, True]


def test_cases_of_a_decathlon_that_are_there_are_read(msd, make_target):
    folder = msd(3)
    drop(folder / "imagesTr/scan_001.nii.gz")
    names, (problem,) = left(folder, make_target())
    assert names == ["scan_000", "scan_002"]
    assert "a broken link" in problem


def test_a_channel_of_its_own_may_be_a_broken_link(msd, make_target):
    folder = msd(2, modality=("t1",))
    for number in range(2):
        image = folder / f"imagesTr/scan_00{number}.nii.gz"
        image.rename(image.with_name(f"scan_00{number}_0000.nii.gz"))
    drop(folder / "imagesTr/scan_001_0000.nii.gz")
    names, (problem,) = left(folder, make_target())
    assert names == ["scan_000"]
    assert "scan_001_0000.nii.gz: found a broken link" in problem


def test_cases_of_nnunet_that_are_there_are_read(nnunet, make_target):
    folder = nnunet(3)
    drop(folder / "imagesTr/xTr_0_0000.nii.gz")
    names, (problem,) = left(folder, make_target())
    assert names == ["xTr_1", "xTr_2"]
    assert "a broken link" in problem


def test_where_nothing_was_fetched_it_is_an_error(table, make_target):
    source = table(2)
    for path in source.parent.glob("*_t1.nii.gz"):
        drop(path)
    with pytest.raises(DataError, match=r"c00: .*a broken link.*\n.*c01: .*a broken link"):
        read_manifest(source, make_target())


def test_masks_are_studied_without_their_scans(table, make_target):
    source = table(2, label_bob=["c00_mask.nii.gz", "bob.nii.gz"])
    drop(source.parent / "c00_t1.nii.gz")
    (source.parent / "bob.nii.gz").symlink_to(ANNEX)
    manifest, problems = scan_manifest(source, make_target(), need_images=False)
    assert [list(case.images) for case in manifest.cases] == [[], ["t1"]]
    assert [list(case.raters) for case in manifest.cases] == [["bob"], []]
    assert [problem.level for problem in problems] == ["warning"] * 2
    assert all(problem.todo.endswith("the case is kept without it") for problem in problems)


def test_a_missing_file_stays_an_error_beside_a_broken_link(table, make_target):
    source = table(3)
    drop(source.parent / "c00_t1.nii.gz")
    (source.parent / "c01_t1.nii.gz").unlink()
    _, problems = scan_manifest(source, make_target())
    assert [(item.level, item.case_id) for item in problems] == [
        ("warning", "c00"),
        ("error", "c01"),
    ]


@pytest.mark.parametrize("name", ["participants.tsv", "cases.csv"])
def test_a_table_that_was_not_fetched_is_named(table, make_target, nnunet, name):
    source = table(2) if name == "cases.csv" else nnunet(2)
    path = source if name == "cases.csv" else source / name
    path.unlink(missing_ok=True)
    path.symlink_to(Path("..") / ANNEX)
    with pytest.raises(DataError, match=rf"{name}: found a broken link.*datalad get {name}"):
        read_manifest(source, make_target())
