import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.problems import DataError


@pytest.fixture
def folder(tmp_path, label):
    """Write masks of these names into a folder of their own."""

    def make(*names):
        (tmp_path / "masks").mkdir(exist_ok=True)
        for name in names:
            label(tmp_path / "masks" / name)
        return tmp_path / "masks"

    return make


@pytest.fixture
def cases(tmp_path):
    def make(*lines):
        path = tmp_path / "table" / "cases.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    return make


def scan(source, masks=None, **options):
    manifest, problems = scan_manifest(
        source, None, masks=masks, need_images=False, repeats=True, **options
    )
    found = {} if manifest is None else {case.case_id: case.label for case in manifest.cases}
    return {key: path and path.name for key, path in found.items()}, problems


def problem_lines(problems):
    return [f"{problem.level}: {problem}" for problem in problems]


def test_several_masks_of_one_scan_are_cases_of_one_subject(cases, folder):
    source = cases(
        "case_id,label", "a,../masks/x.nii.gz", "a,../masks/y.nii.gz", "b,../masks/z.nii"
    )
    folder("x.nii.gz", "y.nii.gz", "z.nii")
    manifest, problems = scan_manifest(source, None, need_images=False, repeats=True)
    assert [case.case_id for case in manifest.cases] == ["a_mask1", "a_mask2", "b"]
    assert [case.subject_id for case in manifest.cases] == ["a", "a", "b"]
    (problem,) = problems
    assert (problem.level, problem.case_id) == ("warning", "a")
    assert "2 masks of one scan (x.nii.gz, y.nii.gz)" in str(problem)
    assert "their subject counts once" in str(problem)


def test_repeats_are_refused_where_they_are_not_asked_for(cases, folder):
    source = cases("case_id,label", "a,../masks/x.nii.gz", "a,../masks/y.nii.gz")
    folder("x.nii.gz", "y.nii.gz")
    with pytest.raises(DataError, match="case_id 'a' 2 times"):
        read_manifest(source, None, need_images=False)


def test_repeats_whose_masks_the_folder_lacks_are_missing_and_no_copies(cases, folder):
    source = cases("case_id,label", "a,old/x.nii.gz", "a,old/y.nii.gz", "b,old/z.nii.gz")
    found, problems = scan(source, folder("z.nii.gz"))
    assert found == {"a_mask1": None, "a_mask2": None, "b": "z.nii.gz"}
    assert {problem.level for problem in problems} == {"warning"}


@pytest.mark.parametrize("other", ["../masks/x.nii.gz", "n/a"])
def test_a_copied_row_is_an_error_even_among_repeats(cases, folder, other):
    source = cases("case_id,label", "a,../masks/x.nii.gz", "a,../masks/y.nii.gz", f"a,{other}")
    folder("x.nii.gz", "y.nii.gz")
    with pytest.raises(DataError, match="case_id 'a' 3 times"):
        read_manifest(source, None, need_images=False, repeats=True)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("old/place/47.nii.gz", "47.nii.gz"),  # the folder replaces the old one
        ("/nowhere/47.nii.gz", "47.nii.gz"),
        ("47.nii.gz", "47.nii.gz"),
        ("47.nii.gz", "c1.nii.gz"),  # as predictions are called
        ("n/a", "c1.nii"),
        ("n/a", "c1_pituitary.nii.gz"),
        ("n/a", "c1.rater-a.nii.gz"),
        ("n/a", "c1-2nd.nii.gz"),
    ],
)
def test_a_mask_is_found_by_its_cell_or_its_case(cases, folder, cell, name):
    found, problems = scan(cases("case_id,label", f"c1,{cell}"), folder(name))
    assert (found, problems) == ({"c1": name}, [])


def test_a_table_needs_no_column_of_masks(cases, folder):
    source = cases("case_id,age", "c1,30", "c2,40")
    found, problems = scan(source, folder("c1.nii.gz", "c2_mask.nii.gz"))
    assert (found, problems) == ({"c1": "c1.nii.gz", "c2": "c2_mask.nii.gz"}, [])


def test_the_folder_wins_over_masks_that_the_table_names(cases, folder, label, tmp_path):
    label(tmp_path / "table" / "47.nii.gz")
    manifest = read_manifest(
        cases("case_id,label", "c1,47.nii.gz"), None, masks=folder("47.nii.gz"), need_images=False
    )
    assert manifest.cases[0].label == tmp_path / "masks" / "47.nii.gz"


def test_masks_of_one_name_are_reported_by_their_folders(cases, folder):
    masks = folder("s1/mask.nii.gz", "s2/mask.nii.gz", "mask.nii.gz")
    source = cases("case_id,label", "c1,raw/s1/mask.nii.gz", "c2,raw/s2/mask.nii.gz")
    manifest, problems = scan_manifest(source, None, masks=masks, need_images=False)
    assert [case.label for case in manifest.cases] == [
        masks / "s1" / "mask.nii.gz",
        masks / "s2" / "mask.nii.gz",
    ]
    assert "1 file of no case (mask.nii.gz)" in str(problems[0])


def test_a_longer_id_is_another_case(cases, folder):
    found, problems = scan(cases("case_id", "IXI25", "IXI251"), folder("IXI251.nii.gz"))
    assert found == {"IXI25": None, "IXI251": "IXI251.nii.gz"}
    assert "no mask for 1 of 2 cases (IXI25)" in problem_lines(problems)[0]


def test_a_case_without_a_mask_stays_and_is_named_with_the_folder(cases, folder):
    masks = folder("c1.nii.gz", "c9.nii.gz")
    found, problems = scan(cases("case_id,label", "c1,", "c2,gone.nii.gz"), masks)
    assert found == {"c1": "c1.nii.gz", "c2": None}
    assert [problem.level for problem in problems] == ["warning", "warning"]
    assert f"{masks}: found no mask for 1 of 2 cases (c2)" in problem_lines(problems)[0]
    assert "1 file of no case (c9.nii.gz)" in problem_lines(problems)[1]


@pytest.mark.parametrize(
    ("lines", "names", "message"),
    [
        (("case_id", "c1"), ("c1_a.nii.gz", "c1_b.nii.gz"), r"c1: .*2 possible masks"),
        (("case_id", "c1"), ("x.nii.gz",), "no mask for 1 of 1 cases"),
        (("case_id,label", "c1,a.nii", "c2,a.nii"), ("a.nii",), "one mask for the cases c1, c2"),
        (("case_id,label", "c1,a.nii", "c1,a.nii"), ("a.nii",), "case_id 'c1' 2 times"),
    ],
)
def test_a_folder_that_leaves_doubt_is_refused(cases, folder, lines, names, message):
    with pytest.raises(DataError, match=message):
        read_manifest(cases(*lines), None, masks=folder(*names), need_images=False, repeats=True)


def test_all_doubts_come_at_once(cases, folder):
    source = cases("case_id,age", "c1,30", "c2,x", "c3,40", "c3,50")
    masks = folder("c1_a.nii.gz", "c1_b.nii.gz", "c3.nii.gz", "z.nii.gz")
    text = "\n".join(problem_lines(scan(source, masks)[1]))
    assert all(word in text for word in ("possible masks", "age = 'x'", "'c3' 2 times", "z.nii.gz"))


@pytest.mark.parametrize(("name", "found"), [("gone", "no such folder"), ("table", "a file")])
def test_a_folder_of_masks_that_is_none_is_reported(cases, tmp_path, name, found):
    source = cases("case_id", "c1")
    path = tmp_path / "gone" if name == "gone" else source
    with pytest.raises(DataError, match=f"found {found}, wanted a folder of masks"):
        read_manifest(source, None, masks=path, need_images=False)


def test_real_masks_are_found_with_their_repeated_case(shared_data):
    root = shared_data / "pituitary_masks"
    found, problems = scan(root / "participants.tsv", root / "masks")
    assert len(found) == len(set(found.values())) == 56
    assert {"IXI251_mask1", "IXI251_mask2"} < set(found)
    assert problem_lines(problems)[0].startswith("warning: IXI251: found 2 masks of one scan")
    assert len(problems) == 1
