"""Published cohorts, against numbers on which lifelines, scikit-survival and PHReg agree."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.survival.concordance import harrell_pairs
from neurotarget.stats.survival.cox import fit_cox, proportionality
from neurotarget.stats.survival.kaplan_meier import log_rank, median_days, survival_curve


def columns(*values):
    return np.column_stack(values).astype(float)


@pytest.fixture(scope="module")
def ucsf(shared_data):
    """UCSF-PDGM, glioblastoma without IDH mutation, n 373: days, event, terms."""
    table = pd.read_csv(shared_data / "ucsf_pdgm" / "metadata_v2.csv")
    diagnosis = table["Final pathologic diagnosis (WHO 2021)"]
    table = table[(diagnosis == "Glioblastoma, IDH-wildtype") & table["OS"].notna()]
    terms = columns(
        table["Age at MRI"],
        table["Sex"] == "M",
        table["EOR"] == "GTR",
        table["EOR"] == "biopsy",
        table["MGMT status"] == "positive",
    )
    return table["OS"].to_numpy(float), table["1-dead 0-alive"].to_numpy(float), terms


@pytest.fixture(scope="module")
def upenn(shared_data):
    """UPENN-GBM at baseline, n 452, all with the event."""
    table = pd.read_csv(shared_data / "upenn_gbm" / "clinical_info_v1.1.csv")
    days = pd.to_numeric(table["Survival_from_surgery_days"], errors="coerce")
    keep = table["ID"].str.endswith("_11") & days.notna()
    table, days = table[keep], days[keep].to_numpy(float)
    gtr = table["GTR_over90percent"] == "Y"
    terms = columns(table["Age_at_scan_years"], table["Gender"] == "M", gtr)
    return days, np.ones(len(days)), terms


def concordance(days, event, risk):
    return harrell_pairs(days, event, risk).value


def test_hazards_of_ucsf(ucsf):
    days, event, terms = ucsf
    fit = fit_cox(days, event, terms)
    assert (len(days), event.sum()) == (373, 226)
    assert fit.coefficients.round(5) == pytest.approx([0.04056, 0.282, -0.61616, 0.94407, -0.21985])
    assert fit.errors[0] == pytest.approx(0.00627, abs=5e-6)
    assert fit.log_likelihood == pytest.approx(-1093.534, abs=5e-4)
    assert concordance(days, event, fit.score(terms)) == pytest.approx(0.6834, abs=5e-5)
    assert proportionality(days, event, terms, fit)[0] == pytest.approx(0.0102, abs=5e-5)
    breslow = fit_cox(days, event, terms, ties="breslow").coefficients
    assert breslow.round(5) == pytest.approx([0.04053, 0.28097, -0.61517, 0.94298, -0.21913])


def test_curve_of_ucsf(ucsf):
    days, event, terms = ucsf
    assert median_days(survival_curve(days, event)).value == 509
    assert np.median(days) == 361  # which ignores that follow-up ended
    assert log_rank(days, event, terms[:, 2].astype(int)).chi2 == pytest.approx(24.981, abs=5e-4)


def test_hazards_of_upenn_and_transport(ucsf, upenn):
    days, event, terms = upenn
    fit = fit_cox(days, event, terms)
    assert fit.coefficients.round(5) == pytest.approx([0.02325, -0.04574, -0.23322])
    assert concordance(days, event, fit.score(terms)) == pytest.approx(0.6348, abs=5e-5)
    other_days, other_event, others = ucsf[0], ucsf[1], ucsf[2][:, :3]
    there = concordance(other_days, other_event, fit.score(others))
    back = concordance(days, event, fit_cox(other_days, other_event, others).score(terms))
    assert (there, back) == pytest.approx((0.6616, 0.6254), abs=5e-5)


def test_hazards_of_tcga(shared_data):
    table = pd.read_csv(shared_data / "tcga_glioma" / "tcga_cdr_gbm_lgg.csv")
    days = pd.to_numeric(table["OS.time"], errors="coerce")
    table, days = table[days > 0], days[days > 0].to_numpy(float)
    age, event = (table[name].to_numpy(float) for name in
                  ("age_at_initial_pathologic_diagnosis", "OS"))  # fmt: skip
    terms = columns(age, table["gender"] == "MALE", table["type"] == "GBM")
    fit = fit_cox(days, event, terms)
    assert (len(days), event.sum()) == (1106, 616)
    assert fit.coefficients.round(5) == pytest.approx([0.03836, 0.15902, 1.54376])
    assert concordance(days, event, fit.score(terms)) == pytest.approx(0.7917, abs=5e-5)
    assert median_days(survival_curve(days, event)).value == 728


def test_hazard_of_age_in_brats(shared_data):
    table = pd.read_csv(shared_data / "brats_tables" / "survival_brats2018_derived.csv")
    table = table[(table["in_2017_table"] == 1) & (table["ResectionStatus"] == "GTR")]
    days = table["Survival"].to_numpy(float)
    fit = fit_cox(days, np.ones(len(days)), columns(table["Age"]))
    assert (len(days), *fit.coefficients, *fit.errors) == pytest.approx(
        (59, 0.04306, 0.01148), abs=5e-6
    )
