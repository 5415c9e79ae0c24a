import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from neurotarget.stats.survival.cox import NoFitError, fit_cox, proportionality


@pytest.fixture
def cohort():
    random = np.random.default_rng(3)
    terms = random.normal(size=(120, 3)) * [1, 20, 0.1] + [0, 60, 0]
    hazard = np.exp(terms @ [0.5, 0.04, -2.0])
    days = np.ceil(300 * random.exponential(size=120) / hazard * np.exp(2.4))
    ends = np.ceil(random.uniform(20, 400, size=120))
    return np.minimum(days, ends), (days <= ends).astype(float), terms


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_fit_agrees_with_statsmodels(cohort, ties):
    days, event, terms = cohort
    other = PHReg(days, terms, status=event, ties=ties).fit()
    mine = fit_cox(days, event, terms, ties=ties)
    assert mine.coefficients == pytest.approx(other.params, rel=1e-5)
    assert mine.errors == pytest.approx(other.bse, rel=1e-5)
    assert mine.log_likelihood == pytest.approx(other.llf)


def test_a_risk_is_the_share_with_the_event_where_no_term_differs(cohort):
    days, event, _ = cohort
    fit = fit_cox(days, event, np.empty((len(days), 0)))
    nelson = [((days == day) & (event == 1)).sum() / (days >= day).sum()
              for day in np.unique(days[event == 1]) if day <= 100]  # fmt: skip
    assert fit.risk(np.empty((1, 0)), 100) == pytest.approx(1 - np.exp(-sum(nelson)))
    assert fit.risk(np.empty((1, 0)), 0) == 0


def test_a_hazard_that_changes_with_time_is_found():
    random = np.random.default_rng(0)
    group = random.integers(0, 2, 300)
    late = 200 + random.exponential(size=300) * np.where(group, 40, 400)
    days = np.ceil(np.where(random.random(300) < np.where(group, 0.1, 0.5),
                            random.uniform(1, 200, 300), late))  # fmt: skip
    terms = np.column_stack([group, random.normal(size=300)])
    p = proportionality(days, np.ones(300), terms, fit_cox(days, np.ones(300), terms))
    assert p[0] < 1e-6 < 0.01 < p[1]


@pytest.mark.parametrize(
    ("event", "terms", "reason"),
    [
        ([0, 0, 0, 0], [[1], [2], [3], [4]], "no person has the event"),
        ([1, 1, 1, 0], [[2], [2], [2], [2]], "term 1 does not vary"),
        ([1, 1, 1, 1], [[1, 2], [2, 4], [0, 0], [3, 6]], "depends on the others"),
        ([1, 1, 0, 0], [[4], [3], [2], [1]], "separates those with the event"),
    ],
)
def test_a_model_without_a_maximum_is_refused(event, terms, reason):
    with pytest.raises(NoFitError, match=reason):
        fit_cox(np.arange(1.0, 5), np.array(event, float), np.array(terms, float))
