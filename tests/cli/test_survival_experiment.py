"""`train.py experiment=survival`: masks of a data set, of a run, and a table alone."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from neurotarget.cli.configs.check_config import check_train
from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build
from neurotarget.studies.survival.survival_experiment import analyse
from oracles.tumours import OUTCOME, TARGET, write_tumour_run, write_tumours

CONF = Path(__file__).parents[2] / "conf"
QUICK = ["survival.folds=3", "survival.repeats=1", "survival.months=[12]", "logger.wandb=disabled"]


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["experiment=survival", *QUICK, *overrides])
    config = OmegaConf.to_container(cfg, resolve=False)
    config["data"] = {"root": config["data"]["root"], "source": config["data"]["source"]}
    config["paths"] = {"datasets": "datasets"}
    return config | {"name": "survival", "target": TARGET | {"outcomes": OUTCOME}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tumours")
    return folder, write_tumours(folder, n=24)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmented") / "run"
    return write_tumour_run(folder, data[1], data[0], lost=["p03"])


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "survival"
    values = analyse(composed(f"data.root={data[0] / 'manifest.csv'}"), folder, [])
    return folder, values


def test_the_word_alone_is_a_valid_configuration():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["experiment=survival"])
    config = OmegaConf.to_container(cfg, resolve=True)
    check_train(config)
    outcomes = build(config["target"]).outcomes
    assert [one.columns for one in outcomes] == [("survival_days", "event")]


def test_a_run_folder_has_the_report_tables_and_its_record(made):
    folder, values = made
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert {"report.html", "people.tsv", "survival/scores.tsv", "config.yaml", "run.json",
            "summary.json", "logs/metrics.csv"} <= names  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["people"] == 24
    assert summary["values"]["c"] == pytest.approx(values["c/both"])


def test_the_value_of_a_run_is_c_of_all_terms(made):
    folder, values = made
    scores = pd.read_csv(folder / "survival" / "scores.tsv", sep="\t")
    own = scores[(scores["statistic"] == "c") & (scores["terms"] == "both")]
    assert values["c"] == pytest.approx(float(own["value"].iloc[0]))
    assert {"c/clinical", "c/image", "c/clinical and volumes"} <= set(values)


def test_predicted_masks_of_a_run_are_measured(run, tmp_path):
    values = analyse(
        composed(f"survival.run={run}", "survival.image=[whole_ml]"), tmp_path / "run", []
    )
    assert 0 <= values["c"] <= 1
    left_out = pd.read_csv(tmp_path / "run" / "survival" / "left_out.tsv", sep="\t")
    assert left_out["n"].sum() == 1  # without a predicted mask


def test_a_table_alone_needs_no_masks(data, tmp_path):
    people = tmp_path / "people.csv"
    data[1].drop(columns=["t1", "label"]).to_csv(people, index=False)
    words = [f"survival.table={people}", "survival.time=days", "survival.event=died"]
    values = analyse(composed(*words, "survival.image=[core_ml]"), tmp_path / "run", [])
    assert set(values) == {"c", "c/clinical", "c/image", "c/both"}
    assert not (tmp_path / "run" / "people.tsv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["survival.run=nowhere"], "survival.run: no such run: nowhere"),
        (["survival.run={run}", "survival.masks=x"], "found 'x', wanted predicted or reference"),
        (["survival.table={run}/cases.tsv"], "survival.time: found none, wanted the column"),
        ([], "data.root is not set"),
    ],
)
def test_a_wrong_setting_is_one_sentence(run, tmp_path, words, message):
    words = [word.format(run=run) for word in words]
    with pytest.raises(DataError, match=message):
        analyse(composed("data=files", *words), tmp_path / "run", [])
