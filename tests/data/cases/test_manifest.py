import pytest
from neurotarget.problems import DataError

from neurotarget.data.cases.manifest import read_manifest, scan_manifest


def test_each_kind_of_data_set_is_recognised(table, msd, nnunet, bids, make_target):
    sources = [table(2), msd(2), nnunet(2), bids(["sub-1_T1w", "sub-2_T1w"])]
    assert [len(read_manifest(source, make_target()).cases) for source in sources] == [2] * 4


def test_a_string_and_the_json_itself_will_do(msd, nnunet, make_target):
    assert len(read_manifest(str(msd()), make_target()).cases) == 3
    assert len(read_manifest(nnunet() / "dataset.json", make_target()).cases) == 3
    assert len(read_manifest(nnunet() / "imagesTr", make_target()).cases) == 3


def test_a_missing_source_lists_the_known_kinds(tmp_path):
    with pytest.raises(DataError, match="no such file or folder, wanted a CSV or TSV file, or an"):
        read_manifest(tmp_path / "nothing", None)


def test_a_folder_of_no_kind_points_at_its_table(table, tmp_path):
    with pytest.raises(DataError, match=r"no data set of a known kind.*such as cases\.csv"):
        read_manifest(table().parent, None)


def test_an_empty_folder_asks_for_a_table(tmp_path):
    with pytest.raises(DataError, match="write a table with the columns case_id"):
        read_manifest(tmp_path, None)


def test_readable_cases_come_along_with_the_problems(table, make_target):
    manifest, problems = scan_manifest(table(3, t1=["c00_t1.nii.gz", "x.nii", ""]), make_target())
    assert len(manifest.cases) == 3
    assert [problem.case_id for problem in problems] == ["c02", "c01"]


def test_a_case_without_any_file_is_refused(table):
    source = table(2, t1=["", "c01_t1.nii.gz"], label=["", ""])
    with pytest.raises(DataError, match="c00: found neither image nor label"):
        read_manifest(source, None)


def test_a_tilde_of_nobody_is_a_letter_of_a_path(tmp_path, monkeypatch, make_target):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"~no-user/manifest\.csv: found no such file"):
        read_manifest("~no-user/manifest.csv", make_target())
    (tmp_path / "m.csv").write_text("case_id,t1\na,~no-user/x.nii.gz\nb,~no-user\\y.nii.gz\n")
    with pytest.raises(DataError, match=r"~no-user/x\.nii\.gz: [\s\S]*~no-user/y\.nii\.gz: "):
        read_manifest(tmp_path / "m.csv", make_target())
