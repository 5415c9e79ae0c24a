"""Post-processing of a run: learned, kept, applied by prediction and ensembles, and reported."""

import json
import logging

import pandas as pd
import pytest

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.inference.postprocess import Postprocessing
from neurotarget.inference.predict_folder import predict_all
from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.network.run_ensemble import load_ensemble
from neurotarget.studies.study_inputs import from_run
from neurotarget.training.held_out import score_held_out
from neurotarget.training.learn_postprocessing import learn_postprocessing
from neurotarget.types import Case
from oracles.runs import write_run
from oracles.threshold_net import CONFIG, TARGET, write_bright, write_bright_weights

CASES = tuple(f"sub-{number:02d}" for number in range(8))
LARGEST = Postprocessing(largest_pieces={"gland": 1})
DICE = 2 * 216 / (216 + 224)  # with the false piece


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight cases: two held out, four to validate on."""
    root = tmp_path_factory.mktemp("bright")
    found = TargetData(
        build(TARGET),
        Files(),
        root=write_bright(root / "scans", CASES),
        cache=root / "cache",
        preparation=Preparation("none", None),
        workers=0,
        n_folds=4,
        val_fraction=0.6,
    )
    found.prepare_data()
    assert len(found.cases("val")) == 4
    return found


@pytest.fixture
def a_run(tmp_path):
    return new_run(tmp_path / "run")


def new_run(folder, value=0.0):
    write_run(folder, config=CONFIG, cases=CASES, test=[])
    write_bright_weights(folder, value)
    return folder


def loaded(run, **how):
    return load_predictor(run, device="cpu", make=build, **how)


def test_the_false_piece_is_learned_from_validation_cases(a_run, data):
    record = learn_postprocessing(a_run, data)
    assert Postprocessing(**record["steps"]) == LARGEST
    assert record["n_cases"] == 4
    (change,) = record["changes"]
    assert change["dice_before"] == pytest.approx(DICE)
    assert change["dice_after"] == 1.0
    assert (change["in_pieces_before"], change["in_pieces_after"]) == (4, 0)
    written = json.loads((a_run / "postprocessing.json").read_text())
    assert written == record


def test_what_was_learned_is_kept_until_the_weights_change(a_run, data):
    path = a_run / "postprocessing.json"
    first = learn_postprocessing(a_run, data)
    before = path.stat().st_mtime_ns
    assert learn_postprocessing(a_run, data) == first
    assert path.stat().st_mtime_ns == before
    path.write_text(path.read_text()[:100])  # killed while another program copied it
    assert learn_postprocessing(a_run, data) == first
    write_bright_weights(a_run, 1.0)
    assert learn_postprocessing(a_run, data)["weights_sha256"] != first["weights_sha256"]


def test_none_learns_nothing_and_takes_an_earlier_file_away(a_run, data):
    learn_postprocessing(a_run, data)
    assert learn_postprocessing(a_run, data, mode="none") == {}
    assert not (a_run / "postprocessing.json").exists()
    assert not loaded(a_run)[0].postprocessing


def test_a_run_predicts_with_its_steps_unless_it_is_asked_not_to(a_run, data, tmp_path, caplog):
    learn_postprocessing(a_run, data)
    found = []
    for mode in ("none", "run", "run"):
        predictor, made_by = loaded(a_run, postprocess=mode)
        caplog.clear()
        outcomes = predict_all(predictor, data.cases("test"), tmp_path / "out", made_by=made_by)
        found.append((outcomes[0], "predicted again" in caplog.text))
    (raw, _), (clean, is_again), (kept, is_once_more) = found
    assert raw.values == {"gland": pytest.approx(224.0)}
    assert clean.values == {"gland": pytest.approx(216.0)}
    assert (raw.note, clean.note) == ("gland: 2 pieces", "")
    assert raw.made_from != clean.made_from
    assert kept == clean
    assert is_again
    assert not is_once_more


def test_steps_of_other_weights_are_not_applied(a_run, data, caplog):
    learn_postprocessing(a_run, data)
    write_bright_weights(a_run, 2.0)
    with caplog.at_level(logging.WARNING):
        assert not loaded(a_run)[0].postprocessing
    assert "was learned with other weights and is not applied" in caplog.text


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"steps": {"largest": 1}}', '{"steps": [1]}'])
def test_a_broken_file_is_one_sentence(a_run, text):
    (a_run / "postprocessing.json").write_text(text)
    with pytest.raises(DataError, match=r"postprocessing.json: found no steps .*postprocess=none"):
        loaded(a_run)
    assert not loaded(a_run, postprocess="none")[0].postprocessing


def test_the_word_is_run_or_none(a_run):
    with pytest.raises(DataError, match="postprocess: found largest, wanted run or none"):
        loaded(a_run, postprocess="largest")


@pytest.mark.parametrize("mode", ["mean", "soup"])
def test_an_ensemble_has_the_steps_of_most_of_its_runs(tmp_path, data, mode):
    runs = [new_run(tmp_path / name, float(value)) for value, name in enumerate("abc")]
    how = {"mode": mode, "device": "cpu", "make": build}
    for number, wanted in enumerate([Postprocessing(), LARGEST, LARGEST]):
        learn_postprocessing(runs[number], data)
        assert load_ensemble(runs, **how)[0].postprocessing == wanted
    assert not load_ensemble(runs, **how, postprocess="none")[0].postprocessing
    case = data.cases("test")[0]
    found = load_ensemble(runs, **how)[0].predict(case)
    assert found.values == {"gland": pytest.approx(216.0)}


def test_too_few_validation_cases_teach_nothing(a_run, data, monkeypatch):
    few = {**data.splits, **{case.case_id: "train" for case in data.cases("val")[2:]}}
    monkeypatch.setattr(data, "splits", few)
    record = learn_postprocessing(a_run, data)
    assert not Postprocessing(**record["steps"])
    assert (record["n_cases"], record["trials"]) == (2, [])


def test_a_case_that_cannot_be_read_is_left_out(a_run, data, monkeypatch, caplog):
    class Fewer:
        def __getattr__(self, name):
            return getattr(data, name)

        def cases(self, split):
            first, *others = data.cases(split)
            gone = first.images["t1"].with_name("gone.nii.gz")
            return [Case(first.case_id, first.subject_id, {"t1": gone}, first.label), *others]

    record = learn_postprocessing(a_run, Fewer())
    assert record["n_cases"] == 3
    assert "left out of post-processing" in caplog.text


def test_before_and_after_stand_in_summary_terminal_and_report(a_run, data, capsys):
    learn_postprocessing(a_run, data)
    facts = {"experiment": "gland", "model": "bright", "seed": 1, "fold": 0, "train_seconds": 1.0}
    assert score_held_out(a_run, data, facts=facts, pictures=1).error is None
    found = json.loads((a_run / "summary.json").read_text())["postprocessing"]
    assert found["steps"]["largest_pieces"] == {"gland": 1}
    assert found["labels"]["gland"]["dice_after"] == 1.0
    output = capsys.readouterr().out
    assert "Post-processing, on 4 validation cases" in output
    assert "kept: largest piece only (gland)" in output
    table = pd.read_csv(a_run / "study" / "postprocessing.tsv", sep="\t")
    assert table.loc[table["kept"], "step"].tolist() == ["largest_pieces"]
    page = (a_run / "report.html").read_text()
    assert "largest piece only" in page
    assert f"<td>{DICE:.4f}</td>" in page.replace(' class="number"', "")
    assert len(from_run(a_run).stored["postprocessing"]) == len(table)
