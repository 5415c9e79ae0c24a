import json
from types import SimpleNamespace

import pandas as pd

from neurotarget.report.drawing.training_curve import training_figure
from neurotarget.studies.run_origin import commit_text, run_facts, training_table


def test_a_run_tells_its_steps_software_commit_and_command(tmp_path):
    record = {
        "versions": {"python": "3.11.7", "torch": "2.13.0+cpu"},
        "code": {"commit": "abc", "changed": True},
        "hardware": {"argv": ["experiment=pituitary", "data.root=my scans"]},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    facts = run_facts({"seed": 2, "fold": None, "training": {"steps": 40}}, tmp_path)
    assert facts == {
        "seed": "2",
        "commit": "abc, with changes that are not committed",
        "trained by": "train.py experiment=pituitary 'data.root=my scans'",
        "training steps": "40",
        "trained with": "python 3.11.7, torch 2.13.0+cpu",
    }


def test_what_a_run_has_not_recorded_is_absent(tmp_path):
    assert run_facts({"training": None, "hypotheses": []}, tmp_path) == {}
    assert commit_text({}) == ""


def write_log(folder, lines):
    (folder / "logs").mkdir()
    (folder / "logs" / "metrics.csv").write_text("\n".join(lines) + "\n")
    (folder / "config.yaml").write_text("monitor: val/dice_mean\n")


def test_the_curve_of_a_training_has_a_row_for_each_epoch(tmp_path):
    log = ["epoch,step,train/loss,val/loss,val/dice_mean", ",0,,,", "0,9,0.8,,", "0,9,,0.9,0.2"]
    write_log(tmp_path, [*log, "1,19,0.5,,", "1,19,,0.6,0.7"])
    table = training_table(tmp_path)
    assert table.to_dict("list") == {
        "epoch": [1, 2],
        "steps": [10, 20],
        "train_loss": [0.8, 0.5],
        "val_loss": [0.9, 0.6],
        "val_score": [0.2, 0.7],
    }


def test_a_log_that_is_broken_or_absent_has_no_curve(tmp_path):
    assert training_table(tmp_path).empty
    write_log(tmp_path, ["no log", '"'])
    assert training_table(tmp_path).empty


def test_the_curve_is_drawn_from_two_epochs_on():
    rows = {"steps": [10, 20], "train_loss": [0.8, 0.5], "val_loss": [None, 0.6]}
    table = pd.DataFrame(rows | {"val_score": [0.2, 0.7]})
    figure = training_figure(SimpleNamespace(tables={"training": table}))
    left, right = figure.axes
    assert [line.get_xdata().tolist() for line in left.lines] == [[10, 20], [20]]
    assert right.lines[0].get_ydata().tolist() == [0.2, 0.7]
    assert training_figure(SimpleNamespace(tables={"training": table.iloc[:1]})) is None
    assert training_figure(SimpleNamespace(tables={})) is None
