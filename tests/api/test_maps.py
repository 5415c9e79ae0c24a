"""Maps, prepared cases, models and shipped networks from Python equal those of the commands."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from neurotarget.process.programs import commands
from oracles.balls import TARGET, write_cohort
from oracles.gre_scans import TE_S, write_bids, write_plain

TESTS = Path(__file__).parents[1]


def files_in(arguments):
    """The files of a plain scan as Python takes them."""
    paths = {name: arguments[name].split(",") for name in ("magnitude", "phase")}
    return {**paths, "te_ms": [1000 * te for te in TE_S], "field_t": 3}


def voxels(path):
    return np.asanyarray(nib.load(path).dataobj)


def test_susceptibility_maps_are_those_of_the_command(tmp_path):
    arguments = write_plain(tmp_path)
    made = nt.qsm(output=tmp_path / "a", files=files_in(arguments), inversion="tkd", device="cpu")
    words = [f"{key}={value}" for key, value in arguments.items()]
    assert run(["qsm", *words, f"output={tmp_path / 'b'}", "inversion=tkd", "device=cpu"]) == 0
    (path,) = made.table["map"]
    np.testing.assert_array_equal(voxels(path), voxels(tmp_path / "b" / path.name))
    assert made.report.is_file()
    assert made.failed.empty
    assert "1 of 1 scans have their maps" in made._repr_html_()


def test_weighted_images_of_a_bids_folder_keep_a_scan_that_fails_in_the_table(tmp_path):
    folder = write_bids(tmp_path / "bids", ["01", "02"])
    for path in (folder / "sub-02").rglob("*part-mag*"):
        path.unlink()
    made = nt.swi(folder, tmp_path / "swi", handedness=1, device="cpu", mip_mm=6)
    assert made.table["status"].tolist() == ["done", "failed"]
    assert "phase without magnitude" in made.failed["note"].item()


def test_files_that_do_not_go_together_are_refused(tmp_path):
    arguments = files_in(write_plain(tmp_path))
    with pytest.raises(nt.DataError, match=r"found no field_t=, wanted a BIDS folder"):
        nt.qsm(output=tmp_path / "maps", files={**arguments, "field_t": None})
    with pytest.raises(nt.DataError, match="has no meaning with a BIDS folder"):
        nt.qsm(tmp_path, tmp_path / "maps", files=arguments)


def test_prepared_cases_are_those_that_a_training_looks_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = write_cohort(tmp_path, cases=3)
    (tmp_path / "ball.yaml").write_text(TARGET)
    problems = nt.prepare(manifest, "ball.yaml")
    assert not problems.errors
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "ball").rglob("*.npy")
    }
    assert before
    assert run(["prepare", str(manifest), "target=ball.yaml"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_models_have_their_cost_for_a_target(tmp_path):
    (tmp_path / "ball.yaml").write_text(TARGET)
    table = nt.list_models(tmp_path / "ball.yaml", ["unet", "segresnet"], patch_vox=(16, 16, 16))
    assert table["model"].tolist() == ["unet", "segresnet"]
    assert (table["parameters"] > 100_000).all()
    assert (table["gflops_train"] > 2 * table["gflops_predict"]).all()
    with pytest.raises(nt.DataError, match="did you mean unet"):
        nt.list_models(names=["unets"])


def test_each_shipped_network_has_a_size_a_purpose_and_a_card():
    table = nt.list_weights()
    assert {"parcellation", "pituitary"} <= {*table["network"]}
    assert table["megabytes"].sum() <= 12
    for row in table.itertuples():
        assert row.what in nt.model_card(row.network)
    with pytest.raises(nt.DataError, match="did you mean pituitary"):
        nt.model_card("pituitery")


def test_every_function_of_the_front_door_is_called_by_a_test():
    called = set()
    for file in TESTS.rglob("test_*.py"):
        called |= set(re.findall(r"\bnt\.(\w+)\(", file.read_text(encoding="utf-8")))
    functions = {name for name in nt.__all__ if name[0].islower()}
    assert functions - called == set()


def test_every_command_has_a_function():
    others = {"models": "list_models", "weights": "list_weights"}
    names = [others.get(name, name.replace("-", "_")) for name in commands()]
    assert {*names} <= {*nt.__all__}
