import numpy as np
import pandas as pd
import pytest

from neurotarget.report.figures.site_effects import sites_effects, sites_figure


def test_a_site_has_a_row_with_the_effect_within_and_without_it(study, texts):
    figure = sites_figure(study)
    within, without, volumes = figure.axes
    assert {"A (n = 8)", "B (n = 8)", "C (n = 8)"} <= {*texts(figure)}
    for panel, value in ((within, 70), (without, 72)):
        drawn = [line.get_xdata()[0] for line in panel.lines if line.get_marker() != "None"]
        assert drawn == [value] * 6  # two methods at three sites
    assert volumes.get_xlabel() == "volume, mm³"


def test_volumes_of_every_case_stand_in_the_row_of_its_site(study):
    volumes = sites_figure(study).axes[2]
    first = volumes.collections[0]  # reference, site A
    truth = study.measured.values["reference"]["total"]
    of_site = truth[study.measured.covariates["site"] == "A"]
    assert sorted(first.get_offsets()[:, 0]) == pytest.approx(sorted(of_site))
    assert (first.get_offsets()[:, 1] < 0.5).all()
    assert len(first.get_urls()) == 8


def test_the_effect_of_the_whole_cohort_is_a_line(study):
    within = sites_figure(study).axes[0]
    upright = [line.get_xdata()[0] for line in within.lines if len(set(line.get_xdata())) == 1
               and line.get_marker() == "None"]  # fmt: skip
    assert upright.count(75) == 2
    assert upright.count(0) == 1


def test_each_hypothesis_has_a_figure_of_its_own_label(make_study):
    study = make_study()
    others = study.tables["sites"].assign(label="anterior")
    study.tables["sites"] = pd.concat([others, study.tables["sites"]])
    assert sites_effects(study) == [("sex_difference", "total"), ("age_slope", "total")]
    assert sites_figure(study, 1).get_label() == "sites_2"
    assert sites_figure(study, 2) is None


def test_a_site_where_nothing_could_be_estimated_keeps_its_row(make_study):
    study = make_study()
    rows = study.tables["sites"]
    columns = ["estimate_within", "within_low", "within_high"]
    rows.loc[rows["site"] == "B", columns] = np.nan
    within = sites_figure(study).axes[0]
    heights = [line.get_ydata()[0] for line in within.lines if line.get_marker() != "None"]
    assert heights == pytest.approx([-0.18, 0.18, 1.82, 2.18])


def test_many_sites_fit(make_study, with_covariates, texts):
    sites = [f"a site with a rather long name {number}" for number in range(24)]
    study = with_covariates(make_study(), site=sites)
    rows = study.tables["sites"]
    parts = [rows[rows["site"] == "A"].assign(site=site) for site in sites]
    study.tables["sites"] = pd.concat(parts, ignore_index=True)
    figure = sites_figure(study)
    names = [text for text in figure.axes[0].texts if text.get_text().startswith("a site")]
    boxes = [text.get_window_extent() for text in names]
    assert len(boxes) == 24
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert all(box.x0 >= 0 and box.x1 <= figure.axes[0].bbox.x0 for box in boxes)


def test_one_site_or_nothing_estimated_gives_no_figure(make_study, undefined, study):
    one = make_study()
    one.tables["sites"] = one.tables["sites"][one.tables["sites"]["site"] == "A"]
    for some in (one, undefined(study), make_study(without=["sites"])):
        assert sites_effects(some) == []
        assert sites_figure(some) is None


def test_sites_that_are_numbers_find_their_cases(make_study, with_covariates):
    study = make_study()
    known = study.measured.covariates["site"].map({"A": 1, "B": 2, "C": 3})
    study = with_covariates(study, site=known)
    study.tables["sites"] = study.tables["sites"].replace({"site": {"A": "1", "B": "2", "C": "3"}})
    assert len(sites_figure(study).axes[2].collections) == 6
