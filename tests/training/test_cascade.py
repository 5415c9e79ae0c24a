"""A cascade from the command line: trained, predicted, resumed, and refused."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.batches.cache import Entry
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.problems import DataError
from neurotarget.training.cascade import limits_of, reference_box
from neurotarget.types import Target

CASCADE = [
    "cascade=localise",
    "cascade.spacing_mm=[2,2,2]",
    "cascade.patch_vox=[16,16,16]",
    "cascade.model.widths=[8,16]",
    "cascade.batch_size=4",
    "cascade.steps=40",
    "cascade.folds=2",
    "cascade.margin_mm=2",
    "cascade.region_mm=8",
    "logger.wandb=disabled",
    "logger.pictures=0",
]


@pytest.fixture(scope="module")
def cascade(tiny, train_arguments, command) -> tuple[Path, str]:
    """A trained cascade, and what its training printed."""
    folder = tiny / "cascade"
    done = command(*train_arguments, *CASCADE, f"hydra.run.dir={folder}", cwd=tiny)
    return folder, done.stdout


def test_one_command_trains_both_stages_and_reports_the_errors_of_the_first(cascade):
    folder, result = cascade
    assert "localiser 1 of 3, which is to find 4 cases" in result
    assert "localiser on 8 unseen training cases: " in result
    kept = folder / "localiser"
    names = {path.name for path in kept.iterdir()}
    assert names == {"boxes.json", "config.yaml", "localisations.tsv", "localiser.json", "weights"}
    table = pd.read_csv(kept / "localisations.tsv", sep="\t")
    assert sorted(table["split"].value_counts().to_dict().items()) == [
        ("test", 3),
        ("train", 8),
        ("val", 1),
    ]
    facts = json.loads((folder / "summary.json").read_text())["localiser"]
    assert facts["training"]["cases"] == 8
    assert facts["other"]["cases"] == 4
    parts = facts["training"]
    assert parts["found"] + parts["missed"] + parts["fallbacks"] == 8


def test_held_out_cases_are_segmented_in_the_box(cascade):
    folder, _ = cascade
    table = pd.read_csv(folder / "predictions" / "volumes.tsv", sep="\t")
    assert table["status"].tolist() == ["done"] * 3
    found = pd.read_csv(folder / "localiser" / "localisations.tsv", sep="\t").set_index("case_id")
    limits = json.loads((folder / "localiser" / "localiser.json").read_text())
    for case_id in table["case_id"]:
        label = nib.load(folder / "predictions" / f"{case_id}.nii.gz")
        assert label.shape == (24, 24, 24)
        row = found.loc[case_id]
        if row.isna()["note"] and row["volume_mm3"]:
            places = label.affine[:3] @ np.vstack(
                [
                    np.argwhere(np.asarray(label.dataobj) > 0).T,
                    np.ones((label.get_fdata() > 0).sum()),
                ]
            )
            apart = np.abs(places - row[["x_mm", "y_mm", "z_mm"]].to_numpy(float)[:, None])
            reach = max(*limits["least_mm"], max(limits["size_mm"]) + 2 * limits["margin_mm"]) / 2
            assert apart.max() <= reach + 1


def test_a_localiser_that_has_not_learnt_is_trained_again_and_reported(
    tiny, train_arguments, command
):
    arguments = [*train_arguments, *CASCADE, "cascade.steps=1", "cascade.min_confidence=0.99"]
    arguments += ["trainer.max_epochs=1", "held_out=false"]
    folder = tiny / "cascade_unlearnt"
    done = command(*arguments, f"hydra.run.dir={folder}", cwd=tiny)
    assert done.stdout.count("found 0 of 4 cases that it was trained on: it is trained again") == 4
    assert done.stdout.count("found 0 of 8 cases that it was trained on: the best so far") == 1
    assert "0 found; 0 missed unnoticed, 8 fell back" in done.stdout


def test_a_second_run_on_the_same_data_reuses_the_localiser(
    cascade, tiny, train_arguments, command
):
    first, _ = cascade
    folder = tiny / "cascade_seed"
    arguments = [*train_arguments, *CASCADE, "seed=2", "trainer.max_epochs=1", "held_out=false"]
    arguments += [f"hydra.run.dir={folder}"]
    output = command(*arguments, cwd=tiny).stdout
    assert "localiser 1 of" not in output
    assert "localiser on 8 unseen training cases: " in output
    name = "localiser/boxes.json"
    assert (folder / name).read_bytes() == (first / name).read_bytes()


def test_a_scan_that_cannot_be_localised_is_segmented_whole_and_flagged(cascade, tiny, command):
    folder, _ = cascade
    copy = tiny / "cascade_strict"
    shutil.copytree(folder, copy)
    path = copy / "localiser" / "localiser.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"min_confidence": 0.999}))
    output = tiny / "strict_out"
    arguments = [f"run={copy}", f"input={tiny / 'data' / 'sub-00.nii.gz'}", f"output={output}"]
    message = command("predict.py", *arguments, cwd=tiny).stdout
    assert "look at sub-00: not localised (confidence 0." in message
    assert "wanted at least 0.999): the whole scan was segmented" in message
    table = pd.read_csv(output / "volumes.tsv", sep="\t")
    assert table.loc[0, "status"] == "done"
    assert table.loc[0, "note"].startswith("not localised (")


def test_a_run_folder_without_its_localiser_is_refused(cascade, tiny, command):
    folder, _ = cascade
    copy = tiny / "cascade_broken"
    shutil.copytree(folder, copy)
    (copy / "localiser" / "localiser.json").write_text("{")
    arguments = [f"run={copy}", f"input={tiny / 'data'}", f"output={tiny / 'broken_out'}"]
    done = command("predict.py", *arguments, cwd=tiny, check=False)
    assert done.returncode == 2
    assert "localiser.json: found no limits of a localiser" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("cascade.folds=1", "cascade.folds: found 1, wanted a whole number from 2"),
        ("cascade.steps=-1", "cascade.steps: found -1, wanted a whole number from 1"),
        ("pretrained=data/manifest.tsv", "manifest.tsv"),
    ],
)
def test_settings_that_cannot_localise_are_refused_in_one_sentence(
    argument, error, tiny, train_arguments, command
):
    folder = tiny / "cascade_refused"
    arguments = [*train_arguments, *CASCADE, argument, f"hydra.run.dir={folder}"]
    done = command(*arguments, cwd=tiny, check=False)
    assert done.returncode == 2
    assert error in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert "localiser 1 of" not in done.stdout  # refused before hours are spent


def entry_of(folder, facts):
    label = np.zeros((8, 8, 8), np.uint8)
    label[2:4, 3:6, 1:3], label[6:] = 1, 2  # 2 is ignored
    grid = whole_grid(label.shape, np.eye(4), (1, 1, 1))
    np.save(folder / "label.npy", label)
    return Entry("a", grid, facts | {"files": {"label.npy": ""}}, folder)


def test_a_box_is_that_of_a_whole_mask_without_ignored_voxels(tmp_path):
    assert reference_box(entry_of(tmp_path, {"cut": []})).size_mm == (2, 3, 2)
    assert reference_box(entry_of(tmp_path, {})).size_mm == (
        2,
        3,
        2,
    )  # prepared before voxels were ignored
    assert reference_box(entry_of(tmp_path, {"cut": ["region"]})) is None


def test_structures_that_all_extend_into_ignored_voxels_cannot_be_localised(tmp_path):
    target = Target("a", ("t1",), {"a": 1}, (1, 1, 1), (8, 8, 8))
    with pytest.raises(DataError, match="border on ignored voxels in all training cases"):
        limits_of({}, target, [entry_of(tmp_path, {"cut": ["region"]})], {"a": None})
