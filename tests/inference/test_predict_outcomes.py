from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from neurotarget.data.batches.draws import cut, middle_of
from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.averaging import joined
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.predict_outcomes import NO_STEPS, OutcomePredictor
from neurotarget.inference.recalibration import Line, Recalibration
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest, Target

OUTCOMES = {
    "ill": {"kind": "binary", "classes": ["no", "yes"]},
    "grade": {"kind": "classes", "classes": ["none", "mild", "severe"]},
    "age": {"kind": "number", "unit": "years"},
}
TARGET = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=OUTCOMES)


class Fixed(nn.Module):
    """The same outputs, of which the first is the brightness of the left half."""

    def __init__(self, ill=0.0):
        super().__init__()
        self.ill = ill

    def forward(self, image):
        left = image[:, 0, :4].mean(dim=(1, 2, 3))
        rest = torch.tensor([0.0, 0.0, np.log(2), 41.0]).expand(len(image), 4)
        return torch.cat([(self.ill + left)[:, None], rest], dim=1)


def predictor(ill=0.0, swap=None, target=TARGET, steps=NO_STEPS):
    made = Fixed(ill), target, Preparation("none", None)
    whole = WholeImage(target.patch_vox, swap=swap)
    return OutcomePredictor(*made, inferer=whole, postprocessing=steps)


def scan(folder, name="c0", sides=(8, 8, 8), left=0.0):
    image = np.zeros(sides, np.float32)
    image[: sides[0] // 2] = left
    path = folder / f"{name}.nii.gz"
    nib.save(nib.Nifti1Image(image, np.eye(4)), path)
    return Case(name, name, {"t1": path})


def test_outcomes_are_lines_of_a_table_and_no_files(tmp_path):
    results = predict_all(predictor(), [scan(tmp_path)], tmp_path / "out", made_by="w")
    table = pd.read_csv(tmp_path / "out" / "outcomes.tsv", sep="\t")
    line = table.iloc[0]
    assert line["ill_probability"] == 0.5
    assert line[["grade.none_probability", "grade.severe_probability"]].tolist() == [0.25, 0.5]
    assert line["age_number"] == 41.0
    assert results[0].status == line["status"] == "done"
    assert not list((tmp_path / "out").glob("*.nii.gz"))


def test_a_finished_case_is_kept_and_a_failed_one_is_a_line(tmp_path):
    good, broken = scan(tmp_path), scan(tmp_path, "c1")
    broken.images["t1"].write_bytes(b"no scan")
    for _ in range(2):
        results = predict_all(predictor(), [good, broken], tmp_path / "out", made_by="w")
    assert [one.status for one in results] == ["done", "failed"]
    table = pd.read_csv(tmp_path / "out" / "outcomes.tsv", sep="\t", na_values=["n/a"])
    assert table["ill_probability"].isna().tolist() == [False, True]


def test_predictions_of_other_weights_are_refused(tmp_path):
    predict_all(predictor(), [scan(tmp_path)], tmp_path / "out", made_by="w")
    with pytest.raises(DataError, match="found predictions of other weights"):
        predict_all(predictor(), [scan(tmp_path)], tmp_path / "out", made_by="v")


def test_views_that_differ_are_flagged_and_averaged(tmp_path):
    (result,) = predict_all(
        predictor(swap=[0]), [scan(tmp_path, left=3.0)], tmp_path / "out", made_by="w"
    )
    one, other = (torch.sigmoid(torch.tensor(value)).item() for value in (3.0, 0.0))
    assert result.values["ill"] == pytest.approx((one + other) / 2, abs=1e-3)
    assert "ill: its views differ by 0.45 in probability" in result.note


def test_an_image_larger_than_the_window_is_flagged(tmp_path):
    (result,) = predict_all(
        predictor(), [scan(tmp_path, sides=(16, 8, 8))], tmp_path / "out", made_by="w"
    )
    assert "50 % of the image lies outside the middle 8 × 8 × 8 voxels" in result.note


def test_a_number_far_from_the_training_is_flagged(tmp_path):
    made = predictor()
    made.net.centre = torch.tensor([0.0, 0.0, 0.0, 0.0, 70.0])
    made.net.spread = torch.tensor([1.0, 1.0, 1.0, 1.0, 5.0])
    (result,) = predict_all(made, [scan(tmp_path)], tmp_path / "out", made_by="w")
    assert "age: 41 is far from the numbers in the training" in result.note


def test_an_ensemble_is_the_mean_and_says_where_members_differ(tmp_path):
    ensemble = joined([predictor(3.0), predictor(-3.0)])
    (result,) = predict_all(ensemble, [scan(tmp_path)], tmp_path / "out", made_by="w")
    assert result.values["ill"] == pytest.approx(0.5, abs=1e-6)
    assert "ill: its views differ by 0.91" in result.note


def test_probabilities_are_recalibrated_by_each_network_of_its_own(tmp_path):
    """A network that is too low by 3 on the logit scale, and one without a correction."""
    low = predictor(-3.0, steps=Recalibration({"ill": Line(3.0)}, {"ill": 0.3}))
    (alone,) = predict_all(low, [scan(tmp_path)], tmp_path / "alone", made_by="w")
    assert alone.values["ill"] == pytest.approx(0.5, abs=1e-6)
    assert alone.values["grade.severe"] == pytest.approx(0.5, abs=1e-6)
    ensemble = joined([low, predictor(0.0, steps=Recalibration(thresholds={"ill": 0.5}))])
    (both,) = predict_all(ensemble, [scan(tmp_path)], tmp_path / "both", made_by="w")
    assert both.values["ill"] == pytest.approx(0.5, abs=1e-6)
    assert ensemble.postprocessing.thresholds == {"ill": pytest.approx(0.4)}


def test_steps_are_chosen_on_cases_with_known_outcomes(tmp_path):
    """Half of 24 people are ill, and the network predicts 5 %: the intercept is corrected."""
    made, examples = predictor(-3.0), []
    manifest = Manifest((), tmp_path)
    for number in range(24):
        person = {"ill": "yes" if number % 2 else "no", "age": 41.0}
        case = replace(scan(tmp_path, f"c{number}"), subject_id=f"s{number}", covariates=person)
        assert made.has_reference(case)
        examples.append(made.example(case, manifest))
    assert not made.has_reference(scan(tmp_path, "unknown"))
    chosen = made.choose(examples)
    steps = made.read_steps(chosen["steps"], TARGET)
    assert steps.lines["ill"].intercept == pytest.approx(3.0, abs=0.01)
    assert [trial["label"] for trial in chosen["trials"]] == ["ill", "ill"]  # no grade is known
    assert made.read_steps(made.choose([])["steps"], TARGET) == NO_STEPS


def test_members_of_other_outcomes_are_refused():
    other = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes={"ill": OUTCOMES["ill"]})
    with pytest.raises(DataError, match="see scans in different ways"):
        joined([predictor(), predictor(target=other)])


@pytest.mark.parametrize("sides", [(5, 8, 11), (12, 3, 8), (9, 9, 9)])
def test_the_window_is_the_patch_of_training(sides):
    image = np.random.default_rng(1).normal(size=(2, *sides)).astype(np.float32)
    wanted = cut(
        image,
        middle_of(sides, (8, 8, 8)),
        np.array([8, 8, 8]),
        fill=image.min(axis=(1, 2, 3)).tolist(),
    )
    found = WholeImage((8, 8, 8)).window(torch.from_numpy(image)[None])
    np.testing.assert_array_equal(found[0].numpy(), wanted)


def test_an_image_and_its_mirror_are_scored_together_and_one_image_in_two_copies():
    seen = []

    def net(images):
        seen.append(len(images))
        return images.flatten(1).sum(dim=1, keepdim=True)

    image = torch.arange(64.0).reshape(1, 1, 4, 4, 4)
    for swap in (None, (0,)):
        scores = WholeImage((4, 4, 4), swap=swap)(image, net)
        assert scores.tolist() == [[2016.0]]
    assert seen == [2, 2]
    assert WholeImage((4, 4, 4))(image.repeat(3, 1, 1, 1, 1), net).shape == (3, 1)


class Mapped(nn.Module):
    """A network whose map is its image, and whose output is the highest value."""

    def forward(self, image):
        return image.flatten(2).amax(dim=2)

    def activation_maps(self, image):
        return image - 1


def mapped(**more):
    outcomes = {"ill": OUTCOMES["ill"]}
    target = Target("person", ["t1"], {}, [1] * 3, [8] * 3, outcomes=outcomes)
    made = Mapped(), target, Preparation("none", None)
    return OutcomePredictor(*made, inferer=WholeImage(target.patch_vox), **more)


def test_maps_of_activations_are_written_on_the_grid_of_the_scan_where_asked_for(tmp_path):
    case, out = scan(tmp_path, sides=(12, 8, 8), left=3.0), tmp_path / "out"
    predict_all(mapped(), [case], out, made_by="w")
    assert not list(out.glob("*.nii.gz"))
    for _ in range(2):
        predict_all(mapped(), [case], out, made_by="w", probabilities=True)
    image = nib.load(out / "c0_ill_activation.nii.gz")
    values = np.asarray(image.dataobj)
    np.testing.assert_array_equal(image.affine, np.eye(4))
    assert values.shape == (12, 8, 8)
    assert (values[2:6] == 2).all()  # the middle 8 voxels are seen, their left half is bright
    assert (values[6:10] == -1).all()
    assert not values[[0, 1, 10, 11]].any()
    predict_all(predictor(), [case], tmp_path / "plain", made_by="w", probabilities=True)
    assert not list((tmp_path / "plain").glob("*.nii.gz"))


def test_the_map_of_an_ensemble_is_the_mean_of_those_of_its_members(tmp_path):
    ensemble = joined([mapped(), mapped()])
    assert ensemble.has_maps
    predict_all(ensemble, [scan(tmp_path)], tmp_path / "out", made_by="w", probabilities=True)
    values = np.asarray(nib.load(tmp_path / "out" / "c0_ill_activation.nii.gz").dataobj)
    assert (values == -1).all()
