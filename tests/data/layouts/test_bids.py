import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.problems import DataError


def ids(manifest):
    return [case.case_id for case in manifest.cases]


def test_sessions_and_runs_are_cases_of_one_subject(bids, make_target):
    raw = ["sub-01_ses-1_run-01_T1w", "sub-01_ses-1_run-02_T1w", "sub-01_ses-2_T1w", "sub-02_T1w"]
    manifest = read_manifest(bids(raw), make_target())
    assert ids(manifest) == [
        "sub-01_ses-1_run-01",
        "sub-01_ses-1_run-02",
        "sub-01_ses-2",
        "sub-02",
    ]
    assert [case.subject_id for case in manifest.cases] == ["sub-01"] * 3 + ["sub-02"]


@pytest.mark.parametrize(
    ("contrast", "suffix"),
    [
        ("t1", "T1w"),
        ("flair", "FLAIR"),
        ("qsm", "Chimap"),
        ("chimap", "Chimap"),
        ("UNIT1", "UNIT1"),
    ],
)
def test_contrasts_are_found_by_suffix(bids, make_target, contrast, suffix):
    folder = bids([f"sub-1_{suffix}", "sub-1_PDw"])
    case = read_manifest(folder, make_target((contrast,))).cases[0]
    assert case.images[contrast].name == f"sub-1_{suffix}.nii.gz"


def test_masks_that_name_the_target_are_preferred(bids, make_target):
    masks = ["sub-1_label-gland_mask", "sub-1_desc-brain_mask", "sub-1_label-GM_mask", "sub-1_dseg"]
    case = read_manifest(bids(["sub-1_T1w"], masks), make_target()).cases[0]
    assert case.label.name == "sub-1_label-gland_mask.nii.gz"


def test_masks_of_something_else_are_no_label(bids, make_target):
    masks = ["sub-1_desc-brain_mask", "sub-1_label-GM_mask", "sub-1_space-MNI152Lin_dseg"]
    assert read_manifest(bids(["sub-1_T1w"], masks), make_target()).cases[0].label is None


def test_two_raters_need_a_filter(bids, make_target):
    masks = ["sub-1_desc-ann_mask", "sub-1_desc-bob_mask"]
    folder = bids(["sub-1_T1w"], masks)
    with pytest.raises(DataError, match=r"2 files for label.*such as \{label: \{desc: …\}\}"):
        read_manifest(folder, make_target())
    chosen = read_manifest(folder, make_target(), filters={"label": {"desc": "bob"}})
    assert chosen.cases[0].label.name == "sub-1_desc-bob_mask.nii.gz"


def test_two_scans_of_one_contrast_need_a_filter(bids, make_target):
    folder = bids(["sub-1_acq-a_T1w", "sub-1_acq-b_T1w"])
    with pytest.raises(DataError, match=r"sub-1: found 2 files for t1.*\{acquisition: …\}\}"):
        read_manifest(folder, make_target())
    chosen = read_manifest(folder, make_target(), filters={"t1": {"acquisition": "b"}})
    assert chosen.cases[0].images["t1"].name == "sub-1_acq-b_T1w.nii.gz"


def test_the_plainest_name_is_the_scan(bids, make_target):
    case = read_manifest(bids(["sub-1_T1w", "sub-1_rec-norm_T1w"]), make_target()).cases[0]
    assert case.images["t1"].name == "sub-1_T1w.nii.gz"


def test_a_mask_of_one_run_is_not_the_others(bids, make_target):
    raw = ["sub-1_run-1_T1w", "sub-1_run-2_T1w"]
    cases = read_manifest(bids(raw, ["sub-1_run-1_dseg"]), make_target()).cases
    assert [case.label is not None for case in cases] == [True, False]


def test_a_session_with_one_file_serves_all_runs(bids, make_target):
    raw = ["sub-1_run-1_T1w", "sub-1_run-2_T1w", "sub-1_T2w"]
    cases = read_manifest(bids(raw), make_target(("t1", "t2"))).cases
    assert [case.images["t2"].name for case in cases] == ["sub-1_T2w.nii.gz"] * 2


def test_sessions_without_a_contrast_are_left_out_with_a_warning(bids, make_target):
    raw = ["sub-1_T1w", "sub-1_T2w", "sub-2_T1w", "sub-3_T2w"]
    manifest, problems = scan_manifest(bids(raw), make_target(("t1", "t2")))
    assert ids(manifest) == ["sub-1"]
    assert [(item.level, item.case_id, item.found) for item in problems] == [
        ("warning", "sub-2", "no t2 image"),
        ("warning", "sub-3", "no t1 image"),
    ]


def test_a_contrast_that_nobody_has_lists_the_suffixes(bids, make_target):
    with pytest.raises(DataError, match=r"no \*_Chimap\.nii\.gz \(only T1w\)"):
        read_manifest(bids(["sub-1_T1w"]), make_target(("qsm",)))


def test_a_derivative_without_description_is_an_error(bids, make_target):
    folder = bids(["sub-1_T1w"], ["sub-1_dseg"], described=False)
    with pytest.raises(DataError, match=r"derivative without dataset_description\.json"):
        read_manifest(folder, make_target())


def test_descriptions_that_were_not_fetched_are_reported(bids, make_target):
    folder = bids(["sub-1_T1w"], ["sub-1_dseg"])
    for place in (folder, *(folder / "derivatives").iterdir()):
        (place / "dataset_description.json").unlink(missing_ok=True)
        (place / "dataset_description.json").symlink_to(".git/annex/objects/x")
    _, problems = scan_manifest(folder, make_target())
    result = [str(problem) for problem in problems if "dataset_description" in problem.found]
    assert len(result) == 2
    for text in result:
        assert "a broken link for dataset_description.json" in text
        assert "`datalad get dataset_description.json`" in text


def test_a_data_set_without_description_is_a_warning(bids, make_target):
    folder = bids(["sub-1_T1w"])
    (folder / "dataset_description.json").unlink()
    manifest, problems = scan_manifest(folder, make_target())
    assert ids(manifest) == ["sub-1"]
    assert [problem.level for problem in problems] == ["warning"]


def test_covariates_come_from_participants_and_sessions(bids, make_target):
    folder = bids(["sub-1_ses-a_T1w", "sub-1_ses-b_T1w"])
    (folder / "participants.tsv").write_text("participant_id\tsex\tage\nsub-1\tfemale\t30\n")
    (folder / "sub-1" / "sub-1_sessions.tsv").write_text("session_id\tage\nses-b\t32\n")
    cases = read_manifest(folder, make_target()).cases
    assert [case.covariates for case in cases] == [
        {"sex": "F", "age": None},  # 30 may be the age at another visit
        {"sex": "F", "age": 32.0},
    ]


def test_a_lookup_table_names_the_labels(bids, make_target):
    folder = bids(["sub-1_T1w"], ["sub-1_dseg"])
    (folder / "derivatives/manual/dseg.tsv").write_text("index\tname\n1\tb\n2\ta\n")
    assert read_manifest(folder, make_target()).label_ids == {"b": 1, "a": 2}


def test_a_lookup_table_that_was_not_fetched_is_an_error(bids, make_target):
    folder = bids(["sub-1_T1w"], ["sub-1_dseg"])
    (folder / "derivatives/manual/dseg.tsv").symlink_to("gone")
    with pytest.raises(DataError, match=r"dseg\.tsv: found a broken link"):
        read_manifest(folder, make_target())


def test_without_a_target_each_kind_of_name_is_a_contrast(bids):
    raw = ["sub-1_T1w", "sub-1_acq-x_FLAIR", "sub-2_T1w"]
    cases = read_manifest(bids(raw), None).cases
    assert [sorted(case.images) for case in cases] == [["acquisition-x_flair", "t1"], ["t1"]]


def test_without_a_target_each_run_is_checked_once(bids):
    raw = ["sub-1_run-1_T1w", "sub-1_run-2_T1w", "sub-1_FLAIR"]
    cases = read_manifest(bids(raw), None).cases
    assert [list(case.images) for case in cases] == [["flair"], ["t1"], ["t1"]]


def test_scans_that_are_no_anatomy_are_ignored(bids, make_target, image):
    folder = bids(["sub-1_T1w"])
    image(folder / "sub-1" / "func" / "sub-1_task-rest_bold.nii.gz")
    image(folder / "sourcedata" / "sub-9" / "anat" / "sub-9_T1w.nii.gz")
    assert ids(read_manifest(folder, make_target())) == ["sub-1"]


@pytest.mark.parametrize("above", ["sub-study7", "ses-2020", "run-2", "space-MNI", "func"])
def test_names_of_folders_above_the_root_are_ignored(bids, make_target, above):
    folder = bids(["sub-1_T1w", "sub-2_T1w"], ["sub-1_dseg", "sub-2_dseg"])
    (folder.parent / above).mkdir()
    folder = folder.rename(folder.parent / above / "bids")
    cases = read_manifest(folder, make_target()).cases
    assert [(case.case_id, case.label.name) for case in cases] == [
        ("sub-1", "sub-1_dseg.nii.gz"),
        ("sub-2", "sub-2_dseg.nii.gz"),
    ]


def test_a_root_below_a_folder_named_as_a_subject_is_as_any_other(cases_folder, make_target):
    manifest = read_manifest(cases_folder / "root_named_sub" / "bids", make_target())
    assert ids(manifest) == [f"sub-0{number}" for number in range(1, 7)]
    assert all(case.label.is_file() for case in manifest.cases)
    assert [case.covariates["age"] for case in manifest.cases] == [31, 32, 33, 34, 35, 36]
