import re
import shutil

import numpy as np
import pytest

from neurotarget.data.cases.lint import lint
from neurotarget.data.cases.manifest import read_manifest


@pytest.fixture
def lint_sentences(table, make_target):
    """Sentences about a table of twelve cases after something was done to its folder."""

    def say(change=None, target=None, columns=None, **options):
        source = table(**(columns or {}))
        if change is not None:
            change(source.parent)
        target = target or make_target()
        problems = lint(read_manifest(source, target), target, **options)
        return [f"{problem.level}: {problem}" for problem in problems]

    return say


def test_a_sound_data_set_has_no_problem(lint_sentences):
    assert lint_sentences() == []


def test_label_values_grids_and_voxels_are_checked_in_one_pass(lint_sentences, image, label):
    def spoil(folder):
        label(folder / "c00_mask.nii.gz", ids=(1, 7))
        label(folder / "c01_mask.nii.gz", shape=(6, 6, 7))
        label(folder / "c02_mask.nii.gz", affine=np.diag([1, 1, 1.1, 1]))
        image(folder / "c03_t1.nii.gz", array=np.full((6, 6, 6), np.nan, np.float32))
        image(folder / "c04_mask.nii.gz", array=np.full((6, 6, 6), 0.5, np.float32))
        image(folder / "c05_t1.nii.gz", array=np.zeros((6, 6, 6, 3), np.float32))
        (folder / "c06_t1.nii.gz").write_bytes(b"\x1f\x8b half")

    text = "\n".join(lint_sentences(spoil))
    for wanted in (
        "c00: .*label values 7 that the target does not define",
        "c01: .*a grid of 6 × 6 × 7 voxels, wanted 6 × 6 × 6 voxels, as t1 has",
        "c02: .*voxels elsewhere .affines differ by",
        "c03: .*NaN or Inf in 216 of 216 voxels",
        r"c04: .*label values 0\.5, wanted whole numbers",
        "c05: .*4-D voxels",
        "c06: .*unreadable file",
    ):
        assert re.search(wanted, text), wanted


def test_contrasts_on_two_grids_are_named(lint_sentences, make_target, image, table):
    columns = {"t2": [f"t2_{index}.nii.gz" for index in range(12)]}
    sentences = lint_sentences(
        lambda folder: [image(folder / name, shape=(6, 6, 5)) for name in columns["t2"]],
        make_target(("t1", "t2")),
        columns,
    )
    assert sum("resample the t2 to the grid of t1" in sentence for sentence in sentences) == 12


def test_an_empty_label_is_an_error(lint_sentences, label):
    sentences = lint_sentences(lambda folder: label(folder / "c00_mask.nii.gz", ids=()))
    assert len(sentences) == 1
    assert sentences[0].startswith("error: c00: ")
    assert "found an empty label" in sentences[0]


def test_an_empty_label_is_fine_where_nothing_is_plausible(lint_sentences, make_target, label):
    target = make_target(volume_range_mm3={"a": [0, 99], "b": [0, 99]})
    assert lint_sentences(lambda folder: label(folder / "c00_mask.nii.gz", ids=()), target) == []


def test_a_label_that_one_case_lacks_is_a_warning(lint_sentences, label):
    sentences = lint_sentences(lambda folder: label(folder / "c00_mask.nii.gz", ids=(1,)))
    assert [sentence[:8] for sentence in sentences] == ["warning:"]
    assert "no voxel of b" in sentences[0]


def test_volumes_out_of_range_are_warnings_in_mm3(lint_sentences, make_target):
    sentences = lint_sentences(target=make_target(volume_range_mm3={"a": [9, 20], "b": [1, 8]}))
    assert len(sentences) == 12
    assert "found 8 mm³ of a, wanted 9 to 20 mm³" in sentences[0]


def test_left_to_the_right_of_right_is_a_warning(lint_sentences, make_target):
    assert lint_sentences(target=make_target(pairs=[("a", "b")])) == []  # a has the smaller I: left
    sentences = lint_sentences(target=make_target(pairs=[("b", "a")]))
    assert len(sentences) == 12
    assert "found b to the right of a" in sentences[0]


def test_sides_are_reported_in_the_world_not_in_the_array(
    lint_sentences, make_target, image, label
):
    def mirror(folder):
        for index in range(12):
            for save, name in ((image, "t1"), (label, "mask")):
                save(folder / f"c{index:02d}_{name}.nii.gz", affine=np.diag([-1, 1, 1, 1]))

    assert lint_sentences(mirror, make_target(pairs=[("b", "a")])) == []


def test_one_scan_under_two_names_leaks_into_another_split(lint_sentences):
    def copy(folder):
        shutil.copy(folder / "c00_t1.nii.gz", folder / "c11_t1.nii.gz")

    assert "warning: found the same voxels in the cases c00, c11" in lint_sentences(copy)[0]
    columns = {"split": ["train"] * 6 + ["val"] * 3 + ["test"] * 3}
    assert (
        "error: found the same voxels in the cases c00, c11 of two splits"
        in lint_sentences(copy, columns=columns)[0]
    )


def test_a_patch_larger_than_the_volumes_is_reported_once(lint_sentences, make_target):
    sentences = lint_sentences(target=make_target(patch=(8, 6, 6)))
    assert len(sentences) == 1
    assert "12 of 12 volumes smaller than the patch of 8 × 6 × 6 voxels" in sentences[0]


def test_a_split_without_a_label_is_an_error(lint_sentences, label):
    def drop(folder):
        for name in ("c10", "c11"):
            label(folder / f"{name}_mask.nii.gz", ids=(1,))

    sentences = lint_sentences(drop, columns={"split": ["train"] * 8 + ["val"] * 2 + ["test"] * 2})
    assert any("error: found no voxel of b in the test cases" in item for item in sentences)
    drawn = {f"c{index:02d}": "val" if index > 9 else "train" for index in range(12)}
    assert any(
        "no voxel of b in the val cases" in item for item in lint_sentences(drop, splits=drawn)
    )


def test_a_label_that_may_be_absent_is_wanted_in_training_only(lint_sentences, label, make_target):
    def drop(*cases):
        return lambda folder: [
            label(folder / f"c{index:02d}_mask.nii.gz", ids=(1,)) for index in cases
        ]

    target = make_target(volume_range_mm3={"b": (0.0, 1e5)})
    columns = {"split": ["train"] * 8 + ["val"] * 2 + ["test"] * 2}
    sentences = lint_sentences(drop(8, 9), target, columns=columns)
    assert [item for item in sentences if item.startswith("error")] == []
    assert any("warning: found no voxel of b in the val cases" in item for item in sentences)
    sentences = lint_sentences(drop(*range(8)), target, columns=columns)
    assert any("error: found no voxel of b in the train cases" in item for item in sentences)


def test_cases_without_a_label_are_counted(lint_sentences):
    columns = {"label": ["", *(f"c{index:02d}_mask.nii.gz" for index in range(1, 12))]}
    sentences = lint_sentences(columns=columns)
    assert sentences[0].startswith("error: found no label for 1 of 12 cases (c00)")


def test_few_subjects_are_a_warning(lint_sentences):
    sentences = lint_sentences(columns={"cases": 3})
    assert [sentence[:8] for sentence in sentences] == ["warning:"]
    assert "3 labelled subjects" in sentences[0]


def test_cases_without_a_fold_are_a_warning(lint_sentences):
    sentences = lint_sentences(columns={"fold": ["0", "1"] * 5 + ["", ""]})
    assert "warning: found no fold for c10, c11" in sentences[0]


def test_labels_that_the_data_set_calls_otherwise_are_reported(msd, make_target):
    target = make_target(labels={"a": 1, "stalk": 9})
    problems = lint(read_manifest(msd(), target), target)
    assert "no label stalk (id 9) in the data set, which has background = 0" in str(problems[0])


def test_a_blank_image_is_a_warning(lint_sentences, image):
    blank = np.zeros((6, 6, 6), np.int16)
    sentences = lint_sentences(lambda folder: image(folder / "c00_t1.nii.gz", array=blank))
    assert "warning: c00: " in sentences[0]
    assert "one value in all voxels" in sentences[0]


def test_without_a_target_only_what_needs_none_is_checked(table, label, image):
    source = table()
    label(source.parent / "c00_mask.nii.gz", ids=(77, 200))
    label(source.parent / "c01_mask.nii.gz", ids=())
    problems = lint(read_manifest(source, None), None)
    assert [(problem.case_id, problem.found) for problem in problems] == [("c01", "an empty label")]


def test_threads_say_the_same_in_the_same_order(lint_sentences, label):
    def spoil(folder):
        for index in range(0, 12, 2):
            label(folder / f"c{index:02d}_mask.nii.gz", ids=(1, 9))

    assert lint_sentences(spoil, workers=1) == lint_sentences(spoil, workers=4)


def test_the_real_hippocampus_is_sound(shared_data, make_target):
    ranges = {"anterior": [500, 4000], "posterior": [500, 4000]}
    target = make_target(labels={"anterior": 1, "posterior": 2}, volume_range_mm3=ranges)
    assert lint(read_manifest(shared_data / "hippocampus", target), target) == []


def test_without_a_target_contrasts_may_lie_on_several_grids(table, image):
    names = [f"t2_{index}.nii.gz" for index in range(12)]
    source = table(t2=names)
    for name in names:
        image(source.parent / name, shape=(6, 6, 5))
    problems = lint(read_manifest(source, None), None)
    assert [(item.level, item.found) for item in problems] == [
        ("warning", "t2 off the grid of the first contrast in 12 cases")
    ]


def test_without_a_target_a_label_needs_the_grid_of_one_contrast(table, image, label):
    source = table(2, t2=["t2_0.nii.gz", "t2_1.nii.gz"])
    for index, side in enumerate((7, 8)):
        image(source.parent / f"t2_{index}.nii.gz", shape=(6, 6, side))
        label(source.parent / f"c0{index}_mask.nii.gz", shape=(6, 6, 7))
    problems = lint(read_manifest(source, None), None)
    assert [item.case_id for item in problems if item.level == "error"] == ["c01"]
