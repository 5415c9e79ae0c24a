"""A segmentation of films that also predicts whether a film has the finding."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.scans.film_views import usual_view, view_of
from neurotarget.data.scans.volume import read_volume
from neurotarget.image_score import ImageScore
from neurotarget.inference.outcome_table import marks_path
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.segment import Predictor
from neurotarget.tasks.score_outcomes import segmentation_rows
from neurotarget.types import Case, Manifest, Target


class Bright(torch.nn.Module):
    """Bright pixels are the finding."""

    def forward(self, image):
        score = (image - 150) / 20
        return torch.cat([-score, score], dim=1)


def a_target(**rule):
    outcomes = {"finding": {"kind": "binary", "classes": ["absent", "air"]}}
    return Target(
        "air", ("film",), {"air": (1,)}, spacing_px=(1, 1), patch_vox=(32, 32),
        area_range_px={"air": [0, 500]}, outcomes=outcomes, image_score=ImageScore(**rule),
    )  # fmt: skip


def a_film(folder, name, *, has_air):
    film = np.random.default_rng(len(name)).normal(60, 10, (32, 32)).clip(0, 255)
    mask = np.zeros((32, 32), np.uint8)
    if has_air:
        film[4:9, 20:26], mask[4:9, 20:26] = 250, 255
    for kind, array in (("film", film), ("mask", mask)):
        Image.fromarray(array.astype(np.uint8)).save(folder / f"{name}_{kind}.png")
    return Case(name, name, {"film": folder / f"{name}_film.png"}, folder / f"{name}_mask.png")


@pytest.fixture
def cases(tmp_path):
    return [a_film(tmp_path, "ill", has_air=True), a_film(tmp_path, "healthy", has_air=False)]


def predicted(cases, folder, target):
    predictor = Predictor(Bright(), target, Preparation("none", None))
    results = predict_all(predictor, cases, folder, made_by="weights")
    assert [one.status for one in results] == ["done", "done"]
    return predictor, results


def test_rows_hold_a_probability_of_each_film_and_the_reference_of_its_mask(cases, tmp_path):
    target = a_target(by="top_k", top_k_px=20)
    _, results = predicted(cases, tmp_path / "out", target)
    assert not any("empty" in one.note for one in results)  # as a film may have none
    splits = {case.case_id: "test" for case in cases}
    manifest = Manifest(tuple(cases), tmp_path)
    rows = pd.DataFrame(segmentation_rows(manifest, tmp_path / "out", target, splits))
    own = rows[rows["label"] == "finding"].pivot(index="case_id", columns="metric", values="value")
    assert own["reference_probability"].to_dict() == {"ill": 1, "healthy": 0}
    assert own.loc["ill", "probability"] > 0.9 > 0.5 > own.loc["healthy", "probability"]
    assert own["failed"].tolist() == [0, 0]
    assert (rows[rows["label"] == "air"]["metric"] == "dice").sum() == 2


def test_a_stated_finding_counts_before_the_mask_and_a_lost_mask_is_a_failure(cases, tmp_path):
    target = a_target(by="maximum")
    predicted(cases, tmp_path / "out", target)
    (tmp_path / "out" / "ill.nii.gz").unlink()
    (tmp_path / "out" / "ill.png").unlink()
    stated = [cases[0], Case("healthy", "healthy", cases[1].images, cases[1].label,
                             covariates={"finding": "air"})]  # fmt: skip
    splits = {case.case_id: "test" for case in cases}
    rows = segmentation_rows(Manifest(tuple(stated), tmp_path), tmp_path / "out", target, splits)
    found = {(row.case_id, row.metric): row.value for row in rows if row.label == "finding"}
    assert found["healthy", "reference_probability"] == 1
    assert found["ill", "failed"] == 1
    assert ("ill", "probability") not in found


def test_marks_lie_in_the_finding_and_another_rule_predicts_again(cases, tmp_path):
    predictor, _ = predicted(cases, tmp_path / "out", a_target(by="maximum"))
    marks = pd.read_csv(marks_path(tmp_path / "out", "ill"), sep="\t")
    assert marks.columns.tolist() == ["i", "j", "k", "probability"]
    assert 20 <= marks["i"][0] < 26
    assert 4 <= marks["j"][0] < 9
    assert marks["k"][0] == 0
    assert marks["probability"].is_monotonic_decreasing
    assert predictor.num_always == 3
    other = Predictor(Bright(), a_target(by="top_k"), Preparation("none", None))
    assert other.settings != predictor.settings


def test_the_triplet_rule_empties_the_mask_of_a_film_with_too_few_pixels(cases, tmp_path):
    target = a_target(by="triplet", least_area_px=31)  # the finding has 30
    _, results = predicted(cases, tmp_path / "out", target)
    assert [one.values["air"] for one in results] == [0, 0]
    target = a_target(by="triplet", least_area_px=20)
    _, results = predicted(cases, tmp_path / "again", target)
    assert results[0].values["air"] == 30
    assert results[1].values["air"] == 0


def test_an_odd_film_is_named_in_the_note_of_its_case(tmp_path):
    films = [a_film(tmp_path, f"f{'x' * number}", has_air=True) for number in range(12)]
    target = a_target(by="maximum")
    views = [view_of(read_volume(one.images["film"]).array) for one in films]
    predictor = Predictor(Bright(), target, Preparation("none", None), usual=usual_view(views))
    film = np.asarray(Image.open(films[0].images["film"]))
    Image.fromarray(255 - film).save(films[0].images["film"])
    odd, usual = predict_all(predictor, films[:2], tmp_path / "out", made_by="weights")
    assert "an inverted film (correlation -" in odd.note
    assert odd.note.count("invert its grey values") == 1
    assert "film" not in usual.note
