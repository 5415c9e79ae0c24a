"""ComBat within folds: it is fitted to the cases of a training fold, and to no others."""

import numpy as np

from neurotarget.stats.core.combat import Combat
from neurotarget.stats.radiomics.chain import ChainSettings, Columns
from neurotarget.stats.radiomics.feature_steps import SiteEffects
from neurotarget.stats.radiomics.radiomic_arms import left_out_scores
from neurotarget.stats.radiomics.radiomics_outcome import Outcome

N, F = 60, 4
SITE = np.arange(N) % 2 * 1.0
FOLD = (np.arange(N) // 2 % 3)[None, :]
SETTINGS = ChainSettings(harmonise=True, most=F, correlation=1.0)


def cases(shift=3.0):
    """Cases of two sites, of which the second adds `shift` to every feature."""
    random = np.random.default_rng(0)
    y = (random.random(N) < 0.5).astype(float)
    image = random.normal(size=(N, F)) + y[:, None] + shift * SITE[:, None]
    return np.column_stack([SITE, image]), Outcome(y, np.arange(N))


def scores(rows, outcome, settings=SETTINGS):
    return left_out_scores(settings, Columns(0, F), rows, outcome, FOLD).score[0]


def test_a_person_left_out_does_not_change_the_predictions_of_the_others_left_out():
    rows, outcome = cases()
    before = scores(rows, outcome)
    odd = int(np.flatnonzero(FOLD[0] == 0)[0])
    rows[odd, 1:] += 1000
    others = (FOLD[0] == 0) & (np.arange(N) != odd)
    assert (scores(rows, outcome)[others] == before[others]).all()
    first = SiteEffects().fit(rows).transform(rows)  # fitted to everybody, before the folds
    leaking = scores(np.column_stack([SITE, first]), outcome)
    assert (np.abs(leaking[others] - before[others]) > 1e-6).all()


def test_combat_is_fitted_to_the_cases_of_a_training_fold_only(monkeypatch):
    rows, outcome = cases()
    numbers = {value: case for case, value in enumerate(rows[:, 1])}
    seen, fit = [], Combat.fit

    def spy(values, *given, **settings):
        seen.append({numbers[value] for value in values[:, 0]})
        return fit(values, *given, **settings)

    monkeypatch.setattr(Combat, "fit", spy)
    scores(rows, outcome)
    training = [set(np.flatnonzero(FOLD[0] != number)) for number in range(3)]
    inner = len(seen) // 3  # those that choose the penalty, and the fit of the whole fold
    assert inner > 1
    for place, cases_seen in enumerate(seen):
        assert cases_seen <= training[place // inner]
    assert [one in seen for one in training] == [True] * 3


def test_offsets_of_sites_are_removed_from_people_left_out():
    changes = []
    for settings in (SETTINGS, ChainSettings(most=F, correlation=1.0)):
        level, shifted = (scores(*cases(shift), settings) for shift in (0.0, 50.0))
        changes.append(np.abs(shifted - level).mean())
    assert changes[0] < 0.03  # the estimated offsets are shrunk, so that little is left
    assert changes[1] > 5 * changes[0]
