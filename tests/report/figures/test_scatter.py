import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.drawing.panels import case_urls
from neurotarget.report.figures.scatter import scatter_figure
from neurotarget.stats.cohort.learning import without_failed


def test_each_label_and_region_has_a_panel_with_its_agreement(study, texts):
    written = texts(scatter_figure(study))
    assert written.count("ICC(A,1) 0.900 [0.800, 0.950]") == 3
    assert written.count("r 0.930 [0.850, 0.970]") == 3
    assert {"anterior", "posterior", "total", "reference, mm³", "predicted, mm³"} <= {*written}
    assert "n = 22 (2 without both)" in written


def test_the_line_on_the_reference_is_drawn_with_its_slope(make_study, texts):
    study = make_study()
    rows = study.tables["agreement"]
    more = [
        rows.assign(statistic=f"reference_{of}", value=value, low=low, high=high)
        for of, value, low, high in (("slope", 0.6, 0.5, 0.7), ("intercept", 100.0, 50.0, 150.0))
    ]
    line = [table.drop_duplicates(["first", "second", "label"]) for table in more]
    study.tables["agreement"] = pd.concat([rows, *line], ignore_index=True)
    figure = scatter_figure(study)
    assert texts(figure).count("slope 0.600 [0.500, 0.700]") == 3
    panel = figure.axes[0]
    drawn = panel.lines[-1]
    ends = np.array(panel.get_xlim())
    assert drawn.get_xdata() == pytest.approx(ends)
    assert drawn.get_ydata() == pytest.approx(100 + 0.6 * ends)


def test_points_lie_where_the_volumes_are_and_link_to_their_cases(study):
    panel = scatter_figure(study).axes[0]
    women, men = panel.collections
    assert (len(women.get_offsets()), len(men.get_offsets())) == (11, 11)  # one of each failed
    known, _ = without_failed(study.measured)
    both = pd.DataFrame({name: table["anterior"] for name, table in known.values.items()})
    both = both[study.measured.covariates["sex"] == "F"].dropna()
    assert list(women.get_offsets()[0]) == pytest.approx(list(both.iloc[0]))
    assert women.get_urls()[0] == f"#case-{both.index[0]}"
    assert case_urls(["<script>$x$ a&b"]) == ["#case-%3Cscript%3E%24x%24%20a%26b"]
    assert panel.get_xlim() == panel.get_ylim()


def test_sexes_are_named_once(study, alone, with_covariates, texts):
    assert texts(scatter_figure(study)).count("women") == 1
    assert "women" not in texts(scatter_figure(with_covariates(study, sex=None)))


def test_an_agreement_that_could_not_be_estimated_says_why(study, undefined, make_study, texts):
    assert "ICC(A,1): constant volumes" in texts(scatter_figure(undefined(study)))
    written = texts(scatter_figure(make_study(without=["agreement"])))
    assert not [text for text in written if text.startswith("ICC")]


def test_without_a_second_method_or_a_shared_case_there_is_no_scatter(alone, study):
    assert scatter_figure(alone) is None
    apart = {
        name: volumes.iloc[:12] if name == "reference" else volumes.iloc[12:]
        for name, volumes in study.measured.values.items()
    }
    apart = {name: part.reindex(study.measured.covariates.index) for name, part in apart.items()}
    assert scatter_figure(replace(study, measured=study.measured.with_values(apart))) is None


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 3), (3, 4), (14, 12)])
def test_up_to_twelve_panels_are_drawn_and_none_overlaps(make_study, count, panels):
    figure = scatter_figure(make_study(labels=[f"a_long_name_of_region_{k}" for k in range(count)]))
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == panels
    boxes = [axes.get_tightbbox() for axes in drawn]
    page = figure.bbox
    assert all(box.x0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
