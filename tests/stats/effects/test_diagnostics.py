import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from neurotarget.report.figures.residuals import residuals_figure
from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.diagnostics import COLUMNS, residuals_table
from neurotarget.stats.effects.effects import effects_table
from neurotarget.stats.study.analysis import analyse
from neurotarget.types import Target
from oracles.cohorts import cohort

CLAIMS = {"age": "volume ~ age + sex: negative", "sex": "volume: F > M"}


def a_study(volumes, table, **others):
    target = Target("gland", ["t1"], {"gland": 1}, [1] * 3, [8] * 3, hypotheses=CLAIMS)
    tables = {
        name: pd.DataFrame({"gland": values}, index=table.index)
        for name, values in {"reference": volumes, **others}.items()
    }
    scores = pd.DataFrame(columns=["case_id", "label", "metric", "value"])
    return Measured(target, of_volumes(tables), table.drop(columns="site"), scores, "reference")


def residuals(measured):
    return residuals_table(measured, effects_table(measured))


def test_residuals_are_those_of_the_model_and_dfbeta_is_that_of_leaving_out():
    volumes, table = cohort(n=30)
    frame = table.assign(volume=volumes)
    found = residuals(a_study(volumes, table)).set_index(["hypothesis", "subject_id"])
    whole = smf.ols("volume ~ age + C(sex)", frame).fit()
    own = found.loc["age"]
    assert own["residual"].to_numpy() == pytest.approx(whole.resid.to_numpy())
    assert own["fitted"].to_numpy() == pytest.approx(whole.fittedvalues.to_numpy())
    for case in table.index[:4]:
        less = smf.ols("volume ~ age + C(sex)", frame.drop(index=case)).fit()
        moved = (whole.params["age"] - less.params["age"]) / whole.bse["age"]
        assert own.loc[case, "dfbeta"] == pytest.approx(moved)
    assert own["leverage"].sum() == pytest.approx(3)  # the model's terms


def test_a_far_volume_is_named_in_the_figure():
    volumes, table = cohort(n=30)
    volumes.iloc[7] += 2000
    study = analyse(a_study(volumes, table))
    rows = study.tables["residuals"].set_index(["hypothesis", "subject_id"])
    assert rows.loc["age"]["residual"].idxmax() == table.index[7]
    figure = residuals_figure(study)
    names = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert table.index[7] in names


def test_what_has_no_estimate_has_no_residuals():
    volumes, table = cohort(n=30)
    study = a_study(volumes * 0 + 500, table)
    found = residuals(study)
    assert (len(found), list(found.columns)) == (0, list(COLUMNS))
    noise = pd.Series(np.random.default_rng(0).permutation(volumes.to_numpy()), volumes.index)
    assert set(residuals(a_study(volumes, table, predicted=noise))["method"]) == {"reference"}
