"""Marks of films against masks, from files to the tables and the figure of a study."""

from io import BytesIO

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.image_score import ImageScore
from neurotarget.problems import DataError
from neurotarget.report.drawing.montage import GAP_PX, TILE_PX
from neurotarget.report.figures.study_figures import all_figures
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.studies import pictured_cases
from neurotarget.studies.marked_places import (
    Reference,
    activation_hits,
    film_marks,
    met_findings,
)
from neurotarget.studies.pictured_cases import load_gallery
from neurotarget.studies.study_folder import study_of
from neurotarget.studies.study_inputs import Material, covariate_table
from neurotarget.types import Case, Row, Target

TARGET = Target(
    "air", ("film",), {"air": (1,)}, spacing_px=(1, 1), patch_vox=(32, 32),
    outcomes={"finding": {"kind": "binary", "classes": ["absent", "air"]}},
    image_score=ImageScore(), surface_tolerance_px=2.0,
)  # fmt: skip


def test_a_mark_meets_the_nearest_finding_within_the_tolerance():
    findings = np.zeros((20, 20, 1), int)
    findings[2:5, 2:5], findings[12:15, 12:15] = 1, 2
    reference = Reference(findings, 2, np.ones(3))
    places = np.array([[3, 3, 0], [6, 3, 0], [7, 3, 0], [14, 16, 0], [19, 0, 0]])
    assert met_findings(places, reference, 2.0).tolist() == [1, 1, 0, 2, 0]
    assert met_findings(places, Reference(findings * 0, 0, np.ones(3)), 2.0).tolist() == [0] * 5
    assert met_findings(places[:0], reference, 2.0).tolist() == []


def film(folder, name, marks):
    """A mask with a finding at columns 4 to 8, rows 20 to 25, if the name begins with `ill`."""
    mask = np.zeros((32, 32), np.uint8)
    mask[20:26, 4:9] = 255 * name.startswith("ill")
    Image.fromarray(mask).save(folder / f"{name}.png")
    if marks is not None:
        table = pd.DataFrame(marks, columns=["i", "j", "k", "probability"])
        table.to_csv(folder / f"{name}_marks.tsv", sep="\t", index=False)
    return Case(name, name, {}, folder / f"{name}.png")


def material(folder, cases):
    rows = [
        Row(case.case_id, case.case_id, "test", "air", metric, value, "")
        for case in cases
        for metric, value in (
            ("dice", 0.5), ("failed", 0.0), ("area_px", 30.0),
            ("reference_area_px", 30.0 * case.case_id.startswith("ill")),
        )
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(Row._fields))
    measured = from_rows(table, TARGET, covariate_table(cases))
    return Material(measured, {case.case_id: case for case in cases}, folder, None, (), {})


@pytest.fixture
def cases(tmp_path):
    ill = [(6, 22, 0, 0.9), (25, 5, 0, 0.3)]  # column 6, row 22: in the finding
    cases = [film(tmp_path, f"ill{n}", ill) for n in range(8)]
    cases += [film(tmp_path, f"well{n}", [(10, 10, 0, 0.2)] if n else []) for n in range(4)]
    return [*cases, film(tmp_path, "ill_lost", None)]


def test_marks_are_compared_with_the_masks_of_their_films(cases, tmp_path):
    found = film_marks(material(tmp_path, cases))
    assert found.films.set_index("case_id")["findings"].to_dict() == {
        case.case_id: int(case.case_id.startswith("ill")) for case in cases
    }
    own = found.marks[found.marks["case_id"] == "ill0"]
    assert own[["probability", "finding"]].to_numpy().tolist() == [[0.9, 1.0], [0.3, 0.0]]
    assert (found.n_missing, len(found.marks)) == (0, 8 * 2 + 3)


def test_a_study_of_films_has_the_free_response_curve_as_table_and_figure(cases, tmp_path):
    study = study_of(material(tmp_path, cases))
    table = study.tables["free_response"].set_index("false_per_film")
    assert table.loc[0.125, "value"] == pytest.approx(8 / 9)
    assert table.loc[0.125, "n_findings"] == 9
    assert study.tables["free_response_curve"]["false_per_film"].iloc[-1] == pytest.approx(11 / 13)
    (figure,) = (one for one in all_figures(study) if one.name == "free_response")
    assert figure.figure is not None
    assert "20 marks at most" in figure.caption


def test_films_without_a_reference_or_of_another_size_are_left_out(cases, tmp_path):
    cases[0] = Case("ill0", "ill0", {}, None)
    pd.DataFrame([(90, 90, 0, 0.9)], columns=["i", "j", "k", "probability"]).to_csv(
        tmp_path / "ill1_marks.tsv", sep="\t", index=False
    )
    (tmp_path / "ill2_marks.tsv").write_text("notes of a reader")
    found = film_marks(material(tmp_path, cases))
    assert found.n_missing == 1
    assert not set(found.marks["case_id"]) & {"ill0", "ill1", "ill2"}


def test_targets_without_a_score_of_films_have_no_curve(cases, tmp_path):
    made = material(tmp_path, cases)
    assert film_marks(made._replace(predictions=None)) is None
    assert film_marks(made._replace(predictions=tmp_path / "elsewhere")) is None
    healthy = [case for case in cases if case.case_id.startswith("well")]
    assert film_marks(material(tmp_path, healthy)) is None


KNEE = Target(
    "knee", ("axial",), {}, [1] * 3, [8] * 3,
    outcomes={"acl": {"kind": "binary", "classes": ["whole", "torn"]}},
)  # fmt: skip
HEAD = "file,slice,study_level,x,y,width,height,label"


def knees(folder, n=12):
    """Exams whose maps are highest in the box in 9 of 12, and on its slice in the others."""
    rows, cases, lines = [], [], [HEAD]
    for number in range(n):
        name = f"file{number}"
        activation = np.zeros((10, 8, 4), np.float32)
        activation[(3, 3, 1) if number < 9 else (9, 7, 1)] = 2
        scan = np.random.default_rng(number).random((10, 8, 4)).astype(np.float32)
        for kind, array in (("acl_activation", activation), ("axial", scan)):
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"{name}_{kind}.nii.gz")
        lines.append(f"{name},1,No,2,2,3,3,Ligament - ACL High Grade Sprain")
        lines.append(f"{name},3,No,8,0,2,8,Meniscus Tear")
        rows += [
            Row(name, name, "test", "acl", metric, value, "")
            for metric, value in (
                ("probability", 0.5), ("reference_probability", float(number % 2)), ("failed", 0.0)
            )
        ]  # fmt: skip
        cases.append(Case(name, name, {"axial": folder / f"{name}_axial.nii.gz"}))
    (folder / "knee.csv").write_text("\n".join(lines))
    table = pd.DataFrame(rows, columns=list(Row._fields))
    measured = from_rows(table, KNEE, covariate_table(cases))
    known = {case.case_id: case for case in cases}
    return Material(measured, known, folder, None, (), {}, boxes=folder / "knee.csv")


def test_maps_of_activations_are_compared_with_the_boxes_of_their_finding(tmp_path):
    made = knees(tmp_path)
    study = study_of(made)
    table = study.tables["activation_hits"].set_index("statistic")
    assert table["value"].to_dict() == pytest.approx({
        "hit": 9 / 12, "slice_hit": 1.0, "chance": 9 / 320,
    })  # fmt: skip
    assert table.loc["hit", "low"] < 0.75 < table.loc["hit", "high"]
    assert table["n"].tolist() == [12] * 3
    shown, *_ = load_gallery(study, made, count=2).cases
    assert shown.png.startswith(b"\x89PNG")
    assert len(shown.png) > 5_000


def test_each_case_of_gallery_and_montage_is_read_once(tmp_path, monkeypatch):
    made = knees(tmp_path)
    study = study_of(made)
    (tmp_path / "file7_axial.nii.gz").write_bytes(b"cut")
    read, ids = pictured_cases._read, []

    def counted(case, *arguments):
        ids.append(case.case_id)
        return read(case, *arguments)

    monkeypatch.setattr(pictured_cases, "_read", counted)
    gallery = load_gallery(study, made, count=6)
    assert sorted(ids) == sorted(made.cases)
    assert "file7" not in {case.case_id for case in gallery.cases}
    sheet = Image.open(BytesIO(gallery.montage))
    assert sheet.width == 4 * TILE_PX + 3 * GAP_PX
    assert load_gallery(study, made, count=0) == ([], None)


def test_exams_without_a_map_are_counted_and_boxes_outside_are_refused(tmp_path):
    made = knees(tmp_path)
    (tmp_path / "file3_acl_activation.nii.gz").unlink()
    assert activation_hits(made).n_missing == 1
    assert activation_hits(made._replace(boxes=None)) is None
    with (tmp_path / "knee.csv").open("a") as stream:
        stream.write("\nfile1,9,No,2,2,3,3,Ligament - ACL High Grade Sprain")
    with pytest.raises(DataError, match=r"file1: .*slice 9, wanted a place on 10 × 8 × 4 voxels"):
        activation_hits(made)
    (tmp_path / "knee.csv").write_text(f"{HEAD}\nelse,1,No,2,2,3,3,ACL")
    with pytest.raises(DataError, match="wanted names of cases of this run"):
        activation_hits(made)
