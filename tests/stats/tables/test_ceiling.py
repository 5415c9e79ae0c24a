"""Intra- and inter-rater error: who delineated which mask, and the SD of a single delineation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.tables.ceiling import INTER, INTRA, ceiling_table, people_of, repeated_masks
from neurotarget.stats.tables.raters import raters_table
from neurotarget.stats.tables.tables import agreement_table
from oracles.rater_cohort import TARGET, rater_cohort, rater_rows, several_masks


@pytest.fixture(scope="module")
def measured():
    rows, covariates = rater_rows()
    return from_rows(
        rows.assign(metric=rows["metric"].str.replace("@again", "@rater1_again")),
        TARGET,
        covariates,
    )


@pytest.fixture(scope="module")
def ceiling(measured):
    agreement = agreement_table(measured)
    return ceiling_table(measured, agreement, raters_table(measured, agreement))


def test_every_two_of_people_have_their_kind_and_networks_none(ceiling):
    pairs = ceiling[ceiling["label"] == "left"][["error", "first", "second"]]
    assert list(pairs.itertuples(index=False, name=None)) == [
        (INTRA, "reference", "rater1_again"),
        (INTER, "reference", "rater2"),
        (INTER, "rater1_again", "rater2"),
    ]


def test_the_error_is_that_of_one_drawing_with_the_interval_of_agreement(measured, ceiling):
    row = ceiling.query("error == 'intra-rater' and label == 'left'").iloc[0]
    first, second = (measured.values[name]["left"] for name in ("reference", "rater1_again"))
    assert row["error_mm3"] == pytest.approx((second - first).std() / np.sqrt(2))
    assert row["error_percent"] == pytest.approx(
        200 * row["error_mm3"] / (first.mean() + second.mean())
    )
    assert row["error_low"] < 15 / np.sqrt(2) < row["error_high"]  # planted
    assert (row["n"], row["interval"]) == (40, "chi-square")
    inter = ceiling.query("second == 'rater2' and first == 'reference' and label == 'left'")
    assert inter["n"].item() == 32
    assert inter["error_low"].item() < 45 / np.sqrt(2) < inter["error_high"].item()
    assert row["error_high"] < inter["error_low"].item()


@pytest.mark.parametrize(
    ("raters", "drawn_by", "of_reference"),
    [
        (("rater1_again", "rater2"), None, "rater1"),
        (("rater2", "rater2_again"), None, "reference"),  # has drawn twice, both beside
        (("rater1_again", "rater3_again"), None, "reference"),  # whose again is it?
        (("rater1_again", "rater3_again"), "rater3", "rater3"),
        (("rater1_session2", "rater2"), None, "rater1"),
        (("again",), None, ""),
        (("rater2",), None, "reference"),
    ],
)
def test_who_drew_the_reference(raters, drawn_by, of_reference):
    measured = rater_cohort()
    covariates = measured.covariates
    if drawn_by:
        covariates = covariates.assign(rater=drawn_by)
    volumes = {"reference": measured.values["reference"]}
    volumes |= dict.fromkeys(raters, measured.values["again"])
    found = people_of(replace(measured.with_values(volumes), raters=raters, covariates=covariates))
    assert found["reference"] == of_reference
    assert found[raters[0]] == raters[0].partition("_")[0].removesuffix("again")


def test_masks_of_one_scan_are_paired_by_rater_and_order():
    measured = several_masks(40)
    drawn = repeated_masks(measured)
    assert drawn.methods == ("A", "A_again", "B")
    volumes = measured.values["reference"]["left"]
    assert drawn.values["A"].loc["c07", "left"] == volumes["c07_mask1"]
    assert drawn.values["A_again"].loc["c07", "left"] == volumes["c07_mask3"]
    agreement = agreement_table(drawn)
    table = ceiling_table(drawn, agreement, raters_table(drawn, agreement))
    intra, inter, _ = table[table["label"] == "left"].to_dict("records")
    assert (intra["error"], intra["second"], intra["n"]) == (INTRA, "A_again", 40)
    assert intra["error_low"] < 10 < intra["error_high"]  # planted
    assert inter["error_low"] < np.sqrt((10**2 + 30**2) / 2) < inter["error_high"]
    assert np.isnan(intra["dice"])


def test_one_mask_a_scan_is_no_pair():
    measured = several_masks(6)
    first = measured.covariates.index.str.endswith("_mask1")
    alone = replace(measured, covariates=measured.covariates[first])
    assert repeated_masks(alone) is None
    assert repeated_masks(rater_cohort()) is None


def test_several_people_who_drew_the_reference_are_no_one():
    measured = rater_cohort()
    half = pd.Series(["a", "b"] * 20, index=measured.covariates.index)
    mixed = replace(measured, covariates=measured.covariates.assign(rater=half))
    assert people_of(mixed)["reference"] == "reference"
