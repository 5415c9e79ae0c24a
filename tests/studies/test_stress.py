from pathlib import Path

import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.problems import DataError
from neurotarget.studies.stress import stress_run


def test_a_run_is_scored_on_distorted_scans_against_the_same_scans(trained, tiny, tmp_path: Path):
    folder, _ = trained
    manifest = tiny / "data" / "manifest.tsv"
    found = nt.stress(folder, manifest, tmp_path / "out", conditions=["noise"], device="cpu")
    baseline, noise = (found.set_index("condition").loc[name] for name in ("baseline", "noise"))
    assert baseline["n"] == noise["n"] == len(pd.read_csv(manifest, sep="\t"))
    assert (baseline["dice_change"], noise["dice_change"]) == pytest.approx(
        (0, noise["dice"] - baseline["dice"])
    )
    assert 0 <= noise["failed_low"] <= noise["failed"] <= noise["failed_high"] <= 1
    written = pd.read_csv(tmp_path / "out" / "stress.tsv", sep="\t")
    assert written["dice"].tolist() == pytest.approx(found["dice"].tolist())
    assert "cases with a failed label" in (tmp_path / "out" / "stress.svg").read_text(
        encoding="utf-8"
    )


def test_an_unknown_condition_is_refused(trained, tmp_path: Path):
    with pytest.raises(DataError, match="found nois; did you mean noise"):
        stress_run(trained[0], tmp_path, tmp_path / "out", conditions=["nois"])
