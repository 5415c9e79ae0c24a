"""Scans and masks that changed between two sittings of a run."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation, content_hashes
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.cases.sources import Files
from neurotarget.problems import DataError
from neurotarget.runs.network.usual_film import FILE as USUAL
from neurotarget.runs.network.usual_film import read_usual
from neurotarget.training.data_record import FILE, keep_contents, write_usual
from neurotarget.types import Target

BEFORE = {"sub-01": "a", "sub-02": "b", "sub-03": "c"}


def test_changed_cases_are_refused_by_name_and_the_record_stays(tmp_path):
    keep_contents(tmp_path, BEFORE, resumed=False, accepted=False)
    now = BEFORE | {"sub-02": "x", "sub-03": "y"}
    with pytest.raises(DataError, match=r"changed since this run began \(sub-02, sub-03\)"):
        keep_contents(tmp_path, now, resumed=True, accepted=False)
    assert json.loads((tmp_path / FILE).read_text())["cases"] == BEFORE


def test_accepted_changes_are_printed_and_kept(tmp_path, capsys):
    keep_contents(tmp_path, BEFORE, resumed=False, accepted=False)
    now = BEFORE | {"sub-02": "x"}
    keep_contents(tmp_path, now, resumed=True, accepted=True)
    assert "1 cases have changed: sub-02" in capsys.readouterr().out
    keep_contents(tmp_path, now, resumed=True, accepted=False)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"cases": 3}'])
def test_a_run_without_a_record_resumes_and_gets_one(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    keep_contents(tmp_path, BEFORE, resumed=True, accepted=False)
    assert json.loads((tmp_path / FILE).read_text())["cases"] == BEFORE


@pytest.mark.parametrize("name", ["a.nii.gz", "a_seg.nii.gz"])
def test_scan_and_mask_count_and_where_they_lie_does_not(tmp_path, name):
    found = []
    for place in ("first", "second", "third"):
        folder = tmp_path / place
        folder.mkdir()
        for file in ("a.nii.gz", "a_seg.nii.gz"):
            (folder / file).write_text("other" if place == "third" and file == name else file)
        (folder / "m.tsv").write_text("case_id\tt1\tlabel\na\ta.nii.gz\ta_seg.nii.gz\n")
        target = Target("ball", ("t1",), {"core": 1}, (1.0, 1.0, 1.0), (8, 8, 8))
        found.append(content_hashes(read_manifest(folder / "m.tsv", target), target, tmp_path))
    assert found[0] == found[1] != found[2]


def data_of(folder, count=14):
    """Films with a bright spot at the top left, on which a label lies."""
    rng, lines = np.random.default_rng(0), []
    spot = np.zeros((40, 40), np.uint8)
    spot[5:15, 6:18] = 1
    for number in range(count):
        film = 40 + 150 * spot + rng.integers(0, 20, (40, 40)).astype(np.uint8)
        Image.fromarray(film.astype(np.uint8)).save(folder / f"f{number}.png")
        Image.fromarray(spot * 255).save(folder / f"m{number}.png")
        lines.append({"case_id": f"c{number}", "film": f"f{number}.png", "label": f"m{number}.png"})
    pd.DataFrame(lines).to_csv(folder / "films.csv", index=False)
    target = Target("spot", ("film",), {"spot": (1,)}, spacing_px=(1, 1), patch_vox=(32, 32))
    data = TargetData(
        target, Files(), cache=folder / "cache", root=str(folder / "films.csv"),
        preparation=Preparation("none", None), val_fraction=0.1, workers=0,
    )  # fmt: skip
    data.prepare_data()
    return data


def test_a_run_keeps_what_is_usual_in_its_training_films(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    write_usual(data_of(tmp_path), run)
    usual = read_usual(run / "config.yaml")
    assert usual.small.shape == (16, 16)
    assert (usual.is_framed, usual.is_deep) == (False, False)
    assert usual.small[3:5, 2:5].min() > usual.small[10:, 10:].max()
    assert read_usual(run / "network.safetensors") is None


def test_few_films_leave_nothing(tmp_path):
    write_usual(data_of(tmp_path, count=8), tmp_path)
    assert not (tmp_path / USUAL).exists()
    assert read_usual(tmp_path / "config.yaml") is None
