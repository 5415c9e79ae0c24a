import json
import pickle

import pytest
import torch
from neurotarget.problems import DataError

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.runs.folder.run_folder import (
    begin_run,
    load_state,
    open_run,
    read_config,
    resumable_state,
    run_record,
    weights_path,
    write_cases,
    write_json,
)
from neurotarget.types import Case


def opened(folder):
    record = run_record(folder)
    open_run(folder, {"seed": 1}, record, [])
    return record


def test_run_keeps_its_id_when_it_is_opened_again(tmp_path):
    first, second = (opened(tmp_path / "a") for _ in range(2))
    assert first["id"] == second["id"]
    assert len(second["started"]) == 2
    assert read_config(tmp_path / "a") == {"seed": 1}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"id": 3, "started": 4}', "\0\0"])
def test_a_broken_record_of_a_run_is_begun_anew(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    record = opened(tmp_path)
    assert isinstance(record["id"], str)
    assert len(record["started"]) == 1
    assert json.loads((tmp_path / "run.json").read_text()) == record


def test_drafts_of_a_killed_sitting_go_when_the_run_goes_on(tmp_path):
    for place in (tmp_path, tmp_path / "weights", tmp_path / "localiser" / "weights"):
        place.mkdir(parents=True, exist_ok=True)
        (place / ".draft-17-last.ckpt").touch()
        (place / "last.ckpt").touch()
    begin_run(tmp_path, [])
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(names) == ["last.ckpt"] * 3 + ["overrides.yaml"]


def test_latest_points_at_the_newest_run(tmp_path):
    for name in ("a", "b"):
        begin_run(tmp_path / name, [])
        opened(tmp_path / name)
    assert (tmp_path / "latest").resolve() == (tmp_path / "b").resolve()
    assert json.loads((tmp_path / "latest" / "run.json").read_text())["versions"]["torch"]


def test_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"found no config\.yaml there, wanted a run folder"):
        read_config(tmp_path)
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(DataError, match="found broken YAML"):
        read_config(tmp_path)


def test_missing_weights_name_those_that_are_there(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "last.ckpt").write_bytes(b"")
    with pytest.raises(DataError, match=r"no such weights \(there: last\)"):
        weights_path(tmp_path, "best")


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


def test_pickled_code_is_refused_and_never_runs(tmp_path, capsys):
    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(DataError, match="found no plain checkpoint") as refusal:
        load_state(path)
    assert "weights_only" not in str(refusal.value)  # which torch advises to switch off
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="found no plain checkpoint"):
        load_state(path)
    assert capsys.readouterr().out == ""


def test_json_refuses_nan_and_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"dice": 0.5})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"dice": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"dice": 0.5}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_cases_come_back_with_their_raters(tmp_path):
    files = {name: tmp_path / f"{name}.nii.gz" for name in ("t1", "mask", "second")}
    for path in files.values():
        path.touch()
    one = Case("a", "s", {"t1": files["t1"]}, files["mask"], covariates={"age": 30.0})
    two = Case("b", "t", {"t1": files["t1"]}, files["mask"], raters={"rater2": files["second"]})
    write_cases(tmp_path, [one, two], {one.case_id: "test", two.case_id: "test"})
    first, second = read_manifest(tmp_path / "cases.tsv", None).cases
    assert (first.raters, second.raters) == ({}, {"rater2": files["second"]})
    assert first.covariates == {"age": 30.0}


@pytest.mark.parametrize("lacking", ["epoch", "optimizer_states", "loops", "state_dict"])
def test_a_checkpoint_that_training_cannot_take_up_names_what_lacks(tmp_path, lacking):
    weights = {"net.a": torch.zeros(1)}
    whole = {"epoch": 0, "global_step": 4, "pytorch-lightning_version": "2", "loops": {"a": 1}}
    whole |= {"optimizer_states": [{}], "lr_schedulers": [{}], "callbacks": {"a": 1}}
    whole |= {"state_dict": weights}
    torch.save(whole, tmp_path / "a.ckpt")
    assert resumable_state(tmp_path / "a.ckpt")["global_step"] == 4
    for value in (None, [], "x"):
        torch.save(whole | {lacking: value}, tmp_path / "b.ckpt")
        with pytest.raises(DataError, match=f"without a usable {lacking}, wanted one"):
            resumable_state(tmp_path / "b.ckpt")
