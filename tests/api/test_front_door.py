"""The functions of the front door, as a notebook calls them."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from oracles.balls import TARGET, write_cohort
from oracles.runs import write_run

SETTINGS = {
    "model__widths": [4, 8],
    "data__patches_per_epoch": 24,
    "data__batch_size": 4,
    "trainer__max_epochs": 2,
    "trainer__accelerator": "cpu",
    "trainer__precision": "32-true",
    "optimizer__lr": 0.01,
    "logger__wandb": "disabled",
    "logger__pictures": 1,
}

GOLDEN_LOSS = [1.6872, 1.4932]  # of both epochs


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    (folder / "data").mkdir()
    write_cohort(folder / "data")
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "ball.yaml").write_text(TARGET)
    return folder


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="module")
def run(place) -> nt.Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        return nt.train(target="ball", root="data/manifest.tsv", folder="run", **SETTINGS)


@pytest.fixture
def people(here) -> pd.DataFrame:
    table = pd.read_csv("data/manifest.tsv", sep="\t")
    for column in ("t1", "label"):
        table[column] = "data/" + table[column]
    return table


@pytest.mark.parametrize("name", nt.__all__)
def test_every_name_is_there_with_a_docstring(name):
    assert getattr(nt, name).__doc__.strip()


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        nt.trian  # noqa: B018


def test_a_training_is_a_run_with_its_numbers(run, here):
    assert run.report.is_file()
    assert run.summary["n_test"] == 3
    assert set(run.rows["label"]) >= {"core", "shell"}
    assert "effects" in run.tables
    assert "<code>" in run._repr_html_()
    assert nt.open_run("run").summary == run.summary


def test_a_held_out_case_is_shown_with_its_masks(run, here):
    worst = run.rows.query("metric == 'dice'").groupby("case_id")["value"].mean().idxmin()
    case = run.case(worst)
    assert case._repr_png_().startswith(b"\x89PNG")
    rows = run.rows.query("case_id == @worst").set_index(["label", "metric"])["value"]
    for label in ("core", "shell"):
        stored = [rows[label, f"{kind}volume_mm3"] for kind in ("reference_", "")]
        assert case.volumes_mm3.loc[label].tolist() == pytest.approx(stored)
    with pytest.raises(nt.DataError, match="nobody: found no such case"):
        run.case("nobody")


def test_the_loss_at_a_fixed_seed_is_what_it_was(run, here):
    """It changes where data, patches, augmentation, network, loss or optimiser do."""
    log = pd.read_csv(run.folder / "logs" / "metrics.csv").groupby("epoch").last(numeric_only=True)
    assert log["val/loss"].tolist() == pytest.approx(GOLDEN_LOSS, rel=0.002)


def test_a_setting_that_is_unknown_is_one_sentence(here):
    with pytest.raises(nt.DataError, match="did you mean"):
        nt.train(target="ball", root="data/manifest.tsv", optimiser__lr=0.1)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"overrides": ["-m", "seed=1,2"]}, "several trainings"),
        ({"sweep": "optuna"}, "a single training, wanted a search"),
    ],
)
def test_several_trainings_belong_to_the_command(here, tmp_path, more, reason):
    with pytest.raises(nt.DataError, match=reason):
        nt.train(target="ball", root="data/manifest.tsv", folder=tmp_path / "many", **more)


def test_a_run_that_is_none_is_refused(here):
    with pytest.raises(nt.DataError, match="wanted a run folder"):
        nt.open_run("data")
    with pytest.raises(nt.DataError, match=r"nt\.train\(resume="):
        _ = nt.Run(here / "data").summary


def test_a_scan_is_predicted_alike_from_its_path_and_from_its_image_by_an_exported_file(
    run, here, tmp_path
):
    found = run.predict("data/sub-00.nii.gz", tmp_path / "a", device="cpu")
    exported = nt.export(run, tmp_path / "ball.safetensors")
    assert "3 held-out cases" in exported.card
    assert "# ball" in exported._repr_html_()
    again = nt.predict(exported, nib.load("data/sub-00.nii.gz"), tmp_path / "b", device="cpu")
    assert found.table["status"].tolist() == ["done"]
    assert again.case_ids == ("scan",)
    first, second = found.image(found.case_ids[0]), again.image("scan")
    assert np.array_equal(first.get_fdata(), second.get_fdata())
    assert not len(found.failed)
    assert "sub-00" in found._repr_html_()
    with pytest.raises(nt.DataError, match="sub-99: found no label map"):
        found.image("sub-99")


def test_masks_are_scored_against_the_reference(run, here, people, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for case_id in people["case_id"]:
        (masks / f"{case_id}.nii.gz").symlink_to(here / "data" / f"{case_id}_seg.nii.gz")
    rows = nt.evaluate(masks, people, "ball", rows=tmp_path / "rows.csv")
    assert (rows.loc[rows["metric"] == "dice", "value"] == 1).all()
    assert (tmp_path / "rows.csv").is_file()


def test_a_study_of_masks_answers_the_hypotheses_of_the_target(here, people, tmp_path):
    (tmp_path / "masks").mkdir()
    for case_id in people["case_id"]:
        source = here / "data" / f"{case_id}_seg.nii.gz"
        (tmp_path / "masks" / f"{case_id}.nii.gz").symlink_to(source)
    found = nt.study(
        masks=tmp_path / "masks", manifest=people, target="ball", output=tmp_path / "out", cases=1
    )
    assert any("larger in" in line for line in found.headlines)
    assert set(found.effects["hypothesis"]) >= {"sex_difference", "age_slope"}
    assert found.report == tmp_path / "out" / "report.html"
    assert all(path.is_file() for path in found.figures.values())


def test_a_study_of_a_table_takes_a_data_frame(here, tmp_path):
    rng = np.random.default_rng(0)
    age = np.linspace(20, 80, 40)
    table = pd.DataFrame(
        {"case_id": [f"p{i}" for i in range(40)], "age": age, "left": 900 - 4 * age}
    )
    table["left"] += rng.normal(0, 20, 40)
    question = "volume ~ age: negative"
    found = nt.study(table=table, labels=["left"], ask=question, output=tmp_path / "out")
    (effect,) = found.effects.to_dict("records")
    assert effect["estimate"] == pytest.approx(-4, abs=0.5)
    assert "&lt;" not in found._repr_html_()


def test_a_study_of_nothing_or_of_two_things_is_refused(here):
    with pytest.raises(nt.DataError, match="found none of rows, masks and table"):
        nt.study()
    with pytest.raises(nt.DataError, match="found rows and masks"):
        nt.study(rows="run", masks="data")


def test_runs_are_compared(tmp_path):
    for model, dice in (("unet", 0.75), ("resunet", 0.8)):
        write_run(tmp_path / model, model=model, dice=dice)
    runs = [nt.open_run(tmp_path / name) for name in ("unet", "resunet")]
    found = nt.compare(runs, tmp_path / "compared", ensembles=False)
    assert len(found.arms) == 2
    assert found.report.is_file()
    assert found.sentence in found._repr_html_()


def test_what_is_wrong_with_a_data_set_is_a_table(here, people):
    people.loc[2, "label"] = "data/none.nii.gz"
    found = nt.lint(people, "ball")
    assert len(found.errors) == 1
    assert found.table.loc[0, "case_id"] == "sub-02"
    assert "sub-02" in str(found)
    with pytest.raises(nt.DataError, match="sub-02"):
        nt.read_manifest(people, "ball")


def test_a_sound_data_set_is_read(here, people):
    assert len(nt.read_manifest(people, "ball").cases) == 12
    assert len(nt.read_manifest("data/manifest.tsv", nt.read_target("ball")).cases) == 12


def test_targets_are_found_by_name_path_and_themselves(here):
    target = nt.read_target("ball")
    assert nt.read_target("conf/target/ball.yaml") == target
    assert nt.read_target(target) is target
    assert nt.read_target("pituitary").name == "pituitary"
    with pytest.raises(nt.DataError, match="did you mean pituitary"):
        nt.read_target("pituitry")
