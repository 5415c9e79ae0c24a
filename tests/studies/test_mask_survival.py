"""Survival of people whose masks are measured: volumes, distances, and what is left out."""

import numpy as np
import pandas as pd
import pytest
import yaml

import neurotarget as nt
from neurotarget.cli.commands import survival as command
from neurotarget.cli.configs.targets import load_target
from neurotarget.problems import DataError
from neurotarget.studies.survival.mask_terms import terms_of_masks, terms_of_runs
from oracles.tumours import OUTCOME, TARGET, write_tumour_run, write_tumours

SMALL = ["folds=3", "repeats=1", "months=12"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("tumours")


@pytest.fixture(scope="module")
def people(data):
    return write_tumours(data)


@pytest.fixture(scope="module")
def target(data, people):
    path = data / "lesion.yaml"
    path.write_text(yaml.safe_dump(TARGET | {"outcomes": OUTCOME}))
    return path


@pytest.fixture(scope="module")
def run(data, people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return write_tumour_run(folder, people, data, lost=["p01"], empty=["p02"])


@pytest.fixture(scope="module")
def made(data, target, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "survival"
    arguments = [f"manifest={data / 'manifest.csv'}", f"target={target}", "clinical=age"]
    assert command.run([*arguments, f"output={output}", *SMALL]) == 0
    return output


def table(path):
    return pd.read_csv(path, sep="\t")


def test_terms_of_reference_masks_are_those_that_were_drawn(data, people, target):
    found = terms_of_masks(data / "manifest.csv", load_target(str(target)))
    drawn = people.set_index("case_id")
    read = found.table.set_index("case_id").loc[drawn.index]
    for name in ("whole_ml", "core_ml"):
        assert read[name].to_numpy() == pytest.approx(drawn[name].to_numpy())
    inside = drawn["shift_mm"] <= 15  # no part of these is cut off at the edge of the brain
    apart = read.loc[inside, "whole_distance_mm"] - drawn.loc[inside, "shift_mm"]
    assert apart.abs().max() < 1e-6
    assert found.distance == "whole_distance_mm"
    assert found.volumes == ("core_ml", "rim_ml")


def test_a_lost_mask_has_no_terms_and_an_empty_one_counts_as_the_whole_brain(run):
    found = terms_of_runs([run])
    read = found.table.set_index("case_id")
    assert np.isnan(read.loc["p01", "whole_ml"])
    assert np.isnan(read.loc["p01", "whole_distance_mm"])
    assert read.loc["p02", "whole_ml"] == 0
    assert read.loc["p02", "whole_distance_mm"] == 0
    assert any("p02) have an empty mask" in note for note in found.notes)
    assert any("p01) have no distance" in note for note in found.notes)


def test_reference_masks_of_a_run_are_all_measured(run):
    found = terms_of_runs([run], predicted=False)
    assert found.table["whole_distance_mm"].notna().all()


def test_a_case_in_two_runs_is_refused(run):
    with pytest.raises(DataError, match="cases in several runs"):
        terms_of_runs([run, run])


def test_age_is_compared_with_each_kind_of_term(made):
    differences = table(made / "survival" / "differences.tsv")
    assert set(zip(differences["terms"], differences["against"], strict=True)) == {
        ("clinical and volumes", "clinical"), ("clinical and distance", "clinical"),
        ("both", "clinical"), ("image", "clinical"), ("both", "image"),
    }  # fmt: skip
    scores = table(made / "survival" / "scores.tsv")
    c = scores[scores["statistic"] == "c"].set_index("terms")["value"]
    assert c["clinical and volumes"] > c["clinical"]  # the volume was planted, the distance was not


def test_times_are_those_of_the_targets_outcome(made, people):
    risks = table(made / "survival" / "risks.tsv").set_index("case_id")
    drawn = people.set_index("case_id").loc[risks.index]
    assert risks["days"].tolist() == drawn["days"].tolist()
    assert risks["event"].tolist() == drawn["died"].tolist()


def test_who_has_no_mask_is_left_out_with_the_reason(run, tmp_path):
    arguments = [f"run={run}", "time=days", "event=died", "clinical=age", "image=whole_ml"]
    assert command.run([*arguments, f"output={tmp_path / 'out'}", *SMALL]) == 0
    left_out = table(tmp_path / "out" / "survival" / "left_out.tsv")
    assert left_out.to_dict("records") == [{"table": "people.tsv", "reason": "no whole_ml", "n": 1}]


def test_times_may_come_from_a_table_next_to_the_masks(data, people, target, tmp_path):
    bare, days = tmp_path / "cases.csv", tmp_path / "days.csv"
    whole = [people[name].map(lambda path: str(data / path)) for name in ("t1", "label")]
    pd.DataFrame({"case_id": people["case_id"], "t1": whole[0], "label": whole[1]}).to_csv(
        bare, index=False
    )
    columns = people[["age", "days", "died"]].assign(Brats20ID=people["case_id"])
    columns.iloc[1:].to_csv(days, index=False)
    found = nt.survival(
        days, "days", "died", manifest=bare, target=target, clinical=["age"],
        image=["whole_ml"], folds=3, repeats=1, months=[12],
    )  # fmt: skip
    assert len(found.risks) == len(people) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "found no people, wanted table=, run= or manifest="),
        (["run={run}", "manifest={data}"], "found run= and manifest=, wanted one of them"),
        (["run={run}", "target=tumour"], "a run has its own target"),
        (["run={run}", "masks=other"], "found masks=other, wanted predicted or reference"),
        (["run={run}", "clinical=age"], "no column of times, wanted time="),
        (["manifest={data}"], "found no target; set target=<name>"),
        (["manifest={data}", "target={target}", "masks=nowhere"], "no such folder: masks=nowhere"),
        (["run={run}", "time=days", "sets=x"], "sets: got 'x', wanted <name>: <term>,<term>"),
        (["run={run}", "time=days", "sets=x: age"], "no clinical term to compare them with"),
        (["table={table}", "time=days", "masks=reference"], "masks= and target= belong to run="),
        (["run={run}", "table={table}", "time=days", "clinical=age", "id=z"], "no column of case"),
    ],
)
def test_bad_arguments_are_one_sentence(data, run, target, tmp_path, arguments, message):
    place = {"data": data / "manifest.csv", "run": run, "target": target,
             "table": data / "manifest.csv"}  # fmt: skip
    argv = [argument.format(**place) for argument in arguments]
    with pytest.raises(DataError, match=message):
        command.run([*argv, f"output={tmp_path / 'out'}"])
