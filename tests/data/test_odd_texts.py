"""Texts where numbers, lists or names are wanted; each was a traceback once."""

import json
import os

import pytest

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.reading_results import named_labels, whole_number
from neurotarget.data.tables.text_table import align_ids
from neurotarget.files.reading import load_json, opened, read_bytes
from neurotarget.maps.gre_sidecars import echo_times, field_strength

HUGE = "9" * 5000
NO_NUMBERS = [
    "\u00b2",
    HUGE,
    "--1",
    "",
    "1.5",
    "1e3",
    "\u0661",
    " 1",
    True,
    None,
    [1],
    1.0,
    10**400,
]


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_whole_number_is_none(value):
    assert whole_number(value) is None


@pytest.mark.parametrize(("value", "number"), [("7", 7), ("-12", -12), ("+3", 3), (5, 5)])
def test_whole_numbers_are_read(value, number):
    assert whole_number(value) == number


def test_labels_named_by_digits_that_are_none_are_no_labels():
    assert named_labels({"\u00b2": "a"}) is None
    assert named_labels({"a": HUGE, "b": "--1"}) is None
    assert named_labels({"background": 0, "1": "cube"}) == {"background": 0, "cube": 1}


def test_ids_of_many_digits_are_texts():
    assert align_ids([HUGE], [f"0{HUGE}"]) == {}
    assert align_ids(["007"], ["7"]) == {"007": "7"}


ODD = [5, 1.5, None, True, "x", [], {}, [[]], [1, "a"], {"a": []}, "a\0b", "\ud800", "~nosuchuser"]


@pytest.mark.parametrize("odd", ODD, ids=[f"{number}" for number in range(len(ODD))])
@pytest.mark.parametrize(
    "key", ["channel_names", "labels", "training", "dataset", "numTraining", "file_ending"]
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_dataset_json_of_any_values_is_answered(tmp_path, target, key, odd, listed):
    about = {"channel_names": {"0": "t1"}, "labels": {"cube": 1}, "file_ending": ".nii.gz"}
    about |= {"training": [{"image": odd, "label": odd}]} if listed else {"dataset": {"a": odd}}
    (tmp_path / "dataset.json").write_text(json.dumps(about | {key: odd}))
    (tmp_path / "imagesTr").mkdir()
    _, problems = scan_manifest(tmp_path, target)
    assert any(problem.level == "error" for problem in problems)
    scan_manifest(tmp_path, None, images_only=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 100_000, "too deep to read"),
        ('{"labels": ' + HUGE + "}", "4300 digits"),
        ("{", "Expecting property name"),
        ("\udcff", "codec can't decode"),
    ],
)
def test_a_json_that_cannot_be_read_is_one_sentence(tmp_path, target, text, found):
    (tmp_path / "dataset.json").write_text(text, errors="surrogateescape")
    _, problems = scan_manifest(tmp_path, target)
    assert found in problems[0].found
    with pytest.raises(ValueError, match=found):
        load_json(tmp_path / "dataset.json")


@pytest.mark.parametrize("odd", [[1], {"a": 1}, "x", 10**400, float("inf"), float("nan"), -1, ""])
def test_sidecars_of_any_values_are_answered(odd):
    _, problems = echo_times("c", [[{"EchoTime": odd}], [{}]])
    assert problems
    for key in ("MagneticFieldStrength", "ImagingFrequency"):
        _, problems = field_strength("c", [{key: odd}], None)
        assert problems


@pytest.mark.parametrize("fold", ["\u00b2", HUGE, "--1", "-1", "1.5"])
def test_a_fold_that_is_no_number_is_refused(tmp_path, target, fold):
    (tmp_path / "a.csv").write_text(f"case_id,t1,fold\na,a.nii,{fold}\n", encoding="utf-8")
    _, problems = scan_manifest(tmp_path / "a.csv", target, need_files=False)
    assert any("found fold" in str(one) and "a whole number" in str(one) for one in problems)


@pytest.mark.parametrize("name", ["dataset.json", "participants.tsv", "a.csv"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_descriptions_and_tables_are_regular_files(tmp_path, target, name, kind):
    if name == "participants.tsv":
        entry = {"image": "a.nii.gz", "label": "b.nii.gz"}
        (tmp_path / "dataset.json").write_text(json.dumps({"training": [entry]}))
    path = tmp_path / name
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    _, problems = scan_manifest(path if name == "a.csv" else tmp_path, target)
    assert any("no regular file" in str(one) for one in problems) or name == "a.csv"
    with pytest.raises(OSError, match="no regular file"):
        opened(path)


def test_a_text_too_large_to_be_one_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(OSError, match="a file of 1024 MiB, wanted at most 256 MiB"):
        load_json(tmp_path / "a.json")
    assert read_bytes(__file__, 1 << 20)
