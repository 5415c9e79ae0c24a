"""Known numbers of real tables, measured once with other packages."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.core.clustered_auc import auc_of_cases
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.feature_stability import measurement_icc
from neurotarget.stats.radiomics.radiomic_arms import Material, fit_radiomic_arm
from neurotarget.stats.radiomics.radiomic_folds import draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.self_tests import leakage


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


@pytest.mark.parametrize(
    ("column", "value", "inside", "outside"),
    [("RNASeqCluster", 2, 0.648, 0.710), ("IDH", "IDHWT", 0.764, 0.787)],
)
def test_selection_outside_the_folds_claims_more(lgg, column, value, inside, outside):
    """The settings behind the known numbers are not known, so that ±0.035 is allowed."""
    features, clinical, _ = lgg
    known = clinical[column].dropna()
    rows = features[features["region"] == "mask"].set_index("case").drop(columns="region")
    rows = rows.loc[known.index]
    n = len(rows)
    outcome = Outcome((known == value).to_numpy(float), np.arange(n))
    material = Material(list(rows.index), outcome, np.empty((n, 0)), rows.to_numpy(float), [],
                        list(rows), np.zeros(n))  # fmt: skip
    plain = ChainSettings()
    fold = draw_case_folds(outcome, 5, 4, 0)
    found = leakage(material, fit_radiomic_arm(material, "image", plain, fold), plain, 0)
    assert found.inside.value == pytest.approx(inside, abs=0.035)
    assert found.outside.value == pytest.approx(outside, abs=0.035)
