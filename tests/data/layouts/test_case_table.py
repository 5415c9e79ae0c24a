import re

import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.problems import DataError


def found(source, target=None, **options):
    return "\n".join(str(problem) for problem in scan_manifest(source, target, **options)[1])


def test_paths_are_relative_to_the_tables_folder(table, make_target, tmp_path):
    case = read_manifest(table(), make_target()).cases[3]
    assert case.case_id == case.subject_id == "c03"
    assert case.images == {"t1": tmp_path / "c03_t1.nii.gz"}
    assert case.label == tmp_path / "c03_mask.nii.gz"


def test_root_moves_the_paths(table, make_target, tmp_path):
    source = table(1)
    away = tmp_path / "elsewhere" / "cases.csv"
    away.parent.mkdir()
    source.rename(away)
    assert read_manifest(away, make_target(), root=tmp_path).cases[0].label.is_file()
    assert "no such file" in found(away, make_target())


@pytest.mark.parametrize("column", ["t1", "T1", "t1_path", "image"])
def test_a_single_contrast_may_be_called_image(table, make_target, column):
    source = table(2)
    source.write_text(source.read_text().replace(",t1,", f",{column},"))
    assert list(read_manifest(source, make_target()).cases[0].images) == ["t1"]


def test_contrasts_come_in_the_targets_order(table, make_target):
    manifest = read_manifest(table(1, t2=["c00_mask.nii.gz"]), make_target(("t2", "t1")))
    assert list(manifest.cases[0].images) == ["t2", "t1"]


def test_without_a_target_every_column_of_images_is_a_contrast(table):
    case = read_manifest(table(1, flair_path=["c00_mask.nii.gz"], sex=["F"]), None).cases[0]
    assert list(case.images) == ["t1", "flair"]
    assert case.covariates == {"sex": "F"}


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_the_separator_is_seen_in_the_head(table, make_target, separator):
    source = table(1, age=["31.5"])
    source.write_text("\ufeff" + source.read_text().replace(",", separator), encoding="utf-8")
    assert read_manifest(source, make_target()).cases[0].covariates == {"age": 31.5}


def test_covariates_are_numbers_words_or_none(table, make_target):
    source = table(3, age=["30", "n/a", "41.5"], site=["Guys", "NA", "7"], sex=["f", "Male", "x"])
    values = [case.covariates for case in read_manifest(source, make_target()).cases]
    assert [value["age"] for value in values] == [30.0, None, 41.5]
    assert [value["site"] for value in values] == ["Guys", None, "7"]
    assert [value["sex"] for value in values] == ["F", "M", "x"]


def test_a_word_in_a_column_of_numbers_is_named(table, make_target):
    source = table(3, age=["30", "old", "41"])
    with pytest.raises(DataError, match=r"c01: .*covariate age = 'old', which is not a number"):
        read_manifest(source, make_target())


def test_a_decimal_comma_is_explained(table, make_target):
    source = table(3, age=["30", '"30,5"', "41"])
    assert "write a decimal point" in found(source, make_target())


def test_a_slope_needs_numbers_however_many_words_there_are(table, make_target):
    target = make_target(hypotheses={"slope": "volume ~ age: negative"})
    source = table(3, age=["young", "old", "41"])
    assert found(source, target).count("not a number") == 2
    assert "not a number" not in found(source, make_target())


def test_a_hypothesis_in_another_case_takes_its_column(table, make_target):
    target = make_target(hypotheses={"slope": "volume ~ age: negative"})
    assert read_manifest(table(1, Age=["30"]), target).cases[0].covariates == {"age": 30.0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"agee": ["30", "31"]}, "no covariate age, so hypothesis slope .* rename the column agee"),
        ({"age": ["30", "31"], "sex": ["1", "2"]}, "no case of sex F or M.*in the column: 1, 2"),
    ],
)
def test_a_hypothesis_without_its_covariate_is_a_warning(table, make_target, columns, message):
    claims = {"slope": "volume ~ age: negative", "gap": "volume: F > M"}
    manifest, problems = scan_manifest(table(2, **columns), make_target(hypotheses=claims))
    assert len(manifest.cases) == 2
    assert {problem.level for problem in problems} == {"warning"}
    assert any(re.search(message, str(problem)) for problem in problems)


def test_splits_have_several_names_and_folds_are_numbers(table, make_target):
    cases = read_manifest(table(3, split=["Train", "validation", "test"]), make_target()).cases
    assert [case.split for case in cases] == ["train", "val", "test"]
    cases = read_manifest(table(3, fold=["0", "1.0", ""]), make_target()).cases
    assert [case.fold for case in cases] == [0, 1, None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": ["train", "trian"]}, "'trian', wanted train, val, test or external; write"),
        ({"fold": ["0", "first"]}, "fold 'first', wanted a whole number"),
        ({"t1": ["c00_t1.nii.gz", ""]}, "c01: .*no t1 image"),
        ({"t1": None, "t1w": ["a.nii", "b.nii"]}, "no column t1 .*rename the column t1w"),
        ({"case_id": None, "subject_id": ["a", "b"]}, "rename the column subject_id"),
        ({"case_id": ["c00", "c00"]}, "case_id 'c00' 2 times"),
        ({"case_id": ["c00", "a/b"]}, "case_id 'a/b', wanted letters"),
        ({"label": ["c00_mask.nii.gz", "gone.nii.gz"]}, r"c01: .*gone\.nii\.gz: found no such"),
        ({"subject_id": ["s", "s"], "split": ["train", "test"]}, "subject s in 2 splits"),
        ({"subject_id": ["s", "s"], "fold": ["0", "1"]}, r"subject s in 2 folds \(c00 in 0, c01"),
    ],
)
def test_a_broken_table_says_what_to_mend(table, make_target, columns, message):
    with pytest.raises(DataError, match=message):
        read_manifest(table(2, **columns), make_target())


def test_all_errors_come_at_once(table, make_target):
    source = table(2, case_id=["c00", "c00"], t1=["gone.nii", "lost.nii"], age=["3", "x"])
    text = found(source, make_target())
    assert all(word in text for word in ("2 times", "gone.nii", "lost.nii"))


@pytest.mark.parametrize(
    ("column", "wanted"), [("subjectid", "subject_id"), ("lable", "label"), ("splitt", "split")]
)
def test_a_misspelt_column_is_a_warning(table, make_target, column, wanted):
    source = table(2, label=None, **{column: ["x", "x"]})
    assert f"found the column {column}, wanted {wanted}" in found(source, make_target())


def test_a_mask_column_of_another_name_is_pointed_at(table, make_target):
    source = table(2, label=None, seg=["c00_mask.nii.gz", "c01_mask.nii.gz"])
    assert "no column label, but paths in seg" in found(source, make_target())


def test_masks_without_images_are_allowed_on_request(table, make_target):
    source = table(2, t1=None)
    assert "no column t1" in found(source, make_target())
    assert read_manifest(source, make_target(), need_images=False).cases[0].images == {}
    assert read_manifest(source, None).cases[1].label.is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case_id,t1,label\na,b\n", "2 cells in line 2, wanted 3"),
        ("case_id,t1,t1\na,b,c\n", "the columns t1 twice"),
        ("", "no column case_id"),
        ("case_id,t1\n", "no case, wanted at least one"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, make_target, text, message):
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "cases.csv", make_target())


def test_a_spreadsheet_is_not_read_as_text(tmp_path, make_target):
    (tmp_path / "cases.csv").write_bytes(b"PK\x03\x04\xff\xfe\x00\x9c")
    with pytest.raises(DataError, match=r"no table \(.*save it as UTF-8 text"):
        read_manifest(tmp_path / "cases.csv", make_target())


def test_real_masks_without_images_are_read(shared_data):
    manifest, problems = scan_manifest(shared_data / "pituitary_masks/participants.tsv", None)
    assert len(manifest.cases) == 56
    assert {case.covariates["sex"] for case in manifest.cases} == {"F", "M"}
    assert ["IXI251" in problem.found for problem in problems] == [True]  # two masks of one scan


def test_masks_of_further_raters_are_reported_by_their_columns(table, make_target, tmp_path):
    masks = ["c01_mask.nii.gz", "n/a"]
    source = table(
        2, label_rater2=masks, Label_again_path=["n/a", "c00_mask.nii.gz"], age=["3"] * 2
    )
    first, second = read_manifest(source, make_target()).cases
    assert first.raters == {"rater2": tmp_path / "c01_mask.nii.gz"}
    assert second.raters == {"again": tmp_path / "c00_mask.nii.gz"}
    assert first.covariates == {"age": 3.0}
    bare = read_manifest(source, None).cases[0]
    assert (list(bare.images), list(bare.raters)) == (["t1"], ["rater2"])
    assert not read_manifest(source, make_target(), images_only=True).cases[0].raters


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label_r2": ["gone.nii.gz"]}, r"c00: .*gone\.nii\.gz: found no such file"),
        ({"label_predicted": ["a.nii"]}, "column label_predicted, wanted a name of its own"),
        ({"label_a b": ["a.nii"]}, "column label_a b, wanted .* of letters"),
        ({"label_a": ["a.nii"], "label_a_path": ["a.nii"]}, "column label_a_path, wanted a name"),
        (
            {"label": None, "label_r2": ["c00_mask.nii.gz"]},
            "no column label, but paths in label_r2",
        ),
    ],
)
def test_odd_columns_of_raters_are_reported(table, make_target, columns, message):
    assert re.search(message, found(table(1, **columns), make_target()))


def test_a_column_that_names_no_mask_stays_a_covariate(table, make_target):
    source = table(2, label_quality=["1", "2"])
    manifest, problems = scan_manifest(source, make_target())
    assert manifest.cases[1].covariates == {"label_quality": 2.0}
    assert not manifest.cases[0].raters
    assert [problem.level for problem in problems] == ["warning"]
    assert "found the column label_quality without an image file (such as 1)" in str(problems[0])


def test_backslashes_of_windows_part_folders(table, make_target, cases_folder):
    (case, *_) = read_manifest(cases_folder / "windows_paths/manifest.csv", make_target()).cases
    assert (case.images["t1"].name, case.label.name) == ("scan01.nii.gz", "mask01.nii.gz")
    source = table(1, t1=["..\\a\\c00_t1.nii.gz"], label=["c00_mask.nii.gz"])
    (source.parent.parent / "a").symlink_to(source.parent)
    assert read_manifest(source, make_target()).cases[0].images["t1"].is_file()


def test_a_file_named_with_a_backslash_is_that_file(table, make_target):
    source = table(1, t1=["a\\b.nii.gz"])
    (source.parent / "c00_t1.nii.gz").rename(source.parent / "a\\b.nii.gz")
    assert read_manifest(source, make_target()).cases[0].images["t1"].name == "a\\b.nii.gz"


def test_a_drive_of_windows_is_explained(table, make_target):
    source = table(1, t1=["C:\\scans\\a.nii.gz"])
    assert "has no drive of Windows" in found(source, make_target())


def test_a_subject_of_two_sexes_is_refused(table, make_target):
    source = table(3, subject_id=["a", "a", "b"], sex=["F", "male", "F"])
    message = (
        r"subject a of 2 values of sex \(F in c00, M in c01\), wanted one per subject; correct"
    )
    with pytest.raises(DataError, match=message):
        read_manifest(source, make_target())
    same = table(3, subject_id=["a", "a", "b"], sex=["F", "female", "M"])
    assert len(read_manifest(same, make_target()).cases) == 3


@pytest.mark.parametrize("letter", ["a", "ü"])
def test_a_case_whose_files_would_have_too_long_names_is_refused(table, make_target, letter):
    source = table(1)
    longest = letter * (150 // len(letter.encode()))
    content = source.read_text()
    source.write_text(content.replace("c00,", f"{longest},"), encoding="utf-8")
    assert "bytes, wanted" not in found(source, make_target())
    source.write_text(content.replace("c00,", f"{longest}a,"), encoding="utf-8")
    assert "… of 151 bytes, wanted at most 150; shorten it" in found(source, make_target())


@pytest.mark.parametrize("name", ["LABEL", "Label_Path"])
def test_a_column_of_ours_may_be_written_in_capitals(table, make_target, name):
    source = table(1)
    source.write_text(source.read_text().replace(",label", f",{name}"))
    assert read_manifest(source, make_target()).cases[0].label.name == "c00_mask.nii.gz"
