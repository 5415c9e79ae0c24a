import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.phantom.chest.drawn_chest import draw_chest
from neurotarget.phantom.chest.film_cohort import FilmCohort, film_of, real_films
from neurotarget.phantom.chest.film_plan import ABSENT, FINDING, NORMAL, ChestPlan, FilmPerson
from neurotarget.types import Target

PLAN = ChestPlan(num_cases=4, share_positive=0.5, share_tuberculosis=0.3, side_px=96)
TARGET = Target("air", ("film",), {"pneumothorax": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))


def arrays(table):
    return {
        case.case_id: [
            np.asarray(nib.load(path).dataobj) for path in (case.images["film"], case.label)
        ]
        for case in read_manifest(table, TARGET).cases
    }


def test_films_have_masks_of_the_planned_area(tmp_path, caplog):
    table = FilmCohort(str(tmp_path), PLAN).obtain(None)
    assert "semi-synthetic" in caplog.text
    people = pd.read_csv(table).set_index("case_id")
    assert (people["finding"] == "pneumothorax").sum() == 2
    for name, (film, mask) in arrays(table).items():
        assert film.shape == mask.shape == (96, 96, 1)
        assert film.std() > 20
        assert mask.mean() * 100 == pytest.approx(people.loc[name, "percent"], abs=0.25)
        assert mask.any() == (people.loc[name, "finding"] == "pneumothorax")


def test_the_largest_pneumothorax_reaches_the_base():
    person = FilmPerson("a", "north", NORMAL, FINDING, 9.0, ABSENT, ABSENT, ABSENT, "")
    chest = draw_chest(np.random.default_rng(1), 64)
    at_base = []
    for seed in range(20):
        _, mask = film_of(chest, person, np.random.default_rng(seed))
        half = slice(32) if np.nonzero(mask)[1].mean() < 32 else slice(32, None)
        lung = chest.lungs[:, half]
        rows = np.flatnonzero(lung.any(axis=1))
        row = rows[int(0.8 * len(rows))]
        at_base.append(float(mask[row].sum() / lung[row].sum()))
    assert min(at_base) > 0.12  # of the width of the lung


def real_folder(root):
    rows, columns = np.mgrid[:64, :64]
    lungs = np.zeros((64, 64), bool)
    for column in (18, 46):
        lungs |= ((rows - 32) / 24) ** 2 + ((columns - column) / 10) ** 2 < 1
    for folder, array in (("images", np.where(lungs, 90, 200)), ("masks", lungs * 255)):
        (root / folder).mkdir(parents=True)
        for name in ("CHNCXR_0001_0", "CHNCXR_0002_1", "MCUCXR_0003_0"):
            Image.fromarray(array.astype(np.uint8)).save(root / folder / f"{name}.png")
    return root


def test_real_films_are_drawn_on_and_those_with_tuberculosis_have_no_air(tmp_path):
    root = real_folder(tmp_path / "real")
    assert list(real_films(root)) == ["CHNCXR_0001_0", "CHNCXR_0002_1", "MCUCXR_0003_0"]
    plan = ChestPlan(share_positive=1.0, share_askew=0)
    table = FilmCohort(str(tmp_path / "made"), plan).obtain(str(root))
    people = pd.read_csv(table)
    assert people["site"].tolist() == ["Shenzhen", "Shenzhen", "Montgomery"]
    assert people["finding"].tolist() == ["pneumothorax", "absent", "pneumothorax"]
    assert not arrays(table)["film2"][1].any()
    film, mask = arrays(table)["film1"]
    assert film.shape == (64, 64, 1)
    assert mask.any()


def test_other_data_is_the_users_own(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("case_id,film,label\n")
    assert FilmCohort(str(tmp_path / "made"), PLAN).obtain(str(table)) == table
