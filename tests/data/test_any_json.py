"""JSON of any values is read to what it says, or answered: data sets, sidecars, records of runs."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.files.reading import load_json, read_plain
from neurotarget.maps.gre import te_problems
from neurotarget.maps.gre_sidecars import echo_times, field_strength
from neurotarget.runs.folder.jobs import read_job
from neurotarget.runs.folder.run_folder import run_record
from neurotarget.types import Target

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("name", "modality", "channel_names", "labels", "training", "test", "dataset", "numTraining")
KEYS += ("file_ending", "numTest")
TARGET = Target("cube", ["t1"], {"cube": 1}, [1, 1, 1], [4, 4, 4])


@settings(max_examples=120)
@given(about=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6), is_cut=st.booleans())
def test_a_dataset_json_is_answered(tmp_path, about, is_cut):
    text = json.dumps(about)
    (tmp_path / "dataset.json").write_text(text[: len(text) // 2] if is_cut else text)
    for target in (TARGET, None):
        manifest, problems = scan_manifest(tmp_path, target)
        assert manifest is not None or any(problem.level == "error" for problem in problems)
        assert all(problem.todo for problem in problems)


@settings(max_examples=200)
@given(value=VALUES | st.floats(0.001, 0.1))
def test_an_echo_time_is_read_or_answered(value):
    (*times,), problems = echo_times("c", [[{"EchoTime": value}], [{"EchoTime": value}]])
    if not problems:
        assert times == [float(value)]
        assert not te_problems("c", [float(value)], "")


@settings(max_examples=200)
@given(value=VALUES | st.floats(0.2, 12))
def test_a_field_strength_is_read_or_answered(value):
    found, problems = field_strength("c", [{"MagneticFieldStrength": value}], None)
    assert problems or math.isclose(found, float(value))


@settings(max_examples=30)  # each asks git for the code's commit
@given(about=VALUES, is_cut=st.booleans())
def test_records_of_runs_are_read_or_begun_anew(tmp_path, about, is_cut):
    text = json.dumps(about)
    for name in ("run.json", "result.json"):
        (tmp_path / name).write_text(text[: len(text) // 2] if is_cut else text)
    record = run_record(tmp_path)
    assert isinstance(record["id"], str)
    assert isinstance(record["started"][-1], str)
    assert read_job(tmp_path).status
    whole = not is_cut and isinstance(about, dict)
    assert read_plain(tmp_path / "run.json") == (load_json(tmp_path / "run.json") if whole else {})


@settings(max_examples=100)
@given(
    values=st.dictionaries(st.text(max_size=6), st.none() | st.floats(), max_size=3),
    status=st.sampled_from(["done", "failed", "pruned"]) | VALUES,
    words=st.lists(st.text(max_size=6), max_size=3),
)
def test_a_result_of_a_job_is_read_to_what_it_says(tmp_path, values, status, words):
    about = {"status": status, "values": values, "words": words, "reason": "", "log": "job.log"}
    (tmp_path / "result.json").write_text(json.dumps(about))
    found = read_job(tmp_path)
    if status in ("done", "failed", "pruned"):
        assert (found.status, found.overrides) == (status, tuple(words))
        wanted = {key: math.nan if value is None else value for key, value in values.items()}
        assert all(found.values[key] == wanted[key] or math.isnan(wanted[key]) for key in wanted)
    else:
        assert found.status == "missing"
