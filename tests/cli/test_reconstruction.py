"""The experiments qsm and swi, in a run folder of their own."""

import copy
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from neurotarget.cli.commands.train import train
from neurotarget.problems import DataError
from neurotarget.reconstruction.methods import qsm_methods
from oracles.gre_scans import BRAIN, IRON, IRON_PPM, save, write_bids, write_json

CONF = Path(__file__).parents[2] / "conf"
QUICK = {"num_cases": 2, "voxel_scale": 4.0}


@cache
def composed():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["data=qsm_phantom"], return_hydra_config=True)


def run_in(folder, kind, *, root=None, plan=QUICK, **settings):
    """What `experiment=<kind>` is run with, in a folder."""
    whole = composed()
    hydra = copy.deepcopy(whole.hydra)
    with open_dict(hydra):
        hydra.runtime.output_dir = str(folder)
        hydra.runtime.choices = {}
    holder = OmegaConf.create({"hydra": hydra})
    HydraConfig.instance().set_config(holder)
    settings = OmegaConf.merge(OmegaConf.load(CONF / "reconstruction" / f"{kind}.yaml"), settings)
    source = OmegaConf.merge(
        OmegaConf.to_container(whole.data.source, resolve=False), {"plan": dict(plan)}
    )
    cfg = OmegaConf.create(
        {
            "name": kind,
            "job": kind,
            "seed": 1,
            "paths": {"runs": "runs", "cache": "cache", "datasets": "datasets"},
            "logger": {**OmegaConf.load(CONF / "logger" / "default.yaml"), "wandb": "disabled"},
            "data": {"root": None if root is None else str(root), "source": source},
            "reconstruction": settings,
        }
    )
    try:
        return train(cfg)
    finally:
        HydraConfig.instance().cfg = None


def scores(folder):
    rows = pd.read_csv(folder / "rows.csv")
    return rows.set_index(["case_id", "label", "metric"])["value"]


@pytest.fixture(scope="module")
def qsm(tmp_path_factory):
    """Two heads of coarse voxels by two methods."""
    folder = tmp_path_factory.mktemp("runs") / "qsm"
    values = run_in(folder, "qsm", background=["sharp"], inversion=["tkd", "l2"])
    return folder, values


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A BIDS data set of two people, one with a reference map and one without a magnitude."""
    folder = write_bids(tmp_path_factory.mktemp("own") / "bids", ["01", "02", "03"])
    place = folder / "derivatives" / "truth" / "sub-01" / "anat"
    save(place / "sub-01_Chimap.nii.gz", (IRON_PPM * IRON).astype(np.float32))
    save(place / "sub-01_desc-brain_mask.nii.gz", BRAIN.astype(np.uint8))
    for path in (folder / "sub-03").rglob("*part-mag*"):
        path.unlink()
    return folder


def test_every_method_is_scored_against_the_truth_of_every_scan(qsm):
    folder, values = qsm
    found = scores(folder)
    cases = found.index.get_level_values("case_id").unique()
    assert len(cases) == 2
    for case in cases:
        for method in ("sharp_tkd", "sharp_l2"):
            assert found[case, "brain", f"nrmse@{method}"] > 0
            assert -1 <= found[case, "brain", f"correlation@{method}"] <= 1
            mean, true, bias = (
                found[case, "dentate_left", f"{name}@{method}"]
                for name in ("mean_qsm", "reference_mean_qsm", "bias_qsm")
            )
            assert mean - true == pytest.approx(bias)
            assert 0.03 < true < 0.25
    mean = np.mean([found[case, "brain", "nrmse@sharp_tkd"] for case in cases])
    assert values["nrmse"] == values["nrmse/sharp_tkd"] == pytest.approx(mean)


def test_a_run_keeps_maps_tables_pictures_and_a_report(qsm):
    folder, values = qsm
    assert len(list((folder / "maps").glob("*_desc-truth_Chimap.nii.gz"))) == 2
    assert len(list((folder / "maps").glob("*.nii.gz"))) == 6
    assert len(list((folder / "pictures").glob("*.png"))) == 2
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["values"]["nrmse"] == pytest.approx(values["nrmse"])
    assert (summary["scans"], summary["failed"]) == (2, {})
    ((case_id, (note,)),) = summary["notes"].items()  # of one scan, once for all methods
    assert note.startswith("sign of phase not determined by the data")
    page = (folder / "report.html").read_text()
    assert f"{case_id}: {note}" in page
    assert re.search(
        r"the smallest error, [\d.]+ % over the \d+ % of the brain that it keeps", page
    )
    for part in ("sharp_tkd", "globus pallidus", "0.131", "<svg", "simulated, of the built-in"):
        assert part in page
    table = pd.read_csv(folder / "methods.tsv", sep="\t")
    assert set(table["method"]) == {"sharp_tkd", "sharp_l2"}
    assert (folder / "config.yaml").is_file()
    assert "nrmse" in (folder / "logs" / "metrics.csv").read_text()


def test_own_data_are_scored_where_a_reference_is_given(own, tmp_path, capsys):
    run_in(tmp_path, "qsm", root=own, background=["vsharp"], inversion=["l2"])
    found = scores(tmp_path)
    assert found["sub-01", "brain", "nrmse@vsharp_l2"] < 70
    assert found["sub-01", "brain", "correlation@vsharp_l2"] > 0.8
    assert ("sub-02", "brain", "nrmse@vsharp_l2") not in found.index
    assert found["sub-02", "brain", "sd_qsm@vsharp_l2"] > 0
    assert "failed: sub-03: found phase without magnitude" in capsys.readouterr().out
    assert "phase without magnitude" in (tmp_path / "report.html").read_text()


def test_swi_is_scored_by_its_veins_against_the_magnitude(tmp_path):
    values = run_in(tmp_path, "swi", plan={**QUICK, "num_cases": 1, "voxel_scale": 2.5})
    found = scores(tmp_path)
    (case,) = found.index.get_level_values("case_id").unique()
    share = {
        name: found[case, "veins", f"contrast@{name}"]
        for name in ("magnitude", "homodyne_positive", "unwrap_positive")
    }
    assert share["homodyne_positive"] > share["magnitude"] > 0
    nuclei = [found[case, "nuclei", f"contrast@{name}"] for name in share]
    assert min(nuclei) > 0  # iron is dark
    assert values["contrast_to_noise"] == values["contrast_to_noise/homodyne_positive"]
    assert "contrast_to_noise/magnitude" in values


def test_swi_of_own_data_has_images_and_no_score(own, tmp_path):
    values = run_in(tmp_path, "swi", root=own, high_pass=["unwrap"], maps=False)
    assert values == {}
    assert not (tmp_path / "maps").exists()
    assert "nothing is scored" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inversion": ["magic"]}, "qsm.inversion: found 'magic', wanted l2"),
        ({"inversion": []}, "reconstruction.inversion: found no choice"),
        ({"mask": "mine"}, "reconstruction.mask: found 'mine', wanted given or auto"),
        ({"device": "abacus"}, "device: found abacus"),
    ],
)
def test_a_wrong_setting_is_one_sentence_before_any_work(tmp_path, settings, message):
    with pytest.raises(DataError, match=message):
        run_in(tmp_path, "qsm", **settings)
    assert not (tmp_path / "rows.csv").exists()


def test_data_without_any_scan_are_refused(tmp_path):
    write_json(tmp_path / "x" / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.10.0"})
    with pytest.raises(DataError, match=r"found no \*_part-mag_\*"):
        run_in(tmp_path / "run", "qsm", root=tmp_path / "x")
    with pytest.raises(DataError, match=r"data\.root: found no folder"):
        run_in(tmp_path / "run", "qsm", root=tmp_path / "y")


@pytest.mark.parametrize(("all_pairs", "count"), [(False, 5), (True, 9)])
def test_methods_are_each_steps_choices_or_all_combinations(all_pairs, count):
    settings = OmegaConf.to_container(OmegaConf.load(CONF / "reconstruction" / "qsm.yaml"))
    methods = qsm_methods(settings | {"all_pairs": all_pairs}, "cpu")
    assert len(methods) == count
    assert next(iter(methods)) == "vsharp_l2"
