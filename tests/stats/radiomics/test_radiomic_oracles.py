"""Known numbers of real tables, measured once with other packages."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.core.clustered_auc import auc_of_cases
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.feature_stability import measurement_icc
from neurotarget.stats.radiomics.radiomic_arms import (
    Material,
    fit_radiomic_arm,
    fold_spread,
    gain,
)
from neurotarget.stats.radiomics.radiomic_folds import draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_tables import transport_of_arms
from neurotarget.stats.radiomics.self_tests import leakage
from neurotarget.studies.features.feature_guards import mixed_units


@pytest.fixture(scope="module")
def lgg(shared_data):
    place = shared_data / "tcga_lgg_mri"
    features = pd.read_csv(place / "pyradiomics_flair_mask_dilate1_erode1.csv.gz")
    shapes = pd.read_csv(place / "shape_reference.csv").set_index("case")
    return features, pd.read_csv(place / "clinical.csv").set_index("case"), shapes


def test_features_of_eroded_and_dilated_masks_agree_as_known(lgg, shared_data):
    features, _, _ = lgg
    parts = [part.set_index("case").drop(columns="region").sort_index()
             for _, part in features.groupby("region")]  # fmt: skip
    values = np.stack([part.to_numpy(float) for part in parts], axis=2)
    found = pd.Series(
        [measurement_icc(one).value for one in values.transpose(1, 0, 2)], parts[0].columns
    )
    assert len(found) == 107
    assert ((found >= 0.75).sum(), (found >= 0.90).sum()) == (104, 69)
    assert (found.idxmin(), round(found.min(), 3)) == ("firstorder_Minimum", 0.615)
    known = pd.read_csv(
        shared_data / "tcga_lgg_mri" / "icc_reference_mask_dilate1_erode1.csv", index_col=0
    )
    assert found.to_numpy() == pytest.approx(known["ICC_A1"].to_numpy(), abs=6e-5)


def test_the_bounding_ellipsoid_tells_the_cluster_as_published(lgg):
    _, clinical, shapes = lgg
    cluster = clinical["RNASeqCluster"].dropna()
    score = -shapes.loc[cluster.index, "bevr"].to_numpy(float)
    found = auc_of_cases(score, (cluster == 2).to_numpy(), np.arange(len(cluster)))
    assert (found.n, int((cluster == 2).sum())) == (92, 28)
    assert found.value == pytest.approx(0.800, abs=5e-4)


def leak_of(lgg, column, value):
    """What selection outside of the folds claims for a column of TCGA-LGG, by 107 features."""
    features, clinical, _ = lgg
    known = clinical[column].where(clinical[column] != "[Discrepancy]").dropna()
    rows = features[features["region"] == "mask"].set_index("case").drop(columns="region")
    rows = rows.loc[known.index]
    n = len(rows)
    outcome = Outcome((known == value).to_numpy(float), np.arange(n))
    material = Material(list(rows.index), outcome, np.empty((n, 0)), rows.to_numpy(float), [],
                        list(rows), np.zeros(n))  # fmt: skip
    plain = ChainSettings()
    fold = draw_case_folds(outcome, 5, 4, 0)
    return leakage(material, fit_radiomic_arm(material, "image", plain, fold), plain, 0)


@pytest.mark.parametrize(
    ("column", "value", "inside", "outside"),
    [("RNASeqCluster", 2, 0.648, 0.710), ("IDH", "IDHWT", 0.764, 0.787)],
)
def test_selection_outside_the_folds_claims_more(lgg, column, value, inside, outside):
    """The settings behind the known numbers are not known, so that ±0.035 is allowed."""
    found = leak_of(lgg, column, value)
    assert found.inside.value == pytest.approx(inside, abs=0.035)
    assert found.outside.value == pytest.approx(outside, abs=0.035)


def test_selection_outside_the_folds_claims_more_for_the_grade_too(lgg):
    """The known 0.644 and 0.700 lie within our intervals; ours is lower, 0.56 and 0.66."""
    found = leak_of(lgg, "grade_cdr", "G3")
    assert found.inside.n == 109
    assert found.inside.low < 0.644 < found.inside.high
    assert found.outside.low < 0.700 < found.outside.high
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(0.700 - 0.644, abs=0.05)


def people_of(terms, days, event, image=None, names=()):
    n = len(days)
    image = np.empty((n, 0)) if image is None else image
    return Material([f"{one}" for one in range(n)], Outcome(event, np.arange(n), days), terms,
                    image, [f"t{one}" for one in range(terms.shape[1])], list(names),
                    np.zeros(n))  # fmt: skip


def concordances(material, repeats):
    """C of each set in nested folds, as the mean over folds, and the gain of images."""
    fold = draw_case_folds(material.outcome, 5, repeats, 0)
    arms = {name: fit_radiomic_arm(material, name, ChainSettings("cox"), fold)
            for name in material.sets}  # fmt: skip
    means = {name: fold_spread(material.outcome, arm.held)[0] for name, arm in arms.items()}
    return means, gain(material.outcome, arms["clinical"].held, arms["both"].held, 0)


@pytest.fixture(scope="module")
def ucsf(shared_data):
    """UCSF-PDGM, glioblastoma without IDH mutation, n 373: clinical terms and T1 features."""
    place = shared_data / "ucsf_pdgm"
    table = pd.read_csv(place / "metadata_v2.csv").set_index("ID")
    diagnosis = table["Final pathologic diagnosis (WHO 2021)"]
    table = table[(diagnosis == "Glioblastoma, IDH-wildtype") & table["OS"].notna()]
    features = pd.read_csv(place / "pyradiomics_t1gad_wholetumour.csv.gz").set_index("ID")
    features = features.filter(like="original_").filter(regex="^(?!diagnostics)")
    return table, features.loc[table.index]


def test_images_add_nothing_to_clinical_terms_in_ucsf(ucsf):
    table, features = ucsf
    terms = np.column_stack([
        table["Age at MRI"], table["Sex"] == "M", table["EOR"] == "GTR", table["EOR"] == "biopsy",
        table["MGMT status"] == "positive",
    ]).astype(float)  # fmt: skip
    material = people_of(terms, table["OS"].to_numpy(float),
                         table["1-dead 0-alive"].to_numpy(float), features.to_numpy(float),
                         features)  # fmt: skip
    found, added = concordances(material, 2)
    assert (len(table), features.shape[1]) == (373, 100)
    assert found["clinical"] == pytest.approx(0.666, abs=0.043)
    assert found["image"] == pytest.approx(0.602, abs=0.060)
    assert found["both"] == pytest.approx(0.659, abs=0.041)
    assert added.low < 0 < added.high < 0.05 or added.high < 0


def test_images_add_nothing_to_clinical_terms_in_lgg(lgg):
    features, clinical, _ = lgg
    rows = features[features["region"] == "mask"].set_index("case").drop(columns="region")
    clinical = clinical.loc[rows.index]
    keep = (clinical["OS_days"] > 0) & clinical["age_cdr"].notna() & clinical["OS"].notna()
    clinical, rows = clinical[keep], rows[keep]
    terms = np.column_stack([clinical["age_cdr"], clinical["gender"] == 1,
                             clinical["grade_cdr"] == "G3"]).astype(float)  # fmt: skip
    material = people_of(terms, clinical["OS_days"].to_numpy(float),
                         clinical["OS"].to_numpy(float), rows.to_numpy(float), rows)  # fmt: skip
    found, added = concordances(material, 4)
    assert found["clinical"] == pytest.approx(0.808, abs=0.099)
    assert found["image"] == pytest.approx(0.689, abs=0.108)
    assert found["both"] == pytest.approx(0.802, abs=0.101)
    assert added.low < 0.02


def test_the_adc_tells_idh_only_over_the_median_of_the_brain_and_mixed_units_are_refused(
    shared_data,
):
    place = shared_data / "ucsf_pdgm"
    table = pd.read_csv(place / "pyradiomics_adc_md_dwi_t1c_60pts.csv.gz").set_index("ID")
    idh = pd.read_csv(place / "metadata_v2.csv").set_index("ID")["IDH"].loc[table.index]
    tumour, brain = (table[f"original_firstorder_Median_ADC_{part}_segmentation"]
                     for part in ("tumor", "brain"))  # fmt: skip
    mutant = (idh != "wildtype").to_numpy()

    def auc(score):
        return auc_of_cases(score.to_numpy(float), mutant, np.arange(len(score))).value

    small = tumour < 1
    assert (int(small.sum()), int((~small).sum())) == (23, 37)
    assert auc(tumour) == pytest.approx(0.636, abs=5e-4)
    assert auc(tumour.where(~small, tumour * 1e6)) == pytest.approx(0.631, abs=5e-4)
    assert auc(tumour / brain) == pytest.approx(0.780, abs=5e-4)
    (problem,) = mixed_units(tumour, "adc, tumour")
    assert problem.level == "error"
    assert "in 6 cases, 0.00128 in 17 cases, 1.32e+03 in 37 cases" in str(problem)
    assert "so that units are mixed" in str(problem)


def test_a_model_of_upenn_predicts_ucsf_as_known(shared_data, ucsf):
    table = pd.read_csv(shared_data / "upenn_gbm" / "clinical_info_v1.1.csv")
    days = pd.to_numeric(table["Survival_from_surgery_days"], errors="coerce")
    keep = table["ID"].str.endswith("_11") & days.notna()
    table, days = table[keep], days[keep].to_numpy(float)
    terms = np.column_stack([table["Age_at_scan_years"], table["Gender"] == "M",
                             table["GTR_over90percent"] == "Y"]).astype(float)  # fmt: skip
    here = people_of(terms, days, np.ones(len(days)))
    there, _ = ucsf
    others = np.column_stack([there["Age at MRI"], there["Sex"] == "M",
                              there["EOR"] == "GTR"]).astype(float)  # fmt: skip
    other = people_of(others, there["OS"].to_numpy(float), there["1-dead 0-alive"].to_numpy(float))
    known = {"here": 0.6616, "back": 0.6254}  # without a penalty, which moves C by little
    for name, (first, second) in {"here": (here, other), "back": (other, here)}.items():
        fold = draw_case_folds(first.outcome, 5, 1, 0)
        arm = fit_radiomic_arm(first, "clinical", ChainSettings("cox"), fold)
        (row,) = transport_of_arms(second, {"clinical": arm}, 0).to_dict("records")
        assert row["value"] == pytest.approx(known[name], abs=0.005)
