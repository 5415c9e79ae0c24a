"""Rows of a cohort segmented by two raters and a network, with known effects."""

from functools import cache

import numpy as np
import pandas as pd

from neurotarget.stats.cohort.measured import Measured, from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.study.results import Study
from neurotarget.types import Row, Target

GAP_PPM, SLOPE_PPM = 0.03, 0.0005  # per year
HYPOTHESES = {
    "nuclei_smaller": "volume ~ group + age: patient < control",
    "susceptibility": {
        "claim": "mean_qsm ~ group + age: patient > control",
        "expected": GAP_PPM,
        "source": "planted",
    },
    "iron_with_age": "mean_qsm[left] ~ age + group: positive",
}
TARGET = Target(
    "nuclei",
    ("qsm",),
    {"left": 1, "right": 2},
    (1, 1, 1),
    (8, 8, 8),
    pairs=(("left", "right"),),
    hypotheses=HYPOTHESES,
    units={"qsm": "ppm"},
)
DICE = {
    "dice": 0.9,
    "dice@rater2": 0.84,
    "dice@again": 0.89,
    "rater_dice@rater2": 0.83,
    "rater_dice@again": 0.93,
    "rater_dice@rater2@again": 0.82,
}


def rater_rows(n: int = 40, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and covariates of `n` people; every fifth was not drawn by rater2, case 3 failed."""
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for number in range(n):
        case, is_patient = f"c{number:02}", number % 2 == 1
        age = float(rng.uniform(20, 70))
        people.append((case, case, age, "patient" if is_patient else "control", 1500.0 + number))
        for label in ("left", "right"):
            truth = 800 - 250 * is_patient + rng.normal(0, 60)
            chi = 0.1 + GAP_PPM * is_patient + SLOPE_PPM * (age - 45) + rng.normal(0, 0.008)
            found = _case(rng, truth, chi, lacks=number % 5 == 0, failed=number == 3)
            rows += [Row(case, case, "test", label, name, value, "") for name, value in found]
    columns = ["case_id", "subject_id", "age", "group", "tiv_ml"]
    table = pd.DataFrame(people, columns=columns).set_index("case_id")
    return pd.DataFrame(rows, columns=list(Row._fields)), table


def _case(rng, truth, chi, *, lacks, failed):
    scatter = {"": 0, "pred": 20, "@rater2": 45, "@again": 15}
    volumes = {name: truth + rng.normal(0, sd) if sd else truth for name, sd in scatter.items()}
    means = {name: chi + rng.normal(0, 0.002) for name in scatter}
    found = {"volume_mm3": volumes.pop("pred"), "mean_qsm": means.pop("pred")}
    found |= {f"reference_volume_mm3{name}": value for name, value in volumes.items()}
    found |= {f"reference_mean_qsm{name}": value for name, value in means.items()}
    found |= {name: value + rng.normal(0, 0.01) for name, value in DICE.items()}
    if failed:
        found |= {name: 0.0 for name in DICE if not name.startswith("rater")}
        found |= {"volume_mm3": np.nan, "mean_qsm": np.nan}
    found |= {"failed": float(failed)}
    return [item for item in found.items() if not (lacks and "rater2" in item[0])]


def rater_cohort(n: int = 40, seed: int = 0) -> Measured:
    """The same as volumes, means and scores."""
    rows, covariates = rater_rows(n, seed)
    return from_rows(rows, TARGET, covariates)


@cache
def rater_study() -> Study:
    """The cohort as `analyse` computes it, once for all tests, which change none of its tables."""
    return analyse(rater_cohort())


def several_masks(n: int) -> Measured:
    """`n` scans, each with two masks by A, SD 10 mm³ apart from the truth, and one by B, SD 30."""
    rng = np.random.default_rng(1)
    rows, people = [], []
    for number in range(n):
        truth = rng.normal(800, 60)
        for mask, (rater, sd) in enumerate((("A", 10), ("B", 30), ("A", 10)), start=1):
            case, person = f"c{number:02}_mask{mask}", f"c{number:02}"
            people.append((case, person, rater))
            rows += [
                Row(case, person, "", label, "reference_volume_mm3", truth + rng.normal(0, sd), "")
                for label in ("left", "right")
            ]
    table = pd.DataFrame(people, columns=["case_id", "subject_id", "rater"]).set_index("case_id")
    return from_rows(pd.DataFrame(rows, columns=list(Row._fields)), TARGET, table)
