import json
import math

import pytest

from neurotarget.problems import CaseError, DataError, Problem
from neurotarget.process.error_sentences import reason_of
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.runs.folder.jobs import (
    LOG,
    is_done,
    quoted,
    read_job,
    same_overrides,
    write_result,
)

WORDS = ("model=unet", "seed=1")


def test_a_result_is_read_as_it_was_written(tmp_path):
    write_result(tmp_path, "done", WORDS, values={"val/dice_mean": 0.5, "val/loss": math.nan})
    found = read_job(tmp_path)
    assert found[:3] == (tmp_path, "done", WORDS)
    assert found.values["val/dice_mean"] == 0.5
    assert math.isnan(found.values["val/loss"])
    assert found.log == tmp_path / LOG
    assert json.loads((tmp_path / "result.json").read_text())["values"]["val/loss"] is None


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"status": "done"}', '{"values": 3}'])
def test_a_broken_result_is_none(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert read_job(tmp_path).status == "missing"


def test_a_job_without_a_result_has_the_words_it_was_started_with(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- model=unet\n- seed=1\n")
    assert read_job(tmp_path)[1:3] == ("missing", WORDS)
    assert read_job(tmp_path / "nowhere").overrides == ()


def test_done_means_the_same_words_in_any_order(tmp_path):
    write_result(tmp_path, "done", WORDS)
    assert is_done(tmp_path, ["seed=1", "model=unet", "resume=here", "hydra.verbose=true"])
    assert not is_done(tmp_path, ["model=unet", "seed=2"])
    assert not is_done(tmp_path, ["model=unet"])


@pytest.mark.parametrize(("status", "is_over"), [("pruned", True), ("failed", False)])
def test_pruned_jobs_are_over_and_failed_ones_are_not(tmp_path, status, is_over):
    write_result(tmp_path, status, WORDS, reason="it was poor")
    assert is_done(tmp_path, WORDS) is is_over
    assert read_job(tmp_path).reason == "it was poor"


def test_words_of_hydra_do_not_make_another_job():
    assert same_overrides(["seed=1", "hydra/launcher=joblib"], ["seed=1"])


def test_an_end_in_backslashes_stays_inside_the_quotes():
    assert quoted("a\\") == '"a\\\\"'
    assert quoted('say "so"') == '"say \\"so\\""'


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DataError("seed: got x, wanted 1"), "seed: got x, wanted 1"),
        (
            DataError(
                [
                    Problem("warning", "sub-2", "", "little", "much", "look"),
                    Problem("error", "sub-1", "", "no mask", "one", "draw it"),
                ]
            ),
            "sub-1: found no mask, wanted one; draw it (and 1 more)",
        ),
        (CaseError("a stack\n  of many\nsub-1: cut short"), "sub-1: cut short"),
        (FileNotFoundError(2, "No such file", "here.nii"), "here.nii: No such file"),
        (KeyError("lr"), "KeyError: 'lr'"),
        (RuntimeError(), "RuntimeError"),
        (SystemExit(3), "it exited with status 3"),
    ],
)
def test_a_reason_is_one_sentence(error, reason):
    assert reason_of(error) == reason


def test_the_reason_of_an_exit_is_what_was_caught_before_it():
    @exits_with_sentence
    def act() -> None:
        raise DataError("seed: got x")

    with pytest.raises(SystemExit) as caught:
        act()
    assert reason_of(caught.value) == "seed: got x"


def test_long_reasons_are_cut():
    assert len(reason_of(ValueError("x" * 1000))) == 400 + len("ValueError: ")
