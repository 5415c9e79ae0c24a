"""Fusion of runs of several series: exams are matched, and missing series counted."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import neurotarget as nt
from neurotarget.comparison import series_fusion
from neurotarget.comparison.series_fusion import (
    exam_tables,
    fuse_runs,
    fused_label,
    print_fused,
    print_scores,
)
from neurotarget.problems import DataError
from neurotarget.report.comparison.fusion_page import fusion_html
from neurotarget.types import Target

OUTCOME = {"acl": {"kind": "binary", "classes": ["absent", "present"]}}
SERIES = ("sagittal", "coronal", "axial")


def run_of(series, probability, truth, names):
    """What `read_run` gives of a run of one series, as far as a fusion reads it."""
    target = Target("knee", [series], {}, size_vox=[8, 8, 4], outcomes=OUTCOME)
    rows = [
        {"case_id": name, "subject_id": name, "label": "acl", "metric": metric, "value": value}
        for name, p, y in zip(names, probability, truth, strict=True)
        for metric, value in (("probability", p), ("reference_probability", y))
    ]
    return SimpleNamespace(target=target, rows=pd.DataFrame(rows), seed=1, model="mrnet")


def runs(count=80, lacking=5):
    rng = np.random.default_rng(1)
    y = (np.arange(count) % 3 == 0).astype(float)
    names = np.array([f"k{n:02d}" for n in range(count)])
    made = []
    for number, series in enumerate(SERIES):
        p = expit(1.5 * (2 * y - 1) + rng.standard_normal(count))
        there = slice(lacking if number == 0 else 0, None)
        made.append(run_of(series, p[there], y[there], names[there]))
    return made


def test_exams_of_all_series_are_matched_by_name():
    table = exam_tables(runs())["acl"]
    assert table["case_id"].is_monotonic_increasing
    assert len(table) == 80
    assert table["sagittal"].isna().sum() == 5
    assert table[["coronal", "axial"]].notna().all(axis=None)


def test_folds_are_joined_and_seeds_averaged():
    first = run_of("axial", [0.2, 0.4], [0, 1], ["a", "b"])
    again = run_of("axial", [0.4, 0.8], [0, 1], ["a", "b"])
    other_fold = run_of("axial", [0.5], [0], ["c"])
    table = exam_tables([first, again, other_fold, run_of("coronal", [0.1], [0], ["a"])])["acl"]
    assert table["axial"].tolist() == pytest.approx([0.3, 0.6, 0.5])
    assert exam_tables([first, again]) == {}  # one series alone


def test_the_fusion_beats_each_series_and_counts_what_is_missing():
    scores, weights, exams = fused_label(exam_tables(runs())["acl"], seed=0)
    area = scores.set_index("score")["auroc"]
    assert area["fusion"] > area[[*SERIES]].max()
    assert scores.set_index("score")["n"].to_dict() == {
        "sagittal": 75, "coronal": 80, "axial": 80, "mean": 80, "fusion": 80,
    }  # fmt: skip
    assert weights.set_index("series")["n_lacking"].to_dict() == {
        "sagittal": 5, "coronal": 0, "axial": 0,
    }  # fmt: skip
    assert weights["weight"].sum() == pytest.approx(1)
    assert exams["fusion"].between(0, 1).all()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose runs are those of `runs`, for findings of 80 and of 20 exams."""
    many, few = runs(), runs(count=20, lacking=0)

    def read(place):
        return (many if place.name.startswith("many") else few)[int(place.name[-1])]

    names = [f"{kind}_{n}" for kind in ("many", "few") for n in range(3)]
    monkeypatch.setattr(
        series_fusion, "run_folders", lambda places: [places[0] / name for name in names]
    )
    monkeypatch.setattr(series_fusion, "why_unfinished", lambda _: "")
    monkeypatch.setattr(series_fusion, "read_run", read)
    for run in few:
        run.rows["label"] = "meniscus"
        outcomes = {"meniscus": OUTCOME["acl"]}
        run.target = Target("few", run.target.contrasts, {}, size_vox=[8, 8, 4], outcomes=outcomes)
    return tmp_path


FEW = "found 7 of 20 exams with the finding, wanted at least 10 with and 10 without it"


def test_a_finding_of_too_few_exams_is_left_out_with_a_note(folder, capsys):
    done = nt.fuse_series([folder])
    assert set(done.scores["label"]) == {"acl"}
    assert done.notes == (f"meniscus is left out: {FEW}.",)
    assert FEW in done.report.read_text(encoding="utf-8")
    print_scores(done)
    assert f"note: {done.notes[0]}" in capsys.readouterr().out
    scores = pd.read_csv(folder / "fusion" / "fusion_scores.tsv", sep="\t")
    assert scores["auroc"].tolist() == pytest.approx(done.scores["auroc"].tolist(), rel=1e-5)


def test_a_fusion_without_a_finding_of_enough_exams_is_refused(folder, monkeypatch, capsys):
    monkeypatch.setattr(
        series_fusion, "run_folders", lambda _: [folder / "few_0", folder / "few_1"]
    )
    with pytest.raises(DataError, match=f"meniscus: {FEW}; hold out more exams"):
        fuse_runs([folder])
    print_fused(folder)  # at the end of a multirun, whose networks are trained
    assert "no fusion: " in capsys.readouterr().out
    assert not (folder / "fusion").exists()


def test_the_page_shows_the_published_value_next_to_ours_and_escapes_names():
    scores, weights, _ = fused_label(exam_tables(runs())["acl"], seed=0)
    named = (table.assign(label="acl") for table in (scores, weights))
    page = fusion_html(*named, facts={"runs": "<b>3</b>"}, notes=["a note"])
    assert "0.965 [0.938, 0.993]" in page
    assert "<b>3</b>" not in page
    assert json.dumps("a note").strip('"') in page


def test_the_page_of_other_findings_has_no_published_values():
    scores, weights, _ = fused_label(exam_tables(runs())["acl"], seed=0)
    named = (table.assign(label="lesion") for table in (scores, weights))
    assert "MRNet" not in fusion_html(*named, facts={}, notes=[])
