"""Whole studies of real tables: what the page says where images are known to add nothing."""

import re

import pandas as pd
import pytest

import neurotarget as nt

QUICK = {"repeats": 1, "permutations": 0, "features": 10}


def page_text(folder):
    return re.sub(r"\s+", " ", (folder / "report.html").read_text(encoding="utf-8"))


def held_out(done):
    """C of people left out, as the mean over folds."""
    scores = done.tables["scores"].set_index(["terms", "statistic"])["value"]
    return {name: scores[name, "c_fold_mean"] for name in ("clinical", "image", "both")}


def says_that_images_add_nothing(page, done):
    """The first sentence after the counts has the gain, which may be 0, with its interval."""
    gains = done.tables["differences"].set_index(["terms", "against"])
    gain = gains.loc[("both", "clinical")]
    said = done.headlines[1]
    assert re.match("Images (add nothing|are not shown to add anything):", said)
    assert said in page
    interval = f"[{gain['low']:.3f}, {gain['high']:.3f}]".replace("-", "−")
    assert f"95 % interval of the difference {interval}" in said
    assert gain["low"] < 0
    assert gain["difference"] < 0.02


@pytest.fixture(scope="module")
def ucsf(shared_data, tmp_path_factory):
    """UCSF-PDGM: clinical terms and pyradiomics features of T1 in one table."""
    place, folder = shared_data / "ucsf_pdgm", tmp_path_factory.mktemp("ucsf")
    people = pd.read_csv(place / "metadata_v2.csv")
    features = pd.read_csv(place / "pyradiomics_t1gad_wholetumour.csv.gz")
    people.merge(features, on="ID").to_csv(folder / "ucsf.csv", index=False)
    return folder


def test_the_page_says_that_images_add_nothing_in_glioblastoma(ucsf):
    done = nt.radiomics(
        ucsf / "ucsf.csv",
        "1-dead 0-alive",
        "OS",
        where="Final pathologic diagnosis (WHO 2021)=Glioblastoma, IDH-wildtype",
        clinical=["Age at MRI", "Sex=M", "EOR=GTR", "EOR=biopsy", "MGMT status=positive"],
        output=ucsf / "study",
        **QUICK,
    )
    page, found = page_text(ucsf / "study"), held_out(done)
    assert "373 people" in page
    assert "100 image features" in page
    assert found["clinical"] == pytest.approx(0.666, abs=0.043)
    assert found["image"] == pytest.approx(0.602, abs=0.060)
    assert found["both"] == pytest.approx(0.659, abs=0.041)
    says_that_images_add_nothing(page, done)


def test_the_page_says_that_images_add_nothing_in_low_grade_glioma(shared_data, tmp_path):
    place = shared_data / "tcga_lgg_mri"
    features = pd.read_csv(place / "pyradiomics_flair_mask_dilate1_erode1.csv.gz")
    features = features[features["region"] == "mask"]
    people = pd.read_csv(place / "clinical.csv").merge(features, on="case")
    people.to_csv(tmp_path / "lgg.csv", index=False)
    done = nt.radiomics(
        tmp_path / "lgg.csv",
        "OS",
        "OS_days",
        id_column="case",
        clinical=["age_cdr", "gender", "grade_cdr=G3"],
        output=tmp_path / "study",
        **QUICK,
    )
    page, found = page_text(tmp_path / "study"), held_out(done)
    assert "109 people, 32 with the event; 107 image features" in page
    assert found["clinical"] == pytest.approx(0.808, abs=0.099)
    assert found["image"] == pytest.approx(0.689, abs=0.108)
    assert found["both"] == pytest.approx(0.802, abs=0.101)
    says_that_images_add_nothing(page, done)
