import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.survival.concordance import harrell_pairs
from neurotarget.stats.survival.cox import NoFitError
from neurotarget.stats.survival.survival_errors import day_errors, survivor_class
from neurotarget.stats.survival.survival_folds import draw_folds, held_out, same_fold_pairs
from neurotarget.stats.survival.survival_models import fit_model

NO_DAYS = np.empty(0)


def left_out_days(days, terms, kind="linear"):
    event = np.ones(len(days))
    found = held_out(kind, days, event, terms, draw_folds(event, 0, 1, 0), NO_DAYS)
    return found.days[0]


@pytest.fixture(scope="module")
def brats(shared_data):
    """The 59 people of BraTS 2018 whose tumour was resected, with volumes and centroids."""
    folder = shared_data / "brats_tables"
    people = pd.read_csv(folder / "survival_brats2018_derived.csv")
    people = people[(people["in_2017_table"] == 1) & (people["ResectionStatus"] == "GTR")]
    features = pd.read_csv(folder / "brats2019_volumes_centroids_survival.csv")
    features = features.drop(columns=["Age", "Survival"])
    whole = people.merge(features, left_on="BraTS19ID", right_on="ID")
    return whole.assign(
        days=whole["Survival"].astype(float),
        core=np.linalg.norm(whole.filter(regex="Brain_enh_core_[XYZ]"), axis=1),
        tumour=np.linalg.norm(whole.filter(regex="Brain_tumor_core_[XYZ]"), axis=1),
    )


VOLUMES = ["Necrotic", "Edema", "Enhance"]


@pytest.mark.parametrize(
    ("terms", "rmse", "mse"),
    [
        ([], 342.3, None),
        (["Age"], 308.4, 95_083),
        (["Age", "core"], 314.6, 98_963),
        (["Age", "tumour"], 319.1, 101_819),
        (["Age", *VOLUMES], 325.7, 106_052),
        (["Age", "tumour", *VOLUMES], 341.4, 116_523),
        (["tumour"], 360.8, 130_181),
        (VOLUMES, 376.1, 141_417),
    ],
)
def test_brats_submissions_are_reproduced(brats, terms, rmse, mse):
    days = brats["days"].to_numpy()
    found = day_errors(days, left_out_days(days, brats[terms].to_numpy(float)))
    assert found.rmse_days == pytest.approx(rmse, abs=0.05)
    if mse:
        assert found.mse_days2 == pytest.approx(mse, abs=0.5)


def test_age_alone_in_brats(brats):
    days, terms = brats["days"].to_numpy(), brats[["Age"]].to_numpy(float)
    predicted = left_out_days(days, terms)
    found = day_errors(days, predicted)
    assert len(days) == 59
    assert found.accuracy == pytest.approx(0.424, abs=5e-4)
    assert found.median_absolute_days == pytest.approx(154, abs=0.5)
    assert harrell_pairs(days, np.ones(59), -predicted).value == pytest.approx(0.635, abs=5e-4)
    intercept, slope = fit_model("linear", days, np.ones(59), terms).coefficients
    assert (intercept, slope) == pytest.approx((1288.6, -14.23), abs=0.05)
    assert np.bincount(survivor_class(days)).tolist() == [21, 15, 23]


def test_distance_lowers_the_median_squared_error_only(brats):
    days = brats["days"].to_numpy()
    age, both = (
        day_errors(days, left_out_days(days, brats[names].to_numpy(float)))
        for names in (["Age"], ["Age", "tumour"])
    )
    assert age.median_squared_days2 == pytest.approx(23_677, abs=0.5)
    assert both.median_squared_days2 == pytest.approx(18_134, abs=0.5)
    assert both.mse_days2 > age.mse_days2


@pytest.mark.parametrize(
    ("file", "days", "status", "n", "expected"),
    [
        ("survival_brats2019.csv", "Survival", "ResectionStatus", 101, (307.0, 0.485, 0.662)),
        ("survival_brats2020.csv", "Survival_days", "Extent_of_Resection", 119,
         (315.2, 0.445, 0.639)),
    ],
)  # fmt: skip
def test_age_alone_in_later_years(shared_data, file, days, status, n, expected):
    table = pd.read_csv(shared_data / "brats_tables" / file)
    numbers = pd.to_numeric(table[days].astype(str).str.extract(r"^(\d+)$")[0])
    keep = (table[status] == "GTR") & numbers.notna()
    observed, age = numbers[keep].to_numpy(float), table.loc[keep, ["Age"]].to_numpy(float)
    predicted = left_out_days(observed, age)
    found = day_errors(observed, predicted)
    c = harrell_pairs(observed, np.ones(len(observed)), -predicted).value
    assert len(observed) == n
    assert (found.rmse_days, found.accuracy, c) == pytest.approx(expected, abs=0.05)
    assert (found.accuracy, c) == pytest.approx(expected[1:], abs=5e-4)


def test_leaving_one_out_gives_the_mean_a_c_of_0():
    days, terms = np.arange(1.0, 21), np.empty((20, 0))
    assert harrell_pairs(days, np.ones(20), -left_out_days(days, terms)).value == 0


def test_pairs_within_folds_give_the_mean_a_c_of_one_half():
    days, event, terms = np.arange(1.0, 21), np.ones(20), np.empty((20, 0))
    fold = draw_folds(event, 5, 3, 0)
    found = held_out("linear", days, event, terms, fold, NO_DAYS)
    pairs = [harrell_pairs(days, event, row) for row in found.score]
    assert same_fold_pairs(pairs, fold).value == pytest.approx(0.5)
    assert harrell_pairs(days, event, found.score[0]).value < 0.5


def test_folds_share_the_events():
    event = np.array([1.0] * 6 + [0.0] * 9)
    for folds in draw_folds(event, 3, 4, 0):
        assert np.bincount(folds).tolist() == [5, 5, 5]
        assert np.bincount(folds[event == 1]).tolist() == [2, 2, 2]


def test_a_held_out_value_has_no_part_in_its_own_prediction():
    random = np.random.default_rng(0)
    days, event, terms = random.exponential(size=30), np.ones(30), random.normal(size=(30, 2))
    fold = draw_folds(event, 5, 2, 0)
    for kind in ("cox", "linear", "forest"):
        before = held_out(kind, days, event, terms, fold, np.array([1.0]))
        changed = days.copy()
        changed[3] *= 9
        after = held_out(kind, changed, event, terms, fold, np.array([1.0]))
        same = fold == fold[:, [3]]
        assert (before.score[same] == after.score[same]).all()
        assert (before.score[~same] != after.score[~same]).any()


def test_a_fold_without_events_outside_is_counted():
    event = np.array([1.0, 0, 0, 0])
    found = held_out("cox", np.arange(1.0, 5), event, np.ones((4, 0)),
                     np.array([[0, 0, 1, 1]]), np.array([2.0]))  # fmt: skip
    assert found.reasons == ("no person has the event",)
    assert np.isnan(found.score[0]).tolist() == [True, True, False, False]


def test_days_of_censored_people_are_not_guessed():
    with pytest.raises(NoFitError, match="predicted days need the event of every person"):
        fit_model("linear", np.ones(3), np.array([1.0, 0, 1]), np.arange(3.0)[:, None])
